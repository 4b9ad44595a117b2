"""The inputs of a run: the pinned features of the model, the additional references, and their matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from featurama_core.datasets.written import WrittenSet
from featurama_core.namespace import Namespace
from featurama_core.registry.roles import SeveralTypes, check_one_type
from featurama_core.types.column import Column
from featurama_core.types.errors import InvalidInput, Reason
from featurama_core.types.names import DEFAULT_ENTITY_TYPE
from featurama_core.types.references import FeatureRef, FeatureSelection, ResolvedFeature
from featurama_core.types.times import to_micros
from featurama_core.types.values import Int64Array, type_text
from featurama_model.engineered import NUMERIC, EngineeredSpec, Float32Array
from featurama_model.manifest import ModelFeature, ModelManifest
from featurama_trainer.config import TrainingConfig
from featurama_trainer.labels import Labels

_ONE_TYPE = (
    "a model reads one entity per row: keep the features of one type, and reach the others by a path through a feature"
    " that refers to their entity (destination.traffic_level), or write them as features of that type"
)


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """The features and columns of the model. features: in order, all used by `engineered` or required. beside: further
    references: the baseline, segments, the group of cross-validation. segments: names of the features by which errors
    are grouped.
    """

    features: tuple[ModelFeature, ...]
    engineered: EngineeredSpec
    beside: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    def names(self) -> dict[str, str]:
        """Reference -> column name, of all references."""
        own = {feature.reference: feature.name for feature in self.features}
        return own | {each: FeatureRef.parse_pinned(each).column for each in self.beside}

    def draft(self, config: TrainingConfig) -> ModelManifest:
        """The manifest without the results of training."""
        return ModelManifest(
            name=config.model,
            target=config.labels.target,
            entity_type=config.labels.entity_type,
            objective=config.objective,
            classes=config.classes,
            class_labels=config.class_labels,
            features=self.features,
            engineered=self.engineered,
            feature_service=config.feature_service,
            baseline=config.baseline,
            description=config.description,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrainingMatrix:
    """n label rows with their features. matrix: float32[n, k], as in serving. rows: int64[n], their positions in the
    set on disk. absent: feature -> rows in which it is not PRESENT. refused: number of label rows left out because a
    required feature was not PRESENT. sha256: of the set's manifest; of a set that is not kept, of its request and
    files.
    """

    labels: Labels
    inputs: ModelInputs
    built: WrittenSet
    rows: Int64Array
    matrix: Float32Array
    absent: Mapping[str, int]
    refused: int = 0
    sha256: str = ""

    def column(self, name: str) -> Column:
        """The column of a feature of the set. Blocks."""
        reference = next(each for each, shown in self.inputs.names().items() if shown == name)
        return self.built.feature(reference, name).take(self.rows)

    @property
    def known_at(self) -> str:
        """RFC 3339, "label", or "" for none."""
        return self.built.manifest.request["known_at"] or ""

    @property
    def ttl_revisions(self) -> dict[str, int]:
        """Of each group that was read, the newest revision whose ttl applied."""
        pinned: dict[str, int] = self.built.manifest.request.get("ttl_revisions", {})
        return pinned

    def missing(self) -> dict[str, int]:
        """Feature -> rows in which it is not PRESENT; features that are always present are left out."""
        return {name: count for name, count in self.absent.items() if count}


async def with_entity_type(namespace: Namespace, config: TrainingConfig) -> TrainingConfig:
    """The config with the entity type of its features, unless it names one. Features of several types are left to
    `model_inputs`, which refuses them.
    """
    if config.labels.entity_type:
        return config
    resolved = await _resolved(namespace, config)
    # Features of the default type belong to entities of any type.
    types = {each.entity_type for each in resolved} - {DEFAULT_ENTITY_TYPE} or {DEFAULT_ENTITY_TYPE}
    return config.model_copy(update={"labels": config.labels.model_copy(update={"entity_type": min(types)})})


async def _resolved(namespace: Namespace, config: TrainingConfig) -> Sequence[ResolvedFeature]:
    with _of_one_type():
        return await namespace.resolve(FeatureSelection.of(config.features or None, config.feature_service or None))


@contextmanager
def _of_one_type() -> Iterator[None]:
    """Say what a config, which has no roles, can do about features of several types."""
    try:
        yield
    except SeveralTypes as error:
        problem = error.message.partition("; ")[0]
        raise InvalidInput(f"{problem}; {_ONE_TYPE}", reason=error.reason, **error.metadata) from error


async def model_inputs(namespace: Namespace, config: TrainingConfig) -> ModelInputs:
    """Resolve and pin the features of a run. Raises Unknown or InvalidInput with the problem."""
    resolved = await _resolved(namespace, config)
    if roles := list(dict.fromkeys(each.role.name for each in resolved if each.role is not None)):
        raise InvalidInput(
            f"feature service {config.feature_service!r} has the roles {', '.join(roles)}; a model is trained on the"
            " features of one entity per row, name a service without roles",
            field="feature_service",
        )
    numeric = [each.name for each in resolved if each.value_type in NUMERIC]
    spec = EngineeredSpec.of_features(numeric, *config.engineered)
    spec.check({each.name: each.value_type for each in resolved})
    baseline = await namespace.resolve([config.baseline]) if config.baseline else []
    for each in baseline:
        if each.value_type not in NUMERIC:
            problem = f"baseline {each.name!r} is {each.value_type.label}; a number is needed"
            raise InvalidInput(problem, reason=Reason.TYPE_MISMATCH, field="baseline")
    unknown = set(config.missing) - {each.name for each in resolved}
    if unknown:
        raise InvalidInput(
            f"missing names {min(unknown)[:140]!r}, which is not among the features",
            reason=Reason.UNKNOWN_FEATURE,
            field="missing",
        )
    features = tuple(
        ModelFeature(
            each.name,
            each.reference,
            type_text(each.value_type, each.definition.vector_length),
            *config.policy(each.name),
        )
        for each in resolved
        if each.name in spec.inputs or each.name in config.missing
    )
    if config.labels.target in spec.inputs and not config.labels.file:
        raise InvalidInput(f"features contain the target {config.labels.target!r}; omit it", field="features")
    segments = await _segments(namespace, config, features)
    group = config.cross_validation.group if config.cross_validation else "entity_id"
    groups = await namespace.resolve([group]) if group != "entity_id" else []
    own = {feature.reference for feature in features}
    beside = dict.fromkeys(each.reference for each in (*baseline, *segments, *groups) if each.reference not in own)
    with _of_one_type():
        used = [*resolved, *baseline, *segments, *groups]
        check_one_type(used, config.labels.entity_type or DEFAULT_ENTITY_TYPE)
    inputs = ModelInputs(features, spec, tuple(beside), tuple(each.name for each in segments))
    # The classes are known when the labels are read; the check uses any two until then.
    unnamed = config.objective == "multi:softprob" and not config.classes
    inputs.draft(config.with_classes(config.class_labels or ("0", "1")) if unnamed else config).check()
    return inputs


def known_at_of(config: TrainingConfig) -> int | Literal["label"] | None:
    """The config's `known_at` as the store takes it."""
    if config.known_at == "label":
        return "label"
    return to_micros(config.known_at, "known_at") if config.known_at else None


async def _segments(
    namespace: Namespace, config: TrainingConfig, features: Sequence[ModelFeature]
) -> Sequence[ResolvedFeature]:
    """The declared segments; else the references of the model's paths, such as `destination` of a destination's
    traffic.
    """
    if config.segments is not None:
        return await namespace.resolve(list(config.segments)) if config.segments else []
    through = [FeatureRef.parse(feature.reference).via for feature in features]
    names = dict.fromkeys(f"{via.name}@{via.version}" for via in through if via is not None)
    return await namespace.resolve(list(names)) if names else []
