"""Odd answers, through clients of both versions: bodies by other names, texts under other statuses."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from enlighten_async import DecodeError, EnlightenClient, Meta, RangeError, Reason, RetryPolicy, ServerError
from tests.world import World

NO_METER = "The given system does not contain any active and enabled consumption meter"
NO_BATTERY = "System doesn't have encharges"
INVALID = "Requested date range is invalid for this system"
ONCE = RetryPolicy(attempts=1)
Client = Callable[..., EnlightenClient]


def answering(
    world: World, body: object, status: int = 200, content_type: str = "application/json"
) -> httpx.MockTransport:
    """Return a service that gives one answer to all; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"date": formatdate(world.clock.now(), usegmt=True), "content-type": content_type}
    return httpx.MockTransport(lambda _: httpx.Response(status, content=content, headers=headers))


def opened(
    version: str, body: object, status: int = 200, content_type: str = "application/json", **options: Any
) -> Any:
    """Return a client of a version whose service gives one answer to all."""
    world = World()
    transport = answering(world, body, status, content_type)
    if version == "v4":
        return world.v4(transport=transport, retry=ONCE, **options)
    return world.client(base_url="http://127.0.0.1:9/api/v2", transport=transport, retry=ONCE, **options)


both = pytest.mark.parametrize("version", ["v2", "v4"])
SUMMARY = {"system_id": 7, "modules": 20, "energy_today": 9}


@both
@pytest.mark.parametrize(
    "called", ["application/json", "text/html", "text/plain", "application/octet-stream"]
)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n "])
async def test_json_is_read_whatever_it_is_called(version: str, called: str, before: bytes) -> None:
    """Also after the mark that says UTF-8."""
    client = opened(version, before + json.dumps(SUMMARY).encode(), content_type=called)
    assert (await client.summary(7)).modules == 20


@both
@pytest.mark.parametrize("called", ["application/json", "text/html"])
@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 500, 502])
async def test_a_web_page_is_no_data(version: str, called: str, status: int) -> None:
    """It is a failure that may pass, whatever it is called."""
    client = opened(version, b"<html>too many visitors</html>", status, called)
    for query in (client.summary(7), client.rgm_stats(7, start_at=1_749_990_000, end_at=1_749_999_600)):
        with pytest.raises(ServerError, match="web page") as caught:
            await query
        assert caught.value.passing


STATUSES = (200, 400, 401, 404, 422, 500)
TIME = {"start_at": 1_749_990_000, "end_at": 1_749_999_600}


@both
@pytest.mark.parametrize("status", STATUSES)
async def test_no_meter_means_the_same_under_any_status(version: str, status: int) -> None:
    """For intervals and for days, of any endpoint."""
    client = opened(version, {"message": NO_METER, "details": NO_METER}, status)
    for query in (client.consumption_stats(7, **TIME), client.rgm_stats(7, **TIME)):
        answer = await query
        assert len(answer.intervals) == 0
        assert {gap.reason for gap in answer.coverage.gaps()} == {Reason.NO_DEVICE}
    assert (await client.consumption_lifetime(7)).reason is Reason.NO_DEVICE
    readings = await client.production_meter_readings(7)
    assert (readings.system_id, len(readings)) == (7, 0)


@pytest.mark.parametrize("status", STATUSES[1:])
async def test_no_batteries_mean_the_same_under_any_status(status: int) -> None:
    """For settings, days, intervals and readings."""
    client = opened("v4", {"message": "Unprocessable Entity", "details": NO_BATTERY}, status)
    assert (await client.battery_settings(7)).reason is Reason.NO_DEVICE
    assert (await client.storm_guard(7)).reason is Reason.NO_DEVICE
    assert (await client.battery_lifetime(7)).reason is Reason.NO_DEVICE
    assert {gap.reason for gap in (await client.battery(7, **TIME)).coverage.gaps()} == {Reason.NO_DEVICE}
    assert len(await client.storage_meter_readings(7)) == 0


@both
@pytest.mark.parametrize("status", STATUSES)
async def test_an_invalid_range_means_the_same_under_any_status(version: str, status: int) -> None:
    """Of days before anything was reported, it says so."""
    client = opened(version, {"reason": INVALID, "message": INVALID, "details": INVALID}, status)
    assert (await client.energy_lifetime(7)).reason is Reason.NOT_REPORTED_YET
    with pytest.raises(RangeError):
        await client.summary(7)


@both
@pytest.mark.parametrize("status", [200, 400, 403, 404, 422, 500, 503])
@pytest.mark.parametrize(
    ("text", "days", "requests"),
    [
        ("Requested date range cannot be more than 2 days", 2, 4),
        ("Range too wide: max 3 days", 3, 3),
        ("The date range should be less than 3 days", 2, 7),  # by days, then
        ("multi-day ranges are rejected", 1, 7),
        ("date range is limited to one day", 1, 7),
    ],
)
async def test_a_range_that_is_too_long_means_the_same_under_any_status(
    version: str, status: int, text: str, days: int, requests: int
) -> None:
    """It is asked for in shorter ones, after one request, or two where the text does not tell how short."""
    world, sent = World(), 0
    start, end = TIME["end_at"] - 6 * 86_400, TIME["end_at"]

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        first, last = (int(request.url.params.get(name, end)) for name in ("start_at", "end_at"))
        headers = {"date": formatdate(world.clock.now(), usegmt=True)}
        if last - first > days * 86_400:
            body = {"message": text} if version == "v2" else {"message": "No", "details": text}
            return httpx.Response(status, json=body, headers=headers)
        rows = [{"end_at": moment, "wh_del": 5} for moment in range(first + 900, last + 1, 900)]
        return httpx.Response(200, json={"system_id": 7, "intervals": rows}, headers=headers)

    open_ = world.v4 if version == "v4" else world.client
    stats = await open_(transport=httpx.MockTransport(answer)).rgm_stats(7, start_at=start, end_at=end)
    assert (len(stats.intervals), stats.coverage.complete) == (6 * 96, True)
    assert sent <= requests + 1


@pytest.mark.parametrize("name", ["events", "alarms"])
@pytest.mark.parametrize(("text", "days"), [("range cannot be more than 2 days", 2), ("range too long", 1)])
async def test_logs_of_a_range_that_is_too_long_come_in_shorter_ones(name: str, text: str, days: int) -> None:
    """Every second of it once."""
    world, asked = World(), list[tuple[int, int]]()
    start, end = TIME["end_at"] - 10 * 86_400, TIME["end_at"]

    def answer(request: httpx.Request) -> httpx.Response:
        first, last = (int(request.url.params[name]) for name in ("start_time", "end_time"))
        headers = {"date": formatdate(world.clock.now(), usegmt=True)}
        if last - first > days * 86_400:
            return httpx.Response(422, json={"message": "No", "details": text}, headers=headers)
        asked.append((first, last))
        return httpx.Response(200, json={"system_id": 7, name: []}, headers=headers)

    client = world.v4(transport=httpx.MockTransport(answer))
    log = await getattr(client, name)(7, start_time=start, end_time=end)
    assert (log.coverage.complete, log.coverage.window.seconds) == (True, end - start)
    edges = sorted(asked)
    assert (edges[0][0], edges[-1][1]) == (start, end)
    assert all(before[1] == after[0] for before, after in pairwise(edges))


@pytest.mark.parametrize("name", ["events", "alarms"])
async def test_how_long_a_range_of_a_log_may_be_is_remembered_for_a_day(name: str) -> None:
    """By the weeks of one query, by later queries of the client, awaited and streamed, and by the price."""
    world, refused = World(), 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal refused
        first, last = (int(request.url.params[name]) for name in ("start_time", "end_time"))
        headers = {"date": formatdate(world.clock.now(), usegmt=True)}
        if last - first > 2 * 86_400:
            refused += 1
            told = {"message": "No", "details": "range cannot be more than 2 days"}
            return httpx.Response(422, json=told, headers=headers)
        return httpx.Response(200, json={"system_id": 7, name: []}, headers=headers)

    client = world.v4(transport=httpx.MockTransport(answer))

    def query() -> Any:
        return getattr(client, name)(
            7, start_time=world.clock.now() - 28 * 86_400, end_time=world.clock.now()
        )

    first = await query()
    assert (first.coverage.complete, refused, first.receipt.sent) == (True, 1, 17)
    world.clock.advance(3600)
    assert (await query().estimate()).at_most == 14
    assert (await query()).receipt.sent == 14
    parts = [part async for part in query()]
    assert (len(parts), refused) == (14, 1)
    world.clock.advance(86_400)
    assert (await query()).coverage.complete
    assert refused == 2  # it may have changed


async def test_a_log_that_is_always_too_long_is_an_error() -> None:
    """After a few requests, not many."""
    client = opened("v4", {"message": "No", "details": "range cannot be more than 0 days"}, 422)
    with pytest.raises(RangeError) as caught:
        await client.events(7, start_time=TIME["end_at"] - 10 * 86_400)
    assert caught.value.receipt.sent <= 6


@both
async def test_a_large_body_is_not_searched_for_a_text(version: str) -> None:
    """It was not readable as data, and would be parsed once more."""
    for size in (10, 70_000):
        body = {"message": NO_METER, "details": NO_METER, "more": "x" * size}
        query = opened(version, body).consumption_stats(7, **TIME)
        if size == 10:
            assert (await query).coverage.gaps()
            continue
        with pytest.raises(DecodeError):
            await query


@both
async def test_other_texts_with_a_200_are_unreadable_answers(version: str) -> None:
    """Rather than errors of the service."""
    for body in ({"message": "System under maintenance"}, {}, b"", b"null"):
        with pytest.raises(DecodeError):
            await opened(version, body).rgm_stats(7, **TIME)


DAY = {"start_date": date(2025, 6, 1)}
OF_SYSTEMS: dict[str, tuple[Any, dict[str, object]]] = {
    "summary": (lambda c: c.summary(7, summary_date=date(2025, 6, 1)), {"energy_today": 5}),
    "envoys": (lambda c: c.envoys(7), {"envoys": [], "devices": {"gateways": []}}),
    "inventory": (lambda c: c.inventory(7), {"inverters": [], "devices": {"micros": []}}),
    "readings": (lambda c: c.production_meter_readings(7), {"meter_readings": []}),
    "energy_lifetime": (
        lambda c: c.energy_lifetime(7, **DAY),
        {"start_date": "2025-06-01", "production": [1]},
    ),
    "consumption_lifetime": (lambda c: c.consumption_lifetime(7), {"start_date": None, "consumption": []}),
    "rgm_stats": (lambda c: c.rgm_stats(7, **TIME), {"intervals": []}),
    "stats": (lambda c: c.stats(7, **TIME), {"intervals": []}),
    "consumption_stats": (lambda c: c.consumption_stats(7, **TIME), {"intervals": []}),
}
OF_SYSTEMS_V4: dict[str, tuple[Any, dict[str, object]]] = {
    **OF_SYSTEMS,
    "system": (lambda c: c.system(7), {"name": "Roof"}),
    "devices": (lambda c: c.devices(7), {"devices": {}}),
    "latest_telemetry": (lambda c: c.latest_telemetry(7), {"devices": {}}),
    "events": (lambda c: c.events(7, start_time=1_749_999_600), {"events": []}),
    "alarms": (lambda c: c.alarms(7, start_time=1_749_999_600), {"alarms": []}),
    "open_events": (lambda c: c.open_events(7), {"events": []}),
    "open_alarms": (lambda c: c.open_alarms(7), {"alarms": []}),
    "storage_meter_readings": (lambda c: c.storage_meter_readings(7), {"meter_readings": []}),
    "battery_lifetime": (
        lambda c: c.battery_lifetime(7),
        {"start_date": None, "charge": [], "discharge": []},
    ),
    "evse_lifetime": (lambda c: c.evse_lifetime(7, "1"), {"start_date": None, "consumption": []}),
    "battery": (lambda c: c.battery(7, **TIME), {"intervals": []}),
    "micros_telemetry": (lambda c: c.micros_telemetry(7, **TIME), {"devices": []}),
    "micro_telemetry": (lambda c: c.micro_telemetry(7, "1", **TIME), {"intervals": []}),
    "ev_charger_devices": (lambda c: c.ev_charger_devices(7), {"devices": {}}),
    "ev_charger_events": (lambda c: c.ev_charger_events(7), {"events": [], "count": 0}),
    "ev_charger_sessions": (lambda c: c.ev_charger_sessions(7, "1"), {"sessions": [], "count": 0}),
    "ev_charger_schedules": (lambda c: c.ev_charger_schedules(7, "1"), {"charger_schedules": []}),
    "battery_settings": (lambda c: c.battery_settings(7), {"battery_mode": "x"}),
    "storm_guard": (lambda c: c.storm_guard(7), {"storm_alert": "true"}),
    "grid_status": (lambda c: c.grid_status(7), {"grid_state": "On Grid"}),
    "load_control": (lambda c: c.load_control(7), {"load_control_data": []}),
}
EVERY = [
    *(pytest.param("v2", *asked, id=f"v2-{name}") for name, asked in OF_SYSTEMS.items()),
    *(pytest.param("v4", *asked, id=f"v4-{name}") for name, asked in OF_SYSTEMS_V4.items()),
]


@pytest.mark.parametrize(("version", "ask", "content"), EVERY)
async def test_an_answer_of_another_system_is_refused(
    version: str, ask: Any, content: Any, tmp_path: Path
) -> None:
    """It is an error each time, and never taken from the cache."""
    world, sent = World(), 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        headers = {"date": formatdate(world.clock.now(), usegmt=True)}
        return httpx.Response(200, json={"system_id": 666, **content}, headers=headers)

    opened = world.v4 if version == "v4" else world.client
    client = opened(transport=httpx.MockTransport(answer), state=tmp_path / "state.db", retry=ONCE)
    for asked in (1, 2):
        with pytest.raises(DecodeError, match="asked for system 7, answered for 666") as caught:
            await ask(client.with_options(max_age=10**6))
        assert (caught.value.path, sent) == ("$.system_id", asked)
    await client.aclose()


@pytest.mark.parametrize(("version", "ask", "content"), EVERY)
async def test_the_same_answer_of_the_system_is_taken(version: str, ask: Any, content: Any) -> None:
    """So it is for its number alone that the other one is refused."""
    answer = await ask(opened(version, {"system_id": 7, **content}))
    assert answer.system_id == 7


@pytest.mark.parametrize(("version", "ask", "content"), EVERY)
@pytest.mark.parametrize("number", ["7", "007", 7.0])
async def test_the_number_of_the_system_may_come_in_another_form(
    version: str, ask: Any, content: Any, number: object
) -> None:
    """It is the same number."""
    assert (await ask(opened(version, {"system_id": number, **content}))).system_id == 7


@both
async def test_systems_without_a_number_are_left_out(version: str) -> None:
    """Or with one that stands for none."""
    systems = [{"system_id": number} for number in (-1, "8", None, 9, "n/a")]
    answer = await opened(version, {"systems": systems, "total": 5}).systems()
    assert ([system.system_id for system in answer.systems], answer.complete) == ([8, 9], False)


@both
@pytest.mark.parametrize("asked", [7, "7", [7, 9]])
async def test_a_list_with_a_system_that_was_not_asked_for_is_refused(version: str, asked: Any) -> None:
    """With it the filter was not obeyed."""
    client = opened(version, {"systems": [{"system_id": 7}, {"system_id": 666}], "total": 2})
    with pytest.raises(DecodeError, match="asked for system 7.*, answered for 666"):
        await client.systems(system_id=asked)
    assert [each.system_id for each in (await client.systems(status="normal")).systems] == [7, 666]


DEVICE = "000000000012"
OF_DEVICE: dict[str, Any] = {
    "micro_telemetry": lambda c: c.micro_telemetry(7, DEVICE, **TIME),
    "encharge_telemetry": lambda c: c.encharge_telemetry(7, DEVICE, **TIME),
    "acb_telemetry": lambda c: c.acb_telemetry(7, DEVICE, **TIME),
    "evse_telemetry": lambda c: c.evse_telemetry(7, DEVICE, **TIME),
}


@pytest.mark.parametrize("ask", OF_DEVICE.values(), ids=OF_DEVICE)
@pytest.mark.parametrize("said", [DEVICE, 12, " 12", None, [], "000000000013", 13])
async def test_an_answer_of_another_device_is_refused(ask: Any, said: Any) -> None:
    """Leading zeros apart, which a number does not have."""
    query = ask(opened("v4", {"system_id": 7, "serial_number": said, "intervals": []}))
    if said in (13, "000000000013"):
        with pytest.raises(DecodeError, match=f"asked for the device {DEVICE}, answered for another"):
            await query
    else:
        assert (await query).serial_number == DEVICE


BROKEN_BYTES = {
    "latin-1": (b'"P\xe9taluma"', "utf-8"),
    "cut character": (b'"P\xc3"', "utf-8"),
    "no number": (b"NaN", "utf-8"),
    "too large": (b"-1e999", "utf-8"),
    "utf-16": (b'"Petaluma"', "utf-16"),
}


@both
@pytest.mark.parametrize(("value", "encoding"), BROKEN_BYTES.values(), ids=BROKEN_BYTES)
async def test_bytes_that_cannot_be_read_cost_one_field(
    version: str, value: bytes, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not a fleet, nor a week."""
    systems = b'{"systems": [{"system_id": 7, "city": %s}, {"system_id": 8}], "total": 2}' % value
    row = b'{"end_at": %d, "wh_del": 5, "city": %s}' % (TIME["end_at"], value)
    rows = b'{"system_id": 7, "meter_intervals": [], "intervals": [%s]}' % row
    encoded = [
        body.decode("latin-1").encode(encoding) if encoding != "utf-8" else body for body in (systems, rows)
    ]
    fleet = await opened(version, encoded[0]).systems()
    assert ([system.system_id for system in fleet], fleet.complete) == ([7, 8], True)
    week = await opened(version, encoded[1]).rgm_stats(7, **TIME)
    assert [row.wh_del for row in week.intervals] == [5]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("cannot be read" in warning for warning in warnings)


CONSTANTS = ["NaN", "Infinity", "-Infinity", "1e999"]


@both
@pytest.mark.parametrize("constant", CONSTANTS)
async def test_a_number_that_is_none_is_null_and_told(version: str, constant: str) -> None:
    """In days as in rows: the answer is not complete, and names the figure; zeros and nulls are others'."""
    row = f'{{"end_at": {TIME["end_at"]}, "wh_del": {constant}}}'
    week = await opened(
        version, f'{{"system_id": 7, "meter_intervals": [], "intervals": [{row}]}}'.encode()
    ).rgm_stats(7, **TIME)
    days = await opened(
        version, f'{{"system_id": 7, "start_date": "2025-06-01", "production": [1, {constant}, 3]}}'.encode()
    ).energy_lifetime(7)
    assert [each.wh_del for each in week.intervals] == [None]
    assert [each.wh for each in days] == [1, None, 3]
    for answer, name in ((week, "wh_del"), (days, "production")):
        assert not answer.coverage.complete
        assert Reason.LEFT_OUT in {gap.reason for gap in answer.coverage.gaps()}
        assert any(name in note for note in answer.coverage.notes)


@both
@pytest.mark.parametrize("constant", CONSTANTS)
async def test_a_number_that_is_none_is_no_system(version: str, constant: str) -> None:
    """Of an answer about one object, of days, and of rows; none of them is taken for the system's own."""
    told = b'"system_id": ' + constant.encode()
    for body, method in (
        (b'{%s, "modules": 20}', "summary"),
        (b'{%s, "start_date": "2025-06-01", "production": [1]}', "energy_lifetime"),
        (b'{%s, "meter_intervals": [], "intervals": []}', "rgm_stats"),
    ):
        query = getattr(opened(version, body % told), method)(7, **(TIME if method == "rgm_stats" else {}))
        with pytest.raises(DecodeError, match="cannot be read at"):
            await query


async def test_a_number_that_is_none_costs_no_page_of_events() -> None:
    """Those of EV chargers count their rows beside them."""
    body = b'{"system_id": 7, "count": NaN, "events": [{"serial_number": "1", "status": "x"}]}'
    assert len(await opened("v4", body).ev_charger_events(7)) == 1


@pytest.mark.parametrize("name", ["start_at", "end_at"])
@pytest.mark.parametrize(
    "said", [1, 1000, 1.0, 1000.0, "", "N/A", "soon", 0, -1, True, [], {}, 1e300, "2025-06-15T12:20:00Z"]
)
async def test_the_range_that_an_answer_declares_does_not_cost_its_rows(name: str, said: Any) -> None:
    """It repeats the question; also in milliseconds, or as a fraction."""
    value = said * TIME[name] if type(said) in (int, float) and said in (1, 1000) else said
    rows = [{"end_at": end, "wh_del": 5} for end in range(TIME["start_at"] + 900, TIME["end_at"] + 1, 900)]
    body = {"system_id": 7, "total_devices": 1, **TIME, "intervals": rows, name: value}
    answer = await opened("v4", body).production_meter(7, **TIME)
    assert (answer.coverage.got, answer.coverage.complete) == (len(rows), True)


async def test_figures_of_another_shape_cost_one_figure() -> None:
    """A number where an object is documented is its value; an object in place of a number is none."""
    rows = [
        {"end_at": TIME["end_at"] - 900, "charge": 5, "discharge": {"enwh": {}}, "soc": "97"},
        {"end_at": TIME["end_at"], "charge": {"enwh": 6}, "discharge": {"enwh": 7}, "soc": {"percent": 98}},
    ]
    answer = await opened("v4", {"system_id": 7, "intervals": rows}).battery(7, **TIME)
    assert [(row.charge, row.discharge, row.soc) for row in answer.intervals] == [(5, None, 97), (6, 7, 98)]
    meter = [{"end_at": TIME["end_at"], "wh_del": {"value": 5, "units": "kWh"}}]
    answer = await opened("v4", {"system_id": 7, "intervals": meter}).production_meter(7, **TIME)
    assert [row.wh_del for row in answer.intervals] == [None]
    assert answer.coverage.notes == ("figures that cannot be read are null: wh_del",)


@both
@pytest.mark.parametrize(
    ("figure", "whole"), [(5, True), (None, True), ("5", True), ("?", False), ([], False)]
)
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kept", [False, True])
async def test_an_answer_with_a_figure_that_cannot_be_read_is_not_complete(
    version: str, figure: object, whole: bool, streamed: bool, kept: bool, tmp_path: Path
) -> None:
    """A null that the service sends is data; a figure that cannot be read is missing."""
    rows = [{"end_at": TIME["end_at"], "wh_del": figure, "enwh": figure}]
    body = {"system_id": 7, "total_devices": 1, "intervals": rows, "meter_intervals": []}
    client = opened(version, body, **({"state": tmp_path / "state.db"} if kept else {}))
    for name in ("rgm_stats", "consumption_stats"):
        for _ in range(2):
            query = getattr(client, name)(7, start_at=TIME["end_at"] - 900, end_at=TIME["end_at"])
            (answer,) = [part async for part in query] if streamed else [await query]
            assert (answer.coverage.complete, len(answer.intervals)) == (whole, 1)
            assert bool(answer.coverage.notes) != whole
    await client.aclose()


@both
@pytest.mark.parametrize(
    ("sent", "note"),
    [
        ({"micro_production": [1, 2], "meter_production": [3, None]}, ""),
        ({"micro_production": [1, 2]}, "figures of some days did not come: meter_production"),
        ({}, "figures of some days did not come: micro_production, meter_production"),
        (
            {"micro_production": [1], "meter_production": [3, 4]},
            "figures of some days did not come: micro_production",
        ),
        (
            {"micro_production": [1, 2], "meter_production": [3, "?"]},
            "figures that cannot be read are null: meter_production",
        ),
    ],
)
@pytest.mark.parametrize("kept", [False, True])
async def test_a_lifetime_without_all_of_the_lists_that_were_asked_for_is_not_complete(
    version: str, sent: dict[str, object], note: str, kept: bool, tmp_path: Path
) -> None:
    """Its days have nulls there that nobody sent."""
    body = {"system_id": 7, "start_date": "2020-01-01", "production": [4, 6], **sent}
    client = opened(version, body, **({"state": tmp_path / "state.db"} if kept else {}))
    days = {"start_date": date(2020, 1, 1), "end_date": date(2020, 1, 2)}
    for _ in range(2):
        answer = await client.energy_lifetime(7, production="all", **days)
        assert [day.wh for day in answer] == [4, 6]
        assert answer.coverage.complete == (not note)
        assert answer.coverage.notes == ((note,) if note else ())
    await client.aclose()


@both
async def test_lists_that_were_not_asked_for_need_not_come(version: str) -> None:
    """The lifetime of production alone is complete."""
    body = {"system_id": 7, "start_date": "2020-01-01", "production": [4, 6]}
    assert (await opened(version, body).energy_lifetime(7)).coverage.complete
    body["production"] = [4, "?"]
    assert not (await opened(version, body).energy_lifetime(7)).coverage.complete


async def test_one_of_two_lists_of_a_battery_is_not_all() -> None:
    """What went in without what came out."""
    body = {"system_id": 7, "start_date": "2020-01-01", "charge": [4, 6], "discharge": [1]}
    answer = await opened("v4", body).battery_lifetime(7)
    assert not answer.coverage.complete
    assert answer.coverage.notes == ("figures of some days did not come: discharge",)


@both
async def test_a_cached_answer_of_another_system_is_not_served(version: str, tmp_path: Path) -> None:
    """One that an older version had kept is asked for again."""
    world, whose = World(), 7

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"date": formatdate(world.clock.now(), usegmt=True)}
        return httpx.Response(200, json={"system_id": whose, "energy_today": 5}, headers=headers)

    opened = world.v4 if version == "v4" else world.client
    options = {"transport": httpx.MockTransport(answer), "state": tmp_path / "state.db", "retry": ONCE}
    async with opened(**options) as client:
        await client.summary(7, summary_date=date(2025, 6, 1))
    with closing(sqlite3.connect(tmp_path / "state.db")) as state, state:
        changed = state.execute("UPDATE replies SET body = replace(body, '7', '8')").rowcount
    assert changed == 1
    async with opened(**options) as client:
        assert (await client.summary(7, summary_date=date(2025, 6, 1))).receipt.sent == 1


@both
@pytest.mark.parametrize("ago", [0, 40])
async def test_instants_in_milliseconds_are_read_as_such(version: str, ago: int) -> None:
    """In the state of a system, and in rows."""
    end = TIME["end_at"] - ago * 86_400
    rows = [{"end_at": 1000 * (end - 900 * n), "wh_del": n, "devices_reporting": 1} for n in range(4)]
    meta = {"status": "normal", "last_report_at": 1000 * end, "last_energy_at": -1, "operational_at": "N/A"}
    body = {"system_id": 7, "total_devices": 1, "intervals": rows[::-1], "meta": meta}
    answer = await opened(version, body).rgm_stats(7, start_at=end - 3600, end_at=end)
    assert [row.wh_del for row in answer.intervals] == [3, 2, 1, 0]
    assert answer.meta == Meta("normal", datetime.fromtimestamp(end, UTC))
    assert answer.coverage.complete


@both
@pytest.mark.parametrize("ago", [5, 40])
@pytest.mark.parametrize("told", ["is in the future", "range is invalid for this system"])
async def test_what_is_called_not_reported_yet_is_asked_for_again(
    version: str, ago: int, told: str, tmp_path: Path
) -> None:
    """However old it is: data that comes late may fill it. Not at once, and not for ever more often."""
    world, sent = World(), 0
    start, end = TIME["end_at"] - (ago + 1) * 86_400, TIME["end_at"] - ago * 86_400

    def answer(_: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        headers = {"date": formatdate(world.clock.now(), usegmt=True)}
        if sent > 1:
            rows = [{"end_at": moment, "wh_del": 5} for moment in range(start + 900, end + 1, 900)]
            return httpx.Response(200, json={"system_id": 7, "intervals": rows}, headers=headers)
        text = f"Requested date {told}" + f" {{:first_interval=>1400000000, :last_interval=>{start}}}" * (
            version == "v4"
        )
        facts = {"first_interval": 1_400_000_000, "last_interval": start}
        body = {"reason": text, **facts} if version == "v2" else {"details": text, "code": 422}
        return httpx.Response(422, json=body, headers=headers)

    open_ = world.v4 if version == "v4" else world.client
    client = open_(transport=httpx.MockTransport(answer), state=tmp_path / "state.db", retry=ONCE)
    for after, rows, requests in ((0, 0, 1), (600, 0, 1), (7200, 96, 2)):
        await world.clock.sleep(after)
        stats = await client.rgm_stats(7, start_at=start, end_at=end)
        assert (len(stats.intervals), sent) == (rows, requests)
        assert {gap.reason for gap in stats.coverage.gaps()} == (
            {Reason.NOT_REPORTED_YET} if not rows else set()
        )
    await client.aclose()


@both
async def test_an_odd_state_of_the_system_does_not_cost_the_rows(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, without the values."""
    end = TIME["end_at"]
    rows = [{"end_at": end - 900 * n, "wh_del": n, "devices_reporting": 1} for n in range(4)]
    meta = {"status": 5, "last_report_at": "soon", "last_energy_at": "", "operational_at": 0}
    body = {"system_id": 7, "total_devices": "1", "intervals": rows[::-1], "meta": meta}
    answer = await opened(version, body).rgm_stats(7, start_at=end - 3600, end_at=end)
    assert (len(answer.intervals), answer.meta) == (4, Meta("5"))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "Meta.last_report_at" in warning
    assert "soon" not in warning


@both
@pytest.mark.parametrize("meta", [True, "normal", [], 5, {"status": []}])
@pytest.mark.parametrize("total", [None, "2", 1.5, []])
async def test_no_state_at_all_does_not_cost_the_rows(version: str, meta: object, total: object) -> None:
    """Nor does an odd number of devices."""
    row = {"end_at": TIME["end_at"], "wh_del": 5, "devices_reporting": 1}
    body = {"system_id": 7, "total_devices": total, "intervals": [row], "meta": meta}
    answer = await opened(version, body).rgm_stats(7, **TIME)
    assert (len(answer.intervals), answer.meta in {None, Meta()}) == (1, True)


@both
async def test_one_odd_system_does_not_cost_the_fleet(version: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is left out, and the list says that it is not complete; an odd field costs itself only."""
    listed = [
        {"system_id": 7, "reference": 106_015_287, "interconnect_date": "0000-00-00"},
        {"name": "CANARY"},
    ]
    systems = await opened(version, {"systems": listed, "total": 2}).systems()
    assert [(each.system_id, each.reference) for each in systems] == [(7, "106015287")]
    assert not systems.complete
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "System (1 left out)" in warning
    assert "System.reference" in warning
    assert "CANARY" not in warning


@pytest.mark.parametrize("following", ["x", 7])
async def test_a_cursor_that_never_changes_brings_each_system_once(following: object) -> None:
    """The list is not complete."""
    client = opened("v2", {"systems": [{"system_id": 7}, {"system_id": 8}], "next": following})
    systems = await client.systems()
    assert ([each.system_id for each in systems], systems.complete) == ([7, 8], False)
    assert [each.system_id async for each in client.systems()] == [7, 8]


@both
async def test_a_page_that_lists_a_system_twice_brings_it_once(version: str) -> None:
    """As the first time; streamed too."""
    listed = [{"system_id": 7, "city": "A"}, {"system_id": 8}, {"system_id": 7, "city": "B"}]
    client = opened(version, {"systems": listed, "total": 2})
    systems = await client.systems()
    assert [(each.system_id, each.city) for each in systems] == [(7, "A"), (8, None)]
    assert systems.complete
    assert [each.system_id async for each in client.systems()] == [7, 8]


async def test_a_page_that_lists_an_inverter_twice_brings_it_once() -> None:
    """But for those without serial numbers, which nothing tells apart."""
    listed = [{"serial_number": "1"}, {"serial_number": "2"}, {"serial_number": "1"}, {"id": 5}, {"id": 6}]
    summary = await opened("v4", [{"micro_inverters": listed}]).inverters_summary_by_envoy_or_site(7)
    assert [each.serial_number for each in summary.micro_inverters] == ["1", "2", None, None]


@pytest.mark.parametrize("following", [[], {}, True, 1.5])
async def test_a_cursor_that_is_none_does_not_end_the_list(following: object) -> None:
    """As if there were no more pages."""
    with pytest.raises(DecodeError, match="next"):
        await opened("v2", {"systems": [{"system_id": 7}], "next": following}).systems()


@both
@pytest.mark.parametrize("options", [{}, {"max_requests": 5}])
async def test_a_time_zone_that_is_none_is_no_mistake_of_the_caller(version: str, options: Any) -> None:
    """The service named it; days cannot be told by it, but instants can."""
    body = {
        "system_id": 7,
        "timezone": "Mars/Olympus",
        "systems": [{"system_id": 7, "timezone": "Mars/Olympus"}],
    }
    client = opened(version, {**body, "intervals": [], "total_devices": 0}).with_options(**options)
    for _ in range(2):
        with pytest.raises(DecodeError, match="'Mars/Olympus' of the service, for system 7") as caught:
            await client.rgm_stats(7, start_date=date(2025, 6, 1), end_date=date(2025, 6, 2))
        assert caught.value.receipt is not None
    assert await client.rgm_stats(7, start_date=date(2025, 6, 1)).estimate()
    assert len((await client.rgm_stats(7, **TIME)).intervals) == 0


BEGIN = 1_749_859_200
FINE, HALF, WHOLE = 300, 43_200, 86_400


@both
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    ("ends", "gaps"),
    [
        ([*range(900, HALF + 1, 900), *range(HALF + FINE, WHOLE + 1, FINE)], []),
        ([*range(FINE, HALF + 1, FINE), *range(HALF + 900, WHOLE + 1, 900)], []),
        ([*range(900, WHOLE - 7200 + 1, 900), *range(WHOLE - 7200 + FINE, WHOLE + 1, FINE)], []),
        # A quarter without a row, two hours without any, and a hole of ten minutes among fine rows.
        (
            [
                *(end for end in range(900, HALF + 1, 900) if end != 3600 and not 9000 < end <= 16_200),
                *(end for end in range(HALF + FINE, WHOLE + 1, FINE) if end not in {HALF + 900, HALF + 1200}),
            ],
            [(2700, 3600), (9000, 16_200), (HALF + 600, HALF + 1200)],
        ),
    ],
)
async def test_rows_of_two_lengths_cover_what_they_are_of(
    version: str,
    streamed: bool,
    kept: bool,
    ends: list[int],
    gaps: list[tuple[int, int]],
    tmp_path: Path,
) -> None:
    """A row of a quarter of an hour leaves no gap of ten minutes before it."""
    rows = [{"end_at": BEGIN + end, "wh_del": 3, "enwh": 3} for end in ends]
    body = {"system_id": 7, "total_devices": 1, "intervals": rows, "meter_intervals": []}
    client = opened(version, body, **({"state": tmp_path / "state.db"} if kept else {}))
    for name in ("rgm_stats", "consumption_stats"):
        for _ in range(2):
            query = getattr(client, name)(7, start_at=BEGIN, end_at=BEGIN + WHOLE)
            (answer,) = [part async for part in query] if streamed else [await query]
            found = [(gap.window.start - BEGIN, gap.window.end - BEGIN) for gap in answer.coverage.gaps()]
            assert (found, len(answer.intervals)) == (gaps, len(ends))
            assert answer.coverage.got == (WHOLE - sum(b - a for a, b in gaps)) // FINE
            assert answer.coverage.complete
    await client.aclose()
