"""A backlog that is uploaded, oldest first: nothing that may still arrive is final, and all of it is got."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnlightenClient, Reason
from enlighten_async.cache import MemoryCache
from enlighten_async.state.migrations import MIGRATIONS
from enlighten_async.testing import FakeClock
from tests.backlog import DAY, SYSTEM, BacklogService, figure
from tests.effort import examples

HOUR = 3600
NOW = 1_790_000_100 // 900 * 900 + 300
"""Some minutes after five past two in the afternoon."""
LOST = NOW - NOW % 900 - 6 * DAY
"""When the gateway went offline."""

SERIES = {
    "v2": ("rgm_stats", "stats", "consumption_stats"),
    "v4": ("rgm_stats", "stats", "consumption_stats", "production_meter"),
}
LIFETIMES = {
    "v2": ("energy_lifetime", "consumption_lifetime"),
    "v4": (
        "energy_lifetime",
        "consumption_lifetime",
        "battery_lifetime",
        "energy_import_lifetime",
        "energy_export_lifetime",
    ),
}

versions = pytest.mark.parametrize("version", ["v2", "v4"])
series = pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version, names in SERIES.items() for name in names]
)
stores = pytest.mark.parametrize("durable", [False, True], ids=["memory", "file"])


def opener(service: BacklogService, version: str, path: Path | None) -> Callable[[], EnlightenClient]:
    """Return a function that opens a client as a process of its own does, on what is kept of the others."""
    memory = None if path is not None else MemoryCache()
    return lambda: service.client(version, cache=memory, state=path)


def days(back: float, until: float) -> dict[str, float]:
    """Return a range by its start and its end, days before the start of the test."""
    return {"start_at": NOW - back * DAY, "end_at": NOW - until * DAY}


def truth(window: dict[str, float], grid: int) -> dict[int, int]:
    """Return all figures of a range."""
    first = int(window["start_at"]) // grid * grid + grid
    return {end: figure(end) for end in range(first, int(window["end_at"]) + 1, grid)}


def figures(answers: Sequence[Any]) -> dict[int, float]:
    """Return the figures of answers, or of parts of one."""
    name = {"Stats": "enwh", "RgmStats": "wh_del", "ConsumptionStats": "enwh", "ProductionMeter": "wh_del"}
    return {
        int(row.end_at.timestamp()): getattr(row, name[type(answer).__name__])
        for answer in answers
        for row in answer.intervals
    }


async def ask(client: EnlightenClient, name: str, window: dict[str, float], *, streamed: bool) -> list[Any]:
    """Ask for a range; return the answer, or the parts of a stream."""
    query = getattr(client, name)(SYSTEM, **window)
    return [part async for part in query] if streamed else [await query]


@series
@stores
@pytest.mark.parametrize("streamed", [False, True], ids=["awaited", "streamed"])
async def test_a_backlog_is_got(
    version: str, name: str, tmp_path: Path, *, durable: bool, streamed: bool
) -> None:
    """Whoever asks while it is uploaded gets what there is, is told what is not, and gets the rest later."""
    service = BacklogService(FakeClock(now=NOW), [(0, LOST)])
    opened = opener(service, version, tmp_path / "state.db" if durable else None)
    window, grid = days(9, 4), 300 if name == "stats" else 900
    whole = truth(window, grid)
    async with opened() as client:
        found = await ask(client, name, window, streamed=streamed)
    assert figures(found) == {end: wh for end, wh in whole.items() if end <= LOST}
    late = {gap.reason for answer in found for gap in answer.coverage.gaps() if gap.window.start >= LOST}
    assert late == {Reason.NOT_REPORTED_YET}
    for hours in (2, 5):  # uploading
        service.fronts = [(0, LOST + hours * DAY / 4)]
        service.clock.advance(hours * HOUR)
        async with opened() as client:
            found = await ask(client, name, window, streamed=streamed)
        assert figures(found) == {end: wh for end, wh in whole.items() if end <= service.front}
    service.fronts = []
    service.clock.advance(3 * DAY)
    async with opened() as client:
        assert figures(await ask(client, name, window, streamed=streamed)) == whole
        sent = len(service.sent)
        assert figures(await ask(client, name, window, streamed=streamed)) == whole
        assert len(service.sent) == sent  # it is final


@stores
async def test_pages_of_a_backlog_are_got(tmp_path: Path, *, durable: bool) -> None:
    """Of microinverters one by one, which are cached page by page."""
    service = BacklogService(FakeClock(now=NOW), [(0, LOST)])
    opened = opener(service, "v4", tmp_path / "state.db" if durable else None)
    rows, sent = [], []
    for hours in (0, 0.9, 2, 99):
        service.clock.advance(max(0.0, NOW + hours * HOUR - service.clock.now()))
        service.fronts = service.fronts if hours < 99 else []
        async with opened() as client:
            before = len(service.sent)
            answer = await client.micros_telemetry(SYSTEM, **days(9, 4))
            rows.append(len(answer.devices[0].intervals))
            sent.append(len(service.sent) - before)
    assert rows == [863, 863, 863, 1440]
    assert sent == [1, 0, 1, 1]


@versions
@pytest.mark.parametrize("hours", [1, 24, 69])
async def test_rows_that_are_corrected_are_got(version: str, hours: int, tmp_path: Path) -> None:
    """By late reports within three days; after that they are final."""
    service = BacklogService(FakeClock(now=NOW))
    opened = opener(service, version, tmp_path / "state.db")
    window = days(0.5, 0.1)
    for revised, hour in ((0, 0), (5, hours), (5, 80), (9, 90)):
        service.clock.advance(max(0, NOW + hour * HOUR - service.clock.now()))
        service.revised = revised
        async with opened() as client:
            found = figures([await client.rgm_stats(SYSTEM, **window)])
        assert found == {end: wh + min(revised, 5) for end, wh in truth(window, 900).items()}


@series
async def test_a_system_that_stands_still_is_not_asked_for_ever(
    version: str, name: str, tmp_path: Path
) -> None:
    """Six days of somebody who asks every half an hour: after 1, 2, 4, 8 and 16 hours, then once a day."""
    service = BacklogService(FakeClock(now=NOW), [(0, LOST)])
    asked = []
    opened = opener(service, version, tmp_path / "state.db")
    async with opened() as client:
        for _ in range(6 * 24 * 2):
            sent = len(service.sent)
            await getattr(client, name)(SYSTEM, **days(6, 5))
            asked += [service.clock.now()] * (len(service.sent) > sent)
            service.clock.advance(1801)
        rounds = [round((b - a) / HOUR, 1) for a, b in pairwise(asked)]
        assert rounds[:5] == pytest.approx([1, 2, 4, 8, 16], abs=0.6)
        assert rounds[5:] == pytest.approx([24] * len(rounds[5:]), abs=0.6)
        assert len(rounds) <= 10
        sent = len(service.sent)
        for _ in range(2):  # unless the caller wants it
            await getattr(client.with_options(max_age=0), name)(SYSTEM, **days(6, 5))
        assert len(service.sent) >= sent + 2


@versions
async def test_a_dead_system_costs_little_more_than_its_newest_window(version: str) -> None:
    """Whoever asks every hour for a month up to now: the older windows once a day in the end."""
    service = BacklogService(FakeClock(now=NOW), [(0, NOW - 40 * DAY)])
    polls, windows, days_ = 3 * 24, 5, 3
    async with opener(service, version, None)() as client:
        for _ in range(polls):
            await client.rgm_stats(SYSTEM, start_at=service.clock.now() - 30 * DAY)
            service.clock.advance(HOUR)
    assert len(service.sent) <= polls + windows * (5 + days_)


@versions
async def test_more_that_is_told_of_is_asked_for_at_once(version: str) -> None:
    """As soon as a younger answer tells that more of an older window has come."""
    service = BacklogService(FakeClock(now=NOW), [(0, LOST)])
    window = days(9, 4)
    async with opener(service, version, None)() as client:
        await client.rgm_stats(SYSTEM, **window)
        service.fronts = []
        service.clock.advance(60)
        assert (await client.rgm_stats(SYSTEM, **window)).receipt.sent == 0  # nobody knows of it
        await client.rgm_stats(SYSTEM, start_at=NOW - HOUR)
        answer = await client.rgm_stats(SYSTEM, **window)
    assert figures([answer]) == truth(window, 900)


@versions
async def test_a_cached_gap_is_not_called_empty_by_a_younger_part(version: str) -> None:
    """What was not reported when it was asked for stays so, however far the newest part reaches."""
    service = BacklogService(FakeClock(now=NOW), [(0, LOST)])
    async with opener(service, version, None)() as client:
        await client.rgm_stats(SYSTEM, **days(9, 4))
        service.fronts = []
        service.clock.advance(60)
        answer = await client.rgm_stats(SYSTEM, **days(9, 0))
        reasons = {gap.reason for gap in answer.coverage.gaps() if gap.window.end < NOW - 4 * DAY}
        assert reasons <= {Reason.NOT_REPORTED_YET}
        assert figures([await client.rgm_stats(SYSTEM, **days(9, 0))]) == truth(days(9, 0), 900)


def as_version_2(path: Path) -> None:
    """Write a state file anew as the first version did: what was behind the last report is final."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for table in ("stretches", "replies"):
            file.execute(f"ALTER TABLE {table} RENAME TO newer_{table}")
        for statement in MIGRATIONS[1][1:]:
            file.execute(statement)
        file.execute(
            "INSERT INTO stretches SELECT series, start, stop, fetched, fetched - 3720, ?, NULL, body "
            "FROM newer_stretches",
            (NOW - 900 * DAY,),
        )
        file.execute(
            "INSERT INTO replies SELECT account, endpoint, asked, fetched, 1, status, content_type, body "
            "FROM newer_replies"
        )
        for table in ("stretches", "replies"):
            file.execute(f"DROP TABLE newer_{table}")
        file.execute("DROP TABLE tokens")
        file.execute("PRAGMA user_version = 2")


@series
async def test_what_an_older_file_calls_final_is_got(version: str, name: str, tmp_path: Path) -> None:
    """Where it had not been reported; the rest of it is served as it is."""
    service, path = BacklogService(FakeClock(now=NOW), [(0, LOST)]), tmp_path / "state.db"
    day = datetime.fromtimestamp(NOW - 5 * DAY, UTC).date()
    span = {"start_date": day - timedelta(days=5), "end_date": day}
    async with service.client(version, state=path) as client:
        await getattr(client, name)(SYSTEM, **days(30, 4))
        await client.summary(SYSTEM, summary_date=day)
        await client.energy_lifetime(SYSTEM, **span)
    as_version_2(path)
    service.fronts, service.sent = [], []
    service.clock.advance(2 * HOUR)
    async with service.client(version, state=path) as client:
        answer = await getattr(client, name)(SYSTEM, **days(30, 4))
        assert (await client.summary(SYSTEM, summary_date=day)).energy_today == service.wh(day)
        assert (await client.energy_lifetime(SYSTEM, **span)).production[-1] == service.wh(day)
    assert figures([answer]) == truth(days(30, 4), 300 if name == "stats" else 900)
    starts = [int(each.url.params["start_at"]) for each in service.sent if "start_at" in each.url.params]
    assert min(starts) >= LOST - 2 * HOUR


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version, names in LIFETIMES.items() for name in names]
)
@stores
async def test_the_zero_of_a_day_is_not_final(
    version: str, name: str, tmp_path: Path, *, durable: bool
) -> None:
    """It stands for a day without a report, which comes with the backlog."""
    service = BacklogService(FakeClock(now=NOW), [(0, LOST)])
    opened = opener(service, version, tmp_path / "state.db" if durable else None)
    first = datetime.fromtimestamp(NOW - 10 * DAY, UTC).date()
    last = first + timedelta(days=5)

    async def energies() -> list[int | None]:
        async with opened() as client:
            answer = await getattr(client, name)(SYSTEM, start_date=first, end_date=last)
        return list(getattr(answer, answer._columns[0]))

    assert (await energies())[-1] == 0
    service.fronts = []
    service.clock.advance(DAY)
    whole = [service.wh(first + timedelta(days=day)) for day in range(6)]
    assert await energies() == whole
    sent = len(service.sent)
    assert await energies() == whole
    assert len(service.sent) == sent


@versions
@stores
async def test_the_summary_of_a_past_day_is_not_final(version: str, tmp_path: Path, *, durable: bool) -> None:
    """Until its energy is known."""
    service = BacklogService(FakeClock(now=NOW), [(0, LOST)])
    opened = opener(service, version, tmp_path / "state.db" if durable else None)
    day = datetime.fromtimestamp(NOW - 5 * DAY, UTC).date()

    async def energy() -> int | None:
        async with opened() as client:
            return (await client.summary(SYSTEM, summary_date=day)).energy_today

    assert await energy() == 0
    service.fronts = []
    service.clock.advance(2 * HOUR)
    assert await energy() == service.wh(day)
    sent = len(service.sent)
    assert await energy() == service.wh(day)
    assert len(service.sent) == sent


@versions
@pytest.mark.parametrize(("age", "final"), [(5, False), (28, False), (33, True)])
@pytest.mark.parametrize("tells", [(), ("last_report_at",)])
async def test_what_does_not_tell_of_energy_is_not_final_for_a_month(
    version: str, age: float, final: bool, tells: tuple[str, ...]
) -> None:
    """Neither summaries nor lifetimes, nor intervals of which there was none; then it is."""
    service = BacklogService(FakeClock(now=NOW), [(0, NOW - 40 * DAY)], tells=tells)
    day = datetime.fromtimestamp(NOW - (age + 1) * DAY, UTC).date()
    async with opener(service, version, None)() as client:
        for fronts in ([(0, NOW - 40 * DAY)], []):
            service.fronts = fronts
            answer = await client.rgm_stats(SYSTEM, **days(age + 2, age))
            summary = await client.summary(SYSTEM, summary_date=day)
            lifetime = await client.energy_lifetime(SYSTEM, start_date=day, end_date=day)
            service.clock.advance(2 * DAY)
    known = 0 if final else service.wh(day)
    assert [summary.energy_today, *lifetime.production] == [known, known]
    assert figures([answer]) == ({} if final else truth(days(age + 2, age), 900))


@series
@stores
async def test_the_answer_itself_says_what_had_been_reported(
    version: str, name: str, durable: bool, tmp_path: Path
) -> None:
    """Not an older one, which told of energy of days to come."""
    service = BacklogService(FakeClock(now=NOW), [(0, NOW + 9 * DAY)])
    async with opener(service, version, tmp_path / "state.db" if durable else None)() as client:
        await getattr(client, name)(SYSTEM, **days(3, 2))
        service.fronts = [(0, LOST)]
        service.clock.advance(HOUR)
        await getattr(client, name)(SYSTEM, **days(6, 4))
        service.fronts = []
        service.clock.advance(2 * DAY)
        answer = await getattr(client, name)(SYSTEM, **days(6, 4))
    assert figures([answer]) == truth(days(6, 4), answer.coverage.grid)


@series
@stores
async def test_what_is_final_outlives_an_answer_of_nulls(
    version: str, name: str, durable: bool, tmp_path: Path
) -> None:
    """That a caller has asked for anew: what had been paid for is served, and costs nothing."""
    service, window = BacklogService(FakeClock(now=NOW)), days(50, 48)
    async with opener(service, version, tmp_path / "state.db" if durable else None)() as client:
        await getattr(client, name)(SYSTEM, **window)
        service.nulls = True
        answer = await getattr(client.with_options(max_age=0), name)(SYSTEM, **window)
        assert not answer.coverage.complete
        answer = await getattr(client, name)(SYSTEM, **window)
    assert answer.receipt.sent == 0
    assert answer.coverage.complete
    assert figures([answer]) == truth(window, answer.coverage.grid)


@versions
@pytest.mark.parametrize("ahead", [-40 * DAY, -5 * DAY, -DAY, 0, DAY / 2, 5 * DAY, 40 * DAY, 1000 * DAY])
@pytest.mark.parametrize("own", [0, 5 * DAY, -5 * DAY, -1000 * DAY])
async def test_one_wrong_clock_makes_nothing_final(
    version: str, ahead: float, own: float, tmp_path: Path
) -> None:
    """Neither the service's nor our own: rows that are corrected within two days are asked for again."""
    if ahead > DAY and own > DAY:
        pytest.skip("two clocks that agree are believed")
    true = FakeClock(now=NOW)
    wrong = FakeClock(now=NOW + own)
    service = BacklogService(true, [(0, NOW - 2 * DAY)], ahead=ahead)
    opened = opener(service, version, tmp_path / "state.db")
    day = datetime.fromtimestamp(NOW - 2.5 * DAY, UTC).date()
    for step in range(2):
        async with opened() as client:
            client._session.clock = wrong
            answer = await client.rgm_stats(SYSTEM, **days(2.2, 1.8))
            summary = await client.summary(SYSTEM, summary_date=day)
        if step == 0:
            service.fronts, service.ahead = [], 0
            true.advance(2 * DAY)
            wrong.advance(2 * DAY)
    assert figures([answer]) == truth(days(2.2, 1.8), 900)
    assert summary.energy_today == service.wh(day)


@frozen
class Story:
    """A history of uploads, and the questions meanwhile.

    Attributes:
        outage: days for which the gateway was offline.
        uploads: how much of the backlog has come by then: hours since it is back, and the share.
        asked: hours since it is back, name, and days back of start and end of what is asked for.
    """

    outage: float
    uploads: tuple[tuple[float, float], ...]
    asked: tuple[tuple[float, str, float, float], ...]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw a story."""
    hours = st.floats(0, 200).map(lambda hour: round(hour, 2))
    shares = sorted(draw(st.lists(st.floats(0, 1), min_size=1, max_size=5)))
    moments = sorted(draw(st.lists(hours, min_size=len(shares), max_size=len(shares))))
    name = st.sampled_from(["rgm_stats", "consumption_stats", "summary", "energy_lifetime"])
    ranges = st.tuples(st.integers(0, 30), st.integers(1, 12)).map(lambda pair: (sum(pair), pair[0]))
    asked = draw(st.lists(st.tuples(hours, name, ranges), min_size=1, max_size=8))
    return Story(
        draw(st.floats(0.2, 25)),
        tuple(zip(moments, shares, strict=True)),
        tuple(sorted((hour, name, float(back), float(until)) for hour, name, (back, until) in asked)),
    )


async def check(
    client: EnlightenClient, service: BacklogService, name: str, window: dict[str, float]
) -> None:
    """Ask once more, and compare with the whole truth."""
    first, last = (datetime.fromtimestamp(at, UTC).date() for at in window.values())
    if name == "summary":
        assert (await client.summary(SYSTEM, summary_date=first)).energy_today == service.wh(first)
    elif name == "energy_lifetime":
        answer = await client.energy_lifetime(SYSTEM, start_date=first, end_date=last)
        assert list(answer.production) == [service.wh(first + timedelta(n)) for n in range(len(answer))]
    else:
        assert figures([await getattr(client, name)(SYSTEM, **window)]) == truth(window, 900)


async def question(client: EnlightenClient, name: str, window: dict[str, float]) -> None:
    """Ask, whatever the answer."""
    first, last = (datetime.fromtimestamp(at, UTC).date() for at in window.values())
    if name == "summary":
        await client.summary(SYSTEM, summary_date=first)
    elif name == "energy_lifetime":
        await client.energy_lifetime(SYSTEM, start_date=first, end_date=last)
    else:
        await getattr(client, name)(SYSTEM, **window)


@versions
@examples(12)
@given(
    story=stories(), tells=st.sampled_from([("last_report_at", "last_energy_at"), ("last_energy_at",), ()])
)
async def test_what_is_served_as_final_is_the_truth(
    version: str, story: Story, tells: tuple[str, ...]
) -> None:
    """For any uploads and any questions: a day after everything has arrived, all of it is served."""
    clock = FakeClock(now=NOW)
    lost = NOW - story.outage * DAY
    fronts: list[tuple[float, float | None]] = [(0, lost)]
    fronts += [(NOW + hour * HOUR, lost + share * story.outage * DAY) for hour, share in story.uploads]
    service = BacklogService(clock, [*fronts, (NOW + 201 * HOUR, None)], tells=tells)
    async with opener(service, version, None)() as client:
        for hour, name, back, until in story.asked:
            clock.advance(max(0.0, NOW + hour * HOUR - clock.now()))
            await question(client, name, days(back, until))
        clock.advance(NOW + 201 * HOUR + DAY - clock.now())
        for _, name, back, until in story.asked:
            await check(client, service, name, days(back, until))
