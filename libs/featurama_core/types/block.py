"""Columns of one read that share their event times: the form in which values go from the storage to the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from featurama_core.types.column import Column
from featurama_core.types.values import Int64Array, Status, UInt8Array, ValueArrays, ValueType


@dataclass(frozen=True, slots=True, eq=False)
class Heading:
    """What a column says beside its values; see `Column`. encoded: kept by the wire, which sends it in every answer."""

    name: str
    value_type: ValueType
    version: int
    reference: str
    vector_length: int = 0
    encoded: dict[tuple[int, int], bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, column: Column) -> Heading:
        """The heading of a column."""
        return cls(column.name, column.value_type, column.version, column.reference, column.vector_length)


class Headings(tuple[Heading, ...]):  # noqa: SLOT001 - what is kept of them is in its __dict__
    """Headings of the columns of a block. framed: kept by the wire, as `Heading.encoded`, for columns of some sizes."""

    def __init__(self, _: Iterable[Heading]) -> None:
        self.framed: dict[int, Any] = {}


class Block(NamedTuple):
    """k columns of n rows.

    values: k arrays, with the zero value where a status is not PRESENT. status: uint8[k, n] of `Status`. event_time: k
    arrays int64[n], 0 where there is none; columns may share one. whole: per column, whether all rows are PRESENT.
    """

    headings: Headings
    values: ValueArrays
    status: UInt8Array
    event_time: Sequence[Int64Array]
    whole: Sequence[bool]

    @classmethod
    def of(cls, column: Column) -> Block:
        """A block of one column."""
        return cls(
            Headings([Heading.of(column)]),
            [column.values],
            column.status[None, :],
            [column.event_time],
            [column.all_present],
        )

    def take(self, rows: Int64Array) -> Block:
        """The given rows, in the given order."""
        status = self.status[:, rows]
        return Block(
            self.headings,
            [each[rows] for each in self.values],
            status,
            [each[rows] for each in self.event_time],
            (status == Status.PRESENT).all(axis=1).tolist(),
        )

    def columns(self) -> list[Column]:
        """The columns, in order."""
        return [
            Column(each.name, each.value_type, values, status, event_time, each.version, each.reference)
            for each, values, status, event_time in zip(
                self.headings, self.values, self.status, self.event_time, strict=True
            )
        ]


class Answer(NamedTuple):
    """Blocks, and the numbers of their columns in the order of a request. Those of a single block are in order."""

    blocks: Sequence[Block]
    numbers: Sequence[Sequence[int]]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> Answer:
        """Columns that were read apart."""
        return cls([Block.of(each) for each in columns], [[at] for at in range(len(columns))])

    def take(self, rows: Int64Array) -> Answer:
        """The given rows, in the given order."""
        return Answer([each.take(rows) for each in self.blocks], self.numbers)

    def places(self) -> list[tuple[int, int]]:
        """For each column in order its block, and its place there."""
        placed = [
            (number, block, at) for block, numbers in enumerate(self.numbers) for at, number in enumerate(numbers)
        ]
        return [(block, at) for _, block, at in sorted(placed)]

    def columns(self) -> list[Column]:
        """A column per feature, in order."""
        made = [each.columns() for each in self.blocks]
        return made[0] if len(made) == 1 else [made[block][at] for block, at in self.places()]
