"""Devices of a system: what is asked, and what answers of all years say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from enlighten_async.api.v2 import ApiV2
from enlighten_async.errors import AuthenticationError, DecodeError, NotFound, ServerError
from enlighten_async.models import (
    Device,
    Envoy,
    EnvoyInverters,
    Envoys,
    Inventory,
    InvertersSummary,
    Meta,
    MicroInverter,
)
from tests.api.v2.answers import DATE
from tests.api.v2.single import asked, fetched, told

API = ApiV2()
envoys = API.envoys
inventory = API.inventory
inverters_summary_by_envoy_or_site = API.inverters_summary_by_envoy_or_site

NOW = datetime.fromtimestamp(DATE, UTC)
SUMMARY = "inverters_summary_by_envoy_or_site"


def test_each_is_one_request() -> None:
    """Of a system, which one of them calls a site."""
    for plan in (envoys, inventory):
        request = asked(plan(7))
        assert (request.endpoint, request.path) == (plan.__name__, f"/systems/7/{plan.__name__}")
        assert request.params == ()
    request = asked(inverters_summary_by_envoy_or_site(7))
    assert (request.endpoint, request.path) == (SUMMARY, f"/systems/{SUMMARY}")
    assert request.params == (("site_id", "7"),)


def test_envoys() -> None:
    """One that never reported says when with null."""
    body = {
        "system_id": 7,
        "envoys": [
            {
                "envoy_id": 4711,
                "serial_number": "012345678901",
                "part_number": "800-00069-r02",
                "status": "normal",
                "name": "Envoy 012345678901",
                "last_report_at": DATE,
                "new": {},
            },
            {"envoy_id": 4712, "status": "strange", "last_report_at": None},
        ],
    }
    first = Envoy(4711, "012345678901", "800-00069-r02", "normal", "Envoy 012345678901", NOW)
    second = Envoy(4712, status="strange")
    listed = told(envoys(7), body)
    assert listed == Envoys(7, (first, second))
    assert (len(listed), listed[1], listed[:1], list(listed)) == (2, second, (first,), [first, second])
    assert listed.as_of == NOW
    assert told(envoys(7), {"system_id": 7, "envoys": []}) == Envoys(7)
    body["envoys"][0]["last_report_at"] = NOW.isoformat()  # type: ignore[index]
    assert told(envoys(7), body) == listed


def test_an_inventory_of_the_first_years() -> None:
    """Serial numbers, models, and nothing else."""
    body = {"system_id": 7, "envoys": [{"sn": "0121"}], "inverters": [{"sn": "0309", "model": "M190"}]}
    assert told(inventory(7), body) == Inventory(7, (Device("0121"),), (Device("0309", "M190"),))
    assert told(inventory(7), {"system_id": 7, "inverters": []}) == Inventory(7)


def test_an_inventory_of_later_years() -> None:
    """Twin inverters are two; meters tell more."""
    body = {
        "system_id": 7,
        "envoys": [{"sn": "1218", "model": "Envoy-S", "sku": "ENV-S"}],
        "inverters": [
            {"sn": "05-A", "model": "D380", "sku": "D380-72"},
            {"sn": "05-B", "model": "D380", "sku": None},
        ],
        "meters": [
            {
                "sn": "1218EIM1",
                "manufacturer": "Enphase Energy",
                "model": "Envoy S",
                "status": "disabled",
                "state": "off",
            }
        ],
        "meta": {"status": "normal", "last_report_at": NOW.isoformat()},
    }
    listed = told(inventory(7), body)
    meter = Device("1218EIM1", "Envoy S", None, "Enphase Energy", "disabled", "off")
    twins = (Device("05-A", "D380", "D380-72"), Device("05-B", "D380"))
    gateways = (Device("1218", "Envoy-S", "ENV-S"),)
    assert listed == Inventory(7, gateways, twins, (meter,), Meta("normal", NOW))
    assert json.loads(json.dumps(listed.to_dict()))["meters"][0]["state"] == "off"
    assert (listed.as_of, meter.to_dict()["manufacturer"]) == (NOW, "Enphase Energy")


def micro(**told: Any) -> dict[str, Any]:
    """Return an inverter as an answer has it."""
    return {
        "id": 9,
        "serial_number": "0688",
        "model": "M215",
        "part_number": "800-00107-r01",
        "sku": "M215-60",
        "status": "normal",
        "power_produced": 96,
        "proc_load": "521-r00",
        "param_table": "undetermined-v",
        "envoy_serial_number": "1218",
        "energy": {"value": 232, "units": "Wh", "precision": 0},
        "grid_profile": "IEEE 1547 default",
        "last_report_date": DATE,
        **told,
    }


MICRO = MicroInverter(
    9,
    *("0688", "M215", "800-00107-r01", "M215-60", "normal"),
    96,
    *("521-r00", "undetermined-v", "1218"),
    232,
    "IEEE 1547 default",
    NOW,
)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"power_produced": {"value": 96, "units": "W", "precision": 0}},
        {"power_produced": {"value": 0.096, "units": "kW", "precision": 3}},
        {"power_produced": 96.0},
        {"energy": {"value": 835.2, "units": "kJ"}},
        {"energy": {"value": 835_200, "units": "J"}},
        {"energy": {"value": 0.8352, "units": "MJ"}},
        {"energy": {"value": 0.232, "units": "kWh"}},
        {"energy": {"value": 0.000232, "units": "MWh"}},
        {"energy": 232},
        {"last_report_date": NOW.isoformat()},
        {"last_report_date": "2025-06-24T14:20:00-07:00"},
    ],
)
def test_an_inverter_is_the_same_in_every_form(form: dict[str, Any]) -> None:
    """W, Wh and UTC, in whichever unit and format they were sent."""
    got = told(inverters_summary_by_envoy_or_site(7), [{"micro_inverters": [micro(**form)]}]).micro_inverters
    plain, usual = got[0].to_dict(), MICRO.to_dict()
    for name in ("power_produced", "energy"):
        assert plain.pop(name) == pytest.approx(usual.pop(name), rel=1e-12)
    assert plain == usual


def test_a_summary_of_inverters() -> None:
    """One entry for each gateway; what never reported is null."""
    silent = {"id": 8, "power_produced": None, "energy": None, "last_report_date": None}
    body = [
        {"signal_strength": 5, "micro_inverters": [micro(), silent]},
        {"signal_strength": None, "micro_inverters": [], "new": 1},
        {"signal_strength": 0, "micro_inverters": [micro(status="retired", energy={"value": None})]},
    ]
    summary = told(inverters_summary_by_envoy_or_site(7), body)
    assert (len(summary), summary.as_of) == (3, NOW)
    assert summary[0] == EnvoyInverters(5, (MICRO, MicroInverter(8)))
    assert summary[1] == EnvoyInverters()
    assert summary == InvertersSummary(tuple(summary))
    assert [inverter.energy for inverter in summary.micro_inverters] == [232, None, None]
    assert [inverter.status for inverter in summary.micro_inverters] == ["normal", None, "retired"]
    written = json.loads(json.dumps(summary.to_dict()))
    assert written["envoys"][0]["micro_inverters"][0]["last_report_date"] == NOW.isoformat()
    assert told(inverters_summary_by_envoy_or_site(7), []) == InvertersSummary()


@pytest.mark.parametrize(
    ("plan", "body", "path"),
    [
        (envoys(7), {"envoys": []}, "$.system_id"),
        (envoys(7), {"system_id": 7, "envoys": None}, "$.envoys"),
        (envoys(7), {"system_id": 7}, "$.envoys"),
        (envoys(7), {"system_id": 8, "envoys": []}, "$.system_id"),
        (inventory(7), {"system_id": 7, "inverters": ["x"] * 101}, "$.inverters[0]"),
        (inverters_summary_by_envoy_or_site(7), {"micro_inverters": []}, "$"),
        (inverters_summary_by_envoy_or_site(7), "x", "$"),
        (inverters_summary_by_envoy_or_site(7), [7] * 101, "$[0]"),
        (inverters_summary_by_envoy_or_site(7), None, "$"),
        (
            inverters_summary_by_envoy_or_site(7),
            [{"micro_inverters": None}] * 101,
            "$[0].micro_inverters",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error(plan: Any, body: object, path: str) -> None:
    """It says where."""
    error = told(plan, body)
    assert isinstance(error, DecodeError)
    assert error.path == path


def test_refusals_stay_errors() -> None:
    """Also where the service calls a missing system an invalid parameter."""
    missing = {"message": "Couldn't find Site with 'id'=7"}
    assert type(told(inverters_summary_by_envoy_or_site(7), missing, 422)) is NotFound
    assert type(told(envoys(7), {"reason": "401"}, 401)) is AuthenticationError
    crash = {"reason": "500", "type": "NoMethodError", "message": ["undefined method `x' for #<Y:0x1>"]}
    assert type(told(inventory(7), crash, 500)) is ServerError


async def test_through_a_client() -> None:
    """The URL as the service sees it."""
    summary, url = await fetched(inverters_summary_by_envoy_or_site(7), 200, [{"signal_strength": 3}])
    assert f"/systems/{SUMMARY}?site_id=7&" in url
    assert (list(summary), summary.as_of) == ([EnvoyInverters(3)], NOW)
    listed, url = await fetched(inventory(7), 200, {"system_id": 7})
    assert "/systems/7/inventory?" in url
    assert listed == Inventory(7)
