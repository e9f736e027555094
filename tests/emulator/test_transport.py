"""The httpx transport: one emulator behind all of its transports, and gzip on request."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx

from enlighten_async.emulator import Emulator
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
CREDENTIALS = {"key": "a-key", "user_id": "4d7a45774e6a41320a"}


async def test_transports_of_one_emulator_lead_to_one_service(clock: FakeClock, connect: Connect) -> None:
    """Whatever host is named; each says where it leads."""
    emulator = Emulator(clock=clock)
    assert emulator.transport().app is emulator.transport().app is emulator
    for host in ("https://one.test", "http://two.test:81"):
        async with httpx.AsyncClient(transport=emulator.transport(), base_url=host) as client:
            assert (await client.get("/api/v2/systems", params=CREDENTIALS)).status_code == 200
    assert emulator.counts.sent == 2


async def test_gzip_only_where_it_is_asked_for(clock: FakeClock, connect: Connect) -> None:
    """The same body either way."""
    emulator = Emulator(clock=clock)
    async with connect(emulator) as client:
        packed = await client.get("/systems")
        plain = await client.get("/systems", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(plain.headers["content-length"]) == len(plain.content)
