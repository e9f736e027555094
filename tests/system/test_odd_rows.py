"""Odd rows of every series: kept where they can be told apart; else the answer is not called complete."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from email.utils import formatdate
from math import inf, nan
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from attrs import define, frozen

from enlighten_async import EnlightenClient, MemoryTokenStore, OAuth, Plan
from enlighten_async.api.series import SeriesEndpoint
from enlighten_async.api.v2 import series as v2
from enlighten_async.api.v4 import series as v4
from enlighten_async.models import MicrosTelemetry, Reason, RgmStats
from enlighten_async.models.intervals import profile
from enlighten_async.models.rgm_stats import ChannelInterval
from enlighten_async.models.series import columns_of, row_class
from enlighten_async.models.telemetry import MicroInterval
from enlighten_async.oauth import Tokens
from enlighten_async.testing import FakeClock

DAY = 86_400
NOW = 1_764_000_000 // DAY * DAY
START = NOW - 40 * DAY
SYSTEM, SERIAL = 7, "123"

Row = dict[str, Any]
Rows = list[Row]


@frozen
class Endpoint:
    """An endpoint of the table of one version."""

    version: str
    endpoint: SeriesEndpoint[Any]

    @property
    def name(self) -> str:
        """The API's name of it."""
        return self.endpoint.limits.name

    @property
    def grid(self) -> int:
        """Seconds of its intervals."""
        return self.endpoint.limits.grid

    @property
    def row(self) -> type:
        """The class of its rows."""
        return MicroInterval if self.endpoint.model() is MicrosTelemetry else row_class(self.endpoint.model())

    @property
    def args(self) -> tuple[str, ...]:
        """What a method takes beside the system and the range."""
        return (SERIAL,) if self.endpoint.device else ()


def table() -> list[Endpoint]:
    """Return all endpoints of both versions."""
    found = []
    for version, module in (("v2", v2), ("v4", v4)):
        for each in vars(module).values():
            if isinstance(each, v4.DeviceSeriesEndpoint):
                found.append(Endpoint(version, each.of(SERIAL)))
            elif isinstance(each, SeriesEndpoint):
                found.append(Endpoint(version, each))
    return found


ENDPOINTS = table()
each_endpoint = pytest.mark.parametrize("of", ENDPOINTS, ids=lambda of: f"{of.version}-{of.name}")


def raw(row: type, end: int, value: float | None, **known: object) -> Row:
    """Return a row as the service sends it, each of its figures with one value."""
    told: Row = {"end_at": end, **known}
    for column in columns_of(row):
        if column.typecode == "d":
            *outer, last = column.path
            place = told
            for name in outer:
                place = place.setdefault(name, {})
            place[last] = value
    return told


Change = Callable[[Rows, type, int], Any]


def figure(end: int) -> int:
    """Return the figure of the interval that ends then; three times a whole number."""
    return 3 * (end // 300 % 977 + 1)


def early(rows: Rows, row: type, grid: int) -> Rows:
    """Return rows that end a minute before their intervals do."""
    return [each | {"end_at": each["end_at"] - 60} for each in rows]


def as_in_the_documentation(rows: Rows, row: type, grid: int) -> Rows:
    """Return rows at instants like those of its examples: 100 s after the last interval's end."""
    return [each | {"end_at": each["end_at"] - grid + 100} for each in rows]


def by_day(rows: Rows, row: type, grid: int) -> list[Rows]:
    """Return a list of rows for each local day."""
    return [rows[:20], [], rows[20:]]


def with_nulls(rows: Rows, row: type, grid: int) -> Rows:
    """Return rows that come a second time without values."""
    known = [{name: each[name] for name in ("channel",) if name in each} for each in rows]
    return rows + [raw(row, each["end_at"], None, **key) for each, key in zip(rows, known, strict=True)]


def stale(rows: Rows, row: type, grid: int) -> Rows:
    """Return rows of which some came before, with another value."""
    return [each | raw(row, each["end_at"], 1) for each in rows[::3]] + rows


def of_another_year(rows: Rows, row: type, grid: int) -> Rows:
    """Return rows of a time that was not asked for."""
    return [each | {"end_at": each["end_at"] - 365 * DAY} for each in rows]


def crowded(rows: Rows, row: type, grid: int) -> Rows:
    """Return rows of which one interval has two."""
    return [*rows, rows[5] | {"end_at": rows[5]["end_at"] - 7}]


def unread(rows: Rows, row: type, value: float) -> Rows:
    """Return rows of which one has figures that JSON does not know (`NaN`, `Infinity`)."""
    return [*rows[:9], rows[9] | raw(row, rows[9]["end_at"], value), *rows[10:]]


WHOLE: dict[str, Change] = {
    "shuffled": lambda rows, row, grid: rows[::-1],
    "off the grid": early,
    "as in the documentation": as_in_the_documentation,
    "doubled with nulls": with_nulls,
    "nulls first": lambda rows, row, grid: with_nulls(rows, row, grid)[::-1],
    "doubled with other values": stale,
    "one list": lambda rows, row, grid: rows,
    "by day": by_day,
}
"""Changes that take nothing from an answer."""

PART: dict[str, Change] = {
    "of another year": of_another_year,
    "null": lambda rows, row, grid: None,
    "missing": lambda rows, row, grid: ...,
    "a null row": lambda rows, row, grid: [*rows[:9], None, *rows[10:]],
    "a null day": lambda rows, row, grid: [rows[:20], None],
    "an empty list": lambda rows, row, grid: [*rows[:9], [], *rows[10:]],
    "empty lists": lambda rows, row, grid: [each if place % 3 else [] for place, each in enumerate(rows)],
    "a list of a list": lambda rows, row, grid: [*rows[:9], [[]], *rows[10:]],
    "an empty list in a day": lambda rows, row, grid: [rows[:9], [], [[], *rows[10:]]],
    "a list of a list in a day": lambda rows, row, grid: [rows[:9], [], [[[]], *rows[10:]]],
    "a day of an empty list": lambda rows, row, grid: [rows[:9], [[]], rows[10:]],
    "a row without a time": lambda rows, row, grid: [*rows[:9], rows[9] | {"end_at": "soon"}, *rows[10:]],
    "two in one interval": crowded,
    "a figure that is no number": lambda rows, row, grid: unread(rows, row, nan),
    "a figure that is too large": lambda rows, row, grid: unread(rows, row, inf),
    "the first of the day before": lambda rows, row, grid: [rows[0] | {"end_at": START}, *rows],
}
"""Changes after which it is not known what the service has."""


@define
class Service:
    """A service that knows a figure of each interval, and may answer with odd rows.

    Attributes:
        of: the endpoint.
        clock: the source of time.
        change: what it does to the rows; `None`: nothing.
        has_content: whether it answers more than a status, which is 204 otherwise.
        sent: the number of requests it got.
    """

    of: Endpoint
    clock: FakeClock
    change: Change | None = None
    has_content: bool = True
    sent: int = 0

    def client(self, state: Path | None = None) -> EnlightenClient:
        """Return a client of it."""
        options: Any = {"transport": httpx.MockTransport(self.respond), "clock": self.clock, "state": state}
        options["plan"] = Plan(minute=10_000, month=1_000_000)
        if self.of.version == "v2":
            return EnlightenClient("key", "user", **options)
        tokens, now = MemoryTokenStore(), self.clock.now()
        tokens._tokens["default"] = Tokens("access", "refresh", now + 900 * DAY, now)
        oauth = OAuth("client", "secret", tokens=tokens, transport=options["transport"], clock=self.clock)
        return EnlightenClient.v4("key", oauth=oauth, **options)

    def query(self, client: EnlightenClient) -> Any:
        """Return the query for a day."""
        return getattr(client, self.of.name)(SYSTEM, *self.of.args, start_at=START, end_at=START + DAY)

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Answer for the day that is asked for, whatever its parameters."""
        self.sent += 1
        now = int(self.clock.now())
        if not self.has_content:
            return httpx.Response(204, headers={"date": formatdate(now, usegmt=True)})
        meta = {"status": "normal", "last_report_at": now - 60, "last_energy_at": now - 60}
        body = {"system_id": SYSTEM, "total_devices": 1, "meta": meta, **self.rows()}
        content = json.dumps(body).encode()  # which may hold what JSON does not know
        return httpx.Response(200, content=content, headers={"date": formatdate(now, usegmt=True)})

    def rows(self) -> Row:
        """Return the lists of rows of an answer."""
        name = "consumption" if self.of.name == "ev_charger_telemetry" else "intervals"
        listed = self.listed(name, self.of.row)
        if self.of.endpoint.model() is MicrosTelemetry:
            return {"devices": [{"serial_number": SERIAL, **listed}]}
        if self.of.endpoint.model() is RgmStats:
            channels = self.listed(name, ChannelInterval, channel=1)
            return {**listed, "meter_intervals": [{"meter_serial_number": SERIAL, **channels}]}
        return listed

    def listed(self, name: str, row: type, **known: object) -> Row:
        """Return one list of rows under its name, or nothing if it is missing."""
        ends = range(START + self.of.grid, START + DAY + 1, self.of.grid)
        rows: Any = [raw(row, end, figure(end), **known) for end in ends]
        rows = rows if self.change is None else self.change(rows, row, self.of.grid)
        return {} if rows is ... else {name: rows}


def series_of(answer: Any) -> list[Any]:
    """Return the series of an answer."""
    if isinstance(answer, MicrosTelemetry):
        return [each.intervals for each in answer]
    return [answer.intervals, *(each.intervals for each in getattr(answer, "meter_intervals", ()))]


def figures(answer: Any) -> list[dict[int, set[float]]]:
    """Return the values by the ends of each of an answer's series; NaN, null, is none of ours."""
    return [
        {
            end: {column[place] for name, column in each.columns.items() if name not in {"end_at", "channel"}}
            for place, end in enumerate(each.columns["end_at"])
        }
        for each in series_of(answer)
    ]


async def asked(service: Service, *, streamed: bool, state: Path | None = None) -> list[Any]:
    """Return the answer, or the parts of it as a stream gives them."""
    async with service.client(state) as client:
        query = service.query(client)
        return [part async for part in query] if streamed else [await query]


def check_whole(of: Endpoint, parts: list[Any]) -> None:
    """Check that an answer has all that the service has, and says so."""
    (part,) = parts
    ends = range(START + of.grid, START + DAY + 1, of.grid)
    truth = {end: {figure(end)} for end in ends}
    assert figures(part) == [truth] * (2 if of.endpoint.model() is RgmStats else 1)
    assert (part.coverage.complete, part.coverage.gaps()) == (True, ())


@each_endpoint
@pytest.mark.parametrize("oddity", WHOLE)
async def test_rows_that_can_be_told_apart_are_kept(
    of: Endpoint, oddity: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All of them, and so the answer is complete; nothing has to be logged."""
    caplog.set_level(logging.WARNING, logger="enlighten_async")
    for streamed in (False, True):
        service = Service(of, FakeClock(NOW), WHOLE[oddity])
        check_whole(of, await asked(service, streamed=streamed))
        assert service.sent == 1
    assert not [record for record in caplog.records if "not complete" in record.getMessage()]


@each_endpoint
@pytest.mark.parametrize("oddity", PART)
async def test_what_is_left_out_is_told_and_asked_for_again(
    of: Endpoint, oddity: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the coverage and by one warning; with a state file it is whole once the service is regular."""
    caplog.set_level(logging.WARNING, logger="enlighten_async")
    for streamed, state in ((False, None), (True, None), (False, tmp_path / "state.db")):
        caplog.clear()
        service = Service(of, FakeClock(NOW), PART[oddity])
        for part in await asked(service, streamed=streamed, state=state):
            assert not part.coverage.complete
            assert not part.coverage.is_empty
            assert Reason.LEFT_OUT in {gap.reason for gap in part.coverage.gaps()}
        told = [record for record in caplog.records if "not complete" in record.getMessage()]
        assert [record.name for record in told] == ["enlighten_async"]
    later = Service(of, FakeClock(NOW + 30 * DAY))
    check_whole(of, await asked(later, streamed=False, state=tmp_path / "state.db"))
    assert later.sent == 1


@each_endpoint
async def test_an_answer_without_content_tells_of_no_row(
    of: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is documented for consumption in v2 alone, where there is no meter; else it is asked for again."""
    caplog.set_level(logging.WARNING, logger="enlighten_async")
    state, before = tmp_path / "state.db", FakeClock(NOW + 40 * DAY)
    (part,) = await asked(Service(of, before, has_content=False), streamed=False, state=state)
    is_documented = (of.version, of.name) == ("v2", "consumption_stats")
    reason = Reason.NO_DEVICE if is_documented else Reason.LEFT_OUT
    assert {gap.reason for gap in part.coverage.gaps()} == {reason}
    assert part.coverage.complete is is_documented
    told = [record for record in caplog.records if "not complete" in record.getMessage()]
    assert len(told) == (not is_documented)
    check_whole(of, await asked(Service(of, FakeClock(NOW + 42 * DAY)), streamed=False, state=state))


@each_endpoint
async def test_rows_of_a_finer_grid_are_taken_as_they_come(of: Endpoint) -> None:
    """All of the energy, on their own grid."""
    finer = of.grid // 3 if of.grid == 900 else 60

    def change(rows: Rows, row: type, grid: int) -> Rows:
        known = {name: rows[0][name] for name in ("channel",) if name in rows[0]}
        return [raw(row, end, 1, **known) for end in range(START + finer, START + DAY + 1, finer)]

    (answer,) = await asked(Service(of, FakeClock(NOW), change), streamed=False)
    truth = {end: {1.0} for end in range(START + finer, START + DAY + 1, finer)}
    assert all(found == truth for found in figures(answer))
    assert answer.coverage.complete
    coverage = answer.devices[0].coverage if of.endpoint.model() is MicrosTelemetry else answer.coverage
    assert (coverage.grid, coverage.got, coverage.expected) == (finer, DAY // finer, DAY // finer)


@each_endpoint
async def test_an_example_of_the_documentation_is_not_empty(of: Endpoint) -> None:
    """Its rows lie off the grid, and of years ago, not even in the range that the answer itself declares."""
    if not of.endpoint.limits.knows_today:
        return

    class Example(Service):
        def query(self, client: EnlightenClient) -> Any:
            return getattr(client, of.name)(SYSTEM, *of.args)

        def rows(self) -> Row:
            return {**super().rows(), "start_at": START + 400 * DAY, "end_at": START + 400 * DAY + 3000}

    def change(rows: Rows, row: type, grid: int) -> Rows:
        known = {name: rows[0][name] for name in ("channel",) if name in rows[0]}
        return [raw(row, end, 40, **known) for end in (1_384_122_700, 1_384_123_600)]

    (answer,) = await asked(Example(of, FakeClock(NOW), change), streamed=False)
    assert {len(series) for series in series_of(answer)} == {2}
    assert not answer.coverage.complete
    assert "another day" in " ".join(answer.coverage.notes)


@each_endpoint
@pytest.mark.parametrize(
    "range_", [{"start_at": NOW + DAY, "end_at": NOW + 2 * DAY}, {"start_at": START, "end_at": START}]
)
async def test_of_a_range_of_which_nothing_exists_it_is_told(of: Endpoint, range_: Row) -> None:
    """It is complete, since nothing is missing; and says that it is empty."""

    class Ranged(Service):
        def query(self, client: EnlightenClient) -> Any:
            return getattr(client, of.name)(SYSTEM, *of.args, **range_)

    service = Ranged(of, FakeClock(NOW))
    async with service.client() as client:
        await Service.query(service, client)  # tells the service's time
        answer = await service.query(client)
    assert (answer.coverage.complete, answer.coverage.is_empty, answer.coverage.expected) == (True, True, 0)
    assert service.sent == 1


def of_two_grids(rows: Rows, row: type, grid: int) -> Rows:
    """Return rows of 3,600 W on the grid, and of a finer one for some hours, each with its own energy."""
    finer = grid // 3 if grid == 900 else 60
    known = {name: rows[0][name] for name in ("channel",) if name in rows[0]}
    begin, end = START + DAY // 4, START + DAY * 3 // 4
    lengths = [(at, grid) for at in range(START + grid, START + DAY + 1, grid) if not begin < at <= end]
    lengths += [(at, finer) for at in range(begin + finer, end + 1, finer)]
    return [raw(row, at, length, **known) for at, length in sorted(lengths)]


@each_endpoint
async def test_power_is_that_of_each_rows_own_interval(of: Endpoint, tmp_path: Path) -> None:
    """Where rows of two grids came, awaited, streamed and from a state file; sums count the longer ones."""
    state = tmp_path / "state.db"
    for streamed, now, change in ((False, NOW, of_two_grids), (True, NOW, of_two_grids), (False, NOW, None)):
        (answer,) = await asked(Service(of, FakeClock(now), change), streamed=streamed, state=state)
        for each in answer if isinstance(answer, MicrosTelemetry) else [answer]:
            found = profile(each, ZoneInfo("UTC"))
            assert {watts for day in found.watts for watts in day} == {3600.0}
            (day,) = each.sums("day", timezone="UTC")
            assert (day.wh, day.got, day.expected) == (DAY, each.coverage.got, each.coverage.expected)
            assert day.got == day.expected
