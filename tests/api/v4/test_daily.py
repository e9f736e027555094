"""Energy of whole days that single devices used: what is asked, what an answer says, what is no answer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4 import ApiV4
from enlighten_async.api.v4.errors import error_for
from enlighten_async.errors import DecodeError, InputError, NotFound, RangeError
from enlighten_async.models import EvChargerLifetime, EvseLifetime, HpLifetime, Reason, Receipt
from enlighten_async.wire import Request
from tests.api.laid_out import laid_out
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, answer
from tests.effort import examples

NOW = datetime.fromtimestamp(DATE, UTC)
LATER = DATE + 2 * 86_400
TODAY, PAST = NOW.date(), date(2024, 1, 9)
CALLS: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "evse_lifetime": (EvseLifetime, ("1 2",), "1%202/evse_lifetime"),
    "hp_lifetime": (HpLifetime, (), "hp_lifetime"),
    "ev_charger_lifetime": (EvChargerLifetime, ("1 2",), "ev_charger/1%202/lifetime"),
}
each = pytest.mark.parametrize("name", CALLS)


def asked(name: str, start_date: date | None = PAST, end_date: date | None = None) -> Request[Any]:
    """Return the request of a call."""
    _, args, _ = CALLS[name]
    plan = getattr(ApiV4(), name)(7, *args, start_date=start_date, end_date=end_date)
    (segment,) = laid_out(plan, LATER).ordered
    request = next(segment.requests)
    with pytest.raises(StopIteration):
        segment.requests.send(object())
    return request


def told(request: Request[Any], body: object, status: int = 200) -> Any:
    """Return what an answer becomes: a value, or the error a caller would get (not raised)."""
    response = answer(body, status)
    refusal = error_of(response, error_for, request.endpoint)
    if refusal is None:
        return request.decode(response)
    part = request.empty_answer_for(refusal)
    return refusal if part is None else part


def expected(name: str, start: date | None, values: tuple[int | None, ...], **more: Any) -> Any:
    """Return an answer of these days."""
    model, args, _ = CALLS[name]
    return model(7, start, values, **({"serial_number": args[0]} if args else {}), **more)


@each
def test_days_are_asked_for_as_the_family_writes_them(name: str) -> None:
    """With hyphens or without; the serial number is a part of the path."""
    request = asked(name, PAST, TODAY)
    written = ("20240109", "20250624") if name == "ev_charger_lifetime" else ("2024-01-09", "2025-06-24")
    assert request.params == tuple(zip(("start_date", "end_date"), written, strict=True))
    assert (request.endpoint, request.path) == (name, f"/systems/7/{CALLS[name][2]}")
    assert len(asked(name).params) == 1


@each
def test_an_answer_is_a_value_a_day(name: str) -> None:
    """Null where the service has no figure."""
    lifetime = told(asked(name), {"system_id": 7, "start_date": "2024-11-22", "consumption": [40, None, 0]})
    assert lifetime == expected(name, date(2024, 11, 22), (40, None, 0))
    assert [(day.date.day, day.wh) for day in lifetime] == [(22, 40), (23, None), (24, 0)]
    assert lifetime.as_of == NOW
    assert json.loads(json.dumps(lifetime.to_dict()))["consumption"] == [40, None, 0]


DAY_TEXTS = st.dates(date(2024, 1, 9), date(2024, 3, 31))


@examples(60)
@given(
    values=st.dictionaries(DAY_TEXTS, st.integers(0, 90_000), min_size=1, max_size=8),
    dashed=st.booleans(),
    start=st.sampled_from([None, "20210101", 20210101, "2021-01-01"]),
)
def test_values_by_dates_are_in_order_of_the_days(
    values: dict[date, int], start: object, *, dashed: bool
) -> None:
    """In either way of writing them, days without a value among them; they tell the first day."""
    keyed = {str(day) if dashed else f"{day:%Y%m%d}": wh for day, wh in values.items()}
    lifetime = told(asked("ev_charger_lifetime"), {"system_id": 7, "start_date": start, "consumption": keyed})
    assert {day.date: day.wh for day in lifetime if day.wh is not None} == values
    assert (lifetime[0].date, lifetime[-1].date) == (min(values), max(values))
    assert len(lifetime) == (max(values) - min(values)).days + 1


@pytest.mark.parametrize("start", ["20240109", 20240109, "2024-01-09", 1_704_787_200, None])
def test_values_by_places_begin_at_the_start(start: object) -> None:
    """Which may be written without hyphens, be the day's midnight in epoch seconds, or be left out."""
    for values in ({"0": 5, "10": 7, "2": 6}, [5, 6, 7]):
        body = {"system_id": 7, "start_date": start, "consumption": values}
        assert told(asked("ev_charger_lifetime"), body) == expected("ev_charger_lifetime", PAST, (5, 6, 7))


@each
@pytest.mark.parametrize("values", [None, [], {}])
def test_an_answer_without_days_has_a_reason(name: str, values: object) -> None:
    """It has not used anything yet, as far as is known."""
    if values == {} and name != "ev_charger_lifetime":
        return
    lifetime = told(asked(name), {"system_id": 7, "start_date": "2024-01-09", "consumption": values})
    reason = Reason.LEFT_OUT if values is None else Reason.NOT_REPORTED_YET
    assert lifetime == expected(name, None, (), reason=reason)
    assert lifetime.coverage.complete is (values is not None)


@pytest.mark.parametrize("name", ["evse_lifetime", "ev_charger_lifetime"])
@pytest.mark.parametrize("serial", ["other", 99, "N/A", "", 0, None, True, []])
def test_an_answer_about_another_device_is_refused(name: str, serial: object) -> None:
    """A serial number that tells none is no other device."""
    request = asked(name)
    body = {"system_id": 7, "start_date": "2024-01-09", "consumption": [5], "serial_number": serial}
    if serial in ("other", 99):
        with pytest.raises(DecodeError, match="another one") as caught:
            request.decode(answer(body))
        assert caught.value.path == "$.serial_number"
    else:
        plain = told(request, {each: body[each] for each in ("system_id", "start_date", "consumption")})
        assert told(request, body).serial_number == plain.serial_number


@pytest.mark.parametrize("values", [{"soon": 1, "x": 2}, {"20241301": 5}, "5", 5])
def test_what_cannot_be_read_is_an_error(values: object) -> None:
    """It keeps the answer."""
    response = answer({"system_id": 7, "start_date": "2024-01-09", "consumption": values})
    with pytest.raises(DecodeError) as caught:
        asked("ev_charger_lifetime").decode(response)
    assert caught.value.response is response


@each
def test_today_is_not_there_yet(name: str) -> None:
    """Whatever the family says of it; of another day it stays an error."""
    said: list[tuple[int, object]] = [
        (422, "Requested date is in the future"),
        (422, "Invalid request because of 'Invalid date/time range'"),
        (400, ["Invalid start_date/end_date"]),
    ]
    for status, details in said:
        body = {"message": "x", "code": status, "details": details}
        lifetime = told(asked(name, TODAY), body, status)
        assert lifetime == expected(name, None, (), reason=Reason.NOT_REPORTED_YET)
        assert lifetime.as_of == NOW
        assert type(told(asked(name, PAST), body, status)) is RangeError


def test_without_a_heat_pump_it_is_an_answer() -> None:
    """A system or a charger that is not there is none."""
    body = {"message": "Not Found", "code": 404, "details": 'Heat pump not found for {:id=>"7"}'}
    assert told(asked("hp_lifetime"), body, 404) == expected("hp_lifetime", None, (), reason=Reason.NO_DEVICE)
    for details in ('System not found for {:id=>"7"}', 'EV Charger not found for {:id=>"7"}'):
        for name in CALLS:
            failure = told(asked(name), {**body, "details": details}, 404)
            assert type(failure) is NotFound
    unknown = {"details": "Invalid system_id or serial_no", "code": "400"}
    assert type(told(asked("ev_charger_lifetime"), unknown, 400)) is NotFound


@pytest.mark.parametrize("name", ["evse_lifetime", "ev_charger_lifetime"])
@pytest.mark.parametrize("wrong", ["", "1/2", "..", 7])
def test_a_serial_number_that_cannot_be_one(name: str, wrong: Any) -> None:
    """Refused before anything is sent."""
    with pytest.raises(InputError, match="serial_number"):
        getattr(ApiV4(), name)(7, wrong, start_date=PAST)


@each
def test_days_out_of_order_are_refused(name: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InputError, match="swap them"):
        asked(name, TODAY, PAST)


def test_the_receipt_is_on_the_answer() -> None:
    """As of every query."""
    plan = ApiV4().hp_lifetime(7)
    part = expected("hp_lifetime", PAST, (1,))
    assert laid_out(plan, LATER, None).merge([part], [], Receipt(sent=1)).receipt.sent == 1
