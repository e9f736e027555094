"""Energy per local hour, day and month, against one look-up of the calendar per interval."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import InputError
from enlighten_async.models.intervals import Sum, Unit, sums
from enlighten_async.models.series import NAN
from enlighten_async.windows import Window, local_days
from tests.effort import examples
from tests.zones import ZONES, local_dates

GRID = 900


def key(moment: int, zone: ZoneInfo, unit: Unit) -> object:
    """Name the local unit that a moment lies in; a repeated hour by its offset."""
    local = datetime.fromtimestamp(moment, zone)
    if unit == "hour":
        return local.date(), local.hour, local.utcoffset()
    return local.date() if unit == "day" else (local.year, local.month)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Window, list[int], list[float], ZoneInfo]:
    """Draw a zone, a window around a day on which its clocks may change, and rows with gaps and nulls."""
    name = draw(ZONES)
    day = draw(local_dates(name))
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    start = noon - draw(st.integers(0, 200)) * GRID
    window = Window(start, start + draw(st.integers(0, 400) | st.integers(0, 3500)) * GRID)
    random = draw(st.randoms(use_true_random=False))
    density, nulls = draw(st.sampled_from([0.3, 0.99, 1.0])), draw(st.sampled_from([0.0, 0.2]))
    ends = [end for end in range(start + GRID, window.end + 1, GRID) if random.random() <= density]
    values = [NAN if random.random() < nulls else random.randrange(-8, 8000) / 8 for _ in ends]
    return window, ends, values, ZoneInfo(name)


@examples(250)
@given(question=questions(), unit=st.sampled_from(["hour", "day", "month"]))
def test_each_interval_counts_where_it_begins(
    question: tuple[Window, list[int], list[float], ZoneInfo], unit: Unit
) -> None:
    """Energy, number of values and number expected of every unit are those of its intervals."""
    window, ends, values, zone = question
    expected = Counter(key(begin, zone, unit) for begin in range(window.start, window.end, GRID))
    wh: dict[object, float] = defaultdict(float)
    got: Counter[object] = Counter()
    for end, value in zip(ends, values, strict=True):
        if value == value:  # noqa: PLR0124 - not NaN
            wh[key(end - GRID, zone, unit)] += value
            got[key(end - GRID, zone, unit)] += 1
    results = sums(window, GRID, ends, values, zone, unit)
    there = {key(int(s.start.timestamp()), zone, unit): s for s in results if s.expected}
    assert {k: s.expected for k, s in there.items()} == expected
    assert {k: s.got for k, s in there.items() if s.got} == got
    assert {k: s.wh for k, s in there.items() if s.got} == wh
    assert all((s.wh, s.got) == (0, 0) for s in results if not s.got)


@examples(150)
@given(question=questions(), unit=st.sampled_from(["hour", "day", "month"]))
def test_starts_are_the_first_local_moments(
    question: tuple[Window, list[int], list[float], ZoneInfo], unit: Unit
) -> None:
    """In order, each once, in the system's zone with its fold; the moment before is another unit's."""
    window, ends, values, zone = question
    starts = [s.start for s in sums(window, GRID, ends, values, zone, unit)]
    moments = [int(start.timestamp()) for start in starts]
    assert moments == sorted(set(moments))
    assert moments[:1] == [window.start][: len(moments)]
    for start, moment in zip(starts, moments, strict=True):
        local = datetime.fromtimestamp(moment, zone)
        assert (start, start.fold, start.tzinfo) == (local, local.fold, zone)
        assert moment == window.start or key(moment - 1, zone, unit) != key(moment, zone, unit)


def dense(day: date, name: str, unit: Unit) -> list[Sum]:
    """Sum a local day with 1 Wh in every interval."""
    zone = ZoneInfo(name)
    window = local_days(day, day, zone)
    ends = range(window.start + GRID, window.end + 1, GRID)
    return sums(window, GRID, ends, [1.0] * len(ends), zone, unit)


def test_a_repeated_hour_is_two_hours() -> None:
    """On a day of 25 hours, told apart by their offsets."""
    hours = dense(date(2025, 10, 26), "Europe/Berlin", "hour")
    assert [h.start.hour for h in hours] == [0, 1, 2, 2, *range(3, 24)]
    assert [h.start.fold for h in hours[2:4]] == [0, 1]
    assert [h.start.utcoffset() for h in hours[2:4]] == [timedelta(hours=2), timedelta(hours=1)]
    assert {(h.wh, h.got, h.expected) for h in hours} == {(4.0, 4, 4)}


def test_an_hour_that_is_left_out_is_none() -> None:
    """On a day of 23 hours."""
    hours = dense(date(2025, 3, 30), "Europe/Berlin", "hour")
    assert [h.start.hour for h in hours] == [0, 1, *range(3, 24)]


def test_half_hours() -> None:
    """Lord Howe sets its clocks back by half an hour: 1:30 to 2:00 comes twice."""
    hours = dense(date(2025, 4, 6), "Australia/Lord_Howe", "hour")
    assert [(h.start.hour, h.start.minute, h.expected) for h in hours[:4]] == [
        (0, 0, 4),
        (1, 0, 4),
        (1, 30, 2),
        (2, 0, 4),
    ]


def test_hours_are_those_of_local_clocks() -> None:
    """In Nepal they begin a quarter past those of UTC."""
    assert {h.start.minute for h in dense(date(2025, 6, 1), "Asia/Kathmandu", "hour")} == {0}


@pytest.mark.parametrize(
    ("day", "expected"), [(date(2025, 10, 26), 100), (date(2025, 3, 30), 92), (date(2024, 2, 29), 96)]
)
def test_days_of_25_and_23_hours(day: date, expected: int) -> None:
    """One day is one sum, of two offsets or of one."""
    assert dense(day, "Europe/Berlin", "day") == [
        Sum(
            datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Europe/Berlin")),
            expected,
            expected,
            expected,
        )
    ]


def test_a_month_of_another_year_is_another_month() -> None:
    """Thirteen months of leap years and all."""
    zone = ZoneInfo("Europe/Berlin")
    window = local_days(date(2024, 2, 1), date(2025, 2, 28), zone)
    months = sums(window, GRID, [], [], zone, "month")
    assert [m.start.month for m in months] == [*range(2, 13), 1, 2]
    assert [months[0].expected, months[1].expected, months[-1].expected] == [29 * 96, 31 * 96 - 4, 28 * 96]


def test_nothing_has_no_sums() -> None:
    """An empty window has no units."""
    assert sums(Window(0, 0), GRID, [], [], ZoneInfo("UTC"), "day") == []


def test_another_unit_is_refused() -> None:
    """With those there are."""
    with pytest.raises(InputError, match="'hour', 'day' or 'month'"):
        sums(Window(0, 0), GRID, [], [], ZoneInfo("UTC"), "week")  # type: ignore[arg-type]
