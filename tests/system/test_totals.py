"""Totals agree: intervals added up by local day are the service's own values of that day."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import AuthenticationError
from tests.effort import SEED, examples
from tests.world import World

SYSTEMS = 16
CLOCKS_CHANGE = [date(2024, 10, 6), date(2024, 11, 3), date(2025, 3, 9), date(2025, 3, 30), date(2025, 4, 6)]
"""Days on which clocks change in the emulator's towns."""


@cache
def world() -> World:
    """One service with two systems of each kind for all examples."""
    return World(systems=SYSTEMS, seed=SEED)


numbers = st.integers(0, SYSTEMS - 1)
days = st.sampled_from(CLOCKS_CHANGE) | st.dates(date(2024, 7, 1), date(2025, 6, 12))


@given(number=numbers, day=days)
@examples(30)
async def test_stats_add_up_to_the_days_of_the_lifetime(number: int, day: date) -> None:
    """Microinverters: each local day's intervals are the day's value, on days of 23 and 25 hours too."""
    system, client = world().emulator.truth.systems()[number], world().client()
    first, last = day - timedelta(days=1), day + timedelta(days=1)
    stats = await client.stats(system.system_id, start_date=first, end_date=last)
    lifetime = await client.energy_lifetime(
        system.system_id, start_date=first, end_date=last, production="all"
    )
    added = {total.start.date(): total.wh for total in stats.sums("day")}
    for known in lifetime:
        assert added[known.date] == (known.wh if known.micro_wh is None else known.micro_wh)


@given(number=numbers, day=days)
@examples(30)
async def test_meters_add_up_to_the_days_of_the_lifetime(number: int, day: date) -> None:
    """Meters: the same, where a system has them."""
    system, client = world().emulator.truth.systems()[number], world().client()
    first, last = day - timedelta(days=1), day + timedelta(days=1)
    stats = await client.rgm_stats(system.system_id, start_date=first, end_date=last)
    lifetime = await client.energy_lifetime(
        system.system_id, start_date=first, end_date=last, production="all"
    )
    added = {total.start.date(): total.wh for total in stats.sums("day")}
    for known in lifetime:
        if known.meter_wh is not None:
            assert added[known.date] == known.meter_wh


@pytest.mark.slow
@given(number=numbers, day=days)
@examples(20)
async def test_a_day_of_the_summary_is_a_day_of_the_lifetime(number: int, day: date) -> None:
    """`energy_today` of a past day is its value in the lifetime, and `energy_lifetime` all before it."""
    system, client = world().emulator.truth.systems()[number], world().client()
    lifetime = await client.energy_lifetime(system.system_id, end_date=day)
    if not lifetime or lifetime[-1].date != day:
        return
    summary = await client.summary(system.system_id, summary_date=day)
    assert summary.energy_today == lifetime[-1].wh
    assert summary.energy_lifetime == sum(known.wh or 0 for known in lifetime[:-1])


async def test_consumption_adds_up_too() -> None:
    """Where a system has a meter of consumption, and the user may see it."""
    client, last = world().client(), date(2025, 5, 20)
    first, found = last - timedelta(days=5), 0
    for system in world().emulator.truth.systems():
        with suppress(AuthenticationError):
            lifetime = await client.consumption_lifetime(system.system_id, start_date=first, end_date=last)
            stats = await client.consumption_stats(system.system_id, start_date=first, end_date=last)
            added = {total.start.date(): total.wh for total in stats.sums("day")}
            assert [added[known.date] for known in lifetime] == [known.wh for known in lifetime]
            found += len(lifetime)
    assert found
