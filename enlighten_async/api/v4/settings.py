"""Settings of a system and the last reports of its devices."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeAlias, TypeVar

from enlighten_async.api import decode
from enlighten_async.api.single import once
from enlighten_async.errors import EnlightenError, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.site_settings import (
    BatterySettings,
    GridStatus,
    LatestTelemetry,
    LoadControl,
    StormGuard,
)
from enlighten_async.query.plan import Draft
from enlighten_async.wire import Request

Setting: TypeAlias = BatterySettings | StormGuard | GridStatus | LoadControl
S = TypeVar("S", BatterySettings, StormGuard, GridStatus, LoadControl)

_EMPTY = (
    ("doesn't have", Reason.NO_DEVICE),
    ("not reported yet", Reason.NOT_REPORTED_YET),
)
"""What a refusal (422) says of a system for which there is nothing, and the reason that it stands for."""


def _of(model: type[S], name: str, system_id: int) -> Draft[S, S, S]:
    """Ask how something is set."""

    def forgive(refusal: EnlightenError) -> S | None:
        if not isinstance(refusal, RangeError):
            return None
        reason = next((reason for words, reason in _EMPTY if words in str(refusal)), None)
        as_of = decode.fetched_at(refusal.response)
        return None if reason is None else model(system_id, reason=reason, as_of=as_of)

    # The order of the path is another one than elsewhere.
    path = f"/systems/config/{system_id}/{name}"
    read = partial(decode.value, model, usual={"system_id": system_id})
    return once(Request(name, path, (), read, None, forgive))


battery_settings = partial(_of, BatterySettings, "battery_settings")
storm_guard = partial(_of, StormGuard, "storm_guard")
grid_status = partial(_of, GridStatus, "grid_status")
load_control = partial(_of, LoadControl, "load_control")


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
