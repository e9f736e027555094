"""Settings of a system and the last reports of its devices, in v4."""

from __future__ import annotations

from functools import partial
from typing import Any, TypeVar

from enlighten_async.api import decode
from enlighten_async.api.single import SinglePlan
from enlighten_async.errors import EnlightenError, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.site_settings import BatterySettings, GridStatus, LoadControl, StormGuard
from enlighten_async.wire import Request

S = TypeVar("S", BatterySettings, StormGuard, GridStatus, LoadControl)

_EMPTY_TEXTS = (
    ("doesn't have", Reason.NO_DEVICE),
    ("not reported yet", Reason.NOT_REPORTED_YET),
)
"""Texts of a 422 for a system that has no such setting, each with the reason that it stands for."""


def setting_plan(model: type[S], endpoint: str, system_id: int) -> SinglePlan[S]:
    """Return the plan of a query for one setting of a system.

    Args:
        model: the class of the answer.
        endpoint: the API's name of the setting.
        system_id: the system.
    """
    request = Request(
        endpoint,
        f"/systems/config/{system_id}/{endpoint}",  # the number comes later than in other paths
        (),
        partial(decode.value, model, usual={"system_id": system_id}),
        empty_answer_for=partial(_empty_setting, model, system_id),
    )
    return SinglePlan(request)


def _empty_setting(model: type[S], system_id: int, error: EnlightenError) -> S | None:
    """Return the empty answer that an error of the service stands for: without batteries, or a report."""
    if not isinstance(error, RangeError):
        return None
    reason = next((reason for text, reason in _EMPTY_TEXTS if text in str(error)), None)
    if reason is None:
        return None
    return model(system_id, reason=reason, as_of=decode.fetched_at(error.response))


REPORTING_KINDS = ("meters", "encharges", "heat_pump", "evse")
"""Kinds of devices in the last reports; the service writes one of them with a hyphen."""


def shape_latest_telemetry(raw: dict[str, Any]) -> dict[str, Any]:
    """Return last reports with a field for each kind that is known, and the others together."""
    by_kind = {name.lower().replace("-", "_"): rows for name, rows in (raw.get("devices") or {}).items()}
    known = {kind: by_kind.pop(kind, None) for kind in REPORTING_KINDS}
    return {"system_id": raw.get("system_id"), **known, "others": by_kind}
