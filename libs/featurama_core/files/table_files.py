"""A file, or all files of a directory, as one table: the union of their columns, matched by name.

Types are joined without loss: int32 with int64, integers with doubles below 2^53, units of time, columns of nulls.
Other types are refused with both files named. A folder such as `city=rome` gives a column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from featurama_core.files.layout import PLAIN, READABLE, FileLayout, FileName
from featurama_core.files.promotion import common_type
from featurama_core.files.table_file import TableFile
from featurama_core.frames.renaming import check_renames
from featurama_core.types.errors import InvalidInput, Reason

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"

ReadKeys = Callable[[TableFile, Any, int], Any]
"""Judges the keys of a batch (file, batch, number of its first row in the file) before its types are joined. -> the
times as an Arrow array, None to keep them as they are.
"""


def files_of(path: Path, layout: FileLayout = PLAIN) -> list[TableFile]:
    """A file, or the readable files below a directory sorted by path. InvalidInput if there are none."""
    if not path.is_dir():
        only = TableFile(path, layout)
        check_renames(layout.rename, only.original_names)
        return [only]
    found = sorted(each for each in path.rglob("*") if FileName.of(each) is not None and not _hidden(each, path))
    if not found:
        raise InvalidInput(f"{path.name} holds no file that ends in {', '.join(READABLE)}", field="labels")
    files = [
        TableFile(each, layout, name=each.relative_to(path).as_posix(), folders=_folders(each, path)) for each in found
    ]
    check_renames(layout.rename, list(dict.fromkeys(name for file in files for name in file.original_names)))
    return files


class TableFiles:
    """Files as one table. times: the column of times, which may differ from file to file; "" for none."""

    def __init__(self, files: Sequence[TableFile], times: str = "") -> None:
        """Raises InvalidInput for columns whose types cannot be joined."""
        self.files = list(files)
        self._times = times
        self.mixed_times = False
        """Whether the column of times has several types, and becomes one of zoned times."""
        self.schema = self._union()

    @property
    def rows(self) -> int | None:
        """Number of rows, None for CSV."""
        counts = [file.rows for file in self.files]
        return None if None in counts else sum(count for count in counts if count is not None)

    def batches(self, judge: ReadKeys, digests: list[dict[str, str]] | None = None) -> Iterator[Any]:
        """The rows of all files in order. digests: receives the name and SHA-256 of each."""
        for file in self.files:
            digest = None if digests is None else hashlib.sha256()
            first = 0
            for batch in file.batches(digest=digest):
                times = judge(file, batch, first)
                yield self.fitted(file, batch, times if self.mixed_times else None)
                first += batch.num_rows
            if digests is not None and digest is not None:
                digests.append({"name": file.name, "sha256": digest.hexdigest()})

    def _union(self) -> Any:
        fields: dict[str, tuple[Any, TableFile]] = {}
        for file in self.files:
            for field in file.schema:
                kind, owner = fields.get(field.name, (field.type, file))
                if kind == field.type:
                    fields[field.name] = kind, owner
                    continue
                if field.name == self._times:
                    self.mixed_times = True
                    fields[field.name] = pa.timestamp("us", "UTC"), owner
                    continue
                joined = common_type(kind, field.type)
                if joined is None:
                    raise InvalidInput(
                        f"column {field.name} is {kind} in {owner.name} and {field.type} in {file.name}; convert one",
                        reason=Reason.TYPE_MISMATCH,
                        field=field.name,
                    )
                fields[field.name] = joined, owner
        return pa.schema([(name, kind) for name, (kind, _) in fields.items()])

    def fitted(self, file: TableFile, batch: Any, times: Any = None) -> Any:
        """Rows of a file (a record batch or table) in the joined schema. times: replaces the column of times."""
        if times is None and batch.schema.equals(self.schema):
            return batch
        arrays = []
        for field in self.schema:
            at = batch.schema.get_field_index(field.name)
            if at < 0:
                arrays.append(pa.nulls(batch.num_rows, field.type))
            elif field.name == self._times and times is not None:
                arrays.append(times)
            else:
                arrays.append(self._cast(file, batch.column(at), field))
        return type(batch).from_arrays(arrays, schema=self.schema)

    def _cast(self, file: TableFile, array: Any, field: Any) -> Any:
        try:
            return array.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            others = next(each for each in self.files if each is not file and field.name in each.schema.names)
            problem = str(error).splitlines()[0][:100]
            raise InvalidInput(
                f"column {field.name} of {file.name} is {array.type} and cannot become {field.type} as in "
                f"{others.name} without loss: {problem}",
                reason=Reason.TYPE_MISMATCH,
                field=field.name,
            ) from error


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(below).parts) or not path.is_file()


def _folders(path: Path, below: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in path.relative_to(below).parts[:-1]:
        name, sign, value = part.partition("=")
        if sign and name:
            found[unquote(name)] = None if value == _NO_VALUE else unquote(value)
    return found
