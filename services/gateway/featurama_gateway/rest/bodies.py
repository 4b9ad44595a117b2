"""The shapes of the REST contract. Field names are fixed; fields may be added."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

JsonValue = float | int | bool | str | list[float] | None

MAX_BATCH = 1_000
DeliveryIds = Annotated[list[str], Field(min_length=1, max_length=MAX_BATCH)]


class PredictBody(BaseModel):
    """Name a delivery (features come from the store), give features, or both: the given ones override."""

    model_config = ConfigDict(extra="forbid", strict=True)

    delivery_id: str | None = Field(default=None, examples=["delivery_00000001"])
    features: dict[str, JsonValue] | None = Field(default=None, max_length=1_000, examples=[{"distance": 5000.0}])
    model: str | None = Field(default=None, description="Default: the model this gateway serves.")
    version: int | None = Field(default=None, ge=1, description="Default: the version that `champion` names.")


class Prediction(BaseModel):
    """One prediction, and what it was made from."""

    predicted_duration: float = Field(description="Hours.")
    delivery_id: str | None
    features_used: dict[str, JsonValue]
    missing_features: list[str] = Field(description="Features that had no value.")
    model: str
    version: int
    timestamp: str = Field(description="RFC 3339: when the features were read.")


class BatchRow(BaseModel):
    """One row of a batch: `predicted_duration` and `features`, or `message` and `reason`."""

    entity_id: str
    status: Literal["success", "error"]
    predicted_duration: float | None = None
    features: dict[str, JsonValue] | None = None
    message: str | None = None
    reason: str | None = None


class BatchPrediction(BaseModel):
    """Predictions in request order."""

    predictions: list[BatchRow]
    model: str | None = None
    version: int | None = None
    timestamp: str


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
    timestamp: str


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
    reason: str
    field: str | None = None
