"""Pytest fixtures: the service, clients of it and a clock, all inside the test's own process.

Put `pytest_plugins = ["enlighten_async.testing.fixtures"]` into your `conftest.py`. They are plain
(not async) fixtures, so they serve pytest-asyncio, anyio and trio alike. To change the service's data,
override `enlighten_emulator` with an `Emulator` of your own on `enlighten_clock`.

With the plugin no test sends a request to a host other than this machine: see `enlighten_no_network`.
"""

from __future__ import annotations

from typing import NoReturn

import httpcore2
import pytest

from enlighten_async.client import EnlightenClient
from enlighten_async.emulator import Emulator
from enlighten_async.limiter import Plan
from enlighten_async.oauth import OAuth
from enlighten_async.testing import EmulatorTokenStore, FakeClock
from enlighten_async.transport import is_loopback
from enlighten_async.transport.connections import ServicePool

API_KEY = "0123456789abcdef0123456789abcdef"


def _refused(host: str) -> NoReturn:
    """Raise the error of a request that would leave this machine."""
    raise AssertionError(
        f"this test would have sent a request to {host}: give the client transport=emulator.transport(), "
        "mock the request by respx, or override the fixture enlighten_no_network if a real one is meant"
    )


@pytest.fixture(autouse=True)
def enlighten_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection of a client to a host other than this machine fails at once, by an AssertionError.

    A transport of your own is not watched. Override the fixture, in a module or for a folder, where
    requests to the service are meant.
    """
    connect = ServicePool.create_connection

    def to_this_machine(pool: ServicePool, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        host = origin.host.decode("ascii")
        return connect(pool, origin) if is_loopback(host) else _refused(host)

    monkeypatch.setattr(ServicePool, "create_connection", to_this_machine)


@pytest.fixture
def enlighten_clock() -> FakeClock:
    """A clock whose minutes and months pass as soon as all tasks wait for them."""
    return FakeClock()


@pytest.fixture
def enlighten_emulator(enlighten_clock: FakeClock) -> Emulator:
    """The service: the demo user and its systems on the Watt plan, on the same clock."""
    return Emulator(clock=enlighten_clock)


@pytest.fixture
def enlighten_client(enlighten_emulator: Emulator, enlighten_clock: FakeClock) -> EnlightenClient:
    """A client of the demo user on the Watt plan; it needs no closing."""
    return EnlightenClient(
        API_KEY,
        enlighten_emulator.demo_user,
        plan=Plan.WATT,
        transport=enlighten_emulator.transport(),
        clock=enlighten_clock,
    )


@pytest.fixture
def enlighten_oauth(enlighten_emulator: Emulator, enlighten_clock: FakeClock) -> OAuth:
    """OAuth of an application all of whose accounts have logged in."""
    return OAuth(
        "client",
        "secret",
        tokens=EmulatorTokenStore(enlighten_emulator),
        transport=enlighten_emulator.transport(),
        clock=enlighten_clock,
    )


@pytest.fixture
def enlighten_client_v4(
    enlighten_oauth: OAuth, enlighten_emulator: Emulator, enlighten_clock: FakeClock
) -> EnlightenClient:
    """A client of v4, of the demo user's account on the Watt plan; it needs no closing."""
    return EnlightenClient.v4(
        API_KEY,
        oauth=enlighten_oauth,
        plan=Plan.WATT,
        transport=enlighten_emulator.transport(),
        clock=enlighten_clock,
    )
