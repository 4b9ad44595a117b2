"""The shapes of the REST contract. Field names are fixed; fields may be added."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

JsonValue = float | int | bool | str | list[float] | None

MAX_BATCH = 1_000


def _absent(value: object) -> bool:
    return value is None


PredictedClass = Annotated[
    str | None, Field(exclude_if=_absent, description="The likeliest class. Only of a model of classes.")
]
Probabilities = Annotated[
    dict[str, float] | None,
    Field(
        exclude_if=_absent, description="How likely each class is, in the model's order. Only of a model of classes."
    ),
]
DeliveryIds = Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH, examples=[["delivery_00000001"]])]


class PredictBody(BaseModel):
    """Name a delivery (features come from the store), give features, or both: the given ones override."""

    model_config = ConfigDict(extra="forbid", strict=True)

    delivery_id: str | None = Field(default=None, examples=["delivery_00000001"])
    features: dict[str, JsonValue] | None = Field(
        default=None, max_length=1_000, examples=[{"distance": 5000.0}], description="null is a missing value."
    )
    model: str | None = Field(default=None, min_length=1, description="Default: the model this gateway serves.")
    version: int | None = Field(default=None, ge=1, lt=2**31, description="Default: the version that `champion` names.")


class Prediction(BaseModel):
    """One prediction, and what it was made from."""

    predicted_duration: float = Field(description="Hours.")
    delivery_id: str | None
    features_used: dict[str, JsonValue]
    missing_features: list[str] = Field(description="Features that had no value.")
    model: str
    version: int
    timestamp: str = Field(description="RFC 3339: when the features were read.")
    predicted_class: PredictedClass = None
    probabilities: Probabilities = None


class BatchSuccess(BaseModel):
    """One row of a batch that was predicted."""

    entity_id: str
    status: Literal["success"] = "success"
    predicted_duration: float = Field(description="Hours.")
    features: dict[str, JsonValue]
    predicted_class: PredictedClass = None
    probabilities: Probabilities = None


class BatchError(BaseModel):
    """One row of a batch that was not predicted, and why."""

    entity_id: str
    status: Literal["error"] = "error"
    message: str
    reason: str = Field(description="A name of featurama.v1.ErrorReason.")
    field: Annotated[
        str | None, Field(exclude_if=_absent, description="For MISSING_FEATURE: the feature that has no value.")
    ] = None


class BatchPrediction(BaseModel):
    """Predictions in request order; no model where no row could be asked for."""

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
