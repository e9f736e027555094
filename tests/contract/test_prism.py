"""The client against Prism, a mock server made from an OpenAPI file of the API's v2.

Run by `nox -s prism -- FILE`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from enlighten_async import (
    AuthenticationError,
    BudgetExceeded,
    DecodeError,
    EnlightenClient,
    EnlightenError,
    NotFound,
    QuotaExhausted,
    RangeError,
    ServerError,
    Throttled,
    Unavailable,
)
from enlighten_async.models import ConsumptionLifetime, EnergyLifetime
from tests.contract import openapi, prism
from tests.contract.prism import MODES, ROUNDS, Outcome
from tests.world import API_KEY

openapi.need("OPENAPI", "PRISM")
openapi.need_version("v2")

pytestmark = pytest.mark.filterwarnings("ignore:.*monthly_production:DeprecationWarning")

LISTED = [66, 67, 72]  # the systems in the file's example of `/systems`; others would not be asked for
SUMMARIZED = date(2014, 1, 6)  # the day in its example of a summary
SYSTEM = 67  # one that the file's example of `/systems` has, so that its time zone is known
NOW = int(time.time())
TODAY = date.today()  # noqa: DTZ011 - any recent day will do
LAST_WEEKS = {"start_at": NOW - 20 * 86_400, "end_at": NOW}
LAST_DAYS = {"start_date": TODAY - timedelta(days=20), "end_date": TODAY - timedelta(days=2)}

ASKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("systems", {}),
    ("systems", {"system_id": LISTED, "system_name": "Green", "status": "power", "connection_type": "wifi"}),
    ("systems", {"system_id": LISTED, "status": ["comm", "micro"], "connection_type": ["ethernet"]}),
    ("systems", {"system_name": ["Green"], "reference": ["a", "b"], "installer": ["c", "d"]}),
    ("systems", {"reference": "a", "installer": "c"}),
    ("summary", {"system_id": SYSTEM}),
    ("summary", {"system_id": SYSTEM, "summary_date": SUMMARIZED}),
    ("rgm_stats", {"system_id": SYSTEM}),
    ("rgm_stats", {"system_id": SYSTEM, **LAST_WEEKS}),
    ("rgm_stats", {"system_id": SYSTEM, **LAST_DAYS}),
    ("stats", {"system_id": SYSTEM}),
    ("stats", {"system_id": SYSTEM, **LAST_WEEKS}),
    ("stats", {"system_id": SYSTEM, **LAST_DAYS}),
    ("consumption_stats", {"system_id": SYSTEM}),
    ("consumption_stats", {"system_id": SYSTEM, **LAST_WEEKS}),
    ("consumption_stats", {"system_id": SYSTEM, **LAST_DAYS}),
    ("energy_lifetime", {"system_id": SYSTEM}),
    ("energy_lifetime", {"system_id": SYSTEM, **LAST_DAYS}),
    ("energy_lifetime", {"system_id": SYSTEM, "production": "all", **LAST_DAYS}),
    ("consumption_lifetime", {"system_id": SYSTEM}),
    ("consumption_lifetime", {"system_id": SYSTEM, **LAST_DAYS}),
    ("envoys", {"system_id": SYSTEM}),
    ("inventory", {"system_id": SYSTEM}),
    ("inverters_summary_by_envoy_or_site", {"site_id": SYSTEM}),
    ("monthly_production", {"system_id": SYSTEM, "start_date": TODAY - timedelta(days=90)}),
    ("production_meter_readings", {"system_id": SYSTEM}),
    ("production_meter_readings", {"system_id": SYSTEM, "end_at": NOW}),
    ("search_system_id", {"serial_num": "121112607295"}),
)
"""Every method, with what it may be asked; a new one is one row."""

REFUSALS: dict[int, tuple[type[EnlightenError], ...]] = {
    401: (AuthenticationError,),
    404: (NotFound,),
    409: (Throttled, QuotaExhausted),  # the latter for an hour
    422: (RangeError,),
    500: (Unavailable, ServerError),  # the former if its `errorCode` is 7, as in the file's example
    503: (Unavailable,),
}
"""What each documented status is to our callers."""

MOMENTS = (
    "end_at", "first_interval", "last_energy_at", "last_interval", "last_interval_end_at", "last_report_at",
    "operational_at", "period_end", "period_start", "read_at", "start_at",
)  # fmt: skip

MOMENT = {"minimum": 1_200_000_000, "maximum": 1_900_000_000}
SENSE = {
    "system_id": {"enum": [SYSTEM]},
    "systems": {"minItems": 1},
    "next": {"enum": ["4e7a453d0a"]},
    "channel": {"minimum": 1, "maximum": 3},
    "last_report_date": {"format": "date-time"},  # the file has a date; it is an instant in all captures
    "timezone": {"enum": ["America/Los_Angeles", "Asia/Katmandu"]},
    **dict.fromkeys(MOMENTS, MOMENT),
    **{name: {"enum": [str(SUMMARIZED)]} for name in ("start_date", "meter_start_date", "summary_date")},
}
"""What the file's schemas lack: answers are about the system and day asked for, lists end, moments can be."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run Prism in all modes; gives their addresses."""
    whole = openapi.document()
    sensible = openapi.narrowed(whole, SENSE, {"system_id": SYSTEM})
    yield from prism.served(tmp_path_factory.mktemp("prism"), whole, sensible)


async def ask(url: str, method: str, arguments: dict[str, Any], status: int | None = None) -> Outcome:
    """Call a method of a new client."""
    connect = partial(EnlightenClient, API_KEY, "4d6a51330a", base_url=f"{url}{prism.V2_ROOT}")
    return await prism.ask(connect, (method, method, arguments), status, zones="systems")


def test_every_operation_of_the_file_has_a_row() -> None:
    """So that none is forgotten."""
    assert {method for method, _ in ASKS} == set(openapi.operations())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "arguments"), ASKS, ids=prism.label)
async def test_requests_are_allowed_and_answers_read(
    services: dict[str, str], mode: str, method: str, arguments: dict[str, Any]
) -> None:
    """Where values make no sense, an answer may be refused, by an error of ours."""
    for _ in range(ROUNDS[mode]):
        outcome = await ask(services[mode], method, arguments)
        fine = not isinstance(outcome.answer, EnlightenError)
        assert fine or (mode == "wild" and _senseless(method, outcome.answer)), outcome


REFUSED = [
    (method, arguments, status)
    for method, arguments in ASKS
    for status in openapi.statuses(method)
    if status in REFUSALS
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "arguments", "status"), REFUSED, ids=prism.label)
async def test_each_documented_refusal_is_our_documented_error(
    services: dict[str, str], mode: str, method: str, arguments: dict[str, Any], status: int
) -> None:
    """Whatever the rest of the body holds; and it is not asked for ever."""
    outcome = await ask(services[mode], method, arguments, status)
    if status == 500 and prism.without_data(outcome.answer):
        return
    if mode == "wild" and method not in outcome.wire.operations:
        assert _senseless("systems", outcome.answer), outcome  # which were asked for the time zone
        return
    assert isinstance(outcome.answer, REFUSALS[status]), outcome
    assert getattr(outcome.answer, "status", status) == status, outcome


EMPTY = [(method, arguments) for method, arguments in ASKS if 204 in openapi.statuses(method)]


@pytest.mark.parametrize(("method", "arguments"), EMPTY, ids=prism.label)
async def test_no_content_is_an_answer_without_days(
    services: dict[str, str], method: str, arguments: dict[str, Any]
) -> None:
    """It says that there is nothing, and nothing is wrong with that."""
    outcome = await ask(services["static"], method, arguments, 204)
    assert isinstance(outcome.answer, EnergyLifetime | ConsumptionLifetime), outcome
    assert len(outcome.answer) == 0
    assert outcome.answer.reason is not None


def _senseless(method: str, answer: object) -> bool:
    """Tell whether answers were refused that cannot be: the year 50,000, no time zone, no last page."""
    if isinstance(answer, BudgetExceeded):
        return method == "systems"  # each page names another one, for ever
    return isinstance(answer, DecodeError) or (
        isinstance(answer, NotFound) and "sees no system" in str(answer)
    )
