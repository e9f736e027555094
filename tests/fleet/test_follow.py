"""Fleets that are followed, against the emulator, in virtual time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from enlighten_async import EnlightenClient, InputError, Plan, StateUnavailable, UsageError
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Drift, Fault, Quota
from enlighten_async.fleet import Change, Fleet, JsonLinesSink
from enlighten_async.fleet.follow import Cursors
from enlighten_async.limiter import MemoryQuotaStore
from enlighten_async.windows import DAY, as_datetime
from tests.world import World

START = 1_750_032_000.0  # midnight UTC
HOURLY = timedelta(hours=1)


def client_of(world: World, **options: Any) -> EnlightenClient:
    """Return a client that caches."""
    return world.v4(plan=Plan(minute=60, month=100_000), interval_cache=MemoryCache(), **options)


async def run_for(world: World, fleet: Fleet, sink: Any, days: float) -> None:
    """Run a fleet for some days."""
    with world.clock.move_on_after(days * DAY):
        await fleet.run(sink)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of systems in a file."""
    return [row for row in map(json.loads, path.read_text().splitlines()) if "meter" not in row]


async def test_a_fleet_is_followed_into_a_file(tmp_path: Path) -> None:
    """Each row once, none is missing, and the requests are those that the cadence takes."""
    world = World(now=START, systems=4, users=1)
    path = tmp_path / "rows.jsonl"
    async with client_of(world) as client:
        await run_for(world, Fleet(client, "rgm_stats", every=HOURLY), JsonLinesSink(path), 3)
        last = {row["system_id"]: row["end_at"] for row in rows_of(path)}
        sent = [each for each in world.emulator.log if "rgm_stats" in each.path]
        held = await JsonLinesSink(path).cursors("rgm_stats")
        async with client_of(world) as another:
            for system_id in last:
                truth = await another.rgm_stats(
                    system_id, start_at=START - DAY, end_at=held[system_id].timestamp()
                )
                ends = [each.end_at.isoformat().replace("+00:00", "Z") for each in truth.intervals]
                kept = {row["end_at"] for row in rows_of(path) if row["system_id"] == system_id}
                assert set(ends) <= kept
    keys = Counter((row["system_id"], row["end_at"]) for row in rows_of(path))
    assert set(last)
    assert max(keys.values()) == 1
    assert len(sent) <= 4 * 3 * 17
    assert all(status == 200 for status in (each.status for each in sent))
    assert all(held[system].timestamp() > START + 2.3 * DAY for system in last)


async def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """At once again, nothing is due."""
    world = World(now=START + DAY * 0.8, systems=3, users=1)
    sink = JsonLinesSink(tmp_path / "rows.jsonl")
    async with client_of(world) as client:
        fleet = Fleet(client, "rgm_stats", every=HOURLY)
        await fleet.run(sink, once=True)
        sent, text = len(world.emulator.log), (tmp_path / "rows.jsonl").read_bytes()
        silent = 3 - len(await sink.cursors("rgm_stats"))
        await fleet.run(JsonLinesSink(tmp_path / "rows.jsonl"), once=True)
    assert sent >= 3
    assert len(world.emulator.log) <= sent + silent
    assert (tmp_path / "rows.jsonl").read_bytes() == text != b""


async def test_changes_come_one_by_one() -> None:
    """With what they cost, and up to when they go."""
    world = World(now=START, systems=1, users=1)
    async with client_of(world) as client:
        found: list[Change] = []
        async with aclosing(Fleet(client, "rgm_stats", every=HOURLY).follow()) as changes:
            async for change in changes:
                found.append(change)
                if len(found) == 3:
                    break
    assert [change.system_id for change in found] == [world.system] * 3
    assert all(change.rows and change.receipt.sent == 1 for change in found)
    assert found[0].until < found[1].until < found[2].until
    assert found[0].rows[-1].end_at < found[1].rows[0].end_at or found[1].corrected
    assert found[0].meters


async def test_changes_end_when_nothing_is_due() -> None:
    """For programs that a timer starts: one poll of each system, and none where the cursors are."""
    world = World(now=START + DAY * 0.8, systems=3, users=1)
    async with client_of(world) as client:
        fleet = Fleet(client, "rgm_stats", every=HOURLY)
        found = [change async for change in fleet.follow(once=True)]
        since = {change.system_id: change.until for change in found}
        assert sorted(since) == sorted(change.system_id for change in found)
        assert [change async for change in fleet.follow(since, once=True) if change.rows] == []
    assert len(found) >= 2


class FullDisk:
    """A sink that cannot write at first."""

    def __init__(self, failures: int) -> None:
        self.failures, self.written = failures, list[Change]()

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return none."""
        return {}

    async def write(self, changes: Sequence[Change]) -> None:
        """Write, unless the disk is full."""
        self.failures -= 1
        if self.failures >= 0:
            raise OSError(28, "no space left on device")
        self.written.extend(changes)


async def test_while_a_sink_is_full_nothing_is_polled() -> None:
    """What was paid for is written when it has space."""
    world = World(now=START + DAY * 0.8, systems=2, users=1)
    sink = FullDisk(3)
    async with client_of(world) as client:
        await Fleet(client, "rgm_stats", every=HOURLY).run(sink, once=True)
    polls = [each for each in world.emulator.log if "rgm_stats" in each.path]
    assert sink.written
    assert len(polls) == len({change.system_id for change in sink.written})


async def test_what_a_killed_process_wrote_beyond_its_cursors_is_cut_off(tmp_path: Path) -> None:
    """So no row is there twice."""
    world = World(now=START + DAY * 0.8, systems=1, users=1)
    path = tmp_path / "rows.jsonl"
    async with client_of(world) as client:
        await Fleet(client, "rgm_stats", every=HOURLY).run(JsonLinesSink(path), once=True)
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"half of a ro')
        world.clock.advance(DAY)
        await Fleet(client, "rgm_stats", every=HOURLY).run(JsonLinesSink(path), once=True)
    assert path.read_bytes().startswith(whole)
    assert len(rows_of(path)) > len(whole.splitlines()) // 9
    path.write_bytes(b"")
    with pytest.raises(InputError, match="has lost rows"):
        await JsonLinesSink(path).cursors("rgm_stats")


async def test_a_file_that_is_no_fleets_is_refused(tmp_path: Path) -> None:
    """Before anything is sent to it."""
    (tmp_path / "mine.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="give another path"):
        await JsonLinesSink(tmp_path / "mine.jsonl").cursors("rgm_stats")


async def test_without_a_cache_or_systems_nothing_is_followed(world: World) -> None:
    """And the error says what to do."""
    async with world.v4() as client:
        with pytest.raises(InputError, match="nothing is cached"):
            await Fleet(client, "rgm_stats").run(FullDisk(0))
    assert world.emulator.log == []


async def test_a_cancelled_run_ends() -> None:
    """Also while it waits for the next poll."""
    world = World(now=START, systems=1, users=1)
    async with client_of(world) as client, anyio.create_task_group() as group:
        group.start_soon(Fleet(client, "rgm_stats").run, FullDisk(0))
        await checkpoint()
        group.cancel_scope.cancel()


async def test_a_client_that_is_closed_ends_a_run_with_one_error() -> None:
    """Not with a group of them."""
    world = World(now=START + 0.8 * DAY, systems=20, users=1, latency=10)
    async with client_of(world) as client, anyio.create_task_group() as group:

        async def close() -> None:
            await world.clock.sleep(35)
            await client.aclose()

        group.start_soon(close)
        with pytest.raises(UsageError, match="closed"):
            await Fleet(client, "rgm_stats", every=HOURLY).run(FullDisk(0))


class AwayAtMidnight(MemoryQuotaStore):
    """Counts on a server that cannot be reached for a quarter of an hour."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.clock, self.refusals = world.clock, 0

    async def sync(self, *, refresh: bool = False) -> None:
        """Learn what others have spent, or raise."""
        if refresh and abs(self.clock.now() - START - DAY) < 450:
            self.refusals += 1
            raise StateUnavailable("postgresql://db cannot be reached")
        await super().sync(refresh=refresh)


async def test_a_state_that_is_away_at_midnight_ends_no_run() -> None:
    """The day is planned by what was known of the quota."""
    world, kept = World(now=START + DAY / 2, systems=3, users=1), Kept()
    store = AwayAtMidnight(world)
    async with client_of(world, quota_store=store) as client:
        await run_for(world, Fleet(client, "rgm_stats", every=4 * HOURLY), kept, 1)
    assert store.refusals > 0
    assert max(end for _, end in kept.rows) > START + 1.2 * DAY


class Kept:
    """A sink that keeps the energy of each row, and what came late."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, float], float | None] = {}
        self.changes: list[Change] = []

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return none."""
        return {}

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep the rows."""
        self.changes += changes
        for change in changes:
            self.rows |= {(change.system_id, row.end_at.timestamp()): row.wh_del for row in change.rows}


def wrong_rows(world: World, kept: Kept, start: float, end: float) -> tuple[int, int]:
    """Return how many of the rows that the service has now are kept with other values, and are not kept."""
    wrong = missing = 0
    for system in world.emulator.truth.systems():
        for row in world.emulator.truth.rgm_stats(system.system_id, start, end):
            place = (system.system_id, float(row["end_at"]))
            missing += place not in kept.rows
            wrong += kept.rows.get(place, row["wh_del"]) != row["wh_del"]
    return wrong, missing


async def test_the_last_poll_of_a_day_waits_for_a_meter_that_is_always_late() -> None:
    """So that the day it completes needs no correction, once that was learned."""
    world = World(now=START, systems=8, users=1)
    late = next(
        each.system_id for each in world.emulator.truth.systems() if each.meters[1:] and each.meters[1].late
    )
    kept = Kept()
    async with client_of(world) as client:
        await run_for(world, Fleet(client, "rgm_stats", every=timedelta(days=1)), kept, 10)
    said = [change for change in kept.changes if change.system_id == late]
    first = {row.end_at: row.wh_del for change in reversed(said) for row in change.rows}
    truth = world.emulator.truth.rgm_stats(late, START, START + 9 * DAY)
    days = Counter(
        int((row["end_at"] - START) // DAY)
        for row in truth
        if row["wh_del"] != first[as_datetime(row["end_at"])]
    )
    assert sum(days[day] for day in range(6, 9)) == 0


async def test_a_system_that_fails_delays_no_other() -> None:
    """It is in the log, waits alone, and comes back."""
    world = World(now=START, systems=6, users=1)
    bad = world.emulator.truth.systems()[4].system_id
    fault = Fault(status=500, body="{}", times=inf, path=f"/{bad}/rgm_stats", end=START + DAY)
    world.emulator.faults.append(fault)
    kept = Kept()
    async with client_of(world) as client:
        await run_for(world, Fleet(client, "rgm_stats", every=6 * HOURLY), kept, 2)
    others = Counter(change.system_id for change in kept.changes)
    metered = {each.system_id for each in world.emulator.truth.systems() if each.meters}
    assert metered <= set(others)
    assert min(others[each] for each in metered - {bad}) >= 4
    assert next(c for c in kept.changes if c.system_id == bad).until.timestamp() > START + DAY
    failed = [each for each in world.emulator.log if each.status == 500]
    assert 3 <= len(failed) <= 30


async def test_a_cancelled_run_has_written_what_it_paid_for() -> None:
    """Though the batch was not full yet."""
    world = World(now=START + 0.8 * DAY, systems=20, users=1, latency=10)
    kept = Kept()
    async with client_of(world) as client:
        with world.clock.move_on_after(35):
            await Fleet(client, "rgm_stats", every=HOURLY).run(kept)
    answered = [each for each in world.emulator.log if "rgm_stats" in each.path and each.status == 200]
    assert 0 < len({change.system_id for change in kept.changes}) <= len(answered) < 20


class KilledError(Exception):
    """The process is killed here."""


class Mortal(Kept):
    """A sink whose process is killed again and again before it writes what is cached."""

    def __init__(self) -> None:
        super().__init__()
        self.until: dict[int, Any] = {}
        self.kills = self.writes = 0

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return up to when systems are held."""
        return dict(self.until)

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep the rows, or not."""
        self.writes += 1
        if self.writes % 3 == 0:
            self.kills += 1
            raise KilledError
        await super().write(changes)
        self.until |= {change.system_id: change.until for change in changes}


@pytest.mark.parametrize(
    ("every", "drift", "days"), [(HOURLY, Drift.LATE_HOUR, 3), (6 * HOURLY, Drift.LATE_DAYS, 9)]
)
async def test_corrections_that_were_cached_and_not_written_come_after_a_restart(
    every: timedelta, drift: Drift, days: int
) -> None:
    """At no request more than without them; also those that the next report has brought."""
    world = World(now=START, systems=6, users=1, drifts={drift})
    kept, end = Mortal(), START + days * DAY
    async with client_of(world) as client:
        while world.clock.now() < end:
            with suppress(KilledError):
                left = end - world.clock.now()
                await run_for(world, Fleet(client, "rgm_stats", every=every), kept, left / DAY)
    assert kept.kills > 20
    assert wrong_rows(world, kept, START, START + days / 2 * DAY) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("drift", [Drift.LATE_HOUR, Drift.LATE_DAYS, Drift.LONG_BACKLOG, Drift.CELLULAR])
async def test_what_comes_late_is_right_in_the_end(drift: Drift) -> None:
    """For no request more, where it is late each day."""
    sent: dict[Drift | None, int] = {}
    for on in (None, drift):
        world = World(now=START, systems=16, users=1, drifts={on} if on else ())
        kept = Kept()
        async with client_of(world) as client:
            await run_for(world, Fleet(client, "rgm_stats", every=timedelta(days=1)), kept, 19)
        sent[on] = len(world.emulator.log)
        assert wrong_rows(world, kept, START, START + 14 * DAY) == (0, 0)
    if drift in {Drift.LATE_HOUR, Drift.LATE_DAYS}:
        assert sent[drift] <= sent[None]


@pytest.mark.slow
async def test_a_month_on_the_free_plan() -> None:
    """Forty systems: never over, fresh, nearly all held, and not a row wrong."""
    start = 1_746_057_600.0  # 2025-05-01
    world = World(now=start, systems=40, users=1, quota=Quota(minute=10, month=1_000))
    kept = Kept()
    async with world.v4(plan=Plan.WATT, interval_cache=MemoryCache()) as client:
        await run_for(world, Fleet(client, "rgm_stats", every=HOURLY), kept, 31)
    polls = [each for each in world.emulator.log if "rgm_stats" in each.path]
    assert all(each.status not in {409, 429} for each in world.emulator.log)
    assert 970 <= len(world.emulator.log) <= 1_000
    assert len(polls) - sum(len(change.rows) > 0 for change in kept.changes) <= 0.025 * len(polls)
    assert wrong_rows(world, kept, start, start + 29.5 * DAY)[0] == 0
    wrong, missing = wrong_rows(world, kept, start, start + 31 * DAY)
    assert wrong <= 8  # of the last evening: the next day's poll brings them
    assert missing <= 0.03 * len(kept.rows)


async def asked_after(pages: Sequence[Fault]) -> set[str]:
    """Return what a fleet asks for after an hour in which the service answers by pages, if any."""
    world = World(now=START, systems=4, users=1)

    async def hour_of_pages() -> None:
        await world.clock.sleep(0.6 * DAY)
        world.emulator.faults += pages
        await world.clock.sleep(3600)
        world.emulator.faults.clear()

    async with client_of(world) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(hour_of_pages)
        with world.clock.move_on_after(0.8 * DAY):
            await Fleet(client, "rgm_stats", every=HOURLY).run(Nowhere())
    return {each.path for each in world.emulator.log if each.at > START + 0.65 * DAY}


class Nowhere:
    """A sink that keeps nothing."""

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return none."""
        return {}

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep nothing."""


@pytest.mark.parametrize("status", [401, 403, 404, 502])
async def test_web_pages_of_a_service_that_is_down_tell_of_no_system(status: int) -> None:
    """Under whatever status: when it is back, the same systems are asked about as if it had been up."""
    page = Fault(status=status, body="<html>down</html>", path="/rgm_stats", times=inf)
    healthy = await asked_after([])
    assert len(healthy) > 1
    assert await asked_after([page]) == healthy


@pytest.mark.parametrize("under_way", [False, True])
async def test_what_was_polled_before_a_lease_was_lost_is_told_by_who_holds_it_next(
    *, under_way: bool
) -> None:
    """From the cache: the process that had the lease meanwhile may have written newer rows."""
    world = World(now=START + DAY * 0.8, systems=2, users=1, latency=4.0)
    async with client_of(world) as client:
        follower = await Fleet(client, "rgm_stats", every=HOURLY)._follower(Cursors({}, {}))
        lost, other = (each.system_id for each in follower.roster.members)

        def lose() -> int:
            follower.let_go(lambda each: each == lost)
            return follower.forget(lambda each: each == lost)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follower.poll_due)
            await world.clock.sleep(2)
            if under_way:
                assert lose() == 0
        told = follower.take()
        if not under_way:
            assert {change.system_id for change in told} == {lost, other}
            assert lose() == 1
        assert [change.system_id for change in told] == [other]
        sent = world.emulator.counts.sent
        follower.hold(lambda each: each == lost, Cursors({}, {}), lambda _: True)
        await follower.poll_due()
        assert [(change.system_id, len(change.rows) > 500) for change in follower.take()] == [(lost, True)]
        assert world.emulator.counts.sent == sent
