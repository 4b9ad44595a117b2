"""The plots of a report, as `<svg>` elements with the colours and the font of the surrounding page.

They are drawn by matplotlib without pyplot: no global figure, no display. Equal reports give equal text.
"""

from __future__ import annotations

import importlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from featurama_core.types.times import DAY
from featurama_core.types.values import Int64Array
from featurama_model.expressions import Float64Array
from featurama_trainer.fitting import Curve
from featurama_trainer.report import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, SURFACE = "#0b0b0b", "#898781", "#e1e0d9", "#fcfcfb"
BLUE, ORANGE = "#2a78d6", "#eb6834"
COLOURS = {INK: "--ink", MUTED: "--muted", GRID: "--grid", SURFACE: "--surface", BLUE: "--blue", ORANGE: "--orange"}
"""Colour in the drawing -> CSS variable of the page, so that dark mode needs no other drawing."""

MAX_POINTS = 2_000
MAX_BARS = 16
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "featurama",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
}
P = ParamSpec("P")
_SIZE = re.compile(r' (?:width|height)="[^"]*"')


def _plot(width: float, height: float) -> Callable[[Callable[Concatenate[Axes, P], None]], Callable[P, str]]:
    """Make a function that draws on axes one that returns the element. width, height: in inches."""

    def of(draw: Callable[Concatenate[Axes, P], None]) -> Callable[P, str]:
        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
            import matplotlib as mpl
            from matplotlib.backends.backend_svg import FigureCanvasSVG
            from matplotlib.figure import Figure

            with mpl.rc_context(_SETTINGS):
                figure: Figure = Figure(figsize=(width, height), layout="constrained")
                FigureCanvasSVG(figure)
                draw(figure.add_subplot(), *args, **kwargs)
                text = io.StringIO()
                figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
            return _inlined(text.getvalue())

        return drawn

    return of


@_plot(5.2, 4.4)
def predicted_against_actual(axes: Axes, evidence: Evidence, unit: str) -> None:
    """One point per test row; on the line the prediction equals the outcome."""
    rows = _some(len(evidence.actual))
    actual, predicted = evidence.actual[rows], evidence.predicted[rows]
    ends = [float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))]
    axes.plot(ends, ends, color=MUTED, linewidth=1, dashes=(4, 3))
    if evidence.baseline is not None:
        axes.scatter(actual, evidence.baseline[rows], s=9, color=ORANGE, alpha=0.35, linewidths=0, label="baseline")
    axes.scatter(actual, predicted, s=11, color=BLUE, alpha=0.6, linewidths=0, label="model")
    axes.set_xlim(ends[0], ends[1])
    axes.set_ylim(ends[0], ends[1])
    axes.set_xlabel(f"actual {unit}")
    axes.set_ylabel(f"predicted {unit}")
    if evidence.baseline is not None:
        axes.legend(loc="upper left", handletextpad=0.1, markerscale=2, labelcolor=INK)


@_plot(10.8, 3.2)
def residuals_over_time(axes: Axes, evidence: Evidence, unit: str) -> None:
    """Predicted minus actual per test row, with the median and the middle 80 % per stretch of time."""
    error = evidence.predicted - evidence.actual
    rows = _some(len(error))
    axes.scatter(_dates(evidence.times[rows]), error[rows], s=8, color=BLUE, alpha=0.28, linewidths=0)
    at, low, middle, high = _stretches(evidence.times, error)
    axes.fill_between(_dates(at), low, high, color=BLUE, alpha=0.16, linewidth=0)
    axes.plot(_dates(at), middle, color=BLUE)
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.set_ylabel(f"predicted - actual {unit}")
    reach = float(np.quantile(np.abs(error), 0.995)) * 1.15 or 1.0
    axes.set_ylim(-reach, reach)
    _date_axis(axes)


@_plot(5.2, 4.4)
def reliability(axes: Axes, evidence: Evidence, label: str) -> None:
    """Observed share of the second class by predicted probability; on the line they are equal."""
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, dashes=(4, 3))
    order = np.argsort(evidence.predicted, kind="stable")
    parts = [part for part in np.array_split(order, 10) if len(part)]
    guess = [float(evidence.predicted[part].mean()) for part in parts]
    truth = [float(evidence.actual[part].mean()) for part in parts]
    axes.plot(guess, truth, color=BLUE, marker="o", markersize=5)
    axes.set_xlabel("predicted probability (tenths of the test rows)")
    axes.set_ylabel(f"share that was {label[:16]}", parse_math=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


@_plot(5.2, 4.4)
def confusion(axes: Axes, evidence: Evidence, labels: Sequence[str]) -> None:
    """The share of each answer among the test rows of each class."""
    classes = evidence.predicted.shape[1]
    counts = np.zeros((classes, classes))
    np.add.at(counts, (evidence.actual.astype(np.int64), evidence.predicted.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row in range(classes):
        for column in range(classes):
            share = float(shares[row, column])
            axes.bar(column, 0.94, bottom=row - 0.47, width=0.94, color=BLUE, alpha=0.06 + 0.84 * share)
            if classes <= 12:
                axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=INK, fontsize=8)
    axes.set_xlim(-0.5, classes - 0.5)
    axes.set_ylim(classes - 0.5, -0.5)
    axes.grid(visible=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("actual class")
    if classes <= 30:
        shown = [label[:16] for label in labels]
        tilt = 90 if max(map(len, shown)) * classes > 40 else 0
        axes.set_xticks(range(classes), shown, rotation=tilt, parse_math=False)
        axes.set_yticks(range(classes), shown, parse_math=False)


@_plot(5.2, 4.4)
def learning_curve(axes: Axes, curve: Curve) -> None:
    """The measure after each round, on the fitting rows and on the validation rows."""
    rounds = np.arange(1, len(curve.validation) + 1)
    axes.plot(rounds, curve.fitted, color=MUTED, label="rows that fit")
    axes.plot(rounds, curve.validation, color=BLUE, label="validation rows")
    best = curve.validation[curve.best - 1]
    axes.axvline(curve.best, color=ORANGE, linewidth=1, dashes=(4, 3))
    axes.scatter([curve.best], [best], color=ORANGE, s=28, zorder=3)
    axes.annotate(
        f"{curve.best} rounds: {best:.4g}",
        (curve.best, best),
        xytext=(-6, 10),
        textcoords="offset points",
        ha="right" if curve.best > len(rounds) / 2 else "left",
    )
    axes.set_xlabel("rounds")
    axes.set_ylabel(curve.measure)
    axes.set_ylim(0, float(np.quantile([*curve.fitted, *curve.validation], 0.97)) * 1.1)
    axes.legend(loc="upper right", labelcolor=INK)


@_plot(5.2, 4.4)
def bars(axes: Axes, shares: Mapping[str, float], order: Sequence[str], colour: str, label: str) -> None:
    """One bar per column of the matrix, in the given order, from the top."""
    names = list(order)[:MAX_BARS]
    sizes = [shares.get(name, 0.0) for name in names]
    places = np.arange(len(names))
    axes.barh(places, sizes, height=0.62, color=colour)
    for place, size in zip(places.tolist(), sizes, strict=True):
        axes.annotate(f"{size:.3g}", (size, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, names, color=INK)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, max([*sizes, 1e-12]) * 1.14)
    axes.set_xlabel(label)
    figure: Any = axes.get_figure()
    figure.set_figheight(0.9 + 0.26 * len(names))


@_plot(10.8, 1.9)
def rows_over_time(axes: Axes, evidence: Evidence) -> None:
    """The number of label rows over time, by their use."""
    times = evidence.all_times
    edges = np.linspace(times[0], times[-1] + 1, 97)
    dates = _dates(edges.astype(np.int64))
    cut = times[min(evidence.test_from, len(times) - 1)]
    until = times[max(evidence.train_until - 1, 0)]
    counts, _ = np.histogram(times, edges)
    for at, count in enumerate(counts.tolist()):
        middle = (edges[at] + edges[at + 1]) / 2
        colour = ORANGE if middle >= cut else BLUE if middle <= until else GRID
        axes.bar(dates[at], count, width=dates[at + 1] - dates[at], align="edge", color=colour, alpha=0.85)
    for colour, label in ((BLUE, "trains"), (GRID, "gap"), (ORANGE, "tests")):
        axes.bar(dates[0], 0, color=colour, label=label)
    axes.set_ylabel("label rows")
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0, labelcolor=INK)
    _date_axis(axes)


def _inlined(document: str) -> str:
    """The `<svg>` element without fixed size, in the colours and the font of the page."""
    start = document.index("<svg")
    head, body = document[start:].split(">", 1)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    for colour, name in COLOURS.items():
        body = body.replace(colour, f"var({name})")
    body = body.replace("'DejaVu Sans'", "var(--font)")
    return f'{_SIZE.sub("", head)} role="img">{body}'


def _some(rows: int) -> Int64Array:
    """Evenly chosen rows, at most MAX_POINTS."""
    return np.linspace(0, rows - 1, min(rows, MAX_POINTS)).astype(np.int64)


def _stretches(times: Int64Array, error: Float64Array) -> tuple[Int64Array, Float64Array, Float64Array, Float64Array]:
    """-> (middle times, lower tenth, median, upper tenth) of up to 40 stretches with equally many rows."""
    parts = [part for part in np.array_split(np.arange(len(error)), max(1, min(40, len(error) // 12))) if len(part)]
    at = np.array([int(np.median(times[part])) for part in parts], dtype=np.int64)
    low, middle, high = (np.array([float(np.quantile(error[part], q)) for part in parts]) for q in (0.1, 0.5, 0.9))
    return at, low, middle, high


def _dates(times: Int64Array) -> Float64Array:
    """Days since 1970, as matplotlib's axes of time take them."""
    return times.astype(np.float64) / DAY


def _date_axis(axes: Axes) -> None:
    # Typed as Any: matplotlib has no types for its dates.
    dates: Any = importlib.import_module("matplotlib.dates")
    locator = dates.AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis_date(tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.margins(x=0.01)
