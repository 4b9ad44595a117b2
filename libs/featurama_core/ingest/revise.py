"""Changing a definition: the fields that may change become a further revision. A lower retention removes values, which
are counted before it is confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import numpy as np

from featurama_core.api.primitives import Update
from featurama_core.namespace import Namespace
from featurama_core.registry import checked_changes, is_lower, someone_else_changed
from featurama_core.retrieval.tombstones import TombstoneList
from featurama_core.retrieval.visibility import horizon, is_gone, per_entity
from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_core.types.revisions import revised
from featurama_core.types.schema import Definition, FeatureGroup
from featurama_core.types.times import MIN_TIME, duration_text

_PAGE = 1_000
D = TypeVar("D", bound=Definition)


async def revise(namespace: Namespace, before: D, changes: Mapping[str, Any], update: Update) -> tuple[D, int]:
    """Append a revision to a definition as it was just read. -> the definition, and the number of values that a lower
    retention removes, which is counted unless it is confirmed. Without changes nothing is stored.
    """
    if update.expected_revision not in (None, before.revision):
        raise someone_else_changed(before, update.expected_revision)
    changes = checked_changes(before, changes)
    lead = namespace.settings.revision_lead
    after = revised(before, changes, max(namespace.now() + lead, before.start + 1)) if changes else before
    lost = 0
    if isinstance(before, FeatureGroup) and isinstance(after, FeatureGroup) and is_lower(after.retention, before):
        if not update.confirmed:
            lost = await _values_lost(namespace, before, after)
        if not (update.confirmed or update.dry_run):
            raise FailedPrecondition(
                f"retention {duration_text(after.retention)} of {before.name!r} is lower than"
                f" {duration_text(before.retention) or 'no limit'} and removes {lost:,} values for ever; confirm it",
                reason=Reason.VALUES_LOST,
                field="retention",
                values=lost,
            )
    if update.dry_run or not changes:
        return after, lost
    return await namespace.registry.revise(before, changes, lead=lead), lost


async def _values_lost(namespace: Namespace, before: FeatureGroup, after: FeatureGroup) -> int:
    """The stored values that are visible now and past the retention of `after` when it starts."""
    storage, now = namespace.storage, namespace.now()
    past = int(np.max(horizon(after, MIN_TIME, after.start)))
    tombstones, lost = TombstoneList(await storage.list_tombstones()), 0
    features, first = [], ""
    while True:
        page, following = await namespace.registry.page_features(("feature_group", before.name), first, _PAGE)
        features += page
        if following is None:
            break
        first = following
    if not features:
        return 0
    for partition in await storage.partitions(before):
        if partition.period * storage.options.history_period > past:
            continue
        async with aclosing(storage.scan_history(features, before, partition)) as blocks:  # type: ignore[type-var]
            async for block in blocks:
                deleted = tombstones.of(block.entity_ids)
                for each in block.histories:
                    gone = horizon(before, deleted.through(each.column.name), now)
                    shown = ~is_gone(each.event_time, per_entity(gone, each.entity))
                    lost += int((shown & is_gone(each.event_time, past)).sum())
    return lost
