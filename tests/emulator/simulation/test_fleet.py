"""The generated fleet: the same for the same seed, plausible days, time zones of every kind."""

from __future__ import annotations

import time
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS, TOWNS
from enlighten_async.emulator.simulation.production import array_energy
from enlighten_async.testing import FakeClock
from tests.effort import SEED
from tests.emulator.fleets import recent_fleet

DAY = 86_400
NOW = 1_750_014_000
FLEET = Emulator(clock=FakeClock(NOW), systems=8)
EQUIPPED = Emulator(seed=SEED, clock=FakeClock(NOW), systems=2 * len(SYSTEM_KINDS), quota=Quota.UNLIMITED)


def test_the_same_seed_is_the_same_world() -> None:
    """Systems and values repeat; another seed differs in both."""
    first, again, other = (Emulator(seed=s, users=3, systems=3, clock=FakeClock(NOW)) for s in (5, 5, 6))
    assert first.users == again.users == other.users
    assert first.truth.systems() == again.truth.systems() != other.truth.systems()
    window = (1765, NOW - 3 * DAY, NOW)
    assert first.truth.rgm_stats(*window) == again.truth.rgm_stats(*window)
    assert first.truth.rgm_stats(*window) != other.truth.rgm_stats(*window)


def test_values_do_not_depend_on_when_or_in_which_order_is_asked() -> None:
    """The same interval read a month later, after others, is the same."""
    clock = FakeClock(NOW)
    fleet = recent_fleet(8, NOW)
    emulator, fresh = Emulator(clock=clock, fleet=fleet), Emulator(clock=FakeClock(NOW), fleet=fleet)
    for system in emulator.truth.systems():
        window = (system.system_id, NOW - 5 * DAY, NOW - 4 * DAY)
        before = emulator.truth.meter_intervals(*window)
        clock.advance(30 * DAY)
        emulator.truth.energy(system.system_id, 0, NOW)
        assert emulator.truth.meter_intervals(*window) == before
        array_energy.cache_clear()
        assert fresh.truth.meter_intervals(*window) == before


def test_the_demo_user_comes_first() -> None:
    """And has the demo system, with meters and more than a year of data."""
    emulator = Emulator(clock=FakeClock(NOW), users=3)
    assert emulator.demo_user == emulator.users[0] == "4d7a45774e6a41320a"
    assert emulator.demo_system == 1765
    demo = emulator.truth.system(1765)
    assert len(demo.meters) == 2
    assert demo.operational_at < NOW - 365 * DAY
    assert len(emulator.truth.rgm_stats(1765, NOW - 365 * DAY, NOW - 900)) == 365 * 96 - 1
    assert all(user.endswith("0a") and bytes.fromhex(user) for user in emulator.users)


def test_all_kinds_and_towns_take_their_turn() -> None:
    """Every zone is one that exists; young systems began within the last year."""
    systems = Emulator(clock=FakeClock(NOW), systems=len(SYSTEM_KINDS) * len(TOWNS)).truth.systems()
    assert {ZoneInfo(system.timezone).key for system in systems} == {town.timezone for town in TOWNS}
    assert len({(s.timezone, len(s.meters), s.night_rows, s.outages) for s in systems}) > 40
    assert len({system.system_id for system in systems}) == len(systems)
    young = [s for s in systems if s.operational_at > NOW - 365 * DAY]
    assert len(young) == len(TOWNS)
    assert any(not system.meters for system in systems)


def energies(system: System, first: date, days: int) -> list[int]:
    """Return the energy (Wh) of local days of a system without meters."""
    truth = Emulator(clock=FakeClock(NOW), fleet=[system]).truth
    midnights = [local_midnight(first, system.timezone, n) for n in range(days + 1)]
    return [truth.energy(1, a, b) for a, b in pairwise(midnights)]


def test_summers_are_brighter_than_winters_in_both_hemispheres() -> None:
    """Months differ as the sun's height does."""
    for latitude, summer, winter in ((52.0, 6, 12), (-34.0, 12, 6)):
        system = System(system_id=1, latitude=latitude, longitude=5.0, timezone="Europe/Amsterdam")
        bright, dim = (sum(energies(system, date(2024, month, 1), 30)) for month in (summer, winter))
        assert bright > 1.5 * dim > 0
        assert 2 < bright / 30 / system.size_w < 7, "hours of peak power a day"


def test_weather_differs_from_day_to_day() -> None:
    """Some days are clear, some are not."""
    days = energies(System(system_id=1), date(2025, 4, 1), 30)
    assert max(days) > 2 * min(days) > 0


@pytest.mark.parametrize("town", TOWNS, ids=lambda town: town.timezone)
def test_the_sun_shines_at_noon_wherever_one_lives(town: object) -> None:
    """Most energy falls into the local hours around noon, none into those around midnight."""
    zone, latitude, longitude = town.timezone, town.latitude, town.longitude  # type: ignore[attr-defined]
    system = System(system_id=1, timezone=zone, latitude=latitude, longitude=longitude)
    truth = Emulator(clock=FakeClock(NOW), fleet=[system]).truth
    midnight = local_midnight(date(2025, 3, 20), zone)
    assert truth.energy(1, midnight + 8 * 3600, midnight + 18 * 3600) > 0.9 * truth.energy(
        1, midnight, midnight + DAY
    )
    assert truth.energy(1, midnight - 7200, midnight + 4 * 3600) == 0


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", date(2025, 3, 9), 23),
        ("US/Pacific", date(2024, 11, 3), 25),
        ("Australia/Lord_Howe", date(2025, 4, 6), 24.5),
        ("Australia/Lord_Howe", date(2024, 10, 6), 23.5),
        ("America/Havana", date(2025, 3, 9), 23),
        ("America/Havana", date(2024, 11, 3), 25),
        ("Asia/Beirut", date(2025, 3, 30), 23),
        ("Asia/Beirut", date(2024, 10, 26), 25),
        ("Asia/Katmandu", date(2025, 3, 9), 24),
    ],
)
def test_local_days_have_the_hours_the_zone_says(zone: str, day: date, hours: float) -> None:
    """Also where midnight itself is skipped or comes twice."""
    start, end = local_midnight(day, zone), local_midnight(day + timedelta(days=1), zone)
    assert end == local_midnight(day, zone, 1)
    assert end - start == hours * 3600


@pytest.mark.slow
async def test_a_year_is_made_quickly() -> None:
    """A demo or a test may ask for a year without waiting for it, compressed and all."""
    emulator = Emulator(clock=FakeClock(NOW), quota=Quota.UNLIMITED)
    array_energy.cache_clear()
    began = time.process_time()
    rows = 0
    params = {"key": "k", "user_id": emulator.demo_user}
    url = "https://service.test/api/v2/systems/1765/rgm_stats"
    async with httpx.AsyncClient(transport=emulator.transport(), params=params) as client:
        for start in range(NOW - 365 * DAY, NOW, 7 * DAY):
            answer = await client.get(url, params={"start_at": start, "end_at": min(NOW, start + 7 * DAY)})
            rows += len(answer.json()["intervals"])
    assert rows == 365 * 96 - 1
    assert emulator.counts.sent == 53
    assert time.process_time() - began < 3


@given(cuts=st.lists(st.integers(NOW - 9 * DAY, NOW), min_size=3, max_size=8), system=st.integers(0, 7))
def test_any_way_to_cut_time_gives_the_same_rows(cuts: list[int], system: int) -> None:
    """Windows that share an edge, wherever it lies, share no row and lose none."""
    truth = FLEET.truth
    system_id = truth.systems()[system].system_id
    cuts.sort()
    whole = truth.rgm_stats(system_id, cuts[0], cuts[-1])
    assert [row for a, b in pairwise(cuts) for row in truth.rgm_stats(system_id, a, b)] == whole
    assert all(cuts[0] < row["end_at"] <= cuts[-1] for row in whole)


def test_two_systems_need_two_ids() -> None:
    """Else one of them could not be asked for."""
    with pytest.raises(ValueError, match="same system_id"):
        Emulator(fleet=[System(system_id=1), System(system_id=1)])


def test_a_user_may_have_no_systems() -> None:
    """A fleet may be empty, and there is still a demo user to name."""
    assert Emulator(systems=0).demo_system == 1765
    assert Emulator(fleet=[]).demo_user == "4d7a45774e6a41320a"
    assert Emulator(fleet=[System(system_id=3, user_id="aa")]).demo_system == 3


def test_the_fleet_has_every_equipment() -> None:
    """In some systems and not in others, with telemetry of either step."""
    systems = EQUIPPED.truth.systems()
    assert {bool(system.batteries) for system in systems} == {True, False}
    assert {bool(system.acbs) for system in systems} == {True, False}
    assert {charger.step for system in systems for charger in system.ev_chargers} == {300, 900}
    assert {system.heat_pump.step for system in systems if system.heat_pump} == {300, 900}
    assert {system.storage.mode for system in systems} == {"Self-consumption", "Savings Mode"}
    assert {system.country for system in systems if system.nmi} == {"AU"}


def test_every_kind_of_trouble_is_in_the_fleet() -> None:
    """Meters that came later and retired ones, twins, spare gateways, every state of consumption."""
    systems = Emulator(clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth.systems()
    assert {system.consumption for system in systems} == {"none", "metered", "refused", "disabled"}
    assert any(system.twins for system in systems)
    assert any(system.retired_inverters for system in systems)
    assert any(system.retired_meters and system.metered_at for system in systems)
    assert any(len(system.envoys) > 1 for system in systems)
