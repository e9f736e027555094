"""All series that only v4 has: what they ask for, what answers and refusals come to."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4 import ApiV4
from enlighten_async.api.v4.errors import error_for
from enlighten_async.errors import APIError, DecodeError, InputError, NotFound, RangeError, Unavailable
from enlighten_async.models import Gap, Reason, Receipt
from enlighten_async.windows import DAY, Window, local_days
from tests.api.laid_out import laid_out
from tests.api.mutated import mutated
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, START, SYSTEM, answer
from tests.api.v4.telemetry import NESTED, NOW, SAMPLES, SERIAL, Sample, Service, nested_by_day, part_of, run
from tests.effort import examples

HOUR = 3600
BERLIN = ZoneInfo("Europe/Berlin")
BY_NAME = {sample.name: sample for sample in SAMPLES}
W = Window(START // 900 * 900, START // 900 * 900 + 8 * 900)

each = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
own_today = pytest.mark.parametrize(
    "sample", [each for each in SAMPLES if each.name != "ev_charger_telemetry"], ids=lambda each: each.name
)
of_devices = pytest.mark.parametrize(
    "sample", [sample for sample in SAMPLES if sample.args], ids=lambda sample: sample.name
)


@each
@pytest.mark.parametrize(
    ("seconds", "granularity"), [(900, "15mins"), (1800, "day"), (DAY, "day"), (DAY + 900, "week")]
)
def test_a_request_says_what_it_asks(sample: Sample, seconds: int, granularity: str) -> None:
    """The smallest span that holds the window; chargers know none below a day; nothing else is sent."""
    request = next(sample.outlined(start_at=START, end_at=START + seconds).ordered[0].requests)
    assert (request.endpoint, request.path) == (sample.name, f"/systems/{SYSTEM}/{sample.path}")
    if sample.name == "ev_charger_telemetry" and granularity == "15mins":
        granularity = "day"
    start = START // sample.kind.limits.grid * sample.kind.limits.grid
    assert request.params == (("start_at", str(start)), ("granularity", granularity))
    assert (request.method, request.body) == ("GET", None)


@each
@examples(30)
@given(
    data=st.data(),
    back=st.integers(0, 60 * DAY),
    length=st.integers(0, 40 * DAY),
    begun=st.integers(0, 50 * DAY),
    known=st.booleans(),
)
def test_any_range_is_each_row_once(
    sample: Sample, data: st.DataObject, back: int, length: int, begun: int, *, known: bool
) -> None:
    """However short the service cuts its answers, as long as it tells; what is not there has a reason."""
    service = Service(
        sample,
        begun=int(NOW) - begun,
        cap=data.draw(st.sampled_from([7 * DAY, 5 * DAY + 300, 2 * DAY, DAY, 23 * HOUR])),
        nested=sample in NESTED and data.draw(st.booleans()),
    )
    first = NOW - back
    zone = "Europe/Berlin" if known else None
    result, asked = run(sample.outlined(zone, start_at=first, end_at=first + length), service)
    begin = service.begun // sample.grid * sample.grid
    there = [end for end in sample.ends(result.window) if end > begin]
    assert sample.rows(result) == sample.truth(there)
    missing = [end for end in sample.ends(result.window) if end <= begin]
    assert sample.reasons(result) == dict.fromkeys(missing, "before_operation")
    assert (result.coverage.complete, result.coverage.notes, result.timezone) == (True, (), zone)
    assert result.receipt.sent == len(asked)


@each
@pytest.mark.parametrize("echo", ["claimed", "silent"])
def test_a_week_that_is_a_day_is_asked_for_by_days(sample: Sample, echo: Any) -> None:
    """Where an answer fills no more than its first day, it is not believed to be of seven."""
    start = int(NOW) // 900 * 900 - 9 * DAY
    service = Service(sample, cap=DAY, echo=echo)
    result, asked = run(sample.outlined(start_at=start, end_at=start + 9 * DAY), service)
    assert sample.rows(result) == sample.truth(sample.ends(result.window))
    assert (len(asked), result.coverage.gaps()) == (9, ())


@pytest.mark.slow
@each
@examples(60)
@given(data=st.data())
def test_exactly_the_rows_inside(sample: Sample, data: st.DataObject) -> None:
    """Whatever their order, doubled or foreign; the last word counts, but a null replaces no value."""
    rng = data.draw(st.randoms(use_true_random=False))
    window = Window(W.start, W.start + data.draw(st.integers(0, 12)) * 900)
    there = [end for end in sample.ends(window) if rng.random() < 0.7]
    nulls = {end for end in there if rng.random() < 0.3}
    rows = [
        {**sample.row(end, *[None] * len(sample.figures)), "new": [1]}
        if end in nulls
        else sample.row(end, *sample.values(end))
        for end in there
    ]
    stale = {end: sample.row(end, *[7] * len(sample.figures)) for end in there if rng.random() < 0.2}
    foreign = [{"end_at": at} for at in (window.start, window.end + 8 * DAY, window.start - 1)]
    foreign = foreign[: rng.randrange(4)]
    mixed = foreign + rows
    rng.shuffle(mixed)
    body = sample.body([], **{sample.rows_in: [*stale.values(), *mixed]})
    part = sample.ask().request(window).decode(answer(body))
    got = {int(row[0]): row[1:] for row in sample.rows(part)}
    assert list(got) == there
    for end, values in got.items():
        known = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN is null
        null = [7 if end in stale else None] * len(values)
        assert known == (null if end in nulls else list(sample.values(end)))
    assert bool(part.coverage.notes) == bool(stale or foreign)
    assert part.coverage.complete is not bool(foreign)
    assert set(sample.reasons(part)) == set(sample.ends(window)) - set(there)


@each
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu"])
def test_a_list_for_each_local_day_is_one_list(sample: Sample, zone: str) -> None:
    """Or one list as it is; empty days among them, and null ones, of which nothing is known."""
    window = Window(W.start, W.start + 3 * DAY)
    body = sample.body(sample.ends(window))
    flat = sample.ask().request(window).decode(answer(body))
    days = nested_by_day(body[sample.rows_in], zone)
    assert len(days) == 4
    for told in (days, [[], *days], [*days[0], *days[1:]], [[], *days, None]):
        part = sample.ask().request(window).decode(answer({**body, sample.rows_in: told}))
        assert part == flat
        assert (part.coverage == flat.coverage) is part.coverage.complete is (told[-1] is not None)
    assert sample.rows(flat) == sample.truth(sample.ends(window))


@each
def test_a_day_without_rows_has_its_reason(sample: Sample) -> None:
    """No device is one where the service counts devices; it counts none of the grid, ever."""
    body = sample.body([], total_devices=0)
    part = sample.ask().request(W).decode(answer(body))
    counted = sample not in NESTED
    assert part.coverage.gaps() == (Gap(W, Reason.NO_DEVICE if counted else Reason.NO_ROW),)
    laid = sample.outlined(start_at=START - 60 * DAY)
    older = Window(W.start - DAY, W.start)
    assert laid.skip(part, older) is (Reason.NO_DEVICE if counted else None)
    part = sample.ask().request(W).decode(answer(sample.body([], total_devices=1)))
    assert {gap.reason for gap in part.coverage.gaps()} == {Reason.NO_ROW}


@own_today
def test_today_is_left_to_the_service(sample: Sample) -> None:
    """One request without parameters; its window is what the answer says, also without rows."""
    today = datetime.fromtimestamp(NOW, BERLIN).date()
    midnight = local_days(today, today, BERLIN).start
    window = Window(midnight, int(NOW) // 900 * 900)
    for ends in (sample.ends(window), []):
        body = sample.body(ends, start_at=midnight, end_at=int(NOW))
        result, asked = run(sample.outlined(), lambda _, body=body: answer(body))
        assert [request.params for request in asked] == [()]
        assert result.window.start == midnight
        grid = sample.grid if ends else sample.kind.limits.grid
        assert result.window.end == int(NOW) // grid * grid
        assert sample.rows(result) == sample.truth(ends)


def test_the_chargers_own_today_is_asked_for_by_its_start() -> None:
    """The service would answer for yesterday; so the time zone is needed, and asked for if not known."""
    sample = BY_NAME["ev_charger_telemetry"]
    plan = getattr(ApiV4(), sample.name)(SYSTEM, SERIAL)
    assert plan.zone_of == SYSTEM
    result, asked = run(sample.outlined(), Service(sample))
    today = datetime.fromtimestamp(NOW, BERLIN).date()
    midnight = local_days(today, today, BERLIN).start
    assert [request.params for request in asked] == [(("start_at", str(midnight)), ("granularity", "day"))]
    assert result.window == Window(midnight, int(NOW) // 900 * 900)
    assert result.coverage.gaps() == ()


@each
def test_local_days_are_whole(sample: Sample) -> None:
    """By the system's time zone, on the day of 25 hours as well."""
    days = {"start_date": date(2024, 10, 26), "end_date": date(2024, 10, 28)}
    result, asked = run(sample.outlined(**days), Service(sample))
    assert result.window == local_days(days["start_date"], days["end_date"], BERLIN)
    assert sample.rows(result) == sample.truth(sample.ends(result.window))
    assert len(asked) == 1
    sums = result.sums("day")
    energy = result.intervals.columns[result._energy]
    assert [day.expected * sample.grid // HOUR for day in sums] == [24, 25, 24]
    assert sum(day.wh for day in sums) == sum(energy)


@each
def test_what_is_beyond_retention_is_not_asked_for(sample: Sample) -> None:
    """The service keeps two years."""
    laid = sample.outlined(start_at=NOW - 800 * DAY, end_at=NOW - 740 * DAY)
    assert (laid.ordered, laid.pruned) == ((), 9)
    result, _ = run(laid, Service(sample))
    assert {gap.reason for gap in result.coverage.gaps()} == {Reason.BEYOND_RETENTION}


def refusal(status: int, details: object, **more: object) -> dict[str, object]:
    """Return the body of a refusal."""
    return {"message": "Refused", "details": details, "code": status, **more}


RANGE = (
    "Invalid request because of 'Requested date range is invalid for this system. "
    "{:start_at=>1, :end_at=>2, :first_interval=>%d, :last_interval=>%d}'"
)


@each
def test_refusals_that_are_answers(sample: Sample) -> None:
    """A range the system has nothing of, one in the future, and data that is not available for now."""
    window, laid = W, sample.ask().request(W)
    first, last = W.start + 900, W.end + 9000
    cases = [
        (422, refusal(422, RANGE % (last, last + 900)), Reason.BEFORE_OPERATION),
        (422, refusal(422, RANGE % (first - DAY, W.start)), Reason.NOT_REPORTED_YET),
        (422, refusal(422, "Requested date is in the future"), Reason.NOT_REPORTED_YET),
        (500, {"errorCode": 7, "errorMessages": ["Data is temporarily unavailable"]}, Reason.UNAVAILABLE),
    ]
    for status, body, reason in cases:
        part = part_of(laid, answer(body, status))
        assert part.coverage.gaps() == (Gap(window, reason),)
        assert part.coverage.complete == (reason is not Reason.UNAVAILABLE)
        assert (part.system_id, len(part.intervals)) == (SYSTEM, 0)
        assert getattr(part, "serial_number", SERIAL) == SERIAL


@each
def test_what_is_wrong_stays_an_error(sample: Sample) -> None:
    """A system or a device that is not there, no permission, an unreadable range."""
    for status, details, kind in (
        (404, 'System not found for {:id=>"1"}', NotFound),
        (404, 'Micro not found for {:id=>"1"}', NotFound),
        (400, ["Invalid granularity"], RangeError),
        (400, "Invalid system_id or serial_no", NotFound),
        (422, "Invalid date/time range", RangeError),
        (503, "", Unavailable),
    ):
        response = answer(refusal(status, details), status)
        failure = error_of(response, error_for, sample.name)
        assert type(failure) is kind
        assert sample.ask().request(W).empty_answer_for(failure) is None
    assert sample.ask().request(W).empty_answer_for(APIError("x", status=418)) is None


def test_a_system_without_a_heat_pump_has_no_data() -> None:
    """Which is an answer, while a system nobody knows is not."""
    sample = BY_NAME["hp_telemetry"]
    body = refusal(404, 'Heat pump not found for {:id=>"7"}')
    part = part_of(sample.ask().request(W), answer(body, 404))
    assert part.coverage.gaps() == (Gap(W, Reason.NO_DEVICE),)
    for other in SAMPLES:
        if other is not sample:
            assert part_of(other.ask().request(W), answer(body, 404)) is None


@of_devices
@pytest.mark.parametrize("wrong", ["", "  ", 12, None, "1/2", "..", ".", "1\n2", "1\x002", "\ud83c"])
def test_a_serial_number_that_cannot_be_one(sample: Sample, wrong: Any) -> None:
    """It would lead elsewhere, or nowhere: refused before anything is sent."""
    with pytest.raises(InputError, match="serial_number"):
        getattr(ApiV4(), sample.name)(SYSTEM, wrong)


@of_devices
def test_spaces_around_a_serial_number_do_not_count(sample: Sample) -> None:
    """It is often copied."""
    laid = laid_out(getattr(ApiV4(), sample.name)(SYSTEM, " 0123 ", start_at=START), NOW)
    path = next(laid.ordered[0].requests).path
    assert "/0123/" in path
    assert laid.merge([], [], Receipt()).serial_number == "0123"


@each
def test_a_range_that_makes_no_sense_is_refused_at_once(sample: Sample) -> None:
    """Before anything is asked."""
    with pytest.raises(InputError, match="swap them"):
        sample.outlined(start_at=2, end_at=1)


@pytest.mark.parametrize(
    ("said", "soc"),
    [("97%", 97.0), ("97.5 %", 97.5), (40, 40.0), (None, None), ("N/A", None), ("nan%", None), ("", None)],
)
def test_the_last_state_of_charge(said: object, soc: float | None) -> None:
    """Of all batteries and of one, as the service writes it; what is no share is not known."""
    battery, encharge = BY_NAME["battery"], BY_NAME["encharge_telemetry"]
    body = battery.body(battery.ends(W), last_reported_aggregate_soc=said)
    part = battery.ask().request(W).decode(answer(body))
    assert part.last_reported_aggregate_soc == soc
    body = encharge.body(encharge.ends(W), last_reported_soc=said, last_reported_time=NOW)
    one = encharge.ask().request(W).decode(answer(body))
    assert (one.last_reported_soc, one.last_reported_time) == (soc, datetime.fromtimestamp(NOW, UTC))
    bare = encharge.ask().request(W).decode(answer(encharge.body([])))
    assert (bare.last_reported_soc, bare.last_reported_time) == (None, None)


def test_the_newest_state_of_charge_is_that_of_the_answer() -> None:
    """Of the newest part that tells one."""
    sample, start = BY_NAME["battery"], int(NOW) // 900 * 900 - 21 * DAY
    said = iter(["10%", "20%", None])

    def server(request: Any) -> Any:
        window = request.window
        return answer(sample.body(sample.ends(window), last_reported_aggregate_soc=next(said)))

    result, _ = run(sample.outlined(start_at=start, end_at=start + 21 * DAY), server)
    assert result.last_reported_aggregate_soc == 20.0


def test_energy_of_batteries_is_added_up_each_way() -> None:
    """What came out, unless what went in is asked for."""
    for name in ("battery", "encharge_telemetry"):
        sample = BY_NAME[name]
        part = sample.ask("Europe/Berlin").request(W).decode(answer(sample.body(sample.ends(W))))
        columns = part.intervals.columns
        for way in ("charge", "discharge"):
            sums = part.sums("day", timezone="Europe/Berlin", of=way)
            assert sum(day.wh for day in sums) == sum(columns[way])
        assert part.sums("day", timezone="UTC") == part.sums("day", timezone="UTC", of="discharge")


def test_rows_have_units_and_nulls() -> None:
    """Whole numbers as the service sends them, null as None, instants as aware datetimes."""
    sample = BY_NAME["battery"]
    rows = [sample.row(W.end - 900, 5, 0.5, 25, 1, 4, 4), {"end_at": W.end, "charge": None, "soc": {}}]
    part = sample.ask().request(W).decode(answer(sample.body([], intervals=rows)))
    first, last = part.intervals
    assert first.end_at == datetime.fromtimestamp(W.end - 900, UTC)
    assert (first.charge, first.discharge, first.soc) == (5, 0.5, 25)
    assert (first.charge_devices_reporting, first.discharge_devices_reporting) == (1, 4)
    assert type(first.soc) is type(first.soc_devices_reporting) is int
    assert {getattr(last, name) for name in sample.figures} == {None}
    evse = BY_NAME["evse_telemetry"]
    rows = [{"end_at": W.end, "wh_consumed": -10}]
    assert evse.ask().request(W).decode(answer(evse.body([], intervals=rows))).intervals[0].wh_consumed == -10


CONSUMERS = [BY_NAME["evse_telemetry"], BY_NAME["hp_telemetry"]]


@pytest.mark.parametrize("sample", CONSUMERS, ids=lambda sample: sample.name)
@pytest.mark.parametrize("said", ["5mins", "15mins", "5 minutes", "15min", None, "", "hour"])
def test_the_answer_tells_its_grid(sample: Sample, said: str | None) -> None:
    """In words, or else by its rows."""
    for grid in (300, 900):
        if said and said[0] in "15" and not said.startswith(str(grid // 60)):
            continue
        ends = range(W.start + grid, W.end + 1, grid)
        body = sample.body(ends, interval_duration=said)
        part = sample.ask().request(W).decode(answer(body))
        assert (part.coverage.grid, part.coverage.gaps()) == (grid, ())
        assert sample.rows(part) == sample.truth(ends)
    assert (
        sample.ask().request(W).decode(answer(sample.body([], interval_duration=None))).coverage.grid == 900
    )


@pytest.mark.parametrize("sample", CONSUMERS, ids=lambda sample: sample.name)
def test_parts_of_two_grids_join_on_the_finer(sample: Sample) -> None:
    """A charger that was replaced: no row is lost, and every gap has its length."""
    start = int(NOW) // 900 * 900 - 14 * DAY

    def server(request: Any) -> Any:
        window = request.window
        grid = 900 if window.start == start else 300
        ends = [end for end in range(window.start + grid, window.end + 1, grid) if end % DAY != DAY // 2]
        return answer(sample.body(ends, interval_duration=f"{grid // 60}mins"))

    result, asked = run(sample.outlined(start_at=start, end_at=start + 14 * DAY), server)
    assert len(asked) == 2
    assert result.coverage.grid == 300
    assert len(result.intervals) == 7 * 95 + 7 * 287
    lengths = [gap.window.seconds for gap in result.coverage.gaps()]
    assert lengths == [900] * 7 + [300] * 7
    assert sum(day.wh for day in result.sums("day")) == sum(row[1] for row in sample.rows(result))


def test_an_answer_of_another_system() -> None:
    """It is kept in the error."""
    for sample in SAMPLES:
        with pytest.raises(DecodeError) as caught:
            sample.ask().request(W).decode(answer(sample.body(sample.ends(W), system_id=8)))
        assert caught.value.path == "$.system_id"


VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1.5, 1e300, 10**18, 10**40, "", "7%", W.start + 900, "\ud83c", [], {}, [None], [{}],
    [[{"end_at": W.end}]], "15mins", "2025-06-15T12:00:00+02:00",
)  # fmt: skip


@pytest.mark.slow
@each
@examples(100)
@given(data=st.data(), window=st.sampled_from([None, W]), zone=st.sampled_from([None, "Europe/Berlin"]))
def test_anything_is_a_value_or_one_of_our_errors(
    sample: Sample, data: st.DataObject, window: Window | None, zone: str | None
) -> None:
    """And of a value everything can be used."""
    rng = data.draw(st.randoms(use_true_random=False))
    body: Any = sample.body(
        sample.ends(W)[:8], start_at=W.start, end_at=W.end, last_reported_soc="9%", last_reported_time=5
    )
    if sample in NESTED and data.draw(st.booleans()):
        body["intervals"] = nested_by_day(body["intervals"], "UTC")
    for _ in range(data.draw(st.integers(0, 3))):
        body = mutated(body, data.draw(st.sampled_from(VALUES)), rng)
    response = answer(json.dumps(body).encode())
    unread = None
    try:
        part = part_of(sample.ask(zone).request(window), response)
    except DecodeError as error:
        unread = error
    if unread is not None:
        assert unread.response is response
        return
    json.dumps(part.to_dict(), allow_nan=False)
    assert len(list(part.intervals)) == part.coverage.got
    assert sum(day.expected for day in part.sums("day", timezone="Asia/Tokyo")) == part.coverage.expected
    assert pickle.loads(pickle.dumps(part)) == copy.deepcopy(part) == part  # noqa: S301 - our own
    assert hash(part) == hash(copy.copy(part))


def test_when_it_was_fetched() -> None:
    """The service's own time of the answer, and how far there are rows."""
    for sample in SAMPLES:
        part = sample.ask().request(W).decode(answer(sample.body(sample.ends(W)[:2])))
        assert part.coverage.as_of == datetime.fromtimestamp(DATE, UTC)
        assert part.coverage.reported_until is not None
