"""The emulator's answers against the schemas of an OpenAPI file of the API's v2, by Schemathesis.

Run by `nox -s schemathesis -- FILE`. Where what is known of the real service contradicts the file, the
table `AMENDMENTS` says so; beyond that the file's word counts, and no answer has a field it does not name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.emulator.simulation.devices import envoys
from enlighten_async.testing import FakeClock
from tests.contract import openapi
from tests.effort import examples
from tests.world import API_KEY

openapi.need("OPENAPI")
openapi.need_version("v2")

schemathesis = pytest.importorskip("schemathesis", reason="it is installed by nox for this session alone")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

NOW = 1_750_000_020
YEARS = 2 * 365 * 86_400

SCHEMAS = "components/schemas"
INVERTER = f"{SCHEMAS}/InvertersSummaryByEnvoyOrSiteResponse/properties/micro_inverters/items/properties"
SAID = openapi.document()["components"]["schemas"]["ClientError"]["properties"]
SYSTEM = openapi.document()["components"]["schemas"]["SystemsResponse"]["properties"]["systems"]["items"]
REFUSED = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "message": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
    },
    "required": ["message"],
    "additionalProperties": False,
}
OF_A_SYSTEM = [each.path for each in openapi.operations().values() if "{system_id}" in each.path]

AMENDMENTS: tuple[tuple[str, dict[str, Any], str], ...] = (
    *(
        (
            f"paths/{path.replace('/', '~1')}/get/responses",
            {"404": {"$ref": "#/components/responses/NotFoundError"}},
            "real answers: the id of no system is a 404",
        )
        for path in OF_A_SYSTEM
    ),
    (
        "paths/~1systems~1{system_id}~1consumption_lifetime/get/responses",
        {"204": {"description": "No Content"}},
        "the file's own words: a system without a meter has no content",
    ),
    (
        "paths/~1systems~1{system_id}~1consumption_stats/get/responses/401",
        {"$ref": None, "description": "", "content": {"application/json": {"schema": REFUSED}}},
        "real answer: `message` alone, a text, where a system has no enabled consumption meter",
    ),
    (
        f"{SCHEMAS}/ConflictError/properties/period",
        {"enum": None},
        "real answer: months are counted too",
    ),
    (
        f"{SCHEMAS}/ServerError",
        {"required": None},
        "the body of a 503 is not known; this is the shape which refusals have",
    ),
    (
        f"{SCHEMAS}/ServerError/properties",
        SAID | {"type": {"type": "string"}},
        "real answer: an inventory that failed said so like this, with the name of an exception",
    ),
    (
        f"{SCHEMAS}/EnvoysResponse/properties/envoys/items/properties/last_report_at",
        {"nullable": True},
        "the file's own words: null without a report",
    ),
    (
        f"{INVERTER}/last_report_date",
        {"format": "date-time", "nullable": True},
        "real answers: local time with its offset; the file's own words: null without a report",
    ),
    (
        f"{SCHEMAS}/SystemsResponse/properties/systems/items",
        {"required": [name for name in SYSTEM["required"] if name != "state"]},
        "real answers: where a country has no states there is no `state`",
    ),
)
"""Where the file is wrong or silent, what holds instead (`None`: nothing), and how that is known."""


def amended() -> dict[str, Any]:
    """Return the file's content with the amendments, closed to fields it does not name."""
    content = deepcopy(openapi.document())
    for place, change, _ in AMENDMENTS:
        node = content
        for name in place.split("/"):
            node = node[name.replace("~1", "/")]
        node |= change
        for name in [name for name, value in change.items() if value is None]:
            del node[name]
    _close(content["components"]["schemas"])
    return content


def _close(node: Any) -> None:
    """Allow no properties but the ones that are named."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            node["additionalProperties"] = False
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            _close(item)


SCHEMA = schemathesis.openapi.from_dict(amended())
OPERATIONS = {method: SCHEMA[each.path][each.verb] for method, each in openapi.operations().items()}

EMULATOR = Emulator(systems=16, quota=Quota.UNLIMITED, concurrent=None, clock=FakeClock(NOW, autojump=False))
SYSTEMS = [system for user in EMULATOR.users for system in EMULATOR.truth.systems(user)]
IDS = [system.system_id for system in SYSTEMS]
SERIALS = [envoy.serial for system in SYSTEMS for envoy in envoys(system)]
DATES = st.dates(date.fromtimestamp(NOW - YEARS), date.fromtimestamp(NOW + 30 * 86_400))  # noqa: DTZ012 - any zone

LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "key": st.just(API_KEY),
    "user_id": st.sampled_from(EMULATOR.users),
    "system_id": st.sampled_from(IDS),
    "site_id": st.sampled_from(IDS),
    "start_at": st.integers(NOW - YEARS, NOW + 3600) | st.integers(NOW - 30 * 86_400, NOW),
    "end_at": st.integers(NOW - YEARS, NOW + 3600) | st.integers(NOW - 30 * 86_400, NOW),
    "serial_num": st.sampled_from(SERIALS),
    "start_date": DATES.map(str),
    "end_date": DATES.map(str),
    "summary_date": DATES.map(str),
}
"""Values that mean something to the emulator; Schemathesis itself would not guess a single user."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the emulator."""
    with EMULATOR.running() as address:
        yield address


@pytest.fixture(scope="module")
def met() -> Iterator[Counter[tuple[str, int]]]:
    """Count answers by method and status, and say so in the end."""
    counts: Counter[tuple[str, int]] = Counter()
    yield counts
    for (method, status), count in sorted(counts.items()):
        print(f"{method:36} {status} {count:5}")  # noqa: T201 - read with `pytest -s`


CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.mark.parametrize("method", OPERATIONS)
@examples(150)
@given(data=st.data())
def test_answers_conform(url: str, met: Counter[tuple[str, int]], method: str, data: st.DataObject) -> None:
    """Whatever is asked that the file allows."""
    case = data.draw(OPERATIONS[method].as_strategy())
    _make_likely(case.query, data)
    _make_likely(case.path_parameters, data)
    response = case.call(base_url=url)
    met[method, response.status_code] += 1
    case.validate_response(response, checks=CHECKS)


REFUSALS: dict[str, tuple[dict[str, Any], int]] = {
    "key": ({"keys": ()}, 401),
    "minute": ({"quota": Quota(1, None)}, 409),
    "month": ({"quota": Quota(None, 1)}, 409),
    "no data": ({"faults": [Fault.unavailable(times=math.inf)]}, 500),
    "exception": ({"faults": [Fault.exception(times=math.inf)]}, 500),
    "crowd": ({"concurrent": 0}, 503),
    "overload": ({"faults": [Fault.overloaded(times=math.inf)]}, 503),
}
"""Emulators that refuse the second request, and by which status."""


@pytest.mark.parametrize("why", REFUSALS)
@pytest.mark.parametrize("method", OPERATIONS)
def test_refusals_conform(method: str, why: str) -> None:
    """Whatever is asked for."""
    settings, status = REFUSALS[why]
    emulator = Emulator(**{"quota": Quota.UNLIMITED, "clock": FakeClock(NOW, autojump=False)} | settings)
    operation = openapi.operations()[method]
    query = {"key": API_KEY, "user_id": emulator.demo_user}
    needed = (each for each in operation.content["parameters"] if each.get("required"))
    query |= {each["name"]: each["schema"]["example"] for each in needed}
    ids = {"system_id": emulator.demo_system} if "{" in operation.path else {}
    case = OPERATIONS[method].Case(path_parameters=ids, query=query)
    with emulator.running() as url:
        case.call(base_url=url)
        response = case.call(base_url=url)
    assert response.status_code == status
    case.validate_response(response, checks=CHECKS[1:])


def _make_likely(values: dict[str, Any], data: st.DataObject) -> None:
    """Put values that mean something in the place of most of those generated."""
    for name, likely in LIKELY.items():
        if name in values and data.draw(st.integers(0, 9), label=f"other {name}") < 9:
            values[name] = data.draw(likely, label=name)
