"""Verifying a set: its files against its manifest and, with a store, its values against a new build.

Deletion and retention explain differences; with a settled known_at there should be no others. A set of newest values is
built again as of the time of the original build.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from featurama_core.datasets.dataset import TrainingDataset
from featurama_core.datasets.request import Build, DatasetRequest, EntityGrid, LabelRows
from featurama_core.datasets.spine_sources import one_batch, row_entities
from featurama_core.datasets.written import WrittenSet
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.spine import SpineColumns
from featurama_core.types.errors import InvalidInput
from featurama_core.types.references import FeatureSelection, ResolvedFeature
from featurama_core.types.revisions import retained_after
from featurama_core.types.roles import NO_ROLE
from featurama_core.types.times import MIN_TIME, to_known_at, to_micros

_SHOWN = 5
_COMPARED_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows in which a column differs from a new build, for one cause: deletion, retention, later_writes (no known_at
    excludes them) or unexplained. first_rows: the first of these rows.
    """

    column: str
    cause: str
    rows: int
    first_rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The result of a verification. problems: of the files, as texts. differences: None without a new build."""

    files: int
    rows: int
    problems: tuple[str, ...]
    differences: tuple[Difference, ...] | None = None

    @property
    def is_good(self) -> bool:
        """Whether the files are unchanged, and all differences are explained by deletion or retention."""
        causes = {each.cause for each in self.differences or ()}
        return not self.problems and causes <= {"deletion", "retention"}

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"good": self.is_good}


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A set built again. columns: of its label rows. features: their current definitions. deleted: (entity id, feature
    name or "" for all features) of all deletions. now: microseconds, the time that retention is measured from.
    """

    dataset: TrainingDataset
    columns: SpineColumns
    features: Sequence[ResolvedFeature]
    deleted: set[tuple[str, str]]
    now: int


Rebuild = Callable[[DatasetRequest, int | None], Awaitable[Rebuilt]]
"""Builds the set of a request again; with a time, microseconds, the newest values of its rows at that time. See
`featurama_core.store_datasets.rebuilt`.
"""


async def verify(out: str | Path, rebuild: Rebuild | None = None) -> VerificationReport:
    """Verify the set at `out`, its directory or file. With `rebuild` it is built again and compared.

    InvalidInput if there is no manifest, or for scores with `rebuild`, which cannot be built again.
    """
    written = await asyncio.to_thread(WrittenSet, Path(out))
    problems = await asyncio.to_thread(written.file_problems)
    manifest = written.manifest
    found = VerificationReport(len(manifest.files), manifest.rows, tuple(problems))
    if rebuild is None or problems:
        return found
    if "model" in manifest.request:
        raise InvalidInput("scores can be checked, not built again; score the labels again", field="out")
    differences = await _Compared(rebuild, written).differences()
    return VerificationReport(found.files, found.rows, found.problems, tuple(differences))


class _Compared:
    """The comparison of a set with a new build, row by row."""

    def __init__(self, rebuild: Rebuild, written: WrittenSet) -> None:
        self._rebuild = rebuild
        self._written = written
        self._manifest = written.manifest
        self._request = written.manifest.request
        self._now = 0
        self._tally: dict[tuple[str, str], list[int]] = {}
        self._counts: dict[tuple[str, str], int] = {}

    async def differences(self) -> list[Difference]:
        """One difference per (column, cause)."""
        references = [each["reference"] for each in self._manifest.features]
        again = await self._again(references)
        self._now = again.now
        deleted, resolved = again.deleted, {each.reference: each for each in again.features}
        first = 0
        built = _Cursor(again.dataset.batches())
        tables = self._written.tables(_COMPARED_ROWS)
        while (old := await asyncio.to_thread(next, tables, None)) is not None:
            new = await asyncio.to_thread(self._written.in_its_words, await built.take(old.num_rows))
            await asyncio.to_thread(self._compare, old, new, first, again.columns, deleted, resolved)
            first += old.num_rows
        return [
            Difference(column, cause, self._counts[column, cause], tuple(rows))
            for (column, cause), rows in sorted(self._tally.items())
        ]

    async def _again(self, references: Sequence[str]) -> Rebuilt:
        request = DatasetRequest(
            LabelRows(self._written, self._written.columns),
            EntityGrid(),
            FeatureSelection.of(
                references,
                None,
                self._request.get("ttl_revisions"),
                tuple(each.role for each in self._written.columns.roles),
            ),
            to_known_at(self._request["known_at"]),
            Build(
                statuses=self._request["statuses"],
                event_times=self._request["event_times"],
                column_separator=self._request.get("column_separator", "."),
            ),
        )
        as_of = to_micros(self._manifest.content["as_of_time"]) if self._request["at_now"] else None
        return await self._rebuild(request, as_of)

    def _compare(
        self,
        old: Any,
        new: Any,
        first: int,
        columns: SpineColumns,
        deleted: set[tuple[str, str]],
        resolved: dict[str, ResolvedFeature],
    ) -> None:
        ids = cache(lambda: row_entities(one_batch(old), columns)[0])
        for feature in self._manifest.features:
            for column in FeatureColumns(statuses=True, event_times=True).all_of(feature["name"]):
                if column not in old.schema.names:
                    continue
                # Compared as texts: a NaN equals itself, and a vector is one value.
                was, now = old.column(column).to_pylist(), new.column(column).to_pylist()
                if was == now:
                    continue
                for row, (before, after) in enumerate(zip(was, now, strict=True)):
                    if before != after and repr(before) != repr(after):
                        named = resolved[feature["reference"]]
                        cause = self._cause(old, row, ids, named, f"{feature['name']}__event_time", deleted)
                        self._add(column, cause, first + row)

    def _cause(
        self,
        old: Any,
        row: int,
        ids: Callable[[], Mapping[str, Any]],
        feature: ResolvedFeature,
        times: str,
        deleted: set[tuple[str, str]],
    ) -> str:
        """times: the column of the feature's event times, if the set has it."""
        entity_id = ids()[NO_ROLE if feature.role is None else feature.role.name][row].as_py()
        parts = [(entity_id, feature if feature.via is None else feature.via)]
        if feature.via is not None:
            target = self._link(old, row, replace(feature.via, role=feature.role))
            parts += [(target, feature)] if target is not None else []
            if target is None and any(name in ("", feature.definition.name) for _, name in deleted):
                return "deletion"
        for owner, each in parts:
            if (owner, "") in deleted or (owner, each.definition.name) in deleted:
                return "deletion"
        time = old.column(times)[row].as_py() if times in old.schema.names else None
        # A value without a recorded event time, such as that of a reference, may be of any time.
        earliest = to_micros(time) if isinstance(time, datetime) else MIN_TIME + 1
        if earliest <= retained_after(feature.group, self._now) or (
            feature.via is not None and retained_after(feature.via.group, self._now) > MIN_TIME
        ):
            return "retention"
        return "later_writes" if self._request["known_at"] is None else "unexplained"

    def _link(self, old: Any, row: int, via: ResolvedFeature) -> str | None:
        """The id that the reference named, if the set has its column."""
        for each in self._manifest.features:
            if each["reference"] == via.reference:
                link: str | None = old.column(each["name"])[row].as_py()
                return link
        return None

    def _add(self, column: str, cause: str, row: int) -> None:
        rows = self._tally.setdefault((column, cause), [])
        self._counts[column, cause] = self._counts.get((column, cause), 0) + 1
        if len(rows) < _SHOWN:
            rows.append(row)


class _Cursor:
    """Reads runs of rows from a stream of batches."""

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


def differences_shown(found: Sequence[Difference]) -> list[dict[str, Any]]:
    """Differences as rows for output."""
    return [asdict(each) | {"first_rows": ", ".join(map(str, each.first_rows))} for each in found]
