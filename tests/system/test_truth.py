"""For any system the emulator can make and any range: the answer is the truth, or names its gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import Reason, RgmStats
from tests.effort import SEED, examples
from tests.world import World

SYSTEMS = 16
DAY = 86_400


@cache
def world() -> World:
    """One service with two systems of each kind for all examples: its readings are costly to make."""
    return World(systems=SYSTEMS, seed=SEED)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[float, float]:
    """Draw a range that begins up to 13 months ago, on no grid, and ends up to a day from now."""
    now = world().clock.now()
    start = now - draw(st.floats(0, 395 * DAY))
    return start, min(start + draw(st.floats(0, 60 * DAY)), now + DAY)


def gone(answer: RgmStats) -> int:
    """Return up to when the range is older than the service keeps."""
    gaps = [gap for gap in answer.coverage.gaps() if gap.reason is Reason.BEYOND_RETENTION]
    return max((gap.window.end for gap in gaps), default=answer.window.start)


def check(answer: RgmStats, system: int) -> None:
    """Compare an answer with the truth, row by row, and its gaps with the rows that are missing."""
    truth, window = world().emulator.truth, answer.window
    kept = max(window.start, int(world().clock.now() - 365 * DAY))
    known = {row["end_at"]: row["wh_del"] for row in truth.rgm_stats(system, kept, window.end)}
    columns = answer.intervals.columns
    got = dict(zip(columns["end_at"], columns["wh_del"], strict=True))
    beyond = gone(answer)
    assert got == {end: wh for end, wh in known.items() if end > beyond}
    assert beyond <= kept + 2 * 3600
    cells = set(range(window.start + 900, window.end + 1, 900))
    missing = {
        end
        for gap in answer.coverage.gaps()
        for end in range(gap.window.start + 900, gap.window.end + 1, 900)
    }
    assert missing == cells - set(got)
    assert (answer.coverage.expected, answer.coverage.got) == (len(cells), len(got))


def check_meters(answer: RgmStats, system: int) -> None:
    """Compare each meter's rows with the truth."""
    truth: Any = world().emulator.truth.meter_intervals(system, answer.window.start, answer.window.end)
    known = {
        (meter["meter_serial_number"], row["channel"], row["end_at"]): (row["wh_del"], row["curr_w"])
        for meter in truth
        for row in meter["intervals"]
        if row["end_at"] > gone(answer)
    }
    got = [
        (meter.meter_serial_number, row.channel, int(row.end_at.timestamp()), row.wh_del, row.curr_w)
        for meter in answer.meter_intervals
        for row in meter.intervals
    ]
    assert len(got) == len({row[:3] for row in got})
    assert {row[:3]: row[3:] for row in got} == known


@pytest.mark.slow
@given(span=ranges(), number=st.integers(0, SYSTEMS - 1))
@examples(100)
async def test_any_range_of_any_system_is_the_truth(span: tuple[float, float], number: int) -> None:
    """Awaited: every interval the service has, once, in order; every other one in a gap."""
    system = world().emulator.truth.systems()[number].system_id
    sent = world().emulator.counts.sent
    query = world().client().rgm_stats(system, start_at=span[0], end_at=span[1])
    price = await query.estimate()
    answer = await query
    assert price.at_most is not None
    assert min(price.at_least, price.at_most) <= answer.receipt.sent <= price.at_most
    assert world().emulator.counts.sent - sent == answer.receipt.sent
    check(answer, system)
    check_meters(answer, system)


@given(span=ranges(), number=st.integers(0, SYSTEMS - 1))
@examples(30)
async def test_the_parts_of_a_stream_are_the_truth(span: tuple[float, float], number: int) -> None:
    """Streamed: the same intervals as awaited, part by part."""
    system = world().emulator.truth.systems()[number].system_id
    whole = await world().client().rgm_stats(system, start_at=span[0], end_at=span[1])
    parts = [part async for part in world().client().rgm_stats(system, start_at=span[0], end_at=span[1])]
    assert [row for part in parts for row in part.intervals] == list(whole.intervals)


@pytest.mark.slow
@given(back=st.integers(2, 360), length=st.integers(0, 40), number=st.integers(0, SYSTEMS - 1))
@examples(60)
async def test_any_local_days_of_any_system_are_whole(back: int, length: int, number: int) -> None:
    """Local days in all the emulator's time zones: each day once, with its own number of intervals."""
    system = world().emulator.truth.systems()[number]
    zone = ZoneInfo(system.timezone)
    today = datetime.fromtimestamp(world().clock.now(), zone).date()
    first = today - timedelta(days=back)
    last = min(first + timedelta(days=length), today - timedelta(days=1))
    answer = await world().client().rgm_stats(system.system_id, start_date=first, end_date=last)
    check(answer, system.system_id)
    days = answer.sums("day")
    assert [day.start.date() for day in days] == [
        first + timedelta(days=n) for n in range((last - first).days + 1)
    ]
    for day in days:
        begin = datetime.combine(day.start.date(), datetime.min.time(), zone).astimezone(UTC)
        end = datetime.combine(day.start.date() + timedelta(days=1), datetime.min.time(), zone).astimezone(
            UTC
        )
        assert abs(day.expected - (end - begin).total_seconds() / 900) <= (0 if begin.minute % 15 == 0 else 1)
