"""An outage costs a few requests, each caller is told at once by its own name, and its end is noticed."""

from __future__ import annotations

import socket
import time
from contextlib import nullcontext
from datetime import date
from itertools import pairwise
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from enlighten_async import (
    BudgetExceeded,
    EnlightenClient,
    EnlightenError,
    NotFound,
    Plan,
    ReauthorizationRequired,
    RequestTimeout,
    RetryPolicy,
    ServerError,
    ServiceRetired,
    TransportError,
    Unavailable,
)
from enlighten_async.emulator import Fault
from enlighten_async.testing import EmulatorTokenStore
from tests.world import World

ALWAYS = float("inf")
HOUR, DAY = 3600.0, 86_400.0
PAGE = {"body": "<h2>Too many visitors (queue full)</h2>", "content_type": "text/html"}
PLAN = Plan(minute=1000, month=100_000)

OUTAGES: dict[str, tuple[dict[str, Any], type[EnlightenError]]] = {
    "503": ({"status": 503, "body": "{}"}, Unavailable),
    "500": ({"status": 500, "body": "{}"}, ServerError),
    "reset": ({"dropped": True}, TransportError),
    "page, 200": ({"status": 200, **PAGE}, ServerError),
    "page, 302": ({"status": 302, **PAGE}, ServerError),
    "page, 401": ({"status": 401, **PAGE}, ServerError),
    "page, 403": ({"status": 403, **PAGE}, ServerError),
    "page, 502": ({"status": 502, **PAGE}, ServerError),
    "no data": ({"status": 500, "body": '{"errorCode": 7}'}, Unavailable),
    "silence": ({"delay": ALWAYS}, RequestTimeout),
}


class Callers:
    """Many callers of one client, whose requests are all different.

    Attributes:
        clock: the time.
        errors: the classes of what they were told.
        slowest: seconds after which the last one was told.
    """

    def __init__(self, world: World, client: EnlightenClient, *, many: bool) -> None:
        self.clock = world.clock
        self._client = client
        self._systems = [world.system, *range(3000, 3049)] if many else [world.system]
        self.errors: set[type[BaseException]] = set()
        self.slowest = 0.0

    async def ask(self, count: int) -> None:
        """Ask at once, and wait until all are told."""
        async with anyio.create_task_group() as tasks:
            for number in range(count):
                tasks.start_soon(self._ask, number)

    async def _ask(self, number: int) -> None:
        began = self.clock.monotonic()
        system, end = self._systems[number % len(self._systems)], self.clock.now() // 900 * 900
        end -= number * DAY
        try:
            await self._client.rgm_stats(system, start_at=end - DAY, end_at=end)
        except EnlightenError as error:
            self.errors.add(type(error))
        self.slowest = max(self.slowest, self.clock.monotonic() - began)


def opened(world: World, version: str, **options: Any) -> EnlightenClient:
    """Open a client of a version."""
    make = world.client if version == "v2" else world.v4
    return make(plan=PLAN, **options)


REFUSALS = (203, 206, 400, 405, 418, 422, 451)
"""Statuses of answers that are neither data nor an outage, and tell nothing of a range."""


def break_down(world: World, kind: str) -> None:
    """Let every request but those for tokens meet an outage."""
    world.emulator.inject(Fault(path="/api/", times=ALWAYS, **OUTAGES[kind][0]))


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("kind", OUTAGES)
async def test_fifty_callers_cost_a_few_requests(kind: str, version: str, *, many: bool, warm: bool) -> None:
    """At most 8 at once, and each caller is told what it is within 30 s, or after one timeout."""
    world = World()
    async with opened(world, version) as client:
        if warm:
            await client.summary(world.system)
        break_down(world, kind)
        before, callers = world.emulator.counts.sent, Callers(world, client, many=many)
        await callers.ask(50)
        expected = OUTAGES[kind][1]
        if version == "v2" and kind in {"page, 200", "page, 302"}:
            expected = ServiceRetired  # so it is read from v2's own host
        assert callers.errors == ({expected} if kind != "no data" else set())
        assert callers.slowest <= (35 if kind == "silence" else 1)
        assert world.emulator.counts.sent - before <= 8
        await callers.ask(50)  # nothing more
        assert world.emulator.counts.sent - before <= 8


@pytest.mark.slow
@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize("kind", ["503", "silence", "page, 502"])
async def test_a_day_of_outage(kind: str, *, many: bool) -> None:
    """20 requests in the first hour, 45 in the day; probes are 6 minutes apart at the most, later an hour."""
    world = World()
    client = opened(world, "v4")
    await client.summary(world.system)
    break_down(world, kind)
    callers, counts, began = Callers(world, client, many=many), world.emulator.counts, world.clock.monotonic()
    before, times = counts.sent, [began]
    await callers.ask(50)
    while (since := world.clock.monotonic() - began) < DAY:
        sent = counts.sent
        await callers.ask(10 if since < HOUR else 2)
        if counts.sent > sent:
            times.append(world.clock.monotonic())
        assert since > HOUR or counts.sent - before <= 20
        await world.clock.sleep(20)
    assert counts.sent - before <= 45
    gaps = [(second - began, second - first) for first, second in pairwise(times)]
    assert max(gap for at, gap in gaps if at <= HOUR) <= 360
    assert max(gap for _, gap in gaps) <= HOUR
    world.emulator.faults.clear()
    if many:
        with pytest.raises(EnlightenError) as caught:
            await client.summary(world.system)
        assert caught.value.retry_at is not None
        await world.clock.sleep(caught.value.retry_at.timestamp() - world.clock.now())
    await client.summary(world.system)
    assert world.clock.monotonic() - times[-1] <= HOUR
    sent, callers.errors = counts.sent, set()
    await callers.ask(50)  # at full speed, without a debt
    assert (counts.sent - sent, callers.errors) == (50, {NotFound} if many else set())


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("kind", OUTAGES)
async def test_a_year_is_given_up_after_a_few_requests(kind: str, version: str) -> None:
    """53 windows meet the same outage: its name, and how long to wait, are told; streamed as awaited."""
    world = World()
    async with opened(world, version) as client:
        break_down(world, kind)
        query = client.rgm_stats(world.system, **world.days(365))
        if kind == "no data":
            assert not (await query).coverage.complete
        else:
            retired = version == "v2" and kind in {"page, 200", "page, 302"}
            with pytest.raises(ServiceRetired if retired else OUTAGES[kind][1]) as caught:
                await query
            assert caught.value.retry_at is not None or world.emulator.counts.sent == 1
            with pytest.raises(EnlightenError):
                [part async for part in client.rgm_stats(world.system, **world.days(365))]
        assert world.emulator.counts.sent <= 12


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=501, body="{}", path="/api/", times=ALWAYS),
        Fault(status=200, body="x", headers=(("Content-Encoding", "br"),), path="/api/", times=ALWAYS),
        Fault(status=200, body="[]", path="/api/", times=ALWAYS),
        *(Fault(status=status, body="{}", path="/api/", times=ALWAYS) for status in REFUSALS),
    ],
)
async def test_what_cannot_pass_is_bought_once_or_twice(fault: Fault, version: str) -> None:
    """For the newest window and the one before; the other 51 would meet the same."""
    world = World()
    async with opened(world, version) as client:
        world.emulator.inject(fault)
        with pytest.raises(EnlightenError):
            await client.rgm_stats(world.system, **world.days(365))
        assert world.emulator.counts.sent <= 2


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_one_endpoint_that_fails_is_no_outage(version: str) -> None:
    """It ends its query; others go on; it is tried again after a minute."""
    world = World()
    async with opened(world, version) as client:
        world.emulator.inject(Fault(status=500, body="{}", path="rgm_stats", times=ALWAYS))
        for _ in range(5):
            with pytest.raises(ServerError, match="500") as caught:
                await client.rgm_stats(world.system)
            assert (await client.with_options(max_age=0).summary(world.system)).receipt.sent == 1
        assert world.emulator.counts.by_status[500] == 5
        assert caught.value.retry_at is not None
        world.emulator.faults.clear()
        await world.clock.sleep(61)
        assert (await client.rgm_stats(world.system)).coverage is not None


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "file"])
@pytest.mark.parametrize("max_wait", [0.5, 20])
@pytest.mark.parametrize("kind", ["503", "reset", "silence"])
async def test_who_cannot_wait_for_the_minute_is_told_of_the_outage(
    kind: str, max_wait: float, *, shared: bool, tmp_path: Any
) -> None:
    """Once it is known: its own error with `retry_at`, though the minute would not do for all either."""
    world = World(now=1_750_000_000.0 // 60 * 60)
    options = {"state": tmp_path / "enlighten.db"} if shared else {}
    clients = [world.client(plan=Plan(minute=10), **options) for _ in range(1 + shared)]
    await Callers(world, clients[0], many=True).ask(0)
    break_down(world, kind)
    for _ in range(3):
        callers = Callers(world, clients[0], many=True)
        await callers.ask(10)
        await world.clock.sleep(61)
    sent = world.emulator.counts.sent
    for _ in range(5):
        began, told = world.clock.monotonic(), []
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                query = clients[number % len(clients)].with_options(max_wait=max_wait).summary(3000 + number)
                tasks.start_soon(_told, query, told)
        assert {type(error) for error in told} == {OUTAGES[kind][1]}
        assert all(error.retry_at is not None for error in told if "not sent" in str(error))
        assert sum("not sent" in str(error) for error in told) >= 48
        assert world.clock.monotonic() - began <= max_wait + 1
        await world.clock.sleep(60 - (world.clock.now() % 60))
    assert world.emulator.counts.sent - sent <= 5


async def _told(query: Any, told: list[EnlightenError]) -> None:
    """Keep the error of a query."""
    try:
        await query
    except EnlightenError as error:
        told.append(error)


async def test_a_limit_of_one_s_own_is_told_though_the_service_fails(world: World) -> None:
    """More requests than `max_requests` stay too many."""
    client = world.client(plan=Plan(minute=10))
    break_down(world, "503")
    await Callers(world, client, many=True).ask(5)
    with pytest.raises(BudgetExceeded, match="max_requests=2"):
        await client.with_options(max_requests=2).rgm_stats(world.system, **world.days(365))
    with pytest.raises(Unavailable, match="not sent"):
        await client.with_options(max_wait=30).rgm_stats(world.system, **world.days(365))
    await world.clock.sleep(3 * DAY)  # nobody knows whether it still lasts
    with pytest.raises(BudgetExceeded, match="max_wait=30"):
        await client.with_options(max_wait=30).rgm_stats(world.system, **world.days(365))


@pytest.mark.parametrize("after", [7, 300, 100_000])
@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_retry_after_of_a_503_is_obeyed(after: int, version: str) -> None:
    """A short one is waited out, of a long one everybody is told; nothing is sent before."""
    world = World()
    async with opened(world, version) as client:
        headers = (("Retry-After", str(after)),)
        world.emulator.inject(Fault(status=503, body="{}", headers=headers, path="/api/"))
        began = world.clock.monotonic()
        if after >= 300:
            for _ in range(3):
                with pytest.raises(Unavailable) as caught:
                    await client.summary(world.system)
                assert caught.value.retry_at is not None
                assert caught.value.retry_at.timestamp() == pytest.approx(world.clock.now() + after, abs=2)
            assert (world.emulator.counts.sent, world.clock.monotonic() - began < 1) == (1, True)
            await world.clock.sleep(after - 30)
            with pytest.raises(Unavailable):
                await client.summary(world.system)
            await world.clock.sleep(31)
        assert (await client.summary(world.system)).receipt.sent == (1 if after >= 300 else 2)
        assert world.clock.monotonic() - began == pytest.approx(after, abs=1.1)
        assert world.emulator.counts.sent == 2


@pytest.mark.parametrize("value", ["-5", "1000000000", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_a_retry_after_that_cannot_be_meant_is_none(value: str) -> None:
    """A 503 with it is repeated as one without it."""
    world = World()
    async with world.v4(plan=PLAN) as client:
        fault = Fault(status=503, body="{}", headers=(("Retry-After", value),), path="/api/")
        world.emulator.inject(fault)
        began = world.clock.monotonic()
        assert (await client.summary(world.system)).receipt.sent == 2
        assert world.clock.monotonic() < began + 60


async def test_one_lost_answer_does_not_hold_the_others() -> None:
    """In a fresh process several go at once; the one that is lost is repeated, as the service lives."""
    world = World(latency=0.1)
    world.emulator.inject(Fault.hang())
    callers = Callers(world, world.client(timeout=5), many=False)
    await callers.ask(10)
    assert callers.errors == set()
    assert callers.slowest == pytest.approx(5.2, abs=0.6)
    assert world.emulator.counts.sent == 11


@pytest.mark.parametrize("at_once", [1, 2, 10])
async def test_a_service_that_hangs_is_told_to_all_after_one_timeout(at_once: int) -> None:
    """Also to those who wait for the ones in flight, whatever they asked for."""
    world = World()
    world.emulator.inject(Fault.hang(times=ALWAYS))
    client = world.client(timeout=10, max_concurrency=at_once)
    for many in (True, False):
        callers = Callers(world, client, many=many)
        await callers.ask(20)
        assert callers.errors == {RequestTimeout}
        assert callers.slowest <= 15
    with pytest.raises(RequestTimeout):
        await client.rgm_stats(world.system, start_date=date(2025, 6, 1), end_date=date(2025, 6, 1))


async def test_callers_who_give_up_do_not_feed_a_service_that_hangs(world: World) -> None:
    """What they cut off counts: it was sent and nothing came."""
    world.emulator.inject(Fault.hang(times=ALWAYS))
    client = world.client().with_options(max_wait=3)
    for _ in range(20):
        callers = Callers(world, client, many=True)
        await callers.ask(10)
        assert callers.slowest <= 3.1
        assert callers.errors == {RequestTimeout}
        await world.clock.sleep(1)
    assert world.emulator.counts.sent <= 8
    with pytest.raises(RequestTimeout):
        await client.summary(world.system)


@pytest.mark.parametrize("systems", [1, 40])
async def test_what_is_given_up_together_is_one_sign_of_an_outage(systems: int, tmp_path: Any) -> None:
    """Ctrl-C after a few seconds of silence ends all requests at once: the next run may ask."""
    world = World(systems=systems)
    kept = {"state": tmp_path / "enlighten.db", "plan": PLAN}
    year, asked = world.days(365), [world.system, *range(3000, 3000 + systems - 1)]
    async with world.client(**kept) as client:
        await client.rgm_stats(world.system, **world.days(1))
        world.emulator.inject(Fault.hang(times=ALWAYS))
        sent = world.emulator.counts.sent
        with world.clock.move_on_after(5):
            async with anyio.create_task_group() as tasks:
                for system in asked:
                    tasks.start_soon(lambda system=system: client.rgm_stats(system, **year))
        assert world.emulator.counts.sent - sent >= min(systems, 4)
    world.emulator.faults.clear()
    async with world.client(**kept) as client:
        assert (await client.rgm_stats(world.system, **year)).coverage.complete


@pytest.mark.parametrize("by_max_wait", [True, False])
async def test_a_query_that_is_given_up_is_one_sign_of_an_outage(by_max_wait: bool) -> None:
    """However many of its requests are in flight: the service may only be slow, and is asked again."""
    world = World()
    year, client = world.days(365), world.client(plan=PLAN, max_concurrency=10)
    world.emulator.inject(Fault(delay=5, times=ALWAYS, after=20))
    sent = world.emulator.counts.sent
    patient = client.with_options(max_wait=3 if by_max_wait else None)
    told = pytest.raises(RequestTimeout) if by_max_wait else nullcontext()
    with world.clock.move_on_after(ALWAYS if by_max_wait else 3) as cut, told:
        await patient.rgm_stats(world.system, **year)
    assert cut.cancelled_caught != by_max_wait
    assert world.emulator.counts.sent - sent > 20 + 5
    assert (await client.rgm_stats(world.system, **year)).coverage.complete


@pytest.mark.parametrize(
    ("patience", "by_max_wait", "answers_between", "is_noticed"),
    [
        (3, True, False, True),
        (3, False, False, True),
        (3, True, True, False),
        (3, False, True, False),
        (0.5, True, False, False),
        (0.5, False, False, False),
    ],
)
async def test_callers_who_give_up_one_after_another_tell_of_a_service_that_hangs(
    world: World, patience: float, by_max_wait: bool, answers_between: bool, is_noticed: bool
) -> None:
    """Where they waited for more than a second, and nothing else was answered."""
    client = world.client(plan=PLAN)
    for number in range(3):
        world.emulator.inject(Fault.hang())
        with world.clock.move_on_after(ALWAYS if by_max_wait else patience):
            options = {"max_wait": patience} if by_max_wait else {}
            try:
                await client.with_options(**options).summary(3000 + number)
            except (RequestTimeout, BudgetExceeded):
                assert by_max_wait
        world.emulator.faults.clear()
        if answers_between:
            await client.summary(world.system)
    if is_noticed:
        with pytest.raises(RequestTimeout, match="not sent"):
            await client.summary(world.system)
    else:
        await client.summary(world.system)


@pytest.mark.parametrize("attempts", [1, 3])
async def test_max_wait_takes_no_failure_s_place(world: World, attempts: int) -> None:
    """The repeat that does not fit is not waited for: the failure itself is raised, and at once."""
    world.emulator.inject(Fault(status=500, body="{}", times=ALWAYS))
    retry = RetryPolicy(attempts=attempts, base=1e6, cap=1e6)
    client = world.client(retry=retry).with_options(max_wait=30)
    began = world.clock.monotonic()
    with pytest.raises(ServerError, match="500"):
        await client.summary(world.system)
    assert world.clock.monotonic() - began < 1


async def test_processes_share_an_outage(tmp_path: Any) -> None:
    """What one learned by three requests, the others, and later ones, need not pay for."""
    world = World()
    path = tmp_path / "state.db"
    one, two = (world.client(key, state=path) for key in ("k" * 32, "k" * 32))
    break_down(world, "503")
    for client in (one, two):
        await Callers(world, client, many=True).ask(10)
    await one.aclose()
    await two.aclose()
    assert world.emulator.counts.sent <= 8
    sent = world.emulator.counts.sent
    async with world.client("k" * 32, state=path) as later:
        with pytest.raises(Unavailable, match="not sent") as caught:
            await later.summary(world.system)
        assert (world.emulator.counts.sent, caught.value.status) == (sent, 503)
        world.emulator.faults.clear()
        await world.clock.sleep(61)
        assert (await later.summary(world.system)).receipt.sent == 1
        callers = Callers(world, later, many=True)
        await callers.ask(20)
        assert callers.errors == {NotFound}


async def test_a_refused_connection_is_told_at_once_and_costs_nothing() -> None:
    """Also to the twentieth caller of the free plan: nothing was sent, so no quota is waited for."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # not listening
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api/v2"
        async with EnlightenClient("k" * 32, "user", base_url=url, retry=RetryPolicy(base=0)) as client:
            callers = Callers(World(now=time.time()), client, many=True)
            with anyio.fail_after(20):
                await callers.ask(20)
            assert callers.errors == {TransportError}
            assert (await client.quota()).month.used == 0
            with pytest.raises(TransportError) as caught:
                await client.summary(1765)
            assert (caught.value.sent, caught.value.phase) == (False, "connect")


async def test_a_refused_caller_who_asks_again_at_once_lets_others_run(world: World) -> None:
    """A loop that only asks, and is refused, does not stop the program."""
    client, turns = world.client(), 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    break_down(world, "500")
    await Callers(world, client, many=True).ask(5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_turns)
        for _ in range(10):
            with pytest.raises(ServerError, match="not sent"):
                await client.summary(world.system)
            with pytest.raises(ServerError, match="not sent"):
                await client.rgm_stats(world.system)
            with pytest.raises(ServerError, match="not sent"):
                await client.with_options(max_wait=5).rgm_stats(world.system)
        assert turns >= 20
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("priority", ["interactive", "poll", "backfill"])
async def test_every_class_is_refused_alike(world: World, priority: Any) -> None:
    """At once, with nothing sent."""
    client = world.client()
    break_down(world, "500")
    await Callers(world, client, many=True).ask(5)
    sent, began = world.emulator.counts.sent, world.clock.monotonic()
    with pytest.raises(ServerError, match="not sent"):
        await client.with_options(priority=priority).summary(world.system)
    assert (world.emulator.counts.sent, world.clock.monotonic()) == (sent, began)


# Tokens


def of_accounts(world: World, client: EnlightenClient, count: int) -> list[EnlightenClient]:
    """Return views of a client for so many accounts."""
    return [client.with_options(user_id=f"account-{number}") for number in range(count)]


async def ask_all(
    world: World, views: list[EnlightenClient], count: int = 50, **options: Any
) -> list[EnlightenError]:
    """Let so many callers ask at once, and return what they were told."""
    told: list[EnlightenError] = []
    async with anyio.create_task_group() as tasks:
        for number in range(count):
            view = views[number % len(views)].with_options(**options)
            tasks.start_soon(_told, view.with_options(max_age=0).summary(world.system), told)
    return told


TOKEN_OUTAGES: dict[str, tuple[Any, type[EnlightenError]]] = {
    "503": ("503", ServerError),
    "page": ("page-502", ServerError),
    "reset": ("reset", TransportError),
    "silence": ("silence", RequestTimeout),
}


@pytest.mark.parametrize("accounts", [1, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sharing", ["one", "session", "state"])
@pytest.mark.parametrize("kind", TOKEN_OUTAGES)
async def test_tokens_are_part_of_the_outage(kind: str, sharing: str, accounts: int, tmp_path: Any) -> None:
    """All need new tokens in an hour of outage: 8 requests at first, 20 in all; its end opens everything.

    For one client, for two of one application, and for two that share no more than their files.
    """
    world, (form, error) = World(), TOKEN_OUTAGES[kind]
    options: dict[str, Any] = {} if sharing == "one" else {"state": tmp_path / "state.db"}
    store = EmulatorTokenStore(world.emulator)
    applications = [world.oauth(tokens=store) for _ in range(2)]
    applications = applications[: 2 if sharing == "state" else 1]
    clients = [world.v4(plan=PLAN, oauth=each, **options) for each in applications]
    if sharing == "session":
        clients.append(world.v4(plan=PLAN, oauth=applications[0], **options))
    views = [view for client in clients for view in of_accounts(world, client, accounts)]
    for _ in range(2):  # the second day all have renewed theirs
        assert await ask_all(world, views, len(views)) == []
        await world.clock.sleep(DAY)
    fault = Fault.outage(form)
    world.emulator.inject(fault)
    began, burst = world.clock.monotonic(), 0
    while (since := world.clock.monotonic() - began) < HOUR:
        asked = world.clock.monotonic()
        told = await ask_all(world, views, 8 if burst else 50)
        assert len(told) == (8 if burst else 50)
        burst = burst or world.emulator.seen(fault)
        assert {type(each) for each in told} == {error}
        assert all(each.ends_query for each in told)
        assert since < 900 or all(each.retry_at is not None for each in told)
        assert world.clock.monotonic() - asked <= (35 if kind == "silence" else 10)
        await world.clock.sleep(100)
    assert burst <= 8 * len(clients)
    assert world.emulator.seen(fault) <= 20
    world.emulator.faults.clear()
    await world.clock.sleep(360)
    assert await ask_all(world, views[:1], 1) == []
    assert await ask_all(world, views) == []


@pytest.mark.slow
@pytest.mark.parametrize("accounts", [1, 20])
@pytest.mark.parametrize("kind", ["503", "silence"])
async def test_a_day_of_outage_for_tokens(kind: str, accounts: int) -> None:
    """45 requests at the most, and its end is noticed within an hour."""
    world, (form, _) = World(), TOKEN_OUTAGES[kind]
    views = of_accounts(world, world.v4(plan=PLAN), accounts)
    assert await ask_all(world, views, len(views)) == []
    await world.clock.sleep(DAY)
    fault = Fault.outage(form)
    world.emulator.inject(fault)
    began = world.clock.monotonic()
    while world.clock.monotonic() - began < DAY:
        await ask_all(world, views, 20)
        await world.clock.sleep(60)
    assert world.emulator.seen(fault) <= 45
    world.emulator.faults.clear()
    ended = world.clock.monotonic()
    while await ask_all(world, views, 20):
        await world.clock.sleep(30)
    assert world.clock.monotonic() - ended <= HOUR


async def test_a_token_that_lasts_is_used_in_an_outage_of_the_token_endpoint() -> None:
    """Also when it should have been renewed by now; once it has ended nothing is sent but probes."""
    world = World()
    client = world.v4(plan=PLAN)
    other = client.with_options(user_id="other")
    views = of_accounts(world, client, 5)
    assert await ask_all(world, views, 5) == []
    await world.clock.sleep(DAY - 250)
    assert await ask_all(world, [other], 1) == []  # logs in now
    fault = Fault.outage("503", path="/oauth/token")
    world.emulator.inject(fault)
    for _ in range(4):
        assert await ask_all(world, views, 20) == []
        assert await ask_all(world, views, 20, max_wait=5) == []
        await world.clock.sleep(50)
    assert 1 <= world.emulator.seen(fault) <= 10
    await world.clock.sleep(60)
    for _ in range(5):
        told = await ask_all(world, views, 20)
        assert {type(each) for each in told} == {ServerError}
        assert len(told) == 20
        assert await ask_all(world, [other], 5) == []
        await world.clock.sleep(60)
    assert world.emulator.seen(fault) <= 15


@pytest.mark.parametrize("accounts", [1, 20])
async def test_tokens_do_not_keep_the_end_of_an_outage_secret(accounts: int) -> None:
    """Where only the API fails, a renewal is followed by the request that it is for, and not by a refusal."""
    world = World()
    views = of_accounts(world, world.v4(plan=PLAN), accounts)
    assert await ask_all(world, views, len(views)) == []
    break_down(world, "503")
    await ask_all(world, views)
    await world.clock.sleep(DAY)
    sent, tokens = world.emulator.counts.sent, world.emulator.counts.tokens["refresh_token"]
    for _ in range(3):
        assert len(await ask_all(world, views)) == 50
        await world.clock.sleep(HOUR)
    assert world.emulator.counts.sent - sent == 3
    assert 1 <= world.emulator.counts.tokens["refresh_token"] - tokens <= max(3, accounts)  # they work
    world.emulator.faults.clear()
    await ask_all(world, views)
    assert await ask_all(world, views) == []


@pytest.mark.parametrize("accounts", [1, 20])
@pytest.mark.parametrize("max_wait", [None, 100.0])
async def test_a_token_endpoint_that_hangs_is_told_after_one_timeout(
    accounts: int, max_wait: float | None
) -> None:
    """Also where the API answers all the while, and however long the caller would wait."""
    world = World()
    client = world.v4(plan=PLAN)
    other = client.with_options(user_id="other")
    views = of_accounts(world, client, accounts)
    assert await ask_all(world, views, len(views)) == []
    await world.clock.sleep(DAY)
    assert await ask_all(world, [other], 1) == []  # logs in now
    fault = Fault.outage("silence", path="/oauth/token")
    world.emulator.inject(fault)
    began, ended = world.clock.monotonic(), False

    async def others() -> None:
        while not ended:
            assert await ask_all(world, [other], 1) == []
            await world.clock.sleep(3)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        told = await ask_all(world, views, **({} if max_wait is None else {"max_wait": max_wait}))
        assert world.clock.monotonic() - began <= 35
        ended = True
    assert {type(each) for each in told} == {RequestTimeout}
    assert len(told) == 50
    assert world.emulator.seen(fault) <= 8


async def test_a_refused_login_is_no_outage() -> None:
    """A verdict about one account is an answer: the others get their tokens."""
    world = World()
    views = of_accounts(world, world.v4(plan=PLAN), 20)
    assert await ask_all(world, views, len(views)) == []
    await world.clock.sleep(DAY)
    grant = Fault(status=400, body='{"error": "invalid_grant"}', path="/oauth/token", times=10)
    world.emulator.inject(grant)
    told = await ask_all(world, views, 20)
    assert {type(each) for each in told} == {ReauthorizationRequired}
    assert len(told) == 10


async def test_a_retry_after_of_the_token_endpoint_holds_tokens_only() -> None:
    """A short one is waited out, of a longer one everybody is told."""
    world = World()
    client = world.v4(plan=PLAN)
    views, other = of_accounts(world, client, 1), client.with_options(user_id="other")
    assert await ask_all(world, views, 1) == []
    await world.clock.sleep(DAY)
    assert await ask_all(world, [other], 1) == []
    world.emulator.inject(Fault.outage("503", retry_after=15, path="/oauth/token", times=1))
    began = world.clock.monotonic()
    assert await ask_all(world, views) == []
    assert world.clock.monotonic() - began == pytest.approx(15, abs=1)
    await world.clock.sleep(DAY - 500)
    fault = Fault.outage("503", retry_after=900, path="/oauth/token")
    world.emulator.inject(fault)
    await world.clock.sleep(500)
    for _ in range(3):
        told = await ask_all(world, views)
        assert all(each.retry_at is not None for each in told)
        assert len(told) == 50
        await world.clock.sleep(200)
    assert world.emulator.seen(fault) == 1
