"""Queries at the same time: what several want is bought once, and nobody waits for who will not buy it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnlightenClient, Plan, Query
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Fault
from enlighten_async.errors import EnlightenError, NotFound, RequestTimeout, ServerError, TransportError
from enlighten_async.limiter import RANKS
from enlighten_async.oauth import OAuth
from enlighten_async.retry import RetryPolicy
from enlighten_async.testing import EmulatorTokenStore
from tests.cache_setup import DAY, CacheSetup, check
from tests.effort import examples
from tests.world import World

DAYS, WINDOWS, AT_ONCE = 70, 10, 4

JOBS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.5]),
        st.integers(0, 40),
        st.integers(1, 40),
        st.sampled_from(sorted(RANKS)),
        st.sampled_from([None, None, 0, 3600.0]),
    ),
    min_size=2,
    max_size=6,
)
"""When each asks, from how many days ago, for how many, how urgently, and how old an answer it takes."""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("stored", [False, True])
@examples(12)
@given(jobs=JOBS, minute=st.sampled_from([None, 100_000, 12]), name=st.sampled_from(["rgm_stats", "stats"]))
async def test_any_ranges_at_once_cost_no_more_than_one_by_one(
    jobs: list[Any], minute: int | None, name: str, version: str, *, stored: bool
) -> None:
    """Requests counted are no more than the sum of the prices, all answers are the truth."""
    world = World(latency=0.9)
    store = MemoryCache() if stored else None
    opened = world.client if version == "v2" else world.v4
    client = opened(plan=Plan(minute=minute), max_concurrency=3, interval_cache=store)
    now, prices = world.clock.now(), list[int]()
    step = 1 if name == "rgm_stats" else 10
    before = await client.inventory(world.system)

    async def job(delay: float, back: int, length: int, priority: Any, max_age: float | None) -> None:
        await world.clock.sleep(delay)
        start = now - back * DAY / step
        query = getattr(client.with_options(priority=priority, max_age=max_age), name)(
            world.system, start_at=start, end_at=min(now, start + length * DAY / step)
        )
        price = (await query.estimate()).at_most
        assert price is not None
        prices.append(price)
        answer = await query
        assert answer.receipt.sent <= price
        assert answer.coverage.complete
        if max_age is None:
            check_until(world, name, answer, now)

    async with anyio.create_task_group() as tasks:
        for each in jobs:
            tasks.start_soon(job, *each)
    assert world.emulator.counts.sent - before.receipt.sent <= sum(prices)


def check_until(world: World, name: str, answer: Any, now: float) -> None:
    """Compare an answer with the truth; rows of the last hours may have been completed meanwhile."""
    sure = min(now - DAY, answer.window.end)
    known = getattr(world.emulator.truth, name)(answer.system_id, answer.window.start, sure)
    got = list(zip(*answer.intervals.columns.values(), strict=True))
    assert [row for row in got if row[0] <= sure] == [tuple(row.values()) for row in known]
    ends = [row[0] for row in got]
    assert ends == sorted(set(ends))


@pytest.mark.slow
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_the_same_is_bought_once(version: str, *, stored: bool) -> None:
    """Ten tasks ask for the same range: one purchase, and ten equal answers; each receipt says its share."""
    world = World(latency=1.0)
    opened = world.client if version == "v2" else world.v4
    client = opened(interval_cache=MemoryCache() if stored else None)
    span, answers = world.days(DAYS), list[Any]()

    async def ask() -> None:
        answers.append(await client.rgm_stats(world.system, **span))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
    assert world.emulator.counts.sent == WINDOWS
    assert sum(answer.receipt.sent for answer in answers) == WINDOWS
    assert all(answer.receipt.sent + answer.receipt.from_cache == WINDOWS for answer in answers)
    assert all(answer == answers[0] for answer in answers)
    check(world, "rgm_stats", answers[0])


async def test_what_is_no_series_is_bought_once() -> None:
    """As a dashboard asks: all its parts want the same at the same moment."""
    world = World(latency=1.0)
    client, answers = world.client(), list[Any]()

    async def ask(name: str) -> None:
        answers.append(await getattr(client, name)(world.system))

    async with anyio.create_task_group() as tasks:
        for name in ("summary", "inventory", "rgm_stats") * 4:
            tasks.start_soon(ask, name)
    assert world.emulator.counts.sent == 3
    assert len(answers) == 12


async def asked(query: Query[Any, Any], answers: list[Any]) -> None:
    """Await a query; an error is an answer too."""
    try:
        answers.append(await query)
    except EnlightenError as error:
        answers.append(error)


@pytest.mark.slow
@pytest.mark.parametrize(("later", "stored"), [(0, False), (3, True), (8, False)])
async def test_a_buyer_cancelled_at_any_step_is_followed_by_a_waiter(later: int, *, stored: bool) -> None:
    """After 0, 1, 2, ... turns of the event loop; the waiter gets all, and what had arrived is not lost."""
    done, steps = False, 0
    while not done:
        world = World()
        client = world.client(max_concurrency=AT_ONCE, interval_cache=MemoryCache() if stored else None)
        answers: list[Any] = []
        buyer = client.rgm_stats(world.system, **world.days(DAYS))
        async with anyio.create_task_group() as both, anyio.create_task_group() as tasks:
            tasks.start_soon(asked, buyer, first := list[Any]())
            for step in range(max(steps, later)):
                if step == later:
                    both.start_soon(asked, client.rgm_stats(world.system, **world.days(DAYS)), answers)
                await checkpoint()
            if steps <= later:
                both.start_soon(asked, client.rgm_stats(world.system, **world.days(DAYS)), answers)
                await checkpoint()
            done = bool(first)
            tasks.cancel_scope.cancel()
        check(world, "rgm_stats", answers[0])
        kept = WINDOWS + 1 if stored else 2 * WINDOWS  # the newest days may be asked for by both
        assert world.emulator.counts.sent <= kept + AT_ONCE
        assert world.emulator.counts.sent <= buyer.receipt.sent + answers[0].receipt.sent
        steps += 1
    assert steps > 10


@pytest.mark.parametrize("late", [0.0, 0.6, 1.6])
async def test_if_the_buyer_fails_the_others_buy_themselves(late: float) -> None:
    """Its error is its own; who waited for it asks the service, one of them for all."""
    world = World(latency=1.0)
    client = world.client(retry=RetryPolicy(attempts=1), max_concurrency=AT_ONCE)
    world.emulator.inject(Fault.unavailable(status=502, times=1, after=2))
    span, answers = world.days(DAYS), list[Any]()

    async def follow() -> None:
        await world.clock.sleep(late)
        await asked(client.rgm_stats(world.system, **span), answers)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked, client.rgm_stats(world.system, **span), answers)
        for _ in range(3):
            tasks.start_soon(follow)
    failed = [answer for answer in answers if isinstance(answer, EnlightenError)]
    whole = [answer for answer in answers if not isinstance(answer, EnlightenError)]
    assert [type(each) for each in failed] == [ServerError]
    assert len(whole) == 3
    for answer in whole:
        check(world, "rgm_stats", answer)
    assert world.emulator.counts.sent <= 2 * WINDOWS


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("failure", ["no connection", "no token", "unknown"])
async def test_what_fails_for_all_is_told_to_all_at_once(failure: str, state: bool, tmp_path: Path) -> None:
    """Not to one after another, each after attempts of its own."""
    world, attempts = World(), 0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal attempts
        attempts += 1
        await world.clock.sleep(1)  # by when all have asked
        if failure == "unknown":
            return httpx.Response(404, json={"reason": "404", "message": ["Not found"]})
        if failure == "no connection":
            raise httpx.ConnectError("refused")
        await world.clock.sleep(10_000)
        raise AssertionError

    service = httpx.MockTransport(handle)
    tokens: Any = EmulatorTokenStore(world.emulator)
    if failure == "no token":
        first = await tokens.load("default")
        await tokens.save("default", evolve(first, expires_at=world.clock.now() - 1))
    oauth = OAuth("client", "secret", tokens=tokens, transport=service, clock=world.clock)
    kept = {"state": tmp_path / "enlighten.db"} if state else {}
    errors = list[EnlightenError]()

    async def ask(client: EnlightenClient) -> None:
        with pytest.raises(EnlightenError) as caught:
            await client.summary(world.system)
        errors.append(caught.value)

    began = world.clock.monotonic()
    async with (
        EnlightenClient.v4("key", oauth=oauth, transport=service, clock=world.clock, **kept) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(20):
            tasks.start_soon(ask, client)
    kind = {"no connection": TransportError, "no token": RequestTimeout, "unknown": NotFound}[failure]
    assert [type(error) for error in errors] == 20 * [kind]
    assert len({id(error) for error in errors}) == 20
    assert attempts == (3 if failure == "no connection" else 1)
    assert world.clock.monotonic() - began < 100


@pytest.mark.parametrize(
    ("max_wait", "told"), [(10, 10.0), (45, 30.0), (59, 30.0), (100, 90.0), (None, 30.0)]
)
@pytest.mark.parametrize("same", [True, False])
async def test_a_silent_token_endpoint_is_told_to_all_together(
    max_wait: float | None, told: float, *, same: bool
) -> None:
    """By its own error, as soon as no other attempt fits into `max_wait`, or when that is over.

    Who does not say how long to wait is told at the first timeout, as of any outage.
    """
    world = World()
    tokens = EmulatorTokenStore(world.emulator)
    first = await tokens.load(world.emulator.demo_user)
    await tokens.save(world.emulator.demo_user, evolve(first, expires_at=world.clock.now() - 1))

    async def handle(request: httpx.Request) -> httpx.Response:
        await world.clock.sleep(10_000)
        raise AssertionError(request)

    silent = httpx.MockTransport(handle)
    oauth = OAuth("client", "secret", tokens=tokens, transport=silent, clock=world.clock)
    client = world.v4(oauth=oauth, transport=silent).with_options(max_wait=max_wait)
    began, moments = world.clock.monotonic(), list[float]()

    async def ask(number: int) -> None:
        query: Any = client.summary(world.system) if same or number % 2 else client.rgm_stats(world.system)
        with pytest.raises(RequestTimeout, match="POST /token"):
            await query
        moments.append(world.clock.monotonic() - began)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(ask, number)
    assert len(moments) == 20
    assert sorted(moments)[4:19] == pytest.approx(15 * [told], abs=2)  # up to four have sent the requests
    assert max(moments) < max(told, 30.0) + 2  # what has been sent is never cut off


async def test_who_may_send_no_more_ends_nobody_elses_query() -> None:
    """A limit is its caller's own."""
    world = World(latency=1.0)
    client = world.client(plan=Plan(minute=1000))
    answers = list[Any]()
    poor = client.with_options(max_requests=0)
    async with anyio.create_task_group() as tasks:
        for each in (poor, client, poor, client):
            tasks.start_soon(asked, each.summary(world.system), answers)
    assert sorted(type(answer).__name__ for answer in answers) == 2 * ["BudgetExceeded"] + 2 * ["Summary"]


async def test_an_interactive_query_does_not_wait_for_a_backfill_at_the_gate(cache_setup: CacheSetup) -> None:
    """It buys what it wants itself, within the minute; the backfill does not buy it again."""
    world = World(latency=0.1, now=1_749_999_962.0)
    client = cache_setup.client(world, plan=Plan(minute=10))
    began, now = world.clock.monotonic(), world.clock.now()
    back = client.with_options(priority="backfill").rgm_stats(
        world.system, start_at=now - 20 * 7 * DAY, end_at=now
    )
    answers: list[Any] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked, back, answers)
        await world.clock.sleep(20)
        sent = world.emulator.counts.sent
        # The backfill, at work from the oldest on, has its request for this week at the gate.
        start = now - 9 * 7 * DAY
        week = await client.rgm_stats(world.system, start_at=start, end_at=start + 7 * DAY)
        assert world.clock.monotonic() - began < 30
        assert (sent < 10, week.receipt.sent) == (True, 1)
    check(world, "rgm_stats", week)
    assert answers[0].coverage.complete
    assert world.emulator.counts.sent == 20
    assert answers[0].receipt.sent == 19
    await client.aclose()


async def test_users_do_not_share(cache_setup: CacheSetup) -> None:
    """Neither what is under way nor what is stored: who may not see it is told so by the service."""
    world = World(users=2, latency=1.0)
    client = cache_setup.client(world)
    other = client.with_options(user_id=world.emulator.users[1])
    span, answers = world.days(5), list[Any]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked, client.rgm_stats(world.system, **span), answers)
        await world.clock.sleep(0.5)
        tasks.start_soon(asked, other.rgm_stats(world.system, **span), answers)
    assert isinstance(answers[1], NotFound)
    with pytest.raises(NotFound):
        await other.with_options(max_age=3600).rgm_stats(world.system, **span)
    assert world.emulator.counts.sent == 3
    await client.aclose()


@pytest.mark.slow
async def test_processes_on_one_file_look_again_after_the_gate(tmp_path: Path) -> None:
    """Two at work on the same year: what one has bought meanwhile, the other does not buy."""
    world = World(latency=0.5)
    cache_setup, answers = CacheSetup(tmp_path / "state.db"), list[Any]()
    clients = [cache_setup.client(world, max_concurrency=AT_ONCE) for _ in range(2)]

    async def ask(client: EnlightenClient, delay: float) -> None:
        await world.clock.sleep(delay)
        query = client.rgm_stats(world.system, **world.days(364))
        prices.append((await query.estimate()).at_most or 0)
        answers.append(await query)

    prices: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, clients[0], 0.0)
        tasks.start_soon(ask, clients[1], 0.8)
    for answer in answers:
        check(world, "rgm_stats", answer)
    sent = world.emulator.counts.sent
    assert sent == sum(answer.receipt.sent for answer in answers)
    assert 52 <= sent <= 52 + 2 * AT_ONCE < sum(prices)
    for client in clients:
        await client.aclose()


@pytest.mark.parametrize("stored", [False, True])
async def test_who_wants_it_fresh_takes_nothing_that_was_sent_before(*, stored: bool) -> None:
    """`max_age=0` buys at once, whatever is under way; who does not insist waits."""
    world = World(latency=1.0)
    client = world.client(interval_cache=MemoryCache() if stored else None)
    forced, span, answers = client.with_options(max_age=0), world.days(5), list[Any]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked, client.rgm_stats(world.system, **span), answers)
        await world.clock.sleep(0.5)
        tasks.start_soon(asked, forced.rgm_stats(world.system, **span), answers)
        tasks.start_soon(asked, client.rgm_stats(world.system, **span), answers)
    assert world.emulator.counts.sent == 2
    assert sorted(answer.receipt.sent for answer in answers) == [0, 1, 1]


@pytest.mark.parametrize("apart", [-700.0, 700.0])
async def test_a_clock_that_is_off_forces_as_well(tmp_path: Path, apart: float) -> None:
    """A process on a machine whose clock is wrong: what another has just bought is not taken for newer."""
    world, path = World(), tmp_path / "state.db"
    async with world.client(state=path) as client:
        first = await client.rgm_stats(world.system, **world.days(1))
    world.clock.advance(120)
    async with world.client(state=path, clock=world.clock.skewed(apart)) as other:
        span = {"start_at": first.window.start, "end_at": first.window.end}
        assert (await other.with_options(max_age=0).rgm_stats(world.system, **span)).receipt.sent == 1
    world.clock.advance(120)
    async with world.client(state=path, clock=world.clock.skewed(apart)) as other:
        assert (await other.rgm_stats(world.system, **span)).receipt.sent == 1
