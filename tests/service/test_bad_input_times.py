"""Times without a zone, and other bad input that only a client's language can say: the SDK refuses it by name, over
gRPC and embedded alike, and nothing is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from featurama import connect
from featurama.errors import FeaturamaError

from .bad_scene import readable
from .servers import RunningServer

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001 - that it has no zone is the point
ZONED = datetime(2026, 1, 1, tzinfo=UTC)
FRAME = {"entity_id": ["bad_fry"], "timestamp": [ZONED], "bad_speed": [1.0]}


@pytest.fixture(params=["client", "embedded"])
async def api(
    request: pytest.FixtureRequest, online_at: RunningServer, ingest_at: RunningServer, namespace: str, store: Any
) -> AsyncIterator[Any]:
    """The same methods on the wire and in this process."""
    if request.param == "embedded":
        yield store
        return
    async with connect(f"grpc://{online_at.address}?ingest={ingest_at.address}", namespace=namespace) as client:
        yield client


def frame(**columns: Any) -> dict[str, Any]:
    return {**FRAME, **columns}


CASES = {
    "a naive datetime": (lambda api: api.write_features(frame(timestamp=[NAIVE])), "NAIVE_TIME", "timestamp"),
    "a naive text": (
        lambda api: api.write_features(frame(timestamp=["2026-01-01T00:00:00"])),
        "NAIVE_TIME",
        "timestamp",
    ),
    "naive numpy": (
        lambda api: api.write_features(frame(timestamp=np.array(["2026-01-01"], dtype="datetime64[us]"))),
        "NAIVE_TIME",
        "timestamp",
    ),
    "naive pandas": (
        lambda api: api.write_features(pd.DataFrame(frame(timestamp=pd.to_datetime(["2026-01-01"])))),
        "NAIVE_TIME",
        "timestamp",
    ),
    "naive polars": (
        lambda api: api.write_features(pl.DataFrame(frame(timestamp=[NAIVE]))),
        "NAIVE_TIME",
        "timestamp",
    ),
    "a naive start": (
        lambda api: api.get_feature_history("bad_fry", "bad_speed", start_time=NAIVE),
        "NAIVE_TIME",
        "start_time",
    ),
    "a naive end": (
        lambda api: api.get_feature_history("bad_fry", "bad_speed", end_time="2026-01-01 00:00"),
        "NAIVE_TIME",
        "end_time",
    ),
    "a naive label": (
        lambda api: api.get_historical_features({"entity_id": ["bad_fry"], "timestamp": [NAIVE]}, ["bad_speed"]),
        "NAIVE_TIME",
        "timestamp",
    ),
    "a naive moment": (
        lambda api: api.get_historical_features(["bad_fry"], ["bad_speed"], NAIVE),
        "NAIVE_TIME",
        "timestamp",
    ),
    "a naive known_at": (
        lambda api: api.get_historical_features(["bad_fry"], ["bad_speed"], ZONED, known_at=NAIVE),
        "NAIVE_TIME",
        "known_at",
    ),
    "a naive deletion": (lambda api: api.delete_entity("bad_fry", NAIVE), "NAIVE_TIME", "deleted_through"),
    "a naive deletion of a feature": (
        lambda api: api.delete_feature_values("bad_fry", ["bad_speed"], NAIVE),
        "NAIVE_TIME",
        "deleted_through",
    ),
    "no time at all": (
        lambda api: api.get_feature_history("bad_fry", "bad_speed", start_time="yesterday"),
        "INVALID_TIME",
        "start_time",
    ),
    "a limit of none": (lambda api: api.get_feature_history("bad_fry", "bad_speed", limit=0), None, "limit"),
    "a negative limit": (lambda api: api.get_feature_history("bad_fry", "bad_speed", limit=-1), None, "limit"),
    "an unsettled known_at": (
        lambda api: api.get_historical_features(["bad_fry"], ["bad_speed"], ZONED, known_at=datetime.now(UTC)),
        "KNOWN_AT_NOT_SETTLED",
        "known_at",
    ),
    "a future deletion": (
        lambda api: api.delete_entity("bad_fry", datetime.now(UTC) + timedelta(days=1)),
        "EVENT_TIME_IN_FUTURE",
        "deleted_through",
    ),
    "no entities": (lambda api: api.get_online_features([], ["bad_speed"]), "EMPTY_REQUEST", "entity_ids"),
    "no features": (lambda api: api.get_online_features(["bad_fry"], []), "EMPTY_REQUEST", "features"),
    "features and service": (
        lambda api: api.get_online_features(["bad_fry"], ["bad_speed"], service="bad_view"),
        None,
        "features",
    ),
    "an id that is no text": (
        lambda api: api.get_online_features([5], ["bad_speed"]),
        "INVALID_ENTITY_ID",
        "entity_ids",
    ),
    "a lone surrogate": (
        lambda api: api.get_online_features(["\ud800"], ["bad_speed"]),
        "INVALID_ENTITY_ID",
        "entity_ids",
    ),
    "a surrogate in a name": (
        lambda api: api.get_online_features(["bad_fry"], ["\ud800"]),
        "INVALID_REFERENCE",
        "features",
    ),
    "an unknown type": (lambda api: api.register_feature("bad_new", "complex"), None, "type"),
    "a reserved name": (lambda api: api.register_feature("value", "double"), "INVALID_NAME", "feature_name"),
    "a negative ttl": (lambda api: api.register_feature_group("bad_new", ttl="-1d"), "INVALID_DEFINITION", "ttl"),
    "metadata that is no JSON": (
        lambda api: api.register_entity("bad_new", metadata={"x": {1, 2}}),
        None,
        "metadata",
    ),
}


@pytest.mark.usefixtures("scene")
async def test_bad_input_is_refused_by_name_and_nothing_is_stored(api, store):
    """Each as an error of ours that says which argument it is."""
    before = await readable(store)
    complaints = []
    for what, (call, reason, names) in CASES.items():
        try:
            answer = await call(api)
        except FeaturamaError as error:
            said = f"{error.reason.name} {error.message} {error.metadata}"
            if (reason or error.reason.name) != error.reason.name or names not in said:
                complaints.append((what, said))
        except Exception as error:  # noqa: BLE001 - anything else is what this test is about
            complaints.append((what, repr(error)))
        else:
            verdicts = getattr(answer, "verdicts", None)
            if not verdicts or {each.reason.name for each in verdicts} != {reason} or verdicts[0].field != names:
                complaints.append((what, repr(answer)))
        await asyncio.sleep(0)

    assert complaints == []
    assert await readable(store) == before
