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

from enlighten_async.errors import DecodeError
from enlighten_async.models.coverage import Coverage, Hole, Reason, explained, join, missing
from enlighten_async.models.meta import Meta
from enlighten_async.models.series import NAN
from enlighten_async.v2.decode import failed, parsed
from enlighten_async.v2.iso import in_epoch
from enlighten_async.v2.ranges import HOUR, Endpoint
from enlighten_async.windows import END_OF_TIME, Window, as_datetime
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
    """An answer as it comes, but for its rows."""

    system_id: int
    total_devices: int | None = None
    meta: RawMeta | None = None


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
class Asked:
    """The range that was asked for, and how rows are fitted into it.

    Attributes:
        endpoint: what the service allows.
        window: the range.
        ends: where its intervals end.
        notes: what was left out, in words.
    """

    endpoint: Endpoint
    window: Window
    ends: array[int] = field(init=False)
    notes: list[str] = field(init=False, factory=list)

    @ends.default
    def _ends(self) -> array[int]:
        grid = self.endpoint.grid
        return array("q", range(self.window.start + grid, self.window.end + 1, grid))

    def fitted(self, rows: list[R]) -> tuple[array[int], list[R]]:
        """Return a system's rows in order of time, and their ends."""
        ends = array("q", [row.end_at for row in rows])
        if not self.orderly(ends):
            rows = self.sifted(rows, _ORDER)
            ends = array("q", [row.end_at for row in rows])
        return ends, rows

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
        until = max([*ends[-1:], *([meta.last_report_at] if meta.last_report_at else [])], default=None)
        gaps = missing(self.window, ends, grid)
        if body.total_devices == 0 and not ends:
            holes = [Hole(gap, Reason.NO_DEVICE) for gap in gaps]
        else:
            holes = [hole for gap in gaps for hole in explained(gap, grid, meta.operational_at, until)]
        return Coverage(
            self.window,
            grid,
            join(holes),
            as_of=None if date is None else as_datetime(date),
            reported_until=None if until is None else as_datetime(until),
            notes=tuple(dict.fromkeys(self.notes)),
        )


def asked(endpoint: Endpoint, window: Window | None, rows: Sequence[RawRow], response: Response) -> Asked:
    """Return what was asked for: the window, or what the rows span where it was left to the service."""
    if window is not None:
        return Asked(endpoint, window)
    ends = [row.end_at for row in rows if row.end_at % endpoint.grid == 0]
    window = Window(min(ends) - endpoint.grid, max(ends)) if ends else Window(0, 0)
    if window.seconds > endpoint.longest:
        hours = endpoint.longest // HOUR
        raise failed(response, "$.intervals", f"the rows of one answer lie more than {hours} hours apart")
    return Asked(endpoint, window)


def _meta(meta: RawMeta | None) -> Meta | None:
    if meta is None:
        return None
    moments = (meta.last_report_at, meta.last_energy_at, meta.operational_at)
    return Meta(meta.status, *(None if at is None else as_datetime(at) for at in moments))
