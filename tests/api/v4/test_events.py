"""Events and alarms: ranges in windows of a week, each thing once, and what could not be had."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4.events import RETENTION_MARGIN_S, RETENTION_S, SURE_RETENTION_S
from enlighten_async.errors import DecodeError, InputError, NotFound, RangeError
from enlighten_async.models import (
    Alarm,
    AlarmEvent,
    Alarms,
    Coverage,
    Event,
    Events,
    EventType,
    EventTypes,
    Gap,
    OpenAlarms,
    OpenEvents,
    Reason,
    Receipt,
)
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Request
from tests.api.laid_out import laid_out
from tests.api.v2.answers import DATE
from tests.api.v4.single import asked, merged, planned, read, told
from tests.effort import examples

NOW = int(DATE)
WEEK = 7 * DAY
INSTANT = datetime.fromtimestamp(DATE, UTC)
REFUSED = {"message": "Unprocessable Entity", "details": "start_time is too old", "code": 422}


def at(moment: float) -> datetime:
    """Return epoch seconds as the answers have them."""
    return datetime.fromtimestamp(moment, UTC)


def requests(method: str = "events", now: float = DATE, **options: Any) -> list[Request[Any]]:
    """Return the first request of each flow, oldest first."""
    return [next(segment.requests) for segment in laid_out(planned(method, 7, **options), now).ordered]


def row(start: int, end: int | None = None, **more: Any) -> dict[str, Any]:
    """Return an event as an answer has it."""
    status = "Open" if end is None else "Closed"
    return {
        "event_type_id": 28,
        "event_start_time": start,
        "event_end_time": end,
        "status": status,
        "serial_number": "01",
        **more,
    }


def answered(start: int, lists: Sequence[Sequence[dict[str, Any]]], *dates: float, **options: Any) -> Any:
    """Return what the answers of the windows from `start` on become, and check what a stream hands out."""
    plan = planned(options.get("method", "events"), 7, start_time=start)
    laid = laid_out(plan, DATE, None)
    assert len(laid.ordered) == len(lists)
    parts = [
        read(next(segment.requests), {"system_id": 7, "events": rows}, date=when)
        for segment, rows, when in zip(laid.ordered, lists, dates or [DATE] * len(lists), strict=True)
    ]
    for part, rows in zip(parts, lists, strict=True):
        assert list(laid.items(part)) == [part]
        assert (len(part), part.coverage.complete, part.coverage.grid) == (len(rows), True, 1)
    return laid.merge(parts, [], Receipt(sent=len(parts)))


def test_what_is_asked() -> None:
    """Whole seconds; a range ends by now."""
    (request,) = requests(start_time=NOW - DAY)
    assert (request.endpoint, request.path) == ("events", "/systems/7/events")
    assert request.params == (("start_time", str(NOW - DAY)), ("end_time", str(NOW)))
    assert request.window == Window(NOW - DAY, NOW)
    for end in (NOW + 5, at(NOW + 5)):
        assert requests(start_time=at(NOW - DAY), end_time=end)[0].params == request.params
    (request,) = requests("alarms", start_time=NOW - 9.5, end_time=NOW - 2.5, cleared=True)
    assert request.path == "/systems/7/alarms"
    assert request.params == (
        ("start_time", str(NOW - 10)),
        ("end_time", str(NOW - 3)),
        ("cleared", "true"),
    )
    (request,) = requests("alarms", start_time=NOW - 9, cleared=False)
    assert request.params[-1] == ("cleared", "false")
    (request,) = requests("alarms", start_time=NOW - 9)
    assert "cleared" not in dict(request.params)


@pytest.mark.parametrize("method", ["events", "alarms"])
@examples(80)
@given(start=st.integers(0, 400 * DAY), length=st.integers(0, 420 * DAY))
def test_any_range_is_split_into_weeks(method: str, start: int, length: int) -> None:
    """They lie side by side; what is too old is not asked for, and named."""
    begin, end = NOW - start, min(NOW - start + length, NOW)
    windows = [asked.window for asked in requests(method, start_time=begin, end_time=begin + length)]
    oldest = NOW - RETENTION_S + RETENTION_MARGIN_S
    kept = Window(max(begin, oldest), end)
    assert len(windows) == -(-kept.seconds // WEEK)
    assert all(window and 0 < window.seconds <= WEEK for window in windows)
    assert all(a and b and a.end == b.start for a, b in pairwise(windows))
    if windows:
        assert (windows[0], windows[-1]) != (None, None)
        assert (windows[0] and windows[0].start, windows[-1] and windows[-1].end) == (kept.start, kept.end)
    got = merged(planned(method, 7, start_time=begin, end_time=begin + length), [])
    gone = Window(begin, min(end, max(begin, oldest)))
    assert got.coverage.window == Window(begin, end)
    assert got.coverage.gaps() == ((Gap(gone, Reason.BEYOND_RETENTION),) if gone.seconds else ())
    assert (got.coverage.complete, len(got)) == (True, 0)


def test_windows_left_out_are_counted() -> None:
    """For the estimate."""
    laid = laid_out(planned("events", 7, start_time=NOW - RETENTION_S - 15 * DAY), DATE, None)
    assert (laid.pruned, len(laid.ordered)) == (3, 39)


def test_a_range_in_the_future_is_empty() -> None:
    """Nothing is asked for."""
    assert requests(start_time=NOW + 5) == []
    got = merged(planned("events", 7, start_time=NOW + 5), [])
    assert got == Events(7, (), Coverage(Window(NOW + 5, NOW + 5), 1))


def test_events() -> None:
    """Each tells what, when and of which device."""
    rows = [row(NOW - 5, serial_number=None, status="open"), row(NOW - 9, NOW - 8, new=1)]
    got = answered(NOW - DAY, [rows])
    first = Event(28, at(NOW - 9), at(NOW - 8), "Closed", "01")
    second = Event(28, at(NOW - 5), None, "open", None)
    assert list(got) == [first, second]
    assert (got.system_id, got[1], got.as_of, got.coverage.as_of) == (7, second, INSTANT, INSTANT)
    assert got.coverage.window == Window(NOW - DAY, NOW)
    written = json.loads(json.dumps(got.to_dict()))
    assert written["events"][0]["event_start_time"] == at(NOW - 9).isoformat()
    assert written["coverage"]["window"] == {
        "start_at": at(NOW - DAY).isoformat(),
        "end_at": at(NOW).isoformat(),
    }


def test_what_spans_windows_is_told_once() -> None:
    """By type, start and device; that it is over is newer than that it is not."""
    start = NOW - 20 * DAY
    other = [row(start + 1, event_type_id=29), row(start + 1, serial_number="02"), row(start + 2)]
    lists = [[row(start + 1), *other], [row(start + 1, NOW - 9)], [row(start + 1), row(NOW - 3)]]
    got = answered(start, lists)
    assert [(e.event_type_id, e.event_start_time, e.event_end_time, e.serial_number) for e in got] == [
        (28, at(start + 1), at(NOW - 9), "01"),
        (29, at(start + 1), None, "01"),
        (28, at(start + 1), None, "02"),
        (28, at(start + 2), None, "01"),
        (28, at(NOW - 3), None, "01"),
    ]


def test_of_two_words_the_one_fetched_last_counts() -> None:
    """The newest window is asked first, and so may know less than older ones."""
    start = NOW - 10 * DAY
    lists = [[row(start, NOW - 8, status="new")], [row(start, NOW - 9, status="old")]]
    got = answered(start, lists, DATE + 5, DATE)
    assert [(e.status, e.event_end_time) for e in got] == [("new", at(NOW - 8))]
    assert got.as_of == INSTANT
    got = answered(start, lists, DATE, DATE)
    assert [(e.status, e.event_end_time) for e in got] == [("old", at(NOW - 9))]


def test_alarms() -> None:
    """By their ids, which come as texts or numbers."""
    alarm = {
        "id": "9.28",
        "cleared": "true",
        "severity": 3,
        "event_type_id": 28,
        "alarm_start_time": NOW - 9,
        "alarm_end_time": NOW - 5,
        "events": [{"serial_number": "01", "start_date": NOW - 99, "end_date": None}],
    }
    event = AlarmEvent("01", at(NOW - 99))
    meant = Alarm("9.28", 28, 3, at(NOW - 9), at(NOW - 5), True, (event,))
    plan = planned("alarms", 7, start_time=NOW - 10 * DAY)
    older, newer = (next(segment.requests) for segment in laid_out(plan, DATE).ordered)
    running = {**alarm, "alarm_end_time": None, "cleared": False}
    rows = [running, {**running, "id": 12, "alarm_start_time": NOW - 99}, {"event_type_id": 5}]
    parts = [read(older, {"alarms": rows}), read(newer, {"alarms": [alarm, {"event_type_id": 5}]})]
    got = merged(plan, parts)
    assert [each.id for each in got] == [None, "12", "9.28"]
    assert (got[2], got.alarms[1].cleared) == (meant, False)
    assert type(got) is Alarms
    twins = [read(older, {"alarms": [running]}), read(newer, {"alarms": [{**running, "id": "9.29"}]})]
    assert [each.id for each in merged(plan, twins)] == ["9.28", "9.29"]
    assert json.loads(json.dumps(got.to_dict()))["alarms"][2]["events"][0]["serial_number"] == "01"


def test_what_is_not_over() -> None:
    """One request, without a range."""
    request = asked(planned("open_events", 7))
    assert (request.path, request.params) == ("/systems/7/open_events", ())
    got = told(planned("open_events", 7), {"events": [row(NOW - 9)]})
    assert got == OpenEvents(7, (Event(28, at(NOW - 9), None, "Open", "01"),))
    assert (got[0].serial_number, got.as_of) == ("01", INSTANT)
    request = asked(planned("open_alarms", 7))
    assert (request.path, request.params) == ("/systems/7/open_alarms", ())
    alarms = told(planned("open_alarms", 7), {"system_id": 7, "alarms": [{"id": "9.1", "severity": 2}]})
    assert alarms == OpenAlarms(7, (Alarm("9.1", severity=2),))
    assert json.loads(json.dumps(alarms.to_dict()))["alarms"][0]["severity"] == 2
    assert told(planned("open_events", 7), {"events": []}) == OpenEvents(7)


def test_kinds_of_events() -> None:
    """All, or one; one that does not exist is an error."""
    assert asked(planned("event_types")).params == ()
    for given_id in (28, "28"):
        request = asked(planned("event_types", given_id))
        assert (request.path, request.params) == ("/systems/event_types", (("event_type_id", "28"),))
    kind = {
        "event_type_id": 28,
        "event_type_key": "k",
        "stateful": True,
        "event_name": "n",
        "event_description": "d",
        "recommended_action": "r",
    }
    got = told(planned("event_types"), {"event_types": [kind, {"event_type_id": 29, "stateful": None}]})
    assert got == EventTypes((EventType(28, "k", True, "n", "d", "r"), EventType(29)))
    assert (got[1].event_type_id, len(got), got.as_of) == (29, 2, INSTANT)
    assert json.loads(json.dumps(got.to_dict()))["event_types"][0]["event_type_key"] == "k"
    missing = {"message": "Not Found", "details": 'Event type not found for {:id=>"1"}', "code": 404}
    assert type(told(planned("event_types", 1), missing, 404)) is NotFound


def test_a_refusal_of_what_may_be_too_old_is_a_hole() -> None:
    """What is kept for sure is asked for again."""
    start = NOW - SURE_RETENTION_S - 2 * DAY
    plan = planned("events", 7, start_time=start)
    flow = laid_out(plan, DATE).ordered[0].requests
    part = read(next(flow), REFUSED, 422)
    gone = Window(start, NOW - SURE_RETENTION_S)
    assert part.coverage.gaps() == (Gap(gone, Reason.BEYOND_RETENTION),)
    request = flow.send(part)
    assert request.window == Window(NOW - SURE_RETENTION_S, start + WEEK)
    rest = read(request, {"events": [row(NOW - SURE_RETENTION_S + 5)]})
    got = merged(plan, [part, rest])
    assert (len(got), got.coverage.gaps()) == (1, (Gap(gone, Reason.BEYOND_RETENTION),))
    assert "start_time is too old" in got.coverage.notes[0]
    assert read(request, REFUSED, 422).status == 422


def test_a_clock_that_is_ahead_costs_one_request() -> None:
    """What has not come yet by the service's clock is a gap, and the rest is asked for again."""
    plan = planned("events", 7, start_time=NOW - DAY)
    flow = laid_out(plan, DATE + 60).ordered[0].requests
    part = read(next(flow), REFUSED, 422)
    ahead = Gap(Window(NOW, NOW + 60), Reason.NOT_REPORTED_YET)
    assert part.coverage.gaps() == (ahead,)
    request = flow.send(part)
    assert request.window == Window(NOW - DAY, NOW)
    assert type(read(request, REFUSED, 422)) is RangeError
    rest = read(request, {"events": [row(NOW - 5)]})
    with pytest.raises(StopIteration):
        flow.send(rest)
    got = merged(plan, [part, rest], now=DATE + 60)
    assert (len(got), got.coverage.gaps(), got.coverage.complete) == (1, (ahead,), True)
    flow = laid_out(planned("events", 7, start_time=NOW + 5), DATE + 60).ordered[0].requests
    part = read(next(flow), REFUSED, 422)
    assert part.coverage.gaps() == (Gap(Window(NOW + 5, NOW + 60), Reason.NOT_REPORTED_YET),)
    with pytest.raises(StopIteration):
        flow.send(part)


@pytest.mark.parametrize(
    ("status", "date_of_it", "start"),
    [(422, DATE, NOW - SURE_RETENTION_S), (422, None, NOW - RETENTION_S), (400, DATE, NOW - RETENTION_S)],
)
def test_other_refusals_stay_errors(status: int, date_of_it: float | None, start: int) -> None:
    """Of what is kept, or when it is not known when they were sent."""
    error = read(requests(start_time=start)[0], REFUSED, status, date_of_it)
    assert type(error) is RangeError


def test_a_system_that_does_not_exist_is_an_error() -> None:
    """However old the range."""
    missing = {**REFUSED, "details": 'System not found for {:id=>"7"}'}
    assert type(read(requests(start_time=NOW - RETENTION_S)[0], missing, 422)) is NotFound


def test_what_failed_is_named() -> None:
    """By the windows that are missing."""
    laid = laid_out(planned("events", 7, start_time=NOW - 10 * DAY), DATE, None)
    older, newer = (next(segment.requests) for segment in laid.ordered)
    assert older.window is not None
    part = read(newer, {"events": [row(NOW - 5)]})
    got = laid.merge([part], [Gap(older.window, Reason.FAILED)], Receipt())
    assert (len(got), got.coverage.complete) == (1, False)
    assert got.coverage.gaps() == (Gap(older.window, Reason.FAILED),)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"start_time": date(2025, 1, 1)}, "start_time"),
        ({"start_time": datetime(2025, 1, 1)}, "start_time"),  # noqa: DTZ001 - what is refused
        ({"start_time": None}, "start_time"),
        ({"start_time": 5, "end_time": "now"}, "end_time"),
        ({"start_time": 5, "end_time": 4}, "end_time 4 is before start_time 5"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(options: dict[str, Any], match: str) -> None:
    """At the call."""
    for method in ("events", "alarms"):
        with pytest.raises(InputError, match=match):
            planned(method, 7, **options)


@pytest.mark.parametrize("wrong", [-1, 1.0, True, "x", "", "²"])
def test_kinds_that_cannot_be_are_refused(wrong: object) -> None:
    """At the call."""
    with pytest.raises(InputError, match="event_type_id must be a number"):
        planned("event_types", wrong)


def test_cleared_is_a_choice_of_two() -> None:
    """A word would be taken for yes."""
    with pytest.raises(InputError, match="cleared must be"):
        planned("alarms", 7, start_time=5, cleared="false")


@pytest.mark.parametrize(
    ("method", "body", "path"),
    [
        ("events", {"events": {}}, "$.events"),
        ("events", {"events": None}, "$.events"),
        ("events", {"system_id": 7}, "$.events"),
        ("events", {"events": [{"event_type_id": 5}, *([7] * 101)]}, "$.events[1]"),
        ("events", {"events": [], "system_id": "x"}, "$.system_id"),
        ("events", {"events": [], "system_id": 8}, "$.system_id"),
        ("alarms", {"alarms": None}, "$.alarms"),
    ],
)
def test_what_cannot_be_read_is_an_error(method: str, body: object, path: str) -> None:
    """It says where."""
    error = read(requests(method, start_time=NOW - 5)[0], body)
    assert isinstance(error, DecodeError)
    assert error.path == path
