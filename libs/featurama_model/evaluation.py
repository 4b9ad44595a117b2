"""A loaded model applied to an engineered matrix: predictions, and the contribution of each column.

Short work runs on the event loop, long work in a thread.
"""

from __future__ import annotations

import asyncio

import numpy as np

from featurama_core.frames.predictions import Contributions
from featurama_model.engineered import Float32Array
from featurama_model.expressions import Float64Array
from featurama_model.loading import LoadedModel

_STEPS_ON_LOOP = 1_000_000
"""Node visits that take about 2 ms. Below this a thread costs more than it gains."""
_STEPS_A_PIECE = 200_000_000
"""In units of `contribution_steps`: about a second."""


async def outputs(model: LoadedModel, inputs: Float32Array) -> Float64Array:
    """The outputs of the engineered matrix float32[n, k] (`LoadedModel.outputs`), by one call of XGBoost."""
    if model.steps(len(inputs)) <= _STEPS_ON_LOOP:
        return model.outputs(inputs)
    return await asyncio.to_thread(model.outputs, inputs)


async def explained(model: LoadedModel, inputs: Float32Array) -> Contributions:
    """Contributions of the engineered matrix float32[n, k]."""
    # In pieces, because a thread cannot be cancelled: after a deadline the next piece is not started.
    step = max(1, _STEPS_A_PIECE // model.contribution_steps(1))
    pieces = [
        await asyncio.to_thread(model.contributions, inputs[start : start + step])
        for start in range(0, len(inputs), step)
    ]
    values, base = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return Contributions(model.manifest.engineered.names, values, base)
