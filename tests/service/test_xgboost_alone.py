"""xgboost comes with scikit-learn into a program that calls Featurama, and alone into a process of Featurama's own."""

from __future__ import annotations

import json
import subprocess
import sys

LOADED = """
import json, sys
import numpy as np
from featurama_model.xgboost_alone import import_xgboost
xgboost = import_xgboost()
before = "sklearn" in sys.modules
booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(np.eye(4), np.arange(4.0), nthread=1), 2)
predicted = booster.inplace_predict(np.eye(4)).tolist()
from sklearn.metrics import roc_auc_score
area = roc_auc_score([0, 1], [0.1, 0.9])
estimator = issubclass(xgboost.XGBRegressor, __import__("sklearn.base").base.BaseEstimator)
print(json.dumps([before, estimator, area, predicted]))
"""
A_COMMAND = """
import sys
sys.argv = ["featurama", "--version"]
from featurama_cli.main import main
try:
    main()
except SystemExit:
    pass
"""


def test_only_a_command_leaves_scikit_learn_out_until_it_is_asked_for() -> None:
    alone, library = _run(A_COMMAND + LOADED), _run(LOADED)
    assert alone[:3] == [False, False, 1.0]
    assert library[:3] == [True, True, 1.0]
    assert alone[3] == library[3]


def _run(code: str) -> list[object]:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[object] = json.loads(ran.stdout.splitlines()[-1])
    return found
