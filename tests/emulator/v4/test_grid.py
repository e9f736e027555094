"""The endpoints of v4 about the grid: energy imported and exported, days, and its state."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from itertools import chain
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota, System
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.testing import FakeClock
from tests.effort import examples
from tests.emulator.v4.battery_systems import DAY, EMULATOR, LENGTHS, NOW, SHARED, UTRECHT

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def test_the_grid_of_a_system_that_never_reported(connect_v4: Connect) -> None:
    """Nobody knows."""
    new = System(system_id=7, operational_at=NOW - 60)
    async with connect_v4(Emulator(clock=FakeClock(NOW), fleet=[new], quota=Quota.UNLIMITED)) as client:
        answer = await client.get("/systems/config/7/grid_status")
    assert (answer.status_code, "has not reported yet" in answer.json()["details"]) == (422, True)


def start_of(data: st.DataObject, system: System) -> int:
    """Draw a start in the time that is kept, mostly while the system was in service."""
    since = max(system.operational_at + 2 * DAY, NOW - 729 * DAY)
    return data.draw(st.integers(since, NOW) | st.integers(NOW - 3 * DAY, NOW), label="start")


@examples(80)
@given(data=st.data())
async def test_exchange_of_any_window(connect_v4: Connect, data: st.DataObject) -> None:
    """Imports and exports, in lists of days that together are the rows of the window."""
    system = data.draw(st.sampled_from(SHARED))
    start, word = start_of(data, system), data.draw(st.sampled_from(sorted(LENGTHS)))
    way = data.draw(st.sampled_from(["import", "export"]))
    async with connect_v4(EMULATOR) as client:
        path = f"/systems/{system.system_id}/energy_{way}_telemetry"
        content = (await client.get(path, params={"start_at": start, "granularity": word})).json()
    end, name = min(NOW, start + LENGTHS[word]), f"wh_{way}ed"
    rows = EMULATOR.truth.grid.rows(system.system_id, start // 900 * 900, end)
    flat = list(chain.from_iterable(content["intervals"]))
    assert flat == [{"end_at": row["end_at"], name: row[name]} for row in rows]
    assert content["total_devices"] == 0
    assert "meta" in content
    dates = [{local_date(row["end_at"] - 1, system.timezone) for row in day} for day in content["intervals"]]
    assert all(len(each) == 1 for each in dates)
    assert len(set().union(*dates)) == len(dates)


async def test_days_are_split_at_the_systems_midnight(connect_v4: Connect) -> None:
    """A week from noon is eight lists; a day on which clocks change is one of its own length."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], quota=Quota.UNLIMITED)
    noon = local_midnight(date(2025, 3, 27), UTRECHT.timezone) + 12 * 3600
    async with connect_v4(emulator) as client:
        params: dict[str, Any] = {"start_at": noon, "granularity": "week"}
        week = (await client.get("/systems/7/energy_import_telemetry", params=params)).json()
        params = {"start_date": "2024-10-27"}
        long = (await client.get("/systems/7/energy_export_telemetry", params=params)).json()
    assert [len(day) for day in week["intervals"]] == [48, 96, 96, 92, 96, 96, 96, 52]
    assert [len(day) for day in long["intervals"]] == [100]
    assert long["end_date"] == "2024-10-28T00:00:00+01:00"
