"""What does not change any more, by what was known when it was fetched."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from attrs import evolve

from enlighten_async.cache import HORIZON_S, CachedSpan, SeriesIndex, day_end_anywhere, valid_until
from enlighten_async.cache.pieces import split_by_week
from enlighten_async.models import Meta, Stats
from enlighten_async.windows import Window
from tests.cache.parts import GRID, MONDAY, NOW, hours, stats_part

HOUR = 3600


def told(part: Stats, last_report_at: float | None) -> Stats:
    """Return an answer as of a system that reported last at this moment; `None`: it does not say."""
    if last_report_at is None:
        return evolve(part, meta=None)
    return evolve(part, meta=Meta("normal", datetime.fromtimestamp(last_report_at, UTC)))


@pytest.mark.parametrize(
    ("reported", "last", "until"),
    [
        (MONDAY + 10 * HOUR, NOW, 10 * HOUR),  # it went on reporting
        (MONDAY + 10 * HOUR, MONDAY + 10 * HOUR, 9 * HOUR),  # it did not: its last hour may have been cut
        (MONDAY + 8 * HOUR, None, 7 * HOUR),  # nobody knows
        (MONDAY + 10 * HOUR, None, 10 * HOUR),  # its rows reach the end of what was asked for
    ],
)
def test_the_hour_before_an_outage_may_be_half(reported: float, last: float | None, until: float) -> None:
    """Some devices are not heard any more before the last one falls silent."""
    part = told(stats_part(hours(0, 10), reported=reported), last)
    (piece,) = split_by_week(part, NOW)
    assert piece.span.reported_until == MONDAY + until


def test_what_is_known_later_makes_nothing_final() -> None:
    """The system reports again, past what was fetched before; that may have been filled meanwhile."""
    window = Window(MONDAY, MONDAY + 24 * HOUR)
    later = window.end + 10 * HORIZON_S
    old = CachedSpan(window, window.end + HORIZON_S, reported_until=MONDAY + 6 * HOUR)
    new = CachedSpan(Window(window.end, window.end + 900), later, reported_until=later)
    assert SeriesIndex((old, new), grid=GRID, now=later).servable(old) == Window(MONDAY, MONDAY + 6 * HOUR)
    sooner = CachedSpan(new.window, old.fetched, reported_until=window.end + 900)
    assert SeriesIndex((old, sooner), grid=GRID, now=later).servable(old) == window


@pytest.mark.parametrize(("age", "served"), [(HORIZON_S - 900, 24 * HOUR - 900), (HORIZON_S, 24 * HOUR)])
def test_what_was_young_when_it_was_fetched_is_not_final(age: float, served: float) -> None:
    """However long ago that is."""
    window = Window(MONDAY, MONDAY + 24 * HOUR)
    stretch = CachedSpan(window, window.end + age, reported_until=window.end)
    held = SeriesIndex((stretch,), grid=GRID, now=window.end + 100 * HORIZON_S)
    assert held.servable(stretch) == Window(MONDAY, MONDAY + int(served))


def test_a_day_is_over_when_it_is_over_everywhere() -> None:
    """Also in the west, half a day after UTC; then the horizon runs."""
    end = datetime(2025, 6, 2, 12, tzinfo=UTC)
    assert day_end_anywhere(date(2025, 6, 1)) == end.timestamp()
    assert valid_until(day_end_anywhere(date(2025, 6, 1)), end.timestamp() + HORIZON_S, end) == float("inf")
    early = end.timestamp() + HORIZON_S - 1
    assert valid_until(day_end_anywhere(date(2025, 6, 1)), early, end) == early
    assert valid_until(day_end_anywhere(date(2025, 6, 1)), NOW, None) == NOW
