"""The endpoints that answer with the intervals of single devices, or of all of a kind, page by page."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from attrs import evolve, frozen

from enlighten_async.dialect.ask import Ask
from enlighten_async.dialect.intervals import Kind
from enlighten_async.dialect.ranges import Endpoint, Params
from enlighten_async.models import battery, device_telemetry, micros_telemetry
from enlighten_async.models.coverage import Hole
from enlighten_async.models.intervals import IntervalStats, joined
from enlighten_async.models.micros_telemetry import MicrosTelemetry
from enlighten_async.session.outline import Draft
from enlighten_async.store import good_until
from enlighten_async.v4 import decode_devices
from enlighten_async.v4.lifetimes import NO_HEAT_PUMP
from enlighten_async.v4.paths import part
from enlighten_async.v4.series import telemetry
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Flow, Request

PAGE = 20
"""Devices per page, the most the service gives."""

D = TypeVar("D", bound=IntervalStats[Any])


@frozen
class DeviceKind(Generic[D]):
    """One endpoint that answers with the intervals of one device, which its path names.

    Attributes:
        endpoint: what the service allows; `{serial}` in its path stands for the serial number.
        decode: reads an answer, as that of a `Kind`; is given `serial` as well.
        nothing: makes an answer without rows; is given `serial` as well.
        merge: joins parts, as that of a `Kind`.
    """

    endpoint: Endpoint
    decode: Callable[..., D]
    nothing: Callable[..., D]
    merge: Callable[[Sequence[D], D, Iterable[Hole]], D] = joined

    def draft(
        self, system_id: int, serial_number: str, zones: Mapping[int, str], **range_: Any
    ) -> Draft[D, D, D]:
        """Ask for the intervals of a device, as `Kind.draft` does for those of a system.

        Raises:
            InputError: the range makes no sense, or no serial number can look like this.
        """
        return self.of(serial_number).draft(system_id, zones, **range_)

    def of(self, serial_number: str) -> Kind[D]:
        """Return the endpoint for one device."""
        quoted, serial = part(serial_number, "serial_number"), serial_number.strip()
        return Kind(
            evolve(self.endpoint, path=self.endpoint.path.replace("{serial}", quoted)),
            lambda *asked: self.decode(*asked, serial=serial),
            lambda *told: self.nothing(*told, serial=serial),
            self.merge,
            serial,
        )


class PagedKind(Kind[MicrosTelemetry]):
    """The endpoint that answers with all microinverters, so many on a page."""

    paged: ClassVar[bool] = True

    def ask(self, system_id: int, zones: Mapping[int, str]) -> Ask[MicrosTelemetry]:
        """Return what asks for the intervals of a system."""
        return PagedAsk(self, system_id, zones)


class PagedAsk(Ask[MicrosTelemetry]):
    """What is asked of one system, page by page."""

    def flow(self, window: Window | None, *, newest: bool = False) -> Flow[MicrosTelemetry]:
        """Ask for page after page, for as long as there are more and they hold devices not seen before."""
        known, page, total, more = set[str](), 1, 0, True
        while more:
            parts = yield from self._whole(page, window, newest=newest)
            if window is None and parts[0].window.seconds:
                window = parts[0].window  # the other pages have to be of the same time
            listed = {each.serial_number for part in parts for each in part.devices}
            total = max(total, *(part.total_devices for part in parts))
            new = bool(listed - known)
            known |= listed
            more = new and (len(known) < total if total else len(listed) >= PAGE)
            if not all(part.coverage.complete for part in parts):
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
            parts.append((yield evolve(request, params=(*request.params, *paged), good_until=_until)))
            if window is None or parts[-1].window.end >= window.end:
                return parts
            window = Window(parts[-1].window.end, window.end)


def _until(page: MicrosTelemetry, fetched: float) -> float:
    """Return up to when a page of microinverters will do: pages are kept one by one, as they came."""
    return good_until(page.window.end, fetched, page.coverage.reported_until)


def _by_day_or_week(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window for Enphase's chargers of cars, which know no shorter spans."""
    return (("start_at", str(window.start)), ("granularity", "day" if window.seconds <= DAY else "week"))


MICROS_TELEMETRY = PagedKind(
    telemetry("micros_telemetry", "devices/micros/telemetry", 300, dense=False),
    decode_devices.micros,
    micros_telemetry.nothing,
    micros_telemetry.merge,
)
"""All microinverters, one by one, by 5 minutes; so many on a page."""

MICRO_TELEMETRY = DeviceKind(
    telemetry("micro_telemetry", "devices/micros/{serial}/telemetry", 300, dense=False),
    decode_devices.micro,
    device_telemetry.no_micro,
)
"""One microinverter, by 5 minutes."""

ENCHARGE_TELEMETRY = DeviceKind(
    telemetry("encharge_telemetry", "devices/encharges/{serial}/telemetry"),
    decode_devices.battery,
    battery.no_storage,
    battery.merge_storage,
)
"""One Encharge, by 15 minutes."""

ACB_TELEMETRY = DeviceKind(
    telemetry("acb_telemetry", "devices/acbs/{serial}/telemetry"),
    decode_devices.battery,
    battery.no_storage,
    battery.merge_storage,
)
"""One AC Battery, by 15 minutes; today's documentation no longer has it."""

EVSE_TELEMETRY = DeviceKind(
    telemetry("evse_telemetry", "{serial}/evse_telemetry"),
    decode_devices.evse,
    device_telemetry.no_evse,
    device_telemetry.merge_finest,
)
"""One charger of cars, by 5 or 15 minutes as the answer says; windows are on the coarser grid."""

HP_TELEMETRY = Kind(
    evolve(telemetry("hp_telemetry", "hp_telemetry"), absent=NO_HEAT_PUMP),
    decode_devices.heat_pump,
    device_telemetry.no_heat_pump,
    device_telemetry.merge_finest,
)
"""The heat pump of a system, as a charger of cars."""

EV_CHARGER_TELEMETRY = DeviceKind(
    evolve(
        telemetry("ev_charger_telemetry", "ev_charger/{serial}/telemetry"),
        params=_by_day_or_week,
        knows_today=False,
    ),
    decode_devices.charger,
    device_telemetry.no_charger,
)
"""One of Enphase's chargers of cars, by 15 minutes; without a range the service answers for yesterday."""

DEVICES: tuple[Kind[Any] | DeviceKind[Any], ...] = (
    *(MICROS_TELEMETRY, MICRO_TELEMETRY, ENCHARGE_TELEMETRY, ACB_TELEMETRY),
    *(EVSE_TELEMETRY, HP_TELEMETRY, EV_CHARGER_TELEMETRY),
)
"""All of these."""
