"""Where nobody knows how the service behaves, every way leads to the same intervals."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from enlighten_async.emulator import V4Options
from tests.effort import SEED, examples
from tests.world import World

pytestmark = pytest.mark.timeout(600)  # examples of many systems

SYSTEMS = 8
DAY = 86_400
MANNERS = {
    "a week of inverters is a day, and says so": V4Options(micro_week="day"),
    "a week of inverters is a day, and says otherwise": V4Options(micro_week="claimed"),
    "more than a week of meters is cut": V4Options(rgm_week="clipped"),
    "inverters come on no pages": V4Options(inverters_paged=False),
    "yesterday comes late, as nothing": V4Options(yesterday_from=23, yesterday_until="short"),
    "yesterday comes late, as zero": V4Options(yesterday_from=23, yesterday_until="zero"),
}


@cache
def world(name: str) -> World:
    """One service for all examples: its readings are costly to make."""
    return World(systems=SYSTEMS, seed=SEED, v4_options=MANNERS[name])


@pytest.mark.parametrize("series", ["stats", "rgm_stats", "consumption_stats"])
@pytest.mark.parametrize("name", MANNERS)
@examples(5)
@given(number=st.integers(0, SYSTEMS - 1), back=st.integers(0, 700 * DAY), length=st.integers(0, 20 * DAY))
async def test_series_are_the_truth(name: str, series: str, number: int, back: int, length: int) -> None:
    """Row by row, at no more than the price unless a week was cut without a word."""
    here = world(name)
    system = here.emulator.truth.systems()[number]
    if series == "consumption_stats" and system.consumption in {"refused", "disabled"}:
        return
    now = here.clock.now()
    span = {"start_at": now - back, "end_at": min(now - back + length, now)}
    async with here.v4() as client:
        query = getattr(client, series)(system.system_id, **span)
        price = await query.estimate()
        answer = await query
    last = answer.window.seconds % (7 * DAY)
    # Of less than two days, inverters' rows that end with the first may as well end with its evening.
    assume(not (series == "stats" and name.endswith("otherwise") and DAY < last < 2 * DAY))
    truth: Any = getattr(here.emulator.truth, series)(
        system.system_id, answer.window.start, answer.window.end
    )
    assert list(zip(*answer.intervals.columns.values(), strict=True)) == [tuple(r.values()) for r in truth]
    assert answer.coverage.complete
    if not name.startswith("a week of inverters"):
        assert answer.receipt.sent <= price.at_most


@pytest.mark.slow
@pytest.mark.parametrize("name", MANNERS)
@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_single_answers_are_read(name: str, number: int) -> None:
    """As by the service that is used for the other tests."""
    here = world(name)
    system = here.emulator.truth.systems()[number].system_id
    async with here.v4() as client:
        summary = await client.summary(system)
        listed = await client.inverters_summary_by_envoy_or_site(system)
        inventory = await client.inventory(system)
        lifetime = await client.energy_lifetime(system)
        assert len(await client.systems()) == SYSTEMS
    assert len(inventory.inverters) == summary.modules
    assert sum(inverter.status != "retired" for inverter in listed.micro_inverters) == summary.modules
    if not name.startswith("yesterday"):
        assert sum(day.wh or 0 for day in lifetime) == summary.energy_lifetime
