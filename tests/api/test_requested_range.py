"""The range that was asked for, by the limits of a series and by what an answer declares."""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.decode_series import RawFigure
from enlighten_async.api.ranges import SeriesLimits
from enlighten_async.api.requested_range import (
    RawBody,
    RawMeta,
    RawRow,
    RequestedRange,
    finer_grid,
    flat,
    requested_range,
)
from enlighten_async.errors import DecodeError
from enlighten_async.models import Reason
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Response
from tests.effort import examples

GRID = 900
START = 1_750_000_500
HOUR = 4 * GRID
W = Window(START, START + HOUR)
SILENT = SeriesLimits("stats", GRID, DAY, path="/", cut="silent")
TOLD = evolve(SILENT, cut="declared", may_overrun=True)
REFUSING = evolve(TOLD, cut="error")
LATER = Response(200, b"", date=float(START + 10 * DAY))


def times(*places: float) -> list[int]:
    """Return ends so many intervals after the start."""
    return [START + int(place * GRID) for place in places]


def rows(*places: float) -> list[RawRow]:
    """Return rows that end so many intervals after the start."""
    return [RawRow(end) for end in times(*places)]


def body(**more: object) -> RawBody:
    """Return an answer but for its rows."""
    return RawBody(7, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "declared_end", "date", "expected", "until"),
    [
        (SILENT, None, LATER.date, W, 0),
        (SILENT, START + 2 * GRID, LATER.date, W, 0),
        (REFUSING, START + 2 * GRID, LATER.date, Window(START, START + 2 * GRID), START + 2 * GRID),
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
        "an end that is told where a longer range is refused",
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
        (START, W.end, (1, 9), W),
        (START + 1, W.end + 1, (), W),
        (None, W.end, (1, 3), Window(START, START + 3 * GRID)),
        (W.end, START, (2,), Window(START + GRID, START + 2 * GRID)),
        (START, START + 2 * DAY, (1,), Window(START, START + GRID)),
        (START, W.end, (9, 10), Window(START + 8 * GRID, START + 10 * GRID)),
        (None, None, (0.5, 2), Window(START, START + 2 * GRID)),
        (None, None, (), Window(0, 0)),
    ],
)
def test_without_a_window_an_answer_tells_its_range(
    start_at: int | None, end_at: int | None, ends: tuple[float, ...], expected: Window
) -> None:
    """As it declares, if that is a range that the service answers and has rows in it; else by its rows."""
    told = body(start_at=start_at, end_at=end_at)
    assert requested_range(SILENT, None, told, times(*ends), LATER).window == expected


MIDNIGHT = START // DAY * DAY
NOON = MIDNIGHT + DAY // 2
DENSE, SPARSE = SILENT, evolve(SILENT, dense=False)


def hours(*of_the_day: float) -> list[int]:
    """Return moments by their hours since midnight."""
    return [MIDNIGHT + int(hour * HOUR) for hour in of_the_day]


MORNING = hours(*[hour / 4 for hour in range(1, 48)])
"""Ends from midnight to noon."""


@pytest.mark.parametrize(
    ("limits", "known", "date", "ends", "first", "last", "whole"),
    [
        (DENSE, True, NOON, MORNING, 0, 11.75, True),
        (DENSE, False, NOON, MORNING, 0, 11.75, True),
        (DENSE, False, None, MORNING, 0, 11.75, True),
        (DENSE, True, NOON, [], None, None, True),
        # Rows of other days are no part of the range.
        (DENSE, True, NOON, hours(-48) + MORNING, 0, 11.75, True),
        (DENSE, False, NOON, hours(-48) + MORNING, 0, 11.75, True),
        (DENSE, False, None, hours(-48) + MORNING, 0, 11.75, True),
        (DENSE, True, NOON, [*MORNING, *hours(36)], 0, 11.75, True),
        (DENSE, True, NOON, [*MORNING, *hours(14)], 0, 11.75, True),
        (DENSE, False, NOON, [900, *MORNING], 0, 11.75, True),
        # Neither are those of the evening before, where it is known when today began.
        (DENSE, True, NOON, hours(-5) + MORNING, 0, 11.75, True),
        (SPARSE, True, NOON, hours(-8, -7.75, -7.5) + hours(6, 6.25, 11), 5.75, 11, True),
        # The service's day may begin at another time than ours: its rows lead to midnight.
        (DENSE, True, NOON, hours(-1, -0.75, -0.5, -0.25, 0) + MORNING, -1.25, 11.75, True),
        (DENSE, True, NOON, hours(0) + MORNING, -0.25, 11.75, True),
        # Else few rows before a long break make it doubtful; a night without rows does not.
        (DENSE, False, NOON, hours(-5) + MORNING, -5.25, 11.75, False),
        (DENSE, False, NOON, hours(-6, -5.75, -5) + MORNING, -6.25, 11.75, False),
        (DENSE, False, NOON, hours(0.25, 3) + MORNING[12:], 0, 11.75, False),
        (DENSE, False, NOON, hours(-3, -2.75, -2.5, -2.25) + MORNING, -3.25, 11.75, True),
        (SPARSE, False, NOON, hours(-5) + hours(6, 6.25, 11), -5.25, 11, True),
        (SPARSE, False, NOON, hours(-10) + hours(6, 6.25, 11), -10.25, 11, False),
        # All of another day: by a wrong time, or by a mistake of the service.
        (DENSE, True, NOON + 10 * DAY, MORNING, 0, 11.75, False),
        (DENSE, False, NOON + 10 * DAY, MORNING, 0, 11.75, False),
        (DENSE, False, NOON - 10 * DAY, MORNING, 0, 11.75, False),
        (DENSE, True, MIDNIGHT + DAY + 1200, MORNING, 0, 11.75, False),
        # A day may have 25 hours, and no more.
        (DENSE, False, MIDNIGHT + 25 * HOUR, hours(*[hour / 4 for hour in range(1, 101)]), 0, 25, True),
        (DENSE, False, None, hours(*[hour / 4 for hour in range(1, 102)]), 0.25, 25.25, True),
    ],
)
def test_without_a_window_the_range_is_of_the_systems_today(
    limits: SeriesLimits,
    known: bool,
    date: float | None,
    ends: list[int],
    first: float | None,
    last: float | None,
    whole: bool,
) -> None:
    """As far as it is known when that began; never of days that were not asked for."""
    begun = None if date is None or not known else MIDNIGHT + (int(date) - MIDNIGHT) // DAY * DAY
    told = evolve(LATER, date=date)
    range_ = requested_range(evolve(limits, begun=begun), None, body(), ends, told)
    expected = Window(0, 0) if first is None or last is None else Window(*hours(first, last))
    assert (range_.window, not range_.left_out) == (expected, whole)


@pytest.mark.parametrize(
    ("start", "end", "whole", "expected"),
    [
        (0, 12, True, (0, 12)),
        (-1, 24, True, (-1, 24)),
        (-5.5 * 24, 12, True, (0, 11.75)),
        (-48, -24, True, (0, 11.75)),
        (0, 48, True, (0, 11.75)),
    ],
)
def test_a_declared_range_is_of_a_day_at_most(
    start: float,
    end: float,
    whole: bool,
    expected: tuple[float, float],
) -> None:
    """Where none was asked for; a longer one is not believed."""
    first, last = hours(start, end)
    told = body(start_at=first, end_at=last)
    range_ = requested_range(TOLD, None, told, MORNING, evolve(LATER, date=NOON))
    assert (range_.window, not range_.left_out) == (Window(*hours(*expected)), whole)


@pytest.mark.parametrize(
    ("places", "expected", "notes"),
    [
        ((1, 2, 3, 4), [1, 2, 3, 4], 0),
        ((1, 3), [1, 3], 0),
        ((), [], 0),
        ((2, 1), [1, 2], 0),
        ((1, 1, 2), [1, 2], 1),
        ((1, 1.5), [1, 2], 1),
        ((0.5, 1.2, 4), [1, 2, 4], 1),
    ],
)
def test_rows_are_aligned(places: tuple[float, ...], expected: list[int], notes: int) -> None:
    """In order, each once, on the grid and within the window; else it is noted."""
    range_ = RequestedRange(SILENT, W)
    aligned, ends = range_.align(rows(*places), times(*places))
    assert ends == array("q", [START + place * GRID for place in expected])
    assert [row.end_at for row in aligned] == list(ends)
    assert (len(set(range_.notes)), range_.left_out) == (notes, False)


@pytest.mark.parametrize(
    ("places", "expected", "gaps"),
    [
        ((0, 1, 5), [1], [(1, 4)]),  # of another window: it is not known what they were in place of
        ((0, 1, 2, 3, 4), [1, 2, 3, 4], [(4, 4)]),  # each interval has its row, and yet
        ((0, 5), [], [(0, 4)]),
        ((1, 2, 1.5), [1, 2], [(4, 4)]),  # two in one interval
        ((1, 1.3, 1.6), [1, 2], [(4, 4)]),
        ((5, 1, 1, 0.5), [1], [(1, 4)]),
    ],
)
def test_what_is_left_out_is_told(
    places: tuple[float, ...],
    expected: list[int],
    gaps: list[tuple[int, int]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By gaps with the reason, one of no length where each interval has a row, and by one warning."""
    range_ = RequestedRange(SILENT, W)
    aligned, ends = range_.align(rows(*places), times(*places))
    coverage = range_.metadata(body(), ends, LATER)["coverage"]
    assert [row.end_at for row in aligned] == list(ends) == list(times(*expected))
    assert coverage.got == len(expected)
    told = [gap.window for gap in coverage.gaps() if gap.reason is Reason.LEFT_OUT]
    assert told == [Window(START + first * GRID, START + last * GRID) for first, last in gaps]
    assert not coverage.complete
    assert coverage.notes
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("enlighten_async", "WARNING")
    assert "system 7" in record.getMessage()


@pytest.mark.parametrize(
    ("ends", "grid"),
    [
        ((), 900),
        ((300, 600, 900, 1200), 300),
        ((300, 600, 900, 1800, 2100), 300),  # one gap
        ((60, 120, 180), 60),
        ((600, 900), 900),  # two may be one that came twice
        ((450, 900, 1350), 900),  # no such intervals are known
        ((30, 60, 90), 900),  # finer than any
        ((900, 1800, 2100, 2400, 2700, 3600, 4500, 5400, 6300), 900),  # some rows between others are no grid
        ((900, 1800, 2100, 2400, 2700, 3000, 3300, 3600, *range(4500, 18001, 900)), 300),  # two are split
        ((900, 1800, 2100, 2400, 2700, 3000, 3600, *range(4500, 18001, 900)), 900),  # one of them in part
        ((310, 610, 910), 900),  # on no grid
        ((400, 800, 1200), 900),  # of which 900 is no multiple
        ((900, 1800), 900),
        ((900, 2700), 900),
        ((300,), 900),
    ],
)
def test_rows_that_fill_a_finer_grid_are_on_that(ends: tuple[int, ...], grid: int) -> None:
    """In any order, and also if some come twice."""
    assert finer_grid((*reversed(ends), *ends), 900) == grid


@pytest.mark.parametrize(
    ("places", "channels", "regular"),
    [
        ((), 1, True),
        ((1, 2, 3, 4), 1, True),
        ((2, 3), 1, True),
        ((1, 3), 1, True),
        ((1, 2, 1, 2), 2, True),
        ((1, 3, 1, 3), 2, True),
        ((1, 2, 1, 3), 2, False),
        ((1, 3, 1, 4), 2, False),
        ((1, 2, 1), 2, False),
        ((1,), 2, False),
        ((1, 2, 4, 3), 1, False),
        ((1, 3, 2, 4), 1, False),  # first and last are as far apart as in order
        ((1, 1), 1, False),
        ((0, 1), 1, False),
        ((4, 5), 1, False),
        ((1.5, 2.5), 1, False),
        ((1, 1.5, 3), 1, False),
    ],
)
def test_ends_that_are_a_column_as_they_are(
    places: tuple[float, ...], channels: int, *, regular: bool
) -> None:
    """In order, on the grid, within the window, and the same for each channel; else there is none."""
    column = RequestedRange(SILENT, W).column_of(times(*places), channels)
    assert column == (array("q", times(*places)) if regular else None)


def test_the_ends_of_few_rows_far_apart_take_no_more_room_than_they_do() -> None:
    """The list that they are compared with has as many: a hostile answer cannot make it large."""
    window = Window(START, START + 10**6 * GRID)
    ends = [START + GRID, window.end] * 20_000
    tracemalloc.start()
    assert len(RequestedRange(SILENT, window).column_of(ends, 20_000) or ()) == 40_000
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


class Figures(RawRow, gc=False):
    """A row with values, one of them nested."""

    wh: float | None = None
    w: float | None = None
    charge: RawFigure | None = None


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ({"wh": 1}, {"wh": 1}, {"wh": 1}),
        ({"wh": 1, "w": 2}, {}, {"wh": 1, "w": 2}),
        ({}, {"wh": 1}, {"wh": 1}),
        ({"wh": 1}, {"w": 2}, {"wh": 1, "w": 2}),
        ({"wh": 0}, {"wh": None}, {"wh": 0}),
        ({"charge": RawFigure(5, None, 2)}, {}, {"charge": RawFigure(5, None, 2)}),
        ({"charge": RawFigure(5, None, 2)}, {"charge": RawFigure()}, {"charge": RawFigure(5, None, 2)}),
        ({"charge": RawFigure(5)}, {"charge": RawFigure(None, 9)}, {"charge": RawFigure(5, 9)}),
    ],
)
def test_of_rows_that_come_twice_all_values_are_kept(
    first: dict[str, Any], second: dict[str, Any], merged: dict[str, Any]
) -> None:
    """A null never replaces a value, in either order, nor one that lies deeper."""
    for one, other in ((first, second), (second, first)):
        range_ = RequestedRange(SILENT, W)
        doubled = [Figures(START + GRID, **one), Figures(START + GRID, **other)]
        assert range_.align(doubled, times(1, 1))[0] == [Figures(START + GRID, **merged)]
        assert set(range_.notes) == {"intervals that came twice were taken once"}


@examples(400)
@given(
    given_rows=st.lists(
        st.tuples(st.sampled_from([*range(-2, 25)]), st.sampled_from([0, 0, 0, 1, 60, 450]), st.booleans()),
        max_size=24,
    )
)
def test_no_value_is_lost_silently(given_rows: list[tuple[int, int, bool]]) -> None:
    """Of rows on and off a grid, doubled, shuffled, null, of another window: it is kept, or it is told."""
    doubled = [
        Figures(START + place * 300 - early, wh=None if null else float(2**n))
        for n, (place, early, null) in enumerate(given_rows)
    ]
    range_ = RequestedRange(SILENT, W)
    aligned, ends = range_.align(list(doubled), [row.end_at for row in doubled])
    coverage = range_.metadata(body(total_devices=1), ends, LATER)["coverage"]
    assert list(ends) == sorted(set(ends))
    assert not any(end % coverage.grid for end in ends)
    assert coverage.got == len(ends)
    kept = {row.wh for row in aligned if row.wh is not None}  # each value is told apart from all others
    last = {row.end_at: row.wh for row in doubled if row.wh is not None}
    assert kept <= set(last.values())
    assert coverage.complete is not range_.left_out
    if coverage.complete:
        assert kept == set(last.values())
        assert all(W.start < end <= W.end for end in last)
    else:
        assert Reason.LEFT_OUT in {gap.reason for gap in coverage.gaps()}
        assert coverage.notes
    for end, value in last.items():
        if W.start < end <= W.end and end % coverage.grid == 0:
            assert value in kept  # a row on the grid is always kept


def test_of_two_values_the_later_one_counts() -> None:
    """The service's last word, which is noted once."""
    for later, kept in (((3,), (3, 2)), ((3, 4), (3, 4))):
        range_ = RequestedRange(SILENT, W)
        doubled = [Figures(START + GRID, 1, 2), Figures(START + GRID, *later)]
        assert range_.align(doubled, times(1, 1))[0] == [Figures(START + GRID, *kept)]
        assert range_.notes == ["intervals that came twice were taken once, of two values the later"]


@pytest.mark.parametrize("null", [False, True])
@pytest.mark.parametrize(
    "shape",
    [
        lambda rows: rows,
        lambda rows: [rows],
        lambda rows: [rows[:1], [], rows[1:]],
        lambda rows: [*rows[:2], rows[2:]],
        lambda rows: [[], []],
        lambda rows: [],
    ],
)
def test_both_shapes_of_a_list_of_rows(shape: Callable[[list[Any]], list[Any]], *, null: bool) -> None:
    """One list, or one for each day; it is told if there was null among them."""
    given = rows(1, 2, 3)
    shaped = shape(given)
    expected = given if any(shaped) else []
    whole = body()
    found, ends, understood = flat(whole, [*shaped, None] if null else shaped)
    assert (found, list(ends), understood) == (expected, [row.end_at for row in expected], not null)
    assert whole.rows_left_out == 0


def test_an_empty_list_among_rows_is_no_day() -> None:
    """It stands where a row did, which was left out; among days it is a day without rows."""
    first, second = rows(1), rows(2)
    for listed, left_out in (
        ([*first, [], *second], 1),
        ([[], *first, [], None, second], 2),
        ([first, [], second], 0),
        ([[], first, None, second, []], 0),
    ):
        whole = body()
        assert flat(whole, listed)[0] == first + second
        assert whole.rows_left_out == left_out


def test_many_empty_lists_among_rows_cost_the_answer() -> None:
    """As many other rows do that cannot be read."""
    for count in (100, 101):
        whole, range_ = body(), RequestedRange(SILENT, W)
        flat(whole, [*rows(1), *([[]] * count)])
        error = None
        try:
            range_.metadata(whole, (), LATER)
        except DecodeError as caught:
            error = caught
        assert (error is None) == (count == 100)


def test_null_in_place_of_a_list_is_not_understood() -> None:
    """There may have been rows; not if there is no device."""
    assert flat(body(), None) == ([], [], False)
    assert flat(body(), [[*rows(1), None]]) == (rows(1), times(1), False)
    for devices, counted, left_out in (
        (1, True, True),
        (None, True, True),
        (0, True, False),
        (0, False, True),
    ):
        range_ = RequestedRange(evolve(SILENT, counted=counted), W)
        range_.leave_out_nulls(body(total_devices=devices))
        coverage = range_.metadata(body(total_devices=devices), (), LATER)["coverage"]
        assert coverage.complete is not left_out
        assert {gap.reason for gap in coverage.gaps()} == {Reason.LEFT_OUT if left_out else Reason.NO_DEVICE}


def test_rows_beyond_the_end_that_an_answer_declares_are_of_it() -> None:
    """They tell more than the declared end."""
    told = body(start_at=START, end_at=START + 2 * GRID)
    for places, end in (((1, 2), 2), ((1, 2, 3), 3), ((1, 2, 2.5), 3), ((1, 4), 4), ((1, 9), 2)):
        range_ = requested_range(TOLD, W, told, times(*places), LATER)
        assert range_.window == Window(START, START + end * GRID)


def test_rows_beyond_the_window_tell_of_reports() -> None:
    """They are left out without a note where the service may answer them."""
    range_ = RequestedRange(TOLD, W, START + DAY)
    _, ends = range_.align(rows(1, 2, 7), times(1, 2, 7))
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
