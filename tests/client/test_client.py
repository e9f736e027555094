"""Clients: made, closed, and seen with other options."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async import BudgetExceeded, EnlightenClient, InputError, Plan, RetryPolicy, UsageError
from enlighten_async.api.v2 import ApiV2
from enlighten_async.api.v4 import ApiV4
from enlighten_async.cache import MemoryCache
from enlighten_async.cache.pieces import DEVICE_LAG_S
from enlighten_async.clock import SystemClock
from enlighten_async.oauth import MemoryTokenStore, OAuth, Tokens
from enlighten_async.windows import as_datetime
from tests.world import World

NOTHING = [None, 5, b"x", "", object(), Plan.WATT]
HOST = "https://api.enphaseenergy.com"
WRONG: dict[str, list[Any]] = {
    "key": [*NOTHING, "a\n", "a key"],
    "user": [*NOTHING, "a\n"],
    "base_url": [None, 5, "", HOST, f"{HOST}/", f"{HOST}/api", f"{HOST}/api/v3", f"{HOST}/api/v", "v4"],
    "plan": ["watt", "Watt", 5, Plan, object()],
    "state": [5, b"x", "", object()],
    "quota_store": [5, "store", object(), MemoryTokenStore()],
    "interval_cache": [5, "cache", object()],
    "retry": [3, "often", RetryPolicy],
    "timeout": [0, -1, "30", True, float("nan"), float("inf"), 10**30, 1e300, timedelta(seconds=5)],
    "max_concurrency": [0, -1, 1.5, True, "3", None, float("inf"), 10**30],
    "clock": [5, SystemClock, object(), time],
    "transport": [5, httpx.AsyncHTTPTransport, httpx.HTTPTransport(), httpx.AsyncClient()],
    "verify": [5, None, b"x", "", object()],
    "proxy": [5, b"http://h", object(), "h:port"],
}


@pytest.mark.parametrize(("option", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_bad_client_is_refused_when_it_is_made(world: World, version: str, option: str, value: Any) -> None:
    """In our own words, which name the option; a key is not shown."""
    make = world.client if version == "v2" else world.v4
    if option == "user" and not value:
        value = "\n"  # the world has one
    if option == "proxy":  # a transport takes the place of the network
        make = partial(make, transport=None, oauth=OAuth("i", "s", tokens=MemoryTokenStore()))
        make = make if version == "v4" else partial(world.client, transport=None)
    with pytest.raises(InputError) as caught:
        make(**{option: value})
    names = {"key": "api_key", "user": "user_id", "proxy": "proxy"}
    assert names.get(option, option) in str(caught.value)
    assert "a key" not in str(caught.value)


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_base_url_without_its_version_is_told_how_it_should_read(world: World, version: str) -> None:
    """Also where it is the service's own host."""
    make = world.client if version == "v2" else world.v4
    with pytest.raises(InputError, match=f"such as {HOST}/api/{version}, not {HOST}$"):
        make(base_url=f"{HOST}/")


@pytest.mark.parametrize("oauth", [None, 5, OAuth, "tokens.json", MemoryTokenStore()])
def test_a_client_of_v4_needs_an_oauth(oauth: Any) -> None:
    """The text says how to make one."""
    with pytest.raises(InputError, match=r"such as OAuth\(client_id"):
        EnlightenClient.v4("key", oauth=oauth)


def test_an_option_that_there_is_not_is_named(world: World) -> None:
    """By the error that Python has for it."""
    for make in (world.client, world.v4):
        with pytest.raises(TypeError, match=r"EnlightenClient\(\) got .*'max_waiting': it takes base_url, "):
            make(max_waiting=5)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[
            ("max_wait", value)
            for value in (-1, "5", True, float("nan"), float("inf"), 10**30, timedelta(seconds=-1))
        ],
        *[("max_age", value) for value in (-1, "5", True, float("nan"), float("inf"), timedelta(seconds=-1))],
        *[("max_requests", value) for value in (-1, 1.5, True, "3", 10**30)],
        *[("exhaustive", value) for value in (1, "no", None)],
        *[("priority", value) for value in (None, [], "high", 1)],
        *[("only_cached", value) for value in (1, "no", None)],
        *[("stale_if_error", value) for value in (-1, "5", True, float("inf"))],
        *[("user_id", value) for value in (5, "", b"x")],
    ],
)
def test_a_bad_view_is_refused_when_it_is_made(world: World, option: str, value: Any) -> None:
    """In our own words, which name the option."""
    for client in (world.client(), world.v4()):
        with pytest.raises(InputError, match=option):
            client.with_options(**{option: value})


async def test_a_length_of_time_is_seconds_or_a_timedelta(world: World) -> None:
    """The same for waiting as for the age of an answer."""
    client = world.client(plan=Plan(minute=1))
    await client.systems()
    for wait in (5, 5.0, timedelta(seconds=5)):
        with pytest.raises(BudgetExceeded):
            await client.with_options(max_wait=wait, max_age=timedelta(0)).systems()


async def test_a_closed_client_says_so(world: World) -> None:
    """Use after closing is our own error, and costs nothing."""
    client = world.client()
    async with client.with_options(max_wait=60):
        pass
    await client.systems()
    await client.aclose()
    with pytest.raises(UsageError, match="closed"):
        await client.rgm_stats(world.system, **world.days(30))
    assert world.emulator.counts.sent == 1


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_a_client_of_the_parent_process_is_refused(world: World, version: str) -> None:
    """Its connections are the parent's: nothing is sent over them, and none is closed."""
    client = (world.client if version == "v2" else world.v4)()
    async with client:
        await client.rgm_stats(world.system)
        client._session.transport.process = -1
        with pytest.raises(UsageError, match="open one in this process"):
            await client.rgm_stats(world.system, **world.quarter(3))
        await client.aclose()
        client._session.transport.process = os.getpid()
        await client.rgm_stats(world.system, **world.quarter(3))
    assert world.emulator.counts.sent == 2


class FullDisk(MemoryTokenStore):
    """A store without room for tokens, until there is some."""

    is_full = False

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens, if there is room."""
        if self.is_full:
            raise OSError(28, "No space left on device")
        await super().save(account, tokens)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("broken", [False, True])
async def test_tokens_that_could_not_be_saved_are_saved_at_the_close(
    world: World, broken: bool, cancelled: bool
) -> None:
    """Also where something else fails at the close, and where the program is being ended."""
    store, now = FullDisk(), world.clock.now()

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            tokens = {"access_token": "a1", "refresh_token": "r1", "expires_in": 86_400}
            return httpx.Response(200, json=tokens if request.method == "POST" else {"system_id": 7})

        async def aclose(self) -> None:
            if broken:
                raise OSError("no way to close it")

    await store.save("default", Tokens("a0", "r0", now - 5, now - 86_400))
    store.is_full, transport = True, Transport()
    oauth = OAuth("client", "secret", tokens=store, transport=transport, clock=world.clock)
    client = world.v4(user="default", oauth=oauth, transport=transport)
    await client.summary(7)
    store.is_full = False
    with anyio.CancelScope() as scope:
        if cancelled:
            scope.cancel()
        if broken:
            with pytest.raises(OSError, match="no way"):
                await client.aclose()
        else:
            await client.aclose()
    kept = await store.load("default")
    assert kept is not None
    assert kept.reveal()["refresh_token"] == "r1"


@pytest.mark.parametrize(
    ("ages", "kept", "warned"),
    [([900], False, 1), ([900, 60], False, 1), ([None, 0], False, 0), ([0, 1], False, 1), ([900], True, 0)],
)
async def test_an_age_without_anything_to_keep_answers_in_is_told_once(
    caplog: pytest.LogCaptureFixture, ages: list[float | None], kept: bool, warned: int
) -> None:
    """Whichever view asks for it; `max_age=0` needs no cache."""
    async with World().client(interval_cache=MemoryCache() if kept else None) as client:
        for max_age in ages:
            client.with_options(max_age=max_age).with_options(max_requests=9)
    assert sum("max_age has no effect" in text for text in caplog.messages) == warned


def served(version: str, transport: httpx.AsyncBaseTransport) -> EnlightenClient:
    """Return a client by the system's clock, as threads and second loops have no other."""
    plan = Plan(minute=1000)
    if version == "v2":
        return EnlightenClient("key", "user", transport=transport, plan=plan)
    tokens, now = MemoryTokenStore(), time.time()
    tokens._tokens["default"] = Tokens("a", "r", now + 86_400, now)
    oauth = OAuth("client", "secret", tokens=tokens, transport=transport)
    return EnlightenClient.v4("key", oauth=oauth, transport=transport, plan=plan)


async def enter(client: EnlightenClient) -> None:
    """Use it in `async with`."""
    async with client:
        pass


async def stream(client: EnlightenClient) -> None:
    """Take the parts of an answer one after another."""
    async for _ in client.summary(7):
        pass


async def estimate(client: EnlightenClient) -> None:
    """Ask for a price, which costs nothing."""
    await client.rgm_stats(7, start_at=1_700_000_100, end_at=1_700_001_000).estimate()


async def ask(client: EnlightenClient) -> None:
    """Await an answer."""
    await client.summary(7)


USES: list[Callable[[EnlightenClient], Coroutine[Any, Any, object]]] = [
    ask,
    stream,
    estimate,
    enter,
    EnlightenClient.quota,
    EnlightenClient.forget_limits,
    lambda client: client.set_month_used(5),
    EnlightenClient.aclose,
    lambda client: ask(client.with_options(max_wait=5)),
]


def in_a_thread(work: Callable[[], object]) -> BaseException | None:
    """Do some work in a thread; return what it raised, and fail where it does not end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it hangs"
    return raised[0] if raised else None


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("version", ["v2", "v4"])
def test_a_client_is_refused_in_a_second_loop(version: str, use: Any) -> None:
    """At once, whether the first loop is over or is another thread's and waits for an answer at the time."""
    sent: list[httpx.Request] = []
    arrived, go_on = threading.Event(), threading.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        arrived.set()
        while not go_on.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.005)
        return httpx.Response(200, json={"system_id": 7})

    client = served(version, httpx.MockTransport(answer))
    first = threading.Thread(target=asyncio.run, args=(ask(client),), daemon=True)
    first.start()
    assert arrived.wait(10)
    for _ in range(2):
        raised = in_a_thread(lambda: asyncio.run(use(client)))
        assert isinstance(raised, UsageError)
        assert "another event loop" in str(raised)
        go_on.set()
        first.join(10)
    assert len(sent) == 1


def test_of_many_threads_at_once_one_has_the_client() -> None:
    """The others are refused: none hangs, none fails in another way."""

    async def answer(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)
        return httpx.Response(200, json={"system_id": 7})

    client = served("v2", httpx.MockTransport(answer))
    barrier, outcomes = threading.Barrier(8), list[Any]()

    def run() -> None:
        barrier.wait(10)
        try:
            asyncio.run(ask(client))
        except BaseException as error:  # noqa: BLE001 - looked at below
            outcomes.append(error)
        else:
            outcomes.append(None)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert outcomes.count(None) == 1
    assert [type(each) for each in outcomes if each] == [UsageError] * 7


def test_an_answer_is_the_same_in_any_loop() -> None:
    """It costs nothing any more."""
    client = served("v2", httpx.MockTransport(lambda _: httpx.Response(200, json={"system_id": 7})))
    query = client.summary(7)

    async def answer() -> object:
        return await query

    assert asyncio.run(answer()) is asyncio.run(answer())


@pytest.mark.parametrize("kept", ["file", "memory", "own"])
@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_up_to_when_systems_are_held(tmp_path: Path, kept: str, version: str) -> None:
    """Those of this user alone, by a look that costs no request: in a file, memory or their own."""
    world = World()
    options: dict[str, Any] = {"state": tmp_path / "state.db"} if kept == "file" else {}
    if kept != "file":
        options["interval_cache"] = MemoryCache() if kept == "memory" else type("Own", (MemoryCache,), {})()
    make = world.client if version == "v2" else world.v4
    demo, now = world.emulator.demo_system, world.clock.now()
    async with make(**options) as client:
        assert await client.held("rgm_stats") == {}
        answer = await client.rgm_stats(demo, start_at=now - 86_400, end_at=now)
        sent = len(world.emulator.log)
        found = await client.held("rgm_stats", [f"{demo}", 99])
        assert list(found) == [demo, 99]
        until = found[demo]
        assert until is not None
        assert answer.meta is not None
        assert answer.meta.reported_until is not None
        assert until == min(
            as_datetime(answer.window.end), answer.meta.reported_until - timedelta(seconds=DEVICE_LAG_S)
        )
        assert found[99] is None
        assert await client.held("rgm_stats") == {demo: until}
        assert await client.held("stats") == {}
        assert await client.held("stats", [demo]) == {demo: None}
        assert await client.with_options(user_id="somebody").held("rgm_stats") == {}
        assert len(world.emulator.log) == sent
        for endpoint, ids in (("summary", None), ("", None), (5, None), ("stats", ["x"]), ("stats", [0])):
            with pytest.raises(InputError, match="series, one of|system_id must be"):
                await client.held(endpoint, ids)  # type: ignore[arg-type]
        for one in (demo, f"{demo}", b"1765"):  # a text would be a system for each digit
            with pytest.raises(InputError, match="system_ids must be several numbers"):
                await client.held("stats", one)  # type: ignore[arg-type]
    async with make() as client:
        with pytest.raises(InputError, match="nothing is cached: give the client state="):
            await client.held("rgm_stats")


@pytest.mark.parametrize("version", ["v2", "v4"])
def test_every_cached_series_is_told(version: str) -> None:
    """The methods that ask for a range of one system, or device, but for what is cached page by page."""
    api: Any = (ApiV2 if version == "v2" else ApiV4)()
    names = {name for name in dir(api) if "range_" in _parameters(getattr(api, name))}
    assert names - {"micros_telemetry"} == set(api.cached_series)


def _parameters(method: object) -> list[str]:
    return list(inspect.signature(method).parameters) if inspect.ismethod(method) else []
