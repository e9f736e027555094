"""Answers of v4 alone with faults of any kind: a typed value or one of our errors, and nothing else."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import APIError, DecodeError
from enlighten_async.models import Alarms, Events, Reason
from tests.api.v2.answers import DATE
from tests.api.v2.test_mutated_answers import mutated
from tests.api.v4.single import planned, told
from tests.effort import examples

EVENT = {"event_type_id": 28, "event_start_time": DATE, "event_end_time": None, "serial_number": "01"}
ALARM = {
    "id": "9.28",
    "cleared": False,
    "severity": 3,
    "alarm_start_time": DATE,
    "alarm_end_time": None,
    "events": [{"serial_number": "01", "start_date": DATE, "end_date": DATE}],
}
DEVICE = {
    "id": 5,
    "serial_number": "01",
    "active": "true",
    "last_report_at": DATE,
    "cellular_modem": {"imei": "N/A", "plan_start_date": DATE},
}
READING = {"serial_num": "01EIM4", "value": 1, "value_charged": 5, "value_discharged": 4, "read_at": DATE}
REPORT = {"id": 5, "channel": 1, "last_report_at": DATE, "power": -15, "operational_mode": "Idle"}
SCHEDULE = {"is_active": True, "schedules": [{"days": [1], "start_time": "1:00", "charging_level": 70}]}
LOAD = {"name": "NC1", "owner_can_override": True, "soc_low": 30, "status": "enabled"}
RANGE = {"start_time": DATE - 86_400}
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]] = {
    "devices": ((7,), {}, {"devices": {"micros": [DEVICE], "gateways": [DEVICE], "new": [DEVICE]}}),
    "latest_telemetry": ((7,), {}, {"devices": {"meters": [REPORT], "heat-pump": [REPORT], "x": 5}}),
    "consumption_meter_readings": ((7,), {}, {"meter_readings": [READING], "meta": {"status": "x"}}),
    "storage_meter_readings": ((7,), {}, {"meter_readings": [READING, READING]}),
    "events": ((7,), RANGE, {"events": [EVENT, EVENT]}),
    "alarms": ((7,), RANGE, {"alarms": [ALARM, ALARM]}),
    "open_events": ((7,), {}, {"events": [EVENT]}),
    "open_alarms": ((7,), {}, {"alarms": [ALARM]}),
    "event_types": ((), {}, {"event_types": [{"event_type_id": 28, "stateful": True, "event_name": "n"}]}),
    "ev_charger_devices": ((7,), {}, {"devices": {"ev_chargers": [DEVICE]}}),
    "ev_charger_events": ((7,), {}, {"count": 1, "events": [{"triggered_date": DATE, "details": "d"}]}),
    "ev_charger_sessions": ((7, "1"), {}, {"count": 1, "sessions": [{"start_time": DATE, "cost": 0.5}]}),
    "ev_charger_schedules": ((7, "1"), {}, {"charger_schedules": [SCHEDULE]}),
    "battery_settings": ((7,), {}, {"battery_mode": "m", "reserve_soc": 9, "charge_from_grid": "enabled"}),
    "storm_guard": ((7,), {}, {"storm_guard_status": "enabled", "storm_alert": "false"}),
    "grid_status": ((7,), {}, {"grid_state": "On Grid", "last_report_date": DATE}),
    "load_control": ((7,), {}, {"load_control_data": [LOAD]}),
}
DETAILS = (
    *("System doesn't have encharges", "grid_state not available as the site has not reported yet"),
    *("System not found for {:id=>7}", "start_time is required", "User is not authorized"),
)


def call(name: str) -> Any:
    """Return the query of a method."""
    args, options, _ = CALLS[name]
    return planned(name, *args, **options)


@examples(700)
@given(
    name=st.sampled_from(list(CALLS)),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.05, 0.15, 0.4]),
    cut=st.none() | st.integers(0, 60),
)
def test_any_answer_is_a_value_or_a_decode_error(name: str, seed: int, share: float, cut: int | None) -> None:
    """And a value can be read through and written as JSON."""
    usual = {"system_id": 7, **CALLS[name][2]}
    body = json.dumps(mutated(usual, Random(seed), share)).encode()[:cut]  # noqa: S311 - faults, not secrets
    got = told(call(name), body)
    if isinstance(got, DecodeError):
        assert share or cut is not None
        assert got.path.startswith("$")
        assert got.response is not None
        assert got.response.body == body
        return
    json.dumps(got.to_dict(), allow_nan=False)
    for row in got if hasattr(got, "__len__") else ():
        json.dumps(row.to_dict(), allow_nan=False)


@examples(500)
@given(
    name=st.sampled_from(list(CALLS)),
    status=st.sampled_from([201, 204, 302, 400, 401, 403, 404, 405, 409, 422, 429, 500, 501, 503]),
    details=st.sampled_from(DETAILS) | st.lists(st.sampled_from(DETAILS)) | st.integers() | st.none(),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.1, 0.4]),
)
def test_any_refusal_is_an_error_or_an_empty_answer(
    name: str, status: int, details: object, seed: int, share: float
) -> None:
    """Empty only where the service has words for it, and with a reason."""
    refusal = {"message": "Unprocessable Entity", "details": details, "code": str(status), "errorCode": 7}
    body = json.dumps(mutated(refusal, Random(seed), share)).encode()  # noqa: S311 - faults, not secrets
    got = told(call(name), body, status)
    if isinstance(got, APIError):
        assert got.status == status
        return
    if name.endswith("_readings"):
        assert got.meter_readings == ()
        return
    assert name in {"battery_settings", "storm_guard", "grid_status", "load_control"}
    assert not isinstance(got, Events | Alarms)
    assert got.reason is Reason.NO_DEVICE or status in {400, 422}
