"""A service without limits, and clients of it."""

from __future__ import annotations

from typing import Any

from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.oauth import OAuth
from enlighten_async.testing import EmulatorTokenStore, FakeClock

API_KEY = "0123456789abcdef0123456789abcdef"
"""An API key such as the service's; the emulator takes any."""

AMPLE = Plan(minute=100_000)
"""A plan that never makes anyone wait."""


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
        options.setdefault("tokens", EmulatorTokenStore(self.emulator))
        return OAuth("client", "secret", **options)

    def v4(self, key: str = API_KEY, user: str | None = None, **options: Any) -> EnlightenClient:
        """Open a client of v4, as `client` does one of v2."""
        options.setdefault("plan", AMPLE)
        options.setdefault("clock", self.clock)
        options.setdefault("transport", self.emulator.transport())
        options.setdefault("oauth", self.oauth())
        return EnlightenClient.v4(key, user_id=user or self.emulator.demo_user, **options)

    def quarter(self, number: int) -> dict[str, float]:
        """Return the range of a quarter of an hour, so many before an hour ago; for clocks that are wrong."""
        end = self.clock.now() // 900 * 900 - (number + 4) * 900
        return {"start_at": end - 900, "end_at": end}

    def days(self, count: float) -> dict[str, float]:
        """Return the range of the last days."""
        return {"start_at": self.clock.now() - count * 86_400, "end_at": self.clock.now()}
