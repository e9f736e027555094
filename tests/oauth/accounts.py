"""Accounts in any state, stores that fail, and a clock that sleeps no time."""

# ruff: noqa: D102

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.lowlevel import checkpoint

from enlighten_async.clock import SystemClock
from enlighten_async.oauth import AccountCredentials, MemoryTokenStore, Tokens, TokenStore
from enlighten_async.transport import Credentials
from tests.oauth.authority import Authority

KEY = "apikey-CANARY-0123456789abcdef"


def stored(authority: Authority, *, age: float = 0.0, life: float | None = None) -> Tokens:
    """Return tokens that were issued so many seconds ago."""
    answer, now = authority.issue(), authority.clock.now()
    lasts = authority.life if life is None else life
    return Tokens(
        answer["access_token"],
        answer["refresh_token"],
        expires_at=now - age + lasts,
        obtained_at=now - age,
    )


def token(credentials: Credentials | None) -> str:
    """Return the access token that credentials carry."""
    assert credentials is not None
    return dict(credentials.headers)["Authorization"].reveal().removeprefix("Bearer ")


async def renewed(access: AccountCredentials, refused: Credentials | None = None) -> str:
    """Renew and return the access token."""
    await access.refresh(refused)
    return token(access.current())


class InstantClock(SystemClock):
    """The system's clock, but for sleeping, which takes no time."""

    async def sleep(self, seconds: float) -> None:
        """Let others run."""
        await checkpoint()


class Store:
    """A store over another one: counts what is asked of it, and fails where it is told to.

    Attributes:
        inner: the store itself.
        calls: names of the methods called.
        broken: errors to raise, by the name of the method.
    """

    def __init__(self, inner: TokenStore | None = None) -> None:
        self.inner = inner or MemoryTokenStore()
        self.calls: list[str] = []
        self.broken: dict[str, BaseException] = {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.broken:
            raise self.broken[name]

    async def load(self, account: str) -> Tokens | None:
        self._called("load")
        return await self.inner.load(account)

    async def save(self, account: str, tokens: Tokens) -> None:
        self._called("save")
        await self.inner.save(account, tokens)

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        self._called("lock")
        async with self.inner.lock(account):
            yield
        if "unlock" in self.broken:
            raise self.broken["unlock"]

    async def remove(self, account: str) -> None:
        self._called("remove")
        await self.inner.remove(account)
