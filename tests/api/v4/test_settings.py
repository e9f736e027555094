"""How a system is set: words that are true or false, modes that stay words, and systems without any."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from enlighten_async.errors import DecodeError, MissingAccessControl, NotFound, RangeError
from enlighten_async.models import BatterySettings, GridStatus, Load, LoadControl, Reason, StormGuard
from tests.api.v2.answers import DATE
from tests.api.v4.single import asked, planned, told

NOW = datetime.fromtimestamp(DATE, UTC)
MODELS: dict[str, Any] = {
    "battery_settings": BatterySettings,
    "storm_guard": StormGuard,
    "grid_status": GridStatus,
    "load_control": LoadControl,
}


@pytest.mark.parametrize("name", MODELS)
def test_each_is_one_request(name: str) -> None:
    """The path has another order than elsewhere."""
    request = asked(planned(name, 7))
    assert (request.endpoint, request.path, request.params) == (name, f"/systems/config/7/{name}", ())


def test_batteries() -> None:
    """Percents are numbers."""
    body = {
        "system_id": 7,
        "battery_mode": "Savings - Mode",
        "reserve_soc": 30,
        "energy_independence": "enabled",
        "charge_from_grid": "disabled",
        "battery_shutdown_level": 5,
        "new": [],
    }
    got = told(planned("battery_settings", 7), body)
    assert got == BatterySettings(7, "Savings - Mode", 30, True, False, 5)
    assert (got.as_of, got.reason, got.to_dict()["charge_from_grid"]) == (NOW, None, False)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        *((word, True) for word in (True, "true", "True", "enabled", " Enabled ", "on")),
        *((word, False) for word in (False, "false", "disabled", "DISABLED", "off")),
        *((word, None) for word in (None, "", "paused", "0")),
    ],
)
def test_flags_come_as_words(sent: object, meant: bool | None) -> None:
    """A word that is neither yes nor no is not guessed at."""
    got = told(planned("storm_guard", 7), {"storm_guard_status": sent, "storm_alert": sent})
    assert got == StormGuard(7, meant, meant)


@pytest.mark.parametrize(("sent", "meant"), [(1, True), (0.0, False), (2, None), ([], None), ({}, None)])
def test_what_is_no_flag_is_no_answer_to_it(sent: object, meant: bool | None) -> None:
    """Numbers may stand for one."""
    got = told(planned("storm_guard", 7), {"storm_alert": sent, "storm_guard_status": "enabled"})
    assert got == StormGuard(7, True, meant)


def test_grid() -> None:
    """A state is a word, and a date an instant."""
    body = {"system_id": 7, "grid_state": "Islanded", "last_report_date": DATE}
    assert told(planned("grid_status", 7), body) == GridStatus(7, "Islanded", NOW)
    assert told(planned("grid_status", 7), {"last_report_date": NOW.isoformat()}).last_report_date == NOW


def test_loads() -> None:
    """A sequence of them, which may be empty."""
    load = {
        "name": "NC1",
        "load_name": "Pool",
        "owner_can_override": "true",
        "mode": "Scheduled",
        "soc_low": 20,
        "soc_high": 60,
        "status": "disabled",
        "essential_start_time": 0,
        "essential_end_time": 3600,
    }
    got = told(planned("load_control", 7), {"system_id": 7, "load_control_data": [load, {"name": "NC2"}]})
    assert list(got) == [Load("NC1", "Pool", True, "Scheduled", 20, 60, False, 0, 3600), Load("NC2")]
    assert json.loads(json.dumps(got.to_dict()))["load_control_data"][0]["mode"] == "Scheduled"
    assert told(planned("load_control", 7), {"load_control_data": []}) == LoadControl(7)
    assert isinstance(told(planned("load_control", 7), {"load_control_data": None}), DecodeError)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("System doesn't have encharges", Reason.NO_DEVICE),
        ("grid_state not available as the site has not reported yet", Reason.NOT_REPORTED_YET),
    ],
)
def test_nothing_to_set_is_an_answer(name: str, said: str, reason: Reason) -> None:
    """With a reason, which can be written down."""
    got = told(planned(name, 7), {"message": "Unprocessable Entity", "details": said, "code": 422}, 422)
    assert got == MODELS[name](7, reason=reason)
    assert (got.as_of, got.to_dict()["reason"]) == (NOW, str(reason))


def test_other_refusals_stay_errors() -> None:
    """A missing system, a parameter, an access control."""
    plan = planned("battery_settings", 7)
    missing = {"message": "Not Found", "details": 'System not found for {:id=>"7"}', "code": 404}
    assert type(told(plan, missing, 404)) is NotFound
    assert type(told(plan, {"details": "something else", "code": 422}, 422)) is RangeError
    lacking = {"message": "Not Authorized", "details": "Not authorized to access this resource", "code": 401}
    error = told(plan, lacking, 401)
    assert isinstance(error, MissingAccessControl)
    assert error.access_control == "System Configurations"
