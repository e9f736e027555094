"""What a process learns of the server's time from what the others have written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from enlighten_async.quota.server_clock import DRIFT

if TYPE_CHECKING:
    from enlighten_async.quota.record import Stamp

SAME = 2.0
"""Seconds that (wall clock - monotonic clock) may differ between two readers of the same clocks."""
WALL_DOUBT = 900.0
"""Seconds by which a wall clock may have been set between two readings that tell how much time passed."""


def overheard(stamp: Stamp, looked: float | None, now: float, wall: float) -> tuple[float, float]:
    """Return between which values (server's time - monotonic time) is, going by a stamp not seen before.

    Whoever reads on the writer's clocks, knows when it was written. Who does not, knows that it was since
    the last look, and who has not looked before, only that the server's time is not earlier.

    Args:
        stamp: what somebody wrote.
        looked: monotonic time of the last look before; `None`: there was none.
        now: monotonic time.
        wall: the local wall clock's time.
    """
    drift = abs((wall - now) - (stamp.wall - stamp.monotonic))
    if stamp.monotonic <= now and drift < SAME:
        # Neither a boot nor a sleep of the machine came between: they would have moved the one clock only.
        spread = DRIFT * (now - stamp.monotonic)
        return stamp.least - stamp.monotonic - spread, stamp.most - stamp.monotonic + spread
    if looked is not None:
        return stamp.least - now, stamp.most - looked
    passed = max(0.0, wall - stamp.wall - WALL_DOUBT)
    return stamp.least + passed - now, math.inf
