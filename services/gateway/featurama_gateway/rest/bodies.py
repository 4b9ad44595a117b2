"""The shapes of the REST contract. Field names are fixed; fields may be added."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

JsonValue = float | int | bool | str | list[float] | None

MAX_BATCH = 1_000


def _absent(value: object) -> bool:
    return value is None


PredictedClass = Annotated[
    str | None, Field(exclude_if=_absent, description="The most likely class. Only for a model of classes.")
]
Probabilities = Annotated[
    dict[str, float] | None,
    Field(exclude_if=_absent, description="Probability per class, in the model's order. Only for a model of classes."),
]
DeliveryIds = Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH, examples=[["delivery_00000001"]])]


class PredictBody(BaseModel):
    """A delivery, whose features are read from the store, given features, or both. Given features take precedence."""

    model_config = ConfigDict(extra="forbid", strict=True)

    delivery_id: str | None = Field(default=None, examples=["delivery_00000001"])
    features: dict[str, JsonValue] | None = Field(
        default=None, max_length=1_000, examples=[{"distance": 5000.0}], description="null is a missing value."
    )
    model: str | None = Field(default=None, min_length=1, description="Default: the default model of the gateway.")
    version: int | None = Field(default=None, ge=1, lt=2**31, description="Default: the version that `champion` names.")


class Prediction(BaseModel):
    """One prediction and the features used."""

    predicted_duration: float = Field(description="Hours.")
    delivery_id: str | None
    features_used: dict[str, JsonValue]
    missing_features: list[str] = Field(description="Features without a value.")
    model: str
    version: int
    timestamp: str = Field(description="RFC 3339: when the features were read.")
    predicted_class: PredictedClass = None
    probabilities: Probabilities = None


class BatchSuccess(BaseModel):
    """A predicted row of a batch."""

    entity_id: str
    status: Literal["success"] = "success"
    predicted_duration: float = Field(description="Hours.")
    features: dict[str, JsonValue]
    predicted_class: PredictedClass = None
    probabilities: Probabilities = None


class BatchError(BaseModel):
    """A row of a batch without a prediction, and the reason."""

    entity_id: str
    status: Literal["error"] = "error"
    message: str
    reason: str = Field(description="A name of featurama.v1.ErrorReason.")
    field: Annotated[
        str | None, Field(exclude_if=_absent, description="For MISSING_FEATURE: the feature without a value.")
    ] = None


class BatchPrediction(BaseModel):
    """Predictions in request order. model and version are null if every id is invalid."""

    predictions: list[Annotated[BatchSuccess | BatchError, Field(discriminator="status")]]
    model: str | None = None
    version: int | None = None
    timestamp: str = Field(description="RFC 3339: when the features were read.")


class FeatureValue(BaseModel):
    """One feature; `value` is null where `status` is not PRESENT."""

    feature_name: str
    value: JsonValue
    timestamp: str | None = Field(description="RFC 3339: event time.")
    status: str
    version: int


class EntityFeatures(BaseModel):
    """The newest values of one entity."""

    entity_id: str
    features: list[FeatureValue]
    timestamp: str = Field(description="RFC 3339: when the features were read.")


class Health(BaseModel):
    """Whether predictions can be made."""

    status: Literal["healthy", "degraded"]
    feature_store_connected: bool
    model_loaded: bool
    timestamp: str


class Problem(BaseModel):
    """RFC 9457, with the gRPC reason."""

    type: str
    title: str
    status: int
    detail: str
    reason: str = Field(description="A name of featurama.v1.ErrorReason.")
    field: str | None = None
