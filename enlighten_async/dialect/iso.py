"""Answers under `datetime_format=iso8601`: instants as local time with an offset, not epoch seconds."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

_INSTANTS = frozenset({"end_at", "last_report_at", "last_energy_at", "operational_at"})
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", re.ASCII)


def in_epoch(body: bytes) -> bytes | None:
    """Return an answer with its instants in epoch seconds; `None` if it has none that are ISO 8601.

    A time without an offset names no instant and stays as it is.
    """
    try:
        changed = msgspec.json.encode(_changed("", msgspec.json.decode(body)))
    except (ValueError, OverflowError, RecursionError):
        return None
    return None if changed == body else changed


def _changed(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _changed(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_changed("", inner) for inner in value]
    moment = instant(value) if name in _INSTANTS else None
    return value if moment is None else moment


def instant(value: object) -> int | None:
    """Return an instant in ISO 8601 as epoch seconds; `None` for what is not one."""
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        return int(datetime.fromisoformat(value).timestamp())
    except (ValueError, OverflowError):
        return None
