"""Real processes on one state file, over real sockets; minutes pass in three seconds. `nox -s processes`."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Quota
from tests.system.processes.fast_clock import FACTOR, SwiftClock
from tests.system.processes.state_files import counted
from tests.world import API_KEY

pytestmark = pytest.mark.processes

KILLS = 100
MID_JUNE = 1_750_000_020.0
MONTH_END = 1_751_328_000.0  # 2025-07-01T00:00Z


class Machine:
    """A service on a socket, and processes that use it by way of one state file.

    Attributes:
        emulator: the service, in this process.
        state: the file.
    """

    def __init__(self, state: Path, start: float, quota: Quota, factor: float = FACTOR) -> None:
        self.clock = SwiftClock(start, time.time(), factor=factor)
        self.emulator = Emulator(clock=self.clock, quota=quota, concurrent=None, latency=0.5)
        self.state = state
        self.url = ""
        self._quota = quota
        self._asked = 0

    def start(self, jobs: int, backend: str = "asyncio", **more: float) -> subprocess.Popen[str]:
        """Start a process that asks for so many quarters of an hour; return as soon as it begins.

        None is asked for twice: what one process has bought, the others need not buy.

        Args:
            jobs: how many times.
            backend: its event loop.
            more: `wrong` and `step` of its clock, `stalls` of its event loop, the limit it believes in.
        """
        task = {
            "jobs": jobs,
            "first": self._asked,
            "backend": backend,
            "wrong": 0.0,
            "step": 0.0,
            "stalls": 0,
            "seconds": 1000.0,
            "start": self.clock.start,
            "began": self.clock.began,
            "factor": self.clock.factor,
            "minute": self._quota.minute,
            "month": self._quota.month,
            "url": self.url,
            "state": str(self.state),
            "user": self.emulator.demo_user,
            "system": self.emulator.demo_system,
            **more,
        }
        self._asked += jobs
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.processes.asking_process", json.dumps(task)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def stored(self) -> tuple[int, int]:
        """Return how many requests the file counts in this month, and how many of them are on their way."""
        return counted(self.state)


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """Start the service."""
    made = Machine(tmp_path / "state.db", *request.param)
    with made.emulator.running() as made.url:
        yield made


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the end of a process, and return what it said."""
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("machine", [(MID_JUNE, Quota(10, 10_000))], indirect=True)
def test_three_processes_share_a_key(machine: Machine) -> None:
    """60 jobs each, local clocks 1.5 s apart: 180 sent, none rejected, at most 2 windows more."""
    began = machine.clock.now()
    processes = [
        machine.start(60, wrong=wrong, backend=backend)
        for wrong, backend in ((0.0, "asyncio"), (1.5, "trio"), (-1.5, "asyncio"))
    ]
    results = [result(process) for process in processes]
    counts = machine.emulator.counts
    assert [(one["answers"], one["rejected"], one["error"]) for one in results] == [(60, 0, "")] * 3
    assert (counts.sent, counts.rejected, max(counts.windows.values())) == (180, 0, 10)
    assert windows(machine, began) <= math.ceil(180 / 10) + 2
    assert machine.stored() == (180, 0)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("machine", [(MID_JUNE, Quota(300, 10**6), 2.0)], indirect=True)
def test_sixteen_processes_share_each_minute_evenly(machine: Machine) -> None:
    """From the first minute that all of them wait for: each within a quarter of the mean, and all of it."""
    processes = [machine.start(400, seconds=130.0) for _ in range(16)]
    first = int(machine.clock.now() // 60) + 1
    results = [result(process) for process in processes]
    counts = machine.emulator.counts
    assert (counts.rejected, max(counts.windows.values())) == (0, 300)
    for minute in (first, first + 1):
        shares = sorted(one["minutes"].get(str(minute), 0) for one in results)
        print(shares)  # noqa: T201 - shown by `-rP`
        assert (sum(shares) >= 290, min(shares) >= 14, max(shares) <= 24) == (True, True, True)


def windows(machine: Machine, began: float) -> float:
    """Return how many minutes were used since then."""
    return (max(machine.emulator.counts.windows) - began // 60 * 60) / 60 + 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "clock",
    [{}, {"stalls": 12}, {"wrong": 600.0}, {"wrong": -600.0}, {"step": 600.0}, {"step": -600.0}],
    ids=["right", "stalls", "fast", "slow", "set forward", "set back"],
)
@pytest.mark.parametrize("machine", [(MID_JUNE, Quota(10, 10_000))], indirect=True)
def test_one_process(machine: Machine, clock: dict[str, float]) -> None:
    """60 jobs, whatever the local clock says: 60 sent, none rejected, at most 1 window more."""
    began = machine.clock.now()
    done = result(machine.start(60, **clock))
    counts = machine.emulator.counts
    assert (done["answers"], done["rejected"], done["error"]) == (60, 0, "")
    assert (counts.sent, counts.rejected, max(counts.windows.values())) == (60, 0, 10)
    assert windows(machine, began) <= math.ceil(60 / 10) + 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("machine", [(MID_JUNE, Quota(6, 10_000))], indirect=True)
def test_a_limit_lower_than_believed(machine: Machine) -> None:
    """One storm at the most, of what was on its way; and the other process learns of it by the file."""
    done = [result(process) for process in [machine.start(30, minute=10) for _ in range(2)]]
    counts = machine.emulator.counts
    assert [(one["answers"], one["error"]) for one in done] == [(30, "")] * 2
    assert 0 < counts.rejected <= 2 * 10
    assert counts.sent == 60 + counts.rejected
    assert sum(one["rejected"] for one in done) == counts.rejected
    assert len(counts.rejected_windows) == 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("machine", [(MID_JUNE, Quota(10, 10_000))], indirect=True)
def test_somebody_else_uses_the_key(machine: Machine) -> None:
    """4 of each minute: no more is rejected than they took, nothing is lost, and there is no storm."""
    process, taken = machine.start(60), 0
    with httpx.Client(trust_env=False) as other:
        while process.poll() is None:
            for _ in range(4):
                query = {"key": API_KEY, "user_id": machine.emulator.demo_user}
                taken += other.get(f"{machine.url}/systems", params=query).status_code == 200
            time.sleep(60 / FACTOR)
    done, counts = result(process), machine.emulator.counts
    assert (done["answers"], done["error"]) == (60, "")
    assert done["rejected"] <= taken
    assert max(counts.rejected_windows.values(), default=0) <= 10


@pytest.mark.timeout(400)
@pytest.mark.parametrize("machine", [(MID_JUNE, Quota(3000, 1_000_000))], indirect=True)
def test_killed_at_any_moment(machine: Machine) -> None:
    """Two at a time, 100 in all: never less is stored than the server counts, and little more."""
    seed = random.randrange(2**32)  # noqa: S311
    chance, excess, flown = random.Random(seed), 0, 0  # noqa: S311
    assert result(machine.start(1))["answers"] == 1
    for _ in range(KILLS // 2):
        processes = [machine.start(150, backend=backend) for backend in ("asyncio", "trio")]
        for process in processes:
            time.sleep(chance.uniform(0, 0.6))
            process.kill()
        for process in processes:
            process.communicate()
        time.sleep(1 / FACTOR)  # what is on its way arrives
        (stored, flying), counted = machine.stored(), machine.emulator.counts.sent
        assert stored >= counted, f"seed {seed}"
        assert stored - counted <= excess + flying, f"seed {seed}"
        excess, flown = stored - counted, flown + flying
    assert machine.emulator.counts.rejected == 0
    assert machine.emulator.counts.sent > KILLS, "there was no load"
    assert flown > 0, "nothing was cut off"
    time.sleep(36 / FACTOR)
    assert result(machine.start(5))["answers"] == 5
    stored, flying = machine.stored()
    assert (stored - machine.emulator.counts.sent, flying) == (excess, 0)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("machine", [(MONTH_END - 400, Quota(100, 5))], indirect=True)
def test_a_month_that_is_used_up(machine: Machine) -> None:
    """The next process knows it without sending anything; the next month begins by itself."""
    assert result(machine.start(5))["answers"] == 5
    late = result(machine.start(1, wrong=1.5))
    assert (late["answers"], late["error"], late["retry_at"]) == (0, "QuotaExhausted", MONTH_END)
    assert (machine.emulator.counts.sent, machine.emulator.counts.rejected) == (5, 0)
    time.sleep(max(0.0, (MONTH_END + 5 - machine.clock.now()) / FACTOR))
    assert result(machine.start(2, wrong=-1.5))["answers"] == 2
    assert (machine.emulator.counts.sent, machine.emulator.counts.rejected) == (7, 0)
