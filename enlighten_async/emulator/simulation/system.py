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
    """A revenue-grade meter, and the faults of its reports."""

    serial: str
    """Its serial number."""
    envoy_serial: str
    """The serial number of the gateway that reports it."""
    weight: float = 1.0
    """Its share of the system's power, relative to the other meters."""
    phases: int = 1
    """Number of wired channels (1 to 3)."""
    listed: int = 1
    """Number of listed channels; those that are not wired are null in every row."""
    standby_w: int = 0
    """Reading at night (W); real ones show -1."""
    noise: bool = False
    """Whether its watt-hours have floating-point errors."""
    outages: float = 0.0
    """Chance per day that it misses some rows."""
    late: int = 0
    """Seconds its rows arrive after those of punctual meters."""
    null_tail: bool = False
    """Whether the newest row is null in every channel although the system's row has a value."""


@frozen(kw_only=True)
class RetiredMeter:
    """A revenue-grade meter that was taken out of service: its odometer no longer changes."""

    serial: str
    """Its serial number."""
    retired_at: int
    """Time of its last reading (epoch seconds)."""


@frozen
class Envoy:
    """A gateway."""

    serial: str
    """Its serial number, twelve digits."""
    part_number: str = "800-00555-r03"
    """Enphase's number of the part."""
    status: str = "normal"
    """`normal` or `comm`."""
    reported: bool = True
    """Whether it has ever reported."""


@frozen
class Backlog:
    """A time without connection to the service, and the upload of what the gateway has kept of it.

    Meanwhile the gateway goes on measuring. Once it is back it uploads all it has kept, the oldest first and
    at a constant speed, and the present comes last; it counts as reporting all the while.
    """

    start: float
    """The connection was lost (epoch seconds)."""
    end: float
    """It came back (epoch seconds)."""
    upload_s: float
    """Seconds from then on until everything is uploaded."""

    def is_uploading(self, now: float) -> bool:
        """Return whether the gateway is connected again, and has not yet uploaded all it has kept.

        Args:
            now: epoch seconds.
        """
        return self.end <= now < self.end + self.upload_s

    def reached(self, now: float, lag: float) -> float:
        """Return the instant up to which the service has data, `lag` seconds after it is measured.

        Args:
            now: epoch seconds.
            lag: seconds until an interval that has ended is reported.
        """
        begin = min(self.start, now) - lag
        if now < self.end:
            return begin
        if not self.is_uploading(now):
            return now - lag
        kept = self.end + self.upload_s - self.start
        return begin + kept * (now - self.end) / self.upload_s


@frozen(kw_only=True)
class Battery:
    """A battery, of the present kind (Encharge) or the older one (AC Battery)."""

    serial: str
    """Its serial number."""
    capacity_wh: int = 3360
    """Its capacity (Wh)."""
    power_w: int = 1280
    """Maximum power of charge and discharge (W)."""
    late: int = 0
    """Seconds its rows arrive after those of punctual devices."""


@frozen(kw_only=True)
class LoadControl:
    """A load behind a dry contact, which is shed when the battery runs low."""

    name: str
    """The contact: NC1, NC2, NO1, NO2."""
    load_name: str
    """The appliance that is connected."""
    mode: str = "Basic"
    """Basic, Scheduled, Advanced_BatteryPowered and others."""


@frozen(kw_only=True)
class StorageSettings:
    """The settings of a system's batteries."""

    mode: str = "Self-consumption"
    """Self-consumption or Savings Mode."""
    reserve_soc: int = 20
    """Reserve for outages (percent of the capacity), which is never discharged."""
    energy_independence: bool = True
    """Whether the batteries also serve the house after peak hours."""
    charge_from_grid: bool = False
    """Whether they may charge from the grid."""
    shutdown_level: int = 10
    """State of charge at which they shut down in an outage (percent)."""
    storm_guard: bool = True
    """Whether they charge ahead of announced storms."""
    loads: tuple[LoadControl, ...] = ()
    """The loads that are shed."""


@frozen(kw_only=True)
class EvCharger:
    """An EV charger, on a separate supply that the house's meters do not measure."""

    serial: str
    """Its serial number."""
    name: str = "EV Charger_1"
    """The owner's name of it."""
    model: str = "IQ-EVSE-40R"
    """Its maker's name of it."""
    power_w: int = 7400
    """Power while charging (W)."""
    step: int = 900
    """Seconds of one interval of its telemetry, 300 or 900."""


@frozen(kw_only=True)
class HeatPump:
    """A heat pump, on a separate supply that the house's meters do not measure."""

    name: str
    """Its maker's name of it."""
    serial: str = ""
    """Its serial number, which may be empty."""
    power_w: int = 2200
    """Power while running (W)."""
    standby_w: int = -2
    """Average reading while it is off (W); real ones show negative values."""
    step: int = 900
    """Seconds of one interval of its telemetry, 300 or 900."""


@frozen(kw_only=True, cache_hash=True)
class System:
    """A system: its owner, its location and its equipment."""

    system_id: int
    """The service's id."""
    user_id: str = DEMO_USER
    """The user who may read it."""
    name: str = "Emulated residence"
    """Its name, as its owner and the installer see it."""
    public_name: str = "Residential System"
    """The name that everybody may see."""
    status: str = "normal"
    """The API's word for its state."""
    timezone: str = "America/Los_Angeles"
    """An IANA name, legacy names included."""
    country: str = "US"
    """Code of its country."""
    state: str | None = "CA"
    """Its state or region; `None`: none."""
    city: str = "Petaluma"
    """Its city."""
    postal_code: str = "94952"
    """Its postal code."""
    latitude: float = 38.23
    """Degrees, north is positive."""
    longitude: float = -122.64
    """Degrees, east is positive."""
    connection_type: str = "ethernet"
    """Its way to the service: "ethernet", "wifi" or "cellular"."""
    reference: str | None = None
    """Name that the user's company gave it; `None`: none."""
    other_references: tuple[str, ...] = ()
    """Names that other companies gave it."""
    size_w: int = 6000
    """Peak power of its panels (W)."""
    modules: int = 20
    """Number of its panels, each with a microinverter."""
    operational_at: int = 1_600_000_000
    """Start of service (epoch seconds): no interval ends before."""
    declared_at: int | None = None
    """Start of service as somebody has set it by hand, the one that answers show; `None`: the real one."""
    meters: tuple[Meter, ...] = ()
    """None means that production is known from the microinverters alone."""
    night_rows: bool = True
    """Whether its meters report rows at night."""
    micro_night_rows: bool = False
    """Whether its microinverters have rows at night: zeros."""
    outages: float = 0.0
    """Chance per day that the whole system misses some rows."""
    backlogs: tuple[Backlog, ...] = ()
    """Times without connection whose data arrive later; of two that overlap the later data count."""
    report_every: int = 0
    """Seconds from one report of its gateway to the next; 0: it reports each interval."""
    installer: str | None = None
    """The installer's name, for the filter of that name."""
    metered_at: int | None = None
    """Installation of its meters (epoch seconds); `None`: together with the system."""
    retired_meters: tuple[RetiredMeter, ...] = ()
    """Meters that measured its production before."""
    micro_late: int = 600
    """Seconds until the last inverter's report of an interval is in; until then its row shows fewer devices
    and less power.
    """
    consumption: Consumption = "none"
    """`none`: not metered, `metered`, `refused`: metered, and the user may not see it, `disabled`: there is a
    meter which is switched off.
    """
    envoys: tuple[Envoy, ...] = ()
    """Its gateways; none means the one its meters name, or one with a generated serial number."""
    retired_inverters: int = 0
    """Number of inverters replaced, a hundred days after the start of service."""
    twins: bool = False
    """Whether its inverters are D380, two in one case, with serial numbers `...-A` and `...-B`."""
    nmi: str | None = None
    """The number of its connection to the grid, in Australia."""
    batteries: tuple[Battery, ...] = ()
    """Its batteries (Encharge)."""
    acbs: tuple[Battery, ...] = ()
    """Its AC Batteries, the older kind."""
    storage: StorageSettings = StorageSettings()
    """The settings of both kinds of battery."""
    ev_chargers: tuple[EvCharger, ...] = ()
    """Its chargers."""
    heat_pump: HeatPump | None = None
    """Its heat pump."""

    @property
    def shown_operational_at(self) -> int:
        """The start of service that answers show (epoch seconds)."""
        return self.operational_at if self.declared_at is None else self.declared_at

    @property
    def metered_from(self) -> int:
        """The start of its meters' measurements (epoch seconds)."""
        return max(self.operational_at, self.metered_at or 0)
