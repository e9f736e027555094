"""Energy of whole days: what is asked, what an answer says, and which refusals are answers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v2 import ApiV2
from enlighten_async.api.v2.api import error_for
from enlighten_async.errors import (
    AuthenticationError,
    DecodeError,
    InputError,
    NotFound,
    RangeError,
    ServerError,
    ServiceRetired,
    Unavailable,
)
from enlighten_async.models import ConsumptionLifetime, EnergyLifetime, LifetimeDay, Meta, Reason
from tests.api.v2.answers import DATE, answer
from tests.api.v2.single import asked, fetched, told
from tests.effort import examples

NOW = datetime.fromtimestamp(DATE, UTC)
TODAY = NOW.date()
INVALID = "Requested date range is invalid for this system"
NOT_AUTHORIZED = "Not authorized to access requested resource."
NO_METER = "The given system does not contain any active and enabled consumption meter"
energy_lifetime, consumption_lifetime = ApiV2().energy_lifetime, ApiV2().consumption_lifetime
BOTH = {energy_lifetime: EnergyLifetime, consumption_lifetime: ConsumptionLifetime}
both = pytest.mark.parametrize("lifetime", BOTH)
DAYS = st.dates(date(1971, 1, 1), date(9998, 12, 31))


@both
@examples(100)
@given(first=st.none() | DAYS, last=st.none() | DAYS)
def test_days_are_asked_for_as_they_are(lifetime: Any, first: date | None, last: date | None) -> None:
    """Both inclusive, each left out if it is not given; one that ends before it begins is refused."""
    if first and last and last < first:
        with pytest.raises(InputError, match=f"end_date {last} is before start_date {first}"):
            lifetime(7, start_date=first, end_date=last)
        return
    request = asked(lifetime(7, start_date=first, end_date=last))
    given = (("start_date", first), ("end_date", last))
    assert request.params == tuple((name, str(day)) for name, day in given if day)
    assert (request.endpoint, request.path) == (lifetime.__name__, f"/systems/7/{lifetime.__name__}")


@both
@pytest.mark.parametrize("name", ["start_date", "end_date"])
@pytest.mark.parametrize("wrong", [NOW, "2025-06-01", 20250601, date(1970, 1, 1), date.max])
def test_what_is_no_day_is_refused(lifetime: Any, name: str, wrong: Any) -> None:
    """Before anything is asked, by name."""
    with pytest.raises(InputError, match=name):
        lifetime(7, **{name: wrong})


def test_series_apart_are_asked_for_by_all() -> None:
    """The only word the service knows; it would take no notice of another."""
    request = asked(energy_lifetime(7, start_date=TODAY, production="all"))
    assert request.params == (("start_date", str(TODAY)), ("production", "all"))
    for wrong in ("micro", "", True, "ALL"):
        with pytest.raises(InputError, match="production must be 'all'"):
            energy_lifetime(7, production=wrong)  # type: ignore[arg-type]


def test_an_answer_with_everything() -> None:
    """Three series on one axis; unknown fields are left out."""
    body = {
        "system_id": 7,
        "start_date": "2024-02-28",
        "meter_start_date": "2024-03-01",
        "production": [5, 0, 7],
        "micro_production": [5, 0, None],
        "meter_production": [0, 3],
        "meta": {"status": "normal", "last_report_at": DATE},
        "new": [1],
    }
    lifetime = told(energy_lifetime(7, production="all"), body)
    assert lifetime == EnergyLifetime(
        7,
        date(2024, 2, 28),
        (5, 0, 7),
        date(2024, 3, 1),
        (5, 0, None),
        (0, 3),
        meta=Meta("normal", NOW),
    )
    assert (lifetime.reason, lifetime.as_of) == (None, NOW)
    assert list(lifetime) == [
        LifetimeDay(date(2024, 2, 28), 5, 5, 0),
        LifetimeDay(date(2024, 2, 29), 0, 0, 3),
        LifetimeDay(date(2024, 3, 1), 7, None, None),
    ]


def test_an_answer_of_the_first_years() -> None:
    """One series and nothing else; zeros at its end are kept, as nobody can tell what they mean."""
    lifetime = told(energy_lifetime(7), {"system_id": 7, "start_date": "2010-01-01", "production": [9, 0, 0]})
    assert lifetime == EnergyLifetime(7, date(2010, 1, 1), (9, 0, 0))
    assert lifetime[-1] == LifetimeDay(date(2010, 1, 3), 0)


@pytest.mark.parametrize(
    "start", ["2025-06-01", "2025-06-01T00:00:00-07:00", "2025-06-01T00:00:00+13:00", 1_748_761_200]
)
def test_a_start_in_any_form_is_the_same_day(start: object) -> None:
    """A date, or the system's midnight in either format of instants."""
    body = {"system_id": 7, "start_date": start, "consumption": [1, 2]}
    assert [day.date for day in told(consumption_lifetime(7), body)] == [date(2025, 6, 1), date(2025, 6, 2)]


@pytest.mark.parametrize("left_out", [{}, {"system_id": None, "start_date": None}])
def test_what_an_answer_leaves_out_is_known_from_the_question(left_out: dict[str, None]) -> None:
    """The service left out the system now and then."""
    plan = consumption_lifetime(7, start_date=date(2025, 6, 1))
    assert told(plan, {**left_out, "consumption": [4]}) == ConsumptionLifetime(7, date(2025, 6, 1), (4,))
    said = {"system_id": 7, "start_date": "2025-06-03", "consumption": [4]}
    assert told(plan, said) == ConsumptionLifetime(7, date(2025, 6, 3), (4,))


@both
@pytest.mark.parametrize("start", [None, "2025-06-01"])
@pytest.mark.parametrize(("values", "reason"), [(None, Reason.LEFT_OUT), ([], Reason.NOT_REPORTED_YET)])
def test_an_answer_without_days_has_a_reason(
    lifetime: Any, start: str | None, values: Any, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    """It never produced, or not in these days; null in place of the list does not tell that."""
    name = "production" if lifetime is energy_lifetime else "consumption"
    answered = told(lifetime(7), {"system_id": 7, "start_date": start, name: values, "meta": {"status": "x"}})
    assert answered == BOTH[lifetime](7, None, (), meta=Meta("x"), reason=reason)
    assert (len(answered), answered.coverage.complete) == (0, values is not None)
    assert len([each for each in caplog.records if "not complete" in each.message]) == (values is None)


CUT_FROM, CUT_TO = TODAY - timedelta(days=60), TODAY - timedelta(days=51)


@both
@pytest.mark.parametrize(
    ("days", "reported", "began", "left_out", "open_"),
    [
        (10, 0, 900, 0, 0),
        (6, 0, 900, 4, 0),
        (9, 0, 900, 1, 0),
        (6, 47, 900, 4, 0),  # a day may be late
        (6, 50, 900, 2, 2),
        (6, 53, 900, 0, 4),
        (6, 70, 900, 0, 4),
        (6, None, 900, 0, 4),
        (6, 0, None, 4, 0),
        (6, 0, 10, 4, 0),  # the day of operation may have been set by hand
    ],
)
def test_a_list_that_ends_before_the_last_report_was_cut(
    lifetime: Any, days: int, reported: int | None, began: int | None, left_out: int, open_: int
) -> None:
    """Of days after that, nothing was reported yet; what is reported and not listed makes it incomplete."""
    name = "production" if lifetime is energy_lifetime else "consumption"
    moments = {"last_report_at": reported, "last_energy_at": reported, "operational_at": began}
    meta = {key: None if ago is None else DATE - ago * 86_400 for key, ago in moments.items()}
    body = {"system_id": 7, "start_date": str(CUT_FROM), name: [5] * days, "meta": meta}
    got = told(lifetime(7, start_date=CUT_FROM, end_date=CUT_TO), body)
    gaps = {gap.reason: gap.window.seconds // 86_400 for gap in got.missing if gap.window.seconds}
    expected = {Reason.LEFT_OUT: left_out, Reason.NOT_REPORTED_YET: open_}
    assert gaps == {reason: length for reason, length in expected.items() if length}
    assert (len(got), got.coverage.complete, bool(got.notes)) == (days, not left_out, bool(left_out))


@both
@pytest.mark.parametrize(
    ("reported", "complete"), [(0, False), (46, False), (47, False), (55, True), (None, True)]
)
def test_a_list_without_an_end_is_cut_likewise(lifetime: Any, reported: int | None, complete: bool) -> None:
    """By default it ends by the last day that was reported: one that ends before is not complete."""
    name = "production" if lifetime is energy_lifetime else "consumption"
    moment = None if reported is None else DATE - reported * 86_400
    meta = {"last_report_at": moment, "last_energy_at": moment, "operational_at": DATE - 900 * 86_400}
    body = {"system_id": 7, "start_date": str(CUT_FROM), name: [5] * 6, "meta": meta}
    got = told(lifetime(7, start_date=CUT_FROM), body)
    assert (len(got), got.coverage.complete, bool(got.notes)) == (6, complete, not complete)


@both
def test_an_empty_list_is_cut_only_of_what_each_system_has(lifetime: Any) -> None:
    """It produces; it need not have a meter of its consumption."""
    name = "production" if lifetime is energy_lifetime else "consumption"
    meta = {"last_report_at": DATE, "last_energy_at": DATE, "operational_at": DATE - 900 * 86_400}
    body = {"system_id": 7, "start_date": str(CUT_FROM), name: [], "meta": meta}
    got = told(lifetime(7, start_date=CUT_FROM, end_date=CUT_TO), body)
    assert got.coverage.complete is (lifetime is consumption_lifetime)
    later = body | {"meta": meta | {"operational_at": DATE}}
    assert told(lifetime(7, start_date=CUT_FROM, end_date=CUT_TO), later).coverage.complete


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"production": [1]}, "$"),
        ({"start_date": "9999-12-30", "production": [1, 2]}, "$.start_date"),
        ({"start_date": "soon", "production": [1]}, "$.start_date"),
        ({"start_date": 1_748_761_201, "production": [1]}, "$.start_date"),
        ({"start_date": "2025-06-01", "production": 1}, "$.production"),
        ({"start_date": "2025-06-01"}, "$.production"),
        ({"message": "a refusal with 200"}, "$"),
        ([], "$"),
    ],
)
def test_what_cannot_be_read_is_an_error(body: object, path: str) -> None:
    """Values without days among it; it says where."""
    error = told(energy_lifetime(7), body)
    assert isinstance(error, DecodeError)
    assert error.path == path


FIRST, LAST = date(2025, 5, 2), date(2025, 5, 8)
WEEK = {"start_date": FIRST, "end_date": LAST}
HEAD, TAIL, OUT = Reason.NO_ROW, Reason.NOT_REPORTED_YET, Reason.LEFT_OUT


@both
@pytest.mark.parametrize(
    ("start", "count", "held", "gaps"),
    [
        ("2025-05-02", 7, (2, 7), []),
        ("2025-05-02", 9, (2, 7), []),  # the service took no notice of the last day
        ("2025-05-02", 3, (2, 3), [(TAIL, 4)]),
        ("2025-05-04", 5, (4, 5), [(HEAD, 2)]),
        ("2025-05-04", 2, (4, 2), [(HEAD, 2), (TAIL, 3)]),
        ("2025-05-01", 8, (2, 7), [(OUT, 0)]),
        ("2025-05-01", 3, (2, 2), [(TAIL, 5), (OUT, 0)]),
        ("2020-01-01", 7, None, [(OUT, 7)]),
        ("2025-05-02", 0, None, [(TAIL, 7)]),
        ("2025-05-02", 400, (2, 7), [(OUT, 0)]),  # days that have not begun: what are the others worth?
        ("2030-01-01", 7, None, [(OUT, 7)]),
    ],
)
def test_days_that_were_asked_for_and_no_others(
    lifetime: Any, start: str, count: int, held: tuple[int, int] | None, gaps: list[tuple[Reason, int]]
) -> None:
    """Each asked day has a value or a gap, and a day that was not asked for is not given out as one."""
    name = "production" if lifetime is energy_lifetime else "consumption"
    plan = lifetime(7, **WEEK)
    part = told(plan, {"system_id": 7, "start_date": start, name: [5] * count})
    days = [] if held is None else [date(2025, 5, held[0]) + timedelta(days=n) for n in range(held[1])]
    assert [day.date for day in part] == days
    coverage = part.coverage
    assert [(gap.reason, gap.window.seconds // 86_400) for gap in coverage.gaps()] == gaps
    assert (coverage.expected, coverage.got) == (7, len(days))
    assert coverage.complete == all(reason is not OUT for reason, _ in gaps)
    assert bool(coverage.notes) == any(reason is OUT for reason, _ in gaps)
    valid_until, now = asked(plan).valid_until, DATE + 0.0
    whole = not any(reason in {TAIL, OUT} for reason, _ in gaps)
    assert (valid_until(part, now + 40 * 86_400, None) == float("inf")) == whole


@both
@pytest.mark.parametrize(("began", "reason"), [(3, Reason.BEFORE_OPERATION), (1, Reason.NO_ROW)])
def test_a_later_start_is_that_of_operation_if_the_answer_says_so(
    lifetime: Any, began: int, reason: Reason
) -> None:
    """Otherwise there is just no value."""
    name = "production" if lifetime is energy_lifetime else "consumption"
    meta = {"status": "normal", "operational_at": datetime(2025, 5, began, 20, tzinfo=UTC).timestamp()}
    part = told(
        lifetime(7, **WEEK), {"system_id": 7, "start_date": "2025-05-04", name: [5] * 5, "meta": meta}
    )
    assert [gap.reason for gap in part.coverage.gaps()] == [reason]


@both
def test_days_that_have_not_begun(lifetime: Any) -> None:
    """They are left out without an end as well; in the east it may be tomorrow already."""
    name = "production" if lifetime is energy_lifetime else "consumption"
    body = {"system_id": 7, "start_date": str(TODAY), name: [5] * 5_000}
    part = told(lifetime(7), body)
    assert [day.date for day in part][1:] == [TODAY + timedelta(1)] * (NOW.hour >= 10)
    assert not part.coverage.complete
    assert part.coverage.notes == ("days that have not begun were left out",)
    assert len(told(lifetime(7), body, date=None)) == 5_000  # nobody knows what day it is
    ahead = told(lifetime(7, start_date=TODAY, end_date=date(9998, 1, 1)), {**body, name: [5]})
    assert ahead.coverage.complete
    assert ahead.coverage.expected in {1, 2}


def invalid(**days: object) -> dict[str, object]:
    """Return the refusal of a range."""
    return {"reason": INVALID, **days}


NEAR = [TODAY - timedelta(1), TODAY, TODAY + timedelta(1)]
PAST = date(2024, 1, 9)


@both
@pytest.mark.parametrize(
    ("asked_for", "status", "body", "reason"),
    [
        *(((day, None), 422, invalid(), Reason.NOT_REPORTED_YET) for day in NEAR),
        *(((day, day), 422, invalid(), Reason.NOT_REPORTED_YET) for day in NEAR),
        ((PAST, None), 422, invalid(start="2024-01-09", end="2024-01-01"), Reason.NOT_REPORTED_YET),
        ((PAST, PAST), 422, invalid(start="2024-01-09", end="2024-01-01"), Reason.NOT_REPORTED_YET),
        ((PAST, PAST), 422, invalid(start="2024-02-01", end="2024-01-09"), Reason.BEFORE_OPERATION),
        ((None, None), 422, invalid(), Reason.NOT_REPORTED_YET),
        ((None, PAST), 422, invalid(start="2024-06-01", end="2024-01-09"), Reason.BEFORE_OPERATION),
    ],
)
def test_nothing_yet_is_an_answer(
    lifetime: Any, asked_for: Any, status: int, body: object, reason: Reason
) -> None:
    """Empty, with a reason, and the time of the refusal."""
    first, last = asked_for
    answered = told(lifetime(7, start_date=first, end_date=last), body, status)
    assert answered == BOTH[lifetime](7, None, (), reason=reason)
    assert (answered.as_of, len(answered)) == (NOW, 0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (204, b""),
        (401, {"message": NO_METER}),
        (422, {"message": NO_METER}),
        (404, {"reason": "404", "message": ["Resource not found."]}),
        (404, {"reason": "404", "message": ["Resource not found"]}),
    ],
)
def test_without_a_meter_of_consumption_it_is_an_answer(status: int, body: object) -> None:
    """As the service has said it in several ways."""
    answered = told(consumption_lifetime(7), body, status)
    assert answered == ConsumptionLifetime(7, None, (), reason=Reason.NO_DEVICE)
    assert answered.as_of == NOW


def test_no_content_is_nothing_yet() -> None:
    """Of production; there are always microinverters, or a meter."""
    assert told(energy_lifetime(7), b"", 204) == EnergyLifetime(7, None, (), reason=Reason.NOT_REPORTED_YET)


FUTURE = {"reason": "Requested date is in the future", "start": "2030-01-01", "end": "2025-06-01"}
PARSE = {"reason": "Failed to parse date x", "start": "2025-06-24", "end": "2025-06-23"}


@both
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (422, FUTURE, RangeError),
        (422, PARSE, RangeError),
        (422, invalid(), RangeError),
        (422, invalid(start="2024-01-09", end="2024-01-09"), RangeError),
        (422, invalid(start=5, end=None), RangeError),
        (422, b"<html>", ServerError),
        (401, {"reason": "401", "message": [NOT_AUTHORIZED]}, AuthenticationError),
        (404, {"reason": "404", "message": ["Couldn't find Site with 'id'=7"]}, NotFound),
        (500, {"errorCode": 7, "errorMessages": ["Data temporarily unavailable."]}, Unavailable),
        (500, {"reason": "500", "message": ["Resource not found; consumption meter"]}, ServerError),
    ],
)
def test_what_is_wrong_stays_an_error(lifetime: Any, status: int, body: object, kind: type) -> None:
    """Rather than an answer that there is nothing."""
    assert type(told(lifetime(7, start_date=PAST), body, status)) is kind


def test_production_of_a_missing_system_stays_an_error() -> None:
    """Only consumption is ever not found for want of a meter."""
    missing = {"reason": "404", "message": ["Resource not found."]}
    assert type(told(energy_lifetime(7), missing, 404)) is NotFound


def test_the_retired_service_is_no_missing_meter() -> None:
    """A page that says that nothing is there comes from the host, not from the service."""
    gone = error_for(answer(b"<html>Resource not found", 404), official=True)
    assert type(gone) is ServiceRetired
    assert asked(consumption_lifetime(7)).empty_answer_for(gone) is None


def test_a_past_start_is_not_today_without_the_services_time() -> None:
    """A refusal that says neither the time nor its range says nothing."""
    assert type(told(energy_lifetime(7, start_date=TODAY), invalid(), 422, date=None)) is RangeError
    for start in (TODAY - timedelta(2), TODAY + timedelta(2)):
        assert type(told(energy_lifetime(7, start_date=start), invalid(), 422)) is RangeError


async def test_through_a_client() -> None:
    """Answers, refusals that are answers, and the URL as the service sees it."""
    body = {"system_id": 7, "start_date": "2025-06-01", "production": [1, 2]}
    lifetime, url = await fetched(
        energy_lifetime(7, start_date=date(2025, 6, 1), production="all"), 200, body
    )
    assert (lifetime, lifetime.as_of) == (EnergyLifetime(7, date(2025, 6, 1), (1, 2)), NOW)
    assert "/systems/7/energy_lifetime?start_date=2025-06-01&production=all&" in url
    assert json.loads(json.dumps(lifetime.to_dict()))["production"] == [1, 2]
    empty, _ = await fetched(energy_lifetime(7, start_date=TODAY), 422, invalid())
    assert (empty.reason, empty.as_of) == (Reason.NOT_REPORTED_YET, NOW)
    none, _ = await fetched(consumption_lifetime(7), 204)
    assert none.reason is Reason.NO_DEVICE
