"""Blocking stores, for notebooks and scripts: the same methods, waiting for their results.

    with featurama.sync.connect("sqlite:///featurama-data") as store:
        store.get_online_features(["delivery_00000001"], ["distance"]).to_pandas()

A store has an event loop of its own in a thread of its own, so that it works where a loop runs already. The types are
in `sync.pyi`, which `make types` generates from the asynchronous classes.
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
    """Open from the start; `close()` it, or use it as a context manager. Any thread may use it."""
    loop = LoopThread("featurama-store")
    try:
        store = loop.enter(_connect(*arguments, **options))
        return blocking_form(type(store))(store, loop, owns_loop=True)
    except BaseException:
        loop.close()
        raise
