"""One file of rows: its columns, and its rows as checked record batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from featurama_core.files.csv_text import CsvFile
from featurama_core.files.layout import PLAIN, READABLE, FileLayout, FileName
from featurama_core.files.typed import ARROW, declared_column, no_value
from featurama_core.frames.cells import index_columns
from featurama_core.frames.renaming import renamed
from featurama_core.frames.views import plain_table, without_views
from featurama_core.types.errors import InvalidInput, Reason

BATCH_ROWS = 65_536
_BLOCK_BYTES = 4 * 1024 * 1024


class TableFile:
    """A file, opened at every reading. name: for messages and manifests. folders: columns from partition folders, null
    for None. All methods block.
    """

    def __init__(
        self,
        path: Path,
        layout: FileLayout = PLAIN,
        *,
        name: str = "",
        folders: Mapping[str, str | None] | None = None,
    ) -> None:
        """Raises InvalidInput for a file of an unknown kind, or one that does not exist or cannot be read."""
        kind = FileName.of(path)
        if kind is None:
            raise InvalidInput(f"{path.name} is none of {', '.join(READABLE)}; rename or convert it", field="labels")
        if not path.is_file():
            raise InvalidInput(f"{path} does not exist; name a file or a directory", field="labels")
        self.path = path
        self.name = name or path.name
        self.kind = kind
        self._layout = layout
        self._new = dict(layout.rename)
        self.folders = {self._new.get(folder, folder): value for folder, value in (folders or {}).items()}
        self._csv = CsvFile(path, self.name, kind, layout) if kind.kind == "csv" else None
        self.rows: int | None = None
        """Number of rows, None if it is not stored (CSV)."""
        inside, hidden = self._described()
        names = [field.name for field in inside] + list(hidden)
        present = [pair for pair in layout.rename if pair[0] in names]
        self._old = dict(zip(renamed(present, names), names, strict=True))
        self._inside = [field.with_name(self._new.get(field.name, field.name)) for field in inside]
        self._hidden = {self._new.get(name, name): field for name, field in hidden.items()}
        self.original_names = [*names, *(folders or {})]
        """The names of all columns before they are renamed."""

    @property
    def is_csv(self) -> bool:
        """Whether the file holds texts alone."""
        return self._csv is not None

    @cached_property
    def schema(self) -> Any:
        """The Arrow schema of `batches`: the columns of the file without the index of pandas, then of its folders."""
        types = self._layout.value_types
        inside = [field.with_type(ARROW[types[field.name]]) if field.name in types else field for field in self._inside]
        names = {field.name for field in inside}
        folders = [
            pa.field(name, ARROW[types[name]] if name in types else pa.string())
            for name in self.folders
            if name not in names
        ]
        return pa.schema([*inside, *folders])

    @property
    def index_columns(self) -> tuple[str, ...]:
        """The named levels of the index that pandas wrote, which are no columns."""
        return tuple(name for name in self._hidden if not name.startswith("__index_level_"))

    def with_columns(self, names: Sequence[str]) -> None:
        """Make columns of levels of the index, such as a key that a frame has in its index."""
        chosen = [name for name in self._hidden if name in names]
        self._inside = [*(self._hidden.pop(name).with_name(name) for name in chosen), *self._inside]
        self.__dict__.pop("schema", None)

    def batches(
        self, columns: Sequence[str] | None = None, *, as_text: bool = False, digest: Any = None
    ) -> Iterator[Any]:
        """The rows in order, at most BATCH_ROWS at a time.

        columns: those to read, None for all. as_text: whether the cells of a CSV stay texts. digest: a hash that is
        updated with the bytes of the file, which is opened once for both.
        """
        schema = self.schema
        names = list(schema.names if columns is None else columns)
        first = 0
        with reading(self.name, self.kind.ending[1:]), pa.OSFile(str(self.path)) as file:
            if digest is not None:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
                file.seek(0)
            inside = [field.name for field in self._inside if field.name in {*names, *self.folders}]
            for whole in map(self._renamed, self._read(file, [self._old[name] for name in inside])):
                for start in range(0, whole.num_rows, BATCH_ROWS):
                    part = whole.slice(start, BATCH_ROWS)
                    yield self._shaped(part, names, first, as_text=as_text)
                    first += part.num_rows

    def sha256(self) -> str:
        """Hex SHA-256 of the bytes."""
        with reading(self.name, self.kind.ending[1:]), self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def refused(self, row: int, column: str, problem: str) -> InvalidInput:
        """The error of a cell."""
        return InvalidInput(
            f"{self.name}, row {row}, column {column}: {problem}", reason=Reason.INVALID_VALUE, field=column, row=row
        )

    def _described(self) -> tuple[list[Any], dict[str, Any]]:
        with reading(self.name, self.kind.ending[1:]):
            if self._csv is not None:
                fields = [pa.field(name, pa.string()) for name in self._csv.header()]
                index = self._csv.index
                return [each for each in fields if each.name != index], {index: fields[0]} if index else {}
            with pa.OSFile(str(self.path)) as file:
                if self.kind.kind == "parquet":
                    with pyarrow.parquet.ParquetFile(file) as parquet:
                        schema, self.rows = parquet.schema_arrow, parquet.metadata.num_rows
                else:
                    with _open_arrow(file) as stream:
                        schema = stream.schema
                        if isinstance(stream, pa.ipc.RecordBatchFileReader):
                            each = range(stream.num_record_batches)
                            self.rows = sum(stream.get_batch(at).num_rows for at in each)
            hidden = index_columns(schema)
            found = [field.remove_metadata().with_type(without_views(field.type)) for field in schema]
        for name in schema.names:
            if schema.names.count(name) > 1:
                raise InvalidInput(f"{self.name}: column {name!r} appears twice; rename or drop one", field=name)
        return [field for field in found if field.name not in hidden], {
            field.name: field for field in found if field.name in hidden
        }

    def _read(self, file: Any, names: list[str]) -> Iterator[Any]:
        if self._csv is not None:
            # One column is read in any case: it says how many rows there are.
            yield from self._csv.batches(file, names or [self._old[self._inside[0].name]])
            return
        if self.kind.kind == "parquet":
            with pyarrow.parquet.ParquetFile(file) as parquet:
                found: Iterator[Any] = parquet.iter_batches(batch_size=BATCH_ROWS, columns=names)
                yield from map(_checked, found)
            return
        with _open_arrow(file) as stream:
            if isinstance(stream, pa.ipc.RecordBatchFileReader):
                yield from (_checked(stream.get_batch(at)) for at in range(stream.num_record_batches))
            else:
                yield from map(_checked, stream)

    def _renamed(self, batch: Any) -> Any:
        if not self._new:
            return batch
        return batch.rename_columns([self._new.get(name, name) for name in batch.schema.names])

    def _shaped(self, batch: Any, names: Sequence[str], first: int, *, as_text: bool) -> Any:
        types = {} if as_text else self._layout.value_types
        arrays, fields = [], []
        inside = {field.name for field in self._inside}
        for name in names:
            if name not in inside:
                array = pa.repeat(pa.scalar(self.folders[name], pa.string()), batch.num_rows)
            else:
                # For Parquet, `home` also selects `home.mood`.
                array = batch.column(batch.schema.get_field_index(name))
                if name in self.folders:
                    self._agree(array, name, first)
            if name in types:
                array, left = declared_column(array, types[name], self._layout.texts)
                for row, value in left.items():
                    raise self.refused(first + row, name, no_value(value, types[name], self._layout.texts))
            arrays.append(array)
            fields.append(pa.field(name, array.type))
        if not arrays:
            return batch.select([])
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def _agree(self, array: Any, name: str, first: int) -> None:
        """A column that is in the file and in the name of its folder must have the value of the folder."""
        folder = self.folders[name]
        for row, value in enumerate(array.to_pylist()):
            if (None if value is None else str(value)) != folder:
                raise self.refused(first + row, name, f"{value!r} differs from the folder {name}={folder}; drop one")


@contextmanager
def reading(name: str, kind: str) -> Iterator[None]:
    """Errors of pyarrow about a file as InvalidInput with its name."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError, OverflowError) as error:
        shown = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        first = (shown.splitlines() or [type(error).__name__])[0][:200]
        raise InvalidInput(f"{name} cannot be read as {kind}: {first}", field="labels") from error


def _open_arrow(file: Any) -> Any:
    magic = file.read(6)
    file.seek(0)
    return pyarrow.ipc.open_file(file) if magic == b"ARROW1" else pyarrow.ipc.open_stream(file)


def _checked(batch: Any) -> Any:
    """Damaged files may hold offsets or texts that would fail, or worse, where they are used."""
    batch.validate(full=True)
    return plain_table(batch)
