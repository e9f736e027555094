"""A month of mixed load on one key: never over, nothing lost, and every count says the same."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import anyio
import pytest
from attrs import define

from enlighten_async import EnlightenClient, Plan, QuotaExhausted
from enlighten_async.emulator import Quota
from enlighten_async.limiter import Priority
from tests.world import World

JUNE, JULY = (datetime(2025, month, 1, tzinfo=UTC).timestamp() for month in (6, 7))
DAY = 86_400.0


@define
class Load:
    """One kind of user of the key, on a client of its own.

    Attributes:
        world: the service.
        client: a view of its class.
        spent: what the receipts add up to.
        refused: how often it was told that the month is used up.
        retry_at: when it was told to come again.
        slowest: the longest it waited for an answer, in seconds.
    """

    world: World
    client: EnlightenClient
    spent: int = 0
    refused: int = 0
    retry_at: datetime | None = None
    slowest: float = 0.0

    @classmethod
    def of(cls, world: World, priority: Priority, plan: Plan) -> Load:
        """Return the load of a class; all of them meet in the counts of the key."""
        return cls(world, world.client(plan=plan).with_options(priority=priority))

    async def buy(self) -> None:
        """Ask once."""
        began = self.world.clock.monotonic()
        try:
            self.spent += (await self.client.summary(self.world.system)).receipt.sent
        except QuotaExhausted as error:
            self.refused += 1
            self.retry_at = error.retry_at
        else:
            self.slowest = max(self.slowest, self.world.clock.monotonic() - began)

    async def until_all_is_used(self) -> None:
        """Ask without a pause; once the day has no more for it, again when it is told to."""
        while self.retry_at is None or self.retry_at.timestamp() < JULY:
            refused = self.refused
            await self.buy()
            if self.refused > refused and self.retry_at is not None:
                await self.world.clock.sleep(self.retry_at.timestamp() + 10 - self.world.clock.now())

    async def until_july(self, pause: Callable[[], float]) -> None:
        """Ask now and then."""
        while (seconds := pause()) < JULY - 60 - self.world.clock.now():
            await self.world.clock.sleep(seconds)
            await self.buy()


async def together(*works: Awaitable[None]) -> None:
    """Run all to their ends."""

    async def one(work: Awaitable[None]) -> None:
        await work

    async with anyio.create_task_group() as tasks:
        for work in works:
            tasks.start_soon(one, work)


@pytest.mark.slow
async def test_a_month_of_calls_polls_and_history() -> None:
    """History takes what it may in a night, what comes free each day, and on the last day the rest."""
    draw = random.Random(5).uniform  # noqa: S311
    plan, latency = Plan(minute=10, month=1500), lambda: draw(0.0, 0.3)
    world = World(now=JUNE + 17, quota=Quota(minute=10, month=1500, name="Watt"), latency=latency)
    callers, polls, history = (Load.of(world, p, plan) for p in ("interactive", "poll", "backfill"))
    await together(
        history.until_all_is_used(),
        polls.until_july(lambda: DAY),
        callers.until_july(lambda: draw(0.0, 2 * DAY)),
    )
    counts, told = world.emulator.counts, await callers.client.quota()
    assert counts.rejected == 0
    assert max(counts.windows.values()) <= 10
    assert callers.spent + polls.spent + history.spent == counts.sent == told.month.used == 1500
    assert history.refused == 30  # once a day
    assert (callers.refused <= 3, polls.refused <= 1) == (True, True)  # on the last day
    assert (callers.slowest < 2, polls.slowest < 2) == (True, True)
    assert callers.spent > 20
    assert polls.spent > 25
    assert history.retry_at == datetime(2025, 7, 1, tzinfo=UTC)
    await world.clock.sleep(JULY + 5 - world.clock.now())
    history.refused = 0
    await history.buy()
    assert (history.refused, (await history.client.quota()).month.used) == (0, 1)
