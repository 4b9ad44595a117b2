"""Progress and questions on standard error: bars on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from featurama_core.types.errors import InvalidInput

if TYPE_CHECKING:
    from featurama_core.datasets.progress import Progress, Watcher

Advance = Callable[[int], None]


@contextmanager
def bar(title: str, total: int | None, *, unit: str = "rows") -> Iterator[Advance]:
    """A bar until the context ends. The result is called with the number of further units done."""
    if not sys.stderr.isatty():
        yield lambda _more: None
        return
    with _bars() as bars:
        task = bars.add_task(title, total=total, unit=unit)
        yield lambda more: bars.update(task, advance=more)


@contextmanager
def stage_bars() -> Iterator[Watcher | None]:
    """One bar per stage of a dataset, with its rate."""
    if not sys.stderr.isatty():
        yield None
        return
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def watch(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total, unit="")
            values = progress.values / progress.seconds if progress.values and progress.seconds else 0
            rate = f"{values:,.0f} values/s" if values else f"{progress.rate:,.0f}/s"
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total, unit=rate)

        yield watch


def _bars() -> Any:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=32),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[unit]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    return progress.Progress(*columns, console=Console(stderr=True), transient=True)


def confirmed(question: str) -> bool:
    """The answer of the user on a terminal. True without a terminal, so that scripts run unattended."""
    return not _interactive() or typer.confirm(question, err=True)


def must_confirm(question: str, yes: bool) -> None:
    """End the command unless the user confirms an irreversible action. Without a terminal `--yes` is required."""
    if not yes and not _interactive():
        raise InvalidInput(
            f"{question} This cannot be undone and needs a terminal for confirmation; give --yes", field="yes"
        )
    if not yes and not typer.confirm(question, err=True):
        raise typer.Exit(1)


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
