"""The token store in a database keeps the contract, and clients use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from enlighten_async import EnlightenClient, OAuth, TokenStore
from enlighten_async.emulator import Emulator
from enlighten_async.emulator.v4.tokens import user_name
from enlighten_async.testing.contracts import TokenStoreContract

pytestmark = pytest.mark.backends
pytest.importorskip("sqlalchemy")

from sqlalchemy.ext.asyncio import create_async_engine  # noqa: E402

from examples.own_token_store import SqlTokenStore  # noqa: E402

LEASE_S = 2.0


@asynccontextmanager
async def opened(path: Path, lease_s: float = LEASE_S) -> AsyncIterator[SqlTokenStore]:
    """Open the database, as a process of its own does."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 30})
    store = SqlTokenStore(engine, lease_s=lease_s)
    await store.create_tables()
    try:
        yield store
    finally:
        await engine.dispose()


class TestSqlTokenStore(TokenStoreContract):
    """Tokens in SQLite, by several connections."""

    lease_s = 3 * LEASE_S

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        """Give each test a database of its own."""
        self.path = tmp_path / "tokens.db"

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[TokenStore]:
        """Open it once more."""
        async with opened(self.path) as store:
            yield store


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_lock_is_held_for_longer_than_its_lease(tmp_path: Path) -> None:
    """As long as its holder lives: a renewal of tokens may take a minute and a half."""
    async with opened(tmp_path / "tokens.db", 0.3) as one, opened(tmp_path / "tokens.db", 0.3) as other:
        async with one.lock("anna"):
            with anyio.move_on_after(1.5) as waiting:
                async with other.lock("anna"):
                    pass
            assert waiting.cancelled_caught
        async with other.lock("anna"):
            pass


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_client_uses_it(tmp_path: Path) -> None:
    """From the login on."""
    emulator = Emulator()
    async with opened(tmp_path / "tokens.db") as store:
        oauth = OAuth("client", "secret", tokens=store, transport=emulator.transport())
        await oauth.password("anna", user_name(emulator.demo_user), "any")
        async with EnlightenClient.v4(
            "key", oauth=oauth, user_id="anna", transport=emulator.transport()
        ) as client:
            assert (await client.systems()).complete
