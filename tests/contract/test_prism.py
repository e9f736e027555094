"""The client against Stoplight Prism, a mock server made from an OpenAPI file of the API.

Prism checks every request, and answers with the file's examples (static) or with random values of the
file's types (dynamic). Run by `nox -s prism -- FILE`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from typing import Any

import anyio.to_thread
import httpx
import pytest
from attrs import frozen

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
from enlighten_async.models import ConsumptionLifetime, EnergyLifetime, Reason
from enlighten_async.testing import FakeClock
from tests.contract import openapi
from tests.world import AMPLE, API_KEY

openapi.need("OPENAPI", "PRISM")

pytestmark = pytest.mark.filterwarnings("ignore:.*monthly_production:DeprecationWarning")

SYSTEM = 67  # one that the file's example of `/systems` has, so that its time zone is known
NOW = int(time.time())
TODAY = date.today()  # noqa: DTZ011 - any recent day will do
LAST_WEEKS = {"start_at": NOW - 20 * 86_400, "end_at": NOW}
LAST_DAYS = {"start_date": TODAY - timedelta(days=20), "end_date": TODAY - timedelta(days=2)}

ASKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("systems", {}),
    ("systems", {"system_id": SYSTEM, "system_name": "Green", "status": "power", "connection_type": "wifi"}),
    ("systems", {"system_id": [66, SYSTEM], "status": ["comm", "micro"], "connection_type": ["ethernet"]}),
    ("systems", {"system_name": ["Green"], "reference": ["a", "b"], "installer": ["c", "d"]}),
    ("systems", {"reference": "a", "installer": "c"}),
    ("summary", {"system_id": SYSTEM}),
    ("summary", {"system_id": SYSTEM, "summary_date": TODAY}),
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

MOST = 250
"""Requests a single call may take here; its windows are 20 at most, each rejected ten times at most."""


class Wire(httpx.AsyncBaseTransport):
    """The way to Prism: may wish for a status, and keeps what was asked and answered.

    It goes by a thread: a `FakeClock` waits for those, though it does not see sockets.
    """

    def __init__(self, status: int | None) -> None:
        self.met: list[tuple[httpx.Request, httpx.Response]] = []
        self._wish = {} if status is None else {"Prefer": f"code={status}"}
        self._pool = httpx.Client(transport=httpx.HTTPTransport())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request there and back."""
        request.headers.update(self._wish)
        asked = httpx.Request(request.method, request.url, headers=request.headers)
        reply = await anyio.to_thread.run_sync(self._pool.send, asked)
        self.met.append((asked, reply))
        # Without a Date the client goes by its own clock, on which minutes pass faster than on Prism's.
        kept = [(name, value) for name, value in reply.headers.items() if name.lower() != "date"]
        return httpx.Response(reply.status_code, headers=kept, content=reply.content)

    async def aclose(self) -> None:
        """Close the connections."""
        self._pool.close()

    def objections(self) -> Iterator[str]:
        """Say which requests the file does not allow."""
        for request, reply in self.met:
            asked = request.url.path
            if reply.headers.get("content-type", "").startswith("application/problem"):
                yield f"{asked}: {reply.text}"
            for violation in json.loads(reply.headers.get("sl-violations", "[]")):
                if violation["location"][0] == "request":  # others are about the file's own examples
                    yield f"{asked}: {violation}"
            if method := openapi.method_of(asked):
                unknown = set(request.url.params) - openapi.parameters(method)
                yield from (f"{asked}: the file has no parameter {name}" for name in unknown)


@frozen(repr=False)
class Outcome:
    """What became of one call.

    Attributes:
        answer: the answer, or the error raised in its place.
        wire: what was asked and answered for it.
    """

    answer: object
    wire: Wire

    def __repr__(self) -> str:
        met = (
            f"{request.url.raw_path!r}: {reply.status_code} {reply.text}" for request, reply in self.wire.met
        )
        return "\n".join([repr(self.answer), *met])


async def ask(url: str, method: str, arguments: dict[str, Any], status: int | None = None) -> Outcome:
    """Call a method of a new client; see that every request was allowed, and that there were few."""
    wire, clock = Wire(status), FakeClock(now=time.time())
    options: dict[str, Any] = {"plan": AMPLE, "base_url": url, "transport": wire, "clock": clock}
    answer: object
    async with EnlightenClient(API_KEY, "4d6a51330a", **options) as client:
        try:
            answer = await getattr(client.with_options(max_requests=MOST), method)(**arguments)
        except EnlightenError as error:
            answer = error
    assert list(wire.objections()) == []
    assert 0 < len(wire.met) <= MOST
    assert {openapi.method_of(request.url.path) for request, _ in wire.met} <= {method, "systems"}
    return Outcome(answer, wire)


MODES: dict[str, tuple[str, ...]] = {"static": (), "dynamic": ("--dynamic",), "wild": ("--dynamic",)}
"""How Prism answers: with the file's examples, with random values that make sense, with any."""

ROUNDS = {"static": 1, "dynamic": 10, "wild": 10}

MOMENT = {"minimum": 1_200_000_000, "maximum": 1_900_000_000}
SENSE = {
    "system_id": {"enum": [SYSTEM]},
    "systems": {"minItems": 1},
    "next": {"enum": ["4e7a453d0a"]},
    "channel": {"minimum": 1, "maximum": 3},
    "last_report_date": {"format": "date-time"},  # the file has a date; it is an instant in all captures
    "timezone": {"enum": ["America/Los_Angeles", "Asia/Katmandu"]},
    **dict.fromkeys(MOMENTS, MOMENT),
}
"""What the file's schemas lack: answers are about the system asked for, lists end, moments can be."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run Prism in all modes; gives their addresses."""
    sensible = tmp_path_factory.mktemp("prism") / "openapi.json"
    sensible.write_text(
        json.dumps(openapi.narrowed(openapi.document(), SENSE, {"system_id": SYSTEM})), encoding="utf-8"
    )
    with ExitStack() as stack:
        yield {
            mode: stack.enter_context(_prism(*options, openapi.FILE if mode == "wild" else str(sensible)))
            for mode, options in MODES.items()
        }


@contextmanager
def _prism(*options: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [os.environ["PRISM"], "mock", "--host=127.0.0.1", f"--port={port}", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await_start(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _await_start(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Prism did not start")


def _name(value: object) -> str:
    return f"({', '.join(value)})" if isinstance(value, dict) else str(value)


def test_every_operation_of_the_file_has_a_row() -> None:
    """So that none is forgotten."""
    assert {method for method, _ in ASKS} == set(openapi.operations())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("method", "arguments"), ASKS, ids=_name)
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
@pytest.mark.parametrize(("method", "arguments", "status"), REFUSED, ids=_name)
async def test_each_documented_refusal_is_our_documented_error(
    services: dict[str, str], mode: str, method: str, arguments: dict[str, Any], status: int
) -> None:
    """Whatever the rest of the body holds; and it is not asked for ever."""
    outcome = await ask(services[mode], method, arguments, status)
    if status == 500 and _without_data(outcome.answer):
        return
    assert isinstance(outcome.answer, REFUSALS[status]), outcome
    assert getattr(outcome.answer, "status", status) == status, outcome


EMPTY = [(method, arguments) for method, arguments in ASKS if 204 in openapi.statuses(method)]


@pytest.mark.parametrize(("method", "arguments"), EMPTY, ids=_name)
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
    return isinstance(answer, DecodeError) or (isinstance(answer, NotFound) and "time zone" in str(answer))


def _without_data(answer: object) -> bool:
    """Tell whether an answer is all holes, since the service does not have the data for now."""
    coverage = getattr(answer, "coverage", None)
    return coverage is not None and {hole.reason for hole in coverage.holes} == {Reason.UNAVAILABLE}
