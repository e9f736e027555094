"""The service behind the endpoints of both versions: data, clock, retention and options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from attrs import define

from enlighten_async.emulator.drift import Drift
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.microinverters import MICRO_INTERVAL_S
from enlighten_async.emulator.simulation.sun import METER_INTERVAL_S

if TYPE_CHECKING:
    from datetime import date

    from enlighten_async.clock import Clock
    from enlighten_async.emulator.messages import Response
    from enlighten_async.emulator.quota import QuotaExceeded
    from enlighten_async.emulator.simulation.ground_truth import GroundTruth
    from enlighten_async.emulator.simulation.system import System

MAX_RGM_WINDOW_S = 7 * 86_400
RGM_WINDOW_TOO_LONG = "Requested date range in one API hit cannot be more than 7 days."
DATE_IN_FUTURE = "Requested date is in the future"
INVALID_RANGE = "Requested date range is invalid for this system"
NO_CONSUMPTION_METER = "The given system does not contain any active and enabled consumption meter"

OptionsT = TypeVar("OptionsT")

Row: TypeAlias = dict[str, object]


@define
class Service(Generic[OptionsT]):
    """One version of the service."""

    truth: GroundTruth
    """The data of all systems."""
    clock: Clock
    """The service's clock."""
    retention_s: float
    """Age in seconds of the oldest interval that is still returned."""
    options: OptionsT
    """Behaviour of this version that can be chosen; may be replaced at any time."""
    drifts: frozenset[Drift]
    """Departures from the documentation that are on; may be replaced at any time."""

    def now(self) -> float:
        """Return the time in epoch seconds."""
        return self.clock.now()

    def today(self, system: System) -> date:
        """Return the present date in the time zone of a system."""
        return local_date(self.clock.now(), system.timezone)

    def with_retry_after(self, response: Response, exceeded: QuotaExceeded) -> Response:
        """Return a rejection, with a Retry-After if that drift is on."""
        if Drift.RETRY_AFTER not in self.drifts:
            return response
        return response.with_header("Retry-After", str(int(exceeded.period.end - self.now()) + 1))

    def meta(self, system: System) -> Row:
        """Return the `meta` object: status and last reports of a system, the same at every endpoint."""
        last = self.truth.last_interval(system.system_id)
        # A gateway reports some time after an interval ends: the time is neither aligned nor later than now.
        # The multiplier (a prime) spreads the delays over the ids of systems.
        behind = system.system_id * 7919 % max(1, int(min(self.truth.report_lag, METER_INTERVAL_S)))
        micro = 0 if system.meters else behind // 2
        # a gateway that uploads what it has kept counts as reporting all the while
        reported = int(self.now() - self.truth.report_lag) if self.truth.is_uploading(system) else last or 0
        return {
            "status": system.status,
            "last_report_at": None if last is None else reported + behind,
            "last_energy_at": None if last is None else last + micro,
            "operational_at": system.shown_operational_at,
        }

    def summary(self, system: System, day: date) -> Row:
        """Return the content of `summary` for a local day that is not in the future."""
        start, end = local_midnight(day, system.timezone), local_midnight(day, system.timezone, 1)
        reached = self.meta(system)
        current = day == self.today(system)  # for past days the service returns the energy only
        return {
            "system_id": system.system_id,
            "modules": system.modules * current,
            "size_w": system.size_w * current,
            "current_power": self._power(system) * current,
            "energy_today": self.truth.produced(system.system_id, start, end),
            "energy_lifetime": self.truth.lifetime(system.system_id, start),
            "summary_date": day.isoformat(),
            "source": "meter" if system.meters else "microinverters",
            "status": system.status,
            "operational_at": system.shown_operational_at,
            "last_report_at": reached["last_report_at"],
            "last_interval_end_at": reached["last_energy_at"],
        }

    def newest_day(self, system: System) -> date | None:
        """Return the local day of the last interval; one that ends at midnight is the day before's."""
        newest = self.truth.last_interval(system.system_id)
        return None if newest is None else local_date(newest - 1, system.timezone)

    def _power(self, system: System) -> int:
        """Return the mean power (W) of the last interval: it stays until the next one is reported."""
        last = self.truth.last_interval(system.system_id)
        if last is None:
            return 0
        if not system.meters:
            return self.truth.stats(system.system_id, last - MICRO_INTERVAL_S, last)[0]["powr"]
        return self.truth.energy(system.system_id, last - METER_INTERVAL_S, last) * 3600 // METER_INTERVAL_S
