"""Power and energy of all microinverters of a system, one by one, in intervals of 5 minutes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from attrs import evolve, field, frozen

from enlighten_async.models.coverage import Coverage, Hole, Reason, combined, join
from enlighten_async.models.device_telemetry import MicroTelemetry, no_micro
from enlighten_async.models.intervals import Ranged, joined
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Rows
from enlighten_async.windows import Window


@frozen
class MicrosTelemetry(Ranged, Rows[MicroTelemetry]):
    """All microinverters of a system over a range of time: a sequence of their series.

    `total_devices` is how many the service counts; retired ones may be among them.

    Attributes:
        devices: each by itself, with a coverage of its own.
        coverage: what of the range was answered for all of them.
        receipt: what the query spent; empty on a part of a stream, which holds some of the devices.
    """

    devices: tuple[MicroTelemetry, ...]
    coverage: Coverage = field(eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __len__(self) -> int:
        return len(self.devices)

    def _row(self, place: int) -> MicroTelemetry:
        return self.devices[place]

    @property
    def _last(self) -> int | None:
        return max((last for each in self.devices if (last := each._last) is not None), default=None)

    def _placed(self, timezone: str | None) -> Self:
        devices = tuple(each._placed(timezone) for each in self.devices)
        return evolve(self, timezone=timezone, devices=devices)


def nothing(system_id: int, coverage: Coverage) -> MicrosTelemetry:
    """Return an answer without devices."""
    return MicrosTelemetry(system_id, 0, None, coverage.window, None, (), coverage)


def merge(
    parts: Sequence[MicrosTelemetry], empty: MicrosTelemetry, unasked: Iterable[Hole] = ()
) -> MicrosTelemetry:
    """Join parts of one system, device by device; parts may lie side by side, or hold other devices.

    Args:
        parts: in order of time.
        empty: an answer without devices for the whole range, on its grid, to be filled.
        unasked: what of the range parts are missing for, and why.
    """
    told = combined([part.coverage for part in parts], empty.window, empty.coverage.grid, unasked)
    coverage = evolve(told, holes=_disjoint(told.holes))
    pieces: dict[str, list[MicroTelemetry]] = {}
    for each in (each for part in parts for each in part.devices):
        pieces.setdefault(each.serial_number, []).append(each)
    return evolve(
        empty,
        total_devices=next((part.total_devices for part in reversed(parts) if part.total_devices), 0),
        devices=tuple(_whole(each, coverage) for each in pieces.values()),
        coverage=coverage,
    )


def _whole(pieces: list[MicroTelemetry], coverage: Coverage) -> MicroTelemetry:
    """Join the pieces of one device: of two for the same time, as it moved to another page, the first."""
    side_by_side: list[MicroTelemetry] = []
    holes: list[Hole] = []
    reached = coverage.window.start
    for piece in sorted(pieces, key=lambda piece: piece.window):
        if piece.window.start >= reached:
            holes += _without(Window(reached, piece.window.start), coverage.holes)
            side_by_side.append(piece)
            reached = piece.window.end
    holes += _without(Window(reached, coverage.window.end), coverage.holes)
    first = pieces[0]
    empty = no_micro(first.system_id, evolve(coverage, holes=(), notes=()), serial=first.serial_number)
    return joined(side_by_side, empty, holes)


def _without(gap: Window, holes: Iterable[Hole]) -> list[Hole]:
    """Tell why a device was not listed for a stretch: as nobody was asked, or else there was no row of it."""
    told, reached = [], gap.start
    for hole in holes:
        piece = hole.window.clip(gap)
        if piece.seconds:
            told += [Hole(Window(reached, piece.start), Reason.NO_ROW), Hole(piece, hole.reason)]
            reached = piece.end
    told.append(Hole(Window(reached, gap.end), Reason.NO_ROW))
    return [hole for hole in told if hole.window.seconds]


def _disjoint(holes: Iterable[Hole]) -> tuple[Hole, ...]:
    """Return holes that share no time; where several do, the first one's reason is kept."""
    left: list[Hole] = []
    reached = 0
    for hole in sorted(holes, key=lambda hole: hole.window):
        start = max(hole.window.start, reached)
        if start < hole.window.end:
            left.append(Hole(Window(start, hole.window.end), hole.reason))
            reached = hole.window.end
    return join(left)
