"""What is said of a key in the log: long waits, and that a month comes to its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from enlighten_async.quota.forecast import runs_out
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    from enlighten_async.quota.standing import Alarm
    from enlighten_async.quota.stopwatch import Waiting

LONG = 5.0
"""Seconds; shorter waits are not worth a line."""
SAME = 2.0
"""Seconds between the ends of two waits that are one: the head of the queue may change, and so may its
knowledge of the time."""

logger = logging.getLogger("enlighten_async")


class News:
    """Says each thing once, however many wait for it."""

    def __init__(self) -> None:
        self._until = 0.0

    def waiting(self, waiting: Waiting, seconds: float, queued: int) -> None:
        """Say what is waited for, if it takes long, and until when.

        Args:
            waiting: the reason, and its end by the server's time.
            seconds: how long that is from now on.
            queued: how many wait.
        """
        until = waiting.until
        if until is None or seconds <= LONG or abs(until - self._until) < SAME:
            return
        self._until = until
        logger.info(
            "waiting %.0f s (%s) until %s UTC; %d in the queue",
            seconds,
            waiting.reason,
            f"{as_datetime(until):%Y-%m-%d %H:%M:%S}",
            queued,
        )

    def alarm(self, alarm: Alarm, moment: float) -> None:
        """Warn that most of a month is used up.

        Args:
            alarm: the news.
            moment: the server's time, epoch seconds.
        """
        end = runs_out(alarm.used, alarm.limit, moment)
        pace = "lasts" if end is None else f"is used up on {as_datetime(end):%Y-%m-%d}"
        logger.warning(
            "%.0f %% of this month's requests are used (%d of %d): at this pace it %s; it ends on %s UTC",
            100 * alarm.share,
            alarm.used,
            alarm.limit,
            pace,
            f"{as_datetime(alarm.until):%Y-%m-%d %H:%M}",
        )
