"""Progress on standard error: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]


@contextmanager
def bar(title: str, total: int | None, *, unit: str = "rows") -> Iterator[Advance]:
    """A bar until the context ends. The result is called with the number of further units done."""
    if not sys.stderr.isatty():
        yield lambda _more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda more: progress.update(task, advance=more)


def confirmed(question: str) -> bool:
    """Ask on a terminal. True without a terminal, so that scripts run unattended."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    import typer

    return typer.confirm(question, err=True)


def must_confirm(question: str, yes: bool) -> None:
    """Ask before an irreversible action. Without a terminal `--yes` is required."""
    import typer

    from featurama_core.types.errors import InvalidInput

    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput("this cannot be undone and needs a terminal for confirmation; give --yes", field="yes")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
