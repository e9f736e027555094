"""Systems and their equipment: values that describe an installation."""

from __future__ import annotations

from base64 import b64encode
from typing import Literal, TypeAlias

from attrs import frozen

Consumption: TypeAlias = Literal["none", "metered", "refused", "disabled"]


def encode_id(number: int) -> str:
    """Return a number as the service writes user ids and cursors: hex of its base64 line."""
    return (b64encode(str(number).encode()) + b"\n").hex()


DEMO_USER = encode_id(310606)
"""Enphase's public demo user, which every key may read."""

DEMO_SYSTEM = 1765
"""The system of the documentation's own example."""


@frozen(kw_only=True)
class Meter:
    """A revenue-grade meter, and the faults of its reports.

    Attributes:
        serial: its serial number.
        envoy_serial: the serial number of the gateway that reports it.
        weight: its share of the system's power, relative to the other meters.
        phases: number of wired channels (1 to 3).
        listed: number of listed channels; those that are not wired are null in every row.
        standby_w: reading at night (W); real ones show -1.
        noise: whether its watt-hours have floating-point errors.
        outages: chance per day that it misses some rows.
        late: seconds its rows arrive after those of punctual meters.
        null_tail: whether the newest row is null in every channel although the system's row has a value.
    """

    serial: str
    envoy_serial: str
    weight: float = 1.0
    phases: int = 1
    listed: int = 1
    standby_w: int = 0
    noise: bool = False
    outages: float = 0.0
    late: int = 0
    null_tail: bool = False


@frozen(kw_only=True)
class RetiredMeter:
    """A revenue-grade meter that was taken out of service: its odometer no longer changes.

    Attributes:
        serial: its serial number.
        retired_at: time of its last reading (epoch seconds).
    """

    serial: str
    retired_at: int


@frozen
class Envoy:
    """A gateway.

    Attributes:
        serial: its serial number, twelve digits.
        part_number: Enphase's number of the part.
        status: `normal` or `comm`.
        reported: whether it has ever reported.
    """

    serial: str
    part_number: str = "800-00555-r03"
    status: str = "normal"
    reported: bool = True


@frozen
class Backlog:
    """A time without connection to the service, and the upload of what the gateway has kept of it.

    Meanwhile the gateway goes on measuring. Once it is back it uploads all it has kept, the oldest first and
    at a constant speed, and the present comes last; it counts as reporting all the while.

    Attributes:
        start: the connection was lost (epoch seconds).
        end: it came back (epoch seconds).
        upload_s: seconds from then on until everything is uploaded.
    """

    start: float
    end: float
    upload_s: float

    def is_uploading(self, now: float) -> bool:
        """Return whether the gateway is connected again, and has not yet uploaded all it has kept."""
        return self.end <= now < self.end + self.upload_s

    def reached(self, now: float, lag: float) -> float:
        """Return the instant up to which the service has data, `lag` seconds after it is measured."""
        begin = min(self.start, now) - lag
        if now < self.end:
            return begin
        if not self.is_uploading(now):
            return now - lag
        kept = self.end + self.upload_s - self.start
        return begin + kept * (now - self.end) / self.upload_s


@frozen(kw_only=True)
class Battery:
    """A battery, of the present kind (Encharge) or the older one (AC Battery).

    Attributes:
        serial: its serial number.
        capacity_wh: its capacity (Wh).
        power_w: maximum power of charge and discharge (W).
        late: seconds its rows arrive after those of punctual devices.
    """

    serial: str
    capacity_wh: int = 3360
    power_w: int = 1280
    late: int = 0


@frozen(kw_only=True)
class LoadControl:
    """A load behind a dry contact, which is shed when the battery runs low.

    Attributes:
        name: the contact: NC1, NC2, NO1, NO2.
        load_name: the appliance that is connected.
        mode: Basic, Scheduled, Advanced_BatteryPowered and others.
    """

    name: str
    load_name: str
    mode: str = "Basic"


@frozen(kw_only=True)
class StorageSettings:
    """The settings of a system's batteries.

    Attributes:
        mode: Self-consumption or Savings Mode.
        reserve_soc: reserve for outages (percent of the capacity), which is never discharged.
        energy_independence: whether the batteries also serve the house after peak hours.
        charge_from_grid: whether they may charge from the grid.
        shutdown_level: state of charge at which they shut down in an outage (percent).
        storm_guard: whether they charge ahead of announced storms.
        loads: the loads that are shed.
    """

    mode: str = "Self-consumption"
    reserve_soc: int = 20
    energy_independence: bool = True
    charge_from_grid: bool = False
    shutdown_level: int = 10
    storm_guard: bool = True
    loads: tuple[LoadControl, ...] = ()


@frozen(kw_only=True)
class EvCharger:
    """A charger of cars, on a separate supply that the house's meters do not measure.

    Attributes:
        serial: its serial number.
        name: the owner's name of it.
        model: its maker's name of it.
        power_w: power while charging (W).
        step: seconds of one interval of its telemetry, 300 or 900.
    """

    serial: str
    name: str = "EV Charger_1"
    model: str = "IQ-EVSE-40R"
    power_w: int = 7400
    step: int = 900


@frozen(kw_only=True)
class HeatPump:
    """A heat pump, on a separate supply that the house's meters do not measure.

    Attributes:
        name: its maker's name of it.
        serial: its serial number, which may be empty.
        power_w: power while running (W).
        standby_w: average reading while it is off (W); real ones show negative values.
        step: seconds of one interval of its telemetry, 300 or 900.
    """

    name: str
    serial: str = ""
    power_w: int = 2200
    standby_w: int = -2
    step: int = 900


@frozen(kw_only=True, cache_hash=True)
class System:
    """A system: its owner, its location and its equipment.

    Attributes:
        system_id: the service's id.
        user_id: the user who may read it.
        latitude: degrees, north is positive.
        longitude: degrees, east is positive.
        timezone: an IANA name, legacy names included.
        size_w: peak power of its panels (W).
        operational_at: start of service (epoch seconds): no interval ends before.
        declared_at: start of service as somebody has set it by hand, the one that answers show; `None`: the
            real one.
        meters: none means that production is known from the microinverters alone.
        night_rows: whether its meters report rows at night.
        micro_night_rows: whether its microinverters have rows at night: zeros.
        outages: chance per day that the whole system misses some rows.
        backlogs: times without connection whose data arrive later; of two that overlap the later data count.
        installer: the installer's name, for the filter of that name.
        metered_at: installation of its meters (epoch seconds); `None`: together with the system.
        retired_meters: meters that measured its production before.
        micro_late: seconds until the last inverter's report of an interval is in; until then its row shows
            fewer devices and less power.
        consumption: `none`: not metered, `metered`, `refused`: metered, and the user may not see it,
            `disabled`: there is a meter which is switched off.
        envoys: its gateways; none means the one its meters name, or one with a generated serial number.
        retired_inverters: number of inverters replaced, a hundred days after the start of service.
        twins: whether its inverters are D380, two in one case, with serial numbers `...-A` and `...-B`.
        nmi: the number of its connection to the grid, in Australia.
        batteries: its batteries (Encharge).
        acbs: its AC Batteries, the older kind.
        storage: the settings of both kinds of battery.
        ev_chargers: its chargers.
        heat_pump: its heat pump.
    """

    system_id: int
    user_id: str = DEMO_USER
    name: str = "Emulated residence"
    public_name: str = "Residential System"
    status: str = "normal"
    timezone: str = "America/Los_Angeles"
    country: str = "US"
    state: str | None = "CA"
    city: str = "Petaluma"
    postal_code: str = "94952"
    latitude: float = 38.23
    longitude: float = -122.64
    connection_type: str = "ethernet"
    reference: str | None = None
    other_references: tuple[str, ...] = ()
    size_w: int = 6000
    modules: int = 20
    operational_at: int = 1_600_000_000
    declared_at: int | None = None
    meters: tuple[Meter, ...] = ()
    night_rows: bool = True
    micro_night_rows: bool = False
    outages: float = 0.0
    backlogs: tuple[Backlog, ...] = ()
    installer: str | None = None
    metered_at: int | None = None
    retired_meters: tuple[RetiredMeter, ...] = ()
    micro_late: int = 600
    consumption: Consumption = "none"
    envoys: tuple[Envoy, ...] = ()
    retired_inverters: int = 0
    twins: bool = False
    nmi: str | None = None
    batteries: tuple[Battery, ...] = ()
    acbs: tuple[Battery, ...] = ()
    storage: StorageSettings = StorageSettings()
    ev_chargers: tuple[EvCharger, ...] = ()
    heat_pump: HeatPump | None = None

    @property
    def shown_operational_at(self) -> int:
        """The start of service that answers show (epoch seconds)."""
        return self.operational_at if self.declared_at is None else self.declared_at

    @property
    def metered_from(self) -> int:
        """The start of its meters' measurements (epoch seconds)."""
        return max(self.operational_at, self.metered_at or 0)
