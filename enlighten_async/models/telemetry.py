"""Telemetry: intervals of a whole site, of its batteries, and of single devices.

Intervals of revenue-grade and production meters are in `rgm_stats`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, Literal, Self, TypeVar

from attrs import evolve, field, frozen

from enlighten_async.models.convert import RowSequence, ToDict
from enlighten_async.models.coverage import Coverage, Gap, Reason, combined, join, nothing_missing
from enlighten_async.models.intervals import (
    KEEP_NEWEST,
    IntervalStats,
    SeriesResult,
    Steps,
    Sum,
    Unit,
    merge_parts,
)
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.series import WIRE_PATH, overlaid
from enlighten_async.windows import Window, without

R_co = TypeVar("R_co", covariant=True)

_CHARGE: Final = {WIRE_PATH: ("charge", "enwh")}
_DISCHARGE: Final = {WIRE_PATH: ("discharge", "enwh")}
_SOC: Final = {WIRE_PATH: ("soc", "percent")}
_NEWEST: Final = {KEEP_NEWEST: True}


@frozen
class StatsInterval(ToDict):
    """Production of a system's microinverters in 5 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    devices_reporting: int | None
    """Microinverters that reported; below `total_devices` at dawn, and where reports are late, so that the
    values may still rise.
    """
    powr: int | float | None
    """Average power, W; null if unknown."""
    enwh: int | float | None
    """Energy produced, Wh; null if unknown."""


@frozen
class Stats(IntervalStats[StatsInterval]):
    """Power and energy of a system's microinverters over a range of time.

    At night the service has no rows; they are gaps of the coverage with the reason `no_row`.
    `total_devices` counts microinverters. The other attributes are those of all answers in intervals.
    """

    _energy: ClassVar[str] = "enwh"


@frozen
class ConsumptionInterval(ToDict):
    """Consumption of a system's site in 15 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    devices_reporting: int | None
    """Meters that reported; below `total_devices` where reports are late, so that the value may still change.
    """
    enwh: int | float | None
    """Energy consumed, Wh; null if unknown."""


@frozen
class ConsumptionStats(IntervalStats[ConsumptionInterval]):
    """Energy a system's site consumed over a range of time.

    `total_devices` counts consumption meters. The other attributes are those of all answers in
    intervals.
    """

    _energy: ClassVar[str] = "enwh"


@frozen
class EnergyImportInterval(ToDict):
    """Energy that a site drew from the grid in 15 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    wh_imported: int | float | None
    """Energy drawn, Wh; null if unknown."""


@frozen
class EnergyExportInterval(ToDict):
    """Energy that a site fed into the grid in 15 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    wh_exported: int | float | None
    """Energy fed in, Wh; null if unknown."""


@frozen
class EnergyImportTelemetry(IntervalStats[EnergyImportInterval]):
    """Energy a system's site drew from the grid over a range of time.

    `total_devices` is always 0: the service counts none here. The other attributes are those of all
    answers in intervals.
    """

    _energy: ClassVar[str] = "wh_imported"


@frozen
class EnergyExportTelemetry(IntervalStats[EnergyExportInterval]):
    """Energy a system's site fed into the grid over a range of time.

    `total_devices` is always 0: the service counts none here. The other attributes are those of all
    answers in intervals.
    """

    _energy: ClassVar[str] = "wh_exported"


@frozen
class BatteryInterval(ToDict):
    """Charge, discharge and state of charge of a system's batteries in 15 minutes.

    Each figure has its own count of batteries that reported it; below `total_devices` the figure may still
    change.
    """

    end_at: datetime
    """Its end (aware UTC)."""
    charge: int | float | None = field(metadata=_CHARGE)
    """Energy that went into them, Wh; null if unknown."""
    discharge: int | float | None = field(metadata=_DISCHARGE)
    """Energy that came out of them, Wh; null if unknown."""
    soc: int | float | None = field(metadata=_SOC)
    """Their common state of charge at its end, percent; null if unknown."""
    charge_devices_reporting: int | None = field(metadata={WIRE_PATH: ("charge", "devices_reporting")})
    """Batteries that reported `charge`."""
    discharge_devices_reporting: int | None = field(metadata={WIRE_PATH: ("discharge", "devices_reporting")})
    """Batteries that reported `discharge`."""
    soc_devices_reporting: int | None = field(metadata={WIRE_PATH: ("soc", "devices_reporting")})
    """Batteries that reported `soc`."""


@frozen
class StorageInterval(ToDict):
    """Charge, discharge and state of charge of one battery in 15 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    charge: int | float | None = field(metadata=_CHARGE)
    """Energy that went into it, Wh; null if unknown."""
    discharge: int | float | None = field(metadata=_DISCHARGE)
    """Energy that came out of it, Wh; null if unknown."""
    soc: int | float | None = field(metadata=_SOC)
    """Its state of charge at its end, percent; null if unknown."""


@frozen
class Storage(IntervalStats[R_co], Generic[R_co]):
    """Energy that batteries took in and gave over a range of time."""

    _energy: ClassVar[str] = "discharge"

    def sums(
        self,
        unit: Unit,
        *,
        timezone: str | None = None,
        of: Literal["charge", "discharge"] = "discharge",
    ) -> list[Sum]:
        """Return the energy of each local hour, day or month of the range.

        Args:
            unit: "hour", "day" or "month".
            timezone: IANA name; by default the system's own, where known.
            of: "discharge" for what came out, "charge" for what went in.

        Raises:
            InputError: the time zone is not known, or the unit is none of the three.
        """
        return self._sums(of, unit, timezone)


@frozen
class Battery(Storage[BatteryInterval]):
    """Energy that all batteries of a system took in and gave over a range of time.

    `total_devices` counts batteries; `meta` is null, as the service does not tell it here. The other
    attributes are those of all answers in intervals.
    """

    last_reported_aggregate_soc: float | None = field(default=None, kw_only=True, metadata=_NEWEST)
    """Their common state of charge when they reported last, percent; null if unknown."""


@frozen
class StorageTelemetry(Storage[StorageInterval]):
    """Energy that one battery, an Encharge or an AC Battery, took in and gave over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. The other attributes are those of all
    answers in intervals.
    """

    serial_number: str = field(kw_only=True)
    """The battery."""
    last_reported_time: datetime | None = field(default=None, kw_only=True, metadata=_NEWEST)
    """When it reported last (aware UTC); null if unknown."""
    last_reported_soc: float | None = field(default=None, kw_only=True, metadata=_NEWEST)
    """Its state of charge then, percent; null if unknown."""


@frozen
class MicroInterval(ToDict):
    """Production of one microinverter in 5 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    powr: int | float | None
    """Average power, W; null if unknown."""
    enwh: int | float | None
    """Energy produced, Wh; null if unknown."""


@frozen
class ConsumedInterval(ToDict):
    """Consumption of one device in 5 or 15 minutes, as the coverage's `grid` says."""

    end_at: datetime
    """Its end (aware UTC)."""
    wh_consumed: int | float | None
    """Energy, Wh; negative where a car gave more than it took; null if unknown."""


@frozen
class EvChargerInterval(ToDict):
    """Consumption of one EV charger in 15 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    consumption: int | float | None
    """Energy, Wh; null if unknown."""


@frozen
class MicroTelemetry(IntervalStats[MicroInterval]):
    """Power and energy of one microinverter over a range of time; at night there are no rows.

    `total_devices` is 1, or 0 where the service answered nothing. The other attributes are those of all
    answers in intervals.
    """

    _energy: ClassVar[str] = "enwh"

    serial_number: str = field(kw_only=True)
    """The microinverter."""


@frozen
class EvseTelemetry(IntervalStats[ConsumedInterval]):
    """Energy that one EV charger (EVSE) used over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. The charger reports by 5 or by 15
    minutes: so does the coverage, by the finer of the two where parts differ. The other attributes are
    those of all answers in intervals.
    """

    _energy: ClassVar[str] = "wh_consumed"

    serial_number: str = field(kw_only=True)
    """The charger."""


@frozen
class HpTelemetry(IntervalStats[ConsumedInterval]):
    """Energy that a system's heat pump used over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. Intervals are of 5 or 15 minutes, as in
    `EvseTelemetry`. The other attributes are those of all answers in intervals.
    """

    _energy: ClassVar[str] = "wh_consumed"


@frozen
class EvChargerTelemetry(IntervalStats[EvChargerInterval]):
    """Energy that one of Enphase's EV chargers used over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. The other attributes are those of all
    answers in intervals.
    """

    _energy: ClassVar[str] = "consumption"

    serial_number: str = field(kw_only=True)
    """The charger."""


@frozen
class MicrosTelemetry(SeriesResult, RowSequence[MicroTelemetry]):
    """All microinverters of a system over a range of time: a sequence of their series.

    `total_devices` is how many the service counts; retired ones may be among them.
    """

    _items: ClassVar[str] = "devices"

    devices: tuple[MicroTelemetry, ...]
    """Each by itself, with a coverage of its own."""
    coverage: Coverage = field(eq=False)
    """The part of the range that was answered for all of them."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query; empty on a part of a stream, which holds some of the devices."""

    @classmethod
    def _without_rows(cls) -> dict[str, Any]:
        return {"devices": ()}

    @property
    def _last(self) -> int | None:
        return max((last for each in self.devices if (last := each._last) is not None), default=None)

    def _with_rows_of(self, parts: Sequence[Self]) -> Steps[Self]:
        """Return the answer with the devices of its parts, side by side or of other devices."""
        coverage = evolve(self.coverage, gaps=_disjoint(self.coverage.gaps()))
        pieces: dict[str, list[MicroTelemetry]] = {}
        for each in (each for part in parts for each in part.devices):
            pieces.setdefault(each.serial_number, []).append(each)
        devices = []
        for of_device in pieces.values():
            yield
            devices.append(_merge_device(of_device, coverage))
        return evolve(self, devices=tuple(devices), coverage=coverage)

    def _with_timezone(self, timezone: str | None) -> Self:
        devices = tuple(each._with_timezone(timezone) for each in self.devices)
        return evolve(self, timezone=timezone, devices=devices)


def _merge_device(pieces: list[MicroTelemetry], coverage: Coverage) -> MicroTelemetry:
    """Join the pieces of one device; two are for the same time where it is listed on two pages."""
    side_by_side: list[MicroTelemetry] = []
    gaps: list[Gap] = []
    reached = coverage.window.start
    for piece in sorted(pieces, key=lambda piece: piece.window):
        if piece.window.start >= reached:
            gaps += _unlisted(Window(reached, piece.window.start), coverage.gaps())
            side_by_side.append(piece)
        else:
            side_by_side[-1] = _overlaid(side_by_side[-1], piece)
        reached = side_by_side[-1].window.end
    gaps += _unlisted(Window(reached, coverage.window.end), coverage.gaps())
    first = pieces[0]
    own = evolve(coverage, gaps=(), notes=())
    empty = MicroTelemetry.empty(first.system_id, own, serial_number=first.serial_number)
    return merge_parts(side_by_side, empty, gaps)


def _overlaid(first: MicroTelemetry, second: MicroTelemetry) -> MicroTelemetry:
    """Join two pieces of one device that share time: a null never replaces a value.

    Args:
        first: the piece that starts first.
        second: the other one; of two values its own counts.
    """
    one, other = first.coverage, second.coverage
    window = Window(first.window.start, max(first.window.end, second.window.end))
    grid = other.grid
    there = [Window(end - grid, end) for end in second.intervals.columns["end_at"]]
    gaps = [Gap(blank, gap.reason) for gap in one.gaps() for blank in without(gap.window, there)]
    gaps += other.cut(Window(first.window.end, window.end)).gaps()
    if not (one.complete and other.complete):
        gaps.append(nothing_missing(window))
    joined = combined([one, other], window, min(one.grid, grid), ())
    return evolve(
        first,
        window=window,
        intervals=overlaid(first.intervals, second.intervals),
        coverage=evolve(joined, gaps=join(gaps)),
    )


def _unlisted(window: Window, gaps: Iterable[Gap]) -> list[Gap]:
    """Return the gaps of a window for which a device was not listed: not asked for, or without a row."""
    told, reached = [], window.start
    for gap in gaps:
        piece = gap.window.clip(window)
        if piece.seconds:
            told += [Gap(Window(reached, piece.start), Reason.NO_ROW), Gap(piece, gap.reason)]
            reached = piece.end
    told.append(Gap(Window(reached, window.end), Reason.NO_ROW))
    return [gap for gap in told if gap.window.seconds]


def _disjoint(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return gaps that share no time; where several do, the first one's reason is kept."""
    gaps = sorted(gaps, key=lambda gap: gap.window)
    left = [gap for gap in gaps if not gap.window.seconds]
    reached = 0
    for gap in gaps:
        start = max(gap.window.start, reached)
        if start < gap.window.end:
            left.append(Gap(Window(start, gap.window.end), gap.reason))
            reached = gap.window.end
    return join(left)
