"""What does not change any more, by what was known when it was fetched."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from attrs import evolve

from enlighten_async.cache import HORIZON, Held, Stretch, good_until, over
from enlighten_async.cache.pieces import kept
from enlighten_async.models import Meta, Stats
from enlighten_async.windows import Window
from tests.store.parts import GRID, MONDAY, NOW, hours, stats

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
    part = told(stats(hours(0, 10), reported=reported), last)
    (piece,) = kept(part, NOW)
    assert piece.stretch.reported == MONDAY + until


def test_what_is_known_later_makes_nothing_final() -> None:
    """The system reports again, past what was fetched before; that may have been filled meanwhile."""
    window = Window(MONDAY, MONDAY + 24 * HOUR)
    later = window.end + 10 * HORIZON
    old = Stretch(window, window.end + HORIZON, reported=MONDAY + 6 * HOUR)
    new = Stretch(Window(window.end, window.end + 900), later, reported=later)
    assert Held((old, new), grid=GRID, now=later).good(old) == Window(MONDAY, MONDAY + 6 * HOUR)
    sooner = Stretch(new.window, old.fetched, reported=window.end + 900)
    assert Held((old, sooner), grid=GRID, now=later).good(old) == window


@pytest.mark.parametrize(("age", "served"), [(HORIZON - 900, 24 * HOUR - 900), (HORIZON, 24 * HOUR)])
def test_what_was_young_when_it_was_fetched_is_not_final(age: float, served: float) -> None:
    """However long ago that is."""
    window = Window(MONDAY, MONDAY + 24 * HOUR)
    stretch = Stretch(window, window.end + age, reported=window.end)
    held = Held((stretch,), grid=GRID, now=window.end + 100 * HORIZON)
    assert held.good(stretch) == Window(MONDAY, MONDAY + int(served))


def test_a_day_is_over_when_it_is_over_everywhere() -> None:
    """Also in the west, half a day after UTC; then the horizon runs."""
    end = datetime(2025, 6, 2, 12, tzinfo=UTC)
    assert over(date(2025, 6, 1)) == end.timestamp()
    assert good_until(over(date(2025, 6, 1)), end.timestamp() + HORIZON, end) == float("inf")
    early = end.timestamp() + HORIZON - 1
    assert good_until(over(date(2025, 6, 1)), early, end) == early
    assert good_until(over(date(2025, 6, 1)), NOW, None) == NOW
