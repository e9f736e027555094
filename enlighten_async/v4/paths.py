"""Serial numbers as parts of paths."""

from __future__ import annotations

from urllib.parse import quote

from enlighten_async.dialect.systems import serial_number
from enlighten_async.errors import InputError


def part(given: object, name: str) -> str:
    """Return a serial number as one part of a path.

    Args:
        given: the serial number.
        name: of the argument, for the error.

    Raises:
        InputError: it is not a text, or one that would lead elsewhere.
    """
    serial = serial_number(given, name)
    if not serial.isprintable() or "/" in serial or "\\" in serial or not serial.strip("."):
        raise InputError(f"{name} must be a serial number such as '202312100006', not {given!r}")
    try:
        return quote(serial, safe="")
    except UnicodeEncodeError:
        raise InputError(f"{name} must be a serial number such as '202312100006', not {given!r}") from None
