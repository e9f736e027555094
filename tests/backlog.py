"""A service whose gateway was offline, and uploads what it kept, oldest first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
from attrs import Factory, define

from enlighten_async import EnlightenClient, MemoryTokenStore, OAuth, Plan
from enlighten_async.cache import IntervalCache
from enlighten_async.oauth import Tokens
from enlighten_async.testing import FakeClock

DAY = 86_400
SYSTEM = 7
STARTED = 900 * DAY
"""Seconds for which the system has been in operation at the start of a test."""

_FINE = frozenset({"stats", "production_micro", "telemetry"})
_ROW = ("wh_del", "wh_imported", "wh_exported", "powr", "enwh")
_SPANS = {"15mins": 900, "day": DAY, "week": 7 * DAY}


def figure(end: int) -> int:
    """Return the figure of the interval that ends then."""
    return end // 300 % 977 + 1


@define
class BacklogService:
    """One system; energy is known up to a front, that moves on as the gateway uploads.

    Attributes:
        clock: the source of time.
        fronts: moments from which on energy is known up to a certain time, or up to the moment itself
            (`None`), in order of time.
        tells: the moments of `meta` that answers have.
        sent: the requests it got.
        ahead: seconds by which its `Date` is ahead of time.
        revised: what is added to each figure, as late reports correct it.
        off_grid: seconds by which its rows are off the grid.
        nulls: whether it answers null in place of rows.
    """

    clock: FakeClock
    fronts: list[tuple[float, float | None]] = Factory(list)
    tells: Sequence[str] = ("last_report_at", "last_energy_at")
    sent: list[httpx.Request] = Factory(list)
    ahead: float = 0.0
    revised: int = 0
    off_grid: int = 0
    nulls: bool = False

    @property
    def front(self) -> float:
        """The time up to which energy is known now."""
        now = self.clock.now()
        place = bisect_right([moment for moment, _ in self.fronts], now)
        front = self.fronts[place - 1][1] if place else None
        return now if front is None else front

    def client(
        self, version: str, *, cache: IntervalCache | None = None, state: Path | None = None
    ) -> EnlightenClient:
        """Return a client of it."""
        transport, plan = httpx.MockTransport(self.respond), Plan(minute=10_000, month=1_000_000)
        options: Any = {"transport": transport, "clock": self.clock, "plan": plan, "state": state}
        options |= {"interval_cache": cache}
        if version == "v2":
            return EnlightenClient("key", "user", **options)
        now = self.clock.now()
        tokens = MemoryTokenStore()
        tokens._tokens["default"] = Tokens("access", "refresh", now + 900 * DAY, now)
        oauth = OAuth("client", "secret", tokens=tokens, transport=transport, clock=self.clock)
        return EnlightenClient.v4("key", oauth=oauth, **options)

    async def respond(self, request: httpx.Request) -> httpx.Response:
        """Answer for what is known by now."""
        self.sent.append(request)
        name, params = request.url.path.rpartition("/")[2], dict(request.url.params)
        meta = {"status": "normal", "operational_at": int(self.clock.now() - STARTED)}
        known = {"last_report_at": int(self.clock.now()) - 120, "last_energy_at": int(self.front)}
        meta |= {moment: known[moment] for moment in self.tells}
        if name == "summary":
            body = self.summary(params["summary_date"], meta)
        elif name.endswith("lifetime"):
            body = self.lifetime(name, params, meta)
        else:
            body = self.series(name, params, meta)
        headers = {"date": formatdate(self.clock.now() + self.ahead, usegmt=True)}
        return httpx.Response(200, json={"system_id": SYSTEM, **body}, headers=headers)

    def series(self, name: str, params: dict[str, str], meta: dict[str, Any]) -> dict[str, Any]:
        """Return the intervals of a window."""
        start, grid = int(params["start_at"]), 300 if name in _FINE else 900
        end = int(params.get("end_at", start + _SPANS[params.get("granularity", "week")]))
        if name == "stats":
            end = min(end, start + DAY)
        end = min(end, int(self.clock.now()))
        ends = range(start - start % grid + grid, min(end, int(self.front)) + 1, grid)
        rows = [
            {
                "end_at": each + self.off_grid,
                "devices_reporting": 1,
                **dict.fromkeys(_ROW, figure(each) + self.revised),
            }
            for each in ends
        ]
        devices = [{"serial_number": "1", "intervals": rows}]
        lists: dict[str, Any] = {"intervals": rows, "meter_intervals": [], "devices": devices}
        if self.nulls:
            lists = dict.fromkeys(lists)
        return {"total_devices": 1, "start_at": start, "end_at": end, **lists, "meta": meta}

    def wh(self, day: date) -> int:
        """Return the energy of a day: 0 while nothing of it is known."""
        start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        return sum(map(figure, range(start + 900, min(start + DAY, int(self.front)) + 1, 900)))

    def summary(self, day: str, meta: dict[str, Any]) -> dict[str, Any]:
        """Return the summary of a day."""
        names = {"last_report_at": "last_report_at", "last_energy_at": "last_interval_end_at"}
        moments = {names[moment]: meta[moment] for moment in self.tells}
        return {"summary_date": day, "energy_today": self.wh(date.fromisoformat(day)), **moments}

    def lifetime(self, name: str, params: dict[str, str], meta: dict[str, Any]) -> dict[str, Any]:
        """Return a value for each day."""
        yesterday = datetime.fromtimestamp(self.clock.now() - DAY, UTC).date()
        first = date.fromisoformat(params["start_date"])
        last = date.fromisoformat(params.get("end_date", str(yesterday)))
        values = [self.wh(first + timedelta(days=day)) for day in range((last - first).days + 1)]
        names = ("production", "consumption", "import", "export", "charge", "discharge")
        return {"start_date": str(first), **dict.fromkeys(names, values), "meta": meta}
