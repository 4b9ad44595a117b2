"""From stored bytes to a model that predicts. Size, hash and structure are checked before the library reads a byte.

The format is XGBoost's JSON; nothing is unpickled or evaluated. All functions are synchronous and may take a second for
a model of tens of MiB, so callers on an event loop use a thread. xgboost is imported at the first load. Servers do not
call `load_model`: a child process checks the model first (`model_checker`), and then `load_checked` loads it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featurama_model.engineered import Float32Array
from featurama_model.expressions import Float64Array
from featurama_model.manifest import MAX_ARTEFACT_BYTES, ModelManifest
from featurama_model.structure import Malformed, Structure, check_structure
from featurama_model.xgboost_alone import import_xgboost


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model in memory. Immutable; predictions may run in several threads at once."""

    manifest: ModelManifest
    structure: Structure
    booster: Any

    def predict_matrix(self, rows: Float32Array) -> Float64Array:
        """Predictions float64[n] from the engineered matrix float32[n, k]: the value, the probability of the second of
        two classes, or the position of the most likely of several classes.
        """
        return self.values(self.outputs(rows))

    def values(self, outputs: Float64Array) -> Float64Array:
        """Predictions float64[n] from outputs, as `predict_matrix` returns them."""
        return outputs if outputs.ndim == 1 else outputs.argmax(axis=1).astype(np.float64)

    def probabilities(self, outputs: Float64Array) -> Float64Array | None:
        """float64[n, classes] of the outputs, in the manifest's order of classes; None for a regression."""
        if not self.manifest.class_names:
            return None
        return outputs if outputs.ndim == 2 else np.stack([1.0 - outputs, outputs], axis=1)

    def outputs(self, rows: Float32Array) -> Float64Array:
        """Like `predict_matrix`, but float64[n, classes] of probabilities for a model of several classes."""
        shape = (len(rows), self.structure.outputs) if self.structure.outputs > 1 else (len(rows),)
        if not len(rows):
            return np.zeros(shape, dtype=np.float64)
        predicted: NDArray[np.float32] = self.booster.inplace_predict(rows, validate_features=False)
        return predicted.astype(np.float64).reshape(shape)

    def contributions(self, rows: Float32Array) -> tuple[Float64Array, Float64Array]:
        """SHAP values of the engineered matrix float32[n, k]: (float64[n, k], base values float64[n]).


        The contributions and the base value of a row add up to its margin: the prediction, or its log-odds for
        `binary:logistic`, to the precision of float32. For several classes they are those of the most likely class.
        """
        if not len(rows):
            return np.zeros((0, rows.shape[1])), np.zeros(0)
        data = import_xgboost().DMatrix(rows, nthread=1)
        found: NDArray[np.float32] = self.booster.predict(data, pred_contribs=True, validate_features=False)
        values = found.astype(np.float64)
        if values.ndim == 3:
            values = values[np.arange(len(rows)), values.sum(axis=2).argmax(axis=1)]
        return values[:, :-1], values[:, -1]

    def steps(self, rows: int) -> int:
        """Upper bound on the node visits of a prediction, to which its time is proportional."""
        return rows * self.structure.trees * max(self.structure.depth, 1)

    def contribution_steps(self, rows: int) -> int:
        """Upper bound on the steps of `contributions`: the square of the depth per leaf."""
        leaves = (self.structure.nodes + self.structure.trees) // 2
        return rows * max(leaves, 1) * max(self.structure.depth, 1) ** 2


def check_artefact(manifest: ModelManifest, artefact: bytes) -> Structure:
    """The structure of an artefact that is complete, well-formed and matches its manifest.

    Raises FailedPrecondition (MODEL_UNUSABLE) with the problem.
    """
    check_bytes(manifest, artefact)
    try:
        structure = check_structure(artefact)
    except Malformed as error:
        raise manifest.unusable(f"its artefact is malformed: {error}") from error
    columns = len(manifest.engineered.columns)
    if structure.features != columns:
        raise manifest.unusable(f"its artefact takes {structure.features} columns, its manifest names {columns}")
    if structure.objective != manifest.objective:
        raise manifest.unusable(f"its objective is not {manifest.objective}, as its manifest says")
    if structure.outputs != max(manifest.classes, 1):
        raise manifest.unusable(f"its artefact has {structure.outputs} classes, its manifest {manifest.classes}")
    return structure


def check_bytes(manifest: ModelManifest, artefact: bytes) -> None:
    """Raise FailedPrecondition (MODEL_UNUSABLE) unless these are the bytes that the manifest names."""
    facts = manifest.artefact
    if facts is None or not len(artefact) == facts.size <= MAX_ARTEFACT_BYTES:
        raise manifest.unusable("its artefact is not as long as its manifest says")
    if not hmac.compare_digest(hashlib.sha256(artefact).hexdigest(), facts.sha256):
        raise manifest.unusable("its artefact does not have the hash that its manifest names")


def load_model(manifest: ModelManifest, artefact: bytes) -> LoadedModel:
    """Check the artefact against its manifest and load it; a prediction uses one thread.

    Raises FailedPrecondition (MODEL_UNUSABLE) with the problem.
    """
    return load_checked(manifest, artefact, check_artefact(manifest, artefact))


def load_checked(manifest: ModelManifest, artefact: bytes, structure: Structure) -> LoadedModel:
    """Load an artefact whose structure `check_artefact` returned, in this process or in the checking process.

    Raises FailedPrecondition (MODEL_UNUSABLE) if the bytes differ from the manifest or XGBoost cannot read them.
    """
    check_bytes(manifest, artefact)
    return LoadedModel(manifest, structure, _booster(manifest, artefact))


def _booster(manifest: ModelManifest, artefact: bytes) -> Any:
    xgboost = import_xgboost()
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(artefact))
    except xgboost.core.XGBoostError as error:
        raise manifest.unusable("XGBoost cannot read its artefact") from error
    booster.set_param({"nthread": 1})
    return booster
