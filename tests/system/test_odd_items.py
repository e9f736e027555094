"""Lists with items that cannot be read: each costs itself alone, and the answer says that it lacks some."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest

from enlighten_async import DecodeError, EnlightenClient, RetryPolicy
from enlighten_async.api.v4.devices import KINDS
from tests.system.test_odd_fields import ALL, Ask, Service, places, replaced, value_at
from tests.world import World

ODD: tuple[object, ...] = (None, "soon", 7, True, [], {}, {"unknown": 1})
"""Items that stand for nothing."""

BY_DAY = frozenset({"intervals", "consumption"})
"""Lists that may have a null for a local day."""

UNTOLD = frozenset({"evse_power"})
"""Lists beside what an answer is for: only the log tells what was left out."""

_IN_INVENTORIES = {"gateways", "micros", "meters"}
NOT_OF = {"v4-envoys": frozenset(KINDS) - {"gateways"}, "v4-inventory": frozenset(KINDS) - _IN_INVENTORIES}
"""Lists of the response that an answer does not take anything from."""


async def opened(version: str) -> tuple[World, Service, EnlightenClient]:
    """Return a world, a service whose answers can be changed, and a client of it."""
    world = World()
    service = Service(world)
    new, base = (
        (world.v4, {}) if version == "v4" else (world.client, {"base_url": "http://127.0.0.1:9/api/v2"})
    )
    return world, service, new(transport=httpx.MockTransport(service), retry=RetryPolicy(attempts=1), **base)


def is_complete(answer: Any) -> bool:
    """Tell whether an answer says that it is complete."""
    told: bool = getattr(answer, "coverage", answer).complete
    return told


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(("version", "ask"), ALL)
async def test_an_odd_item_costs_itself_alone(
    version: str, ask: Ask, request: pytest.FixtureRequest, anyio_backend: str
) -> None:
    """In every list of objects of every answer: the others are as they were, and it is not complete."""
    kind = request.node.callspec.id.removesuffix(f"-{anyio_backend}")
    world, service, client = await opened(version)
    fresh = client.with_options(max_age=0)
    await ask(client, world)
    true = service.true
    service.given = true
    whole = await ask(fresh, world)
    for place in ((), *places(true)):
        listed = value_at(true, place)
        names = [step for step in place if isinstance(step, str)]
        if not (isinstance(listed, list) and listed and isinstance(listed[0], dict)):
            continue
        name = names[-1] if names else ""
        for item in ODD:
            if name in BY_DAY and item is None:
                continue
            changed = [item, *listed]
            service.given = replaced(true, place, changed) if place else changed
            got = await ask(fresh, world)
            assert got == whole, (place, item)
            if name not in UNTOLD | NOT_OF.get(kind, frozenset()):
                assert not is_complete(got), (place, item)


Call = Callable[[EnlightenClient], Any]

ALONE: dict[str, tuple[str, Call, Any]] = {
    "meters of an inventory": (
        "v2",
        lambda c: c.inventory(7),
        {"system_id": 7, "envoys": [{"sn": "1"}], "meters": [None]},
    ),
    "the only gateway": ("v2", lambda c: c.envoys(7), {"system_id": 7, "envoys": [None]}),
    "the only reading": (
        "v2",
        lambda c: c.production_meter_readings(7),
        {"system_id": 7, "meter_readings": ["x"], "meta": {"status": "normal"}},
    ),
    "the only gateway of inverters": ("v2", lambda c: c.inverters_summary_by_envoy_or_site(7), [None]),
    "the inverters of a gateway": (
        "v2",
        lambda c: c.inverters_summary_by_envoy_or_site(7),
        [{"signal_strength": 5, "micro_inverters": [None]}],
    ),
    "the readings of a month": (
        "v2",
        lambda c: c.monthly_production(7, start_date=date(2025, 5, 1)),
        {"system_id": 7, "production_wh": 5, "meter_readings": [None]},
    ),
    "a gateway of v4": (
        "v4",
        lambda c: c.envoys(7),
        {"system_id": 7, "devices": {"gateways": ["soon"], "micros": [{}]}},
    ),
    "all kinds of devices": (
        "v4",
        lambda c: c.inventory(7),
        {"system_id": 7, "devices": {"gateways": [None], "micros": [7], "meters": [{"serial_number": "1"}]}},
    ),
    "a reading of v4": (
        "v4",
        lambda c: c.consumption_meter_readings(7),
        {"system_id": 7, "meter_readings": [None, {"serial_num": "1", "value": 5}]},
    ),
    "a schedule of a charger": (
        "v4",
        lambda c: c.ev_charger_schedules(7, "1"),
        {"system_id": 7, "charger_schedules": [{"type": "Custom", "schedules": [None, {"days": [1]}]}]},
    ),
    "an event behind an alarm": (
        "v4",
        lambda c: c.open_alarms(7),
        {"system_id": 7, "alarms": [{"id": "1", "events": ["soon"]}]},
    ),
    "no list of events behind an alarm": (
        "v4",
        lambda c: c.open_alarms(7),
        {"system_id": 7, "alarms": [{"id": "1", "events": "soon"}]},
    ),
    "no list of times of a schedule": (
        "v4",
        lambda c: c.ev_charger_schedules(7, "1"),
        {"system_id": 7, "charger_schedules": [{"type": "Custom", "schedules": {"days": [1]}}]},
    ),
    "a day of a schedule": (
        "v4",
        lambda c: c.ev_charger_schedules(7, "1"),
        {"system_id": 7, "charger_schedules": [{"type": "Custom", "schedules": [{"days": [1, "soon"]}]}]},
    ),
    "a kind of events without its number": (
        "v4",
        lambda c: c.event_types(),
        {"event_types": [{"event_type_key": "a"}, {"event_type_id": 7}]},
    ),
}
"""Lists of which nothing, or a part inside of an item, can be read: the version, the call, and the answer."""


@pytest.mark.filterwarnings("ignore:monthly_production")
@pytest.mark.parametrize(("version", "call", "body"), ALONE.values(), ids=ALONE)
async def test_the_rest_of_an_answer_stays(
    version: str, call: Call, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not complete, and one warning says what was left out."""
    _, service, client = await opened(version)
    service.given = body
    answer = await call(client)
    assert not is_complete(answer)
    assert not answer.to_dict()["complete"]
    told = [each for each in caplog.messages if "left out" in each or "of another kind" in each]
    assert told == caplog.messages[-1:]


READINGS = [
    ("v2", "production_meter_readings"),
    ("v4", "production_meter_readings"),
    ("v4", "consumption_meter_readings"),
    ("v4", "storage_meter_readings"),
]


@pytest.mark.parametrize(("version", "name"), READINGS)
@pytest.mark.parametrize(
    "reading", [{}, {"value": 5}, *({"serial_number": odd, "value": 5} for odd in (None, "", {}, True))]
)
async def test_a_reading_of_no_meter_is_left_out(version: str, name: str, reading: object) -> None:
    """It is not known which one it is of; the others stay, also where their number came as such."""
    _, service, client = await opened(version)
    listed = [reading, {"serial_number": "0121"}, {"serial_number": 122}]
    service.given = {"system_id": 7, "meter_readings": listed}
    answer = await getattr(client, name)(7)
    assert [each.serial_number for each in answer] == ["0121", "122"]
    assert not answer.complete


@pytest.mark.filterwarnings("ignore:monthly_production")
async def test_the_readings_of_a_month_of_no_meter_are_left_out() -> None:
    """The production stays."""
    _, service, client = await opened("v2")
    service.given = {"system_id": 7, "production_wh": 5, "meter_readings": [{"start": 1}]}
    answer = await client.monthly_production(7, start_date=date(2025, 5, 1))
    assert (answer.production_wh, answer.meter_readings, answer.complete) == (5, (), False)


async def test_many_odd_items_cost_the_answer() -> None:
    """An answer of another kind is no answer with nothing in it."""
    _, service, client = await opened("v2")
    service.given = {"system_id": 7, "envoys": [None] * 101}
    with pytest.raises(DecodeError):
        await client.envoys(7)


@pytest.mark.parametrize("serial", [None, [], {}, True, "left out"])
async def test_a_meter_without_serial_number_costs_itself_alone(serial: object) -> None:
    """The rows of the system and of the other meters stay."""
    world, service, client = await opened("v2")
    await client.rgm_stats(world.system, **world.days(0.05))
    true = service.true
    service.given = true
    whole = await client.with_options(max_age=0).rgm_stats(world.system, **world.days(0.05))
    meter = {**true["meter_intervals"][0], "meter_serial_number": serial}
    if serial == "left out":
        del meter["meter_serial_number"]
    service.given = {**true, "meter_intervals": [*true["meter_intervals"], meter]}
    got = await client.with_options(max_age=0).rgm_stats(world.system, **world.days(0.05))
    assert got == whole
    assert not got.coverage.complete
    assert got.coverage.notes == ("rows that cannot be read were left out",)


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("missing", ["channel", "end_at"])
async def test_a_row_of_a_meter_without_its_channel_costs_itself_alone(version: str, missing: str) -> None:
    """Or without its end: the other rows stay."""
    world, service, client = await opened(version)
    await client.rgm_stats(world.system, **world.days(0.05))
    true = service.given = service.true
    fresh = client.with_options(max_age=0)
    whole = await fresh.rgm_stats(world.system, **world.days(0.05))
    place = ("meter_intervals", 0, "intervals", 2)
    row = {name: value for name, value in value_at(true, place).items() if name != missing}
    service.given = replaced(true, place, row)
    got = await fresh.rgm_stats(world.system, **world.days(0.05))
    assert got.intervals == whole.intervals
    assert len(got.meter_intervals[0].intervals) == len(whole.meter_intervals[0].intervals) - 1
    assert got.meter_intervals[1:] == whole.meter_intervals[1:]
    assert got.coverage.notes == ("rows that cannot be read were left out",)
    assert not got.coverage.complete


UNREADABLE: dict[str, list[Any]] = {
    "a single row": ["soon"],
    "all rows": [{}, 7, {"end_at": True, "channel": 1}],
    "days of rows": [["soon", None, 7], [{}]],
    "more rows than an answer may lose": [{"at": 1}] * 150,
}
"""Lists of rows of a device of which none, but perhaps a null, can be read."""


@pytest.mark.parametrize("rows", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize(
    ("version", "name", "listed"),
    [
        ("v2", "rgm_stats", "meter_intervals"),
        ("v4", "rgm_stats", "meter_intervals"),
        ("v4", "micros_telemetry", "devices"),
    ],
)
async def test_a_device_whose_rows_cannot_be_read_costs_itself_alone(
    version: str, name: str, listed: str, rows: list[Any]
) -> None:
    """The rows of the others stay; where nothing stays there is no answer."""
    world, service, client = await opened(version)
    fresh = client.with_options(max_age=0)
    ask = getattr(fresh, name)
    await ask(world.system, **world.days(0.05))
    true = service.given = service.true
    whole = await ask(world.system, **world.days(0.05))
    odd, *others = true[listed]
    service.given = {**true, listed: [{**odd, "intervals": rows}, *others]}
    got = await ask(world.system, **world.days(0.05))
    assert [each.intervals for each in getattr(got, listed) if each.intervals] == [
        each.intervals for each in getattr(whole, listed)[1:]
    ]
    assert got.coverage.notes[0] == "rows that cannot be read were left out"
    assert not got.coverage.complete
    if name == "rgm_stats":
        assert got.intervals == whole.intervals
    nothing = {"intervals": ["soon"]} if name == "rgm_stats" else {}
    service.given = {**true, **nothing, listed: [{**odd, "intervals": ["soon"]}]}
    with pytest.raises(DecodeError):
        await ask(world.system, **world.days(0.05))


@pytest.mark.parametrize("serial", [None, [], True])
async def test_a_microinverter_without_serial_number_costs_itself_alone(serial: object) -> None:
    """The rows of the others stay."""
    world, service, client = await opened("v4")
    await client.micros_telemetry(world.system, **world.days(0.05))
    true = service.true
    service.given = true
    fresh = client.with_options(max_age=0)
    whole = await fresh.micros_telemetry(world.system, **world.days(0.05))
    service.given = {**true, "devices": [*true["devices"], {**true["devices"][0], "serial_number": serial}]}
    got = await fresh.micros_telemetry(world.system, **world.days(0.05))
    assert [(each.serial_number, each.intervals) for each in got.devices] == [
        (each.serial_number, each.intervals) for each in whole.devices
    ]
    assert not got.coverage.complete


async def test_pages_with_an_odd_item_are_followed() -> None:
    """A page of a hundred inverters of which one cannot be read is not the last one."""
    asked: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        asked.append(request.url.params["page"])
        serials = range(100 * number, 100 * number + (100 if number < 3 else 5))
        micros: list[Any] = [{"serial_number": str(each)} for each in serials]
        micros[0] = None if number == 1 else micros[0]
        return httpx.Response(200, json=[{"signal_strength": 5, "micro_inverters": micros}])

    client = World().v4(transport=httpx.MockTransport(serve))
    answer = await client.inverters_summary_by_envoy_or_site(7)
    assert (len(answer.micro_inverters), answer.complete, asked) == (204, False, ["1", "2", "3"])


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_an_odd_system_alone_on_a_page_costs_itself_alone(version: str) -> None:
    """The last of a long list, say; a first page of which nothing can be read is no list."""

    def serve(request: httpx.Request) -> httpx.Response:
        first = request.url.params.get("page", request.url.params.get("next", "1")) == "1"
        listed: list[Any] = [{"system_id": each} for each in range(100)] if first else [{"system_id": "odd"}]
        told = {"next": "2"} if first else {}
        told |= {"total": 101} if version == "v4" else {}
        return httpx.Response(200, json={"systems": listed if alone is None else alone, **told})

    alone: list[Any] | None = None
    world = World()
    base: dict[str, Any] = {} if version == "v4" else {"base_url": "http://127.0.0.1:9/api/v2"}
    client = (world.v4 if version == "v4" else world.client)(transport=httpx.MockTransport(serve), **base)
    answer = await client.systems()
    assert (len(answer), answer.complete) == (100, False)
    alone = [{"system_id": "odd"}]
    with pytest.raises(DecodeError, match=r"\$\.systems\[0\]\.system_id"):
        await client.systems()


async def test_events_of_chargers_beyond_an_odd_one_are_asked_for_once() -> None:
    """An event that cannot be read is not the reason for another page."""
    asked: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["offset"])
        rows = [None, {"status": "Open", "details": "a"}]
        return httpx.Response(200, json={"system_id": 7, "count": 2, "events": rows})

    answer = await World().v4(transport=httpx.MockTransport(serve)).ev_charger_events(7)
    assert (len(answer), answer.complete, asked) == (1, False, ["0"])


@pytest.mark.parametrize("half", ["\ud800", "\ud83d\ude00\ud800"])
async def test_half_a_character_costs_itself_alone(half: str) -> None:
    """JSON can write it, no text can hold it: in place of it stands the character for that."""
    world, service, client = await opened("v2")
    fresh = client.with_options(max_age=0)
    await client.rgm_stats(world.system, **world.days(0.05))
    true = service.given = service.true
    whole = await fresh.rgm_stats(world.system, **world.days(0.05))
    service.given = replaced(true, ("meta", "status"), half)
    got = await fresh.rgm_stats(world.system, **world.days(0.05))
    assert (got.intervals, got.meta.status[-1]) == (whole.intervals, "\ufffd")
    service.given = {"systems": [{"system_id": 7, "system_name": half}]}
    systems = await client.systems()
    assert systems[0].system_name == half.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
