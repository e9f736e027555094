"""Batteries, chargers and heat pumps do not change any response of v2."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
from attrs import evolve

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.effort import SEED
from tests.emulator.fleets import recent_fleet

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
NOW = 1_750_014_000  # noon in California, 2025-06-15
EQUIPPED = Emulator(
    seed=SEED,
    clock=FakeClock(NOW),
    fleet=recent_fleet(2 * len(SYSTEM_KINDS), NOW, seed=SEED),
    quota=Quota.UNLIMITED,
)
BARE = Emulator(
    seed=SEED,
    clock=FakeClock(NOW),
    quota=Quota.UNLIMITED,
    fleet=[
        evolve(system, nmi=None, batteries=(), acbs=(), ev_chargers=(), heat_pump=None)
        for system in EQUIPPED.truth.systems()
    ],
)
ENDPOINTS = (
    "summary",
    "inventory",
    "stats",
    "rgm_stats",
    "consumption_stats",
    "energy_lifetime",
    "consumption_lifetime",
    "production_meter_readings",
    "monthly_production?start_date=2025-05-01",
)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2 * len(SYSTEM_KINDS)))
async def test_equipment_does_not_change_what_version_2_tells(connect: Connect, number: int) -> None:
    """Byte by byte, whatever is installed."""
    system = EQUIPPED.truth.systems()[number]
    async with connect(EQUIPPED) as one, connect(BARE) as two:
        for endpoint in ENDPOINTS:
            url = f"/systems/{system.system_id}/{endpoint}"
            answer, expected = await one.get(url), await two.get(url)
            assert answer.content == expected.content
            assert answer.status_code == expected.status_code
