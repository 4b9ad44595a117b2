"""What a file of rows does not say itself, and what its name says."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from featurama_core.frames.casts import text_pairs
from featurama_core.frames.texts import TextRules
from featurama_core.types.alike import did_you_mean
from featurama_core.types.errors import InvalidInput
from featurama_core.types.names import check_list_of_texts
from featurama_core.types.values import ValueType, parse_value_type

Kind = Literal["parquet", "csv", "arrow"]

_KINDS: dict[str, Kind] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COMPRESSED = {".gz": "gzip", ".zst": "zstd"}
READABLE = (*_KINDS, *(f"{ending}{more}" for ending in (".csv", ".tsv") for more in _COMPRESSED))


@dataclass(frozen=True, slots=True)
class FileName:
    """What the name of a file says. compression: of a CSV, or None. stem: the name without all these endings."""

    kind: Kind
    ending: str
    compression: str | None
    stem: str

    @classmethod
    def of(cls, path: Path) -> FileName | None:
        """None for a file that cannot be read."""
        name, compression = path.name, _COMPRESSED.get(path.suffix.lower())
        if compression is not None:
            name = name[: -len(path.suffix)]
        ending = Path(name).suffix.lower()
        kind = _KINDS.get(ending)
        if kind is None or (compression is not None and kind != "csv"):
            return None
        return cls(kind, ending, compression, name[: -len(ending)])

    @property
    def plain_ending(self) -> str:
        """The ending of a file of this kind that is written."""
        return self.ending if self.ending == ".arrows" else f".{self.kind}"


@dataclass(frozen=True, slots=True)
class FileLayout:
    """delimiter: of a CSV, None for a comma, in .tsv a tab. quote: "" for none. encoding: UTF-8 may begin with a BOM.
    null_values: texts of a CSV that mean null, beside the empty one. rename: (column, new name); what else is said of
    columns uses the new names.

    types: (column, type) of columns that are given another type, such as those of a CSV and of partition folders that
    are no text. decimal, true_values, false_values: of texts that are given a type (`TextRules`). InvalidInput for an
    impossible layout.
    """

    delimiter: str | None = None
    quote: str = '"'
    encoding: str = "utf-8"
    types: tuple[tuple[str, str], ...] = ()
    null_values: tuple[str, ...] = ()
    decimal: str = "."
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for field, text, shortest in (("delimiter", self.delimiter, 1), ("quote", self.quote, 0)):
            if text is not None and not (shortest <= len(str(text)) <= 1 and str(text).isascii()):
                raise InvalidInput(f"{field} {str(text)[:20]!r} is not one ASCII character", field=field)
            if text in ("\n", "\r"):
                raise InvalidInput(f"{field} is a line break; give another character", field=field)
        if self.delimiter is not None and self.delimiter == self.quote:
            raise InvalidInput("delimiter and quote are the same character", field="quote")
        try:
            is_text = codecs.lookup(self.encoding)._is_text_encoding  # noqa: SLF001 - no public way
        except (LookupError, TypeError, ValueError):
            is_text = False
        if not is_text:
            raise InvalidInput(
                f"encoding {str(self.encoding)[:40]!r} is not known; give one such as utf-8, latin-1 or cp1252",
                field="encoding",
            )
        self.texts  # noqa: B018 - impossible rules are refused before any read
        for column, text in self.types:
            try:
                parse_value_type(text)
            except (InvalidInput, AttributeError, TypeError) as error:
                raise InvalidInput(
                    f"the type of column {column!r} is {str(text)[:40]!r}; give int, double, bool, text or vector[n]",
                    field="types",
                ) from error

    @classmethod
    def of(
        cls,
        types: Mapping[str, str] | None = None,
        delimiter: str | None = None,
        quote: str = '"',
        encoding: str = "utf-8",
        null_values: Sequence[str] = (),
        decimal: str = ".",
        true_values: Sequence[str] = (),
        false_values: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
    ) -> FileLayout:
        """From the arguments of a public method. Raises InvalidInput."""
        if types is not None and not isinstance(types, Mapping):
            raise InvalidInput('types must map columns to types; write {"zip": "text"}', field="types")
        check_list_of_texts(null_values, "null_values")
        texts = TextRules.of(decimal, true_values, false_values)
        return cls(
            delimiter,
            quote,
            encoding,
            tuple(sorted((types or {}).items())),
            tuple(null_values),
            texts.decimal,
            texts.true_values,
            texts.false_values,
            text_pairs(rename, "rename", '{"Ziel µg": "target"}'),
        )

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise InvalidInput for a declared type of a column that is not among those of the label rows."""
        for column, _ in self.types:
            if column not in names:
                known = f"there are {', '.join(map(str, names[:20]))}"
                raise InvalidInput(
                    f"types names the column {column!r:.80}, which the label rows lack;"
                    f" {did_you_mean(column, names, known)}",
                    field="types",
                )

    @property
    def value_types(self) -> dict[str, ValueType]:
        """Column -> declared type."""
        return {column: parse_value_type(text)[0] for column, text in self.types}

    @property
    def texts(self) -> TextRules:
        """How texts are given a type."""
        return TextRules(self.decimal, self.true_values, self.false_values)

    @property
    def is_utf8(self) -> bool:
        """Whether the text is UTF-8, which may begin with a BOM."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig")

    def declared(self) -> dict[str, object]:
        """The fields that differ from the default, as plain JSON values."""
        default = FileLayout()
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        found = {name: value for name, value in named.items() if value != getattr(default, name)}
        pairs = {"types": self.types, "rename": self.rename}
        return found | {name: dict(given) for name, given in pairs.items() if given}


PLAIN = FileLayout()
