"""Stores: what is shared, by whom, and for how long."""

from __future__ import annotations

import gc
import weakref

from enlighten_async.limiter import QuotaStore, shared_store
from enlighten_async.limiter.store import MAX_RECENT_STORES


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
    stores = [shared_store(("other", n)) for n in range(MAX_RECENT_STORES)]
    assert shared_store("held") is held
    assert len({id(store) for store in stores}) == MAX_RECENT_STORES
    del stores
    gc.collect()
    assert dropped() is None
