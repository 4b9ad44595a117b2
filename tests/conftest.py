"""What all tests share: the tier of each test by its folder, the CQL server, blocked-loop detection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

pytest_plugins = ["tests.cql_server.plugin"]

HERE = Path(__file__).parent
TIERS = {"unit": "unit", "contract": "contract", "laws": "contract", "faults": "contract"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's folder is its tier; what talks to real servers is `service`."""
    for item in items:
        room = item.path.relative_to(HERE).parts[0]
        item.add_marker(getattr(pytest.mark, TIERS.get(room, "service")))


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """A blocking call on a running loop, made by our packages, fails the test."""
    with blockbuster_ctx(scanned_modules=["featurama_core"]) as active:
        yield active
