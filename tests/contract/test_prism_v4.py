"""The client against Prism, a mock server made from an OpenAPI file of the API's v4.

Run by `nox -s prism -- FILE`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from enlighten_async import (
    APIError,
    AuthenticationError,
    DecodeError,
    EnlightenClient,
    EnlightenError,
    MemoryTokenStore,
    NotFound,
    OAuth,
    PermissionDenied,
    QuotaExhausted,
    RangeError,
    Reason,
    ServerError,
    Throttled,
    Unavailable,
)
from enlighten_async.api.v4.errors import ACCESS_CONTROLS
from tests.contract import openapi, prism
from tests.contract.prism import MODES, ROUNDS, Outcome, Row
from tests.world import API_KEY

openapi.need("OPENAPI", "PRISM")
openapi.need_version("v4")

SYSTEM = 1765
SERIAL = "202312100006"
NOW = int(time.time())
TODAY = date.today()  # noqa: DTZ011 - any recent day will do
LAST_WEEKS = {"start_at": NOW - 20 * 86_400, "end_at": NOW}
LAST_DAYS = {"start_date": TODAY - timedelta(days=20), "end_date": TODAY - timedelta(days=2)}
LAST_EVENTS = {"start_time": NOW - 20 * 86_400, "end_time": NOW}

ONE = {"system_id": SYSTEM}
DEVICE = {**ONE, "serial_number": SERIAL}
RANGES: tuple[dict[str, Any], ...] = ({}, LAST_WEEKS, LAST_DAYS)
LISTED = [698910067, 698906018, SYSTEM]  # also in the file's example of a list; others are refused
FILTERS: dict[str, Any] = {"system_id": LISTED, "status": ["comm", "micro"], "reference": "a"}

ASKS: tuple[Row, ...] = (
    ("list_systems", "systems", {}),
    ("search_systems", "systems", {"system_name": "Green", **FILTERS}),
    ("search_systems", "systems", {"status": "power"}),
    ("get_system_by_id", "system", ONE),
    ("get_system_summary", "summary", ONE),
    *(("get_rgm_stats", "rgm_stats", {**ONE, **asked}) for asked in RANGES),
    *(("get_production_micro_telemetry", "stats", {**ONE, **asked}) for asked in RANGES),
    *(("get_production_meter_telemetry", "production_meter", {**ONE, **asked}) for asked in RANGES),
    *(("get_consumption_meter_telemetry", "consumption_stats", {**ONE, **asked}) for asked in RANGES),
    *(("get_battery_telemetry", "battery", {**ONE, **asked}) for asked in RANGES),
    *(("get_energy_import_telemetry", "energy_import_telemetry", {**ONE, **asked}) for asked in RANGES),
    *(("get_energy_export_telemetry", "energy_export_telemetry", {**ONE, **asked}) for asked in RANGES),
    *(("get_micro_telemetry", "micro_telemetry", {**DEVICE, **asked}) for asked in RANGES),
    *(("get_acb_telemetry", "acb_telemetry", {**DEVICE, **asked}) for asked in RANGES),
    *(("get_encharge_telemetry", "encharge_telemetry", {**DEVICE, **asked}) for asked in RANGES),
    *(("fetch_energy_consumption_data", "ev_charger_telemetry", {**DEVICE, **asked}) for asked in RANGES),
    ("get_energy_lifetime", "energy_lifetime", {**ONE, "production": "all", **LAST_DAYS}),
    *(("get_energy_lifetime", "energy_lifetime", {**ONE, **days}) for days in ({}, LAST_DAYS)),
    *(("get_consumption_lifetime", "consumption_lifetime", {**ONE, **days}) for days in ({}, LAST_DAYS)),
    *(("get_battery_lifetime", "battery_lifetime", {**ONE, **days}) for days in ({}, LAST_DAYS)),
    *(("get_energy_import_lifetime", "energy_import_lifetime", {**ONE, **days}) for days in ({}, LAST_DAYS)),
    *(("get_energy_export_lifetime", "energy_export_lifetime", {**ONE, **days}) for days in ({}, LAST_DAYS)),
    (
        "fetch_daily_energy_consumption_data",
        "ev_charger_lifetime",
        {**DEVICE, "start_date": TODAY - timedelta(days=9)},
    ),
    ("fetch_daily_energy_consumption_data", "ev_charger_lifetime", {**DEVICE, **LAST_DAYS}),
    ("list_system_devices", "devices", ONE),
    ("list_system_devices", "envoys", ONE),
    ("list_system_devices", "inventory", ONE),
    ("get_inverters_summary", "inverters_summary_by_envoy_or_site", {"site_id": SYSTEM}),
    ("get_production_meter_readings", "production_meter_readings", ONE),
    ("get_production_meter_readings", "production_meter_readings", {**ONE, "end_at": NOW}),
    ("get_latest_system_telemetry", "latest_telemetry", ONE),
    ("retrieve_system_id", "search_system_id", {"serial_num": "121112607295"}),
    ("list_system_events", "events", {**ONE, "start_time": NOW - 86_400}),
    ("list_system_events", "events", {**ONE, **LAST_EVENTS}),
    ("list_system_alarms", "alarms", {**ONE, "start_time": NOW - 86_400}),
    ("list_system_alarms", "alarms", {**ONE, **LAST_EVENTS, "cleared": True}),
    ("list_system_alarms", "alarms", {**ONE, **LAST_EVENTS, "cleared": False}),
    ("list_event_types", "event_types", {}),
    ("list_event_types", "event_types", {"event_type_id": 28}),
    ("fetch_chargers_summary", "ev_charger_devices", ONE),
    ("fetch_events", "ev_charger_events", ONE),
    ("fetch_events", "ev_charger_events", {**ONE, "serial_num": SERIAL}),
    ("fetch_charger_session_history", "ev_charger_sessions", DEVICE),
    ("fetch_schedules", "ev_charger_schedules", DEVICE),
    ("get_system_battery_settings", "battery_settings", ONE),
    ("get_system_storm_guard", "storm_guard", ONE),
    ("get_system_grid_status", "grid_status", ONE),
    ("get_system_load_control", "load_control", ONE),
)
"""Every operation, by which method, and with what it may be asked; a new one is one row."""

LEFT_OUT = {"start_charging", "stop_charging", "get_live_data"}
"""What the client does not do: control, and streams."""

LATER = {
    *("consumption_meter_readings", "storage_meter_readings", "open_events", "open_alarms"),
    *("micros_telemetry", "evse_telemetry", "evse_lifetime", "hp_telemetry", "hp_lifetime"),
}
"""What only later editions of the file have."""

REFUSALS: dict[int, tuple[type[EnlightenError], ...]] = {
    400: (RangeError, NotFound),
    401: (AuthenticationError, PermissionDenied),  # the latter for a missing access control
    403: (PermissionDenied,),
    404: (NotFound,),
    405: (APIError,),
    422: (RangeError, NotFound),
    429: (Throttled, QuotaExhausted),  # the latter for an hour
    500: (Unavailable, ServerError),  # the former if its `errorCode` is 7, as in the file's example
    501: (ServerError,),
}
"""What each documented status is to our callers."""

MOMENTS = (
    "end_at", "end_time", "event_end_time", "event_start_time", "last_energy_at", "last_interval_end_at",
    "last_report_at", "last_reported_time", "operational_at", "period_end", "period_start", "read_at",
    "start_at", "start_time",
)  # fmt: skip

MOMENT = {"minimum": 1_200_000_000, "maximum": 1_900_000_000}
DATES = ("start_date", "meter_start_date", "summary_date")
DATE = {"format": "date", "enum": ["2014-01-06"]}
INTEGER = {"type": "integer"}
SENSE: dict[str, dict[str, Any]] = {
    "system_id": {"enum": [SYSTEM]},
    "channel": {"minimum": 1, "maximum": 3},
    "power_produced": {"properties": {"value": INTEGER, "units": {"enum": ["W"]}}},
    "energy": {"properties": {"value": INTEGER, "units": {"enum": ["Wh"]}}},
    "timezone": {"enum": ["America/Los_Angeles", "Asia/Katmandu"]},
    "event_type_id": {"minimum": 0},
    **dict.fromkeys(MOMENTS, MOMENT),
    **dict.fromkeys(DATES, DATE),
}
"""What the file's schemas lack: answers are about the system asked for, moments and units can be."""

DAYS_OF_CHARGERS = {"type": "array", "items": INTEGER}
"""What a charger used on each day: the file says that it is an object, and gives a list as an example."""


JSON = {"application/octet-stream": "application/json"}
"""Answers of chargers are JSON as well; Prism makes none of the type that the file has for them."""


def as_json(node: Any) -> Any:
    """Return a part of the file in which all answers are JSON."""
    if isinstance(node, list):
        return [as_json(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {JSON.get(name, name): as_json(value) for name, value in node.items()}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run Prism in all modes; gives their addresses."""
    whole = as_json(openapi.document())
    told = {"system_id": SYSTEM, "serial_number": SERIAL}
    sensible = openapi.narrowed(whole, SENSE | {"serial_number": {"enum": [SERIAL]}}, told)
    sensible["components"]["schemas"]["EVEnergyResponse"]["properties"]["consumption"] = DAYS_OF_CHARGERS
    yield from prism.served(tmp_path_factory.mktemp("prism"), whole, sensible)


def renewed(_: httpx.Request) -> httpx.Response:
    """Give tokens."""
    return httpx.Response(200, json={"access_token": "a.b.c", "refresh_token": "d.e.f", "expires_in": 86_399})


async def ask(url: str, row: Row, status: int | None = None) -> Outcome:
    """Call a method of a new client, whose account has logged in."""
    oauth = OAuth(
        "client",
        "secret",
        tokens=MemoryTokenStore(),
        base_url=url,
        transport=httpx.MockTransport(renewed),
    )
    await oauth.exchange("default", "code")
    connect = partial(EnlightenClient.v4, API_KEY, oauth=oauth, key_in="header", base_url=f"{url}/api/v4")
    return await prism.ask(connect, row, status, zones="get_system_by_id")


def test_every_operation_of_the_file_and_every_method_has_a_row() -> None:
    """So that none is forgotten."""
    assert {operation for operation, _, _ in ASKS} == set(openapi.operations()) - LEFT_OUT
    endpoints = {name for names in ACCESS_CONTROLS.values() for name in names}
    assert {method for _, method, _ in ASKS} == endpoints - LATER


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", ASKS, ids=prism.label)
async def test_requests_are_allowed_and_answers_read(services: dict[str, str], mode: str, row: Row) -> None:
    """Where values make no sense, an answer may be refused, by an error of ours."""
    for _ in range(ROUNDS[mode]):
        outcome = await ask(services[mode], row)
        fine = not isinstance(outcome.answer, EnlightenError) and row[0] in outcome.wire.operations
        assert fine or (mode == "wild" and _senseless(outcome.answer)), outcome


REFUSED = [(row, status) for row in ASKS for status in openapi.statuses(row[0])]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("row", "status"), REFUSED, ids=prism.label)
async def test_each_documented_refusal_is_our_documented_error(
    services: dict[str, str], mode: str, row: Row, status: int
) -> None:
    """Whatever the rest of the body holds; and it is not asked for ever."""
    outcome = await ask(services[mode], row, status)
    if status == 500 and prism.without_data(outcome.answer):
        return
    if mode == "static" and status == 422 and _empty(outcome.answer):
        return
    if mode == "wild" and row[0] not in outcome.wire.operations:
        assert _senseless(outcome.answer), outcome  # the time zone was asked for, and is none
        return
    assert isinstance(outcome.answer, REFUSALS[status]), outcome
    assert getattr(outcome.answer, "status", status) == status, outcome


def _empty(answer: object) -> bool:
    """Tell whether an answer holds nothing and says why: some refusals stand for that."""
    coverage = getattr(answer, "coverage", None)
    if coverage is not None:
        return bool(coverage.gaps()) and not coverage.got
    return isinstance(getattr(answer, "reason", None), Reason)


def _senseless(answer: object) -> bool:
    """Tell whether answers were refused that cannot be: the year 50,000, no time zone."""
    return isinstance(answer, DecodeError) or (
        isinstance(answer, NotFound) and "sees no system" in str(answer)
    )
