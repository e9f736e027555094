"""What microinverters and consumption meters measured, over any range: the truth, or a gap with a name."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v2.series import CONSUMPTION_STATS, STATS
from enlighten_async.errors import AuthenticationError, NotFound
from enlighten_async.models import Reason
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.query import Query
from tests.effort import SEED, examples
from tests.world import World

SYSTEMS = 16
DAY = 86_400
ASK: dict[str, Any] = {"stats": STATS.plan, "consumption_stats": CONSUMPTION_STATS.plan}
GRIDS = {"stats": 300, "consumption_stats": 900}
LENGTHS = {"stats": 8, "consumption_stats": 100}

NUMBERS = st.sampled_from(range(SYSTEMS))

both = pytest.mark.parametrize("name", sorted(ASK))


@cache
def world() -> World:
    """One service with two systems of each kind for all examples: its readings are costly to make."""
    return World(systems=SYSTEMS, seed=SEED)


def query(name: str, number: int, zones: dict[int, str] | None = None, **asked: Any) -> Query[Any, Any]:
    """Ask for a system; what is known of time zones is given."""
    system = world().emulator.truth.systems()[number]
    plan = ASK[name](system.system_id, {} if zones is None else zones, **asked)
    return world().client()._query(plan)


def readable(name: str, number: int) -> bool:
    """Tell whether the user may see this: consumption takes a permission of its own."""
    return name == "stats" or world().emulator.truth.systems()[number].consumption != "refused"


def check(name: str, answer: IntervalStats[Any], number: int) -> None:
    """Compare an answer with the truth, row by row, and its gaps with the rows that are missing."""
    system, window, grid = world().emulator.truth.systems()[number], answer.window, GRIDS[name]
    known: Any = getattr(world().emulator.truth, name)(system.system_id, window.start, window.end)
    gaps = [gap.window.end for gap in answer.coverage.gaps() if gap.reason is Reason.BEYOND_RETENTION]
    beyond = max(gaps, default=window.start)
    assert beyond <= max(window.start, world().clock.now() - 365 * DAY + 2 * 3600)
    columns = answer.intervals.columns
    got = list(zip(*columns.values(), strict=True))
    assert got == [tuple(row.values()) for row in known if row["end_at"] > beyond]
    cells = set(range(window.start + grid, window.end + 1, grid))
    missing = [
        end
        for gap in answer.coverage.gaps()
        for end in range(gap.window.start + grid, gap.window.end + 1, grid)
    ]
    assert len(missing) == len(set(missing))
    assert set(missing) == cells - set(columns["end_at"])
    assert answer.coverage.complete
    reasons = {gap.reason for gap in answer.coverage.gaps()}
    if Reason.NO_DEVICE in reasons:
        assert name == "consumption_stats"
        assert system.consumption in {"none", "disabled"}


@st.composite
def ranges(draw: st.DrawFn, name: str) -> dict[str, float]:
    """Draw a range that begins up to 13 months ago, on no grid, and ends up to a day from now."""
    now = world().clock.now()
    start = now - draw(st.integers(0, 395 * DAY))
    return {"start_at": start, "end_at": min(start + draw(st.integers(0, LENGTHS[name] * DAY)), now + DAY)}


@pytest.mark.slow
@both
@examples(50)
@given(data=st.data(), number=NUMBERS, known=st.booleans())
async def test_any_range_of_any_system_is_the_truth(
    name: str, data: st.DataObject, number: int, *, known: bool
) -> None:
    """Awaited: every interval the service has, once, in order; every other one in a gap."""
    system = world().emulator.truth.systems()[number]
    zones = {system.system_id: system.timezone} if known else {}
    asked = query(name, number, zones, **data.draw(ranges(name)))
    price = await asked.estimate()
    assert price.at_most is not None
    if not readable(name, number):
        if price.at_most:
            with pytest.raises(AuthenticationError):
                await asked
        return
    answer = await asked
    assert min(price.at_least, price.at_most) <= answer.receipt.sent <= price.at_most
    check(name, answer, number)


@pytest.mark.slow
@both
@examples(30)
@given(back=st.integers(0, 360), length=st.integers(0, 40), number=NUMBERS)
async def test_any_local_days_of_any_system_are_whole(name: str, back: int, length: int, number: int) -> None:
    """In all the emulator's time zones, known before or not: each day once, at no more than its price."""
    if not readable(name, number):
        return
    system = world().emulator.truth.systems()[number]
    zone = ZoneInfo(system.timezone)
    today = datetime.fromtimestamp(world().clock.now(), zone).date()
    first = today - timedelta(days=back)
    last = min(first + timedelta(days=length), today)
    asked = query(name, number, {system.system_id: system.timezone}, start_date=first, end_date=last)
    check(name, answer := await asked, number)
    unknown = await query(name, number, start_date=first, end_date=last).estimate()
    assert unknown.at_most is not None
    assert unknown.at_least <= answer.receipt.sent + 1 <= unknown.at_most
    assert {day.start.date() for day in answer.sums("day", timezone=system.timezone)} <= {
        first + timedelta(days=n) for n in range(length + 1)
    }


@pytest.mark.slow
@both
@pytest.mark.parametrize("number", range(SYSTEMS))
@pytest.mark.parametrize("hour", [0, 3, 12, 20])
async def test_today_is_a_value_at_any_hour(name: str, number: int, hour: int) -> None:
    """Also before the first report of the day, and without a meter."""
    clock = world().clock
    here = World(now=clock.now() + hour * 3600, systems=SYSTEMS)
    system = here.emulator.truth.systems()[number]
    if not readable(name, number):
        return
    for zones in ({}, {system.system_id: system.timezone}):
        answer = await here.client()._query(ASK[name](system.system_id, zones))
        known: Any = getattr(here.emulator.truth, name)(
            system.system_id, answer.window.start, answer.window.end
        )
        assert list(zip(*answer.intervals.columns.values(), strict=True)) == [
            tuple(r.values()) for r in known
        ]
        assert answer.intervals or answer.coverage.gaps()


@both
@examples(10)
@given(data=st.data(), number=NUMBERS)
async def test_the_parts_of_a_stream_are_the_truth(name: str, data: st.DataObject, number: int) -> None:
    """Streamed: the same intervals as awaited, part by part."""
    if not readable(name, number):
        return
    span = data.draw(ranges(name))
    whole = await query(name, number, **span)
    parts = [part async for part in query(name, number, **span)]
    assert [row for part in parts for row in part.intervals] == list(whole.intervals)


class Iso(httpx.AsyncBaseTransport):
    """Asks for instants as local times with an offset, whatever the client asks for."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Add the parameter."""
        request.url = request.url.copy_add_param("datetime_format", "iso8601")
        return await self.inner.handle_async_request(request)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*sorted(ASK), "rgm_stats"])
@pytest.mark.parametrize("iso", [False, True])
@pytest.mark.parametrize("era", [2014, 2017, 2021, 2024])
async def test_answers_of_any_year_and_format_are_the_truth(name: str, era: int, *, iso: bool) -> None:
    """With and without `meta`; instants as epoch seconds or as local times."""
    here = World(systems=2, v2_year=era)
    transport = here.emulator.transport()
    client = here.client(transport=Iso(transport) if iso else transport)
    try:
        answer: Any = await getattr(client, name)(here.system, **here.days(40 if name != "stats" else 3))
    except NotFound:
        assert (name, era) == ("consumption_stats", 2014)
        return
    truth: Any = getattr(here.emulator.truth, name)(here.system, answer.window.start, answer.window.end)
    assert list(zip(*answer.intervals.columns.values(), strict=True)) == [tuple(r.values()) for r in truth]
    assert answer.intervals
    assert answer.coverage.complete
    assert (answer.meta is None) == (era == 2014)


async def test_a_whole_year_is_365_requests() -> None:
    """All days of a year, and no more requests than there are."""
    now = world().clock.now()
    answer = await query("stats", 0, start_at=now - 365 * DAY, end_at=now)
    assert answer.receipt.sent == 365
    check("stats", answer, 0)
