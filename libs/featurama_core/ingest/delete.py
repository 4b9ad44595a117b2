"""Deletion in three steps: a durable tombstone, an audit record, and the cleaning.

The tombstone alone is decisive: no read returns values that it covers. The cleaning may fail, and a repeated call does
it again; deleted values stay invisible meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from featurama_core.namespace import Namespace
from featurama_core.retrieval.visibility import is_gone
from featurama_core.storage.layouts import Layout
from featurama_core.storage.packed_cell import unpack, without_fields
from featurama_core.storage.records import AuditRecord, Cells, Tombstone
from featurama_core.types.errors import InvalidInput, OutcomeUnknown, Reason, StoreUnavailable
from featurama_core.types.names import check_entity_ids
from featurama_core.types.schema import FeatureGroup
from featurama_core.types.values import Status
from featurama_core.types.writes import Deletion


async def delete(
    namespace: Namespace, entity_id: str, feature_names: Sequence[str], deleted_through: int | None
) -> Deletion:
    """Delete all values of an entity, or those of the named features in all versions."""
    check_entity_ids([entity_id])
    snapshot = await namespace.registry.snapshot(fresh=True, names=feature_names)
    for name in feature_names:
        snapshot.feature(name)
    cells, layouts = await namespace.read_cells([entity_id])
    if cells.failed.any():
        raise StoreUnavailable("the store did not answer for this entity; try again")
    times, found = _stored(cells, layouts, feature_names)
    through = _through(namespace, times, deleted_through)
    found = found or (not feature_names and bool(await namespace.storage.get_entities([entity_id])))
    tombstones = [Tombstone(entity_id, name, through) for name in feature_names or ("",)]
    for tombstone in tombstones:
        await namespace.storage.put_tombstone(tombstone)
    await namespace.storage.append_audit(_record(namespace, entity_id, feature_names, through))
    if not feature_names:
        await namespace.storage.remove_entity(entity_id)
        namespace.forget_entities([entity_id])
    try:
        for tombstone in tombstones:
            await _clean(namespace, tombstone, snapshot.all_groups())
    except (StoreUnavailable, OutcomeUnknown):
        return Deletion(through, cleaned=False, found=found)
    return Deletion(through, cleaned=True, found=found)


def _stored(cells: Cells, layouts: Mapping[int, Layout], feature_names: Sequence[str]) -> tuple[list[int], bool]:
    """The event times of the newest cells with the deleted features, and whether one has a value of them."""
    times, found = [], False
    for layout_id, cell in zip(cells.layout_ids, cells.cells, strict=True):
        layout = layouts.get(layout_id)
        if layout is None:
            continue
        decoded = unpack(layout, [cell])
        held = any(
            (not feature_names or field.name in feature_names) and status[0] != Status.NOT_FOUND
            for field, status in zip(layout.fields, decoded.status, strict=True)
        )
        if (held or not feature_names) and decoded.readable[0]:
            times.append(int(decoded.event_time[0]))
            found = found or held
    return times, found


def _through(namespace: Namespace, times: Sequence[int], deleted_through: int | None) -> int:
    """The bound of a deletion: the newer of the wall clock and the newest event time stored for the deleted features. A
    caller may give an earlier one.
    """
    newest = max((namespace.now(), *times))
    if deleted_through is None:
        return newest
    if deleted_through > newest:
        raise InvalidInput(
            "deleted_through lies in the future; leave it out to delete everything up to now",
            reason=Reason.EVENT_TIME_IN_FUTURE,
            field="deleted_through_time",
        )
    return deleted_through


async def _clean(namespace: Namespace, tombstone: Tombstone, groups: Mapping[str, FeatureGroup]) -> None:
    names = [tombstone.feature_name]
    if not tombstone.feature_name:
        names = await namespace.storage.features_to_clean(tombstone.entity_id, list(groups.values()))
    features = await namespace.storage.read_features(names)
    await namespace.storage.clean(tombstone, [(each, groups[each.group]) for each in features])
    if not tombstone.feature_name:
        return
    cells, layouts = await namespace.read_cells([tombstone.entity_id])
    for layout_id, cell in zip(cells.layout_ids, cells.cells, strict=True):
        layout = layouts.get(layout_id)
        if layout is None:
            continue
        deleted = [field.name == tombstone.feature_name for field in layout.fields]
        decoded = unpack(layout, [cell])
        is_covered = bool(decoded.readable[0] and is_gone(decoded.event_time, tombstone.deleted_through)[0])
        if any(deleted) and is_covered:
            rewritten = without_fields(layout, cell, deleted)
            await namespace.storage.replace_cell(tombstone.entity_id, layout_id, rewritten, int(decoded.event_time[0]))


def _record(namespace: Namespace, entity_id: str, features: Sequence[str], through: int) -> AuditRecord:
    detail = {"features": list(features), "deleted_through_us": through}
    action = "delete_feature_values" if features else "delete_entity"
    return AuditRecord(namespace.now(), action, entity_id, json.dumps(detail))
