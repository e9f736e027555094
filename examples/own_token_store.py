"""A `TokenStore` in a database, by SQLAlchemy: tokens of all accounts, and a lock over all processes.

    store = SqlTokenStore(create_async_engine("postgresql+asyncpg://..."))
    await store.create_tables()
    oauth = OAuth(client_id, client_secret, tokens=store)

The lock is the hard part: a refresh token can be used once, so two processes must not use the same one. It is
a row with an end (a lease), which the holder moves on while it lives. The lease of a process that was killed
runs out. The clocks of the machines have to agree to well within `lease_s`.

Tokens are secrets: encrypt the column, or the disk, if others can read the database. The test of this file
derives from `enlighten_async.testing.contracts.TokenStoreContract`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import JSON, Column, Float, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from enlighten_async import Tokens

METADATA = MetaData()
# Names of accounts differ by case and accents: give the column a binary collation where yours has another.
TOKENS = Table(
    "enlighten_tokens",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("tokens", JSON, nullable=False),
)
LOCKS = Table(
    "enlighten_locks",
    METADATA,
    Column("account", String(200), primary_key=True),
    Column("owner", String(32), nullable=False),
    Column("until", Float, nullable=False),
)

POLL_S = 0.05
"""Seconds between two attempts to take a lock that another one holds."""


class SqlTokenStore:
    """Tokens in a database.

    Args:
        engine: the database; the caller disposes of it.
        lease_s: seconds after which the lock of a process that was killed is free.
    """

    def __init__(self, engine: AsyncEngine, *, lease_s: float = 30.0) -> None:
        self._engine = engine
        self._lease_s = lease_s

    async def create_tables(self) -> None:
        """Make the tables where they are missing."""
        async with self._engine.begin() as connection:
            await connection.run_sync(METADATA.create_all)

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, by any process."""
        async with self._engine.connect() as connection:
            found = await connection.scalar(select(TOKENS.c.tokens).where(TOKENS.c.account == account))
        return None if found is None else Tokens.of(found)

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens; the transaction is committed when this returns."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(TOKENS).where(TOKENS.c.account == account))
            await connection.execute(insert(TOKENS).values(account=account, tokens=tokens.reveal()))

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(TOKENS).where(TOKENS.c.account == account))

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncGenerator[None]:
        """Lock the account in all processes, and keep the lease alive while it is held."""
        owner = secrets.token_hex(16)
        try:
            while not await self._take(account, owner):  # noqa: ASYNC110 - the holder is another process
                await asyncio.sleep(POLL_S)
            renewing = asyncio.create_task(self._renew(account, owner))
            try:
                yield
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
        finally:
            # Whatever ends it, also a cancellation in the midst of taking it.
            await asyncio.shield(self._free(account, owner))

    async def _take(self, account: str, owner: str) -> bool:
        """Take the lock if it is free, in one statement: no two processes can."""
        now = time.time()
        lease = {"owner": owner, "until": now + self._lease_s}
        ended = update(LOCKS).where(LOCKS.c.account == account, LOCKS.c.until < now).values(**lease)
        async with self._engine.begin() as connection:
            if (await connection.execute(ended)).rowcount:
                return True
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(LOCKS).values(account=account, **lease))
        except IntegrityError:  # somebody holds it
            return False
        return True

    async def _renew(self, account: str, owner: str) -> None:
        """Move the end of the lease on, long before it is there."""
        mine = update(LOCKS).where(LOCKS.c.account == account, LOCKS.c.owner == owner)
        while True:
            await asyncio.sleep(self._lease_s / 3)
            with suppress(SQLAlchemyError):  # there are two more attempts before the lease ends
                async with self._engine.begin() as connection:
                    await connection.execute(mine.values(until=time.time() + self._lease_s))

    async def _free(self, account: str, owner: str) -> None:
        mine = (LOCKS.c.account == account, LOCKS.c.owner == owner)
        async with self._engine.begin() as connection:
            await connection.execute(delete(LOCKS).where(*mine))
