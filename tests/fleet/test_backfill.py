"""History of a fleet: which windows are fetched, in which order, and out of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

import anyio
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from enlighten_async import BackfillIncomplete, EnlightenClient, InputError, Plan
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Backlog as Offline
from enlighten_async.emulator import Fault, Quota
from enlighten_async.fleet import Change, Fleet, FleetMetrics
from enlighten_async.fleet.backfill import WINDOW_S, Backfill, Backlog, History, WindowAsk
from enlighten_async.fleet.schedule import HOUR
from enlighten_async.windows import DAY
from tests.world import World

NOW = 1_750_032_000.0 + 0.8 * DAY
HOURLY, TEN_WEEKS = timedelta(hours=1), timedelta(weeks=10)
IN_FLIGHT = 8
"""Requests that a run may have on their way."""


def client_of(world: World, minute: int = 600, month: int = 100_000, **options: Any) -> EnlightenClient:
    """Return a client that caches."""
    options.setdefault("interval_cache", MemoryCache())
    return world.v4(plan=Plan(minute=minute, month=month), **options)


class Kept:
    """A sink in memory: rows and cursors, all or none."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, float], float | None] = {}
        self.moved: dict[str, dict[int, datetime]] = {}
        self.changes: list[Change] = []

    async def cursors(self, series: str) -> dict[int, datetime]:
        """Return those of a name."""
        return dict(self.moved.get(series, {}))

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep rows and cursors, which rise."""
        self.changes += changes
        for change in changes:
            known = self.moved.setdefault(change.series, {})
            assert change.until >= known.get(change.system_id, change.until)
            known[change.system_id] = change.until
            for row in change.rows:
                self.rows[change.system_id, row.end_at.timestamp()] = row.wh_del


class Asked(NamedTuple):
    """A request for rows."""

    system_id: int
    at: float
    start: float
    polls: bool
    """Whether it is for the newest rows."""


def asked_of(world: World) -> list[Asked]:
    """Return the requests for rows."""
    found = []
    for each in world.emulator.log:
        if "rgm_stats" in each.path:
            start, end = float(each.params["start_at"]), float(each.params.get("end_at", each.at))
            found.append(Asked(int(each.path.split("/")[-2]), each.at, start, end > each.at - 6 * DAY))
    return found


def wrong(world: World, kept: Kept, begin: float) -> list[tuple[int, float]]:
    """Return the rows from a moment on that a sink has other than the service, or that it lacks."""
    found = []
    for system_id, until in kept.moved["rgm_stats"].items():
        truth = {
            (system_id, float(row["end_at"])): row["wh_del"]
            for row in world.emulator.truth.rgm_stats(system_id, begin, until.timestamp())
        }
        held = {
            key: wh
            for key, wh in kept.rows.items()
            if key[0] == system_id and begin < key[1] <= until.timestamp()
        }
        found += [key for key in truth.keys() | held.keys() if truth.get(key, -1.0) != held.get(key, -1.0)]
    return found


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("span", "windows"), [(8, 1), (14, 1), (15, 2), (70, 9), (365, 52), (5_000, 104)])
def test_windows_are_whole_and_as_few_as_can_be(span: int, windows: int, *, newest_first: bool) -> None:
    """Beside the first poll; no further back than the service keeps. They meet, whichever comes first."""
    backfill = Backfill.of(span * DAY, newest_first, 7 * DAY, 730 * DAY)
    assert backfill.windows == windows
    assert Backfill.of(span * DAY, newest_first, DAY, 730 * DAY).cost == 7
    history = History.before(NOW + 1)
    assert 0 <= history.end - NOW <= HOUR
    found = [backfill.window(history, number) for number in range(windows)]
    for held in range(windows + 1):
        history = History(history.end, held)
        assert History.by(history.cursor) == history
    ordered = sorted(found)
    assert found == (ordered[::-1] if newest_first else ordered)
    assert all(one[1] == two[0] for one, two in pairwise(ordered))
    assert ordered[-1][1] == history.end
    assert {end - start for start, end in found} == {WINDOW_S}


def test_a_cursor_rises_with_each_window() -> None:
    """And is no other's, where the order or the begin is another."""
    histories = [History(NOW // HOUR * HOUR, held) for held in range(105)]
    cursors = [each.cursor for each in histories]
    assert cursors == sorted(set(cursors))
    names = {Backfill(windows, first).name("stats") for windows in (52, 104) for first in (False, True)}
    assert names == {"stats_history", "stats_history_52", "stats_history_104"}


def backlog_of(month: float, minute: float = inf, cost: int = 1) -> Backlog:
    """Return the histories of three systems, five windows each, of one of which a window is held."""
    backlog = Backlog(Backfill(5, newest_first=True, cost=cost))
    backlog.begin_day(month, minute)
    for member, held in enumerate((0, 1, 0)):
        backlog.set(member, History(0.0, held))
    return backlog


def popped(backlog: Backlog, now: float = 0.0, polls: int = 0) -> list[tuple[int, int]]:
    """Return the windows that may be asked for now: members, and windows that are held; none is answered."""
    asks = iter(lambda: backlog.pop(now, lambda member: member != 9, lambda _: polls), None)
    return [(ask.member, ask.number) for ask in asks]


def test_nothing_is_fetched_but_what_polls_leave() -> None:
    """Of the month, whatever the windows cost, and of the minute."""
    assert popped(backlog_of(inf)) == [(0, 0), (2, 0), (1, 1)]
    assert popped(backlog_of(2)) == [(0, 0), (2, 0)]
    assert popped(backlog_of(2, cost=2)) == [(0, 0)]
    assert popped(backlog_of(0)) == []
    assert backlog_of(0).next_at == inf
    half = backlog_of(4)
    half.part = 0.5
    assert popped(half) == [(0, 0), (2, 0)]
    busy = backlog_of(inf, 10)
    assert popped(busy, polls=7) == [(0, 0), (2, 0)]
    assert busy.next_at == 60
    assert popped(busy, 60, polls=9) == []
    assert popped(busy, 120) == [(1, 1)]


def popped_one(backlog: Backlog, now: float) -> WindowAsk:
    """Return the next window."""
    ask = backlog.pop(now, lambda _: True, lambda _: 0)
    assert ask is not None
    return ask


def test_a_history_whose_window_fails_waits_alone() -> None:
    """What is refused keeps its place; who is held elsewhere is left out."""
    backlog = backlog_of(inf)
    backlog.set(9, History(0.0))
    ask = popped_one(backlog, 0)
    backlog.failed(ask, 0)
    assert popped(backlog) == [(2, 0), (1, 1)]
    assert backlog.next_at == 900
    after = popped_one(backlog, 900)
    assert after == WindowAsk(0, History(0.0), 1)
    backlog.put_back(after, 1_000)
    assert (backlog.next_at, popped(backlog, 999), popped(backlog, 1_000)) == (1_000, [], [(0, 1)])
    backlog.failed(after, 0, absent=True)
    assert (backlog.failures(0), backlog.failures(2)) == (6, 0)
    backlog.set(0, History(0.0, 3))  # another process has held it meanwhile
    assert backlog.failures(0) == 0
    assert backlog.answered(after, 1) is None
    assert list(backlog.windows(0)) == [3, 4]


def test_a_history_that_is_set_anew_goes_on_when_the_window_under_way_is_over() -> None:
    """A lease ended with a window that was not written, and came back while the next one was under way."""
    backlog = Backlog(Backfill(4))
    backlog.begin_day(inf, inf)
    backlog.set(0, History(0.0))
    assert backlog.answered(popped_one(backlog, 0), 1) == History(0.0, 1)
    under_way = popped_one(backlog, 0)
    backlog.set(0, History(0.0))
    assert popped(backlog) == []
    assert backlog.answered(under_way, 1) is None
    assert popped_one(backlog, 0) == WindowAsk(0, History(0.0), 0)


def test_a_window_that_failed_comes_after_all_others() -> None:
    """The cursor stays before it, and then moves beyond all that came meanwhile."""
    backlog = Backlog(Backfill(4))
    backlog.begin_day(inf, inf)
    backlog.set(0, History(0.0))
    first = popped_one(backlog, 0)
    assert backlog.answered(first, 1) == History(0.0, 1)
    bad = popped_one(backlog, 0)
    backlog.failed(bad, 0)
    found = []
    for _ in range(2):
        found.append(ask := popped_one(backlog, 900))
        assert backlog.answered(ask, 1) is None
        backlog.set(0, History(0.0, 1))  # the sink tells of the cursor alone
    assert [ask.number for ask in found] == [2, 3]
    assert popped_one(backlog, 900) == bad
    backlog.failed(bad, 900)
    backlog.set(0, History(0.0, 1))
    assert popped(backlog, 1_799) == []
    assert (list(backlog.windows(0)), backlog.next_at, backlog.failures(0)) == ([1], 1_800, 1)
    assert backlog.failed_windows(0) == 1
    assert popped_one(backlog, 1_800) == bad
    assert backlog.answered(bad, 1) == History(0.0, 4)
    assert (popped(backlog, 1_800), backlog.failed_windows(0)) == ([], 0)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_history_is_fetched_until_it_is_done(*, newest_first: bool) -> None:
    """By the least requests, in the order that was asked for; running again asks for nothing."""
    world, kept = World(now=NOW, systems=4, users=1), Kept()
    metrics = FleetMetrics(kept, world.clock)
    for _ in range(2):
        async with client_of(world) as client:
            fleet = Fleet(client, "rgm_stats", every=HOURLY, backfill=TEN_WEEKS, newest_first=newest_first)
            await fleet.run(metrics, until_done=True)
            assert fleet.status().backfill_left == 0
    asked = asked_of(world)
    metered = [each.system_id for each in world.emulator.truth.systems() if each.meters]
    assert Counter(each.system_id for each in asked) == {
        each.system_id: 10 if each.meters else 1 for each in world.emulator.truth.systems()
    }
    for system_id in metered:
        starts = [each.start for each in asked if each.system_id == system_id][1:]
        assert starts == sorted(starts, reverse=newest_first)
    assert wrong(world, kept, NOW - 69.9 * DAY) == []
    assert min(metrics.until.values()) > NOW - DAY


async def test_of_a_fleet_that_was_followed_before_the_next_poll_brings_the_week() -> None:
    """For no request more than of a new one."""
    world, kept = World(now=NOW, systems=2, users=1), Kept()
    async with client_of(world) as client:
        await Fleet(client, "rgm_stats", every=HOURLY).run(kept, once=True)
        sent = len(asked_of(world))
        await Fleet(client, "rgm_stats", every=HOURLY, backfill=TEN_WEEKS).run(kept, until_done=True)
    metered = sum(bool(each.meters) for each in world.emulator.truth.systems())
    assert len(asked_of(world)) - sent <= 2 + 9 * metered
    assert wrong(world, kept, NOW - 69.9 * DAY) == []


class Away(Kept):
    """A sink that cannot be read for a while, once the history is there."""

    refusals = 3

    async def cursors(self, series: str) -> dict[int, datetime]:
        """Return those of a name, unless the sink is away."""
        if series in self.moved and self.refusals:
            self.refusals -= 1
            raise OSError("the database system is starting up")
        return await super().cursors(series)


async def test_a_sink_that_is_away_at_the_end_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """As one is that cannot write: the log says so once."""
    world, away = World(now=NOW, systems=2, users=1), Away()
    async with client_of(world) as client:
        await Fleet(client, "rgm_stats", every=HOURLY, backfill=TEN_WEEKS).run(away, until_done=True)
    assert away.refusals == 0
    assert wrong(world, away, NOW - 69.9 * DAY) == []
    assert caplog.text.count("cannot be read (the database system is starting up)") == 1


async def test_a_backfill_that_cannot_be_is_refused() -> None:
    """Before anything is sent."""
    world = World()
    async with client_of(world) as client:
        for wrong_span in (timedelta(0), timedelta(days=7), 70):
            with pytest.raises(InputError, match="backfill must be"):
                Fleet(client, "rgm_stats", backfill=wrong_span)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="newest_first needs a backfill"):
            Fleet(client, "rgm_stats", newest_first=True)
        with pytest.raises(InputError, match="until_done needs"):
            await Fleet(client, "rgm_stats").run(Kept(), until_done=True)
        with pytest.raises(InputError, match="cannot be given with once"):
            await Fleet(client, "rgm_stats", backfill=TEN_WEEKS).run(Kept(), once=True, until_done=True)
        with pytest.raises(InputError, match="needs a sink"):
            await anext(Fleet(client, "rgm_stats", backfill=TEN_WEEKS).follow())
    assert world.emulator.log == []


@pytest.mark.slow
async def test_history_never_delays_a_poll() -> None:
    """Though the minute is small: each is made when it is due, in the minute at the latest."""
    made: dict[bool, list[Asked]] = {}
    for backfill in (None, timedelta(days=365)):
        world, kept = World(now=NOW - 0.2 * DAY, systems=12, users=1, latency=1.0), Kept()
        async with client_of(world, minute=10) as client:
            with world.clock.move_on_after(0.25 * DAY):
                await Fleet(client, "rgm_stats", every=3 * HOURLY, backfill=backfill).run(kept)
        made[backfill is not None] = [each for each in asked_of(world) if each.polls]
        assert world.emulator.counts.rejected == 0
    for poll in made[False]:
        moments = [each.at for each in made[True] if each.system_id == poll.system_id]
        assert any(abs(at - poll.at) <= 60 for at in moments), poll
    assert len(asked_of(world)) > len(made[True]) + 100


@pytest.mark.slow
async def test_history_leaves_the_month_to_polls() -> None:
    """So that it goes on in the next month, and no poll is missing."""
    start, polls = 1_748_736_000.0, {}  # 2025-06-01
    for backfill in (None, timedelta(weeks=52)):
        world, kept = World(now=start, systems=6, users=1, quota=Quota(minute=60, month=400)), Kept()
        async with client_of(world, minute=60, month=400) as client:
            fleet = Fleet(client, "rgm_stats", every=timedelta(days=1), backfill=backfill)
            with world.clock.move_on_after(33 * DAY):
                await fleet.run(kept, until_done=backfill is not None)
        june = [each for each in asked_of(world) if each.at < start + 30 * DAY]
        polls[backfill] = sum(each.polls for each in june)
    assert polls[backfill] == polls[None]
    assert 340 <= len(june) <= 400
    assert all(each.status == 200 for each in world.emulator.log)
    assert fleet.status().backfill_left == 0
    assert wrong(world, kept, start - 363 * DAY) == []


async def test_a_window_that_fails_delays_no_other() -> None:
    """It is asked for again later, alone."""
    world, kept = World(now=NOW, systems=3, users=1), Kept()
    bad = world.emulator.truth.systems()[0].system_id
    fault = Fault(status=500, body="{}", times=inf, path=f"/{bad}/rgm_stats", after=1, end=NOW + 2 * HOUR)
    world.emulator.faults.append(fault)
    async with client_of(world) as client:
        fleet = Fleet(client, "rgm_stats", every=6 * HOURLY, backfill=timedelta(weeks=4))
        await fleet.run(kept, once=True)
        assert fleet.status().backfill_left == 3
        await fleet.run(kept, until_done=True)
    assert fleet.status().backfill_left == 0
    assert world.clock.now() < NOW + 6 * HOUR
    assert wrong(world, kept, NOW - 27.9 * DAY) == []


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_run_ends_though_some_systems_never_answer(*, newest_first: bool) -> None:
    """Once all else is held, and hours later: it says of which systems, and how many windows, are missing."""
    world, kept = World(now=NOW, systems=6, users=1), Kept()
    never, partly, unknown, *good = [each.system_id for each in world.emulator.truth.systems() if each.meters]
    world.emulator.faults += [
        Fault(status=500, body="{}", times=inf, path=f"/{never}/rgm_stats"),
        Fault(status=500, body="{}", times=inf, path=f"/{partly}/rgm_stats", after=2),
        Fault(status=404, body="{}", times=inf, path=f"/{unknown}/rgm_stats"),
    ]
    async with client_of(world) as client:
        fleet = Fleet(
            client, "rgm_stats", every=6 * HOURLY, backfill=timedelta(weeks=4), newest_first=newest_first
        )
        with pytest.raises(BackfillIncomplete, match=r"of 3 systems is incomplete, 8 windows") as caught:
            await fleet.run(kept, until_done=True)
    assert caught.value.missing == {never: 3, partly: 2, unknown: 3}
    assert fleet.status().backfill_left == 8
    assert 3.7 * HOUR < world.clock.now() - NOW < 6 * HOUR
    assert sum(each.system_id == unknown for each in asked_of(world)) == 1
    assert set(kept.moved["rgm_stats"]) > set(good)
    kept.moved["rgm_stats"] = {each: kept.moved["rgm_stats"][each] for each in good}
    assert wrong(world, kept, NOW - 27.9 * DAY) == []


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("bad", [1, 6])
async def test_the_windows_after_one_that_always_fails_are_fetched(bad: int, *, newest_first: bool) -> None:
    """It alone is missing in the end, and comes with a later run, for no request but its own."""
    options: Any = {"every": 6 * HOURLY, "backfill": TEN_WEEKS, "newest_first": newest_first}
    healthy = World(now=NOW, systems=2, users=1)
    async with client_of(healthy) as client:
        await Fleet(client, "rgm_stats", **options).run(Kept(), until_done=True)
    system = healthy.system
    starts = sorted(each.start for each in asked_of(healthy) if each.system_id == system and not each.polls)
    failing = range(2, 2 + bad)
    world, kept, cache = World(now=NOW, systems=2, users=1), Kept(), MemoryCache()
    for at in failing:
        query = {"start_at": int(starts[at])}
        world.emulator.faults.append(
            Fault(status=500, body="{}", times=inf, path=f"/{system}/rgm_stats", query=query)
        )
    async with client_of(world, interval_cache=cache) as client:
        fleet = Fleet(client, "rgm_stats", **options)
        with pytest.raises(BackfillIncomplete) as caught:
            await fleet.run(kept, until_done=True)
        assert fleet.status().backfill_left == fleet.status().backfill_failed == bad
    assert caught.value.missing == {system: bad}
    missing = {end for _, end in wrong(world, kept, NOW - 69.9 * DAY)}
    assert {
        next(at for at in range(9) if starts[at] < end <= starts[at] + WINDOW_S) for end in missing
    } == set(failing)
    world.emulator.faults.clear()
    sent = len(asked_of(world))
    async with client_of(world, interval_cache=cache) as client:
        fleet = Fleet(client, "rgm_stats", **options)
        await fleet.run(kept, until_done=True)
    assert sum(not each.polls for each in asked_of(world)[sent:]) == bad
    assert wrong(world, kept, NOW - 69.9 * DAY) == []


async def follow_offline(backlogs: Sequence[Offline], days: float, weeks: int = 10) -> tuple[World, Kept]:
    """Follow two systems, of which the first one was offline; with their history."""
    fleet = World(now=NOW, systems=2, users=1).emulator.truth.systems()
    world, kept = World(now=NOW, fleet=[evolve(fleet[0], backlogs=tuple(backlogs)), fleet[1]]), Kept()
    async with client_of(world) as client:
        with world.clock.move_on_after(days * DAY):
            await Fleet(client, "rgm_stats", every=6 * HOURLY, backfill=timedelta(weeks=weeks)).run(kept)
    return world, kept


@pytest.mark.parametrize("offline", [8, *(pytest.param(days, marks=pytest.mark.slow) for days in (25, 60))])
@pytest.mark.parametrize("back", [-0.5, 2.0])
async def test_what_is_uploaded_after_its_window_was_fetched_comes_by_polls(
    offline: float, back: float
) -> None:
    """A gateway that was offline for weeks: the cursor stays where its reports ended until it is back."""
    backlog = Offline(NOW - offline * DAY, NOW + back * DAY, DAY)
    (world, kept), (healthy, _) = await follow_offline([backlog], 6), await follow_offline([], 6)
    assert wrong(world, kept, NOW - 69.9 * DAY) == []
    first, second = (each.system_id for each in world.emulator.truth.systems())
    assert min(kept.moved["rgm_stats"].values()).timestamp() > NOW + 5 * DAY
    asked = {each: Counter(one.system_id for one in asked_of(each)) for each in (world, healthy)}
    assert asked[world][second] <= asked[healthy][second]
    assert asked[world][first] <= asked[healthy][first] + (offline + back) / 7


async def test_a_gateway_that_was_away_for_longer_than_rows_are_kept_is_followed_again() -> None:
    """And meanwhile nothing is asked for that the service does not keep any more."""
    backlog = Offline(NOW - 800 * DAY, NOW + 20 * DAY, 0.1 * DAY)
    world, kept = await follow_offline([backlog], 32, weeks=104)
    first = world.emulator.truth.systems()[0].system_id
    assert kept.moved["rgm_stats"][first].timestamp() > NOW + 31 * DAY
    assert wrong(world, kept, NOW + 10 * DAY) == []
    asked = [each for each in asked_of(world) if each.system_id == first and not each.polls]
    assert len(asked) <= 104 + 50 + 8  # its history, what it uploads, and polls while it is away


async def test_what_fails_for_a_while_only_is_waited_for() -> None:
    """Also where all else is held: the next run, or this one, has it."""
    world, kept = World(now=NOW, systems=3, users=1), Kept()
    bad = world.emulator.truth.systems()[0].system_id
    world.emulator.faults.append(
        Fault(status=500, body="{}", times=inf, path=f"/{bad}/rgm_stats", end=NOW + 2 * HOUR)
    )
    async with client_of(world) as client:
        await Fleet(client, "rgm_stats", every=HOURLY, backfill=timedelta(weeks=4)).run(kept, until_done=True)
    assert wrong(world, kept, NOW - 27.7 * DAY) == []  # the history ends at the first poll


@settings(max_examples=12, deadline=None)
@given(
    newest_first=st.booleans(),
    weeks=st.integers(2, 7),
    systems=st.integers(2, 6),
    kills=st.lists(st.floats(0.5, 12.0), max_size=4),
)
def test_a_run_that_is_killed_goes_on(
    *, newest_first: bool, weeks: int, systems: int, kills: list[float]
) -> None:
    """At random moments: the rows are the truth, and only what was in flight is bought twice."""
    anyio.run(killed_again_and_again, newest_first, weeks, systems, kills)


async def killed_again_and_again(newest_first: bool, weeks: int, systems: int, kills: list[float]) -> None:
    """Run, and lose so often whatever is neither in the sink nor in the state; then run to the end."""
    world, kept, cache = World(now=NOW, systems=systems, users=1, latency=1.0), Kept(), MemoryCache()
    for seconds in [*kills, DAY]:
        async with client_of(world, interval_cache=cache) as client:
            options: Any = {"backfill": timedelta(weeks=weeks), "newest_first": newest_first}
            fleet = Fleet(client, "rgm_stats", every=HOURLY, **options)
            with world.clock.move_on_after(seconds):
                await fleet.run(Killed(kept, world, seconds), until_done=True)
    assert fleet.status().backfill_left == 0
    windows = [each for each in asked_of(world) if not each.polls]
    metered = sum(bool(each.meters) for each in world.emulator.truth.systems())
    assert len(windows) <= (weeks - 1) * metered + len(kills) * IN_FLIGHT
    assert len(asked_of(world)) - len(windows) <= systems + len(kills) * IN_FLIGHT
    assert wrong(world, kept, NOW - (7 * weeks - 0.1) * DAY) == []


class Killed:
    """A sink of a process that is killed: nothing is written after that."""

    def __init__(self, sink: Kept, world: World, seconds: float) -> None:
        self.sink, self.clock, self.end = sink, world.clock, world.clock.now() + seconds

    async def cursors(self, series: str) -> dict[int, datetime]:
        """Return those of the sink."""
        return await self.sink.cursors(series)

    async def write(self, changes: Sequence[Change]) -> None:
        """Have them written, by who lives."""
        if self.clock.now() < self.end:
            await self.sink.write(changes)
