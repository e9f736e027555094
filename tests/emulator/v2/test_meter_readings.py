"""production_meter_readings and monthly_production: odometers, and months that are over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Meter, Quota, RetiredMeter, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
DAY = 86_400
READINGS = "/systems/7/production_meter_readings"
MONTH = "/systems/7/monthly_production"
NOW = 1_750_014_000  # noon in California, 2025-06-15
ZONE = "America/Los_Angeles"
BEGAN = NOW - 100 * DAY + 77
METERS = (Meter(serial="a", envoy_serial="e"), Meter(serial="b", envoy_serial="e", late=3600, outages=0.3))


def make(clock: FakeClock, **system: Any) -> Emulator:
    """Return an emulator without limits, of one system."""
    fleet = [System(**{"system_id": 7, "meters": METERS, "operational_at": BEGAN, **system})]
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet)


async def test_by_default_the_newest_readings(clock: FakeClock, connect: Connect) -> None:
    """Each as old as the meter's last row."""
    emulator = make(clock)
    async with connect(emulator) as client:
        body = (await client.get(READINGS)).json()
    assert list(body) == ["system_id", "meter_readings", "meta"]
    assert [list(reading) for reading in body["meter_readings"]] == [
        ["serial_number", "value", "read_at"]
    ] * 2
    first, late = body["meter_readings"]
    assert (first["serial_number"], first["read_at"]) == ("a", NOW - 900)
    assert late["read_at"] <= NOW - 900 - 3600
    assert body["meter_readings"] == emulator.truth.meter_readings(7, NOW)


@pytest.mark.parametrize("end", [NOW - 40 * DAY - 123, NOW - 3 * DAY, NOW - 20 * DAY + 12 * 3600 - 1])
async def test_readings_are_sums_of_rows(clock: FakeClock, connect: Connect, end: int) -> None:
    """Since the meter was installed; a reading is never newer than asked."""
    emulator = make(clock, outages=0.2)
    rows = emulator.truth.meter_intervals(7, 0, end)
    async with connect(emulator) as client:
        found = (await client.get(READINGS, params={"end_at": end})).json()["meter_readings"]
    for meter, reading in zip(rows, found, strict=True):
        known: Any = meter["intervals"]
        assert reading["value"] == sum(row["wh_del"] for row in known)
        assert reading["read_at"] == known[-1]["end_at"] <= end


async def test_nights_without_rows_and_long_outages(connect: Connect) -> None:
    """The reading is the last one of the day before."""
    for hours in (15, 17):
        emulator = make(FakeClock(now=NOW + hours * 3600), night_rows=False)
        async with connect(emulator) as client:
            reading = (await client.get(READINGS)).json()["meter_readings"][0]
            summary = (await client.get("/systems/7/summary")).json()
        assert NOW + 6 * 3600 < reading["read_at"] < NOW + 9 * 3600
        assert summary["energy_today"] == 0


async def test_before_a_meter_there_is_no_reading(clock: FakeClock, connect: Connect) -> None:
    """Nor on a system without meters."""
    async with connect(make(clock)) as client:
        body = (await client.get(READINGS, params={"end_at": BEGAN})).json()
        odd = await client.get(READINGS, params={"end_at": "noon"})
    async with connect(make(clock, meters=())) as client:
        plain = (await client.get(READINGS)).json()
    assert body["meter_readings"] == plain["meter_readings"] == []
    assert odd.status_code == 422


async def test_retired_meters_stand_still(clock: FakeClock, connect: Connect) -> None:
    """They are told for ever, with the time of their last reading."""
    retired = NOW - 50 * DAY
    emulator = make(
        clock, metered_at=retired, retired_meters=(RetiredMeter(serial="old", retired_at=retired),)
    )
    async with connect(emulator, datetime_format="iso8601") as client:
        one = (await client.get(READINGS)).json()["meter_readings"]
        clock.advance(3 * DAY)
        two = (await client.get(READINGS)).json()["meter_readings"]
        before = (await client.get(READINGS, params={"end_at": retired - DAY})).json()["meter_readings"]
        ancient = (await client.get(READINGS, params={"end_at": BEGAN - DAY})).json()["meter_readings"]
        inventory = (await client.get("/systems/7/inventory")).json()["meters"]
        stats = (await client.get("/systems/7/rgm_stats")).json()
    assert one[2] == two[2]
    assert one[2]["read_at"] == "2025-04-26T12:00:00-07:00"
    assert one[2]["value"] > before[0]["value"] > 0
    assert [reading["serial_number"] for reading in before] == ["old"]
    assert ancient == []
    assert [meter["sn"] for meter in inventory] == ["a", "b"]
    assert stats["total_devices"] == 2


@pytest.mark.parametrize("meters", [METERS, ()])
async def test_a_month_is_the_sum_of_its_days(
    clock: FakeClock, connect: Connect, meters: tuple[Meter, ...]
) -> None:
    """From the first of a month it is that month."""
    emulator = make(clock, meters=meters)
    async with connect(emulator) as client:
        body = (await client.get(MONTH, params={"start_date": "2025-04-01"})).json()
        days = (
            await client.get(
                "/systems/7/energy_lifetime", params={"start_date": "2025-04-01", "end_date": "2025-04-30"}
            )
        ).json()
    names = ["system_id", "start_date", "end_date", "production_wh", "meter_readings", "meta"]
    assert list(body) == names
    assert (body["start_date"], body["end_date"]) == ("2025-04-01", "2025-04-30")
    assert body["production_wh"] == sum(days["production"]) > 0
    readings = body["meter_readings"]
    assert [reading["serial_number"] for reading in readings] == [meter.serial for meter in meters]
    if meters:
        assert sum(r["end"] - r["start"] for r in readings) == body["production_wh"]
        start, end = local_midnight(date(2025, 4, 1), ZONE), local_midnight(date(2025, 5, 1), ZONE)
        for moment, name in ((start, "start"), (end, "end")):
            shown = emulator.truth.meter_readings(7, moment)
            assert [reading["value"] for reading in shown] == [reading[name] for reading in readings]


async def test_a_month_must_be_over(clock: FakeClock, connect: Connect) -> None:
    """It must have begun a month ago, and the system before its end."""
    async with connect(make(clock)) as client:
        kept = await client.get(MONTH, params={"start_date": "2025-05-15"})
        first = await client.get(MONTH, params={"start_date": "2025-02-20"})
        assert (kept.status_code, kept.json()["end_date"]) == (200, "2025-06-14")
        assert [reading["start"] for reading in first.json()["meter_readings"]] == [0, 0]
        for day, reason in (
            ("2025-05-16", "Requested date range is invalid for this system"),
            ("2025-01-01", "Requested date range is invalid for this system"),
            ("2025-06-16", "Requested date is in the future"),
            ("June", "Failed to parse date June"),
        ):
            answer = await client.get(MONTH, params={"start_date": day})
            assert answer.status_code == 422
            assert answer.json()["reason"] == reason
        missing = await client.get(MONTH)
    assert missing.status_code == 422
    assert list(missing.json()) == ["errorMessages"]
