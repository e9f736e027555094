"""Stores: the promises of each, and how clients share them."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import Throttled
from enlighten_async.limiter import MemoryQuotaStore, Plan, QuotaStore, Settlement, Take, shared_store
from enlighten_async.limiter.store import MAX_RECENT_STORES
from enlighten_async.testing import FakeClock
from tests.effort import examples
from tests.limiter.stores import file_of, left, reject, settle, sqlite_store, warn

NOW = 1000.0  # monotonic


DATE = 1_750_000_030  # the server's time at NOW, 10 s into a minute


PLAN = Plan(minute=10, month=100)


Make = Callable[[], Any]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Return what makes a new store."""
    stores: list[Any] = []

    def made() -> Any:
        clock = FakeClock(now=DATE, monotonic=NOW)
        path = tmp_path / f"{len(stores)}.db"
        stores.append(MemoryQuotaStore() if request.param == "memory" else sqlite_store(path, clock))
        return stores[-1]

    yield made
    for store in stores:
        if request.param == "sqlite":
            file_of(store).release()


def landed(at: float = NOW, *, accepted: bool = True, took: float = 0.1) -> Settlement:
    """Return the end of a request that was answered at a moment."""
    return Settlement(at - took, at, DATE, True, accepted, int(DATE + at - NOW))


def rejection(period: str = "minute", limit: int | None = 10, end: float | None = None) -> Throttled:
    """Return the server's word that a limit is reached."""
    error = Throttled("over the limit", status=409)
    error.period, error.limit, error.period_end = period, limit, end
    return error


async def used(store: Any, count: int = 1, at: float = NOW) -> None:
    """Use up so many requests, one after another."""
    for ticket in range(count):
        assert await store.take(Take(ticket, PLAN), at) is None
        settle(store, ticket, landed(at))


async def test_it_is_a_store(make: Make) -> None:
    """It has what the limiter calls."""
    assert isinstance(make(), QuotaStore)


async def test_before_the_time_is_known_as_many_go_as_fit_any_minute(make: Make) -> None:
    """Whichever minute they fall in, and both if it turns meanwhile; the next waits for one of them."""
    store = make()
    for ticket in range(10):
        assert await store.take(Take(ticket, PLAN), NOW) is None
    wait = await store.take(Take(10, PLAN), NOW)
    assert wait is not None
    assert (wait.reason, wait.certain, wait.in_flight) == ("in_flight", False, 10)
    settle(store, 1, landed())
    assert await store.take(Take(10, PLAN), NOW) is not None
    assert left(store, PLAN, NOW)["minute"] == 0


async def test_before_the_time_is_known_a_rejection_leaves_one_at_a_time(make: Make) -> None:
    """What is rejected shows that somebody else was there: the others would be as well."""
    store = make()
    for ticket in range(3):
        assert await store.take(Take(ticket, PLAN), NOW) is None
    settle(store, 0, landed(accepted=False))
    reject(store, 0, rejection(), PLAN, NOW)
    wait = await store.take(Take(4, PLAN), NOW)
    assert (wait and wait.reason) == "doubt"


async def test_what_was_not_sent_is_given_back(make: Make) -> None:
    """Only attempts that certainly did not leave are."""
    store = make()
    await used(store)
    for ticket, outcome in ((5, Settlement(None, NOW)), (6, Settlement(NOW, NOW))):
        assert await store.take(Take(ticket, PLAN), NOW) is None
        settle(store, ticket, outcome)
    await store.sync()
    assert left(store, PLAN, NOW) == {"month": 98, "minute": 8}


async def test_a_request_is_charged_once(make: Make) -> None:
    """Settled again, or never taken: nothing happens."""
    store = make()
    await used(store)
    for ticket in (0, 0, 77):
        settle(store, ticket, landed())
    await store.sync()
    assert left(store, PLAN, NOW) == {"month": 99, "minute": 9}


async def test_what_is_settled_shows_at_once(make: Make) -> None:
    """Without waiting for anything: the counts, and the server's time."""
    store = make()
    assert await store.take(Take(1, PLAN), NOW) is None
    settle(store, 1, landed(NOW + 2))
    assert left(store, PLAN, NOW + 2) == {"month": 99, "minute": 9}
    assert DATE + 2 <= store.read(lambda state: state.ready_at(PLAN, 0, NOW + 2, 0.0)) <= DATE + 4


async def test_a_full_minute_says_when_it_ends(make: Make) -> None:
    """No eleventh request leaves before the next minute has begun for sure, guard included."""
    store = make()
    await used(store, 10)
    wait = await store.take(Take(11, PLAN), NOW)
    assert (wait.reason, wait.period, wait.limit, wait.certain) == ("minute", "minute", 10, True)
    assert wait.until == DATE + 50
    assert wait.at is not None
    assert NOW + 50 <= wait.at <= NOW + 52.2
    assert await store.take(Take(12, PLAN), wait.at) is None


async def test_what_is_in_flight_counts(make: Make) -> None:
    """In this minute and in the next."""
    store = make()
    await used(store)
    for ticket in range(1, 10):
        assert await store.take(Take(ticket, PLAN), NOW) is None
    wait = await store.take(Take(10, PLAN), NOW)
    assert (wait.certain, wait.in_flight) == (False, 9)
    assert left(store, PLAN, NOW) == {"month": 90, "minute": 0}


async def test_a_full_month_ends_with_the_month(make: Make) -> None:
    """The wait names the next month; it starts by itself."""
    store, plan = make(), Plan(minute=1000, month=3)
    for ticket in range(3):
        assert await store.take(Take(ticket, plan), NOW) is None
        settle(store, ticket, landed())
    wait = await store.take(Take(9, plan), NOW)
    assert (wait.reason, wait.certain, wait.limit) == ("month", True, 3)
    assert wait.until == 1_751_328_000  # 2025-07-01T00:00Z
    assert await store.take(Take(10, plan), wait.at) is None


async def test_the_servers_word_shuts_the_window(make: Make) -> None:
    """Until the end that it names."""
    store = make()
    await used(store, 2)
    assert await store.take(Take(7, PLAN), NOW) is None
    settle(store, 7, landed(accepted=False))
    reject(store, 7, rejection(end=DATE + 50), PLAN, NOW)
    wait = await store.take(Take(8, PLAN), NOW)
    assert (wait.reason, wait.until) == ("throttled", DATE + 50)
    assert left(store, PLAN, NOW)["minute"] == 0


async def test_the_servers_word_on_the_month_corrects_the_count(make: Make) -> None:
    """However little we had counted, nothing leaves in this month any more."""
    store = make()
    await used(store)
    assert await store.take(Take(7, PLAN), NOW) is None
    settle(store, 7, landed(accepted=False))
    reject(store, 7, rejection("month", 100, 1_751_328_000), PLAN, NOW)
    wait = await store.take(Take(8, PLAN), NOW)
    assert (wait.reason, wait.period, wait.until) == ("month", "month", 1_751_328_000)
    assert left(store, PLAN, NOW)["month"] == 0


async def test_a_lower_limit_is_obeyed_and_one_goes_at_a_time(make: Make) -> None:
    """After a rejection nothing is sure, until a later request is accepted."""
    store = make()
    await used(store)
    assert await store.take(Take(7, PLAN), NOW) is None
    settle(store, 7, landed(accepted=False))
    reject(store, 7, rejection(limit=5, end=DATE + 50), PLAN, NOW)
    later = NOW + 60
    assert await store.take(Take(8, PLAN), later) is None
    assert (await store.take(Take(9, PLAN), later)).reason == "doubt"
    settle(store, 8, landed(later))
    for ticket in range(10, 14):
        assert await store.take(Take(ticket, PLAN), later) is None
    assert (await store.take(Take(15, PLAN), later)).limit == 5


async def test_a_share_is_held_back_from_the_classes_below(make: Make) -> None:
    """History may use less of a minute than somebody who waits."""
    store = make()
    await used(store)
    granted = [await store.take(Take(ticket, PLAN, 2), NOW) is None for ticket in range(20, 30)]
    assert granted.count(True) == 7
    assert await store.take(Take(40, PLAN, 0), NOW) is None


@pytest.mark.parametrize("plan", [Plan(), Plan(minute=5), Plan(month=5)])
async def test_only_limited_periods_are_told(make: Make, plan: Plan) -> None:
    """What has no limit has nothing left to tell."""
    limits = {"month": plan.month, "minute": plan.minute}
    assert left(make(), plan, NOW) == {name: n for name, n in limits.items() if n is not None}


async def test_an_alarm_is_raised_once(make: Make) -> None:
    """When 80 % of the month are used up."""
    store, plan = make(), Plan(month=5)
    for ticket in range(4):
        assert await store.take(Take(ticket, plan), NOW) is None
        settle(store, ticket, landed())
    assert warn(store, plan, NOW).used == 4
    await store.sync()
    assert warn(store, plan, NOW) is None


async def test_a_cancelled_take_leaves_nothing_behind(make: Make) -> None:
    """Whether or not it was taken, its caller settles it."""
    store = make()
    await used(store)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.take(Take(50, PLAN), NOW)
    settle(store, 50, Settlement(None, NOW))
    await store.sync(refresh=True)
    assert left(store, PLAN, NOW) == {"month": 99, "minute": 9}
    assert store.read(lambda state: state.snapshot(PLAN, NOW)).in_flight == 0


def test_threads_take_no_more_than_there_is(make: Make) -> None:
    """Limiters in several event loops of one process share a store."""
    store, plan = make(), Plan(minute=50)
    anyio.run(store.take, Take(0, plan), NOW)
    settle(store, 0, landed())
    taken: list[int] = []

    async def take(first: int) -> None:
        tickets = range(first, first + 40)
        taken.extend([ticket for ticket in tickets if await store.take(Take(ticket, plan), NOW) is None])

    threads = [threading.Thread(target=anyio.run, args=(take, 1000 * n)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 49


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 2)),
        st.tuples(st.sampled_from(["landed", "rejected", "lost", "unsent", "month"]), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 7, 20, 61, 300])),
    ),
    max_size=40,
)


@examples(60)
@given(steps=STEPS)
async def test_all_stores_decide_alike(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    """Any row of events leads a file to the decisions that it leads memory to."""
    clock = FakeClock(now=DATE, monotonic=NOW)
    kept, plain = sqlite_store(tmp_path_factory.mktemp("state") / "state.db", clock), MemoryQuotaStore()
    plan, flying = Plan(minute=5, month=30), []
    for store in (kept, plain):
        await used(store)
    for ticket, (event, number) in enumerate(steps, start=100):
        now = clock.monotonic()
        if event == "wait":
            clock.advance(number)
        elif event == "take":
            one, other = [await store.take(Take(ticket, plan, number), now) for store in (kept, plain)]
            assert (one and one.reason) == (other and other.reason)
            flying += [ticket] if one is None else []
        elif flying:
            ended = flying.pop(number % len(flying))
            for store in (kept, plain):
                _end(store, ended, event, plan, now)
        assert left(kept, plan, now) == left(plain, plan, now)
    file_of(kept).release()


def _end(store: Any, ticket: int, event: str, plan: Plan, now: float) -> None:
    if event in ("unsent", "lost"):
        settle(store, ticket, Settlement(None if event == "unsent" else now, now))
        return
    settle(store, ticket, landed(now, accepted=event == "landed"))
    if event != "landed":
        period, limit = ("month", 30) if event == "month" else ("minute", 4)
        reject(store, ticket, rejection(period, limit), plan, now)


# Shared by clients


def test_one_scope_has_one_store() -> None:
    """Two clients with the same key, origin and clock meet in it; others do not."""
    assert shared_store(("key", "origin", 1), MemoryQuotaStore) is shared_store(
        ("key", "origin", 1), MemoryQuotaStore
    )
    assert shared_store(("key", "origin", 1), MemoryQuotaStore) is not shared_store(
        ("key", "origin", 2), MemoryQuotaStore
    )
    assert isinstance(shared_store("any", MemoryQuotaStore), QuotaStore)


def test_a_store_outlives_its_last_client() -> None:
    """A script that opens a client per call must not get a fresh minute each time."""
    name = repr(shared_store("brief", MemoryQuotaStore)), id(shared_store("brief", MemoryQuotaStore))
    gc.collect()
    assert (
        repr(shared_store("brief", MemoryQuotaStore)),
        id(shared_store("brief", MemoryQuotaStore)),
    ) == name


def test_stores_not_used_for_long_are_forgotten_and_used_ones_never() -> None:
    """Memory is bounded by what is in use and the last thousand keys."""
    held = shared_store("held", MemoryQuotaStore)
    dropped = weakref.ref(shared_store("dropped", MemoryQuotaStore))
    stores = [shared_store(("other", n), MemoryQuotaStore) for n in range(MAX_RECENT_STORES)]
    assert shared_store("held", MemoryQuotaStore) is held
    assert len({id(store) for store in stores}) == MAX_RECENT_STORES
    del stores
    gc.collect()
    assert dropped() is None


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_child_process_has_nothing_of_its_parents_in_flight(kind: str, tmp_path: Path) -> None:
    """Not even a lock that a thread of the parent's held."""
    store: Any = (
        MemoryQuotaStore()
        if kind == "memory"
        else sqlite_store(tmp_path / "a.db", FakeClock(now=DATE, monotonic=NOW))
    )
    store.update(lambda state: state.take(Take(1, PLAN), NOW))
    assert left(store, PLAN, NOW)["minute"] == 9
    store.begin_anew()
    assert left(store, PLAN, NOW)["minute"] == 10
