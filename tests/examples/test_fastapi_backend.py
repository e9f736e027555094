"""The FastAPI backend: logins, errors as HTTP, cached answers, streams, and who goes away."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async import EnlightenClient, MemoryTokenStore, OAuth, Plan, RetryPolicy, RgmStats
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.testing import EmulatorTokenStore

pytestmark = pytest.mark.backends
pytest.importorskip("fastapi")

from examples.fastapi_backend import app as example  # noqa: E402

ANNA = {"X-Tenant": "anna"}


@pytest.fixture
def anyio_backend() -> str:
    """FastAPI runs on asyncio."""
    return "asyncio"


class Site:
    """The application, a browser at it, and the service behind it."""

    def __init__(self, *, logged_in: bool = True, plan: Plan | None = None, **settings: Any) -> None:
        settings.setdefault("quota", Quota.UNLIMITED)
        self.emulator = Emulator(**settings)
        self.here: example.Backend
        self.browser: httpx.AsyncClient
        tokens = EmulatorTokenStore(self.emulator) if logged_in else MemoryTokenStore()
        way = {"transport": self.emulator.transport()}
        oauth = OAuth("client", "secret", tokens=tokens, redirect_uri="http://app.test/callback", **way)
        client = EnlightenClient.v4(
            "key",
            oauth=oauth,
            plan=plan or Plan(minute=10_000),
            interval_cache=MemoryCache(),
            retry=RetryPolicy(attempts=1),
            **way,
        )
        self.here = example.Backend(oauth, client)
        self.app = example.create_app(lambda: self.here)

    @property
    def energy(self) -> str:
        """Where the energy of the demo system is told."""
        return f"/systems/{self.emulator.demo_system}/energy"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[httpx.AsyncClient]:
        """Start the application, and open a browser."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with (
            self.app.router.lifespan_context(self.app),
            httpx.AsyncClient(transport=transport, base_url="http://app.test", headers=ANNA) as browser,
        ):
            yield browser


async def test_an_owner_logs_in_and_sees_the_systems() -> None:
    """From a first answer that asks for it, over the service's page, back to the list."""
    site = Site(logged_in=False)
    async with site.open() as browser:
        refused = await browser.get("/systems")
        assert (refused.status_code, refused.json()["login"]) == (403, "/login")
        page = await browser.get("/login")
        async with httpx.AsyncClient(transport=site.emulator.transport()) as at_service:
            back = (await at_service.get(page.headers["location"])).headers["location"]
        assert back.startswith("http://app.test/callback?")
        done = await browser.get(back)
        assert (done.status_code, done.headers["location"]) == (303, "/systems")
        systems = (await browser.get("/systems")).json()
    truth = site.emulator.truth.systems(site.emulator.demo_user)
    assert [each["system_id"] for each in systems] == [each.system_id for each in truth]


async def test_a_callback_that_nobody_began_is_refused() -> None:
    """Nothing is sent, and no tokens are saved."""
    site = Site(logged_in=False)
    async with site.open() as browser:
        answer = await browser.get("/callback?code=abc&state=x")
    assert (answer.status_code, answer.json()["error"]) == (422, "InputError")
    assert not site.emulator.log


async def test_energy_is_asked_for_once_and_old_figures_stand_in() -> None:
    """The second owner finds it in the cache; in an outage the figures come with the problem."""
    site = Site()
    async with site.open() as browser:
        first = (await browser.get(site.energy)).json()
        sent = site.emulator.counts.sent
        assert (await browser.get(site.energy)).json() == first
        assert site.emulator.counts.sent == sent
        assert 1 <= len(first["hours"]) <= 49
        assert first["problem"] is None
        stale = site.here.interactive("anna").with_options(max_age=None)
        site.here.interactive = lambda tenant: stale  # type: ignore[method-assign]
        site.emulator.inject(Fault(status=500, body="{}", times=math.inf))
        old = (await browser.get(site.energy)).json()
    assert old["hours"] == first["hours"]
    assert old["problem"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(status=500, body="{}", times=9), 502),
        (Fault(status=404, body='{"reason": "404"}', times=9), 404),
        (Fault(dropped=True, times=9), 502),
        (Fault(status=503, body="{}", times=9), 503),
    ],
)
async def test_errors_have_a_status(fault: Fault, status: int) -> None:
    """And a body in JSON; a stream that cannot begin as well."""
    site = Site()
    site.emulator.inject(fault)
    async with site.open() as browser:
        for path in (site.energy, f"{site.energy}.csv"):
            answer = await browser.get(path)
            assert (answer.status_code, set(answer.json())) == (status, {"error", "detail"})


async def test_what_the_plan_cannot_do_in_time_says_when_to_ask_again() -> None:
    """By Retry-After."""
    site = Site(plan=Plan(minute=1, month=1000))
    async with site.open() as browser:
        await browser.get("/systems")
        answer = await browser.get(site.energy)
    assert (answer.status_code, answer.json()["error"]) == (503, "BudgetExceeded")
    assert 1 <= int(answer.headers["Retry-After"]) <= 62


async def test_a_health_check_costs_no_request() -> None:
    """However often it is asked."""
    site = Site(logged_in=False)
    async with site.open() as browser:
        for _ in range(20):
            assert (await browser.get("/health")).json()["status"] == "ok"
        paths = (await browser.get("/openapi.json")).json()["paths"]
    assert "/systems/{system_id}/energy" in paths
    assert not site.emulator.log


async def test_intervals_are_an_answer_again() -> None:
    """OpenAPI describes them, and the list of systems."""
    site = Site()
    async with site.open() as browser:
        told = await browser.get(site.energy.replace("energy", "intervals"))
        described = (await browser.get("/openapi.json")).json()["components"]["schemas"]
    assert told.headers["content-type"] == "application/json"
    found = RgmStats.from_json(told.content)
    assert f"/{found.system_id}/" in site.energy
    assert len(found.intervals) == found.coverage.got > 0
    assert {"RgmStatsDict", "SystemDict"} <= {*described}


async def test_csv_comes_as_it_is_fetched() -> None:
    """With a row for each interval."""
    site = Site()
    async with site.open() as browser:
        lines = (await browser.get(f"{site.energy}.csv?days=20")).text.splitlines()
    assert lines[0] == "end_at,wh_del"
    assert len(lines) > 19 * 96


async def test_who_goes_away_cancels_the_query() -> None:
    """What was not sent yet is not paid for."""
    site = Site(plan=Plan(minute=1, month=1000))
    site.here.interactive = site.here.history  # type: ignore[method-assign] - which takes any time
    async with site.open():
        messages = [{"type": "http.request", "body": b"", "more_body": False}]
        waiting = anyio.Event()

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            waiting.set()
            await anyio.sleep(0.05)
            return {"type": "http.disconnect"}

        statuses: list[int] = []

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

        scope = {
            "type": "http",
            "method": "GET",
            "path": site.energy,
            "raw_path": site.energy.encode(),
            "query_string": b"days=6",
            "headers": [(b"x-tenant", b"anna")],
            "scheme": "http",
            "server": ("app.test", 80),
            "root_path": "",
            "http_version": "1.1",
        }
        with anyio.fail_after(10):
            await site.app(scope, receive, send)
        assert waiting.is_set()
        assert statuses == [example.CLIENT_CLOSED_REQUEST]
        quota = await site.here.client.quota()
        assert (quota.queued, quota.in_flight) == (0, 0)
        assert site.emulator.counts.sent <= 1


async def test_what_was_asked_for_is_refreshed() -> None:
    """An error of one system is logged, and stops nobody."""
    site = Site(users=1, systems=3)
    first, second, third = (each.system_id for each in site.emulator.truth.systems(site.emulator.demo_user))
    async with site.open() as browser:
        for each in (first, second):
            await browser.get(f"/systems/{each}/energy")
        site.here.asked_at["anna", third] = -1e9
        site.here.asked_at["anna", 999_999_999] = site.here.asked_at["anna", first]
        before = site.emulator.counts.sent
        await example.refresh_once(site.here)
    assert site.emulator.counts.sent - before <= 3
