"""All microinverters one by one: page after page, window after window, each row once."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4 import ApiV4
from enlighten_async.api.v4.series import MICROS_PER_PAGE, MICROS_TELEMETRY, PagedSeriesRequests
from enlighten_async.errors import DecodeError
from enlighten_async.models import Coverage, Gap, MicrosTelemetry, Reason
from enlighten_async.models.intervals import merge_parts
from enlighten_async.windows import DAY, Window, local_days
from enlighten_async.wire import Request, Response
from tests.api.laid_out import LaidOut, laid_out
from tests.api.v2.answers import START, SYSTEM, answer
from tests.api.v4.telemetry import NOW, SPANS, part_of, run
from tests.effort import examples

GRID = 300
BERLIN = ZoneInfo("Europe/Berlin")
W = Window(START // 900 * 900, START // 900 * 900 + 3 * GRID)
Row = dict[str, Any]


def ends(window: Window) -> range:
    """Return the ends of a window's intervals."""
    return range(window.start + GRID, window.end + 1, GRID)


def listed(serial: str, times: Sequence[int]) -> Row:
    """Return a device with rows that end then, and tell it apart from the others."""
    rows = [{"end_at": end, "powr": end % 1009, "enwh": int(serial)} for end in times]
    return {"serial_number": serial, "intervals": rows}


def body(devices: Sequence[Row], total: int | None = None, **more: Any) -> Row:
    """Return an answer with these devices."""
    count = len(devices) if total is None else total
    return {"system_id": SYSTEM, "total_devices": count, "devices": list(devices), **more}


def outlined(zone: str | None = "Europe/Berlin", **range_: Any) -> LaidOut:
    """Return what a call comes to; the time zone is that of the system, where known."""
    plan = ApiV4(time_zones={} if zone is None else {SYSTEM: zone}).micros_telemetry(SYSTEM, **range_)
    return laid_out(plan, NOW, ZoneInfo(zone) if zone and plan.zone_of else None)


@frozen
class Service:
    """A service of inverters that have a row in every interval.

    Attributes:
        count: how many there are.
        cap: seconds after which an answer ends, whatever was asked.
        size: how many a page has at most, whatever was asked.
        total: whether it says how many there are.
        failing: pages it has no data of for now.
        asked: pages and starts that were asked for.
    """

    count: int
    cap: int = 7 * DAY
    size: int = MICROS_PER_PAGE
    total: bool = True
    failing: frozenset[int] = frozenset()
    asked: list[tuple[int, int]] = field(factory=list)

    def __call__(self, request: Request[Any]) -> Response:
        """Answer a request as its parameters say."""
        params = dict(request.params)
        page, start = int(params["page"]), int(params.get("start_at", int(NOW) - 3 * GRID))
        self.asked.append((page, start))
        if page in self.failing:
            return answer({"errorCode": 7, "errorMessages": ["no data"]}, 500)
        whole = start + SPANS[params.get("granularity", "day")]
        end = min(whole, start + self.cap, int(NOW))
        size = min(self.size, int(params["size"]))
        serials = [str(100 + n) for n in range(self.count)][(page - 1) * size : page * size]
        devices = [listed(serial, ends(Window(start, end // GRID * GRID))) for serial in serials]
        told = {"page": page, "page_size": size, "start_at": start, "end_at": end}
        if self.total:
            told["total_devices"] = self.count
        return answer({"system_id": SYSTEM, "devices": devices, **told})


@pytest.mark.slow
@examples(60)
@given(
    count=st.integers(0, 70),
    back=st.integers(0, 40 * DAY),
    length=st.integers(0, 20 * DAY),
    cap=st.sampled_from([7 * DAY, 2 * DAY, 23 * 3600]),
    size=st.sampled_from([7, MICROS_PER_PAGE]),
    whole=st.booleans(),
)
def test_any_range_is_each_row_of_each_device_once(
    count: int, back: int, length: int, cap: int, size: int, *, whole: bool
) -> None:
    """However many there are to a page, and however short the service cuts, as long as it tells."""
    service = Service(count, cap, size if whole else MICROS_PER_PAGE, total=whole)
    result, _ = run(outlined(start_at=NOW - back, end_at=NOW - back + length), service)
    window = result.window
    there = [] if not window.seconds else [str(100 + n) for n in range(count)]
    assert [each.serial_number for each in result] == there
    for each in result:
        columns = each.intervals.columns
        assert list(columns["end_at"]) == list(ends(window))
        assert set(columns["enwh"]) == {int(each.serial_number)}
        assert (each.window, each.timezone, each.coverage.window) == (window, "Europe/Berlin", window)
        assert (each.coverage.gaps(), each.total_devices) == ((), 1)
    empty = window.seconds and not count and whole
    assert result.coverage.gaps() == ((Gap(window, Reason.NO_DEVICE),) if empty else ())
    if there:
        pieces = len(outlined(start_at=NOW - back, end_at=NOW - back + length).ordered)
        cut = -(-min(7 * DAY, window.seconds) // (cap // GRID * GRID)) if cap < 7 * DAY else 1
        pages = -(-count // service.size)
        # Without a count, a full last page does not tell that it is the last.
        assert len(service.asked) <= pieces * cut * (pages + (not whole))
        assert result.total_devices == (count if whole else 0)


@pytest.mark.parametrize(
    ("total", "size", "pages", "complete"),
    [
        (50, 20, [20, 20, 10], True),
        (50, 20, [20, 10, 0], False),
        (50, 20, [18, 20, 10, 0], False),
        (18, 20, [20, 10], True),  # it lists more than it counts
        (18, 20, [18], True),
        (25, 10, [10, 10, 5], True),
        (25, 10, [10, 10, 4, 0], False),
        (25, 10, [9, 10, 5, 0], False),
        (25, "10", [10, 10, 5], True),
        (25, 10.0, [10, 10, 5], True),
        (None, 20, [20, 5], True),
        (10**9, 20, [20, 0], False),
        ("25", 20, [20, 5], True),
        ("25", 20, [20, 0], False),
        (25.0, 20, [20, 0], False),
    ],
)
@pytest.mark.parametrize("name", ["page_size", "size"])
def test_fewer_devices_than_are_counted_are_not_complete(
    total: object, size: object, pages: list[int], name: str, *, complete: bool
) -> None:
    """A page that is short of what the service counts is not complete, and is not kept as it is.

    The count may come as a text or a float.
    """
    starts = [sum(pages[:place]) for place in range(len(pages))]
    asked: list[Request[Any]] = []

    def server(request: Request[Any]) -> Response:
        place = len(asked)
        asked.append(request)
        assert dict(request.params)["page"] == str(place + 1)
        serials = [str(100 + starts[place] + n) for n in range(pages[place])]
        return answer(
            body([listed(each, ends(W)) for each in serials], **{name: size}) | {"total_devices": total}
        )

    result, _ = run(outlined(start_at=W.start, end_at=W.end), server)
    assert (len(asked), len(result), result.coverage.complete) == (len(pages), sum(pages), complete)
    assert any("counts more" in note for note in result.coverage.notes) is not complete
    assert [gap.reason for gap in result.coverage.gaps()] == [Reason.LEFT_OUT] * (not complete)


def test_a_request_that_is_made_anew_is_no_part() -> None:
    """As the service has told meanwhile that it takes shorter ranges."""
    laid = outlined(start_at=NOW - 600, end_at=NOW)
    requests = laid.ordered[0].requests
    first = next(requests)
    again = requests.send(None)
    assert (again.params, again.window) == (first.params, first.window)
    part = again.decode(answer(body([listed("1", ends(again.window))])))
    with pytest.raises(StopIteration):
        requests.send(part)


def test_pages_are_asked_for_one_after_another() -> None:
    """By number and size, each of the same time."""
    service = Service(45)
    laid = outlined(start_at=NOW - 600, end_at=NOW)
    request = next(laid.ordered[0].requests)
    start = int(NOW) - 600
    assert (request.endpoint, request.path) == (
        "micros_telemetry",
        f"/systems/{SYSTEM}/devices/micros/telemetry",
    )
    assert dict(request.params) == {
        "start_at": str(start),
        "granularity": "15mins",
        "page": "1",
        "size": "20",
    }
    result, _ = run(outlined(start_at=NOW - 600, end_at=NOW), service)
    assert service.asked == [(1, start), (2, start), (3, start)]
    assert (len(result), laid.open_ended) == (45, True)


def test_today_is_left_to_the_service_on_the_first_page() -> None:
    """The others are asked for by the time that the first one is of."""
    service = Service(25)
    result, asked = run(outlined(), service)
    assert [dict(request.params).get("start_at") for request in asked] == [None, str(int(NOW) - 3 * GRID)]
    assert (len(result), result.window) == (25, Window(int(NOW) - 3 * GRID, int(NOW)))
    assert all(each.window == result.window for each in result)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_today_before_dawn(zone: str | None) -> None:
    """There are inverters and no rows; the window is today's where the time zone is known."""
    result, _ = run(outlined(zone), lambda _: answer(body([listed("1", [])])))
    day = datetime.fromtimestamp(NOW, BERLIN).date()
    today = local_days(day, day, BERLIN)
    start = int(NOW) if zone is None else today.start
    assert (result.window, len(result)) == (Window(start, int(NOW)), 1)
    json.dumps(result.to_dict())


def test_devices_have_gaps_of_their_own() -> None:
    """Night and outages are each device's; what was answered is the whole's."""
    first, last = ends(W)[:1], ends(W)[1:]
    result, _ = run(
        outlined(start_at=W.start, end_at=W.end),
        lambda _: answer(body([listed("1", first), listed("2", last), listed("3", [])])),
    )
    assert result.coverage.gaps() == ()
    by_device = {each.serial_number: each.coverage.gaps() for each in result}
    assert by_device == {
        "1": (Gap(Window(W.start + GRID, W.end), Reason.NOT_REPORTED_YET),),
        "2": (Gap(Window(W.start, W.start + GRID), Reason.NO_ROW),),
        "3": (Gap(W, Reason.NO_ROW),),
    }


def test_a_device_that_is_listed_later_has_no_rows_before() -> None:
    """As when it was put in place of another: both are there, each for its time."""
    start = int(NOW) // 900 * 900 - 14 * DAY
    half = start + 7 * DAY

    def server(request: Request[Any]) -> Response:
        window = request.window
        assert window is not None
        return answer(body([listed("1" if window.start == start else "2", ends(window))]))

    result, _ = run(outlined(start_at=start, end_at=start + 14 * DAY), server)
    by_device = {each.serial_number: each.coverage.gaps() for each in result}
    assert by_device == {
        "1": (Gap(Window(half, start + 14 * DAY), Reason.NO_ROW),),
        "2": (Gap(Window(start, half), Reason.NO_ROW),),
    }
    assert result.coverage.gaps() == ()


def test_a_note_is_on_the_device_it_is_about() -> None:
    """And on the whole."""
    result, _ = run(
        outlined(start_at=W.start, end_at=W.end),
        lambda _: answer(body([listed("1", [W.start + 1]), listed("2", ends(W))])),
    )
    assert [len(each.coverage.notes) for each in result] == [1, 0]
    assert result.coverage.notes == result[0].coverage.notes


@pytest.mark.parametrize("claims", [True, False])
def test_a_week_that_is_a_day_is_asked_for_by_days(*, claims: bool) -> None:
    """Where the rows of all devices fill no more than the first day, whatever the answer says of it."""
    start = int(NOW) // 900 * 900 - 8 * DAY

    def server(request: Request[Any]) -> Response:
        window = request.window
        assert window is not None
        first = Window(window.start, min(window.end, window.start + DAY))
        shown = {"start_at": window.start, "end_at": window.end} if claims else {}
        return answer(body([listed("1", ends(first)[:9]), listed("2", ends(first))], **shown))

    result, asked = run(outlined(start_at=start, end_at=start + 7 * DAY), server)
    assert len(asked) == 7
    assert list(result[1].intervals.columns["end_at"]) == list(ends(result.window))
    assert len(result[0].intervals) == 7 * 9


@pytest.mark.parametrize(("failing", "left"), [({1}, 0), ({2}, 25), ({3}, 40)])
def test_a_page_that_is_not_available_makes_it_incomplete(failing: set[int], left: int) -> None:
    """The other pages are asked for, as far as it is known that there are any."""
    result, _ = run(outlined(start_at=W.start, end_at=W.end), Service(45, failing=frozenset(failing)))
    assert (len(result), result.coverage.complete) == (left, False)
    assert result.coverage.gaps() == (Gap(W, Reason.UNAVAILABLE),)
    assert all(each.coverage.gaps() == () for each in result)


def test_devices_that_move_between_pages_are_taken_once() -> None:
    """One was put in while the pages were asked for, so that another is listed twice."""
    pages = iter([[listed("1", ends(W)), listed("2", ends(W))], [listed("2", ends(W)), listed("3", ends(W))]])
    result, _ = run(
        outlined(start_at=W.start, end_at=W.end), lambda _: answer(body(next(pages, []), total=4))
    )
    assert [each.serial_number for each in result] == ["1", "2", "3"]
    assert all(list(each.intervals.columns["end_at"]) == list(ends(W)) for each in result)


def test_a_device_that_moves_to_the_page_before_is_missed() -> None:
    """One was taken out while the pages were asked for, so that another is on no page."""
    serials = [str(100 + n) for n in range(25)]
    pages = iter([(serials[:20], 25), (serials[21:], 24)])

    def server(_: Request[Any]) -> Response:
        listed_now, total = next(pages, ([], 24))
        return answer(body([listed(each, ends(W)) for each in listed_now], total=total))

    result, _ = run(outlined(start_at=W.start, end_at=W.end), server)
    assert len(result) == 24
    assert not result.coverage.complete
    assert any("counts more" in note for note in result.coverage.notes)


def test_what_was_not_asked_for_is_missing_for_all() -> None:
    """A window that failed is a gap of the answer, and of the devices that other windows list."""
    part = (
        PagedSeriesRequests(MICROS_TELEMETRY, SYSTEM, {})
        .request(W)
        .decode(answer(body([listed("1", ends(W))])))
    )
    window = Window(W.start - 900, W.end + 900)
    empty = MicrosTelemetry.empty(SYSTEM, Coverage(window, GRID))
    gaps = [
        Gap(Window(W.end + 300, W.end + 900), Reason.REFUSED),
        Gap(Window(W.start - 900, W.start), Reason.FAILED),
        Gap(Window(W.start - 900, W.start), Reason.REFUSED),
    ]
    result = merge_parts([part], empty, gaps)
    assert result.coverage.gaps() == (gaps[1], gaps[0])
    unlisted = Gap(Window(W.end, W.end + 300), Reason.NO_ROW)
    assert result[0].coverage.gaps() == (gaps[1], unlisted, gaps[0])
    assert not result[0].coverage.complete


def test_a_system_without_microinverters() -> None:
    """Older windows are not bought."""
    part = PagedSeriesRequests(MICROS_TELEMETRY, SYSTEM, {}).request(W).decode(answer(body([])))
    assert part.coverage.gaps() == (Gap(W, Reason.NO_DEVICE),)
    assert outlined(start_at=0).skip(part, Window(W.start - DAY, W.start)) is Reason.NO_DEVICE
    assert (
        part_of(PagedSeriesRequests(MICROS_TELEMETRY, SYSTEM, {}).request(W), answer({"details": "x"}, 404))
        is None
    )


def test_it_can_be_used_as_a_value() -> None:
    """A sequence of series; written down, compared, copied; parts in a stream know the time zone."""
    laid = outlined(start_at=W.start, end_at=W.end)
    result, _ = run(laid, Service(3))
    assert [each.serial_number for each in result[1:]] == ["101", "102"]
    assert result.devices[0] == result[0] == next(iter(result))
    told: Any = result.to_dict()
    assert [each["serial_number"] for each in told["devices"]] == ["100", "101", "102"]
    assert len(told["devices"][0]["intervals"]) == 3
    json.dumps(told, allow_nan=False)
    assert pickle.loads(pickle.dumps(result)) == copy.deepcopy(result) == result  # noqa: S301 - our own
    assert hash(result) == hash(copy.copy(result))
    page = answer(body([listed("1", ends(W))]))
    (part,) = laid.items(PagedSeriesRequests(MICROS_TELEMETRY, SYSTEM, {}).request(W).decode(page))
    assert (part.timezone, part[0].timezone) == ("Europe/Berlin", "Europe/Berlin")
    assert [day.wh for day in part[0].sums("day")] == [3]


def test_an_answer_that_cannot_be_read() -> None:
    """Says where."""
    spoiled = body([{**listed("1", []), "intervals": [{"end_at": "noon"}]}])
    with pytest.raises(DecodeError) as caught:
        PagedSeriesRequests(MICROS_TELEMETRY, SYSTEM, {}).request(W).decode(answer(spoiled))
    assert caught.value.path == "$.devices[0].intervals[0].end_at"


def test_pages_of_which_rows_are_left_out_are_followed() -> None:
    """Without a count of the devices, a full page is followed by another, whatever is odd in it."""
    serials = [str(100 + n) for n in range(MICROS_PER_PAGE + 3)]

    def server(request: Request[Any]) -> Response:
        number = int(dict(request.params)["page"])
        shown = serials[(number - 1) * MICROS_PER_PAGE : number * MICROS_PER_PAGE]
        devices = [listed(serial, ends(W)) for serial in shown]
        devices[0]["intervals"] = None
        return answer({**body(devices), "total_devices": None})

    result, asked = run(outlined(start_at=W.start, end_at=W.end), server)
    assert [device.serial_number for device in result] == serials
    assert (len(asked), result.coverage.complete) == (2, False)
    odd = {serials[0], serials[MICROS_PER_PAGE]}
    assert {each.serial_number for each in result if not each.coverage.complete} == odd


def test_a_null_list_of_devices_is_not_understood() -> None:
    """Unless there is none."""
    for total, reason in ((5, Reason.LEFT_OUT), (None, Reason.LEFT_OUT), (0, Reason.NO_DEVICE)):
        told = {"system_id": SYSTEM, "total_devices": total, "devices": None}
        part = PagedSeriesRequests(MICROS_TELEMETRY, SYSTEM, {}).request(W).decode(answer(told))
        assert [gap.reason for gap in part.coverage.gaps()] == [reason]
