"""Answers in intervals: rows, sums by local time, and the joining of parts."""

from __future__ import annotations

import copy
import json
import pickle
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import InputError
from enlighten_async.models import (
    ConsumptionInterval,
    ConsumptionStats,
    Coverage,
    Gap,
    Meta,
    Reason,
    Receipt,
    Stats,
    StatsInterval,
    StorageTelemetry,
)
from enlighten_async.models.coverage import missing
from enlighten_async.models.intervals import Sum, Unit, merge_parts, sums
from enlighten_async.models.series import NAN, Series
from enlighten_async.windows import Window, local_days
from tests.effort import examples
from tests.zones import ZONES, local_dates

START = 1_750_000_500
GRID = 300
QUARTER_HOUR_S = 900
W = Window(START, START + 12 * GRID)


def at(moment: float) -> datetime:
    """Return epoch seconds as a datetime."""
    return datetime.fromtimestamp(moment, UTC)


def tuple_of(window: Window) -> tuple[int, int]:
    """Return the ends of a window."""
    return window.start, window.end


def part(window: Window, ends: list[int], **more: Any) -> Stats:
    """Return what an answer for a window holds."""
    gaps = tuple(Gap(blank, Reason.NO_ROW) for blank in missing(window, ends, GRID))
    empty = Stats.empty(7, Coverage(window, GRID, gaps, as_of=at(window.end)))
    rows = Series.of(StatsInterval, ends, [3.0] * len(ends), [float(e % 97) for e in ends], [1.0] * len(ends))
    return evolve(empty, intervals=rows, **more)


def test_rows_have_units_and_nulls() -> None:
    """Whole numbers as the service sends them, null as None, instants as aware datetimes."""
    rows = Series.of(StatsInterval, [START, START + GRID], [4, NAN], [1759, NAN], [147.5, NAN])
    first = StatsInterval(at(START), 4, 1759, 147.5)
    assert list(rows) == [first, StatsInterval(at(START + GRID), None, None, None)]
    assert [type(value) for value in (rows[0].devices_reporting, rows[0].powr, rows[0].enwh)] == [
        int,
        int,
        float,
    ]
    used = Series.of(ConsumptionInterval, [START], [1], [12])
    assert list(used) == [ConsumptionInterval(at(START), 1, 12)]


@examples(150)
@given(there=st.sets(st.integers(1, 12)), cuts=st.sets(st.integers(1, 11)))
def test_parts_join_to_the_whole(there: set[int], cuts: set[int]) -> None:
    """Wherever the range is cut: rows, gaps, and what the newest part that knows says of the system."""
    ends = [START + n * GRID for n in sorted(there)]
    edges = [START + n * GRID for n in (0, *sorted(cuts), 12)]
    parts = [
        part(Window(a, b), [end for end in ends if a < end <= b], meta=Meta(str(a)), total_devices=n + 1)
        for n, (a, b) in enumerate(pairwise(edges))
    ]
    silent = part(Window(W.end, W.end + GRID), [])
    empty = Stats.empty(7, Coverage(Window(W.start, W.end + 2 * GRID), GRID))
    failed = Gap(Window(W.end + GRID, W.end + 2 * GRID), Reason.FAILED)
    whole = merge_parts([*parts, silent], empty, [failed])
    assert whole.intervals == part(W, ends).intervals
    assert (whole.meta, whole.total_devices) == (parts[-1].meta, len(parts))
    assert whole.coverage.got == len(ends)
    assert whole.coverage.gaps()[-1] == failed
    assert not whole.coverage.complete
    assert whole.window == whole.coverage.window == empty.window


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, [Reason.NOT_REPORTED_YET]),
        (W.start, [Reason.NOT_REPORTED_YET]),
        (W.start + 2 * GRID + 1, [Reason.NO_ROW, Reason.NOT_REPORTED_YET]),
        (W.end, [Reason.NO_ROW]),
    ],
)
def test_what_a_newer_part_shows_to_be_reported(until: int | None, expected: list[Reason]) -> None:
    """Is not called "not reported yet" after an older one, which could not know."""
    gap = Gap(W, Reason.NOT_REPORTED_YET)
    older = Stats.empty(7, Coverage(W, GRID, (gap,)))
    after = Window(W.end, W.end + GRID)
    newer = Stats.empty(7, Coverage(after, GRID, reported_until=None if until is None else at(until)))
    whole = merge_parts([older, newer], Stats.empty(7, Coverage(Window(W.start, after.end), GRID)))
    assert [gap.reason for gap in whole.coverage.gaps()] == expected
    assert sum(gap.window.seconds for gap in whole.coverage.gaps()) == W.seconds


def test_nothing_joined_is_the_empty_answer() -> None:
    """With the time zone and the receipt it was given."""
    empty = evolve(
        ConsumptionStats.empty(7, Coverage(W, GRID)), timezone="Asia/Tokyo", receipt=Receipt(sent=1)
    )
    assert merge_parts([], empty) == empty
    assert merge_parts([], empty).receipt is empty.receipt


def test_sums_are_of_energy() -> None:
    """By the hour, of intervals of five minutes."""
    ends = [START + n * GRID for n in range(1, 13)]
    hours = part(W, ends, timezone="Europe/Berlin").sums("hour")
    assert sum(hour.wh for hour in hours) == 12.0
    assert [(hour.got, hour.expected) for hour in hours] == [(n, n) for n in (9, 3)]
    with pytest.raises(InputError, match=r"client\.systems"):
        part(W, ends).sums("day")


def test_results_are_values() -> None:
    """They equal by what was measured, survive a pickle, and can be written as JSON."""
    stats = part(W, [W.end], meta=Meta("normal", at(W.end)), timezone="Europe/Berlin")
    other = evolve(stats, receipt=Receipt(sent=9), coverage=Coverage(W, GRID))
    assert stats == other
    assert hash(stats) == hash(other)
    assert stats != evolve(stats, total_devices=9)
    assert pickle.loads(pickle.dumps(stats)) == copy.deepcopy(stats) == stats  # noqa: S301 - our own
    told = json.loads(json.dumps(stats.to_dict(), allow_nan=False))
    end = at(W.end).isoformat()
    assert told["intervals"] == [{"end_at": end, "devices_reporting": 3, "powr": W.end % 97, "enwh": 1}]
    assert list(told) == [
        "system_id",
        "total_devices",
        "meta",
        "window",
        "timezone",
        "intervals",
        "coverage",
        "receipt",
    ]
    assert len(repr(stats)) < 1500


def storage(window: Window, soc: float | None, reported: int | None, grid: int = GRID) -> StorageTelemetry:
    """Return an answer about a battery, which tells its last report."""
    return StorageTelemetry.empty(
        7,
        Coverage(window, grid),
        serial_number="1",
        last_reported_soc=soc,
        last_reported_time=None if reported is None else at(reported),
    )


BEFORE, MIDDLE, AFTER = (Window(START + n * 900, START + (n + 1) * 900) for n in range(3))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], (None, None)),
        ([(5.0, 1)], (5.0, at(1))),
        ([(5.0, 1), (6.0, 2)], (6.0, at(2))),
        ([(5.0, 1), (None, 2)], (5.0, at(2))),
        ([(5.0, 1), (0.0, None)], (0.0, at(1))),
        ([(None, None), (None, None)], (None, None)),
    ],
)
def test_the_newest_value_that_is_not_null_is_kept(
    told: list[tuple[float | None, int | None]], expected: tuple[float | None, datetime | None]
) -> None:
    """Of each attribute that says so, one by one; what is told apart from parts stays."""
    parts = [storage(window, *last) for window, last in zip((BEFORE, MIDDLE), told, strict=False)]
    whole = merge_parts(parts, storage(Window(BEFORE.start, AFTER.end), None, None))
    assert (whole.last_reported_soc, whole.last_reported_time) == expected
    assert whole.serial_number == "1"


@pytest.mark.parametrize(
    ("grids", "expected"), [([], 900), ([900, 900], 900), ([900, 300], 300), ([300, 300], 300)]
)
def test_parts_are_joined_on_the_finest_grid(grids: list[int], expected: int) -> None:
    """A charger may report by 15 minutes, and later by 5."""
    parts = [storage(window, None, None, grid) for window, grid in zip((BEFORE, MIDDLE), grids, strict=False)]
    empty = storage(Window(BEFORE.start, AFTER.end), None, None, grid=900)
    assert merge_parts(parts, empty).coverage.grid == expected


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([(BEFORE, Reason.NO_ROW), (MIDDLE, Reason.NO_ROW)], [(BEFORE.start, MIDDLE.end)]),
        ([(AFTER, Reason.FAILED), (BEFORE, Reason.NO_ROW)], [(BEFORE.start, BEFORE.end), tuple_of(AFTER)]),
        ([(MIDDLE, Reason.REFUSED), (AFTER, Reason.FAILED)], [tuple_of(MIDDLE), tuple_of(AFTER)]),
    ],
    ids=["neighbours of one reason are one", "in order of time", "two reasons stay two"],
)
def test_gaps_of_parts_and_of_what_was_not_asked(
    gaps: list[tuple[Window, Reason]], expected: list[tuple[int, int]]
) -> None:
    """Those of the first part, and one that no part speaks for."""
    (first, reason), unasked = gaps[0], Gap(*gaps[1])
    part = Stats.empty(7, Coverage(first, GRID, (Gap(first, reason),)))
    whole = merge_parts([part], Stats.empty(7, Coverage(Window(BEFORE.start, AFTER.end), GRID)), [unasked])
    assert [tuple_of(gap.window) for gap in whole.coverage.gaps()] == expected


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
    start = noon - draw(st.integers(0, 200)) * QUARTER_HOUR_S
    window = Window(start, start + draw(st.integers(0, 400) | st.integers(0, 3500)) * QUARTER_HOUR_S)
    random = draw(st.randoms(use_true_random=False))
    density, nulls = draw(st.sampled_from([0.3, 0.99, 1.0])), draw(st.sampled_from([0.0, 0.2]))
    ends = [
        end
        for end in range(start + QUARTER_HOUR_S, window.end + 1, QUARTER_HOUR_S)
        if random.random() <= density
    ]
    values = [NAN if random.random() < nulls else random.randrange(-8, 8000) / 8 for _ in ends]
    return window, ends, values, ZoneInfo(name)


@pytest.mark.slow
@examples(250)
@given(question=questions(), unit=st.sampled_from(["hour", "day", "month"]))
def test_each_interval_counts_where_it_begins(
    question: tuple[Window, list[int], list[float], ZoneInfo], unit: Unit
) -> None:
    """Energy, number of values and number expected of every unit are those of its intervals."""
    window, ends, values, zone = question
    expected = Counter(key(begin, zone, unit) for begin in range(window.start, window.end, QUARTER_HOUR_S))
    wh: dict[object, float] = defaultdict(float)
    got: Counter[object] = Counter()
    for end, value in zip(ends, values, strict=True):
        if not isnan(value):
            wh[key(end - QUARTER_HOUR_S, zone, unit)] += value
            got[key(end - QUARTER_HOUR_S, zone, unit)] += 1
    results = sums(window, QUARTER_HOUR_S, ends, values, zone, unit)
    there = {key(int(s.start.timestamp()), zone, unit): s for s in results if s.expected}
    assert {k: s.expected for k, s in there.items()} == expected
    assert {k: s.got for k, s in there.items() if s.got} == got
    assert {k: s.wh for k, s in there.items() if s.got} == wh
    assert all((s.wh, s.got) == (0, 0) for s in results if not s.got)


@pytest.mark.slow
@examples(150)
@given(question=questions(), unit=st.sampled_from(["hour", "day", "month"]))
def test_starts_are_the_first_local_moments(
    question: tuple[Window, list[int], list[float], ZoneInfo], unit: Unit
) -> None:
    """In order, each once, in the system's zone with its fold; the moment before is another unit's."""
    window, ends, values, zone = question
    starts = [s.start for s in sums(window, QUARTER_HOUR_S, ends, values, zone, unit)]
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
    ends = range(window.start + QUARTER_HOUR_S, window.end + 1, QUARTER_HOUR_S)
    return sums(window, QUARTER_HOUR_S, ends, [1.0] * len(ends), zone, unit)


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
    months = sums(window, QUARTER_HOUR_S, [], [], zone, "month")
    assert [m.start.month for m in months] == [*range(2, 13), 1, 2]
    assert [months[0].expected, months[1].expected, months[-1].expected] == [29 * 96, 31 * 96 - 4, 28 * 96]


def test_nothing_has_no_sums() -> None:
    """An empty window has no units."""
    assert sums(Window(0, 0), QUARTER_HOUR_S, [], [], ZoneInfo("UTC"), "day") == []


def test_another_unit_is_refused() -> None:
    """With those there are."""
    with pytest.raises(InputError, match="'hour', 'day' or 'month'"):
        sums(Window(0, 0), QUARTER_HOUR_S, [], [], ZoneInfo("UTC"), "week")  # type: ignore[arg-type]
