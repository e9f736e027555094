"""DuckDBSink: the rows and the cursors of a fleet in a DuckDB file, in one transaction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from enlighten_async.errors import InputError
from enlighten_async.export.columns import Batch, DataType, Field, Table, TypeName, column_of
from enlighten_async.export.frames import load
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.sinks.base import KEY, SeriesChanges, by_series, locked
from enlighten_async.state import in_thread, own_file
from enlighten_async.windows import as_datetime

CURSORS: Final = "enlighten_cursors"
"""The table of cursors."""

_TYPES: Final[Mapping[TypeName, str]] = MappingProxyType(
    {
        "int16": "SMALLINT",
        "int64": "BIGINT",
        "float64": "DOUBLE",
        "text": "VARCHAR",
        "timestamp": "TIMESTAMPTZ",
    }
)

_MARK: Final = slice(8, 12), b"DUCK"
"""Where a DuckDB file has which bytes."""

_HEADERS_BYTES: Final = 3 * 4096
"""Bytes that a DuckDB file has at the least: its headers."""


class DuckDBSink:
    """Rows in a DuckDB file, a table for each series; needs the extra `duckdb`.

    The table, such as `rgm_stats`, has the key (`system_id`, `meter`, `channel`, `end_at`): rows of the whole
    system have the meter '' and channel 0. A row that was corrected takes the place of the earlier one.
    `enlighten_cursors` has up to when the rows of each system are written, and changes in the transaction of
    the rows.

    The file is open while something is written, and not between: then other programs may read it. Writers
    wait for each other by `FILE.lock`.

    Args:
        path: the file; it is made where it is missing. Other tables in it stay as they are.

    Raises:
        InputError: the path is that of a device or the like, or of another user's file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = own_file(path)

    def __repr__(self) -> str:
        return f"<DuckDBSink {self._path}>"

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when the rows of each system are written (aware UTC), by its number.

        Args:
            series: name of the series.

        Raises:
            InputError: duckdb is not installed, or the file is not one of DuckDB.
            OSError: it cannot be read, such as while another process has it open.
        """
        return await in_thread(partial(self._cursors, series))

    async def write(self, changes: Sequence[Change]) -> None:
        """Write rows and cursors, all or none.

        Args:
            changes: the changes.

        Raises:
            InputError: duckdb is not installed, the file is none of DuckDB, or has such a table of another
                shape.
            OSError: it cannot be written; it stays as it was.
        """
        await in_thread(partial(self._write, changes))

    def _cursors(self, series: str) -> dict[int, datetime]:
        load("duckdb", "duckdb")
        if not self._path.exists():
            return {}
        with self._opened() as database:
            known = database.execute(
                "SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_schema = 'main'",
                [CURSORS],
            ).fetchone()
            if known is None:
                return {}
            rows = database.execute(
                f"SELECT system_id, epoch(until) FROM {CURSORS} WHERE series = ?",  # noqa: S608 - a constant
                [series],
            ).fetchall()
        return {system_id: as_datetime(until) for system_id, until in rows}

    def _write(self, changes: Sequence[Change]) -> None:
        with locked(self._path), self._opened() as database:
            database.execute("BEGIN")
            database.execute(
                f"CREATE TABLE IF NOT EXISTS {CURSORS} (series VARCHAR NOT NULL, system_id BIGINT NOT NULL, "
                "until TIMESTAMPTZ NOT NULL, PRIMARY KEY (series, system_id))"
            )
            for each in by_series(changes):
                _write_rows(database, each)
                _move_cursors(database, each)
            database.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file while the body runs; what fails is told in our words."""
        duckdb = load("duckdb", "duckdb")
        _require_database(own_file(self._path))
        try:
            with duckdb.connect(str(self._path)) as database:
                yield database
        except (duckdb.OperationalError, duckdb.InternalError) as error:  # locked, full, or gone
            raise OSError(f"{self._path}: {_line(error)}") from None
        except duckdb.Error as error:
            raise InputError(
                f"{self._path} has tables of other programs ({_line(error)}): name another file"
            ) from None


def _require_database(path: Path) -> None:
    """Raise `InputError` if there is something else than a database; remove one that was never made whole."""
    size = path.stat().st_size if path.exists() else 0
    if not size:
        return
    place, mark = _MARK
    with path.open("rb") as file:
        if file.read(place.stop)[place] != mark:
            raise InputError(f"{path} is no file of DuckDB: name another file")
    if size < _HEADERS_BYTES:  # the disk was full, or the process killed: DuckDB cannot open it any more
        path.unlink()


def _write_rows(database: Any, changes: SeriesChanges) -> None:
    """Insert rows; those that are there take new values."""
    table = changes.table
    if not table.batches:
        return
    columns = ", ".join(
        f"{each.name} {_TYPES[each.type.name]}{'' if each.nullable else ' NOT NULL'}" for each in table.fields
    )
    name, key = changes.series, ", ".join(KEY)
    database.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns}, PRIMARY KEY ({key}))")
    names = [each.name for each in table.fields]
    figures = [each for each in names if each not in KEY]
    database.register("changed", table)
    database.execute(
        f"INSERT INTO {name} ({', '.join(names)}) SELECT {', '.join(names)} FROM changed "  # noqa: S608
        f"ON CONFLICT DO UPDATE SET {', '.join(f'{each} = excluded.{each}' for each in figures)} "
        f"WHERE {' OR '.join(f'{name}.{each} IS DISTINCT FROM excluded.{each}' for each in figures)}"
    )
    database.unregister("changed")


def _move_cursors(database: Any, changes: SeriesChanges) -> None:
    """Move cursors, by one statement: one for each takes milliseconds each."""
    systems, moments = DataType("int64"), DataType("timestamp")
    columns = column_of(systems, [*changes.cursors]), column_of(moments, [*changes.cursors.values()])
    fields = Field("system_id", systems), Field("until", moments)
    database.register("moved", Table(fields, (Batch(len(changes.cursors), columns),)))
    database.execute(
        f"INSERT INTO {CURSORS} SELECT ?, system_id, until FROM moved "  # noqa: S608 - a constant
        "ON CONFLICT DO UPDATE SET until = excluded.until",
        [changes.series],
    )
    database.unregister("moved")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
