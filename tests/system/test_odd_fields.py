"""Every field of every answer with wrong values: what each costs, and that nothing else fails."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from datetime import date as day
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from enlighten_async import DecodeError, EnlightenClient, EnlightenError, RetryPolicy, SystemId
from enlighten_async.emulator.simulation.devices import envoys
from tests.world import World

WRONG: tuple[object, ...] = (
    *(None, True, -1, 0, 7, 2**63, 2**64, 1.5, 1e300, "", "N/A", "7", "soon", [], [None], {}, {"a": 1}),
)

LISTS = frozenset(
    {
        *("systems", "envoys", "inverters", "meters", "meter_readings", "events", "alarms", "event_types"),
        *("sessions", "charger_schedules", "load_control_data", "devices", "micro_inverters", "micros"),
        *("gateways", "q_relays", "acbs", "encharges", "enpowers", "ev_chargers", "heat_pump", "heat-pump"),
        *("evse", "iq_collars", "iq_air", "generators"),
    }
)
"""Lists that an answer is for, and the items in them: what is not known there is not called empty."""

IDENTITY = frozenset({"next", "system_id", "start_date", "event_type_id", "serial_number"})
"""Fields without which it is not known what a thing, or the values of days, are of."""

DAY_VALUES = frozenset({"production", "consumption", "charge", "discharge", "import", "export"})

ROWS = frozenset({"intervals", "meter_intervals", "end_at", "start_at", "channel", "meter_serial_number"})

Ask = Callable[[EnlightenClient, World], Any]
Place = tuple[str | int, ...]

SINGLE: dict[str, Ask] = {
    "systems": lambda c, w: c.systems(),
    "summary": lambda c, w: c.summary(w.system),
    "envoys": lambda c, w: c.envoys(w.system),
    "inventory": lambda c, w: c.inventory(w.system),
    "inverters": lambda c, w: c.inverters_summary_by_envoy_or_site(w.system),
    "readings": lambda c, w: c.production_meter_readings(w.system),
    "energy_lifetime": lambda c, w: c.energy_lifetime(w.system, start_date=day(2025, 6, 1)),
    "consumption_lifetime": lambda c, w: c.consumption_lifetime(w.system, start_date=day(2025, 6, 1)),
    "search": lambda c, w: c.search_system_id(envoys(w.emulator.truth.systems()[0])[0].serial),
}
SINGLE_V4: dict[str, Ask] = {
    **SINGLE,
    "system": lambda c, w: c.system(w.system),
    "devices": lambda c, w: c.devices(w.system),
    "latest_telemetry": lambda c, w: c.latest_telemetry(w.system),
    "consumption_meter_readings": lambda c, w: c.consumption_meter_readings(w.system),
    "storage_meter_readings": lambda c, w: c.storage_meter_readings(w.system),
    "events": lambda c, w: c.events(w.system, start_time=w.clock.now() - 86_400),
    "alarms": lambda c, w: c.alarms(w.system, start_time=w.clock.now() - 86_400),
    "open_events": lambda c, w: c.open_events(w.system),
    "event_types": lambda c, w: c.event_types(),
    "battery_lifetime": lambda c, w: c.battery_lifetime(w.system, start_date=day(2025, 6, 1)),
    "ev_charger_devices": lambda c, w: c.ev_charger_devices(w.system),
    "ev_charger_events": lambda c, w: c.ev_charger_events(w.system),
    "battery_settings": lambda c, w: c.battery_settings(w.system),
    "grid_status": lambda c, w: c.grid_status(w.system),
    "load_control": lambda c, w: c.load_control(w.system),
}
SERIES: dict[str, Ask] = {
    "rgm_stats": lambda c, w: c.rgm_stats(w.system, **w.days(0.05)),
    "stats": lambda c, w: c.stats(w.system, **w.days(0.05)),
    "consumption_stats": lambda c, w: c.consumption_stats(w.system, **w.days(0.05)),
}
ALL = [
    *(pytest.param("v2", ask, id=f"v2-{name}") for name, ask in (SINGLE | SERIES).items()),
    *(pytest.param("v4", ask, id=f"v4-{name}") for name, ask in (SINGLE_V4 | SERIES).items()),
]


def shortened(body: Any) -> Any:
    """Return an answer with lists of at most two items: the third is like the second."""
    if isinstance(body, dict):
        return {name: shortened(value) for name, value in body.items()}
    return [shortened(value) for value in body[:2]] if isinstance(body, list) else body


def places(body: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the places of all values in a body."""
    if place:
        yield place
    for step, value in body.items() if isinstance(body, dict) else enumerate(body):
        if isinstance(value, dict | list):
            yield from places(value, (*place, step))
        else:
            yield (*place, step)


def replaced(body: Any, place: Place, value: object) -> Any:
    """Return a body with another value at a place."""
    step, *rest = place
    other = replaced(body[step], tuple(rest), value) if rest else value
    if isinstance(body, dict):
        return {**body, step: other}
    return [other if number == step else each for number, each in enumerate(body)]


def may_cost_the_answer(place: Place) -> bool:
    """Tell whether a wrong value there may cost the answer."""
    names = [step for step in place if isinstance(step, str)]
    last = names[-1] if names else ""
    is_item = isinstance(place[-1], int)
    if last in DAY_VALUES:
        return not is_item
    return not names or last in LISTS | IDENTITY | ROWS or "intervals" in names


def gunzipped(body: bytes) -> bytes:
    """Return a body without compression."""
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


class Service:
    """The emulator, whose last answer to a question about data may be given again with a change."""

    def __init__(self, world: World) -> None:
        self.world, self.emulator = world, world.emulator.transport()
        self.true: Any = None
        self.given: Any = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        body, status = self.given, 200
        if body is None:
            response = await self.emulator.handle_async_request(request)
            self.true = body = json.loads(gunzipped(await response.aread()))
            status = response.status_code
        date = {"date": formatdate(self.world.clock.now(), usegmt=True)}
        content = body if isinstance(body, str) else json.dumps(body)
        return httpx.Response(status, content=content.encode(), headers=date)


async def outcome(query: Any) -> Any:
    """Return the answer of a query, or its error."""
    try:
        return await query
    except EnlightenError as error:
        return error


def is_about_one(answer: Any) -> bool:
    """Tell whether an answer is of the system that was asked about, and does not itself name it."""
    return not isinstance(answer, SystemId)


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Log no warnings: there are thousands."""
    caplog.set_level(logging.ERROR, logger="enlighten_async")


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(("version", "ask"), ALL)
async def test_what_a_wrong_value_costs(version: str, ask: Ask, anyio_backend: str) -> None:
    """Decoration never the answer, identity always; and no error is another's, or shows a value."""
    world = World()
    service = Service(world)
    opened = world.v4 if version == "v4" else world.client
    base = {} if version == "v4" else {"base_url": "http://127.0.0.1:9/api/v2"}
    client = opened(transport=httpx.MockTransport(service), retry=RetryPolicy(attempts=1), **base)
    await ask(client, world)
    true = shortened(service.true)
    costly: list[tuple[Place, object, str]] = []
    for place in places(true):
        for value in WRONG:
            service.given = replaced(true, place, value)
            got = await outcome(ask(client.with_options(max_age=0), world))
            if isinstance(got, EnlightenError):
                assert isinstance(got, DecodeError), (place, value, got)
                assert "soon" not in str(got)
                if not may_cost_the_answer(place):
                    costly.append((place, value, str(got)))
                continue
            json.dumps(got.to_dict(), allow_nan=False)
            if place == ("system_id",) and value is not None and is_about_one(got):
                costly.append((place, value, "an answer of another system"))
    assert costly == []


CONSTANTS = ("NaN", "Infinity", "-Infinity", "1e999")
"""Numbers that are none, as some programs write them in JSON."""


def told(outcome: Any) -> Any:
    """Return what an answer says, what it says of itself, or the kind of the error."""
    if isinstance(outcome, EnlightenError):
        return type(outcome)
    coverage = getattr(outcome, "coverage", None)
    known = (coverage.gaps(), coverage.notes, coverage.complete) if coverage else None
    return outcome, known, getattr(outcome, "complete", None)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(("version", "ask"), ALL)
async def test_a_number_that_is_none_is_told_as_any_other_unreadable_value(
    version: str, ask: Ask, anyio_backend: str
) -> None:
    """In place of every number of every answer: what is null and what the coverage says is the same."""
    world = World()
    service = Service(world)
    opened = world.v4 if version == "v4" else world.client
    base = {} if version == "v4" else {"base_url": "http://127.0.0.1:9/api/v2"}
    client = opened(transport=httpx.MockTransport(service), retry=RetryPolicy(attempts=1), **base)
    await ask(client, world)
    true, silent = shortened(service.true), []
    for place in places(true):
        if type(value_at(true, place)) not in {int, float}:
            continue
        outcomes = []
        for text in ('{"a": 1}', *CONSTANTS):
            service.given = json.dumps(replaced(true, place, "@")).replace('"@"', text)
            outcomes.append(told(await outcome(ask(client.with_options(max_age=0), world))))
        silent += [
            (place, text) for text, each in zip(CONSTANTS, outcomes[1:], strict=True) if each != outcomes[0]
        ]
    assert silent == []


def value_at(body: Any, place: Place) -> object:
    """Return the value at a place of a body."""
    for step in place:
        body = body[step]
    return body
