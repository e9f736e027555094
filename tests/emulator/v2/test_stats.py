"""stats: one day at most, no rows at night, rows that rise, and agreement with the summary."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Meter, Quota, System
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
DAY = 86_400
PATH = "/systems/7/stats"
NOW = 1_750_014_000  # noon in California
PLAIN = System(system_id=7)


def make(clock: FakeClock, *fleet: System, **options: Any) -> Emulator:
    """Return an emulator without limits, of one plain system by default."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet or [PLAIN], **options)


def ends(answer: httpx.Response) -> list[int]:
    """Return the ends of an answer's intervals."""
    assert answer.status_code == 200, answer.text
    return [row["end_at"] for row in answer.json()["intervals"]]


async def test_shape_and_order_of_an_answer(clock: FakeClock, connect: Connect) -> None:
    """Names, order and types are the service's; the truth is shaped alike."""
    emulator = make(clock)
    async with connect(emulator) as client:
        body = (await client.get(PATH, params={"start_at": NOW - DAY, "end_at": NOW - DAY + 900})).json()
    assert list(body) == ["system_id", "total_devices", "intervals", "meta"]
    assert list(body["meta"]) == ["status", "last_report_at", "last_energy_at", "operational_at"]
    assert (body["system_id"], body["total_devices"]) == (7, 20)
    assert list(body["intervals"][0]) == ["end_at", "devices_reporting", "powr", "enwh"]
    assert body["intervals"] == emulator.truth.stats(7, NOW - DAY, NOW - DAY + 900)
    assert [row["end_at"] for row in body["intervals"]] == [NOW - DAY + n for n in (300, 600, 900)]


@pytest.mark.parametrize("late", [0, 1, 299])
async def test_ends_are_floored_to_five_minutes(clock: FakeClock, connect: Connect, late: int) -> None:
    """The window is open on the left, closed on the right."""
    start = NOW - DAY
    async with connect(make(clock)) as client:
        answer = await client.get(PATH, params={"start_at": start + late, "end_at": start + 600 + late})
        straddling = await client.get(PATH, params={"start_at": start - 1, "end_at": start + 301})
    assert ends(answer) == [start + 300, start + 600]
    assert ends(straddling) == [start, start + 300]


@pytest.mark.parametrize("end", [{}, {"end_at": NOW - 3 * DAY}, {"end_at": NOW + DAY}])
async def test_more_than_a_day_is_cut(clock: FakeClock, connect: Connect, end: dict[str, int]) -> None:
    """It is a day from the start, not to the next midnight, and no error."""
    emulator, start = make(clock), NOW - 10 * DAY
    async with connect(emulator) as client:
        body = (await client.get(PATH, params={"start_at": start + 7, **end})).json()
    assert body["intervals"] == emulator.truth.stats(7, start, start + DAY)
    assert body["intervals"][0]["end_at"] == start + 300
    assert body["intervals"][-1]["end_at"] == start + DAY


async def test_a_day_runs_from_dawn_to_dusk_in_even_steps(clock: FakeClock, connect: Connect) -> None:
    """No row at night, few devices at first, and energy rounded from power."""
    midnight = local_midnight(local_date(NOW - DAY, PLAIN.timezone), PLAIN.timezone)
    async with connect(make(clock)) as client:
        rows = (await client.get(PATH, params={"start_at": midnight})).json()["intervals"]
    assert {b["end_at"] - a["end_at"] for a, b in pairwise(rows)} == {300}
    assert midnight + 4 * 3600 < rows[0]["end_at"] < rows[-1]["end_at"] < midnight + 21 * 3600
    assert [row["devices_reporting"] for row in rows[:4]] == [4, 12, 18, 20]
    assert rows[0]["powr"] < 50
    assert all(row["enwh"] == int(row["powr"] / 12 + 0.5) for row in rows)


async def test_recent_rows_rise_until_every_inverter_has_reported(clock: FakeClock, connect: Connect) -> None:
    """A row counts the devices that have reported by now; what is settled stays."""
    emulator = make(clock)
    asked = {"start_at": NOW - 3600, "end_at": NOW - 900}
    async with connect(emulator) as client:
        before = (await client.get(PATH, params=asked)).json()["intervals"]
        summary = (await client.get("/systems/7/summary")).json()
        clock.advance(600)
        after = (await client.get(PATH, params=asked)).json()["intervals"]
    assert [row["devices_reporting"] for row in before[-3:]] == [20, 14, 8]
    assert {row["devices_reporting"] for row in after} == {20}
    assert before[:-2] == after[:-2]
    for early, late in zip(before[-2:], after[-2:], strict=True):
        assert early["powr"] < late["powr"]
        assert early["enwh"] == int(early["powr"] / 12 + 0.5)
    assert summary["current_power"] == before[-1]["powr"]


async def test_a_start_before_the_retention_empties_the_answer(clock: FakeClock, connect: Connect) -> None:
    """It is answered, with nothing."""
    limit = NOW - 365 * DAY
    async with connect(make(clock)) as client:
        assert len(ends(await client.get(PATH, params={"start_at": limit, "end_at": limit + 3600}))) == 12
        assert ends(await client.get(PATH, params={"start_at": limit - 1, "end_at": limit + 3600})) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param(NOW, NOW + 900, id="after the last interval"),
        pytest.param(NOW + DAY, NOW + 2 * DAY, id="in the future"),
        pytest.param(NOW - DAY, NOW - 2 * DAY, id="turned round"),
    ],
)
async def test_ranges_without_data_are_refused_with_what_there_is(
    clock: FakeClock, connect: Connect, start: int, end: int
) -> None:
    """The refusal repeats the range and tells the first and last interval."""
    emulator = make(clock)
    async with connect(emulator) as client:
        body = (answer := await client.get(PATH, params={"start_at": start, "end_at": end})).json()
    assert answer.status_code == 422
    assert list(body) == ["reason", "start_at", "end_at", "first_interval", "last_interval"]
    assert body["reason"] == "Requested date range is invalid for this system"
    assert (body["start_at"], body["end_at"]) == (start, end)
    assert body["first_interval"] == emulator.truth.first_stat(7)
    assert body["last_interval"] == NOW - 900


async def test_between_midnight_and_dawn_the_default_range_is_refused(connect: Connect) -> None:
    """The day has begun and the sun has not risen; yesterday's last interval is told."""
    emulator = make(FakeClock(now=NOW + 15 * 3600))
    async with connect(emulator, datetime_format="iso8601") as client:
        body = (answer := await client.get(PATH)).json()
        summary = (await client.get("/systems/7/summary")).json()
    assert answer.status_code == 422
    assert body["start_at"] == "2025-06-16T00:00:00-07:00"
    assert body["last_interval"].startswith("2025-06-15T")
    assert (summary["summary_date"], summary["energy_today"]) == ("2025-06-16", 0)


async def test_before_operation(clock: FakeClock, connect: Connect) -> None:
    """A window that reaches into the time of service begins with its first interval."""
    began = NOW - 3 * DAY + 100
    async with connect(make(clock, System(system_id=7, operational_at=began))) as client:
        over = await client.get(PATH, params={"start_at": began - 3600, "end_at": began + 3600})
        before = await client.get(PATH, params={"start_at": began - 2 * DAY, "end_at": began - DAY})
    assert ends(over)[0] == NOW - 3 * DAY + 300 == before.json()["first_interval"]
    assert before.status_code == 422


async def test_a_system_that_has_never_reported(clock: FakeClock, connect: Connect) -> None:
    """There is no interval to name."""
    async with connect(make(clock, System(system_id=7, operational_at=NOW + DAY))) as client:
        body = (answer := await client.get(PATH)).json()
        summary = (await client.get("/systems/7/summary")).json()
    assert answer.status_code == 422
    assert body["first_interval"] is body["last_interval"] is None
    assert summary["current_power"] == summary["energy_lifetime"] == 0


async def test_a_system_without_microinverters_has_nothing_to_show(
    clock: FakeClock, connect: Connect
) -> None:
    """No devices, no intervals, no error, even where another system is refused."""
    for fleet in (
        System(system_id=7, modules=0),
        System(system_id=7, modules=0, meters=(Meter(serial="m", envoy_serial="e"),)),
    ):
        async with connect(make(clock, fleet)) as client:
            body = (await client.get(PATH, params={"start_at": NOW + DAY})).json()
        assert (body["total_devices"], body["intervals"]) == (0, [])


async def test_outages_are_rows_that_do_not_exist(clock: FakeClock, connect: Connect) -> None:
    """Gaps are not filled."""
    emulator = make(clock, System(system_id=7, outages=1.0))
    gaps = 0
    async with connect(emulator) as client:
        for start in range(NOW - 12 * 3600 - 20 * DAY, NOW - DAY, DAY):
            found = ends(await client.get(PATH, params={"start_at": start}))
            gaps += any(b - a > 300 for a, b in pairwise(found))
    assert gaps > 5


async def test_iso_times_and_unreadable_ones(clock: FakeClock, connect: Connect) -> None:
    """As everywhere."""
    async with connect(make(clock), datetime_format="iso8601") as client:
        body = (await client.get(PATH, params={"start_at": NOW - 1800, "end_at": NOW - 900})).json()
        odd = await client.get(PATH, params={"start_at": "efniufh34iuh"})
    assert body["intervals"][0]["end_at"] == "2025-06-15T11:35:00-07:00"
    assert odd.status_code == 422
    assert odd.json() == {"reason": "Failed to parse date efniufh34iuh"}


async def test_days_add_up_to_the_summary(clock: FakeClock, connect: Connect) -> None:
    """Energy of the day, energy before it, power and the last interval's end."""
    emulator = make(clock, System(system_id=7, outages=0.3))
    async with connect(emulator) as client:
        today = (await client.get(PATH)).json()
        summary = (await client.get("/systems/7/summary")).json()
        past = (await client.get("/systems/7/summary", params={"summary_date": "2025-06-10"})).json()
    midnight = NOW - 12 * 3600
    assert sum(row["enwh"] for row in today["intervals"]) == summary["energy_today"] > 0
    assert summary["last_interval_end_at"] == today["meta"]["last_energy_at"]
    assert summary["energy_lifetime"] == sum(row["enwh"] for row in emulator.truth.stats(7, 0, midnight))
    rows = emulator.truth.stats(7, midnight - 5 * DAY, midnight - 4 * DAY)
    assert past["energy_today"] == sum(row["enwh"] for row in rows)
    assert past["current_power"] == 0


@pytest.mark.slow
async def test_a_year_is_made_quickly(clock: FakeClock, connect: Connect) -> None:
    """A day a request, compressed and all."""
    began = time.process_time()
    emulator = make(clock)
    async with connect(emulator) as client:
        rows = [ends(await client.get(PATH, params={"start_at": NOW - n * DAY})) for n in range(365, 0, -1)]
    assert sum(map(len, rows)) > 365 * 110
    assert time.process_time() - began < 5
