"""Definitions from a file: YAML as data, or a Python file that is run as the user's own code.

YAML has the lists `entity_types`, `feature_groups`, `features`, `feature_services` (see
featurama_world/definitions.yaml), and may hold the `mapping` of value files (`mapping_file`). A Python file defines
them as values at its top level, alone or in lists: `distance = FeatureDefinition("distance", ValueType.DOUBLE)`. Names
that begin with an underscore are left out.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from featurama_cli.yaml_file import ENDINGS, check_fields, naming, read_field, read_yaml
from featurama_core.types.entity_keys import KeyColumn, key_columns
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.roles import Role, roles_of
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    in_order,
)
from featurama_core.types.times import parse_duration
from featurama_core.types.values import parse_value_type


def read_definitions(path: Path) -> list[Definition]:
    """The definitions of a file, in the order of registration. Raises InvalidInput with the place and the remedy."""
    if path.suffix == ".py":
        found = _of_python(path)
    elif path.suffix in ENDINGS:
        found = _of_yaml(path)
    else:
        raise InvalidInput(f"{path.name} is neither YAML (.yaml, .yml) nor Python (.py); rename it", field="file")
    if not found:
        raise InvalidInput(f"{path.name} defines nothing", reason=Reason.EMPTY_REQUEST, field="file")
    return sorted(found, key=in_order)


def _of_python(path: Path) -> list[Definition]:
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist; name a file", field="file")
    try:
        names = runpy.run_path(str(path), run_name="featurama_definitions")
    except Exception as error:
        raise InvalidInput(f"{path.name} cannot be run: {type(error).__name__}: {error}", field="file") from error
    found: dict[int, Definition] = {}
    for name, value in names.items():
        if not name.startswith("_"):
            found.update((id(each), each) for each in _flattened(value))
    return list(found.values())


def _flattened(value: object) -> Iterable[Definition]:
    if isinstance(value, Definition):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _flattened(each)


def _of_yaml(path: Path) -> list[Definition]:
    given = read_yaml(path, FIELDS)
    found: list[Definition] = []
    for kind in _KINDS:
        listed = given.get(kind) or []
        if not isinstance(listed, list):
            raise InvalidInput(f"{path.name}: {kind} must be a list", field=kind)
        found += [_of_item(kind, item, f"{path.name}: {kind}[{at}]") for at, item in enumerate(listed)]
    return found


def _of_item(kind: str, item: object, where: str) -> Definition:
    """The definition of one item of a list. Null fields have their defaults; unknown fields are refused."""
    make, fields = _KINDS[kind]
    if not isinstance(item, Mapping):
        raise InvalidInput(f"{where} must have fields such as name and description", field="file")
    if isinstance(item.get("name"), str):
        where = f"{where} {item['name']!r}"
    for name in ("name", "type"):
        if name in fields and item.get(name) is None:
            raise InvalidInput(f"{where}: {name} is missing", field=name)
    check_fields(item, fields, where)
    with naming(where):
        return make(**{name: _value(item[name], fields[name], name) for name in item if item[name] is not None})


def _value(value: Any, kind: type, name: str) -> object:
    if kind is KeyColumn:
        return key_columns(value)
    if kind is timedelta:
        return parse_duration(value, name)
    return roles_of(value) if kind is Role else read_field(value, kind, name)


def _feature(type: str, **given: Any) -> FeatureDefinition:  # noqa: A002 - the field of the file
    value_type, length = parse_value_type(type)
    defaults: dict[str, Any] = {"vector_length": length, "entity_type": "", "group": ""}
    return FeatureDefinition(value_type=value_type, **(defaults | given))


_NAMED: dict[str, type] = {"name": str, "description": str}
_GROUP = {"entity_type": str, "ttl": timedelta, "retention": timedelta, "buckets": int, "history": str}
_FEATURE = dict.fromkeys(("type", "entity_type", "group", "references", "owner"), str)
_NUMBERS = {"version": int, "vector_length": int}
_KINDS: dict[str, tuple[Callable[..., Definition], dict[str, type]]] = {
    "entity_types": (EntityType, _NAMED | {"keys": KeyColumn}),
    "feature_groups": (FeatureGroup, _NAMED | _GROUP),
    "features": (_feature, _NAMED | _FEATURE | _NUMBERS | {"tags": list}),
    "feature_services": (partial(FeatureService, features=()), _NAMED | {"features": list, "roles": Role}),
}
"""List of a file -> the function that makes its definitions, and the types of their fields."""

FIELDS = (*_KINDS, "mapping")
"""The fields of a YAML file. `mapping` is read by `featurama write --mapping`."""
