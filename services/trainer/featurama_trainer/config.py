"""What to train, as a value: read from YAML, or the defaults, which fit the sample world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from featurama_core.model.errors import InvalidInput
from featurama_model.engineered import Expression, Power, Product, Ratio

MAX_CONFIG_BYTES = 1024 * 1024

RegressionObjective = Literal["reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror"]

_TRAFFIC = "destination.traffic_level"
_WEATHER = "destination.weather_index"
DELIVERY_EXPRESSIONS: tuple[Expression, ...] = (
    Product("distance_x_weight", ("distance", "package_weight")),
    Product("distance_x_traffic", ("distance", _TRAFFIC)),
    Product("distance_x_weather", ("distance", _WEATHER)),
    Product("distance_x_traffic_x_weather", ("distance", _TRAFFIC, _WEATHER)),
    Product("estimate_x_traffic", ("estimated_duration", _TRAFFIC)),
    Product("estimate_x_weather", ("estimated_duration", _WEATHER)),
    Product("traffic_x_weather", (_TRAFFIC, _WEATHER)),
    Power("distance_squared", "distance", 2),
    Power("hazard_squared", "hazard_level", 2),
    Ratio("estimate_per_distance", "estimated_duration", "distance"),
)
"""Interactions, polynomials and a ratio that suit the delivery-time model."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelSource(_Frozen):
    """Label rows: one for each registered entity of a type that has a `target`, its newest value.

    The row's time is the earliest event time of `time_feature`: for a delivery, its dispatch.
    """

    entity_type: str = "delivery"
    target: str = "actual_duration"
    time_feature: str = "distance"


class BoosterParameters(_Frozen):
    """Parameters of XGBoost, by its own names."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    max_depth: Annotated[int, Field(ge=1, le=32)] = 3
    min_child_weight: Annotated[float, Field(ge=0)] = 3.0
    subsample: Annotated[float, Field(gt=0, le=1)] = 0.8
    colsample_bytree: Annotated[float, Field(gt=0, le=1)] = 0.8
    reg_lambda: Annotated[float, Field(ge=0)] = 1.0
    gamma: Annotated[float, Field(ge=0)] = 0.0


class TrainingConfig(_Frozen):
    """One training run.

    features: references, or () for those that `feature_service` pins. Every numeric one is a column as it
    is, then come the `engineered` ones (set `engineered: []` for another model than the sample's).
    baseline: a feature whose value is itself a prediction, to compare with; "" for none.
    """

    model: str = "delivery_time"
    description: str = ""
    labels: LabelSource = LabelSource()
    feature_service: str = "delivery_time"
    features: tuple[str, ...] = ()
    engineered: tuple[Expression, ...] = DELIVERY_EXPRESSIONS
    baseline: str = "estimated_duration"
    objective: RegressionObjective = "reg:squarederror"
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    rounds: Annotated[int, Field(ge=1, le=100_000)] = 600
    parameters: BoosterParameters = BoosterParameters()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1729

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML file; what it leaves out has its default. Raises InvalidInput, naming the field."""
        import yaml

        try:
            text = Path(path).read_bytes()
            if len(text) > MAX_CONFIG_BYTES:
                raise InvalidInput(f"config is longer than {MAX_CONFIG_BYTES} bytes", field="config")
            given = yaml.safe_load(text)
        except OSError as error:
            raise InvalidInput(f"config {str(path)!r} cannot be read: {error.strerror}", field="config") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InvalidInput(f"config {str(path)!r} is not YAML", field="config") from error
        return cls.of({} if given is None else given)

    @classmethod
    def of(cls, given: object) -> Self:
        """Check a mapping as YAML or JSON gives it. Raises InvalidInput, naming the field."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "config"
            raise InvalidInput(f"config: {where}: {first['msg']}", field=where) from error
