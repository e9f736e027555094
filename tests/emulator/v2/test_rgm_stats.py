"""rgm_stats: windows, ranges that are errors, retention, and the rows of each kind of meter."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Meter, Quota, System
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

DAY = 86_400
PATH = "/systems/1765/rgm_stats"
NOW = 1_750_014_000


def make(clock: FakeClock, **options: Any) -> Emulator:
    """Return an emulator without limits."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, **options)


def ends(answer: httpx.Response) -> list[int]:
    """Return the ends of the site's intervals of an answer."""
    assert answer.status_code == 200, answer.text
    return [row["end_at"] for row in answer.json()["intervals"]]


async def test_shape_and_order_of_an_answer(clock: FakeClock, connect: Connect) -> None:
    """Names, order and types are the service's."""
    async with connect(make(clock)) as client:
        body = (await client.get(PATH, params={"start_at": NOW - DAY, "end_at": NOW - DAY + 1800})).json()
    assert list(body) == ["system_id", "total_devices", "intervals", "meta", "meter_intervals"]
    assert list(body["meta"]) == ["status", "last_report_at", "last_energy_at", "operational_at"]
    assert (body["system_id"], body["total_devices"]) == (1765, 2)
    assert len(body["intervals"]) == len(body["meter_intervals"]) == 2
    assert set(body["intervals"][0]) == {"end_at", "devices_reporting", "wh_del"}
    meter = body["meter_intervals"][0]
    assert list(meter) == ["meter_serial_number", "envoy_serial_number", "intervals"]
    assert set(meter["intervals"][0]) == {"channel", "end_at", "wh_del", "curr_w"}
    assert isinstance(meter["intervals"][0]["wh_del"], float)
    assert isinstance(meter["intervals"][0]["curr_w"], int)
    assert isinstance(body["intervals"][0]["wh_del"], int)


@pytest.mark.parametrize("late", [0, 1, 450, 899])
async def test_ends_are_floored_and_the_window_is_open_on_the_left(
    clock: FakeClock, connect: Connect, late: int
) -> None:
    """Rows have `floor(start_at) < end_at <= floor(end_at)`."""
    start = NOW - DAY
    async with connect(make(clock)) as client:
        answer = await client.get(PATH, params={"start_at": start + late, "end_at": start + 2700 + late})
    assert ends(answer) == [start + 900, start + 1800, start + 2700]


async def test_adjacent_windows_share_nothing_and_miss_nothing(clock: FakeClock, connect: Connect) -> None:
    """A week in seven days is the week in one, value for value."""
    emulator = make(clock)
    start = NOW - 8 * DAY
    async with connect(emulator) as client:
        week = await client.get(PATH, params={"start_at": start, "end_at": start + 7 * DAY})
        rows = []
        for day in range(start, start + 7 * DAY, DAY):
            answer = await client.get(PATH, params={"start_at": day, "end_at": day + DAY})
            rows += answer.json()["intervals"]
    assert len(rows) == 672
    assert rows == week.json()["intervals"]
    assert rows == emulator.truth.rgm_stats(1765, start, start + 7 * DAY)


async def test_exactly_seven_days_pass_and_more_is_refused(clock: FakeClock, connect: Connect) -> None:
    """The limit is the release notes', in their words."""
    start = NOW - 10 * DAY
    async with connect(make(clock)) as client:
        assert len(ends(await client.get(PATH, params={"start_at": start, "end_at": start + 7 * DAY}))) == 672
        end = start + 7 * DAY + 900
        answer = await client.get(PATH, params={"start_at": start, "end_at": end})
    assert answer.status_code == 422
    assert answer.json()["reason"] == (
        "Requested date range in one API hit cannot be more than 7 days. "
        f"{{:start_at=>{start}, :end_at=>{end}}}"
    )


async def test_a_start_before_the_retention_empties_the_whole_window(
    clock: FakeClock, connect: Connect
) -> None:
    """One interval too early, and nothing of a week is answered."""
    limit = NOW - 365 * DAY
    async with connect(make(clock)) as client:
        kept = await client.get(PATH, params={"start_at": limit, "end_at": limit + DAY})
        lost = await client.get(PATH, params={"start_at": limit - 1, "end_at": limit + DAY})
    assert len(ends(kept)) == 96
    assert ends(lost) == lost.json()["meter_intervals"] == []


async def test_nothing_newer_than_the_lag_is_known(clock: FakeClock, connect: Connect) -> None:
    """An interval appears once it has ended and the lag is over."""
    async with connect(make(clock, report_lag=900)) as client:
        asked = {"start_at": NOW - 3600, "end_at": NOW}
        assert ends(await client.get(PATH, params=asked))[-1] == NOW - 900
        clock.advance(899)
        assert ends(await client.get(PATH, params=asked))[-1] == NOW - 900
        clock.advance(1)
        answer = await client.get(PATH, params=asked)
        assert ends(answer)[-1] == NOW
        meta = answer.json()["meta"]
    assert NOW <= meta["last_energy_at"] <= meta["last_report_at"] <= clock.now()


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
    async with connect(make(clock)) as client:
        answer = await client.get(PATH, params={"start_at": start, "end_at": end})
    assert answer.status_code == 422
    body = answer.json()
    assert body["reason"] == "Requested date range is invalid for this system"
    assert (body["start_at"], body["end_at"]) == (start, end)
    assert body["first_interval"] < body["last_interval"] == NOW - 900


async def test_before_operation(clock: FakeClock, connect: Connect) -> None:
    """A window that reaches into the time of service begins with its first interval."""
    began = NOW - 3 * DAY + 100
    fleet = [System(system_id=1, operational_at=began, meters=(Meter(serial="m", envoy_serial="e"),))]
    async with connect(make(clock, fleet=fleet)) as client:
        path = "/systems/1/rgm_stats"
        over = await client.get(path, params={"start_at": began - DAY, "end_at": began + 3600})
        before = await client.get(path, params={"start_at": began - 2 * DAY, "end_at": began - DAY})
    assert ends(over)[0] == NOW - 3 * DAY + 900
    assert before.status_code == 422
    assert before.json()["first_interval"] == ends(over)[0]


async def test_defaults_are_local_midnight_and_now(clock: FakeClock, connect: Connect) -> None:
    """Noon in California: twelve hours less the lag."""
    async with connect(make(clock)) as client:
        found = ends(await client.get(PATH))
    assert found[0] == NOW - 12 * 3600 + 900
    assert found[-1] == NOW - 900


@pytest.mark.parametrize(
    ("zone", "longitude", "first_row"),
    [
        ("America/Havana", -82.4, "2025-03-09T01:15:00-04:00"),  # midnight is skipped
        ("Asia/Beirut", 35.5, "2025-03-30T01:15:00+03:00"),  # midnight is skipped
        ("Australia/Lord_Howe", 159.1, "2025-04-06T00:15:00+11:00"),  # half an hour comes twice later
    ],
)
async def test_the_day_starts_where_the_zone_says(
    connect: Connect, zone: str, longitude: float, first_row: str
) -> None:
    """Also on days whose clocks change; the day's last row belongs to the next midnight."""
    start = datetime.fromisoformat(first_row).timestamp() - 900
    meter = Meter(serial="m", envoy_serial="e")
    fleet = [System(system_id=6, timezone=zone, longitude=longitude, meters=(meter,))]
    emulator = make(FakeClock(now=start + 20 * 3600), fleet=fleet)
    async with connect(emulator, datetime_format="iso8601") as client:
        body = (await client.get("/systems/6/rgm_stats")).json()
    assert body["intervals"][0]["end_at"] == first_row
    assert len(body["intervals"]) == 79


async def test_just_after_local_midnight_the_default_range_is_refused(connect: Connect) -> None:
    """The day has begun and nothing of it has been reported: known from the field."""
    async with connect(make(FakeClock(now=NOW + 12 * 3600 + 60))) as client:
        assert (await client.get(PATH)).status_code == 422


@pytest.mark.parametrize("text", ["yesterday", "2025-06-15", "nan", "inf", "1e99"])
async def test_unreadable_instants_are_refused(clock: FakeClock, connect: Connect, text: str) -> None:
    """The refusal says so in its reason."""
    async with connect(make(clock)) as client:
        answer = await client.get(PATH, params={"start_at": text})
    assert answer.status_code == 422
    assert answer.json()["reason"].startswith("Failed to parse date")


async def test_fractions_and_unknown_parameters_are_taken(clock: FakeClock, connect: Connect) -> None:
    """Real clients send both."""
    async with connect(make(clock)) as client:
        asked = {"start_at": f"{NOW - 3600}.0", "end_at": f"{NOW - 1800}.9", "colour": "red"}
        assert len(ends(await client.get(PATH, params=asked))) == 2


async def test_iso_times_are_local_with_an_offset(clock: FakeClock, connect: Connect) -> None:
    """`datetime_format` changes what is answered, never what is asked."""
    async with connect(make(clock), datetime_format="iso8601") as client:
        body = (await client.get(PATH, params={"start_at": NOW - 1800, "end_at": NOW - 900})).json()
    assert body["intervals"][0]["end_at"] == "2025-06-15T11:45:00-07:00"
    assert body["meter_intervals"][0]["intervals"][0]["end_at"] == "2025-06-15T11:45:00-07:00"
    assert body["meta"]["last_energy_at"] == "2025-06-15T11:45:00-07:00"


async def test_a_system_without_meters_has_nothing_to_show(clock: FakeClock, connect: Connect) -> None:
    """No devices, no intervals, and no error."""
    async with connect(make(clock, fleet=[System(system_id=2)])) as client:
        body = (await client.get("/systems/2/rgm_stats", params={"start_at": NOW - DAY})).json()
    assert body["total_devices"] == 0
    assert body["intervals"] == body["meter_intervals"] == []


async def meter_rows(connect: Connect, clock: FakeClock, meter: Meter, **system: Any) -> dict[str, Any]:
    """Return a day's answer for a system with this one meter."""
    fleet = [System(system_id=3, meters=(meter,), **system)]
    async with connect(make(clock, fleet=fleet)) as client:
        answer = await client.get("/systems/3/rgm_stats", params={"start_at": NOW - DAY, "end_at": NOW})
        return dict(answer.json())


async def test_phases_add_up_and_are_grouped_by_channel(clock: FakeClock, connect: Connect) -> None:
    """Three phases sum to the site's row, float noise and all."""
    meter = Meter(serial="m", envoy_serial="e", phases=3, listed=3, standby_w=-1, noise=True)
    body = await meter_rows(connect, clock, meter)
    rows = body["meter_intervals"][0]["intervals"]
    assert [row["channel"] for row in rows] == [1] * 95 + [2] * 95 + [3] * 95
    for index, site in enumerate(body["intervals"]):
        phases = [rows[index + 95 * phase] for phase in range(3)]
        assert {row["end_at"] for row in phases} == {site["end_at"]}
        assert round(sum(row["wh_del"] for row in phases)) == site["wh_del"]
    assert any(row["wh_del"] % 1 for row in rows), "no float noise"
    assert min(row["curr_w"] for row in rows) == -1


async def test_phases_that_are_not_wired_are_null(clock: FakeClock, connect: Connect) -> None:
    """They are listed all the same."""
    body = await meter_rows(connect, clock, Meter(serial="m", envoy_serial="e", phases=1, listed=3))
    rows = body["meter_intervals"][0]["intervals"]
    assert len(rows) == 3 * 95
    for row in rows:
        assert (row["wh_del"] is None) == (row["curr_w"] is None) == (row["channel"] > 1)


async def test_the_newest_row_may_be_null_in_every_channel(clock: FakeClock, connect: Connect) -> None:
    """While the system's own row has a value."""
    body = await meter_rows(connect, clock, Meter(serial="m", envoy_serial="e", null_tail=True))
    rows = body["meter_intervals"][0]["intervals"]
    assert [row["end_at"] for row in rows if row["wh_del"] is None] == [NOW - 900]
    assert body["intervals"][-1]["wh_del"] > 0


@pytest.mark.parametrize("night_rows", [True, False])
async def test_nights_are_zeros_or_missing(clock: FakeClock, connect: Connect, *, night_rows: bool) -> None:
    """The system decides between the two."""
    meter = Meter(serial="m", envoy_serial="e")
    body = await meter_rows(connect, clock, meter, night_rows=night_rows)
    assert (len(body["intervals"]) == 95) is night_rows
    assert len(body["intervals"]) == len(body["meter_intervals"][0]["intervals"]) > 40


async def test_late_meters_are_added_later(clock: FakeClock, connect: Connect) -> None:
    """A row counts the devices that have reported by now, and changes when the last one does."""
    meters = (Meter(serial="a", envoy_serial="e"), Meter(serial="b", envoy_serial="e", late=1800))
    emulator = make(clock, fleet=[System(system_id=4, meters=meters)])
    asked = {"start_at": NOW - 3 * 3600, "end_at": NOW - 900}
    async with connect(emulator) as client:
        before = (await client.get("/systems/4/rgm_stats", params=asked)).json()
        clock.advance(1800)
        after = (await client.get("/systems/4/rgm_stats", params=asked)).json()
    assert [row["devices_reporting"] for row in before["intervals"]] == [2] * 9 + [1, 1]
    assert [row["devices_reporting"] for row in after["intervals"]] == [2] * 11
    assert before["intervals"][:9] == after["intervals"][:9]
    assert before["intervals"][-1]["wh_del"] < after["intervals"][-1]["wh_del"]
    assert len(before["meter_intervals"][1]["intervals"]) == 9


async def test_outages_are_rows_that_do_not_exist(clock: FakeClock, connect: Connect) -> None:
    """A system's outage takes all rows; the truth knows of the same ones."""
    meter = Meter(serial="m", envoy_serial="e")
    emulator = make(clock, fleet=[System(system_id=5, meters=(meter,), outages=1.0)])
    async with connect(emulator) as client:
        asked = {"start_at": NOW - 7 * DAY, "end_at": NOW}
        body = (await client.get("/systems/5/rgm_stats", params=asked)).json()
    site = [row["end_at"] for row in body["intervals"]]
    assert 0 < len(site) < 671
    assert site == [row["end_at"] for row in body["meter_intervals"][0]["intervals"]]
