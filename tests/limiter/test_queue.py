"""The queue, the concurrency limit, and the seconds waited."""

from __future__ import annotations

import gc
import math
import weakref

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import BudgetExceeded, UsageError
from enlighten_async.limiter import Plan, Wait, Waiter
from enlighten_async.limiter.decision import LONG_WAIT_S, Sender, Take
from enlighten_async.limiter.queue import CLAIM_S, LIVE_S, QUEUED_S, Senders, WaitQueue, WaitTimes
from enlighten_async.limiter.record import LiveSender
from enlighten_async.testing import FakeClock

# Waiters
from tests.limiter.fake_server import IDLE, attempt, build, purchase, purchase_all, rejection, send


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


class CountedWaiter(Waiter):
    """A place that knows how often it was compared with its neighbours or woken."""

    __slots__ = ()
    steps = 0

    @property  # type: ignore[override]
    def queued(self) -> bool:
        """Count each look at it."""
        CountedWaiter.steps += 1
        return _QUEUED.__get__(self)  # type: ignore[no-any-return, attr-defined]

    @queued.setter
    def queued(self, value: bool) -> None:
        _QUEUED.__set__(self, value)  # type: ignore[attr-defined]


_QUEUED = Waiter.__dict__["queued"]


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1])
async def test_cancelling_waiters_is_linear(order: int) -> None:
    """Each one that leaves, from the front or from the back, costs a few looks at the queue."""
    limiter, server = build(FakeClock(), phase=10.0)
    for _ in range(10):
        await purchase(limiter, server)
    scopes = [anyio.CancelScope() for _ in range(3000)]

    async def wait(number: int) -> None:
        with scopes[number]:
            await limiter.acquire(CountedWaiter(0, 100 + number))

    async with anyio.create_task_group() as tasks:
        for number in range(len(scopes)):
            tasks.start_soon(wait, number)
        await server.clock.sleep(1)
        CountedWaiter.steps = 0
        for scope in scopes[::order]:
            scope.cancel()
    assert CountedWaiter.steps < 12 * len(scopes)
    assert repr(limiter) == IDLE


# Tenants


async def test_a_tenant_with_many_requests_delays_the_others_by_a_turn() -> None:
    """At 10 a minute one asks for 200, then 49 for one each: these have their answers within six minutes."""
    limiter, server = build(FakeClock(), phase=1.0)
    served: dict[bytes, list[float]] = {}

    async def ask(tenant: bytes) -> None:
        await purchase(limiter, server, tenant=tenant)
        served.setdefault(tenant, []).append(server.clock.monotonic() - began)

    began = server.clock.monotonic()
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(ask, b"many")
        await server.clock.sleep(2)
        for number in range(49):
            tasks.start_soon(ask, b"%d" % number)
    others = [seconds for tenant, (seconds, *_) in served.items() if tenant != b"many"]
    assert len(others) == 49
    assert max(others) <= 360
    assert max(served[b"many"]) < 60 * 25
    assert sum(server.rejected.values()) == 0


async def test_who_waits_behind_another_tenant_is_not_refused_for_its_queue() -> None:
    """Of 200 requests of another only those count that go first."""
    limiter, server = build(FakeClock(), phase=1.0)
    await purchase(limiter, server)
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(purchase, limiter, server, None, 0, b"many")
        await server.clock.sleep(2)
        assert limiter.ready_at(1, 0, b"many") >= server.time() + 60 * 18
        assert limiter.ready_at(1, 0, b"one") <= server.time() + 60
        await purchase(limiter, server, 90, tenant=b"one")
        with pytest.raises(BudgetExceeded, match="ahead"):
            await limiter.acquire(limiter.waiter(0, b"many"), 90)
        tasks.cancel_scope.cancel()


def test_waiters_that_give_up_behind_another_tenant_are_forgotten() -> None:
    """Thousands come and go while the head waits: the queue does not keep them."""
    queue = WaitQueue()
    queue.join(Waiter(0, 0, b"a"))
    left = [Waiter(0, number, b"b") for number in range(1, 2000)]
    for waiter in left:
        queue.join(waiter)
        queue.leave(waiter)
    kept = [weakref.ref(waiter) for waiter in left]
    del left, waiter
    gc.collect()
    assert sum(each() is not None for each in kept) < 100
    assert queue.count == 1


class Model:
    """The queue as a list: who is next is worked out anew each time."""

    def __init__(self) -> None:
        self.waiting: list[Waiter] = []
        self.served: dict[bytes, int] = {}  # turns that each tenant has had, or let pass while it was away
        self.turn = 0

    def next(self) -> Waiter:
        """Return the tenant's first with the fewest turns; of those the one that came first."""
        firsts: dict[bytes, Waiter] = {}
        for waiter in self.waiting:
            firsts.setdefault(waiter.tenant, waiter)
        return min(firsts.values(), key=lambda waiter: (self.served[waiter.tenant], waiter.number))

    def join(self, waiter: Waiter) -> None:
        """Add a waiter; its tenant starts at the common turn unless it waits already."""
        if all(each.tenant != waiter.tenant for each in self.waiting):
            self.served[waiter.tenant] = self.turn
        self.waiting.append(waiter)

    def serve(self, waiter: Waiter) -> None:
        """Give a waiter its turn."""
        self.waiting.remove(waiter)
        self.served[waiter.tenant] += 1
        self.turn = max(self.turn, self.served[waiter.tenant])


@given(st.lists(st.tuples(st.sampled_from(["join", "serve", "cancel"]), st.integers(0, 4)), max_size=60))
def test_tenants_take_turns(steps: list[tuple[str, int]]) -> None:
    """Whoever joins, is served or cancelled: the head is the one of the model, and so is `ahead`."""
    queue, model = WaitQueue(), Model()
    for number, (step, choice) in enumerate(steps):
        if step == "join":
            waiter = Waiter(0, number, b"%d" % choice)
            queue.join(waiter)
            model.join(waiter)
        elif model.waiting and step == "serve":
            queue.leave(model.next(), served=True)
            model.serve(model.next())
        elif model.waiting:
            waiter = model.waiting[choice % len(model.waiting)]
            queue.leave(waiter)
            model.waiting.remove(waiter)
        assert queue.count == len(model.waiting)
        assert queue.head is (model.next() if model.waiting else None)
    waiter, ahead = Waiter(0, len(steps), b"2"), queue.ahead(0, b"2")
    queue.join(waiter)
    for _ in range(ahead):
        assert queue.head is not waiter
        assert queue.head is not None
        queue.leave(queue.head, served=True)
    assert queue.head is waiter


# Requests in flight


async def test_503_halves_the_flight_and_it_regrows() -> None:
    """The server's word about concurrency is heard, and forgotten slowly."""
    limiter, server = build(FakeClock(), plan=Plan(), minute=10**6, month=10**6, busy_above=3)
    await purchase_all([limiter], server, 200)
    assert server.used.total() == 200
    assert server.busy < 60
    server.busy_above = None
    await purchase_all([limiter], server, 200)
    assert repr(limiter) == "<RateLimiter in_flight=0/10 queued=0>"


async def test_a_burst_of_503_halves_the_flight_once() -> None:
    """Requests that were in flight together say one thing."""
    limiter, server = build(FakeClock(), plan=Plan())
    await purchase(limiter, server)
    burst = [await limiter.acquire(limiter.waiter()) for _ in range(4)]
    for grant in burst:
        limiter.overloaded(grant)
        grant.settle()
    assert repr(limiter) == "<RateLimiter in_flight=0/5 queued=0>"
    limiter.overloaded(await limiter.acquire(limiter.waiter()))
    assert repr(limiter) == "<RateLimiter in_flight=1/2 queued=0>"
    limiter.overloaded()
    assert repr(limiter) == "<RateLimiter in_flight=1/1 queued=0>"


# Seconds waited


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
    assert set(waits[-1][1]) >= {"in_flight", "minute"}
    assert limiter.waiting is None


def asked(number: int = 1, most: int = 4, rank: int = 0, patience: float = math.inf) -> Take:
    """Return the question of a limiter."""
    return Take(1, Plan(), rank, sender=Sender(number, most), patience=patience)


@pytest.mark.parametrize(
    ("others", "in_flight", "places"),
    [
        ([], [], 4),
        ([LiveSender(6, 200.0)], [], 4),
        ([LiveSender(2, 200.0)], [], 2),
        ([LiveSender(2, 100.0)], [], 4),  # it lives no more
        ([], [3, 0], 3),  # its limiter has ended, its request is still in flight
        ([LiveSender(6, 200.0, claim=(99.0, 101.0, 0))], [], 3),
        ([LiveSender(6, 200.0, claim=(99.0, 100.0, 0))], [], 4),  # not renewed
        ([LiveSender(6, 200.0, claim=(99.0, 101.0, 1))], [], 4),  # of a lower class
        ([LiveSender(6, 200.0, claim=(100.0, 101.0, 0))], [], 4),  # not longer than the asker
        ([LiveSender(6, 200.0, claim=(98.0, 101.0, 0)), LiveSender(6, 200.0, claim=(99.0, 101.0, 0))], [], 3),
    ],
)
def test_places(others: list[LiveSender], in_flight: list[int], places: int) -> None:
    """As many as any limiter that lives allows, less one for who has waited longer."""
    senders = Senders(enumerate(others, 2))
    assert senders.places(asked(), in_flight, 100.0) == places


@pytest.mark.parametrize(
    ("mine", "other", "seconds", "owed"),
    [
        (5, LiveSender(4, 200.0, wants=(0.0, 200.0, 0), took=(1, 2)), 39.0, 3),
        (5, LiveSender(4, 200.0, wants=(0.0, 200.0, 0), took=(1, 2)), 40.0, 0),
        (5, LiveSender(4, 200.0, wants=(0.0, 200.0, 0), took=(0, 4)), 0.0, 5),  # that was the minute before
        (5, LiveSender(4, 200.0, wants=(0.0, 200.0, 0), took=(1, 6)), 0.0, 0),
        (5, LiveSender(4, 200.0, wants=(0.0, 200.0, 1), took=(1, 2)), 0.0, 0),  # of a lower class
        (5, LiveSender(4, 200.0, wants=(0.0, 60.0, 0), took=(1, 2)), 0.0, 0),  # it asks no more
        (5, LiveSender(4, 200.0, wants=None, took=(1, 2)), 0.0, 0),
        (5, LiveSender(4, 60.0, wants=(0.0, 200.0, 0), took=(1, 2)), 0.0, 0),  # it lives no more
        (0, LiveSender(4, 200.0, wants=(0.0, 200.0, 0), took=(1, 0)), 0.0, 0),
    ],
)
def test_owed(mine: int, other: LiveSender, seconds: float, owed: int) -> None:
    """What others that want more have had less of the minute, in its first forty seconds."""
    senders = Senders({1: LiveSender(4, 200.0, took=(1, mine)), 2: other})
    assert senders.owed(asked(), 60.0 + seconds, 0.0) == owed
    assert senders.owed(asked(number=3), 60.0 + seconds, 0.0) == 0  # it has had nothing


def test_a_limiter_that_waits_keeps_its_claim_until_it_is_admitted() -> None:
    """It is of when the limiter asked first, and holds as long as it goes on asking."""
    senders, wait = Senders(), Wait("in_flight", 100.1)
    senders.keep_waiting(asked(), wait, 100.0, None, math.inf)
    senders.keep_waiting(asked(), wait, 100.1, None, math.inf)
    assert senders == {
        1: LiveSender(4, 100.1 + LIVE_S, (100.0, 100.1 + CLAIM_S, 0), (100.1, 100.1 + QUEUED_S, 0))
    }
    senders.admit(asked(), 100.2, 960.0, 30.0)
    assert senders == {1: LiveSender(4, 130.2, None, (100.2, 100.2 + CLAIM_S, 0), (17, 1))}
    senders.admit(asked(), 100.3, 960.0, 30.0)
    assert senders[1].took == (17, 2)
    senders.want_nothing(1)
    assert senders[1].wants is None
    senders.want_nothing(2)
    assert list(senders) == [1]


def test_who_cannot_wait_so_long_wants_nothing() -> None:
    """Others need not leave it anything; it lives until its wait is over, or two minutes."""
    senders, wait = Senders(), Wait("minute", 150.0, until=1110.0)
    senders.keep_waiting(asked(patience=149.0), wait, 100.0, 960.0, 30.0)
    assert senders == {1: LiveSender(4, 180.0)}
    senders.keep_waiting(asked(patience=150.0), wait, 100.0, 960.0, 30.0)
    assert senders == {1: LiveSender(4, 180.0, wants=(150.0, 150.0 + QUEUED_S, 0))}
    senders.keep_waiting(asked(), Wait("month", 9999.0), 100.0, 960.0, 30.0)
    assert senders == {1: LiveSender(4, 100.0 + LONG_WAIT_S + 30.0)}


def test_a_new_limiter_forgets_those_that_have_gone() -> None:
    """A caller without a limiter leaves nothing."""
    senders = Senders({2: LiveSender(4, 99.0), 3: LiveSender(4, 101.0)})
    senders.admit(asked(number=0, most=0), 100.0, None, math.inf)
    assert list(senders) == [2, 3]
    senders.admit(asked(), 100.0, None, math.inf)
    assert list(senders) == [3, 1]
