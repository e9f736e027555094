"""Plans of queries, with their segments at one moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen

from enlighten_async.cache import SeriesIndex
from enlighten_async.models import Gap, Reason, Receipt
from enlighten_async.query import QueryPlan, Segment, Segments
from enlighten_async.windows import Window


@frozen
class LaidOut:
    """A plan, and its segments at one moment."""

    plan: QueryPlan[Any, Any]
    segments: Segments

    @property
    def ordered(self) -> tuple[Segment, ...]:
        """The segments, oldest first."""
        return self.segments.ordered

    @property
    def pruned(self) -> int:
        """Requests that are not sent, as there is nothing."""
        return self.segments.pruned

    @property
    def open_ended(self) -> bool:
        """Whether only the service knows how many requests it takes."""
        return self.segments.open_ended

    def merge(self, parts: Sequence[Any], gaps: Sequence[Gap], receipt: Receipt) -> Any:
        """Return the answer of these parts, and of what is not asked for."""
        return self.plan.merge(parts, [*self.segments.unasked, *gaps], receipt, self.segments.window)

    def items(self, part: Any) -> Iterable[Any]:
        """Return the items of a part."""
        return self.plan.items(part)

    def skip(self, newest: Any, window: Window) -> Reason | None:
        """Return why an older window need not be asked for."""
        return self.plan.skip(newest, window)

    def is_doubtful(self, newest: Any, window: Window) -> bool:
        """Return whether there may be nothing in an older window."""
        return self.plan.is_doubtful(newest, window)

    def learn(self, part: Any) -> None:
        """Note what a part tells beside its rows."""
        assert self.segments.learn is not None
        self.segments.learn(part)


def laid_out(plan: QueryPlan[Any, Any], now: float = 0.0, zone: ZoneInfo | None = None) -> LaidOut:
    """Return a plan with its segments, where nothing is cached."""
    return LaidOut(plan, plan.segments(now, zone, SeriesIndex()))
