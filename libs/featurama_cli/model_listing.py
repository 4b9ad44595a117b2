"""Versions of models as rows, from a storage or from a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from featurama_cli.output import when
from featurama_core.types.errors import FailedPrecondition

if TYPE_CHECKING:
    from featurama import Model
    from featurama_model.registry import ModelRegistry, Trial

Row = dict[str, object]

_MEASURES = ("mae", "rmse", "r2")
_CLASS_MEASURES = ("logloss", "accuracy")
_WHERE_ANY = (*_CLASS_MEASURES, "problem")
"""Columns that are omitted if no row has a value."""


async def stored_rows(registry: ModelRegistry, name: str | None, trial: Trial | None = None) -> list[Row]:
    """One row per version. trial: checks the versions that an alias names; an unusable version has a `problem`."""
    listed = await registry.list(name)
    aliases = {each: await registry.aliases(each) for each in {model.stored.name for model in listed}}
    rows: list[Row] = []
    for model in listed:
        names = [alias for alias, version in aliases[model.stored.name].items() if version == model.stored.version]
        problem = model.problem
        if trial is not None and names and model.manifest is not None:
            try:
                await trial(model.manifest)
            except FailedPrecondition as error:
                problem = error.message
        manifest = model.manifest
        rows.append(
            {
                "model": model.stored.name,
                "version": model.stored.version,
                "aliases": names,
                "target": manifest.target if manifest else None,
                **_scores(manifest.metrics if manifest else {}),
                "created_at": when(model.stored.created_at),
                "problem": problem or None,
            }
        )
    return rows


def served_rows(models: Sequence[Model]) -> list[Row]:
    """One row per version. serves: the aliases that the version serves; state: its state in the server."""
    return [
        {
            "model": model.name,
            "version": model.version,
            "aliases": list(model.aliases),
            "serves": [f"{alias} (degraded)" if alias in model.degraded else alias for alias in model.serves],
            "state": model.state,
            "target": model.target or None,
            **_scores(model.scores),
            "created_at": when(model.created_at),
            "problem": model.problem or None,
        }
        for model in models
    ]


def shown_columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of a table of these rows."""
    if not rows:
        return ()
    return tuple(
        column for column in rows[0] if column not in _WHERE_ANY or any(row[column] is not None for row in rows)
    )


def _scores(metrics: Mapping[str, Mapping[str, float]]) -> Row:
    test = metrics.get("test", {})
    return {measure: test.get(measure) for measure in (*_MEASURES, *_CLASS_MEASURES)}
