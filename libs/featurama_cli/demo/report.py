"""The display of the demonstration's figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from featurama_cli.demo.figures import Figures, Latency
from featurama_cli.demo.walk import DemoOptions
from featurama_cli.output import number

if TYPE_CHECKING:
    from featurama_trainer.report import TrainingReport


def show_figures(console: Console, figures: Figures, report: TrainingReport, options: DemoOptions) -> None:
    """Print the tables and the next steps."""
    for each in (_measured(figures), _model(report), _predicted(figures), _next(figures, options)):
        console.print()
        console.print(each)


def _measured(figures: Figures) -> RenderableType:
    made = _table("what", "figure", "how")
    made.columns[1].style, made.columns[2].style = "bold", "dim"
    world = f"{figures.entities:,} entities, {figures.rows:,} rows"
    made.add_row("World", f"{figures.values:,} values", world)
    made.add_row(
        "Ingest", f"{figures.values_per_second:,} values/s", f"gRPC stream, mode {figures.mode}, all acknowledged"
    )
    made.add_row("Online read 1 x 10", _latency(figures.online_1x10), _calls(figures.online_1x10))
    made.add_row("Online read 100 x 10", _latency(figures.online_100x10), _calls(figures.online_100x10))
    fresh = figures.freshness
    made.add_row(
        "Freshness", _latency(fresh.latency), f"acknowledged -> read; {fresh.at_first_read} of {fresh.writes} at once"
    )
    point = figures.point_in_time
    made.add_row(
        "Point in time", f"{point.rows_per_second:,} rows/s", f"{point.rows:,} label rows x {point.features} features"
    )
    note = f"Client and servers share one process and event loop. The demonstration took {figures.total_seconds} s."
    return Group(Text("Measured", style="bold"), made, Text(note, style="dim"))


def _model(report: TrainingReport) -> RenderableType:
    manifest = report.manifest
    assert manifest.training is not None  # set by every run
    title = f"Model {manifest.name} version {manifest.version}: {manifest.target}, hours"
    made = _table("on the test rows", "MAE", "RMSE", "R2")
    for column in made.columns[1:]:
        column.justify = "right"
    made.add_row("this model", *_scores(report.test), style="bold")
    made.add_row(f"baseline: {manifest.baseline}", *_scores(report.baseline))
    note = (
        f"{manifest.training.train_rows:,} training rows, {manifest.training.test_rows:,} later test rows; "
        f"{len(manifest.engineered.names)} columns from {len(manifest.features)} features."
    )
    return Group(Text(title, style="bold"), made, Text(note, style="dim"))


def _predicted(figures: Figures) -> RenderableType:
    made = figures.prediction
    rows = _table("over", "hours", "")
    rows.columns[1].justify = "right"
    rows.add_row("gRPC  PredictionService/Predict", f"{made.grpc_hours:.4f}", "")
    rows.add_row("REST  POST /predict", f"{made.rest_hours:.4f}", "equal" if made.agree else "different")
    rows.add_row("(actual)", f"{made.actual_hours:.4f}", "with the traffic and weather of its day")
    used = ", ".join(f"{name} {_short(value)}" for name, value in made.features_used.items())
    return Group(Text(f"Prediction for {made.entity_id}", style="bold"), rows, Text(used, style="dim"))


def _next(figures: Figures, options: DemoOptions) -> RenderableType:
    where = f" --store {options.storage}" if options.storage else ""
    served = f" --storage {options.storage}" if options.storage else ""
    space = "" if figures.namespace == "default" else f" -n {figures.namespace}"
    lines = [] if options.keep else [(f"featurama demo{served} --keep", "the same, and keep it")]
    if options.keep or not options.storage:
        lines += [
            (f"featurama get{where}{space} planet_mars", "the newest values"),
            (f"featurama history{where}{space} planet_mars traffic_level", "what it was before"),
            (f"featurama predict{where}{space} {figures.prediction.entity_id} package_weight=900", "what if"),
        ]
    lines += [
        (f"featurama up{served}", "serve it: gRPC, and REST on 8080"),
        ("curl localhost:8080/features/delivery_00000001", "while `up` runs; Swagger UI at /docs"),
        ("featurama --help", "the rest"),
    ]
    grid = Table.grid(padding=(0, 2))
    for command, why in lines:
        grid.add_row(Text(command, style="cyan", no_wrap=True), Text(why, style="dim"))
    return Panel(grid, title="What to try next", title_align="left", box=box.ROUNDED, expand=False)


def _table(*columns: str) -> Table:
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        made.add_column(name)
    return made


def _latency(latency: Latency) -> str:
    return f"p50 {latency.p50_ms:.2f} ms, p99 {latency.p99_ms:.2f} ms"


def _calls(latency: Latency) -> str:
    return f"entities x features, {latency.calls:,} sequential calls"


def _scores(scores: object) -> list[str]:
    assert hasattr(scores, "get")
    return [f"{scores.get(name, float('nan')):.3f}" for name in ("mae", "rmse", "r2")]


def _short(value: object) -> str:
    return number(value, 4) if isinstance(value, float) else str(value)
