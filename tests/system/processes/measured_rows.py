"""What was measured, row by row, in one form for answers, stored parts and the truth."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

from attrs import frozen

from enlighten_async import RgmStats
from enlighten_async.emulator import Emulator
from enlighten_async.windows import Window

Row: TypeAlias = tuple[int, str, int, float | None, float | None]
"""The end of an interval, the meter (empty: all of them), its channel, and what was measured."""


def rows(part: RgmStats) -> list[Row]:
    """Return the rows of an answer, or of a part of one, in order."""
    whole = _numbers(part.intervals, "end_at", "wh_del", "devices_reporting")
    found: list[Row] = [(end, "", 0, wh, devices) for end, wh, devices in whole]
    for meter in part.meter_intervals:
        told = _numbers(meter.intervals, "end_at", "channel", "wh_del", "curr_w")
        found += [(end, meter.meter_serial_number, channel, wh, power) for end, channel, wh, power in told]
    return sorted(found)


def _numbers(series: Any, *names: str) -> Iterable[tuple[Any, ...]]:
    columns = series.columns
    return zip(*([_or_null(raw) for raw in columns[name]] for name in names), strict=True)


def _or_null(raw: float) -> float | None:
    return raw if raw == raw else None  # noqa: PLR0124 - NaN stands for null


def digest(told: Sequence[Row]) -> str:
    """Return what tells these rows from any others."""
    exact = [(*row[:3], *(None if value is None else float(value) for value in row[3:])) for row in told]
    return blake2b(repr(exact).encode(), digest_size=16).hexdigest()


@frozen
class Truth:
    """The rows the service has of a system over a range, in order."""

    rows: list[Row]

    @classmethod
    def of(cls, emulator: Emulator, system: int, window: Window) -> Truth:
        """Return what the service has at this moment."""
        whole = emulator.truth.rgm_stats(system, window.start, window.end)
        meters: Any = emulator.truth.meter_intervals(system, window.start, window.end)
        found: list[Row] = [(row["end_at"], "", 0, row["wh_del"], row["devices_reporting"]) for row in whole]
        found += [
            (row["end_at"], meter["meter_serial_number"], row["channel"], row["wh_del"], row["curr_w"])
            for meter in meters
            for row in meter["intervals"]
        ]
        return cls(sorted(found))

    def within(self, window: Window) -> list[Row]:
        """Return the rows of a window."""
        first, last = (bisect_right(self.rows, end, key=_end) for end in (window.start, window.end))
        return self.rows[first:last]


def _end(row: Row) -> int:
    return row[0]
