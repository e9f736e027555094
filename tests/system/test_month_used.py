"""The month's count by the user's word, and the service's words forgotten, in both versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import EnlightenClient, InputError, Plan, QuotaExhausted
from enlighten_async.emulator import Fault
from tests.world import World

START = 1_750_000_020.0
PLAN = Plan(minute=100, month=1000)


@pytest.fixture
def world() -> World:
    """A service whose own limits nobody reaches."""
    return World(now=START)


@pytest.fixture(params=["v2", "v4"])
def make(request: pytest.FixtureRequest, world: World) -> Callable[..., EnlightenClient]:
    """Return the maker of clients of a version, on a plan of 1000 a month."""

    def opened(**options: Any) -> EnlightenClient:
        return (world.client if request.param == "v2" else world.v4)(plan=PLAN, **options)

    return opened


async def ask(client: EnlightenClient, world: World, requests: int) -> None:
    """Spend requests."""
    for _ in range(requests):
        await client.with_options(max_age=0).summary(world.system)


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("kept", [False, True])
async def test_the_figure_counts_and_later_requests_add_to_it(
    world: World, make: Callable[..., EnlightenClient], before: int, kept: bool, tmp_path: Path
) -> None:
    """Own requests are in it; a program that comes later knows it, if there is a state file."""
    state = {"state": tmp_path / "enlighten.db"} if kept else {}
    async with make(**state) as client:
        await ask(client, world, before)
        await client.set_month_used(400)
        assert (await client.quota()).month.used == 400
        await ask(client, world, 2)
    async with make(**state) as client:
        month = (await client.quota()).month
        assert (month.used, month.left) == (402, 598)


async def test_a_later_figure_replaces_it_but_not_what_was_sent(
    world: World, make: Callable[..., EnlightenClient]
) -> None:
    """The portal lags, and figures are mistyped."""
    client = make()
    await ask(client, world, 3)
    for figure, used in ((4000, 4000), (40, 40), (0, 3), (2, 3), (5, 5)):
        await client.set_month_used(figure)
        assert (await client.quota()).month.used == used
    await ask(client, world, 2)
    await client.set_month_used(6)
    assert (await client.quota()).month.used == 6
    await client.set_month_used(0)
    assert (await client.quota()).month.used == 5 == world.emulator.counts.sent


async def test_a_month_used_up_elsewhere_is_used_up(
    world: World, make: Callable[..., EnlightenClient]
) -> None:
    """Nothing is sent any more, until the next month."""
    client = make()
    await client.set_month_used(999)
    await ask(client, world, 1)
    with pytest.raises(QuotaExhausted) as caught:
        await ask(client, world, 1)
    assert caught.value.retry_at == (await client.quota()).month.turns_at
    assert world.emulator.counts.sent == 1
    await world.clock.sleep(caught.value.retry_at.timestamp() - world.clock.now() + 5)
    await ask(client, world, 1)
    assert (await client.quota()).month.used == 1


@pytest.mark.parametrize("figure", [-1, 1.5, True, "7", None, 10**30])
async def test_what_is_no_figure(world: World, make: Callable[..., EnlightenClient], figure: Any) -> None:
    """It is refused with what to give, and nothing changes."""
    client = make()
    with pytest.raises(InputError, match="whole number"):
        await client.set_month_used(figure)
    assert (await client.quota()).month.used == 0


@pytest.mark.parametrize("period", ["month", "hour", "minute"])
async def test_what_was_heard_is_kept_until_it_is_forgotten(
    world: World, make: Callable[..., EnlightenClient], period: str, tmp_path: Path
) -> None:
    """A figure does not open a month that the service closed; forgetting does, and keeps the counts."""
    body = f'{{"period": "{period}", "limit": 1}}'
    headers = (("Retry-After", "7200"),)
    world.emulator.inject(Fault(status=429, body=body, headers=headers))
    state = tmp_path / "enlighten.db"
    async with make(state=state) as client:
        await client.set_month_used(10)
        for _ in range(2):
            with pytest.raises(QuotaExhausted):
                await ask(client, world, 1)
            await client.set_month_used(0)
        assert world.emulator.counts.by_status.total() == 1
        await client.set_month_used(20)
        await client.forget_limits()
    async with make(state=state) as client:
        await ask(client, world, 3)
        quota = await client.quota()
    assert (quota.month.used, quota.month.limit, quota.minute.limit, quota.learned) == (23, 1000, 100, {})
    assert world.clock.now() - START < 1
