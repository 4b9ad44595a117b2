"""The requests of a frame, and one report for the whole frame.

Every row of the frame (in a long frame every value) is accepted, rejected or unknown, exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from featurama_core.frames.texts import declaration_for, read_text
from featurama_core.types.errors import DeadlineExceeded, FeaturamaError, InvalidInput, OutcomeUnknown, Reason
from featurama_core.types.imports import ImportScope
from featurama_core.types.values import Int64Array, ValueType
from featurama_core.types.writes import Outcome, Verdict, WriteReport, WriteRequest, WriteUnit

_WANTED = {
    "is not a double": ValueType.DOUBLE,
    "is not an int": ValueType.INT,
    "is not a bool, true or false": ValueType.BOOL,
}
"""What a verdict on a value of another type says at its end."""

Progress = Callable[[int, int], None]
"""Called with (rows settled, rows of the frame) after every answer."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedWrite:
    """One request and the origin of its units.

    rows: int64[len(request)], the frame row of each request row; for unit VALUE int64[columns, len(request)], the
    frame row of each value, -1 if there is none. columns: the frame column of each request column.
    """

    request: WriteRequest
    rows: Int64Array
    columns: Int64Array

    def frame_rows(self) -> Int64Array:
        """The frame rows of this request, without repetition."""
        return self.rows if self.request.unit is WriteUnit.ROW else self.rows[self.rows >= 0]

    def take(self, rows: Int64Array) -> PreparedWrite:
        """The given rows of the request, with the same request id."""
        request = self.request
        taken = replace(
            request,
            entity_ids=[request.entity_ids[row] for row in rows.tolist()],
            event_time=request.event_time[rows],
            columns=[column.take(rows) for column in request.columns],
            ingested_at=None if request.ingested_at is None else request.ingested_at[rows],
        )
        return PreparedWrite(taken, self.rows[..., rows], self.columns)


@dataclass(frozen=True, slots=True, eq=False)
class FrameWrite:
    """A validated frame of `rows` rows. Iterating creates its requests. A request id is created with its request, so a
    request should be sent before the next one is created. Iterating again creates new requests.

    local: verdicts on rows that cannot be sent. idle: rows without values to write. twins: int64[k, 2] of (row, the
    equal row that is sent instead). scope: of an import, which must be `numbered` before it is sent. casts: see
    `WriteReport`.
    """

    rows: int
    local: list[Verdict]
    idle: Int64Array
    twins: Int64Array
    requests: Callable[[], Iterator[PreparedWrite]]
    scope: ImportScope | None = None
    casts: Mapping[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[PreparedWrite]:
        return self.requests()

    def numbered(self, import_number: int) -> FrameWrite:
        """The same frame with the import number in its requests."""

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
        self._request_ids: set[str] = set()
        self._outcomes[write.idle] = Outcome.ACCEPTED
        for verdict in write.local:
            self._judge(verdict.row, verdict)

    def add(self, prepared: PreparedWrite, report: WriteReport) -> None:
        """The server's answer to one request."""
        self._request_ids.add(report.request_id or prepared.request.request_id)
        self._outcomes[prepared.frame_rows()] = Outcome.ACCEPTED
        by_value = prepared.request.unit is WriteUnit.VALUE
        # Verdicts on values come first: a verdict on the whole row applies to the values without their own.
        for verdict in sorted(report.verdicts, key=lambda verdict: verdict.column < 0):
            column = int(prepared.columns[verdict.column]) if verdict.column >= 0 else -1
            if not by_value:
                rows = prepared.rows[verdict.row : verdict.row + 1]
            elif verdict.column >= 0:
                rows = prepared.rows[verdict.column, verdict.row : verdict.row + 1]
            else:
                rows = prepared.rows[:, verdict.row]
            shown = replace(
                verdict,
                message=verdict.message + _cast_for(prepared.request, verdict, self._write.casts),
                column=column,
            )
            for row in rows[rows >= 0].tolist():
                self._judge(row, replace(shown, row=row))

    def add_failure(self, prepared: PreparedWrite, outcome: Outcome, reason: Reason, message: str) -> None:
        """A request that failed as a whole: all its units have the given outcome."""
        self._request_ids.add(prepared.request.request_id)
        for row in prepared.frame_rows().tolist():
            self._judge(row, Verdict(row, -1, outcome, reason, "", message))

    def result(self) -> WriteReport:
        """One report for the frame, verdicts sorted by row. Rows without an answer have an unknown outcome.

        request_id: that of the only request, "" if there were several.
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
            request_id=next(iter(self._request_ids)) if len(self._request_ids) == 1 else "",
            accepted=int(counts[Outcome.ACCEPTED]),
            rejected=int(counts[Outcome.REJECTED]),
            unknown=int(counts[Outcome.UNKNOWN]),
            verdicts=[self._verdicts[row] for row in sorted(self._verdicts)],
            casts=dict(self._write.casts),
        )

    def _judge(self, row: int, verdict: Verdict) -> None:
        if row in self._verdicts:
            return
        self._verdicts[row] = verdict
        self._outcomes[row] = verdict.outcome


class FrameSending:
    """The progress of writing a frame."""

    def __init__(self, frame: FrameWrite, progress: Progress | None) -> None:
        self.report = FrameReport(frame)
        self.stored = False
        self._failure: FeaturamaError | None = None
        self._progress = progress
        self._total = frame.rows
        self._done = 0

    @property
    def failure(self) -> FeaturamaError | None:
        """The failure of a request, as long as no row of the frame is known to be stored."""
        return None if self.stored else self._failure

    def settle(
        self, prepared: PreparedWrite, answer: WriteReport | FeaturamaError, *, sent_before: bool = False
    ) -> None:
        """Record the report or the failure of a request. sent_before: whether an earlier attempt had no answer."""
        if isinstance(answer, WriteReport):
            self.report.add(prepared, _in_doubt(answer) if sent_before else answer)
            self.stored = self.stored or bool(answer.accepted or answer.unknown)
        else:
            outcome = _outcome(answer, sent_before=sent_before)
            self.report.add_failure(prepared, outcome, answer.reason, answer.message)
            if self._failure is None or outcome is Outcome.UNKNOWN:
                self._failure = answer
        self._advance(prepared)

    def reject(self, prepared: PreparedWrite, error: InvalidInput) -> None:
        """Record rows that cannot be sent. They do not affect the other rows."""
        self.report.add_failure(prepared, Outcome.REJECTED, error.reason, error.message)
        self._advance(prepared)

    def check(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure

    def give_up(
        self, unsettled: Sequence[PreparedWrite], unsent: Iterator[PreparedWrite], error: FeaturamaError
    ) -> None:
        """Record the end of the stream: requests that were sent are unknown, the others are rejected."""
        for prepared in unsettled:
            self.report.add_failure(prepared, Outcome.UNKNOWN, Reason.UNKNOWN_OUTCOME, error.message)
        for prepared in unsent:
            self.report.add_failure(prepared, Outcome.REJECTED, Reason.STORE_UNAVAILABLE, f"not sent: {error.message}")

    def _advance(self, prepared: PreparedWrite) -> None:
        self._done += len(prepared.frame_rows())
        if self._progress is not None:
            self._progress(self._done, self._total)


def _outcome(error: FeaturamaError, *, sent_before: bool) -> Outcome:
    """The outcome of a request that was refused as a whole."""
    if isinstance(error, (OutcomeUnknown, DeadlineExceeded)):
        return Outcome.UNKNOWN
    # An attempt without an answer may have been stored, unless any attempt is refused for what the request says.
    same_every_time = isinstance(error, InvalidInput) and error.reason is not Reason.REQUEST_TOO_OLD
    return Outcome.UNKNOWN if sent_before and not same_every_time else Outcome.REJECTED


def _in_doubt(report: WriteReport) -> WriteReport:
    """The report after an attempt without an answer, which may have stored what the store refuses now."""
    verdicts = [
        replace(each, outcome=Outcome.UNKNOWN) if each.reason is Reason.STORE_UNAVAILABLE else each
        for each in report.verdicts
    ]
    return replace(report, verdicts=verdicts)


def _cast_for(request: WriteRequest, verdict: Verdict, casts: Mapping[str, int]) -> str:
    """What may be declared so that a refused text is a value of its feature, "" for none that is known. casts: those
    that are declared.
    """
    wanted = next((each for said, each in _WANTED.items() if verdict.message.endswith(said)), None)
    columns = request.columns if verdict.column < 0 else request.columns[verdict.column : verdict.column + 1]
    texts = [each for each in columns if each.name == verdict.field and each.value_type is ValueType.TEXT]
    if wanted is None or not texts:
        return ""
    text, more = texts[0].values[verdict.row], ""
    try:
        read_text(text, wanted)
    except ValueError:
        more = declaration_for(text, wanted)
        if not more:
            return ""
    is_cast = f"{verdict.field} to {wanted.label}" in casts
    fixes = [*([] if is_cast else [f"casts={{{verdict.field!r}: {wanted.label!r}}}"]), *([more] if more else [])]
    return f"; declare {' and '.join(fixes)}" if fixes else ""
