"""An account of what was bought, cell by cell: what may be served of it, and the fewest windows for the rest.

It is written from the promises alone and shares nothing with the package: a cell is an interval by its
end; of each the newest answer counts. What it says is taken from what went over the wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from attrs import Factory, define, frozen

DAY = 86_400
FINAL_AFTER = 3 * DAY
FINAL_UNTOLD_AFTER = 30 * DAY
RECHECK = 3600
SPANS = {
    "v2": {"rgm_stats": 7 * DAY, "stats": DAY, "consumption_stats": 28 * DAY},
    "v4": {"rgm_stats": 7 * DAY, "stats": 7 * DAY, "consumption_stats": 7 * DAY},
}
GRIDS = {"rgm_stats": 900, "stats": 300, "consumption_stats": 900}
YEARS = {"v2": 1, "v4": 2}
PATHS = {"telemetry/production_micro": "stats", "telemetry/consumption_meter": "consumption_stats"}

Span = tuple[int, int]
Row = tuple[Any, ...]


@frozen
class Exchange:
    """A request that was answered, and when: by the service's own clock."""

    name: str
    system: str
    params: Mapping[str, str]
    status: int
    body: Any
    date: int


class Tap(httpx.AsyncBaseTransport):
    """Writes down what goes over the wire."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.log: list[Exchange] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on."""
        answer = await self.inner.handle_async_request(request)
        content = await answer.aread()
        date = int(parsedate_to_datetime(answer.headers["Date"]).timestamp())
        system, _, name = request.url.path.partition("/systems/")[2].partition("/")
        self.log.append(
            Exchange(
                PATHS.get(name, name),
                system,
                dict(request.url.params),
                answer.status_code,
                json.loads(content),
                date,
            )
        )
        headers = [(k, v) for k, v in answer.headers.raw if k.lower() in {b"date", b"content-type"}]
        return httpx.Response(answer.status_code, headers=headers, content=content)


@frozen
class Answer:
    """What one answer says beside its rows.

    Attributes:
        at: when it was given.
        reported: up to when all was reported by then, energy included, where it says so.
        started: when the system went into operation, where it says so.
        absent: whether there is no such device.
        nothing: whether it has nothing at all to tell: that is remembered for a day.
    """

    at: int
    reported: float | None
    started: float | None
    absent: bool
    nothing: bool

    @classmethod
    def of(cls, exchange: Exchange, end: int) -> Answer:
        """Read it; `end` is that of the range it speaks of."""
        body = exchange.body
        meta = body.get("meta") or {}
        rows = [row["end_at"] for row in body.get("intervals") or ()]
        told = [at for at in (meta.get("last_report_at"), meta.get("last_energy_at")) if at]
        # Shortly before that some devices may not have been heard.
        reported = min(told) - 3600 if told else None
        absent = exchange.status in {401, 422} and "consumption meter" in json.dumps(body)
        absent |= exchange.status == 200 and body.get("total_devices") == 0 and not rows
        started = meta.get("operational_at")
        silent = reported is None and started is None and not rows
        return cls(exchange.date, reported, started, absent, absent or silent)


@define
class Series:
    """What was bought of one series of one system.

    Attributes:
        grid: seconds from one cell to the next.
        span: seconds that one request may ask for.
        kept: seconds the service keeps.
        cells: the newest answer about each cell, and the row it had.
        answers: all of them.
    """

    grid: int
    span: int
    kept: int
    cells: dict[int, tuple[Answer, Row | None]] = Factory(dict)
    answers: list[Answer] = Factory(list)
    since: dict[int, int] = Factory(dict)
    _final: dict[int, tuple[float | None, float]] = Factory(dict)

    def put(self, window: Span, answer: Answer, rows: Mapping[int, Row]) -> None:
        """Note what an answer says of a window."""
        self.answers.append(answer)
        self._final.clear()
        # Answers that follow each other and tell of no more are a row, week by week.
        seen: dict[int, int] = {}
        for cell in self.within(window):
            before = self.cells.get(cell)
            if before and before[0].reported == answer.reported and before[0].at <= answer.at:
                week = (cell - 1) // (7 * DAY)
                seen[week] = min(seen.get(week, answer.at), self.since.get(cell, before[0].at))
        for cell in self.within(window):
            self.since[cell] = seen.get((cell - 1) // (7 * DAY), answer.at)
            if cell not in self.cells or self.cells[cell][0].at <= answer.at:
                self.cells[cell] = (answer, rows.get(cell))

    def within(self, window: Span) -> range:
        """Return the cells of a window."""
        return range(window[0] + self.grid, window[1] + 1, self.grid)

    def served(self, cell: int, now: float, max_age: float | None) -> bool:
        """Tell whether what is known of a cell will do."""
        if cell not in self.cells or max_age == 0:
            return False
        answer = self.cells[cell][0]
        if max_age is not None and answer.at >= now - max_age:
            return True
        if answer.nothing:
            return answer.at + DAY > now
        if answer.at not in self._final:
            told = [each.reported for each in self.answers if each.at <= answer.at and each.reported]
            final = min(answer.at - FINAL_AFTER, max(told)) if told else answer.at - FINAL_UNTOLD_AFTER
            self._final[answer.at] = max(told, default=None), final
        reported, final = self._final[answer.at]
        newest = max((each.reported for each in self.answers if each.reported), default=None)
        if newest is not None and (reported is None or newest > reported):
            return cell <= final  # more has come since
        # A system that stands still is asked again after an hour, then twice as long, up to a day.
        again = answer.at + min(DAY, RECHECK + answer.at - self.since[cell])
        return cell <= (answer.at - FINAL_AFTER if now < again else final)

    def missing(self, window: Span, now: float, max_age: float | None) -> list[int]:
        """Return the cells that are worth buying: the service still has them, and nothing serves them."""
        oldest = (now - self.kept + 3600) // self.grid * self.grid
        known = {cell: self.served(cell, now, max_age) for cell in self.within(window)}
        seen = [cell for cell, held in known.items() if held]
        cells = [cell for cell, held in known.items() if cell > oldest and not held]
        late = max_age and seen and self._is_young(seen[-1], now - max_age)
        return [] if late and all(cell > seen[-1] for cell in cells) else cells

    def _is_young(self, cell: int, since: float) -> bool:
        """Tell whether a cell was the newest when it was fetched, and that not long ago."""
        at = self.cells[cell][0].at
        return cell > at - 2 * self.grid and at >= since

    def cover(self, cells: Iterable[int], zone: ZoneInfo | None = None, *, days: bool = False) -> list[Span]:
        """Return the fewest windows that hold these cells, each what one request may ask for."""
        windows: list[list[int]] = []
        reach = 0
        for cell in cells:
            if not windows or cell > reach:
                reach = self._reach(cell - self.grid, zone, days=days)
                windows.append([cell - self.grid, cell])
            windows[-1][1] = cell
        return [(start, end) for start, end in windows]

    def _reach(self, start: int, zone: ZoneInfo | None, *, days: bool) -> int:
        """Return the end of the longest window from here; days are the clock's where a zone is given."""
        if zone is None:
            return start + self.span
        here = datetime.fromtimestamp(start, zone)
        clock = (here.replace(tzinfo=None) + timedelta(seconds=self.span)).replace(tzinfo=zone).timestamp()
        reach = min(start + self.span, max(clock, start + self.span - 3600))
        if days and self.span == DAY:
            midnight = datetime.combine(here.date() + timedelta(days=1), datetime.min.time(), zone)
            reach = min(reach, midnight.timestamp())
        return max(int(reach // self.grid * self.grid), start + self.grid)

    def worth(self, windows: list[Span], now: float, max_age: float | None) -> list[Span]:
        """Leave out windows that earlier answers tell to be empty."""
        if max_age == 0 or not self.answers:
            return windows
        newest = max(self.answers, key=lambda each: each.at)
        if newest.absent and (newest.at + DAY > now or newest.at >= now - (max_age or 0)):
            return []
        started = next((each.started for each in reversed(self.answers) if each.started), None)
        return [each for each in windows if started is None or each[1] > started]
