"""consumption_stats and consumption_lifetime: the month, the days, and systems without a meter."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Quota, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
DAY = 86_400
STATS = "/systems/7/consumption_stats"
LIFETIME = "/systems/7/consumption_lifetime"
NOW = 1_750_014_000  # noon in California, 2025-06-15
UNAUTHORIZED = {"reason": "401", "message": ["Not authorized to access requested resource."]}


def make(clock: FakeClock, consumption: str = "metered", **system: Any) -> Emulator:
    """Return an emulator without limits, of one system."""
    fleet = [System(**{"system_id": 7, "consumption": consumption, **system})]
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet)


async def test_shape_and_order_of_the_intervals(clock: FakeClock, connect: Connect) -> None:
    """There is energy and no power; ends are floored to a quarter of an hour."""
    emulator = make(clock)
    async with connect(emulator) as client:
        asked = {"start_at": NOW - DAY + 899, "end_at": NOW - DAY + 1899}
        body = (await client.get(STATS, params=asked)).json()
    assert list(body) == ["system_id", "total_devices", "intervals", "meta"]
    assert body["total_devices"] == 1
    assert [row["end_at"] for row in body["intervals"]] == [NOW - DAY + 900, NOW - DAY + 1800]
    assert list(body["intervals"][0]) == ["end_at", "devices_reporting", "enwh"]
    assert body["intervals"] == emulator.truth.consumption_stats(7, NOW - DAY, NOW - DAY + 1800)


async def test_houses_consume_at_night_too(clock: FakeClock, connect: Connect) -> None:
    """By default from midnight until now, less the lag; every quarter of an hour has a row."""
    async with connect(make(clock)) as client:
        rows = (await client.get(STATS)).json()["intervals"]
        clock.advance(13 * 3600)
        night = (await client.get(STATS)).json()["intervals"]
    assert len(rows) == 47
    assert all(row["enwh"] > 0 for row in rows + night)
    assert [row["end_at"] for row in night] == [NOW + 12 * 3600 + n for n in (900, 1800, 2700)]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-01-15T08:00:00-08:00", "2025-02-15T08:00:00-08:00"),
        ("2025-01-31T00:00:00-08:00", "2025-02-28T00:00:00-08:00"),
        ("2025-02-20T00:00:00-08:00", "2025-03-20T00:00:00-07:00"),  # clocks changed in between
        ("2024-12-01T00:00:00-08:00", "2025-01-01T00:00:00-08:00"),
    ],
)
async def test_more_than_a_month_is_cut(clock: FakeClock, connect: Connect, start: str, end: str) -> None:
    """A month from the start, and no error."""
    first = int(datetime.fromisoformat(start).timestamp())
    async with connect(make(clock), datetime_format="iso8601") as client:
        rows = (await client.get(STATS, params={"start_at": first})).json()["intervals"]
        long = (await client.get(STATS, params={"start_at": first, "end_at": NOW})).json()["intervals"]
    assert rows == long
    assert rows[-1]["end_at"] == end
    assert len(rows) == (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() / 900


async def test_ranges_without_data(clock: FakeClock, connect: Connect) -> None:
    """Refused where there is none yet, empty before the retention."""
    async with connect(make(clock)) as client:
        for start, end in ((NOW, NOW + 900), (NOW - DAY, NOW - 2 * DAY)):
            body = (answer := await client.get(STATS, params={"start_at": start, "end_at": end})).json()
            assert answer.status_code == 422
            assert list(body) == ["reason", "start_at", "end_at", "first_interval", "last_interval"]
            assert body["last_interval"] == NOW - 900
        old = await client.get(STATS, params={"start_at": NOW - 365 * DAY - 1, "end_at": NOW})
    assert (old.status_code, old.json()["intervals"]) == (200, [])


async def test_without_a_meter(clock: FakeClock, connect: Connect) -> None:
    """The list is empty, and there is no lifetime at all."""
    async with connect(make(clock, "none")) as client:
        body = (await client.get(STATS, params={"start_at": NOW + DAY})).json()
        lifetime = await client.get(LIFETIME)
    assert (body["total_devices"], body["intervals"]) == (0, [])
    assert (lifetime.status_code, lifetime.content) == (204, b"")
    assert {"content-type", "content-length"}.isdisjoint(lifetime.headers)


async def test_without_permission(clock: FakeClock, connect: Connect) -> None:
    """Both are refused like a stranger; production is not."""
    async with connect(make(clock, "refused")) as client:
        for path in (STATS, LIFETIME):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
        assert (await client.get("/systems/7/stats")).status_code == 200


async def test_with_a_meter_that_is_switched_off(clock: FakeClock, connect: Connect) -> None:
    """Seen in the field: a message that is no list, and a refusal."""
    async with connect(make(clock, "disabled")) as client:
        stats, lifetime = await client.get(STATS), await client.get(LIFETIME)
    assert stats.status_code == lifetime.status_code == 401
    assert stats.json() == {
        "message": "The given system does not contain any active and enabled consumption meter"
    }
    assert lifetime.json() == UNAUTHORIZED


async def test_days_are_sums_of_intervals(clock: FakeClock, connect: Connect) -> None:
    """From the first day to yesterday by default; dates as in energy_lifetime."""
    emulator = make(clock, operational_at=NOW - 30 * DAY, outages=0.4)
    async with connect(emulator) as client:
        body = (await client.get(LIFETIME)).json()
        two = (
            await client.get(LIFETIME, params={"start_date": "2025-06-01", "end_date": "2025-06-02"})
        ).json()
        today = await client.get(LIFETIME, params={"start_date": "2025-06-15"})
    assert list(body) == ["system_id", "start_date", "consumption", "meta"]
    assert (body["start_date"], len(body["consumption"])) == ("2025-05-16", 30)
    first = date(2025, 5, 16)
    for index, shown in enumerate(body["consumption"]):
        a, b = (local_midnight(first, "America/Los_Angeles", index + n) for n in (0, 1))
        assert shown == sum(row["enwh"] for row in emulator.truth.consumption_stats(7, a, b))
    assert two["consumption"] == body["consumption"][16:18]
    assert today.status_code == 422
    assert today.json()["reason"] == "Requested date range is invalid for this system"
