"""Arrow columns of views (string_view and such, which polars writes) as the types with offsets, which all functions of
Arrow and all readers of files know.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def without_views(kind: Any) -> Any:
    """The type that holds the same values without views, also inside lists, structs and dictionaries."""
    is_a = pa.types
    if is_a.is_string_view(kind):
        return pa.large_string()
    if is_a.is_binary_view(kind):
        return pa.large_binary()
    if is_a.is_dictionary(kind):
        return pa.dictionary(kind.index_type, without_views(kind.value_type), kind.ordered)
    if is_a.is_struct(kind):
        return pa.struct([_field(kind.field(at)) for at in range(kind.num_fields)])
    if is_a.is_fixed_size_list(kind):
        return pa.list_(_field(kind.value_field), kind.list_size)
    if is_a.is_list(kind):
        return pa.list_(_field(kind.value_field))
    if is_a.is_large_list(kind) or is_a.is_list_view(kind) or is_a.is_large_list_view(kind):
        return pa.large_list(_field(kind.value_field))
    return kind


def plain_column(column: Any) -> Any:
    """An array or chunked array without views; itself if it has none."""
    wanted = without_views(column.type)
    return column if wanted == column.type else column.cast(wanted)


def plain_table(table: Any) -> Any:
    """A table or record batch without views; itself if it has none."""
    schema = pa.schema([_field(each) for each in table.schema], table.schema.metadata)
    return table if schema == table.schema else table.cast(schema)


def _field(field: Any) -> Any:
    wanted = without_views(field.type)
    return field if wanted == field.type else field.with_type(wanted)
