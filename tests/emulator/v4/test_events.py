"""The endpoints of v4 about events and alarms: windows, open ones, types."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.simulation.events import EVENT_TYPES
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
NOW = 1_750_014_123
DAY = 86_400
EMULATOR = Emulator(clock=FakeClock(NOW), systems=2 * len(SYSTEM_KINDS), quota=Quota.UNLIMITED)
SYSTEMS = EMULATOR.truth.systems()
EVENTS = EMULATOR.truth.events


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """Return the content of one answer."""
    answer = await client.get(f"/systems/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.slow
async def test_events_and_alarms_of_a_window(connect_v4: Connect) -> None:
    """Those that began in it, of any system; alarms are chosen by whether they are over."""
    met: set[str] = set()
    async with connect_v4(EMULATOR) as client:
        for system in SYSTEMS:
            number = system.system_id
            for start in range(NOW - 70 * DAY, NOW, 7 * DAY):
                window: dict[str, Any] = {"start_time": start, "end_time": start + 7 * DAY}
                shown = await ask(client, f"{number}/events", **window)
                assert shown == {"events": EVENTS.events(number, start, start + 7 * DAY), "system_id": number}
                met |= {row["status"] for row in shown["events"]}
                every = (await ask(client, f"{number}/alarms", **window))["alarms"]
                assert every == EVENTS.alarms(number, start, start + 7 * DAY)
                over = (await ask(client, f"{number}/alarms", cleared="true", **window))["alarms"]
                still = (await ask(client, f"{number}/alarms", cleared="false", **window))["alarms"]
                assert sorted(over + still, key=lambda row: row["id"]) == sorted(
                    every, key=lambda row: row["id"]
                )
                assert all(row["cleared"] for row in over)
                met |= {"over"} if over else set()
    assert met >= {"Info", "Closed", "over"}


async def test_what_is_open(connect_v4: Connect) -> None:
    """A second gateway that never reported is; spelled another way, and without an end."""
    system = next(system for system in SYSTEMS if len(system.envoys) > 1)
    number = system.system_id
    async with connect_v4(EMULATOR) as client:
        events = (await ask(client, f"{number}/open_events"))["events"]
        alarms = (await ask(client, f"{number}/open_alarms"))["alarms"]
    (known,) = EVENTS.open_events(number)
    assert events == [known | {"status": "open"}]
    assert (known["status"], known["event_end_time"]) == ("Open", None)
    (alarm,) = alarms
    assert alarm.items() < EVENTS.open_alarms(number)[0].items()
    assert {"cleared", "alarm_end_time"}.isdisjoint(alarm)


async def test_a_day_by_default(connect_v4: Connect) -> None:
    """Or until now, where a day is not over."""
    start = NOW - 20 * DAY
    busy = max(SYSTEMS, key=lambda each: len(EVENTS.events(each.system_id, start, start + 7 * DAY)))
    number = busy.system_id
    async with connect_v4(EMULATOR) as client:
        day = await ask(client, f"{number}/events", start_time=start)
        rest = await ask(client, f"{number}/events", start_time=NOW - 3600)
    assert day["events"] == EVENTS.events(number, start, start + DAY)
    assert len(day["events"]) < len(EVENTS.events(number, start, start + 7 * DAY))
    assert rest["events"] == EVENTS.events(number, NOW - 3600, NOW)


@pytest.mark.parametrize(
    ("params", "details"),
    [
        ({}, "start_time is required"),
        ({"start_time": NOW + 1}, "in the future"),
        ({"start_time": NOW - 274 * DAY - 1}, "older than 9 months"),
        ({"start_time": NOW - 9 * DAY, "end_time": NOW - 2 * DAY + 1}, "longer than 7 days"),
        ({"start_time": NOW - DAY, "end_time": NOW - DAY - 1}, "ends before it starts"),
        ({"start_time": "x"}, "Failed to parse date x"),
    ],
)
async def test_windows_that_are_refused(connect_v4: Connect, params: Any, details: str) -> None:
    """Of events as of alarms."""
    async with connect_v4(EMULATOR) as client:
        for name in ("events", "alarms"):
            answer = await client.get(f"/systems/{SYSTEMS[0].system_id}/{name}", params=params)
            assert answer.status_code == 422
            assert details in answer.json()["details"]


async def test_kinds_of_events(connect_v4: Connect) -> None:
    """All, one, or one that is not known."""
    async with connect_v4(EMULATOR) as client:
        every = (await ask(client, "event_types"))["event_types"]
        one = (await ask(client, "event_types", event_type_id=28))["event_types"]
        wrong = [{"event_type_id": each} for each in ("5", "x")]
        missing = [await client.get("/systems/event_types", params=each) for each in wrong]
    assert [row["event_type_id"] for row in every] == [kind.event_type_id for kind in EVENT_TYPES]
    assert [row["event_type_key"] for row in one] == ["envoy_no_report"]
    assert [answer.status_code for answer in missing] == [404, 404]
    assert missing[0].json()["details"] == 'Event type not found for {:id=>"5"}'
