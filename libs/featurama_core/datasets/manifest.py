"""The manifest of a set: what was asked, what was answered, and the hashes by which both can be checked."""

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

from featurama_core.frames.results import distinct, output_names
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import to_rfc3339
from featurama_core.types.values import Int64Array, Status, ValueType, type_text

MANIFEST = "manifest.json"
DIRECTORY_MANIFEST = "_manifest.json"
"""Readers of a directory of Parquet files pass over names that begin so."""
FORMAT_VERSION = 1
_RANGED = (ValueType.DOUBLE, ValueType.INT, ValueType.BOOL)


@dataclass(frozen=True, slots=True)
class Manifest:
    """`content` is what the file holds: plain JSON values."""

    content: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """Rows of the set."""
        return int(self.content["rows"])

    @property
    def features(self) -> list[dict[str, Any]]:
        """A feature column each: name, reference, type, nulls, statuses, range."""
        return list(self.content["features"])

    @property
    def files(self) -> list[dict[str, Any]]:
        """Name, rows, bytes and SHA-256 of each file."""
        return list(self.content["files"])

    @property
    def request(self) -> dict[str, Any]:
        """What was asked."""
        return dict(self.content["request"])

    @property
    def sha256(self) -> str:
        """Of the manifest itself, as it stands in its file."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return (json.dumps(self.content, indent=2, ensure_ascii=False) + "\n").encode()

    def save(self, path: Path) -> None:
        """Write the file; blocks."""
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(self.to_bytes())
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read one. InvalidInput if it is no manifest of this version; blocks."""
        try:
            content = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            problem = f"{path} is not there; name a set that `featurama dataset build` wrote"
            raise InvalidInput(problem, field="manifest") from error
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{path.name} cannot be read as a manifest", field="manifest") from error
        if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
            raise InvalidInput(f"{path.name} is no manifest of version {FORMAT_VERSION}", field="manifest")
        return cls(content)


def manifest_path(out: Path) -> Path:
    """Where the manifest of a set lies: in its directory, or beside its file."""
    return out / DIRECTORY_MANIFEST if not out.suffix else out.with_name(f"{out.name}.{MANIFEST}")


def code_versions() -> dict[str, str]:
    """What made the bytes."""
    found = {"python": platform.python_version()}
    for name in ("featurama", "numpy", "pyarrow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


class Facts:
    """What a manifest says of the rows, added up part by part; plain JSON values between builds."""

    def __init__(self, parts: Sequence[Mapping[str, Any]] = ()) -> None:
        self.parts = list(parts)

    def features(self) -> list[dict[str, Any]]:
        """A feature column each."""
        merged: list[dict[str, Any]] = []
        for at, first in enumerate(self.parts[0]["features"] if self.parts else []):
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
        """Of all parts."""
        return sum(part["rows"] for part in self.parts)

    def time_range(self) -> dict[str, str] | None:
        """The first and the last moment of a row."""
        if not self.parts:
            return None
        first, last = min(part["first"] for part in self.parts), max(part["last"] for part in self.parts)
        return {"first": to_rfc3339(first), "last": to_rfc3339(last)}


def facts_of(columns: Sequence[Column], event_time: Int64Array) -> dict[str, Any]:
    """Facts of one part."""
    shown = distinct(columns)
    return {
        "rows": len(event_time),
        "first": int(event_time.min()),
        "last": int(event_time.max()),
        "features": [_of_column(name, each) for name, each in zip(output_names(shown), shown, strict=True)],
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
