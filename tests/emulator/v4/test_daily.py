"""The endpoints of v4 about days: the same values as in v2, other rules for the range."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota, System, V4Options
from enlighten_async.emulator.local_time import local_date
from enlighten_async.emulator.service import INVALID_RANGE
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

NOW = 1_750_014_123
EMULATOR = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS), quota=Quota.UNLIMITED)
UTRECHT = System(
    system_id=7, timezone="Europe/Amsterdam", latitude=52.09, longitude=5.12, consumption="metered"
)


@pytest.mark.slow
@examples(80)
@given(data=st.data())
async def test_any_days_are_the_truth_in_both_versions(
    connect: Connect, connect_v4: Connect, data: st.DataObject
) -> None:
    """Of days that are over and in service; before service nothing is told."""
    name = data.draw(st.sampled_from(["energy_lifetime", "consumption_lifetime"]))
    shared = [s for s in EMULATOR.truth.systems() if s.consumption == "metered"]
    system = data.draw(st.sampled_from(EMULATOR.truth.systems() if name == "energy_lifetime" else shared))
    begun = local_date(system.operational_at, system.timezone)
    yesterday = local_date(NOW, system.timezone) - timedelta(days=1)
    first = data.draw(st.dates(begun - timedelta(days=3), yesterday))
    last = data.draw(st.dates(max(first, begun), yesterday))
    params = {"start_date": str(first), "end_date": str(last), "production": "all"}
    path = f"/systems/{system.system_id}/{name}"
    async with connect_v4(EMULATOR) as new, connect(EMULATOR) as old:
        answer = await new.get(path, params=params)
        before = await old.get(path, params=params | {"start_date": str(max(first, begun))})
    content, number = answer.json(), system.system_id
    assert content == before.json()
    assert content["start_date"] == str(max(first, begun))
    window = (number, max(first, begun), last)
    if name == "energy_lifetime":
        assert content["production"] == EMULATOR.truth.lifetime_days(*window)
    else:
        assert content["consumption"] == EMULATOR.truth.consumption_days(*window)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))
async def test_by_default_all_until_yesterday(connect: Connect, connect_v4: Connect, number: int) -> None:
    """As in v2; merged values alone unless all are asked for."""
    path = f"/systems/{EMULATOR.truth.systems()[number].system_id}/energy_lifetime"
    async with connect_v4(EMULATOR) as new, connect(EMULATOR) as old:
        content = (await new.get(path)).json()
        assert content == (await old.get(path)).json()
    assert "micro_production" not in content


async def ask(client: httpx.AsyncClient, name: str, **params: Any) -> tuple[int, Any]:
    """Return status and content of one answer about the house in Utrecht."""
    answer = await client.get(f"/systems/7/{name}", params=params)
    return answer.status_code, answer.json()


async def test_what_is_refused(connect_v4: Connect) -> None:
    """Days that are not over, in two wordings; an end before the start; what is no date."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], quota=Quota.UNLIMITED)
    future = {"message": "Unprocessable Entity", "details": "Requested date is in the future", "code": 422}
    async with connect_v4(emulator) as client:
        for params in ({"end_date": "2025-06-15"}, {"start_date": "2025-06-16"}, {"end_date": "2030-01-01"}):
            assert await ask(client, "consumption_lifetime", **params) == (422, future)
            status, content = await ask(client, "energy_lifetime", **params)
            assert status == 422
            begins = "start_date" in params  # after today
            wanted = future["details"] if begins else f"{INVALID_RANGE}. {{:start_at=>"
            assert content["details"].startswith(str(wanted))
        params = {"start_date": "2025-05-02", "end_date": "2025-05-01"}
        for name in ("energy_lifetime", "consumption_lifetime"):
            _, content = await ask(client, name, **params)
            assert content["details"] == (
                "Requested date range is invalid for this system. "
                "{:start_at=>2025-05-02, :end_at=>2025-05-01}"
            )
        status, content = await ask(client, "energy_lifetime", start_date="2019-08-33")
        assert (status, "2019-08-33" in content["details"]) == (422, True)
        assert (await ask(client, "energy_lifetime", end_date="2001-01-01"))[0] == 422


async def test_today_is_told_where_it_is_the_start(connect_v4: Connect) -> None:
    """The end is today by default then, and the value what came in so far."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], quota=Quota.UNLIMITED)
    today = date(2025, 6, 15)
    async with connect_v4(emulator) as client:
        _, content = await ask(client, "energy_lifetime", start_date=str(today))
    assert content["production"] == emulator.truth.lifetime_days(7, today, today)
    assert content["production"][0] > 0


@pytest.mark.parametrize(("option", "tail"), [("short", []), ("zero", [0])])
async def test_yesterday_may_take_until_evening(connect_v4: Connect, option: Any, tail: list[int]) -> None:
    """Until then a series is one element short, or zero in the end; days before are complete."""
    clock = FakeClock(int(datetime(2025, 6, 15, 12, 50, tzinfo=UTC).timestamp()))  # 14:50 there
    late = V4Options(yesterday_from=19, yesterday_until=option)
    emulator = Emulator(clock=clock, fleet=[UTRECHT], quota=Quota.UNLIMITED, v4_options=late)
    whole = emulator.truth.lifetime_days(7, date(2025, 6, 12), date(2025, 6, 14))
    eaten = emulator.truth.consumption_days(7, date(2025, 6, 12), date(2025, 6, 14))
    async with connect_v4(emulator) as client:

        async def tell(name: str, field: str, **params: str) -> Any:
            return (await ask(client, name, start_date="2025-06-12", **params))[1][field]

        assert await tell("energy_lifetime", "production") == whole[:2] + tail
        assert await tell("energy_lifetime", "production", end_date="2025-06-14") == whole[:2] + tail
        assert await tell("consumption_lifetime", "consumption") == eaten[:2] + tail
        assert await tell("energy_lifetime", "production", end_date="2025-06-13") == whole[:2]
        clock.advance(4.2 * 3600)
        assert await tell("energy_lifetime", "production") == whole


async def test_consumption_that_is_not_to_be_seen(connect_v4: Connect) -> None:
    """Without a meter there are no days; v2 had no content then."""
    systems = {s.consumption: s.system_id for s in EMULATOR.truth.systems()}
    async with connect_v4(EMULATOR) as client:
        answers = {
            kind: await client.get(f"/systems/{number}/consumption_lifetime")
            for kind, number in systems.items()
        }
    statuses = {kind: answer.status_code for kind, answer in answers.items()}
    assert statuses == {"none": 200, "metered": 200, "refused": 403, "disabled": 422}
    none = answers["none"].json()
    assert (none["start_date"], none["consumption"]) == (None, [])


async def test_a_system_that_has_never_reported(connect_v4: Connect) -> None:
    """It has no first day."""
    new = System(system_id=7, operational_at=NOW - 60)
    async with connect_v4(Emulator(clock=FakeClock(NOW), fleet=[new])) as client:
        status, content = await ask(client, "energy_lifetime")
    assert (status, content["start_date"], content["production"]) == (200, None, [])
