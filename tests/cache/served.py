"""A stand-in for PostgreSQL: what the cache asks of it, performed by SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from enlighten_async.cache import PostgresCache, tables
from enlighten_async.clock import Clock
from enlighten_async.state import DatabaseUnavailable, PostgresBackend
from enlighten_async.state.migrations import MIGRATIONS

T = TypeVar("T")

WORDS = {each.postgres: each.sqlite for each in vars(tables).values() if isinstance(each, tables.Statement)}
"""The statements in SQLite's words, by those of PostgreSQL."""


class Connection:
    """A connection to the database, as asyncpg's.

    Attributes:
        file: the database.
        read_only: whether it takes no writes.
        closed: whether it was lost.
    """

    def __init__(self) -> None:
        self.file = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for statement in (each for step in MIGRATIONS[:3] for each in step if "SELECT" not in each):
            self.file.execute(statement)
        self.read_only = self.closed = False

    async def fetch(self, text: str, *values: object) -> list[Any]:
        """Execute a statement, and return its rows."""
        if self.read_only and "INSERT" in text:
            raise ConnectionError("cannot execute INSERT in a read-only transaction")
        return self.file.execute(WORDS[text], values).fetchall()

    def is_closed(self) -> bool:
        """Tell whether it was lost."""
        return self.closed

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Do what is done within, or nothing."""
        self.file.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.file.execute("ROLLBACK")
            raise
        self.file.execute("COMMIT")


class Server:
    """A database on a server.

    Attributes:
        connection: the connection.
        away: why it cannot be reached; empty: it can.
        hangs: the clock by which it takes all the time that it is given, while it is away.
        asked: how often it was tried.
    """

    salt = b"salt"

    def __init__(self) -> None:
        self.connection = Connection()
        self.away = ""
        self.hangs: Clock | None = None
        self.asked = 0

    def __str__(self) -> str:
        return "postgresql://db.example/solar"

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return not self.connection.is_closed()

    async def perform(self, work: Callable[[Connection], Awaitable[T]], *, timeout_s: float) -> T:
        """Do some work with the connection."""
        self.asked += 1
        if self.away and self.hangs is not None:
            await self.hangs.sleep(max(1.0, timeout_s))
        if self.away:
            raise DatabaseUnavailable(self.away)
        return await work(self.connection)

    def is_fault(self, error: Exception) -> bool:
        """Tell whether it is an error of the server."""
        return isinstance(error, OSError)

    def described(self, error: Exception) -> str:
        """Return its text."""
        return str(error)

    async def aclose(self) -> None:
        """Close the connection."""


def cache_at(server: Server, clock: Clock) -> PostgresCache:
    """Return the cache as a process of its own has it."""
    return PostgresCache(cast("PostgresBackend", server), clock=clock)
