"""What all answers in intervals have in common, and how parts of one join."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from attrs import evolve, field, frozen

from enlighten_async.errors import InputError
from enlighten_async.models.coverage import Coverage, Hole, combined
from enlighten_async.models.meta import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Plain
from enlighten_async.models.series import Series, concatenated
from enlighten_async.models.sums import Sum, Unit, sums
from enlighten_async.windows import Window, time_zone

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


@frozen
class Ranged(Plain):
    """What is known of a system over a range of time.

    Attributes:
        system_id: the service's number of the system.
        total_devices: how many devices of the kind that measures it has.
        meta: the system's state when the newest part was fetched; null where the service does not tell.
        window: the range that was asked for in the end: `(start, end]`, epoch seconds on the grid.
        timezone: IANA name of the system's time zone, where known.
        coverage: what of the range is there, and why the rest is not.
        receipt: what the query spent; empty on a part of a stream.
    """

    system_id: int
    total_devices: int
    meta: Meta | None
    window: Window
    timezone: str | None
    coverage: Coverage = field(eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    @property
    def _last(self) -> int | None:
        """The end of the newest row, epoch seconds; `None` without rows."""
        raise NotImplementedError

    def _placed(self, timezone: str | None) -> Self:
        """Return it with the name of the system's time zone."""
        return evolve(self, timezone=timezone)

    def _cut(self, window: Window) -> Self:
        """Return what it holds of a window, which lies within its own."""
        return evolve(self, window=window, coverage=self.coverage.cut(window))


@frozen
class IntervalStats(Ranged, Generic[R_co]):
    """What a system measured over a range of time, in intervals.

    Attributes:
        intervals: its rows, in order of time.
        coverage: what of the range is there, and why the rest is not.
        receipt: what the query spent; empty on a part of a stream.
    """

    _energy: ClassVar[str]
    """The column that holds the energy of each interval, Wh."""

    intervals: Series[R_co]
    coverage: Coverage = field(eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    @property
    def _last(self) -> int | None:
        return self.intervals.columns["end_at"][-1] if self.intervals else None

    def _cut(self, window: Window) -> Self:
        return evolve(super()._cut(window), intervals=within(self.intervals, window))

    def sums(self, unit: Unit, *, timezone: str | None = None) -> list[Sum]:
        """Return the energy of each local hour, day or month of the range.

        Args:
            unit: "hour", "day" or "month".
            timezone: IANA name; by default the system's own, where known.

        Raises:
            InputError: the time zone is not known, or the unit is none of the three.
        """
        return self._sums(self._energy, unit, timezone)

    def _sums(self, column: str, unit: Unit, timezone: str | None) -> list[Sum]:
        name = timezone or self.timezone
        if name is None:
            raise InputError(
                f"the time zone of system {self.system_id} is not known yet: pass timezone='Europe/Berlin', "
                f"say, or await client.systems() before, which learns it for all your systems"
            )
        columns = self.intervals.columns
        return sums(
            self.window, self.coverage.grid, columns["end_at"], columns[column], time_zone(name), unit
        )


S = TypeVar("S", bound=IntervalStats[Any])


def joined(parts: Sequence[S], empty: S, unasked: Iterable[Hole] = ()) -> S:
    """Join parts of one system into one answer.

    Args:
        parts: in order of time; no two share an interval.
        empty: an answer without rows for the whole range, on its grid, to be filled.
        unasked: what of the range no part speaks for, and why.
    """
    # A part that stands for a refusal says nothing of the system.
    newest = next((part for part in reversed(parts) if part.meta or part.total_devices), empty)
    return evolve(
        empty,
        total_devices=newest.total_devices,
        meta=newest.meta,
        intervals=concatenated([part.intervals for part in parts] or [empty.intervals]),
        coverage=combined(
            [part.coverage for part in parts], empty.coverage.window, empty.coverage.grid, unasked
        ),
    )


def joined_with(*names: str) -> Callable[[Sequence[S], S, Iterable[Hole]], S]:
    """Return what joins parts as `joined` does, and keeps the newest value of these attributes."""

    def merge(parts: Sequence[S], empty: S, unasked: Iterable[Hole] = ()) -> S:
        latest: dict[str, Any] = {
            name: value for name in names for part in parts if (value := getattr(part, name)) is not None
        }
        return evolve(joined(parts, empty, unasked), **latest)

    return merge


def within(rows: Series[R], window: Window) -> Series[R]:
    """Return those of rows, in order of time, whose intervals end in a window."""
    ends = rows.columns["end_at"]
    return rows[bisect_right(ends, window.start) : bisect_right(ends, window.end)]


def columns(row: Callable[..., R], end_at: Iterable[int], **values: Iterable[float]) -> Series[R]:
    """Return columns of raw values (instants in epoch seconds, null as NaN) as rows."""
    return Series(row, {"end_at": array("q", end_at), **{n: array("d", v) for n, v in values.items()}})


def known(raw: float) -> float | None:
    """Return a raw value of a column; `None` for null."""
    return None if raw != raw else raw  # noqa: PLR0124 - only NaN, a null, differs from itself


def whole(raw: float) -> int | None:
    """Return a raw value of a column of whole numbers; `None` for null."""
    return None if raw != raw else int(raw)  # noqa: PLR0124 - as above


def number(raw: float) -> int | float | None:
    """Return a raw value of a column, without a fraction as the service sent it; `None` for null."""
    return int(raw) if raw.is_integer() else known(raw)
