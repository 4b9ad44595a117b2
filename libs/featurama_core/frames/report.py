"""A frame on its way: the requests it becomes, and one report for all of it.

Accounting: every row of the frame (a value, in a long one) is accepted, rejected or unknown, exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from featurama_core.types.errors import DeadlineExceeded, FeaturamaError, OutcomeUnknown, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.values import Int64Array
from featurama_core.types.writes import Outcome, Verdict, WriteReport, WriteRequest, WriteUnit

Progress = Callable[[int, int], None]
"""Called with (rows settled, rows of the frame) after every answer."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedWrite:
    """One request and where its units come from.

    rows: int64[len(request)], the frame row of each request row; for unit VALUE int64[columns, len(request)], the
    frame row of each value, -1 where there is none. columns: the frame's column of each request column.
    """

    request: WriteRequest
    rows: Int64Array
    columns: Int64Array

    def frame_rows(self) -> Int64Array:
        """The frame rows that this request carries, each once."""
        return self.rows if self.request.unit is WriteUnit.ROW else self.rows[self.rows >= 0]


@dataclass(frozen=True, slots=True, eq=False)
class FrameWrite:
    """A validated frame of `rows` rows. Iterating makes its requests, each with a request id of that moment, so send
    one before asking for the next; iterating again makes new ones.

    local: verdicts on rows that cannot be sent. idle: rows that hold nothing to write. twins: int64[k, 2], rows left
    out because another, identical row stands for them. scope: of an import, what it holds; it is `numbered` before it
    is sent.
    """

    rows: int
    local: list[Verdict]
    idle: Int64Array
    twins: Int64Array
    requests: Callable[[], Iterator[PreparedWrite]]
    scope: ImportScope | None = None

    def __iter__(self) -> Iterator[PreparedWrite]:
        return self.requests()

    def numbered(self, import_number: int) -> FrameWrite:
        """The same frame, its requests with the number of their import."""

        def requests() -> Iterator[PreparedWrite]:
            for prepared in self.requests():
                yield replace(prepared, request=replace(prepared.request, import_number=import_number))

        return replace(self, requests=requests)


class FrameReport:
    """Gathers the answers to a frame's requests."""

    def __init__(self, write: FrameWrite) -> None:
        self._write = write
        self._outcomes = np.zeros(write.rows, dtype=np.uint8)
        self._verdicts: dict[int, Verdict] = {}
        self._request_ids: list[str] = []
        self._outcomes[write.idle] = Outcome.ACCEPTED
        for verdict in write.local:
            self._judge(verdict.row, verdict)

    def add(self, prepared: PreparedWrite, report: WriteReport) -> None:
        """The server's answer to one request."""
        self._request_ids.append(report.request_id or prepared.request.request_id)
        self._outcomes[prepared.frame_rows()] = Outcome.ACCEPTED
        by_value = prepared.request.unit is WriteUnit.VALUE
        # A verdict on one value comes before one on the whole row, which speaks for the values that have none.
        for verdict in sorted(report.verdicts, key=lambda verdict: verdict.column < 0):
            column = int(prepared.columns[verdict.column]) if verdict.column >= 0 else -1
            if not by_value:
                rows = prepared.rows[verdict.row : verdict.row + 1]
            elif verdict.column >= 0:
                rows = prepared.rows[verdict.column, verdict.row : verdict.row + 1]
            else:
                rows = prepared.rows[:, verdict.row]
            for row in rows[rows >= 0].tolist():
                self._judge(row, replace(verdict, row=row, column=column))

    def add_failure(self, prepared: PreparedWrite, outcome: Outcome, reason: Reason, message: str) -> None:
        """A request that failed as a whole: every unit of it is rejected, or of unknown outcome."""
        self._request_ids.append(prepared.request.request_id)
        for row in prepared.frame_rows().tolist():
            self._judge(row, Verdict(row, -1, outcome, reason, "", message))

    def result(self) -> WriteReport:
        """One report for the frame; verdicts by row. A row that no answer spoke of is of unknown outcome.

        `request_id` is that of the only request, "" if there were several.
        """
        for row, stands in self._write.twins.tolist():
            if self._outcomes[stands] == Outcome.ACCEPTED:
                self._outcomes[row] = Outcome.ACCEPTED
            elif stands in self._verdicts:
                self._judge(row, replace(self._verdicts[stands], row=row))
        for row in np.flatnonzero(self._outcomes == 0).tolist():
            self._judge(
                row, Verdict(row, -1, Outcome.UNKNOWN, Reason.UNKNOWN_OUTCOME, "", "no answer came; send it again")
            )
        counts = np.bincount(self._outcomes, minlength=4)
        return WriteReport(
            request_id=self._request_ids[0] if len(self._request_ids) == 1 else "",
            accepted=int(counts[Outcome.ACCEPTED]),
            rejected=int(counts[Outcome.REJECTED]),
            unknown=int(counts[Outcome.UNKNOWN]),
            verdicts=[self._verdicts[row] for row in sorted(self._verdicts)],
        )

    def _judge(self, row: int, verdict: Verdict) -> None:
        if row in self._verdicts:
            return
        self._verdicts[row] = verdict
        self._outcomes[row] = verdict.outcome


class FrameSending:
    """What became of a frame so far."""

    def __init__(self, frame: FrameWrite, progress: Progress | None) -> None:
        self.report = FrameReport(frame)
        self.stored = False
        self._progress = progress
        self._total = frame.rows
        self._done = 0

    def settle(self, prepared: PreparedWrite, answer: WriteReport | FeaturamaError) -> None:
        """A request's report, or its refusal: raised while nothing of the frame is stored."""
        if isinstance(answer, WriteReport):
            self.report.add(prepared, answer)
            self.stored = self.stored or bool(answer.accepted or answer.unknown)
        elif not self.stored:
            raise answer
        else:
            self.report.add_failure(prepared, _outcome(answer), answer.reason, answer.message)
        self._done += len(prepared.frame_rows())
        if self._progress is not None:
            self._progress(self._done, self._total)

    def give_up(
        self, unsettled: Sequence[PreparedWrite], unsent: Iterator[PreparedWrite], error: FeaturamaError
    ) -> None:
        """The stream is gone for good: what was sent is unknown, the rest was surely not stored."""
        for prepared in unsettled:
            self.report.add_failure(prepared, Outcome.UNKNOWN, Reason.UNKNOWN_OUTCOME, error.message)
        for prepared in unsent:
            self.report.add_failure(prepared, Outcome.REJECTED, Reason.STORE_UNAVAILABLE, f"not sent: {error.message}")


def _outcome(error: FeaturamaError) -> Outcome:
    # A chunk that was sent before, unheard, may be stored although its id is too old now.
    unknown = isinstance(error, (OutcomeUnknown, DeadlineExceeded)) or error.reason is Reason.REQUEST_TOO_OLD
    return Outcome.UNKNOWN if unknown else Outcome.REJECTED
