"""Fitting: a matrix and a target -> an XGBoost JSON artefact. The same input, seed and threads give the
same bytes.

Synchronous: callers on an event loop use a thread. Only xgboost is imported, and only here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurama_model.engineered import Float32Array, Float64Array
from featurama_trainer.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class Fitted:
    """artefact: XGBoost JSON. importance: column -> share of the gain of all splits, the largest first."""

    artefact: bytes
    parameters: dict[str, int | float | str]
    importance: dict[str, float]
    library_version: str


def fit(
    rows: Float32Array,
    target: Float64Array,
    names: tuple[str, ...],
    config: TrainingConfig,
    *,
    threads: int,
    told: Callable[[int, int], None],
) -> Fitted:
    """Train `config.rounds` trees on float32[n, k]; `told(done, total)` is called after each."""
    import xgboost

    class Rounds(xgboost.callback.TrainingCallback):
        def after_iteration(self, _model: Any, epoch: int, _log: Any) -> bool:
            told(epoch + 1, config.rounds)
            return False

    parameters: dict[str, int | float | str] = {
        "objective": config.objective,
        "tree_method": "hist",
        "seed": config.seed,
        **config.parameters.model_dump(),
    }
    data = xgboost.DMatrix(rows, label=target, missing=np.nan, nthread=threads)
    booster = xgboost.train(
        {**parameters, "nthread": threads, "verbosity": 0}, data, config.rounds, callbacks=[Rounds()]
    )
    scores: dict[str, Any] = booster.get_score(importance_type="total_gain")
    gains = {int(key.removeprefix("f")): float(gain) for key, gain in scores.items()}
    total = sum(gains.values()) or 1.0
    shares = {name: gains.get(at, 0.0) / total for at, name in enumerate(names)}
    return Fitted(
        bytes(booster.save_raw("json")),
        parameters,
        dict(sorted(shares.items(), key=lambda item: -item[1])),
        str(xgboost.__version__),
    )
