"""Readings of meters, and the month that is deprecated."""

from __future__ import annotations

import json
import linecache
from datetime import UTC, date, datetime
from typing import Any

import pytest

from enlighten_async.api.v2 import ApiV2
from enlighten_async.errors import DecodeError, InputError, RangeError, Unavailable
from enlighten_async.models import (
    Meta,
    MeterReading,
    MonthlyMeterReading,
    MonthlyProduction,
    ProductionMeterReadings,
)
from tests.api.v2.answers import DATE
from tests.api.v2.single import asked, fetched, told

API = ApiV2()
monthly_production = API.monthly_production
production_meter_readings = API.production_meter_readings

NOW = datetime.fromtimestamp(DATE, UTC)
MARCH = date(2015, 3, 1)


def month(start: Any = MARCH) -> Any:
    """Ask for a month, which comes with a warning."""
    with pytest.warns(DeprecationWarning, match=r"energy_lifetime .* production_meter_readings"):
        return monthly_production(7, start)


def month_of_march() -> Any:
    """Stand between the plan and whoever is warned, as a method of the client does."""
    return monthly_production(7, MARCH)


@pytest.mark.parametrize("moment", [DATE, int(DATE), DATE + 0.9, NOW])
def test_readings_until_an_instant(moment: Any) -> None:
    """In whole seconds; by default the service's own now."""
    request = asked(production_meter_readings(7, end_at=moment))
    assert (request.path, request.params) == (
        "/systems/7/production_meter_readings",
        (("end_at", str(int(DATE))),),
    )
    assert asked(production_meter_readings(7)).params == ()


@pytest.mark.parametrize("wrong", [MARCH, NOW.replace(tzinfo=None), "now", -1, True])
def test_what_is_no_instant_is_refused(wrong: Any) -> None:
    """By name."""
    with pytest.raises(InputError, match="end_at"):
        production_meter_readings(7, end_at=wrong)


@pytest.mark.slow
@pytest.mark.parametrize("read_at", [DATE, NOW.isoformat(), "2025-06-24T23:20:00+02:00"])
def test_readings(read_at: object) -> None:
    """Serial numbers are texts; instants are in UTC."""
    body = {
        "system_id": 7,
        "meter_readings": [
            {"serial_number": "0123EIM1", "value": 6_180_635, "read_at": read_at, "new": 1},
            {"serial_number": "0124", "value": None, "read_at": None},
        ],
        "meta": {"status": "normal"},
    }
    first, second = MeterReading("0123EIM1", 6_180_635, NOW), MeterReading("0124")
    readings = told(production_meter_readings(7), body)
    assert readings == ProductionMeterReadings(7, (first, second), Meta("normal"))
    assert (list(readings), readings[-1], len(readings), readings.as_of) == ([first, second], second, 2, NOW)
    assert json.loads(json.dumps(readings.to_dict()))["meter_readings"][0]["read_at"] == NOW.isoformat()


@pytest.mark.parametrize("body", [{"meter_readings": []}, {"meter_readings": [], "meta": None}])
def test_without_meters_there_are_no_readings(body: dict[str, Any]) -> None:
    """An empty answer."""
    assert told(production_meter_readings(7), {"system_id": 7, **body}) == ProductionMeterReadings(7)


def test_a_month() -> None:
    """With the readings of meters at both ends."""
    body = {
        "system_id": 7,
        "start_date": "2015-03-01",
        "end_date": "2015-03-31T00:00:00-07:00",
        "production_wh": 844_718,
        "meter_readings": [{"serial_number": "0123", "start": 5, "end": 844_723}, {"serial_number": "0124"}],
        "meta": {"status": "normal"},
    }
    got = told(month(), body)
    meters = (MonthlyMeterReading("0123", 5, 844_723), MonthlyMeterReading("0124"))
    assert got == MonthlyProduction(7, MARCH, date(2015, 3, 31), 844_718, meters, Meta("normal"))
    assert (got.as_of, json.loads(json.dumps(got.to_dict()))["end_date"]) == (NOW, "2015-03-31")
    early = {name: body[name] for name in ("system_id", "start_date", "production_wh")}
    assert told(month(), early) == MonthlyProduction(7, MARCH, None, 844_718)


def test_a_month_is_asked_for_by_its_first_day() -> None:
    """The warning is for whoever called; one that is no date warns of nothing."""
    request = asked(month())
    assert (request.path, request.params) == (
        "/systems/7/monthly_production",
        (("start_date", "2015-03-01"),),
    )
    with pytest.warns(DeprecationWarning, match="monthly_production is deprecated") as caught:
        month_of_march()
    line = linecache.getline(caught[0].filename, caught[0].lineno)
    assert (caught[0].filename, line.strip()) == (__file__, "month_of_march()")
    for wrong in (NOW, "2015-03-01", None):
        with pytest.raises(InputError, match="start_date must be a date"):
            monthly_production(7, wrong)  # type: ignore[arg-type]


def test_refusals_keep_the_services_number() -> None:
    """Data that is not available for now, and a range that is invalid."""
    error = told(month(), {"errorCode": 7, "errorMessages": ["Data temporarily unavailable."]}, 500)
    assert (type(error), error.error_code) == (Unavailable, 7)
    error = told(month(), {"errorMessages": ["start_date must be a month ago"]}, 422)
    assert (type(error), error.error_code) == (RangeError, None)


def test_what_cannot_be_read_is_an_error() -> None:
    """It says where."""
    for readings in ({}, {"meter_readings": None}, {"meter_readings": {}}):
        error = told(production_meter_readings(7), {"system_id": 7, **readings})
        assert isinstance(error, DecodeError)
        assert error.path == "$.meter_readings"
    assert isinstance(told(month(), {"system_id": 7, "meter_readings": None}), DecodeError)


NO_METERS = {"system_id": 7, "meter_readings": []}


async def test_through_a_client() -> None:
    """The URL as the service sees it."""
    readings, url = await fetched(production_meter_readings(7, end_at=5), 200, NO_METERS)
    assert "/systems/7/production_meter_readings?end_at=5&" in url
    assert readings == ProductionMeterReadings(7)
