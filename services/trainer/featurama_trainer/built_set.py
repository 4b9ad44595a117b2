"""A point-in-time set on disk (`featurama dataset build`) as training reads it: in batches, and column by column.

Its files are those that its manifest names, or it is not trained on. All of it blocks: callers on an event loop use a
thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featurama_core.types.column import Column, concatenate
from featurama_core.types.errors import CorruptData, InvalidInput, Reason
from featurama_core.types.values import Status, ValueType, parse_value_type


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where a reference is found: the column's name in the files, its type, and a vector's length."""

    name: str
    value_type: ValueType
    length: int


class BuiltSet:
    """Parquet or Arrow files and their manifest. Its columns tell PRESENT from NOT_FOUND, and no event times."""

    def __init__(self, path: Path) -> None:
        """Read and check the manifest. InvalidInput where it is none, or of CSV files, whose types are lost."""
        from featurama_core.datasets.manifest import Manifest, manifest_path

        self.manifest = Manifest.load(manifest_path(path))
        request = self.manifest.request
        if request["format"] == "csv":
            raise _refused("is of CSV files, which have lost their types; build it as Parquet")
        if request["at_now"]:
            raise _refused("holds newest values, not those of each label's time; build it with --labels")
        names = [path.name] if path.suffix else [each["name"] for each in self.manifest.files]
        self._path = path
        self._paths = [(path.parent if path.suffix else path) / name for name in names]
        self._kept = {
            each["reference"]: _Kept(each["name"], *parse_value_type(each["type"])) for each in self.manifest.features
        }
        for feature in self.manifest.features:
            if feature["statuses"].get(Status.ERROR.name):
                raise CorruptData(
                    f"stored values of {feature['name']!r} cannot be read; run `featurama doctor`",
                    reason=Reason.CORRUPT_DATA,
                    field=feature["name"],
                )

    @property
    def label_columns(self) -> list[str]:
        """What the label rows brought along."""
        return list(self.manifest.request["label_columns"])

    def entity_column(self, entity_type: str) -> str:
        """The label column that names the entities of a type. InvalidInput where there is none."""
        request = self.manifest.request
        of_types: dict[str, str] = request.get("entity_columns", {})
        column: str | None = of_types.get(entity_type, request["entity_column"])
        if column is None:
            raise InvalidInput(
                f"the set names entities of the types {', '.join(of_types)}, none of {entity_type}; name one of them",
                field="labels.entity_type",
            )
        return column

    def check_files(self) -> None:
        """Raise InvalidInput unless the files are as they were written."""
        from featurama_core.datasets.verify import file_problems

        problems = file_problems(self._path, self.manifest)
        if problems:
            raise _refused(f"is not as it was built: {problems[0]}")

    def holds(self, reference: str) -> bool:
        """Whether a pinned reference is among its features."""
        return reference in self._kept

    def check_holds(self, references: Sequence[str]) -> None:
        """Raise InvalidInput, with what to build it with, unless all of these are among its features."""
        lacking = [each for each in references if each not in self._kept]
        if lacking:
            raise _refused(f"lacks {', '.join(lacking)}; build it with --features {','.join(references)}")

    def batches(self, labels: Sequence[str], references: Mapping[str, str]) -> Iterator[tuple[Any, list[Column]]]:
        """Runs of rows in order: (an Arrow batch of label columns, a column a reference). references: to the name that
        its column shall have.
        """
        from featurama_core.datasets.files import read_batches

        wanted = [*labels, *dict.fromkeys(self._kept[each].name for each in references)]
        for path in self._paths:
            for read in read_batches(path, [], wanted):
                columns = [
                    _column(read.column(self._kept[each].name), self._kept[each], name, each)
                    for each, name in references.items()
                ]
                yield read.select(list(labels)), columns

    def column(self, reference: str, name: str) -> Column:
        """All values of one feature."""
        return concatenate([column for _, (column,) in self.batches((), {reference: name})])


def _column(array: Any, kept: _Kept, name: str, reference: str) -> Column:
    absent = array.is_null().to_numpy(zero_copy_only=False)
    status = np.where(absent, Status.NOT_FOUND, Status.PRESENT).astype(np.uint8)
    values: Any
    if kept.value_type is ValueType.VECTOR:
        values = np.zeros((len(array), kept.length), dtype=np.float32)
        values[~absent] = array.drop_null().flatten().to_numpy().reshape(-1, kept.length)
    else:
        zero = {ValueType.TEXT: "", ValueType.BOOL: False}.get(kept.value_type, 0)
        values = array.fill_null(zero).to_numpy(zero_copy_only=False)
    return Column(name, kept.value_type, values, status, np.zeros(len(array), dtype=np.int64), reference=reference)


def _refused(problem: str) -> InvalidInput:
    return InvalidInput(f"the set {problem}", field="dataset")
