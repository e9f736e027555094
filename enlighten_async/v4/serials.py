"""Serial numbers of devices, as parts of paths."""

from __future__ import annotations

from urllib.parse import quote

from enlighten_async.dialect.systems import serial_number
from enlighten_async.errors import InputError


def device(given: object) -> str:
    """Return the serial number of a device.

    Raises:
        InputError: it is not a text, or no serial number can look like it.
    """
    serial = serial_number(given, "serial_number")
    if not serial.isprintable() or "/" in serial or serial in {".", ".."}:
        raise InputError(
            f"serial_number must be what stands on the device, such as '121112607295', not {given!r}"
        )
    return serial


def quoted(serial: str) -> str:
    """Return a serial number as a part of a path."""
    return quote(serial, safe="")
