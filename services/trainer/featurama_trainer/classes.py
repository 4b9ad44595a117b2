"""The classes of a classification: their labels in order, and targets as positions among them. Pure.

A label is a text: the target itself, the digits of an integer, `false` or `true`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from featurama_core.types.errors import InvalidInput, Reason
from featurama_model.expressions import Float64Array
from featurama_model.manifest import MAX_CLASSES, ModelManifest, Objective
from featurama_trainer.config import TrainingConfig

TRUTH: Final = ("false", "true")
_WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_DECIMAL: Final = re.compile(r"(?<=\d)\.0+$", re.ASCII)
_ZERO_ONE: Final = ("0", "1")
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a classification. labels: in order; () for the occurring ones, sorted."""

    objective: Objective
    labels: tuple[str, ...] = ()

    @classmethod
    def of_config(cls, config: TrainingConfig) -> Classes | None:
        """The classes of a config; None for a regression."""
        if config.objective not in ("binary:logistic", "multi:softprob"):
            return None
        return cls(config.objective, config.class_labels or tuple(map(str, range(config.classes))))

    @classmethod
    def of_manifest(cls, manifest: ModelManifest) -> Classes | None:
        """The classes of a model; None for a regression."""
        return cls(manifest.objective, manifest.class_names) if manifest.class_names else None

    def encoded(
        self, target: Float64Array, texts: Sequence[str] | None, name: str
    ) -> tuple[Float64Array, tuple[str, ...]]:
        """(positions float64[n] among the labels, the labels). target: float64[n], finite: integers, or positions in
        `texts`. name: of the target, for InvalidInput.
        """
        distinct, where = np.unique(target, return_inverse=True)
        if texts is None and (distinct % 1).any():
            raise _refused(
                name, f"has {distinct[distinct % 1 != 0][0]:g}, which is no class; classes are whole numbers"
            )
        found = [str(int(value)) if texts is None else texts[int(value)] for value in distinct.tolist()]
        if texts is not None:
            found = self._canonical(found)
        labels = self.labels or self._occurring(found)
        self._check(labels, name)
        position = {label: at for at, label in enumerate(labels)}
        others = [label for label in found if label not in position]
        if others:
            raise _refused(
                name,
                f"has values ({_listed(others)}) beyond the classes {_listed(labels)} of {self.objective}; "
                "name all of them in class_labels",
            )
        return np.array([position[label] for label in found], dtype=np.float64)[where], labels

    def _canonical(self, found: Sequence[str]) -> list[str]:
        """Texts of a file as the labels that they mean: `True` is true and `1.0` is 1, unless such texts are labels."""
        known = {*map(str, self.labels)}
        plain = [text.lower() if text.lower() in TRUTH else _DECIMAL.sub("", text) for text in found]
        if not known and not (all(map(_WHOLE.fullmatch, plain)) or set(plain) <= set(TRUTH)):
            return list(found)
        return [
            text if text in known or (known and other not in known) else other
            for text, other in zip(found, plain, strict=True)
        ]

    def _occurring(self, found: Sequence[str]) -> tuple[str, ...]:
        if self.objective == "binary:logistic":
            for pair in (_ZERO_ONE, TRUTH):
                if set(found) <= set(pair):
                    return pair
        whole = all(map(_WHOLE.fullmatch, found))
        return tuple(sorted(set(found), key=int if whole else None))

    def _check(self, labels: Sequence[str], name: str) -> None:
        fewest, most = (2, 2) if self.objective == "binary:logistic" else (2, MAX_CLASSES)
        if not fewest <= len(labels) <= most:
            allowed = "2" if most == fewest else f"{fewest} to {most}"
            raise _refused(name, f"has {len(labels)} classes ({_listed(labels)}); {self.objective} needs {allowed}")


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(label[:40] for label in labels[:_SHOWN])
    return f"{shown}, ..." if len(labels) > _SHOWN else shown


def _refused(name: str, problem: str) -> InvalidInput:
    return InvalidInput(f"labels.target {name!r} {problem}", reason=Reason.INVALID_ARGUMENT, field="labels.target")
