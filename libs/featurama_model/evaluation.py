"""A loaded model on an engineered matrix: predictions, and what each column contributed to them.

Short work is done on the loop, long work in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurama_model.engineered import Float32Array, Float64Array
from featurama_model.loading import LoadedModel

_STEPS_ON_LOOP = 1_000_000
"""Node visits that take about 2 ms: below, the detour through a thread costs more than it gives."""
_STEPS_A_PIECE = 200_000_000
"""Of `contribution_steps`: about a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """How far each engineered column moved each row: values float64[n, k] from base float64[n] to its margin (the
    prediction; for `binary:logistic` its log-odds), to float32's precision. columns: names of the k.
    """

    columns: Sequence[str]
    values: Float64Array
    base: Float64Array


async def predicted(model: LoadedModel, inputs: Float32Array) -> Float64Array:
    """Predictions float64[n] of the engineered matrix float32[n, k]."""
    return model.values(await outputs(model, inputs))


async def outputs(model: LoadedModel, inputs: Float32Array) -> Float64Array:
    """What the model answers, see `LoadedModel.outputs`: one call of XGBoost."""
    if model.steps(len(inputs)) <= _STEPS_ON_LOOP:
        return model.outputs(inputs)
    return await asyncio.to_thread(model.outputs, inputs)


async def explained(model: LoadedModel, inputs: Float32Array) -> Contributions:
    """Contributions of the engineered matrix float32[n, k]."""
    # In pieces, because a thread can not be cancelled: a deadline that ends stops the next one.
    step = max(1, _STEPS_A_PIECE // model.contribution_steps(1))
    pieces = [
        await asyncio.to_thread(model.contributions, inputs[start : start + step])
        for start in range(0, len(inputs), step)
    ]
    values, base = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return Contributions(model.manifest.engineered.names, values, base)
