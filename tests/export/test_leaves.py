"""Columns of rows: their units."""

from __future__ import annotations

from enlighten_async import models
from tests.export.answers import answer, kinds

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
