"""Coverage: the part of the asked range that an answer holds, and the reasons for its gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Self, TypeVar

from attrs import evolve, frozen

from enlighten_async.models.convert import ToDict
from enlighten_async.windows import Window, floor


class Reason(StrEnum):
    """The reason why intervals are missing from an answer."""

    NO_ROW = "no_row"
    """The service answered and has no row for it: nothing was reported."""
    NOT_REPORTED_YET = "not_reported_yet"
    """It lies after what the system had reported when asked."""
    NO_DEVICE = "no_device"
    """The system has no device of this kind."""
    BEYOND_RETENTION = "beyond_retention"
    """It is older than the service keeps."""
    BEFORE_OPERATION = "before_operation"
    """The system was not yet in operation."""
    LEFT_OUT = "left_out"
    """Rows or figures came that could not be told apart or understood, or a list of figures did not come.

    A gap of no length has this reason where they are of intervals that have a row, or may be.
    """
    UNAVAILABLE = "unavailable"
    """The service said that the data is not available for now (errorCode 7), or answered so little of it at a
    time that the rest was given up."""
    REFUSED = "refused"
    """It was not asked for, as another request of the query had ended it."""
    FAILED = "failed"
    """Its request failed; the error is among the query's causes."""


_INCOMPLETE = frozenset({Reason.LEFT_OUT, Reason.UNAVAILABLE, Reason.REFUSED, Reason.FAILED})


@frozen(repr=False)
class Gap(ToDict):
    """A range of time without rows, and the reason; of no length where rows were left out beside others."""

    window: Window
    """The range: `(start, end]`."""
    reason: Reason
    """Why there are no rows in it."""

    def __repr__(self) -> str:
        return f"Gap({self.window!r}, {self.reason})"

    @property
    def start_at(self) -> datetime:
        """The start, exclusive, as an aware UTC datetime."""
        return self.window.start_at

    @property
    def end_at(self) -> datetime:
        """The end, inclusive, as an aware UTC datetime."""
        return self.window.end_at


@frozen
class Coverage(ToDict):
    """The part of the asked range that an answer holds."""

    window: Window
    """The range asked for in the end, on the grid."""
    grid: int
    """Seconds from one interval to the next."""
    _gaps: tuple[Gap, ...] = ()
    as_of: datetime | None = None
    """When the oldest part of the answer was fetched (aware UTC)."""
    reported_until: datetime | None = None
    """End of the data that the service had when asked (aware UTC), where known."""
    notes: tuple[str, ...] = ()
    """Descriptions of what the service sent that was left out of the answer, or changed."""

    @property
    def complete(self) -> bool:
        """True if every window was answered and understood: none refused, failed or unavailable.

        It is true as well of a range of which nothing exists: then `is_empty` is true too.
        """
        return not any(gap.reason in _INCOMPLETE for gap in self._gaps)

    @property
    def is_empty(self) -> bool:
        """True if the answer is complete, and has no row, since nothing exists of the range.

        The range has no length, as it lies in the future, say: then `expected` is 0. Or it lies before the
        system or after its last report, or the system has no such device: then `gaps` tells so.
        """
        return self.complete and not self.got

    @property
    def expected(self) -> int:
        """The number of intervals that the range has on the grid."""
        return self.window.seconds // self.grid

    @property
    def got(self) -> int:
        """The number of these intervals that have a row, or lie in a longer one that has."""
        return self.expected - sum(gap.window.seconds for gap in self._gaps) // self.grid

    def gaps(self) -> tuple[Gap, ...]:
        """Return the gaps, in order of time."""
        return self._gaps

    def cut(self, window: Window) -> Self:
        """Return the coverage of a part of the range; what was left out may have been of any part.

        Args:
            window: the part, within the range.
        """
        pieces = (Gap(window.clip(gap.window), gap.reason) for gap in self._gaps)
        gaps = [piece for piece in pieces if piece.window.seconds]
        if not all(gap.window.seconds for gap in self._gaps):
            gaps.append(nothing_missing(window))
        return evolve(self, window=window, gaps=tuple(gaps))


def nothing_missing(window: Window) -> Gap:
    """Return the gap of no length that says that rows were left out, though each interval may have one."""
    return Gap(Window(window.end, window.end), Reason.LEFT_OUT)


def missing(window: Window, ends: Sequence[int], grid: int) -> list[Window]:
    """Return the parts of a window that have no row; `ends` are its rows' ends, ascending."""
    if len(ends) * grid == window.end - window.start:
        return []
    edges = [window.start, *ends, window.end + grid]
    return [Window(a, b - grid) for a, b in pairwise(edges) if b - a > grid]


_LENGTHS_S = frozenset({60, 300, 900})
"""Seconds that the service's intervals have."""


def row_lengths(coverage: Coverage, ends: Sequence[int]) -> list[int] | None:
    """Return the seconds of each row's interval, 0 where they are not known; `None`: all are on one grid.

    Rows of a longer interval may stand among others. One reaches back to the row or the gap before it: of
    the time between two rows all that has none is in a gap.

    Args:
        coverage: that of the answer.
        ends: the rows' ends, ascending.
    """
    if coverage.got == len(ends):
        return None
    lengths, start, gaps = [], coverage.window.start, [gap.window for gap in coverage.gaps()][::-1]
    for end in ends:
        while gaps and gaps[-1].end < end:
            start = max(start, gaps.pop().end)
        length = end - start
        known = length == coverage.grid or (length in _LENGTHS_S and end % length == 0)
        lengths.append(length if known else 0)
        start = end
    if lengths and coverage.window.start % max(1, *lengths):  # where a longer one may have been cut
        lengths[0] = 0 if ends[0] - lengths[0] == coverage.window.start else lengths[0]
    return lengths


M = TypeVar("M", datetime, float)


def earlier(last_report_at: M | None, last_energy_at: M | None) -> M | None:
    """Return the end of the data that a system has reported: the earlier of both, or the one that is known.

    A gateway that comes back uploads its backlog, oldest first, and counts as reporting meanwhile.
    """
    told = (last_report_at, last_energy_at)
    return min((at for at in told if at is not None), default=None)


def data_begins(coverage: Coverage) -> int | None:
    """Return when data begins (epoch seconds), if there is none from the start of a coverage on."""
    first = next(iter(coverage.gaps()), None)
    known = first is not None and first.reason is Reason.BEFORE_OPERATION
    return first.window.end if first and known and first.window.start == coverage.window.start else None


def explained(window: Window, grid: int, started: float | None, until: float | None) -> list[Gap]:
    """Return the gaps of a window without rows: before operation, after the last report, or between.

    Args:
        window: the window, on the grid.
        grid: seconds from one interval to the next.
        started: when the system went into operation, epoch seconds, where known.
        until: end of its reports, epoch seconds, where known.
    """
    first = window.start if started is None else min(max(floor(started, grid), window.start), window.end)
    last = window.end if until is None else min(max(floor(until, grid), first), window.end)
    pieces = (
        (window.start, first, Reason.BEFORE_OPERATION),
        (first, last, Reason.NO_ROW),
        (last, window.end, Reason.NOT_REPORTED_YET),
    )
    return [Gap(Window(start, end), reason) for start, end, reason in pieces if start < end]


def join(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Put gaps in order and join neighbours that have one reason."""
    joined: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: gap.window):
        last = joined[-1] if joined else None
        if last and last.reason == gap.reason and last.window.end == gap.window.start:
            joined[-1] = Gap(Window(last.window.start, gap.window.end), gap.reason)
        else:
            joined.append(gap)
    return tuple(joined)


def combined(parts: Sequence[Coverage], window: Window, grid: int, unasked: Iterable[Gap]) -> Coverage:
    """Return the coverage of parts that lie side by side, and of what none of them speaks for."""
    fetched = [part.as_of for part in parts if part.as_of]
    until = max((part.reported_until for part in parts if part.reported_until), default=None)
    told = [piece for part in parts for gap in part.gaps() for piece in _told(gap, part, parts)]
    return Coverage(
        window=window,
        grid=grid,
        gaps=join([*unasked, *told]),
        as_of=min(fetched, default=None),
        reported_until=until,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _told(gap: Gap, part: Coverage, parts: Sequence[Coverage]) -> list[Gap]:
    """Return a gap of a part anew, as another part knows that the system had reported past it by then.

    An answer of an old era, without `meta`, knows of reports up to its own last row only. A part that was
    fetched later does not tell: what was missing may have been reported in between.
    """
    if gap.reason is not Reason.NOT_REPORTED_YET:
        return [gap]
    older = [p for p in parts if not (p.as_of and part.as_of and p.as_of > part.as_of)]
    until = max((each.reported_until for each in older if each.reported_until), default=None)
    return [gap] if until is None else explained(gap.window, part.grid, None, until.timestamp())
