"""Quota stores and caches that users bring and that fail: told in our words, and nothing paid for is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from enlighten_async import UsageError
from enlighten_async.cache import MemoryCache
from enlighten_async.limiter import MemoryQuotaStore
from tests.world import World


class Broken:
    """An object of the user's over one of ours; methods of these names fail."""

    def __init__(self, inner: Any, *broken: str) -> None:
        self.broken = set(broken)
        for name in dir(inner):
            if not name.startswith("_") and callable(method := getattr(inner, name)):
                setattr(self, name, partial(self._call, name, method))

    def _call(self, name: str, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if name in self.broken:
            raise LookupError("secret-CANARY")
        return method(*args, **options)


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("method", ["spans", "reply", "get", "take", "read", "update"])
async def test_its_error_becomes_ours_with_the_users_as_the_cause(version: str, method: str) -> None:
    """Named by class, method and kind of the error, without its text; asked for again, it goes on."""
    world = World()
    cache, store = Broken(MemoryCache()), Broken(MemoryQuotaStore())
    make = world.client if version == "v2" else world.v4
    client = make(interval_cache=cache, quota_store=store)
    if method == "get":
        await client.rgm_stats(world.system, **world.days(20))
    cache.broken = store.broken = {method}

    async def ask() -> Any:
        if method == "reply":
            return await client.summary(world.system)
        return await client.rgm_stats(world.system, **world.days(20))

    with pytest.raises(UsageError, match=rf"Broken\.{method} raised LookupError") as caught:
        await ask()
    assert "CANARY" not in str(caught.value)
    assert isinstance(caught.value.__cause__, LookupError)
    cache.broken = store.broken = set()
    assert (await ask()).coverage.complete if method != "reply" else await ask()


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("method", ["put", "put_reply", "flush", "sync"])
async def test_an_answer_that_is_paid_for_is_given_all_the_same(
    version: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log tells that it may not be kept."""
    world = World()
    cache, store = Broken(MemoryCache(), method), Broken(MemoryQuotaStore(), method)
    make = world.client if version == "v2" else world.v4
    async with make(interval_cache=cache, quota_store=store) as client:
        assert (await client.rgm_stats(world.system, **world.days(1))).coverage.complete
        assert await client.summary(world.system)
    assert f"Broken.{method} raised LookupError" in caplog.text
    assert "CANARY" not in caplog.text
