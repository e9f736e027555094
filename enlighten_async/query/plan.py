"""The plan of a query: its segments in order of time, and how their parts become an answer. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from enlighten_async.cache import SeriesIndex
from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.models.intervals import Steps
from enlighten_async.models.receipt import Receipt
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import SeriesKey, WindowRequests

I_co = TypeVar("I_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Part: TypeAlias = Any
"""A decoded response, or the cached beginning of one. Its type is known to the plan that asked for it."""


@frozen
class Segment:
    """One window of a query, or one cursor of pages.

    Attributes:
        requests: yields one request at a time and is sent its decoded part.
        window: the range of time it is for, where it is for one.
        cached: whether the cache holds its parts.
    """

    requests: WindowRequests[Part]
    window: Window | None = None
    cached: bool = False


@frozen
class Segments:
    """The segments of a query at one moment, and what they leave out.

    Attributes:
        ordered: the segments, oldest first; they may run side by side.
        window: the whole range of time that was asked for, where the query is for one.
        unasked: gaps that no segment asks for, as the service is known to have nothing there.
        pruned: requests that those gaps would have taken.
        spare: requests it may take beyond one for each segment, where a response does not speak for the
            whole of its window.
        open_ended: whether only the service knows how many requests it takes.
        cheaper: a query that costs less, in words; empty if there is none.
        learn: is shown each part, to note what it tells beside its rows, such as time zones.
    """

    ordered: tuple[Segment, ...]
    window: Window | None = None
    unasked: tuple[Gap, ...] = ()
    pruned: int = 0
    spare: int = 0
    open_ended: bool = False
    cheaper: str = ""
    learn: Callable[[Part], None] | None = field(default=None, repr=False)


def with_kept(
    layout: Segments, oldest: int, asking: Callable[[Sequence[Window]], Iterable[Segment]]
) -> Segments:
    """Return a layout with segments for what it left out as too old, though the service has it.

    Args:
        layout: the layout; it is returned itself if there is less than a day of that.
        oldest: the moment from which on the service has data, epoch seconds.
        asking: returns the segments that ask for windows.
    """
    kept = [gap for gap in layout.unasked if gap.reason is Reason.BEYOND_RETENTION]
    kept = [gap for gap in kept if gap.window.end >= oldest + DAY]
    if not kept:
        return layout
    wanted = [Window(max(gap.window.start, oldest), gap.window.end) for gap in kept]
    others = [gap for gap in layout.unasked if gap not in kept]
    gone = [Gap(Window(gap.window.start, at.start), gap.reason) for gap, at in zip(kept, wanted, strict=True)]
    ordered = sorted((*asking(wanted), *layout.ordered), key=lambda each: each.window or Window(0, 0))
    unasked = sorted((*(gap for gap in gone if gap.window.seconds), *others), key=lambda gap: gap.window)
    return evolve(layout, ordered=tuple(ordered), unasked=tuple(unasked))


class QueryPlan(ABC, Generic[I_co, T_co]):
    """The plan of one query: what its items and its answer are, from which segments.

    A method of an `Api` returns one; its arguments are checked by then. The segments depend on the time, on
    the system's time zone and on what is cached: they are laid out once per run, for estimate and run alike.
    """

    streams_answers: ClassVar[bool] = True
    """Whether the items of a stream are answers themselves, of a part of the range; not rows of an answer."""

    @property
    def zone_of(self) -> int | None:
        """The system whose time zone the segments need; `None` if they need none."""
        return None

    @property
    def series(self) -> SeriesKey[Any] | None:
        """The series under which the parts are cached; `None` where parts are not of a series."""
        return None

    @property
    @abstractmethod
    def name(self) -> str:
        """The API's name of the endpoint, by which it is known whether it was loaded."""

    @abstractmethod
    def load(self) -> None:
        """Load the modules that the answer needs: in a thread, if they are not loaded, as they are files."""

    def question(self, now: float) -> str:
        """Return what is asked for, in words; by default the first request.

        Args:
            now: epoch seconds.
        """
        segments = self.segments(now, None, SeriesIndex())
        first = next((next(iter(each.requests), None) for each in segments.ordered), None)
        if first is None:
            return f"nothing of {segments.window!r}"
        params = f"?{urlencode(first.params)}" if first.params else ""
        return f"{first.method} {first.path}{params}"

    @abstractmethod
    def segments(self, now: float, zone: ZoneInfo | None, cached: SeriesIndex) -> Segments:
        """Return the segments.

        Args:
            now: the service's time, epoch seconds.
            zone: the time zone of `zone_of`, where it is known.
            cached: the index of what is cached of `series`.
        """

    @abstractmethod
    def merge(
        self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None
    ) -> T_co:
        """Return the answer.

        Args:
            parts: the parts, oldest first; none only where a window is given.
            gaps: the gaps that no part speaks for, those that were not asked for included, in any order.
            receipt: the costs of the query.
            window: the range of time that was asked for; `None` where that was left to the service.
        """

    def merge_in_steps(
        self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None
    ) -> Steps[T_co]:
        """Return the answer, as `merge` does, in steps of a few milliseconds; by default in one."""
        yield
        return self.merge(parts, gaps, receipt, window)

    @abstractmethod
    def items(self, part: Part) -> Iterable[I_co]:
        """Return the items that a stream hands out of a part."""

    def skip(self, part: Part, window: Window) -> Reason | None:
        """Tell by a part why an older window need not be asked for; `None`: it has to be."""
        return None

    def reopened(self, layout: Segments, now: float) -> Segments:
        """Return a layout with what it left out as too old, by a clock that was ahead, and can be asked for.

        Args:
            layout: the layout; it is returned itself if nothing changes.
            now: the service's time, as its first answer has told it.
        """
        return layout

    def is_outdated(self, window: Window) -> bool:
        """Tell whether a request for a window has to be made anew, by what the service has told meanwhile."""
        return False

    def is_doubtful(self, newest: Part, window: Window) -> bool:
        """Tell by the newest part whether there may be nothing in an older window, so that one is tried."""
        return False


AnswerPlan: TypeAlias = QueryPlan[T, T]
"""A plan whose stream hands out parts of the answer's own type."""
