"""Reads files for facts about their columns, through the reader of `featurama write`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from featurama_cli.proposal.facts import MOSTLY, ColumnFacts
from featurama_cli.value_files import value_files, with_index_keys
from featurama_core.files.layout import FileLayout
from featurama_core.files.table_file import TableFile
from featurama_core.frames.mapping import Mapping
from featurama_core.types.errors import InvalidInput

_ENCODINGS = ("cp1252", "latin-1")
_FEATURES = 10_000

Advance = Callable[[int], None]


@dataclass(slots=True)
class Scanned:
    """Files and facts about their columns, in order. layout: how the files are read; found: what of it was not given.

    features: of a long table, the facts about the values of each feature.
    """

    files: list[TableFile]
    layout: FileLayout
    found: dict[str, str]
    columns: dict[str, ColumnFacts]
    features: dict[str, ColumnFacts] | None
    rows: int

    @property
    def is_text(self) -> bool:
        """Whether all files are CSV."""
        return all(file.is_csv for file in self.files)


def scan(paths: Sequence[Path], given: dict[str, Any], advance: Advance) -> Scanned:
    """Read all rows. given: arguments of `FileLayout.of`. Raises InvalidInput for files that cannot be read."""
    for encoding in ("", *(() if "encoding" in given else _ENCODINGS)):
        found = {"encoding": encoding} if encoding else {}
        try:
            found |= _delimiter(paths, given | found)
            layout = FileLayout.of(**given, **found)
            scanned = _scan(opened(paths, layout), layout, found, advance)
            if "decimal" in given or not _has_decimal_comma(scanned):
                return scanned
            layout, found = replace(layout, decimal=","), found | {"decimal": ","}
            return _scan(opened(paths, layout), layout, found, advance)
        except InvalidInput as error:
            if error.metadata.get("field") != "encoding" or encoding == _ENCODINGS[-1] or "encoding" in given:
                raise
    raise AssertionError("the last encoding reads all bytes")


def opened(paths: Sequence[Path], layout: FileLayout) -> list[TableFile]:
    """The files of all paths, as `featurama write` reads them."""
    return [file for path in paths for file in value_files(path, layout)]


def opened_again(scanned: Scanned, null_values: Sequence[str], mapping: Mapping) -> list[TableFile]:
    """The files as a mapping reads them."""
    layout = replace(scanned.layout, null_values=tuple(null_values))
    files = [TableFile(each.path, layout, name=each.name, folders=each.folders) for each in scanned.files]
    for file in files:
        with_index_keys(file, mapping)
    return files


def _has_decimal_comma(scanned: Scanned) -> bool:
    """Whether the numbers of a column have a comma that parts no thousands, and no column has numbers with a point."""
    facts = [*scanned.columns.values(), *(scanned.features or {}).values()]
    sure = [each for each in facts if each.has_decimal_comma and each.counts["commas"] > each.counts["thousands"]]
    points = [each for each in facts if each.counts["floats"] and each.counts["double"] >= MOSTLY * each.values]
    return bool(sure) and not points


def _scan(files: list[TableFile], layout: FileLayout, found: dict[str, str], advance: Advance) -> Scanned:
    columns: dict[str, ColumnFacts] = {}
    features: dict[str, ColumnFacts] = {}
    rows = 0
    is_long = all({"feature_name", "value"} <= set(file.schema.names) for file in files)
    for file in files:
        # They may be keys.
        index = file.index_columns
        file.with_columns(index)
        loose = {name for name in file.schema.names if file.is_csv or name in file.folders}
        for name in file.schema.names:
            known = columns.setdefault(
                name,
                ColumnFacts(
                    name,
                    loose=name in loose,
                    folder=name in file.folders,
                    index=name in index,
                    decimal=layout.decimal,
                ),
            )
            known.loose &= name in loose
            if known.rows < rows:
                known.add(pa.nulls(rows - known.rows))
        for batch in file.batches(as_text=True):
            for name in batch.schema.names:
                columns[name].add(batch.column(name))
            if is_long:
                _add_by_name(features, batch, loose="value" in loose, decimal=layout.decimal)
            rows += batch.num_rows
            advance(batch.num_rows)
    for each in columns.values():
        if each.rows < rows:
            each.add(pa.nulls(rows - each.rows))
    return Scanned(files, layout, found, columns, features if is_long else None, rows)


def _add_by_name(features: dict[str, ColumnFacts], batch: Any, *, loose: bool, decimal: str) -> None:
    if pa.types.is_nested(batch.schema.field("feature_name").type):
        return
    table = pa.table({"name": batch.column("feature_name"), "value": batch.column("value")})
    for name in table.column("name").unique().to_pylist():
        if isinstance(name, str) and (name in features or len(features) < _FEATURES):
            chosen = table.filter(pa.compute.equal(table.column("name"), name))
            features.setdefault(name, ColumnFacts(name, loose=loose, decimal=decimal)).add(chosen.column("value"))


def _delimiter(paths: Sequence[Path], given: dict[str, Any]) -> dict[str, str]:
    """The delimiter that a file needs, {} without."""
    try:
        opened(paths, FileLayout.of(**given))
    except InvalidInput as error:
        if error.metadata.get("field") != "delimiter" or "delimiter" not in error.metadata:
            raise
        return {"delimiter": str(error.metadata["delimiter"])}
    return {}
