"""What the columns of a caller's frame, file or label rows mean. One mapping for every door into the store."""

from __future__ import annotations

from collections import abc
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurama_core.frames.casts import Casts, cast_cells, checked_casts, text_pairs
from featurama_core.frames.cells import Cells, Frame, objects, read_cells
from featurama_core.frames.clocks import checked_clock, with_clock
from featurama_core.frames.entities import EntityColumns, coded_entities
from featurama_core.frames.keys import CodedEntities, coded_texts
from featurama_core.frames.renaming import renamed
from featurama_core.frames.texts import AS_WRITTEN, TextRules
from featurama_core.frames.values import TypedCells, typed
from featurama_core.frames.zones import AS_IT_IS, Ambiguous, TimeRules
from featurama_core.types.entity_keys import EntityKeys
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import check_list_of_texts, entity_id_problem
from featurama_core.types.schema import EntityType
from featurama_core.types.times import Time, TimeUnit, to_micros

KEYS = ("entity_id", "timestamp", "ingested_at", "feature_name", "value")


_INGESTED = TimeRules(declared_by="ingested_at_unit")


@dataclass(frozen=True, slots=True)
class Mapping:
    """Names, keys, times and casts. The columns are renamed first; all other fields use the new names.

    entity, time: the columns with entity ids and times. clock: the column with the times of day, if that of the times
    has dates alone; "" without. entity_id, moment: one id, one time (microseconds) for all rows instead. times,
    ingested: of these columns. only: the value columns that are used, None for all. ignore_extra: leave out columns
    that are no features. casts: of values and keys. references: (feature, columns with the keys of the entity that it
    names).

    keys: the codec of the entity type whose key columns stand in the frame instead of ids. referenced: the codec of
    each of `references`. A store sets both: `with_keys`. texts: how texts are cast.
    """

    entity: str = "entity_id"
    time: str = "timestamp"
    entity_id: str | None = None
    moment: int | None = None
    times: TimeRules = AS_IT_IS
    ingested: TimeRules = _INGESTED
    rename: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] | None = None
    ignore_extra: bool = False
    casts: Casts = ()
    references: tuple[tuple[str, tuple[str, ...]], ...] = ()
    keys: EntityKeys | None = None
    referenced: tuple[EntityKeys, ...] = ()
    clock: str = ""
    texts: TextRules = AS_WRITTEN

    @classmethod
    def of(
        cls,
        *,
        entity_column: str = "entity_id",
        entity_id: str | None = None,
        time_column: str = "timestamp",
        clock_column: str | None = None,
        timestamp: Time | None = None,
        timezone: str | None = None,
        time_unit: TimeUnit | None = None,
        time_format: str | None = None,
        ambiguous: Ambiguous = "refuse",
        ingested_at_unit: TimeUnit | None = None,
        rename: abc.Mapping[str, str] | None = None,
        only: Sequence[str] | None = None,
        ignore_extra: bool = False,
        casts: abc.Mapping[str, str] | None = None,
        references: abc.Mapping[str, str | Sequence[str]] | None = None,
        decimal: str = ".",
        true_values: Sequence[str] = (),
        false_values: Sequence[str] = (),
    ) -> Mapping:
        """From the arguments of `FeatureStore.write_features`. Raises InvalidInput."""
        if only is not None:
            check_list_of_texts(only, "only")
        if entity_id is not None and (problem := entity_id_problem(entity_id)) is not None:
            raise InvalidInput(problem, reason=Reason.INVALID_ENTITY_ID, field="entity_id")
        return cls(
            entity_column,
            time_column,
            entity_id,
            None if timestamp is None else to_micros(timestamp, "timestamp"),
            TimeRules(timezone, time_unit, time_format, ambiguous=ambiguous),
            TimeRules(timezone, ingested_at_unit, time_format, "ingested_at_unit", ambiguous),
            text_pairs(rename, "rename", '{"Release Year": "release_year"}'),
            None if only is None else tuple(only),
            ignore_extra,
            checked_casts(casts),
            _references(references),
            clock=checked_clock(clock_column, timestamp),
            texts=TextRules.of(decimal, true_values, false_values),
        )

    def renamed(self, names: Sequence[str]) -> list[str]:
        """The new names of columns, in their order. InvalidInput for an unknown column or two of one name."""
        return renamed(self.rename, names)

    def names_no_id(self, names: Collection[str]) -> bool:
        """Whether a frame with these columns, after renaming, has no entity ids."""
        return self.entity == "entity_id" and self.entity_id is None and "entity_id" not in names

    def features_of(self, frame: Frame) -> list[str]:
        """The names that may be features of a frame whose key columns must be known: it has no ids, or some columns are
        left out.
        """
        names = self.renamed(list(frame.columns))
        if not (self.names_no_id([*names, *frame.index]) or self.ignore_extra or self.only is not None):
            return []
        if "feature_name" in names:
            column = list(frame.columns.values())[names.index("feature_name")]
            return list(coded_texts(read_cells(column), "feature_name").texts)
        names = [name for name in names if name not in KEYS and (self.only is None or name in self.only)]
        return [*names, *(feature for feature, _ in self.references)]

    def with_keys(self, kinds: Sequence[EntityType], referenced: Sequence[EntityType]) -> Mapping:
        """The mapping with codecs. kinds: the types that the features of a frame describe, `entity` not among them.
        referenced: the types that the features of `references` name.
        """
        codecs: list[EntityKeys] = []
        for (feature, columns), kind in zip(self.references, referenced, strict=True):
            if kind.id_keys is None or len(kind.keys) != len(columns):
                keys = f"the keys {', '.join(kind.id_keys.names)}" if kind.id_keys is not None else "no keys"
                raise InvalidInput(
                    f"references names {', '.join(columns)} for {feature!r}, which refers to a {kind.name}; it has"
                    f" {keys}",
                    field="references",
                )
            codecs.append(kind.id_keys)
        keyed = kinds[0].id_keys if len(kinds) == 1 else None
        return replace(self, keys=keyed, referenced=tuple(codecs))

    def of_file(self, names: Sequence[str], all_names: Collection[str]) -> Mapping:
        """For a file with these columns, of a directory with `all_names`: without what is said of other columns."""
        old = set(all_names) - set(names)
        new = dict(self.rename)
        gone = {new.get(name, name) for name in old} - {new.get(name, name) for name in names}
        return replace(
            self,
            rename=tuple(pair for pair in self.rename if pair[0] not in old),
            only=None if self.only is None else tuple(name for name in self.only if name not in gone),
            casts=tuple(pair for pair in self.casts if pair[0] not in gone),
        )

    def applied(self, frame: Frame, features: Collection[str] | None = None) -> tuple[Frame, dict[str, int]]:
        """(the frame with its columns under the names that the store uses, the number of cells that each cast changed).

        features: the registered names, for `ignore_extra`.
        """
        columns = dict(zip(self.renamed(list(frame.columns)), frame.columns.values(), strict=True))
        positions = {name: at for at, name in enumerate(columns)}
        for name in (self.entity, self.time, *(self.keys.names if self.keys is not None else ())):
            # A named level of a pandas index is a column where a key is missing.
            if name not in columns and name in frame.index:
                columns[name], positions[name] = frame.index[name], -1
        counts: dict[str, int] = {}
        for name, cast in self.casts:
            if name not in columns:
                raise InvalidInput(f"there is no column {name!r} to cast; there are {_listed(columns)}", field="casts")
            columns[name], counts[f"{name} to {cast}"] = cast_cells(read_cells(columns[name]), cast, self.texts)
        built = self._built(columns)
        keys = self._taken(columns, positions, frame.rows)
        for name in (name for _, named in self.references for name in named):
            columns.pop(name, None)
        columns = keys | self._chosen(columns | built, features)
        positions |= {feature: positions[named[0]] for feature, named in self.references}
        return replace(frame, columns=columns, positions=positions), counts

    def _taken(self, columns: dict[str, Any], positions: dict[str, int], rows: int) -> dict[str, Any]:
        """The entities and times of the rows, whose columns are taken out of `columns`."""
        keys: dict[str, Any] = {}
        if self.clock:
            self._join_clock(columns)
        if self.keys is not None and self.names_no_id(columns):
            keys["entity_id"] = self._entities(columns, self.keys)
            positions["entity_id"] = positions[self.keys.names[0]]
        for key, column, constant in (
            ("entity_id", self.entity, self._ids(rows)),
            ("timestamp", self.time, self._moments(rows)),
        ):
            if column != key and key in columns and column in columns:
                raise InvalidInput(f"column {key!r} is not the declared {column!r}; drop or rename it", field=key)
            if constant is not None and column in columns:
                raise InvalidInput(f"column {column!r} and one {key} for all rows exclude each other", field=key)
            if constant is not None:
                keys[key], positions[key] = constant, -1
            elif column in columns:
                keys[key], positions[key] = columns.pop(column), positions[column]
            elif column != key:
                raise InvalidInput(f"the frame lacks the column {column}, it has {_listed(columns)}", field=column)
        return keys

    def _join_clock(self, columns: dict[str, Any]) -> None:
        """The dates with the times of day, whose column is taken out of `columns`."""
        for name in (self.time, self.clock):
            if name not in columns:
                raise InvalidInput(f"the frame lacks the column {name}, it has {_listed(columns)}", field=name)
        columns[self.time] = with_clock(columns[self.time], columns.pop(self.clock))

    def _chosen(self, columns: dict[str, Any], features: Collection[str] | None) -> dict[str, Any]:
        kept, always = columns, {*KEYS, *(self.keys.names if self.keys is not None else ())}
        if self.only is not None:
            for name in self.only:
                if name not in columns:
                    raise InvalidInput(f"there is no column {name!r}; there are {_listed(columns)}", field="only")
            kept = {name: column for name, column in columns.items() if name in self.only or name in always}
        if self.ignore_extra and features is not None:
            kept = {name: column for name, column in kept.items() if name in features or name in always}
        return kept

    def _built(self, columns: abc.Mapping[str, Any]) -> dict[str, TypedCells]:
        """The ids that features name by the keys in other columns. A null key, in any part, names nothing: a null."""
        built: dict[str, TypedCells] = {}
        for (feature, named), keys in zip(self.references, self.referenced, strict=True):
            for name in named:
                if name not in columns:
                    raise InvalidInput(
                        f"there is no column {name!r} for the reference {feature}; there are {_listed(columns)}",
                        field="references",
                    )
            if feature in columns and feature not in named:
                raise InvalidInput(f"column {feature!r} and references of this name exclude each other", field=feature)
            found = coded_entities([read_cells(columns[name]) for name in named], EntityColumns(named, keys))
            built[feature] = typed(Cells(found.ids.rows(), found.ids.codes < 0))
            for row, problem in found.problems.items():
                if problem.kind != "null":
                    built[feature].problems[row] = problem.reason, f"{feature}: {problem.message}"
        return built

    def _entities(self, columns: dict[str, Any], keys: EntityKeys) -> CodedEntities:
        """The entities of the key columns, which are taken out of the columns."""
        for name in keys.names:
            if name not in columns:
                raise InvalidInput(
                    f"the frame has neither entity_id nor the column {name}, a key of {keys.entity_type}; it has"
                    f" {_listed(columns)}",
                    field=name,
                )
        return coded_entities([read_cells(columns.pop(name)) for name in keys.names], EntityColumns(keys.names, keys))

    def _ids(self, rows: int) -> Any:
        return None if self.entity_id is None else objects([self.entity_id] * rows)

    def _moments(self, rows: int) -> Any:
        if self.moment is None:
            return None
        return Cells(np.full(rows, self.moment, dtype=np.int64).view("datetime64[us]"), zoned=True)


UNMAPPED = Mapping()


def _references(given: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: list[tuple[str, tuple[str, ...]]] = []
    for feature, named in given.items() if isinstance(given, abc.Mapping) else [] if given is None else [(None, None)]:
        listed: Any = (named,) if isinstance(named, str) else named
        is_list = isinstance(listed, (list, tuple)) and listed and all(isinstance(each, str) for each in listed)
        if not isinstance(feature, str) or not is_list:
            raise InvalidInput(
                'references must map features to the columns with keys; write {"favourite": "movie_id"}',
                field="references",
            )
        found.append((feature, tuple(listed)))
    return tuple(found)


def _listed(columns: abc.Iterable[str]) -> str:
    return ", ".join(list(columns)[:20])
