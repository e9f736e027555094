"""Quota stores and caches that users bring and that fail: told in our words, and nothing paid for is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from enlighten_async import EnlightenClient, EnlightenError, Plan, UsageError
from enlighten_async.cache import MemoryCache
from enlighten_async.errors import ServerError, TransportError, Unavailable
from enlighten_async.limiter import MemoryQuotaStore
from tests.world import World


class Broken:
    """An object of the user's over one of ours; methods of these names fail."""

    def __init__(self, inner: Any, *broken: str) -> None:
        self.inner = inner
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


class Breaking(httpx.AsyncBaseTransport):
    """The way to a service, on which methods of a store begin to fail while a request is on its way."""

    def __init__(self, inner: httpx.AsyncBaseTransport, store: Broken, *methods: str) -> None:
        self.inner = inner
        self.store = store
        self.methods = set(methods)
        self.remove_date = False
        self.sent = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Break the store, and answer."""
        self.sent += 1
        self.store.broken |= self.methods
        response = await self.inner.handle_async_request(request)
        if self.remove_date:
            del response.headers["date"]
        return response


FAILING = [("update",), ("read",), ("update", "read"), ("update", "read", "take", "sync")]


def breaking(version: str, methods: tuple[str, ...]) -> tuple[World, Broken, Breaking, EnlightenClient]:
    """Return a service, a store that begins to fail at the first request, and a client of both."""
    world, store = World(), Broken(MemoryQuotaStore())
    way = Breaking(world.emulator.transport(), store, *methods)
    make = world.client if version == "v2" else world.v4
    return world, store, way, make(quota_store=store, transport=way, plan=Plan(minute=1000, month=1000))


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("methods", FAILING)
async def test_a_store_that_fails_while_an_answer_is_settled_does_not_cost_it(
    version: str, methods: tuple[str, ...], dated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so once; the next call is told, with nothing sent; then all that was spent is counted."""
    world, store, way, client = breaking(version, methods)
    way.remove_date = not dated
    async with client:
        answer = await client.rgm_stats(world.system, **world.days(3))
        assert answer.coverage.complete
        assert [each.levelname for each in caplog.records].count("WARNING") == 1
        for _ in range(2):
            with pytest.raises(UsageError, match=r"Broken\.(update|read|take) raised LookupError"):
                await client.summary(world.system)
        assert way.sent == 1
        assert caplog.text.count("raised LookupError") == 1
        store.broken = way.methods = set()
        assert await client.summary(world.system)
        assert (await client.quota()).month.used == way.sent == 2
        assert (await client.quota()).in_flight == 0
    assert "CANARY" not in caplog.text


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("methods", [each for each in FAILING if "update" in each])
async def test_the_parts_that_came_before_a_store_failed_are_kept(
    version: str, methods: tuple[str, ...]
) -> None:
    """Of an awaited query in the error; those of a stream were handed out."""
    world, store, way, client = breaking(version, methods)
    async with client.with_options() as view:
        with pytest.raises(UsageError) as caught:
            await view.rgm_stats(world.system, **world.days(20))
        assert caught.value.partial.coverage.got > 500
        assert way.sent == 1
    async with client:
        store.broken = set()
        stream = aiter(client.rgm_stats(world.system, **world.days(20)))
        assert (await anext(stream)).coverage.complete
        with pytest.raises(UsageError):
            await anext(stream)
        assert way.sent == 2
        store.broken = way.methods = set()
        assert (await client.rgm_stats(world.system, **world.days(20))).coverage.complete
        assert (await client.quota()).month.used == way.sent


@pytest.mark.parametrize("methods", FAILING)
@pytest.mark.parametrize("status", [500, 503, None])
async def test_a_failure_is_told_by_its_own_name_though_the_store_fails_too(
    methods: tuple[str, ...], status: int | None
) -> None:
    """Of the service, or no answer at all; that of the store, which allows no repeat, is among the causes."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if status is None:
            raise httpx.ReadError("reset", request=request)
        return httpx.Response(status, json={"message": "no"})

    world, store = World(), Broken(MemoryQuotaStore())
    way = Breaking(httpx.MockTransport(answer), store, *methods)
    async with world.v4(quota_store=store, transport=way, oauth=world.oauth()) as client:
        with pytest.raises(EnlightenError) as caught:
            await client.with_options(max_wait=5.0).summary(world.system)
    assert isinstance(caught.value, ServerError | Unavailable | TransportError)
    assert way.sent == 1 or methods == ("read",)
    causes = [each for each in caught.value.causes if isinstance(each, UsageError)]
    assert [type(each.__cause__) for each in causes] == [LookupError] * (way.sent == 1)


@pytest.mark.parametrize("repaired", [True, False])
async def test_a_store_that_fails_until_the_close_is_told_by_the_log(
    repaired: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """And what it has not taken is given to it where it can be used by then."""
    world, store, way, client = breaking("v2", ("update",))
    async with client:
        assert await client.summary(world.system)
        if repaired:
            store.broken = way.methods = set()
    left = store.inner.read(lambda state: state.left(Plan(month=10), world.clock.monotonic()))
    assert left == {"month": 9}
    assert store.inner.read(lambda state: len(state._pending)) == (0 if repaired else 1)
    assert caplog.text.count("raised LookupError") == 1
