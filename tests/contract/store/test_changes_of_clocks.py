"""Times that a zone has twice or skips, because its clocks are changed: refused, or the earlier or later instant."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from tests.opened import OpenedStore

from featurama_core.datasets.verify import verify
from featurama_core.store_datasets import rebuilt
from featurama_core.types.errors import InvalidInput

from .standing_clock import Unique

# It is loaded here, from a file.
ROME = ZoneInfo("Europe/Rome").key
TWICE, SKIPPED = "2024-10-27 02:30:00", "2024-03-31 02:30:00"
INSTANTS = {
    "earlier": ["2024-10-27T00:30:00+00:00", "2024-03-31T00:30:00+00:00"],
    "later": ["2024-10-27T01:30:00+00:00", "2024-03-31T01:30:00+00:00"],
}
COLUMNS = {"texts": list, "times": pd.to_datetime}
FIX = "a change of its clocks); declare ambiguous='earlier' or ambiguous='later', or give it in UTC"


@pytest.mark.parametrize("form", COLUMNS)
@pytest.mark.parametrize("ambiguous", INSTANTS)
async def test_a_declared_instant_is_written(store: OpenedStore, unique: Unique, form: str, ambiguous: Any) -> None:
    """The offset before the change, or after it; a time that is neither repeated nor skipped is as ever."""
    await store.register_feature(size := unique("size"), "int")
    rows = {"entity_id": [fry := unique("fry")] * 3, size: [1, 2, 3]}
    times = COLUMNS[form]([TWICE, SKIPPED, "2024-10-27 03:30:00"])
    report = await store.write_features(rows | {"timestamp": times}, timezone=ROME, ambiguous=ambiguous)
    assert 3 == report.accepted
    found = [each.isoformat() for each in (await store.get_feature_history(fry, size)).to_pandas()["timestamp"]]
    assert sorted([*INSTANTS[ambiguous], "2024-10-27T02:30:00+00:00"], reverse=True) == found


@pytest.mark.parametrize("form", COLUMNS)
async def test_such_a_time_is_refused_by_its_row_and_the_option_is_named(
    store: OpenedStore, unique: Unique, form: str
) -> None:
    """In writes, in label rows and in sets."""
    await store.register_feature(size := unique("size"), "int")
    rows = {"entity_id": ["fry"] * 2, "timestamp": COLUMNS[form](["2024-01-01 00:00:00", TWICE])}
    report = await store.write_features(rows | {size: [1, 2]}, timezone=ROME)
    said = f"timestamp {TWICE} is a time that {ROME} skips or has twice ({FIX}"
    assert (1, [(1, said)]) == (report.accepted, [(each.row, each.message) for each in report.verdicts])
    with pytest.raises(InvalidInput) as caught:
        await store.get_historical_features(rows, [size], timezone=ROME)
    assert f"label row 1: {said}" == caught.value.message
    with pytest.raises(InvalidInput) as caught:
        await (await store.training_set(rows, [size], timezone=ROME)).to_arrow()
    assert f"label row 1: {said}" == caught.value.message
    with pytest.raises(InvalidInput, match="ambiguous 'first' is not one of refuse, earlier, later"):
        await store.training_set(rows, [size], timezone=ROME, ambiguous="first")  # type: ignore[arg-type]


@pytest.mark.parametrize("read", ["frame", "file", "in memory"])
async def test_label_rows_see_the_value_of_the_declared_instant(
    store: OpenedStore, unique: Unique, tmp_path: Path, read: str
) -> None:
    """A written set keeps the declaration in its manifest, by which it is built again."""
    await store.register_feature(size := unique("size"), "int")
    fry = unique("fry")
    await store.write_features({"entity_id": [fry] * 2, "timestamp": INSTANTS["later"], size: [1, 2]})
    rows: Any = pa.table({"entity_id": [fry], "at": [TWICE]})
    if read == "file":
        (tmp_path / "l.csv").write_text(f"entity_id,at\n{fry},{TWICE}\n")
        rows = tmp_path / "l.csv"
    found = []
    for ambiguous in ("earlier", "later"):
        declared: Any = {"time_column": "at", "timezone": ROME, "ambiguous": ambiguous}
        if read == "in memory":
            found += (await store.get_historical_features(rows, [size], **declared)).to_dict()[size]
            continue
        made = await store.training_set(rows, [size], **declared)
        found += (await made.to_arrow()).column(size).to_pylist()
        await made.write(tmp_path / ambiguous)

        async def again(request: Any, as_of: int | None) -> Any:
            return await rebuilt(store.space, request, as_of)

        assert not (await verify(tmp_path / ambiguous, again)).differences
    assert [2, 1] == found
