"""Series endpoints of v4 and their limits, in one table."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, Unpack

from attrs import define, evolve, frozen

from enlighten_async import models
from enlighten_async.api.decode import field_of, warn_incomplete
from enlighten_async.api.paging import Pages, Seen
from enlighten_async.api.ranges import Range, SeriesLimits, TimeRange
from enlighten_async.api.series import LearnedSpans, SeriesEndpoint, SeriesRequests
from enlighten_async.api.v4.daily import NO_HEAT_PUMP_TEXT
from enlighten_async.api.v4.devices import quote_segment
from enlighten_async.cache import absent_until, recheck_at, valid_until
from enlighten_async.lazy import LazyModule
from enlighten_async.models.convert import parse_count
from enlighten_async.models.coverage import Reason, nothing_missing
from enlighten_async.query.plan import QueryPlan
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Params, Request, Response, WindowRequests

if TYPE_CHECKING:
    from enlighten_async.api import decode_series
    from enlighten_async.api.v4 import decode_series as decode_telemetry
    from enlighten_async.models import MicrosTelemetry
    from enlighten_async.models.intervals import IntervalStats
else:
    decode_series = LazyModule("enlighten_async.api.decode_series")
    decode_telemetry = LazyModule("enlighten_async.api.v4.decode_series")

WEEK = 7 * DAY
"""Seconds of the longest span that one request may ask for."""

RETENTION_S = 2 * 365 * DAY
"""Seconds for which the service keeps intervals."""

_GRANULARITIES = ((15 * 60, "15mins"), (DAY, "day"), (WEEK, "week"))
"""Spans the service knows, by their seconds. By granularity it means how much time a response is for."""


def _start_and_span(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window: its start, and the smallest span that holds it."""
    name = next(name for seconds, name in _GRANULARITIES if window.seconds <= seconds)
    return (("start_at", str(window.start)), ("granularity", name))


def _start_and_past_end(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window: its ends, but for one that may not have come yet, by its clock.

    An end in the future is an error; without one the service answers up to now.
    """
    start = (("start_at", str(window.start)),)
    return start if newest else (*start, ("end_at", str(window.end)))


def telemetry(
    name: str,
    path: str,
    grid: int = 900,
    *,
    dense: bool = True,
    counted: bool = True,
) -> SeriesLimits:
    """Return the limits of an endpoint that takes a start and a span, and says where its response ends."""
    return SeriesLimits(
        name,
        grid,
        WEEK,
        path=f"/systems/{{}}/{path}",
        params=_start_and_span,
        retention=RETENTION_S,
        cut="declared",
        dense=dense,
        may_overrun=True,
        counted=counted,
    )


RGM_STATS = SeriesEndpoint(
    SeriesLimits(
        "rgm_stats",
        900,
        WEEK,
        path="/systems/{}/rgm_stats",
        params=_start_and_past_end,
        retention=RETENTION_S,
        cut="error",
        may_overrun=True,
    ),
    lambda: models.RgmStats,
    lambda: decode_series.rgm_stats,
)
"""Revenue-grade meters, by 15 minutes; longer than 7 days, or an end in the future, is an error."""

STATS = SeriesEndpoint(
    telemetry("stats", "telemetry/production_micro", 300, dense=False),
    lambda: models.Stats,
    lambda: decode_series.stats,
)
"""Microinverters, by 5 minutes; at night there are no rows."""

CONSUMPTION_STATS = SeriesEndpoint(
    telemetry("consumption_stats", "telemetry/consumption_meter"),
    lambda: models.ConsumptionStats,
    lambda: decode_series.consumption_stats,
)
"""Consumption of the site, by 15 minutes."""

PRODUCTION_METER = SeriesEndpoint(
    telemetry("production_meter", "telemetry/production_meter"),
    lambda: models.ProductionMeter,
    lambda: decode_telemetry.production_meter,
)
"""Production meters, by 15 minutes."""

BATTERY = SeriesEndpoint(
    telemetry("battery", "telemetry/battery"),
    lambda: models.Battery,
    lambda: decode_telemetry.battery,
)
"""All batteries of a system, by 15 minutes."""

ENERGY_IMPORT_TELEMETRY = SeriesEndpoint(
    telemetry("energy_import_telemetry", "energy_import_telemetry", counted=False),
    lambda: models.EnergyImportTelemetry,
    lambda: decode_telemetry.energy_import,
)
"""Energy drawn from the grid, by 15 minutes."""

ENERGY_EXPORT_TELEMETRY = SeriesEndpoint(
    telemetry("energy_export_telemetry", "energy_export_telemetry", counted=False),
    lambda: models.EnergyExportTelemetry,
    lambda: decode_telemetry.energy_export,
)
"""Energy fed into the grid, by 15 minutes."""


D = TypeVar("D", bound="IntervalStats[Any]")


@frozen
class DeviceSeriesEndpoint(Generic[D]):
    """One endpoint that answers with the intervals of one device, which its path names.

    Attributes:
        limits: the service's limits of it; `{serial}` in the path stands for the serial number.
        model: returns the type of its parts and of its answer, which has a `serial_number`.
        decode: returns the decoder, as that of a `SeriesEndpoint`.
    """

    limits: SeriesLimits
    model: Callable[[], type[D]]
    decode: Callable[[], Callable[..., D]]

    def plan(
        self,
        system_id: int,
        serial_number: str,
        time_zones: Mapping[int, str],
        spans: LearnedSpans | None = None,
        **range_: Unpack[TimeRange],
    ) -> QueryPlan[D, D]:
        """Return the plan of a query for the intervals of a device, as `SeriesEndpoint.plan` does.

        Raises:
            InputError: the range makes no sense, or no serial number can look like this.
        """
        return self.of(serial_number).plan(system_id, time_zones, spans, **range_)

    def of(self, serial_number: str) -> SeriesEndpoint[D]:
        """Return the endpoint of one device."""
        quoted, serial = quote_segment(serial_number, "serial_number"), serial_number.strip()
        return SeriesEndpoint(
            evolve(self.limits, path=self.limits.path.replace("{serial}", quoted)),
            self.model,
            self.decode,
            serial,
        )


MICROS_PER_PAGE = 20
"""Microinverters per page, the most the service gives."""


class PagedSeriesRequests(SeriesRequests["MicrosTelemetry"]):
    """The requests about one system, page by page."""

    def segment(
        self, window: Window | None, *, newest: bool = False, asked: Range | None = None
    ) -> WindowRequests[MicrosTelemetry]:
        """Ask for the pages of a window; `None` leaves the range to the service."""
        pages = MicrosPages(self, window, newest)
        yield from pages.follow(1)
        return pages.rest


class PagedSeriesEndpoint(SeriesEndpoint["MicrosTelemetry"]):
    """The endpoint that answers with all microinverters, so many on a page."""

    paged: ClassVar[bool] = True
    requests_class: ClassVar[type[SeriesRequests[Any]]] = PagedSeriesRequests


@define(eq=False)
class MicrosPages(Pages["MicrosTelemetry", int]):
    """The pages of one window, by number; each lists some of a system's microinverters.

    A page takes several requests where a response ends before its window does.

    Attributes:
        requests: the requests about the system.
        window: the window; `None` until the first page tells of it, where the range is left to the service.
        newest: whether the window ends by now.
        total: microinverters of the system, as the service counts them; 0 where it does not.
        rest: the rest of the window, if a page gave that up.
    """

    requests: SeriesRequests[MicrosTelemetry]
    window: Window | None
    newest: bool
    total: int = 0
    rest: Window | None = None

    def request(self, cursor: int, seen: Seen) -> Request[MicrosTelemetry]:
        """Return the request for a page of the whole window."""
        return self._of_page(cursor, self.requests.request(self.window, newest=self.newest))

    def _of_page(self, number: int, request: Request[MicrosTelemetry]) -> Request[MicrosTelemetry]:
        params = (*request.params, ("page", str(number)), ("size", str(MICROS_PER_PAGE)))
        read = partial(_counted_page, request.endpoint, number, self.total, request.decode)
        return evolve(request, params=params, decode=read, valid_until=_page_valid_until)

    def page(
        self, cursor: int, seen: Seen
    ) -> Generator[Request[MicrosTelemetry], MicrosTelemetry, list[MicrosTelemetry]]:
        """Ask for one page, and for the rest of the window where a response spoke for a part of it only."""
        parts: list[MicrosTelemetry] = []
        requests = SeriesRequests.segment(self.requests, self.window, newest=self.newest)
        request = next(requests, None)
        while request is not None:
            part = yield self._of_page(cursor, request)
            if part is not None:  # else the request is to be made anew
                parts.append(part)
            try:
                request = requests.send(part)
            except StopIteration as stop:
                request, self.rest = None, self.rest or stop.value
        if self.window is None and parts[0].window.seconds:
            self.window = parts[0].window  # the other pages have to be of the same time
        return parts

    def listed(self, part: MicrosTelemetry) -> Seen:
        """Return the serial numbers of a part's microinverters."""
        return frozenset(device.serial_number for device in part.devices)

    def counted(self, first: MicrosTelemetry) -> int | None:
        """Return how many microinverters the service counts."""
        return first.total_devices

    def is_cut(self, parts: Sequence[MicrosTelemetry]) -> bool:
        """Tell whether a part lists no microinverter for some time: it may have had to list some."""
        return not all(part.devices or _is_answered(part) for part in parts)

    def next_cursor(self, cursor: int, parts: Sequence[MicrosTelemetry], seen: Seen) -> int | None:
        """Return the number of the next page, by the service's count, or by whether this page is full."""
        self.total = max(self.total, *(part.total_devices for part in parts))
        if self.is_cut(parts):
            more = cursor * MICROS_PER_PAGE < self.total
        elif self.total and len(seen) <= self.total:
            more = len(seen) < self.total
        else:  # the service does not count them, or counts less than it lists
            more = len(frozenset().union(*map(self.listed, parts))) >= MICROS_PER_PAGE
        return cursor + 1 if more else None


def _is_answered(page: MicrosTelemetry) -> bool:
    """Tell whether a page was answered, and its list understood, for all of its time."""
    return page.coverage.complete or not any(gap.window.seconds for gap in page.coverage.gaps())


def _counted_page(
    endpoint: str, number: int, counted: int, read: Callable[[Response], MicrosTelemetry], response: Response
) -> MicrosTelemetry:
    """Decode a page; it is not complete if it lists less than it has to by the service's count.

    Args:
        endpoint: the API's name of the endpoint.
        number: the number of the page.
        counted: what pages before it have counted: a microinverter that went moved others up.
        read: decodes a page as it came.
        response: the page.
    """
    page = read(response)
    total = max(page.total_devices, counted)
    if len(page.devices) >= MICROS_PER_PAGE or len(page.devices) >= total:
        return page
    told = [parse_count(field_of(response, name)) for name in ("page_size", "size")]
    size = next((each for each in told if each and each < MICROS_PER_PAGE), MICROS_PER_PAGE)
    if len(page.devices) >= min(size, total - (number - 1) * size):
        return page
    note = "the service counts more microinverters than the page lists"
    warn_incomplete(endpoint, page.system_id, [note])
    coverage = page.coverage
    gaps, notes = (*coverage.gaps(), nothing_missing(page.window)), (*coverage.notes, note)
    return evolve(page, coverage=evolve(coverage, gaps=gaps, notes=notes))


def _page_valid_until(page: MicrosTelemetry, fetched: float, since: float | None) -> float:
    """Return up to when (epoch seconds) a page will do: pages are cached one by one, as they came."""
    reasons = {gap.reason for each in (page, *page.devices) for gap in each.coverage.gaps()}
    absent = next((each for each in (Reason.NO_DEVICE, Reason.UNAVAILABLE) if each in reasons), None)
    if absent is not None:
        return absent_until(absent, fetched)
    told = (device.meta for device in page.devices if device.meta)
    until = valid_until(page.window.end, fetched, next(told, None), since)
    return min(until, recheck_at(fetched, since)) if Reason.LEFT_OUT in reasons else until


def _start_and_day_or_week(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window for Enphase's EV chargers, which know no shorter spans."""
    return (("start_at", str(window.start)), ("granularity", "day" if window.seconds <= DAY else "week"))


MICROS_TELEMETRY = PagedSeriesEndpoint(
    telemetry("micros_telemetry", "devices/micros/telemetry", 300, dense=False),
    lambda: models.MicrosTelemetry,
    lambda: decode_telemetry.micros,
)
"""All microinverters, one by one, by 5 minutes; so many on a page."""

MICRO_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("micro_telemetry", "devices/micros/{serial}/telemetry", 300, dense=False),
    lambda: models.MicroTelemetry,
    lambda: decode_telemetry.micro,
)
"""One microinverter, by 5 minutes."""

ENCHARGE_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("encharge_telemetry", "devices/encharges/{serial}/telemetry"),
    lambda: models.StorageTelemetry,
    lambda: decode_telemetry.storage_telemetry,
)
"""One Encharge, by 15 minutes."""

ACB_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("acb_telemetry", "devices/acbs/{serial}/telemetry"),
    lambda: models.StorageTelemetry,
    lambda: decode_telemetry.storage_telemetry,
)
"""One AC Battery, by 15 minutes; today's documentation no longer has it."""

EVSE_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("evse_telemetry", "{serial}/evse_telemetry"),
    lambda: models.EvseTelemetry,
    lambda: decode_telemetry.evse,
)
"""One EV charger, by 5 or 15 minutes as the answer says; windows are on the coarser grid."""

HP_TELEMETRY = SeriesEndpoint(
    evolve(telemetry("hp_telemetry", "hp_telemetry"), absent=NO_HEAT_PUMP_TEXT),
    lambda: models.HpTelemetry,
    lambda: decode_telemetry.heat_pump,
)
"""The heat pump of a system, as an EV charger."""

EV_CHARGER_TELEMETRY = DeviceSeriesEndpoint(
    evolve(
        telemetry("ev_charger_telemetry", "ev_charger/{serial}/telemetry"),
        params=_start_and_day_or_week,
        knows_today=False,
    ),
    lambda: models.EvChargerTelemetry,
    lambda: decode_telemetry.charger,
)
"""One of Enphase's EV chargers, by 15 minutes; without a range the service answers for yesterday."""

CACHED = tuple(
    endpoint.limits.name
    for endpoint in (
        *(RGM_STATS, STATS, CONSUMPTION_STATS, PRODUCTION_METER, BATTERY, HP_TELEMETRY),
        *(ENERGY_IMPORT_TELEMETRY, ENERGY_EXPORT_TELEMETRY, MICRO_TELEMETRY, ENCHARGE_TELEMETRY),
        *(ACB_TELEMETRY, EVSE_TELEMETRY, EV_CHARGER_TELEMETRY),
    )
)
"""Names of the series that are cached as such; that of all microinverters is cached page by page."""
