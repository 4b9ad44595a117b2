"""FeatureStore against real services: what a user of the feature store does, over gRPC."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import featurama
from featurama.client import reading
from featurama.errors import Conflict, FailedPrecondition, InvalidInput, Reason, Unknown
from featurama_core.types.schema import FeatureDefinition, FeatureGroup, FeatureService, Use
from featurama_core.types.values import Status, ValueType
from featurama_core.types.writes import Outcome

SECOND = 1_000_000


@pytest.fixture
async def client(online_at, ingest_at, namespace):
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace, timeout=30
    ) as client:
        yield client


def just_now() -> int:
    return time.time_ns() // 1_000 - 60 * SECOND


async def test_many_definitions_are_registered_at_once(client, unique):
    """2,500 features before their group: the client cuts the list, and what is named is sent first."""
    group = FeatureGroup(unique("crowd"), description="x" * 4_000)
    features = [FeatureDefinition(unique(f"f{number}"), ValueType.INT, group=group.name) for number in range(2_500)]
    stored = await client.register([*features, group])
    assert [*features, group] == stored
    assert len(await client.list_features(group=group.name)) == 2_500
    with pytest.raises(Conflict, match=f"{features[1].name}@1.* another value_type"):
        await client.register([features[0], replace(features[1], value_type=ValueType.TEXT)])


async def test_definitions_are_restored_and_deleted(client, unique):
    """What uses one is listed, and keeps it."""
    speed, view = unique("speed"), unique("view")
    await client.register_feature(speed, "double")
    await client.register_feature_service(view, [speed])
    assert await client.uses(FeatureDefinition, speed) == [Use("feature service", view, f"{speed}@1")]
    with pytest.raises(FailedPrecondition, match=view) as refused:
        await client.delete_definition(FeatureDefinition, speed, 1)
    assert refused.value.reason is Reason.DEFINITION_USED
    assert (await client.deprecate_feature_service(view)).deprecated
    assert not (await client.restore(FeatureService, view)).deprecated
    await client.delete_definition(FeatureService, view)
    assert (await client.delete_definition(FeatureDefinition, speed, 1)).name == speed
    with pytest.raises(Unknown):
        await client.uses(FeatureDefinition, speed)


async def test_definitions_and_entities_make_the_round_trip(client, unique):
    """Registered through ingest, read through online; the same again changes nothing, another is refused."""
    planet, traffic, level, model = unique("planet"), unique("traffic"), unique("level"), unique("model")
    await client.register_entity_type(planet, "A world")
    group = await client.register_feature_group(traffic, planet, ttl="7d")
    feature = await client.register_feature(level, "vector[3]", "How full", tags=["road"], group=traffic)
    assert (feature.entity_type, feature.type_text, feature.tags) == (planet, "vector[3]", ("road",))
    assert await client.define(feature) == feature
    with pytest.raises(Conflict):
        await client.register_feature(level, "double", group=traffic)
    service = await client.register_feature_service(model, [level])
    assert service.features == (f"{level}@1",)
    assert (await client.get_feature_group(traffic)).ttl == group.ttl == 7 * 86_400 * SECOND
    assert await client.list_features(group=traffic) == [feature]
    assert planet in [each.name for each in await client.list_entity_types()]
    assert (await client.deprecate_feature_service(model)).deprecated

    mars = await client.register_entity(unique("mars"), planet, "Mars", {"moons": 2, "ratio": 0.5})
    assert await client.get_entity(mars.entity_id) == mars
    assert mars.metadata == '{"moons": 2, "ratio": 0.5}'
    assert await client.list_entities(planet) == [mars]


async def test_lists_longer_than_a_page_come_whole(client, unique):
    """And more entities than a call takes are registered in several."""
    kind = unique("robot")
    await client.register_entity_type(kind)
    robots = [featurama.Entity(f"{kind}_{number:05d}", kind) for number in range(1_050)]
    stored = await client.register_entities(robots)
    assert [each.entity_id for each in stored] == [each.entity_id for each in robots]
    assert {each.entity_id for each in await client.list_entities(kind)} == {each.entity_id for each in robots}


async def test_a_wide_frame_is_streamed_and_read_back(client, unique):
    """Chunks of 100 rows; statuses, nulls and event times come back as written; progress is told to the end."""
    speed, name = unique("speed"), unique("name")
    await client.register_feature(speed, "double")
    await client.register_feature(name, "text")
    ids = [unique(f"e{row}") for row in range(950)]
    times = pd.to_datetime(np.full(950, just_now()) + np.arange(950), unit="us", utc=True)
    frame = pd.DataFrame({
        "entity_id": ids, "timestamp": times, speed: np.arange(950.0), name: [None] + ["x"] * 949
    })  # fmt: skip
    told: list[tuple[int, int]] = []
    report = await client.write_features(frame, batch_size=100, progress=lambda *each: told.append(each))
    assert (report.accepted, report.rejected, report.unknown) == (950, 0, 0)
    assert told[-1] == (950, 950)
    assert len(told) == 10

    got = await client.get_online_features([*ids[:2], unique("nobody")], [speed, name])
    assert got.to_dict(statuses=True)[f"{name}__status"] == ["NULL_VALUE", "PRESENT", "NOT_FOUND"]
    assert got.to_dict()[speed] == [0.0, 1.0, None]
    assert got.columns[0].event_time.tolist()[:2] == [int(each.value // 1_000) for each in times[:2]]
    without = await client.get_online_features(ids[:1], [speed], event_times=False)
    assert without.columns[0].event_time.tolist() == [0]


async def test_verdicts_name_the_rows_of_the_frame(client, unique):
    """Bad rows of any chunk cost only themselves."""
    speed = unique("speed")
    await client.register_feature(speed, "int")
    frame = {
        "entity_id": [unique(f"e{row}") for row in range(30)],
        "timestamp": [just_now()] * 30,
        speed: [1.5 if row in (7, 23) else row for row in range(30)],
    }
    report = await client.write_features(frame, batch_size=10, time_unit="us")
    assert (report.accepted, report.rejected) == (28, 2)
    assert [(v.row, v.outcome, v.reason) for v in report] == [
        (7, Outcome.REJECTED, Reason.TYPE_MISMATCH),
        (23, Outcome.REJECTED, Reason.TYPE_MISMATCH),
    ]


async def test_history_point_in_time_and_deletion(client, unique):
    """The newest first, a correction beside its winner; label columns are carried; after a deletion nothing is left."""
    speed, entity = unique("speed"), unique("fry")
    await client.register_feature(speed, "double")
    start = just_now()
    long = {"entity_id": [entity] * 3, "feature_name": [speed] * 3, "timestamp": [start, start + 1, start + 2]}
    await client.write_features({**long, "value": [1.0, 2.0, 3.0]}, time_unit="us")
    await client.write_features({"entity_id": [entity], "timestamp": [start], speed: [1.5]}, time_unit="us")
    assert (await client.get_feature_history(entity, speed)).to_dict()["value"] == [3.0, 2.0, 1.5]
    assert (await client.get_feature_history(entity, speed, limit=1)).to_dict()["value"] == [3.0]
    every = await client.get_feature_history(entity, speed, end_time=start, corrections=True)
    assert every.to_dict()["value"] == [1.5, 1.0]
    page = await client.page_feature_history(entity, speed, page_size=2)
    assert len(page) == 2
    assert (await client.page_feature_history(entity, speed, page_size=2, page_token=page.next_page)).next_page == ""

    labels = pd.DataFrame(
        {
            "late": ["a", "b"],
            "entity_id": [entity] * 2,
            "timestamp": pd.to_datetime([start + 1, start - 1], unit="us", utc=True),
        }
    )
    got = (await client.get_historical_features(labels, [speed])).to_pandas()
    assert got.columns.tolist() == ["late", "entity_id", "timestamp", speed]
    assert got[speed].tolist()[0] == 2.0
    assert got[speed].isna().tolist() == [False, True]

    assert (await client.get_all_features(entity)).to_dict()[speed] == [3.0]
    deletion = await client.delete_feature_values(entity, [speed])
    assert deletion.deleted_through >= start + 2
    again = await client.get_online_features([entity], [speed])
    assert again.columns[0].status.tolist() == [Status.NOT_FOUND]
    with pytest.raises(Unknown) as unknown:
        await client.get_all_features(entity)
    assert unknown.value.reason is Reason.UNKNOWN_ENTITY


async def test_what_is_above_a_calls_limit_is_split_and_joined_in_order(client, unique, monkeypatch):
    """Ids, and label rows; versions are pinned to those of the first part."""
    monkeypatch.setattr(reading, "MAX_ONLINE_ENTITIES", 7)
    monkeypatch.setattr(reading, "MAX_LABEL_ROWS", 7)
    speed = unique("speed")
    await client.register_feature(speed, "int")
    ids = [unique(f"e{row}") for row in range(30)]
    await client.write_features(
        {"entity_id": ids, "timestamp": [just_now()] * 30, speed: list(range(30))}, time_unit="us"
    )
    asked = [*ids[::-1], ids[0]]
    online = await client.get_online_features(asked, [speed])
    assert online.to_dict() == {"entity_id": asked, speed: [*range(29, -1, -1), 0]}
    assert online.columns[0].reference == f"{speed}@1"
    past = await client.get_historical_features(asked, [speed])
    assert past.to_dict()[speed] == [*range(29, -1, -1), 0]


async def test_a_write_in_columns_is_sent_again_with_its_id_to_no_effect(client, unique):
    """A request made once may be sent any number of times."""
    speed, entity = unique("speed"), unique("fry")
    await client.register_feature(speed, "double")
    column = featurama.Column(
        speed, featurama.ValueType.DOUBLE, np.array([1.0]), np.array([1], np.uint8), np.zeros(1, np.int64)
    )
    first = await client.write(featurama.WriteRequest([entity], np.array([just_now()]), [column]))
    request = featurama.WriteRequest([entity], np.array([just_now()]), [column], request_id=first.request_id)
    again = await client.write(request)
    assert again.request_id == first.request_id
    assert again.accepted == 1


async def test_errors_are_those_of_the_store(client, unique, online_at, namespace):
    """Class, reason and field survive the wire."""
    with pytest.raises(Unknown) as unknown:
        await client.get_online_features(["a"], [unique("nothing")])
    assert unknown.value.reason is Reason.UNKNOWN_FEATURE
    with pytest.raises(InvalidInput) as invalid:
        await client.get_online_features(["a\x00"], [unique("nothing")])
    assert invalid.value.reason is Reason.INVALID_ENTITY_ID
    for features, service in ((None, None), (["a"], "b")):
        with pytest.raises(InvalidInput):
            await client.get_online_features(["a"], features, service=service)
    with pytest.raises(InvalidInput) as empty:
        await client.get_online_features([], ["a"])
    assert empty.value.reason is Reason.EMPTY_REQUEST
    with pytest.raises(Unknown) as model:
        await client.predict(["a"], model=unique("model"))
    assert model.value.reason is Reason.UNKNOWN_MODEL
    async with featurama.connect(f"grpc://{online_at.address}", namespace=namespace) as reader:
        with pytest.raises(FailedPrecondition) as served:
            await reader.register_entity_type(unique("planet"))
        assert served.value.reason is Reason.SERVED_BY_INGEST
    async with featurama.connect(f"grpc://{online_at.address}", namespace="nowhere") as lost:
        with pytest.raises(Unknown) as nowhere:
            await lost.list_features()
        assert nowhere.value.reason is Reason.UNKNOWN_NAMESPACE


async def test_a_frame_for_an_unknown_namespace_is_refused_as_a_whole(online_at, ingest_at, unique):
    """Streamed or not, the error is raised: nothing was stored."""
    frame = {"entity_id": ["a", "b"], "timestamp": [just_now(), just_now()], "speed": [1.0, 2.0]}
    async with featurama.connect(
        f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace="nowhere"
    ) as client:
        for batch_size in (1, 1_000):
            with pytest.raises(Unknown) as unknown:
                await client.write_features(frame, batch_size=batch_size, time_unit="us")
            assert unknown.value.reason is Reason.UNKNOWN_NAMESPACE


async def test_a_page_of_a_history_belongs_to_its_request(either_store, unique):
    """Another entity, feature, version, range, limit or kind of page is refused; only the page size may change."""
    speed, other, entity = unique("speed"), unique("other"), unique("fry")
    for version in (1, 2):
        await either_store.register_feature(speed, "double", version=version)
    await either_store.register_feature(other, "double")
    start = just_now()
    for name in (speed, other):
        frame = {"entity_id": [entity] * 4, "timestamp": [start, start + 1, start + 2, start + 3]}
        await either_store.write_features(frame | {name: [1.0, 2.0, 3.0, 4.0]}, time_unit="us")
    asked = {"entity_id": entity, "feature_name": speed, "start": start, "end": start + 3, "limit": 3}
    first = await either_store.page_feature_history(**asked, page_size=1)
    for change in (
        {"entity_id": unique("leela")},
        {"feature_name": other},
        {"feature_name": f"{speed}@1"},
        {"start": start + 1},
        {"start": None},
        {"end": start + 2},
        {"limit": 4},
        {"limit": None},
        {"corrections": True},
    ):
        with pytest.raises(InvalidInput) as refused:
            await either_store.page_feature_history(**asked | change, page_size=1, page_token=first.next_page)
        assert Reason.INVALID_PAGE_TOKEN == refused.value.reason, change
    pinned = asked | {"feature_name": f"{speed}@2"}
    for same in (asked, pinned):
        rest = await either_store.page_feature_history(**same, page_size=9, page_token=first.next_page)
        assert ([3.0, 2.0], "") == (rest.column.to_list(), rest.next_page)
