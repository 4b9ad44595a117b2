"""How xgboost is imported: with scikit-learn where that is installed, or alone.

It takes scikit-learn along, and with it scipy and pandas: a thousand modules and four fifths of the time, for
estimators that nothing here uses. A process that is Featurama's own (a command, a service) does without; in a program
that only calls Featurama its author may want those estimators, so there nothing is changed.
"""

from __future__ import annotations

import sys
from threading import Event
from typing import Any

_SKIPPED = "sklearn"
_ALONE = Event()


def keep_xgboost_alone() -> None:
    """In this process `import_xgboost` leaves scikit-learn out. For entry points, before anything is imported."""
    _ALONE.set()


def import_xgboost() -> Any:
    """The module. xgboost's own scikit-learn estimators may be unusable; scikit-learn itself never is."""
    left_out = _ALONE.is_set() and not {_SKIPPED, "xgboost"} & sys.modules.keys()
    if left_out:
        sys.modules[_SKIPPED] = None  # type: ignore[assignment]  # an import of it fails
    try:
        import xgboost
    finally:
        if left_out:
            del sys.modules[_SKIPPED]
    return xgboost
