"""The manifest of a model: everything except the trees, as immutable values with a JSON form.

It pins what serving must repeat: the features with their versions, the engineered columns and the handling of missing
values. It holds the size and the hash of the artefact, so that no other bytes are loaded. Unknown fields of the JSON
are ignored; an unknown `format` is refused.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from featurama_core.retrieval.cost import ReadCost
from featurama_core.types.column import Column
from featurama_core.types.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.types.names import check_name
from featurama_core.types.references import FeatureRef, FeatureSelection
from featurama_core.types.values import BoolArray, Int64Array, Status, ValueType, parse_value_type
from featurama_model.engineered import EngineeredSpec, Float32Array, matrix

MAX_ARTEFACT_BYTES = 64 * 1024 * 1024
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_FEATURES = 1_000

_LOCATION = re.compile(r"(?:[a-z][a-z0-9_]{0,62}/[a-z][a-z0-9_]{0,62}/[0-9a-f]{64}\.json)?")

Objective = Literal[
    "reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "binary:logistic", "multi:softprob"
]
"""The learning objective. A prediction is one number per row: a value, the probability of the second of two classes, or
the position of the most likely of several classes."""

MAX_CLASSES = 1_000
MAX_LABEL_CHARS = 256

MissingPolicy = Literal["use_missing", "default", "fail"]
"""The handling of a feature that is not PRESENT. `use_missing`: XGBoost's handling of missing values; `default`: a
fixed value is used; `fail`: the row is neither predicted nor used for training.
"""


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """A feature that the model reads. name: its column, such as `destination.traffic_level`; reference: with pinned
    versions. missing: its policy; default: the value of the policy `default`, None for the others.
    """

    name: str
    reference: str
    value_type: str
    missing: MissingPolicy = "use_missing"
    default: float | None = None

    @property
    def kind(self) -> ValueType:
        """Its value type; InvalidInput if the text names none."""
        return parse_value_type(self.value_type)[0]

    def check(self) -> None:
        """Raise InvalidInput unless a default is given exactly when the policy is `default`."""
        field_name = f"features.{self.name[:80]}.default"
        if (self.missing == "default") != (self.default is not None):
            raise _invalid(field_name, "goes with the policy `default`, and only with it")
        if self.default is not None and not math.isfinite(self.default):
            raise _invalid(field_name, "must be a finite number")


@dataclass(frozen=True, slots=True)
class Artefact:
    """The artefact of a manifest. location: its path in the artefact directory, "" for the storage."""

    sha256: str
    size: int
    format: Literal["xgboost-json"] = "xgboost-json"
    location: str = ""

    @classmethod
    def of(cls, content: bytes) -> Artefact:
        """The facts of these bytes."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """The data that the model was trained on. Times are microseconds UTC. Rows before `split_time` minus `gap`
    (microseconds) train, rows from `split_time` on test.

    dataset_sha256: of the manifest of the training set; if the set was not kept, of its request (pinned references,
    known_at, labels) and its files. labels: the source of the label rows (`SpineSource`; an existing training set is
    its `file`), from which they can be read again. known_at: "" for none. config_sha256: hash of the training config.
    """

    label_rows: int
    train_rows: int
    test_rows: int
    first_label_time: int
    split_time: int
    last_label_time: int
    seed: int
    rounds: int
    parameters: Mapping[str, int | float | str] = field(default_factory=dict)
    gap: int = 0
    dataset_sha256: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    known_at: str = ""
    config_sha256: str = ""


@dataclass(frozen=True)
class ModelManifest:
    """One version of a model. version, artefact and created_at (microseconds UTC) are set when it is published.

    metrics: by what was scored (`test`, `train`, `baseline`, `baseline_constant`, ...), then by measure (`mae`, `rmse`,
    `r2`). baseline: the feature whose value is the baseline prediction, or "". classes: the number of classes of
    `multi:softprob`, 0 for the other objectives. class_labels: labels of the classes, in order; () for a regression and
    for classes labelled 0, 1 and so on. ttl_revisions: group -> the newest revision whose ttl applies in predictions
    and scores, as in training; {} for those in force.
    """

    name: str
    target: str
    entity_type: str
    objective: Objective
    features: tuple[ModelFeature, ...]
    engineered: EngineeredSpec
    feature_service: str = ""
    classes: int = 0
    class_labels: tuple[str, ...] = ()
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    baseline: str = ""
    training: TrainingFacts | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    created_by: str = ""
    version: int = 0
    created_at: int = 0
    artefact: Artefact | None = None
    ttl_revisions: Mapping[str, int] = field(default_factory=dict)
    format: Literal[1] = 1

    def to_json(self) -> str:
        """The JSON text; `from_json` returns an equal manifest."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> ModelManifest:
        """Read and check a stored manifest. Raises FailedPrecondition (MODEL_UNUSABLE) for any other text."""
        if len(text) > MAX_MANIFEST_BYTES:
            raise unusable(f"its manifest is longer than {MAX_MANIFEST_BYTES} bytes")
        try:
            manifest = _ADAPTER.validate_json(text, strict=True)
            manifest.check()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise unusable(f"its manifest cannot be read: {where or 'text'}: {first['msg']}") from error
        except InvalidInput as error:
            raise unusable(f"its manifest is inconsistent: {error.message}") from error
        return manifest

    @cached_property
    def selection(self) -> FeatureSelection:
        """The features with their pinned versions and ttls."""
        return FeatureSelection.of([each.reference for each in self.features], None, self.ttl_revisions)

    @cached_property
    def kinds(self) -> tuple[ValueType, ...]:
        """The value types of the features, in order."""
        return tuple(feature.kind for feature in self.features)

    @cached_property
    def cost(self) -> ReadCost:
        """What a row of the features costs."""
        return ReadCost.of_shapes(parse_value_type(each.value_type) for each in self.features)

    @cached_property
    def by_name(self) -> Mapping[str, ModelFeature]:
        """The features by column name."""
        return {feature.name: feature for feature in self.features}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Labels of the classes, in order; () for a regression."""
        classes = 2 if self.objective == "binary:logistic" else self.classes
        return self.class_labels or tuple(map(str, range(classes)))

    @cached_property
    def defaults(self) -> Mapping[str, float]:
        """Feature -> the value used where it is not PRESENT, for the features that have one."""
        return {each.name: each.default for each in self.features if each.default is not None}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The features that every predicted row must have."""
        return tuple(each.name for each in self.features if each.missing == "fail")

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """The roles of the features, for a model whose rows name several entities."""
        roles = dict.fromkeys(FeatureRef.parse_pinned(each.reference).role for each in self.features)
        return tuple(filter(None, roles))

    def matrix(self, columns: Sequence[Column], time: int | Int64Array | None) -> Float32Array:
        """The model's input float32[n, k] from the columns of its features, n rows each, at `time` (microseconds, one
        or int64[n]). Training, batch scoring and serving all call this.
        """
        return matrix(columns, self.engineered, time, defaults=self.defaults)

    def refused(self, columns: Sequence[Column], rows: int) -> BoolArray:
        """bool[rows]: the rows without a value of a required feature."""
        lacking = np.zeros(rows, dtype=np.bool_)
        for column in columns:
            if column.name in self.required:
                lacking |= column.status != Status.PRESENT
        return lacking

    def check_types(self, columns: Mapping[str, Column]) -> None:
        """Raise FailedPrecondition (MODEL_UNUSABLE) unless the columns that were read have the types of their features.

        columns: by the name of the feature.
        """
        for feature, kind in zip(self.features, self.kinds, strict=True):
            column = columns.get(feature.name)
            if column is not None and column.value_type is not kind:
                raise self.unusable(f"its feature {feature.reference} is registered as {column.value_type.label}")

    def unusable(self, problem: str) -> FailedPrecondition:
        """The error for this version, which cannot be served."""
        return unusable(problem, model=self.name, version=self.version)

    def check(self) -> None:
        """Raise InvalidInput unless the manifest is consistent."""
        check_name(self.name, "model")
        check_name(self.target, "target")
        check_name(self.entity_type, "entity_type")
        if self.version < 0 or self.version >= 2**31:
            raise _invalid("version", "must be a whole number from 0")
        if not 1 <= len(self.features) <= MAX_FEATURES:
            raise _invalid("features", f"must be 1 to {MAX_FEATURES}, not {len(self.features)}")
        if len(self.by_name) != len(self.features):
            raise _invalid("features", "names a feature twice")
        for feature in self.features:
            if FeatureRef.parse_pinned(feature.reference).column != feature.name:
                raise _invalid("features", f"reference {feature.reference[:140]!r} is not of {feature.name[:140]!r}")
            feature.check()
        self.engineered.check({feature.name: feature.kind for feature in self.features})
        if not (2 <= self.classes <= MAX_CLASSES if self.objective == "multi:softprob" else self.classes == 0):
            raise _invalid("classes", f"must be 2 to {MAX_CLASSES} for multi:softprob, 0 for the other objectives")
        self._check_labels()
        if any(not math.isfinite(value) for scores in self.metrics.values() for value in scores.values()):
            raise _invalid("metrics", "must be finite numbers")
        if any(revision < 1 for revision in self.ttl_revisions.values()):
            raise _invalid("ttl_revisions", "must be whole numbers from 1")
        if self.artefact is not None and not _LOCATION.fullmatch(self.artefact.location):
            raise _invalid("artefact.location", "is not a place in an artefact directory")
        if self.artefact is not None and not 1 <= self.artefact.size <= MAX_ARTEFACT_BYTES:
            raise _invalid("artefact.size", f"must be 1 to {MAX_ARTEFACT_BYTES} bytes")

    def _check_labels(self) -> None:
        labels = self.class_labels
        classes = 2 if self.objective == "binary:logistic" else self.classes
        if labels and not len(labels) == len(set(labels)) == classes:
            raise _invalid("class_labels", f"must be {classes} different texts for {self.objective}, or none")
        if any(not label.isprintable() or not 1 <= len(label) <= MAX_LABEL_CHARS for label in labels):
            raise _invalid("class_labels", f"must be 1 to {MAX_LABEL_CHARS} printable characters each")


def unusable(problem: str, **metadata: object) -> FailedPrecondition:
    """The error for a model that cannot be served."""
    which = f"version {metadata['version']} of {metadata['model']!r}" if "version" in metadata else "the model"
    return FailedPrecondition(
        f"{which} cannot be used: {problem}; train and publish it again, or name another version",
        reason=Reason.MODEL_UNUSABLE,
        **metadata,
    )


def _invalid(field_name: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field_name} {problem}", field=field_name)


_ADAPTER = TypeAdapter(ModelManifest)
