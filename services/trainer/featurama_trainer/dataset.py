"""The training matrix: features as they were at each label's moment, through the model's engineered
columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from featurama_core.model.columns import Column, concatenate
from featurama_core.model.errors import CorruptData, InvalidInput, Reason
from featurama_core.model.references import ResolvedFeature
from featurama_core.model.values import Status, type_text
from featurama_core.store import FeatureStore
from featurama_model.engineered import NUMERIC, EngineeredSpec, Float32Array, matrix
from featurama_model.manifest import ModelFeature
from featurama_trainer.config import TrainingConfig
from featurama_trainer.labels import Labels
from featurama_trainer.progress import Progress

ROWS_PER_READ = 20_000


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What the model reads and computes: features in their order, all of them used by `engineered`."""

    features: tuple[ModelFeature, ...]
    engineered: EngineeredSpec


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """n label rows with their features. matrix: float32[n, k], as serving builds it. columns: what it was
    made of, and the baseline where it is not among the model's features.
    """

    labels: Labels
    inputs: ModelInputs
    columns: Sequence[Column]
    matrix: Float32Array

    def missing(self) -> dict[str, int]:
        """Feature -> rows in which it is not PRESENT; features that are always present are left out."""
        counts = {column.name: int((column.status != Status.PRESENT).sum()) for column in self.columns}
        return {name: count for name, count in counts.items() if count}


async def model_inputs(store: FeatureStore, config: TrainingConfig) -> ModelInputs:
    """Resolve and pin the features of a run. Raises Unknown or InvalidInput, naming what is wrong."""
    resolved = await store.resolve(config.features or None, service=None if config.features else config.feature_service)
    numeric = [each.name for each in resolved if each.value_type in NUMERIC]
    spec = EngineeredSpec.of_features(numeric, *config.engineered)
    spec.check({each.name: each.value_type for each in resolved})
    if config.baseline:
        (baseline,) = await store.resolve([config.baseline])
        check_numeric("baseline", baseline)
    features = tuple(
        ModelFeature(each.name, each.reference, type_text(each.value_type, each.definition.vector_length))
        for each in resolved
        if each.name in spec.inputs
    )
    if config.labels.target in spec.inputs:
        raise InvalidInput(f"features hold the target {config.labels.target!r}; leave it out", field="features")
    return ModelInputs(features, spec)


async def training_set(
    store: FeatureStore, config: TrainingConfig, inputs: ModelInputs, labels: Labels, progress: Progress
) -> TrainingSet:
    """Read the features of every label row at its moment, never later."""
    references = [feature.reference for feature in inputs.features]
    if config.baseline and config.baseline not in [feature.name for feature in inputs.features]:
        references.append(config.baseline)
    parts: list[Sequence[Column]] = []
    for first in range(0, len(labels), ROWS_PER_READ):
        rows = slice(first, first + ROWS_PER_READ)
        read = await store.point_in_time(labels.entity_ids[rows], labels.event_time[rows], features=references)
        parts.append(read.columns)
        progress("features", min(first + ROWS_PER_READ, len(labels)), len(labels))
    columns = [concatenate(list(pieces)) for pieces in zip(*parts, strict=True)]
    for column in columns:
        if (column.status == Status.ERROR).any():
            raise CorruptData(
                f"stored values of {column.name!r} cannot be read; run `featurama doctor`",
                reason=Reason.CORRUPT_DATA,
                field=column.name,
            )
    return TrainingSet(labels, inputs, columns, matrix(columns, inputs.engineered))


def check_numeric(field: str, feature: ResolvedFeature) -> None:
    """Raise InvalidInput (TYPE_MISMATCH) unless the feature can be computed with."""
    if feature.value_type not in NUMERIC:
        raise InvalidInput(
            f"{field} {feature.name!r} is {feature.value_type.label}; a number is needed",
            reason=Reason.TYPE_MISMATCH,
            field=field,
        )
