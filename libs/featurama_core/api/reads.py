"""The store's reads: newest values, history, and values as of a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from featurama_core.api.histories import HistoryMethods
from featurama_core.api.primitives import Consistency
from featurama_core.frames.casts import Casts, checked_casts
from featurama_core.frames.cells import frame_kind, objects
from featurama_core.frames.naming import FeatureColumns
from featurama_core.frames.results import HistoricalFeatures, OnlineFeatures
from featurama_core.frames.role_columns import RoleColumns, RolesGiven, role_columns
from featurama_core.frames.spine import SpineColumns, label_rows, listed_ids, row_entities
from featurama_core.frames.zones import Ambiguous, TimeRules
from featurama_core.off_loop import off_loop
from featurama_core.types.entity_keys import EntityKeys, EntityName
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import DEFAULT_ENTITY_TYPE, RESERVED_NAMES, check_entity_ids, check_list
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.roles import NO_ROLE, Role, RowEntities, roles_of
from featurama_core.types.times import KnownAt, Time, TimeUnit, to_known_at, to_micros
from featurama_core.types.values import Int64Array

_FEW_IDS = 10_000
"""Entity ids that are checked on the event loop."""


class ReadingMethods(HistoryMethods):
    """Reading the values of one namespace."""

    async def get_online_features(
        self,
        entity_ids: Any,
        feature_names: Sequence[str] | None = None,
        *,
        service: str | None = None,
        roles: RolesGiven | None = None,
        consistency: Consistency | None = None,
        event_times: bool = True,
        casts: Mapping[str, str] | None = None,
        ttl_revisions: Mapping[str, int] | None = None,
    ) -> OnlineFeatures:
        """The newest values of any number of entities.

        Args:
            entity_ids: One entity per row of the result. An id may be repeated. Or a frame, a mapping of columns or a
                list of mappings with the key columns of the features' entity type; with roles the columns of each role.
                `RowEntities` has ids.
            feature_names: Feature references. Either `feature_names` or `service` is required.
            service: Name of a feature service.
            roles: {role: entity type}, for rows that name several entities; see `training_set`.
            consistency: Number of replicas of a cluster that must answer; None for the setting of the server or
                storage.
            event_times: False omits event times from the answers of servers (they read as 1970), which makes the
                answers smaller.
            casts: {column: cast} of columns with entities; {"entity_id": "text"} reads whole numbers as ids.
            ttl_revisions: Group -> the newest revision whose ttl applies, as in the manifests of training sets and
                models; None for those in force now.

        Returns:
            One row per id and one column per feature, after the columns that were given. Each value has a status and an
            event time; those of a row without an entity (a key is null or malformed) are NOT_FOUND.

        Raises:
            InvalidInput: A key column is missing, or a row has an id that is not the id of its keys.
            Unknown: A feature or the service is not registered.
        """
        if consistency not in (None, "LOCAL_QUORUM", "LOCAL_ONE"):
            raise InvalidInput("consistency must be LOCAL_QUORUM, LOCAL_ONE or None", field="consistency")
        selection, of_roles = _selection(feature_names, service, roles, ttl_revisions)
        entities, labels = await self._row_entities(entity_ids, selection, of_roles, checked_casts(casts))
        columns, as_of = await self._read_online(entities, selection, consistency=consistency, event_times=event_times)
        ids: Any = entities.of_role.get(NO_ROLE, ())
        if not labels and not isinstance(entity_ids, RowEntities):
            return OnlineFeatures(ids, columns, as_of)
        return OnlineFeatures([each or "" for each in ids], columns, as_of, labels, entities.unnamed)

    async def get_all_features(self, entity_id: EntityName, *, entity_type: str | None = None) -> OnlineFeatures:
        """The newest values of all features of an entity.

        A registered entity has the features of its type, at most 10,000. An unregistered entity has those for which it
        has values; so has any entity of the features of type `entity`.

        Args:
            entity_id: Id of the entity, or its keys, such as {"film_id": 1}.
            entity_type: Type of the entity, required for keys.

        Returns:
            One row.

        Raises:
            InvalidInput: The type has more than 10,000 features (LIMIT_EXCEEDED).
            Unknown: The entity is not registered and has no values (UNKNOWN_ENTITY).
        """
        found, keys = await self._named(entity_id, entity_type=entity_type)
        columns, as_of = await self._read_all(found)
        return OnlineFeatures([found], columns, as_of, {name: objects([key]) for name, key in keys.items()})

    async def get_historical_features(
        self,
        labels: Any,
        features: Sequence[str] | None = None,
        timestamp: Time | None = None,
        *,
        service: str | None = None,
        roles: RolesGiven | None = None,
        known_at: Time | Literal["label"] | None = None,
        time_column: str = "timestamp",
        clock_column: str | None = None,
        timezone: str | None = None,
        time_unit: TimeUnit | None = None,
        time_format: str | None = None,
        ambiguous: Ambiguous = "refuse",
        casts: Mapping[str, str] | None = None,
    ) -> HistoricalFeatures:
        """Point-in-time features for label rows that fit in memory.

        `training_set` answers the same question for any number of rows.

        Args:
            labels: Entity ids, or a frame with the columns entity_id (or the key columns of the features' entity type)
                and timestamp. Other columns are copied to the result.
            features: Feature references. Either `features` or `service` is required.
            timestamp: One time for all rows, for labels without times. Entity ids default to now.
            service: Name of a feature service.
            roles: {role: entity type}, for label rows that name several entities; see `training_set`.
            known_at: Only values ingested by this time are used; "label" uses the time of each row. It must be older
                than the settling time.
            time_column: Column with the time of each row.
            clock_column: Column with the times of day, if `time_column` has dates alone.
            timezone: Time zone of times and dates that have none.
            time_unit: Unit of times that are numbers: "s", "ms", "us" or "ns".
            time_format: Form of times that are texts; see `write_features`.
            ambiguous: Which instant a time means that a change of the clocks repeats or skips; see `training_set`.
            casts: {column: cast} of columns with entities or times; see `training_set`.

        Returns:
            The label rows in their order, and one column per feature: without label rows no rows and all columns.

        Raises:
            FailedPrecondition: `known_at` is not settled (KNOWN_AT_NOT_SETTLED).
            InvalidInput: A label row has an invalid id or time, or a label column has the name of a column of a
                feature: its values, statuses or event times.
            Unknown: A feature or the service is not registered.
        """
        times = TimeRules(timezone, time_unit, time_format, ambiguous=ambiguous)
        named = SpineColumns.of("entity_id", time_column, timestamp, times, (), checked_casts(casts), clock_column)
        is_frame = frame_kind(labels) is not None
        if time_column != "timestamp" and (timestamp is not None or not is_frame):
            beside = "timestamp= beside it is one time for all rows" if is_frame else "a list of ids has no columns"
            raise InvalidInput(f"time_column names a column of times; {beside}", field="time_column")
        bound = to_known_at(known_at)
        selection, of_roles = _selection(features, service, roles)
        columns_of = await self._role_columns(selection, of_roles) if of_roles or is_frame else ()
        kinds = await self._types_of(selection) if is_frame and not columns_of else ()
        rows = label_rows(labels, named.in_roles(columns_of), kinds, now=self.now())
        carried = [name for name in rows.carried if name not in RESERVED_NAMES]
        # One by one: two features may have one column name only in a table with statuses, which is not requested yet.
        for name in await self._column_names(selection) if carried else ():
            FeatureColumns(statuses=True, event_times=True).check([name], carried)
        if not len(rows):
            # Any id will do: only the names and types of the columns are used.
            entities = RowEntities({role: ["-"] for role in rows.entities.of_role})
            event_time, bound = np.zeros(1, dtype=np.int64), None if bound == "label" else bound
        else:
            entities, event_time = rows.entities, rows.event_time
        read = await self._point_in_time(entities, None if rows.at_now else event_time, selection, bound)
        columns = read.columns if len(rows) else [each.take(np.arange(0)) for each in read.columns]
        labels = rows.carried
        if rows.at_now:
            # The clock of the servers decides what now is.
            labels = labels | {named.time: np.full(len(rows), read.as_of_time, dtype=np.int64)}
        return HistoricalFeatures(labels, columns, read.as_of_time, rows.entities.unnamed, rows.index)

    async def point_in_time(
        self,
        entity_ids: Sequence[str] | RowEntities,
        event_time: Int64Array | None,
        *,
        features: Sequence[str] | None = None,
        service: str | None = None,
        roles: Mapping[str, str] | None = None,
        known_at: KnownAt = None,
        ttl_revisions: Mapping[str, int] | None = None,
    ) -> OnlineFeatures:
        """`get_historical_features` on columns.

        Args:
            entity_ids: n entity ids, one per label row; with roles the ids of each.
            event_time: int64[n], microseconds since 1970 UTC. None reads at now, as an online read does, without an
                upper bound on event times.
            features: Feature references. Either `features` or `service` is required.
            service: Name of a feature service.
            roles: {role: entity type}, for label rows that name several entities.
            known_at: Microseconds since 1970 UTC, "label" for the time of each row, or None for no bound.
            ttl_revisions: As of `get_online_features`.

        Returns:
            n rows in the given order, and one column per feature.

        Raises:
            FailedPrecondition: `known_at` is not settled (KNOWN_AT_NOT_SETTLED).
            Unknown: A feature or the service is not registered.
        """
        selection = FeatureSelection.of(features, service, ttl_revisions, roles_of(roles))
        if isinstance(entity_ids, RowEntities):
            read = await self._point_in_time(entity_ids, event_time, selection, known_at)
            return replace(read, unnamed=entity_ids.unnamed)
        check_entity_ids(entity_ids)
        return await self._point_in_time(RowEntities.of(entity_ids), event_time, selection, known_at)

    async def _point_in_time(
        self, entities: RowEntities, event_time: Int64Array | None, selection: FeatureSelection, known_at: KnownAt
    ) -> OnlineFeatures:
        await off_loop(entities.size > _FEW_IDS, entities.check)
        if event_time is not None:
            if len(entities) != len(event_time):
                raise InvalidInput("every label row needs an entity_id and a timestamp", field="timestamp")
            for moment in (int(event_time.min()), int(event_time.max())):
                to_micros(moment, "timestamp")
        elif known_at == "label":
            raise InvalidInput('known_at="label" needs a timestamp for every label row', field="known_at")
        columns, as_of = await self._read_as_of(entities, event_time, selection, known_at)
        ids: Any = list(entities.of_role.get(NO_ROLE, ()))
        return OnlineFeatures(ids, columns, as_of, _labels(entities))

    async def _row_entities(
        self, given: Any, selection: FeatureSelection, roles: tuple[RoleColumns, ...], casts: Casts
    ) -> tuple[RowEntities, Mapping[str, Any]]:
        """The entities of the rows of an online read, and the columns that name them."""
        if isinstance(given, RowEntities):
            given.check()
            return given, _labels(given)
        if frame_kind(given) is None:
            if casts:
                check_list(given, "entity_ids")
                given = listed_ids(given, SpineColumns(moment=0, casts=casts)).rows().tolist()
            check_entity_ids(given)
            return RowEntities.of(list(given)), {}
        columns = await self._role_columns(selection, roles)
        return row_entities(given, columns, () if columns else await self._types_of(selection), casts, alone=True)

    async def _role_columns(
        self, selection: FeatureSelection, given: tuple[RoleColumns, ...]
    ) -> tuple[RoleColumns, ...]:
        """The columns of the roles of a request. given: those that the request names."""
        roles, keys = await self._declared(selection)
        named = {each.role: each for each in given}
        return tuple(named.get(role, RoleColumns(role)).with_keys(keys[role.entity_type]) for role in roles)

    async def _declared(self, selection: FeatureSelection) -> tuple[tuple[Role, ...], dict[str, EntityKeys | None]]:
        """The roles of a request, among them those of its feature service, and the codec of the ids of each type."""
        roles = selection.roles
        if selection.service is not None:
            roles = (await self.get_feature_service(selection.service)).roles_with(roles)
        types = {each.entity_type for each in roles}
        keys: dict[str, EntityKeys | None] = dict.fromkeys(types)
        for each in types - {DEFAULT_ENTITY_TYPE}:
            keys[each] = (await self.get_entity_type(each)).id_keys
        return roles, keys

    async def _column_names(self, selection: FeatureSelection) -> list[str]:
        """The names of the columns of these features, with dots: see `featurama_core.frames.naming`."""
        references, roles = selection.references, selection.roles
        if selection.service is not None:
            service = await self.get_feature_service(selection.service)
            references, roles = service.features, service.roles_with(roles)
        of_name: dict[str, set[FeatureRef]] = {}
        for text in references:
            each = FeatureRef.parse(text, [role.name for role in roles])
            if roles and not each.role:
                # The name of a column has the role, also if the reference leaves it out.
                entity_type = (await self.get_feature(each.steps[0].name)).entity_type
                of_type = [role.name for role in roles if role.entity_type == entity_type]
                each = replace(each, role=of_type[0] if len(of_type) == 1 else "")
            of_name.setdefault(each.column, set()).add(each)
        names: list[str] = []
        for name, meant in of_name.items():
            names += [name] if len(meant) == 1 else [await self._pinned(each) for each in meant]
        return names

    async def _pinned(self, reference: FeatureRef) -> str:
        """A reference pinned to its current versions: the name of a column whose plain name is not unique."""
        versions = [each.version or (await self.get_feature(each.name)).version for each in reference.steps]
        pinned = [f"{each.name}@{version}" for each, version in zip(reference.steps, versions, strict=True)]
        return ".".join([*filter(None, [reference.role]), *pinned])


def _selection(
    features: Sequence[str] | None,
    service: str | None,
    roles: RolesGiven | None,
    ttl_revisions: Mapping[str, int] | None = None,
) -> tuple[FeatureSelection, tuple[RoleColumns, ...]]:
    columns = role_columns(roles)
    return FeatureSelection.of(features, service, ttl_revisions, tuple(each.role for each in columns)), columns


def _labels(entities: RowEntities) -> dict[str, Any]:
    return {role: list(ids) for role, ids in entities.of_role.items() if role != NO_ROLE}
