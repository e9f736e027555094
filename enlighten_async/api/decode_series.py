"""What answers in intervals have in common, on their way to columns.

A real answer is in order. That is seen by comparing columns of times as a whole; only an answer that
differs is sorted and sifted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, lt
from typing import Annotated, Any, TypedDict, TypeVar

import msgspec
from attrs import define, evolve, field

from enlighten_async.api.decode import failed, in_epoch, parsed
from enlighten_async.api.ranges import HOUR, SeriesLimits
from enlighten_async.errors import DecodeError
from enlighten_async.models.coverage import Coverage, Gap, Reason, explained, join, missing
from enlighten_async.models.intervals import Meta
from enlighten_async.models.rgm_stats import (
    ChannelInterval,
    MeterIntervals,
    RgmStats,
    channel_intervals,
    rgm_intervals,
)
from enlighten_async.models.series import NAN, Series
from enlighten_async.models.site_series import ConsumptionStats, Stats, consumption_intervals, stats_intervals
from enlighten_async.windows import END_OF_TIME, Window, as_datetime, floor
from enlighten_async.wire import Response

Epoch = Annotated[int, msgspec.Meta(ge=0, le=END_OF_TIME - 1)]
"""Seconds of the years 1970 to 9999."""


class RawRow(msgspec.Struct, gc=False):
    """A row as it comes; its other fields may be null or left out."""

    end_at: Epoch


class RawMeta(msgspec.Struct, gc=False):
    """The state of a system as it comes."""

    status: str | None = None
    last_report_at: float | None = None
    last_energy_at: float | None = None
    operational_at: float | None = None


class RawBody(msgspec.Struct, gc=False):
    """An answer as it comes, but for its rows; some say what range they are for."""

    system_id: int
    total_devices: int | None = None
    meta: RawMeta | None = None
    start_at: Epoch | None = None
    end_at: Epoch | None = None


class Facts(TypedDict):
    """What every answer in intervals says beside its rows."""

    system_id: int
    total_devices: int
    meta: Meta | None
    window: Window
    timezone: str | None
    coverage: Coverage


B = TypeVar("B", bound=RawBody)
R = TypeVar("R", bound=RawRow)

_ORDER = attrgetter("end_at")


def read(decoder: msgspec.json.Decoder[B], response: Response, system_id: int) -> B:
    """Parse an answer, its instants epoch seconds or ISO 8601 with an offset.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    try:
        body = parsed(decoder, response)
    except DecodeError as error:
        told = in_epoch(response.body)
        if told is None:
            raise
        unread = error
    else:
        return _of_system(body, system_id, response)
    try:
        body = parsed(decoder, evolve(response, body=told))
    except DecodeError as error:
        unread = DecodeError(str(error), path=error.path, response=response)
    else:
        return _of_system(body, system_id, response)
    raise unread


def _of_system(body: B, system_id: int, response: Response) -> B:
    if body.system_id != system_id:
        raise failed(response, "$.system_id", f"asked for system {system_id}, answered for {body.system_id}")
    return body


def raw(values: Iterable[float | None]) -> list[float]:
    """Return the numbers of a column, null as NaN."""
    return [NAN if value is None else value for value in values]


@define
class RequestedRange:
    """The range that was asked for, and how rows are fitted into it.

    Attributes:
        endpoint: what the service allows.
        window: the range, or as much of it as the answer says that it speaks for.
        until: the end of what may have been answered beyond it.
        ends: where its intervals end.
        newest: the end of the newest row there was, also beyond the range.
        notes: what was left out, in words.
    """

    endpoint: SeriesLimits
    window: Window
    until: int = 0
    ends: array[int] = field(init=False)
    newest: int | None = field(init=False, default=None)
    notes: list[str] = field(init=False, factory=list)

    @ends.default
    def _ends(self) -> array[int]:
        grid = self.endpoint.grid
        return array("q", range(self.window.start + grid, self.window.end + 1, grid))

    def fitted(self, rows: list[R]) -> tuple[array[int], list[R]]:
        """Return a system's rows in order of time, and their ends."""
        rows = self.within(rows)
        ends = array("q", [row.end_at for row in rows])
        if not self.orderly(ends):
            rows = self.sifted(rows, _ORDER)
            ends = array("q", [row.end_at for row in rows])
        return ends, rows

    def within(self, rows: list[R]) -> list[R]:
        """Return rows without those that the service answers beyond the window, as it may."""
        if not rows or self.until <= self.window.end:
            return rows
        self.newest = max(self.newest or 0, *(row.end_at for row in rows if row.end_at <= self.until), 0)
        return [row for row in rows if not self.window.end < row.end_at <= self.until]

    def orderly(self, ends: array[int]) -> bool:
        """Tell whether rows are in order, each once, and all of them were asked for."""
        grid = self.endpoint.grid
        return ends == self.ends or (
            all(map(lt, ends, ends[1:]))
            and (not ends or self.window.start < ends[0] <= ends[-1] <= self.window.end)
            and not any(end % grid for end in ends)
        )

    def sifted(self, rows: list[R], order: Callable[[R], Any]) -> list[R]:
        """Return rows in order, each once (its last word), and only what was asked for."""
        start, end, grid = self.window.start, self.window.end, self.endpoint.grid
        inside = [row for row in rows if start < row.end_at <= end and row.end_at % grid == 0]
        if len(inside) < len(rows):
            self.notes.append(
                f"rows outside the asked range or off the {grid // 60}-minute grid were left out"
            )
        once = {order(row): row for row in inside}
        if len(once) < len(inside):
            self.notes.append("intervals that came twice were taken once, the later row of the two")
        return [once[key] for key in sorted(once)]

    def facts(self, body: RawBody, ends: Sequence[int], response: Response) -> Facts:
        """Return what an answer says beside its rows; all of these have been fitted before."""
        return Facts(
            system_id=body.system_id,
            total_devices=body.total_devices or 0,
            meta=_meta(body.meta),
            window=self.window,
            timezone=None,
            coverage=self._coverage(body, ends, response.date),
        )

    def _coverage(self, body: RawBody, ends: Sequence[int], date: float | None) -> Coverage:
        meta, grid = body.meta or RawMeta(), self.endpoint.grid
        reported = (*ends[-1:], self.newest, meta.last_report_at)
        until = max((at for at in reported if at), default=None)
        started = meta.operational_at
        if started is None and body.start_at is not None and body.start_at > self.window.start:
            started = body.start_at  # the service moves a start to where data begins
        blanks = missing(self.window, ends, grid)
        if body.total_devices == 0 and self.endpoint.counted and not ends:
            gaps = [Gap(blank, Reason.NO_DEVICE) for blank in blanks]
        else:
            gaps = [gap for blank in blanks for gap in explained(blank, grid, started, until)]
        return Coverage(
            self.window,
            grid,
            join(gaps),
            as_of=None if date is None else as_datetime(date),
            reported_until=None if until is None else as_datetime(until),
            notes=tuple(dict.fromkeys(self.notes)),
        )


def asked(
    endpoint: SeriesLimits,
    window: Window | None,
    body: RawBody,
    rows: Sequence[RawRow] | None,
    response: Response,
) -> RequestedRange:
    """Return what was asked for: the window, or what the answer spans where it was left to the service."""
    told = None if body.end_at is None else floor(body.end_at, endpoint.grid)
    if window is None:
        window = _told(endpoint, body) or _spanned(endpoint, rows or (), response)
        return RequestedRange(endpoint, window, window.end)
    longest = window.start + endpoint.span if endpoint.surplus else 0
    if endpoint.cut != "told" or told is None:
        return RequestedRange(endpoint, window, longest)
    if not window.start < told < window.end or _by_now(endpoint, told, response):
        return RequestedRange(endpoint, window, max(longest, told))
    return RequestedRange(endpoint, Window(window.start, told), told)


def _by_now(endpoint: SeriesLimits, told: int, response: Response) -> bool:
    """Tell whether an answer ends where it does since it is not later yet."""
    return response.date is None or told + 2 * endpoint.grid >= response.date


def _told(endpoint: SeriesLimits, body: RawBody) -> Window | None:
    """Return the range an answer says it is for, if it is a sane one."""
    if body.start_at is None or body.end_at is None:
        return None
    window = Window(floor(body.start_at, endpoint.grid), floor(body.end_at, endpoint.grid))
    return window if 0 <= window.end - window.start <= endpoint.longest else None


def _spanned(endpoint: SeriesLimits, rows: Sequence[RawRow], response: Response) -> Window:
    """Return the range from the first row to the last."""
    ends = [row.end_at for row in rows if row.end_at % endpoint.grid == 0]
    window = Window(min(ends) - endpoint.grid, max(ends)) if ends else Window(0, 0)
    if window.seconds > endpoint.longest:
        hours = endpoint.longest // HOUR
        raise failed(response, "$.intervals", f"the rows of one answer lie more than {hours} hours apart")
    return window


def _meta(meta: RawMeta | None) -> Meta | None:
    if meta is None:
        return None
    moments = (meta.last_report_at, meta.last_energy_at, meta.operational_at)
    return Meta(meta.status, *(None if at is None else as_datetime(at) for at in moments))


Channel = Annotated[int, msgspec.Meta(ge=0, le=32_767)]


class _RgmRow(RawRow, gc=False):
    devices_reporting: float | None = None
    wh_del: float | None = None


class _ChannelRow(RawRow, kw_only=True, gc=False):
    channel: Channel
    wh_del: float | None = None
    curr_w: float | None = None


class _Meter(msgspec.Struct, gc=False):
    meter_serial_number: str | int
    envoy_serial_number: str | int | None = None
    intervals: list[_ChannelRow] | None = None


class _RgmStats(RawBody, gc=False):
    intervals: list[_RgmRow] | None = None
    meter_intervals: list[_Meter] | None = None


_RGM_STATS = msgspec.json.Decoder(_RgmStats)
_BY_CHANNEL = attrgetter("channel", "end_at")


def rgm_stats(endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None) -> RgmStats:
    """Decode `/systems/{system_id}/rgm_stats`.

    Args:
        endpoint: what the service allows.
        response: the answer.
        system_id: the system asked about.
        window: the range asked for; `None` takes what the rows span.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    body = read(_RGM_STATS, response, system_id)
    range_ = asked(endpoint, window, body, body.intervals, response)
    ends, rows = range_.fitted(body.intervals or [])
    intervals = rgm_intervals(
        ends, raw([row.devices_reporting for row in rows]), raw([row.wh_del for row in rows])
    )
    meters = _meters(range_, body.meter_intervals or [])
    return RgmStats(intervals=intervals, meter_intervals=meters, **range_.facts(body, ends, response))


def _meters(range_: RequestedRange, meters: Sequence[_Meter]) -> tuple[MeterIntervals, ...]:
    """Return each meter once, though it may be listed again under another gateway."""
    rows: dict[str, list[_ChannelRow]] = {}
    envoys: dict[str, str | None] = {}
    for meter in meters:
        serial, envoy = str(meter.meter_serial_number), meter.envoy_serial_number
        rows.setdefault(serial, []).extend(meter.intervals or ())
        envoys[serial] = None if envoy is None else str(envoy)
    return tuple(MeterIntervals(serial, envoys[serial], _channels(range_, rows[serial])) for serial in rows)


def _channels(range_: RequestedRange, rows: list[_ChannelRow]) -> Series[ChannelInterval]:
    """Return a meter's rows, channel by channel, each in order of time."""
    rows = range_.within(rows)
    channels = array("h", [row.channel for row in rows])
    ends = array("q", [row.end_at for row in rows])
    if not _regular(range_, channels, ends):
        rows = range_.sifted(rows, _BY_CHANNEL)
        channels = array("h", [row.channel for row in rows])
        ends = array("q", [row.end_at for row in rows])
    return channel_intervals(
        channels,
        ends,
        [NAN if (value := row.wh_del) is None else value for row in rows],
        [NAN if (value := row.curr_w) is None else value for row in rows],
    )


def _regular(range_: RequestedRange, channels: array[int], ends: array[int]) -> bool:
    """Tell whether the channels come one after another, each with the same intervals in order."""
    if not ends:
        return True
    size = channels.count(channels[0])
    numbers = sorted(set(channels[::size]))
    grouped = b"".join(size * array("h", [number]).tobytes() for number in numbers)
    times = ends[:size]
    return channels.tobytes() == grouped and ends == len(numbers) * times and range_.orderly(times)


class _StatsRow(RawRow, gc=False):
    devices_reporting: float | None = None
    powr: float | None = None
    enwh: float | None = None


class _Body(RawBody, gc=False):
    intervals: list[_StatsRow] | None = None


_STATS = msgspec.json.Decoder(_Body)


def stats(endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None) -> Stats:
    """Decode what the microinverters of a system made.

    Args:
        endpoint: what the service allows.
        response: the answer.
        system_id: the system asked about.
        window: the range asked for; `None` takes what the answer spans.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    body = read(_STATS, response, system_id)
    range_ = asked(endpoint, window, body, body.intervals, response)
    ends, rows = range_.fitted(body.intervals or [])
    intervals = stats_intervals(
        ends,
        raw([row.devices_reporting for row in rows]),
        raw([row.powr for row in rows]),
        raw([row.enwh for row in rows]),
    )
    return Stats(intervals=intervals, **range_.facts(body, ends, response))


def consumption_stats(
    endpoint: SeriesLimits, response: Response, system_id: int, window: Window | None
) -> ConsumptionStats:
    """Decode what the site of a system consumed, as `stats` does."""
    body = read(_STATS, response, system_id)
    range_ = asked(endpoint, window, body, body.intervals, response)
    ends, rows = range_.fitted(body.intervals or [])
    intervals = consumption_intervals(
        ends, raw([row.devices_reporting for row in rows]), raw([row.enwh for row in rows])
    )
    return ConsumptionStats(intervals=intervals, **range_.facts(body, ends, response))
