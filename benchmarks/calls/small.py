"""Small requests by some tasks: CPU of each, beside that of a bare HTTP client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import aiohttp
import httpx
import msgspec
from attrs import frozen

from benchmarks.ours import PLENTY
from benchmarks.peers import CREDENTIALS
from enlighten_async import EnlightenClient

Ask = Callable[[int], Awaitable[object]]
"""Asks for the summary of a system."""
Use = Callable[[Ask], Awaitable[float]]


@frozen
class Crowd:
    """Some tasks, and how many requests they make, one after another each."""

    tasks: int
    requests: int


async def _with_httpx(url: str, use: Use) -> float:
    async with httpx.AsyncClient(base_url=url, limits=_limits(), timeout=60) as client:

        async def ask(system_id: int) -> object:
            response = await client.get(f"/systems/{system_id}/summary", params=CREDENTIALS)
            return response.raise_for_status().json()

        return await use(ask)


def _limits() -> httpx.Limits:
    return httpx.Limits(max_connections=100, max_keepalive_connections=100)


async def _with_aiohttp(url: str, use: Use) -> float:
    async with aiohttp.ClientSession(raise_for_status=True) as session:

        async def ask(system_id: int) -> object:
            async with session.get(f"{url}/systems/{system_id}/summary", params=CREDENTIALS) as response:
                return msgspec.json.decode(await response.read())

        return await use(ask)


async def _with_ours(url: str, use: Use) -> float:
    async with EnlightenClient("key", "4d7a", plan=PLENTY, base_url=url) as client:

        async def ask(system_id: int) -> object:
            return await client.summary(system_id)

        return await use(ask)


PEER = "httpx + json"
CONTENDERS: Mapping[str, Callable[[str, Use], Awaitable[float]]] = MappingProxyType(
    {PEER: _with_httpx, "aiohttp + msgspec": _with_aiohttp, "enlighten_async": _with_ours}
)


def cpu_of(name: str, url: str, crowd: Crowd) -> float:
    """Return the microseconds of CPU that a contender takes for each request."""

    async def use(ask: Ask) -> float:
        numbers = iter(range(1, 1 + crowd.requests))
        await asyncio.gather(*(ask(10_000_000 + number) for number in range(min(crowd.tasks, 10))))

        async def work() -> None:
            for number in numbers:
                await ask(number)

        began = time.process_time()
        await asyncio.gather(*(work() for _ in range(crowd.tasks)))
        return 1e6 * (time.process_time() - began) / crowd.requests

    async def run() -> float:
        return await CONTENDERS[name](url, use)

    return asyncio.run(run())
