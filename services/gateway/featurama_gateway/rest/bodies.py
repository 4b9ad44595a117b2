"""The shapes of the REST contract. Field names are fixed; fields may be added.

`delivery_id` and `predicted_duration` are the documented names of `entity_id` and `prediction`. A request that names
`entity_id` is answered without them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from featurama_gateway.rest.fields import (
    BatchIds,
    CheckedName,
    EntityColumns,
    EntityId,
    EntityIds,
    GivenFeatures,
    JsonValue,
    Keys,
    Name,
    ReasonName,
    References,
    Roles,
    StatusName,
    Time,
    Version,
    absent,
)

_STRICT = ConfigDict(extra="forbid", strict=True)

PredictedClass = Annotated[
    str | None, Field(exclude_if=absent, description="The most likely class. Only for a model of classes.")
]
Probabilities = Annotated[
    dict[str, float] | None,
    Field(exclude_if=absent, description="Probability per class, in the model's order. Only for a model of classes."),
]
PredictedDuration = Annotated[float, Field(description="The value of `prediction`, under its documented name.")]
ReadTime = Annotated[Time, Field(description="When the features were read.")]


def _given(*fields: str) -> dict[str, Any]:
    """The schema of a request that gives all of these fields, none of them null."""
    filled = {
        "features": {"type": "object", "minProperties": 1},
        "keys": {"type": "object", "minProperties": 1},
        "entities": {"type": "object", "minProperties": 1},
        "feature_names": {"type": "array"},
        "entity_ids": {"type": "array"},
    }
    return {"required": list(fields), "properties": {each: filled.get(each, {"type": "string"}) for each in fields}}


class ModelPredictBody(BaseModel):
    """An entity, whose features are read from the store, given features, or both. Given features take precedence."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "anyOf": [_given("entity_id"), _given("keys"), _given("features")],
            "not": _given("entity_id", "keys"),
        }
    )

    entity_id: EntityId | None = None
    keys: Keys | None = None
    features: GivenFeatures | None = Field(
        default=None, description="They override stored features. null is a missing value."
    )


class ModelChoice(BaseModel):
    """The model of a request: a version, or the version that an alias names."""

    model_config = _STRICT

    model: Name | None = Field(default=None, description="Default: the default model of the gateway.")
    version: Version | None = Field(default=None, description="Default: the version that the alias names.")
    alias: CheckedName | None = Field(default=None, description="Used if no version is named. Default: `champion`.")

    @property
    def is_default(self) -> bool:
        """Whether the request leaves the choice to the gateway."""
        return self.model is None and self.version is None and self.alias is None


class PredictBody(ModelChoice):
    """An entity, whose features are read from the store, given features, or both. Given features take precedence."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "anyOf": [_given("entity_id"), _given("delivery_id"), _given("keys"), _given("features")],
            "not": {
                "anyOf": [
                    _given("entity_id", "delivery_id"), _given("entity_id", "keys"), _given("delivery_id", "keys")
                ]
            },
        }
    )  # fmt: skip

    entity_id: EntityId | None = None
    keys: Keys | None = None
    delivery_id: EntityId | None = Field(default=None, description="The documented name of `entity_id`.")
    features: GivenFeatures | None = Field(
        default=None, description="They override stored features. null is a missing value."
    )


class BatchBody(ModelChoice):
    """Entities to predict with one model: their ids, or the key columns of their type."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"oneOf": [_given("entity_ids"), _given("entities")]})

    entity_ids: BatchIds | None = None
    entities: EntityColumns | None = None


class Prediction(BaseModel):
    """One prediction and the features used."""

    prediction: float
    target: str = Field(description="The predicted quantity.")
    entity_id: str | None
    keys: dict[str, str | int] | None = Field(default=None, exclude_if=absent)
    features_used: dict[str, JsonValue]
    missing_features: list[str] = Field(description="Features without a value.")
    model: str
    version: int
    timestamp: ReadTime
    predicted_class: PredictedClass = None
    probabilities: Probabilities = None


class DocumentedPrediction(Prediction):
    """A prediction with its documented names: the answer to a request without `entity_id`."""

    predicted_duration: PredictedDuration
    delivery_id: str | None


class BatchSuccess(BaseModel):
    """A predicted row of a batch."""

    entity_id: str | None = Field(default=None, exclude_if=absent)
    keys: dict[str, str | int | None] | None = Field(default=None, exclude_if=absent)
    status: Literal["success"] = "success"
    prediction: float
    predicted_duration: Annotated[PredictedDuration | None, Field(exclude_if=absent)] = None
    features: dict[str, JsonValue]
    predicted_class: PredictedClass = None
    probabilities: Probabilities = None


class BatchError(BaseModel):
    """A row of a batch without a prediction, and the reason."""

    entity_id: str | None = Field(default=None, exclude_if=absent)
    keys: dict[str, str | int | None] | None = Field(default=None, exclude_if=absent)
    status: Literal["error"] = "error"
    message: str
    reason: ReasonName
    field: Annotated[
        str | None, Field(exclude_if=absent, description="For MISSING_FEATURE: the feature without a value.")
    ] = None


class BatchPrediction(BaseModel):
    """Predictions in request order."""

    predictions: list[Annotated[BatchSuccess | BatchError, Field(discriminator="status")]]
    target: str
    model: str
    version: int
    timestamp: ReadTime


class FeaturesBody(BaseModel):
    """Entities, and the features to read: `feature_names` or a `feature_service`. Rows name one entity (`entity_ids`),
    or one per role (`entities`).
    """

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "allOf": [
                {"oneOf": [_given("feature_names"), _given("feature_service")]},
                {"oneOf": [_given("entity_ids"), _given("entities")]},
            ]
        }
    )

    entity_ids: EntityIds | None = None
    entities: EntityColumns | None = None
    roles: Roles | None = Field(
        default=None, description="Role -> entity type, for `entities`. A feature service may declare its own."
    )
    feature_names: References | None = None
    feature_service: Name | None = None
    statuses: bool = Field(default=True, description="Whether the answer has statuses.")
    event_times: bool = Field(default=True, description="Whether the answer has event times.")
    format: Literal["columns", "rows"] = Field(
        default="columns", description="One list of values per feature, or one list of features per entity."
    )


EventTime = Annotated[Time | None, Field(description="Event time; null if no value was found.")]


class FeatureValue(BaseModel):
    """One feature; `value` is null where `status` is not PRESENT."""

    feature_name: str
    value: JsonValue
    timestamp: EventTime
    status: StatusName
    version: int


class EntityFeatures(BaseModel):
    """The newest values of one entity."""

    entity_id: str | None = Field(default=None, exclude_if=absent)
    keys: dict[str, str | int] | None = Field(default=None, exclude_if=absent)
    features: list[FeatureValue]
    timestamp: ReadTime


class OptionalFeatureValue(FeatureValue):
    """One feature; status and event time on request."""

    timestamp: EventTime = None
    status: StatusName = "PRESENT"


class FeatureRow(BaseModel):
    """The features of one row: of its entity, or of the entities that it names."""

    entity_id: str | None = Field(default=None, exclude_if=absent)
    entities: dict[str, str | int | None] | None = Field(default=None, exclude_if=absent)
    features: list[OptionalFeatureValue]


class FeatureRows(BaseModel):
    """The newest values of entities, in request order."""

    rows: list[FeatureRow]
    timestamp: ReadTime


class FeatureColumn(BaseModel):
    """One feature of all entities, in their order; a value is null where its status is not PRESENT."""

    feature_name: str
    version: int
    values: list[JsonValue]
    timestamps: list[EventTime] = []
    statuses: list[StatusName] = []


class FeatureColumns(BaseModel):
    """The newest values of entities, one column per feature, in request order."""

    entity_ids: list[str] | None = Field(default=None, exclude_if=absent)
    entities: dict[str, list[str | int | None]] | None = Field(default=None, exclude_if=absent)
    features: list[FeatureColumn]
    timestamp: ReadTime


class Health(BaseModel):
    """Whether predictions can be made."""

    status: Literal["healthy", "degraded"]
    feature_store_connected: bool
    model_loaded: bool
    timestamp: Time


class Problem(BaseModel):
    """RFC 9457, with the gRPC reason."""

    type: str
    title: str
    status: int
    detail: str
    reason: ReasonName
    field: str | None = None
