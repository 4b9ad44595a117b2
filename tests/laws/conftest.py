"""Hypothesis profiles and the arenas. In CI (CI=true) examples are derandomised: the same ones each time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from .scene import Arena, open_arena

_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True, "database": None}
settings.register_profile("laws", **_COMMON)
settings.register_profile("laws-ci", **_COMMON, derandomize=True)
PROFILE = "laws-ci" if os.environ.get("CI", "").lower() in {"1", "true", "yes"} else "laws"


OF_HISTORY = {"test_store_machine", "test_law_2_order", "test_deletion_rules", "test_edges", "test_datasets"}
"""Tests that also run on a cluster with packed history."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """On the embedded storage, and on a cluster in both forms of history where a test is about it."""
    if "arena" in metafunc.fixturenames:
        forms = ["cql", "cql_packed"] if metafunc.module.__name__.rpartition(".")[2] in OF_HISTORY else ["cql"]
        of_cluster = [pytest.param(each, marks=pytest.mark.cql) for each in forms]
        metafunc.parametrize("arena", ["sqlite", *of_cluster], indirect=True, scope="session")


@pytest.fixture(scope="session")
def arena(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The storages of one adapter, open for the session of a worker."""
    adapter, _, history = request.param.partition("_")
    url = "" if adapter == "sqlite" else request.getfixturevalue("cql_endpoint").url
    with open_arena(adapter, url, history or "rows") as opened:
        yield opened


@pytest.fixture
def examples(arena: Arena) -> settings:
    """How many examples a law gets: a cluster's cost ten times as much. FEATURAMA_LAW_EXAMPLES multiplies them.

    A failing example is shrunk with FEATURAMA_LAW_SHRINK=1 only (and a longer --timeout): it takes minutes.
    """
    times = int(os.environ.get("FEATURAMA_LAW_EXAMPLES", "1"))
    small = arena.adapter == "cql"
    return settings(
        settings.get_profile(PROFILE),
        max_examples=(8 if small else 40) * times,
        stateful_step_count=12 if small else 30,
        phases=list(Phase) if "FEATURAMA_LAW_SHRINK" in os.environ else [Phase.explicit, Phase.generate],
    )
