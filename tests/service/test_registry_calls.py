"""RegistryService over real gRPC: ingest serves it whole, online its reading calls."""

from __future__ import annotations

import grpc
import pytest

from featurama.v1 import columns_pb2, definitions_pb2
from featurama.v1 import registry_service_pb2 as pb

from .requests import DOUBLE, TEXT, VECTOR, register_feature
from .servers import refusal_of

WRITING = sorted(
    method.name
    for method in pb.DESCRIPTOR.services_by_name["RegistryService"].methods
    if method.name.startswith(("Register", "Deprecate", "Restore", "Delete"))
)


async def test_a_group_and_its_features_are_registered_read_and_deprecated(online, ingest, namespace, unique):
    """Entity type, group with ttl, a vector feature; both services read the same; deprecation shows."""
    kind, group, name = unique("planet"), unique("weather"), unique("embedding")
    await ingest.registry.RegisterEntityType(
        pb.RegisterEntityTypeRequest(namespace=namespace, entity_type={"name": kind, "description": "a world"})
    )
    made = await ingest.registry.RegisterFeatureGroup(
        pb.RegisterFeatureGroupRequest(
            namespace=namespace,
            feature_group=definitions_pb2.FeatureGroup(
                name=group, entity_type=kind, ttl={"seconds": 60}, retention={"seconds": 3_600}, buckets=4
            ),
        )
    )
    feature = await register_feature(
        ingest,
        namespace,
        name,
        VECTOR,
        vector_length=3,
        group=group,
        tags=["nice", "new"],
        owner="zoidberg",
        description="what the sky is like",
    )

    assert made.feature_group.ttl.seconds == 60
    assert made.feature_group.created_time.seconds > 0
    assert (feature.entity_type, feature.group, feature.version) == (kind, group, 1)
    for client in (online, ingest):
        assert (
            await client.registry.GetFeature(pb.GetFeatureRequest(namespace=namespace, name=name))
        ).feature == feature
        got = await client.registry.GetFeatureGroup(pb.GetFeatureGroupRequest(namespace=namespace, name=group))
        assert got.feature_group == made.feature_group
        found = await client.registry.GetEntityType(pb.GetEntityTypeRequest(namespace=namespace, name=kind))
        assert found.entity_type.description == "a world"

    gone = await ingest.registry.DeprecateFeature(pb.DeprecateFeatureRequest(namespace=namespace, name=name, version=1))
    old_group = await ingest.registry.DeprecateFeatureGroup(
        pb.DeprecateFeatureGroupRequest(namespace=namespace, name=group)
    )
    old_kind = await ingest.registry.DeprecateEntityType(pb.DeprecateEntityTypeRequest(namespace=namespace, name=kind))
    assert gone.feature.deprecated
    assert old_group.feature_group.deprecated
    assert old_kind.entity_type.deprecated


async def test_the_same_definition_again_changes_nothing_and_another_is_refused(ingest, namespace, unique):
    """Registration is safe to retry; a different type under the same version is a conflict that names the field."""
    name = unique("speed")
    first = await register_feature(ingest, namespace, name, DOUBLE)
    second = await register_feature(ingest, namespace, name, DOUBLE)

    refusal = await refusal_of(
        ingest.registry.RegisterFeature(
            pb.RegisterFeatureRequest(namespace=namespace, feature={"name": name, "value_type": TEXT})
        )
    )

    assert first == second
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "DEFINITION_CONFLICT")


async def test_a_client_can_not_set_what_the_server_sets(ingest, namespace, unique):
    """`deprecated` and `created_time` of a registration are not taken from the request."""
    kind = unique("robot")

    stored = await ingest.registry.RegisterEntityType(
        pb.RegisterEntityTypeRequest(
            namespace=namespace,
            entity_type=definitions_pb2.EntityType(name=kind, deprecated=True, created_time={"seconds": 1}),
        )
    )

    assert not stored.entity_type.deprecated
    assert stored.entity_type.created_time.seconds > 1


async def test_versions_are_listed_on_request_and_the_newest_is_the_default(online, ingest, namespace, unique):
    """Two versions of one feature: lists show the newest, or all; Get without a version is the newest."""
    group, name = unique("group"), unique("speed")
    await ingest.registry.RegisterFeatureGroup(
        pb.RegisterFeatureGroupRequest(namespace=namespace, feature_group={"name": group})
    )
    await register_feature(ingest, namespace, name, DOUBLE, group=group)
    await register_feature(ingest, namespace, name, TEXT, group=group, version=2)

    newest = await online.registry.ListFeatures(pb.ListFeaturesRequest(namespace=namespace, group=group))
    every = await online.registry.ListFeatures(
        pb.ListFeaturesRequest(namespace=namespace, group=group, all_versions=True)
    )
    got = await online.registry.GetFeature(pb.GetFeatureRequest(namespace=namespace, name=name))

    assert [each.version for each in newest.features] == [2]
    assert [each.version for each in every.features] == [1, 2]
    assert got.feature.value_type == columns_pb2.VALUE_TYPE_TEXT


async def test_lists_come_in_pages_that_hold_every_item_once(online, ingest, namespace, unique):
    """Seven features of one group in pages of three, in the order of their names."""
    group = unique("group")
    await ingest.registry.RegisterFeatureGroup(
        pb.RegisterFeatureGroupRequest(namespace=namespace, feature_group={"name": group})
    )
    names = sorted(unique(f"f{n}") for n in range(7))
    for name in names:
        await register_feature(ingest, namespace, name, group=group)

    request = pb.ListFeaturesRequest(namespace=namespace, group=group, page_size=3)
    pages = []
    while True:
        page = await online.registry.ListFeatures(request)
        pages.append([each.name for each in page.features])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert pages == [names[:3], names[3:6], names[6:]]


async def test_features_are_listed_by_their_names(online, ingest, namespace, unique):
    """Those that are registered, in pages: a page may end between the versions of one."""
    names = [unique(f"f{n}") for n in range(3)]
    for name in names:
        for version in (1, 2):
            await register_feature(ingest, namespace, name, version=version)

    wanted = [names[2], unique("nothing"), "no name", names[0]]
    request = pb.ListFeaturesRequest(namespace=namespace, names=wanted, all_versions=True, page_size=3)
    first = await online.registry.ListFeatures(request)
    request.page_token = first.next_page_token
    second = await online.registry.ListFeatures(request)
    newest = await online.registry.ListFeatures(pb.ListFeaturesRequest(namespace=namespace, names=wanted))

    listed = [[(each.name, each.version) for each in page.features] for page in (first, second, newest)]
    assert listed == [
        [(names[0], 1), (names[0], 2), (names[2], 1)], [(names[2], 2)], [(names[0], 2), (names[2], 2)],
    ]  # fmt: skip
    assert not second.next_page_token


async def test_a_page_may_end_between_the_versions_of_a_feature(online, ingest, namespace, unique):
    """The next one begins after it."""
    group, name = unique("group"), unique("speed")
    await ingest.registry.RegisterFeatureGroup(
        pb.RegisterFeatureGroupRequest(namespace=namespace, feature_group={"name": group})
    )
    for version in range(1, 6):
        await register_feature(ingest, namespace, name, group=group, version=version)

    request = pb.ListFeaturesRequest(namespace=namespace, group=group, all_versions=True, page_size=2)
    pages = []
    while not pages or request.page_token:
        page = await online.registry.ListFeatures(request)
        pages.append([each.version for each in page.features])
        request.page_token = page.next_page_token

    assert pages == [[1, 2], [3, 4], [5]]


@pytest.mark.parametrize("method", ["ListEntityTypes", "ListFeatureGroups", "ListFeatures", "ListFeatureServices"])
async def test_a_page_token_of_another_list_and_a_page_too_large_are_refused(online, ingest, namespace, unique, method):
    """Tokens belong to their list and filters; a page holds at most 1,000 items."""
    kind = unique("robot")
    for each in (kind, f"{kind}_b"):
        await ingest.registry.RegisterEntityType(
            pb.RegisterEntityTypeRequest(namespace=namespace, entity_type={"name": each})
        )
    foreign = (
        await online.registry.ListFeatures(
            pb.ListFeaturesRequest(namespace=namespace, page_size=1, entity_type="entity", all_versions=True)
        )
    ).next_page_token or "bm9uc2Vuc2U"
    request, call = getattr(pb, f"{method}Request"), getattr(online.registry, method)

    reasons = [
        (await refusal_of(call(request(namespace=namespace, page_token=token)))).reason
        for token in (foreign, "%%%", "AA")
    ]
    too_large = await refusal_of(call(request(namespace=namespace, page_size=1_001)))

    assert reasons == ["INVALID_PAGE_TOKEN"] * 3
    assert (too_large.reason, too_large.metadata["field"]) == ("LIMIT_EXCEEDED", "page_size")


async def test_entities_are_registered_changed_read_and_listed_in_pages(online, ingest, namespace, unique):
    """Metadata comes back as it was sent; registering again replaces it; another type is refused."""
    kind = unique("character")
    await ingest.registry.RegisterEntityType(
        pb.RegisterEntityTypeRequest(namespace=namespace, entity_type={"name": kind})
    )
    ids = [unique(f"char{n}") for n in range(5)]
    await ingest.registry.RegisterEntities(
        pb.RegisterEntitiesRequest(
            namespace=namespace,
            entities=[
                {"entity_id": each, "entity_type": kind, "metadata": {"age": 25, "tags": ["x", None]}} for each in ids
            ],
        )
    )
    await ingest.registry.RegisterEntities(
        pb.RegisterEntitiesRequest(
            namespace=namespace, entities=[{"entity_id": ids[0], "entity_type": kind, "name": "Fry"}]
        )
    )

    first = (await online.registry.GetEntity(pb.GetEntityRequest(namespace=namespace, entity_id=ids[0]))).entity
    second = (await online.registry.GetEntity(pb.GetEntityRequest(namespace=namespace, entity_id=ids[1]))).entity
    request = pb.ListEntitiesRequest(namespace=namespace, entity_type=kind, page_size=2)
    listed = []
    while True:
        page = await online.registry.ListEntities(request)
        assert len(page.entities) <= 2
        listed += [each.entity_id for each in page.entities]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    conflict = await refusal_of(
        ingest.registry.RegisterEntities(
            pb.RegisterEntitiesRequest(namespace=namespace, entities=[{"entity_id": ids[0]}])
        )
    )

    assert (first.name, dict(first.metadata)) == ("Fry", {})
    assert second.metadata["age"] == 25
    assert list(second.metadata["tags"]) == ["x", None]
    assert sorted(listed) == sorted(ids)
    assert (conflict.code, conflict.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ENTITY_CONFLICT")


async def test_a_feature_service_pins_versions_and_is_listed_and_deprecated(online, ingest, namespace, unique):
    """`speed` becomes `speed@1` when the service is registered, and stays it when version 2 appears."""
    name, service = unique("speed"), unique("model")
    await register_feature(ingest, namespace, name)
    made = await ingest.registry.RegisterFeatureService(
        pb.RegisterFeatureServiceRequest(namespace=namespace, feature_service={"name": service, "features": [name]})
    )
    await register_feature(ingest, namespace, name, version=2)

    got = await online.registry.GetFeatureService(pb.GetFeatureServiceRequest(namespace=namespace, name=service))
    listed = await online.registry.ListFeatureServices(
        pb.ListFeatureServicesRequest(namespace=namespace, page_size=1_000)
    )
    old = await ingest.registry.DeprecateFeatureService(
        pb.DeprecateFeatureServiceRequest(namespace=namespace, name=service)
    )

    assert list(made.feature_service.features) == [f"{name}@1"]
    assert got.feature_service == made.feature_service
    assert service in [each.name for each in listed.feature_services]
    assert old.feature_service.deprecated


@pytest.mark.parametrize("method", WRITING)
async def test_online_answers_writing_calls_with_the_service_that_serves_them(online, namespace, method):
    """UNIMPLEMENTED, SERVED_BY_INGEST, for every call that registers or deprecates."""
    request = getattr(pb, f"{method}Request")(namespace=namespace)

    refusal = await refusal_of(getattr(online.registry, method)(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNIMPLEMENTED, "SERVED_BY_INGEST")


@pytest.mark.parametrize(
    ("method", "fields", "reason"),
    [
        ("RegisterFeature", {"feature": {"name": "value", "value_type": 1}}, "INVALID_NAME"),
        ("RegisterFeature", {"feature": {"name": "Speed", "value_type": 1}}, "INVALID_NAME"),
        ("RegisterFeature", {"feature": {"name": "speed"}}, "INVALID_DEFINITION"),
        ("RegisterFeature", {"feature": {"name": "speed", "value_type": 5}}, "INVALID_DEFINITION"),
        ("RegisterFeature", {"feature": {"name": "s", "value_type": 1, "group": "nothing"}}, "UNKNOWN_FEATURE_GROUP"),
        ("RegisterEntityType", {"namespace": "no_such_place"}, "UNKNOWN_NAMESPACE"),
        ("RegisterFeatureGroup", {"feature_group": {"name": "g", "entity_type": "nothing"}}, "UNKNOWN_ENTITY_TYPE"),
        ("RegisterFeatureGroup", {"feature_group": {"name": "g", "buckets": 3}}, "INVALID_DEFINITION"),
        ("RegisterFeatureService", {"feature_service": {"name": "s", "features": ["nothing"]}}, "UNKNOWN_FEATURE"),
        ("RegisterEntities", {}, "EMPTY_REQUEST"),
        ("RegisterEntities", {"entities": [{"entity_id": "x", "entity_type": "nothing"}]}, "UNKNOWN_ENTITY_TYPE"),
        ("RegisterEntities", {"entities": [{"entity_id": "x"}] * 1_001}, "LIMIT_EXCEEDED"),
        ("DeprecateFeature", {"name": "nothing", "version": 1}, "UNKNOWN_FEATURE"),
        ("DeprecateFeature", {"name": "nothing"}, "INVALID_ARGUMENT"),
        ("GetFeature", {"name": "nothing"}, "UNKNOWN_FEATURE"),
        ("GetFeatureGroup", {"name": "nothing"}, "UNKNOWN_FEATURE_GROUP"),
        ("GetFeatureService", {"name": "nothing"}, "UNKNOWN_FEATURE_SERVICE"),
        ("GetEntityType", {"name": "nothing"}, "UNKNOWN_ENTITY_TYPE"),
        ("GetEntity", {"entity_id": "nobody_at_all"}, "UNKNOWN_ENTITY"),
        ("ListEntities", {"entity_type": "nothing"}, "UNKNOWN_ENTITY_TYPE"),
    ],
)
async def test_what_can_not_be_registered_or_found_says_why(ingest, namespace, method, fields, reason):
    """The reason of every bad call."""
    request = getattr(pb, f"{method}Request")(**{"namespace": namespace, **fields})

    refusal = await refusal_of(getattr(ingest.registry, method)(request))

    assert refusal.reason == reason
