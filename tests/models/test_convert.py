"""Results as plain values: JSON can write them, nothing is lost, null is null."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.models import (
    Alarm,
    AlarmEvent,
    CellularModem,
    ChannelInterval,
    Coverage,
    EnergyLifetime,
    Envoys,
    Gap,
    Inventory,
    Meta,
    MeterIntervals,
    MicroInverter,
    Reason,
    Receipt,
    RgmInterval,
    RgmStats,
    Summary,
    System,
    SystemDevice,
    Systems,
)
from enlighten_async.models.convert import UnreadableError, parse_count, quantity_parser, structure
from enlighten_async.models.series import NAN, Series
from enlighten_async.models.systems import LaterSystemsPage, SystemsPage
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
    "failure": "",
}
META = Meta("normal", NOON, None, datetime(2008, 1, 26, tzinfo=UTC))
PLAIN_WINDOW = {"start_at": "2025-06-15T15:15:00+00:00", "end_at": "2025-06-15T15:45:00+00:00"}
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
        "window": PLAIN_WINDOW,
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
            "window": PLAIN_WINDOW,
            "grid": 900,
            "gaps": [
                {
                    "start_at": "2025-06-15T15:30:00+00:00",
                    "end_at": "2025-06-15T15:45:00+00:00",
                    "reason": "not_reported_yet",
                }
            ],
            "as_of": "2025-06-15T12:00:00+00:00",
            "reported_until": None,
            "notes": ["odd"],
            "complete": True,
            "got": 1,
            "expected": 2,
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
        "complete": True,
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
    page, odd = structure(
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
    assert tuple(odd) == ()
    summary, _ = structure({"system_id": 7, "summary_date": "2024-02-29"}, Summary)
    assert summary.summary_date == date(2024, 2, 29)


@examples(200)
@given(
    epoch=st.integers(1, 4_000_000_000),
    minutes=st.integers(-14 * 60, 14 * 60),
    utc=st.sampled_from(["+00:00", "Z"]),
)
def test_an_instant_is_the_same_in_either_format(epoch: int, minutes: int, utc: str) -> None:
    """Epoch seconds, or ISO 8601 with any offset."""
    moment = datetime.fromtimestamp(epoch, timezone(timedelta(minutes=minutes)))
    for said in (epoch, float(epoch), moment.isoformat().replace("+00:00", utc)):
        got = structure({"last_report_at": said}, Meta)[0].last_report_at
        assert (got, got and got.utcoffset()) == (moment, timedelta())


@examples(200)
@given(day=st.dates(date(1971, 1, 1), date(2100, 1, 1)), quarters=st.integers(-47, 47))
def test_a_date_is_the_same_in_every_format(day: date, quarters: int) -> None:
    """The date, or its local midnight in either format of instants."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=timezone(quarters * timedelta(minutes=15)))
    for said in (day.isoformat(), midnight.isoformat(), midnight.timestamp()):
        assert structure({"system_id": 7, "summary_date": said}, Summary) == (
            Summary(7, summary_date=day),
            {},
        )


def test_what_is_ours_is_not_taken_from_the_service() -> None:
    """It may send fields by these names one day."""
    ours = {"as_of": 5, "receipt": {"sent": 9}, "reason": 7, "complete": False}
    for model in (Summary, Inventory):
        made, _ = structure({"system_id": 7, **ours}, model)
        assert (made.as_of, made.receipt) == (None, Receipt())
    lifetime = {"system_id": 7, "start_date": None, "production": []}
    assert structure({**lifetime, **ours}, EnergyLifetime) == (EnergyLifetime(7, None, ()), {})


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
    ("raw", "model", "path"),
    [
        ({"system_id": "7a"}, System, ("system_id",)),
        ({"system_id": True}, System, ("system_id",)),
        ({"system_id": 7.5}, System, ("system_id",)),
        ({"system_id": None}, System, ("system_id",)),
        ({}, System, ("system_id",)),
        ({"systems": {}}, SystemsPage, ("systems",)),
        ({"systems": "ab"}, SystemsPage, ("systems",)),
        ({"systems": None}, SystemsPage, ("systems",)),
        ({"systems": [{}, 5]}, SystemsPage, ("systems", 0, "system_id")),
        ({"systems": None}, LaterSystemsPage, ("systems",)),
        ({"next": "4"}, LaterSystemsPage, ("systems",)),
        ({}, SystemsPage, ("systems",)),
        ([], SystemsPage, ()),
        (None, SystemsPage, ()),
        ("systems", SystemsPage, ()),
        ({"system_id": 7}, Envoys, ("envoys",)),
        ({"system_id": 7, "envoys": None}, Envoys, ("envoys",)),
        ({"system_id": 7, "envoys": [{"name": "A"}, *([5] * 101)]}, Envoys, ("envoys", 1)),
        ({"system_id": 7, "inverters": [5] * 101}, Inventory, ("inverters", 0)),
        ({"system_id": 7, "inverters": [{"sn": ""}] * 101}, Inventory, ("inverters", 0)),
        ({"system_id": 7, "start_date": "soon", "production": []}, EnergyLifetime, ("start_date",)),
        ({"system_id": 7, "start_date": None, "production": [1]}, EnergyLifetime, ()),
    ],
)
def test_identity_is_strict(raw: object, model: type[Any], path: tuple[object, ...]) -> None:
    """As is a list that an answer is for: no value is converted."""
    with pytest.raises(UnreadableError) as caught:
        structure(raw, model)
    assert caught.value.path == path


NOON_S = 1_749_988_800
NOON_UTC = datetime.fromtimestamp(NOON_S, UTC)


@pytest.mark.parametrize(
    ("name", "sent", "meant"),
    [
        # texts
        *(("reference", 106_015_287, "106015287"), ("reference", 7.0, "7"), ("reference", 1.5, "1.5")),
        *(("reference", ["acm"], "acm"), ("reference", ["a", "b"], None), ("reference", {}, None)),
        *(("reference", True, None), ("reference", [], None), ("postal_code", 75_001, "75001")),
        # whole numbers
        *(
            ("system_size", 5.25, 5),
            ("system_size", "5", 5),
            ("system_size", "5.75", 6),
            ("system_size", "", None),
        ),
        *(("system_size", "N/A", None), ("system_size", "nan", None), ("system_size", "1e999", None)),
        *(("system_size", True, None), ("system_size", [1], None), ("energy_lifetime", 99_551.5, 99_552)),
        # lists of texts
        *(("other_references", ["a", None], ("a",)), ("other_references", ["a", 5], ("a", "5"))),
        *(("other_references", "ab", ()), ("other_references", {"a": 1}, ())),
        # dates
        *(("interconnect_date", "0000-00-00", None), ("interconnect_date", "N/A", None)),
        *(("interconnect_date", -1, None), ("interconnect_date", "9999-12-31", None)),
        *(("interconnect_date", "0001-01-01", None), ("interconnect_date", True, None)),
        *(("interconnect_date", 1_657_080_000_000, date(2022, 7, 6)), ("interconnect_date", [], None)),
        # objects
        *(("meta", [], None), ("meta", "normal", None)),
    ],
)
def test_decoration_is_tolerant(name: str, sent: object, meant: object) -> None:
    """Another value becomes the nearest it can honestly stand for, or none, and the field is named."""
    got, odd = structure({"system_id": 7, name: sent}, System)
    assert got == System(7, **{name: meant})
    assert tuple(odd) == (f"System.{name}",)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        *((NOON_S * 1000, NOON_UTC), (str(NOON_S), NOON_UTC), (f"{NOON_S}000", NOON_UTC)),
        *((NOON_S * 1000 + 500, NOON_UTC + timedelta(milliseconds=500)), (NOON_S * 10**6, None)),
        *((0, None), (-1, None), ("", None), ("N/A", None), ("0", None), (-5.5, None), (True, None)),
        *(("noon", None), ("2025-06-15", None), ("2025-06-15T12:00:00", None), ([], None), ({}, None)),
        *((253_402_300_799, None), (10**18, None), (1e300, None)),
        *(("9999-12-31T00:00:00Z", None), ("0001-01-01T00:00:00Z", None), ("1e999", None)),
    ],
)
def test_what_is_no_instant_is_never_a_year_of_fiction(sent: object, meant: datetime | None) -> None:
    """Milliseconds are seen by their size, 0 and -1 stand for never."""
    got, odd = structure({"last_report_at": sent}, Meta)
    assert (got, tuple(odd)) == (Meta(last_report_at=meant), ("Meta.last_report_at",))


@pytest.mark.parametrize(
    ("model", "sent", "meant"),
    [
        (Summary, {"current_power": 3322.7, "energy_today": "5"}, {"current_power": 3323, "energy_today": 5}),
        (Summary, {"evse_power": [{}], "summary_date": 20_250_615}, {"summary_date": date(2025, 6, 15)}),
        (MicroInverter, {"power_produced": "186", "energy": True}, {"power_produced": 186}),
        (
            MicroInverter,
            {"energy": {"value": 1, "units": "cal"}, "serial_number": 688},
            {"serial_number": "688"},
        ),
        (SystemDevice, {"id": 1.5, "active": 1, "imei": 5}, {"active": True}),
        (SystemDevice, {"cellular_modem": {"imei": 5}}, {"cellular_modem": CellularModem(imei="5")}),
        (Alarm, {"id": 1.5, "events": [{"end_date": []}]}, {"id": "1.5", "events": (AlarmEvent(),)}),
        (Alarm, {"events": [5]}, {}),
    ],
)
def test_decoration_of_other_models(
    model: type[Any], sent: dict[str, object], meant: dict[str, object]
) -> None:
    """By the kind of the field, whichever function parses it."""
    identity = {"system_id": 7} if model is Summary else {}
    got, odd = structure({**identity, **sent}, model)
    assert got == model(**identity, **meant)
    assert odd


def test_values_of_days_are_tolerant() -> None:
    """One that cannot be read is null: the others keep their days."""
    said = {"system_id": 7, "start_date": "2025-06-01", "production": [1, 2.5, "3", None, "x", True]}
    got, odd = structure(said, EnergyLifetime)
    assert (got.production, tuple(odd)) == ((1, 2, 3, None, None, None), ("EnergyLifetime.production",))


def test_documented_values_are_not_odd() -> None:
    """Nor are those that are left out, or null."""
    said = {"system_id": 7, "reference": None, "interconnect_date": 0, "system_size": 5.0, "meta": None}
    assert structure(said, System) == (System(7, system_size=5), {})


def test_one_odd_system_does_not_cost_the_others() -> None:
    """It is left out, which is told; more than a hundred are no list of systems."""
    listed: list[object] = [{"system_id": 7}, {"system_name": "?"}, {"system_id": 8}, "x"]
    page, odd = structure({"systems": listed}, SystemsPage)
    assert page.systems == (System(7), System(8))
    assert tuple(odd) == ("System (2 left out)",)
    page, _ = structure({"systems": [*listed, *([{}] * 98)]}, SystemsPage)
    assert len(page.systems) == 2
    with pytest.raises(UnreadableError):
        structure({"systems": [*listed, *([{}] * 99)]}, SystemsPage)


class Counting(list[object]):
    """A list that counts how many of its items were looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[object]:
        for each in super().__iter__():
            self.looked_at += 1
            yield each


@pytest.mark.parametrize("model", [Envoys, SystemsPage])
def test_a_list_of_wrong_items_is_given_up_soon(model: type[Any]) -> None:
    """Whatever its length: one error is built, and no item behind the first 101 wrong ones is looked at."""
    name = "envoys" if model is Envoys else "systems"
    wrong = Counting([{"system_id": 7, "name": "E"}, *([1] * 49_000)])
    with pytest.raises(UnreadableError) as caught:
        structure({"system_id": 7, name: wrong}, model)
    assert (caught.value.path, wrong.looked_at) == ((name, 1), 102)


LIFETIME: dict[str, object] = {"system_id": 7, "start_date": "2025-06-01"}


@pytest.mark.parametrize(
    ("said", "model", "path"),
    [
        ({"system_id": 7, "envoys": [{}] * 50_001}, Envoys, ("envoys",)),
        (
            {"system_id": 7, "start_date": "2025-06-01", "production": [1] * 1_000_001},
            EnergyLifetime,
            ("production",),
        ),
    ],
)
def test_lists_are_bounded(said: object, model: type[Any], path: tuple[object, ...]) -> None:
    """Far above what any system has."""
    with pytest.raises(UnreadableError, match="more than") as caught:
        structure(said, model)
    assert caught.value.path == path


def test_no_value_is_shown() -> None:
    """Not even in a text about it: it may be somebody's name."""
    for raw, model in (
        ({"system_id": "CANARY"}, System),
        ({"system_id": 7, "start_date": "CANARY", "production": []}, EnergyLifetime),
        ({"systems": [{"CANARY": "CANARY"}]}, SystemsPage),
    ):
        with pytest.raises(UnreadableError) as caught:
            structure(raw, model)
        assert "CANARY" not in f"{caught.value} {caught.value.path} {caught.value.__cause__}"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        *((0, 0), (7, 7), (10**400, 10**400), (7.0, 7), ("7", 7)),
        *((-1, None), (7.5, None), (math.nan, None), (math.inf, None), ("-7", None), ("7.5", None)),
        *((True, None), (None, None), ("all", None), ("", None), ([], None), ({}, None)),
    ],
)
def test_a_count_is_a_whole_number_also_as_a_text_or_a_float(raw: object, meant: int | None) -> None:
    """Anything else counts nothing."""
    assert parse_count(raw) == meant
