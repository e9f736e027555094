"""How the server's "limit reached" is read: its facts are checked before they are believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enlighten_async.quota.bucket import MINUTE, MONTH

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled

LENGTHS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 31 * 86_400}
"""Seconds of each period at the most. The service documents two words; the list is open."""
TOLERANCE = 60.0
"""Seconds by which a period's end may lie outside what we know of the time."""


def closed_until(refusal: Throttled, earliest: float, latest: float, *, again: bool) -> float:
    """Return until when (server's time, epoch seconds) nothing more may be sent.

    The service says: "After period_end, you can make another request." A `period_end` that cannot be
    is replaced by the end of our own window.

    Args:
        refusal: what the server said.
        earliest: the earliest its time can be (epoch seconds).
        latest: the latest its time can be.
        again: whether the request before was refused as well, so that an end in the past is no help.
    """
    length = LENGTHS.get(refusal.period) or _length(refusal)
    end = refusal.period_end
    possible = end is not None and earliest - TOLERANCE <= end <= latest + length + TOLERANCE
    if end is not None and possible and (end > earliest or not again):
        return end
    own = {bucket.name: bucket for bucket in (MINUTE, MONTH)}.get(refusal.period or MINUTE.name)
    return own.start(own.index(latest) + 1) if own else latest + length


def _length(refusal: Throttled) -> float:
    """Return the length of a period we have no word for, if it is a sane one."""
    if refusal.period_start is None or refusal.period_end is None:
        return 60.0
    length = refusal.period_end - refusal.period_start
    return length if 0 < length <= LENGTHS["month"] else 60.0
