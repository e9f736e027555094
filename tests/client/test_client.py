"""Clients: made, closed, and seen with other options."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest

from enlighten_async import (
    InputError,
    UsageError,
)
from enlighten_async.cache import MemoryCache
from enlighten_async.oauth import MemoryTokenStore, OAuth, Tokens
from tests.world import World


@pytest.mark.parametrize(
    "options", [{"key": ""}, {"user": " x"}, {"key": "a\n"}, {"timeout": 0}, {"max_concurrency": 0}]
)
def test_a_bad_client_is_refused_when_it_is_made(world: World, options: dict[str, Any]) -> None:
    """So are empty keys and impossible settings; a key is not shown."""
    with pytest.raises(InputError):
        world.client(**options)


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
        client._session.process += 1
        with pytest.raises(UsageError, match="make one in this process"):
            await client.rgm_stats(world.system, **world.quarter(3))
        await client.aclose()
        client._session.process -= 1
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
