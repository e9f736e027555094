"""rgm_stats in v4: seven days at most, two years back, nothing in the future; else as in v2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota, V4Options
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

NOW = 1_750_014_123
DAY = 86_400
EMULATOR = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS), quota=Quota.UNLIMITED)


@examples(80)
@given(data=st.data())
async def test_any_week_is_the_truth_in_both_versions(
    connect: Connect, connect_v4: Connect, data: st.DataObject
) -> None:
    """Rows, channels and all; where v2 has an answer it is the same one."""
    system = data.draw(st.sampled_from(EMULATOR.truth.systems()))
    start = data.draw(st.integers(NOW - 729 * DAY, NOW))
    end = data.draw(st.integers(start, min(NOW, start + 7 * DAY)))
    params = {"start_at": start, "end_at": end}
    path = f"/systems/{system.system_id}/rgm_stats"
    async with connect_v4(EMULATOR) as new, connect(EMULATOR) as old:
        answer, before = await new.get(path, params=params), await old.get(path, params=params)
    assert answer.status_code == 200, answer.text
    content, truth = answer.json(), EMULATOR.truth
    window = (system.system_id, start // 900 * 900, end // 900 * 900)
    assert content["intervals"] == truth.rgm_stats(*window)
    assert content["meter_intervals"] == truth.meter_intervals(*window)
    if before.status_code == 200 and start > NOW - 365 * DAY:
        assert content == before.json()


async def ask(client: httpx.AsyncClient, system_id: int, **params: Any) -> tuple[int, dict[str, Any]]:
    """Return status and content of one answer."""
    answer = await client.get(f"/systems/{system_id}/rgm_stats", params=params)
    return answer.status_code, dict(answer.json())


async def test_what_is_refused(connect_v4: Connect) -> None:
    """More than seven days, any part of the future, more than two years ago, an end before the start."""
    async with connect_v4(EMULATOR) as client:
        number, start = EMULATOR.demo_system, NOW // 900 * 900 - 100 * DAY
        limit = start + 7 * DAY
        assert (await ask(client, number, start_at=start, end_at=limit))[0] == 200
        status, content = await ask(client, number, start_at=start, end_at=limit + 900)
        assert status == 422
        assert content["details"].startswith(
            "Requested date range in one API hit cannot be more than 7 days."
        )
        assert content["details"].endswith(f"{{:start_at=>{start}, :end_at=>{limit + 900}}}")
        future = {
            "message": "Unprocessable Entity",
            "details": "Requested date is in the future",
            "code": 422,
        }
        assert await ask(client, number, start_at=NOW - 60, end_at=NOW + 1) == (422, future)
        assert await ask(client, number, start_at=NOW + 1) == (422, future)
        assert (await ask(client, number, start_at=NOW - 730 * DAY - 1))[0] == 422
        assert (await ask(client, number, start_at=NOW - 730 * DAY))[0] == 200
        assert (await ask(client, number, start_at=start, end_at=start - 900))[0] == 422


async def test_more_than_a_week_may_be_clipped(connect_v4: Connect) -> None:
    """The documentation says both: here the first seven days are answered."""
    emulator = Emulator(clock=FakeClock(NOW), v4_options=V4Options(rgm_week="clipped"))
    number, start = emulator.demo_system, NOW // 900 * 900 - 100 * DAY
    async with connect_v4(emulator) as client:
        status, content = await ask(client, number, start_at=start, end_at=start + 30 * DAY)
    assert status == 200
    assert content["intervals"] == emulator.truth.rgm_stats(number, start, start + 7 * DAY)


async def test_defaults(connect_v4: Connect) -> None:
    """Today until now; a week from a start."""
    system = EMULATOR.truth.systems()[0]
    midnight = local_midnight(local_date(NOW, system.timezone), system.timezone)
    start = NOW // 900 * 900 - 50 * DAY
    async with connect_v4(EMULATOR) as client:
        _, today = await ask(client, system.system_id)
        _, week = await ask(client, system.system_id, start_at=start)
    truth = EMULATOR.truth
    assert today["intervals"] == truth.rgm_stats(system.system_id, midnight, NOW)
    assert week["intervals"] == truth.rgm_stats(system.system_id, start, start + 7 * DAY)


async def test_a_system_without_meters(connect_v4: Connect) -> None:
    """It has no rows, and that is no error."""
    system = next(system for system in EMULATOR.truth.systems() if not system.meters)
    async with connect_v4(EMULATOR) as client:
        status, content = await ask(client, system.system_id)
    assert (status, content["total_devices"]) == (200, 0)
    assert content["intervals"] == content["meter_intervals"] == []


@pytest.mark.parametrize("text", ["now", "nan", "1e99"])
async def test_what_is_no_instant(connect_v4: Connect, text: str) -> None:
    """It cannot be read, says a 422."""
    async with connect_v4(EMULATOR) as client:
        assert (await ask(client, EMULATOR.demo_system, start_at=text))[0] == 422
