"""Definitions, entities, models, aliases, audit."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from featurama_core.storage.port import MOST_CHANGES, NamespaceStorage
from featurama_core.storage.records import AuditRecord, StoredModel
from featurama_core.types.errors import Reason, Unknown
from featurama_core.types.revisions import revised, revisions
from featurama_core.types.schema import (
    Definition,
    Entity,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
)
from featurama_core.types.times import Duration
from featurama_core.types.values import ValueType

from .conftest import Names


def one_of_each(names: Names) -> list[Definition]:
    """Every field set, none to its default."""
    kind = f"planet_{names.suffix}"
    group = FeatureGroup(
        f"group_{names.suffix}",
        kind,
        "what \U0001fa90 it is",
        ttl="5us",
        retention="10us",
        buckets=4,
        history="packed",
        created_at=71,
    )
    return [
        EntityType(kind, "a 'planet'", created_at=70),
        group,
        FeatureDefinition(
            f"home_{names.suffix}",
            ValueType.TEXT,
            2,
            kind,
            group.name,
            references=kind,
            description='where "it" is',
            tags=("a", "b c", "ü"),
            owner="Hermes",
            created_at=72,
        ),
        FeatureDefinition(f"where_{names.suffix}", ValueType.VECTOR, 1, kind, group.name, vector_length=3),
        FeatureService(f"service_{names.suffix}", ("b@1", "a@2.c@3", "a@2"), "in order", created_at=73),
    ]


async def stored(namespace: NamespaceStorage, names: Names) -> list[Definition]:
    """This test's definitions as the catalogue has them."""
    catalogue = await namespace.load_definitions()
    features = await namespace.read_features(await namespace.list_feature_names(None, "", 100_000))
    everything: list[Definition] = [*catalogue.entity_types, *catalogue.groups, *features, *catalogue.services]
    return [definition for definition in everything if definition.name.endswith(names.suffix)]


async def test_definitions_come_back_with_every_field(namespace: NamespaceStorage, names: Names) -> None:
    """repr compares what equality leaves out, such as created_at."""
    wanted = one_of_each(names)
    for definition in wanted:
        assert repr((await namespace.put_definitions([definition]))[0]) == repr(definition)
    assert sorted(map(repr, await stored(namespace, names))) == sorted(map(repr, wanted))


async def test_a_taken_key_keeps_and_answers_what_is_stored(namespace: NamespaceStorage, names: Names) -> None:
    """Equal or different, the second definition changes nothing."""
    for definition in one_of_each(names):
        await namespace.put_definitions([definition])
        other = replace(definition, description="another", created_at=99)
        assert repr((await namespace.put_definitions([other]))[0]) == repr(definition)
    assert sorted(map(repr, await stored(namespace, names))) == sorted(map(repr, one_of_each(names)))


async def test_many_definitions_are_stored_at_once(namespace: NamespaceStorage, names: Names) -> None:
    """The answer is in order; those whose keys are taken are answered as they are stored."""
    kind, group, *others = one_of_each(names)
    await namespace.put_definitions([group])
    many = [names.feature(f"many{number}") for number in range(300)]
    wanted = [*others, replace(group, description="another"), *many, kind]
    assert repr(await namespace.put_definitions(wanted)) == repr([*others, group, *many, kind])
    assert sorted(map(repr, await stored(namespace, names))) == sorted(map(repr, [*others, group, *many, kind]))


async def test_readers_fetch_what_changed_since_a_revision(namespace: NamespaceStorage, names: Names) -> None:
    """New and changed definitions of any kind; nothing and the same number while nothing changes."""
    kind, group, feature, vector, service = one_of_each(names)
    await namespace.put_definitions([kind, group])
    before = (await namespace.load_definitions()).revision
    quiet = await namespace.load_definitions(before)
    assert (quiet.revision, [*quiet.entity_types, *quiet.groups, *quiet.services]) == (before, [])
    assert quiet.changed_features == frozenset()
    await namespace.put_definitions([feature, vector, service])
    await namespace.put_flag(replace(kind, deprecated=True), "deprecated")
    since = await namespace.load_definitions(before)
    assert since.revision > before
    assert repr(since.entity_types) == repr([replace(kind, deprecated=True)])
    assert (list(since.groups), list(since.services)) == ([], [service])
    assert since.changed_features == {feature.name, vector.name}
    assert (await namespace.load_definitions()).revision == since.revision


async def test_more_changes_than_can_be_named_are_not_named(namespace: NamespaceStorage, names: Names) -> None:
    """Of features; the other kinds come as they are."""
    kind, group, *_ = one_of_each(names)
    await namespace.put_definitions([group])
    before = (await namespace.load_definitions()).revision
    await namespace.put_definitions([names.feature(f"many{number}") for number in range(MOST_CHANGES)])
    since = await namespace.load_definitions(before)
    assert MOST_CHANGES == len(since.changed_features or ())
    await namespace.put_definitions([names.feature("another"), kind])
    since = await namespace.load_definitions(before)
    assert since.changed_features is None
    assert kind in since.entity_types


async def test_features_are_read_by_name_in_all_versions(namespace: NamespaceStorage, names: Names) -> None:
    """Deleted ones too, by name and version; unknown names are left out."""
    speed = [replace(names.feature("speed", version=version), deleted=version == 2) for version in (1, 2, 10)]
    mood = names.feature("mood")
    await namespace.put_definitions([speed[2], mood, *speed[:2]])
    await namespace.put_flag(speed[1], "deleted")
    assert [mood, *speed] == await namespace.read_features([speed[0].name, names.feature("no").name, mood.name])
    assert [] == await namespace.read_features([])


async def test_names_of_features_are_listed_in_order_and_in_pages(namespace: NamespaceStorage, names: Names) -> None:
    """All, those of a group or an entity type, and those that refer to an entity type."""
    kind, planet = f"kind_{names.suffix}", f"planet_{names.suffix}"
    group = FeatureGroup(f"group_{names.suffix}", kind)
    other = FeatureGroup(f"other_{names.suffix}", kind)
    ages = [
        FeatureDefinition(f"{names.suffix}_age{at:03}", ValueType.TEXT, 1, kind, group.name, references=planet)
        for at in range(100)
    ]
    sizes = [FeatureDefinition(f"{names.suffix}_size{at}", ValueType.INT, 1, kind, other.name) for at in range(3)]
    again = replace(ages[0], version=2)
    await namespace.put_definitions([group, other, *reversed(ages), *sizes, again])
    both = [each.name for each in (*ages, *sizes)]
    assert both[:100] == await namespace.list_feature_names(("feature_group", group.name), "", 1_000)
    assert both[:100] == await namespace.list_feature_names(("references_type", planet), "", 1_000)
    assert both == await namespace.list_feature_names(("entity_type", kind), "", 1_000)
    assert both[7:19] == await namespace.list_feature_names(("entity_type", kind), both[7], 12)
    assert both[98:] == (await namespace.list_feature_names(None, both[98], 5))
    assert [] == await namespace.list_feature_names(("feature_group", planet), "", 10)
    missing = [f"{names.suffix}_age{at}" for at in range(200, 400)]
    assert {both[5], both[101]} == await namespace.known_feature_names([*missing, both[5], both[101]])


async def test_versions_of_a_feature_are_definitions_of_their_own(namespace: NamespaceStorage, names: Names) -> None:
    """(name, version) is the key."""
    first, second = names.feature("speed"), names.feature("speed", ValueType.INT, version=2)
    await namespace.put_definitions([second])
    await namespace.put_definitions([first])
    assert await stored(namespace, names) == [first, second]


async def test_the_flags_are_updated_in_place(namespace: NamespaceStorage, names: Names) -> None:
    """Nothing else is."""
    kind, group, feature, vector, service = one_of_each(names)
    for definition in (kind, group, feature, vector, service):
        await namespace.put_definitions([definition])
    changed = [
        replace(kind, deprecated=True, deleted=True),
        replace(group, deprecated=True),
        replace(feature, deprecated=True),
        replace(vector, deleted=True),
        replace(service, deprecated=True),
    ]
    for definition in changed:
        for flag in ("deprecated", "deleted"):
            if getattr(definition, flag):
                await namespace.put_flag(definition, flag)
    assert sorted(map(repr, await stored(namespace, names))) == sorted(map(repr, changed))


async def test_a_flag_changes_alone(namespace: NamespaceStorage, names: Names) -> None:
    """By a caller who read the other one before it changed. A deleted definition is not deprecated nor restored."""
    kind, group, feature, _, service = one_of_each(names)
    await namespace.put_definitions([kind, group, feature, service])
    for old in (kind, group, feature, service):
        await namespace.put_flag(replace(old, deprecated=True), "deprecated")
        await namespace.put_flag(replace(old, deleted=True), "deleted")
        for deprecated in (True, False):
            with pytest.raises(Unknown):
                await namespace.put_flag(replace(old, deprecated=deprecated), "deprecated")
        found = await namespace.read_definition(old)
        assert (True, True) == (found.deprecated, found.deleted)
        await namespace.put_flag(old, "deleted")
        found = await namespace.read_definition(old)
        assert (True, False) == (found.deprecated, found.deleted)
    unknown = replace(feature, name=names.feature("unknown").name)
    for flag in ("deprecated", "deleted"):
        with pytest.raises(Unknown):
            await namespace.put_flag(unknown, flag)  # type: ignore[arg-type]
    assert [] == await namespace.read_features([unknown.name])


async def test_revisions_are_appended_once(namespace: NamespaceStorage, names: Names) -> None:
    """Each under the number after the newest; what was stored before stays, flags too, and readers find the change."""
    every = one_of_each(names)
    await namespace.put_definitions(every)
    before = (await namespace.load_definitions()).revision
    for definition in every:
        second, other = (revised(definition, {"description": text}, 5) for text in ("second", "other"))
        third = revised(second, {"description": ""}, 6)
        assert not await namespace.put_revision(third)
        assert await namespace.put_revision(second)
        assert not await namespace.put_revision(other)
        await namespace.put_flag(replace(definition, deprecated=True), "deprecated")
        assert await namespace.put_revision(third)
        found = await namespace.read_definition(definition)
        assert ["second", ""] == [each.description for each in revisions(found)[1:]]
        assert (third, 3, 6, True) == (found, found.revision, found.start, found.deprecated)
    since = await namespace.load_definitions(before)
    assert [3] * 3 == [each.revision for each in (*since.entity_types, *since.groups, *since.services)]
    names_of_features = {each.name for each in every if isinstance(each, FeatureDefinition)}
    assert names_of_features == since.changed_features
    assert [3] * 2 == [each.revision for each in await namespace.read_features(sorted(names_of_features))]
    with pytest.raises(Unknown):
        await namespace.put_revision(revised(replace(every[0], name="nobody"), {}, 5))
    with pytest.raises(Unknown):
        await namespace.read_definition(replace(every[0], name="nobody"))


async def test_a_revision_keeps_every_field_of_its_kind(namespace: NamespaceStorage, names: Names) -> None:
    """With its type."""
    _, group, feature, *_ = one_of_each(names)
    await namespace.put_definitions([group, feature])
    changes = {"ttl": None, "retention": Duration(7), "buckets": 8, "description": "é", "history": "packed"}
    wanted = revised(group, changes, -3)
    tagged = revised(feature, {"tags": ("a", "b"), "owner": "me"}, 9)
    assert await namespace.put_revision(wanted)
    assert await namespace.put_revision(tagged)
    for each in (wanted, tagged):
        assert repr(revisions(each)) == repr(revisions(await namespace.read_definition(each)))
    assert isinstance((await namespace.read_definition(wanted)).retention, Duration)


async def test_an_entity_is_updated_under_its_type_and_kept_from_another(
    namespace: NamespaceStorage, names: Names
) -> None:
    """The answer is what is stored, in order; created_at stays the first."""
    fry, mars = names.entity("fry"), names.entity("mars")
    first = Entity(fry, "character", "Fry", '{"age": 25}', 1, 1)
    assert repr(await namespace.put_entities([first])) == repr([first])
    again = Entity(fry, "character", "Philip", "{}", 2, 2)
    other = Entity(mars, "planet", "Mars", "{}", 2, 2)
    updated = Entity(fry, "character", "Philip", "{}", 1, 2)
    assert repr(await namespace.put_entities([other, again])) == repr([other, updated])
    assert repr(await namespace.put_entities([Entity(fry, "planet", "?", "{}", 3, 3)])) == repr([updated])
    found = await namespace.get_entities([mars, fry, names.entity("nobody")])
    assert repr(dict(sorted(found.items()))) == repr(dict(sorted({fry: updated, mars: other}.items())))


async def test_entities_of_a_type_are_listed_in_pages_until_they_are_removed(
    namespace: NamespaceStorage, names: Names
) -> None:
    """Each once, with pages of any size; an unknown type has none."""
    kind = f"robot_{names.suffix}"
    ids = [names.entity(f"unit{number}") for number in range(9)]
    await namespace.put_entities([Entity(entity, kind, entity, "{}", 1, 1) for entity in ids])
    await namespace.put_entities([Entity(names.entity("fry"), f"human_{names.suffix}", "", "{}", 1, 1)])
    for limit in (2, 9, 100):
        found: list[str] = []
        after: str | None = None
        while True:
            page, after = await namespace.list_entities(kind, after, limit)
            assert len(page) <= limit
            found += [entity.entity_id for entity in page]
            if after is None:
                break
        assert sorted(found) == ids
    await namespace.remove_entity(ids[0])
    page, _ = await namespace.list_entities(kind, None, 100)
    assert sorted(entity.entity_id for entity in page) == ids[1:]
    assert await namespace.get_entities([ids[0]]) == {}
    assert await namespace.list_entities(f"none_{names.suffix}", None, 5) == ([], None)


async def test_a_removed_id_may_be_registered_with_another_type(namespace: NamespaceStorage, names: Names) -> None:
    """And appears under the new type only."""
    fry = names.entity("fry")
    old, new = (Entity(fry, f"{kind}_{names.suffix}", "", "{}", 1, 1) for kind in ("human", "clone"))
    await namespace.put_entities([old])
    await namespace.remove_entity(fry)
    assert await namespace.put_entities([new]) == [new]
    assert (await namespace.list_entities(old.entity_type, None, 5))[0] == []
    assert (await namespace.list_entities(new.entity_type, None, 5))[0] == [new]


async def test_a_models_artefact_comes_back_whole(namespace: NamespaceStorage, names: Names) -> None:
    """In chunks, and an empty one too; versions are listed in order, and taken ones refused."""
    name = f"model_{names.suffix}"
    chunks = [b"\x00" * 200_000, b"\xff" * 100_000, b"end"]
    second = StoredModel(name, 2, '{"v": 2}', 20, 300_003)
    first = StoredModel(name, 1, "{}", 10, 0)
    assert await namespace.put_model(second, chunks) is True
    assert await namespace.put_model(first, []) is True
    assert await namespace.put_model(replace(second, manifest="{}"), [b"other"]) is False
    assert await namespace.list_models(name) == [first, second]
    assert [model for model in await namespace.list_models() if model.name == name] == [first, second]
    assert await namespace.read_artefact(name, 2) == b"".join(chunks)
    assert await namespace.read_artefact(name, 1) == b""


async def test_a_removed_or_unknown_model_has_no_artefact(namespace: NamespaceStorage, names: Names) -> None:
    """Unknown (UNKNOWN_MODEL); its version may be stored again."""
    name = f"model_{names.suffix}"
    model = StoredModel(name, 1, "{}", 10, 3)
    await namespace.put_model(model, [b"abc"])
    await namespace.remove_model(name, 1)
    assert await namespace.list_models(name) == []
    with pytest.raises(Unknown) as caught:
        await namespace.read_artefact(name, 1)
    assert caught.value.reason is Reason.UNKNOWN_MODEL
    assert await namespace.put_model(model, [b"xyz"]) is True
    assert await namespace.read_artefact(name, 1) == b"xyz"


async def test_an_alias_points_at_the_version_it_was_given_last(namespace: NamespaceStorage, names: Names) -> None:
    """Aliases of one model, and of all."""
    name, other = f"model_{names.suffix}", f"other_{names.suffix}"
    await namespace.put_alias(name, "champion", 1)
    await namespace.put_alias(name, "challenger", 2)
    await namespace.put_alias(other, "champion", 7)
    await namespace.put_alias(name, "champion", 2)
    expected = {(name, "champion"): 2, (name, "challenger"): 2}
    assert await namespace.list_aliases(name) == expected
    everything = await namespace.list_aliases()
    assert {key: at for key, at in everything.items() if key[0].endswith(names.suffix)} == {
        **expected,
        (other, "champion"): 7,
    }


async def test_an_alias_moves_only_from_the_version_it_is_expected_to_name(
    namespace: NamespaceStorage, names: Names
) -> None:
    """0: nothing. Where it names the wanted version already, nothing is left to do."""
    name = f"model_{names.suffix}"

    async def put(version: int, expected: int) -> tuple[bool, int]:
        moved = await namespace.put_alias(name, "champion", version, expected=expected)
        return moved, (await namespace.list_aliases(name)).get((name, "champion"), 0)

    assert [await put(2, 1), await put(1, 0), await put(2, 0), await put(1, 0)] == [
        (False, 0),
        (True, 1),
        (False, 1),
        (True, 1),
    ]
    assert [await put(3, 1), await put(2, 1), await put(4, 3)] == [(True, 3), (False, 3), (True, 4)]


async def test_of_moves_from_one_version_at_the_same_time_one_is_made(
    namespace: NamespaceStorage, names: Names
) -> None:
    name = f"model_{names.suffix}"
    for expected in (0, 1):
        first = 1 + expected * 10
        wanted = range(first, first + 8) if expected else (1,)
        moved = await asyncio.gather(
            *(namespace.put_alias(name, "champion", version, expected=expected) for version in wanted)
        )
        assert sum(moved) == 1
        assert (await namespace.list_aliases(name))[name, "champion"] == wanted[moved.index(True)]


async def test_the_audit_log_answers_the_newest_first(namespace: NamespaceStorage, names: Names) -> None:
    """In the order of their times, up to a limit."""
    # Far ahead, so that records of other tests do not push these out.
    base = 2**60 + int(names.suffix[:8], 16) * 1_000
    records = [AuditRecord(base + n, "delete", names.entity(str(n)), '{"n": 1}') for n in range(4)]
    for record in records:
        await namespace.append_audit(record)
    found = [record for record in await namespace.list_audit(1_000) if record.subject.endswith(names.suffix)]
    assert found == records[::-1]
    assert len(await namespace.list_audit(2)) == 2
