"""The gate against a server that counts: nothing rejected, nothing wasted."""

from __future__ import annotations

import math
import random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import BudgetExceeded, InputError, QuotaExhausted, UsageError
from enlighten_async.limiter import MemoryQuotaStore, Plan, RateLimiter, Wait, Waiter
from enlighten_async.limiter.queue import WaitTimes
from enlighten_async.testing import FakeClock
from tests.effort import examples
from tests.limiter.fake_server import FakeServer, attempt, beside, build, purchase, rejection, send

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


async def all_of(limiters: list[RateLimiter], server: FakeServer, jobs: int) -> None:
    """Run so many jobs at once, dealt out to the limiters in turn."""
    async with anyio.create_task_group() as tasks:
        for number in range(jobs):
            tasks.start_soon(purchase, limiters[number % len(limiters)], server)


def extra_windows(server: FakeServer, started: float, jobs: int) -> int:
    """Return how many windows more than the least possible were used, the first one included."""
    used = server.windows()[-1] - int(started // 60) + 1
    return used - math.ceil(jobs / server.minute)


# Never over the limit


@examples(25)
@given(phase=PHASES, wrong=WRONG, seed=st.integers(0, 2**20), latency=st.sampled_from([0.0, 0.2, 3.0]))
async def test_sixty_jobs_at_ten_a_minute(phase: float, wrong: float, seed: int, latency: float) -> None:
    """Whatever the phase, the latency and the local clock: 60 sent, none rejected, at most 1 minute more."""
    limiter, server = build(FakeClock(), phase=phase, wrong=wrong, seed=seed, latency=latency)
    started = server.time()
    await all_of([limiter], server, 60)
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
    await all_of(limiters, server, 60)
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
        await all_of([limiter], server, 40)
    assert (server.used.total(), server.rejected.total()) == (40, 0)


@examples(15)
@given(phase=PHASES, seed=st.integers(0, 2**20), skew=st.floats(-0.9, 0.9))
async def test_a_date_that_differs_from_the_counter_is_covered_by_the_guard(
    phase: float, seed: int, skew: float
) -> None:
    """Less than a second between two clocks of the server costs nothing."""
    limiter, server = build(FakeClock(), phase=phase, seed=seed, date_skew=skew)
    await all_of([limiter], server, 60)
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
    await all_of([limiter], server, 60)
    assert server.rejected.total() == 0


@pytest.mark.parametrize("late", [0.0, 0.2, 0.5, 0.85])
async def test_a_window_opens_only_when_the_counter_is_sure_to_be_in_it(late: float) -> None:
    """Whoever comes just after the minute by `Date` waits until it is one for a slow counter, too."""
    limiter, server = build(FakeClock(), phase=1.0, date_skew=0.9, latency=0.0)
    for _ in range(30):  # learn the time to a hair, in minutes that are never full
        await purchase(limiter, server)
        await server.clock.sleep(6.97)
    await server.clock.sleep(60 - server.time() % 60 + 5)
    await all_of([limiter], server, 10)
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
        await all_of([limiter], server, 20)
        await server.clock.sleep(60)
        rejected.append(server.rejected.total())
    assert 1 <= rejected[6] <= 30
    assert rejected[-1] == rejected[6]


@pytest.mark.parametrize("error", [-0.9, 0.0, 0.9])
async def test_without_a_date_the_local_clock_serves(error: float) -> None:
    """A reply that names no time leaves the local clock, good to a second."""
    for phase in (0.0, 29.0, 58.5, 59.9):
        limiter, server = build(FakeClock(), phase=phase, wrong=error, dates=False)
        await all_of([limiter], server, 40)
        assert (server.used.total(), server.rejected.total()) == (40, 0)


async def test_the_first_request_goes_alone() -> None:
    """Before the server's time is known, one request is on its way."""
    limiter, server = build(FakeClock(), phase=30.0, latency=0.2)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(0.001)
        assert repr(limiter) == "<RateLimiter in_flight=1/10 queued=4>"
        assert limiter.waiting is not None
        assert limiter.waiting.reason == "doubt"
    assert server.most_serving > 1


@pytest.mark.parametrize("step", [-3600.0, -47.0, 8 * 3600.0])
async def test_a_clock_of_the_server_that_steps_costs_a_minute_at_the_most(step: float) -> None:
    """After a step (or this machine's sleep) what was charged by the old time neither blocks nor is lost."""
    limiter, server = build(FakeClock(), phase=50.0)
    await all_of([limiter], server, 8)
    server.ahead += step
    before = server.clock.monotonic()
    await purchase(limiter, server)
    assert limiter.left()["minute"] <= 1
    await all_of([limiter], server, 19)
    assert server.rejected.total() == 0
    assert server.clock.monotonic() - before < 200


# What the server says


@pytest.mark.parametrize("phase", [0.0, 20.0, 45.0])
async def test_a_limit_lower_than_believed_is_obeyed_at_once(phase: float) -> None:
    """What was in flight is rejected; then one at a time, and the plan's number is not used again."""
    limiter, server = build(FakeClock(), phase=phase, plan=Plan(minute=20), max_in_flight=10)
    await all_of([limiter], server, 60)
    assert server.used.total() == 60
    assert 1 <= server.rejected.total() <= 10
    assert len(server.rejected) == 1
    assert max(server.used.values()) == 10


async def test_one_at_a_time_until_a_request_granted_after_the_refusal_is_accepted() -> None:
    """An answer to what was sent before the refusal proves nothing."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    earlier, refused = [await limiter.acquire(limiter.waiter()) for _ in range(2)]
    await send(limiter, server, refused)
    limiter.rejected(refused, rejection(period="minute", period_end=server.time() - 10, limit=10))
    await send(limiter, server, earlier)
    await server.clock.sleep(60)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(0.001)
        assert repr(limiter) == "<RateLimiter in_flight=1/10 queued=3>"
    assert server.now_serving == 0
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(0.001)
        assert repr(limiter) == "<RateLimiter in_flight=4/10 queued=0>"


async def test_a_limit_that_rises_again_is_used_up_to_the_plan() -> None:
    """What one refusal taught, the next may correct."""
    limiter, server = build(FakeClock(), minute=5)
    await all_of([limiter], server, 20)
    assert max(server.used.values()) == 5
    grant = await limiter.acquire(limiter.waiter())
    limiter.rejected(grant, rejection(period="minute", limit=500))
    server.minute = 10
    await all_of([limiter], server, 40)
    assert max(server.used.values()) == 10


@pytest.mark.parametrize("outsiders", [1, 4, 7, 9])
async def test_an_outsider_costs_no_more_than_it_took(outsiders: int) -> None:
    """Who else uses the key can't be foreseen: in each minute as many are rejected as were taken."""
    limiter, server = build(FakeClock(), outsiders=outsiders)
    await all_of([limiter], server, 30)
    assert server.used.total() == 30
    assert all(n <= outsiders for n in server.rejected.values())


@pytest.mark.parametrize("period", ["minute", "", "fortnight", "second"])
@pytest.mark.parametrize("start", [None, 1e18, math.nan])
@pytest.mark.parametrize("end", [None, 0.0, -1e9, 1e18, math.inf, -math.inf, math.nan])
async def test_a_crazy_period_end_is_not_believed(
    period: str, start: float | None, end: float | None
) -> None:
    """The own window's end is taken instead, so that the wait is no longer than about a minute."""
    limiter, server = build(FakeClock())
    await purchase(limiter, server)
    grant, _ = await attempt(limiter, server)
    before = server.clock.monotonic()
    limiter.rejected(grant, rejection(period=period, period_start=start, period_end=end, limit=10))
    await purchase(limiter, server)
    assert 0 < server.clock.monotonic() - before < 130


async def test_a_period_that_is_always_over_is_no_reason_to_ask_again_and_again() -> None:
    """The first such refusal may stem from a slow counter; after the next the own minute is waited out."""
    limiter, server = build(FakeClock(), phase=20.0)
    await purchase(limiter, server)
    server.minute = 0
    for refusals in range(1, 5):
        grant, _ = await attempt(limiter, server)
        limiter.rejected(grant, rejection(period="minute", period_end=server.time() - 25, limit=10))
        assert (limiter.left()["minute"] == 0) == (refusals > 1)


async def test_an_hour_is_the_callers_to_wait() -> None:
    """A longer window than the documented ones raises unless `max_wait` covers it."""
    limiter, server = build(FakeClock())
    await purchase(limiter, server)
    end = server.time() + 1800
    grant = await limiter.acquire(limiter.waiter())
    limiter.rejected(grant, rejection(period="hour", period_end=end, limit=100))
    with pytest.raises(QuotaExhausted) as caught:
        await purchase(limiter, server)
    assert caught.value.period == "hour"
    assert caught.value.limit == 100
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.timestamp() == pytest.approx(end)
    await purchase(limiter, server, 3600)
    assert server.time() >= end


async def test_503_halves_the_flight_and_it_regrows() -> None:
    """The server's word about concurrency is heard, and forgotten slowly."""
    limiter, server = build(FakeClock(), plan=Plan(), minute=10**6, month=10**6, busy_above=3)
    await all_of([limiter], server, 200)
    assert server.used.total() == 200
    assert server.busy < 60
    server.busy_above = None
    await all_of([limiter], server, 200)
    assert repr(limiter) == "<RateLimiter in_flight=0/10 queued=0>"


async def test_a_burst_of_503_halves_the_flight_once() -> None:
    """Requests that were in flight together say one thing."""
    limiter, server = build(FakeClock(), plan=Plan())
    await purchase(limiter, server)
    burst = [await limiter.acquire(limiter.waiter()) for _ in range(8)]
    for grant in burst:
        limiter.overloaded(grant)
        grant.settle()
    assert repr(limiter) == "<RateLimiter in_flight=0/5 queued=0>"
    limiter.overloaded(await limiter.acquire(limiter.waiter()))
    assert repr(limiter) == "<RateLimiter in_flight=1/2 queued=0>"
    limiter.overloaded()
    assert repr(limiter) == "<RateLimiter in_flight=1/1 queued=0>"


# Months


async def test_a_full_month_raises_at_once_and_says_until_when() -> None:
    """A month is never slept through unasked."""
    limiter, server = build(FakeClock(), plan=Plan(minute=10, month=15), month=15)
    for _ in range(15):
        await purchase(limiter, server)
    with pytest.raises(QuotaExhausted) as caught:
        await purchase(limiter, server)
    assert (caught.value.period, caught.value.limit) == ("month", 15)
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.isoformat() == "2025-07-01T00:00:00+00:00"
    assert (server.used.total(), server.rejected.total()) == (15, 0)
    assert limiter.left() == {"month": 0, "minute": pytest.approx(5, abs=5)}


async def test_all_who_wait_are_told_that_the_month_is_full() -> None:
    """Nobody is left in the queue."""
    limiter, server = build(FakeClock(), plan=Plan(minute=10, month=12), month=12)
    told = 0

    async def job() -> None:
        nonlocal told
        try:
            await purchase(limiter, server)
        except QuotaExhausted:
            told += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(job)
    assert (server.used.total(), told) == (12, 38)


async def test_a_refusal_for_the_month_shuts_it() -> None:
    """What was used before this process began is learned from the server."""
    limiter, server = build(FakeClock(), month=5)
    server.spent = 5
    for _ in range(2):
        with pytest.raises(QuotaExhausted) as caught:
            await purchase(limiter, server)
        assert (caught.value.period, caught.value.limit) == ("month", 5)
    assert server.rejected.total() == 1
    assert limiter.left()["month"] == 0


async def test_of_two_reasons_to_wait_the_longer_is_told() -> None:
    """A minute's wait that ends before a shut month is not waited for."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    for period, end in (("minute", server.time() + 30), ("month", server.time() + 10**6)):
        grant, _ = await attempt(limiter, server)
        refused = rejection(period=period, period_end=end, limit=10)
        if period == "minute":
            first = grant, refused
    limiter.rejected(*first)
    limiter.rejected(grant, refused)
    before = server.clock.monotonic()
    with pytest.raises(QuotaExhausted):
        await purchase(limiter, server)
    assert server.clock.monotonic() == before


async def test_a_month_that_opens_within_max_wait_is_waited_for() -> None:
    """Whoever says they wait a month, do."""
    limiter, server = build(FakeClock(), plan=Plan(month=2), month=2)
    await purchase(limiter, server)
    await purchase(limiter, server)
    with pytest.raises(QuotaExhausted):
        await purchase(limiter, server, 600)
    server.month = 4
    await purchase(limiter, server, 32 * 86_400)
    assert server.served_at[-1] >= 1_751_328_000
    assert server.rejected.total() == 0


# Waiting and telling


async def test_a_wait_known_to_be_too_long_is_refused_at_once() -> None:
    """No time is spent on a wait that can't end in time; the error says when it would have."""
    limiter, server = build(FakeClock(), phase=10.0)
    await all_of([limiter], server, 10)
    before = server.clock.monotonic()
    with pytest.raises(BudgetExceeded) as caught:
        await limiter.acquire(limiter.waiter(), 5)
    assert server.clock.monotonic() == before
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.timestamp() % 60 == 0
    grant = await limiter.acquire(limiter.waiter(), 90)
    assert 0 < grant.waited["minute"] < 60


async def test_a_place_far_back_is_refused_at_once() -> None:
    """Who is ahead in the queue counts."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    async with anyio.create_task_group() as tasks:
        for _ in range(45):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(1)
        before = server.clock.monotonic()
        with pytest.raises(BudgetExceeded, match="ahead"):
            await limiter.acquire(limiter.waiter(), 90)
        assert server.clock.monotonic() == before
        await limiter.acquire(limiter.waiter(rank=-1), 90)
        tasks.cancel_scope.cancel()


async def test_max_wait_ends_a_wait_of_unknown_length() -> None:
    """An answer that does not come is not waited for longer than the caller said."""
    limiter, server = build(FakeClock())
    grant = await limiter.acquire(limiter.waiter())
    before = server.clock.monotonic()
    with pytest.raises(BudgetExceeded):
        await limiter.acquire(limiter.waiter(), 2.5)
    assert server.clock.monotonic() - before == pytest.approx(2.5)
    grant.settle()
    assert repr(limiter) == "<RateLimiter in_flight=0/10 queued=0>"


async def test_order_is_that_of_arrival_within_a_priority() -> None:
    """Lower priorities go first, then places with lower numbers."""
    limiter, server = build(FakeClock(), plan=Plan(), max_in_flight=1)
    passed: list[tuple[int, int]] = []

    async def job(priority: int) -> None:
        waiter = limiter.waiter(priority)
        grant = await limiter.acquire(waiter)
        passed.append((priority, waiter.number))
        await send(limiter, server, grant)

    async with anyio.create_task_group() as tasks:
        for number in range(60):
            tasks.start_soon(job, number % 3)
            await server.clock.sleep(0.01)
    head, rest = passed[:1], passed[1:]
    served_late = [p for p in rest if p[1] > 30]
    assert head == [(0, 0)]
    assert served_late == sorted(served_late)


async def test_a_request_sent_back_goes_to_the_head() -> None:
    """Its place is kept: those that came later do not overtake it."""
    limiter, server = build(FakeClock(), phase=10.0)
    first = limiter.waiter()
    grant, _ = await attempt(limiter, server, first)
    passed: list[str] = []

    async def job(name: str, waiter: Waiter) -> None:
        grant = await limiter.acquire(waiter)
        passed.append(name)
        await send(limiter, server, grant)

    async with anyio.create_task_group() as tasks:
        limiter.rejected(grant, rejection(period="minute", period_end=server.time() + 40, limit=10))
        for number in range(5):
            tasks.start_soon(job, f"later {number}", limiter.waiter())
        await server.clock.sleep(5)
        tasks.start_soon(job, "sent back", first)
    assert passed[0] == "sent back"


async def test_a_place_is_for_one_request() -> None:
    """Using it twice at a time is refused."""
    limiter, server = build(FakeClock(), max_in_flight=1)
    await limiter.acquire(limiter.waiter())
    waiter = limiter.waiter()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(limiter.acquire, waiter)
        await server.clock.sleep(1)
        with pytest.raises(UsageError):
            await limiter.acquire(waiter)
        tasks.cancel_scope.cancel()


async def test_left_and_forecast_follow_the_windows() -> None:
    """What is left falls with each request and comes back with the window."""
    limiter, server = build(FakeClock(), phase=10.0, wrong=0.0)
    assert limiter.left() == {"month": 10_000, "minute": 10}
    await all_of([limiter], server, 4)
    assert limiter.left() == {"month": 9_996, "minute": 6}
    assert limiter.ready_at(6) == pytest.approx(server.time(), abs=2)
    assert limiter.ready_at(7) == math.floor(server.time() / 60) * 60 + 60
    assert limiter.ready_at(17) == math.floor(server.time() / 60) * 60 + 120
    await server.clock.sleep(70)
    assert limiter.left() == {"month": 9_996, "minute": 10}


async def test_a_grant_tells_what_it_waited_for() -> None:
    """Seconds by reason, and they add up to the time spent."""
    limiter, server = build(FakeClock(), phase=10.0)
    started = server.clock.monotonic()
    waits: list[tuple[float, dict[str, float]]] = []

    async def job() -> None:
        grant = await limiter.acquire(limiter.waiter())
        waits.append((server.clock.monotonic() - started, grant.waited))
        await send(limiter, server, grant)

    async with anyio.create_task_group() as tasks:
        for _ in range(25):
            tasks.start_soon(job)
    assert waits[0] == (0.0, {})
    for spent, waited in waits[1:]:
        assert math.fsum(waited.values()) == pytest.approx(spent)
    assert set(waits[-1][1]) >= {"doubt", "minute"}
    assert limiter.waiting is None


async def test_the_waiting_says_until_when() -> None:
    """A progress display can count down to the window's start."""
    limiter, server = build(FakeClock(), phase=10.0)
    await all_of([limiter], server, 10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(1)
        assert limiter.waiting is not None
        assert limiter.waiting.reason == "minute"
        assert limiter.waiting.until == math.floor(server.time() / 60) * 60 + 60
        assert limiter.ready_at(9) == limiter.waiting.until
        assert limiter.ready_at(10) == limiter.waiting.until + 60  # one waits already


def test_a_head_that_was_overtaken_does_not_end_the_wait_of_the_new_one() -> None:
    """Each second is counted once, for the reason of whoever was the head."""
    watch, old, new = WaitTimes(), Wait("minute"), Wait("in_flight")
    watch.start(old, 0.0)
    watch.start(new, 3.0)
    watch.stop(old, 4.0)
    assert watch.waiting is new
    assert watch.read(9.0) == {"minute": 3.0, "in_flight": 6.0}
    watch.stop(new, 10.0)
    assert watch.since({"minute": 3.0}, 12.0) == {"in_flight": 7.0}


# Grants


async def test_what_was_never_sent_comes_back() -> None:
    """A grant that is not used costs nothing."""
    limiter, _ = build(FakeClock(), plan=Plan(minute=1))
    for _ in range(20):
        (await limiter.acquire(limiter.waiter())).settle()
    assert limiter.left() == {"minute": 1}


async def test_what_was_sent_and_not_answered_is_charged() -> None:
    """The server may have counted it."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    grant = await limiter.acquire(limiter.waiter())
    grant.settle(server.clock.monotonic())
    assert limiter.left()["minute"] == 8
    assert grant.settled


async def test_what_was_given_up_may_be_counted_a_while_later() -> None:
    """A request given up shortly before the minute's end is charged to the next minute as well."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    await server.clock.sleep(56 - server.time() % 60)
    (await limiter.acquire(limiter.waiter())).settle(server.clock.monotonic())
    await server.clock.sleep(10)
    assert limiter.left()["minute"] == 9
    await server.clock.sleep(60)
    assert limiter.left()["minute"] == 10


async def test_requests_never_answered_are_counted_without_knowing_the_time() -> None:
    """While nothing is known of the server's minute, ten in any 65 seconds are all that is sent."""
    limiter, server = build(FakeClock(), phase=10.0)
    sent: list[float] = []
    for _ in range(35):
        grant = await limiter.acquire(limiter.waiter())
        sent.append(server.clock.monotonic())
        await server.clock.sleep(0.5)
        grant.settle(sent[-1])
    assert all(later - earlier > 60 for earlier, later in zip(sent, sent[10:], strict=False))
    assert limiter.left()["minute"] == 0


async def test_a_grant_settles_once() -> None:
    """Settling after `rejected` gives nothing back a second time."""
    limiter, server = build(FakeClock())
    await purchase(limiter, server)
    grant = await limiter.acquire(limiter.waiter())
    response = await server.send()
    limiter.rejected(grant, rejection(period="minute", limit=10))
    assert grant.settled
    grant.settle(response.sent_at, response)
    assert repr(limiter) == "<RateLimiter in_flight=0/10 queued=0>"


def test_a_limiter_needs_numbers() -> None:
    """A plan that is only a name, or no room at all, is refused."""
    store, clock = MemoryQuotaStore(), FakeClock()
    with pytest.raises(InputError, match="Watt"):
        RateLimiter(store=store, plan=Plan.WATT, clock=clock)
    with pytest.raises(InputError, match="max_in_flight"):
        RateLimiter(store=store, plan=Plan(), clock=clock, max_in_flight=0)
