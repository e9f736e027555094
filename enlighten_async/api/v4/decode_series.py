"""Decoding of the telemetry that only v4 has, to columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any, TypeVar

import msgspec
from attrs import evolve

from enlighten_async.api.decode_series import Facts, RawBody, RawRow, RequestedRange, asked, raw, read
from enlighten_async.api.ranges import SeriesLimits
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.device_series import (
    EvChargerTelemetry,
    EvseTelemetry,
    HpTelemetry,
    MicrosTelemetry,
    MicroTelemetry,
    charger_intervals,
    consumed_intervals,
    micro_intervals,
)
from enlighten_async.models.rgm_stats import ProductionMeter, rgm_intervals
from enlighten_async.models.site_series import (
    Battery,
    EnergyExportTelemetry,
    EnergyImportTelemetry,
    StorageTelemetry,
    battery_intervals,
    export_intervals,
    import_intervals,
    storage_intervals,
)
from enlighten_async.windows import Window, as_datetime
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
    endpoint: SeriesLimits,
    window: Window | None,
    body: RawBody,
    listed: Sequence[R] | None,
    response: Response,
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
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None
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


def battery(endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None) -> Battery:
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
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None
) -> EnergyImportTelemetry:
    """Decode what the site of a system drew from the grid, as `production_meter` does."""
    body = read(_GRID, response, system_id)
    facts, ends, rows = told(endpoint, window, body, _flat(body), response)
    intervals = import_intervals(ends, raw(row.wh_imported for row in rows))
    return EnergyImportTelemetry(intervals=intervals, **facts)


def energy_export(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None
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


_MINUTES = re.compile(r"(5|15) ?min(s|ute|utes)?", re.ASCII)
"""How long intervals are, where the answer says so."""

FINE, COARSE = 300, 900
"""Seconds of the intervals that chargers and heat pumps may have."""


class _MicroRow(RawRow, gc=False):
    powr: float | None = None
    enwh: float | None = None


class _MicroBody(RawBody, gc=False):
    intervals: list[_MicroRow] | None = None


class _Micro(msgspec.Struct, gc=False):
    serial_number: str | int
    intervals: list[_MicroRow] | None = None


class _MicrosBody(RawBody, gc=False):
    devices: list[_Micro] | None = None


class _StorageBody(RawBody, gc=False):
    intervals: list[RawBattery] | None = None
    last_reported_time: float | None = None
    last_reported_soc: str | float | None = None


class _ConsumedRow(RawRow, gc=False):
    wh_consumed: float | None = None


class _ConsumedBody(RawBody, gc=False):
    intervals: list[_ConsumedRow] | None = None
    interval_duration: str | None = None


class _ChargerRow(RawRow, gc=False):
    consumption: float | None = None


class _ChargerBody(RawBody, gc=False):
    consumption: list[_ChargerRow] | None = None


_MICRO = msgspec.json.Decoder(_MicroBody)
_MICROS = msgspec.json.Decoder(_MicrosBody)
_STORAGE = msgspec.json.Decoder(_StorageBody)
_CONSUMED = msgspec.json.Decoder(_ConsumedBody)
_CHARGER = msgspec.json.Decoder(_ChargerBody)


def micro(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None, *, serial: str
) -> MicroTelemetry:
    """Decode what one microinverter made.

    Args:
        endpoint: what the service allows.
        response: the answer.
        system_id: the system asked about.
        window: the range asked for; `None` takes what the answer spans.
        serial: the device asked about.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    body = read(_MICRO, response, system_id)
    facts, ends, rows = told(endpoint, window, body, body.intervals, response)
    return _micro(_one(facts), ends, rows, serial)


def _micro(facts: Facts, ends: Sequence[int], rows: Sequence[_MicroRow], serial: str) -> MicroTelemetry:
    intervals = micro_intervals(ends, raw(row.powr for row in rows), raw(row.enwh for row in rows))
    return MicroTelemetry(intervals=intervals, serial_number=serial, **facts)


def _one(facts: Facts) -> Facts:
    """Return the facts of an answer of one device, which not all answers count."""
    return {**facts, "total_devices": 1}


def micros(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None
) -> MicrosTelemetry:
    """Decode one page of what all microinverters of a system made, one by one; as `micro` does."""
    body = read(_MICROS, response, system_id)
    rows: dict[str, list[_MicroRow]] = {}
    for each in body.devices or ():
        rows.setdefault(str(each.serial_number), []).extend(each.intervals or ())
    range_ = asked(endpoint, window, body, [row for each in rows.values() for row in each], response)
    devices = tuple(_listed(range_, body, response, *each) for each in rows.items())
    reported = (each.coverage.reported_until for each in devices)
    until = max((at for at in reported if at), default=None)
    empty = Gap(range_.window, Reason.NO_DEVICE)
    coverage = Coverage(
        range_.window,
        endpoint.grid,
        (empty,) if body.total_devices == 0 and not devices else (),
        as_of=None if response.date is None else as_datetime(response.date),
        reported_until=until,
        notes=tuple(dict.fromkeys(note for each in devices for note in each.coverage.notes)),
    )
    return MicrosTelemetry(system_id, body.total_devices or 0, None, range_.window, None, devices, coverage)


def _listed(
    range_: RequestedRange, body: RawBody, response: Response, serial: str, rows: list[_MicroRow]
) -> MicroTelemetry:
    """Return one of the listed devices, for the range that the whole of the answer is for."""
    own = RequestedRange(range_.endpoint, range_.window, range_.until)
    ends, fitted = own.fitted(rows)
    return _micro(_one(own.facts(body, ends, response)), ends, fitted, serial)


def storage_telemetry(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None, *, serial: str
) -> StorageTelemetry:
    """Decode what one battery took in and gave, as `micro` does."""
    body = read(_STORAGE, response, system_id)
    facts, ends, rows = told(endpoint, window, body, body.intervals, response)
    at = body.last_reported_time
    return StorageTelemetry(
        intervals=storage_intervals(ends, **storage(rows)),
        serial_number=serial,
        last_reported_time=None if at is None else as_datetime(at),
        last_reported_soc=percent(body.last_reported_soc),
        **_one(facts),
    )


def evse(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None, *, serial: str
) -> EvseTelemetry:
    """Decode what one charger of cars used, by the intervals that the answer has; as `micro` does."""
    body = read(_CONSUMED, response, system_id)
    facts, ends, rows = told(_fitting(endpoint, body), window, body, body.intervals, response)
    intervals = consumed_intervals(ends, raw(row.wh_consumed for row in rows))
    return EvseTelemetry(intervals=intervals, serial_number=serial, **_one(facts))


def heat_pump(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None
) -> HpTelemetry:
    """Decode what the heat pump of a system used, as `evse` does."""
    body = read(_CONSUMED, response, system_id)
    facts, ends, rows = told(_fitting(endpoint, body), window, body, body.intervals, response)
    intervals = consumed_intervals(ends, raw(row.wh_consumed for row in rows))
    return HpTelemetry(intervals=intervals, **_one(facts))


def _fitting(endpoint: SeriesLimits, body: _ConsumedBody) -> SeriesLimits:
    """Return the endpoint with the grid of an answer: as it says, or else as its rows show."""
    said = _MINUTES.fullmatch(body.interval_duration or "")
    if said:
        return evolve(endpoint, grid=60 * int(said[1]))
    fine = any(row.end_at % COARSE for row in body.intervals or ())
    return evolve(endpoint, grid=FINE if fine else COARSE)


def charger(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None, *, serial: str
) -> EvChargerTelemetry:
    """Decode what one of Enphase's chargers of cars used, as `micro` does."""
    body = read(_CHARGER, response, system_id)
    facts, ends, rows = told(endpoint, window, body, body.consumption, response)
    intervals = charger_intervals(ends, raw(row.consumption for row in rows))
    return EvChargerTelemetry(intervals=intervals, serial_number=serial, **_one(facts))
