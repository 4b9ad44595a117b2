"""BlockingTrainingSet: a TrainingSet for notebooks and blocking code, in the loop of the store or client it is of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from featurama_core.blocking import Blocking, LoopThread

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from featurama_core.datasets.dataset import TrainingSet
    from featurama_core.datasets.files import Format
    from featurama_core.datasets.manifest import Manifest
    from featurama_core.datasets.plan import Plan
    from featurama_core.datasets.progress import Watcher

P = ParamSpec("P")
Inner = TypeVar("Inner")


class BlockingTrainingSet:
    """The blocking twin: the same methods, results and errors. `progress` is called in the loop's thread or others."""

    def __init__(self, inner: TrainingSet, loop: LoopThread) -> None:
        self._inner = inner
        self._loop = loop

    def __repr__(self) -> str:
        return repr(self._inner)

    def batches(self, *, progress: Watcher | None = None) -> Iterator[Any]:
        """Arrow record batches in the order of the label rows."""
        batches = self._inner.batches(progress=progress)
        try:
            while (batch := self._loop.run(_next(batches))) is not None:
                yield batch
        finally:
            self._loop.run(batches.aclose())

    def to_arrow(self, *, progress: Watcher | None = None) -> Any:
        """All of it as a pyarrow.Table, in memory."""
        return self._loop.run(self._inner.to_arrow(progress=progress))

    def to_pandas(self, *, progress: Watcher | None = None) -> pd.DataFrame:
        """All of it as a pandas frame, in memory."""
        return self._loop.run(self._inner.to_pandas(progress=progress))

    def to_polars(self, *, progress: Watcher | None = None) -> pl.DataFrame:
        """All of it as a polars frame, in memory."""
        return self._loop.run(self._inner.to_polars(progress=progress))

    def explain(self) -> Plan:
        """How it would be read: what, in which way, why, and about how long that takes."""
        return self._loop.run(self._inner.explain())

    def write(
        self,
        out: str | Path,
        *,
        format: Format | None = None,  # noqa: A002 - the field's word
        overwrite: bool = False,
        resume: bool = False,
        progress: Watcher | None = None,
    ) -> Manifest:
        """Write files and their manifest; see `TrainingSet.write`."""
        work = self._inner.write(out, format=format, overwrite=overwrite, resume=resume, progress=progress)
        return self._loop.run(work)


def blocking_set(
    method: Callable[Concatenate[Inner, P], Coroutine[Any, Any, TrainingSet]],
) -> Callable[Concatenate[Blocking[Inner], P], BlockingTrainingSet]:
    """The same method, same signature and docstring, that waits for its set and gives the blocking twin of it."""

    @functools.wraps(method)
    def call(self: Blocking[Inner], /, *args: P.args, **kwargs: P.kwargs) -> BlockingTrainingSet:
        return BlockingTrainingSet(self.loop.run(method(self.inner, *args, **kwargs)), self.loop)

    return call


async def _next(batches: Any) -> Any:
    return await anext(batches, None)
