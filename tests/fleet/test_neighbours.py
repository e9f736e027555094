"""Systems of one fleet, and callers of its key: none is asked or answered later for another's sake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from math import inf
from typing import Any

import anyio
import pytest

from enlighten_async import EnlightenClient, Plan
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.fleet import Change, Fleet
from enlighten_async.fleet.follow import SLOW_S
from enlighten_async.windows import DAY
from tests.world import World

START = 1_750_032_000.0  # midnight UTC
REQUEST_S = 1.0
"""Seconds that a request of a healthy system takes."""


class Stamped:
    """A sink that notes when each row was written first."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: dict[int, dict[float, float]] = defaultdict(dict)

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return none."""
        return {}

    async def write(self, changes: Sequence[Change]) -> None:
        """Note the rows."""
        now = self.world.clock.now()
        for change in changes:
            for row in change.rows:
                self.rows[change.system_id].setdefault(row.end_at.timestamp(), now)

    def asked(self, system_id: int) -> list[float]:
        """Return when a system was asked about."""
        return [each.at for each in self.world.emulator.log if each.path.endswith(f"/{system_id}/rgm_stats")]


async def written(faults: Sequence[Fault] = (), revoked: str | None = None) -> Stamped:
    """Return when the rows of three accounts were written, where one system, or one account, is bad."""
    world = World(now=START, systems=8, users=3, latency=REQUEST_S)
    world.emulator.faults += faults
    sink, accounts = Stamped(world), world.emulator.users
    async with world.v4(plan=Plan(minute=60, month=100_000), interval_cache=MemoryCache()) as client:
        fleet = Fleet(client, "rgm_stats", accounts=accounts, every=timedelta(hours=1))
        await fleet.plan()  # has the lists
        if revoked is not None:
            world.emulator.revoke(revoked)
        with world.clock.move_on_after(0.8 * DAY):
            await fleet.run(sink)
    return sink


def later(healthy: Stamped, other: Stamped, without: set[int]) -> tuple[float, float]:
    """Return by how much systems were asked later, at the most, and nearly all rows came later."""
    asked, rows = [0.0], list[float]()
    for system in sorted(healthy.rows.keys() - without):
        before, after = healthy.asked(system), other.asked(system)
        assert len(before) == len(after)
        asked += (two - one for one, two in zip(before, after, strict=True))
        rows += (other.rows[system].get(end, inf) - at for end, at in healthy.rows[system].items())
    # A row that appears in the very second of a poll may be seen by it, or by the one after.
    return max(asked), sorted(rows)[int(0.98 * len(rows))]


SERVICE = Emulator(systems=8, users=3)
BAD = [each.system_id for each in SERVICE.truth.systems() if each.meters][3]
PATH = f"/{BAD}/rgm_stats"
OFTEN = {"times": inf, "path": PATH}


@pytest.mark.parametrize(
    ("fault", "own"),
    [
        pytest.param(Fault(status=500, body="{}", **OFTEN), 10, id="500"),
        pytest.param(Fault(status=503, body="{}", **OFTEN), 10, id="503", marks=pytest.mark.slow),
        pytest.param(Fault(status=403, body="{}", **OFTEN), 2, id="403", marks=pytest.mark.slow),
        pytest.param(Fault(status=200, body="<html>", **OFTEN), 10, id="page", marks=pytest.mark.slow),
        pytest.param(Fault(dropped=True, **OFTEN), 10, id="reset", marks=pytest.mark.slow),
        pytest.param(Fault(delay=25, **OFTEN), 26, id="slow"),
        pytest.param(Fault(delay=inf, **OFTEN), 95, id="silence", marks=pytest.mark.slow),
    ],
)
async def test_a_bad_system_delays_no_other(fault: Fault, own: float) -> None:
    """The others are asked when they were; their rows are written when the bad one's request is over."""
    asked, rows = later(await written(), await written([fault]), {BAD})
    assert asked <= SLOW_S + 4 * REQUEST_S
    assert rows <= own


async def test_a_revoked_account_delays_no_other() -> None:
    """Nor does it cost requests: its systems are left alone, longer each time."""
    account = SERVICE.users[1]
    own = {each.system_id for each in SERVICE.truth.systems(account)}
    healthy, other = await written(), await written(revoked=account)
    asked, rows = later(healthy, other, own)
    assert asked <= 4 * REQUEST_S  # the order of polls that are due at one moment may differ
    assert rows <= 2 * REQUEST_S
    assert sum(len(other.asked(system)) for system in own) <= len(own)
    assert not own & set(other.rows)


class Tenant:
    """A person at a web page, who asks about a system now and then."""

    def __init__(self, world: World, client: EnlightenClient, user: str) -> None:
        self.world, self.client = world, client
        self.system = world.emulator.truth.systems(user)[0].system_id
        self.calls: list[tuple[float, float]] = []

    async def ask(self, pause: float) -> None:
        """Ask, after a pause, for what nobody has cached."""
        await self.world.clock.sleep(pause)
        began = self.world.clock.now()
        await self.client.summary(self.system)
        self.calls.append((began, self.world.clock.now()))


@pytest.mark.slow
@pytest.mark.parametrize("minute", [10, 60])
async def test_people_go_before_polls_that_are_not_in_flight_yet(minute: int) -> None:
    """Fifty tenants of a key at once, beside a fleet that has more to ask than the minutes hold."""
    world = World(
        now=START + 0.6 * DAY, systems=4, users=50, latency=REQUEST_S, quota=Quota(minute=minute, month=None)
    )
    sink = Stamped(world)
    async with world.v4(plan=Plan(minute=minute), interval_cache=MemoryCache()) as client:
        fleet = Fleet(client, "rgm_stats", accounts=world.emulator.users)
        tenants = [
            Tenant(world, client.with_options(user_id=user, priority="interactive", max_age=0), user)
            for user in world.emulator.users
        ]
        await fleet.plan()
        windows = -(-len(tenants) // minute)
        with world.clock.move_on_after(180 + 60 * windows):
            async with anyio.create_task_group() as group:
                group.start_soon(fleet.run, sink)
                for number, tenant in enumerate(tenants):
                    group.start_soon(tenant.ask, 120.0 + number / 1_000)
    log = world.emulator.log
    calls = [call for tenant in tenants for call in tenant.calls]
    assert len(calls) == len(tenants)
    assert not any(each.status in {409, 429} for each in log)
    first = min(began for began, _ in calls)
    asked = [each.at for each in log if each.path.endswith("/summary")]
    polls = [each.at for each in log if first + REQUEST_S < each.at < max(asked)]
    assert len(polls) == len([at for at in asked if first + REQUEST_S < at < max(asked)])
    assert max(ended - began for began, ended in calls) <= 60 * windows + 2 * REQUEST_S + 1
