"""One report for a frame, whatever its requests were answered with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurama_core.frames.mapping import Mapping
from featurama_core.frames.report import FrameReport
from featurama_core.frames.writes import write_requests
from featurama_core.types.errors import Reason
from featurama_core.types.request_ids import RequestIds
from featurama_core.types.writes import Outcome, Verdict, WriteReport, WriteUnit

from .merged import merge_report

pytestmark = pytest.mark.unit

T0 = 1_767_225_600_000_000


def refused(row, column, outcome=Outcome.REJECTED):
    return Verdict(row, column, outcome, Reason.TYPE_MISMATCH, "x", "is wrong")


def test_verdicts_on_a_wide_frame_name_its_rows_and_columns(prepare):
    frame = {"entity_id": ["a", "b", None, "d"], "timestamp": [T0] * 4, "y": [1] * 4, "x": [1] * 4}
    write = prepare(frame, batch_size=2)
    answers = []
    for prepared in write:
        last = len(prepared.request) - 1
        answers.append((prepared, WriteReport(prepared.request.request_id, last, 1, 0, [refused(last, 1)])))
    report = merge_report(write, answers)
    assert (1, 3, 0) == (report.accepted, report.rejected, report.unknown)
    assert [(1, 3), (2, 0), (3, 3)] == [(verdict.row, verdict.column) for verdict in report]


def test_verdicts_on_a_long_frame_name_its_rows(prepare):
    """A verdict on a request row as a whole speaks for each of its values that has none."""
    frame = {
        "entity_id": ["a", "b", "a", "b"],
        "feature_name": ["x", "x", "y", "y"],
        "value": [1, 2, 3, 4],
        "timestamp": [T0] * 4,
    }
    write = prepare(frame)
    (prepared,) = write
    verdicts = [refused(0, -1), refused(0, 1, Outcome.UNKNOWN), refused(1, 0)]
    report = merge_report(write, [(prepared, WriteReport("id", 1, 2, 1, verdicts))])
    assert (1, 2, 1) == (report.accepted, report.rejected, report.unknown)
    assert [(0, Outcome.REJECTED), (1, Outcome.REJECTED), (2, Outcome.UNKNOWN)] == [
        (verdict.row, verdict.outcome) for verdict in report
    ]


def test_a_request_that_failed_settles_all_its_rows(prepare):
    write = prepare({"entity_id": ["a", "b", "c"], "timestamp": [T0] * 3, "x": [1] * 3}, batch_size=2)
    report = FrameReport(write)
    first, _ = write
    report.add_failure(first, Outcome.REJECTED, Reason.STORE_UNAVAILABLE, "store is down")
    result = report.result()
    assert (0, 2, 1) == (result.accepted, result.rejected, result.unknown)
    assert Reason.UNKNOWN_OUTCOME is result.verdicts[2].reason


def test_a_row_left_out_shares_the_fate_of_its_twin(prepare):
    count = 10_002
    frame = {"entity_id": ["a"] * count, "timestamp": [T0] * count, "x": [1] * count}
    write = prepare(frame)
    (prepared,) = write
    accepted = merge_report(write, [(prepared, WriteReport("id", 1))])
    assert (count, 0, 0) == (accepted.accepted, accepted.rejected, accepted.unknown)
    rejected = merge_report(write, [(prepared, WriteReport("id", 0, 1, 0, [refused(0, 0)]))])
    assert (0, count, 0) == (rejected.accepted, rejected.rejected, rejected.unknown)


@given(st.data())
def test_accepted_rejected_and_unknown_are_the_rows_of_the_frame(data):
    rows = data.draw(st.integers(0, 12))
    pick = st.sampled_from
    frame = {
        "entity_id": data.draw(st.lists(pick(["a", "b", None]), min_size=rows, max_size=rows)),
        "timestamp": [T0] * rows,
        "value": data.draw(st.lists(pick([1, None, b"raw", "t"]), min_size=rows, max_size=rows)),
    }
    if data.draw(st.booleans()):
        frame["feature_name"] = data.draw(st.lists(pick(["x", "y"]), min_size=rows, max_size=rows))
    else:
        frame["x"] = frame.pop("value")
    write = write_requests(
        frame, batch_size=data.draw(st.integers(1, 3)), request_ids=RequestIds(), mapping=Mapping.of(time_unit="us")
    )
    answers = []
    for prepared in write:
        request = prepared.request
        verdicts = []
        for row in range(len(request)):
            columns = range(len(request.columns)) if request.unit is WriteUnit.VALUE else [-1]
            for column in columns:
                if prepared.rows[(column, row) if request.unit is WriteUnit.VALUE else row] >= 0:
                    outcome = data.draw(pick(Outcome))
                    if outcome is not Outcome.ACCEPTED:
                        verdicts.append(refused(row, column, outcome))
        answers.append((prepared, WriteReport(request.request_id, verdicts=verdicts)))
    report = merge_report(write, answers)
    assert rows == report.sent
    assert len(write.local) + sum(len(answer.verdicts) for _, answer in answers) == len(report.verdicts)
    assert report.rejected + report.unknown == len({verdict.row for verdict in report})
