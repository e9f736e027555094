"""A service without limits, and clients of it."""

from __future__ import annotations

from typing import Any

from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.oauth import MemoryTokenStore, OAuth, Tokens
from enlighten_async.testing import FakeClock

API_KEY = "0123456789abcdef0123456789abcdef"
"""An API key such as the service's; the emulator takes any."""

AMPLE = Plan(minute=100_000)
"""A plan that never makes anyone wait."""


class Granted(MemoryTokenStore):
    """Tokens of accounts that have all logged in, each when it is first asked for.

    Args:
        world: whose service gives them.
        client_id: of the application they are for.
    """

    def __init__(self, world: World, client_id: str = "client") -> None:
        super().__init__(clock=world.clock)
        self._world, self._client_id = world, client_id

    async def load(self, account: str) -> Tokens | None:
        """Return what was saved last, or else first tokens."""
        if await super().load(account) is None:
            await self.save(account, self._granted(account))
        return await super().load(account)

    def _granted(self, account: str) -> Tokens:
        body, now = self._world.emulator.grant(account, self._client_id), self._world.clock.now()
        return Tokens(body["access_token"], body["refresh_token"], now + 86_399, now)


class World:
    """A service, the time there, and clients of it.

    Attributes:
        clock: the time.
        emulator: the service.
    """

    def __init__(self, now: float = 1_750_000_020.0, **settings: Any) -> None:
        self.clock = FakeClock(now=now)
        settings.setdefault("quota", Quota.UNLIMITED)
        settings.setdefault("concurrent", None)
        self.emulator = Emulator(clock=self.clock, **settings)

    @property
    def system(self) -> int:
        """The demo system, which has meters and a full year of data."""
        return self.emulator.demo_system

    def client(self, key: str = API_KEY, user: str | None = None, **options: Any) -> EnlightenClient:
        """Open a client; by default on a plan that never makes it wait."""
        options.setdefault("plan", AMPLE)
        options.setdefault("clock", self.clock)
        options.setdefault("transport", self.emulator.transport())
        return EnlightenClient(key, user or self.emulator.demo_user, **options)

    def oauth(self, **options: Any) -> OAuth:
        """Return the application, all of whose accounts have logged in; they are named as v2's users."""
        options.setdefault("clock", self.clock)
        options.setdefault("transport", self.emulator.transport())
        options.setdefault("tokens", Granted(self))
        return OAuth("client", "secret", **options)

    def v4(self, key: str = API_KEY, user: str | None = None, **options: Any) -> EnlightenClient:
        """Open a client of v4, as `client` does one of v2."""
        options.setdefault("plan", AMPLE)
        options.setdefault("clock", self.clock)
        options.setdefault("transport", self.emulator.transport())
        options.setdefault("oauth", self.oauth())
        return EnlightenClient.v4(key, user_id=user or self.emulator.demo_user, **options)

    def days(self, count: float) -> dict[str, float]:
        """Return the range of the last days."""
        return {"start_at": self.clock.now() - count * 86_400, "end_at": self.clock.now()}
