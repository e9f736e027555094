"""What devices reported last."""

from __future__ import annotations

from functools import partial
from typing import Any

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.models.latest_telemetry import LatestTelemetry
from enlighten_async.session.outline import Draft
from enlighten_async.wire import Request

KINDS = ("meters", "encharges", "heat_pump", "evse")
"""Kinds of devices; the service writes one of them with a hyphen."""


def latest_telemetry(system_id: int) -> Draft[LatestTelemetry, LatestTelemetry, LatestTelemetry]:
    """Ask for the last report of each of a system's meters, batteries, heat pumps and EV chargers."""
    read = partial(decode.value, LatestTelemetry, shape=_shape)
    return once(Request("latest_telemetry", f"/systems/{system_id}/latest_telemetry", (), read))


def _shape(raw: dict[str, Any]) -> dict[str, Any]:
    by_kind = {name.lower().replace("-", "_"): rows for name, rows in (raw.get("devices") or {}).items()}
    known = {kind: by_kind.pop(kind, None) for kind in KINDS}
    return {"system_id": raw.get("system_id"), **known, "others": by_kind}
