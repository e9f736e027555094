"""Series endpoints of v4 and their limits, in one table."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from attrs import evolve, frozen

from enlighten_async.api.decode_series import consumption_stats, rgm_stats, stats
from enlighten_async.api.ranges import Params, SeriesLimits
from enlighten_async.api.series import SeriesEndpoint, SeriesRequests
from enlighten_async.api.v4.daily import NO_HEAT_PUMP
from enlighten_async.api.v4.decode_series import (
    battery,
    charger,
    energy_export,
    energy_import,
    evse,
    heat_pump,
    micro,
    micros,
    production_meter,
    storage_telemetry,
)
from enlighten_async.api.v4.systems import quote_segment
from enlighten_async.cache import valid_until
from enlighten_async.models.coverage import Gap
from enlighten_async.models.device_series import (
    MicrosTelemetry,
    merge_finest,
    merge_micros,
    no_charger,
    no_evse,
    no_heat_pump,
    no_micro,
    no_micros,
)
from enlighten_async.models.intervals import IntervalStats, merge_parts
from enlighten_async.models.rgm_stats import merge_rgm_stats, no_production, no_rgm_stats
from enlighten_async.models.site_series import (
    merge_battery,
    merge_storage,
    no_battery,
    no_consumption,
    no_export,
    no_import,
    no_stats,
    no_storage,
)
from enlighten_async.query.plan import Draft
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Request, Requests

WEEK = 7 * DAY
"""Seconds of the longest span that one request may ask for."""

KEPT = 2 * 365 * DAY
"""Seconds for which the service keeps intervals."""

_GRANULARITIES = ((15 * 60, "15mins"), (DAY, "day"), (WEEK, "week"))
"""Spans the service knows, by their seconds. What it calls granularity is how much it answers."""


def _spanned(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window: its start, and the smallest span that holds it."""
    name = next(name for seconds, name in _GRANULARITIES if window.seconds <= seconds)
    return (("start_at", str(window.start)), ("granularity", name))


def _ended(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window: its ends, but for one that may not have come yet, by its clock.

    An end in the future is refused; without one the service answers up to now.
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
    """Return the row of an endpoint that takes a start and a span, and says where its answer ends."""
    return SeriesLimits(
        name,
        grid,
        WEEK,
        path=f"/systems/{{}}/{path}",
        params=_spanned,
        retention=KEPT,
        cut="told",
        dense=dense,
        surplus=True,
        counted=counted,
    )


RGM_STATS = SeriesEndpoint(
    SeriesLimits(
        "rgm_stats",
        900,
        WEEK,
        path="/systems/{}/rgm_stats",
        params=_ended,
        retention=KEPT,
        cut="error",
        surplus=True,
    ),
    rgm_stats,
    no_rgm_stats,
    merge_rgm_stats,
)
"""Revenue-grade meters, by 15 minutes; longer than 7 days, or an end in the future, is an error."""

STATS = SeriesEndpoint(
    telemetry("stats", "telemetry/production_micro", 300, dense=False),
    stats,
    no_stats,
    merge_parts,
)
"""Microinverters, by 5 minutes; at night there are no rows."""

CONSUMPTION_STATS = SeriesEndpoint(
    telemetry("consumption_stats", "telemetry/consumption_meter"),
    consumption_stats,
    no_consumption,
    merge_parts,
)
"""What the site consumed, by 15 minutes."""

PRODUCTION_METER = SeriesEndpoint(
    telemetry("production_meter", "telemetry/production_meter"),
    production_meter,
    no_production,
    merge_parts,
)
"""Production meters, by 15 minutes."""

BATTERY = SeriesEndpoint(
    telemetry("battery", "telemetry/battery"),
    battery,
    no_battery,
    merge_battery,
)
"""All batteries of a system, by 15 minutes."""

ENERGY_IMPORT_TELEMETRY = SeriesEndpoint(
    telemetry("energy_import_telemetry", "energy_import_telemetry", counted=False),
    energy_import,
    no_import,
    merge_parts,
)
"""What the site drew from the grid, by 15 minutes."""

ENERGY_EXPORT_TELEMETRY = SeriesEndpoint(
    telemetry("energy_export_telemetry", "energy_export_telemetry", counted=False),
    energy_export,
    no_export,
    merge_parts,
)
"""What the site fed into the grid, by 15 minutes."""

SITE: tuple[SeriesEndpoint[Any], ...] = (
    PRODUCTION_METER,
    BATTERY,
    ENERGY_IMPORT_TELEMETRY,
    ENERGY_EXPORT_TELEMETRY,
)
"""Those of a whole system that v2 has not."""


PAGE = 20
"""Devices per page, the most the service gives."""

D = TypeVar("D", bound=IntervalStats[Any])


@frozen
class DeviceSeriesEndpoint(Generic[D]):
    """One endpoint that answers with the intervals of one device, which its path names.

    Attributes:
        endpoint: what the service allows; `{serial}` in its path stands for the serial number.
        decode: reads an answer, as that of a `SeriesEndpoint`; is given `serial` as well.
        nothing: makes an answer without rows; is given `serial` as well.
        merge: joins parts, as that of a `SeriesEndpoint`.
    """

    endpoint: SeriesLimits
    decode: Callable[..., D]
    nothing: Callable[..., D]
    merge: Callable[[Sequence[D], D, Iterable[Gap]], D] = merge_parts

    def draft(
        self, system_id: int, serial_number: str, zones: Mapping[int, str], **range_: Any
    ) -> Draft[D, D, D]:
        """Ask for the intervals of a device, as `SeriesEndpoint.draft` does for those of a system.

        Raises:
            InputError: the range makes no sense, or no serial number can look like this.
        """
        return self.of(serial_number).draft(system_id, zones, **range_)

    def of(self, serial_number: str) -> SeriesEndpoint[D]:
        """Return the endpoint for one device."""
        quoted, serial = quote_segment(serial_number, "serial_number"), serial_number.strip()
        return SeriesEndpoint(
            evolve(self.endpoint, path=self.endpoint.path.replace("{serial}", quoted)),
            lambda *asked: self.decode(*asked, serial=serial),
            lambda *told: self.nothing(*told, serial=serial),
            self.merge,
            serial,
        )


class PagedSeriesEndpoint(SeriesEndpoint[MicrosTelemetry]):
    """The endpoint that answers with all microinverters, so many on a page."""

    paged: ClassVar[bool] = True

    def ask(self, system_id: int, zones: Mapping[int, str]) -> SeriesRequests[MicrosTelemetry]:
        """Return what asks for the intervals of a system."""
        return PagedSeriesRequests(self, system_id, zones)


class PagedSeriesRequests(SeriesRequests[MicrosTelemetry]):
    """What is asked of one system, page by page."""

    def flow(self, window: Window | None, *, newest: bool = False) -> Requests[MicrosTelemetry]:
        """Ask for page after page, for as long as there are more and they hold devices not seen before."""
        known, page, total, more = set[str](), 1, 0, True
        while more:
            parts = yield from self._whole(page, window, newest=newest)
            if window is None and parts[0].window.seconds:
                window = parts[0].window  # the other pages have to be of the same time
            listed = {each.serial_number for quote_segment in parts for each in quote_segment.devices}
            total = max(total, *(quote_segment.total_devices for quote_segment in parts))
            new = bool(listed - known)
            known |= listed
            more = new and (len(known) < total if total else len(listed) >= PAGE)
            if not all(quote_segment.coverage.complete for quote_segment in parts):
                more = page * PAGE < total  # what this page would have listed is not known
            page += 1

    def _whole(
        self, page: int, window: Window | None, *, newest: bool
    ) -> Generator[Request[MicrosTelemetry], MicrosTelemetry, list[MicrosTelemetry]]:
        """Ask for one page of a window; return the parts it takes."""
        paged = (("page", str(page)), ("size", str(PAGE)))
        parts: list[MicrosTelemetry] = []
        while True:
            request = self.request(window, newest=newest)
            parts.append((yield evolve(request, params=(*request.params, *paged), valid_until=_until)))
            if window is None or parts[-1].window.end >= window.end:
                return parts
            window = Window(parts[-1].window.end, window.end)


def _until(page: MicrosTelemetry, fetched: float) -> float:
    """Return up to when a page of microinverters will do: pages are kept one by one, as they came."""
    return valid_until(page.window.end, fetched, page.coverage.reported_until)


def _by_day_or_week(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window for Enphase's chargers of cars, which know no shorter spans."""
    return (("start_at", str(window.start)), ("granularity", "day" if window.seconds <= DAY else "week"))


MICROS_TELEMETRY = PagedSeriesEndpoint(
    telemetry("micros_telemetry", "devices/micros/telemetry", 300, dense=False),
    micros,
    no_micros,
    merge_micros,
)
"""All microinverters, one by one, by 5 minutes; so many on a page."""

MICRO_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("micro_telemetry", "devices/micros/{serial}/telemetry", 300, dense=False),
    micro,
    no_micro,
)
"""One microinverter, by 5 minutes."""

ENCHARGE_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("encharge_telemetry", "devices/encharges/{serial}/telemetry"),
    storage_telemetry,
    no_storage,
    merge_storage,
)
"""One Encharge, by 15 minutes."""

ACB_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("acb_telemetry", "devices/acbs/{serial}/telemetry"),
    storage_telemetry,
    no_storage,
    merge_storage,
)
"""One AC Battery, by 15 minutes; today's documentation no longer has it."""

EVSE_TELEMETRY = DeviceSeriesEndpoint(
    telemetry("evse_telemetry", "{serial}/evse_telemetry"),
    evse,
    no_evse,
    merge_finest,
)
"""One charger of cars, by 5 or 15 minutes as the answer says; windows are on the coarser grid."""

HP_TELEMETRY = SeriesEndpoint(
    evolve(telemetry("hp_telemetry", "hp_telemetry"), absent=NO_HEAT_PUMP),
    heat_pump,
    no_heat_pump,
    merge_finest,
)
"""The heat pump of a system, as a charger of cars."""

EV_CHARGER_TELEMETRY = DeviceSeriesEndpoint(
    evolve(
        telemetry("ev_charger_telemetry", "ev_charger/{serial}/telemetry"),
        params=_by_day_or_week,
        knows_today=False,
    ),
    charger,
    no_charger,
)
"""One of Enphase's chargers of cars, by 15 minutes; without a range the service answers for yesterday."""

DEVICES: tuple[SeriesEndpoint[Any] | DeviceSeriesEndpoint[Any], ...] = (
    *(MICROS_TELEMETRY, MICRO_TELEMETRY, ENCHARGE_TELEMETRY, ACB_TELEMETRY),
    *(EVSE_TELEMETRY, HP_TELEMETRY, EV_CHARGER_TELEMETRY),
)
"""All of these."""
