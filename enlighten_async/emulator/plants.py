"""What stands on the roofs: systems and their revenue-grade meters. Values, no behaviour."""

from __future__ import annotations

from base64 import b64encode

from attrs import frozen


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
