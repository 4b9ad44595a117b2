"""Import of xgboost, with or without scikit-learn.

xgboost imports scikit-learn where it is installed, and with it scipy and pandas: a thousand modules and four fifths of
the import time, for estimators that Featurama does not use. Featurama's own processes (the command, the services)
import xgboost without them. A program that calls Featurama may use those estimators, so its imports are unchanged.
"""

from __future__ import annotations

import sys
from threading import Event
from typing import Any

_SKIPPED = "sklearn"
_ALONE = Event()


def keep_xgboost_alone() -> None:
    """Make `import_xgboost` skip scikit-learn in this process. Called by entry points, before other imports."""
    _ALONE.set()


def import_xgboost() -> Any:
    """The module xgboost. Its scikit-learn estimators may be unusable; scikit-learn itself remains usable."""
    left_out = _ALONE.is_set() and not {_SKIPPED, "xgboost"} & sys.modules.keys()
    if left_out:
        sys.modules[_SKIPPED] = None  # type: ignore[assignment]  # an import of it fails
    try:
        import xgboost
    finally:
        if left_out:
            del sys.modules[_SKIPPED]
    return xgboost
