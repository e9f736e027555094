"""The endpoints that answer in intervals, and answers of them as the service may give them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen

from enlighten_async.api.series import SeriesEndpoint, SeriesRequests
from enlighten_async.api.v2.api import error_for
from enlighten_async.api.v2.series import CONSUMPTION_STATS, RGM_STATS, STATS
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.windows import Window
from enlighten_async.wire import Request, Response
from tests.api.service_errors import error_of
from tests.api.v2.answers import SYSTEM

Row = dict[str, Any]
INSTANTS = {"end_at", "last_report_at", "last_energy_at", "operational_at"}


@frozen
class Sample:
    """One endpoint, and how its rows look.

    Attributes:
        kind: the endpoint.
        values: the names of its columns, but for `end_at` and `devices_reporting`.
    """

    kind: SeriesEndpoint[Any]
    values: tuple[str, ...]

    @property
    def grid(self) -> int:
        """Seconds of an interval."""
        return self.kind.limits.grid

    def ends(self, window: Window) -> range:
        """Return the ends of a window's intervals."""
        return range(window.start + self.grid, window.end + 1, self.grid)

    def body(self, ends: Iterable[int], **more: Any) -> Row:
        """Return an answer with rows that end then; their values tell them apart."""
        rows = [
            {"end_at": end, "devices_reporting": 3, **{n: end % 1009 + i for i, n in enumerate(self.values)}}
            for end in ends
        ]
        return {"system_id": SYSTEM, "total_devices": 5, "intervals": rows, **more}

    def rows(self, stats: IntervalStats[Any]) -> list[tuple[float, ...]]:
        """Return the rows of an answer as plain numbers."""
        columns = stats.intervals.columns
        names = ("end_at", "devices_reporting", *self.values)
        return list(zip(*(columns[name] for name in names), strict=True))

    def truth(self, ends: Iterable[int]) -> list[tuple[float, ...]]:
        """Return what the rows of `body` are."""
        return [(end, 3, *(end % 1009 + i for i in range(len(self.values)))) for end in ends]

    def ask(self, zone: str | None = None) -> SeriesRequests[Any]:
        """Return what asks for the system."""
        return SeriesRequests(self.kind, SYSTEM, {} if zone is None else {SYSTEM: zone})

    def reasons(self, stats: IntervalStats[Any]) -> dict[int, str]:
        """Return why each missing interval is missing."""
        return {end: gap.reason.value for gap in stats.coverage.gaps() for end in self.ends(gap.window)}


SAMPLES = (
    Sample(RGM_STATS, ("wh_del",)),
    Sample(STATS, ("powr", "enwh")),
    Sample(CONSUMPTION_STATS, ("enwh",)),
)


def part_of(request: Request[Any], response: Response) -> Any:
    """Return what an answer is to its request: a part, or `None` for a refusal that stays one."""
    failure = error_of(response, error_for, official=False)
    return request.decode(response) if failure is None else request.empty_answer_for(failure)


def in_iso(body: Any, zone: str, name: str = "") -> Any:
    """Return an answer with its instants as local time with an offset."""
    if isinstance(body, dict):
        return {key: in_iso(value, zone, key) for key, value in body.items()}
    if isinstance(body, list):
        return [in_iso(value, zone) for value in body]
    if name in INSTANTS and isinstance(body, int):
        return datetime.fromtimestamp(body, ZoneInfo(zone)).isoformat()
    return body
