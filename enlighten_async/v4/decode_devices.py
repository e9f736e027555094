"""Answers of telemetry of single devices to columns; and of all microinverters, one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from attrs import evolve

from enlighten_async.dialect.decode_intervals import (
    Asked,
    Facts,
    RawBody,
    RawRow,
    asked,
    raw,
    read,
)
from enlighten_async.dialect.ranges import Endpoint
from enlighten_async.models.battery import StorageTelemetry, storage_intervals
from enlighten_async.models.coverage import Coverage, Hole, Reason
from enlighten_async.models.device_telemetry import (
    EvChargerTelemetry,
    EvseTelemetry,
    HpTelemetry,
    MicroTelemetry,
    charger_intervals,
    consumed_intervals,
    micro_intervals,
)
from enlighten_async.models.micros_telemetry import MicrosTelemetry
from enlighten_async.v4.decode_telemetry import RawBattery, percent, storage, told
from enlighten_async.windows import Window, as_datetime
from enlighten_async.wire import Response

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
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None, *, serial: str
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


def micros(endpoint: Endpoint, response: Response, system_id: int, window: Window | None) -> MicrosTelemetry:
    """Decode one page of what all microinverters of a system made, one by one; as `micro` does."""
    body = read(_MICROS, response, system_id)
    rows: dict[str, list[_MicroRow]] = {}
    for each in body.devices or ():
        rows.setdefault(str(each.serial_number), []).extend(each.intervals or ())
    range_ = asked(endpoint, window, body, [row for each in rows.values() for row in each], response)
    devices = tuple(_listed(range_, body, response, *each) for each in rows.items())
    reported = (each.coverage.reported_until for each in devices)
    until = max((at for at in reported if at), default=None)
    empty = Hole(range_.window, Reason.NO_DEVICE)
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
    range_: Asked, body: RawBody, response: Response, serial: str, rows: list[_MicroRow]
) -> MicroTelemetry:
    """Return one of the listed devices, for the range that the whole of the answer is for."""
    own = Asked(range_.endpoint, range_.window, range_.until)
    ends, fitted = own.fitted(rows)
    return _micro(_one(own.facts(body, ends, response)), ends, fitted, serial)


def battery(
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None, *, serial: str
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
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None, *, serial: str
) -> EvseTelemetry:
    """Decode what one charger of cars used, by the intervals that the answer has; as `micro` does."""
    body = read(_CONSUMED, response, system_id)
    facts, ends, rows = told(_fitting(endpoint, body), window, body, body.intervals, response)
    intervals = consumed_intervals(ends, raw(row.wh_consumed for row in rows))
    return EvseTelemetry(intervals=intervals, serial_number=serial, **_one(facts))


def heat_pump(endpoint: Endpoint, response: Response, system_id: int, window: Window | None) -> HpTelemetry:
    """Decode what the heat pump of a system used, as `evse` does."""
    body = read(_CONSUMED, response, system_id)
    facts, ends, rows = told(_fitting(endpoint, body), window, body, body.intervals, response)
    intervals = consumed_intervals(ends, raw(row.wh_consumed for row in rows))
    return HpTelemetry(intervals=intervals, **_one(facts))


def _fitting(endpoint: Endpoint, body: _ConsumedBody) -> Endpoint:
    """Return the endpoint with the grid of an answer: as it says, or else as its rows show."""
    said = _MINUTES.fullmatch(body.interval_duration or "")
    if said:
        return evolve(endpoint, grid=60 * int(said[1]))
    fine = any(row.end_at % COARSE for row in body.intervals or ())
    return evolve(endpoint, grid=FINE if fine else COARSE)


def charger(
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None, *, serial: str
) -> EvChargerTelemetry:
    """Decode what one of Enphase's chargers of cars used, as `micro` does."""
    body = read(_CHARGER, response, system_id)
    facts, ends, rows = told(endpoint, window, body, body.consumption, response)
    intervals = charger_intervals(ends, raw(row.consumption for row in rows))
    return EvChargerTelemetry(intervals=intervals, serial_number=serial, **_one(facts))
