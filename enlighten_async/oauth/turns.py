"""Waiting for a lock that other threads or processes may hold: tries, with pauses by the clock."""

from __future__ import annotations

import random
from collections.abc import Callable

from enlighten_async.clock import Clock
from enlighten_async.errors import UsageError

MAX_WAIT = 300.0
"""Seconds after which a lock is not waited for any more; three requests that time out take 92."""
_FIRST, _LONGEST = 0.002, 0.05


async def take_turn(take: Callable[[], bool], clock: Clock, what: str) -> None:
    """Try until the lock is taken. No cancel comes between taking it and the return.

    Args:
        take: tries once without waiting; tells whether it worked.
        clock: the source of time.
        what: the lock, in the words of the error.

    Raises:
        UsageError: somebody held it for `MAX_WAIT` seconds.
    """
    deadline = clock.monotonic() + MAX_WAIT
    pause = _FIRST
    while not take():
        if clock.monotonic() >= deadline:
            raise UsageError(f"{what} has been held for {MAX_WAIT:g} s by another task or program")
        await clock.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
        pause = min(_LONGEST, pause * 1.5)
