"""energy_lifetime: a value for every day, the switch to meters, and agreement with the summary."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Meter, Quota, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

DAY = 86_400
PATH = "/systems/7/energy_lifetime"
NOW = 1_750_014_000  # noon in California, 2025-06-15
TODAY = date(2025, 6, 15)
BEGAN = NOW - 40 * DAY  # noon of 2025-05-06
METERS = (Meter(serial="m", envoy_serial="e"),)
INVALID = "Requested date range is invalid for this system"


def make(clock: FakeClock, **system: Any) -> Emulator:
    """Return an emulator without limits, of one young system."""
    fleet = [System(**{"system_id": 7, "operational_at": BEGAN, **system})]
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet)


async def test_by_default_from_the_first_day_to_yesterday(clock: FakeClock, connect: Connect) -> None:
    """The sum is the summary's lifetime, which has no part of today."""
    async with connect(make(clock)) as client:
        body = (await client.get(PATH)).json()
        summary = (await client.get("/systems/7/summary")).json()
        day = (await client.get("/systems/7/summary", params={"summary_date": "2025-05-10"})).json()
    assert list(body) == ["system_id", "start_date", "production", "meta"]
    assert (body["start_date"], len(body["production"])) == ("2025-05-06", 40)
    assert sum(body["production"]) == summary["energy_lifetime"] > 0
    assert body["production"][4] == day["energy_today"]
    assert sum(body["production"][:4]) == day["energy_lifetime"]


async def test_both_ends_are_included(clock: FakeClock, connect: Connect) -> None:
    """Days before the system are zeros; unknown parameters are ignored."""
    emulator = make(clock)
    async with connect(emulator) as client:
        asked = {"start_date": "2025-06-01", "end_date": "2025-06-06", "start_at": "x"}
        six = (await client.get(PATH, params=asked)).json()
        early = (await client.get(PATH, params={"start_date": "2025-05-01", "end_date": "2025-05-07"})).json()
        ages = (await client.get(PATH, params={"start_date": "1700-01-01", "end_date": "2025-05-07"})).json()
    assert (six["start_date"], len(six["production"])) == ("2025-06-01", 6)
    assert six["production"] == emulator.truth.lifetime_days(7, date(2025, 6, 1), date(2025, 6, 6))
    assert early["production"][:5] == [0] * 5
    assert all(early["production"][5:])
    assert ages["production"][-7:] == early["production"]


async def test_today_and_the_future_are_refused(clock: FakeClock, connect: Connect) -> None:
    """The range ends yesterday by default: one that starts today is turned round."""
    async with connect(make(clock)) as client:
        for asked, reason, start, end in (
            ({"start_date": "2025-06-15"}, INVALID, "2025-06-15", "2025-06-14"),
            ({"end_date": "2025-05-01"}, INVALID, "2025-05-06", "2025-05-01"),
            (
                {"start_date": "2025-06-16"},
                "Requested date is in the future",
                "2025-06-16",
                "2025-06-15",
            ),
            (
                {"end_date": "2025-06-17"},
                "Requested date is in the future",
                "2025-05-06",
                "2025-06-17",
            ),
        ):
            answer = await client.get(PATH, params=asked)
            assert answer.status_code == 422
            assert answer.json() == {"reason": reason, "start": start, "end": end}
        odd = await client.get(PATH, params={"start_date": "06/01/2025"})
        today = await client.get(PATH, params={"start_date": "2025-06-14", "end_date": "2025-06-15"})
    assert odd.json() == {"reason": "Failed to parse date 06/01/2025"}
    assert len(today.json()["production"]) == 2


async def test_outages_are_zeros(clock: FakeClock, connect: Connect) -> None:
    """No day is left out."""
    async with connect(make(clock, outages=1.0, operational_at=NOW - 400 * DAY)) as client:
        production = (await client.get(PATH)).json()["production"]
    assert len(production) == 400
    assert 0 in production


async def test_a_system_that_has_stopped_or_never_begun(connect: Connect) -> None:
    """The series ends with the last day that reported; of a system that never did it is empty."""
    async with connect(make(FakeClock(now=NOW), operational_at=NOW + DAY)) as client:
        body = (await client.get(PATH)).json()
        asked = (await client.get(PATH, params={"start_date": "2025-06-10"})).json()
    assert (body["start_date"], body["production"]) == (None, [])
    assert asked["production"] == [0] * 5


async def test_on_its_first_day_a_system_has_no_days_yet(connect: Connect) -> None:
    """Yesterday comes before its start."""
    async with connect(make(FakeClock(now=BEGAN + 7200))) as client:
        body = (await client.get(PATH)).json()
    assert (body["start_date"], body["production"]) == ("2025-05-06", [])


@pytest.mark.parametrize("installed", [NOW - 30 * DAY, NOW - 30 * DAY - 12 * 3600])
async def test_the_series_switches_to_the_meters(clock: FakeClock, connect: Connect, installed: int) -> None:
    """On the first full day after they were installed; `production=all` tells both series."""
    emulator = make(clock, meters=METERS, metered_at=installed)
    async with connect(emulator) as client:
        plain = (await client.get(PATH)).json()
        body = (await client.get(PATH, params={"production": "all"})).json()
        other = (await client.get(PATH, params={"production": "some"})).json()
        summary = (await client.get("/systems/7/summary")).json()
    names = ["system_id", "start_date", "meter_start_date", "production"]
    assert list(plain) == [*names, "meta"]
    assert other == plain
    assert list(body) == [*names, "micro_production", "meter_production", "meta"]
    whole = installed % DAY == BEGAN % DAY - 12 * 3600
    switch = 10 if whole else 11
    assert body["meter_start_date"] == str(date(2025, 5, 6) + timedelta(days=switch))
    micro, meter = body["micro_production"], body["meter_production"]
    assert len(micro) == len(meter) == len(body["production"]) == 40
    assert body["production"] == plain["production"] == micro[:switch] + meter[switch:]
    assert meter[:10] == [0] * 10
    assert 0 < meter[10] <= micro[10] * 1.1
    assert sum(body["production"]) == summary["energy_lifetime"]


async def test_metered_from_the_start(clock: FakeClock, connect: Connect) -> None:
    """The meters count from the first day of service."""
    emulator = make(clock, meters=METERS)
    async with connect(emulator) as client:
        body = (await client.get(PATH)).json()
    assert body["meter_start_date"] == body["start_date"] == "2025-05-06"
    assert sum(body["production"]) == sum(
        row["wh_del"] for row in emulator.truth.rgm_stats(7, 0, NOW - 12 * 3600)
    )


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "America/Havana", "Asia/Katmandu"])
async def test_days_are_the_systems_own(connect: Connect, zone: str) -> None:
    """Across changes of the clock as well, for inverters and for meters."""
    clock = FakeClock(now=1_743_500_000)
    longitude = {"Australia/Lord_Howe": 159.1, "America/Havana": -82.4, "Asia/Katmandu": 85.3}[zone]
    system = {"timezone": zone, "longitude": longitude, "operational_at": 1_727_000_000, "meters": METERS}
    emulator = make(clock, **system)
    async with connect(emulator) as client:
        body = (await client.get(PATH, params={"production": "all"})).json()
    first = date.fromisoformat(body["start_date"])
    for index, (micro, meter) in enumerate(
        zip(body["micro_production"], body["meter_production"], strict=True)
    ):
        window = local_midnight(first, zone, index), local_midnight(first, zone, index + 1)
        assert micro == emulator.truth.micro_energy(7, *window)
        assert meter == emulator.truth.energy(7, *window)
