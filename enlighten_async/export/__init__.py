"""Export: answers as tables of typed columns, for files, formats and libraries of data frames."""

from typing import TYPE_CHECKING

from enlighten_async.lazy import lazy_names

if TYPE_CHECKING:
    from enlighten_async.export.answers import concat, meter_table, object_table, table_of
    from enlighten_async.export.columns import Batch, DataType, Field, Table
    from enlighten_async.export.writers import SUFFIXES, Export, Format, write
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "answers": "concat meter_table object_table table_of",
            "columns": "Batch DataType Field Table",
            "writers": "SUFFIXES Export Format write",
        },
    )

__all__ = [
    "SUFFIXES",
    "Batch",
    "DataType",
    "Export",
    "Field",
    "Format",
    "Table",
    "concat",
    "meter_table",
    "object_table",
    "table_of",
    "write",
]
