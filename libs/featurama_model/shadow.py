"""The shadow model: a challenger predicts what the champion predicted, after the reply; results are only compared.

It never delays a reply and never fails one. What waits is bounded: beyond it requests are dropped, and counted.
A challenger that reads the same features is given the values that were used, so it costs no read of the store.
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
from featurama_model.engineered import Float64Array
from featurama_model.evaluation import predicted
from featurama_model.loading import LoadedModel

if TYPE_CHECKING:
    from featurama_core.namespace import Namespace
    from featurama_model.model_cache import ModelCache
    from featurama_model.predictor import Prediction, PredictionRequest

    PredictBy = Callable[[LoadedModel, Namespace, PredictionRequest], Awaitable[Prediction]]

_MAX_PAIRS = 256


@dataclass(frozen=True, slots=True)
class ShadowSettings:
    """alias: what names the shadow model. max_requests, max_rows: what may wait. report_every: seconds."""

    alias: str = "challenger"
    max_requests: int = 64
    max_rows: int = 50_000
    report_every: float = 60.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a pair of versions answered to the same rows, since this process compares them.

    requests, rows: that both predicted. failed: requests that the shadow could not predict. dropped: requests of
    this model, whatever the versions, that came while too many waited.
    """

    namespace: str
    model: str
    version: int
    shadow_version: int
    requests: int
    rows: int
    failed: int
    dropped: int
    mean_absolute_difference: float
    largest_difference: float


class _Pair(NamedTuple):
    namespace: str
    model: str
    version: int
    shadow_version: int


@dataclass(slots=True)
class _Totals:
    requests: int = 0
    rows: int = 0
    failed: int = 0
    absolute: float = 0.0
    largest: float = 0.0
    reported: bool = False


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
        self._totals: OrderedDict[_Pair, _Totals] = OrderedDict()
        self._dropped: dict[tuple[str, str], int] = {}

    def offer(self, namespace: Namespace, request: PredictionRequest, prediction: Prediction) -> None:
        """Compare this prediction when there is time; dropped if too much waits. Never waits, never raises."""
        if request.alias == self._settings.alias:
            return
        rows = len(prediction.values)
        if self._waiting.full() or self._rows + rows > self._settings.max_rows:
            # Counted only for models that are known to have a shadow: nothing is lost of the others.
            key = namespace.name, request.model
            if key in self._dropped:
                self._dropped[key] += 1
            return
        self._rows += rows
        self._waiting.put_nowait(_Waiting(namespace, replace(request, contributions=False), prediction))

    def comparisons(self) -> list[Comparison]:
        """Every pair that was compared."""
        return [self._comparison(pair, totals) for pair, totals in self._totals.items()]

    async def settled(self) -> None:
        """Return when nothing waits any more."""
        await self._waiting.join()

    @asynccontextmanager
    async def comparing(self, predict_by: PredictBy) -> AsyncIterator[None]:
        """Compare until the context ends; what waits then is dropped. predict_by: reads and predicts."""
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
        pair = _Pair(*key, champion.manifest.version, number)
        try:
            model = await self._models.get(namespace, request.model, alias=self._settings.alias)
            pair = pair._replace(shadow_version=model.manifest.version)
            values, failed = await self._shadowed(model, waiting, predict_by)
        except Unknown:
            return  # the alias is gone again
        except FeaturamaError:
            totals = self._of(pair)
            totals.failed += 1
            return
        good = ~failed
        good[[error.row for error in champion.row_errors]] = False
        apart = np.abs(values[good] - champion.values[good])
        totals = self._of(pair)
        totals.requests += 1
        totals.rows += len(apart)
        totals.absolute += float(apart.sum())
        totals.largest = max(totals.largest, float(apart.max(initial=0.0)))

    async def _shadowed(
        self, model: LoadedModel, waiting: _Waiting, predict_by: PredictBy
    ) -> tuple[Float64Array, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """The shadow's predictions float64[n], and which rows it failed, bool[n]."""
        namespace, request, champion = waiting
        known = {column.name: column for column in champion.columns}
        used = {feature.name: feature for feature in champion.manifest.features}
        failed = np.zeros(len(champion.values), dtype=np.bool_)
        if all(used.get(feature.name) == feature for feature in model.manifest.features):
            columns = [known[feature.name] for feature in model.manifest.features]
            failed = model.manifest.refused(columns, len(failed))
            return await predicted(model, model.manifest.matrix(columns, champion.as_of_time)), failed
        prediction = await predict_by(model, namespace, request)
        failed[[error.row for error in prediction.row_errors]] = True
        return prediction.values, failed

    def _of(self, pair: _Pair) -> _Totals:
        totals = self._totals.setdefault(pair, _Totals())
        totals.reported = False
        self._totals.move_to_end(pair)
        while len(self._totals) > _MAX_PAIRS:
            self._totals.popitem(last=False)
        return totals

    async def _report_all(self) -> None:
        while True:
            await asyncio.sleep(self._settings.report_every)
            self._report()

    def _report(self) -> None:
        for pair, totals in self._totals.items():
            if not totals.reported:
                totals.reported = True
                self._on_compared(self._comparison(pair, totals))

    def _comparison(self, pair: _Pair, totals: _Totals) -> Comparison:
        return Comparison(
            namespace=pair.namespace,
            model=pair.model,
            version=pair.version,
            shadow_version=pair.shadow_version,
            requests=totals.requests,
            rows=totals.rows,
            failed=totals.failed,
            dropped=self._dropped.get((pair.namespace, pair.model), 0),
            mean_absolute_difference=totals.absolute / max(totals.rows, 1),
            largest_difference=totals.largest,
        )
