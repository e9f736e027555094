"""Errors of v4: the class and the advice for each status and text, by tables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from enlighten_async import errors
from enlighten_async.api import error_bodies as bodies
from enlighten_async.wire import Response

ACCESS_CONTROLS: Mapping[str, tuple[str, ...]] = {
    "System Details": (
        *("systems", "system", "summary", "devices", "inventory", "envoys", "search_system_id"),
        *("inverters_summary_by_envoy_or_site", "events", "alarms", "open_events", "open_alarms"),
        "event_types",
    ),
    "Site Level Production Monitoring": (
        *("stats", "rgm_stats", "production_meter", "energy_lifetime", "production_meter_readings"),
    ),
    "Site Level Consumption Monitoring": (
        *("consumption_stats", "consumption_lifetime", "consumption_meter_readings"),
        *("battery", "battery_lifetime", "storage_meter_readings", "latest_telemetry"),
        *("energy_import_telemetry", "energy_export_telemetry"),
        *("energy_import_lifetime", "energy_export_lifetime"),
    ),
    "EV Charger Monitoring": (
        *("ev_charger_devices", "ev_charger_events", "ev_charger_sessions", "ev_charger_schedules"),
        *("ev_charger_lifetime", "ev_charger_telemetry"),
    ),
    "Device Level Production Monitoring": (
        *("micros_telemetry", "micro_telemetry", "encharge_telemetry", "acb_telemetry"),
        *("evse_telemetry", "evse_lifetime", "hp_telemetry", "hp_lifetime"),
    ),
    "System Configurations": ("battery_settings", "storm_guard", "grid_status", "load_control"),
}
"""The endpoints of each access control, by the names of the client's methods."""

_FIRST_PLAN = {"Device Level Production Monitoring": "Kilowatt", "System Configurations": "Megawatt"}
"""The smallest plan that includes an access control; the others are in all of them."""


def access_control(endpoint: str) -> str:
    """Return the name of the access control an endpoint needs; empty if that is not known."""
    return next((name for name, endpoints in ACCESS_CONTROLS.items() if endpoint in endpoints), "")


def plans(name: str) -> str:
    """Return the plans that include an access control, in words."""
    return f"(in plans from {_FIRST_PLAN.get(name, 'Watt')} on)"


_ERRORS: Mapping[int, tuple[type[errors.APIError], str]] = {
    400: (errors.RangeError, "the service takes a parameter for invalid"),
    401: (errors.TokenRefused, "the access token is not accepted"),
    403: (errors.PermissionDenied, "the owner has not granted this, or it is not their system"),
    404: (
        errors.NotFound,
        "check the system id and the serial number, and that this user may see the system",
    ),
    409: (errors.Throttled, "over the plan's limit"),
    422: (errors.RangeError, "the service takes the range, or another parameter, for invalid"),
    429: (errors.Throttled, "over the plan's limit"),
    503: (errors.Unavailable, "too many requests at once, or the service is down"),
}

_UNAUTHORIZED: tuple[tuple[str, type[errors.AuthenticationError], str], ...] = (
    ("keys are missing", errors.KeyMissing, "the API key did not arrive: try key_in='header' (or 'query')"),
    ("mismatch", errors.KeyMismatch, "take API key, client id and client secret of one application"),
    ("do not match", errors.KeyMismatch, "take API key, client id and client secret of one application"),
    ("api key", errors.AuthenticationError, "check the API key"),
)
"""Texts of a 401 (lower case) for anything but a token that is not accepted or a missing access control."""

_NOT_FOUND_TEXT = re.compile(r"not found|couldn't find|invalid system_id|serial_no", re.IGNORECASE)
"""Texts of a 400 or 422 for a system or a device that does not exist."""

_FACT = re.compile(r':(\w+)=>"?([\w:+-]+)"?')
"""A fact in the tail of a text, as Ruby writes it: `{:start_at=>1566930600, :end_at=>1565333100}`."""

_QUOTED = re.compile(r"Invalid request because of '(.*)'\.?")


def error_for(response: Response, endpoint: str) -> errors.EnlightenError:
    """Return the error that a response stands for, which is no data.

    Args:
        response: the response.
        endpoint: the API's name of the endpoint, which tells the access control it needs.
    """
    body = bodies.envelope(response)
    text = _message_of(body)
    if response.status == 401 and "access this resource" in text:
        return _missing_access_control(response, text, endpoint)
    kind, advice = _kind(response, body, text)
    message = f"{response.status}{f' {text}' if text else ''}: {advice}"
    return bodies.with_facts(kind(message, status=response.status, response=response), _facts(body, text))


def _kind(response: Response, body: Mapping[str, object], text: str) -> tuple[type[errors.APIError], str]:
    status = response.status
    if bodies.is_about_range(text):
        return _ERRORS[422]
    if status == 401:
        fitting = (row for row in _UNAUTHORIZED if row[0] in text.lower())
        known = next(((kind, advice) for _, kind, advice in fitting), None)
        return known or bodies.kind_of(response, _ERRORS)
    if status == 500 and body.get("errorCode") == bodies.UNAVAILABLE:
        return errors.Unavailable, "the service does not have this data for now; ask again later"
    if status in {400, 422} and _NOT_FOUND_TEXT.search(text):
        return _ERRORS[404]
    return bodies.kind_of(response, _ERRORS)


def _missing_access_control(response: Response, text: str, endpoint: str) -> errors.MissingAccessControl:
    """Return the error for an application that may not use an endpoint."""
    name = access_control(endpoint)
    needed = f"the access control {name!r} {plans(name)}" if name else "an access control"
    error = errors.MissingAccessControl(
        f"401 {text}: {endpoint} needs {needed}, which the application or its plan lacks. One that is added "
        f"in the developer portal makes a new application, to which owners have to consent anew",
        status=response.status,
        response=response,
    )
    error.access_control = name
    return error


def _message_of(body: Mapping[str, object]) -> str:
    """Return the text of an error: its details, where it has some, and else its title."""
    nested = body.get("error")
    if isinstance(nested, dict):
        return bodies.message_of(nested, "message", "status")
    title, details = (
        bodies.message_of(body, "message", "errorMessages", "reason"),
        bodies.message_of(body, "details"),
    )
    quoted = _QUOTED.fullmatch(details)
    text = quoted.group(1) if quoted else details
    if text and ("ismatch" in title or "authorized" in title):
        text = f"{title.rstrip('.')}: {text}"
    return (text or title).rstrip(".")


def _facts(body: Mapping[str, object], text: str) -> Mapping[str, object]:
    """Return the facts of an error: from its body and from its text (epoch seconds, local dates)."""
    facts: dict[str, object] = {}
    for name, value in _FACT.findall(text):
        if value.isdigit():
            facts[name] = int(value)
        else:
            facts[name.removesuffix("_at").removesuffix("_date")] = value
    return {**facts, **body}
