"""What is missing, interval by interval."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enlighten_async.models import Coverage, Gap, Reason
from enlighten_async.models.coverage import combined, explained, join, missing, nothing_missing, row_lengths
from enlighten_async.windows import Window

GRID = 900
thorough = settings(max_examples=300, deadline=None)
MOMENTS = st.none() | st.floats(-1e6, 5e4) | st.integers(-5, 60).map(lambda n: n * GRID) | st.just(1e300)


def ends_of(window: Window) -> list[int]:
    """Return the ends of a window's intervals."""
    return list(range(window.start + GRID, window.end + 1, GRID))


@thorough
@given(size=st.integers(0, 40), missed=st.sets(st.integers(1, 40)))
def test_what_is_missing_is_what_has_no_row(size: int, missed: set[int]) -> None:
    """As few stretches as it takes, in order."""
    window = Window(9000, 9000 + size * GRID)
    ends = [end for end in ends_of(window) if (end - 9000) // GRID not in missed]
    blanks = missing(window, ends, GRID)
    assert [end for blank in blanks for end in ends_of(blank)] == sorted(set(ends_of(window)) - set(ends))
    assert all(a.end < b.start for a, b in itertools.pairwise(blanks))
    assert all(blank.seconds for blank in blanks)


@thorough
@given(start=st.integers(0, 30), size=st.integers(1, 30), started=MOMENTS, until=MOMENTS)
def test_every_interval_without_a_row_is_explained(
    start: int, size: int, started: float | None, until: float | None
) -> None:
    """Before operation, after the last report, or neither; on the grid, in order, joined."""
    blank = Window(start * GRID, (start + size) * GRID)
    gaps = explained(blank, GRID, started, until)
    for gap in gaps:
        for end in ends_of(gap.window):
            if started is not None and end <= started:
                assert gap.reason is Reason.BEFORE_OPERATION
            elif until is not None and end > until:
                assert gap.reason is Reason.NOT_REPORTED_YET
            else:
                assert gap.reason is Reason.NO_ROW
    assert [end for gap in gaps for end in ends_of(gap.window)] == ends_of(blank)
    assert list(join(gaps)) == gaps


@thorough
@given(cells=st.lists(st.none() | st.sampled_from(list(Reason)), max_size=30), random=st.randoms())
def test_neighbours_of_one_reason_are_joined(cells: list[Reason | None], random: object) -> None:
    """In whatever order they come."""
    gaps = [Gap(Window(n, n + 1), reason) for n, reason in enumerate(cells) if reason]
    random.shuffle(gaps)  # type: ignore[attr-defined]
    joined = join(gaps)
    assert [(n, gap.reason) for gap in joined for n in range(gap.window.start, gap.window.end)] == [
        (n, reason) for n, reason in enumerate(cells) if reason
    ]
    for a, b in itertools.pairwise(joined):
        assert a.window.end < b.window.start or a.reason is not b.reason


def test_complete_means_that_every_window_was_answered() -> None:
    """What the service has no row for does not make an answer incomplete."""
    window = Window(0, 900)
    incomplete = {r for r in Reason if not Coverage(window, GRID, (Gap(window, r),)).complete}
    assert incomplete == {Reason.LEFT_OUT, Reason.UNAVAILABLE, Reason.REFUSED, Reason.FAILED}


def test_what_was_left_out_may_have_been_of_any_part() -> None:
    """Unless it is known of which intervals."""
    window, half = Window(0, 1800), Window(0, 900)
    for gap, complete in (
        (nothing_missing(window), False),
        (Gap(half, Reason.LEFT_OUT), False),
        (Gap(Window(900, 1800), Reason.LEFT_OUT), True),
    ):
        whole = Coverage(window, GRID, (gap,))
        assert (whole.complete, whole.cut(half).complete) == (False, complete)
        assert combined([whole], window, GRID, ()).gaps() == (gap,)


def test_a_gap_tells_its_ends_in_utc() -> None:
    """As aware datetimes."""
    gap = Gap(Window(0, 900), Reason.NO_ROW)
    assert (gap.start_at, gap.end_at) == (
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, 0, 15, tzinfo=UTC),
    )


def test_what_was_left_out_makes_every_part_incomplete() -> None:
    """It is not known what part of the range it was of."""
    whole = Window(0, 4 * GRID)
    coverage = Coverage(whole, GRID, (Gap(Window(whole.end, whole.end), Reason.LEFT_OUT),))
    assert not coverage.complete
    for part in (Window(0, GRID), Window(GRID, 2 * GRID), whole):
        assert not coverage.cut(part).complete
        assert coverage.cut(part).got == part.seconds // GRID


@pytest.mark.parametrize(
    ("size", "gaps", "empty"),
    [
        (0, [], True),
        (2, [(0, 2, Reason.BEFORE_OPERATION)], True),
        (2, [(0, 1, Reason.BEYOND_RETENTION), (1, 2, Reason.NOT_REPORTED_YET)], True),
        (2, [(0, 2, Reason.NO_DEVICE)], True),
        (2, [(0, 2, Reason.FAILED)], False),
        (2, [(0, 2, Reason.LEFT_OUT)], False),
        (0, [(0, 0, Reason.LEFT_OUT)], False),
        (2, [(0, 1, Reason.BEFORE_OPERATION)], False),
        (2, [], False),
    ],
)
def test_a_range_of_which_nothing_exists(size: int, gaps: list[tuple[int, int, Reason]], empty: bool) -> None:
    """It is complete, which says nothing: the coverage tells."""
    made = tuple(Gap(Window(a * GRID, b * GRID), reason) for a, b, reason in gaps)
    assert Coverage(Window(0, size * GRID), GRID, made).is_empty == empty


FINE = GRID // 3
CELL = st.sampled_from(["long", "gap"]) | st.sets(st.sampled_from([1, 2, 3]), min_size=1)


@thorough
@given(cells=st.lists(CELL, max_size=12))
def test_each_row_has_the_length_of_its_own_interval(cells: list[str | set[int]]) -> None:
    """Rows of two grids and gaps, in any order: a row reaches back to the row or the gap before it."""
    window = Window(9000, 9000 + len(cells) * GRID)
    rows: dict[int, int] = {}
    gaps: list[Gap] = []
    for number, cell in enumerate(cells):
        end = 9000 + (number + 1) * GRID
        there = {1, 2, 3} if cell == "long" else set[int]() if cell == "gap" else set(cell)
        fine = {} if cell == "long" else {end - GRID + place * FINE: FINE for place in there}
        rows |= {end: GRID} if cell == "long" else fine
        blanks = {1, 2, 3} - there
        gaps += [
            Gap(Window(end - GRID + (n - 1) * FINE, end - GRID + n * FINE), Reason.NO_ROW) for n in blanks
        ]
    ends = sorted(rows)
    lengths = row_lengths(Coverage(window, FINE, join(gaps)), ends)
    assert lengths == (None if GRID not in rows.values() else [rows[end] for end in ends])


@pytest.mark.parametrize("missed", [FINE, 2 * FINE])
def test_a_row_that_begins_before_the_answer_has_no_known_length(missed: int) -> None:
    """Nor one that reaches back to where its answer was cut."""
    window = Window(9000 + missed, 9000 + 3 * GRID)
    lengths = row_lengths(Coverage(window, FINE), [9000 + (n + 1) * GRID for n in range(3)])
    assert lengths == [0, GRID, GRID]
