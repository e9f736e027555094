"""Streams of what is partly held: in order, whole, in bounded memory; leaving early loses nothing."""

from __future__ import annotations

import gc
from functools import cache
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnlightenClient, RgmStats
from enlighten_async.emulator.simulation.system import Meter
from tests.cache_setup import DAY, CacheSetup, check
from tests.effort import examples
from tests.world import World

YEAR_WINDOWS, AT_ONCE = 53, 4
KEYS = count()

PIECES = st.lists(st.tuples(st.integers(0, 64), st.integers(1, 20)), max_size=4)
"""What is bought before: from how many days after the beginning, and for how long."""


@cache
def world() -> World:
    """One service for all examples, with few rows: its readings are costly to make."""
    system = World().emulator.truth.systems()[0]
    meter = Meter(serial="1", envoy_serial="2", phases=2, listed=2)
    return World(fleet=[evolve(system, meters=(meter,), night_rows=False)])


def opened(cache_setup: CacheSetup, version: str = "v2", **options: Any) -> EnlightenClient:
    """Open a client that shares nothing with those before."""
    return cache_setup.client(world(), version=version, key=f"{next(KEYS):032x}", **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "version", "durable"),
    [("rgm_stats", "v2", False), ("rgm_stats", "v4", True), ("consumption_stats", "v2", True)],
)
@examples(6)
@given(pieces=PIECES, at_once=st.integers(1, 5), end=st.sampled_from([0, 4 * DAY]))
async def test_parts_are_in_order_and_join_to_the_whole(
    pieces: list[tuple[int, int]],
    at_once: int,
    end: int,
    name: str,
    version: str,
    tmp_path: Path,
    *,
    durable: bool,
) -> None:
    """Whatever was held before: side by side, without a gap, and as bought afresh, to the last meter."""
    cache_setup = CacheSetup(tmp_path / f"{next(KEYS)}.db" if durable else None)
    span = {"start_at": world().clock.now() - 70 * DAY, "end_at": world().clock.now() - end}
    async with opened(cache_setup, version, max_concurrency=at_once) as client:
        await client.systems()  # from which the time zone is known, and prices are exact
        ask = getattr(client, name)
        for first, days in pieces:
            start = span["start_at"] + first * DAY
            await ask(world().system, start_at=start, end_at=min(start + days * DAY, world().clock.now()))
        sent, query = world().emulator.counts.sent, ask(world().system, **span)
        price = await query.estimate()
        parts = [part async for part in query]
        assert world().emulator.counts.sent - sent == query.receipt.sent == price.at_most
        whole = await getattr(client.with_options(max_age=0), name)(world().system, **span)
        again = await ask(world().system, **span)
    assert (parts[0].window.start, parts[-1].window.end) == (whole.window.start, whole.window.end)
    assert all(one.window.end == two.window.start for one, two in pairwise(parts))
    assert [row for part in parts for row in part.intervals] == list(whole.intervals)
    assert again == whole
    check(world(), name, whole)


@pytest.mark.slow
@pytest.mark.parametrize("left_after", [1, 9])
async def test_leaving_early_loses_nothing(cache_setup: CacheSetup, left_after: int) -> None:
    """What was fetched by then is held: the whole year costs what it costs."""
    end = world().clock.now() - 4 * DAY
    span = {"start_at": end - 370 * DAY, "end_at": end}
    client = opened(cache_setup, "v4", max_concurrency=AT_ONCE)
    sent, seen = world().emulator.counts.sent, 0
    async for _ in client.rgm_stats(world().system, **span):
        seen += 1
        if seen == left_after:
            break
    fetched = world().emulator.counts.sent - sent
    assert left_after <= fetched <= left_after + AT_ONCE + 1
    answer = await client.rgm_stats(world().system, **span)
    assert answer.receipt.sent <= YEAR_WINDOWS - fetched  # what was in flight then is held too
    assert world().emulator.counts.sent - sent == YEAR_WINDOWS
    check(world(), "rgm_stats", answer)
    await client.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("held", [False, True])
async def test_no_more_parts_are_alive_than_run_side_by_side(tmp_path: Path, *, held: bool) -> None:
    """Of months, bought or held: those ahead, the newest, what the reader holds, and what is written."""
    end = world().clock.now() - 4 * DAY
    span = {"start_at": end - 20 * 7 * DAY, "end_at": end}
    async with opened(CacheSetup(tmp_path / "state.db"), "v4", max_concurrency=AT_ONCE) as client:
        if held:
            await client.rgm_stats(world().system, **span)
        gc.collect()
        before, most, parts = alive(), 0, 0
        async for part in client.rgm_stats(world().system, **span):
            parts += 1
            assert part.window.seconds <= 7 * DAY
            most = max(most, alive() - before)
    assert parts >= 20
    # A thread at rest keeps what it read last; a write, which goes on beside the reader, puts a part
    # together with what is cached on either side.
    rest = AT_ONCE if held else 3
    assert AT_ONCE <= most <= AT_ONCE + 2 + rest


def alive() -> int:
    """Return how many answers there are."""
    return sum(isinstance(each, RgmStats) for each in gc.get_objects())
