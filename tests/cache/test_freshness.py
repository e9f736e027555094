"""Tables of the rules of freshness: which answers are final, and which may be served."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from attrs import evolve

from enlighten_async.cache import (
    ABSENCE_MEMORY_S,
    FOR_EVER,
    HORIZON_S,
    CachedSpan,
    SeriesIndex,
    absent_until,
    day_end_anywhere,
    recheck_at,
    valid_until,
)
from enlighten_async.cache.freshness import (
    UNTOLD_HORIZON_S,
    final_until,
    spans_within,
    tells_the_same,
    told_until,
)
from enlighten_async.models import Meta, Reason
from enlighten_async.windows import DAY
from tests.cache.parts import GRID, MONDAY, NOW, hours

HOUR = 3600
MONDAY_END = MONDAY + DAY
LATER = MONDAY + 100 * DAY
"""The time of a query, long after Monday is final."""


def index(*spans: CachedSpan, now: float = LATER, max_age: float | None = None) -> SeriesIndex:
    """Return the index of these spans for a query."""
    return SeriesIndex(spans, grid=GRID, now=now, max_age=max_age)


@pytest.mark.parametrize(
    ("fetched", "reported", "until"),
    [
        (LATER, None, LATER - 30 * DAY),  # nobody knows how far the system had reported
        (LATER, MONDAY, MONDAY),  # reported, and older than the horizon
        (LATER, LATER - HORIZON_S, LATER - HORIZON_S),
        (LATER, LATER - HORIZON_S + 1, LATER - HORIZON_S),  # reported, but younger than the horizon
        (LATER, LATER, LATER - HORIZON_S),
    ],
)
def test_final_until(fetched: float, reported: float | None, until: float) -> None:
    """Final is what was reported, and older than the horizon when it was fetched."""
    assert final_until(fetched, reported) == until


@pytest.mark.parametrize(
    ("fetched", "reported", "empty", "final"),
    [
        (MONDAY_END + HORIZON_S, MONDAY_END, None, True),
        (MONDAY_END + HORIZON_S - 1, MONDAY_END, None, False),  # younger than the horizon
        (MONDAY_END + HORIZON_S, MONDAY_END - 1, None, False),  # not all of it was reported
        (MONDAY_END + HORIZON_S, None, None, False),
        (MONDAY_END + UNTOLD_HORIZON_S - 1, None, None, False),
        (MONDAY_END + UNTOLD_HORIZON_S, None, None, True),
        (MONDAY_END + UNTOLD_HORIZON_S, MONDAY, None, False),  # it tells that it had not been reported
        (MONDAY_END + HORIZON_S, MONDAY_END, Reason.LEFT_OUT, False),
        (MONDAY_END + HORIZON_S, MONDAY_END, Reason.NO_DEVICE, False),  # a device may be added
    ],
)
def test_a_span_is_final(fetched: float, reported: float | None, empty: Reason | None, final: bool) -> None:
    """By its own answer: all of it was reported, and older than the horizon."""
    assert CachedSpan(hours(0, 24), fetched, reported, empty_reason=empty).final is final


NOT_FINAL = {"fetched": MONDAY_END + HOUR, "reported_until": MONDAY_END + HOUR}
FINAL = {"fetched": MONDAY_END + HORIZON_S, "reported_until": MONDAY_END}
ABSENT = {"fetched": LATER - ABSENCE_MEMORY_S + 1, "empty_reason": Reason.NO_DEVICE}
BEHIND = {"reported_until": MONDAY + 6 * HOUR}
AGE = LATER - NOT_FINAL["fetched"]


@pytest.mark.parametrize(
    ("span", "max_age", "served"),
    [
        # max_age=None: final answers only
        (FINAL, None, 24),
        (NOT_FINAL, None, 0),
        (FINAL | {"fetched": MONDAY + 12 * HOUR + HORIZON_S}, None, 12),  # the horizon lies within
        (FINAL | {"fetched": MONDAY + 12 * HOUR + HORIZON_S + GRID - 1}, None, 12),  # floored to the grid
        (FINAL | {"fetched": MONDAY + 12 * HOUR + HORIZON_S + GRID}, None, 12.25),
        (FINAL | {"fetched": MONDAY + HORIZON_S}, None, 0),
        (FINAL | {"reported_until": MONDAY + 6 * HOUR}, None, 6),  # the last report lies within
        (FINAL | {"reported_until": MONDAY - 6 * HOUR}, None, 0),
        (FINAL | {"reported_until": None}, None, 0),
        (FINAL | {"reported_until": None, "fetched": MONDAY + 12 * HOUR + UNTOLD_HORIZON_S}, None, 12),
        (FINAL | {"empty_reason": Reason.LEFT_OUT}, None, 0),
        # older than the horizon but not final: asked again after an hour, and then more and more seldom
        (BEHIND | {"fetched": LATER - HOUR}, None, 6),
        (BEHIND | {"fetched": LATER - HOUR + 1}, None, 24),
        (BEHIND | {"fetched": LATER - HOUR + 1, "reported_until": None}, None, 24),
        (BEHIND | {"fetched": LATER - HOUR + 1, "empty_reason": Reason.LEFT_OUT}, None, 24),
        (BEHIND | {"fetched": LATER - HOUR + 1}, 0, 0),
        (BEHIND | {"fetched": LATER - HOUR + 1}, 1, 24),
        (BEHIND | {"fetched": LATER - 4 * HOUR, "since": LATER - 7 * HOUR}, None, 6),
        (BEHIND | {"fetched": LATER - 4 * HOUR + 1, "since": LATER - 7 * HOUR}, None, 24),
        (BEHIND | {"fetched": LATER - DAY, "since": MONDAY}, None, 6),
        (BEHIND | {"fetched": LATER - DAY + 1, "since": MONDAY}, None, 24),
        # max_age=0: no cached answer, except one that was fetched since the query began
        (FINAL, 0, 0),
        (ABSENT, 0, 0),
        (NOT_FINAL | {"fetched": LATER}, 0, 0),
        (NOT_FINAL | {"fetched": LATER + 1}, 0, 24),
        (NOT_FINAL | {"fetched": LATER + 1}, None, 24),
        # max_age=n: also answers of up to that age
        (NOT_FINAL, AGE, 24),
        (NOT_FINAL, AGE - 1, 0),
        (FINAL, 1, 24),
        (FINAL | {"fetched": MONDAY + 12 * HOUR + HORIZON_S}, 1, 12),
        (ABSENT, AGE, 24),
        # nothing there: remembered for a day
        (ABSENT, None, 24),
        (ABSENT | {"empty_reason": Reason.NO_ROW}, None, 24),
        (ABSENT | {"fetched": LATER - ABSENCE_MEMORY_S}, None, 0),
        (ABSENT | {"fetched": LATER - ABSENCE_MEMORY_S}, 1, 0),
        (ABSENT | {"fetched": LATER - ABSENCE_MEMORY_S}, ABSENCE_MEMORY_S, 24),
    ],
)
def test_servable(span: dict[str, object], max_age: float | None, served: float) -> None:
    """The hours of a span of a day, from its start, that a query of a certain `max_age` may be served."""
    made = CachedSpan(hours(0, 24), **span)
    assert index(made, max_age=max_age).servable(made) == hours(0, served)


SIX = MONDAY + 6 * HOUR


@pytest.mark.parametrize(
    ("own", "other_fetched", "other_reported", "served"),
    [
        (
            None,
            MONDAY_END + HORIZON_S,
            MONDAY_END,
            24,
        ),  # fetched at the same time: it tells of the same moment
        (None, MONDAY_END + HORIZON_S - 1, MONDAY_END, 24),  # an older answer saw that much already
        (None, MONDAY_END + HORIZON_S + 1, LATER, 0),  # a younger one: what came since may have filled it
        (SIX, MONDAY_END + HORIZON_S + 1, LATER, 6),
        (SIX, MONDAY_END + HORIZON_S - 1, MONDAY_END, 6),  # what was said before was wrong, or is taken back
        (SIX, MONDAY_END + HORIZON_S, MONDAY, 6),  # it knows less
        (SIX, MONDAY_END + HORIZON_S, None, 6),
    ],
)
def test_reports_of_other_answers(
    own: float | None, other_fetched: float, other_reported: float | None, served: int
) -> None:
    """One that does not tell how far the system had reported is judged by what was told before it."""
    span = CachedSpan(hours(0, 24), MONDAY_END + HORIZON_S, own)
    other = CachedSpan(hours(24, 25), other_fetched, other_reported)
    assert index(span, other).servable(span) == hours(0, served)


LEFT_OUT = Reason.LEFT_OUT


@pytest.mark.parametrize(
    ("fetched", "reason", "other_fetched", "other_reported", "served"),
    [
        (LATER - HOUR / 2, None, LATER - 60, MONDAY + 7 * HOUR, 6),  # more has come since: asked for at once
        (LATER - HOUR / 2, None, LATER - 60, MONDAY + 6 * HOUR, 24),
        (LATER - HOUR / 2, None, LATER - 60, None, 24),
        (LATER - 60, LEFT_OUT, LATER - 30, MONDAY + 7 * HOUR, 24),  # other answers tell nothing of it
        (LATER - 9 * DAY, LEFT_OUT, LATER - 60, MONDAY + 6 * HOUR, 0),
    ],
)
def test_what_a_younger_answer_tells_of_a_standstill(
    fetched: float, reason: Reason | None, other_fetched: float, other_reported: float | None, served: int
) -> None:
    """Where it tells of more, an older one is outdated, however long it would have held."""
    span = CachedSpan(hours(0, 24), fetched, MONDAY + 6 * HOUR, empty_reason=reason)
    other = CachedSpan(hours(24, 25), other_fetched, other_reported)
    assert index(span, other).servable(span) == hours(0, served)


def test_a_system_that_stands_still_is_asked_more_and_more_seldom() -> None:
    """After 1, 2, 4, 8 and 16 hours, and then once a day."""
    asked = [0.0]
    while len(asked) < 9:
        asked.append(recheck_at(asked[-1], asked[0]))
    assert [(b - a) / HOUR for a, b in pairwise(asked)] == [1, 2, 4, 8, 16, 24, 24, 24]


@pytest.mark.parametrize(
    ("fetched", "max_age", "fresh"),
    [
        (NOW + 1, None, True),
        (NOW + 1, 0, True),
        (NOW, None, False),
        (NOW, 0, False),
        (NOW, 60, True),
        (NOW - 60, 60, True),
        (NOW - 61, 60, False),
    ],
)
def test_is_fresh(fetched: float, max_age: float | None, fresh: bool) -> None:
    """Fetched since the query began, or not older than the caller allows."""
    assert index(now=NOW, max_age=max_age).is_fresh(fetched) is fresh


@pytest.mark.parametrize("in_doubt", [False, True])
@pytest.mark.parametrize("cached", [NOW - 5, NOW + HOUR])
def test_an_answer_that_was_cached_before_is_not_one_of_the_query(cached: float, *, in_doubt: bool) -> None:
    """Whatever its time; where the query's own is in doubt, the later one counts."""
    made = SeriesIndex(now=NOW, doubts_time=lambda: in_doubt)
    begun = made.begun_after(cached)
    assert not begun.is_fresh(cached)
    assert begun.is_fresh(max(NOW, cached) + 1)
    assert begun.now == (max(NOW, cached) if in_doubt else NOW)
    assert evolve(begun, max_age=60).is_fresh(cached)


@pytest.mark.parametrize(
    ("spans", "window", "found"),
    [
        ([], (0, 4), []),
        ([(0, 4)], (0, 4), [(0, 4)]),
        ([(0, 4)], (1, 2), [(1, 2)]),
        ([(0, 4)], (3, 9), [(3, 4)]),
        ([(0, 4)], (4, 9), []),
        ([(0, 2), (2, 4)], (1, 3), [(1, 3)]),  # side by side: one range
        ([(0, 2), (3, 4)], (0, 4), [(0, 2), (3, 4)]),
    ],
)
def test_servable_within(
    spans: list[tuple[int, int]], window: tuple[int, int], found: list[tuple[int, int]]
) -> None:
    """The ranges of a window, by the hours of spans that are final."""
    made = [CachedSpan(hours(*each), LATER - DAY, LATER) for each in spans]
    assert index(*made).servable_within(hours(*window)) == [hours(*each) for each in found]


@pytest.mark.parametrize(
    ("span", "fetched", "now", "max_age", "until"),
    [
        ((0, 4), 4, 5, HOUR, 4),  # it reached up to its fetch an hour ago: what came since is too young
        ((0, 4), 4.25, 5, HOUR, 4),
        ((0, 4), 4.5, 5, HOUR, 6),  # it ended before its fetch: nobody asked for what followed
        ((0, 4), 4, 5, HOUR - 1, 6),  # it is older than that
        ((-99, 4), 4, 5, HOUR - 1, 6),  # likewise, although its beginning is final
        ((0, 4), 4, 5, None, 6),
        ((0, 4), 4, 5, 0, 6),
        ((0, 5), 5.25, 5, HOUR, 5),
        ((0, 5), 5.25, 5, None, 6),  # fetched since the query began, which allows no age
        ((0, 5), 5.25, 5, 0, 6),
        ((-120, -110), -110, 5, 200 * HOUR, 6),  # it has nothing of the window
        ((0, 9), 9, 9, HOUR, 6),  # it reaches beyond the window
    ],
)
def test_asked_until(
    span: tuple[float, float], fetched: float, now: float, max_age: float | None, until: float
) -> None:
    """The hour up to which a window that ends in hour 6 is worth a request."""
    made = CachedSpan(hours(*span), MONDAY + fetched * HOUR, MONDAY + fetched * HOUR)
    asked = index(made, now=MONDAY + now * HOUR, max_age=max_age).asked_until(hours(-100, 6))
    assert asked == MONDAY + until * HOUR


GONE = CachedSpan(hours(0, 4), LATER - HOUR, empty_reason=Reason.NO_DEVICE)
FOUND = CachedSpan(hours(4, 8), LATER - 2 * HOUR, LATER - 2 * HOUR, data_begins=MONDAY)


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((-4, 0), ()),
        ((-4, 0.25), (0,)),
        ((0, 4), (0,)),
        ((3.75, 8.25), (0, 8)),
        ((4, 8), ()),  # between two
        ((5, 7), ()),
        ((8, 12), (8,)),
        ((9, 20), (8, 12)),
        ((16, 20), ()),
        ((-4, 20), (0, 8, 12)),
        ((9, 9), (8,)),  # an empty window has nothing of it: what is cut to it is empty
    ],
)
def test_spans_within(window: tuple[float, float], found: tuple[float, ...]) -> None:
    """The spans that have some of a window: others are not looked at, however many there are."""
    spans = tuple(CachedSpan(hours(start, start + 4), LATER) for start in (0, 8, 12))
    within = spans_within(hours(*window), spans)
    assert [each.window.start for each in within] == [hours(start, start).start for start in found]


@pytest.mark.parametrize(
    ("spans", "options", "window", "reason"),
    [
        ([], {}, (0, 4), None),
        ([GONE], {}, (100, 104), Reason.NO_DEVICE),  # whatever the window
        ([GONE], {"max_age": 0}, (100, 104), None),
        ([GONE], {"exhaustive": True}, (100, 104), None),
        ([GONE], {"now": GONE.fetched + ABSENCE_MEMORY_S}, (100, 104), None),
        ([GONE, CachedSpan(hours(4, 8), LATER)], {}, (100, 104), None),  # there is one meanwhile
        ([GONE, FOUND], {}, (100, 104), Reason.NO_DEVICE),  # there is none any more
        ([FOUND], {}, (-2, 0), Reason.BEFORE_OPERATION),
        ([FOUND], {}, (-2, 0.25), None),
        ([FOUND], {"max_age": 0}, (-2, 0), None),
        ([FOUND], {"exhaustive": True}, (-2, 0), None),
    ],
)
def test_known_empty(
    spans: list[CachedSpan],
    options: dict[str, float],
    window: tuple[float, float],
    reason: Reason | None,
) -> None:
    """The reason why nothing has to be requested for a window."""
    made = SeriesIndex(tuple(spans), grid=GRID, **{"now": LATER, **options})
    assert made.known_empty(hours(*window)) is reason


@pytest.mark.parametrize(
    ("fetched", "reported", "until"),
    [
        (LATER, LATER, FOR_EVER),
        (MONDAY_END + HORIZON_S, MONDAY_END, FOR_EVER),
        (MONDAY_END + HORIZON_S - 1, MONDAY_END, MONDAY_END + HORIZON_S - 1),
        (LATER, MONDAY_END - 1, LATER + HOUR),  # asked again after an hour
        (LATER, None, FOR_EVER),
        (MONDAY_END + UNTOLD_HORIZON_S - 1, None, MONDAY_END + UNTOLD_HORIZON_S - 1 + HOUR),
        (MONDAY_END + HORIZON_S - 1, None, MONDAY_END + HORIZON_S - 1),
    ],
)
def test_valid_until(fetched: float, reported: float | None, until: float) -> None:
    """An answer about Monday that is final may be served for ever, another one only at its moment."""
    told = None if reported is None else datetime.fromtimestamp(reported, UTC)
    assert valid_until(MONDAY_END, fetched, Meta(None, told, told)) == until
    asked_again = min(until, recheck_at(fetched)) if fetched - HORIZON_S >= MONDAY_END else fetched
    assert valid_until(MONDAY_END, fetched, Meta(None, told, told), whole=False) == asked_again


@pytest.mark.parametrize(
    ("report", "energy", "until"),
    [
        (LATER, MONDAY, MONDAY),
        (MONDAY, LATER, MONDAY),
        (None, MONDAY, MONDAY),
        (LATER, None, None),  # a gateway reports, and may have a backlog
        (LATER - UNTOLD_HORIZON_S, None, None),
        (LATER - UNTOLD_HORIZON_S - 1, None, LATER - UNTOLD_HORIZON_S - 1),  # nothing later has come
        (None, None, None),
    ],
)
def test_told_until(report: float | None, energy: float | None, until: float | None) -> None:
    """Energy tells what has come; reports alone only what has not."""
    moments = [None if told is None else datetime.fromtimestamp(told, UTC) for told in (report, energy)]
    assert told_until(Meta("normal", *moments), LATER) == until
    assert told_until(None, LATER) is None


REPLY = b'{"production": [1, 0], "meta": {"last_report_at": 1750000000, "last_energy_at": 1749000000}}'


@pytest.mark.parametrize(
    ("body", "same"),
    [
        (REPLY, True),
        (REPLY.replace(b"1750000000", b"1750003600"), True),
        (REPLY.replace(b"1750000000", b"null"), True),
        (REPLY.replace(b"1749000000", b"1749003600"), False),
        (REPLY.replace(b"[1, 0]", b"[1, 2]"), False),
    ],
)
def test_tells_the_same(body: bytes, same: bool) -> None:
    """A gateway goes on reporting while a system stands still."""
    assert tells_the_same(body, REPLY) is same


@pytest.mark.parametrize(
    ("reason", "since", "hours"),
    [
        (Reason.NO_DEVICE, None, 24),
        (Reason.BEFORE_OPERATION, None, 24),
        (Reason.NO_DEVICE, MONDAY, 24),
        (Reason.NOT_REPORTED_YET, None, 1),
        (Reason.NOT_REPORTED_YET, LATER - 3 * HOUR, 4),
        (Reason.NOT_REPORTED_YET, MONDAY, 24),
        (Reason.UNAVAILABLE, None, 0),
        (Reason.UNAVAILABLE, MONDAY, 0),
    ],
)
def test_how_long_it_holds_that_there_is_nothing(reason: Reason, since: float | None, hours: int) -> None:
    """A day if nothing will come soon; what may come any time is asked for again more and more seldom."""
    assert absent_until(reason, LATER, since) == LATER + hours * HOUR


def test_the_end_of_a_day_is_the_last_one_anywhere() -> None:
    """In the westernmost time zone it comes half a day after that of UTC."""
    assert day_end_anywhere(date(2025, 6, 1)) == datetime(2025, 6, 2, 12, tzinfo=UTC).timestamp()
