"""What both versions of the API can be asked, asked of one service in both: the values are the same.

Where v4 does not tell what v2 tells, the difference is in the table `UNTOLD`, field by field.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnlightenClient, Reason
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.models.rgm_stats import RgmStats
from tests.effort import SEED, examples
from tests.world import World

SYSTEMS = 16
DAY = 86_400
SERIES = {"stats": (300, 8), "rgm_stats": (900, 60), "consumption_stats": (900, 60)}
"""Grids in seconds, and days of the longest range that is drawn."""

NUMBERS = st.sampled_from(range(SYSTEMS))


@cache
def world() -> World:
    """One service with two systems of each kind for all examples: its readings are costly to make."""
    return World(systems=SYSTEMS, seed=SEED)


def system_id(number: int) -> int:
    """Return one of the systems."""
    return world().emulator.truth.systems()[number].system_id


def hidden(name: str, number: int) -> bool:
    """Tell whether the user may not see this, which v2 answers with a refusal."""
    system = world().emulator.truth.systems()[number]
    return "consumption" in name and system.consumption in {"refused", "disabled"}


async def both(ask: Callable[[EnlightenClient], Any]) -> tuple[Any, Any]:
    """Return what the two versions answer."""
    async with world().client() as old, world().v4() as new:
        return await ask(old), await ask(new)


def rows(answer: IntervalStats[Any]) -> list[Any]:
    """Return the values of an answer: its rows, and those of its meters that have any."""
    meters = answer.meter_intervals if isinstance(answer, RgmStats) else ()
    return [
        list(answer.intervals),
        *sorted((m.meter_serial_number, m.envoy_serial_number, list(m.intervals)) for m in meters if m.intervals),
    ]


def holes(answer: IntervalStats[Any]) -> set[tuple[int, int]]:
    """Return what is missing, whatever the reason."""
    cells: set[int] = set()
    grid = answer.coverage.grid
    for hole in answer.coverage.gaps():
        cells |= set(range(hole.window.start + grid, hole.window.end + 1, grid))
    return {(cell, grid) for cell in cells}


@st.composite
def ranges(draw: st.DrawFn, name: str) -> dict[str, float]:
    """Draw a range within the year that v2 keeps, on no grid, that may end after now."""
    now = world().clock.now()
    start = now - draw(st.integers(0, 364 * DAY))
    length = draw(st.integers(0, SERIES[name][1] * DAY))
    return {"start_at": start, "end_at": min(start + length, now + DAY)}


@pytest.mark.parametrize("name", sorted(SERIES))
@examples(25)
@given(data=st.data(), number=NUMBERS)
async def test_series_over_any_range(name: str, data: st.DataObject, number: int) -> None:
    """Every interval, of every meter; one request for each 7 days."""
    if hidden(name, number):
        return
    span = data.draw(ranges(name))
    old, new = await both(lambda client: getattr(client, name)(system_id(number), **span))
    assert rows(new) == rows(old)
    assert holes(new) == holes(old)
    assert (new.window, new.coverage.complete) == (old.window, True)
    assert new.receipt.sent <= -(-new.window.seconds // (7 * DAY))
    if old.meta and new.meta:
        assert new.meta == old.meta


@pytest.mark.parametrize("name", sorted(SERIES))
@examples(15)
@given(back=st.integers(0, 360), length=st.integers(0, 20), number=NUMBERS)
async def test_series_over_local_days(name: str, back: int, length: int, number: int) -> None:
    """In every time zone, also on days on which clocks change; sums by hour, day and month agree."""
    if hidden(name, number):
        return
    system = world().emulator.truth.systems()[number]
    today = datetime.fromtimestamp(world().clock.now(), ZoneInfo(system.timezone)).date()
    first = today - timedelta(days=back)
    span = {"start_date": first, "end_date": min(first + timedelta(days=length), today)}
    old, new = await both(lambda client: getattr(client, name)(system.system_id, **span))
    assert (rows(new), holes(new), new.window) == (rows(old), holes(old), old.window)
    assert new.timezone == old.timezone == system.timezone
    for unit in ("hour", "day", "month"):
        assert new.sums(unit) == old.sums(unit)


@pytest.mark.parametrize("name", sorted(SERIES))
@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_series_of_today(name: str, number: int) -> None:
    """Without a range: the system's own today, so far."""
    if hidden(name, number):
        return
    old, new = await both(lambda client: getattr(client, name)(system_id(number)))
    assert rows(new) == rows(old)
    assert new.receipt.sent == 1


UNTOLD: dict[str, tuple[str, ...]] = {
    "System": (),
    "Summary": (),
    "Inventory": ("meta",),
    "Device": ("manufacturer", "sku"),
}
"""Fields v2 tells and v4 does not, or not the same way, by the model they are on.

A meter's manufacturer is no longer told, and its sku is new; lists of devices have no state of the system.
"""

NEW = {"System": ("attachment_type", "interconnect_date", "live_stream"), "Summary": ("nmi", "evse_power")}
