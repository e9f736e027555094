"""Readings of meters."""

from __future__ import annotations

from functools import partial
from typing import Any

from enlighten_async.dialect.readings import readings
from enlighten_async.models.readings import (
    ConsumptionMeterReadings,
    ProductionMeterReadings,
    StorageMeterReadings,
)


def _shape(raw: dict[str, Any]) -> dict[str, Any]:
    """Return readings by one name of the serial number; the service has two."""
    listed = raw.get("meter_readings")
    if not isinstance(listed, list):
        return raw
    named = [
        {**each, "serial_number": each.get("serial_number") or each.get("serial_num")} for each in listed
    ]
    return {**raw, "meter_readings": named}


production_meter_readings = partial(
    readings, ProductionMeterReadings, "production_meter_readings", shape=_shape
)
consumption_meter_readings = partial(
    readings, ConsumptionMeterReadings, "consumption_meter_readings", shape=_shape
)
storage_meter_readings = partial(readings, StorageMeterReadings, "storage_meter_readings", shape=_shape)
