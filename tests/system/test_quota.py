"""The promise: as fast as the plan allows, and never rejected. The emulator's count is the truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from email.utils import formatdate
from itertools import pairwise
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Drift, Quota
from enlighten_async.limiter import MemoryQuotaStore
from tests.effort import examples
from tests.world import API_KEY, World

PHASES = st.floats(0, 60, exclude_max=True)
SEEDS = st.integers(0, 2**32)
START = 1_750_000_020.0 // 60 * 60


async def finish(
    clients: Sequence[EnlightenClient], jobs: int, world: World, system: int | None = None
) -> list[Any]:
    """Run this many jobs at once, each of its own, shared out among the clients; return their answers."""
    answers = []

    async def job(client: EnlightenClient, number: int) -> None:
        answers.append(await client.rgm_stats(system or world.system, **world.quarter(number)))

    async with anyio.create_task_group() as tasks:
        for number in range(jobs):
            tasks.start_soon(job, clients[number % len(clients)], number)
    return answers


def watt(phase: float, seed: int, **options: Any) -> World:
    """Return a service on the Watt plan whose answers take up to 0.2 s, at a phase of its minute."""
    draw = random.Random(seed).uniform  # noqa: S311
    return World(now=START + phase, quota=Quota.WATT, latency=lambda: draw(0.0, 0.2), **options)


def check(world: World, began: float, jobs: int) -> None:
    """See that all were served, none was rejected, and no more windows used than one above the least."""
    counts = world.emulator.counts
    assert (counts.sent, counts.rejected) == (jobs, 0)
    assert max(counts.windows.values()) <= 10
    first = began // 60 * 60
    assert max(counts.windows) <= first + 60 * (-(-jobs // 10) - 1 + 1)


@pytest.mark.slow
@given(phase=PHASES, seed=SEEDS, wrong=st.sampled_from([-600.0, 0.0, 600.0]))
@examples(15)
async def test_60_jobs_are_never_rejected_and_take_the_least_windows_plus_one(
    phase: float, seed: int, wrong: float
) -> None:
    """Any phase, latency up to 0.2 s, the local clock wrong by ten minutes either way."""
    world = watt(phase, seed)
    began = world.clock.now()
    client = world.client(plan=Plan.WATT, clock=world.clock.skewed(wrong))
    answers = await finish([client], 60, world)
    check(world, began, 60)
    assert sum(answer.receipt.sent for answer in answers) == 60
    assert sum(answer.receipt.rejected for answer in answers) == 0


def dated(world: World, date: Callable[[float], float | None]) -> httpx.AsyncBaseTransport:
    """Return a way to the service whose `Date` is another, or none."""
    service = world.emulator.transport()

    async def serve(request: httpx.Request) -> httpx.Response:
        response = await service.handle_async_request(request)
        told = date(world.clock.now())
        response.headers.pop("date", None)
        if told is not None:
            response.headers["date"] = formatdate(told, usegmt=True)
        return response

    return httpx.MockTransport(serve)


DATES: dict[str, Callable[[float], float | None]] = {
    "none": lambda _: None,
    "jumps ahead": lambda now: now + (90 if now > START + 75 else 0),
    "jumps back": lambda now: now - (90 if now > START + 75 else 0),
    "wanders": lambda now: now + 37 * now % 180 - 90,
}


@pytest.mark.parametrize("wrong", [-90.0, 90.0])
@pytest.mark.parametrize("name", DATES)
@given(phase=PHASES, seed=SEEDS)
@examples(6)
async def test_a_minute_that_nobody_knows_costs_no_rejection(
    name: str, wrong: float, phase: float, seed: int
) -> None:
    """No `Date`, or one that differs from what the service counts by; and a local clock that is wrong."""
    world = watt(phase, seed)
    clock = world.clock.skewed(wrong)
    client = world.client(
        plan=Plan.WATT, clock=clock, transport=dated(world, DATES[name]), base_url="http://127.0.0.1:9/api/v2"
    )
    pause = random.Random(seed)  # noqa: S311
    for _ in range(4):
        await finish([client], 12, world)
        world.clock.advance(pause.uniform(0, 40))
    counts = world.emulator.counts
    assert (counts.rejected, max(counts.windows.values()) <= 10) == (0, True)


@pytest.mark.parametrize(("allowed", "served"), [(5, 530), (8, 850)])
async def test_a_limit_that_is_not_named_costs_a_rejection_an_hour(allowed: int, served: int) -> None:
    """After the first two minutes, which tell it; and what it allows is used."""
    world = watt(20.0, 1, drifts={Drift.SHORT_REJECTIONS})
    world.emulator.quota = Quota(minute=allowed, month=None)
    client = world.v4(plan=Plan(minute=10))
    rejected = []

    async def ask() -> None:
        while world.clock.now() < START + 2 * 3600:
            await client.with_options(max_age=0).summary(world.system)

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(ask)
        for at in (150, 3600, 2 * 3600):
            await world.clock.sleep(START + at - world.clock.now())
            rejected.append(world.emulator.counts.rejected)
    assert rejected[0] <= 2 * (10 - allowed)
    assert [after - before for before, after in pairwise(rejected)] == [0, 1]
    assert world.emulator.counts.served >= served


@given(phase=PHASES, seed=SEEDS)
@examples(8)
async def test_3_users_of_one_key_share_its_quota(phase: float, seed: int) -> None:
    """20 jobs each for three users: as if it were one."""
    world = watt(phase, seed, users=3, systems=2)
    began = world.clock.now()
    client = world.client(plan=Plan.WATT)
    views = [client.with_options(user_id=user) for user in world.emulator.users]
    systems = [world.emulator.truth.systems(user)[0].system_id for user in world.emulator.users]
    async with anyio.create_task_group() as tasks:
        for view, system in zip(views, systems, strict=True):
            tasks.start_soon(finish, [view], 20, world, system)
    check(world, began, 60)


@given(phase=PHASES, seed=SEEDS)
@examples(8)
async def test_several_clients_on_one_key_share_its_quota(phase: float, seed: int) -> None:
    """A second client in the process does not double the rate."""
    world = watt(phase, seed)
    began = world.clock.now()
    clients = [world.client(plan=Plan.WATT) for _ in range(3)]
    await finish(clients, 60, world)
    check(world, began, 60)


async def test_clients_on_other_keys_have_their_own_quota() -> None:
    """Keys do not slow each other down."""
    world = World(quota=Quota.WATT)
    began = world.clock.monotonic()
    async with anyio.create_task_group() as tasks:
        for key in ("one", "two"):
            tasks.start_soon(finish, [world.client(key, plan=Plan.WATT)], 10, world)
    assert (world.emulator.counts.sent, world.emulator.counts.rejected) == (20, 0)
    assert world.clock.monotonic() - began < 5


async def test_jobs_are_served_first_come_first_served() -> None:
    """The answers come in the order in which the questions were put, window by window."""
    world = World(quota=Quota.WATT, latency=0.1)
    client, order = world.client(plan=Plan.WATT, max_concurrency=1), []

    async def job(number: int) -> None:
        await client.rgm_stats(world.system, **world.quarter(number))
        order.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(job, number)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
    assert order == list(range(30))


async def test_a_year_on_the_watt_plan(world: World) -> None:
    """53 requests at ten a minute: six windows, none rejected, the waits on the receipt."""
    world = World(now=START + 10, quota=Quota.WATT, latency=0.1)
    query = world.client(plan=None).rgm_stats(world.system, **world.days(365))
    price = await query.estimate()
    year = await query
    counts = world.emulator.counts
    assert (counts.sent, counts.rejected, len(counts.windows)) == (53, 0, 6)
    assert year.receipt.waited["minute"] > 200
    assert year.receipt.left["month"] == 10_000 - 53
    assert abs(price.ready_at.timestamp() - world.clock.now()) < 10


async def test_a_lower_limit_than_believed_is_learned_at_once() -> None:
    """The plan says 20, the service 10: one storm of what was in flight, then its pace."""
    world = World(now=START, quota=Quota(minute=10, month=1000, name="Watt"), latency=0.1)
    client = world.client(plan=Plan(minute=20, month=1000), max_concurrency=5)
    answers = await finish([client], 60, world)
    assert world.emulator.counts.rejected <= 5
    assert sum(answer.receipt.rejected for answer in answers) == world.emulator.counts.rejected
    assert world.emulator.counts.sent == 60 + world.emulator.counts.rejected
    assert len(world.emulator.counts.windows) <= 7


async def test_an_outsider_on_the_same_key_costs_no_more_than_they_took() -> None:
    """Someone else takes 7 of each window's 10: at most as many rejections, and all are answered."""
    world = World(now=START + 1, quota=Quota.WATT, latency=0.05)
    outsider = world.client(plan=Plan(minute=1000), quota_store=MemoryQuotaStore())

    async def take() -> None:
        for _ in range(5):
            await finish([outsider], 7, world)
            await world.clock.sleep(60)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await world.clock.sleep(2)
        answers = await finish([world.client(plan=Plan.WATT)], 20, world)
        tasks.cancel_scope.cancel()
    assert len(answers) == 20
    assert sum(answer.receipt.rejected for answer in answers) <= 7 * 5


async def test_a_step_of_the_local_clock_changes_nothing() -> None:
    """The wall clock jumps an hour either way in the middle of the work: none is rejected."""
    world = World(now=START + 31, quota=Quota.WATT, latency=0.1)
    wrong = world.clock.skewed(0.0)
    client = world.client(plan=Plan.WATT, clock=wrong)

    async def meddle() -> None:
        for step in (3600.0, -7200.0, 3600.0):
            await world.clock.sleep(45)
            wrong._seconds += step  # type: ignore[attr-defined]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(meddle)
        await finish([client], 40, world)
    assert (world.emulator.counts.sent, world.emulator.counts.rejected) == (40, 0)


@pytest.mark.parametrize("skew", [-0.5, 0.5])
async def test_a_date_that_differs_from_the_counters_clock(skew: float) -> None:
    """Half a second between `Date` and the counter is what the guard is for."""
    world = watt(17.0, 1, date_skew=skew)
    await finish([world.client(plan=Plan.WATT)], 60, world)
    assert (world.emulator.counts.sent, world.emulator.counts.rejected) == (60, 0)


async def test_without_date_headers_the_local_clock_serves() -> None:
    """A service that does not say its time is taken to share ours."""
    world = watt(40.0, 2, date_header=False)
    began = world.clock.now()
    await finish([world.client(plan=Plan.WATT)], 30, world)
    check(world, began, 30)
    assert API_KEY in world.emulator.counts.by_key
