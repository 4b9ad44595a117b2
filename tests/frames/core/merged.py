"""The report for a frame whose requests were answered one by one."""

from __future__ import annotations

from collections.abc import Iterable

from featurama_core.frames.report import FrameReport, FrameWrite, PreparedWrite
from featurama_core.types.writes import WriteReport


def merge_report(write: FrameWrite, answers: Iterable[tuple[PreparedWrite, WriteReport]]) -> WriteReport:
    report = FrameReport(write)
    for prepared, answer in answers:
        report.add(prepared, answer)
    return report.result()
