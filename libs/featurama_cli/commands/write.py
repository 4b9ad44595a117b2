"""`featurama write FILE...`: values from files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurama_cli.place import JsonOption, Place, at_a_place

if TYPE_CHECKING:
    from featurama_core.api import FeatureStore
    from featurama_core.types.values import ValueType
    from featurama_core.types.writes import Verdict

app = typer.Typer(add_completion=False)

_SHOWN = 20


@app.command()
@at_a_place
async def write(
    place: Place,
    files: Annotated[list[Path], typer.Argument(help="Parquet, CSV or Arrow files.")],
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Of the features; default: the newest.")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, max=10_000, help="Rows a message.")] = 1_000,
    bulk: Annotated[bool, typer.Option("--bulk", help="Backfill: faster, tables may differ for a moment.")] = False,
    skip_nulls: Annotated[
        bool, typer.Option("--skip-nulls", help="An empty cell is left out instead of written as null.")
    ] = False,
    timezone: Annotated[str | None, typer.Option("--timezone", help="Of timestamps that name none.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the values of Parquet, CSV or Arrow files.

    Long files have entity_id, feature_name, value, timestamp; wide ones entity_id, timestamp and a column a feature.
    Exit code 1 if a row was not accepted: the first are printed, all of them lie in NAME.rejected.* beside the file.
    """
    from featurama_cli.csv_values import typed
    from featurama_cli.frame_files import FrameFile, check_timezone
    from featurama_cli.output import show, show_json, told
    from featurama_cli.progress import bar
    from featurama_cli.rejected import rejected_rows
    from featurama_cli.session import open_store
    from featurama_core.types.writes import WriteMode

    if timezone is not None:
        check_timezone(timezone)
    sources = [FrameFile.of(path) for path in files]
    counts = {"accepted": 0, "rejected": 0, "unknown": 0}
    refused: list[dict[str, object]] = []
    beside: list[str] = []
    total = sum(each.rows or 0 for each in sources) if all(each.rows is not None for each in sources) else None
    async with open_store(place) as store:
        with bar("Writing", total) as advance:
            types = await feature_types(store, version) if any(each.is_csv for each in sources) else {}
            for source in sources:
                first = 0
                async with rejected_rows(source.path) as rejected:
                    for table in source.tables(max(10_000, batch_size)):
                        report = await store.write_features(
                            typed(table, types) if source.is_csv else table,
                            version,
                            batch_size,
                            mode=WriteMode.BULK if bulk else WriteMode.ATOMIC,
                            nulls="skip" if skip_nulls else "write",
                            timezone=timezone,
                        )
                        counts["accepted"] += report.accepted
                        counts["rejected"] += report.rejected
                        counts["unknown"] += report.unknown
                        room = _SHOWN - len(refused)
                        refused += [_row(source.path, first, each) for each in report.verdicts[:room]]
                        await rejected.add(table, first, report.verdicts)
                        first += table.num_rows
                        advance(table.num_rows)
                if rejected.path is not None:
                    beside.append(str(rejected.path))
    if as_json:
        show_json(counts | {"verdicts": refused} | ({"rejected_files": beside} if beside else {}))
    else:
        if refused:
            show(refused, as_json=False, title=f"The first {len(refused)} that were not accepted")
        told(", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "accepted"))
        for path in beside:
            told(f"all rows that were not accepted, with reasons: {path}")
    if counts["rejected"] or counts["unknown"]:
        raise typer.Exit(1)


async def feature_types(store: FeatureStore, version: int | None) -> dict[str, ValueType]:
    """Feature -> type, of a version or of the newest."""
    listed = await store.list_features(all_versions=version is not None)
    return {each.name: each.value_type for each in listed if version in (None, each.version)}


def _row(path: Path, first: int, verdict: Verdict) -> dict[str, object]:
    return {
        "file": path.name,
        "row": first + verdict.row,
        "outcome": verdict.outcome.name,
        "reason": verdict.reason.name,
        "message": verdict.message,
    }
