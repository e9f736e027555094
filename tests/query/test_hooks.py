"""Hooks: each request is told of once before and once after, with its cost, and no secret is in it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import pytest
import respx

from enlighten_async import (
    EnlightenClient,
    InputError,
    RequestEvent,
    ResponseEvent,
    RetryPolicy,
    ServerError,
    TransportError,
    Window,
)
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Fault, Quota
from enlighten_async.query.hooks import described
from enlighten_async.wire import Request
from tests.world import API_KEY, World


class Watched:
    """The events of a client, in order."""

    def __init__(self) -> None:
        self.events: list[RequestEvent] = []

    @property
    def options(self) -> dict[str, Callable[[Any], object]]:
        """The options of a client that is watched."""
        return {"on_request": self.events.append, "on_response": self.events.append}

    @property
    def done(self) -> list[ResponseEvent]:
        """The events of ends."""
        return [event for event in self.events if isinstance(event, ResponseEvent)]

    def told(self, *names: str) -> list[tuple[object, ...]]:
        """Return attributes of the events of ends."""
        return [tuple(getattr(event, name) for name in names) for event in self.done]


async def test_a_request_is_told_before_and_after() -> None:
    """The question, the wait, the result and the cost."""
    world, watched = World(latency=0.5), Watched()
    day = await world.client(**watched.options).rgm_stats(world.system, **world.days(1))
    before, after = watched.events
    assert type(before) is RequestEvent
    assert (before.endpoint, before.system_id, before.window) == ("rgm_stats", world.system, day.window)
    assert (before.method, before.attempt, before.waited) == ("GET", 1, 0.0)
    start = f"start_at={day.window.start}&end_at={day.window.end}"
    assert before.url == f"https://api.enphaseenergy.com/api/v2/systems/{world.system}/rgm_stats?{start}"
    assert isinstance(after, ResponseEvent)
    assert (after.status, after.cost, after.from_cache, after.error) == (200, 1, False, None)
    assert after.seconds == pytest.approx(0.5)
    assert after.at == before.at == datetime.fromtimestamp(world.clock.now() - 0.5, UTC)


async def test_each_request_of_a_year_is_told() -> None:
    """53 before, 53 after, and the wait for the plan's minutes adds up to that of the receipt."""
    world, watched = World(quota=Quota.WATT), Watched()
    year = await world.client(plan=None, **watched.options).rgm_stats(world.system, **world.days(365))
    assert len(watched.events) == 2 * year.receipt.sent == 2 * world.emulator.counts.sent
    assert sum(event.cost for event in watched.done) == year.receipt.sent
    assert sum(event.waited for event in watched.done) == pytest.approx(sum(year.receipt.waited.values()))
    assert sum(event.waited for event in watched.done) > 240


async def test_failures_and_repeats_are_told() -> None:
    """A reset, a 500 and the answer: three attempts of one request, each of which cost one."""
    world, watched = World(), Watched()
    world.emulator.inject(Fault.drop(), Fault(status=500, body="{}"))
    await world.client(**watched.options).rgm_stats(world.system, **world.days(1))
    assert watched.told("attempt", "status", "error", "cost") == [
        (1, None, "TransportError", 1),
        (2, 500, "ServerError", 1),
        (3, 200, None, 1),
    ]


async def test_a_rejection_is_told() -> None:
    """It names its error; the plan of the client is too large."""
    world, watched = World(quota=Quota(1, None, "Tiny")), Watched()
    client = world.client(**watched.options)
    for _ in range(2):
        await client.rgm_stats(world.system, **world.days(1))
    assert ("Throttled", 409, 1) in watched.told("error", "status", "attempt")
    assert watched.told("error", "attempt")[-1] == (None, 2)


async def test_what_did_not_leave_costs_nothing() -> None:
    """A host that has no such port: no response, and the service counted none."""
    watched = Watched()
    client = EnlightenClient(
        "key", "user", base_url="http://127.0.0.1:9/api/v2", retry=RetryPolicy(attempts=1), **watched.options
    )
    async with client:
        with pytest.raises(TransportError):
            await client.summary(1765)
    assert watched.told("status", "cost", "error", "from_cache") == [(None, 0, "TransportError", False)]


async def test_a_cancelled_request_is_told() -> None:
    """It left, so it cost one; what ended it is named."""
    world, watched = World(latency=10.0), Watched()
    with world.clock.move_on_after(1):
        await world.client(**watched.options).summary(world.system)
    ((status, cost, error, seconds),) = watched.told("status", "cost", "error", "seconds")
    assert (status, cost, seconds) == (None, 1, pytest.approx(1.0))
    assert str(error).startswith("Cancelled")


async def test_what_was_paid_for_before_is_told_as_such() -> None:
    """The cached parts of the same range, in order; no request was about to leave."""
    world, watched = World(), Watched()
    end = world.clock.now() // 604_800 * 604_800 - 8 * 604_800
    old = {"start_at": end - 604_800, "end_at": end}
    client = world.client(interval_cache=MemoryCache(), **watched.options)
    for _ in range(2):
        await client.rgm_stats(world.system, **old)
    before, sent, *cached = watched.events
    assert (type(before), sent.window) == (RequestEvent, Window(int(end) - 604_800, int(end)))
    assert cached == watched.done[1:]
    assert {(part.from_cache, part.cost, part.seconds, part.status) for part in watched.done[1:]} == {
        (True, 0, 0.0, None)
    }
    assert sum(part.window.seconds for part in cached if part.window) == 604_800
    assert str(cached[0]).endswith("UTC: from cache")


async def test_a_part_of_anothers_request_is_told_as_such() -> None:
    """Two queries at the same time: one request, and one part that took none."""
    world, watched = World(latency=1.0), Watched()
    client = world.client(**watched.options)

    async def ask() -> None:
        await client.rgm_stats(world.system, **world.days(1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        tasks.start_soon(ask)
    assert sorted(watched.told("from_cache", "cost")) == [(False, 1), (True, 0)]
    assert world.emulator.counts.sent == 1


async def test_views_tell_the_same_hooks() -> None:
    """They share the session of their client."""
    world, watched = World(), Watched()
    await world.client(**watched.options).with_options(priority="poll", max_wait=5).summary(world.system)
    assert len(watched.events) == 2


async def test_an_error_of_a_hook_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A request is paid for, whatever its observers do."""
    world = World()

    def fails(_: RequestEvent) -> None:
        raise KeyError("mine")

    day = await world.client(on_request=fails, on_response=fails).rgm_stats(world.system, **world.days(1))
    assert day.coverage.complete
    assert [record.getMessage().partition("=")[0] for record in caplog.records if record.exc_info] == [
        "on_request",
        "on_response",
    ]


async def later(_: RequestEvent) -> None:
    """Be no hook: it would have to be awaited."""


class Later:
    """No hook either."""

    async def __call__(self, _: RequestEvent) -> None:
        """Be no hook: it would have to be awaited."""


@pytest.mark.parametrize("hook", [later, Later(), 3, "print"])
@pytest.mark.parametrize("name", ["on_request", "on_response"])
def test_what_is_no_plain_function_is_refused(name: str, hook: Any) -> None:
    """At once, and not at the first request."""
    with pytest.raises(InputError, match=f"{name} must be a function that is not async"):
        World().client(**{name: hook})


# Secrets


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_no_event_holds_a_secret(version: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither key, user id nor token, nor does the log that is made of them."""
    caplog.set_level(logging.DEBUG, "enlighten_async")
    world, watched = World(), Watched()
    client = world.v4(**watched.options) if version == "v4" else world.client(**watched.options)
    await client.systems()
    await client.summary(world.system)
    world.emulator.inject(Fault(status=500, body="{}", times=9))
    with pytest.raises(ServerError):
        await client.rgm_stats(world.system)
    texts = [
        repr(watched.events),
        *map(str, watched.events),
        caplog.text,
        *map(str, vars(caplog.records[-1])),
    ]
    assert len(watched.events) >= 6
    assert not any(secret in text for secret in (API_KEY, world.emulator.demo_user, "eyJ") for text in texts)


# The log


async def test_the_log_tells_each_request(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, without hooks: the question, the result and the cost in a line; the event beside it."""
    world = World(latency=0.25)
    world.emulator.inject(Fault(status=500, body="{}"))
    caplog.set_level(logging.DEBUG, "enlighten_async")
    window = (await world.client().rgm_stats(world.system, **world.days(1))).window
    records = [record for record in caplog.records if hasattr(record, "event")]
    span = f"{window.start_at:%Y-%m-%d %H:%M} to {window.end_at:%Y-%m-%d %H:%M} UTC"
    assert [record.getMessage() for record in records] == [
        f"GET rgm_stats of system 1765, {span}: 500 (ServerError) in 250 ms, cost 1",
        f"GET rgm_stats of system 1765, {span}: 200 in 250 ms, cost 1, attempt 2",
    ]
    assert [record.event.status for record in records] == [500, 200]  # type: ignore[attr-defined]


async def test_the_log_is_silent_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    """No event is made that nobody wants."""
    caplog.set_level(logging.INFO, "enlighten_async")
    world = World()
    await world.client().summary(world.system)
    assert not [record for record in caplog.records if hasattr(record, "event")]


@pytest.mark.parametrize(
    ("path", "params", "system"),
    [
        ("/systems/1765/summary", (), 1765),
        ("/systems/1765", (), 1765),
        ("/systems/config/1765/grid_status", (), 1765),
        ("/systems/1765/ev_charger/2024/sessions", (), 1765),
        ("/systems", (("limit", "100"),), None),
        ("/systems/search", (), None),
        ("/systems/inverters_summary_by_envoy_or_site", (("site_id", "66"),), 66),
        ("/systems/event_types", (), None),
    ],
)
def test_the_system_is_that_of_the_request(path: str, params: Any, system: int | None) -> None:
    """From its path, or from the parameter that names a site."""
    request: Request[None] = Request("any", path, params, lambda _: None, window=Window(900, 1800))
    about = described(request, "https://one.test/api/v4", 1_750_000_000.0)
    assert about["system_id"] == system
    assert about["url"].startswith(f"https://one.test/api/v4{path}")


async def test_mocked_requests_are_told(respx_mock: respx.MockRouter) -> None:
    """By respx too."""
    watched = Watched()
    respx_mock.get(path__regex="summary").mock(return_value=httpx.Response(200, json={"system_id": 1765}))
    async with EnlightenClient("key", "user", **watched.options) as client:
        await client.summary(1765)
    assert watched.told("status", "cost") == [(200, 1)]
