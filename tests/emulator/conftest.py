"""An emulator on fake time, and a plain httpx client that leads to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import httpx
import pytest

from enlighten_async.emulator import Emulator
from enlighten_async.testing import FakeClock

NOON = 1_750_014_000.0
"""2025-06-15 19:00 UTC, noon in California."""

Connect: TypeAlias = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def clock() -> FakeClock:
    """Fake time that starts at noon of a summer day."""
    return FakeClock(now=NOON)


@pytest.fixture
def connect() -> Connect:
    """Return a function that opens a client of an emulator; its parameters are sent every time."""

    @asynccontextmanager
    async def open_client(emulator: Emulator, **params: str) -> AsyncIterator[httpx.AsyncClient]:
        sent = {"key": "a-key", "user_id": emulator.demo_user, **params}
        async with httpx.AsyncClient(
            transport=emulator.transport(), base_url="https://service.test/api/v2", params=sent
        ) as client:
            yield client

    return open_client


@pytest.fixture
def connect_v4() -> Connect:
    """Return a function that opens a client of an emulator's v4, with a token of a user's."""

    @asynccontextmanager
    async def open_client(
        emulator: Emulator, user: str | None = None, **params: str
    ) -> AsyncIterator[httpx.AsyncClient]:
        token = emulator.grant(user or emulator.demo_user)["access_token"]
        async with httpx.AsyncClient(
            transport=emulator.transport(),
            base_url="https://service.test/api/v4",
            headers={"Authorization": f"Bearer {token}"},
            params={"key": "a-key", **params},
        ) as client:
            yield client

    return open_client
