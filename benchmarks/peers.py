"""The same jobs as competent users would write them: no limiter, no retries, no coverage, rows as objects.

Both keep instants as epoch seconds, which is the cheapest that can be done.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any

import aiohttp
import cattrs
import httpx
import msgspec
from attrs import define

from benchmarks.payload import SYSTEM_ID, weeks

CONCURRENCY = 10
CREDENTIALS = {"key": "key", "user_id": "4d7a"}


@define
class AttrsInterval:
    """What all meters delivered in 15 minutes."""

    end_at: int
    devices_reporting: int
    wh_del: int | None


@define
class AttrsChannelInterval:
    """What one channel delivered in 15 minutes."""

    channel: int
    end_at: int
    wh_del: float | None
    curr_w: int | None


@define
class AttrsMeter:
    """The rows of one meter."""

    meter_serial_number: str
    envoy_serial_number: str
    intervals: list[AttrsChannelInterval]


@define
class AttrsStats:
    """An answer, or a year of them."""

    system_id: int
    total_devices: int
    intervals: list[AttrsInterval]
    meter_intervals: list[AttrsMeter]


class StructInterval(msgspec.Struct):
    """What all meters delivered in 15 minutes."""

    end_at: int
    devices_reporting: int
    wh_del: int | None


class StructChannelInterval(msgspec.Struct):
    """What one channel delivered in 15 minutes."""

    channel: int
    end_at: int
    wh_del: float | None
    curr_w: int | None


class StructMeter(msgspec.Struct):
    """The rows of one meter."""

    meter_serial_number: str
    envoy_serial_number: str
    intervals: list[StructChannelInterval]


class StructStats(msgspec.Struct):
    """An answer, or a year of them."""

    system_id: int
    total_devices: int
    intervals: list[StructInterval]
    meter_intervals: list[StructMeter]


Get = Callable[[int, int], Awaitable[Any]]
"""Fetches and decodes one window."""


class Peer:
    """What both peers do alike: windows of a week, ten at once, then merge by meter and channel."""

    stats: type[Any]
    meter: type[Any]

    async def year(self, get: Get, start: int, end: int) -> Any:
        """Fetch a span in windows, and merge them."""
        gate = asyncio.Semaphore(CONCURRENCY)

        async def fetch(window: tuple[int, int]) -> Any:
            async with gate:
                return await get(*window)

        return self.merge(await asyncio.gather(*map(fetch, weeks(start, end))))

    async def stream(self, get: Get, start: int, end: int) -> AsyncIterator[Any]:
        """Fetch a span in windows, hand them out in order of time, keep no more than ten."""
        ahead: deque[asyncio.Task[Any]] = deque()
        for window in weeks(start, end):
            ahead.append(asyncio.ensure_future(get(*window)))
            if len(ahead) == CONCURRENCY:
                yield await ahead.popleft()
        for task in ahead:
            yield await task

    def merge(self, parts: Sequence[Any]) -> Any:
        """Join windows into one answer, each series in order of time and without doubles."""
        channels: dict[str, dict[int, list[Any]]] = {}
        envoys: dict[str, str] = {}
        for meter in (meter for part in parts for meter in part.meter_intervals):
            envoys[meter.meter_serial_number] = meter.envoy_serial_number
            own = channels.setdefault(meter.meter_serial_number, {})
            for number, rows in groupby(meter.intervals, key=attrgetter("channel")):
                own.setdefault(number, []).extend(rows)
        return self.stats(
            parts[-1].system_id,
            parts[-1].total_devices,
            _in_order(row for part in parts for row in part.intervals),
            [
                self.meter(serial, envoys[serial], [row for n in sorted(own) for row in _in_order(own[n])])
                for serial, own in channels.items()
            ],
        )


class HttpxCattrs(Peer):
    """httpx, the standard library's json, cattrs."""

    stats, meter = AttrsStats, AttrsMeter

    def __init__(self) -> None:
        self._converter = cattrs.Converter(detailed_validation=False)

    def decode(self, body: bytes, window: tuple[int, int]) -> AttrsStats:
        """Return an answer as attrs rows, whatever its window."""
        return self._converter.structure(json.loads(body), AttrsStats)

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Get]:
        """Open a client; the value fetches one window."""
        async with httpx.AsyncClient(base_url=url) as client:

            async def get(start: int, end: int) -> AttrsStats:
                params = CREDENTIALS | {"start_at": start, "end_at": end}
                response = await client.get(f"/systems/{SYSTEM_ID}/rgm_stats", params=params)
                return self.decode(response.raise_for_status().content, (start, end))

            yield get


class AiohttpMsgspec(Peer):
    """aiohttp, msgspec: the fastest that is easy to write."""

    stats, meter = StructStats, StructMeter

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(StructStats)

    def decode(self, body: bytes, window: tuple[int, int]) -> StructStats:
        """Return an answer as structs, whatever its window."""
        return self._decoder.decode(body)

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Get]:
        """Open a client; the value fetches one window."""
        async with aiohttp.ClientSession(raise_for_status=True) as session:

            async def get(start: int, end: int) -> StructStats:
                params = CREDENTIALS | {"start_at": start, "end_at": end}
                async with session.get(f"{url}/systems/{SYSTEM_ID}/rgm_stats", params=params) as response:
                    return self.decode(await response.read(), (start, end))

            yield get


def _in_order(rows: Iterable[Any]) -> list[Any]:
    """Sort rows by time; of two for one time keep the later."""
    return sorted({row.end_at: row for row in rows}.values(), key=attrgetter("end_at"))
