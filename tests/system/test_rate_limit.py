"""The limiter against a server that counts: nothing rejected, nothing wasted."""

from __future__ import annotations

import math
import random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import QuotaExhausted
from enlighten_async.limiter import (
    Plan,
)
from enlighten_async.testing import FakeClock
from tests.effort import examples
from tests.limiter.fake_server import FakeServer, beside, build, purchase, purchase_all, rejection

PHASES = st.floats(0, 59.99)


WORLD = {
    "phase": st.floats(0, 59.99),
    "latency": st.sampled_from([0.0, 0.2, 1.0, 5.0, 40.0]),
    "drift": st.floats(-1.5e-4, 1.5e-4),
    "lost": st.sampled_from([0.0, 0.1, 0.4]),
    "date_skew": st.floats(-0.8, 0.8),
    "minute": st.sampled_from([1, 2, 5, 10, 30]),
    "seed": st.integers(0, 2**20),
}


WRONG = st.sampled_from([0.0, 617.3, -617.3, 31_000_000.0])


def extra_windows(server: FakeServer, started: float, jobs: int) -> int:
    """Return how many windows more than the least possible were used, the first one included."""
    used = server.windows()[-1] - int(started // 60) + 1
    return used - math.ceil(jobs / server.minute)


@pytest.mark.slow
@examples(25)
@given(phase=PHASES, wrong=WRONG, seed=st.integers(0, 2**20), latency=st.sampled_from([0.0, 0.2, 3.0]))
async def test_sixty_jobs_at_ten_a_minute(phase: float, wrong: float, seed: int, latency: float) -> None:
    """Whatever the phase, the latency and the local clock: 60 sent, none rejected, at most 1 minute more."""
    limiter, server = build(FakeClock(), phase=phase, wrong=wrong, seed=seed, latency=latency)
    started = server.time()
    await purchase_all([limiter], server, 60)
    assert (server.used.total(), server.rejected.total()) == (60, 0)
    assert extra_windows(server, started, 60) <= 1


@examples(15)
@given(phase=PHASES, wrong=WRONG, seed=st.integers(0, 2**20), clients=st.integers(2, 3))
async def test_several_clients_of_one_key_share_its_counts(
    phase: float, wrong: float, seed: int, clients: int
) -> None:
    """Three users with 20 jobs each cost the key what one with 60 does."""
    limiter, server = build(FakeClock(), phase=phase, wrong=wrong, seed=seed)
    started = server.time()
    limiters = [limiter] + [beside(limiter, server) for _ in range(clients - 1)]
    await purchase_all(limiters, server, 60)
    assert (server.used.total(), server.rejected.total()) == (60, 0)
    assert extra_windows(server, started, 60) <= 1


@examples(20)
@given(
    pauses=st.lists(st.floats(0, 90), min_size=1, max_size=40),
    limit=st.integers(1, 10),
    latency=st.floats(0, 40),
    phase=PHASES,
)
async def test_no_schedule_of_jobs_goes_over_the_limit(
    pauses: list[float], limit: int, latency: float, phase: float
) -> None:
    """Jobs that come when they like, with answers that take longer than a window, are all served."""
    plan = Plan(minute=limit)
    limiter, server = build(FakeClock(), phase=phase, plan=plan, minute=limit, latency=latency)
    async with anyio.create_task_group() as tasks:
        for pause in pauses:
            tasks.start_soon(purchase, limiter, server)
            await server.clock.sleep(pause)
    assert (server.used.total(), server.rejected.total()) == (len(pauses), 0)


@examples(15)
@given(
    phase=PHASES,
    seed=st.integers(0, 2**20),
    stalls=st.lists(st.tuples(st.floats(0, 30), st.floats(0, 20))),
    steps=st.lists(st.floats(-7200, 7200)),
)
async def test_stalls_of_the_loop_and_steps_of_the_wall_clock(
    phase: float,
    seed: int,
    stalls: list[tuple[float, float]],
    steps: list[float],
) -> None:
    """A loop that stands still and a wall clock that jumps make it later, never over the limit."""
    limiter, server = build(FakeClock(), phase=phase, seed=seed)

    async def disturb() -> None:
        for pause, stall in stalls:
            await server.clock.sleep(pause)
            server.clock.advance(stall)
        for step in steps:
            await server.clock.sleep(20)
            server.clock.step_wall(step)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(disturb)
        await purchase_all([limiter], server, 40)
    assert (server.used.total(), server.rejected.total()) == (40, 0)


@examples(15)
@given(phase=PHASES, seed=st.integers(0, 2**20), skew=st.floats(-0.9, 0.9))
async def test_a_date_that_differs_from_the_counter_is_covered_by_the_guard(
    phase: float, seed: int, skew: float
) -> None:
    """Less than a second between two clocks of the server costs nothing."""
    limiter, server = build(FakeClock(), phase=phase, seed=seed, date_skew=skew)
    await purchase_all([limiter], server, 60)
    assert server.rejected.total() == 0


@examples(25)
@given(world=st.randoms(use_true_random=False), backdrop=st.fixed_dictionaries(WORLD))
async def test_everything_at_once(world: random.Random, backdrop: dict[str, Any]) -> None:
    """Lost answers, drift, skew, stalls, slow servers, cancelled jobs, several clients: none rejected."""
    limiter, server = build(FakeClock(), plan=Plan(minute=backdrop["minute"]), **backdrop)
    limiters = [limiter] + [beside(limiter, server) for _ in range(world.choice([0, 0, 1, 3]))]

    async def disturb() -> None:
        while True:
            await server.clock.sleep(world.uniform(1, 50))
            server.clock.advance(world.choice([0.0, 0.1, 2.0, 30.0]))
            server.clock.step_wall(world.uniform(-1000, 1000))
            server.catch_up()

    async def job(number: int) -> None:
        give_up = world.choice([None, None, None, world.uniform(0, 200)])
        await server.clock.sleep(world.choice([0.0, 0.0, world.uniform(0, 100)]))
        with server.clock.move_on_after(give_up):
            await purchase(limiters[number % len(limiters)], server)

    async with anyio.create_task_group() as around:
        around.start_soon(disturb)
        async with anyio.create_task_group() as tasks:
            for number in range(3 * backdrop["minute"]):
                tasks.start_soon(job, number)
        await server.clock.sleep(10)
        around.cancel_scope.cancel()
    server.catch_up()
    assert server.rejected.total() == 0
    assert all("in_flight=0/10 queued=0" in repr(each) for each in limiters)


@pytest.mark.parametrize("skew", [-0.9, 0.9])
async def test_the_guard_holds_where_the_time_is_known_best(skew: float) -> None:
    """Replies at many phases of the second leave an interval with nothing to spare but the guard."""
    limiter, server = build(FakeClock(), date_skew=skew, latency=0.0)
    for _ in range(60):
        await purchase(limiter, server)
        await server.clock.sleep(7.37)
    await purchase_all([limiter], server, 60)
    assert server.rejected.total() == 0


@pytest.mark.parametrize("late", [0.0, 0.2, 0.5, 0.85])
async def test_a_window_opens_only_when_the_counter_is_sure_to_be_in_it(late: float) -> None:
    """Whoever comes just after the minute by `Date` waits until it is one for a slow counter, too."""
    limiter, server = build(FakeClock(), phase=1.0, date_skew=0.9, latency=0.0)
    for _ in range(30):  # learn the time to a hair, in minutes that are never full
        await purchase(limiter, server)
        await server.clock.sleep(6.97)
    await server.clock.sleep(60 - server.time() % 60 + 5)
    await purchase_all([limiter], server, 10)
    await server.clock.sleep(60 - server.time() % 60 - 0.9 + late)
    await purchase(limiter, server)
    assert server.rejected.total() == 0


@pytest.mark.parametrize("skew", [-5.0, 5.0])
async def test_a_date_far_from_the_counter_is_learned(skew: float) -> None:
    """The guard doubles until it covers the difference; then nothing is rejected any more."""
    limiter, server = build(FakeClock(), date_skew=skew, latency=0.05)
    rejected = []
    for _ in range(16):
        await server.clock.sleep((57 - server.time() - skew) % 60)  # 57 s by Date: shortly before the minute
        await purchase_all([limiter], server, 20)
        await server.clock.sleep(60)
        rejected.append(server.rejected.total())
    assert 1 <= rejected[6] <= 30
    assert rejected[-1] == rejected[6]


@pytest.mark.parametrize("error", [-0.9, 0.0, 0.9])
async def test_without_a_date_the_local_clock_serves(error: float) -> None:
    """A reply that names no time leaves the local clock, good to a second."""
    for phase in (0.0, 29.0, 58.5, 59.9):
        limiter, server = build(FakeClock(), phase=phase, wrong=error, dates=False)
        await purchase_all([limiter], server, 40)
        assert (server.used.total(), server.rejected.total()) == (40, 0)


async def test_a_few_requests_go_first() -> None:
    """Before anything is known of the service, four are on their way: they fit any minute."""
    limiter, server = build(FakeClock(), phase=30.0, latency=0.2)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(0.001)
        assert repr(limiter) == "<RateLimiter in_flight=4/10 queued=1>"
        assert limiter.waiting is not None
        assert limiter.waiting.reason == "in_flight"
    assert (server.used.total(), server.rejected.total()) == (5, 0)


@pytest.mark.parametrize("step", [-3600.0, -47.0, 8 * 3600.0])
async def test_a_clock_of_the_server_that_steps_costs_a_minute_at_the_most(step: float) -> None:
    """After a step (or this machine's sleep) what was charged by the old time neither blocks nor is lost."""
    limiter, server = build(FakeClock(), phase=50.0)
    await purchase_all([limiter], server, 8)
    server.ahead += step
    before = server.clock.monotonic()
    await purchase(limiter, server)
    assert limiter.left()["minute"] <= 1
    await purchase_all([limiter], server, 19)
    assert server.rejected.total() == 0
    assert server.clock.monotonic() - before < 200


# The server's rejections


@pytest.mark.parametrize("phase", [0.0, 20.0, 45.0])
async def test_a_limit_lower_than_believed_is_obeyed_at_once(phase: float) -> None:
    """What was in flight is rejected; then one at a time, and the plan's number is not used again."""
    limiter, server = build(FakeClock(), phase=phase, plan=Plan(minute=20), max_in_flight=10)
    await purchase_all([limiter], server, 60)
    assert server.used.total() == 60
    assert 1 <= server.rejected.total() <= 10
    assert len(server.rejected) == 1
    assert max(server.used.values()) == 10


async def test_a_limit_that_rises_again_is_used_up_to_the_plan() -> None:
    """What one rejection taught, the next may correct."""
    limiter, server = build(FakeClock(), minute=5)
    await purchase_all([limiter], server, 20)
    assert max(server.used.values()) == 5
    grant = await limiter.acquire(limiter.waiter())
    limiter.rejected(grant, rejection(period="minute", limit=500))
    server.minute = 10
    await purchase_all([limiter], server, 40)
    assert max(server.used.values()) == 10


@pytest.mark.parametrize("outsiders", [1, 4, 7, 9])
async def test_an_outsider_costs_no_more_than_it_took(outsiders: int) -> None:
    """Who else uses the key can't be foreseen: in each minute as many are rejected as were taken."""
    limiter, server = build(FakeClock(), outsiders=outsiders)
    await purchase_all([limiter], server, 30)
    assert server.used.total() == 30
    assert all(n <= outsiders for n in server.rejected.values())


# Budgets


async def test_a_budget_is_never_exceeded() -> None:
    """However much the plan would allow, in the minute and in the month."""
    plan = Plan(minute=10, month=10_000).capped(minute=4, month=30)
    limiter, server = build(FakeClock(), plan=plan)
    for _ in range(30):
        await purchase(limiter, server)
    with pytest.raises(QuotaExhausted) as caught:
        await purchase(limiter, server)
    assert caught.value.limit == 30
    assert max(server.used.values()) == 4
    assert limiter.left() == {"month": 0, "minute": pytest.approx(3, abs=1)}


async def test_who_has_no_budget_goes_on() -> None:
    """It binds the client that has it, not the others on the key."""
    plan = Plan(minute=10, month=10_000)
    limiter, server = build(FakeClock(), plan=plan.capped(month=5))
    for _ in range(5):
        await purchase(limiter, server)
    other = beside(limiter, server, plan)
    await purchase(other, server)
    assert limiter.left()["month"] == 0
    assert other.left()["month"] == 9_994
