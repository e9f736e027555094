"""A fleet that a timer starts again and again, with a state file."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async import Plan
from enlighten_async.emulator import Drift, Emulator, Fault
from enlighten_async.fleet import Change, Fleet, InfluxSink, JsonLinesSink, Sink
from enlighten_async.fleet.sinks.jsonlines import LinesSink
from enlighten_async.testing import FakeClock
from enlighten_async.windows import DAY
from tests.world import World

NOON = 1_750_032_000.0 + DAY / 2 + 450
"""Past noon UTC, between the moments of polls: of some systems day has not begun, or is over."""
HOUR, QUARTER = 3_600, 900
TWO_METERS = 1980
"""A system of which a meter may correct a row while nothing newer is known: see `test_handover`."""
OUTAGE = 1_750_032_000.0 + 73 * QUARTER
"""A moment at which it does, some minutes later."""


class KilledError(Exception):
    """The process is killed here."""


class Kept:
    """A sink that counts how often it is told each row.

    Attributes:
        told: how often, by system and row.
        until: up to when systems are held.
        reached: whether anything is kept; else the process is killed before.
    """

    def __init__(self) -> None:
        self.told = Counter[tuple[int, Any]]()
        self.until: dict[int, datetime] = {}
        self.reached = True

    async def cursors(self, series: str) -> dict[int, datetime]:
        """Return up to when systems are held."""
        return dict(self.until)

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep rows."""
        if not self.reached:
            raise KilledError
        for each in changes:
            self.until[each.system_id] = each.until
            self.told.update((each.system_id, row) for row in each.rows)


async def started(
    world: World, sink: Sink, folder: Path, *, killed_after: float = inf, backfill: timedelta | None = None
) -> int:
    """Run a fleet once, or until it is killed; return the requests for rows."""
    before = sum("rgm_stats" in each.path for each in world.emulator.log)
    async with world.v4(state=folder / "state.db") as client:
        with world.clock.move_on_after(killed_after), suppress(KilledError):
            fleet = Fleet(client, "rgm_stats", every=timedelta(hours=1), backfill=backfill)
            await fleet.run(sink, once=killed_after == inf)
    return sum("rgm_stats" in each.path for each in world.emulator.log) - before


async def test_all_polls_that_are_due_are_made(tmp_path: Path) -> None:
    """Also where the first answers tell that it is earlier, by part of a second, than was thought."""
    world, sink = World(now=NOON, systems=30, users=1), Kept()
    assert await started(world, sink, tmp_path) == 30
    world.clock.advance(2 * HOUR)
    resting = sum(not each.meters for each in world.emulator.truth.systems())
    assert await started(world, sink, tmp_path) > 20 - resting


async def test_what_a_run_before_has_asked_is_not_asked_or_told_again(tmp_path: Path) -> None:
    """Though it has brought nothing: a system that rests, say."""
    world, sink, asked = World(now=NOON, systems=40, users=1), Kept(), 0
    for _ in range(12):
        asked += await started(world, sink, tmp_path)
        assert await started(world, sink, tmp_path) == 0
        world.clock.advance(QUARTER)
    assert asked < 40 * 4
    assert max(sink.told.values()) == 1


async def test_what_a_killed_run_had_paid_for_is_not_asked_again(tmp_path: Path) -> None:
    """But told: its first polls had been answered, and were not written."""
    world, sink = World(now=NOON, systems=10, users=1), Kept()
    sink.reached = False
    assert await started(world, sink, tmp_path, killed_after=60) == 10
    sink.reached = True
    assert await started(world, sink, tmp_path) == 0
    assert {system for system, _ in sink.told} <= set(sink.until)
    assert len(sink.until) == 10


async def test_nothing_is_asked_or_told_again_though_runs_are_killed(tmp_path: Path) -> None:
    """They had written what they had asked for."""
    world, sink = World(now=NOON, systems=40, users=1), Kept()
    assert await started(world, sink, tmp_path, killed_after=60) == 40
    for _ in range(4):
        assert await started(world, sink, tmp_path, killed_after=60) == 0
    assert max(sink.told.values()) == 1


@pytest.mark.parametrize("between", [0, 1], ids=["at once", "after a run that has not polled it"])
async def test_corrections_that_a_killed_run_had_cached_are_told(tmp_path: Path, between: int) -> None:
    """Though the system knows of nothing newer; and once."""
    begin = OUTAGE + 600
    systems = Emulator(clock=FakeClock(begin), systems=200, users=1).truth.systems()
    world = World(now=begin, fleet=[each for each in systems if each.system_id == TWO_METERS])
    sink = Kept()
    await started(world, sink, tmp_path)
    world.clock.advance(300)
    sink.reached = False
    assert await started(world, sink, tmp_path, killed_after=HOUR) > 0
    sink.reached = True
    killed = world.clock.now()
    for _ in range(between):
        await started(world, sink, tmp_path)
    world.clock.advance(DAY)
    for _ in range(3):
        await started(world, sink, tmp_path)
    held = {row.end_at.timestamp(): row.wh_del for _, row in sink.told}
    for row in world.emulator.truth.rgm_stats(TWO_METERS, begin - 4 * HOUR, killed):
        assert held[row["end_at"]] == row["wh_del"]


async def test_who_waits_goes_on_waiting_in_the_next_run(tmp_path: Path) -> None:
    """A system that fails, longer each time; one without such a device; one that is silent."""
    world, sink = World(now=NOON, systems=12, users=1), Kept()
    without = {each.system_id for each in world.emulator.truth.systems() if not each.meters}
    failing = min({each.system_id for each in world.emulator.truth.systems()} - without)
    world.emulator.inject(Fault(status=500, body="{}", times=inf, path=f"/{failing}/rgm_stats"))
    asked = Counter[str]()
    for _ in range(4 * 24):
        before = len(world.emulator.log)
        await started(world, sink, tmp_path)
        asked.update(each.path for each in world.emulator.log[before:] if "rgm_stats" in each.path)
        world.clock.advance(QUARTER)
    counts = {int(path.split("/")[-2]): count for path, count in asked.items()}
    assert len(without) > 0
    assert all(counts[each] == 1 for each in without)
    assert 4 <= counts[failing] <= 3 * 7  # after 15, 30, 60, 120, 240 and 480 minutes, three requests each
    assert min(counts[each] for each in counts.keys() - without - {failing}) >= 6


async def test_a_history_that_is_asked_for_later_begins_though_its_system_rests(tmp_path: Path) -> None:
    """Else the run that waits for all of it would take a week more."""
    world, sink = World(now=NOON, systems=12, users=1), JsonLinesSink(tmp_path / "rows")
    await started(world, sink, tmp_path)
    assert not all(each.meters for each in world.emulator.truth.systems())
    async with world.v4(state=tmp_path / "state.db", plan=Plan(minute=600, month=100_000)) as client:
        fleet = Fleet(client, "rgm_stats", every=timedelta(hours=1), backfill=timedelta(days=28))
        await fleet.run(sink, until_done=True)
    assert world.clock.now() < NOON + DAY


class Mortal:
    """A sink in whose writes the process is killed: of five the second before it, the fourth after it."""

    def __init__(self, sink: Sink) -> None:
        self.sink, self.writes = sink, 0

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when systems are held."""
        return await self.sink.cursors(series)

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep rows, or be killed."""
        self.writes += 1
        if self.writes % 5 == 2:
            raise KilledError
        await self.sink.write(changes)
        if self.writes % 5 == 4:
            raise KilledError


HISTORY = pytest.param(35, id="polls and history", marks=pytest.mark.slow)


@pytest.mark.parametrize("kind", [JsonLinesSink, pytest.param(InfluxSink, marks=pytest.mark.slow)])
@pytest.mark.parametrize("days", [pytest.param(0, id="polls"), HISTORY])
async def test_no_line_is_in_a_file_twice_though_runs_are_killed(
    tmp_path: Path, kind: type[LinesSink], days: int
) -> None:
    """Before a write or after it; and none is missing or wrong."""
    drifts = {Drift.LATE_HOUR, Drift.LATE_DAYS} if days else {Drift.LATE_HOUR}
    world = World(now=NOON, systems=8 if days else 4, users=1, drifts=drifts)
    sink = Mortal(kind(tmp_path / "rows"))
    backfill = timedelta(days=days) if days else None
    while world.clock.now() < NOON + (3 if days else 1) * DAY:
        await started(world, sink, tmp_path, killed_after=HOUR, backfill=backfill)
    await started(world, sink.sink, tmp_path, backfill=backfill)
    lines = (tmp_path / "rows").read_bytes().splitlines()
    assert sink.writes > (60 if days else 15)
    assert len(lines) > (5_000 if days else 1_000)
    assert max(Counter(lines).values()) == 1
    if kind is JsonLinesSink:
        assert wrong_rows(world, lines) == 0


@pytest.mark.parametrize("days", [pytest.param(0, id="polls"), HISTORY])
@pytest.mark.parametrize("lost", ["deleted", pytest.param("an older copy", marks=pytest.mark.slow)])
async def test_no_line_is_in_a_file_twice_though_the_state_is_lost(
    tmp_path: Path, lost: str, days: int
) -> None:
    """What is bought again is in the file; the last poll of a day asks for five days of it."""
    world, sink = World(now=NOON, systems=6, users=1), JsonLinesSink(tmp_path / "rows")
    state, copy = tmp_path / "state.db", tmp_path / "copy.db"
    backfill = timedelta(days=days) if days else None
    for part in range(8 if days else 5):
        await started(world, sink, tmp_path, killed_after=10 * HOUR, backfill=backfill)
        if lost == "deleted":
            state.unlink()
        else:
            _ = copy.replace(state) if part % 2 else shutil.copy(state, copy)
    assert max(Counter((tmp_path / "rows").read_bytes().splitlines()).values()) == 1


@pytest.mark.parametrize(
    "minutes", [pytest.param(4, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.slow), 30]
)
async def test_a_poll_that_brought_nothing_is_not_made_again_though_runs_are_killed(
    tmp_path: Path, minutes: int
) -> None:
    """At night, say, whenever the next one begins; nor is a system that fails asked more often."""
    requests = []
    for run_s in (8 * HOUR, minutes * 60):
        world, folder = World(now=NOON + DAY / 2, systems=8, users=1), tmp_path / str(run_s)
        folder.mkdir()
        failing = next(each.system_id for each in world.emulator.truth.systems() if each.meters)
        world.emulator.inject(Fault(status=500, body="{}", times=inf, path=f"/{failing}/rgm_stats"))
        sink, end = JsonLinesSink(folder / "rows"), world.clock.now() + 8 * HOUR
        await started(world, sink, folder, killed_after=60)
        while world.clock.now() < end:
            await killed(world, sink, folder, min(run_s, end - world.clock.now()))
        requests.append(sum("rgm_stats" in each.path for each in world.emulator.log))
    assert requests[1] <= requests[0] + 8


async def killed(world: World, sink: Sink, folder: Path, seconds: float) -> None:
    """Run a fleet until it is killed, with the state of that moment."""
    async with anyio.create_task_group() as group:
        group.start_soon(partial(started, world, sink, folder, killed_after=seconds))
        await world.clock.sleep(seconds - 1)
        shutil.copy(folder / "state.db", folder / "killed.db")
    (folder / "killed.db").replace(folder / "state.db")


def wrong_rows(world: World, lines: Sequence[bytes]) -> int:
    """Return how many rows of systems, of those that can change no more, differ from the truth."""
    told = {
        (row["system_id"], datetime.fromisoformat(row["end_at"]).timestamp()): row["wh_del"]
        for row in map(json.loads, lines)
        if "meter" not in row
    }
    begin = {}
    for system_id, end in told:
        begin[system_id] = min(end, begin.get(system_id, inf))
    wrong = 0
    for system_id, first in begin.items():
        truth = world.emulator.truth.rgm_stats(system_id, int(first) - QUARTER, int(NOON - DAY))
        wrong += sum(told.get((system_id, row["end_at"])) != row["wh_del"] for row in truth)
    return wrong
