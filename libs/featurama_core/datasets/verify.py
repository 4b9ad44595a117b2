"""Checking a set: its files against its manifest and, with a store, its values against what is built again.

A difference is explained where deletion or retention explain it; with a settled known_at nothing else should differ. A
set of newest values is built again as of the moment it was built at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from featurama_core.datasets.dataset import TrainingSet
from featurama_core.datasets.labels import LabelColumns, LabelSource
from featurama_core.datasets.manifest import Manifest
from featurama_core.datasets.written import WrittenSet
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureRef, ResolvedFeature

_SHOWN = 5
_COMPARED_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows in which a column is another one when it is built again, for one cause: deletion, retention, later_writes
    (there is no known_at that would exclude them) or unexplained. first_rows: the first of them.
    """

    column: str
    cause: str
    rows: int
    first_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """problems: what is wrong with the files, in words. differences: None if the set was not built again."""

    files: int
    rows: int
    problems: tuple[str, ...]
    differences: tuple[Difference, ...] | None = None

    @property
    def is_good(self) -> bool:
        """Files as written, and no difference but by deletion and retention."""
        causes = {each.cause for each in self.differences or ()}
        return not self.problems and causes <= {"deletion", "retention"}

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"good": self.is_good}


class Again(Protocol):
    """Where a set can be built again."""

    async def resolve(self, references: Sequence[str]) -> Sequence[ResolvedFeature]:
        """The features of pinned references."""

    async def deleted(self) -> set[tuple[str, str]]:
        """(entity id, feature name) of what is deleted there; "" for all features."""

    async def build(
        self, source: LabelSource, columns: LabelColumns, references: Sequence[str], manifest: Manifest
    ) -> TrainingSet:
        """The set of the manifest's request for the rows of `source`."""


async def verify(out: str | Path, again: Again | None = None) -> Verified:
    """Check the set at `out`: its directory, or its file. With `again` it is built again and compared.

    InvalidInput where there is no manifest, or for scores, which cannot be built again.
    """
    written = await asyncio.to_thread(WrittenSet, Path(out))
    problems = await asyncio.to_thread(written.file_problems)
    manifest = written.manifest
    found = Verified(len(manifest.files), manifest.rows, tuple(problems))
    if again is None or problems:
        return found
    if "model" in manifest.request:
        raise InvalidInput("scores can be checked, not built again; score the labels again", field="out")
    differences = await _Rebuilt(again, written).differences()
    return Verified(found.files, found.rows, found.problems, tuple(differences))


class _Rebuilt:
    """A set beside the same one built anew, row by row."""

    def __init__(self, again: Again, written: WrittenSet) -> None:
        self._again = again
        self._written = written
        self._manifest = written.manifest
        self._asked = written.manifest.request
        self._columns = written.columns
        self._tally: dict[tuple[str, str], list[int]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    async def differences(self) -> list[Difference]:
        """One a (column, cause)."""
        references = [each["reference"] for each in self._manifest.features]
        made = await self._again.build(self._written, self._columns, references, self._manifest)
        marked = await self._again.deleted()
        resolved = {each.reference: each for each in await self._again.resolve(references)}
        first = 0
        built = _Cursor(made.batches())
        tables = self._written.tables(_COMPARED_ROWS)
        while (old := await asyncio.to_thread(next, tables, None)) is not None:
            new = await asyncio.to_thread(self._written.in_its_words, await built.take(old.num_rows))
            await asyncio.to_thread(self._compare, old, new, first, marked, resolved)
            first += old.num_rows
        return [
            Difference(column, cause, self._counts[column, cause], tuple(rows))
            for (column, cause), rows in sorted(self._tally.items())
        ]

    def _compare(
        self, old: Any, new: Any, first: int, marked: set[tuple[str, str]], resolved: dict[str, ResolvedFeature]
    ) -> None:
        for feature in self._manifest.features:
            name = feature["name"]
            for column in (name, f"{name}__status", f"{name}__event_time"):
                if column not in old.schema.names:
                    continue
                # As texts: a NaN is itself, and a vector is compared whole.
                was, now = old.column(column).to_pylist(), new.column(column).to_pylist()
                if was == now:
                    continue
                for row, (before, after) in enumerate(zip(was, now, strict=True)):
                    if before != after and repr(before) != repr(after):
                        cause = self._cause(old, row, resolved[feature["reference"]], marked)
                        self._add(column, cause, first + row)

    def _cause(self, old: Any, row: int, feature: ResolvedFeature, marked: set[tuple[str, str]]) -> str:
        entity_id = old.column(self._columns.of_type(feature.entity_type))[row].as_py()
        parts = [(entity_id, feature if feature.via is None else feature.via)]
        if feature.via is not None:
            target = _shown_link(old, row, feature.via)
            parts += [(target, feature)] if target is not None else []
            if target is None and any(name in ("", feature.definition.name) for _, name in marked):
                return "deletion"
        for owner, each in parts:
            if (owner, "") in marked or (owner, each.definition.name) in marked:
                return "deletion"
        if any(each.group.retention is not None for _, each in parts) or feature.group.retention is not None:
            return "retention"
        return "later_writes" if self._asked["known_at"] is None else "unexplained"

    def _add(self, column: str, cause: str, row: int) -> None:
        rows = self._tally.setdefault((column, cause), [])
        self._counts[column, cause] = self._counts.get((column, cause), 0) + 1
        if len(rows) < _SHOWN:
            rows.append(row)


class _Cursor:
    """Runs of rows out of a stream of batches."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches
        self._held: list[Any] = []

    async def take(self, rows: int) -> Any:
        """The next rows as one table."""
        while sum(batch.num_rows for batch in self._held) < rows:
            self._held.append(await anext(self._batches))
        table = pa.Table.from_batches(self._held)
        self._held = table.slice(rows).to_batches()
        return table.slice(0, rows)


def _shown_link(old: Any, row: int, via: ResolvedFeature) -> str | None:
    """The id that the reference named, where the set holds that column too."""
    for name in (via.name, via.reference):
        if name in old.schema.names and FeatureRef.parse(name).name == via.definition.name:
            link: str | None = old.column(name)[row].as_py()
            return link
    return None


def differences_shown(found: Sequence[Difference]) -> list[dict[str, Any]]:
    """A row a difference, for people."""
    return [asdict(each) | {"first_rows": ", ".join(map(str, each.first_rows))} for each in found]
