"""The `mapping:` of a YAML file: what the columns of value files mean, as `featurama infer` proposes it.

Its fields are the arguments of `Mapping.of` and `FileLayout.of`. Options of the command line override them. The file
may also hold definitions, which `featurama apply` registers.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurama_cli.definitions_file import FIELDS
from featurama_cli.yaml_file import ENDINGS, check_fields, naming, read_field, read_yaml
from featurama_core.types.errors import InvalidInput, Reason

if TYPE_CHECKING:
    from featurama_cli.mapping_options import LayoutOptions, MappingOptions
    from featurama_core.files.layout import FileLayout
    from featurama_core.frames.mapping import Mapping

OPEN = "?"
"""Stands for a value that only the user knows."""

_TEXTS: dict[str, type] = {"decimal": str, "true_values": list, "false_values": list}
_LAYOUT: dict[str, type] = {"delimiter": str, "quote": str, "encoding": str, "null_values": list} | _TEXTS
_KINDS: dict[str, type] = {
    "entity_column": str,
    "entity_id": str,
    "time_column": str,
    "clock_column": str,
    "timestamp": str,
    "timezone": str,
    "time_unit": str,
    "time_format": str,
    "ambiguous": str,
    "ingested_at_unit": str,
    "rename": dict,
    "only": list,
    "ignore_extra": bool,
    "casts": dict,
} | _LAYOUT
_EXCLUSIVE = (("entity_column", "entity_id"), ("time_column", "timestamp"), ("clock_column", "timestamp"))


def described(path: Path | None, mapping: MappingOptions, layout: LayoutOptions) -> tuple[Mapping, FileLayout]:
    """What a file and the options say together. path: None for the options alone. Raises InvalidInput."""
    from featurama_core.files.layout import FileLayout
    from featurama_core.frames.mapping import Mapping

    found = {} if path is None else read_mapping(path)
    given = mapping.given() | layout.given()
    for pair in _EXCLUSIVE:
        if any(name in given for name in pair):
            found = {name: value for name, value in found.items() if name not in pair}
    for name, value in given.items():
        found[name] = found.get(name, {}) | value if isinstance(value, dict) else value
    for name, value in found.items():
        if path is not None and OPEN in (value, *(value.values() if isinstance(value, dict) else ())):
            raise InvalidInput(
                f"{path.name}: mapping: {name} is still {OPEN!r}; replace it by the value that the comment beside it "
                "asks for",
                field=name,
            )
    return (
        Mapping.of(**{name: value for name, value in found.items() if name not in _LAYOUT or name in _TEXTS}),
        FileLayout.of(**{name: value for name, value in found.items() if name in _LAYOUT}),
    )


def read_mapping(path: Path) -> dict[str, Any]:
    """The fields of the mapping of a file that are not null. Raises InvalidInput."""
    if path.suffix not in ENDINGS:
        raise InvalidInput(f"{path.name} is not YAML ({', '.join(ENDINGS)}); rename it", field="mapping")
    given = read_yaml(path, FIELDS).get("mapping")
    where = f"{path.name}: mapping"
    if not isinstance(given, dict):
        problem = "is missing" if given is None else f"is {given!r:.40}"
        raise InvalidInput(
            f"{where} {problem}; it has fields such as entity_column and time_column",
            reason=Reason.EMPTY_REQUEST,
            field="mapping",
        )
    check_fields(given, _KINDS, where)
    # YAML reads `2026-01-01T00:00:00Z` as a time.
    with naming(where):
        return {
            name: value if name == "timestamp" and isinstance(value, date) else read_field(value, _KINDS[name], name)
            for name, value in given.items()
            if value is not None
        }
