"""Answers of telemetry that only v4 has, of a whole system, to columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, TypeVar

import msgspec

from enlighten_async.dialect.decode_intervals import Facts, RawBody, RawRow, asked, raw, read
from enlighten_async.dialect.ranges import Endpoint
from enlighten_async.models.battery import Battery, battery_intervals
from enlighten_async.models.grid_energy import (
    EnergyExportTelemetry,
    EnergyImportTelemetry,
    export_intervals,
    import_intervals,
)
from enlighten_async.models.production_meter import ProductionMeter
from enlighten_async.models.rgm_stats import rgm_intervals
from enlighten_async.windows import Window
from enlighten_async.wire import Response

R = TypeVar("R", bound=RawRow)


class _MeterRow(RawRow, gc=False):
    devices_reporting: float | None = None
    wh_del: float | None = None


class _MeterBody(RawBody, gc=False):
    intervals: list[_MeterRow] | None = None


class RawFigure(msgspec.Struct, gc=False):
    """One of the figures of a battery as it comes: energies in `enwh`, states of charge in `percent`."""

    enwh: float | None = None
    percent: float | None = None
    devices_reporting: float | None = None


class RawBattery(RawRow, gc=False):
    """A row of a battery, or of all of a system, as it comes."""

    charge: RawFigure | None = None
    discharge: RawFigure | None = None
    soc: RawFigure | None = None


class _BatteryBody(RawBody, gc=False):
    intervals: list[RawBattery] | None = None
    last_reported_aggregate_soc: str | float | None = None


class _GridRow(RawRow, gc=False):
    wh_imported: float | None = None
    wh_exported: float | None = None


class _GridBody(RawBody, gc=False):
    intervals: list[list[_GridRow] | _GridRow | None] | None = None


_METER = msgspec.json.Decoder(_MeterBody)
_BATTERY = msgspec.json.Decoder(_BatteryBody)
_GRID = msgspec.json.Decoder(_GridBody)
_NOTHING = RawFigure()


def told(
    endpoint: Endpoint, window: Window | None, body: RawBody, listed: Sequence[R] | None, response: Response
) -> tuple[Facts, Sequence[int], list[R]]:
    """Return what an answer says: beside its rows, where its rows end, and its rows in order.

    Args:
        endpoint: what the service allows.
        window: the range asked for; `None` takes what the answer spans.
        body: the answer.
        listed: its rows as they came.
        response: the answer as it came.
    """
    range_ = asked(endpoint, window, body, listed, response)
    ends, rows = range_.fitted(list(listed or ()))
    return range_.facts(body, ends, response), ends, rows


def production_meter(
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None
) -> ProductionMeter:
    """Decode what the production meters of a system delivered.

    Args:
        endpoint: what the service allows.
        response: the answer.
        system_id: the system asked about.
        window: the range asked for; `None` takes what the answer spans.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    body = read(_METER, response, system_id)
    facts, ends, rows = told(endpoint, window, body, body.intervals, response)
    reporting = raw(row.devices_reporting for row in rows)
    intervals = rgm_intervals(ends, reporting, raw(row.wh_del for row in rows))
    return ProductionMeter(intervals=intervals, **facts)


def battery(endpoint: Endpoint, response: Response, system_id: int, window: Window | None) -> Battery:
    """Decode what the batteries of a system took in and gave, as `production_meter` does."""
    body = read(_BATTERY, response, system_id)
    facts, ends, rows = told(endpoint, window, body, body.intervals, response)
    reporting = {
        f"{name}_devices_reporting": raw((getattr(row, name) or _NOTHING).devices_reporting for row in rows)
        for name in ("charge", "discharge", "soc")
    }
    intervals = battery_intervals(ends, **storage(rows), **reporting)
    soc = percent(body.last_reported_aggregate_soc)
    return Battery(intervals=intervals, last_reported_aggregate_soc=soc, **facts)


def storage(rows: Iterable[RawBattery]) -> dict[str, list[float]]:
    """Return the figures of batteries as columns: energies in Wh, the state of charge in percent."""
    listed = list(rows)
    return {
        "charge": raw((row.charge or _NOTHING).enwh for row in listed),
        "discharge": raw((row.discharge or _NOTHING).enwh for row in listed),
        "soc": raw((row.soc or _NOTHING).percent for row in listed),
    }


def percent(said: str | float | None) -> float | None:
    """Return a share as a number, which the service writes as "97%"; `None` for what is not one."""
    try:
        share = float(said.strip().removesuffix("%")) if isinstance(said, str) else said
    except ValueError:
        return None
    return share if share is not None and isfinite(share) else None


def energy_import(
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None
) -> EnergyImportTelemetry:
    """Decode what the site of a system drew from the grid, as `production_meter` does."""
    body = read(_GRID, response, system_id)
    facts, ends, rows = told(endpoint, window, body, _flat(body), response)
    intervals = import_intervals(ends, raw(row.wh_imported for row in rows))
    return EnergyImportTelemetry(intervals=intervals, **facts)


def energy_export(
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None
) -> EnergyExportTelemetry:
    """Decode what the site of a system fed into the grid, as `production_meter` does."""
    body = read(_GRID, response, system_id)
    facts, ends, rows = told(endpoint, window, body, _flat(body), response)
    intervals = export_intervals(ends, raw(row.wh_exported for row in rows))
    return EnergyExportTelemetry(intervals=intervals, **facts)


def _flat(body: _GridBody) -> list[_GridRow]:
    """Return the rows of an answer: they come in a list for each local day, or as one list."""
    days: list[Any] = [each if isinstance(each, list) else [each] for each in body.intervals or () if each]
    return [row for day in days for row in day]
