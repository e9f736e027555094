"""Devices of all kinds, their last reports, and the readings of meters."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from enlighten_async.api.v4.devices import KINDS
from enlighten_async.errors import DecodeError, InputError
from enlighten_async.models import (
    CellularModem,
    ConsumptionMeterReadings,
    Devices,
    LatestReport,
    LatestTelemetry,
    Meta,
    MeterReading,
    StorageMeterReading,
    StorageMeterReadings,
    SystemDevice,
)
from tests.api.v2.answers import DATE
from tests.api.v4.single import asked, planned, told

NOW = datetime.fromtimestamp(DATE, UTC)


def listed(**kinds: object) -> Any:
    """Return what an answer with these devices becomes."""
    return told(planned("devices", 7), {"system_id": 7, "items": "devices", "devices": kinds})


@pytest.mark.parametrize("name", ["devices", "latest_telemetry", "storage_meter_readings"])
def test_each_is_one_request(name: str) -> None:
    """Of a system."""
    request = asked(planned(name, 7))
    assert (request.endpoint, request.path, request.params) == (name, f"/systems/7/{name}", ())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_place(kind: str) -> None:
    """In whatever case the service writes it; kinds that are absent are empty."""
    device = SystemDevice(4, "0121", "A", "M", "P", "800-r1", "S", "normal", True, NOW)
    row = {
        "id": 4,
        "serial_number": "0121",
        "name": "A",
        "model": "M",
        "product_name": "P",
        "part_number": "800-r1",
        "SKU": "S",
        "status": "normal",
        "active": True,
        "new": {},
        "last_report_at": DATE,
    }
    for name in (kind, kind.upper()):
        got = listed(**{name: [row]})
        assert got == Devices(7, **{kind: (device,)})
        assert got.devices == (device,)
    assert (got.as_of, hash(got) == hash(Devices(7, **{kind: (device,)}))) == (NOW, True)


def test_what_only_some_kinds_tell() -> None:
    """Meters, gateways, heat pumps; and what is on sale in the USA."""
    got = listed(
        meters=[{"state": "enabled", "config_type": "Net", "config_phase": "three"}],
        gateways=[{"emu_sw_version": "D8"}],
        heat_pump=[{"firmware": "1", "sg_ready_relay": "R", "iq_er": "E"}],
        micros=[{"feoc_compliant": True, "dom_compliant": "false"}],
    )
    assert got.meters == (SystemDevice(state="enabled", config_type="Net", config_phase="three"),)
    assert got.gateways == (SystemDevice(emu_sw_version="D8"),)
    assert got.heat_pump == (SystemDevice(firmware="1", sg_ready_relay="R", iq_er="E"),)
    assert got.micros == (SystemDevice(feoc_compliant=True, dom_compliant=False),)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({"id": ""}, {}),
        ({"id": "12:7"}, {"id": "12:7"}),
        ({"id": 12}, {"id": 12}),
        ({"serial_number": "", "model": "N/A", "sku": None}, {}),
        ({"active": "true"}, {"active": True}),
        ({"active": "false"}, {"active": False}),
        ({"last_report_at": None}, {}),
        ({"last_report_at": NOW.isoformat()}, {"last_report_at": NOW}),
        ({"cellular_modem": None}, {}),
        ({"cellular_modem": "N/A"}, {}),
        ({"cellular_modem": {"imei": "N/A", "sku": "", "plan_start_date": None, "plan_end_date": "N/A"}}, {}),
        (
            {"cellular_modem": {"imei": "35", "part_num": "N/A", "plan_end_date": DATE}},
            {"cellular_modem": CellularModem("35", plan_end_date=NOW)},
        ),
    ],
)
def test_fields_that_drift(sent: dict[str, object], meant: dict[str, Any]) -> None:
    """Numbers as texts, words for nothing."""
    assert listed(ev_chargers=[{"name": "A", **sent}]).ev_chargers == (SystemDevice(name="A", **meant),)


def test_kinds_that_are_not_known_are_kept_as_they_came() -> None:
    """Nothing that was paid for is lost; and it can be written down."""
    new = {"wind_turbines": [{"sn": 1, "blades": {"n": 3}}], "odd": "x"}
    got = listed(**new)
    assert got == Devices(7, others=new)
    assert json.loads(json.dumps(got.to_dict()))["others"] == new
    assert told(planned("devices", 7), {"system_id": 7, "total_devices": 0, "devices": None}) == Devices(7, 0)


@pytest.mark.parametrize(
    ("kinds", "path"),
    [
        ({"micros": [7] * 101}, "$.micros[0]"),
        ({"heat-pump": [7] * 101}, "$.heat_pump[0]"),
    ],
)
def test_what_cannot_be_read_is_an_error(kinds: dict[str, object], path: str) -> None:
    """It says where."""
    error = listed(**kinds)
    assert isinstance(error, DecodeError)
    assert error.path == path


LISTS = [
    *(("devices", kind, kind) for kind in KINDS),
    *(("latest_telemetry", kind, kind) for kind in ("meters", "encharges", "heat_pump", "evse")),
    *(("inventory", kind, name) for kind, name in (("gateways", "envoys"), ("micros", "inverters"))),
    ("inventory", "meters", "meters"),
]
"""Lists of one kind of devices: the endpoint, the service's name, and the field of the answer."""


@pytest.mark.parametrize(("endpoint", "kind", "field"), LISTS)
@pytest.mark.parametrize("value", [None, {}, True, 5, "x"])
def test_a_list_of_a_kind_that_is_none_costs_itself_alone(
    endpoint: str, kind: str, field: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Null is none of the kind; of anything else it is not known what the service has."""
    other = "meters" if kind != "meters" else "gateways" if endpoint != "latest_telemetry" else "evse"
    kinds = {kind: value, other: [{"serial_number": "0121", "name": "A"}]}
    got = told(planned(endpoint, 7), {"system_id": 7, "devices": kinds})
    own = {"gateways": "envoys"}.get(other, other) if endpoint == "inventory" else other
    assert (getattr(got, field), len(getattr(got, own))) == ((), 1)
    assert got.complete is (value is None)
    assert any(field in message for message in caplog.messages) is (value is not None)


@pytest.mark.parametrize("endpoint", ["envoys", "ev_charger_devices"])
def test_null_in_place_of_the_only_kind_is_none(endpoint: str) -> None:
    """As where the kind is left out; what is no list is no answer."""
    kinds = {"gateways": None, "ev_chargers": None}
    got = told(planned(endpoint, 7), {"system_id": 7, "devices": kinds})
    assert (len(got), got.complete) == (0, True)
    error = told(planned(endpoint, 7), {"system_id": 7, "devices": dict.fromkeys(kinds, "x")})
    assert isinstance(error, DecodeError)


@pytest.mark.parametrize("endpoint", ["devices", "envoys", "inventory", "ev_charger_devices"])
@pytest.mark.parametrize(
    ("total", "complete"),
    [
        *((None, True), (0, True), (2, True), (3, True), (4, False), (50_000, False)),
        *(("3", True), ("4", False), (4.0, False), (4.5, True)),
        *((10**9, True), (10**400, True), (-5, True), (True, True), ("x", True), (1e308, True), ([], True)),
    ],
    ids=lambda value: f"{value!r:.9}",
)
def test_fewer_devices_than_the_service_counts_are_not_complete(
    endpoint: str, total: object, caplog: pytest.LogCaptureFixture, *, complete: bool
) -> None:
    """Of any kind, also of one that is not known here; a count beyond belief tells nothing."""
    kinds = {"micros": [{"serial_number": "1"}], "ev_chargers": [{"id": 2}]}
    kinds |= {"wind_turbines": [{"sn": 3}], "odd": "x"}
    body = {"system_id": 7, "total_devices": total, "devices": kinds}
    got = told(planned(endpoint, 7), body)
    assert got.complete is complete
    assert any("counts more devices" in message for message in caplog.messages) is not complete


def test_last_reports() -> None:
    """Of each channel of meters; what is old is null; one kind has a hyphen."""
    body = {
        "system_id": 7,
        "items": "devices",
        "devices": {
            "meters": [
                {"id": 5, "name": "production", "channel": 1, "last_report_at": DATE, "power": 755},
                {"id": 5, "name": "production", "channel": 2, "last_report_at": None, "power": None},
            ],
            "encharges": [
                {"id": 6, "channel": 1, "last_report_at": DATE, "power": -15, "operational_mode": "Idle"}
            ],
            "heat-pump": [{"serial_number": "", "name": "H", "operational_mode": "MODE_2"}],
            "evse": [{"serial_number": "0380", "name": "W", "last_report_at": DATE}],
            "fans": [{"x": 1}],
        },
    }
    got = told(planned("latest_telemetry", 7), body)
    assert got == LatestTelemetry(
        7,
        meters=(
            LatestReport(5, None, "production", 1, NOW, 755),
            LatestReport(5, None, "production", 2),
        ),
        encharges=(LatestReport(6, None, None, 1, NOW, -15, "Idle"),),
        heat_pump=(LatestReport(name="H", operational_mode="MODE_2"),),
        evse=(LatestReport(None, "0380", "W", last_report_at=NOW),),
        others={"fans": [{"x": 1}]},
    )
    assert got.as_of == NOW
    assert json.loads(json.dumps(got.to_dict()))["meters"][0]["power"] == 755
    assert told(planned("latest_telemetry", 7), {"system_id": 7, "devices": {}}) == LatestTelemetry(7)
    for devices, path in (
        ({"evse": [5] * 101}, "$.evse[0]"),
        (None, "$.devices"),
    ):
        error = told(planned("latest_telemetry", 7), {"system_id": 7, "devices": devices})
        assert isinstance(error, DecodeError)
        assert error.path == path


@pytest.mark.parametrize("key", ["serial_num", "serial_number"])
def test_readings_of_meters(key: str) -> None:
    """Under both names of the serial number."""
    body: dict[str, Any] = {
        "system_id": 7,
        "meter_readings": [{key: "01EIM2", "value": 61, "read_at": DATE}],
        "meta": {"status": "normal"},
    }
    got = told(planned("consumption_meter_readings", 7), body)
    meters = (MeterReading("01EIM2", 61, NOW),)
    assert got == ConsumptionMeterReadings(7, meters, Meta("normal"))
    assert (list(got), got.as_of) == (list(meters), NOW)
    body["meter_readings"] = [{key: "01EIM4", "value_charged": 9, "value_discharged": 4, "read_at": DATE}]
    stored = told(planned("storage_meter_readings", 7), body)
    assert stored == StorageMeterReadings(7, (StorageMeterReading("01EIM4", 9, 4, NOW),), Meta("normal"))
    assert (stored[0].value_discharged, len(stored)) == (4, 1)
    assert json.loads(json.dumps(stored.to_dict()))["meter_readings"][0]["serial_number"] == "01EIM4"


@pytest.mark.parametrize("name", ["consumption_meter_readings", "storage_meter_readings"])
def test_readings_until_an_instant(name: str) -> None:
    """In whole seconds; what is no instant is refused."""
    request = asked(planned(name, 7, end_at=NOW))
    assert (request.path, request.params) == (f"/systems/7/{name}", (("end_at", str(int(DATE))),))
    with pytest.raises(InputError, match="end_at"):
        planned(name, 7, end_at=date(2025, 1, 1))
