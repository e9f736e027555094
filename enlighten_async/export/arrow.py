"""Arrow: a table by the PyCapsule interface, with nanoarrow; its buffers are not copied."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enlighten_async.export.extras import load
from enlighten_async.export.table import Column, DataType, Field, Table, TypeName

if TYPE_CHECKING:
    from nanoarrow import Schema
    from nanoarrow.c_array import CArray
    from nanoarrow.c_schema import CSchema

_NAMES: Final[Mapping[TypeName, str]] = MappingProxyType(
    {
        "bool": "bool_",
        "int16": "int16",
        "int64": "int64",
        "float64": "float64",
        "text": "string",
        "date": "date32",
    }
)
"""Nanoarrow's functions that make types without parameters."""


def schema_capsule(table: Table) -> object:
    """Return the types of a table's columns as a capsule."""
    return _schema_of(table).__arrow_c_schema__()


def stream_capsule(table: Table) -> object:
    """Return the rows of a table as a capsule, which can be read once."""
    load("nanoarrow")
    from nanoarrow.c_array_stream import CArrayStream  # noqa: PLC0415 - optional

    schema = _schema_of(table)
    rows = (Column(batch.length, 0, (None,), batch.columns) for batch in table.batches)
    return CArrayStream.from_c_arrays([_array(schema, each) for each in rows], schema).__arrow_c_stream__()


def _schema_of(table: Table) -> CSchema:
    nanoarrow = load("nanoarrow")
    return nanoarrow.c_schema(
        nanoarrow.Schema(_type(DataType("struct", table.fields)), metadata=dict(table.metadata))
    )


def _type(kind: DataType) -> Schema:
    nanoarrow = load("nanoarrow")
    if kind.name == "timestamp":
        return nanoarrow.timestamp("us", timezone="UTC")
    if kind.name == "struct":
        return nanoarrow.struct([_field(each) for each in kind.children])
    if kind.name == "list":
        return nanoarrow.list_(_field(kind.children[0]))
    return getattr(nanoarrow, _NAMES[kind.name])()


def _field(field: Field) -> Schema:
    """Return a type with a name, whether it allows null, and its metadata."""
    own = {"name": field.name, "nullable": field.nullable, "metadata": dict(field.metadata)}
    return load("nanoarrow").Schema(_type(field.type), **own)


def _array(schema: CSchema, column: Column) -> CArray:
    children = [_array(schema.child(place), child) for place, child in enumerate(column.children)]
    return load("nanoarrow").c_array_from_buffers(
        schema, column.length, column.buffers, column.nulls, children=children, move=True
    )
