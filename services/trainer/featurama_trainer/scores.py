"""How good predictions are, on rows where both sides are numbers."""

from __future__ import annotations

import numpy as np

from featurama_model.engineered import Float64Array


def regression_scores(actual: Float64Array, predicted: Float64Array) -> dict[str, float]:
    """`mae`, `rmse` (in the target's unit) and `r2`, over the rows without NaN; {} if there are none.

    r2 is 0.0 where the target does not vary, 1.0 if it is then predicted exactly, as in scikit-learn.
    """
    rows = np.isfinite(actual) & np.isfinite(predicted)
    if not rows.any():
        return {}
    actual = actual[rows]
    error = predicted[rows] - actual
    squares = float(np.sum(error**2))
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return {
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "r2": 1.0 - squares / spread if spread > 0.0 else float(squares == 0.0),
    }
