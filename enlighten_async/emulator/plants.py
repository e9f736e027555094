"""What stands on the roofs: systems and their revenue-grade meters. Values only."""

from __future__ import annotations

from base64 import b64encode
from typing import Literal, TypeAlias

from attrs import frozen

Consumption: TypeAlias = Literal["none", "metered", "refused", "disabled"]


def encode_id(number: int) -> str:
    """Return a number the way the service writes user ids and cursors: hex of its base64 line."""
    return (b64encode(str(number).encode()) + b"\n").hex()


DEMO_USER = encode_id(310606)
"""Enphase's public demo user, which every key may read."""

DEMO_SYSTEM = 1765
"""The system of the documentation's own example."""


@frozen(kw_only=True)
class Meter:
    """A revenue-grade meter, and how well it behaves.

    Attributes:
        serial: its serial number.
        envoy_serial: the serial number of the gateway that reports it.
        weight: its part of the system's power, relative to the other meters.
        phases: how many channels are wired (1 to 3).
        listed: how many channels are listed; those that are not wired are null in every row.
        standby_w: what it reads at night (W); real ones show -1.
        noise: whether its watt-hours carry the error of a float.
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
    """A revenue-grade meter that was taken out of service: its odometer stands still.

    Attributes:
        serial: its serial number.
        retired_at: when it was read for the last time (epoch seconds).
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


@frozen(kw_only=True)
class System:
    """A system: who owns it, where it stands, what is installed.

    Attributes:
        system_id: the service's id.
        user_id: the user who may read it.
        latitude: degrees, north is positive; the sun follows from it.
        longitude: degrees, east is positive.
        timezone: an IANA name, legacy names included.
        size_w: peak power of its panels (W).
        operational_at: when it went into service (epoch seconds): no interval ends before.
        meters: none means that production is known from the microinverters alone.
        night_rows: whether its meters report rows while the sun is down, or none.
        outages: chance per day that the whole system misses some rows.
        installer: who installed it, for the filter of that name.
        metered_at: when its meters were installed (epoch seconds); `None`: together with the system.
        retired_meters: meters that measured its production before.
        micro_late: seconds until the last inverter's report of an interval is in; until then its row shows
            fewer devices and less power.
        consumption: `none`: not metered, `metered`, `refused`: metered, and the user may not see it,
            `disabled`: there is a meter which is switched off.
        envoys: its gateways; none means the one its meters name, or one with a made-up serial number.
        retired_inverters: how many were replaced, a hundred days after the start of service.
        twins: whether its inverters are D380, two in one case, with serial numbers `...-A` and `...-B`.
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
    meters: tuple[Meter, ...] = ()
    night_rows: bool = True
    outages: float = 0.0
    installer: str | None = None
    metered_at: int | None = None
    retired_meters: tuple[RetiredMeter, ...] = ()
    micro_late: int = 600
    consumption: Consumption = "none"
    envoys: tuple[Envoy, ...] = ()
    retired_inverters: int = 0
    twins: bool = False

    @property
    def metered_from(self) -> int:
        """When its meters began to measure (epoch seconds)."""
        return max(self.operational_at, self.metered_at or 0)
