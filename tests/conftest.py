"""What all tests share: the tier of each test by its folder, the CQL server, blocked-loop detection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

pytest_plugins = ["tests.cql_server.plugin"]

HERE = Path(__file__).parent
# The unit tier is run at every save; CI's other tiers draw as many examples as their own profiles say.
settings.register_profile("unit", max_examples=30, deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("unit")

TIERS = {"unit": "unit", "frames": "frames", "contract": "contract", "laws": "contract", "faults": "contract"}
PURE = {"unit", "frames"}
_OF_SMALL_READS = ("os.stat", "sqlite3.Connection.execute", "sqlite3.Cursor.fetchall")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's folder is its tier; what talks to real servers is `service`."""
    for item in items:
        room = item.path.relative_to(HERE).parts[0]
        item.add_marker(getattr(pytest.mark, TIERS.get(room, "service")))


@pytest.fixture(autouse=True)
def blockbuster(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """A blocking call on a running loop, made by our packages, fails the test. The pure tiers have no loop."""
    if TIERS.get(request.path.relative_to(HERE).parts[0]) in PURE:
        yield None
        return
    with blockbuster_ctx(scanned_modules=["featurama_core"]) as active:
        # Small reads of the embedded store take less time than a thread would cost.
        for name in _OF_SMALL_READS:
            active.functions[name].can_block_in("featurama_core/storage/sqlite/readers.py", "run_small")
        yield active
