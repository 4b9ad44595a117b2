"""A training set in a file: label rows in, the same rows with the values as they were out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from featurama_cli.frame_files import FrameFile, write_table
from featurama_cli.progress import bar
from featurama_cli.reading import names_of
from featurama_core.model.errors import InvalidInput, Reason
from featurama_core.model.values import Status

if TYPE_CHECKING:
    from featurama_cli.session import Session

ROWS_PER_READ = 50_000


async def build_dataset(
    session: Session,
    labels: Path,
    out: Path,
    *,
    features: str | None,
    service: str | None,
    known_at: str | None,
    statuses: bool,
    event_times: bool,
) -> dict[str, object]:
    """Read label rows from one file, write them with features to another. -> facts for people."""
    asked = names_of(features, service)
    if asked is None and service is None:
        raise InvalidInput("name what to add: --features a,b or --service name", field="features")
    source = FrameFile.of(labels)
    began = time.monotonic()
    parts: list[pa.Table] = []
    absent: dict[str, int] = {}
    with bar("Reading", source.rows) as advance:
        for table in source.tables(ROWS_PER_READ):
            read = await session.get_historical_features(table, asked, service=service, known_at=known_at)
            parts.append(read.to_arrow(statuses=statuses, event_times=event_times))
            for column in read.columns:
                absent[column.name] = absent.get(column.name, 0) + int(
                    np.count_nonzero(column.status != Status.PRESENT)
                )
            advance(table.num_rows)
    if not parts:
        raise InvalidInput(f"{labels.name} has no rows", reason=Reason.EMPTY_REQUEST, field="labels")
    joined = pa.concat_tables(parts, promote_options="permissive")
    write_table(joined, out)
    took = time.monotonic() - began
    return {
        "out": str(out),
        "rows": joined.num_rows,
        "columns": joined.num_columns,
        "without_value": {name: count for name, count in absent.items() if count} or None,
        "seconds": round(took, 3),
        "rows_per_second": round(joined.num_rows / took) if took else None,
    }
