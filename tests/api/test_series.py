"""All endpoints that answer in intervals: what they ask for, what answers and refusals come to."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v2.api import error_for
from enlighten_async.errors import DecodeError, InputError
from enlighten_async.models import Gap, Reason, Receipt
from enlighten_async.windows import DAY, Window, local_days
from enlighten_async.wire import Request, Response
from tests.api.laid_out import LaidOut, laid_out
from tests.api.mutated import mutated
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, START, SYSTEM, answer
from tests.api.v2.series import SAMPLES, Sample, in_iso, part_of
from tests.effort import examples
from tests.zones import ZONES

NOW = DATE
RANGE = "Requested date range is invalid for this system"
NO_METER = "The given system does not contain any active and enabled consumption meter"
RGM, STATS, CONSUMPTION = SAMPLES
BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600

each = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind.limits.name)
both = pytest.mark.parametrize("sample", [STATS, CONSUMPTION], ids=["stats", "consumption_stats"])


def outlined(sample: Sample, zone: str | None = "Europe/Berlin", now: float = NOW, **range_: Any) -> LaidOut:
    """Return what a call comes to; the time zone is that of the system, where known."""
    zones = {} if zone is None else {SYSTEM: zone}
    plan = sample.kind.plan(SYSTEM, zones, **range_)
    return laid_out(plan, now, ZoneInfo(zone) if zone and plan.zone_of else None)


def run(laid: LaidOut, server: Callable[[Request[Any]], Response]) -> Any:
    """Drive all flows one after another; return the answer, and the windows that were asked for."""
    parts, asked = [], []
    for segment in laid.ordered:
        request = next(segment.requests, None)
        while request is not None:
            asked.append(request.window)
            parts.append(part_of(request, server(request)))
            assert parts[-1] is not None
            try:
                request = segment.requests.send(parts[-1])
            except StopIteration:
                request = None
    return laid.merge(parts, [], Receipt(sent=len(asked))), asked


def service(
    sample: Sample, *, lit: Callable[[int], bool] = bool, cap: Callable[[int], int] | None = None
) -> Any:
    """Return a service that has the rows that are `lit`, and cuts what comes after `cap` of the start."""

    def server(request: Request[Any]) -> Response:
        window = request.window
        assert window is not None
        end = window.end if cap is None else min(window.end, cap(window.start))
        ends = [at for at in sample.ends(Window(window.start, end)) if lit(at)]
        return answer(sample.body(ends, meta={"last_report_at": NOW}), date=NOW)

    return server


@each
def test_a_request_says_what_it_asks(sample: Sample) -> None:
    """And holds nothing else: no credentials."""
    request = next(outlined(sample, start_at=START, end_at=START + sample.grid).ordered[0].requests)
    name = sample.kind.limits.name
    assert (request.endpoint, request.path) == (name, f"/systems/{SYSTEM}/{name}")
    assert request.params == tuple(
        (at, str(moment // sample.grid * sample.grid))
        for at, moment in (("start_at", START), ("end_at", START + sample.grid))
    )


@pytest.mark.slow
@each
@examples(40)
@given(start=st.floats(0, 70 * DAY), length=st.floats(0, 70 * DAY), known=st.booleans())
def test_a_range_is_asked_for_by_spans_and_joined(
    sample: Sample, start: float, length: float, *, known: bool
) -> None:
    """Each interval once, on the grid, none after now; no request is longer than the service allows."""
    first = NOW - 75 * DAY + start
    laid = outlined(sample, "Europe/Berlin" if known else None, start_at=first, end_at=first + length)
    result, asked = run(laid, service(sample))
    assert sample.rows(result) == sample.truth(sample.ends(result.window))
    span = sample.kind.limits.span
    assert all(0 < window.seconds <= span for window in asked)
    assert len(asked) == -(-result.window.seconds // span)
    assert (result.coverage.gaps(), result.coverage.complete, result.receipt.sent) == ((), True, len(asked))
    assert result.timezone == ("Europe/Berlin" if known else None)


def test_a_year_by_days_is_365_requests() -> None:
    """And one more for the day of 25 hours, asked for by local days."""
    year = {"start_at": NOW - 365 * DAY, "end_at": NOW}
    assert len(outlined(STATS, **year).ordered) == len(outlined(STATS, None, **year).ordered) == 365
    first = date(2024, 10, 20)
    days = outlined(STATS, now=NOW, start_date=first, end_date=first + timedelta(days=99))
    assert len(days.ordered) == 101
    assert len(outlined(CONSUMPTION, **year).ordered) == 14


@examples(100)
@given(data=st.data(), name=ZONES, back=st.integers(2, 363), length=st.integers(0, 9))
def test_local_days_are_asked_for_day_by_day(data: st.DataObject, name: str, back: int, length: int) -> None:
    """So that it does not matter whether the service's day has 24 hours or is that of the clock."""
    zone = ZoneInfo(name)
    first = datetime.fromtimestamp(NOW, zone).date() - timedelta(days=back)
    last = first + timedelta(days=length)

    def midnight(start: int) -> int:
        day = datetime.fromtimestamp(start, zone).date()
        return local_days(day, day, zone).end

    caps = {"24 hours": lambda start: start + DAY, "midnight": midnight}
    laid = outlined(STATS, name, start_date=first, end_date=last)
    cap = caps[data.draw(st.sampled_from(sorted(caps)))]
    result, asked = run(laid, service(STATS, cap=cap))
    whole = local_days(first, last, zone)
    assert result.window == Window(whole.start, min(whole.end, int(NOW) // 300 * 300))
    assert STATS.rows(result) == STATS.truth(STATS.ends(result.window))
    assert len(asked) <= length + 2


@examples(100)
@given(name=ZONES, back=st.floats(3, 363), length=st.floats(0, 3))
def test_a_day_by_the_clock_is_not_cut_where_the_time_zone_is_known(
    name: str, back: float, length: float
) -> None:
    """Where a day has 23 hours, a request asks for no more."""
    zone = ZoneInfo(name)
    start = NOW - back * DAY

    def tomorrow(start: int) -> int:
        here = datetime.fromtimestamp(start, zone)
        return int(datetime.combine(here.date() + timedelta(days=1), here.time(), zone).timestamp())

    laid = outlined(STATS, name, start_at=start, end_at=start + length * DAY)
    result, asked = run(laid, service(STATS, cap=lambda start: min(start + DAY, tomorrow(start))))
    assert STATS.rows(result) == STATS.truth(STATS.ends(result.window))
    assert len(asked) <= -(-result.window.seconds // DAY) + 1


def test_the_spring_day_by_the_clock() -> None:
    """From noon to noon, 23 hours."""
    noon = datetime(2025, 3, 29, 12, tzinfo=BERLIN)
    windows = [
        segment.window
        for segment in outlined(STATS, start_at=noon, end_at=noon.timestamp() + 2 * DAY).ordered
    ]
    assert [window.seconds // HOUR for window in windows if window] == [23, 24, 1]
    days = {"start_date": date(2024, 10, 26), "end_date": date(2024, 10, 28)}
    autumn = [segment.window for segment in outlined(STATS, **days).ordered]
    assert [window.seconds // HOUR for window in autumn if window] == [24, 24, 1, 24]


def test_a_time_zone_without_a_name_we_know_is_none() -> None:
    """It does not stand in the way of instants."""
    plan = STATS.kind.plan(SYSTEM, {SYSTEM: "Mars/Olympus"}, start_at=START, end_at=START + DAY)
    assert len(laid_out(plan, NOW).ordered) == 1


def test_nights_are_no_cut() -> None:
    """They are missing rows, asked for once."""
    laid = outlined(STATS, start_at=NOW - 9 * DAY, end_at=NOW)
    lit = lambda at: 6 <= datetime.fromtimestamp(at, BERLIN).hour < 20  # noqa: E731
    result, asked = run(laid, service(STATS, lit=lit))
    assert len(asked) == 9
    assert STATS.rows(result) == STATS.truth(at for at in STATS.ends(result.window) if lit(at))
    assert {gap.reason for gap in result.coverage.gaps()} == {Reason.NO_ROW}
    assert result.coverage.complete


def test_an_early_dusk_is_no_cut() -> None:
    """Rows of microinverters end at any hour, also one hour before the end of a window of unknown clock."""
    start = int(NOW) // 300 * 300 - DAY
    laid = outlined(STATS, None, start_at=start, end_at=start + DAY)
    result, asked = run(laid, service(STATS, lit=lambda at: at <= start + DAY - HOUR))
    assert (len(asked), result.coverage.got) == (1, 23 * 12)


@pytest.mark.parametrize("days", [1, 7, 13, 27, 7 + 1 / 24])
def test_a_silent_cut_of_consumption_is_asked_around(days: float) -> None:
    """The service may give less than is known of it: the rest is asked for until all is there."""
    start = int(NOW) // 900 * 900 - 56 * DAY
    laid = outlined(CONSUMPTION, start_at=start, end_at=start + 56 * DAY)
    result, asked = run(laid, service(CONSUMPTION, cap=lambda start: start + round(days * DAY)))
    assert CONSUMPTION.rows(result) == CONSUMPTION.truth(CONSUMPTION.ends(result.window))
    assert result.coverage.gaps() == ()
    # What is left over by less than a day is not told from an outage.
    assert len(asked) <= 2 * -(-28 // int(days)) + 2


def test_a_silent_cut_by_the_clock_is_asked_around() -> None:
    """Seven days in spring are an hour less."""
    start = int(NOW) // 900 * 900 - 28 * DAY
    laid = outlined(CONSUMPTION, start_at=start, end_at=start + 28 * DAY)
    cap = lambda at: at + 7 * DAY - (HOUR if at == start else 0)  # noqa: E731
    result, asked = run(laid, service(CONSUMPTION, cap=cap))
    assert result.coverage.got == 28 * 96 - 4
    assert len(asked) == 4


@pytest.mark.parametrize("zone", [None, "America/Los_Angeles"])
def test_a_month_by_the_clock_is_not_cut(zone: str | None) -> None:
    """From the 10th of February to the 10th of March it may be an hour less than 28 days."""
    clock = ZoneInfo("America/Los_Angeles")
    start = datetime(2025, 2, 10, 10, tzinfo=clock)
    end = datetime(2025, 3, 10, 10, tzinfo=clock)
    assert end.timestamp() - start.timestamp() == 28 * DAY - HOUR

    def month(begin: int) -> int:
        here = datetime.fromtimestamp(begin, clock)
        return int(here.replace(month=here.month + 1, day=min(here.day, 28)).timestamp())

    laid = outlined(CONSUMPTION, zone, start_at=start, end_at=start.timestamp() + 56 * DAY)
    result, asked = run(laid, service(CONSUMPTION, cap=month))
    assert CONSUMPTION.rows(result) == CONSUMPTION.truth(CONSUMPTION.ends(result.window))
    assert len(asked) == 3
    days = {"start_date": date(2025, 2, 10), "end_date": date(2025, 3, 9)}
    assert len(outlined(CONSUMPTION, "America/Los_Angeles", **days).ordered) == 1


def test_reports_an_hour_late_are_no_cut() -> None:
    """The system has not reported up to the end of the window."""
    start = int(NOW) // 900 * 900 - 28 * DAY
    window = Window(start, start + 28 * DAY)
    for last_report, cut in ((window.end - HOUR + 7, False), (window.end, True), (None, True)):
        ends = CONSUMPTION.ends(Window(start, window.end - HOUR))
        body = CONSUMPTION.body(ends, meta={"last_report_at": last_report})
        part = CONSUMPTION.ask().request(window).decode(answer(body))
        assert part.window.end == window.end - HOUR * cut


def test_an_outage_is_no_cut() -> None:
    """It does not begin whole days after the window; and if it does, it is asked for once more."""
    start = int(NOW) // 900 * 900 - 28 * DAY
    for since, most in ((9.3 * DAY, 1), (9 * DAY, 2), (27.5 * DAY, 1), (0.5 * DAY, 1)):
        laid = outlined(CONSUMPTION, start_at=start, end_at=start + 28 * DAY)
        result, asked = run(laid, service(CONSUMPTION, lit=lambda at, s=since: at <= start + s))
        assert len(asked) == most
        assert result.coverage.gaps()[-1].reason is Reason.NO_ROW
        assert result.coverage.got == int(since) // 900


def test_rows_that_end_with_the_last_report_are_no_cut() -> None:
    """There is nothing more to ask for."""
    start = int(NOW) // 900 * 900 - 28 * DAY
    window, last = Window(start, start + 28 * DAY), start + 7 * DAY
    body = CONSUMPTION.body(CONSUMPTION.ends(Window(start, last)), meta={"last_report_at": last})
    part = CONSUMPTION.ask().request(window).decode(answer(body))
    assert part.window == window
    assert part.coverage.gaps() == (Gap(Window(last, window.end), Reason.NOT_REPORTED_YET),)


W = Window(START // 900 * 900, START // 900 * 900 + 8 * 900)


def refused(sample: Sample, window: Window | None, status: int, body: object, zone: str | None = None) -> Any:
    """Return what a refusal of a window stands for."""
    return part_of(sample.ask(zone).request(window), answer(body, status))


@each
@pytest.mark.parametrize("status", [400, 401, 404, 405, 422, 500])
@pytest.mark.parametrize("message", [NO_METER, [NO_METER]])
def test_no_meter_is_no_device(sample: Sample, status: int, message: object) -> None:
    """By its text, whatever the status; then older windows are not asked for."""
    part = refused(sample, W, status, {"message": message})
    assert (part.window, len(part.intervals)) == (W, 0)
    assert part.coverage.gaps() == (Gap(W, Reason.NO_DEVICE),)
    assert part.coverage.complete
    assert outlined(sample, start_at=0).skip(part, Window(0, 900)) is Reason.NO_DEVICE


@each
def test_a_refusal_of_the_user_stays_one(sample: Sample) -> None:
    """A 401, or 404, of any other text."""
    for status, said in ((401, "Not authorized to access requested resource."), (404, "Resource not found")):
        failure = error_of(
            answer({"reason": str(status), "message": [said]}, status), error_for, official=False
        )
        assert failure is not None
        assert failure.ends_query
        assert sample.ask().request(W).empty_answer_for(failure) is None


@each
def test_no_content_is_no_list(sample: Sample) -> None:
    """As null in place of one; for consumption it is documented to mean that there is no meter."""
    part, is_documented = refused(sample, W, 204, b""), sample is CONSUMPTION
    assert part.coverage.gaps() == (Gap(W, Reason.NO_DEVICE if is_documented else Reason.LEFT_OUT),)
    assert part.coverage.complete is is_documented
    assert part.coverage.notes == (() if is_documented else ("an answer came without content",))


@each
def test_unavailable_data_is_a_hole(sample: Sample) -> None:
    """Which makes the answer incomplete."""
    part = refused(sample, W, 500, {"errorCode": 7, "errorMessages": ["Data temporarily unavailable."]})
    assert part.coverage.gaps() == (Gap(W, Reason.UNAVAILABLE),)
    assert not part.coverage.complete
    assert refused(sample, W, 500, {"errorCode": 8}) is None


@each
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (lambda grid: {}, lambda end, grid: "no_row"),
        (lambda grid: {"last_interval": W.start}, lambda end, grid: "not_reported_yet"),
        (
            lambda grid: {"first_interval": W.start + 3 * grid},
            lambda end, grid: "before_operation" if end <= W.start + 2 * grid else "no_row",
        ),
        (lambda grid: {"first_interval": W.end + grid}, lambda end, grid: "before_operation"),
    ],
)
def test_a_range_without_data_has_its_reason(sample: Sample, facts: Any, expected: Any) -> None:
    """Before the first interval, after the last one, to the interval."""
    part = refused(sample, W, 422, {"reason": RANGE, **facts(sample.grid)})
    assert sample.reasons(part) == {end: expected(end, sample.grid) for end in sample.ends(W)}


@each
def test_the_day_of_operation_makes_earlier_windows_doubtful_but_not_empty(sample: Sample) -> None:
    """It may have been set by hand, to a day after the first energy."""
    older = Window(W.start - DAY, W.start)
    for started, doubtful in ((W.start, True), (W.start - 1, False), (None, False)):
        body = sample.body(sample.ends(W), meta={"operational_at": started})
        newest = sample.ask().request(W).decode(answer(body))
        laid = outlined(sample, start_at=0)
        assert (laid.skip(newest, older), laid.is_doubtful(newest, older)) == (None, doubtful)


@each
def test_nothing_lies_before_a_range_that_the_service_calls_too_early(sample: Sample) -> None:
    """Its own word on where data begins leaves nothing to ask for before; the day of operation does not."""
    first = {"first_interval": W.end + 900, "last_interval": NOW}
    early = refused(sample, W, 422, {"reason": RANGE, **first})
    assert early.coverage.gaps() == (Gap(W, Reason.BEFORE_OPERATION),)
    body = sample.body([], meta={"operational_at": W.end, "last_report_at": NOW})
    empty = sample.ask().request(W).decode(answer(body))
    for part, reason in ((early, Reason.BEFORE_OPERATION), (empty, None)):
        assert outlined(sample, start_at=0).skip(part, Window(W.start - DAY, W.start)) is reason
        assert outlined(sample, start_at=0).skip(part, Window(W.end, W.end + DAY)) is None


@each
def test_a_day_without_rows_is_no_row(sample: Sample) -> None:
    """If the system has reported since; without devices there is none, without reports not yet."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"meta": {"last_report_at": NOW}}, "no_row"),
        ({}, "no_row"),
        ({"meta": {"last_report_at": W.start}}, "not_reported_yet"),
        ({"meta": {"last_report_at": NOW, "operational_at": W.end}}, "before_operation"),
        ({"total_devices": 0, "meta": {"last_report_at": NOW}}, "no_device"),
        ({"total_devices": None, "intervals": None}, "left_out"),
        ({"total_devices": 0, "intervals": None}, "no_device"),
    ]
    for told, reason in cases:
        part = sample.ask().request(W).decode(answer(sample.body([], **told), date=None))
        assert set(sample.reasons(part).values()) == {reason}
        assert len(part.intervals) == 0


@each
def test_today_without_rows_has_its_window_and_reason(sample: Sample) -> None:
    """The window is today's where the time zone is known; the reason is told in any case."""
    midnight = local_days(
        datetime.fromtimestamp(DATE, BERLIN).date(), datetime.fromtimestamp(DATE, BERLIN).date(), BERLIN
    )
    now = int(DATE) // sample.grid * sample.grid
    cases: list[tuple[int, object, Reason]] = [
        (200, sample.body([], total_devices=0), Reason.NO_DEVICE),
        (200, sample.body([], meta={"last_report_at": midnight.start}), Reason.NOT_REPORTED_YET),
        (401, {"message": NO_METER}, Reason.NO_DEVICE),
    ]
    for status, body, reason in cases:
        part = refused(sample, None, status, body, "Europe/Berlin")
        assert part.window == Window(midnight.start, now)
        assert part.coverage.gaps() == (Gap(part.window, reason),)
        part = refused(sample, None, status, body)
        assert part.window == part.coverage.window == Window(now, now)
        assert part.coverage.gaps() == (Gap(part.window, reason),)
        assert (part.coverage.got, part.coverage.expected, part.coverage.complete) == (0, 0, True)


@each
def test_today_in_two_parts(sample: Sample) -> None:
    """The system reported after midnight, without rows, and not since."""
    midnight = local_days(
        datetime.fromtimestamp(DATE, BERLIN).date(), datetime.fromtimestamp(DATE, BERLIN).date(), BERLIN
    ).start
    body = sample.body([], meta={"last_report_at": midnight + HOUR})
    part = refused(sample, None, 200, body, "Europe/Berlin")
    assert [(gap.window.start, gap.reason) for gap in part.coverage.gaps()] == [
        (midnight, Reason.NO_ROW),
        (midnight + HOUR, Reason.NOT_REPORTED_YET),
    ]


@each
def test_today_without_a_date(sample: Sample) -> None:
    """A reply without `Date` still is one; a refusal of no known range stays one."""
    request = sample.ask("Europe/Berlin").request(None)
    assert len(part_of(request, answer(sample.body([]), date=None)).intervals) == 0
    assert part_of(request, answer({"message": NO_METER}, 401, None)) is None


@each
def test_today_before_the_first_report_is_named_by_the_refusal(sample: Sample) -> None:
    """It may have 25 hours."""
    start = START // 900 * 900
    told = {"start_at": start, "end_at": start + 25 * HOUR, "last_interval": start - 900}
    part = refused(sample, None, 422, {"reason": RANGE, **told})
    assert part.coverage.gaps() == (Gap(Window(start, start + 25 * HOUR), Reason.NOT_REPORTED_YET),)
    unlikely = refused(sample, None, 422, {"reason": RANGE, **told, "end_at": start + 25 * HOUR + 900})
    assert unlikely.window.seconds <= DAY
    assert [gap.reason for gap in unlikely.coverage.gaps()] == [Reason.NOT_REPORTED_YET]


@pytest.mark.parametrize("declared", [True, False])
def test_a_day_of_a_week_is_asked_on(*, declared: bool) -> None:
    """Also where a longer range than the service takes is refused, as a rule."""
    sample = next(each for each in SAMPLES if each.kind.limits.cut == "error")
    week = Window(W.start, W.start + 7 * DAY)
    day = Window(week.start, week.start + DAY)
    told = {"end_at": day.end} if declared else {}
    state = {"last_report_at": NOW, "last_energy_at": NOW, "operational_at": W.start - DAY}
    body = sample.body(sample.ends(day), meta=state) | told
    part = sample.ask().request(week).decode(answer(body, date=week.end + DAY))
    assert (part.window, part.coverage.complete, len(part.intervals)) == (day, True, 96)
    state["last_report_at"] = state["last_energy_at"] = day.end
    part = (
        sample.ask().request(week).decode(answer(body | {"end_at": None, "meta": state}, date=week.end + DAY))
    )
    assert part.window == week  # it has not reported since


@each
def test_today_is_what_the_rows_span(sample: Sample) -> None:
    """One request without a range, also on a day of 25 hours."""
    window = Window(W.start, W.start + 25 * HOUR)
    result, asked = run(outlined(sample), lambda _: answer(sample.body(sample.ends(window)), date=NOW))
    assert (asked, result.window, result.timezone) == ([None], window, "Europe/Berlin")
    assert sample.rows(result) == sample.truth(sample.ends(window))


@each
def test_old_answers_without_meta(sample: Sample) -> None:
    """What another part shows to be reported is not called "not reported yet"."""
    span = sample.kind.limits.span
    start = int(NOW) // 900 * 900 - 3 * span
    dusk = lambda at: 0 < (at - start) % DAY < DAY // 2  # noqa: E731

    def server(request: Request[Any]) -> Response:
        assert request.window is not None
        return answer(sample.body(filter(dusk, sample.ends(request.window))), date=NOW)

    result, asked = run(outlined(sample, None, start_at=start, end_at=start + 3 * span), server)
    assert result.meta is None
    assert len(asked) == 3
    last = sample.rows(result)[-1][0]
    assert all(
        reason == ("not_reported_yet" if end > last else "no_row")
        for end, reason in sample.reasons(result).items()
    )


@both
@examples(150)
@given(data=st.data())
def test_exactly_the_rows_inside(sample: Sample, data: st.DataObject) -> None:
    """Whatever their order, doubled or foreign; the last word counts, but a null replaces no value."""
    rng = data.draw(st.randoms(use_true_random=False))
    window = Window(W.start, W.start + data.draw(st.integers(0, 12)) * sample.grid)
    there = [end for end in sample.ends(window) if rng.random() < 0.7]
    rows = sample.body(there)["intervals"]
    stale = {row["end_at"]: {**row, "enwh": 77_777} for row in rows if rng.random() < 0.2}
    for row in rows:
        row["enwh"] = rng.choice([row["enwh"], None, 0.5])
        row["new"] = [1]
    foreign = [{"end_at": at} for at in (window.start, window.end + sample.grid, window.start - 1)]
    foreign = foreign[: rng.randrange(4)]
    mixed = foreign + rows
    rng.shuffle(mixed)
    part = sample.ask().request(window).decode(answer(sample.body([], intervals=[*stale.values(), *mixed])))
    got = {int(row.end_at.timestamp()): row.enwh for row in part.intervals}
    for row in rows:
        row["enwh"] = 77_777 if row["enwh"] is None and row["end_at"] in stale else row["enwh"]
    assert got == {row["end_at"]: row["enwh"] for row in rows}
    assert list(got) == sorted(got)
    assert bool(part.coverage.notes) == bool(stale or foreign)
    assert part.coverage.complete is not bool(foreign)
    assert set(sample.reasons(part)) == set(sample.ends(window)) - set(there)
    assert part.coverage.got == len(there)


@each
@examples(60)
@given(zone=ZONES, first=st.integers(0, 5_000), count=st.integers(0, 12), mixed=st.booleans())
def test_iso_8601_says_the_same(sample: Sample, zone: str, first: int, count: int, *, mixed: bool) -> None:
    """Local times with an offset, in rows and in `meta`; also beside epoch seconds."""
    start = W.start + first * 900
    window = Window(start, start + 12 * sample.grid)
    meta = {
        "status": "normal",
        "last_report_at": start + 77,
        "last_energy_at": None,
        "operational_at": 1_201_362_300,
    }
    body = sample.body(sample.ends(window)[:count], meta=meta)
    meter = {"meter_serial_number": "1", "intervals": [{"channel": 1, "end_at": start + 900, "wh_del": 0.5}]}
    body["meter_intervals"] = [meter]
    iso = in_iso(body, zone)
    if mixed:
        iso["meta"] = meta
        iso["intervals"][1:] = body["intervals"][1:]
    request = sample.ask().request(window)
    plain, told = request.decode(answer(body)), request.decode(answer(iso))
    assert told == plain
    assert told.coverage == plain.coverage
    assert told.meta == plain.meta is not None


@each
@pytest.mark.parametrize("fraction", [".0", ".000", ".999999", ".123456789"])
def test_a_fraction_of_a_second_is_read(sample: Sample, fraction: str) -> None:
    """And cut off."""
    body = sample.body(sample.ends(W))
    plain = sample.ask().request(W).decode(answer(body))
    for row in body["intervals"]:
        row["end_at"] = (
            datetime.fromtimestamp(row["end_at"], UTC).strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"
        )
    assert sample.ask().request(W).decode(answer(body)) == plain


@each
@pytest.mark.parametrize(
    "at", ["2025-06-15T12:00:00", "2025-06-15", "noon", "", "2025-13-15T12:00:00Z", "1969-12-31T23:59:59Z"]
)
def test_a_row_of_what_names_no_instant_is_left_out(sample: Sample, at: str) -> None:
    """The others are kept, and the answer is not complete; if all are such, it is an error."""
    body = sample.body(sample.ends(W))
    body["intervals"][3]["end_at"] = at
    part = sample.ask().request(W).decode(answer(body))
    assert len(part.intervals) == len(sample.ends(W)) - 1
    assert (part.coverage.complete, part.coverage.gaps()[-1].reason) == (False, Reason.LEFT_OUT)
    response = answer({**body, "intervals": [{"end_at": at}]})
    with pytest.raises(DecodeError) as caught:
        sample.ask().request(W).decode(response)
    assert (caught.value.path, caught.value.response) == ("$.intervals[0].end_at", response)


@each
def test_an_answer_of_another_system(sample: Sample) -> None:
    """Whatever its instants are written in."""
    body = sample.body(sample.ends(W), system_id=8)
    for told in (body, in_iso(body, "Asia/Kathmandu")):
        with pytest.raises(DecodeError) as caught:
            sample.ask().request(W).decode(answer(told))
        assert caught.value.path == "$.system_id"


STRAYS: tuple[float, ...] = (-2 * DAY, -5.5 * DAY, -6.5 * DAY, -40 * DAY, 900 - NOW, 2 * DAY, 40 * DAY)
"""Seconds from now to a row that is not of today."""


@each
@pytest.mark.parametrize(
    ("zone", "away"),
    [(zone, away) for zone in (None, "Europe/Berlin") for away in STRAYS] + [("Europe/Berlin", -24.5 * HOUR)],
)
def test_a_stray_row_leaves_todays_range_as_it_is(
    sample: Sample, away: float, zone: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the range is left to the service: the rows of today are kept, and the answer is not complete.

    A row of the evening before is told from today's where it is known when today began.
    """
    now = int(NOW) // 900 * 900
    whole = Window(now - 10 * HOUR, now)
    ends = sample.ends(whole)
    stray = int(now + away) // 900 * 900
    asked = sample.ask() if zone is None else sample.ask(zone)
    part = asked.request(None).decode(answer(sample.body([stray, *ends]), date=NOW))
    assert (part.window, len(part.intervals)) == (Window(ends[0] - sample.kind.limits.grid, now), len(ends))
    assert (part.coverage.complete, {gap.reason for gap in part.coverage.gaps()}) == (
        False,
        {Reason.LEFT_OUT},
    )
    assert len([each for each in caplog.records if "not complete" in each.message]) == 1
    moved = sample.body([*ends[:5], stray, *ends[6:]])
    part = asked.request(None).decode(answer(moved, date=NOW))
    assert len(part.intervals) == len(ends) - 1
    assert [(gap.window.end, gap.reason) for gap in part.coverage.gaps()] == [(ends[5], Reason.LEFT_OUT)]


@each
def test_a_range_that_makes_no_sense_is_refused_at_once(sample: Sample) -> None:
    """Before anything is asked."""
    with pytest.raises(InputError, match="swap them"):
        outlined(sample, start_at=2, end_at=1)


VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1.5, 1e300, 10**18, 10**40, "", "7", W.start + 900, "\ud83c", [], {}, [None], [{}],
    "2025-06-15T12:00:00+02:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
)  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn, sample: Sample) -> bytes:
    """Draw an answer or a refusal with something wrong in it, of any kind."""
    meta = {"status": "normal", "last_report_at": W.end, "operational_at": 5}
    body: Any = sample.body(sample.ends(W)[:8], meta=meta)
    rng = draw(st.randoms(use_true_random=False))
    if draw(st.booleans()):
        body = {
            "reason": RANGE,
            "start_at": W.start,
            "end_at": W.end,
            "last_interval": 9,
            "first_interval": 9,
        }
    if draw(st.booleans()):
        body = in_iso(body, "America/St_Johns")
    for _ in range(draw(st.integers(0, 3))):
        body = mutated(body, draw(st.sampled_from(VALUES)), rng)
    raw = bytearray(json.dumps(body).encode())
    for _ in range(draw(st.integers(0, 2))):
        place = rng.randrange(len(raw) + 1)
        raw[place : place + rng.randrange(3)] = draw(st.binary(max_size=3) | st.sampled_from([b"NaN", b'"']))
    return bytes(raw[: draw(st.none() | st.integers(0, 2000))])


@pytest.mark.slow
@each
@examples(300)
@given(data=st.data(), window=st.sampled_from([None, W]), zone=st.sampled_from([None, "Europe/Berlin"]))
def test_anything_is_a_value_or_one_of_our_errors(
    sample: Sample, data: st.DataObject, window: Window | None, zone: str | None
) -> None:
    """And of a value everything can be used."""
    raw = data.draw(st.binary(max_size=60) | spoiled(sample))
    status = data.draw(st.sampled_from([200, 200, 200, 204, 401, 422, 500]))
    response = answer(raw, status)
    unread = None
    try:
        stats = part_of(sample.ask(zone).request(window), response)
    except DecodeError as error:
        unread, stats = error, None
    if stats is None:
        assert status != 200 or unread is not None or response.is_web_page
        assert unread is None or unread.response is response
        return
    json.dumps(stats.to_dict(), allow_nan=False)
    assert len(list(stats.intervals)) == stats.coverage.got
    assert sum(day.expected for day in stats.sums("day", timezone="Asia/Tokyo")) == stats.coverage.expected
    assert pickle.loads(pickle.dumps(stats)) == copy.deepcopy(stats) == stats  # noqa: S301 - our own
    assert hash(stats) == hash(copy.copy(stats))


def test_columns_take_few_bytes() -> None:
    """20 to 32 bytes a row."""
    for sample, most in ((STATS, 32), (CONSUMPTION, 24)):
        part = sample.ask().request(W).decode(answer(sample.body(sample.ends(W))))
        assert sum(column.nbytes for column in part.intervals.columns.values()) == most * len(part.intervals)


def test_when_it_was_fetched() -> None:
    """The service's own time of the answer, and how far the system has reported."""
    part = STATS.ask().request(W).decode(answer(STATS.body([W.end], meta={"last_report_at": W.end + 9})))
    assert part.coverage.as_of == datetime.fromtimestamp(DATE, UTC)
    assert part.coverage.reported_until == datetime.fromtimestamp(W.end + 9, UTC)
