"""The range that was asked for, by the limits of a series and by what an answer declares."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from attrs import evolve

from enlighten_async.api.decode_series import raw_row
from enlighten_async.api.ranges import SeriesLimits
from enlighten_async.api.requested_range import RawBody, RawMeta, RawRow, RequestedRange, requested_range
from enlighten_async.errors import DecodeError
from enlighten_async.models import Reason
from enlighten_async.models.telemetry import ConsumptionInterval
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Response

GRID = 900
START = 1_750_000_500
HOUR = 4 * GRID
W = Window(START, START + HOUR)
SILENT = SeriesLimits("stats", GRID, DAY, path="/", cut="silent")
TOLD = evolve(SILENT, cut="declared", may_overrun=True)
LATER = Response(200, b"", date=float(START + 10 * DAY))


def rows(*places: float) -> list[RawRow]:
    """Return rows that end so many intervals after the start."""
    return [RawRow(START + round(place * GRID)) for place in places]


def body(**more: object) -> RawBody:
    """Return an answer but for its rows."""
    return RawBody(7, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "declared_end", "date", "expected", "until"),
    [
        (SILENT, None, LATER.date, W, 0),
        (SILENT, START + 2 * GRID, LATER.date, W, 0),
        (TOLD, None, LATER.date, W, START + DAY),
        (TOLD, START + 2 * GRID, LATER.date, Window(START, START + 2 * GRID), START + 2 * GRID),
        (TOLD, START + 2 * GRID + 7, LATER.date, Window(START, START + 2 * GRID), START + 2 * GRID),
        (TOLD, W.end, LATER.date, W, START + DAY),
        (TOLD, START, LATER.date, W, START + DAY),
        (TOLD, START + 2 * DAY, LATER.date, W, START + 2 * DAY),
        (TOLD, START + 2 * GRID, START + 4.0 * GRID, W, START + DAY),
        (TOLD, START + 2 * GRID, None, W, START + DAY),
    ],
    ids=[
        "the window",
        "an end that need not be told is not believed",
        "without an end: the window, and rows beyond it",
        "an end before the window's",
        "an end off the grid is floored",
        "the window's own end",
        "an end at the start says nothing",
        "an end beyond the window",
        "it is not later yet",
        "it is not known whether it is later",
    ],
)
def test_a_window_ends_where_an_answer_declares(
    limits: SeriesLimits, declared_end: int | None, date: float | None, expected: Window, until: int
) -> None:
    """Where the endpoint cuts by telling; an answer that ends by now is not cut."""
    told = body(start_at=START, end_at=declared_end)
    range_ = requested_range(limits, W, told, [], evolve(LATER, date=date))
    assert (range_.window, range_.until) == (expected, until)


@pytest.mark.parametrize(
    ("start_at", "end_at", "ends", "expected"),
    [
        (START, W.end, (9,), W),
        (START + 1, W.end + 1, (), W),
        (None, W.end, (1, 3), Window(START, START + 3 * GRID)),
        (W.end, START, (2,), Window(START + GRID, START + 2 * GRID)),
        (START, START + 2 * DAY, (1,), Window(START, START + GRID)),
        (None, None, (1.5, 2), Window(START + GRID, START + 2 * GRID)),
        (None, None, (), Window(0, 0)),
    ],
)
def test_without_a_window_an_answer_tells_its_range(
    start_at: int | None, end_at: int | None, ends: tuple[float, ...], expected: Window
) -> None:
    """As it declares, if that is a range that the service answers; else by its rows on the grid."""
    told = body(start_at=start_at, end_at=end_at)
    assert requested_range(SILENT, None, told, rows(*ends), LATER).window == expected


def test_rows_too_far_apart_are_no_answer() -> None:
    """A day of 25 hours is the longest."""
    assert requested_range(SILENT, None, body(), rows(1, 100), LATER).window.seconds == 25 * HOUR
    with pytest.raises(DecodeError, match="more than 25 hours"):
        requested_range(SILENT, None, body(), rows(1, 101), LATER)


@pytest.mark.parametrize(
    ("places", "expected", "notes"),
    [
        ((1, 2, 3, 4), [1, 2, 3, 4], 0),
        ((1, 3), [1, 3], 0),
        ((), [], 0),
        ((2, 1), [1, 2], 0),
        ((1, 1, 2), [1, 2], 1),
        ((0, 1, 5), [1], 1),
        ((1, 1.5), [1, 2], 1),  # a row off the grid is kept in its own interval
        ((1, 2, 1.5), [1, 2], 1),  # but for one that has a row
        ((5, 1, 1, 0.5), [1], 3),
        ((1 / 3, 2 / 3, 1, 4 / 3), [1 / 3, 2 / 3, 1, 4 / 3], 0),  # a finer grid
        ((1 / 3, 1, 2, 3, 4), [1, 2, 3, 4], 1),  # of which one row is no sign
    ],
)
def test_rows_are_aligned(places: tuple[float, ...], expected: list[int], notes: int) -> None:
    """In order, each once, on the grid and within the window; else it is noted."""
    range_ = RequestedRange(SILENT, W)
    ends, aligned = range_.align(rows(*places))
    assert ends == array("q", [START + round(place * GRID) for place in expected])
    assert [row.end_at for row in aligned] == list(ends)
    assert len(set(range_.notes)) == notes
    assert range_.left_out == any("left out" in note for note in range_.notes)


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [((1, 2), (3, 4), (3, 4)), ((1, 2), (3, None), (3, 2)), ((None, 2), (1, None), (1, 2)), ((1, 2),) * 3],
)
def test_of_rows_that_come_twice_the_later_values_count(
    first: tuple[float | None, ...], second: tuple[float | None, ...], merged: tuple[float | None, ...]
) -> None:
    """The service's last word; but a null never replaces a value."""
    row: Any = raw_row(ConsumptionInterval)
    made = [row(START + GRID, *values) for values in (first, second, merged)]
    assert RequestedRange(SILENT, W).align(made[:2])[1] == made[2:]


def test_rows_beyond_the_window_tell_of_reports() -> None:
    """They are left out without a note where the service may answer them."""
    range_ = RequestedRange(TOLD, W, START + DAY)
    ends, _ = range_.align(rows(1, 2, 7))
    coverage = range_.metadata(body(), ends, LATER)["coverage"]
    assert (list(ends), range_.notes) == ([START + GRID, START + 2 * GRID], [])
    assert coverage.reported_until is not None
    assert coverage.reported_until.timestamp() == START + 7 * GRID
    assert [gap.reason for gap in coverage.gaps()] == [Reason.NO_ROW]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, [Reason.NO_ROW]),
        ({"total_devices": 0}, [Reason.NO_DEVICE]),
        ({"meta": RawMeta(last_report_at=START + GRID)}, [Reason.NO_ROW, Reason.NOT_REPORTED_YET]),
        ({"meta": RawMeta(operational_at=START + GRID)}, [Reason.BEFORE_OPERATION, Reason.NO_ROW]),
        ({"start_at": START + GRID}, [Reason.BEFORE_OPERATION, Reason.NO_ROW]),
        ({"start_at": START - GRID}, [Reason.NO_ROW]),
    ],
)
def test_an_answer_without_rows_has_a_reason(told: dict[str, object], expected: list[Reason]) -> None:
    """No device, before operation, not reported yet, or no row."""
    coverage = RequestedRange(SILENT, W).metadata(body(**told), (), LATER)["coverage"]
    assert [gap.reason for gap in coverage.gaps()] == expected
