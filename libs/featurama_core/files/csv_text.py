"""CSV files as columns of text. A cell is its own text, or null if it is empty or a declared text; nothing is guessed
from other cells.

pyarrow reads the file. If it fails, the file is read once more, row by row, to name the cell that is to blame.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from featurama_core.files.layout import FileLayout, FileName
from featurama_core.types.errors import InvalidInput

_BLOCK_BYTES = 4 * 1024 * 1024
_HEADER_BYTES = 1024 * 1024
_SHOWN = 60
_DELIMITERS = (",", ";", "\t", "|")
_INDEX = "Unnamed: 0"


class CsvFile:
    """One CSV file. name: for messages. index: the name of the column that pandas wrote for an index without a name, as
    pandas reads it again; "" without.
    """

    def __init__(self, path: Path, name: str, kind: FileName, layout: FileLayout) -> None:
        self._path = path
        self._name = name
        self._kind = kind
        self._layout = layout
        self.index = ""
        self._names_index = False
        self._delimiter = layout.delimiter or ("\t" if kind.ending == ".tsv" else ",")

    def header(self) -> list[str]:
        """The names of the columns. Those without a name are left out, except for `index`.

        InvalidInput for an empty file, a column that appears twice, and a header that another delimiter parts.
        """
        with pa.OSFile(str(self._path)) as file:
            head = self._stream(file).read(_HEADER_BYTES)
        whole = len(head) < _HEADER_BYTES
        try:
            decoder = codecs.getincrementaldecoder("utf-8-sig" if self._layout.is_utf8 else self._layout.encoding)()
            text = decoder.decode(head, final=whole)
        except UnicodeError:
            text = head.decode("utf-8-sig", "surrogateescape") if self._layout.is_utf8 else ""
        names: list[str] = next((row for row in self._rows(io.StringIO(text, newline="")) if row), [])
        if not names:
            raise InvalidInput(f"{self._name} is empty; its first row names the columns", field="file")
        for name in names:
            if not _encodes(name):
                raise self._undecodable(f"{self._name}, header", name)
            if name and names.count(name) > 1:
                raise InvalidInput(
                    f"{self._name}, header: column {name!r} appears twice; rename or drop one", field=name
                )
        found = [name for name in names if name]
        if not found:
            raise InvalidInput(f"{self._name}, header: no column has a name; the first row names them", field="file")
        self._check_delimiter(names)
        self._names_index = names.count("") == 1 and not names[0] and _INDEX not in found
        if self._names_index:
            found = [_INDEX, *found]
        self.index = _INDEX if found[0] == _INDEX and len(found) > 1 else ""
        return found

    def _check_delimiter(self, names: list[str]) -> None:
        """Raise InvalidInput (field `delimiter`, with the likely one) if the one column names several."""
        likely = max((each for each in _DELIMITERS if each != self._delimiter), key=names[0].count)
        if len(names) == 1 and self._layout.delimiter is None and likely in names[0]:
            raise InvalidInput(
                f"{self._name}, header: one column, {names[0][:_SHOWN]!r}; declare the delimiter, such as"
                f" delimiter={likely!r}",
                field="delimiter",
                delimiter=likely,
            )

    def batches(self, file: Any, columns: Sequence[str]) -> Iterator[Any]:
        """These columns as record batches of texts, read from the opened file."""
        layout = self._layout
        inside = ["" if self._names_index and name == _INDEX else name for name in columns]
        try:
            reader = pyarrow.csv.open_csv(
                self._stream(file),
                read_options=pyarrow.csv.ReadOptions(
                    block_size=_BLOCK_BYTES, encoding="utf8" if layout.is_utf8 else layout.encoding
                ),
                # A quoted text may contain line breaks, also at the end of a block.
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter, quote_char=layout.quote or False, newlines_in_values=True
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(inside, pa.string()),
                    include_columns=inside,
                    null_values=["", *layout.null_values],
                    strings_can_be_null=True,
                ),
            )
            with reader:
                for batch in reader:
                    yield batch.rename_columns(list(columns))
        except (pa.ArrowException, UnicodeError, OSError) as error:
            raise self._located() or error from error

    def _located(self) -> InvalidInput | None:
        """The first row with another number of cells than the header, or a cell that cannot be decoded."""
        encoding = "utf-8-sig" if self._layout.is_utf8 else self._layout.encoding
        try:
            with pa.OSFile(str(self._path)) as file:
                text = io.TextIOWrapper(self._stream(file), encoding, "surrogateescape", newline="")
                reader = self._rows(text)
                header: list[str] = []
                row = 0
                for cells in reader:
                    if not cells:
                        continue
                    if not header:
                        header = cells
                        continue
                    where = f"{self._name}, row {row} (line {reader.line_num})"
                    for name, cell in zip(header, cells, strict=False):
                        if not _encodes(cell):
                            return self._undecodable(f"{where}, column {_shown(name)}", cell)
                    if len(cells) != len(header):
                        at = _shown(header[min(len(cells), len(header) - 1)])
                        beside = "is missing" if len(cells) < len(header) else "is the last"
                        return InvalidInput(
                            f"{where}: {len(cells)} cells, the header has {len(header)} (column {at} {beside}): "
                            f"{self._delimiter.join(cells)[:_SHOWN]!r}; mend the row, or declare delimiter and quote",
                            field="file",
                        )
                    row += 1
        except (csv.Error, UnicodeError, OSError, pa.ArrowException, ValueError):
            return None
        return None

    def _undecodable(self, where: str, cell: str) -> InvalidInput:
        encoding = self._layout.encoding
        try:
            shown = repr(cell.encode(encoding, "surrogateescape")[:_SHOWN])
        except UnicodeError:
            shown = ascii(cell[:_SHOWN])
        return InvalidInput(
            f"{where}: {shown} is not {encoding}; declare the encoding of the file, such as encoding='latin-1'",
            field="encoding",
        )

    def _rows(self, text: Any) -> Any:
        if not self._layout.quote:
            return csv.reader(text, delimiter=self._delimiter, quoting=csv.QUOTE_NONE)
        return csv.reader(text, delimiter=self._delimiter, quotechar=self._layout.quote)

    def _stream(self, file: Any) -> Any:
        return file if self._kind.compression is None else pa.CompressedInputStream(file, self._kind.compression)


def _shown(name: str) -> str:
    """A name in one line."""
    return name if name.isprintable() else repr(name)


def _encodes(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
