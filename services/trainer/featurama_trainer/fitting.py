"""Fitting: a matrix and a target -> an XGBoost JSON artefact. Equal input, seed and threads give equal bytes.

Synchronous: callers on an event loop use a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurama_core.datasets.progress import Stage, Watcher
from featurama_model.engineered import Float32Array
from featurama_model.expressions import Float64Array
from featurama_model.xgboost_alone import import_xgboost
from featurama_trainer.config import TrainingConfig

Rows = tuple[Float32Array, Float64Array]
"""A matrix float32[n, k] and its target float64[n]."""

_MEASURES = {"binary:logistic": "logloss", "multi:softprob": "mlogloss", "reg:squarederror": "rmse"}
EXPLAINED_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Curve:
    """The measure after each round, on the fitting rows and on the validation rows. best: the number of rounds."""

    measure: str
    fitted: Sequence[float]
    validation: Sequence[float]
    best: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """artefact: XGBoost JSON. importance: column -> share of the gain of all splits, largest first."""

    artefact: bytes
    parameters: dict[str, int | float | str]
    importance: dict[str, float]
    library_version: str
    rounds: int


def fit(
    rows: Float32Array,
    target: Float64Array,
    names: tuple[str, ...],
    config: TrainingConfig,
    *,
    threads: int,
    rounds: int = 0,
    progress: Watcher | None = None,
) -> Fitted:
    """Train `rounds` trees (0: `config.rounds`) on float32[n, k]; each is a unit of the stage `training`."""
    xgboost = import_xgboost()
    rounds = rounds or config.rounds
    # Quantised directly: one or two bytes per number, and no further copy of the matrix.
    data = xgboost.QuantileDMatrix(rows, label=target, missing=np.nan, nthread=threads)
    booster = xgboost.train(
        {**_parameters(config), "nthread": threads, "verbosity": 0},
        data,
        rounds,
        callbacks=[_advancing(Stage("training", rounds, progress))],
    )
    scores: dict[str, Any] = booster.get_score(importance_type="total_gain")
    gains = {int(key.removeprefix("f")): float(gain) for key, gain in scores.items()}
    total = sum(gains.values()) or 1.0
    shares = {name: gains.get(at, 0.0) / total for at, name in enumerate(names)}
    return Fitted(
        bytes(booster.save_raw("json")),
        _parameters(config),
        dict(sorted(shares.items(), key=lambda item: -item[1])),
        str(xgboost.__version__),
        rounds,
    )


def find_rounds(
    fitting: Rows, validation: Rows, config: TrainingConfig, *, threads: int, progress: Watcher | None = None
) -> Curve:
    """Train on `fitting` until the score on `validation` has not improved for `early_stopping` rounds. -> the curve."""
    xgboost = import_xgboost()
    measure = _MEASURES.get(config.objective, "mae")
    first = xgboost.QuantileDMatrix(*fitting, missing=np.nan, nthread=threads)
    data = [first, xgboost.QuantileDMatrix(*validation, missing=np.nan, nthread=threads, ref=first)]
    seen: dict[str, dict[str, list[float]]] = {}
    parameters = {**_parameters(config), "nthread": threads, "verbosity": 0, "eval_metric": measure}
    xgboost.train(
        parameters,
        data[0],
        config.rounds,
        evals=[(data[0], "fitted"), (data[1], "validation")],
        evals_result=seen,
        early_stopping_rounds=config.early_stopping or None,
        verbose_eval=False,
        callbacks=[_advancing(Stage("validation", config.rounds, progress))],
    )
    scores = seen["validation"][measure]
    best = int(np.argmin(scores)) + 1 if config.early_stopping else config.rounds
    return Curve(measure.removeprefix("m") if config.classes else measure, seen["fitted"][measure], scores, best)


def contributions(artefact: bytes, rows: Float32Array, names: Sequence[str]) -> Mapping[str, float]:
    """Column -> mean absolute SHAP contribution (in the target's unit, or log odds) over at most 2,000 evenly chosen
    rows, largest first. artefact: trusted, from `fit`.
    """
    xgboost = import_xgboost()
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(artefact))
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), EXPLAINED_ROWS)).astype(np.int64)]
    values = np.asarray(booster.predict(xgboost.DMatrix(chosen, missing=np.nan), pred_contribs=True))
    sizes = np.abs(values[..., :-1]).reshape(-1, len(names)).astype(np.float64).mean(axis=0)
    return dict(sorted(zip(names, sizes.tolist(), strict=True), key=lambda item: -item[1]))


def _parameters(config: TrainingConfig) -> dict[str, int | float | str]:
    return {
        "objective": config.objective,
        "tree_method": "hist",
        "seed": config.seed,
        **({"num_class": config.classes} if config.classes else {}),
        **config.parameters.model_dump(),
    }


def _advancing(stage: Stage) -> Any:
    import_xgboost()
    from xgboost.callback import TrainingCallback

    class Rounds(TrainingCallback):
        def after_iteration(self, _model: Any, _epoch: int, _log: Any) -> bool:
            stage.advance(1)
            return False

    return Rounds()
