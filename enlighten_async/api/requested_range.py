"""The range that was asked for, the alignment of an answer's rows to it, and its coverage.

A real answer is in order. That is seen by comparing columns of times as a whole; only an answer that
differs is sorted row by row.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter, lt
from typing import Annotated, Any, TypedDict, TypeVar

import msgspec
from attrs import define, evolve, field
from msgspec.structs import replace

from enlighten_async.api.decode import (
    MAX_LOST_ROWS,
    UNREAD_FIGURES,
    decode_error,
    one_list,
    warn_incomplete,
    warn_of,
)
from enlighten_async.api.ranges import HOUR, LONGEST_DAY_S, SeriesLimits
from enlighten_async.models.coverage import (
    Coverage,
    Gap,
    Reason,
    earlier,
    explained,
    join,
    missing,
    nothing_missing,
)
from enlighten_async.models.intervals import Meta
from enlighten_async.windows import DAY, END_OF_SECONDS, Window, as_datetime, floor
from enlighten_async.wire import Response

Epoch = Annotated[int, msgspec.Meta(ge=0, lt=END_OF_SECONDS)]
"""Seconds since 1970; larger numbers are no seconds."""

Reported = Annotated[float, msgspec.Meta(gt=0, lt=END_OF_SECONDS)]
"""The same, where 0 stands for never."""


class RawRow(msgspec.Struct, gc=False):
    """A row as the service sends it; its other fields may be null or left out."""

    end_at: Epoch


class RawMeta(msgspec.Struct, gc=False):
    """The state of a system as the service sends it."""

    status: str | None = None
    last_report_at: Reported | None = None
    last_energy_at: Reported | None = None
    operational_at: Reported | None = None


class RawBody(msgspec.Struct, gc=False):
    """An answer as the service sends it, but for its rows; some declare the range they are for.

    Two fields are ours: `rows_left_out`, the number of rows that cannot be read, and `unread_figures`, the
    names of figures of an answer that was normalized which cannot be and are null.
    """

    system_id: int
    total_devices: int | None = None
    meta: RawMeta | None = None
    start_at: Epoch | None = None
    end_at: Epoch | None = None
    rows_left_out: int = 0
    unread_figures: str = ""


class Metadata(TypedDict):
    """The attributes of an answer in intervals, but for its rows."""

    system_id: int
    total_devices: int
    meta: Meta | None
    window: Window
    timezone: str | None
    coverage: Coverage


R = TypeVar("R", bound=RawRow)
V = TypeVar("V", bound=msgspec.Struct)

_END = attrgetter("end_at")

MAX_LONE_ROWS = 3
"""Rows before a long break, where it is not known when the day began, that may be of the day before."""

FINER_GRIDS_S = frozenset({60, 300})
"""Seconds of intervals that rows may have in place of longer ones."""


@define
class RequestedRange:
    """The range that was asked for, and the alignment of rows to it.

    Attributes:
        limits: the service's limits of the series.
        window: the range, or as much of it as the answer declares.
        until: the end of what may have been answered beyond it.
        newest: the end of the newest row there was, also beyond the range.
        left_out: whether something was left out, so that the answer is not complete.
        unplaced: whether that may have been of any interval that has no row.
        notes: descriptions of what was left out or changed.
        coarse: seconds of the longer intervals that some rows may have; 0 where all are on one grid.
    """

    limits: SeriesLimits
    window: Window
    until: int = 0
    newest: int | None = field(init=False, default=None)
    left_out: bool = field(init=False, default=False)
    unplaced: bool = field(init=False, default=False)
    notes: list[str] = field(init=False, factory=list)
    coarse: int = field(default=0, kw_only=True)

    def align(self, rows: list[R], ends: list[int]) -> tuple[list[R], array[int]]:
        """Return a system's rows in order of time, each on the grid, and their ends."""
        if ends and ends[-1] > self.window.end:
            rows, ends = self.within(rows, ends)
        column = self.column_of(ends)
        if column is None:
            rows, ends = self.within(rows, ends)
            grid = self.grid_of(ends)
            if grid < self.limits.grid:
                self.coarse, self.limits = self.limits.grid, evolve(self.limits, grid=grid)
            rows = self.tidied(rows, _END, grid)
            column = array("q", [row.end_at for row in rows])
        return rows, column

    def within(self, rows: list[R], ends: list[int]) -> tuple[list[R], list[int]]:
        """Return rows without those that the service answers beyond the window, as it may."""
        if self.until <= self.window.end:
            return rows, ends
        last, until = self.window.end, self.until
        newest = max(ends, default=0)
        if newest > until:
            newest = max((end for end in ends if end <= until), default=0)
        self.newest = max(self.newest or 0, newest)
        rows = [row for row in rows if not last < row.end_at <= until]
        return rows, [row.end_at for row in rows]

    def column_of(self, ends: list[int], channels: int = 1) -> array[int] | None:
        """Return the ends of rows that are in order, each once and on the grid, and asked for, as a column.

        Args:
            ends: the ends.
            channels: number of channels that have the same ends, one after another.

        Returns:
            The column, which is not to be changed: others may have it. `None`: the rows are not like that.
        """
        once, grid = ends[: len(ends) // channels], self.limits.grid
        if not once:
            return None if ends else array("q")
        first, last = once[0], once[-1]
        if not self.window.start < first <= last <= self.window.end or first % grid:
            return None
        if last - first == (len(once) - 1) * grid:  # none is missing, as a rule
            usual, column = _regular_ends(first, last, grid, channels)
            return column if ends == usual else None
        in_order = all(map(lt, once, once[1:])) and not any(end % grid for end in once)
        return array("q", ends) if in_order and ends == channels * once else None

    def grid_of(self, ends: Iterable[int]) -> int:
        """Return the seconds of the intervals of rows, by their ends: as a rule those of the series."""
        grid, finer = self.limits.grid, finer_grid(ends, self.limits.grid)
        if finer < grid:
            self.notes.append(f"rows of {finer} seconds came in place of {grid}, and were taken as they came")
        return finer

    def tidied(self, rows: list[R], order: Callable[[R], Any], grid: int) -> list[R]:
        """Return the rows of the window in order, each once and on a grid.

        A row off the grid is kept in the interval that it ends in, where it is the only one. Of rows that
        come twice each value is kept that is not null; of two values the later.

        Args:
            rows: the rows.
            order: the identity of a row, and its place in the order.
            grid: seconds from one of their intervals to the next.
        """
        start, end = self.window.start, self.window.end
        inside = [row for row in rows if start < row.end_at <= end]
        if len(inside) < len(rows):
            self.leave_out("rows of another time than was asked for", unplaced=True)
        once: dict[Any, R] = {}
        for row in inside:
            before = once.get(order(row))
            once[order(row)] = row if before is None else self._merged(before, row)
        kept = {key: row for key, row in once.items() if row.end_at % grid == 0}
        for row in once.values():
            if row.end_at % grid:
                self._keep_off_grid(row, kept, order, grid)
        return [kept[key] for key in sorted(kept)]

    def _merged(self, before: V, row: V) -> V:
        """Return one row of two for the same interval: a null never replaces a value."""
        told, differ = {}, False
        for name in row.__struct_fields__:
            old, new = getattr(before, name), getattr(row, name)
            if isinstance(old, msgspec.Struct) and isinstance(new, msgspec.Struct):
                told[name] = self._merged(old, new)
            elif new is not None:
                told[name] = new
                differ |= old not in (None, new)
        later = ", of two values the later" if differ else ""
        self.notes.append(f"intervals that came twice were taken once{later}")
        return replace(before, **told)

    def _keep_off_grid(self, row: R, kept: dict[Any, R], order: Callable[[R], Any], grid: int) -> None:
        """Keep a row off the grid in the interval that it ends in, unless that has a row."""
        moved = replace(row, end_at=ceil(row.end_at, grid))
        if order(moved) in kept:
            self.leave_out("rows that ended in the interval of another row")
            return
        kept[order(moved)] = moved
        self.notes.append(f"rows off the {grid // 60}-minute grid were taken for the intervals they ended in")

    def leave_out(self, what: str, *, unplaced: bool = False) -> None:
        """Note that the answer is not complete, as something of it was left out.

        Args:
            what: description of it.
            unplaced: whether it may have been of any interval that has no row.
        """
        self.left_out, self.unplaced = True, self.unplaced or unplaced
        self.notes.append(f"{what} were left out")

    def doubt(self, what: str) -> None:
        """Note that the answer is not complete, as its range may not be the one that was asked for.

        Args:
            what: description of the rows that tell so; they are kept.
        """
        self.left_out = self.unplaced = True
        self.notes.append(f"{what} were kept")

    def note_unread(self, names: Sequence[str]) -> None:
        """Note values beside the rows that cannot be read, by their names: they are null."""
        warn_of(names)
        if names:
            self.notes.append(f"values beside the rows that cannot be read are null: {', '.join(names)}")

    def leave_out_nulls(self, body: RawBody) -> None:
        """Note that there was null in place of rows, unless there is no device that they could be of."""
        if body.total_devices != 0 or not self.limits.counted:
            self.leave_out("nulls in place of rows", unplaced=True)

    def metadata(
        self, body: RawBody, ends: Sequence[int], response: Response, *, quiet: bool = False
    ) -> Metadata:
        """Return an answer's attributes but for its rows, which have been aligned before.

        Args:
            body: the answer, but for its rows.
            ends: the ends of the rows.
            response: the response.
            quiet: whether it is not logged that something was left out, as the caller does that.

        Raises:
            DecodeError: too many rows cannot be read.
        """
        if body.rows_left_out > MAX_LOST_ROWS:
            raise decode_error(response, "$", "too many rows that cannot be read")
        if body.rows_left_out:
            self.leave_out("rows that cannot be read", unplaced=True)
        if body.unread_figures:
            self.left_out = True
            self.notes.append(f"{UNREAD_FIGURES}: {body.unread_figures}")
        if self.left_out and not quiet:
            warn_incomplete(self.limits.name, body.system_id, self.notes)
        raw = body.meta
        moments = (raw.last_report_at, raw.last_energy_at, raw.operational_at) if raw else ()
        return Metadata(
            system_id=body.system_id,
            total_devices=body.total_devices or 0,
            meta=None
            if raw is None
            else Meta(raw.status, *(None if at is None else as_datetime(at) for at in moments)),
            window=self.window,
            timezone=None,
            coverage=self._coverage(body, ends, response.date),
        )

    def _without_covered(self, blanks: Sequence[Window], ends: Sequence[int]) -> list[Window]:
        """Return the parts without rows, but for those that a row of a longer interval covers.

        A row has one if it is the only one of it, and so is the row of the interval before or after.
        """
        coarse, counts, on_grid = self.coarse, _rows_of(ends, self.coarse), set(ends)
        lone = {end for end, rows in counts.items() if rows == 1 and end in on_grid}
        long = {end for end in lone if end - coarse in lone or end + coarse in lone}
        uncovered = []
        for blank in blanks:
            end = blank.end + self.limits.grid
            until = max(blank.start, end - coarse) if end in long else blank.end
            uncovered.append(Window(blank.start, until))
        if long:
            self.notes.append(f"some rows are of {coarse} seconds, and cover the shorter intervals in them")
        return [blank for blank in uncovered if blank.seconds]

    def _coverage(self, body: RawBody, ends: Sequence[int], date: float | None) -> Coverage:
        meta, grid = body.meta or RawMeta(), self.limits.grid
        until = earlier(meta.last_report_at, meta.last_energy_at)
        if until is None:  # the newest row tells
            until = max((at for at in (*ends[-1:], self.newest) if at), default=None)
        started = meta.operational_at
        if started is None and body.start_at is not None and body.start_at > self.window.start:
            started = body.start_at  # the service moves a start to where data begins
        blanks = missing(self.window, ends, grid)
        if blanks and self.coarse > grid:
            blanks = self._without_covered(blanks, ends)
        if self.unplaced:
            gaps = [Gap(blank, Reason.LEFT_OUT) for blank in blanks]
        elif body.total_devices == 0 and self.limits.counted and not ends:
            gaps = [Gap(blank, Reason.NO_DEVICE) for blank in blanks]
        else:
            gaps = [gap for blank in blanks for gap in explained(blank, grid, started, until)]
        if self.left_out and not (self.unplaced and blanks):
            gaps.append(nothing_missing(self.window))
        return Coverage(
            self.window,
            grid,
            join(gaps),
            as_of=None if date is None else as_datetime(date),
            reported_until=None if until is None else as_datetime(until),
            notes=tuple(dict.fromkeys(self.notes)),
        )


@lru_cache(maxsize=8)  # the meters of one answer, and those of other systems for the same week
def _regular_ends(first: int, last: int, grid: int, channels: int) -> tuple[list[int], array[int]]:
    """Return the ends of rows without a gap, as a list to compare with, and as a column to share."""
    if channels > 1:
        once, column = _regular_ends(first, last, grid, 1)
        return channels * once, channels * column
    once = list(range(first, last + 1, grid))
    return once, array("q", once)


def _rows_of(ends: Iterable[int], grid: int) -> Counter[int]:
    """Return the number of rows in each interval of a grid that has any, by its end."""
    return Counter(ceil(end, grid) for end in ends)


def flat(body: RawBody, raw: list[Any] | None) -> tuple[list[Any], list[int], bool]:
    """Return the rows of one list, or of a list for each local day, their ends, and whether none was null.

    Empty lists among rows stand for rows that cannot be read: they are counted in the body.
    """
    rows = raw or []
    try:
        return rows, [row.end_at for row in rows], raw is not None
    except AttributeError:  # lists and nulls have no end: nothing is spent on rows of the usual shape
        listed = one_list(rows)
    body.rows_left_out += listed.count([])
    rows = [row for row in listed if row]
    return rows, [row.end_at for row in rows], None not in listed


def finer_grid(ends: Iterable[int], grid: int) -> int:
    """Return the seconds of the intervals of rows: fewer than the grid's if they fill a finer one.

    Rows fill a grid if all of them lie on it and half of them, two at least, follow right after another; or
    if each interval of the coarser grid has a row of its own, or, two at least, all of the finer one.
    """
    ordered = sorted(set(ends))
    steps = [b - a for a, b in pairwise(ordered)]
    step = min(steps, default=grid)
    fits = step < grid and step in FINER_GRIDS_S and not any(end % step for end in ordered)
    if not fits or steps.count(step) >= max(2, len(steps) / 2):
        return step if fits else grid
    own = {end for end in ordered if not end % grid}
    rows = _rows_of(ordered, grid)
    full = grid // step
    clear = all(count == full or (count == 1 and end in own) for end, count in rows.items())
    return step if clear and list(rows.values()).count(full) > 1 else grid


def ceil(moment: int, grid: int) -> int:
    """Return the first moment of the grid at or after this one."""
    return moment + -moment % grid


def requested_range(
    limits: SeriesLimits,
    window: Window | None,
    body: RawBody,
    ends: Sequence[int],
    response: Response,
) -> RequestedRange:
    """Return the range that was asked for, or that of today's rows where it was left to the service."""
    declared = None if body.end_at is None else floor(body.end_at, limits.grid)
    if window is None:
        return _todays_range(limits, body, sorted(set(ends)), response.date)
    longest = window.start + limits.span if limits.may_overrun else 0
    if limits.cut == "silent" or declared is None:
        return RequestedRange(limits, window, longest)
    if window.start < declared < window.end:  # rows that go on tell more than the declared end
        inside = (end for end in ends if declared < end <= window.end)
        declared = ceil(max(inside, default=declared), limits.grid)
    if not window.start < declared < window.end or _by_now(limits, declared, response):
        return RequestedRange(limits, window, max(longest, declared))
    return RequestedRange(limits, Window(window.start, declared), declared)


def _by_now(limits: SeriesLimits, end: int, response: Response) -> bool:
    """Return whether an answer ends there because it is not later yet."""
    return response.date is None or end + 2 * limits.grid >= response.date


def _todays_range(
    limits: SeriesLimits, body: RawBody, ends: Sequence[int], date: float | None
) -> RequestedRange:
    """Return the range of an answer for which none was given: of no more than a day, the system's today.

    Args:
        limits: the service's limits of the series.
        body: the answer, but for its rows.
        ends: the ends of its rows, each once, in order; those beyond the range are left out later.
        date: the service's time of the answer, epoch seconds, where it is known.
    """
    declared, lone = _declared_range(limits, body, ends), 0
    window, grid = declared or Window(0, 0), limits.grid
    if declared is None and ends:
        todays = _todays(limits, ends, date) or _fullest_day(ends)
        window = Window(ceil(todays[0], grid) - grid, ceil(todays[-1], grid))
        lone = _lone(limits, todays) if limits.begun is None else 0
    range_ = RequestedRange(limits, window, window.end)
    if lone:
        range_.doubt("rows so long before all others that they may be of the day before")
    elif window.seconds and not _is_today(window, limits.begun, date):
        range_.doubt("rows of another day than that of the answer")
    return range_


def _todays(limits: SeriesLimits, ends: Sequence[int], date: float | None) -> Sequence[int]:
    """Return the ends that may be of the system's today, by the service's time; none where that is not known.

    Where it is known when today began, rows before it may be of today if they lead to it without a break:
    the service may count its days by another clock.
    """
    if date is None:
        return ()
    todays = [end for end in ends if date - LONGEST_DAY_S < end <= date + 2 * limits.grid]
    begun = limits.begun or 0
    for place in range(len(todays) - 1, 0, -1):
        if todays[place - 1] < begun and todays[place] - todays[place - 1] > HOUR:
            return todays[place:]
    return todays


def _is_today(window: Window, begun: int | None, date: float | None) -> bool:
    """Tell whether a range is of the system's today, as far as that is known."""
    if date is None:
        return True
    return window.start < date and window.end >= (date - LONGEST_DAY_S if begun is None else begun)


def _fullest_day(ends: Sequence[int]) -> Sequence[int]:
    """Return as many ends as lie within a day; of several days the latest."""
    first, best = 0, range(1)
    for last, end in enumerate(ends):
        while end - ends[first] >= LONGEST_DAY_S:
            first += 1
        if last + 1 - first >= len(best):
            best = range(first, last + 1)
    return ends[best.start : best.stop]


def _lone(limits: SeriesLimits, ends: Sequence[int]) -> int:
    """Return the number of ends, if few, before a break so long that they may be of the day before."""
    longest = HOUR if limits.dense else DAY // 2  # a night may be without rows
    for place, (one, other) in enumerate(pairwise(ends[: MAX_LONE_ROWS + 1]), 1):
        if other - one > longest and 2 * place < len(ends):
            return place
    return 0


def _declared_range(limits: SeriesLimits, body: RawBody, ends: Sequence[int]) -> Window | None:
    """Return the range that an answer declares, if it is of a day at most and some of its rows lie in it."""
    if body.start_at is None or body.end_at is None:
        return None
    window = Window(floor(body.start_at, limits.grid), floor(body.end_at, limits.grid))
    if not 0 <= window.end - window.start <= LONGEST_DAY_S:
        return None
    return window if not ends or any(window.start < end <= window.end for end in ends) else None
