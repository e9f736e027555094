"""EV chargers: pages of what they did, and where a serial number may lead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4.devices import ROWS_PER_PAGE, Page
from enlighten_async.errors import DecodeError, InputError, NotFound, RangeError
from enlighten_async.models import (
    EvChargerEvent,
    EvChargerEvents,
    EvChargers,
    EvChargerSchedule,
    EvChargerSchedules,
    EvChargerSession,
    EvChargerSessions,
    EvChargingTime,
    SystemDevice,
)
from tests.api.laid_out import laid_out
from tests.api.v2.answers import DATE
from tests.api.v4.single import asked, merged, planned, read, told
from tests.effort import examples

PAGE = ROWS_PER_PAGE
NOW = datetime.fromtimestamp(DATE, UTC)
ROWS = {"ev_charger_events": "events", "ev_charger_sessions": "sessions"}
ARGS: dict[str, tuple[Any, ...]] = {"ev_charger_events": (7,), "ev_charger_sessions": (7, "0123")}
PATHS = {
    "ev_charger_events": "/systems/7/ev_charger/events",
    "ev_charger_sessions": "/systems/7/ev_charger/0123/sessions",
}
WRONG = ("", " ", "a/b", "..", ".", "a\\b", "a\nb", "a\x00", "\ud800", 12, None, b"1")
START = {"ev_charger_events": "triggered_date", "ev_charger_sessions": "start_time"}


def test_chargers() -> None:
    """As any list of devices has them."""
    request = asked(planned("ev_charger_devices", 7))
    assert (request.path, request.params) == ("/systems/7/ev_charger/devices", ())
    row = {"id": "01:7", "serial_number": "01", "firmware": "v0", "active": True, "last_report_at": DATE}
    got = told(planned("ev_charger_devices", 7), {"system_id": 7, "devices": {"ev_chargers": [row]}})
    charger = SystemDevice("01:7", "01", firmware="v0", active=True, last_report_at=NOW)
    assert got == EvChargers(7, (charger,))
    assert (list(got), got[0].serial_number, got.as_of) == ([charger], "01", NOW)
    assert told(planned("ev_charger_devices", 7), {"devices": {}}) == EvChargers(7)


def test_schedules() -> None:
    """Times of the day stay texts."""
    plan = planned("ev_charger_schedules", 7, "0123")
    assert asked(plan).path == "/systems/7/ev_charger/0123/schedules"
    body = {
        "system_id": 7,
        "charger_schedules": [
            {
                "type": "Custom",
                "is_active": False,
                "reminder_flag": "true",
                "reminder_timer": 10,
                "schedules": [
                    {"days": [1, 2], "start_time": "1:00", "end_time": "2:00", "charging_level": 70}
                ],
            },
            {"type": "Idle"},
        ],
    }
    got = told(plan, body)
    custom = EvChargerSchedule("Custom", False, True, 10, (EvChargingTime((1, 2), "1:00", "2:00", 70),))
    assert got == EvChargerSchedules(7, (custom, EvChargerSchedule("Idle")))
    assert (got[0].schedules[0].days, len(got), got.as_of) == ((1, 2), 2, NOW)
    assert json.loads(json.dumps(got.to_dict()))["charger_schedules"][0]["type"] == "Custom"


@pytest.mark.parametrize(
    ("sent", "meant"), [("22:00", "22:00"), (0, "0:00"), (90, "1:30"), (1440, "24:00"), ("", None)]
)
def test_times_of_the_day(sent: object, meant: str | None) -> None:
    """A text in writing; minutes are read as well."""
    times = {"charging_level": 5, "start_time": sent, "end_time": sent}
    body = {"charger_schedules": [{"schedules": [times]}]}
    (schedule,) = told(planned("ev_charger_schedules", 7, "0123"), body)
    assert schedule.schedules == (EvChargingTime((), meant, meant, 5),)
    for wrong in (-1, 1441, 1.5, True):
        times["end_time"] = wrong
        (schedule,) = told(planned("ev_charger_schedules", 7, "0123"), body)
        assert schedule.schedules == (EvChargingTime((), meant, None, 5),)


def test_rows() -> None:
    """Instants, seconds, Wh."""
    body: Any = {"count": 1, "sessions": [{"start_time": DATE, "end_time": None, "energy_added": 14.5}]}
    got = told(planned("ev_charger_sessions", 7, "0123"), body)
    session = EvChargerSession(NOW, energy_added=14.5)
    assert (got, got.complete, got.as_of) == (EvChargerSessions(7, (session,)), True, NOW)
    body = {"events": [{"status": "Info", "triggered_date": DATE, "cleared_date": DATE, "details": "x"}]}
    happened = told(planned("ev_charger_events", 7), body)
    assert happened == EvChargerEvents(7, (EvChargerEvent("Info", NOW, NOW, "x"),))
    assert json.loads(json.dumps(happened.to_dict()))["events"][0]["details"] == "x"


def paged(name: str, total: int, *, counts: str, added: int = 0, most: int = PAGE) -> tuple[Any, int]:
    """Ask a service that has so many rows; return the answer, and how many requests it took.

    Args:
        name: of the method.
        total: rows it has.
        counts: what it counts: "all" rows, those of the "page", or "nothing".
        added: rows that come in between two pages.
        most: rows it gives at once, whatever is asked for.
    """
    plan = planned(name, *ARGS[name])
    (segment,) = laid_out(plan, DATE).ordered
    rows = [{START[name]: 1_000_000 - n} for n in range(total)]
    parts: list[Page[Any]] = []
    request = next(segment.requests)
    while True:
        assert request.path == PATHS[name]
        asked_for = {key: int(value) for key, value in request.params}
        assert asked_for["limit"] == PAGE
        page = rows[asked_for["offset"] :][: min(PAGE, most)]
        count = {"all": {"count": len(rows)}, "page": {"count": len(page)}, "nothing": {}}[counts]
        parts.append(read(request, {"system_id": 7, **count, ROWS[name]: page}))
        rows = [{START[name]: 2_000_000 + len(rows) + n} for n in range(added)] + rows
        try:
            request = segment.requests.send(parts[-1])
        except StopIteration:
            break
    laid = laid_out(plan, DATE, None)
    whole = merged(plan, parts)
    assert [row for part in parts for row in laid.items(part)] == list(whole)
    return whole, len(parts)


@pytest.mark.parametrize("name", ROWS)
@examples(60)
@given(
    total=st.integers(0, 350) | st.sampled_from([PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1]),
    counts=st.sampled_from(["all", "page", "nothing"]),
    added=st.sampled_from([0, 0, 1, 7]),
)
def test_all_pages_arrive_whatever_is_counted(name: str, total: int, counts: str, added: int) -> None:
    """Each row once, in the service's order, for no more than one request too many."""
    got, requests = paged(name, total, counts=counts, added=added)
    starts = [getattr(row, START[name]).timestamp() for row in got]
    assert starts == [1_000_000 - n for n in range(total)]
    assert got.complete
    if added == 0:
        pages = max(1, -(-total // PAGE))
        assert pages <= requests <= pages + 1
        # One too many only where a full page leaves open whether there is another.
        assert requests == pages or total % PAGE == 0


def test_count_is_believed_where_pages_are_shorter_than_asked_for() -> None:
    """A service that gives 20 at a time says by its count that there are more."""
    got, requests = paged("ev_charger_sessions", 90, counts="all", most=20)
    assert (len(got), requests) == (90, 5)


@pytest.mark.parametrize(("total", "requests"), [(PAGE, 2), (2 * PAGE, 2), (2 * PAGE + 1, 3)])
def test_a_count_of_all_saves_the_last_request(total: int, requests: int) -> None:
    """Only on the first page it may as well be a count of that page."""
    assert paged("ev_charger_events", total, counts="all")[1] == requests


def test_pages_that_say_nothing_new_are_the_last() -> None:
    """A service that ignores the offset is not asked for ever."""
    (segment,) = laid_out(planned("ev_charger_events", 7), DATE).ordered
    body = {"count": 900, "events": [{"triggered_date": n} for n in range(PAGE)]}
    page = read(next(segment.requests), body)
    again = read(segment.requests.send(page), body)
    assert (len(again.answer), again.next) == (0, None)
    with pytest.raises(StopIteration):
        segment.requests.send(again)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    ("count", "pages", "complete"),
    [
        (250, [100, 100, 50], True),
        (250, [100, 0], False),
        (250, [97, 100, 50, 0], False),
        (5, [100, 100, 50], True),
        (None, [100, 0], True),
        ("250", [100, 0], False),
        (250.0, [100, 100, 50], True),
        ("120", [50, 0], False),
        (True, [50], True),
        ([250, 249, 249], [100, 100, 49], False),  # one that went moved another to the page before
    ],
)
def test_fewer_rows_than_are_counted_are_not_complete(
    name: str, count: object, pages: list[int], *, complete: bool
) -> None:
    """A list that was cut without saying so; a count may come as a text or a float."""
    plan = planned(name, *ARGS[name])
    (segment,) = laid_out(plan, DATE).ordered
    request, parts, first = next(segment.requests), list[Any](), 0
    for size in pages:
        rows = [{START[name]: 1_000_000 - n} for n in range(first, first + size)]
        first += size
        told = count[len(parts)] if isinstance(count, list) else count
        parts.append(read(request, {"system_id": 7, "count": told, ROWS[name]: rows}))
        if len(parts) < len(pages):
            request = segment.requests.send(parts[-1])
    with pytest.raises(StopIteration):
        segment.requests.send(parts[-1])
    got = merged(plan, parts)
    assert (len(got), got.complete) == (sum(pages), complete)


def test_an_answer_without_its_last_page_says_so() -> None:
    """What arrived is handed out all the same."""
    plan = planned("ev_charger_events", 7)
    page = read(asked(plan), {"count": 101, "events": [{"triggered_date": n} for n in range(PAGE)]})
    got = merged(plan, [page])
    assert (len(got), got.complete) == (PAGE, False)


def test_events_of_one_charger() -> None:
    """By a parameter, which needs no quoting."""
    request = asked(planned("ev_charger_events", 7, serial_num="01/23"))
    assert request.params == (("serial_num", "01/23"), ("offset", "0"), ("limit", "100"))


@pytest.mark.parametrize("name", ["ev_charger_sessions", "ev_charger_schedules"])
@pytest.mark.parametrize(
    "wrong", ["", " ", "a/b", "..", ".", "a\\b", "a\nb", "a\x00", "\ud800", 12, None, b"1"]
)
def test_serial_numbers_that_lead_elsewhere_are_refused(name: str, wrong: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(InputError, match="serial_number must be"):
        planned(name, 7, wrong)


@pytest.mark.parametrize(
    ("given", "path"), [("a b", "a%20b"), ("a?b=c#d", "a%3Fb%3Dc%23d"), ("%2F", "%252F")]
)
def test_serial_numbers_are_quoted(given: str, path: str) -> None:
    """So that they stay one part of the path."""
    assert asked(planned("ev_charger_sessions", 7, given)).path == f"/systems/7/ev_charger/{path}/sessions"


def test_refusals() -> None:
    """With a code that is a text, and details that are a list."""
    plan = planned("ev_charger_events", 7)
    said: dict[str, Any] = {"message": "Bad request", "code": "400", "details": ["Invalid system_id"]}
    assert type(told(plan, said, 400)) is NotFound
    said["details"] = ["Invalid offset/limit"]
    assert type(told(plan, said, 400)) is RangeError


@pytest.mark.parametrize(
    ("plan", "body", "path"),
    [
        (planned("ev_charger_events", 7), [], "$"),
        (planned("ev_charger_events", 7), {"events": {}}, "$.events"),
        (planned("ev_charger_events", 7), {"events": None}, "$.events"),
        (planned("ev_charger_sessions", 7, "1"), {"count": 0}, "$"),
        (planned("ev_charger_devices", 7), {"devices": None}, "$.devices"),
        (planned("ev_charger_devices", 7), {"devices": {"ev_chargers": [1] * 101}}, "$.ev_chargers[0]"),
        (
            planned("ev_charger_schedules", 7, "1"),
            {"charger_schedules": [{"schedules": []}, *([7] * 101)]},
            "$.charger_schedules[1]",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error(plan: Any, body: object, path: str) -> None:
    """It says where."""
    error = told(plan, body)
    assert isinstance(error, DecodeError)
    assert error.path == path
