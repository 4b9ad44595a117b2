"""What the schema of an Arrow table or file says besides its types: pandas dtypes, and facts for `featurama`.

There is one pandas dtype per Arrow type, whether a column has nulls or not. pandas reads the dtypes from the entry
`pandas` of the metadata. The entry `featurama` is a JSON object: the features of the table and, in the files of a set,
the SHA-256 of the request in its manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

FieldKind = Literal["double", "int", "text", "bool", "vector", "us", "ns", "carried"]

PANDAS_DTYPES: dict[FieldKind, str] = {
    "double": "float64",
    "int": "Int64",
    "bool": "boolean",
    "text": "string",
    "vector": "object",
    "us": "datetime64[us, UTC]",
    "ns": "datetime64[ns, UTC]",
}
_KIND_OF_ARROW: dict[str, FieldKind] = {
    "double": "double",
    "int64": "int",
    "bool": "bool",
    "string": "text",
    "large_string": "text",
    "string_view": "text",
    "timestamp[us, tz=UTC]": "us",
    "timestamp[ns, tz=UTC]": "ns",
}
_FACTS, _PANDAS = b"featurama", b"pandas"


def kind_of_arrow(dtype: Any) -> FieldKind | None:
    """The kind of values of an Arrow type, None for a type that no feature, status or time has."""
    if dtype.num_fields == 1 and hasattr(dtype, "list_size") and str(dtype.value_type) in ("float", "double"):
        return "vector"
    return _KIND_OF_ARROW.get(str(dtype))


def pandas_dtype(dtype: Any) -> str:
    """The pandas dtype of an Arrow type: that of the kind, a nullable integer, or what pyarrow chooses."""
    import pyarrow as pa

    kind = kind_of_arrow(dtype)
    if kind is not None:
        return PANDAS_DTYPES[kind]
    if pa.types.is_integer(dtype):
        # `uint8` of Arrow is `UInt8` in pandas.
        return str(dtype).replace("int", "Int").replace("u", "U")
    if pa.types.is_dictionary(dtype):
        return "category"
    if pa.types.is_timestamp(dtype):
        return f"datetime64[{dtype.unit}, {dtype.tz}]" if dtype.tz else f"datetime64[{dtype.unit}]"
    if pa.types.is_duration(dtype):
        return f"timedelta64[{dtype.unit}]"
    return {"float": "float32", "halffloat": "float16"}.get(str(dtype), "object")


def with_pandas_dtypes(table: Any, dtypes: Mapping[str, str]) -> Any:
    """The table, whose schema names a pandas dtype per column: that of `dtypes`, else that of its Arrow type."""
    columns = tuple((field.name, field.type, dtypes.get(field.name, "")) for field in table.schema)
    return _with_metadata(table, {_PANDAS: _pandas_metadata(columns)})


@lru_cache(maxsize=64)
def _pandas_metadata(columns: tuple[tuple[str, Any, str], ...]) -> bytes:
    described = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": str(of_arrow),
            "numpy_type": dtype or pandas_dtype(of_arrow),
            "metadata": None,
        }
        for name, of_arrow, dtype in columns
    ]
    about = {"index_columns": [], "column_indexes": [], "columns": described}
    return json.dumps(about, ensure_ascii=False).encode()


def with_facts(table: Any, facts: Mapping[str, Any]) -> Any:
    """The table with more facts in the entry `featurama`: plain JSON values."""
    return _with_metadata(
        table, {_FACTS: json.dumps(facts_of(table.schema) | dict(facts), ensure_ascii=False).encode()}
    )


def facts_of(schema: Any) -> dict[str, Any]:
    """The facts in the entry `featurama` of a schema."""
    found: dict[str, Any] = json.loads((schema.metadata or {}).get(_FACTS, b"{}"))
    return found


def named_features(schema: Any) -> list[dict[str, str]]:
    """Column, pinned reference and type of each feature that a schema names."""
    return list(facts_of(schema).get("features", ()))


def _with_metadata(table: Any, added: Mapping[bytes, bytes]) -> Any:
    return table.replace_schema_metadata((table.schema.metadata or {}) | dict(added))
