"""Registered layouts. Writing one again changes nothing: its id is the hash of its content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from featurama_core.storage.cql.fan_out import collect, for_each
from featurama_core.storage.cql.statements import Statements
from featurama_core.storage.layouts import Layout
from featurama_core.types.errors import CorruptData

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


async def known_layouts(statements: Statements, layout_ids: Iterable[int]) -> Mapping[int, Layout]:
    """The layouts of cells of the history, at least those with these ids. CorruptData if one is not registered."""
    known = statements.layouts
    missing = [layout_id for layout_id in layout_ids if layout_id not in known]
    if missing:
        known.update(await get_layouts(statements, missing))
        if unknown := [layout_id for layout_id in missing if layout_id not in known]:
            raise CorruptData(f"layout {unknown[0]} of stored values is not registered; restore table feature_layouts")
    return known
