"""What holds between endpoints, for every kind of system there is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation import day_cache, production
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

NOW = 1_750_014_000
EMULATOR = Emulator(clock=FakeClock(NOW), systems=len(SYSTEM_KINDS), quota=Quota.UNLIMITED)
"""One service for all tests: years of readings are costly to make."""


class Asked:
    """One system's answers."""

    def __init__(self, client: httpx.AsyncClient, system_id: int) -> None:
        self.client = client
        self.system_id = system_id

    async def __call__(self, name: str, **params: Any) -> Any:
        """Return the content of one answer."""
        answer = await self.client.get(f"/systems/{self.system_id}/{name}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def inverters(self) -> list[dict[str, Any]]:
        """Return the inverters of all gateways."""
        path = "/systems/inverters_summary_by_envoy_or_site"
        answer = await self.client.get(path, params={"site_id": self.system_id})
        return [row for envoy in answer.json() for row in envoy["micro_inverters"]]


@pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))
async def test_sums_and_counts_agree(connect: Connect, number: int) -> None:
    """Lifetime, days, intervals, inverters and odometers tell one story."""
    system = EMULATOR.truth.systems()[number]
    today = local_date(NOW, system.timezone)
    async with connect(EMULATOR) as client:
        asked = Asked(client, system.system_id)
        summary = await asked("summary")
        days = await asked("energy_lifetime", production="all")
        inverters = await asked.inverters()
        readings = (await asked("production_meter_readings"))["meter_readings"]
        inventory = await asked("inventory")
        yesterday = await asked("summary", summary_date=str(today - timedelta(days=1)))
    assert sum(days["production"]) == summary["energy_lifetime"]
    assert days["production"][-1] == yesterday["energy_today"]
    assert yesterday["energy_lifetime"] + yesterday["energy_today"] == summary["energy_lifetime"]
    micro = days.get("micro_production", days["production"])
    assert sum(row["energy"]["value"] for row in inverters) == sum(micro)
    active = [row for row in inverters if row["status"] != "retired"]
    assert len(active) == len(inventory["inverters"]) == summary["modules"]
    assert len(inverters) - len(active) == system.retired_inverters
    assert [row["serial_number"] for row in active] == [row["sn"] for row in inventory["inverters"]]
    assert {row["envoy_serial_number"] for row in inverters} <= {row["sn"] for row in inventory["envoys"]}
    if "meter_production" in days:
        midnight = local_midnight(today, system.timezone)
        since = EMULATOR.truth.energy(system.system_id, midnight, NOW)
        odometers = sum(row["value"] for row in readings[: len(system.meters)])
        assert odometers == sum(days["meter_production"]) + since
    else:
        assert readings == []


@pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))
async def test_days_of_intervals_agree(connect: Connect, number: int) -> None:
    """A day's intervals sum to the day, energy is rounded from power, and neighbours share nothing."""
    system = EMULATOR.truth.systems()[number]
    first = date(2025, 6, 1)
    async with connect(EMULATOR) as client:
        asked = Asked(client, system.system_id)
        lifetime = await asked(
            "energy_lifetime", start_date="2025-06-01", end_date="2025-06-05", production="all"
        )
        micro = lifetime.get("micro_production", lifetime["production"])
        for index in range(5):
            start, end = (local_midnight(first, system.timezone, index + n) for n in (0, 1))
            rows = (await asked("stats", start_at=start, end_at=end))["intervals"]
            assert all(row["enwh"] == int(row["powr"] / 12 + 0.5) for row in rows)
            assert sum(row["enwh"] for row in rows) == micro[index]
            if "meter_production" in lifetime:
                rows = (await asked("rgm_stats", start_at=start, end_at=end))["intervals"]
                assert sum(row["wh_del"] for row in rows) == lifetime["meter_production"][index]
                assert abs(micro[index] - lifetime["meter_production"][index]) < 0.3 * max(micro[index], 100)


def test_every_kind_of_trouble_is_in_the_fleet() -> None:
    """Meters that came later and retired ones, twins, spare gateways, every state of consumption."""
    systems = Emulator(clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth.systems()
    assert {system.consumption for system in systems} == {"none", "metered", "refused", "disabled"}
    assert any(system.twins for system in systems)
    assert any(system.retired_inverters for system in systems)
    assert any(system.retired_meters and system.metered_at for system in systems)
    assert any(len(system.envoys) > 1 for system in systems)


def test_the_truth_does_not_depend_on_what_was_asked_before() -> None:
    """The same seed tells the same, in whichever order."""
    one, two = (Emulator(clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth for _ in range(2))
    for system in two.systems():
        two.lifetime_days(system.system_id, date(2024, 1, 1), date(2025, 6, 14))
    told = {system.system_id: told_of(two, system.system_id) for system in two.systems()}
    forget()
    for system in reversed(one.systems()):
        assert told_of(one, system.system_id) == told[system.system_id]


def test_emulators_share_what_they_add_up() -> None:
    """Of the same seed and system; to whom it is not over yet, a day is not told of."""
    begun, yesterday = date(2025, 5, 1), date(2025, 6, 14)
    fleet = [evolve(system, operational_at=NOW - 40 * 86_400) for system in EMULATOR.truth.systems()]
    late, early = (Emulator(clock=FakeClock(at), fleet=fleet).truth for at in (NOW, NOW - 86_400 * 9.4))
    other = Emulator(clock=FakeClock(NOW), fleet=fleet, seed=1).truth
    for number in (system.system_id for system in fleet):
        alone = []
        for truth in (early, late, other, early):
            forget()
            alone.append((told_of(truth, number), truth.lifetime_days(number, begun, yesterday)))
        forget()
        together = [
            (told_of(truth, number), truth.lifetime_days(number, begun, yesterday))
            for truth in (early, late, other, early)
        ]
        assert together == alone
        assert alone[0] != alone[1] != alone[2]


def forget() -> None:
    """Let everything be made again."""
    day_cache.clear_sums()
    production.array_energy.cache_clear()


def told_of(truth: Any, number: int) -> list[Any]:
    """Return what is told of a system's last day, and what its devices have counted."""
    window = (number, NOW - 86_400, NOW)
    days = truth.stats(*window), truth.consumption_stats(*window)
    return [*days, truth.meter_readings(number, NOW), truth.inverters(number)]
