"""Stores: what is shared, by whom, and for how long."""

from __future__ import annotations

import gc
import threading
import weakref

import anyio
import pytest

from enlighten_async.quota import MemoryQuotaStore, Outcome, Plan, QuotaStore, shared_store
from enlighten_async.quota.store import KEPT

DATE = 1_750_000_000


def test_one_scope_has_one_store() -> None:
    """Two clients with the same key, origin and clock meet in it; others do not."""
    assert shared_store(("key", "origin", 1)) is shared_store(("key", "origin", 1))
    assert shared_store(("key", "origin", 1)) is not shared_store(("key", "origin", 2))
    assert isinstance(shared_store("any"), QuotaStore)


def test_a_store_outlives_its_last_client() -> None:
    """A script that opens a client per call must not get a fresh minute each time."""
    name = repr(shared_store("brief")), id(shared_store("brief"))
    gc.collect()
    assert (repr(shared_store("brief")), id(shared_store("brief"))) == name


def test_stores_not_used_for_long_are_forgotten_and_used_ones_never() -> None:
    """Memory is bounded by what is in use and the last thousand keys."""
    held = shared_store("held")
    dropped = weakref.ref(shared_store("dropped"))
    stores = [shared_store(("other", n)) for n in range(KEPT)]
    assert shared_store("held") is held
    assert len({id(store) for store in stores}) == KEPT
    del stores
    gc.collect()
    assert dropped() is None


def test_threads_take_no_more_than_there_is() -> None:
    """Limiters in several event loops of one process share a store."""
    store, plan = MemoryQuotaStore(), Plan(minute=50)
    anyio.run(store.take, 0, plan, 0.0)
    store.settle(0, Outcome(0.0, 0.1, landed=True, accepted=True, date=DATE))
    taken: list[int] = []

    async def take(first: int) -> None:
        tickets = range(first, first + 100)
        taken.extend([ticket for ticket in tickets if await store.take(ticket, plan, 1.0) is None])

    threads = [threading.Thread(target=anyio.run, args=(take, 1000 * n)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 49


@pytest.mark.parametrize("plan", [Plan(), Plan(minute=5), Plan(month=5)])
def test_only_limited_periods_are_told(plan: Plan) -> None:
    """What has no limit has nothing left to tell."""
    left = MemoryQuotaStore().left(plan, 0.0)
    assert left == {name: n for name, n in (("month", plan.month), ("minute", plan.minute)) if n is not None}
