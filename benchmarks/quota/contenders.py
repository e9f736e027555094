"""Who keeps to a quota, and how. The limiters are the real libraries; the retries are re-stated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import httpx
from aiolimiter import AsyncLimiter
from attrs import frozen
from pyrate_limiter import AbstractClock, InMemoryBucket, Limiter, Rate, StateBucket, TokenBucket

from enlighten_async import EnlightenClient, EnlightenError, Plan
from enlighten_async.emulator import Emulator

KEY = "0123456789abcdef0123456789abcdef"
MINUTE = 60.0
PATIENCE = 20
"""Refusals of one request after which it is given up."""

Job = Callable[[], Awaitable[bool]]
"""Asks once; tells whether an answer came."""


class WallClock(Protocol):
    """What the user's machine takes the time to be."""

    def now(self) -> float:
        """Return epoch seconds."""
        ...


@frozen
class Setting:
    """What all contenders are given.

    Attributes:
        emulator: the service.
        clock: the local clock, which may be wrong.
        minute: what the user believes the key may send in a minute.
        month: the same of a month.
    """

    emulator: Emulator
    clock: WallClock
    minute: int
    month: int


class _LoopClock(AbstractClock):
    def now(self) -> int:
        """Return the loop's time in milliseconds."""
        return int(asyncio.get_running_loop().time() * 1000)


class SlidingBucket(InMemoryBucket):
    """A sliding window in memory, by the time of the loop."""

    _clock = _LoopClock()


async def _free() -> None:
    """Let everything through."""


def _aiolimiter(setting: Setting) -> Callable[[], Awaitable[object]]:
    return AsyncLimiter(setting.minute, MINUTE).acquire


def _pyrate(setting: Setting) -> Callable[[], Awaitable[object]]:
    return Limiter(SlidingBucket([Rate(setting.minute, int(MINUTE * 1000))])).try_acquire_async


def _pyrate_tokens(setting: Setting) -> Callable[[], Awaitable[object]]:
    rates = [Rate(setting.minute, int(MINUTE * 1000))]
    return Limiter(StateBucket(rates, TokenBucket(), clock=_LoopClock())).try_acquire_async


def _by_hand(setting: Setting, gate: Callable[[], Awaitable[object]], pause: Callable[..., float]) -> Job:
    """Return a job on plain httpx behind a gate, that is repeated after a pause when it is refused.

    Args:
        setting: the service, and what is known of it.
        gate: waited for before each request.
        pause: seconds before the next try (of the answer, how often it was tried, and the local time);
            below 0 to give up.
    """
    emulator = setting.emulator
    client = httpx.AsyncClient(transport=emulator.transport(), base_url="https://api.enphaseenergy.com")
    path = f"/api/v2/systems/{emulator.demo_system}/summary"

    async def job() -> bool:
        for tries in range(PATIENCE):
            await gate()
            answer = await client.get(path, params={"key": KEY, "user_id": emulator.demo_user})
            if answer.status_code == httpx.codes.OK:
                return True
            seconds = pause(answer, tries, setting.clock.now())
            if seconds < 0:
                return False
            await asyncio.sleep(seconds)
        return False

    return job


def _give_up(*_: object) -> float:
    return -1.0


def _stainless(_answer: object, tries: int, _now: float) -> float:
    """Two retries after 0.5 to 8 s, as generated SDKs do by default; they read headers, not bodies."""
    return min(0.5 * 2**tries, 8.0) * (1 - 0.25 * random.random()) if tries < 2 else -1.0  # noqa: S311


def _after_the_period(answer: httpx.Response, _tries: int, now: float) -> float:
    """Come back when the service says that the period ends, if that is soon."""
    facts = answer.json()
    if facts.get("period") == "month" or "period_end" not in facts:
        return -1.0
    return max(0.0, float(facts["period_end"]) - now)


def _ours(setting: Setting) -> Job:
    client = EnlightenClient(
        KEY,
        setting.emulator.demo_user,
        plan=Plan(minute=setting.minute, month=setting.month),
        transport=setting.emulator.transport(),
        clock=setting.clock,  # type: ignore[arg-type]
    )

    async def job() -> bool:
        try:
            await client.summary(setting.emulator.demo_system)
        except EnlightenError:
            return False
        return True

    return job


CONTENDERS: Mapping[str, Callable[[Setting], Job]] = MappingProxyType(
    {
        "enlighten_async": _ours,
        "pyrate-limiter, sliding window": lambda s: _by_hand(s, _pyrate(s), _after_the_period),
        "pyrate-limiter, token bucket": lambda s: _by_hand(s, _pyrate_tokens(s), _after_the_period),
        "aiolimiter": lambda s: _by_hand(s, _aiolimiter(s), _after_the_period),
        "retry after period_end": lambda s: _by_hand(s, _free, _after_the_period),
        "2 retries after 0.5-8 s": lambda s: _by_hand(s, _free, _stainless),
        "nothing": lambda s: _by_hand(s, _free, _give_up),
    }
)
"""Each makes the job of one program; behind a library's limiter, what is refused waits for its period."""
