"""`featurama features edit` and what `apply` changes: shown, confirmed, made, and refused."""

from __future__ import annotations

from pathlib import Path

from .conftest import Featurama


def test_a_definition_is_edited_and_shown_with_its_revision(defined: Featurama) -> None:
    """Tags, owner and descriptions of a feature, ttl of a group; the same again is nothing to do."""
    ran = defined("features", "edit", "temperature@1", "--owner", "Amy", "--tag", "a", "--tag", "b", "--yes")
    assert ran.code == 0
    assert "owner '' -> 'Amy', tags ['air'] -> ['a', 'b']" in ran.err
    assert "revision 2, in force from" in ran.err
    shown = defined("features", "show", "temperature", "--json").json
    assert (shown["owner"], shown["tags"], shown["revision"]) == ("Amy", ["a", "b"], 2)
    again = defined("features", "edit", "temperature@1", "--owner", "Amy", "--yes")
    assert (again.code, "Nothing to do" in again.err) == (0, True)
    edit = defined("features", "edit", "weather", "--kind", "group", "--ttl", "none", "--buckets", "2", "--yes")
    assert (edit.code, "buckets 1 -> 2, ttl 365d -> none" in edit.err) == (0, True)
    found = defined("features", "show", "weather", "--kind", "group", "--json").json
    assert (found["ttl"], found["buckets"], found["revision"]) == (None, 2, 2)


def test_the_history_of_a_group_becomes_packed(defined: Featurama) -> None:
    """The change names the command that moves earlier values; on SQLite, which packs all history, it moves none."""
    edit = defined("features", "edit", "weather", "--kind", "group", "--history", "packed", "--yes")
    assert (edit.code, "history 'rows' -> 'packed'" in edit.err, "featurama pack weather" in edit.err) == (
        0,
        True,
        True,
    )
    assert defined("features", "--groups", "--json").json[0]["history"] == "packed"
    early = defined("pack", "weather")
    assert (early.code, "wait until then" in early.err) == (2, True)
    back = defined("features", "edit", "weather", "--kind", "group", "--history", "rows", "--yes")
    assert (back.code, "is packed and stays so" in back.err) == (2, True)


def test_a_group_with_packed_history_has_nothing_to_move(defined: Featurama, folder: Path) -> None:
    (folder / "more.yaml").write_text("feature_groups: [{name: winds, entity_type: planet, history: packed}]\n")
    assert defined("apply", "more.yaml", "--yes").code == 0
    ran = defined("pack", "winds", "--json")
    assert ran.json == {"group": "winds", "values": 0, "periods_left": 0, "again": None, "removed": 0}
    ran = defined("pack", "weather")
    assert (ran.code, "change it to packed first" in ran.err) == (2, True)


def test_what_cannot_change_is_refused(defined: Featurama) -> None:
    """With the fields that can; a feature needs its version."""
    ran = defined("features", "edit", "temperature@1", "--ttl", "3d", "--yes")
    assert (ran.code, "cannot change, only description, tags, owner" in ran.err) == (2, True)
    ran = defined("features", "edit", "temperature", "--owner", "Amy", "--yes")
    assert (ran.code, "write it as temperature@1" in ran.err) == (2, True)
    ran = defined("features", "edit", "weather", "--kind", "group", "--yes")
    assert (ran.code, "nothing is to be changed" in ran.err) == (2, True)


def test_a_lower_retention_says_what_goes_and_needs_a_confirmation(defined: Featurama) -> None:
    """Without a terminal, --yes."""
    ran = defined("features", "edit", "weather", "--kind", "group", "--retention", "400d")
    assert (ran.code, "give --yes" in ran.err) == (2, True)
    assert defined("features", "show", "weather", "--kind", "group", "--json").json["retention"] is None
    ran = defined("features", "edit", "weather", "--kind", "group", "--retention", "400d", "--yes")
    assert (ran.code, "retention none -> 400d" in ran.err) == (0, True)
    ran = defined("features", "edit", "weather", "--kind", "group", "--retention", "800d", "--yes")
    assert (ran.code, "only values whose event time lies after" in ran.err) == (0, True)


def test_apply_shows_and_makes_changes(defined: Featurama, folder: Path) -> None:
    """Beside what is new; a plan alone changes nothing, and says how many values go."""
    (folder / "more.yaml").write_text(
        "feature_groups: [{name: weather, entity_type: planet, ttl: 30d, retention: 60d, buckets: 4}]\n"
        "features: [{name: gravity, group: weather, type: double}]\n"
    )
    plan = defined("apply", "more.yaml", "--plan", "--json")
    assert {row["name"]: (row["effect"], row["change"]) for row in plan.json} == {
        "weather": ("changed", "ttl 365d -> 30d, retention none -> 60d, buckets 1 -> 4"),
        "gravity@1": ("new", ""),
    }
    assert "the lower retention removes 0 stored values" in plan.err
    unconfirmed = defined("apply", "more.yaml")
    assert (unconfirmed.code, "give --yes" in unconfirmed.err) == (2, True)
    assert defined("features", "--groups", "--json").json[0]["buckets"] == 1
    assert defined("apply", "more.yaml", "--yes").code == 0
    found = defined("features", "show", "weather", "--kind", "group", "--json").json
    assert (found["ttl"], found["retention"], found["buckets"], found["revision"]) == ("30d", "60d", 4, 2)
    again = defined("apply", "more.yaml", "--yes", "--json")
    assert {row["effect"] for row in again.json} == {"unchanged"}


def test_an_exported_namespace_keeps_its_revisions(defined: Featurama) -> None:
    """With their starts: what was in force then decides reads of the past."""
    defined("features", "edit", "weather", "--kind", "group", "--ttl", "none", "--retention", "400d", "--yes")
    defined("features", "edit", "temperature@1", "--tag", "a", "--owner", "Amy", "--yes")
    defined("features", "deprecate", "temperature@1")
    assert defined("namespaces", "export", "default", "backup").code == 0
    imported = defined("namespaces", "import", "copy", "backup")
    assert imported.code == 0, imported.err
    for name in (("weather", "--kind", "group"), ("temperature@1",)):
        there, here = (defined("features", "show", *name, "--json", "-n", space).json for space in ("default", "copy"))
        assert here["revision"] == 2
        assert here == there
