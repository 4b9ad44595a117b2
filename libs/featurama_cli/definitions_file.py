"""Definitions from a file: YAML as data, or a Python file that is run as the user's own code.

YAML has the lists `entity_types`, `feature_groups`, `features`, `feature_services` (see
featurama_world/definitions.yaml). A Python file defines them as values at its top level, alone or in lists:
`distance = FeatureDefinition("distance", ValueType.DOUBLE)`. Names that begin with an underscore are left out.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.schema import (
    Definition,
    EntityType,
    FeatureDefinition,
    FeatureGroup,
    FeatureService,
    in_order,
)
from featurama_core.types.times import Duration, parse_duration
from featurama_core.types.values import parse_value_type

MAX_BYTES = 8 * 1024 * 1024


def read_definitions(path: Path) -> list[Definition]:
    """The definitions of a file, in the order of registration. Raises InvalidInput with the place and the remedy."""
    if path.suffix == ".py":
        found = _of_python(path)
    elif path.suffix in (".yaml", ".yml", ".json"):
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
    import yaml

    try:
        text = path.read_bytes()
        given = yaml.safe_load(text[:MAX_BYTES]) if len(text) <= MAX_BYTES else None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise InvalidInput(f"{path.name} is not YAML{where}", field="file") from error
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{path.name} must hold {', '.join(_KINDS)}", field="file")
    unknown = sorted(str(key) for key in given if key not in _KINDS)
    if unknown:
        raise InvalidInput(f"{path.name}: {unknown[0]!r} is not one of {', '.join(_KINDS)}", field=unknown[0])
    found: list[Definition] = []
    for kind, make in _KINDS.items():
        listed = given.get(kind) or []
        if not isinstance(listed, list):
            raise InvalidInput(f"{path.name}: {kind} must be a list", field=kind)
        for at, item in enumerate(listed):
            fields = _Fields(item, f"{path.name}: {kind}[{at}]")
            found.append(make(fields))
            fields.end()
    return found


class _Fields:
    """One item of a list. Every field is taken once; fields that are left over are refused."""

    def __init__(self, item: object, where: str) -> None:
        if not isinstance(item, Mapping):
            raise InvalidInput(f"{where} must have fields such as name and description", field="file")
        self._left: dict[str, Any] = {str(key): value for key, value in item.items()}
        name = self._left.get("name")
        self._where = f"{where} {name!r}" if isinstance(name, str) else where

    def text(self, name: str, default: str | None = "") -> Any:
        return self._take(name, str, default)

    def number(self, name: str, default: int) -> int:
        value: int = self._take(name, int, default)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._take(name, list, [])
        if not all(isinstance(each, str) for each in value):
            raise InvalidInput(f"{self._where}: {name} must be a list of texts", field=name)
        return tuple(value)

    def duration(self, name: str) -> Duration | None:
        return parse_duration(self._left.pop(name, None), f"{self._where}: {name}")

    def end(self) -> None:
        """Raise InvalidInput if a field was not taken."""
        if self._left:
            name = next(iter(self._left))
            raise InvalidInput(f"{self._where}: {name!r} is not a field; see docs/command-line.md", field=name)

    def _take(self, name: str, kind: type, default: Any) -> Any:
        value = self._left.pop(name, None)
        if value is None:
            if default is None and name in ("name", "type"):
                raise InvalidInput(f"{self._where}: {name} is missing", field=name)
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InvalidInput(f"{self._where}: {name} must be {_KIND_NAMES[kind]}, not {value!r:.40}", field=name)
        return value


_KIND_NAMES: dict[type, str] = {str: "a text", int: "a whole number", list: "a list"}


def _entity_type(fields: _Fields) -> Definition:
    return EntityType(fields.text("name", None), fields.text("description"))


def _feature_group(fields: _Fields) -> Definition:
    return FeatureGroup(
        name=fields.text("name", None),
        entity_type=fields.text("entity_type", "entity"),
        description=fields.text("description"),
        ttl=fields.duration("ttl"),
        retention=fields.duration("retention"),
        buckets=fields.number("buckets", 1),
    )


def _feature(fields: _Fields) -> Definition:
    value_type, length = parse_value_type(fields.text("type", None))
    return FeatureDefinition(
        name=fields.text("name", None),
        value_type=value_type,
        version=fields.number("version", 1),
        entity_type=fields.text("entity_type"),
        group=fields.text("group"),
        vector_length=fields.number("vector_length", length),
        references=fields.text("references", None),
        description=fields.text("description"),
        tags=fields.texts("tags"),
        owner=fields.text("owner"),
    )


def _feature_service(fields: _Fields) -> Definition:
    return FeatureService(fields.text("name", None), fields.texts("features"), fields.text("description"))


_KINDS: dict[str, Callable[[_Fields], Definition]] = {
    "entity_types": _entity_type,
    "feature_groups": _feature_group,
    "features": _feature,
    "feature_services": _feature_service,
}
