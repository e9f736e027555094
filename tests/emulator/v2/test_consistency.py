"""Relations between the endpoints of v2, for every kind of system."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
NOW = 1_750_014_000
EMULATOR = Emulator(clock=FakeClock(NOW), systems=len(SYSTEM_KINDS), quota=Quota.UNLIMITED)
"""One service for all tests: years of readings are costly to make."""


class SystemEndpoints:
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


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))
async def test_sums_and_counts_agree(connect: Connect, number: int) -> None:
    """Lifetime, days, intervals, inverters and odometers tell one story."""
    system = EMULATOR.truth.systems()[number]
    today = local_date(NOW, system.timezone)
    async with connect(EMULATOR) as client:
        ask = SystemEndpoints(client, system.system_id)
        summary = await ask("summary")
        days = await ask("energy_lifetime", production="all")
        inverters = await ask.inverters()
        readings = (await ask("production_meter_readings"))["meter_readings"]
        inventory = await ask("inventory")
        yesterday = await ask("summary", summary_date=str(today - timedelta(days=1)))
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
        ask = SystemEndpoints(client, system.system_id)
        lifetime = await ask(
            "energy_lifetime", start_date="2025-06-01", end_date="2025-06-05", production="all"
        )
        micro = lifetime.get("micro_production", lifetime["production"])
        for index in range(5):
            start, end = (local_midnight(first, system.timezone, index + n) for n in (0, 1))
            rows = (await ask("stats", start_at=start, end_at=end))["intervals"]
            assert all(row["enwh"] == int(row["powr"] / 12 + 0.5) for row in rows)
            assert sum(row["enwh"] for row in rows) == micro[index]
            if "meter_production" in lifetime:
                rows = (await ask("rgm_stats", start_at=start, end_at=end))["intervals"]
                assert sum(row["wh_del"] for row in rows) == lifetime["meter_production"][index]
                assert abs(micro[index] - lifetime["meter_production"][index]) < 0.3 * max(micro[index], 100)
