"""Each kind of answer as a table: what its rows hold, and nothing else."""

from __future__ import annotations

from inspect import getmembers, isfunction
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from enlighten_async import EnlightenClient, InputError, Query, concat, models
from enlighten_async.export import Table, table_of
from enlighten_async.export.columns import values_of
from enlighten_async.models.tabular import Tabular
from tests.export.answers import HOSTILE, ZONE, answer, intervals, kinds, objects
from tests.export.answers import row as row_of

KINDS = sorted(kinds(), key=lambda kind: kind.__name__)


def rows(table: Table) -> list[dict[str, Any]]:
    """Return a table as dictionaries."""
    found: list[dict[str, Any]] = []
    for batch in table.batches:
        pairs = zip(table.fields, batch.columns, strict=True)
        columns = [values_of(field.type, column) for field, column in pairs]
        names = [field.name for field in table.fields]
        found += [dict(zip(names, each, strict=True)) for each in zip(*columns, strict=True)]
    return found


def test_there_are_many_kinds() -> None:
    """Series, days, devices, readings, events, systems."""
    assert len(KINDS) > 35


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_a_kind_has_the_same_columns_with_rows_and_without(kind: type[Any]) -> None:
    """So that answers can be put together, and a file begun, before the first row is there."""
    empty, full = answer(kind, 0)._table(), answer(kind, 9)._table()
    assert empty.fields == full.fields
    assert (len(empty), len(rows(empty))) == (0, 0)
    assert len(full) == len(rows(full)) >= 9
    names = [each.name for each in full.fields]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_a_field_that_cannot_be_null_never_is(kind: type[Any]) -> None:
    """And of those that can be, one is: nulls stay nulls."""
    table = answer(kind)._table()
    for place, field in enumerate(table.fields):
        nulls = sum(batch.columns[place].nulls for batch in table.batches)
        assert field.nullable or not nulls
        assert all((value is None) <= field.nullable for value in (each[field.name] for each in rows(table)))


@pytest.mark.parametrize(
    "kind", [each for each in KINDS if hasattr(each, "_energy")], ids=lambda kind: str(kind.__name__)
)
def test_a_series_has_the_values_of_its_rows(kind: type[Any]) -> None:
    """Row by row, attribute by attribute, beside the number of the system and of the device."""
    series = answer(kind)
    for row, shown in zip(series.intervals, rows(series._table()), strict=True):
        assert shown.pop("system_id") == 1765
        assert shown.pop("serial_number", None) == getattr(series, "serial_number", None)
        assert shown == {name: getattr(row, name) for name in shown}
        assert list(shown) == [each.name for each in type(row).__attrs_attrs__]


@pytest.mark.parametrize(
    "kind", [each for each in KINDS if hasattr(each, "_columns")], ids=lambda kind: str(kind.__name__)
)
def test_days_have_the_values_of_its_rows(kind: type[Any]) -> None:
    """Also where one column is shorter than the others."""
    days = answer(kind)
    for row, shown in zip(days, rows(days._table()), strict=True):
        assert shown == {name: getattr(row, name, getattr(days, name, None)) for name in shown}


def test_the_meters_of_a_series_are_a_table_of_their_own() -> None:
    """All channels, meter by meter, each row with the serial numbers of meter and gateway."""
    stats = intervals(models.RgmStats, 8)
    shown = rows(stats.meter_table())
    expected = [
        {
            "system_id": 1765,
            "meter_serial_number": meter.meter_serial_number,
            "envoy_serial_number": meter.envoy_serial_number,
            **{name: getattr(row, name) for name in ("channel", "end_at", "wh_del", "curr_w")},
        }
        for meter in stats.meter_intervals
        for row in meter.intervals
    ]
    assert shown == expected
    assert len(stats.meter_table()) == len(expected) == 16


def test_an_object_within_a_row_has_columns_of_its_own() -> None:
    """The state of a system, say; a list stays one."""
    systems = answer(models.Systems)
    shown = rows(systems._table())
    assert [each["meta_status"] for each in shown] == [
        each.meta and each.meta.status for each in systems.systems
    ]
    assert [each["meta_last_report_at"] for each in shown] == [
        each.meta and each.meta.last_report_at for each in systems.systems
    ]
    assert [each["other_references"] for each in shown] == [
        list(each.other_references) for each in systems.systems
    ]
    assert HOSTILE in {each["system_name"] for each in shown}


def test_the_events_behind_an_alarm_are_a_list_of_objects() -> None:
    """Each with its fields."""
    alarms = answer(models.Alarms)
    for alarm, shown in zip(alarms, rows(alarms._table()), strict=True):
        assert shown["events"] == [
            {name: getattr(event, name) for name in ("serial_number", "start_date", "end_date")}
            for event in alarm.events
        ]


@pytest.mark.parametrize(
    ("kind", "lists"),
    [
        (models.Inventory, 3),
        (models.Devices, 12),
        (models.LatestTelemetry, 4),
    ],
)
def test_lists_of_kinds_are_one_table_that_tells_the_kind(kind: type[Any], lists: int) -> None:
    """By the name of the attribute."""
    devices = answer(kind, 2)
    shown = rows(devices._table())
    assert len(shown) == 2 * lists
    for name in {each["kind"] for each in shown}:
        own = [each for each in shown if each["kind"] == name]
        assert len(getattr(devices, name)) == len(own) == 2
        assert [each["status"] for each in own if "status" in each] == [
            each.status for each in getattr(devices, name) if hasattr(each, "status")
        ]


def test_inverters_are_rows_with_the_signal_of_their_gateway() -> None:
    """All gateways together."""
    summary = answer(models.InvertersSummary)
    shown = rows(summary._table())
    assert [each["serial_number"] for each in shown] == [
        each.serial_number for each in summary.micro_inverters
    ]
    assert [each["signal_strength"] for each in shown] == [
        envoy.signal_strength for envoy in summary.envoys for _ in envoy.micro_inverters
    ]


def test_answers_of_a_kind_are_concatenated() -> None:
    """Row after row, without a copy; the zone is kept while it is the same."""
    one, other = (intervals(models.RgmStats, count, system) for count, system in ((3, 1), (4, 2)))
    table = concat([one, other])
    assert [each["system_id"] for each in rows(table)] == [1] * 3 + [2] * 4
    assert rows(table) == rows(one._table()) + rows(other._table())
    assert table.metadata == {"timezone": ZONE}
    assert rows(concat([table, other])) == rows(table) + rows(other._table())
    assert len(concat(each.meter_table() for each in (one, other))) == 2 * 4 + 2 * 4 - 2
    energy = table.batches[1].columns[-1].buffers[1]
    assert energy is other.intervals._columns["wh_del"]


@pytest.mark.parametrize("kind", sorted(objects(), key=str), ids=lambda kind: str(kind.__name__))
def test_an_object_is_one_row_and_several_are_several(kind: type[Any]) -> None:
    """With the same columns, whatever of them is null; twenty summaries are a table of twenty rows."""
    several = [row_of(kind, turn) for turn in range(6)]
    table = concat(several)
    assert [rows(each._table()) for each in several] == [[each] for each in rows(table)]
    assert rows(concat(each._table() for each in several)) == rows(table)
    assert not table.of_intervals


def test_every_answer_of_the_client_is_a_table() -> None:
    """One with rows, or one row: no answer that was paid for has no place in a file."""
    methods = [each for name, each in getmembers(EnlightenClient, isfunction) if not name.startswith("_")]
    hints = [get_type_hints(each).get("return") for each in methods]
    answers = {get_args(hint)[1] for hint in hints if get_origin(hint) is Query}
    models_ = {each for each in answers if isinstance(each, type)}
    assert len(models_) > 40
    assert all(issubclass(each, Tabular) for each in models_)


def test_zones_that_differ_are_not_told() -> None:
    """A table of several systems has no zone of its own."""
    one = intervals(models.RgmStats, 3)
    assert concat([one, one._with_timezone("America/New_York")]).metadata == {}


def test_what_cannot_be_concatenated_is_refused() -> None:
    """Nothing, or answers with other columns."""
    with pytest.raises(InputError, match="at least one answer"):
        concat([])
    with pytest.raises(InputError, match="not RgmStats: give it a list"):
        concat(answer(models.RgmStats))
    with pytest.raises(InputError, match="several kinds"):
        concat([answer(models.Stats), answer(models.RgmStats)])
    with pytest.raises(InputError, match="int has no rows"):
        table_of(5)


def test_a_series_alone_is_a_table() -> None:
    """Without the columns that only the answer knows."""
    stats = answer(models.RgmStats)
    assert [each.name for each in stats.intervals._table().fields] == [
        "end_at",
        "devices_reporting",
        "wh_del",
    ]
    assert len(stats.meter_intervals[0].channel(1)._table()) == 5


UNITLESS = (
    *("channel", "charge_devices_reporting", "cost", "devices_reporting", "discharge_devices_reporting"),
    *("envoy_id", "event_type_id", "id", "miles_added", "reminder_timer", "severity", "signal_strength"),
    *("soc_devices_reporting", "system_id"),
)
"""Counts, numbers of things, and figures whose unit the service does not tell."""


def test_every_figure_has_a_unit_or_is_known_to_have_none() -> None:
    """A new attribute gets its unit with it."""
    without, units = set(), dict[str, str]()
    tables = [answer(kind)._table() for kind in kinds()]
    for table in (*tables, answer(models.RgmStats).meter_table()):
        for field in table.fields:
            if field.type.name in {"int16", "int64", "float64"}:
                units.update({field.name: field.metadata["unit"]} if field.metadata else {})
                without.update(() if field.metadata else {field.name})
    assert sorted(without - {"id"}) == sorted({*UNITLESS} - {"id"})
    assert set(units.values()) == {"Wh", "W", "s", "%"}
    assert (units["wh_del"], units["curr_w"], units["soc"], units["duration"]) == ("Wh", "W", "%", "s")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"tz": "Mars/Olympus"}, "Mars/Olympus"),
        ({"tz": ""}, "not known"),
        ({"tz": 5}, "tz must be an IANA name or a ZoneInfo, not int"),
        ({"tz": b"UTC"}, "not bytes"),
        ({"stamp": "middle"}, "stamp must be 'end' or 'start', not 'middle'"),
        ({"stamp": None}, "not None"),
        ({"stamp": ["end"]}, "stamp must be"),
    ],
)
def test_arguments_of_pandas_are_checked(wrong: dict[str, Any], told: str) -> None:
    """Before anything is done, so without the library as well."""
    with pytest.raises(InputError, match=told):
        answer(models.RgmStats).to_pandas(**wrong)
