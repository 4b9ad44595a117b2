"""CSV files: every cell is its own text, and what cannot be read is named by file, row, column and value."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from featurama_core.datasets.spine_sources import label_source
from featurama_core.files.layout import FileLayout
from featurama_core.files.table_file import TableFile
from featurama_core.files.typed import typed_column
from featurama_core.frames.spine import SpineColumns
from featurama_core.types.errors import InvalidInput
from featurama_core.types.values import ValueType

pytestmark = pytest.mark.unit


def rows_of(path: Path, content: bytes | str, **layout: object) -> list[dict[str, object]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    file = TableFile(path, FileLayout.of(**layout))  # type: ignore[arg-type]
    return pa.Table.from_batches(file.batches(), file.schema).to_pylist()


@pytest.mark.parametrize(
    ("name", "content", "layout"),
    [
        ("a.csv", "x,y\n00501,é\n", {}),
        ("a.csv", b"\xef\xbb\xbfx,y\n00501,\xc3\xa9\n", {}),
        ("a.csv", b"x,y\n00501,\xe9\n", {"encoding": "latin-1"}),
        ("a.csv", "x,y\n00501,é\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("a.csv", "x;y\r\n00501;é\r\n", {"delimiter": ";"}),
        ("a.csv", "x|y\n'00501'|'é'\n", {"delimiter": "|", "quote": "'"}),
        ("a.tsv", "x\ty\n00501\té\n", {}),
        ("A.CSV", "x,y\n00501,é\n", {}),
        ("a.csv.gz", gzip.compress("x,y\n00501,é\n".encode(), mtime=0), {}),
        ("a.csv.zst", pa.Codec("zstd").compress("x,y\n00501,é\n".encode(), asbytes=True), {}),
        ("a.csv", ",x,y\n0,00501,é\n", {}),
        ("a.csv", '"x","y"\n"00501","é"\n\n', {}),
    ],
)
def test_a_csv_is_read_as_it_is_laid_out(
    tmp_path: Path, name: str, content: bytes | str, layout: dict[str, object]
) -> None:
    """Delimiter, quote, encoding, BOM and compression; the unnamed index that pandas writes is no column."""
    assert [{"x": "00501", "y": "é"}] == rows_of(tmp_path / name, content, **layout)


def test_a_cell_means_the_same_whatever_stands_beside_it(tmp_path: Path) -> None:
    """In a file alone, among texts, and after the first block of the file."""
    cells = ["NA", "null", "NaN", "0x10", "1_000", "007", "3.0", "true", "18446744073709551617", " ", "2026-01-01"]
    alone = [rows_of(tmp_path / "a.csv", f"x,y\n{cell},1\n")[0]["x"] for cell in cells]
    assert cells == alone
    many = "x,y\n" + "1,1\n" * 1_200_000 + "".join(f"{cell},1\n" for cell in cells)
    (tmp_path / "b.csv").write_text(many)
    *_, last = TableFile(tmp_path / "b.csv").batches()
    assert cells == last.column("x").to_pylist()[-len(cells) :]


def test_an_empty_cell_is_null(tmp_path: Path) -> None:
    """Quoted or not; in a column of any type."""
    found = rows_of(tmp_path / "a.csv", 'x,y\n,1\n"",\n', types={"y": "int"})
    assert [{"x": None, "y": 1}, {"x": None, "y": None}] == found


@pytest.mark.parametrize(
    ("kind", "texts", "values"),
    [
        (ValueType.INT, ["3", "3.0", "-7", "+7", "007", " 3\t", "9223372036854775807"], [3, 3, -7, 7, 7, 3, 2**63 - 1]),
        (
            ValueType.DOUBLE,
            ["1", "1.5", "-.5", "1e3", "inf", "0.1", "5."],
            [1.0, 1.5, -0.5, 1e3, float("inf"), 0.1, 5.0],
        ),
        (ValueType.BOOL, ["true", "False", "1", "0"], [True, False, True, False]),
        (ValueType.VECTOR, ["[1, 2.5]", "[]"], [[1.0, 2.5], []]),
    ],
)
def test_texts_of_a_declared_type_are_its_values(kind: ValueType, texts: list[str], values: list[object]) -> None:
    """A null stays one."""
    found, left = typed_column(pa.array([*texts, None]), kind)
    assert ([*values, None], {}) == (found.to_pylist(), left)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (ValueType.INT, ["0x10", "1_000", "3.5", "1e3", "", "nan", "٣", "1,5", "--1", "1 2"]),
        (ValueType.DOUBLE, ["0x10", "1_000", "1,5", "abc", "1e", ".", "--1", "١"]),
        (ValueType.BOOL, ["yes", "2", "t", "10"]),
        (ValueType.VECTOR, ["1", "[true]", '["1"]', "[1", "[[1]]", "[" * 100_000, "{}"]),
    ],
)
def test_texts_that_are_no_values_of_the_type_are_left_as_they_are(kind: ValueType, texts: list[str]) -> None:
    """Beside values as alone."""
    good = {ValueType.VECTOR: "[1]"}.get(kind, "1")
    found, left = typed_column(pa.array([good, *texts]), kind)
    assert dict(enumerate(texts, 1)) == left
    assert [None] * len(texts) == found.to_pylist()[1:]


def test_integers_that_a_type_cannot_hold_stay_integers() -> None:
    """Beyond 64 bits, or beyond what a double holds exactly: the store refuses them as those of a frame."""
    assert {0: 2**63} == typed_column(pa.array([str(2**63)]), ValueType.INT)[1]
    assert {0: 2**53 + 1} == typed_column(pa.array([str(2**53 + 1)]), ValueType.DOUBLE)[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"x,y\na,b\nc,caf\xe9\n",
            r"a.csv, row 1 \(line 3\), column y: b'caf\\xe9' is not utf-8; declare the encoding",
        ),
        (b"x,caf\xe9\na,b\n", r"a.csv, header: b'caf\\xe9' is not utf-8"),
        (b"x,y,x\n1,2,3\n", "a.csv, header: column 'x' appears twice"),
        (b"x,y\n1,2\n3\n", r"a.csv, row 1 \(line 3\): 1 cells, the header has 2 \(column y is missing\): '3'"),
        (b"x,y\n1,2\n\n3,4,5\n", r"a.csv, row 1 \(line 4\): 3 cells, .*: '3,4,5'"),
        (b"", "a.csv is empty"),
        (b"\n\n", "a.csv is empty"),
        (b",\n1,2\n", "no column has a name"),
    ],
)
def test_a_csv_that_cannot_be_read_is_one_line_that_says_where(tmp_path: Path, content: bytes, said: str) -> None:
    """File, row, line, column and value."""
    with pytest.raises(InvalidInput, match=said) as refused:
        rows_of(tmp_path / "a.csv", content)
    assert "\n" not in refused.value.message


def test_a_cell_that_is_not_of_its_declared_type_is_named(tmp_path: Path) -> None:
    """By file, row in the file, and column."""
    with pytest.raises(InvalidInput, match=r"a\.csv, row 1, column n: '0x10' is not int"):
        rows_of(tmp_path / "a.csv", "n\n1\n0x10\n", types={"n": "int"})


@pytest.mark.parametrize(
    ("layout", "field"),
    [
        ({"delimiter": ",,"}, "delimiter"),
        ({"delimiter": "\n"}, "delimiter"),
        ({"delimiter": "é"}, "delimiter"),
        ({"delimiter": "'", "quote": "'"}, "quote"),
        ({"encoding": "klingon"}, "encoding"),
        ({"encoding": "base64"}, "encoding"),
        ({"types": {"x": "number"}}, "types"),
        ({"types": ["x"]}, "types"),
    ],
)
def test_an_impossible_layout_is_refused(layout: dict[str, object], field: str) -> None:
    """Before a file is opened; the error names the argument."""
    with pytest.raises(InvalidInput) as refused:
        FileLayout.of(**layout)  # type: ignore[arg-type]
    assert field == refused.value.metadata["field"]


def test_an_error_of_a_label_row_names_its_file_and_row(tmp_path: Path) -> None:
    """The row in the file, not among all label rows."""
    (tmp_path / "0.csv").write_text("entity_id,timestamp\na,2026-01-01T00:00:00Z\n")
    (tmp_path / "1.csv").write_text("entity_id,timestamp\na,2026-01-01T00:00:00Z\nb,soon\n")
    with pytest.raises(InvalidInput, match=r"^1.csv, row 1: timestamp 'soon' is not an ISO 8601 time"):
        list(label_source(tmp_path, SpineColumns.of()).batches())


@pytest.mark.parametrize("head", ["", "Unnamed: 0"])
def test_the_index_that_pandas_wrote_is_a_column_only_where_it_is_named(tmp_path: Path, head: str) -> None:
    """Without a name it is called as pandas calls it when it reads the file."""
    (tmp_path / "penguins.csv").write_text(f"{head},species\n7,Adelie\n8,Gentoo\n")
    file = TableFile(tmp_path / "penguins.csv")
    assert (["species"], ("Unnamed: 0",)) == (file.schema.names, file.index_columns)
    assert [{"species": "Adelie"}, {"species": "Gentoo"}] == [
        row for each in file.batches() for row in each.to_pylist()
    ]
    file.with_columns(["Unnamed: 0"])
    assert {"Unnamed: 0": ["7", "8"], "species": ["Adelie", "Gentoo"]} == next(file.batches()).to_pydict()


@pytest.mark.parametrize(
    ("name", "head", "delimiter"),
    [("a.csv", "id;x", ";"), ("a.csv", "id\tx", "\t"), ("a.csv", "id|x", "|"), ("a.tsv", "id,x", ",")],
)
def test_a_header_of_one_column_that_another_delimiter_parts_is_refused(
    tmp_path: Path, name: str, head: str, delimiter: str
) -> None:
    """Unless the delimiter is declared."""
    (tmp_path / name).write_text(f"{head}\n1{delimiter}2\n")
    with pytest.raises(InvalidInput) as caught:
        TableFile(tmp_path / name)
    assert f"{name}, header: one column, {head!r}; declare the delimiter, such as delimiter={delimiter!r}" == (
        caught.value.message
    )
    own = "\t" if name.endswith("tsv") else ","
    assert [head] == TableFile(tmp_path / name, FileLayout.of(delimiter=own)).schema.names
