"""The config of a training run, read from YAML. It names its own model, label rows and features."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from featurama_core.frames.zones import Ambiguous
from featurama_core.types.errors import InvalidInput
from featurama_core.types.times import TimeUnit, to_micros
from featurama_model.expressions import Expression
from featurama_model.manifest import MAX_CLASSES, MissingPolicy, Objective

MAX_CONFIG_BYTES = 1024 * 1024

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SpineSource(_Frozen):
    """The source of label rows.

    Without `file`, the store: one row per entity of the type that has a `target`, with its newest value. The
    time of a row is the earliest event time of `time_feature`: the moment at which the prediction would be made.
    With `file` (CSV, Parquet or Arrow): one row per row of the file. `target`, `entity_column` and `time_column` are
    columns of it; it may have the key columns of the entity type instead of `entity_id`. The other fields are
    arguments of `FeatureStore.training_set`; a time without a zone is refused. entity_type: "" for that of the
    features.
    """

    target: str
    entity_type: str = ""
    time_feature: str = ""
    file: str = ""
    entity_column: str = "entity_id"
    time_column: str = "timestamp"
    clock_column: str | None = None
    timezone: str | None = None
    time_unit: TimeUnit | None = None
    time_format: str | None = None
    ambiguous: Ambiguous = "refuse"
    rename: dict[str, str] = Field(default_factory=dict)
    casts: dict[str, str] = Field(default_factory=dict)
    types: dict[str, str] = Field(default_factory=dict)
    delimiter: str | None = None
    quote: str = '"'
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ()
    decimal: str = "."
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """The source as a manifest names it: the name of the file, and only those options of reading that are set."""
        shown = {"entity_type", "target", "entity_column", "time_column"}
        file = {"file": Path(self.file).name} if self.file else {}
        return self.model_dump(include=shown) | file | self.model_dump(exclude={*shown, "file"}, exclude_defaults=True)


class SplitConfig(_Frozen):
    """A split by time. The last `test_fraction` of the rows tests and never trains. Rows within `gap` before the first
    test row are left out, because their outcome was not yet known at that time; None is a day, but at most a twentieth
    of the time span of the rows. The last `validation_fraction` of the rest, also after a gap, decides when to stop;
    then all of the rest trains.
    """

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.15
    gap: Annotated[timedelta, Field(ge=timedelta(0))] | None = None

    @field_validator("gap", mode="before")
    @classmethod
    def _readable(cls, gap: object) -> object:
        """`36h`, `2d`, `90m` and `30s`, in addition to the forms of pydantic."""
        found = _DURATION.fullmatch(gap) if isinstance(gap, str) else None
        return timedelta(**{_UNITS[found[2]]: float(found[1])}) if found else gap


class CrossValidation(_Frozen):
    """Additional scores on the rows before the test rows. `rolling`: these rows are cut into folds + 1 parts by time; a
    part is predicted by a model of all earlier parts, less the gap. `grouped`: rows of one `group` are in one fold; the
    group is `entity_id` or a feature.
    """

    kind: Literal["rolling", "grouped"] = "rolling"
    folds: Annotated[int, Field(ge=2, le=50)] = 4
    group: str = "entity_id"


class BoosterParameters(_Frozen):
    """Parameters of XGBoost, with the names of XGBoost."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.05
    max_depth: Annotated[int, Field(ge=1, le=32)] = 3
    min_child_weight: Annotated[float, Field(ge=0)] = 3.0
    subsample: Annotated[float, Field(gt=0, le=1)] = 0.8
    colsample_bytree: Annotated[float, Field(gt=0, le=1)] = 0.8
    reg_lambda: Annotated[float, Field(ge=0)] = 1.0
    gamma: Annotated[float, Field(ge=0)] = 0.0


class TrainingConfig(_Frozen):
    """One training run.

    features: references; or feature_service: a feature service. Every numeric feature is a column; the `engineered`
    columns follow. missing: feature -> `use_missing` (the default policy), `fail`, or a number, the default value.
    baseline: a feature whose value is itself a prediction (for binary, a probability), for comparison; "" for none.
    segments: features by which errors are grouped; None lets the run choose. known_at: an ISO time, "label", or "" for
    none. early_stopping: rounds without a better validation score; 0 disables it. class_labels: labels of the classes
    of `binary:logistic` or `multi:softprob`, in order, as in the target (texts, integers, booleans); () for the
    occurring ones, sorted. classes: the number of classes, labelled 0, 1 and so on.
    """

    model: str
    labels: SpineSource
    description: str = ""
    feature_service: str = ""
    features: tuple[str, ...] = ()
    engineered: tuple[Expression, ...] = ()
    missing: dict[str, Annotated[float, Field(allow_inf_nan=False)] | Literal["use_missing", "fail"]] = Field(
        default_factory=dict
    )
    baseline: str = ""
    segments: Annotated[tuple[str, ...], Field(max_length=20)] | None = None
    known_at: str = ""
    objective: Objective = "reg:squarederror"
    classes: Annotated[int, Field(ge=0, le=MAX_CLASSES)] = 0
    class_labels: Annotated[tuple[str, ...], Field(max_length=MAX_CLASSES)] = ()
    split: SplitConfig = SplitConfig()
    cross_validation: CrossValidation | None = None
    rounds: Annotated[int, Field(ge=1, le=100_000)] = 600
    early_stopping: Annotated[int, Field(ge=0, le=100_000)] = 40
    parameters: BoosterParameters = BoosterParameters()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1729

    @field_validator("class_labels", mode="before")
    @classmethod
    def _as_text(cls, labels: object) -> object:
        """YAML reads `[1, 2]` and `[no, yes]` as numbers and booleans."""
        if not isinstance(labels, (list, tuple)):
            return labels
        return tuple(str(each).lower() if isinstance(each, int) else each for each in labels)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.features) == bool(self.feature_service):
            raise ValueError("name the inputs of the model by features or by feature_service, not by both")
        if self.classes and (self.classes < 2 or self.objective != "multi:softprob"):
            raise ValueError("classes: give how many (2 or more) for multi:softprob, none for the other objectives")
        if self.class_labels and (self.classes or self.objective not in ("binary:logistic", "multi:softprob")):
            raise ValueError("class_labels: name them for binary:logistic or multi:softprob, and leave out classes")
        if self.known_at not in ("", "label"):
            to_micros(self.known_at, "known_at")
        if self.baseline and self.objective == "multi:softprob":
            raise ValueError('baseline: a feature predicts no class probabilities; set it to ""')
        return self

    def with_classes(self, labels: tuple[str, ...]) -> Self:
        """The config with the classes of the labels; () for a regression."""
        several = self.objective == "multi:softprob"
        return self.model_copy(update={"class_labels": labels, "classes": len(labels) if several else 0})

    def policy(self, feature: str) -> tuple[MissingPolicy, float | None]:
        """The policy where the feature is not PRESENT, and its default, if any."""
        given = self.missing.get(feature, "use_missing")
        return (given, None) if isinstance(given, str) else ("default", given)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML file. Raises InvalidInput with the field."""
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
        """The config of a mapping, as read from YAML or JSON. Raises InvalidInput with the field."""
        try:
            return cls.model_validate(given)
        except InvalidInput as error:
            raise InvalidInput(f"config: {error.message}", reason=error.reason, **error.metadata) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "config"
            problem = ": " + first["msg"].removeprefix("Value error, ")
            if first["type"] == "missing":
                problem = " is missing; the config names its model, labels.target, and features or feature_service"
            raise InvalidInput(f"config: {where}{problem}", field=where) from error
