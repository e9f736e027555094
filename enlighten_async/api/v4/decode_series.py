"""Decoding of the telemetry that only v4 has, to columns."""

from __future__ import annotations

import msgspec
from msgspec import defstruct

from enlighten_async import models
from enlighten_async.api import decode_series as series
from enlighten_async.api.decode import decode_error
from enlighten_async.api.decode_series import SeriesDecoder
from enlighten_async.api.ranges import SeriesLimits
from enlighten_async.api.requested_range import (
    RawBody,
    RawRow,
    RequestedRange,
    requested_range,
    warn_left_out,
)
from enlighten_async.models import MicroInterval, MicrosTelemetry, MicroTelemetry
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.windows import Window
from enlighten_async.wire import Response

production_meter = SeriesDecoder(models.ProductionMeter)
battery = SeriesDecoder(models.Battery)
energy_import = SeriesDecoder(models.EnergyImportTelemetry, by_day=True)
energy_export = SeriesDecoder(models.EnergyExportTelemetry, by_day=True)
micro = SeriesDecoder(MicroTelemetry, one_device=True)
storage_telemetry = SeriesDecoder(models.StorageTelemetry, one_device=True)
evse = SeriesDecoder(models.EvseTelemetry, one_device=True, own_grid=True)
heat_pump = SeriesDecoder(models.HpTelemetry, one_device=True, own_grid=True)
charger = SeriesDecoder(models.EvChargerTelemetry, rows="consumption", one_device=True)


class RawMicro(msgspec.Struct, gc=False):
    """A microinverter as the service sends it."""

    serial_number: str | int
    intervals: list[RawRow] | None = None


class RawMicros(RawBody, gc=False):
    """A page with the rows of microinverters, one by one."""

    devices: list[RawMicro] | None = None


def _micros_decoder() -> msgspec.json.Decoder[RawMicros]:
    rows = ("intervals", series.optional_list(series.raw_row(MicroInterval)), None)
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
    if len(body.devices or ()) > series.MAX_DEVICES:
        raise decode_error(response, "$.devices", f"more than {series.MAX_DEVICES} devices")
    for each in body.devices or ():
        rows.setdefault(str(each.serial_number), []).extend(each.intervals or ())
        body.rows_left_out += each.intervals is None
    listed = [row for each in rows.values() for row in each]
    range_ = requested_range(limits, window, body, listed, response)
    devices = tuple(_device(range_, body, response, *each) for each in rows.items())
    reported = (each.coverage.reported_until for each in devices)
    notes = tuple(dict.fromkeys(note for each in devices for note in each.coverage.notes))
    gaps = [Gap(range_.window, Reason.NO_DEVICE)] if body.total_devices == 0 and not devices else []
    if any(gap.reason is Reason.LEFT_OUT for each in devices for gap in each.coverage.gaps()):
        gaps.append(Gap(Window(range_.window.end, range_.window.end), Reason.LEFT_OUT))
        warn_left_out(limits, system_id, notes)
    coverage = Coverage(
        range_.window,
        limits.grid,
        tuple(gaps),
        as_of=series.parse_moment(response.date),
        reported_until=max((at for at in reported if at), default=None),
        notes=notes,
    )
    return MicrosTelemetry(system_id, body.total_devices or 0, None, range_.window, None, devices, coverage)


def _device(
    range_: RequestedRange, body: RawBody, response: Response, serial: str, rows: list[RawRow]
) -> MicroTelemetry:
    """Return one of the listed devices, for the range that the whole of the answer is for."""
    own = RequestedRange(range_.limits, range_.window, range_.until)
    ends, rows = own.align(rows)
    metadata = own.metadata(body, ends, response, quiet=True)
    metadata["total_devices"] = 1
    intervals = series.series_of(MicroInterval, ends, rows)
    return MicroTelemetry(intervals=intervals, serial_number=serial, **metadata)
