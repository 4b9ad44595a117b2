"""Changing definitions over gRPC, with the client and with the messages of the contract."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest

import featurama
from featurama.errors import Conflict, FailedPrecondition, Reason
from featurama.v1 import registry_service_pb2 as pb
from featurama_core.types.revisions import revisions
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import DAY, MIN_TIME, SECOND

from .servers import refusal_of

HOUR = 3_600 * SECOND


@pytest.fixture
async def client(online_at, ingest_at, namespace):
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace, timeout=30
    ) as client:
        yield client


async def test_a_client_changes_definitions_and_reads_their_revisions(client, unique):
    """Every field that may change; with number, start and earlier revisions."""
    group, speed = unique("group"), unique("speed")
    await client.register_feature_group(group, ttl="1h", description="first")
    await client.register_feature(speed, "double", group=group, tags=["old"])
    begun = time.time_ns() // 1_000
    await client.update_feature_group(group, ttl=None, description="", expected_revision=1)
    made = await client.update_feature_group(group, ttl="2h", buckets=4)
    every = revisions(made)
    assert [(1, HOUR, "first", 1), (2, None, "", 1), (3, 2 * HOUR, "", 4)] == [
        (each.revision, each.ttl, each.description, each.buckets) for each in every
    ]
    assert every[0].start == MIN_TIME
    assert begun + 10 * SECOND < every[1].start < every[2].start
    changed = await client.update_feature(speed, 1, tags=[], owner="Amy")
    assert ((), "Amy", 2) == (changed.tags, changed.owner, changed.revision)
    # A list is read anew; a server may keep a single definition for two seconds.
    (listed,) = await client.list_features(group=group)
    assert [("old",), ()] == [each.tags for each in revisions(listed)]
    with pytest.raises(Conflict) as refused:
        await client.update_feature(speed, 1, owner="Fry", expected_revision=1)
    assert Reason.REVISION_CONFLICT == refused.value.reason


async def test_a_client_looks_what_a_lower_retention_removes(client, unique):
    """A dry run, a refusal, and a confirmed change."""
    group, speed, fry = unique("group"), unique("speed"), unique("fry")
    await client.register_feature_group(group)
    await client.register_feature(speed, "int", group=group)
    now = time.time_ns() // 1_000
    await client.write_features(
        {"entity_id": [fry] * 3, "timestamp": [now - 3 * DAY, now - 2 * DAY, now - HOUR], speed: [1, 2, 3]},
        time_unit="us",
    )
    assert 2 == await client.retention_loss(group, "1d")
    with pytest.raises(FailedPrecondition, match="removes 2 values") as refused:
        await client.update_feature_group(group, retention="1d")
    assert Reason.VALUES_LOST == refused.value.reason
    assert DAY == (await client.update_feature_group(group, retention="1d", confirmed=True)).retention


async def test_the_code_of_a_concurrent_change_is_aborted(ingest, namespace, unique):
    """A foreign client names the fields in a mask; others of the message are ignored."""
    group = unique("group")
    await ingest.registry.RegisterFeatureGroup(
        pb.RegisterFeatureGroupRequest(namespace=namespace, feature_group={"name": group, "ttl": {"seconds": 60}})
    )
    request = pb.UpdateDefinitionRequest(
        namespace=namespace,
        definition={"feature_group": {"name": group, "description": "about", "buckets": 8}},
        update_mask={"paths": ["description"]},
        expected_revision=1,
    )
    made = (await ingest.registry.UpdateDefinition(request)).definition.feature_group
    assert (made.revision, made.description, made.ttl.seconds, made.buckets) == (2, "about", 60, 1)
    assert made.start_time.seconds > time.time() + 5
    assert [each.description for each in made.earlier] == [""]
    request.definition.feature_group.description = "other"
    refusal = await refusal_of(ingest.registry.UpdateDefinition(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "REVISION_CONFLICT")


async def test_a_set_through_servers_names_the_revisions_of_its_ttls(client, unique, tmp_path: Path):
    """Those in force at the first answer; a read may pin them."""
    group, other, speed, home, fry = (unique(each) for each in ("group", "other", "speed", "home", "fry"))
    await client.register_feature_group(group, ttl="1h")
    await client.register_feature_group(other)
    await client.register_feature(speed, "int", group=group)
    await client.register_feature(home, "text", group=other, references="entity")
    now = time.time_ns() // 1_000
    await client.write_features(
        {"entity_id": [fry], "timestamp": [now - 60 * SECOND], speed: [1], home: [fry]}, time_unit="us"
    )
    await client.update_feature_group(group, ttl="2h")  # starts after the set is built
    made = await client.training_set({"entity_id": [fry], "timestamp": [now]}, [f"{home}.{speed}"], time_unit="us")
    manifest = await made.write(tmp_path / "set")
    assert {group: 1, other: 1} == manifest.request["ttl_revisions"]
    read = await client.get_online_features([fry], [speed], ttl_revisions={group: 1})
    assert [1] == read.columns[0].to_list()


async def test_kinds_of_definitions_have_revisions_in_lists(client, unique):
    """The newest first of all, its earlier ones with it."""
    group, speed = unique("group"), unique("speed")
    await client.register_feature_group(group)
    await client.register_feature(speed, "int", group=group)
    await client.update_definition(FeatureGroup, group, changes={"description": "a"})
    await client.update_definition(FeatureDefinition, speed, 1, changes={"description": "b"})
    (listed,) = [each for each in await client.list_feature_groups() if each.name == group]
    assert ["", "a"] == [each.description for each in revisions(listed)]
    (feature,) = await client.list_features(group=group)
    assert ["", "b"] == [each.description for each in revisions(feature)]
