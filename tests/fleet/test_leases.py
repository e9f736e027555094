"""Which systems of a fleet a process polls, and what it writes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from enlighten_async import InputError, Plan, StateUnavailable
from enlighten_async.fleet import Change, Fleet, JsonLinesSink, StaleFence
from enlighten_async.fleet.follow import Cursors
from enlighten_async.fleet.leases import SHARDS, Held, LeasedKeeper, NotesInState, SoleKeeper, kept, shard_of
from enlighten_async.fleet.notes import ALWAYS, Pause
from enlighten_async.fleet.roster import Member, Roster
from enlighten_async.fleet.schedule import HOUR, Budget
from enlighten_async.state import DatabaseUnavailable, MemoryBackend
from enlighten_async.testing import FakeClock
from enlighten_async.windows import DAY
from tests.fleet.sinks.changes import change
from tests.world import World

NOON = 1_750_032_000.0 + DAY / 2


def test_shards_are_of_one_size() -> None:
    """Each system is always in the same one."""
    sizes = Counter(map(shard_of, range(20_000)))
    assert set(sizes) == set(range(SHARDS))
    assert max(sizes.values()) < 1.3 * 20_000 / SHARDS
    assert [shard_of(each) for each in (1, 1_000, 4_711_000)] == [25, 1, 56]


def roster_of(held: Sequence[bool]) -> Roster:
    """Return a roster of systems that are held up to a day ago."""
    members = [Member(1_000 + 7 * n, until=NOON - DAY, held=each) for n, each in enumerate(held)]
    return Roster(members, 2 * HOUR)


def test_others_systems_are_not_polled_but_paid_for() -> None:
    """The rate is that of the whole fleet; a system whose lease comes is due at once."""
    whole, half = roster_of([True] * 10), roster_of([True] * 5 + [False] * 5)
    for roster in (whole, half):
        roster.begin_day(NOON // DAY * DAY, NOON, {0: Budget(90, 30, 60)}, 14)
    assert half.keys[0].rate == whole.keys[0].rate
    whole, half = roster_of([True] * 10), roster_of([True] * 5 + [False] * 5)
    for roster in (whole, half):
        roster.begin_day(NOON // DAY * DAY, NOON, {0: Budget(inf, 30, 1_000)}, 14)
    assert {each.member for each in polls(whole)} == set(range(10))
    assert {each.member for each in polls(half)} == set(range(5))
    half.hold(7, NOON - 2 * DAY, NOON)
    assert half.window(half_due := polls(half)[0], NOON)[0] < NOON - 2 * DAY
    assert half_due.member == 7
    half.members[7].held = False
    assert {each.member for each in polls(half, NOON + DAY)} == set(range(5))


def polls(roster: Roster, now: float = NOON) -> list[Any]:
    """Return the polls that are due."""
    return list(iter(lambda: roster.pop(now), None))


async def test_a_state_file_has_one_process_that_follows(tmp_path: Path) -> None:
    """Another one is told so before it sends anything; after the end of the first it may."""
    world = World(now=NOON, systems=2, users=1)
    options: dict[str, Any] = {"plan": Plan(minute=60), "state": tmp_path / "state.db"}
    async with world.v4(**options) as one, world.v4(**options) as two:
        first, second = (Fleet(each, "rgm_stats", every=timedelta(hours=1)) for each in (one, two))
        views, lease = first._clients, timedelta(seconds=30)
        sink = JsonLinesSink(tmp_path / "rows.jsonl")
        follower = await first._follower(Cursors({}, {}))
        async with kept(views, follower, "rgm_stats", sink, lease):
            with pytest.raises(InputError, match="end it first"):
                await second.run(sink, once=True)
            async with kept(views, follower, "stats", sink, lease):
                pass
        assert not [each for each in world.emulator.log if "rgm_stats" in each.path]
        await second.run(sink, once=True)
        with pytest.raises(InputError, match="lease must be"):
            await second.run(sink, once=True, lease=timedelta(seconds=0.5))


class FencedList:
    """A sink in memory, with fences."""

    def __init__(self) -> None:
        self.written = list[tuple[int, int | None]]()
        self.fences = dict[int, int]()

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return none."""
        return {}

    async def write(self, changes: Sequence[Change], *, fence: int | None = None) -> None:
        """Write, unless another one has written with a newer lease."""
        for each in changes:
            if self.fences.get(each.system_id, 0) > (fence or 0):
                raise StaleFence("stale")
        self.written += [(each.system_id, fence) for each in changes]
        self.fences |= {each.system_id: fence or 0 for each in changes}


class Table:
    """Leases that a test gives."""

    length = timedelta(seconds=30)
    held = Held({}, SHARDS)
    given_back: Sequence[int] = ()
    failures = 0

    async def refresh(self) -> Held:
        """Return what the test says."""
        self.failures -= 1
        if self.failures >= 0:
            raise DatabaseUnavailable("no answer for 1 s")
        return self.held

    async def give_back(self, shards: Sequence[int], *, leaves: bool = False) -> None:
        """Note it."""
        self.given_back = shards


class Polled:
    """The systems that are polled."""

    backfill = None

    def __init__(self) -> None:
        self.systems, self.in_doubt = set[int](), set[int]()
        self.paused: dict[int, Pause] = {}
        self.forgotten = set[int]()

    def pauses(self) -> dict[int, Pause]:
        """Return those that were set."""
        return self.paused

    def set_pauses(self, pauses: Mapping[int, Pause]) -> None:
        """Note who is asked less often."""
        self.paused |= pauses

    def hold(self, which: Any, since: Any, in_flight: Any) -> None:
        """Poll more."""
        self.systems |= set(filter(which, range(1, 200)))
        self.in_doubt = {each for each in self.systems if which(each) and in_flight(each)}

    def let_go(self, which: Any) -> None:
        """Poll less."""
        self.systems -= set(filter(which, range(1, 200)))

    def forget(self, which: Any) -> int:
        """Note whose changes are forgotten."""
        self.forgotten = set(filter(which, range(1, 200)))
        return 0


def notes_of(clock: FakeClock) -> NotesInState:
    """Return the notes of a fleet, in memory."""
    return NotesInState(MemoryBackend(clock), str, clock.now)


def keeper_of(
    *shards: int, notes: NotesInState | None = None
) -> tuple[LeasedKeeper, Any, FencedList, Polled, FakeClock]:
    """Return the keeper of a process that is given these shards, with fences from 101 on."""
    table, sink, polled, clock = Table(), FencedList(), Polled(), FakeClock(NOON)
    table.held = Held({each: 101 + n for n, each in enumerate(shards)}, SHARDS)
    given: Any = {"table": table, "follower": polled, "notes": notes or notes_of(clock)}
    return LeasedKeeper(sink, 10.0, series="rgm_stats", clock=clock, **given), table, sink, polled, clock


async def test_only_what_is_held_is_polled_and_written() -> None:
    """With the newest fence; nothing at all after the end of the leases."""
    keeper, table, sink, polled, clock = keeper_of(shard_of(1), shard_of(2))
    await keeper.renew()
    assert {shard_of(each) for each in polled.systems} == {shard_of(1), shard_of(2)}
    await keeper.write([change(1, 0, 4), change(2, 0, 4), change(3, 0, 4)])
    assert sink.written == [(1, 102), (2, 102)]
    clock.advance(29)
    await keeper.write([change(1, 4, 4)])
    clock.advance(2)
    await keeper.write([change(1, 8, 4)])
    assert sink.written[2:] == [(1, 102)]  # as before: the sink knows the newer one of the two by now
    await keeper.renew()  # nobody has taken them: held again
    await keeper.write([change(1, 8, 4)])
    assert sink.written[3:] == [(1, 102)]
    table.held = Held({shard_of(2): 102}, SHARDS)
    await keeper.renew()
    assert {shard_of(each) for each in polled.systems} == {shard_of(2)}


async def test_what_was_not_written_is_asked_for_again() -> None:
    """Though the renewal that was under way brings the same lease; for the cache it is no news any more."""
    keeper, table, sink, polled, clock = keeper_of(shard_of(1), shard_of(2))
    await keeper.renew()
    assert polled.in_doubt == set()
    clock.advance(31)
    await keeper.write([change(1, 0, 4), change(2, 0, 4)])
    assert sink.written == []
    assert polled.systems == set()
    assert {shard_of(each) for each in polled.forgotten} == {shard_of(1), shard_of(2)}
    keeper._good_until = clock.monotonic() + 30
    fences = table.held.fences
    for shards in ([shard_of(1)], [shard_of(1), shard_of(2)]):  # they come back one by one
        table.held = Held({each: fences[each] for each in shards}, SHARDS)
        await keeper.renew()
        assert {shard_of(each) for each in polled.in_doubt} == {shards[-1]}
    assert {shard_of(each) for each in polled.systems} == {shard_of(1), shard_of(2)}


async def test_the_first_leases_are_waited_for() -> None:
    """For two minutes, like any other use of the state; then an error of ours says why."""
    keeper, table, _, polled, clock = keeper_of(shard_of(1))
    table.failures = 3
    await keeper.renew_first()
    assert {shard_of(each) for each in polled.systems} == {shard_of(1)}
    assert clock.now() == NOON + 3
    table.failures = 1_000
    with pytest.raises(StateUnavailable, match="no answer for 1 s"):
        await keeper.renew_first()


async def test_who_comes_back_writes_nothing_that_is_anothers() -> None:
    """And goes on with the rest."""
    keeper, _, sink, polled, _ = keeper_of(shard_of(1), shard_of(2))
    await keeper.renew()
    sink.fences[1] = 200
    await keeper.write([change(1, 0, 4), change(2, 0, 4)])
    assert sink.written == [(2, 102)]
    assert {shard_of(each) for each in polled.systems} == {shard_of(2)}


class Away(MemoryBackend):
    """A state that cannot be written."""

    async def update(self, *_: Any, **__: Any) -> None:
        """Fail."""
        raise DatabaseUnavailable("read only")


async def test_a_state_that_cannot_be_written_stops_no_fleet() -> None:
    """Nothing is noted, and all answers are in doubt."""
    keeper, _, sink, polled, clock = keeper_of(
        shard_of(1), notes=NotesInState(Away(FakeClock(NOON)), str, lambda: NOON)
    )
    await keeper.renew()
    await keeper.write([change(1, 0, 4)])
    assert [each for each, _ in sink.written] == [1]
    assert polled.paused == {}
    roster = Roster([Member(1)])
    follower: Any = SimpleNamespace(roster=roster, polls=1, ready=[], now=clock.now, pauses=dict)
    alone = SoleKeeper(sink, notes=NotesInState(Away(clock), str, clock.now), follower=follower)
    async with alone.noted():
        assert roster.unwritten == (ALWAYS,)
        await alone.write([change(2, 0, 4)])
    assert len(sink.written) == 2


async def test_who_takes_a_lease_asks_as_seldom_as_who_had_it() -> None:
    """And notes it for the next one with each write; others' systems stay as they are."""
    notes, failing, silent = notes_of(FakeClock(NOON)), Pause(0, 0, 3, NOON + 900), Pause(4, 0, 0, 0.0)
    await notes.change(lambda each: each.with_pauses({1: failing, 2: silent}, lambda _: True))
    keeper, _, _, polled, _ = keeper_of(shard_of(1), notes=notes)
    await keeper.renew()
    assert polled.paused == {1: failing}
    polled.paused = {}
    await keeper.write([change(1, 0, 4)])
    assert (await notes.change(lambda each: each)).pauses == {2: silent}


async def test_what_is_too_much_is_given_back_when_it_is_written() -> None:
    """Its answers are written first, and it is polled no more."""
    keeper, table, sink, polled, _ = keeper_of(shard_of(1), shard_of(2))
    await keeper.renew()
    table.held = Held(table.held.fences, 1)
    await keeper.renew()
    goes = max(shard_of(1), shard_of(2))
    assert {shard_of(each) for each in polled.systems} == {min(shard_of(1), shard_of(2))}
    await keeper.write([change(1, 0, 4), change(2, 0, 4)])
    assert len(sink.written) == 2
    assert table.given_back == ()
    await keeper.settle()
    assert table.given_back == [goes]
