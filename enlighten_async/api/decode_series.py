"""Decoding of answers in intervals to columns, by the fields of their models and of the models' rows."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from operator import attrgetter, lt
from struct import pack
from types import GenericAlias, MappingProxyType
from typing import Annotated, Any, Final, Generic, TypeVar, get_type_hints

import msgspec
from attrs import evolve, field, fields, frozen
from msgspec import defstruct

from enlighten_async import models
from enlighten_async.api.decode import (
    ANOTHER_DEVICE,
    check_system,
    decode_error,
    is_another_device,
    normalized,
    parse_json,
    warn_of,
)
from enlighten_async.api.ranges import SeriesLimits
from enlighten_async.api.requested_range import RawBody, RawRow, RequestedRange, flat, requested_range
from enlighten_async.errors import DecodeError
from enlighten_async.models.convert import parse_instant
from enlighten_async.models.intervals import KEEP_NEWEST, IntervalStats
from enlighten_async.models.rgm_stats import ChannelInterval, MeterIntervals, RgmInterval, RgmStats
from enlighten_async.models.series import NAN, Series, columns_of, once_per_class, row_class
from enlighten_async.windows import Window
from enlighten_async.wire import LongWorkError, Response

MAX_DEVICES = 1_000
"""Meters or microinverters that one answer may list: more than any system has, and than 50 pages of them.

Each is some objects that garbage collection looks at, while other threads wait.
"""

IN_LOOP_DEVICES = 100
"""The same of an answer that is decoded in the event loop: it takes about a millisecond."""

Channel = Annotated[int, msgspec.Meta(ge=0, le=32_767)]
"""Number of a meter's channel; its column has 16 bits."""


class RawFigure(msgspec.Struct, gc=False):
    """One figure of a battery as the service sends it: Wh in `enwh`, states of charge in `percent`."""

    enwh: float | None = None
    percent: float | None = None
    devices_reporting: float | None = None


class RawSeries(RawBody, gc=False):
    """An answer with a list of rows, or, of some endpoints, with one list for each local day.

    `serial_number` is that of the device which it is about, where it is about one and says so.
    """

    intervals: list[Any] | None = None
    serial_number: Any = None


T = TypeVar("T")
B = TypeVar("B", bound=RawBody)


def check_count(listed: Sequence[object], name: str, response: Response) -> None:
    """Raise `DecodeError` if an answer lists too many devices, or `LongWorkError` for those of a thread."""
    if len(listed) > MAX_DEVICES:
        raise decode_error(response, f"$.{name}", f"more than {MAX_DEVICES} devices")
    if response.in_loop and len(listed) > IN_LOOP_DEVICES:
        raise LongWorkError


_END = attrgetter("end_at")


def parse_body(decoder: msgspec.json.Decoder[B], response: Response, system_id: int) -> B:
    """Parse an answer, as it is documented or as far as it can be normalized.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
        LongWorkError: it has to be normalized, and that is not for the event loop.
    """
    try:
        body = parse_json(decoder, response)
    except DecodeError as error:
        if response.in_loop:
            raise LongWorkError from None
        better = normalized(response.body)
        if better is None:
            raise
        failure = error.with_traceback(None)  # whose frames hold the body, and this error
    else:
        return check_system(body, system_id, response)
    try:
        body = parse_json(decoder, evolve(response, body=better))
    except DecodeError as error:
        failure = DecodeError(str(error), path=error.path, response=response)
    else:
        warn_of(body.unread_figures.split(", ") if body.unread_figures else ())
        return check_system(body, system_id, response)
    raise failure


def raw_row(row: type) -> type[RawRow]:
    """Return the struct of a row as the service sends it, made of the fields of the row's class.

    A field that has a path of its own is a figure of a battery.
    """
    values = [column for column in columns_of(row) if column.name != "end_at"]
    channels = [(column.name, Channel) for column in values if column.typecode == "h"]
    heads = dict.fromkeys(column.path[0] for column in values if column.typecode == "d")
    nested = {column.path[0] for column in values if len(column.path) > 1}
    optional = [(head, RawFigure | None if head in nested else float | None, None) for head in heads]
    struct: Any = defstruct(f"Raw{row.__name__}", [*channels, *optional], bases=(RawRow,), gc=False)
    raw: type[RawRow] = struct
    return raw


def columns(row: type, rows: Sequence[RawRow]) -> Iterator[array[float]]:
    """Return the columns of raw rows but for ends and channels, null as NaN, in the order of the fields."""
    numbers = f"{len(rows)}d"
    # `pack` takes half as long as an array takes for a list.
    return (array("d", pack(numbers, *values_of(rows))) for values_of in _extractors(row))


@once_per_class
def _extractors(row: type) -> tuple[Callable[[Sequence[RawRow]], list[float]], ...]:
    """Return the functions that extract these columns.

    They are compiled, as attrs compiles `__init__`: `operator.attrgetter` takes half as long again for each
    value, and there are a hundred thousand of them in a year.
    """
    paths = [column.path for column in columns_of(row) if column.typecode == "d"]
    return tuple(eval(_source(path), {"NAN": NAN}) for path in paths)  # noqa: S307 - names of our own fields


def _source(path: tuple[str, ...]) -> str:
    first, *rest = path
    known = f"(value := row.{first}) is None"
    for name in rest:
        known += f" or (value := value.{name}) is None"
    return f"lambda rows: [NAN if {known} else value for row in rows]"


def optional_list(item: object) -> Any:
    """Return the type of a list that may be null; mypy takes no variable for a type, msgspec does."""
    return GenericAlias(list, (item,)) | None


def row_list(row: type) -> Any:
    """Return the type of a list of rows as the service sends them, or of such a list for each local day."""
    raw = raw_row(row)
    return optional_list(optional_list(raw | None) | raw)


MAX_PERCENT = 1_000
"""The largest share that is read: more than any battery reports."""


def parse_percent(raw: object) -> float | None:
    """Return a share as a number of percent, which the service writes as "97%"; `None` for all else."""
    try:
        share = float(raw.strip().removesuffix("%")) if isinstance(raw, str) else raw
    except ValueError:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float):
        return None
    return share if 0 <= share <= MAX_PERCENT else None


_BESIDE_ROWS: Final[Mapping[object, Callable[[object], object]]] = MappingProxyType(
    {float | None: parse_percent, datetime | None: parse_instant}
)
"""The parser of a value beside the rows, by the type of the model's field; no value costs the rows."""

_DURATION = re.compile(r"(?:(5|15) ?(?:min(?:s|ute|utes)?)?|(300|900) ?(?:s|secs?|seconds?)?)", re.ASCII)
"""The values of `interval_duration`: minutes, or seconds; as a number too."""

FINE_GRID_S, COARSE_GRID_S = 300, 900
"""Seconds of the intervals that EV chargers and heat pumps may have."""

S = TypeVar("S", bound=IntervalStats[Any])


@frozen
class SeriesDecoder(Generic[S]):
    """The decoder of an answer with one list of rows, made of the fields of its model and of the rows.

    Attributes:
        load: returns the model, and loads its module; its attributes of which the newest value is kept stand
            beside the rows.
        rows: name of the list of rows.
        one_device: whether the answer is about one device, which not all such answers count.
        own_grid: whether intervals have 5 or 15 minutes, as `interval_duration` or the rows tell.
    """

    load: Callable[[], type[S]]
    rows: str = field(default="intervals", kw_only=True)
    one_device: bool = field(default=False, kw_only=True)
    own_grid: bool = field(default=False, kw_only=True)

    @cached_property
    def model(self) -> type[S]:
        """The model."""
        return self.load()

    @cached_property
    def _beside(self) -> Mapping[str, Callable[[Any], object]]:
        """The parsers of the values beside the rows."""
        return dict(self._fields_beside())

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[RawSeries]:
        """The decoder of the JSON, made for the first answer."""
        rows = row_list(row_class(self.model))
        beside = [(name, Any, None) for name, _ in self._fields_beside()]
        duration = [("interval_duration", Any, None)] if self.own_grid else []
        body = defstruct(
            f"Raw{self.model.__name__}",
            [("intervals", rows, None), *beside, *duration],
            bases=(RawSeries,),
            rename={"intervals": self.rows},
            gc=False,
        )
        return msgspec.json.Decoder(body)

    def _fields_beside(self) -> Iterator[tuple[str, Callable[[object], object]]]:
        kinds = get_type_hints(self.model)
        for each in fields(self.model):
            if each.metadata.get(KEEP_NEWEST):
                yield each.name, _BESIDE_ROWS[kinds[each.name]]

    def __call__(
        self, limits: SeriesLimits, response: Response, system_id: int, window: Window | None, **device: Any
    ) -> S:
        """Decode an answer.

        Args:
            limits: the service's limits of the series.
            response: the answer.
            system_id: the system asked about.
            window: the range asked for; `None` takes what the answer spans.
            device: `serial_number` of the device asked about, if it is about one.

        Raises:
            DecodeError: the answer is not what the service documents, or of another system or device.
        """
        body = parse_body(self._decoder, response, system_id)
        if self.one_device and device:
            check_device(body.serial_number, device["serial_number"], response)
        own: dict[str, Any] = {name: parse(getattr(body, name)) for name, parse in self._beside.items()}
        rows, told, understood = flat(body, body.intervals)
        declared = _duration(body) if self.own_grid else None
        if self.own_grid:
            limits = evolve(limits, grid=declared or _grid(told))
        range_ = requested_range(limits, window, body, told, response)
        if self.own_grid and declared is None:
            range_.coarse = COARSE_GRID_S
        read = {**own, "interval_duration": declared}
        range_.note_unread([name for name in read if read[name] is None and getattr(body, name, None)])
        if not understood:
            range_.leave_out_nulls(body)
        rows, ends = range_.align(rows, told)
        metadata = range_.metadata(body, ends, response)
        if self.one_device:
            metadata["total_devices"] = 1
        row = row_class(self.model)
        intervals = series_of(row, ends, *columns(row, rows))
        return self.model(intervals=intervals, **metadata, **own, **device)


def check_device(answered: object, serial: str, response: Response) -> None:
    """Raise `DecodeError` if an answer is about another device; a number has lost its leading zeros."""
    if is_another_device(answered, serial):
        raise decode_error(response, "$.serial_number", ANOTHER_DEVICE.format(serial))


def series_of(row: type[T], *values: array[int] | array[float]) -> Series[T]:
    """Return columns, one for each field of a row, as a series that has them as they are."""
    names = (column.name for column in columns_of(row))
    return Series(row, dict(zip(names, values, strict=True)))


def _duration(body: RawSeries) -> int | None:
    """Return the seconds of the intervals of an answer as it declares them; `None`: it does not."""
    told = getattr(body, "interval_duration", None)
    is_told = isinstance(told, str | int | float) and not isinstance(told, bool)
    declared = _DURATION.fullmatch(str(told).strip().lower().removesuffix(".0")) if is_told else None
    return None if declared is None else 60 * int(declared[1] or 0) or int(declared[2])


def _grid(ends: Sequence[int]) -> int:
    """Return the seconds of the intervals of an answer that does not declare them, as its rows show."""
    if not any(end % COARSE_GRID_S for end in ends):
        return COARSE_GRID_S
    # Rows off either grid tell by how close they are.
    close = any(b - a < COARSE_GRID_S for a, b in pairwise(sorted(ends)))
    return FINE_GRID_S if close or not any(end % FINE_GRID_S for end in ends) else COARSE_GRID_S


stats = SeriesDecoder(lambda: models.Stats)
consumption_stats = SeriesDecoder(lambda: models.ConsumptionStats)


class RawMeter(msgspec.Struct, gc=False):
    """A meter as the service sends it."""

    meter_serial_number: str | int
    envoy_serial_number: str | int | None = None
    intervals: list[Any] | None = None


class RawRgmStats(RawSeries, gc=False):
    """An answer with rows of a system and of each of its meters, which came later than the system's."""

    meter_intervals: list[RawMeter] | msgspec.UnsetType | None = msgspec.UNSET


def _rgm_stats_decoder() -> msgspec.json.Decoder[RawRgmStats]:
    channels = ("intervals", row_list(ChannelInterval), None)
    meters = optional_list(defstruct("RawMeter", [channels], bases=(RawMeter,), gc=False))
    rows = ("intervals", row_list(RgmInterval), None)
    body = [rows, ("meter_intervals", meters | msgspec.UnsetType, msgspec.UNSET)]
    return msgspec.json.Decoder(defstruct("RawRgmStats", body, bases=(RawRgmStats,), gc=False))


_RGM_STATS = _rgm_stats_decoder()
_CHANNEL_AND_END = attrgetter("channel", "end_at")


def rgm_stats(limits: SeriesLimits, response: Response, system_id: int, window: Window | None) -> RgmStats:
    """Decode an answer with rows of a system and of each of its meters, as a `SeriesDecoder` does."""
    body = parse_body(_RGM_STATS, response, system_id)
    rows, told, understood = flat(body, body.intervals)
    range_ = requested_range(limits, window, body, told, response)
    rows, ends = range_.align(rows, told)
    intervals = series_of(RgmInterval, ends, *columns(RgmInterval, rows))
    listed = body.meter_intervals or []
    if len(listed) > IN_LOOP_DEVICES:
        check_count(listed, "meter_intervals", response)
    if not understood or body.meter_intervals is None:
        range_.leave_out_nulls(body)
    meters = _meters(range_, body, listed)
    return RgmStats(intervals=intervals, meter_intervals=meters, **range_.metadata(body, ends, response))


def _meters(range_: RequestedRange, body: RawBody, meters: Sequence[RawMeter]) -> tuple[MeterIntervals, ...]:
    """Return each meter once, though it may be listed again under another gateway."""
    rows: dict[str, tuple[list[RawRow], list[int]]] = {}
    envoys: dict[str, str | None] = {}
    for meter in meters:
        serial, envoy = str(meter.meter_serial_number), meter.envoy_serial_number
        found, ends, understood = flat(body, meter.intervals)
        if not understood:
            range_.leave_out_nulls(body)
        if serial in rows:
            found, ends = rows[serial][0] + found, rows[serial][1] + ends
        rows[serial] = found, ends
        envoys[serial] = envoys.get(serial) if envoy is None else str(envoy)
    return tuple(MeterIntervals(serial, envoys[serial], _channels(range_, *rows[serial])) for serial in rows)


def _channels(range_: RequestedRange, rows: list[Any], ends: list[int]) -> Series[ChannelInterval]:
    """Return a meter's rows, channel by channel, each in order of time."""
    if ends and ends[-1] > range_.window.end:
        rows, ends = range_.within(rows, ends)
    places = _places(range_, [row.channel for row in rows], ends)
    if places is None:
        rows, ends = range_.within(rows, ends)
        rows = range_.tidied(rows, _CHANNEL_AND_END, range_.grid_of(ends))
        # An array takes a list in half the time that it takes an iterator.
        places = array("h", [row.channel for row in rows]), array("q", [row.end_at for row in rows])
    return series_of(ChannelInterval, *places, *columns(ChannelInterval, rows))


def _places(
    range_: RequestedRange, numbers: list[int], ends: list[int]
) -> tuple[array[int], array[int]] | None:
    """Return the columns of channels that come one after another, each with the same intervals in order.

    Args:
        range_: the range.
        numbers: the channel of each row.
        ends: the end of each row.

    Returns:
        Channels and ends, as columns not to be changed. `None`: the rows are not like that.
    """
    size = numbers.count(numbers[0]) if numbers else 1
    channels = tuple(numbers[::size])
    if not all(map(lt, channels, channels[1:])):
        return None
    usual, column = _regular_channels(channels, size)
    times = range_.column_of(ends, len(channels) or 1) if numbers == usual else None
    return None if times is None else (column, times)


@lru_cache(maxsize=8)  # the meters of a system, as a rule, have the same ones
def _regular_channels(channels: tuple[int, ...], size: int) -> tuple[list[int], array[int]]:
    """Return the channels of rows, so many of each, as a list to compare with, and as a column to share."""
    numbers = [channel for channel in channels for _ in range(size)]
    return numbers, array("h", numbers)
