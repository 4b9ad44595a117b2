"""Following a reference that can name many entities: rows that name the same entity are joined by the same task.

Before the join a row carries the value of the reference, its moment, and the shard of the referenced entity.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa

from featurama_core.frames.tables import arrow_table, value_field
from featurama_core.namespace import Namespace
from featurama_core.retrieval.engine import Retrieval
from featurama_core.retrieval.plan import ReadPlan
from featurama_core.retrieval.source import ValueSource
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.types.column import Column
from featurama_core.types.references import ResolvedFeature
from featurama_core.types.roles import Role
from featurama_core.types.values import Int64Array, Status, ValueType
from featurama_trainer.ray.buckets import bucket_of
from featurama_trainer.ray.output import Output
from featurama_trainer.ray.store_location import StoreLocation, in_own_loop

_CARRIED = ("shard", "target", "status", "event_time", "moment")


def add_link(table: pa.Table, number: int, link: Column, moment: Int64Array, shards: int) -> pa.Table:
    """The table with the carried columns of link `number`."""
    target = arrow_table([value_field("target", link)]).column("target").combine_chunks()
    # Rows without a referenced entity are spread evenly: they need no join.
    shard = np.arange(len(link)) % shards
    there = np.flatnonzero(link.status == Status.PRESENT)
    shard[there] = bucket_of(target.take(pa.array(there)), shards)
    carried = (pa.array(shard), target, pa.array(link.status), pa.array(link.event_time), pa.array(moment))
    for name, array in zip(_CARRIED, carried, strict=True):
        table = table.append_column(_name(number, name), array)
    return table


@dataclass(frozen=True, slots=True)
class Follow:
    """A stage of a dataset: adds the feature columns of link `number` and drops its carried columns."""

    place: StoreLocation
    bounds: ReadBounds
    number: int
    role: Role | None
    reference: ResolvedFeature
    targets: Sequence[ResolvedFeature]
    output: Output

    @property
    def shard_column(self) -> str:
        """The column by which the rows are partitioned."""
        return _name(self.number, "shard")

    def __call__(self, table: pa.Table) -> pa.Table:
        """One block of rows."""
        (joined,) = in_own_loop(self.place, partial(self._joined, table=table.combine_chunks()))
        return joined

    async def _joined(self, namespace: Namespace, *, table: pa.Table) -> AsyncIterator[pa.Table]:
        link, moment = self._carried(table)
        retrieval = Retrieval(ValueSource(namespace), ReadPlan.of(self.targets), self.bounds)
        shown = [
            (replace(target, role=self.role), column)
            for target, column in zip(self.targets, await retrieval.follow([link], moment), strict=True)
        ]
        yield self.output.add(table.drop_columns([_name(self.number, each) for each in _CARRIED]), shown)

    def _carried(self, table: pa.Table) -> tuple[Column, Int64Array]:
        target, status, event_time, moment = (table.column(_name(self.number, each)) for each in _CARRIED[1:])
        values = np.array(target.fill_null("").to_pylist(), dtype=np.object_)
        column = Column(self.reference.name, ValueType.TEXT, values, status.to_numpy(), event_time.to_numpy())
        return column, moment.to_numpy()


def _name(number: int, part: str) -> str:
    return f"__link{number}_{part}"
