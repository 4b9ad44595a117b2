"""Moving the history of a group to packed cells while it is read and written.

Writers write packed cells only since the group has packed history, and reads merge. A pass copies every value that is
in no packed cell: whole keys with their ingest times and remaining life, without those that are deleted or past
retention. A pass that finds nothing to copy ends the reads of a period's rows, once no earlier write can be under way.
No state is kept: a pass that was ended at any point is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from featurama_core.namespace import Namespace
from featurama_core.off_loop import off_loop
from featurama_core.retrieval.history_rows import history_rows
from featurama_core.retrieval.tombstones import TombstoneList
from featurama_core.retrieval.visibility import ReadBounds
from featurama_core.storage.cell_plan import LayoutBook, plan_cells
from featurama_core.storage.records import Partition, ScanBlock, WriteBatch
from featurama_core.types.errors import CorruptData, FailedPrecondition, OutcomeUnknown, Reason
from featurama_core.types.revisions import in_force
from featurama_core.types.schema import FeatureDefinition, FeatureGroup
from featurama_core.types.times import DAY, to_rfc3339
from featurama_core.types.values import Status
from featurama_core.types.writes import Outcome, StoredColumn

KEPT_FOR = DAY
"""Rows are removed so long after the last reads of them may have begun."""
_NAMES_PER_READ = 1_000


@dataclass(frozen=True, slots=True)
class PackReport:
    """values: copied by this pass. periods: whose rows are still read. again_at: when a further pass may end these
    reads, microseconds; None if there are none. removed: partitions whose rows were removed.
    """

    values: int
    periods: int
    again_at: int | None
    removed: int


async def pack(namespace: Namespace, name: str) -> PackReport:
    """One pass over a group. FailedPrecondition unless its history is packed and that revision is in force."""
    group = (await namespace.registry.snapshot(fresh=True)).group(name)
    _check_packed(namespace, group)
    features = await _features(namespace, name)
    settings, storage = namespace.settings, namespace.storage
    lead = settings.revision_lead + settings.retry_window + settings.write_deadline
    copied, left, again_at = 0, 0, None
    found = await storage.partitions_to_pack(group)
    for number, members in groupby(found, key=lambda each: each.partition.period):
        began = namespace.now()
        listed = list(members)
        ready_at = max(each.packed_since for each in listed) + lead
        missing = [await _copy(namespace, group, features, each.partition) for each in listed]
        copied += sum(missing)
        if ready_at <= began and not any(missing):
            await storage.end_unpacked(group, number)
        else:
            left += 1
            again_at = max(ready_at, again_at or ready_at)
    removed = await storage.remove_unpacked(group, features, namespace.now() - KEPT_FOR)
    return PackReport(copied, left, again_at, removed)


def _check_packed(namespace: Namespace, group: FeatureGroup) -> None:
    if group.history != "packed":
        problem = f"history of {group.name!r} is {group.history}; change it to packed first"
    elif in_force(group, namespace.now()).history != "packed":
        problem = f"history of {group.name!r} is packed from {to_rfc3339(group.start)} on; wait until then"
    else:
        return
    raise FailedPrecondition(problem, reason=Reason.INVALID_ARGUMENT, field="history")


async def _features(namespace: Namespace, group: str) -> list[FeatureDefinition]:
    """All versions of the features of a group, deleted ones too."""
    storage = namespace.storage
    found: list[FeatureDefinition] = []
    first: str | None = ""
    while first is not None:
        names = await storage.list_feature_names(("feature_group", group), first, _NAMES_PER_READ + 1)
        found += await storage.read_features(names[:_NAMES_PER_READ])
        first = names[_NAMES_PER_READ] if len(names) > _NAMES_PER_READ else None
    return [each for each in found if each.group == group]


async def _copy(
    namespace: Namespace, group: FeatureGroup, features: Sequence[FeatureDefinition], partition: Partition
) -> int:
    """Copy the values of a partition that are in no packed cell. -> their number."""
    copied, book = 0, LayoutBook()
    if not features:
        return 0
    async with aclosing(namespace.storage.scan_unpacked(features, group, partition)) as blocks:  # type: ignore[type-var]
        async for block in blocks:
            if not any(len(each.entity) for each in block.histories):
                continue
            # Read after the values: what was deleted meanwhile is not copied.
            tombstones = TombstoneList(await namespace.storage.list_tombstones())
            batch, values = await off_loop(True, _planned, namespace.now(), group, features, block, tombstones, book)
            if not values:
                continue
            await namespace.put_layouts(run.layout for run in batch.runs)
            if (await namespace.storage.pack_history(batch) != Outcome.ACCEPTED).any():
                raise OutcomeUnknown("some packed cells were not stored; run it again")
            copied += values
    return copied


def _planned(
    now: int,
    group: FeatureGroup,
    features: Sequence[FeatureDefinition],
    block: ScanBlock,
    tombstones: TombstoneList,
    book: LayoutBook,
) -> tuple[WriteBatch, int]:
    """(the visible values of a block as packed cells, their number)."""
    for each in block.histories:
        if (each.column.status == Status.ERROR).any():
            raise CorruptData(f"stored values of {each.column.name!r} cannot be read; nothing more was moved")
    as_of = ReadBounds(None, now, at_now=True).rows(None)
    keys, columns = history_rows(block, group, tombstones, as_of, corrections=True)
    stored = [StoredColumn(*each) for each in zip(features, [group] * len(features), columns, strict=True)]
    values = sum(int(np.count_nonzero(each.status != Status.NOT_FOUND)) for each in columns)
    entity_ids = [block.entity_ids[code] for code in keys[0].tolist()]
    event_time, ingested_at = np.ascontiguousarray(keys[1]), np.ascontiguousarray(keys[2])
    whole = {group.name: list(features)}
    runs = plan_cells(book, whole, stored, event_time, ingested_at) if values else []
    return WriteBatch(entity_ids, event_time, ingested_at, stored, runs), values
