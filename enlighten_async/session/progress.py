"""How far a query is, for displays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen


@frozen
class Progress:
    """How far a query is, and what it waits for.

    Attributes:
        done: windows (or cursors) that are finished.
        total: how many there are; `None` before it is known.
        sent: requests that left so far.
        left: requests left in the running windows of the plan, by period.
        waiting: why the gate holds requests back: "minute", "month", "in_flight", "throttled",
            "doubt" or "priority"; `None` if it does not.
        until: when it opens (aware UTC), where that is a matter of time.
    """

    done: int
    total: int | None
    sent: int
    left: Mapping[str, int]
    waiting: str | None
    until: datetime | None
