"""Messages of the store and of the servers: they reach gRPC and REST, where there is no command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROOMS = (
    *(ROOT / "libs" / each for each in ("featurama", "featurama_core", "featurama_model", "featurama_service")),
    *(ROOT / "services" / each for each in ("online", "ingest", "gateway")),
)


def texts(path: Path) -> Iterator[str]:
    """The string constants of a module that are no docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_message_of_the_store_or_of_a_server_names_a_subcommand() -> None:
    """The command adds its own hints, by the reason."""
    modules = [path for room in ROOMS for path in room.rglob("*.py") if not path.name.endswith("_pb2.py")]

    assert len(modules) > 150
    assert [] == [(path.name, text) for path in modules for text in texts(path) if "`featurama " in text]
