"""The generated fleet: any number of users, systems of every kind in towns with every kind of time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from enlighten_async.emulator.simulation.devices import envoys
from enlighten_async.emulator.simulation.system import (
    DEMO_SYSTEM,
    DEMO_USER,
    Battery,
    Envoy,
    EvCharger,
    HeatPump,
    LoadControl,
    Meter,
    RetiredMeter,
    StorageSettings,
    System,
    encode_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.simulation.system import Consumption

YEARS_IN_SERVICE = 2  # of old systems when the emulator's first year begins
FIRST_OTHER_USER = 310_700
ID_STEP = 7  # ids ascend with gaps, as real ones do
LOADS = (
    LoadControl(name="NC1", load_name="Pool pump"),
    LoadControl(name="NC2", load_name="Water heater", mode="Scheduled"),
)
LATE_BATTERY_S = 420  # delay of the third battery's reports


@frozen
class Town:
    """A possible location of a system."""

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
class Equipment:
    """Numbers of batteries; telemetry intervals (seconds) of charger and heat pump, 0 for none."""

    batteries: int = 0
    acbs: int = 0
    charger_step: int = 0
    heat_pump_step: int = 0


NO_EQUIPMENT = Equipment()


@frozen(kw_only=True)
class SystemKind:
    """Equipment and behaviour of a system; most names mean the same as in System and Meter."""

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
    micro_night_rows: bool = False
    consumption: Consumption = "none"
    metered_later: bool = False
    retired_inverters: int = 0
    twins: bool = False
    spare_envoy: bool = False
    equipment: Equipment = NO_EQUIPMENT


SYSTEM_KINDS = (
    SystemKind(meters=2, consumption="metered", equipment=Equipment(batteries=2, charger_step=900)),
    SystemKind(phases=3, listed=3, standby_w=-1, noise=True, twins=True, micro_night_rows=True),
    SystemKind(listed=3, null_tail=True, consumption="refused", equipment=Equipment(batteries=1)),
    SystemKind(
        meters=0,
        consumption="metered",
        spare_envoy=True,
        equipment=Equipment(batteries=1, acbs=2, heat_pump_step=900),
    ),
    SystemKind(night_rows=False, outages=0.1, retired_inverters=2, equipment=Equipment(acbs=3)),
    SystemKind(young=True, standby_w=-1, consumption="disabled", equipment=Equipment(charger_step=300)),
    SystemKind(
        meters=2,
        late=3600,
        meter_outages=0.05,
        consumption="metered",
        equipment=Equipment(batteries=3, charger_step=300, heat_pump_step=300),
    ),
    SystemKind(phases=2, listed=3, night_rows=False, noise=True, metered_later=True),
)
METERS_ADDED_AFTER_S = 150 * 86_400 + 4321  # of service; not at midnight, so that the first day is partial


def build_fleet(seed: int, users: int, systems: int, now: float) -> tuple[System, ...]:
    """Return a fleet; the first user is the demo user, the first system the demo system.

    Kinds and towns alternate, so that a few systems show all of them. Old systems went into service
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
    town, kind = TOWNS[number % len(TOWNS)], SYSTEM_KINDS[number % len(SYSTEM_KINDS)]
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


def _with_extras(system: System, kind: SystemKind) -> System:
    """Return the system with the equipment and settings that do not depend on the seed."""
    system = evolve(
        system,
        consumption=kind.consumption,
        retired_inverters=kind.retired_inverters,
        twins=kind.twins,
        micro_night_rows=kind.micro_night_rows,
    )
    system = with_equipment(system, kind.equipment)
    if kind.metered_later:
        installed = system.operational_at + METERS_ADDED_AFTER_S
        old = RetiredMeter(serial=f"{system.meters[0].envoy_serial}OLD", retired_at=installed)
        return evolve(system, metered_at=installed, retired_meters=(old,))
    if kind.spare_envoy:
        second = Envoy(f"1219{system.system_id % 10**8:08}", status="comm", reported=False)
        return evolve(system, envoys=(*envoys(system), second))
    return system


def with_equipment(system: System, equipment: Equipment) -> System:
    """Return the system with this equipment; serial numbers follow from its id."""
    number = system.system_id % 10**7
    chargers = EvCharger(serial=f"20231{number:07}", step=equipment.charger_step)
    pump = HeatPump(name="Viessmann VitoCal 300G", step=equipment.heat_pump_step)
    return evolve(
        system,
        nmi=f"604{number:07}" if system.country == "AU" else None,
        batteries=tuple(_battery(f"4922{number:07}{n}", n) for n in range(equipment.batteries)),
        acbs=tuple(
            Battery(serial=f"9113{number:07}{n}", capacity_wh=1200, power_w=260)
            for n in range(equipment.acbs)
        ),
        storage=StorageSettings(
            mode=("Self-consumption", "Savings Mode")[number % 2],
            reserve_soc=(10, 20, 30)[number % 3],
            loads=LOADS[: equipment.batteries],
        ),
        ev_chargers=(chargers,) if equipment.charger_step else (),
        heat_pump=pump if equipment.heat_pump_step else None,
    )


def _battery(serial: str, place: int) -> Battery:
    """Return a battery; the first has a larger capacity, and the third reports late."""
    if place == 0:
        return Battery(serial=serial, capacity_wh=5000, power_w=3840)
    return Battery(serial=serial, late=LATE_BATTERY_S if place == 2 else 0)


def _operational_at(random: Random, kind: SystemKind, now: float) -> int:
    """Return the start of service (epoch seconds); not aligned to an interval, as in real systems."""
    if kind.young:
        return int(now // 86_400 - random.randint(30, 300)) * 86_400 + random.randrange(86_400)
    year = datetime.fromtimestamp(now, tz=UTC).year - YEARS_IN_SERVICE
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) + random.randrange(20 * 86_400)


def _meters(random: Random, kind: SystemKind, number: int) -> tuple[Meter, ...]:
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
