"""Answers that are no series: whether they are final is known in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from enlighten_async import DecodeError, EnlightenClient
from tests.world import World

DAY, HOUR = 86_400, 3600
FIRST, LAST = date(2025, 6, 1), date(2025, 6, 4)
VERSIONS = pytest.mark.parametrize("version", ["v2", "v4"])
ENDPOINTS = pytest.mark.parametrize("name", ["energy_lifetime", "consumption_lifetime", "summary"])
FIGURES = {"energy_lifetime": "production", "consumption_lifetime": "consumption", "summary": "energy_today"}


async def test_the_file_knows_which_answers_are_final(tmp_path: Path) -> None:
    """What is about past days is; today's is not, nor are the systems, which come and go."""
    world, path = World(systems=16), tmp_path / "state.db"
    async with world.v4(state=path) as client:
        await client.systems()
        await client.summary(world.system)
        await client.summary(world.system, summary_date=date(2025, 6, 1))
        await client.energy_lifetime(world.system, end_date=date(2025, 6, 1))
    with closing(sqlite3.connect(path)) as file:
        found = file.execute("SELECT endpoint, status, final FROM replies ORDER BY 1, 2, 3").fetchall()
    assert found == [
        ("energy_lifetime", 200, 1),
        ("summary", 200, 0),
        ("summary", 200, 1),
        ("systems", 200, 0),
    ]


class Answering:
    """A client of a service that knows the days of one system, and may answer otherwise for a while.

    Attributes:
        sent: number of requests so far.
        energy: the last energy that it tells of, epoch seconds.
        change: changes the content of an answer; `None` where all is well.
    """

    def __init__(self, version: str, name: str, state: Path) -> None:
        self.world, self.name, self.sent = World(), name, 0
        self.energy: float | None = self.world.clock.now() - HOUR
        self.change: Callable[[dict[str, Any]], dict[str, Any]] | None = None
        make = self.world.v4 if version == "v4" else self.world.client
        self.client: EnlightenClient = make(transport=httpx.MockTransport(self.answer), state=state)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Return the true answer, or a changed one."""
        self.sent += 1
        now = self.world.clock.now()
        told = {"last_report_at": int(now) - 60, "last_energy_at": self.energy and int(self.energy)}
        content: dict[str, Any] = {"system_id": 7, "meta": told}
        if self.name == "summary":
            moments = {"last_report_at": int(now) - 60, "last_interval_end_at": told["last_energy_at"]}
            content = {"system_id": 7, "summary_date": str(LAST), "energy_today": 4, **moments}
        else:
            content |= {"start_date": str(FIRST), FIGURES[self.name]: [1, 2, 3, 4]}
        if self.change is not None:
            content = self.change(content)
        return httpx.Response(200, json=content, headers={"date": formatdate(now, usegmt=True)})

    async def ask(self, max_age: float | None = None) -> Any:
        """Ask for the days that are over."""
        client = self.client.with_options(max_age=max_age)
        if self.name == "summary":
            return (await client.summary(7, summary_date=LAST)).energy_today
        method = getattr(client, self.name)
        return [day.wh for day in await method(7, start_date=FIRST, end_date=LAST)]

    @property
    def truth(self) -> Any:
        """What the service has of these days."""
        return 4 if self.name == "summary" else [1, 2, 3, 4]


def changed(name: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a change of the figures of an answer."""
    return lambda content: content | {FIGURES[name]: value}


@VERSIONS
@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("energy_lifetime", [1, 2]),
        ("energy_lifetime", [1, None, 3, 4]),
        ("energy_lifetime", [1, "N/A", 3, 4]),
        ("consumption_lifetime", [1, 2, 3]),
        ("consumption_lifetime", [1, 2, 3, None]),
        ("summary", None),
        ("summary", "N/A"),
    ],
)
async def test_figures_that_are_missing_are_asked_for_again(
    tmp_path: Path, version: str, name: str, figures: object
) -> None:
    """Of days that are over, on a system that has reported them: after an hour, and never after that."""
    service = Answering(version, name, tmp_path / "state.db")
    service.change = changed(name, figures)
    assert await service.ask() != service.truth
    service.change = None
    await service.world.clock.sleep(HOUR)
    assert [await service.ask(), await service.ask()] == [service.truth, service.truth]
    assert service.sent == 2
    await service.client.aclose()


@VERSIONS
@pytest.mark.parametrize(
    ("field", "sent", "complete"),
    [
        ("meter_start_date", "many", False),
        ("meter_start_date", {}, False),
        ("meter_start_date", "1999-13-77", False),
        ("meter_start_date", None, True),
        ("meter_start_date", "", True),
        ("meter_start_date", "2025-06-02", True),
        ("meta", {"status": {}, "last_report_at": 1_750_000_000, "last_energy_at": 1_750_000_000}, True),
        ("colour", {}, True),  # no field that is known
    ],
)
async def test_a_lifetime_of_which_a_field_cannot_be_read_is_not_final(
    tmp_path: Path, version: str, field: str, sent: object, *, complete: bool
) -> None:
    """Nor complete: the field is asked for again after an hour."""
    service = Answering(version, "energy_lifetime", tmp_path / "state.db")
    asked = {"start_date": FIRST, "end_date": LAST}
    service.change = lambda content: content | {field: sent}
    answer = await service.client.energy_lifetime(7, **asked)
    assert [day.wh for day in answer] == service.truth
    assert answer.coverage.complete == complete
    service.change = lambda content: content | {"meter_start_date": "2025-06-02"}
    await service.world.clock.sleep(HOUR)
    again = await service.client.energy_lifetime(7, **asked)
    assert (again.meter_start_date == date(2025, 6, 2)) or complete
    assert again.coverage.complete
    assert service.sent == 2 - complete
    await service.client.aclose()


@VERSIONS
@pytest.mark.parametrize(
    ("field", "sent", "asked"),
    [
        ("energy_lifetime", "many", 2),
        ("energy_lifetime", "N/A", 2),
        ("size_w", {}, 2),
        ("operational_at", "tomorrow", 2),
        ("source", [], 2),
        ("battery_capacity_wh", "N/A", 2),
        ("energy_lifetime", None, 1),
        ("energy_lifetime", "12", 1),  # the nearest value is meant
        ("operational_at", -1, 1),  # never
        ("operational_at", "", 1),
        ("source", "N/A", 1),
        ("colour", {}, 1),  # no field that is known
    ],
)
async def test_a_summary_of_which_a_field_cannot_be_read_is_not_final(
    tmp_path: Path, version: str, field: str, sent: object, asked: int
) -> None:
    """Whichever field it is: it may be there an hour later."""
    service = Answering(version, "summary", tmp_path / "state.db")
    service.change = lambda content: content | {field: sent}
    odd = await service.client.summary(7, summary_date=LAST)
    assert odd.complete == (asked == 1)
    service.change = lambda content: content | {"energy_lifetime": 10}
    await service.world.clock.sleep(HOUR)
    for _ in range(2):
        again = await service.client.summary(7, summary_date=LAST)
        assert again.complete
        assert (again.energy_lifetime == 10) == (asked == 2)
    assert service.sent == asked
    await service.client.aclose()


@VERSIONS
async def test_a_summary_of_another_day_is_refused(tmp_path: Path, version: str) -> None:
    """And not kept; one that does not tell its day is not final."""
    service = Answering(version, "summary", tmp_path / "state.db")
    today = datetime.fromtimestamp(service.world.clock.now(), UTC).date()
    service.change = lambda content: content | {"summary_date": str(today)}
    with pytest.raises(DecodeError, match=f"asked for {LAST}, answered for {today}"):
        await service.ask()
    service.change = lambda content: content | {"summary_date": None}
    assert await service.ask() == service.truth
    service.change = None
    await service.world.clock.sleep(HOUR)
    assert [await service.ask(), await service.ask()] == [service.truth, service.truth]
    assert service.sent == 3
    await service.client.aclose()


@VERSIONS
@ENDPOINTS
async def test_reports_without_energy_make_nothing_final(tmp_path: Path, version: str, name: str) -> None:
    """A gateway that counts as reporting may have a backlog: nothing is final before 30 days."""
    service = Answering(version, name, tmp_path / "state.db")
    service.energy = None
    for _ in range(2):
        await service.ask()
        await service.world.clock.sleep(DAY)
    assert service.sent == 2
    await service.world.clock.sleep(20 * DAY)
    for _ in range(2):
        await service.ask()
        await service.world.clock.sleep(DAY)
    assert service.sent == 3
    await service.client.aclose()


@VERSIONS
@ENDPOINTS
async def test_a_system_that_stands_still_is_asked_more_and_more_seldom(
    tmp_path: Path, version: str, name: str
) -> None:
    """Though its gateway goes on reporting: after 1, 2, 4, 8 and 16 hours, then once a day."""
    service = Answering(version, name, tmp_path / "state.db")
    service.energy = datetime(2025, 6, 2, tzinfo=UTC).timestamp()
    asked = []
    for hour in range(80):
        before = service.sent
        await service.ask()
        asked += [hour] * (service.sent - before)
        await service.world.clock.sleep(HOUR)
    assert asked == [0, 1, 3, 7, 15, 31, 55, 79]
    await service.ask(max_age=0)
    assert service.sent == len(asked) + 1
    await service.client.aclose()


async def test_days_that_were_ahead_are_asked_for_once_when_they_have_come(tmp_path: Path) -> None:
    """What the service said of them before is too old by then, and costs no second request."""
    service = Answering("v2", "energy_lifetime", tmp_path / "state.db")
    tomorrow = datetime.fromtimestamp(service.world.clock.now() + DAY, UTC).date()

    def answer(request: httpx.Request) -> httpx.Response:
        now = service.world.clock.now()
        response = service.answer(request)
        if request.url.params.get("end_date", "") < str(datetime.fromtimestamp(now, UTC).date()):
            return response
        told = {"reason": "422", "message": ["Requested date is in the future"]}
        return httpx.Response(422, json=told, headers={"date": formatdate(now, usegmt=True)})

    sent = []
    async with service.world.client(transport=httpx.MockTransport(answer), state=tmp_path / "s.db") as client:
        for _ in range(2):
            days = await client.energy_lifetime(7, start_date=FIRST, end_date=tomorrow)
            sent.append(days.receipt.sent)
            await service.world.clock.sleep(3 * DAY)
    assert sent == [2, 1]
    await service.client.aclose()
