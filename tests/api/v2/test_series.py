"""What a call of `rgm_stats` asks for, what refusals stand for, how parts join."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.ranges import MARGIN
from enlighten_async.api.series import SeriesRequests
from enlighten_async.api.v2 import series
from enlighten_async.api.v2.api import error_for
from enlighten_async.errors import DecodeError, EnlightenError, InputError, TransportError
from enlighten_async.models import Coverage, Gap, Reason, Receipt, RgmStats
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Request, Response
from tests.api.laid_out import LaidOut, laid_out
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, GRID, START, SYSTEM, answer, dense, ends
from tests.effort import examples

NOW = START + 30 * DAY + 20.5
RGM_STATS, rgm_stats = series.RGM_STATS.limits, series.RGM_STATS.plan
ASK = SeriesRequests(series.RGM_STATS, SYSTEM, {})
RANGE = "Requested date range is invalid for this system"
Server = Callable[[Request[RgmStats]], Response]


def outlined(now: float = NOW, **range_: Any) -> LaidOut:
    """Return what a call comes to at a time."""
    return laid_out(rgm_stats(SYSTEM, {SYSTEM: "Europe/Berlin"}, **range_), now, ZoneInfo("Europe/Berlin"))


def part_of(request: Request[RgmStats], response: Response) -> RgmStats:
    """Return what an answer is to its request: a part, also where an error stands for an empty one."""
    failure = error_of(response, error_for, official=False)
    part = request.decode(response) if failure is None else request.empty_answer_for(failure)
    assert part is not None
    return part


def run(laid: LaidOut, server: Server) -> tuple[RgmStats, list[Request[RgmStats]]]:
    """Drive all flows one after another; return the answer, and what was asked."""
    parts, asked = [], []
    for segment in laid.ordered:
        request = next(segment.requests, None)
        assert request is None or request.window == segment.window
        while request is not None:
            asked.append(request)
            parts.append(part_of(request, server(request)))
            try:
                request = segment.requests.send(parts[-1])
            except StopIteration:
                request = None
    return laid.merge(parts, [], Receipt(sent=len(asked))), asked


def reasons(coverage: Coverage) -> dict[int, Reason]:
    """Return why each missing interval is missing."""
    return {end: gap.reason for gap in coverage.gaps() for end in ends(gap.window)}


def whole(request: Request[RgmStats]) -> Response:
    """Answer with every row."""
    assert request.window is not None
    return answer(dense(request.window), date=NOW)


def test_a_request_says_what_it_asks() -> None:
    """And holds nothing else: no credentials."""
    laid = outlined(start_at=START, end_at=START + GRID)
    (segment,) = laid.ordered
    request = next(segment.requests)
    assert (request.endpoint, request.path) == ("rgm_stats", "/systems/7/rgm_stats")
    assert request.params == (("start_at", str(START)), ("end_at", str(START + GRID)))
    assert request.window == segment.window == Window(START, START + GRID)


@examples(50)
@given(start=st.floats(0, 40 * DAY), length=st.floats(0, 40 * DAY))
def test_a_range_is_asked_for_by_weeks_and_joined(start: float, length: float) -> None:
    """Each interval once, on the grid, none after now."""
    first, last = START + start, START + start + length
    result, asked = run(outlined(start_at=first, end_at=last), whole)
    until = max(first // GRID, min(last, NOW) // GRID) * GRID
    assert result.window == Window(int(first // GRID) * GRID, int(until))
    assert result.intervals.columns["end_at"].tolist() == list(ends(result.window))
    assert len(asked) == -(-result.window.seconds // RGM_STATS.span)
    assert (result.coverage.gaps(), result.timezone, result.receipt.sent) == ((), "Europe/Berlin", len(asked))


def test_local_days_need_the_time_zone() -> None:
    """Instants, and the service's own today, do not."""
    days = rgm_stats(SYSTEM, {}, start_date=date(2025, 6, 16), end_date=date(2025, 6, 16))
    assert days.zone_of == SYSTEM
    (segment,) = laid_out(days, NOW, ZoneInfo("Europe/Berlin")).ordered
    assert segment.window is not None
    assert segment.window.start_at == datetime(2025, 6, 15, 22, tzinfo=UTC)
    assert segment.window.seconds == DAY
    assert rgm_stats(SYSTEM, {}, start_at=START).zone_of is None
    assert rgm_stats(SYSTEM, {}).zone_of is None


def test_a_range_that_makes_no_sense_is_refused_at_once() -> None:
    """Before anything is asked."""
    with pytest.raises(InputError, match="swap them"):
        rgm_stats(SYSTEM, {}, start_at=2, end_at=1)


def test_what_is_beyond_retention_is_not_asked_for() -> None:
    """It is a gap with that reason, a margin included."""
    laid = outlined(start_at=NOW - 500 * DAY, end_at=NOW)
    result, asked = run(laid, whole)
    limit = int((NOW - 365 * DAY + MARGIN) // GRID) * GRID
    assert len(asked) == 53
    assert laid.pruned == 20
    assert result.coverage.gaps() == (Gap(Window(result.window.start, limit), Reason.BEYOND_RETENTION),)
    assert result.coverage.complete


@pytest.mark.parametrize(
    "range_", [{"start_at": 0, "end_at": 9e8}, {"start_at": NOW + 9e6}, {"start_at": 9, "end_at": 9}]
)
def test_a_range_without_anything_costs_nothing(range_: dict[str, float]) -> None:
    """Long ago, still to come, empty."""
    result, asked = run(outlined(**range_), whole)
    assert (asked, len(result.intervals)) == ([], 0)
    assert result.coverage.got == 0
    assert set(reasons(result.coverage)) == set(ends(result.window))


def test_a_limit_that_moved_past_a_window_is_asked_around() -> None:
    """The service empties the whole of a window that begins before its limit; the rest is asked for again."""
    start, end = int(NOW) // GRID * GRID - 365 * DAY + 2 * MARGIN, int(NOW) // GRID * GRID - 362 * DAY
    late = NOW + 5 * 3600

    def server(request: Request[RgmStats]) -> Response:
        assert request.window is not None
        body = dense(request.window)
        if request.window.start < late - RGM_STATS.retention:
            body["intervals"], body["meter_intervals"] = [], []
        return answer(body, date=late)

    result, asked = run(outlined(start_at=start, end_at=end), server)
    limit = RGM_STATS.oldest(late)
    assert [request.window for request in asked] == [Window(start, end), Window(limit, end)]
    assert result.coverage.gaps() == (Gap(Window(start, limit), Reason.BEYOND_RETENTION),)
    assert result.intervals.columns["end_at"].tolist() == list(ends(Window(limit, end)))


def test_an_empty_window_within_retention_is_asked_for_once() -> None:
    """The service speaks for the whole of it."""
    result, asked = run(
        outlined(start_at=START, end_at=START + DAY),
        lambda _: answer({"system_id": SYSTEM, "total_devices": 1, "intervals": []}, date=NOW),
    )
    assert len(asked) == 1
    assert set(reasons(result.coverage).values()) == {Reason.NO_ROW}


W = Window(START, START + 8 * GRID)


def refused(window: Window | None, status: int, body: object) -> RgmStats | None:
    """Return what a refusal of a window stands for."""
    failure = error_of(answer(body, status), error_for, official=False)
    assert failure is not None
    return ASK.request(window).empty_answer_for(failure)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, [Reason.NO_ROW] * 8),
        ({"last_interval": W.start}, [Reason.NOT_REPORTED_YET] * 8),
        ({"last_interval": 0}, [Reason.NOT_REPORTED_YET] * 8),
        ({"last_interval": W.start + 3 * GRID}, [Reason.NO_ROW] * 3 + [Reason.NOT_REPORTED_YET] * 5),
        ({"first_interval": W.end + GRID}, [Reason.BEFORE_OPERATION] * 8),
        (
            {"first_interval": W.end + 9 * DAY, "last_interval": W.end + 10 * DAY},
            [Reason.BEFORE_OPERATION] * 8,
        ),
        ({"first_interval": W.start + 3 * GRID}, [Reason.BEFORE_OPERATION] * 2 + [Reason.NO_ROW] * 6),
        ({"first_interval": W.start + 3 * GRID + 7}, [Reason.BEFORE_OPERATION] * 2 + [Reason.NO_ROW] * 6),
        ({"first_interval": W.start - DAY, "last_interval": W.end + DAY}, [Reason.NO_ROW] * 8),
        ({"first_interval": "soon", "last_interval": 10**400}, [Reason.NO_ROW] * 8),
    ],
)
def test_a_range_without_data_is_an_empty_answer(facts: dict[str, Any], expected: list[Reason]) -> None:
    """First and last interval tell why there are no rows, on the grid and to the interval."""
    part = refused(W, 422, {"reason": RANGE, **facts})
    assert part is not None
    assert list(reasons(part.coverage).values()) == expected
    assert (part.window, len(part.intervals), part.coverage.complete) == (W, 0, True)
    last = facts.get("last_interval")
    until = part.coverage.reported_until
    assert until == (None if last in {None, 10**400} else datetime.fromtimestamp(last or 0, UTC))


def test_today_without_data_is_an_empty_answer() -> None:
    """Shortly after midnight the service refuses its own default range, and names it."""
    told = {"start_at": W.start, "end_at": W.end + 5, "last_interval": W.start}
    part = refused(None, 422, {"reason": RANGE, **told})
    assert part is not None
    assert part.window == W
    assert part.coverage.gaps() == (Gap(W, Reason.NOT_REPORTED_YET),)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"start_at": W.start},
        {"start_at": W.start, "end_at": W.start - GRID},
        {"start_at": 0, "end_at": W.end},
        {"start_at": "2025-06-15T00:00:00", "end_at": "2025-06-16T00:00:00"},
    ],
)
def test_a_refusal_of_no_known_range_is_about_today(told: dict[str, Any]) -> None:
    """The caller gave no range, so it can be of the service's own today only."""
    part = refused(None, 422, {"reason": RANGE, **told})
    assert part is not None
    assert part.window.end == int(DATE) // GRID * GRID
    assert [gap.reason for gap in part.coverage.gaps()] == [Reason.NOT_REPORTED_YET]


def test_unavailable_data_is_a_hole() -> None:
    """Which makes the answer incomplete; without a range it stays an error."""
    body = {"errorCode": 7, "errorMessages": ["Data temporarily unavailable."]}
    part = refused(W, 500, body)
    assert part is not None
    assert part.coverage.gaps() == (Gap(W, Reason.UNAVAILABLE),)
    assert not part.coverage.complete
    assert refused(None, 500, body) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"errorCode": 8}),
        (500, {}),
        (503, {"errorCode": 7}),
        (422, {"reason": "Failed to parse date x"}),
        (422, {"reason": "Requested date range in one API hit cannot be more than 7 days."}),
        (401, {}),
        (409, {}),
    ],
)
def test_other_errors_stay_errors(status: int, body: object) -> None:
    """Nor are failures of the way, or answers that cannot be read."""
    assert refused(W, status, body) is None
    for error in (TransportError("reset"), DecodeError("unreadable"), EnlightenError("x")):
        assert ASK.request(W).empty_answer_for(error) is None


def skipped(body: dict[str, Any], older: Window) -> Reason | None:
    """Return why an older window is not asked for after an answer for the newest."""
    newest = ASK.request(W).decode(answer(body))
    return outlined(start_at=0).skip(newest, older)


def test_the_newest_answer_tells_what_is_not_worth_asking() -> None:
    """A system without meters has none in older windows."""
    older = Window(W.start - 8 * GRID, W.start)
    assert skipped({"system_id": SYSTEM, "total_devices": 0}, older) is Reason.NO_DEVICE
    for silent in ({}, {"total_devices": None}, {"total_devices": 1}):
        assert skipped({"system_id": SYSTEM, **silent}, older) is None
    for started in (older.end, older.end - 1, older.start, None):
        assert skipped(dense(W, operational_at=started), older) is None


def test_a_refusal_of_the_newest_window_tells_nothing_of_older_ones() -> None:
    """They are asked for."""
    newest = refused(W, 422, {"reason": RANGE, "last_interval": 0})
    assert newest is not None
    assert outlined(start_at=0).skip(newest, Window(W.start - GRID, W.start)) is None


def test_today_is_left_to_the_service() -> None:
    """One request without a range; the time zone is told where it is known."""
    result, asked = run(outlined(), lambda _: answer(dense(W), date=DATE))
    assert [(request.params, request.window) for request in asked] == [((), None)]
    assert (result.window, result.timezone, result.receipt.sent) == (W, "Europe/Berlin", 1)
    assert len(result.intervals) == 8


def test_parts_of_a_stream_know_the_time_zone() -> None:
    """As the whole answer does."""
    laid = outlined(start_at=START, end_at=START + GRID)
    (part,) = laid.items(ASK.request(W).decode(answer(dense(W))))
    assert part.timezone == "Europe/Berlin"
    assert [day.got for day in part.sums("day")] == [8]


def test_an_answer_can_be_written_as_json() -> None:
    """Gaps and all."""
    result, _ = run(outlined(start_at=NOW - 370 * DAY, end_at=NOW - 360 * DAY), whole)
    assert len(json.dumps(result.to_dict(), allow_nan=False)) > 10_000
