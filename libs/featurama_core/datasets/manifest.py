"""The manifest of a set: the request, facts of the result, and hashes to verify both."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.datasets.text import aligned, counted
from featurama_core.frames.naming import FeatureColumns, distinct
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array, Status, ValueType, type_text

FORMAT_VERSION = 1
_RANGED = (ValueType.DOUBLE, ValueType.INT, ValueType.BOOL)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest. content: plain JSON values, as in the file."""

    content: Mapping[str, Any]

    def __str__(self) -> str:
        """What the set holds, its features, its files, and the hash of the manifest."""
        request, times = self.request, self.content["time_range"]
        lines = [counted(self.rows, "row") + (f" from {times['first']} to {times['last']}" if times else "")]
        lines.append(f"known_at {request['known_at'] or 'not given'}, as of {self.content['as_of_time']}")
        if "model" in request:
            lines.append("scores of {name} version {version}".format(**request["model"]))
            lines += [f"{name} {_shown(value)}" for name, value in self.content["scores"].items()]
        lines.append(f"label columns: {', '.join(request['label_columns'])}")
        shown = ("name", "reference", "type", "nulls", "min", "max")
        lines += aligned([{name: each[name] for name in shown} for each in self.content.get("features", ())])
        lines += aligned([{name: each[name] for name in ("name", "rows", "bytes")} for each in self.files])
        return "\n".join([*lines, f"manifest sha256 {self.sha256}"])

    @property
    def rows(self) -> int:
        """Rows of the set."""
        return int(self.content["rows"])

    @property
    def features(self) -> list[dict[str, Any]]:
        """Name, reference, type, nulls, statuses and range of each feature column."""
        return list(self.content["features"])

    @property
    def files(self) -> list[dict[str, Any]]:
        """Name, rows, bytes and SHA-256 of each file."""
        return list(self.content["files"])

    @property
    def request(self) -> dict[str, Any]:
        """The request."""
        return dict(self.content["request"])

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes of the manifest file."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The bytes of the manifest file."""
        return (json.dumps(self.content, indent=2, ensure_ascii=False) + "\n").encode()

    def save(self, path: Path) -> None:
        """Write the file; blocks."""
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(self.to_bytes())
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a manifest file. InvalidInput unless it is a manifest of this version. Blocks."""
        try:
            content = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            problem = f"{path} does not exist; name the directory of a training set"
            raise InvalidInput(problem, field="manifest") from error
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{path.name} cannot be read as a manifest", field="manifest") from error
        if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
            raise InvalidInput(f"{path.name} is not a manifest of version {FORMAT_VERSION}", field="manifest")
        return cls(content)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {count:,}" for name, count in value.items()) or "none"
    return str(value)


def manifest_path(out: Path) -> Path:
    """The path of the manifest of a set: beside its directory or file. polars reads every file of a directory."""
    return out.with_name(f"{out.name}.manifest.json")


def find_manifest(out: Path) -> Path:
    """The manifest of a set that exists: beside it or what a link leads to, or in a directory of an earlier version."""
    places = [manifest_path(each) for each in (out, out.resolve()) if each.name] + [out / "_manifest.json"]
    return next((each for each in places if each.is_file()), places[0])


def request_sha256(request: Mapping[str, Any]) -> str:
    """SHA-256 of a request with pinned versions. It stands in the manifest and in the schema of each file: the manifest
    is written after the files, whose hashes it holds.
    """
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


def code_versions() -> dict[str, str]:
    """Versions of the software that writes the files."""
    found = {"python": platform.python_version()}
    for name in ("featurama", "numpy", "pyarrow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


class PartStatistics:
    """Facts of the rows of a set, from those of its parts (plain JSON values)."""

    def __init__(self, parts: Sequence[Mapping[str, Any]] = ()) -> None:
        self.parts = list(parts)

    def features(self) -> list[dict[str, Any]]:
        """The facts of each feature column; none of scores."""
        merged: list[dict[str, Any]] = []
        for at, first in enumerate(self.parts[0].get("features", ()) if self.parts else ()):
            columns = [part["features"][at] for part in self.parts]
            statuses: dict[str, int] = {}
            for column in columns:
                for name, count in column["statuses"].items():
                    statuses[name] = statuses.get(name, 0) + count
            lows = [column["min"] for column in columns if column["min"] is not None]
            highs = [column["max"] for column in columns if column["max"] is not None]
            merged.append(
                {key: first[key] for key in ("name", "reference", "type")}
                | {
                    "nulls": sum(column["nulls"] for column in columns),
                    "statuses": dict(sorted(statuses.items())),
                    "min": min(lows, default=None),
                    "max": max(highs, default=None),
                }
            )
        return merged

    def rows(self) -> int:
        """Number of rows of all parts."""
        return sum(part["rows"] for part in self.parts)

    def unnamed(self) -> int:
        """Number of rows that name no entity, in one of their roles."""
        return sum(part.get("unnamed", 0) for part in self.parts)

    def time_range(self) -> dict[str, str] | None:
        """The first and the last time of a row; None without rows."""
        filled = [part for part in self.parts if part["rows"]]
        if not filled:
            return None
        first, last = min(part["first"] for part in filled), max(part["last"] for part in filled)
        return {"first": to_rfc3339(first), "last": to_rfc3339(last)}


def facts_of(columns: Sequence[Column], event_time: Int64Array, shown: FeatureColumns) -> dict[str, Any]:
    """Facts of one part."""
    features = distinct(columns)
    return time_facts(event_time) | {
        "features": [_of_column(name, each) for name, each in zip(shown.names(features), features, strict=True)],
    }


def time_facts(event_time: Int64Array) -> dict[str, Any]:
    """Number of rows of one part, and their first and last time, None without rows."""
    there = len(event_time) > 0
    return {
        "rows": len(event_time),
        "first": int(event_time.min()) if there else None,
        "last": int(event_time.max()) if there else None,
    }


def _of_column(name: str, column: Column) -> dict[str, Any]:
    present = column.status == Status.PRESENT
    counts = np.bincount(column.status, minlength=len(Status) + 1)
    low = high = None
    if column.value_type in _RANGED:
        values = column.values[present]
        if column.value_type is ValueType.DOUBLE:
            values = values[np.isfinite(values)]
        if len(values):
            low, high = values.min().item(), values.max().item()
    return {
        "name": name,
        "reference": column.reference,
        "type": type_text(column.value_type, column.vector_length),
        "nulls": int(len(column) - present.sum()),
        "statuses": {each.name: int(counts[each]) for each in Status if counts[each]},
        "min": low,
        "max": high,
    }
