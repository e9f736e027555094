"""A fleet to order: any number of users, systems of every kind in towns with every kind of clock."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from enlighten_async.emulator.plant.devices import envoys
from enlighten_async.emulator.plant.equipment import NOTHING, Equipment, equip
from enlighten_async.emulator.plant.system import (
    DEMO_SYSTEM,
    DEMO_USER,
    Envoy,
    Meter,
    RetiredMeter,
    System,
    encode_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.plant.system import Consumption

YEARS_BEFORE = 2  # how long old systems have run when the emulator's first year begins
FIRST_OTHER_USER = 310_700
ID_STEP = 7  # ids ascend with gaps, as real ones do


@frozen
class Town:
    """Where a system may stand."""

    city: str
    state: str | None
    country: str
    postal_code: str
    timezone: str
    latitude: float
    longitude: float


TOWNS = (
    Town("Petaluma", "CA", "US", "94952", "America/Los_Angeles", 38.23, -122.64),
    Town("Fresno", "CA", "US", "93721-1406", "US/Pacific", 36.74, -119.79),  # a legacy name
    Town("Lord Howe Island", "NSW", "AU", "2898", "Australia/Lord_Howe", -31.55, 159.08),  # DST: 30 min
    Town("Utrecht", None, "NL", "3511", "Europe/Amsterdam", 52.09, 5.12),
    Town("Havana", None, "CU", "10400", "America/Havana", 23.13, -82.38),  # DST: midnight is skipped
    Town("Denver", "CO", "US", "80203", "America/Denver", 39.74, -104.99),
    Town("Beirut", None, "LB", "1107", "Asia/Beirut", 33.89, 35.50),  # DST: midnight is skipped
    Town("Honolulu", "HI", "US", "96813", "Pacific/Honolulu", 21.31, -157.86),
    Town("Kathmandu", None, "NP", "44600", "Asia/Katmandu", 27.71, 85.32),  # 45 minutes, legacy
    Town("Phoenix", "AZ", "US", "85004", "America/Phoenix", 33.45, -112.07),
    Town("St. John's", "NL", "CA", "A1C 5S7", "America/St_Johns", 47.56, -52.71),  # 30 minutes, DST
    Town("Santiago", None, "CL", "8320000", "America/Santiago", -33.45, -70.67),
    Town("Adelaide", "SA", "AU", "5000", "Australia/Adelaide", -34.93, 138.60),
)


@frozen(kw_only=True)
class Kind:
    """What a system has and how it behaves; most names mean what they mean in System and Meter."""

    meters: int = 1
    phases: int = 1
    listed: int = 1
    standby_w: int = 0
    noise: bool = False
    meter_outages: float = 0.0
    late: int = 0
    null_tail: bool = False
    night_rows: bool = True
    outages: float = 0.0
    young: bool = False
    consumption: Consumption = "none"
    metered_later: bool = False
    retired_inverters: int = 0
    twins: bool = False
    spare_envoy: bool = False
    equipment: Equipment = NOTHING


KINDS = (
    Kind(meters=2, consumption="metered", equipment=Equipment(batteries=2, charger_step=900)),
    Kind(phases=3, listed=3, standby_w=-1, noise=True, twins=True),
    Kind(listed=3, null_tail=True, consumption="refused", equipment=Equipment(batteries=1)),
    Kind(
        meters=0,
        consumption="metered",
        spare_envoy=True,
        equipment=Equipment(batteries=1, acbs=2, heat_pump_step=900),
    ),
    Kind(night_rows=False, outages=0.1, retired_inverters=2, equipment=Equipment(acbs=3)),
    Kind(young=True, standby_w=-1, consumption="disabled", equipment=Equipment(charger_step=300)),
    Kind(
        meters=2,
        late=3600,
        meter_outages=0.05,
        consumption="metered",
        equipment=Equipment(batteries=3, charger_step=300, heat_pump_step=300),
    ),
    Kind(phases=2, listed=3, night_rows=False, noise=True, metered_later=True),
)
METERED_AFTER = 150 * 86_400 + 4321  # seconds of service until meters that came later were installed


def build(seed: int, users: int, systems: int, now: float) -> tuple[System, ...]:
    """Return a fleet; the first user is the demo user, the first system the demo system.

    Kinds and towns take turns, so that a few systems show all of them. Old systems went into service
    some years before the year of `now` (epoch seconds), young ones within the last year.
    """
    return tuple(_systems(seed, users, systems, now))


def user_ids(users: int) -> list[str]:
    """Return this many user ids, the demo user's first."""
    return [DEMO_USER, *(encode_id(FIRST_OTHER_USER + n) for n in range(1, users))][:users]


def _systems(seed: int, users: int, systems: int, now: float) -> Iterator[System]:
    number = 0
    for user_id in user_ids(users):
        for _ in range(systems):
            yield _system(Random(f"{seed}/plant/{number}"), number, user_id, now)
            number += 1


def _system(random: Random, number: int, user_id: str, now: float) -> System:
    town, kind = TOWNS[number % len(TOWNS)], KINDS[number % len(KINDS)]
    modules = random.randint(12, 36)
    system = System(
        system_id=DEMO_SYSTEM + ID_STEP * number + (random.randrange(ID_STEP) if number else 0),
        user_id=user_id,
        name=f"{town.city} roof {number + 1}",
        timezone=town.timezone,
        country=town.country,
        state=town.state,
        city=town.city,
        postal_code=town.postal_code,
        latitude=town.latitude,
        longitude=town.longitude,
        connection_type=random.choice(["ethernet", "wifi", "cellular"]),
        modules=modules,
        size_w=modules * random.choice([240, 290, 320, 350]),
        operational_at=_operational_at(random, kind, now),
        meters=_meters(random, kind, number),
        night_rows=kind.night_rows,
        outages=kind.outages,
    )
    return _with_extras(system, kind)


def _with_extras(system: System, kind: Kind) -> System:
    """Return the system with what no chance decides."""
    system = evolve(
        system,
        consumption=kind.consumption,
        retired_inverters=kind.retired_inverters,
        twins=kind.twins,
    )
    system = equip(system, kind.equipment)
    if kind.metered_later:
        installed = system.operational_at + METERED_AFTER
        old = RetiredMeter(serial=f"{system.meters[0].envoy_serial}OLD", retired_at=installed)
        return evolve(system, metered_at=installed, retired_meters=(old,))
    if kind.spare_envoy:
        second = Envoy(f"1219{system.system_id % 10**8:08}", status="comm", reported=False)
        return evolve(system, envoys=(*envoys(system), second))
    return system


def _operational_at(random: Random, kind: Kind, now: float) -> int:
    """Return when the system went into service (epoch seconds): not on the grid, as in real systems."""
    if kind.young:
        return int(now // 86_400 - random.randint(30, 300)) * 86_400 + random.randrange(86_400)
    year = datetime.fromtimestamp(now, tz=UTC).year - YEARS_BEFORE
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) + random.randrange(20 * 86_400)


def _meters(random: Random, kind: Kind, number: int) -> tuple[Meter, ...]:
    envoy = f"1218{random.randrange(10**4):04}{number % 10**4:04}"
    return tuple(
        Meter(
            serial=f"{envoy}EIM{n + 1}",
            envoy_serial=envoy,
            weight=random.uniform(0.7, 1.3),
            phases=kind.phases,
            listed=kind.listed,
            standby_w=kind.standby_w,
            noise=kind.noise,
            outages=kind.meter_outages,
            late=kind.late * (n == 1),
            null_tail=kind.null_tail,
        )
        for n in range(kind.meters)
    )
