"""Tables of the rules for pieces: where an answer is cut, and how answers overlay each other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from enlighten_async.cache.freshness import CachedSpan
from enlighten_async.cache.pieces import (
    DEVICE_LAG_S,
    WEEK,
    CachedPart,
    overlay,
    parts_within,
    split_by_week,
    split_window_by_week,
    unwritten_spans,
)
from enlighten_async.models import Meta, Reason, Stats
from enlighten_async.windows import DAY, Window
from tests.cache.parts import GRID, MONDAY, NOW, at, hours, join, stats_part

HOUR = 3600

Span = tuple[float, float]


def cached_part(
    start: float, end: float, fetched: int, *, reported: float | None = None
) -> CachedPart[Stats]:
    """Return the cached answer for some hours, with the time of its fetch in all its rows."""
    window = hours(start, end)
    told = float(MONDAY - WEEK) if reported is None else reported
    return CachedPart(
        CachedSpan(window, NOW + fetched, told), stats_part(window, float(fetched), reported=told)
    )


def told(parts: Sequence[CachedPart[Stats]]) -> list[tuple[float, float, float]]:
    """Return start, end and value of parts, and check that each is consistent."""
    found = []
    for each in parts:
        assert each.part.window == each.part.coverage.window == each.window
        (value,) = {row.powr for row in each.part.intervals}
        assert len(each.part.intervals) == each.window.seconds // GRID
        found.append(((each.window.start - MONDAY) / HOUR, (each.window.end - MONDAY) / HOUR, value))
    return found


@pytest.mark.parametrize(
    ("window", "pieces"),
    [
        ((0, 1), [(0, 1)]),
        ((0, 168), [(0, 168)]),  # exactly a week
        ((0, 168.25), [(0, 168), (168, 168.25)]),
        ((-0.25, 168), [(-0.25, 0), (0, 168)]),
        ((-5, 341), [(-5, 0), (0, 168), (168, 336), (336, 341)]),
        ((3, 3), []),
    ],
)
def test_split_window_by_week(window: Span, pieces: list[Span]) -> None:
    """At the edges of the grid's weeks, and nowhere else."""
    assert split_window_by_week(hours(*window)) == [hours(*piece) for piece in pieces]


@pytest.mark.parametrize(
    ("window", "unanswered", "pieces"),
    [
        ((0, 4), None, [(0, 4)]),
        ((-2, 2), None, [(-2, 0), (0, 2)]),
        ((0, 4), (0, 1), [(1, 4)]),
        ((0, 4), (1, 2), [(0, 1), (2, 4)]),
        ((0, 4), (3, 4), [(0, 3)]),
        ((0, 4), (0, 4), []),
        ((-2, 2), (-1, 1), [(-2, -1), (1, 2)]),
    ],
)
def test_split_by_week(window: Span, unanswered: Span | None, pieces: list[Span]) -> None:
    """At the edges of weeks, without the windows that were not answered."""
    failed = None if unanswered is None else hours(*unanswered)
    found = list(split_by_week(stats_part(hours(*window), 7.0, unspoken=failed), NOW))
    assert told(found) == [(*piece, 7.0) for piece in pieces]
    assert {(each.span.fetched, each.span.data_begins) for each in found} <= {(NOW, None)}


@pytest.mark.parametrize(
    ("reason", "reported", "ends", "empty"),
    [
        (Reason.NO_ROW, None, (), Reason.NO_ROW),
        (Reason.NO_ROW, MONDAY + 4 * HOUR, (), None),  # final some day, like a window with rows
        (Reason.NO_DEVICE, None, (), Reason.NO_DEVICE),
        (Reason.NO_DEVICE, MONDAY + 4 * HOUR, (), Reason.NO_DEVICE),
        (Reason.NOT_REPORTED_YET, None, (), Reason.NOT_REPORTED_YET),  # it will come
        (Reason.NOT_REPORTED_YET, MONDAY + 4 * HOUR, (), None),
        (Reason.BEFORE_OPERATION, None, (), Reason.BEFORE_OPERATION),
        (Reason.NO_ROW, None, (MONDAY + GRID,), None),  # not all of it is empty
        (Reason.NO_DEVICE, None, (MONDAY + GRID,), None),
        (Reason.LEFT_OUT, None, (), Reason.LEFT_OUT),
        (Reason.LEFT_OUT, MONDAY + 4 * HOUR, (MONDAY + GRID,), Reason.LEFT_OUT),  # also for the other rows
    ],
)
def test_the_reason_why_a_part_is_empty(
    reason: Reason, reported: float | None, ends: Sequence[int], empty: Reason | None
) -> None:
    """Only where the service says that it has nothing at all; or that rows were left out."""
    part = stats_part(hours(0, 4), ends=ends, reported=reported, empty=reason)
    part = part if reported is not None else evolve(part, meta=None)
    (piece,) = split_by_week(part, MONDAY + 29 * DAY)
    assert piece.span.empty_reason is empty


@pytest.mark.parametrize(
    ("reason", "ends", "empty"),
    [
        (Reason.NO_ROW, (), (None, None)),
        (Reason.NOT_REPORTED_YET, (MONDAY + GRID,), (None, None)),
        (Reason.NOT_REPORTED_YET, (), 2 * (Reason.NOT_REPORTED_YET,)),  # the service says so
        (Reason.NO_DEVICE, (), (Reason.NO_DEVICE, Reason.NO_DEVICE)),
    ],
)
def test_a_part_without_rows_is_final_after_a_month(
    reason: Reason, ends: Sequence[int], empty: tuple[Reason | None, ...]
) -> None:
    """Of a device that has stopped, and of which no answer tells the last report."""
    part = evolve(stats_part(hours(0, 240), ends=ends, empty=reason), meta=None)
    pieces = list(split_by_week(part, MONDAY + 41 * DAY))
    assert tuple(piece.span.empty_reason for piece in pieces) == empty
    assert [piece.span.final for piece in pieces] == [each is None for each in empty]


@pytest.mark.parametrize(
    ("report", "energy", "until"),
    [
        (48, None, 47),  # it went on reporting
        (11, None, 10),
        (10.5, None, 9.5),  # it did not: its last hour may have been cut
        (None, 10, 9),
        (48, 10, 9),  # it is back and uploads its backlog
        (10, 48, 9),
        (10, 10, 9),
        (None, None, None),  # the newest row does not tell
    ],
)
def test_the_hour_before_an_outage_may_be_half(
    report: float | None, energy: float | None, until: float | None
) -> None:
    """Some devices fall silent before the last one does: hours from Monday on of an answer for ten hours."""
    told = [None if hour is None else at(MONDAY + hour * HOUR) for hour in (report, energy)]
    part = evolve(stats_part(hours(0, 10), reported=MONDAY + 10 * HOUR), meta=Meta("normal", *told))
    (piece,) = split_by_week(part, NOW)
    assert piece.span.reported_until == (None if until is None else MONDAY + until * HOUR)


@pytest.mark.parametrize(
    ("new", "older", "newer"),
    [
        # new, over an older answer for the hours 2 to 6, and under a newer one
        ((0, 2), [(0, 2, 5), (2, 6, 1)], [(0, 2, 5), (2, 6, 9)]),  # beside, left
        ((6, 8), [(2, 6, 1), (6, 8, 5)], [(2, 6, 9), (6, 8, 5)]),  # beside, right
        ((0, 1), [(0, 1, 5), (2, 6, 1)], [(0, 1, 5), (2, 6, 9)]),  # apart
        ((0, 4), [(0, 4, 5), (4, 6, 1)], [(0, 2, 5), (2, 6, 9)]),  # over the left end
        ((4, 8), [(2, 4, 1), (4, 8, 5)], [(2, 6, 9), (6, 8, 5)]),  # over the right end
        ((3, 4), [(2, 3, 1), (3, 4, 5), (4, 6, 1)], [(2, 6, 9)]),  # inside
        ((0, 8), [(0, 8, 5)], [(0, 2, 5), (2, 6, 9), (6, 8, 5)]),  # around
        ((2, 6), [(2, 6, 5)], [(2, 6, 9)]),  # the same
        ((2, 4), [(2, 4, 5), (4, 6, 1)], [(2, 6, 9)]),
        ((4, 6), [(2, 4, 1), (4, 6, 5)], [(2, 6, 9)]),
    ],
)
def test_overlay(
    new: Span, older: list[tuple[float, float, float]], newer: list[tuple[float, float, float]]
) -> None:
    """Of each interval the answer that was fetched last; values are the seconds of the fetch."""
    added = cached_part(*new, 5)
    assert told(overlay([cached_part(2, 6, 1)], added, join)) == older
    assert told(overlay([cached_part(2, 6, 9)], added, join)) == newer


def test_of_answers_of_the_same_moment_the_later_one_wins() -> None:
    """Times of answers are whole seconds: the one that is put last is no older."""
    window = hours(2, 6)
    new = CachedPart(CachedSpan(window, NOW + 1), stats_part(window, 7.0))
    assert told(overlay([cached_part(2, 6, 1)], new, join)) == [(2, 6, 7.0)]


@pytest.mark.parametrize(("final", "kept"), [(True, [(2, 6), (6, 8)]), (False, [(2, 8)])])
def test_what_was_left_out_replaces_nothing_that_is_final(final: bool, kept: list[tuple[int, int]]) -> None:
    """It was paid for and understood, and does not change any more."""
    fetched, window = MONDAY + 9 * DAY, hours(2, 6)
    before = CachedSpan(window, fetched, window.end if final else window.end - 1)
    after = CachedSpan(hours(2, 8), fetched + 60, fetched, empty_reason=Reason.LEFT_OUT)
    new = CachedPart(after, stats_part(hours(2, 8), ends=[], empty=Reason.LEFT_OUT))
    found = overlay([CachedPart(before, stats_part(window))], new, join)
    assert [each.window for each in found] == [hours(*each) for each in kept]
    assert found[-1].span.empty_reason is Reason.LEFT_OUT
    assert (found[0].span == before) is final


def test_overlay_over_several() -> None:
    """Each of them is kept where it is newer, and cut where it is older."""
    cached = [cached_part(0, 2, 1), cached_part(2, 4, 9), cached_part(5, 8, 1)]
    found = told(overlay(cached, cached_part(1, 6, 5), join))
    assert found == [(0, 1, 1), (1, 2, 5), (2, 4, 9), (4, 6, 5), (6, 8, 1)]


@pytest.mark.parametrize(
    ("answers", "since"),
    [
        ([(0, 4, 1, 0)], None),
        ([(0, 4, 1, 0), (0, 4, 5, 0)], 1),  # it told of no more than the one before it
        ([(0, 4, 1, 0), (0, 4, 5, 0), (0, 4, 9, 0)], 1),
        ([(0, 4, 1, None), (0, 4, 5, None)], 1),  # neither tells
        ([(0, 4, 1, 0), (0, 4, 5, 1)], None),  # it told of more
        ([(0, 4, 1, 0), (0, 4, 5, 1), (0, 4, 9, 1)], 5),
        ([(0, 4, 1, 0), (4, 8, 5, 0)], None),  # it was about another time
        ([(0, 4, 1, 0), (2, 8, 5, 0)], 1),
        ([(0, 4, 1, 9), (0, 4, 5, 9)], None),  # it is final
    ],
)
def test_since_when_answers_have_told_the_same(
    answers: Sequence[tuple[float, float, int, float | None]], since: int | None
) -> None:
    """By hours from Monday on, days after its start at which they came, and hours up to which they tell."""
    cached: list[CachedPart[Stats]] = []
    for start, end, days, hour in answers:
        reported = None if hour is None else MONDAY + hour * HOUR
        span = CachedSpan(hours(start, end), MONDAY + days * DAY, reported)
        cached = overlay(cached, CachedPart(span, stats_part(hours(start, end))), join)
    assert cached[-1].span.since == (None if since is None else MONDAY + since * DAY)


@pytest.mark.parametrize(
    ("answers", "sure", "in_doubt"),
    [
        ([], [], []),
        ([(None, 0, None)], [], []),  # it does not tell
        ([(-900, 0, None)], [], []),  # it knew of less
        ([(0, 0, None)], [], []),  # it is the one that is written
        ([(0, 5, 1)], [], [5]),  # it came after that one, of the same time
        ([(0, 1, None), (0, 5, None)], [], [5]),  # of another time
        ([(300, 1, None), (0, 5, None)], [], [5]),
        ([(-900, 0, None), (0, 5, 1), (900, 9, None)], [9], [5, 9]),  # the last one knew of the next report
        ([(900, 5, None), (1800, 9, 7)], [5, 9], [5, 9]),
        ([(0, 5, 1), (0, 4, 1), (0, 6, 1)], [], [5]),  # the others came at times of which all is written
    ],
)
def test_which_answers_are_not_written(
    answers: Sequence[tuple[int | None, int, int | None]], sure: list[int], in_doubt: list[int]
) -> None:
    """By seconds from what is written to what they knew of, when they came, and since when they told so."""
    spans = [
        CachedSpan(
            hours(number, number + 1),
            fetched,
            None if told is None else NOW + told - DEVICE_LAG_S,
            since=since,
        )
        for number, (told, fetched, since) in enumerate(answers)
    ]
    for doubt, expected in ((False, sure), (True, in_doubt)):
        found = unwritten_spans(spans, NOW, [(0, 1), (5, 5)] if doubt else [])
        assert sorted(span.fetched for span in found) == expected


def test_since_when_rows_have_been_left_out() -> None:
    """Whatever other answers tell of reports; and it ends when they are understood."""
    cached: list[CachedPart[Stats]] = []
    since = []
    for day, reason in enumerate((Reason.LEFT_OUT, Reason.LEFT_OUT, None, Reason.LEFT_OUT)):
        span = CachedSpan(hours(0, 4), NOW + day * DAY, NOW + day * DAY - 9 * WEEK, empty_reason=reason)
        cached = overlay(cached, CachedPart(span, stats_part(hours(0, 4))), join)
        since.append(cached[-1].span.since)
    assert since == [None, NOW, None, None]


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (((0, 2), NOW), ((2, 4), NOW), True),
        (((0, 2), MONDAY), ((2, 4), NOW), False),  # the first is not final
        (((0, 2), NOW), ((2, 4), MONDAY), False),
        (((0, 2), None), ((2, 4), None), True),  # by their age
        (((0, 2), None), ((2, 4), NOW), False),  # one tells, the other does not
        (((0, 2), NOW), ((3, 4), NOW), False),  # not side by side
    ],
)
def test_final_neighbours_are_joined(
    first: tuple[Span, float | None], second: tuple[Span, float | None], joined: bool
) -> None:
    """They are one part then, with what either knows; of others the time of the fetch still matters."""
    one, two = (
        CachedPart(
            CachedSpan(hours(*span), fetched, reported, started), stats_part(hours(*span), reported=reported)
        )
        for (span, reported), fetched, started in ((first, NOW, 5.0), (second, NOW + 1, None))
    )
    found = overlay([one], two, join)
    assert len(found) == (1 if joined else 2)
    if joined:
        assert found[0].span == CachedSpan(hours(0, 4), NOW + 1, second[1], 5.0)
        assert found[0].part.window == hours(0, 4)


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((0, 9), [(0, 2, 1), (3, 5, 2)]),
        ((1, 4), [(1, 2, 1), (3, 4, 2)]),
        ((2, 3), []),  # a window is open on the left
        ((1.75, 3.25), [(1.75, 2, 1), (3, 3.25, 2)]),
        ((5, 9), []),
        ((4, 4), []),
    ],
)
def test_parts_within(window: Span, found: list[tuple[float, float, float]]) -> None:
    """The parts of a window, cut to it."""
    assert told(parts_within(hours(*window), [cached_part(0, 2, 1), cached_part(3, 5, 2)])) == found


def test_a_part_that_is_not_cut_is_the_same_object() -> None:
    """So that what did not change is not written again."""
    part = cached_part(0, 4, 1)
    assert part.cut(Window(part.window.start, part.window.end)) is part
    (stays, _) = overlay([part], cached_part(4, 8, 2), join)
    assert stays is part
