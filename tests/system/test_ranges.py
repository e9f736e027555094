"""Ranges that the service answers otherwise than documented: too long, ahead of its time, in small steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, field

from enlighten_async import EnlightenClient, Reason
from enlighten_async.errors import RangeError
from enlighten_async.oauth import MemoryTokenStore, OAuth, Tokens
from enlighten_async.testing import FakeClock
from enlighten_async.windows import DAY
from tests.world import AMPLE, API_KEY

NOW = 1_790_001_300
"""A moment on the grid of a quarter of an hour and a bit later than it."""

WEEK, HOUR = 7 * DAY, 3600
INVALID = "Requested date range is invalid for this system"
FUTURE = "Requested date is in the future"
VERSIONS = pytest.mark.parametrize("version", ["v2", "v4"])


@define
class Service:
    """A service of interval series that has a row for each interval of its data.

    Attributes:
        clock: the local clock, which is `ahead` of the service's.
        first: start of its data.
        operational_at: the day of operation, as the system's owner has set it.
        ahead: seconds.
        longest: seconds of the longest range it accepts.
        step: seconds that each response speaks for, where it declares its end.
        lit: tells whether an interval has a row; by default each has, and none where there is a `step`.
        strict: whether a range before all data is refused as invalid.
        says: the text of the refusal of a range that is too long.
    """

    clock: FakeClock = field(factory=lambda: FakeClock(now=NOW))
    first: float = 0.0
    operational_at: float = 0.0
    ahead: float = 0.0
    longest: float = WEEK
    step: float | None = None
    strict: bool = False
    lit: Callable[[int], bool] | None = None
    says: str = "Requested date range in one API hit cannot be more than {} days."
    asked: list[httpx.QueryParams] = field(factory=list)

    def refusal(self, text: str) -> httpx.Response:
        """Return a 422 with a text, in either version's shape."""
        body = {"reason": "422", "message": ["Unprocessable Entity"], "details": text}
        body["message"] = text
        return self.answer(body, 422)

    def answer(self, body: object, status: int = 200) -> httpx.Response:
        """Return a response of the service's time."""
        now = formatdate(int(self.clock.now() - self.ahead), usegmt=True)
        return httpx.Response(status, content=json.dumps(body), headers={"date": now})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        params = request.url.params
        self.asked.append(params)
        now, start = int(self.clock.now() - self.ahead), int(params["start_at"])
        spans = {"15mins": 900, "day": DAY, "week": WEEK}
        end = int(params["end_at"]) if "end_at" in params else now
        end = min(start + spans[params["granularity"]], now) if "granularity" in params else end
        if max(start, end) > now:
            return self.refusal(FUTURE)
        if params.get("end_at", params.get("granularity")) and end - start > self.longest:
            return self.refusal(self.says.format(self.longest // DAY))
        if self.strict and end <= self.first:
            return self.refusal(INVALID)
        end = min(end, int(start + self.step)) if self.step else end
        first = max(start, self.first)
        rows = [
            {"end_at": at, "devices_reporting": 1, "wh_del": 10, "enwh": 10, "powr": 40}
            for at in range(start - start % 900 + 900, end + 1, 900)
            if at > first and (self.lit(at) if self.lit else not self.step)
        ]
        meta = {
            "status": "normal",
            "last_report_at": now,
            "last_energy_at": now,
            "operational_at": self.operational_at,
        }
        told = {"start_at": start, "end_at": end} if "granularity" in params else {}
        body = {"system_id": 7, "total_devices": 1, "intervals": rows, "meta": meta, **told}
        return self.answer({**body, "meter_intervals": []})

    async def client(self, version: str, **options: Any) -> EnlightenClient:
        """Return a client of the service."""
        transport = httpx.MockTransport(self)
        options = {"plan": AMPLE, "clock": self.clock, "transport": transport, **options}
        if version == "v2":
            return EnlightenClient(API_KEY, "4d6a", **options)
        tokens = MemoryTokenStore()
        await tokens.save("default", Tokens("a", "r", self.clock.now() + 900 * DAY, self.clock.now()))
        oauth = OAuth("client", "secret", tokens=tokens, transport=transport, clock=self.clock)
        return EnlightenClient.v4(API_KEY, oauth=oauth, **options)


async def ends(query: Any, *, streamed: bool) -> list[int]:
    """Return the ends of a query's rows, in the order in which they came."""
    parts = [part async for part in query] if streamed else [await query]
    return [end for part in parts for end in part.intervals.columns["end_at"]]


@VERSIONS
@pytest.mark.parametrize("streamed", [False, True])
async def test_data_before_the_day_of_operation_is_asked_for(version: str, streamed: bool) -> None:
    """That day can be set by hand, to weeks after the first energy."""
    service = Service(first=NOW - 60 * DAY, operational_at=NOW - 20 * DAY)
    async with await service.client(version) as client:
        query = client.rgm_stats(7, start_at=NOW - 63 * DAY, end_at=NOW)
        got = await ends(query, streamed=streamed)
    assert got == sorted(got)
    assert len(got) == 60 * 96
    assert len(service.asked) == 9


@VERSIONS
async def test_of_the_time_before_all_data_one_window_is_tried(version: str) -> None:
    """The service says that it is before all data, so that nothing older is asked for."""
    service = Service(first=NOW - 20 * DAY, operational_at=NOW - 20 * DAY, strict=True)
    async with await service.client(version) as client:
        year = await client.rgm_stats(7, start_at=NOW - 360 * DAY, end_at=NOW)
    assert (len(year.intervals), len(service.asked)) == (20 * 96, 5)
    assert [gap.reason for gap in year.coverage.gaps()] == [Reason.BEFORE_OPERATION]
    assert year.coverage.complete


@VERSIONS
@pytest.mark.parametrize("strict", [False, True])
async def test_the_time_before_all_data_is_not_asked_for_again(
    version: str, strict: bool, tmp_path: Path
) -> None:
    """By the service's word on where data begins, or as the empty windows are cached."""
    service = Service(first=NOW - 20 * DAY, operational_at=NOW - 20 * DAY, strict=strict)
    async with await service.client(version, state=tmp_path / "state.db") as client:
        for most in (5 if strict else 52, 1, 1):
            service.asked.clear()
            year = await client.rgm_stats(7, start_at=NOW - 360 * DAY, end_at=NOW)
            assert (len(year.intervals), year.coverage.complete) == (20 * 96, True)
            assert len(service.asked) <= most


@VERSIONS
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["rgm_stats", "consumption_stats"])
async def test_a_clock_that_is_ahead_costs_one_request(version: str, streamed: bool, name: str) -> None:
    """The service's refusal tells its time: the range is asked for again up to that."""
    service = Service(FakeClock(now=NOW + 2 * HOUR), ahead=2 * HOUR)
    async with await service.client(version) as client:
        now = service.clock.now()
        query = getattr(client, name)(7, start_at=now - DAY, end_at=now - HOUR)
        got = await ends(query, streamed=streamed)
    assert (got[0], got[-1], len(got)) == (NOW // 900 * 900 - 22 * HOUR + 900, NOW // 900 * 900, 88)
    assert len(service.asked) <= 2


@VERSIONS
@pytest.mark.parametrize("name", ["rgm_stats", "consumption_stats"])
async def test_a_clock_that_is_behind_does_not_cut_off_the_newest_rows(version: str, name: str) -> None:
    """The answer tells the service's time: the rest of the range is asked for up to that."""
    service = Service(FakeClock(now=NOW - 5 * HOUR), ahead=-5 * HOUR)
    async with await service.client(version) as client:
        got = await getattr(client, name)(7, start_at=NOW - DAY, end_at=NOW - HOUR)
        assert got.window.end == (NOW - HOUR) // 900 * 900
        assert (len(got.intervals), got.coverage.got, got.coverage.complete) == (92, 92, True)
        open_ended = await getattr(client, name)(7, start_at=NOW - DAY)
        assert open_ended.window.end == NOW // 900 * 900
    assert len(service.asked) <= 3


@pytest.mark.parametrize(("longest", "requests"), [(DAY, 61), (3 * DAY, 62)])
@pytest.mark.parametrize("streamed", [False, True])
async def test_ranges_refused_as_too_long_are_asked_for_in_shorter_ones(
    longest: int, requests: int, streamed: bool
) -> None:
    """The refusal of the newest window tells how long they may be."""
    service = Service(longest=longest)
    async with await service.client("v4") as client:
        got = await ends(client.consumption_stats(7, start_at=NOW - 60 * DAY), streamed=streamed)
        assert len(got) == 60 * 96
    assert len(service.asked) == requests


@VERSIONS
@pytest.mark.parametrize("name", ["rgm_stats", "consumption_stats", "energy_import_telemetry"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_the_length_of_ranges_is_learned_for_a_day(version: str, name: str, streamed: bool) -> None:
    """By the queries of a client about any system, and told by their price; then it is tried again."""
    if (version, name) == ("v2", "energy_import_telemetry"):
        return
    service = Service(longest=DAY)
    async with await service.client(version) as client:
        for later, refused in [(0, 1), (HOUR, 0), (HOUR, 0), (DAY, 1), (HOUR, 0)]:
            service.clock.advance(later)
            service.asked.clear()
            now = service.clock.now()
            query = getattr(client, name)(7, start_at=now - 15 * DAY, end_at=now - DAY)
            price = await query.estimate()
            assert refused or price.at_most in {14, 15}  # a day of 25 hours may be among them
            got = await ends(query, streamed=streamed)
            assert len(got) == 14 * 96
            assert len(service.asked) == 14 + refused


@VERSIONS
async def test_a_range_refused_as_too_long_in_spite_of_its_length_is_an_error(version: str) -> None:
    """There is nothing shorter to fall back to."""
    service = Service(longest=0, says="Requested date range in one API hit cannot be more than 7 days.")
    async with await service.client(version) as client:
        with pytest.raises(RangeError, match="more than 7 days"):
            await client.consumption_stats(7, start_at=NOW - 6 * HOUR)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "name", ["stats", "production_meter", "consumption_stats", "energy_import_telemetry"]
)
async def test_a_range_answered_in_small_steps_is_given_up(name: str) -> None:
    """The rest is a gap, and what was got is kept."""
    service = Service(step=900)
    async with await service.client("v4") as client:
        got = await getattr(client, name)(7, start_at=NOW - 70 * DAY, end_at=NOW - DAY)
        assert not got.coverage.complete
        reasons = {gap.reason for gap in got.coverage.gaps()}
        assert reasons == {Reason.NO_ROW, Reason.UNAVAILABLE}
        assert sum(gap.window.seconds for gap in got.coverage.gaps()) == got.window.seconds
    assert len(service.asked) <= 14


@VERSIONS
async def test_today_that_is_no_valid_range_yet_is_empty(version: str) -> None:
    """So the service says of its own today in the first minutes of the day, whatever the status."""
    for status in (422, 400, 404):
        service = Service()
        refusal = service.answer({"message": INVALID, "reason": "422"}, status)
        client = await service.client(version, transport=httpx.MockTransport(lambda _, given=refusal: given))
        async with client:
            today = await client.rgm_stats(7)
        assert (len(today.intervals), today.coverage.complete) == (0, True)
        assert [gap.reason for gap in today.coverage.gaps()] == [Reason.NOT_REPORTED_YET]


@VERSIONS
@pytest.mark.parametrize("name", ["energy_lifetime", "consumption_lifetime"])
async def test_a_last_day_that_has_not_come_yet_is_left_to_the_service(version: str, name: str) -> None:
    """By a clock that is days ahead: the service's refusal tells, and the days that there are come."""
    service = Service(FakeClock(now=NOW + 3 * DAY), ahead=3 * DAY)
    asked: list[httpx.QueryParams] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params)
        days = (request.url.params.get(name, "") for name in ("start_date", "end_date"))
        if any(day >= "2026-09-21" for day in days):
            return service.refusal(FUTURE)
        values = {"production": [1, 2], "consumption": [1, 2]}
        return service.answer({"system_id": 7, "start_date": "2026-09-19", **values})

    client = await service.client(version, transport=httpx.MockTransport(answer))
    async with client:
        days = await getattr(client, name)(7, start_date=date(2026, 9, 19), end_date=date(2026, 9, 22))
        assert (len(days), days.reason, days.receipt.sent) == (2, None, 2)
        assert [params.get("end_date") for params in asked] == ["2026-09-22", None]
        with pytest.raises(RangeError):
            await getattr(client, name)(7, start_date=date(2026, 9, 24), end_date=date(2026, 9, 24))


@pytest.mark.parametrize(("hours", "requests"), [(12, 14), (6, 28), (1, 168), (5, 34)])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["stats", "consumption_stats"])
async def test_small_steps_that_bring_rows_are_followed_to_the_end(
    hours: int, requests: int, streamed: bool, name: str
) -> None:
    """Also through nights that have none."""
    begin = NOW // DAY * DAY - 8 * DAY

    def lit(end: int) -> bool:
        return 5 * HOUR < end % DAY <= 21 * HOUR

    service = Service(step=hours * HOUR, lit=lit)
    async with await service.client("v4") as client:
        query = getattr(client, name)(7, start_at=begin, end_at=begin + WEEK)
        got = await ends(query, streamed=streamed)
    assert got == [end for end in range(begin + 900, begin + WEEK + 1, 900) if lit(end)]
    assert len(service.asked) == requests


async def test_small_steps_that_bring_no_rows_any_more_are_given_up() -> None:
    """After a day of them, and in all windows of the query."""
    begin = NOW // DAY * DAY - 22 * DAY
    service = Service(step=6 * HOUR, lit=lambda end: end <= begin + DAY)
    async with await service.client("v4") as client:
        answer = await client.consumption_stats(7, start_at=begin, end_at=begin + 3 * WEEK)
    assert (len(answer.intervals), answer.coverage.complete) == (96, False)
    assert {gap.reason for gap in answer.coverage.gaps()} == {Reason.NO_ROW, Reason.UNAVAILABLE}
    assert len(service.asked) <= 16


@pytest.mark.parametrize("kept", [False, True])
async def test_a_stream_has_no_part_for_a_range_that_was_refused_as_too_long(
    kept: bool, tmp_path: Path
) -> None:
    """It is asked for again in shorter ones, which have parts of their own."""
    service = Service(longest=DAY)
    async with await service.client("v4", **({"state": tmp_path / "state.db"} if kept else {})) as client:
        query = client.consumption_stats(7, start_at=NOW - 9 * DAY)
        assert all([part.window.seconds async for part in query])


@VERSIONS
@pytest.mark.parametrize("streamed", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kept", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("days", "begin", "end"),
    [(900, 7, 1), (400, 7, 1), (100, 360, 0), (400, 360, 0), (900, 7, None), (400, 360, None)],
)
async def test_a_clock_that_is_far_ahead_calls_nothing_too_old_that_there_is(
    version: str, streamed: bool, kept: bool, days: int, begin: int, end: int | None, tmp_path: Path
) -> None:
    """By the time of the first answer what was left out is asked for after all."""
    service = Service(FakeClock(now=NOW + days * DAY), ahead=days * DAY)
    options = {"state": tmp_path / "state.db"} if kept else {}
    async with await service.client(version, **options) as client:
        given = {} if end is None else {"end_at": NOW - end * DAY}
        query = client.rgm_stats(7, start_at=NOW - begin * DAY, **given)
        parts = [part async for part in query] if streamed else [await query]
        got = [at for part in parts for at in part.intervals.columns["end_at"]]
        reasons = {gap.reason for part in parts for gap in part.coverage.gaps()}
    last = NOW // 900 * 900 - (end or 0) * DAY
    assert got == list(range(NOW // 900 * 900 - begin * DAY + 900, last + 1, 900))
    assert reasons <= {Reason.NOT_REPORTED_YET}
    assert len(service.asked) <= -(-(begin - (end or 0)) // 7) + 3


@VERSIONS
async def test_a_range_that_is_too_old_costs_one_request_before_the_time_is_known(version: str) -> None:
    """And none when it is."""
    service = Service(first=NOW - 20 * DAY, strict=True)
    async with await service.client(version) as client:
        for most in (1, 1, 0, 0):
            service.asked.clear()
            old = await client.rgm_stats(7, start_at=NOW - 1_800 * DAY, end_at=NOW - 1_000 * DAY)
            assert {gap.reason for gap in old.coverage.gaps()} == {Reason.BEYOND_RETENTION}
            assert (old.coverage.got, old.coverage.complete) == (0, True)
            assert len(service.asked) <= most


class EventService(Service):
    """A service of events and alarms, none of which there are."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        self.asked.append(request.url.params)
        now = int(self.clock.now() - self.ahead)
        if int(request.url.params["end_time"]) > now:
            return self.refusal(FUTURE)
        return self.answer({"system_id": 7, "events": [], "alarms": []})


@pytest.mark.parametrize("name", ["events", "alarms"])
@pytest.mark.parametrize("ahead", [-30 * DAY, -2 * HOUR, 0, 2 * HOUR, 40 * DAY, 400 * DAY])
@pytest.mark.parametrize("end", [None, 2 * DAY])
@pytest.mark.parametrize("streamed", [False, True])
async def test_events_end_by_the_clock_of_the_service(
    name: str, ahead: int, end: int | None, streamed: bool
) -> None:
    """Also where no end was given."""
    service = EventService(FakeClock(now=NOW + ahead), ahead=ahead)
    given = {} if end is None else {"end_time": NOW - end}
    async with await service.client("v4") as client:
        query = getattr(client, name)(7, start_time=NOW - 60 * DAY, **given)
        parts = [part async for part in query] if streamed else [await query]
    asked = sorted((int(each["start_time"]), int(each["end_time"])) for each in service.asked)
    answered = [span for span in asked if span[1] <= NOW]
    assert all(one[1] == other[0] for one, other in pairwise(answered))
    assert (answered[0][0], answered[-1][1]) == (NOW - 60 * DAY, NOW - (end or 0))
    assert {gap.reason for part in parts for gap in part.coverage.gaps()} <= {Reason.NOT_REPORTED_YET}
    if not streamed:
        assert parts[0].coverage.window.end == NOW - (end or 0) + (ahead if 0 < ahead <= HOUR else 0)
        assert len(asked) <= 9 + 2
