"""Export: answers as tables of typed columns, which every format and library of data frames is given."""

from enlighten_async.export.answers import concat, meter_table, table_of
from enlighten_async.export.table import Batch, DataType, Field, Table

__all__ = ["Batch", "DataType", "Field", "Table", "concat", "meter_table", "table_of"]
