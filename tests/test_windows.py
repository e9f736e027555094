"""Windows on the service's grid, and the local calendar over them, against brute force."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enlighten_async.errors import InputError
from enlighten_async.windows import (
    DAY,
    Window,
    as_datetime,
    calendar_day,
    epoch,
    floor,
    local_days,
    offset,
    split,
    steady,
    time_zone,
)
from tests.effort import examples
from tests.zones import ZONES, local_dates

GRID = 900
MOMENTS = st.integers(0, 4_000_000_000)
WINDOWS = st.builds(lambda start, length: Window(start, start + length), MOMENTS, st.integers(0, 40 * DAY))
thorough = settings(max_examples=300, deadline=None)


@thorough
@given(window=WINDOWS, span=st.integers(1, 100).map(lambda n: n * GRID * 7))
def test_a_split_covers_the_window_in_the_fewest_pieces(window: Window, span: int) -> None:
    """The pieces lie end to end, none is longer than the span, none is empty, fewer would not do."""
    pieces = split(window, span)
    assert len(pieces) == math.ceil(window.seconds / span)
    assert all(0 < piece.seconds <= span for piece in pieces)
    if pieces:
        assert (pieces[0].start, pieces[-1].end) == (window.start, window.end)
    assert all(a.end == b.start for a, b in pairwise(pieces))


@thorough
@given(moment=MOMENTS | st.floats(0, 4e9), grid=st.sampled_from([300, 900, 3600]))
def test_floor_is_the_last_of_the_grid(moment: float, grid: int) -> None:
    """It lies on the grid, not after the moment, and the next one does."""
    floored = floor(moment, grid)
    assert type(floored) is int
    assert floored % grid == 0
    assert floored <= moment < floored + grid


@thorough
@given(a=WINDOWS, b=WINDOWS, moment=MOMENTS)
def test_a_clip_is_what_both_share(a: Window, b: Window, moment: int) -> None:
    """A moment is in the clip if it is in both, and the clip is never turned around."""
    clip = a.clip(b)
    assert a.start <= clip.start <= clip.end <= a.end
    for inside in (moment, a.start + 1, a.end, b.start + 1, b.end):
        assert (clip.start < inside <= clip.end) == (a.start < inside <= a.end and b.start < inside <= b.end)


def test_a_window_tells_its_ends_in_utc() -> None:
    """As aware datetimes; a window that is turned around has no seconds."""
    window = Window(0, 900)
    assert (window.start_at, window.end_at) == (
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 15, tzinfo=UTC),
    )
    assert (window.seconds, Window(900, 0).seconds) == (900, 0)


@thorough
@given(moment=st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
def test_an_aware_datetime_is_its_instant_in_any_zone(moment: datetime) -> None:
    """The zone makes no difference, fold included."""
    assert epoch(moment, "start_at") == moment.timestamp() == epoch(moment.astimezone(UTC), "start_at")


class Nowhere(tzinfo):
    """A zone that does not say where it is."""

    def utcoffset(self, _: datetime | None) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("moment", "advice"),
    [
        (datetime(2026, 5, 1), "replace(tzinfo=UTC)"),  # noqa: DTZ001
        (datetime(2026, 5, 1, tzinfo=Nowhere()), "replace(tzinfo=UTC)"),
        (date(2026, 5, 1), "start_date/end_date"),
        (True, "aware datetime or epoch seconds, not bool"),
        ("2026-05-01T00:00Z", "aware datetime or epoch seconds, not str"),
        (None, "aware datetime or epoch seconds, not NoneType"),
        (float("nan"), "between 1970 and 9999"),
        (float("inf"), "between 1970 and 9999"),
        pytest.param(10**5000, "between 1970 and 9999", id="huge"),
        (-1, "between 1970 and 9999"),
        (1_750_000_000_000, "means epoch seconds"),
        (datetime.min.replace(tzinfo=UTC), "between 1970 and 9999"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-9))), "between 1970 and 9999"),
    ],
)
def test_what_is_no_instant_is_refused_with_advice(moment: object, advice: str) -> None:
    """Naive datetimes, dates, booleans, texts, milliseconds: the error says what to do."""
    with pytest.raises(InputError, match="start_at") as caught:
        epoch(moment, "start_at")
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("day", "advice"),
    [
        (datetime(2026, 5, 1, tzinfo=UTC), "start_at/end_at"),
        ("2026-05-01", "must be a date"),
        (1_750_000_000, "must be a date"),
        (date(1970, 12, 31), "between 1971 and 9998"),
        (date(9999, 1, 1), "between 1971 and 9998"),
    ],
)
def test_what_is_no_day_is_refused_with_advice(day: object, advice: str) -> None:
    """A datetime would say more than is used."""
    with pytest.raises(InputError, match="start_date") as caught:
        calendar_day(day, "start_date")
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "Europe", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "a\0b", "ü" * 300]
)
def test_an_unknown_time_zone_is_refused_with_advice(name: str) -> None:
    """Whatever the text, the error is ours."""
    with pytest.raises(InputError, match="pass an IANA name"):
        time_zone(name)


def test_legacy_names_are_known() -> None:
    """The service sends them."""
    assert time_zone("US/Pacific").utcoffset(datetime(2026, 1, 1)) == timedelta(hours=-8)  # noqa: DTZ001


@examples(400)
@given(data=st.data(), name=ZONES)
def test_a_local_day_begins_at_its_first_moment(data: st.DataObject, name: str) -> None:
    """The moment before is of an earlier day: by brute force, also where there is no midnight."""
    zone = ZoneInfo(name)
    day = data.draw(local_dates(name))
    start = local_days(day, day, zone).start
    assert datetime.fromtimestamp(start, zone).date() >= day
    assert datetime.fromtimestamp(start - 1, zone).date() < day


@examples(300)
@given(data=st.data(), name=ZONES, length=st.integers(0, 40))
def test_local_days_tile_time(data: st.DataObject, name: str, length: int) -> None:
    """Each day ends where the next begins, also skipped days; a range is its first to its last day."""
    zone = ZoneInfo(name)
    first = data.draw(local_dates(name))
    days = [first + timedelta(days=n) for n in range(length + 1)]
    windows = [local_days(day, day, zone) for day in days]
    assert all(a.end == b.start for a, b in pairwise(windows))
    assert local_days(first, days[-1], zone) == Window(windows[0].start, windows[-1].end)


@examples(300)
@given(data=st.data(), name=ZONES)
def test_every_moment_of_a_local_day_has_its_date(data: st.DataObject, name: str) -> None:
    """Before 2012 a few clocks were set back from a minute past midnight: such a day begins twice."""
    zone = ZoneInfo(name)
    day = data.draw(local_dates(name, first=2012))
    window = local_days(day, day, zone)
    for moment in range(window.start, window.end, 450):
        assert datetime.fromtimestamp(moment, zone).date() == day
    if window.seconds:
        assert datetime.fromtimestamp(window.end - 1, zone).date() == day


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Europe/Berlin", date(2025, 3, 30), 23),
        ("Europe/Berlin", date(2025, 10, 26), 25),
        ("Australia/Lord_Howe", date(2025, 4, 6), 24.5),
        ("Australia/Lord_Howe", date(2025, 10, 5), 23.5),
        ("America/Havana", date(2025, 3, 9), 23),
        ("America/Havana", date(2025, 11, 2), 25),
        ("Asia/Beirut", date(2025, 3, 30), 23),
        ("Asia/Beirut", date(2025, 10, 25), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("America/Sao_Paulo", date(2018, 2, 17), 25),
        ("Pacific/Apia", date(2011, 12, 29), 24),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("Pacific/Apia", date(2011, 12, 31), 24),
        ("Kwajalein", date(1993, 8, 21), 0),
        ("America/Los_Angeles", date(2024, 2, 29), 24),
        ("America/Toronto", date(1919, 3, 30), 23.5),  # ended at 23:30, by an hour's jump
        ("America/Toronto", date(1919, 3, 31), 23.5),
    ],
)
def test_days_of_other_lengths(name: str, day: date, hours: float) -> None:
    """Days of 23 and 25 hours, of half hours more or less, days that never were, leap days."""
    assert local_days(day, day, ZoneInfo(name)).seconds == hours * 3600


def test_days_turned_around_are_refused() -> None:
    """With the remedy."""
    with pytest.raises(InputError, match="swap them"):
        local_days(date(2026, 5, 2), date(2026, 5, 1), ZoneInfo("UTC"))


@examples(300)
@given(data=st.data(), name=ZONES, days=st.integers(0, 400), phase=st.integers(0, 200))
def test_steady_pieces_have_one_offset(data: st.DataObject, name: str, days: int, phase: int) -> None:
    """They cover the window, each has the offset it says from first to last, neighbours differ."""
    zone = ZoneInfo(name)
    day = data.draw(local_dates(name))
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - phase * GRID
    window = Window(start, start + days * DAY + phase % 7 * GRID)
    pieces = list(steady(window, zone))
    edges = [window.start, *(piece.end for piece, _ in pieces)]
    assert [piece.start for piece, _ in pieces] == edges[:-1]
    assert edges[-1] == window.end
    assert all(piece.seconds for piece, _ in pieces)
    assert all(a != b for (_, a), (_, b) in pairwise(pieces))
    for piece, shift in pieces:
        inside = {piece.start, piece.end - 1, *range(piece.start, piece.end, 12 * 3600)}
        assert {offset(zone, moment) for moment in inside} == {shift}


@given(moment=st.floats(allow_nan=False) | st.integers())
def test_any_number_is_a_datetime(moment: float) -> None:
    """Clamped to what a datetime can hold, so that nothing the service sends breaks an error."""
    at = as_datetime(moment)
    assert at.tzinfo is UTC
    if 0 <= moment <= 253_402_300_799:
        assert abs(at.timestamp() - moment) < 1e-4
