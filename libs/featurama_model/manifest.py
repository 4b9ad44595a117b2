"""The manifest of a model: everything about it but the trees, as immutable values with a JSON form.

It pins what serving must repeat: the features with their versions, the engineered columns and what happens
to a missing value; and it says of the artefact how long it is and what it hashes to, so that no other bytes
are loaded. Unknown fields of the JSON are ignored, an unknown `format` is refused.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from featurama_core.model.errors import FailedPrecondition, InvalidInput, Reason
from featurama_core.model.names import check_name
from featurama_core.model.references import FeatureRef
from featurama_core.model.values import ValueType, parse_value_type
from featurama_model.engineered import EngineeredSpec

MAX_ARTEFACT_BYTES = 64 * 1024 * 1024
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_FEATURES = 1_000

Objective = Literal["reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "binary:logistic"]
"""What is learned: one number a row, so that every answer is one column."""

MissingPolicy = Literal["use_missing"]
"""`use_missing`: a feature that is not PRESENT is left to XGBoost's own handling of missing values."""


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """A feature that the model reads. `name` is its column, `destination.traffic_level`; `reference` pins
    versions.
    """

    name: str
    reference: str
    value_type: str

    @property
    def kind(self) -> ValueType:
        """Its value type; InvalidInput if the text names none."""
        return parse_value_type(self.value_type)[0]


@dataclass(frozen=True, slots=True)
class Artefact:
    """The bytes beside the manifest."""

    sha256: str
    size: int
    format: Literal["xgboost-json"] = "xgboost-json"

    @classmethod
    def of(cls, content: bytes) -> Artefact:
        """The facts of these bytes."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What the model was trained on. Times are microseconds UTC; rows before `split_time` trained, the
    others tested.
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


@dataclass(frozen=True)
class Manifest:
    """One version of a model. `version`, `artefact` and `created_at` (microseconds UTC) are set when it is
    published.

    `metrics`: by what was scored (`test`, `train`, `baseline`), then by measure (`mae`, `rmse`, `r2`).
    `baseline`: the feature whose value the baseline predicts, or "".
    """

    name: str
    target: str
    entity_type: str
    objective: Objective
    features: tuple[ModelFeature, ...]
    engineered: EngineeredSpec
    feature_service: str = ""
    missing: MissingPolicy = "use_missing"
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    baseline: str = ""
    training: TrainingFacts | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    created_by: str = ""
    version: int = 0
    created_at: int = 0
    artefact: Artefact | None = None
    format: Literal[1] = 1

    def to_json(self) -> str:
        """The text that `from_json` reads back to an equal manifest."""
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Manifest:
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
    def by_name(self) -> Mapping[str, ModelFeature]:
        """The features by column name."""
        return {feature.name: feature for feature in self.features}

    def check(self) -> None:
        """Raise InvalidInput unless the manifest is consistent in itself."""
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
            if column_name(FeatureRef.parse(feature.reference)) != feature.name:
                raise _invalid("features", f"reference {feature.reference[:140]!r} is not of {feature.name[:140]!r}")
        self.engineered.check({feature.name: feature.kind for feature in self.features})
        if any(not math.isfinite(value) for scores in self.metrics.values() for value in scores.values()):
            raise _invalid("metrics", "must be finite numbers")
        if self.artefact is not None and not 1 <= self.artefact.size <= MAX_ARTEFACT_BYTES:
            raise _invalid("artefact.size", f"must be 1 to {MAX_ARTEFACT_BYTES} bytes")


def column_name(reference: FeatureRef) -> str:
    """The column that a reference gives: names without versions, `destination.traffic_level`."""
    return reference.name if reference.via is None else f"{reference.via.name}.{reference.name}"


def unusable(problem: str, **metadata: object) -> FailedPrecondition:
    """The error for a model that must not be served, whatever the cause."""
    return FailedPrecondition(
        f"the model cannot be used: {problem}; train and publish it again, or name another version",
        reason=Reason.MODEL_UNUSABLE,
        **metadata,
    )


def _invalid(field_name: str, problem: str) -> InvalidInput:
    return InvalidInput(f"{field_name} {problem}", field=field_name)


_ADAPTER = TypeAdapter(Manifest)
