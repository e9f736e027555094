"""The status of a fleet, its cadence that does not fit, and the systems that come and go."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from math import inf

import pytest

from enlighten_async import InputError, Plan
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Fault
from enlighten_async.fleet import Change, Fleet, FleetStatus
from enlighten_async.fleet.roster import Answered, Ask, Member, Roster
from enlighten_async.fleet.status import fleet_status
from enlighten_async.windows import DAY
from tests.fleet.test_follow import START, Kept, client_of, run_for
from tests.world import World

DAY_0 = 20_000.0 * DAY
HOURLY = timedelta(hours=1)


def test_a_status_counts_systems_by_their_state() -> None:
    """Each of them; those that are gone do not count."""
    now = DAY_0
    members = [Member(n, until=now - 3_600 * n) for n in range(1, 21)]
    members += [Member(21), Member(22, until=now - 9 * DAY, barren=3), Member(23, gone=True)]
    roster = Roster(members)
    roster.failed(Ask(now, 0, completes=False), now)
    roster.answered(Ask(now, 1, completes=False), now, Answered(None, news=False, absent=True))
    told = fleet_status(roster, now, 7, 5)
    assert (told.systems, told.held, told.silent, told.absent, told.failed) == (22, 21, 1, 1, 1)
    assert (told.spent, told.left, told.due) == (7, 5, 0)
    assert (told.half_within, told.most_within) == (timedelta(hours=11), timedelta(hours=20))
    assert told.all_within == timedelta(days=9)
    assert told.lag is None
    late = fleet_status(roster, now + 930, 7, None, 5)
    assert (late.due, late.lag, late.leases) == (1, timedelta(seconds=30), 5)


async def test_a_run_tells_of_itself() -> None:
    """Before it has begun there is nothing to tell."""
    world = World(now=START + 0.8 * DAY, systems=8, users=1)
    async with client_of(world) as client:
        fleet = Fleet(client, "rgm_stats", every=HOURLY)
        assert fleet.status() == FleetStatus()
        await fleet.run(Kept(), once=True)
        told = fleet.status()
    polls = [each for each in world.emulator.log if "rgm_stats" in each.path]
    assert (told.systems, told.held, told.absent, told.failed, told.due) == (8, 8, 1, 0, 0)
    assert told.spent == len(polls)
    assert told.left == 100_000 - len(world.emulator.log)
    assert told.all_within is not None
    assert told.all_within < timedelta(hours=3)


@pytest.mark.parametrize("strict", [False, True])
async def test_a_cadence_that_does_not_fit_is_told_before_a_poll(
    caplog: pytest.LogCaptureFixture, *, strict: bool
) -> None:
    """With the one that fits; strictly, nothing is polled."""
    world = World(now=START, systems=40, users=1)
    async with world.v4(plan=Plan.WATT, interval_cache=MemoryCache()) as client:
        fleet = Fleet(client, "rgm_stats", every=HOURLY, strict=strict)
        affordable = (await fleet.plan()).affordable_every
        assert affordable is not None
        with caplog.at_level(logging.WARNING, "enlighten_async"):
            if strict:
                with pytest.raises(
                    InputError, match=r"does not allow polls of 40 systems every 60 min, but every 7.59 h"
                ):
                    await fleet.run(Kept(), once=True)
            else:
                await fleet.run(Kept(), once=True)
    polls = [each for each in world.emulator.log if "rgm_stats" in each.path]
    assert bool(polls) != strict
    assert strict or "every 60 min, but every" in caplog.text


class Moving(Kept):
    """A sink, meanwhile another has the systems: each day those that a table tells."""

    def __init__(self, world: World, days: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.world, self.days = world, days
        self.owned = world.emulator.truth._owned
        self.all = {user: list(systems) for user, systems in self.owned.items()}
        self.move()

    def move(self) -> None:
        """Let the owner have the systems that are in tomorrow's list, from now on."""
        day = int((self.world.clock.now() - START + 0.4 * DAY) // DAY)
        for user, systems in self.all.items():
            self.owned[user] = [systems[number] for number in self.days[min(day, len(self.days) - 1)]]

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep the rows."""
        await super().write(changes)
        self.move()


async def test_systems_join_and_leave_once_a_day() -> None:
    """By the list, which is asked for once a day."""
    world = World(now=START, systems=3, users=1)
    ids = [system.system_id for system in world.emulator.truth.systems()]
    kept = Moving(world, [(0, 1), (0, 2), (0, 1, 2)])
    async with client_of(world) as client:
        await run_for(world, Fleet(client, "rgm_stats", every=3 * HOURLY), kept, 3.9)
    polls = [(int((each.at - START + 60) // DAY), each.path) for each in world.emulator.log]
    asked: list[set[int]] = [set(), set(), set(), set()]
    for day, path in polls:
        asked[day] |= {number for number, system_id in enumerate(ids) if f"/{system_id}/" in path}
    lists = Counter(day for day, path in polls if path.endswith("/systems"))
    assert asked == [{0, 1}, {0, 2}, {0, 1, 2}, {0, 1, 2}]
    assert lists == {0: 1, 1: 1, 2: 1, 3: 1}


async def test_a_list_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The fleet stays, and the log says so."""
    world = World(now=START, systems=2, users=1)
    world.emulator.faults.append(
        Fault(status=403, body="{}", times=inf, path="/systems", after=1, query={"size": "100"})
    )
    async with client_of(world) as client:
        kept = Kept()
        await run_for(world, Fleet(client, "rgm_stats", every=6 * HOURLY), kept, 2)
    assert max(change.until.timestamp() for change in kept.changes) > START + 1.5 * DAY
    assert "the list of systems could not be had" in caplog.text


def test_a_silent_system_whose_list_tells_of_energy_gets_its_polls_again() -> None:
    """Not before."""
    roster = Roster([Member(1, until=DAY_0 - 6 * DAY, barren=5)])
    roster.listed(0, DAY_0 - 6 * DAY)
    assert roster.members[0].is_silent(DAY_0)
    roster.listed(0, DAY_0 - HOURLY.total_seconds())
    assert not roster.members[0].is_silent(DAY_0)
