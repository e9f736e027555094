"""Ranges as callers give them, and the endpoint table."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enlighten_async.api.ranges import MARGIN, Range, SeriesLimits
from enlighten_async.api.v2 import series
from enlighten_async.errors import InputError
from enlighten_async.windows import DAY, Window, local_days, split
from tests.zones import ZONES, local_dates

RGM_STATS, STATS = series.RGM_STATS.limits, series.STATS.limits
CONSUMPTION_STATS = series.CONSUMPTION_STATS.limits
GRID = RGM_STATS.grid
NOW = 1_750_000_020.0
NOTHING: dict[str, Any] = {"start_at": None, "end_at": None, "start_date": None, "end_date": None}
thorough = settings(max_examples=300, deadline=None)


def asked(**given: Any) -> Range:
    """Return a range as a caller gives it."""
    made = Range.of(**{**NOTHING, **given})
    assert made is not None
    return made


def test_no_range_is_left_to_the_service() -> None:
    """There is nothing to check."""
    assert Range.of(**NOTHING) is None


@thorough
@given(
    moments=st.tuples(st.floats(0, 4e9), st.floats(0, 4e9)).map(sorted),
    now=st.floats(1e9, 4e9),
    zones=st.tuples(ZONES, ZONES),
)
def test_instants_are_floored_and_end_by_now(
    moments: list[float], now: float, zones: tuple[str, str]
) -> None:
    """Epoch seconds or datetimes of any zones give the same window, on the grid, not after now."""
    start, end = (datetime.fromtimestamp(m, ZoneInfo(z)) for m, z in zip(moments, zones, strict=True))
    window = asked(start_at=start, end_at=end).window(now, None, GRID)
    first, last = int(start.timestamp() // GRID), int(min(end.timestamp(), now) // GRID)
    assert window == Window(first * GRID, max(first, last) * GRID)
    plain = asked(start_at=start.timestamp(), end_at=end.timestamp())
    assert plain.window(now, None, GRID) == window
    assert not plain.local


@thorough
@given(start=st.integers(0, 4_000_000_000), now=st.floats(1e9, 4e9))
def test_an_open_end_is_now(start: int, now: float) -> None:
    """A start that is still to come gives an empty window."""
    window = asked(start_at=start).window(now, None, GRID)
    assert window == asked(start_at=start, end_at=max(now, start)).window(now, None, GRID)
    assert (window.seconds == 0) == (start // GRID >= now // GRID)


@thorough
@given(data=st.data(), name=ZONES, length=st.integers(0, 400))
def test_local_days_are_whole_and_end_by_now(data: st.DataObject, name: str, length: int) -> None:
    """First to last, inclusive, floored to the grid; without a last one, up to now."""
    zone = ZoneInfo(name)
    first = data.draw(local_dates(name))
    last = first + timedelta(days=length)
    whole = local_days(first, last, zone)
    days = asked(start_date=first, end_date=last)
    assert days.local
    later = whole.end + data.draw(st.integers(0, 10 * DAY))
    floored = Window(whole.start // GRID * GRID, whole.end // GRID * GRID)
    assert days.window(later, zone, GRID) == floored
    amid = data.draw(st.integers(whole.start - DAY, whole.end + DAY))
    until = max(floored.start, min(whole.end, amid) // GRID * GRID)
    assert days.window(amid, zone, GRID) == Window(floored.start, until)
    assert asked(start_date=first).window(amid, zone, GRID) == Window(
        floored.start, max(floored.start, amid // GRID * GRID)
    )


@thorough
@given(data=st.data(), name=ZONES)
def test_days_next_to_each_other_share_no_interval(data: st.DataObject, name: str) -> None:
    """Floored, too, they tile time."""
    day, zone = data.draw(local_dates(name)), ZoneInfo(name)
    one, other = (
        asked(start_date=d, end_date=d).window(5e9, zone, GRID) for d in (day, day + timedelta(days=1))
    )
    assert one.end == other.start


@thorough
@given(phase=st.floats(0, 8 * DAY))
def test_a_year_is_53_requests_at_any_time(phase: float) -> None:
    """The last 365 days, without what may have gone from the service when its turn comes."""
    now = NOW + phase
    window = asked(start_at=now - 365 * DAY, end_at=now).window(now, None, GRID)
    kept = window.clip(Window(RGM_STATS.oldest(now), window.end))
    assert len(split(kept, RGM_STATS.span)) == 53
    assert 0 <= kept.start - (now - RGM_STATS.retention) <= MARGIN
    assert kept.start % GRID == 0
    assert now - RGM_STATS.retention + MARGIN - kept.start < GRID


@thorough
@given(
    endpoint=st.sampled_from([RGM_STATS, STATS, CONSUMPTION_STATS]),
    start=st.integers(0, 4_000_000_000),
    length=st.integers(0, 70 * DAY),
    name=st.none() | ZONES,
    local=st.booleans(),
)
def test_pieces_tile_the_window(
    endpoint: SeriesLimits, start: int, length: int, name: str | None, *, local: bool
) -> None:
    """None is longer than the service allows; there are as few as that takes, but for clock changes."""
    grid, zone = endpoint.grid, None if name is None else ZoneInfo(name)
    window = Window(start // grid * grid, (start + length) // grid * grid)
    pieces = endpoint.pieces([window], zone, local=local)
    assert [(piece.start, piece.end) for piece in pieces] == list(
        pairwise([window.start, *(piece.end for piece in pieces)])
    )
    assert not pieces or pieces[-1].end == window.end
    assert all(0 < piece.seconds <= endpoint.span for piece in pieces)
    least = -(-window.seconds // endpoint.span)
    assert least <= len(pieces) <= least + (2 if zone else 0) + 5 * (local and endpoint is STATS)
    if zone is None or endpoint is RGM_STATS:
        assert pieces == split(window, endpoint.span)


def test_the_table() -> None:
    """As the service documents it."""
    table = [(e.name, e.grid, e.span, e.retention, e.cut) for e in (RGM_STATS, STATS, CONSUMPTION_STATS)]
    assert table == [
        ("rgm_stats", 900, 7 * DAY, 365 * DAY, "error"),
        ("stats", 300, DAY, 365 * DAY, "silent"),
        ("consumption_stats", 900, 28 * DAY, 365 * DAY, "silent"),
    ]


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"start_at": 2, "end_at": 1}, "swap them"),
        ({"start_at": datetime(2026, 1, 2, tzinfo=UTC), "end_at": 1}, "swap them"),
        ({"start_date": date(2026, 1, 2), "end_date": date(2026, 1, 1)}, "swap them"),
        ({"end_at": 1}, "give start_at too"),
        ({"end_date": date(2026, 1, 1)}, "give start_date too"),
        ({"start_at": 1, "end_date": date(2026, 1, 1)}, "not both"),
        ({"start_date": date(2026, 1, 1), "end_at": 1}, "not both"),
        ({"start_at": 0, "start_date": date(2026, 1, 1)}, "not both"),
        ({"start_at": date(2026, 1, 1)}, "use start_date/end_date"),
        ({"start_at": 1, "end_at": date(2026, 1, 1)}, "use start_date/end_date"),
        ({"start_at": 1, "end_at": datetime(2026, 1, 1)}, "replace(tzinfo=UTC)"),  # noqa: DTZ001
        ({"start_at": False}, "aware datetime or epoch seconds"),
        ({"start_at": float("nan")}, "between 1970 and 9999"),
        ({"start_at": 1, "end_at": float("inf")}, "between 1970 and 9999"),
        ({"start_date": datetime(2026, 1, 1, tzinfo=UTC)}, "use start_at/end_at"),
        (
            {"start_date": date(2026, 1, 1), "end_date": datetime(2026, 1, 1, tzinfo=UTC)},
            "use start_at/end_at",
        ),
        ({"start_date": "2026-01-01"}, "must be a date"),
    ],
)
def test_what_is_no_range_is_refused_with_advice(given: dict[str, Any], advice: str) -> None:
    """The error names the argument and says what to do."""
    with pytest.raises(InputError, match=r"(start|end)_(at|date)") as caught:
        asked(**given)
    assert advice in str(caught.value)


def test_an_empty_range_is_one() -> None:
    """It begins where it ends, and costs nothing."""
    assert asked(start_at=0, end_at=0).window(NOW, None, GRID) == Window(0, 0)
