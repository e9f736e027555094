"""A synthetic year of `stats`: a row for each five minutes, also at night, which no real system has."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from email.utils import formatdate

import httpx
from attrs import field, frozen

from enlighten_async.api.series import SeriesRequests
from enlighten_async.api.v2.series import STATS
from enlighten_async.models import Stats
from enlighten_async.windows import DAY, Window
from enlighten_async.wire import Response

SYSTEM_ID = 1765
GRID = 300
YEAR = 105_000
"""Rows of a year, less what is about to be beyond the service's memory."""

ASK = SeriesRequests(STATS, SYSTEM_ID, {})
"""How answers are read."""


@frozen
class Days:
    """The answers to all that is asked for a range of the system.

    Attributes:
        window: the range.
        answers: for each of its days the body of the answer, oldest first.
    """

    window: Window
    answers: dict[Window, bytes] = field(repr=False)

    @classmethod
    def until(cls, end: int, rows: int) -> Days:
        """Return the answers for so many rows that end then (epoch seconds)."""
        window = Window(end - rows * GRID, end)
        days = [Window(at, min(at + DAY, end)) for at in range(window.start, end, DAY)]
        return cls(window, {day: _body(day, newest=end) for day in days})

    def transport(self) -> httpx.MockTransport:
        """Return a way to a service that has these answers."""
        bodies = {day.start: body for day, body in self.answers.items()}

        def answer(request: httpx.Request) -> httpx.Response:
            told = {"Date": formatdate(self.window.end, usegmt=True), "Content-Type": "application/json"}
            return httpx.Response(200, content=bodies[int(request.url.params["start_at"])], headers=told)

        return httpx.MockTransport(answer)

    def parts(self) -> list[Stats]:
        """Return the answers, decoded."""
        date = float(self.window.end)
        return [ASK.read(Response(200, body, date=date), day) for day, body in self.answers.items()]


def joined(parts: Sequence[Stats]) -> Stats:
    """Return the answer that parts make."""
    series = ASK.series
    assert series is not None
    return series.join(parts)


def numbers(answer: Stats) -> list[tuple[str, bytes]]:
    """Return what must be the same, wherever an answer comes from."""
    return [(name, column.tobytes()) for name, column in answer.intervals.columns.items()]


def _body(day: Window, newest: int) -> bytes:
    meta = {
        "status": "normal",
        "last_report_at": newest,
        "last_energy_at": newest,
        "operational_at": 1_357_023_600,
    }
    rows = [_row(at) for at in range(day.start + GRID, day.end + 1, GRID)]
    answer = {"system_id": SYSTEM_ID, "total_devices": 24, "intervals": rows, "meta": meta}
    return json.dumps(answer, separators=(",", ":")).encode()


def _row(at: int) -> dict[str, int]:
    noise = zlib.crc32(b"%d" % at)
    power = noise % 6000
    return {"end_at": at, "devices_reporting": 24 - (noise >> 20) % 3, "powr": power, "enwh": power // 12}
