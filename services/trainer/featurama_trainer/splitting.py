"""The split into training and test rows, by time with a gap, and the folds of cross-validation. Pure.

Label rows are sorted by time, so the parts are slices. Rows of one moment are on the same side of a cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from featurama_core.types.errors import FailedPrecondition, Reason
from featurama_core.types.times import DAY
from featurama_core.types.values import Int64Array
from featurama_trainer.config import SplitConfig
from featurama_trainer.labels import Labels

MIN_LABEL_ROWS = 20


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of sorted rows. [0, fit_until) fits and [validate_from, train_until) decides when to stop; then
    [0, train_until) trains and [test_from, rows) tests. The rows between are the gap. time: of the first test row.
    """

    fit_until: int
    validate_from: int
    train_until: int
    test_from: int
    time: int


class Fold(NamedTuple):
    """Positions int64[] of the training rows and of the judged rows."""

    train: Int64Array
    judge: Int64Array


def time_split(labels: Labels, split: SplitConfig) -> Split:
    """The parts of the label rows. Raises FailedPrecondition for too few rows or moments."""
    if len(labels) < MIN_LABEL_ROWS:
        raise FailedPrecondition(
            f"there are {len(labels)} label rows, {MIN_LABEL_ROWS} are needed; {labels.without_target} more have no "
            f"target, {labels.without_time} no time; name other features, or a file of label rows",
            reason=Reason.INVALID_ARGUMENT,
            field="labels",
        )
    gap = gap_of(split, labels.event_time)
    test_from, train_until = _cut(labels.event_time, split.test_fraction, gap)
    validate_from, fit_until = _cut(labels.event_time[:train_until], split.validation_fraction, gap)
    if fit_until == 0:
        # The time span is too short for two gaps: the gap before the validation rows is omitted.
        validate_from, fit_until = _cut(labels.event_time[:train_until], split.validation_fraction, 0)
    if fit_until == 0:
        raise FailedPrecondition(
            "the label rows cannot be split by time: too many have the same time, or the gap is too long; "
            "set split.gap and split.test_fraction",
            reason=Reason.INVALID_ARGUMENT,
            field="split",
        )
    return Split(fit_until, validate_from, train_until, test_from, int(labels.event_time[test_from]))


def rolling_folds(event_time: Int64Array, folds: int, gap: int) -> list[Fold]:
    """Parts of about equal length; a part is predicted from all earlier rows, less the gap."""
    moments = [int(event_time[len(event_time) * part // (folds + 1)]) for part in range(1, folds + 1)]
    starts = [int(np.searchsorted(event_time, moment)) for moment in moments] + [len(event_time)]
    found = []
    for moment, start, end in zip(moments, starts[:-1], starts[1:], strict=True):
        train = int(np.searchsorted(event_time, moment - gap))
        if train and end > start:
            found.append(Fold(np.arange(train), np.arange(start, end)))
    return _some(found)


def grouped_folds(groups: Sequence[object], folds: int) -> list[Fold]:
    """Folds of about equal size; every row is judged once, by a model without rows of its group."""
    from sklearn.model_selection import GroupKFold

    names = np.array([str(group) for group in groups])
    distinct = len(np.unique(names))
    if distinct < 2:
        return _some([])
    rows = np.arange(len(names))
    return [Fold(train, judge) for train, judge in GroupKFold(min(folds, distinct)).split(rows, groups=names)]


def gap_of(split: SplitConfig, event_time: Int64Array) -> int:
    """The gap in microseconds, for label rows of these times (ascending)."""
    if split.gap is not None:
        return round(split.gap.total_seconds() * 1_000_000)
    return min(DAY, int(event_time[-1] - event_time[0]) // 20)


def _cut(event_time: Int64Array, fraction: float, gap: int) -> tuple[int, int]:
    """-> (start of the later part, end of the earlier part); (0, 0) without an earlier part."""
    if len(event_time) < 2:
        return 0, 0
    wanted = min(max(int(len(event_time) * (1.0 - fraction)), 1), len(event_time) - 1)
    moment = int(event_time[wanted])
    later = int(np.searchsorted(event_time, moment))
    return later, int(np.searchsorted(event_time, moment - gap)) if gap else later


def _some(folds: list[Fold]) -> list[Fold]:
    if not folds:
        raise FailedPrecondition(
            "cross-validation needs two parts: its rows have one time or group, or the gap is too long",
            reason=Reason.INVALID_ARGUMENT,
            field="cross_validation",
        )
    return folds
