"""Any mix of queries in sequence: each buys the fewest windows for what is missing, and is the truth."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from attrs import Factory, define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnlightenClient, Query, Reason
from enlighten_async.cache import IntervalCache, MemoryCache, SqliteCache
from enlighten_async.emulator.simulation import fleet
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.state import StateFile
from tests.effort import SEED, examples
from tests.system.reference_cache import DAY, GRIDS, SPANS, YEARS, Answer, Exchange, Series, Span, Tap
from tests.world import World

NOW = 1_749_999_900 + 150
"""In the midst of a cell, as a client knows the time by a second or so; all steps are whole cells."""
NAMES = ("rgm_stats", "stats", "consumption_stats")
LONGEST = {"rgm_stats": 60, "stats": 4, "consumption_stats": 90}
SYSTEMS = 10
KEYS = count()

Version = Literal["v2", "v4"]


@cache
def world() -> World:
    """One service for all examples: its readings are costly to make.

    There are systems of each kind: without meters, with outages, with late meters, young ones; and one that
    goes into operation in a few days.
    """
    built = fleet.build_fleet(SEED, 1, SYSTEMS, NOW)
    new = evolve(built[-1], operational_at=NOW + 4 * DAY + 4321)
    return World(now=NOW, fleet=(*built[:-1], new), seed=SEED)


@frozen
class SeriesRequests:
    """A question: of which series and system, from how long ago, for how long, and how old it may be."""

    name: str
    number: int
    back: int
    length: int
    local: bool
    max_age: float | None


def asked(chance: Random, name: str, number: int) -> SeriesRequests:
    """Return a question about a series: mostly of a few days around the same time, so that ranges meet."""
    longest, span = LONGEST[name] * DAY, SPANS["v2"][name]
    back, length = 4 * DAY + chance.randrange(2 * span), chance.randrange(900, span // 8)
    if chance.random() < 0.4:
        back, length = chance.choice([2 * span + 6 * DAY, chance.randrange(395 * DAY)]), longest
    if chance.random() < 0.2:
        back = length = chance.randrange(longest)
    max_age = chance.choice([None, None, None, None, 0.0, 3600.0, 2.5 * DAY])
    return SeriesRequests(name, number, back, min(length, longest), chance.random() < 0.4, max_age)


def story(seed: int) -> list[SeriesRequests | int | str]:
    """Return what happens, mostly to one series of one or two systems."""
    chance = Random(seed)  # noqa: S311 - a story, not a secret
    few = [chance.randrange(SYSTEMS) for _ in range(chance.choice([1, 1, 2]))]
    names = chance.choice([NAMES, *((name,) for name in NAMES)])
    told: list[SeriesRequests | int | str] = []
    for _ in range(chance.randrange(5, 12)):
        told.append(asked(chance, chance.choice(names), chance.choice(few)))
        if chance.random() < 0.4:
            told.append(300 * chance.choice([chance.randrange(1, 24), chance.randrange(1, 6 * 288)]))
        if chance.random() < 0.1:
            told.append("a new process")
    return told


@define
class Trial:
    """A client, what goes over its wire, and the account of what it has bought."""

    version: Version
    path: Path | None
    tap: Tap = field(init=False)
    key: str = field(init=False)
    store: IntervalCache = field(init=False)
    client: EnlightenClient = field(init=False)
    books: dict[tuple[str, int], Series] = Factory(dict)

    def __attrs_post_init__(self) -> None:
        clock = world().clock
        clock.step_wall(NOW - clock.now())
        self.tap = Tap(world().emulator.transport())
        self.key = f"{next(KEYS):032x}"
        self.store = MemoryCache()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.start()

    def start(self) -> None:
        """Start a process."""
        if self.path is not None:
            self.store = SqliteCache(StateFile(self.path, durable=False), clock=world().clock)
        opened = world().client if self.version == "v2" else world().v4
        self.client = opened(self.key, transport=self.tap, interval_cache=self.store)

    async def restart(self) -> None:
        """End the process, and start another."""
        await self.client.aclose()
        self.start()

    def book(self, ask: SeriesRequests) -> Series:
        """Return what was bought of the series that is asked for."""
        series = Series(GRIDS[ask.name], SPANS[self.version][ask.name], YEARS[self.version] * 365 * DAY)
        return self.books.setdefault((ask.name, ask.number), series)

    def query(self, ask: SeriesRequests) -> tuple[Query[Any, Any], Span, ZoneInfo | None]:
        """Return a query, its range on the grid, and the time zone as far as the client knows it then."""
        system, now = world().emulator.truth.systems()[ask.number], self.client._session.limiter.now()
        client = self.client.with_options(max_age=ask.max_age)
        method, grid = getattr(client, ask.name), GRIDS[ask.name]
        zone = ZoneInfo(system.timezone)
        known = zone if ask.local or system.system_id in client._session.api.time_zones else None
        if not ask.local:
            start, end = now - ask.back, min(now - ask.back + ask.length, now)
            asked = method(system.system_id, start_at=start, end_at=end)
            return asked, (int(start // grid * grid), int(end // grid * grid)), known
        first = datetime.fromtimestamp(now - ask.back, zone).date()
        last = datetime.fromtimestamp(min(now, now - ask.back + ask.length), zone).date()
        start, end = midnight(first, zone), min(midnight(last + timedelta(days=1), zone), now)
        asked = method(system.system_id, start_date=first, end_date=last)
        return asked, (int(start // grid * grid), int(end // grid * grid)), known

    async def ask(self, ask: SeriesRequests) -> None:
        """Ask, and check price, wire and answer against the account."""
        # An answer tells the time: without any for days, a client knows it by minutes only.
        await self.client.with_options(max_age=0).inventory(world().system)
        query, window, zone = self.query(ask)
        if window[0] >= window[1]:
            return
        book, now = self.book(ask), self.client._session.limiter.now()
        sent, seen = world().emulator.counts.sent, len(self.tap.log)
        price = await query.estimate()
        assert world().emulator.counts.sent == sent
        cells = book.missing(window, now, ask.max_age)
        by_clock = None if self.version == "v4" or ask.name == "rgm_stats" else zone
        cover = book.worth(book.cover(cells, by_clock, days=ask.local), now, ask.max_age)
        served = {cell for cell in book.within(window) if book.served(cell, now, ask.max_age)}
        answer = await query
        log = [each for each in self.tap.log[seen:] if each.name == ask.name]
        zones = len(self.tap.log) - seen - len(log)
        bought = self.buy(book, ask, cover, log)
        assert world().emulator.counts.sent - sent == answer.receipt.sent == len(bought) + zones
        assert zones <= ask.local
        assert price.at_most is not None
        assert price.at_least <= answer.receipt.sent <= price.at_most
        if not zones:
            assert price.from_cache <= answer.receipt.from_cache
            exact = zone is not None or ask.name == "rgm_stats" or self.version == "v4"
            assert price.at_most == len(cover) if exact else price.at_most >= len(cover)
        # What is held within a window that is not worth buying is told by what showed that.
        left_out = {cell for each in cover if each not in bought for cell in book.within(each)}
        self.check(answer, ask, window, served - left_out, bought)

    def buy(self, book: Series, ask: SeriesRequests, cover: list[Span], log: list[Exchange]) -> list[Span]:
        """Note what was bought; return the windows, which are those of the cover that are worth it."""
        left, bought = list(cover), list[Span]()
        rows = truth(ask, (cover[0][0], cover[-1][1])) if cover else {}
        while left:
            window = left.pop()
            found = [each for each in log if int(each.params["start_at"]) == window[0]]
            assert len(found) == 1, f"{window} was not bought"
            assert int(found[0].params.get("end_at", window[1])) == window[1]
            answer = Answer.of(found[0], window[1])
            book.put(window, answer, rows)
            left = left if bought else worth(left, answer)
            bought.append(window)
        assert len(log) == len(bought)
        return sorted(bought)

    def check(
        self,
        answer: IntervalStats[Any],
        ask: SeriesRequests,
        window: Span,
        served: set[int],
        bought: list[Span],
    ) -> None:
        """Compare an answer with what is known of each cell, and its gaps with the cells that are left."""
        book = self.book(ask)
        assert (answer.window.start, answer.window.end) == window
        fresh = {cell for each in bought for cell in book.within(each)}
        known = {cell: book.cells[cell] for cell in book.within(window) if cell in served | fresh}
        columns = answer.intervals.columns
        got = {row[0]: row for row in zip(*columns.values(), strict=True)}
        assert list(got) == sorted(got)
        assert got == {cell: row for cell, (_, row) in known.items() if row is not None}
        missing = [c for gap in answer.coverage.gaps() for c in book.within(span(gap.window))]
        assert sorted(missing) == [cell for cell in book.within(window) if cell not in got]
        self.check_coverage(answer, known, book)

    @staticmethod
    def check_coverage(answer: IntervalStats[Any], known: dict[int, Any], book: Series) -> None:
        """What is said of its age and its gaps is so."""
        coverage = answer.coverage
        assert coverage.complete
        if known:
            assert coverage.as_of is not None
            oldest = min(each.at for each, _ in known.values())
            assert min(each.at for each in book.answers) <= coverage.as_of.timestamp() <= oldest
        for gap in coverage.gaps():
            if gap.reason is Reason.NOT_REPORTED_YET and coverage.reported_until is not None:
                assert gap.window.end > coverage.reported_until.timestamp() // book.grid * book.grid


def worth(windows: list[Span], newest: Answer) -> list[Span]:
    """Leave out windows that the newest answer shows to be empty."""
    return [each for each in windows if not newest.absent and not (newest.started or 0) >= each[1]]


def span(window: Any) -> Span:
    """Return a window as a pair."""
    return window.start, window.end


def midnight(day: date, zone: ZoneInfo) -> float:
    """Return when a local day begins: its first moment, as a clock may jump over midnight."""
    moment = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
    while datetime.fromtimestamp(moment - 900, zone).date() >= day:
        moment -= 900
    while datetime.fromtimestamp(moment, zone).date() < day:
        moment += 900
    return moment


def truth(ask: SeriesRequests, window: Span) -> dict[int, tuple[Any, ...]]:
    """Return the rows that the service has by now of a window."""
    system = world().emulator.truth.systems()[ask.number].system_id
    known: Any = getattr(world().emulator.truth, ask.name)(system, *window)
    return {row["end_at"]: tuple(row.values()) for row in known}


def hidden(ask: SeriesRequests) -> bool:
    """Tell whether the user may not see this."""
    consumption = world().emulator.truth.systems()[ask.number].consumption
    return ask.name == "consumption_stats" and consumption == "refused"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("durable", [False, True], ids=["memory", "file"])
@examples(4)
@given(steps=st.integers(0, 2**32).map(story))
async def test_any_mix_of_queries_buys_each_cell_once(
    steps: list[SeriesRequests | int | str], version: Version, tmp_path: Path, *, durable: bool
) -> None:
    """Requests sent = the fewest windows for what is missing = the price; answers as they were bought."""
    trial = Trial(version, tmp_path / "state.db" if durable else None)
    for step in steps:
        if isinstance(step, int):
            world().clock.advance(step)
        elif isinstance(step, str):
            await trial.restart()
        elif not hidden(step):
            await trial.ask(step)
    await trial.client.aclose()
