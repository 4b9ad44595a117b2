"""Types of the fields in the REST contract: what the server checks, and the same as patterns of the OpenAPI document.

The rules of ids, names and references belong to the store, whose errors have their own reasons. The patterns describe
them and check nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from featurama import Status
from featurama.errors import Reason

MAX_IDS = 1_000
MAX_FEATURES = 1_000
MAX_ENTITY_COLUMNS = 256
MAX_VERSION = 2**31 - 1

_NAME = "[a-z][a-z0-9_]{0,62}"
_STEP = rf"({_NAME}:)?{_NAME}(@[1-9][0-9]{{0,8}})?"
_REFERENCE = rf"{_STEP}(\.{_STEP}){{0,2}}"
_COLUMN = r"^[a-z][a-z0-9_]{0,126}$"
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]+$"

# The limit is 256 bytes, which a schema cannot count: it is exact for ASCII, and holds for any other text.
_ENTITY_ID: dict[str, Any] = {
    "description": "1 to 256 bytes of UTF-8 without control characters.",
    "anyOf": [
        {"type": "string", "pattern": "^[ -~]+$", "maxLength": 256},
        {"type": "string", "pattern": NO_CONTROLS, "maxLength": 64},
    ],
}


def absent(value: object) -> bool:
    """Whether a field is left out of an answer."""
    return value is None


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


def _values(names: Iterable[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(names)})


def _whole(value: object) -> object:
    """13.0 is a whole number in JSON, as in a JSON schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_value(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """One error for a value, in place of one per type that it could have."""
    try:
        return check(value)
    except ValidationError as error:
        raise PydanticCustomError(
            "feature_value", "must be a number, a text, true, false, null or a list of 1 to 2,048 numbers"
        ) from error


JsonValue = float | int | bool | str | Annotated[list[float], Field(min_length=1, max_length=2_048)] | None
"""A feature value: NaN and infinities are strings, and so is an integer beyond 2^53."""
EntityId = Annotated[str, WithJsonSchema(_ENTITY_ID)]
KeyValue = Annotated[str | Annotated[int, Field(ge=-(2**53), le=2**53)], BeforeValidator(_whole)]
"""A key. An int beyond 2^53 is a string, because many clients would round the number."""
Keys = Annotated[
    dict[str, KeyValue],
    Field(
        min_length=1,
        max_length=8,
        description="The keys of an entity, instead of its id: a value per key column of its type. An integer beyond"
        " 2^53 is a string.",
        json_schema_extra={"propertyNames": {"pattern": f"^{_NAME}$"}},
    ),
]
EntityIds = Annotated[list[EntityId], Field(min_length=1, max_length=MAX_IDS)]
EntityColumns = Annotated[
    dict[str, Annotated[list[KeyValue | None], Field(min_length=1, max_length=MAX_IDS)]],
    Field(
        min_length=1,
        max_length=MAX_ENTITY_COLUMNS,
        description="Column -> a value per row. Rows of one entity have the key columns of its type. The column of a"
        " role has its name and holds entity ids; of an entity type with keys it holds the key, or there is a column"
        " `<role>_<key>` per key. null names no entity. An integer beyond 2^53 is a string.",
        json_schema_extra={"propertyNames": {"pattern": _COLUMN}},
    ),
]
BatchIds = Annotated[
    list[str], Field(min_length=1, max_length=MAX_IDS, description="An id that cannot be one fails its own row only.")
]
Name = Annotated[str, Field(min_length=1), _text(_NAME)]
Roles = Annotated[
    dict[Name, Name],
    Field(min_length=1, max_length=32, json_schema_extra={"propertyNames": {"pattern": f"^{_NAME}$"}}),
]
CheckedName = Annotated[str, Field(pattern=f"^{_NAME}$")]
"""A name that is checked here, because the store does not look at it in every request."""
NameParameter = Annotated[CheckedName | None, _text(_NAME)]
"""A query parameter that may be left out: it has no null."""
Namespace = Annotated[str, _text("[a-z][a-z0-9_]{0,39}")]
Reference = Annotated[str, _text(_REFERENCE)]
References = Annotated[
    list[Reference], Field(min_length=1, max_length=MAX_FEATURES, json_schema_extra={"uniqueItems": True})
]
ReferenceLists = Annotated[
    list[str] | None,
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": f"^{_REFERENCE}( *, *{_REFERENCE})*$"}}),
]
GivenFeatures = Annotated[
    dict[str, Annotated[JsonValue, WrapValidator(_one_value)]],
    Field(max_length=MAX_FEATURES, json_schema_extra={"propertyNames": {"pattern": f"^{_REFERENCE}$"}}),
]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION), BeforeValidator(_whole)]
VersionParameter = Annotated[Version | None, WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_VERSION})]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
StatusName = Annotated[str, _values(Status.__members__)]
ReasonName = Annotated[str, _values(Reason.__members__), Field(description="A name of featurama.v1.ErrorReason.")]
LargeIntegers = Literal["string", "number"]
