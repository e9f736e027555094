"""PostgresSink: the rows and the cursors of a fleet in PostgreSQL, in one transaction, for many writers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from enlighten_async.clock import SystemClock, in_trio
from enlighten_async.errors import InputError
from enlighten_async.export.columns import TypeName, values_of
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.sinks.base import KEY, SeriesChanges, StaleFence, by_series
from enlighten_async.lazy import LazyModule
from enlighten_async.state import DatabaseUnavailable, PostgresBackend
from enlighten_async.transport import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import asyncpg
else:
    asyncpg = LazyModule("asyncpg")

T = TypeVar("T")

TIMEOUT_S: Final = 60.0
"""Seconds that the server has for a write."""

DRAIN_S: Final = 8.0
"""Seconds that it has when it is cancelled: a fleet that is ended has 10."""

_LOCK_OF_TABLES: Final = 0x454E4C46
"""Number of the advisory lock under which tables are made: "ENLF"."""

_TYPES: Final[Mapping[TypeName, str]] = MappingProxyType(
    {
        "int16": "smallint",
        "int64": "bigint",
        "float64": "double precision",
        "text": "text",
        "timestamp": "timestamptz",
    }
)

_CREATE_CURSORS: Final = """
    CREATE TABLE IF NOT EXISTS enlighten_cursors (
        series text NOT NULL, system_id bigint NOT NULL, until timestamptz NOT NULL, fence bigint,
        PRIMARY KEY (series, system_id)
    )
"""
_SELECT_CURSORS: Final = "SELECT system_id, until FROM enlighten_cursors WHERE series = $1"
_MOVE_CURSORS: Final = """
    INSERT INTO enlighten_cursors AS old
    SELECT $1, given.*, $4 FROM unnest($2::bigint[], $3::timestamptz[]) AS given ORDER BY 2
    ON CONFLICT (series, system_id) DO UPDATE
    SET until = greatest(old.until, excluded.until), fence = coalesce(excluded.fence, old.fence)
    WHERE old.fence IS NULL OR excluded.fence IS NULL OR old.fence <= excluded.fence
    RETURNING system_id
"""


class PostgresSink:
    """Rows in PostgreSQL, a table for each series; needs the extra `postgres`, and asyncio.

    The table, such as `rgm_stats`, has the key (`system_id`, `meter`, `channel`, `end_at`): rows of the whole
    system have the meter '' and channel 0. A row that was corrected takes the place of the earlier one.
    `enlighten_cursors` has up to when the rows of each system are written, and changes in the transaction of
    the rows.
    Tables that are missing are made. Any number of processes may write.

    Close it when it is done with: it is an asynchronous context manager.

    Args:
        url: such as "postgresql://user@host/database". What it does not say is taken from the variables and
            files of libpq, such as `PGPASSFILE`. The certificate of a server elsewhere is verified.

    Raises:
        InputError: the URL is not valid, or asyncpg is not installed.
    """

    def __init__(self, url: str | Secret) -> None:
        url = Secret(url)  # a traceback that shows variables must not show it
        self._database = _Database(url.reveal, SystemClock())
        self._tables: set[str] = set()

    def __repr__(self) -> str:
        return f"<PostgresSink {self._database}>" if hasattr(self, "_database") else "<PostgresSink>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; it is opened again when it is needed."""
        await self._database.aclose()

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when the rows of each system are written (aware UTC), by its number.

        Args:
            series: name of the series.

        Raises:
            InputError: the server refuses the user, say; the text says why; or this is not asyncio.
            OSError: it cannot be reached, or fails.
        """

        async def read(connection: asyncpg.Connection) -> dict[int, datetime]:
            return dict(await connection.fetch(_SELECT_CURSORS, series))

        return await self._perform(read)

    async def write(self, changes: Sequence[Change], *, fence: int | None = None) -> None:
        """Write rows and cursors in one transaction.

        Args:
            changes: the changes.
            fence: a number that grows with each holder of a lease on these systems; `None` for a writer
                that has no lease.

        Raises:
            StaleFence: one of the systems was written with a greater fence: the lease is another's by now.
                Nothing of this is written.
            InputError: the server refuses the user, or has such a table of another shape; the text says why.
            OSError: it cannot be reached, or fails; all stays as it was, or, where the connection breaks in
                the midst of the commit, is written.
        """
        for each in by_series(changes):
            if each.table.batches and each.series not in self._tables:
                await self._perform(partial(_create_table, each))
                self._tables.add(each.series)
        await self._perform(partial(_write, by_series(changes), fence))

    async def _perform(self, work: Callable[[asyncpg.Connection], Coroutine[object, None, T]]) -> T:
        """Do some work; one that is cancelled goes on for a while, but at a second cancel it ends at once."""
        performed = self._database.perform(work, timeout_s=TIMEOUT_S)
        if in_trio():
            return await performed  # which refuses
        task = asyncio.ensure_future(performed)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            try:
                await asyncio.wait([task], timeout=DRAIN_S)
            finally:
                await self._database.give_up(task)
            raise
        except DatabaseUnavailable as error:
            self._tables.clear()
            failure = OSError(f"{self._database}: {error}")
        raise failure


class _Database(PostgresBackend):
    """A connection to a database that need not have the tables of a state."""

    _given_up = False

    async def give_up(self, task: asyncio.Task[Any]) -> None:
        """End work that nobody waits for any more; the server undoes what is not committed."""
        self._given_up = True
        if not task.done():
            self.terminate()
        await asyncio.wait([task])
        self._given_up = False
        if not task.cancelled():
            task.exception()  # or asyncio would log that nobody looked at it

    async def _connected(self) -> asyncpg.Connection:
        if self._given_up:
            raise DatabaseUnavailable("the work was cancelled")
        return await super()._connected()

    async def _migrated(self, connection: asyncpg.Connection) -> bytes:
        await connection.execute(_CREATE_CURSORS)
        return b""

    def _meaning(self, error: Exception, text: str) -> Exception:
        if isinstance(error, asyncpg.SyntaxOrAccessError | asyncpg.DataError):
            return InputError(f"{self} refuses, or has tables of another shape ({text})")
        return super()._meaning(error, text)


async def _create_table(changes: SeriesChanges, connection: asyncpg.Connection) -> None:
    """Make the table of a series, if it is missing."""
    columns = ", ".join(
        f"{each.name} {_TYPES[each.type.name]}{'' if each.nullable else ' NOT NULL'}"
        for each in changes.table.fields
    )
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_OF_TABLES)
        if await connection.fetchval("SELECT to_regclass($1) IS NULL", changes.series):
            await connection.execute(
                f"CREATE TABLE {changes.series} ({columns}, PRIMARY KEY ({', '.join(KEY)}))"
            )


async def _write(changes: Sequence[SeriesChanges], fence: int | None, connection: asyncpg.Connection) -> None:
    """Move the cursors, which holds up other writers of the systems, then write the rows."""
    async with connection.transaction():
        for each in changes:
            arguments = each.series, list(each.cursors), list(each.cursors.values()), fence
            moved = await connection.fetch(_MOVE_CURSORS, *arguments)
            if len(moved) < len(each.cursors):
                stale = set(each.cursors) - {system_id for (system_id,) in moved}
                raise StaleFence(
                    f"another writer holds system {min(stale)} by a newer lease than {fence}: take a new one"
                )
            await _write_rows(each, connection)


async def _write_rows(changes: SeriesChanges, connection: asyncpg.Connection) -> None:
    """Insert rows; those that are there take new values."""
    table, name = changes.table, changes.series
    if not table.batches:
        return
    names = [each.name for each in table.fields]
    figures = [each for each in names if each not in KEY]
    values: list[list[Any]] = [
        [value for batch in table.batches for value in values_of(each.type, batch.columns[place])]
        for place, each in enumerate(table.fields)
    ]
    given = ", ".join(f"${n}::{_TYPES[each.type.name]}[]" for n, each in enumerate(table.fields, 1))
    await connection.execute(
        f"INSERT INTO {name} ({', '.join(names)}) SELECT * FROM unnest({given}) "  # noqa: S608 - constants
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE "
        f"SET {', '.join(f'{each} = excluded.{each}' for each in figures)} "
        f"WHERE ({', '.join(f'{name}.{each}' for each in figures)}) "
        f"IS DISTINCT FROM ({', '.join(f'excluded.{each}' for each in figures)})",
        *values,
    )
