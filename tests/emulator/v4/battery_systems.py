"""Systems with batteries, and the emulator of a fleet of all kinds."""

from __future__ import annotations

from enlighten_async.emulator import Emulator, Meter, Quota, System
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import Battery
from enlighten_async.testing import FakeClock
from tests.effort import SEED

NOW = 1_750_014_123
DAY = 86_400
LENGTHS = {"5mins": 300, "15mins": 900, "day": DAY, "week": 7 * DAY}
EMULATOR = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS) + 3, quota=Quota.UNLIMITED)
SHARED = [s for s in EMULATOR.truth.systems() if s.consumption in {"none", "metered"}]
UTRECHT = System(
    system_id=7,
    timezone="Europe/Amsterdam",
    latitude=52.09,
    longitude=5.12,
    meters=(Meter(serial="121800000001EIM1", envoy_serial="121800000001"),),
    consumption="metered",
    operational_at=1_710_000_123,
    batteries=(Battery(serial="1"), Battery(serial="2", late=1800)),
    acbs=(Battery(serial="3", capacity_wh=1200, power_w=260),),
)
