"""Pytest fixtures: the service, a client of it and a clock, all inside the test's own process.

Put `pytest_plugins = ["enlighten_async.testing.fixtures"]` into your `conftest.py`. They are plain
(not async) fixtures, so they serve pytest-asyncio, anyio and trio alike. To change what the service
holds, override `enlighten_emulator` with an `Emulator` of your own on `enlighten_clock`.
"""

from __future__ import annotations

import pytest

from enlighten_async.client import EnlightenClient
from enlighten_async.emulator import Emulator
from enlighten_async.quota import Plan
from enlighten_async.testing.clock import FakeClock


@pytest.fixture
def enlighten_clock() -> FakeClock:
    """A clock that passes minutes and months as soon as everybody waits for them."""
    return FakeClock()


@pytest.fixture
def enlighten_emulator(enlighten_clock: FakeClock) -> Emulator:
    """The service: the demo user and its systems on the Watt plan, on the same clock."""
    return Emulator(clock=enlighten_clock)


@pytest.fixture
def enlighten_client(enlighten_emulator: Emulator, enlighten_clock: FakeClock) -> EnlightenClient:
    """A client of the demo user on the Watt plan; it holds nothing that needs closing."""
    return EnlightenClient(
        "0123456789abcdef0123456789abcdef",
        enlighten_emulator.demo_user,
        plan=Plan.WATT,
        transport=enlighten_emulator.transport(),
        clock=enlighten_clock,
    )
