"""Registered layouts. Writing one again changes nothing: its id is the hash of its content."""

from __future__ import annotations

from collections.abc import Sequence

from featurama_core.storage.cql.fan_out import collect, for_each
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.layouts import Layout

_PUT = "INSERT INTO ks.feature_layouts (layout_id, fields) VALUES (?, ?)"
_GET = "SELECT layout_id, fields FROM ks.feature_layouts WHERE layout_id = ?"


async def put_layouts(statements: Statements, layouts: Sequence[Layout]) -> None:
    """Register layouts."""
    put, driver = await statements.get(_PUT), statements.driver
    await for_each(layouts, lambda layout: driver.write(put, (layout.layout_id, layout.text)), driver.width)


async def get_layouts(statements: Statements, layout_ids: Sequence[int]) -> dict[int, Layout]:
    """The known ones among these ids."""
    get, driver = await statements.get(_GET), statements.driver
    distinct = list(dict.fromkeys(layout_ids))
    found = await collect(distinct, lambda layout_id: driver.read(get, (layout_id,)), driver.width)
    return {layout_id: Layout.parse(fields) for rows in found for layout_id, fields in rows}
