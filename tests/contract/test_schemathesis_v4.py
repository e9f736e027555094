"""The emulator's answers against the schemas of an OpenAPI file of the API's v4, by Schemathesis.

Run by `nox -s schemathesis -- FILE`. Where what is known of the real service contradicts the file, the
table `AMENDMENTS` says so; beyond that the file's word counts, and no answer has a field it does not name.
What drifts from the file in real answers is switched off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.emulator.simulation.devices import envoys, inverters
from enlighten_async.testing import FakeClock
from tests.contract import openapi
from tests.effort import examples

openapi.need("OPENAPI")
openapi.need_version("v4")

schemathesis = pytest.importorskip("schemathesis", reason="it is installed by nox for this session alone")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

NOW = 1_750_000_020
DAY = 86_400
YEARS = 2 * 365 * DAY
LEFT_OUT = {"startCharging", "stopCharging", "getLiveData"}
"""What the emulator does not do: control, and streams."""

PATHS = openapi.document()["paths"]
READS = {
    item[method]["operationId"]: (path, method)
    for path, item in PATHS.items()
    for method in ("get", "post")
    if method in item and item[method]["operationId"] not in LEFT_OUT
}
"""Path and method of what is read, by the file's name of it."""

CHARGERS = [name for name, (path, _) in READS.items() if "/ev_charger/" in path]
LIFETIMES = (
    "getConsumptionLifetime",
    "getBatteryLifetime",
    "getEnergyImportLifetime",
    "getEnergyExportLifetime",
)
JSON = ("responses", "200", "content", "application~1json", "schema", "properties")
DEVICE = ("devices", "additionalProperties", "items", "properties")
METER = ("meter_intervals", "items", "properties", "intervals", "items", "properties")
ANY = {"type": "string"}
NUMBER = {"type": "integer"}


def place(operation: str, *names: str) -> str:
    """Return where a part of an operation stands in the file."""
    path, method = READS[operation]
    return "/".join(("paths", path.replace("/", "~1"), method, *names))


def answer(operation: str, *names: str) -> str:
    """Return where a field of an operation's answer stands in the file."""
    return place(operation, *JSON, *names)


AMENDMENTS: tuple[tuple[str, dict[str, Any], str], ...] = (
    *(
        (
            place(name, "responses"),
            {
                "429": {
                    "description": "",
                    "content": {
                        "application/octet-stream": {
                            "schema": {
                                "properties": {
                                    **dict.fromkeys(("message", "code", "details", "period"), ANY),
                                    **dict.fromkeys(("period_start", "period_end", "limit"), NUMBER),
                                }
                            }
                        }
                    },
                }
            },
            "the gateway counts these requests too; what it says here is not known",
        )
        for name in CHARGERS
    ),
    *(
        (
            answer(name, "start_date"),
            {"nullable": True},
            "not known: a system that has nothing to measure it with has no first day",
        )
        for name in LIFETIMES
    ),
    (
        answer("getProductionMeterReadings", "meter_readings", "items", "properties"),
        {"serial_number": ANY},
        "real answer, and a later edition of the file: `serial_number`, not `serial_num`",
    ),
    (
        answer("getSystemById", "address", "properties", "state"),
        {"nullable": True},
        "the file's own words in lists of systems: null where a country has no states",
    ),
    (
        answer("getSystemSummary"),
        {"evse_power": {"type": "array", "items": {"type": "object"}}},
        "a later edition of the file",
    ),
    (
        answer("getSystemSummary", "nmi"),
        {"nullable": True},
        "real answers: null but in Australia",
    ),
    (
        answer("listSystemDevices", *DEVICE),
        {**dict.fromkeys(("config_phase", "SKU", "sg_ready_relay", "iq_er"), ANY), "id": {}},
        "a later edition of the file: phases of meters, heat pumps; ids of some devices are texts",
    ),
    (
        answer("listSystemDevices", *DEVICE, "last_report_at"),
        {"nullable": True},
        "a later edition of the file: null without a report",
    ),
    (
        answer("getLatestSystemTelemetry", *DEVICE),
        {"serial_number": ANY},
        "a later edition of the file: heat pumps and chargers by their serial numbers",
    ),
    (
        answer("getBatteryTelemetry", "last_reported_aggregate_soc"),
        {"nullable": True},
        "not known: a system without batteries has no state of charge",
    ),
    (
        answer("getRgmStats", *METER, "wh_del"),
        {"type": "number", "nullable": True},
        "real answers: floats, and null for phases that are not wired",
    ),
    (
        answer("getRgmStats", *METER, "curr_w"),
        {"nullable": True},
        "real answers: null for phases that are not wired",
    ),
)
"""Where the file is wrong or silent, what holds instead (`None`: nothing), and how that is known."""


def amended() -> dict[str, Any]:
    """Return the file's content with the amendments, closed to fields it does not name."""
    content = deepcopy(openapi.document())
    for where, change, _ in AMENDMENTS:
        node = content
        for name in where.split("/"):
            node = node[name.replace("~1", "/")]
        node |= change
        for name in [name for name, value in change.items() if value is None]:
            del node[name]
    _close(content)
    return content


def _close(node: Any) -> None:
    """Allow no properties of answers but the ones that are named."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            node.setdefault("additionalProperties", False)
        for name, value in node.items():
            if name != "requestBody":
                _close(value)
    if isinstance(node, list):
        for item in node:
            _close(item)


SCHEMA = schemathesis.openapi.from_dict(amended())
OPERATIONS = {name: SCHEMA[path][method.upper()] for name, (path, method) in READS.items()}

EMULATOR = Emulator(
    systems=16,
    users=2,
    quota=Quota.UNLIMITED,
    concurrent=None,
    clock=FakeClock(NOW, autojump=False),
    drifts=(),
)
SYSTEMS = EMULATOR.truth.systems()
IDS = [system.system_id for system in SYSTEMS]
GATEWAYS = [envoy.serial for system in SYSTEMS for envoy in envoys(system)]
SERIALS = {
    "micros": [(s.system_id, inverters(s)[0].serial) for s in SYSTEMS],
    "encharges": [(s.system_id, each.serial) for s in SYSTEMS for each in s.batteries],
    "acbs": [(s.system_id, each.serial) for s in SYSTEMS for each in s.acbs],
    "ev_charger": [(s.system_id, each.serial) for s in SYSTEMS for each in s.ev_chargers],
}
"""Systems and their devices, by what stands before the serial number in a path."""

DATES = st.dates(date.fromtimestamp(NOW - YEARS), date.fromtimestamp(NOW + 3 * DAY))  # noqa: DTZ012 - any zone
MOMENTS = st.integers(NOW - YEARS, NOW + 3600) | st.integers(NOW - 30 * DAY, NOW)
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "system_id": st.sampled_from(IDS),
    "site_id": st.sampled_from(IDS),
    "envoy_serial_number": st.sampled_from(GATEWAYS),
    "serial_num": st.sampled_from(GATEWAYS),
    "start_at": MOMENTS,
    "end_at": MOMENTS,
    "start_time": st.integers(NOW - 280 * DAY, NOW),
    "end_time": st.integers(NOW - 280 * DAY, NOW),
    "start_date": DATES.map(str) | DATES.map(lambda day: day.strftime("%Y%m%d")),
    "end_date": DATES.map(str) | DATES.map(lambda day: day.strftime("%Y%m%d")),
    "event_type_id": st.sampled_from([28, 4781]),
    "page": st.integers(1, 3),
    "size": st.integers(1, 100),
    "limit": st.integers(1, 100),
    "offset": st.integers(0, 100),
}
"""Values that mean something to the emulator; Schemathesis itself would not guess a single system."""


def head(emulator: Emulator, user: str | None = None) -> dict[str, str]:
    """Return the headers of a user who may ask."""
    token = emulator.grant(user or emulator.demo_user)["access_token"]
    return {"Authorization": f"Bearer {token}", "key": "any"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the emulator; the file's paths begin at the host."""
    with EMULATOR.running(version="v4") as address:
        yield address.removesuffix("/api/v4")


@pytest.fixture(scope="module")
def met() -> Iterator[Counter[tuple[str, int]]]:
    """Count answers by operation and status, and say so in the end."""
    counts: Counter[tuple[str, int]] = Counter()
    yield counts
    for (name, status), count in sorted(counts.items()):
        print(f"{name:36} {status} {count:5}")  # noqa: T201 - read with `pytest -s`


CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.mark.parametrize("name", OPERATIONS)
@examples(100)
@given(data=st.data())
def test_answers_conform(url: str, met: Counter[tuple[str, int]], name: str, data: st.DataObject) -> None:
    """Whatever is asked that the file allows."""
    case = data.draw(OPERATIONS[name].as_strategy())
    _make_likely(case.query, data)
    _make_likely(case.path_parameters, data)
    kind = next((kind for kind in SERIALS if f"/{kind}/" in READS[name][0]), None)
    if kind is not None and "serial_no" in case.path_parameters and data.draw(st.integers(0, 9)) < 9:
        system_id, serial = data.draw(st.sampled_from(SERIALS[kind]))
        case.path_parameters |= {"system_id": system_id, "serial_no": serial}
    user = data.draw(st.sampled_from([EMULATOR.users[0]] * 4 + EMULATOR.users[1:]))
    case.headers = head(EMULATOR, user)
    response = case.call(base_url=url)
    met[name, response.status_code] += 1
    case.validate_response(response, checks=CHECKS)


REFUSALS: dict[str, tuple[dict[str, Any], dict[str, str], int]] = {
    "key": ({}, {"key": ""}, 401),
    "token": ({}, {"Authorization": "Bearer none"}, 401),
    "application": ({"keys": ["another"]}, {}, 401),
    "tariff": ({"quota": Quota(None, None, "Watt")}, {}, 401),
    "minute": ({"quota": Quota(1, None)}, {}, 429),
    "month": ({"quota": Quota(None, 1)}, {}, 429),
}
"""Emulators that refuse the second request, with what headers, and by which status."""

REFUSED = [(why, name) for why in REFUSALS for name in READS]


@pytest.mark.parametrize(("why", "name"), REFUSED)
def test_refusals_conform(why: str, name: str) -> None:
    """Whatever is asked for."""
    settings, sent, status = REFUSALS[why]
    base = {"quota": Quota.UNLIMITED, "clock": FakeClock(NOW, autojump=False), "drifts": ()}
    emulator = Emulator(**base | settings)
    needed = {"system_id": emulator.demo_system, "serial_no": "1"}
    path, method = READS[name]
    ids = {key: value for key, value in needed.items() if f"{{{key}}}" in path}
    case = OPERATIONS[name].Case(path_parameters=ids, headers=head(emulator) | sent)
    if method == "post":
        case = OPERATIONS[name].Case(
            path_parameters=ids,
            headers=head(emulator) | sent,
            body={"system": {}},
            media_type="application/json",
        )
    with emulator.running(version="v4") as url:
        for _ in range(2):
            response = case.call(base_url=url.removesuffix("/api/v4"))
    if why == "tariff" and response.status_code != 401:
        return  # the tariff includes it
    assert response.status_code == status
    case.validate_response(response, checks=CHECKS[1:])


def test_unavailable_data_conforms() -> None:
    """The one operation for which the file tells of it."""
    emulator = Emulator(quota=Quota.UNLIMITED, faults=[Fault.unavailable()])
    case = OPERATIONS["getRgmStats"].Case(path_parameters={"system_id": 1765}, headers=head(emulator))
    with emulator.running(version="v4") as url:
        response = case.call(base_url=url.removesuffix("/api/v4"))
    assert response.status_code == 500
    case.validate_response(response, checks=CHECKS[1:])


def _make_likely(values: dict[str, Any], data: st.DataObject) -> None:
    """Put values that mean something in the place of most of those generated."""
    for name, likely in LIKELY.items():
        if name in values and data.draw(st.integers(0, 9), label=f"other {name}") < 9:
            values[name] = data.draw(likely, label=name)
