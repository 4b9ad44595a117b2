"""The proposal tried: the keys of all rows, as `featurama write --mapping` would read them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from featurama_cli.mapping_file import OPEN
from featurama_cli.proposal.propose import Proposal
from featurama_cli.proposal.scan import Advance, Scanned, opened_again
from featurama_cli.proposal.types import plural
from featurama_cli.repeated_rows import RepeatedKeys
from featurama_core.frames.imports import frame_part
from featurama_core.frames.mapping import Mapping
from featurama_core.types.entity_keys import key_columns
from featurama_core.types.errors import InvalidInput
from featurama_core.types.schema import EntityType

_LAYOUT = ("delimiter", "quote", "encoding", "null_values")


def check(made: Proposal, scanned: Scanned, advance: Advance) -> int | None:
    """Ask about rows whose keys would be refused, and rows that share their keys with others.

    Returns:
        The number of rows that share a key, None without a column of ids or if the files are refused.
    """
    fields = {name: value for name, value in made.mapping.items() if name not in _LAYOUT}
    if fields.get("entity_column") == OPEN:
        return None
    # What is open has no part in whether keys are there and differ.
    stands_in = {"timezone": "UTC", "timestamp": "2000-01-01T00:00:00Z"}
    closed: dict[str, Any] = {name: stands_in[name] if value == OPEN else value for name, value in fields.items()}
    mapping, about = Mapping.of(**closed), "entity_column"
    if made.keys:
        mapping, about = (
            mapping.with_keys([EntityType(made.entity_type, keys=key_columns(made.keys))], []),
            "entity_types",
        )
    bad: dict[str, int] = {}
    rows = 0
    with ExitStack() as scratch:
        keys = RepeatedKeys(scratch)
        for file in opened_again(scanned, made.mapping.get("null_values", ()), mapping):
            for batch in file.batches(as_text=True):
                try:
                    part = frame_part(_table(batch), mapping.of_file(batch.schema.names, scanned.columns))
                except InvalidInput as error:
                    made.ask(about, [f"write refuses {file.name}: {error.message}"])
                    return None
                keys.add(part.keys, part.rows + rows)
                for problem in part.problems:
                    bad[problem] = bad.get(problem, 0) + 1
                rows += batch.num_rows
                advance(batch.num_rows)
        keys.finish(rows)
        for problem, count in sorted(bad.items(), key=lambda each: -each[1])[:3]:
            made.ask(about, [f"{plural(count, 'row', 'rows')} would be rejected: {problem}"])
        if keys.rows:
            sharing = plural(keys.rows, "row shares", "rows share")
            made.ask(about, [f"{sharing} a key with others; where the values differ, they are rejected"])
        return keys.rows


def _table(batch: Any) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([batch])
