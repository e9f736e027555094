"""Decoding of the telemetry that only v4 has, to columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import defstruct

from enlighten_async import models
from enlighten_async.api import decode_series as series
from enlighten_async.api.decode import warn_incomplete
from enlighten_async.api.decode_series import SeriesDecoder
from enlighten_async.api.ranges import SeriesLimits
from enlighten_async.api.requested_range import (
    RawBody,
    RawRow,
    RequestedRange,
    flat,
    requested_range,
)
from enlighten_async.models import MicroInterval, MicrosTelemetry, MicroTelemetry
from enlighten_async.models.coverage import Coverage, Gap, Reason, nothing_missing
from enlighten_async.windows import Window, as_datetime
from enlighten_async.wire import Response

production_meter = SeriesDecoder(lambda: models.ProductionMeter)
battery = SeriesDecoder(lambda: models.Battery)
energy_import = SeriesDecoder(lambda: models.EnergyImportTelemetry)
energy_export = SeriesDecoder(lambda: models.EnergyExportTelemetry)
micro = SeriesDecoder(lambda: models.MicroTelemetry, one_device=True)
storage_telemetry = SeriesDecoder(lambda: models.StorageTelemetry, one_device=True)
evse = SeriesDecoder(lambda: models.EvseTelemetry, one_device=True, own_grid=True)
heat_pump = SeriesDecoder(lambda: models.HpTelemetry, one_device=True, own_grid=True)
charger = SeriesDecoder(lambda: models.EvChargerTelemetry, rows="consumption", one_device=True)


class RawMicro(msgspec.Struct, gc=False):
    """A microinverter as the service sends it."""

    serial_number: str | int
    intervals: list[Any] | None = None


class RawMicros(RawBody, gc=False):
    """A page with the rows of microinverters, one by one."""

    devices: list[RawMicro] | None = None


def _micros_decoder() -> msgspec.json.Decoder[RawMicros]:
    rows = ("intervals", series.row_list(MicroInterval), None)
    devices = series.optional_list(defstruct("RawMicro", [rows], bases=(RawMicro,), gc=False))
    body = defstruct("RawMicros", [("devices", devices, None)], bases=(RawMicros,), gc=False)
    return msgspec.json.Decoder(body)


_MICROS = _micros_decoder()


def micros(
    limits: SeriesLimits, response: Response, system_id: int, window: Window | None
) -> MicrosTelemetry:
    """Decode one page with the rows of microinverters, one by one, as a `SeriesDecoder` does."""
    body = series.parse_body(_MICROS, response, system_id)
    rows: dict[str, list[RawRow]] = {}
    null: set[str] = set()
    series.check_count(body.devices or (), "devices", response)
    ends = list[int]()
    for each in body.devices or ():
        serial, (found, times, understood) = str(each.serial_number), flat(body, each.intervals)
        rows.setdefault(serial, []).extend(found)
        ends += times
        null |= set() if understood else {serial}
    range_ = requested_range(limits, window, body, ends, response)
    devices = tuple(
        _device(range_, body, response, serial, found, null=serial in null) for serial, found in rows.items()
    )
    reported = (each.coverage.reported_until for each in devices)
    notes = tuple(dict.fromkeys(note for each in devices for note in each.coverage.notes))
    gaps = _gaps(range_.window, body, devices)
    if any(gap.reason is Reason.LEFT_OUT for gap in gaps):
        warn_incomplete(limits.name, system_id, notes or ("its list of devices is null",))
    coverage = Coverage(
        range_.window,
        limits.grid,
        gaps,
        as_of=None if response.date is None else as_datetime(response.date),
        reported_until=max((at for at in reported if at), default=None),
        notes=notes,
    )
    return MicrosTelemetry(system_id, body.total_devices or 0, None, range_.window, None, devices, coverage)


def _gaps(window: Window, body: RawMicros, devices: Sequence[MicroTelemetry]) -> tuple[Gap, ...]:
    """Return the gaps of a page. Its devices have gaps of their own; the page tells if rows were left out."""
    if body.total_devices == 0 and not devices:
        return (Gap(window, Reason.NO_DEVICE),)
    if body.devices is None:
        return (Gap(window, Reason.LEFT_OUT),)
    return () if all(each.coverage.complete for each in devices) else (nothing_missing(window),)


def _device(
    range_: RequestedRange,
    body: RawBody,
    response: Response,
    serial: str,
    rows: list[RawRow],
    *,
    null: bool,
) -> MicroTelemetry:
    """Return one of the listed devices, for the range that the whole of the answer is for."""
    own = RequestedRange(range_.limits, range_.window, range_.until)
    own.left_out, own.unplaced, own.notes = range_.left_out, range_.unplaced, [*range_.notes]
    if null:
        own.leave_out_nulls(body)
    rows, ends = own.align(rows, [row.end_at for row in rows])
    metadata = own.metadata(body, ends, response, quiet=True)
    metadata["total_devices"] = 1
    intervals = series.series_of(MicroInterval, ends, *series.columns(MicroInterval, rows))
    return MicroTelemetry(intervals=intervals, serial_number=serial, **metadata)
