"""The shadow model: a challenger predicts the champion's requests after the reply; the results are compared only.

A shadow never delays or fails a reply. The queue is bounded: requests beyond it are dropped and counted. A challenger
with the same features gets the champion's values, without a read of the store.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from featurama_core.types.errors import FeaturamaError, Unknown
from featurama_core.types.values import BoolArray
from featurama_model.evaluation import outputs
from featurama_model.expressions import Float64Array
from featurama_model.loading import LoadedModel
from featurama_model.model_cache import ModelCache
from featurama_model.prediction import Prediction, PredictionRequest

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace

    PredictBy = Callable[[LoadedModel, Namespace, PredictionRequest], Awaitable[Prediction]]

_MAX_PAIRS = 256

_Pair = tuple[str, str, int, int]
"""Namespace, model, version, version of the shadow."""


@dataclass(frozen=True, slots=True)
class ShadowSettings:
    """alias: names the shadow model. max_requests, max_rows: limits of the queue. report_every: seconds."""

    alias: str = "challenger"
    max_requests: int = 64
    max_rows: int = 50_000
    report_every: float = 60.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of a pair of versions on the same rows, since the start of this process.

    requests, rows: predicted by both. failed: requests that the shadow could not predict. dropped: requests of this
    model, of any versions, that arrived while the queue was full.
    """

    namespace: str
    model: str
    version: int
    shadow_version: int
    requests: int = 0
    rows: int = 0
    failed: int = 0
    dropped: int = 0
    mean_absolute_difference: float = 0.0
    largest_difference: float = 0.0


class _Waiting(NamedTuple):
    namespace: Namespace
    request: PredictionRequest
    prediction: Prediction


class Shadow:
    """Compares in the background while `comparing` is entered. on_compared: called on the loop, for logs."""

    def __init__(self, settings: ShadowSettings, models: ModelCache, on_compared: Callable[[Comparison], None]) -> None:
        self._settings = settings
        self._models = models
        self._on_compared = on_compared
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(settings.max_requests)
        self._rows = 0
        self._compared: OrderedDict[_Pair, Comparison] = OrderedDict()
        self._unreported: set[_Pair] = set()
        self._dropped: dict[tuple[str, str], int] = {}

    def offer(self, namespace: Namespace, request: PredictionRequest, prediction: Prediction) -> None:
        """Queue this prediction for comparison, or drop it if the queue is full. Never waits, never raises."""
        if request.alias == self._settings.alias:
            return
        rows = len(prediction.values)
        if self._waiting.full() or self._rows + rows > self._settings.max_rows:
            # Counted only for models that are known to have a shadow: the others lose nothing.
            key = namespace.name, request.model
            if key in self._dropped:
                self._dropped[key] += 1
            return
        self._rows += rows
        self._waiting.put_nowait(_Waiting(namespace, replace(request, contributions=False), prediction))

    def comparisons(self) -> list[Comparison]:
        """All pairs compared so far."""
        return [self._with_dropped(pair) for pair in self._compared]

    async def settled(self) -> None:
        """Return when the queue is empty."""
        await self._waiting.join()

    @asynccontextmanager
    async def comparing(self, predict_by: PredictBy) -> AsyncIterator[None]:
        """Compare until the context ends, which drops the queue. predict_by: reads and predicts."""
        tasks = [asyncio.create_task(self._compare_all(predict_by)), asyncio.create_task(self._report_all())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            self._report()
            for end in ends:
                if isinstance(end, Exception):
                    raise end

    async def _compare_all(self, predict_by: PredictBy) -> None:
        while True:
            waiting = await self._waiting.get()
            try:
                await self._compare(waiting, predict_by)
            finally:
                self._rows -= len(waiting.prediction.values)
                self._waiting.task_done()

    async def _compare(self, waiting: _Waiting, predict_by: PredictBy) -> None:
        namespace, request, champion = waiting
        key = namespace.name, request.model
        try:
            number = (await self._models.aliases(namespace, request.model)).get(self._settings.alias)
        except FeaturamaError:
            return
        if number is None or number == champion.manifest.version:
            self._dropped.pop(key, None)
            return
        self._dropped.setdefault(key, 0)
        pair = (*key, champion.manifest.version, number)
        try:
            model = await self._models.get(namespace, request.model, alias=self._settings.alias)
            pair = (*key, champion.manifest.version, model.manifest.version)
            values, failed = await self._shadowed(model, waiting, predict_by)
        except Unknown:
            return  # the alias has been removed
        except FeaturamaError:
            self._add(pair, None)
            return
        good = ~failed
        good[[error.row for error in champion.row_errors]] = False
        self._add(pair, np.abs(values[good] - champion.values[good]))

    async def _shadowed(
        self, model: LoadedModel, waiting: _Waiting, predict_by: PredictBy
    ) -> tuple[Float64Array, BoolArray]:
        """The shadow's predictions float64[n], and the rows that it could not predict, bool[n]."""
        namespace, request, champion = waiting
        known = {column.name: column for column in champion.columns}
        used = {feature.name: feature for feature in champion.manifest.features}
        failed = np.zeros(len(champion.values), dtype=np.bool_)
        if all(used.get(feature.name) == feature for feature in model.manifest.features):
            columns = [known[feature.name] for feature in model.manifest.features]
            failed = model.manifest.refused(columns, len(failed))
            matrix = model.manifest.matrix(columns, champion.as_of_time)
            return model.values(await outputs(model, matrix)), failed
        prediction = await predict_by(model, namespace, request)
        failed[[error.row for error in prediction.row_errors]] = True
        return prediction.values, failed

    def _add(self, pair: _Pair, apart: Float64Array | None) -> None:
        """Count a request. apart: absolute differences of the rows that both predicted; None if the shadow failed."""
        before = self._compared.pop(pair, Comparison(*pair))
        if apart is None:
            after = replace(before, failed=before.failed + 1)
        else:
            rows = before.rows + len(apart)
            total = before.mean_absolute_difference * before.rows + float(apart.sum())
            after = replace(
                before,
                requests=before.requests + 1,
                rows=rows,
                mean_absolute_difference=total / max(rows, 1),
                largest_difference=max(before.largest_difference, float(apart.max(initial=0.0))),
            )
        self._compared[pair] = after
        self._unreported.add(pair)
        while len(self._compared) > _MAX_PAIRS:
            self._unreported.discard(self._compared.popitem(last=False)[0])

    async def _report_all(self) -> None:
        while True:
            await asyncio.sleep(self._settings.report_every)
            self._report()

    def _report(self) -> None:
        for pair in [each for each in self._compared if each in self._unreported]:
            self._unreported.remove(pair)
            self._on_compared(self._with_dropped(pair))

    def _with_dropped(self, pair: _Pair) -> Comparison:
        return replace(self._compared[pair], dropped=self._dropped.get(pair[:2], 0))
