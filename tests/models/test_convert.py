"""Results as plain values: JSON can write them, nothing is lost, null is null."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import fields
from cattrs import BaseValidationError
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.models import (
    ChannelInterval,
    Coverage,
    EnergyLifetime,
    Gap,
    Inventory,
    Meta,
    MeterIntervals,
    Reason,
    Receipt,
    RgmInterval,
    RgmStats,
    Summary,
    System,
    Systems,
)
from enlighten_async.models.convert import quantity_parser, structure
from enlighten_async.models.series import NAN, Series
from enlighten_async.models.systems import SystemsPage
from enlighten_async.windows import Window
from tests.effort import examples

NOON = datetime(2025, 6, 15, 14, tzinfo=timezone(timedelta(hours=2)))
RECEIPT = Receipt(sent=2, retried=1, waited={"minute": 1.5}, left={"minute": 8, "month": 9998})
PLAIN_RECEIPT = {
    "sent": 2,
    "rejected": 0,
    "retried": 1,
    "from_cache": 0,
    "waited": {"minute": 1.5},
    "left": {"minute": 8, "month": 9998},
}
META = Meta("normal", NOON, None, datetime(2008, 1, 26, tzinfo=UTC))
PLAIN_META = {
    "status": "normal",
    "last_report_at": "2025-06-15T12:00:00+00:00",
    "last_energy_at": None,
    "operational_at": "2008-01-26T00:00:00+00:00",
}


def plain(result: RgmStats | Summary | System | Systems) -> Any:
    """Write a result as strict JSON and read it again."""
    return json.loads(json.dumps(result.to_dict(), allow_nan=False))


def test_rgm_stats() -> None:
    """Rows of all series, windows and gaps, with nulls for what is unknown."""
    window = Window(1_750_000_500, 1_750_002_300)
    meter = MeterIntervals(
        "1EIM1",
        None,
        Series.of(ChannelInterval, [1, 2], [1_750_001_400] * 2, [63.00000000000001, NAN], [-1, NAN]),
    )
    coverage = Coverage(
        window,
        900,
        (Gap(Window(1_750_001_400, 1_750_002_300), Reason.NOT_REPORTED_YET),),
        as_of=NOON,
        notes=("odd",),
    )
    intervals = Series.of(RgmInterval, [1_750_001_400], [NAN], [250])
    stats = RgmStats(7, 1, META, window, "Europe/Berlin", intervals, (meter,), coverage, RECEIPT)
    end_at = "2025-06-15T15:30:00+00:00"
    assert plain(stats) == {
        "system_id": 7,
        "total_devices": 1,
        "meta": PLAIN_META,
        "window": {"start": 1_750_000_500, "end": 1_750_002_300},
        "timezone": "Europe/Berlin",
        "intervals": [{"end_at": end_at, "devices_reporting": None, "wh_del": 250}],
        "meter_intervals": [
            {
                "meter_serial_number": "1EIM1",
                "envoy_serial_number": None,
                "intervals": [
                    {"channel": 1, "end_at": end_at, "wh_del": 63.00000000000001, "curr_w": -1},
                    {"channel": 2, "end_at": end_at, "wh_del": None, "curr_w": None},
                ],
            }
        ],
        "coverage": {
            "window": {"start": 1_750_000_500, "end": 1_750_002_300},
            "grid": 900,
            "gaps": [
                {"window": {"start": 1_750_001_400, "end": 1_750_002_300}, "reason": "not_reported_yet"}
            ],
            "as_of": "2025-06-15T12:00:00+00:00",
            "reported_until": None,
            "notes": ["odd"],
        },
        "receipt": PLAIN_RECEIPT,
    }


def test_summary() -> None:
    """A day stays a day."""
    summary = Summary(7, energy_today=5, summary_date=date(2025, 6, 15), last_report_at=NOON, receipt=RECEIPT)
    written = plain(summary)
    assert list(written) == [field.name for field in fields(Summary)]
    assert {name: value for name, value in written.items() if value is not None} == {
        "system_id": 7,
        "energy_today": 5,
        "summary_date": "2025-06-15",
        "last_report_at": "2025-06-15T12:00:00+00:00",
        "evse_power": [],
        "receipt": PLAIN_RECEIPT,
    }


def test_systems() -> None:
    """Each system with its state, and by itself."""
    system = System(7, "Roof", timezone="US/Pacific", other_references=("a", "b"), meta=META)
    written = plain(system)
    assert list(written) == [field.name for field in fields(System)]
    assert {name: value for name, value in written.items() if value is not None} == {
        "system_id": 7,
        "system_name": "Roof",
        "timezone": "US/Pacific",
        "other_references": ["a", "b"],
        "meta": PLAIN_META,
    }
    assert plain(Systems((system,), complete=False, as_of=NOON, receipt=RECEIPT)) == {
        "systems": [written],
        "complete": False,
        "as_of": "2025-06-15T12:00:00+00:00",
        "receipt": PLAIN_RECEIPT,
    }


def test_systems_are_a_sequence() -> None:
    """Equal by the systems alone."""
    one, two = System(1), System(2)
    systems = Systems((one, two))
    assert (len(systems), systems[1], systems[:1], list(systems)) == (2, two, (one,), [one, two])
    assert one in systems
    assert list(reversed(systems)) == [two, one]
    assert systems == Systems((one, two), complete=False, as_of=NOON, receipt=RECEIPT)
    assert hash(systems) == hash(Systems((one, two), receipt=RECEIPT))
    assert systems != Systems((two, one))


def test_plain_values_become_models() -> None:
    """Epoch seconds may be whole or not; unknown fields are left out, a null list is empty."""
    page = structure(
        {
            "systems": [
                {
                    "system_id": 7.0,
                    "other_references": None,
                    "meta": {"status": None, "last_report_at": 0.5, "new": {}},
                    "new": [1],
                }
            ],
            "next": None,
        },
        SystemsPage,
    )
    assert page == SystemsPage((System(7, meta=Meta(None, datetime(1970, 1, 1, 0, 0, 0, 500_000, UTC))),))
    assert type(page.systems[0].system_id) is int
    summary = structure({"system_id": 7, "summary_date": "2024-02-29"}, Summary)
    assert summary.summary_date == date(2024, 2, 29)


@examples(200)
@given(
    epoch=st.integers(0, 4_000_000_000),
    minutes=st.integers(-14 * 60, 14 * 60),
    utc=st.sampled_from(["+00:00", "Z"]),
)
def test_an_instant_is_the_same_in_either_format(epoch: int, minutes: int, utc: str) -> None:
    """Epoch seconds, or ISO 8601 with any offset."""
    moment = datetime.fromtimestamp(epoch, timezone(timedelta(minutes=minutes)))
    for said in (epoch, float(epoch), moment.isoformat().replace("+00:00", utc)):
        got = structure({"last_report_at": said}, Meta).last_report_at
        assert (got, got and got.utcoffset()) == (moment, timedelta())


@examples(200)
@given(day=st.dates(date(1971, 1, 1), date(2100, 1, 1)), quarters=st.integers(-47, 47))
def test_a_date_is_the_same_in_every_format(day: date, quarters: int) -> None:
    """The date, or its local midnight in either format of instants."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone(quarters * timedelta(minutes=15)))
    for said in (day.isoformat(), midnight.isoformat(), midnight.timestamp()):
        assert structure({"system_id": 7, "summary_date": said}, Summary).summary_date == day


def test_what_is_ours_is_not_taken_from_the_service() -> None:
    """It may send fields by these names one day."""
    ours = {"as_of": 5, "receipt": {"sent": 9}, "reason": 7, "complete": False}
    for model in (Summary, Inventory):
        made = structure({"system_id": 7, **ours}, model)
        assert (made.as_of, made.receipt) == (None, Receipt())
    lifetime = {"system_id": 7, "start_date": None, "production": []}
    assert structure({**lifetime, **ours}, EnergyLifetime) == EnergyLifetime(7, None, ())


@pytest.mark.parametrize(
    ("said", "watts"),
    [
        (None, None),
        (0, 0),
        (186, 186),
        (18.5, 18.5),
        ({"value": 186, "units": "W", "precision": 0}, 186),
        ({"value": 1.5, "units": "kW"}, 1500),
        ({"value": 7}, 7),
        ({"value": 7, "units": None}, 7),
        ({"value": None, "units": "W"}, None),
        ({"units": "furlong"}, None),
        ({}, None),
    ],
)
def test_a_quantity_is_a_number_of_one_unit(said: object, watts: float | None) -> None:
    """A whole number stays one, as JSON shows."""
    got = quantity_parser({"W": 1, "kW": 1000})(said)
    assert (got, type(got)) == (watts, type(watts) if not isinstance(said, dict) or watts != 1500 else float)


@pytest.mark.parametrize(
    "wrong",
    [
        *("186", True, [186], float("inf"), {"value": "186"}, {"value": 1e308, "units": "kW"}),
        *({"value": 1, "units": "w"}, {"value": 1, "units": ["W"]}),
    ],
)
def test_a_quantity_of_another_kind_is_refused(wrong: object) -> None:
    """A number of who knows what is worse than none."""
    with pytest.raises((TypeError, ValueError)):
        quantity_parser({"W": 1, "kW": 1000})(wrong)


@pytest.mark.parametrize(
    ("raw", "model"),
    [
        ({"system_id": "7"}, System),
        ({"system_id": True}, System),
        ({"system_id": 7.5}, System),
        ({"system_id": None}, System),
        ({}, System),
        ({"system_id": 7, "system_name": 7}, System),
        ({"system_id": 7, "other_references": "ab"}, System),
        ({"system_id": 7, "other_references": {"a": 1}}, System),
        ({"system_id": 7, "other_references": [1]}, System),
        ({"system_id": 7, "meta": []}, System),
        ({"system_id": 7, "meta": {"last_report_at": "2025-06-15T12:00:00"}}, System),
        ({"system_id": 7, "meta": {"last_report_at": "2025-06-15"}}, System),
        ({"system_id": 7, "meta": {"last_report_at": "1750000000"}}, System),
        ({"system_id": 7, "meta": {"last_report_at": "noon"}}, System),
        ({"system_id": 7, "meta": {"last_report_at": True}}, System),
        ({"system_id": 7, "summary_date": True}, Summary),
        ({"system_id": 7, "summary_date": "2025-06-31T00:00:00Z"}, Summary),
        ({"system_id": 7, "summary_date": 20250615}, Summary),
        ({"system_id": 7, "summary_date": "15 June"}, Summary),
        ({"system_id": 7, "energy_today": float("inf")}, Summary),
        ({"systems": {}}, SystemsPage),
        ({"systems": "ab"}, SystemsPage),
        ({}, SystemsPage),
        ([], SystemsPage),
        (None, SystemsPage),
        ("systems", SystemsPage),
    ],
)
def test_other_values_are_refused(raw: object, model: type[Any]) -> None:
    """Rather than bent into shape."""
    with pytest.raises((BaseValidationError, TypeError), match=r"While structuring|not an object"):
        structure(raw, model)
