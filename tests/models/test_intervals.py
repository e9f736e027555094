"""Results of microinverters and of consumption meters: rows, sums, and how parts join."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

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
from enlighten_async.models.intervals import merge_parts
from enlighten_async.models.series import NAN, Series
from enlighten_async.windows import Window
from tests.effort import examples

START = 1_750_000_500
GRID = 300
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
