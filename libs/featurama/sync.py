"""Blocking stores for notebooks and scripts: the methods of `FeatureStore` wait for their results.

    with featurama.sync.connect("sqlite:///featurama-data") as store:
        store.get_online_features(["shop_1"], ["turnover"]).to_pandas()

A store has its own event loop in its own thread, so it also works where a loop is running. The types are in `sync.pyi`,
which `make types` generates from the asynchronous classes.
"""

from __future__ import annotations

import functools
from typing import Any

from featurama.connecting import connect as _connect
from featurama_core.api import FeatureStore as _FeatureStore
from featurama_core.blocking import LoopThread, blocking_form

FeatureStore = blocking_form(_FeatureStore)


@functools.wraps(_connect.__wrapped__)  # type: ignore[attr-defined]
def connect(*arguments: Any, **options: Any) -> Any:
    """Open a blocking feature store. The arguments are those of `featurama.connect`.

    Returns:
        The open store. Close it with `close()` or use it as a context manager. Any thread may use it.
    """
    loop = LoopThread("featurama-store")
    try:
        store = loop.enter(_connect(*arguments, **options))
        return blocking_form(type(store))(store, loop, owns_loop=True)
    except BaseException:
        loop.close()
        raise
