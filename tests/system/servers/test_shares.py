"""Eight processes whose callers wait for the same minute: each gets its share, and no request is lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from enlighten_async.clock import SystemClock
from enlighten_async.emulator import Emulator, Quota
from tests.limiter.stores import ProcessClock
from tests.state.servers import SERVERS, RedisServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(240)]

DURABLE = {
    **{kind: SERVERS[kind] for kind in ("redis-aof", "postgres")},
    "valkey-aof": partial(RedisServer, program="valkey-server", durable=True),
}
"""Servers that forget nothing: a new one that may have takes the running minute to be full."""
PROCESSES, CALLERS, GREEDY = 8, 50, 400
"""Processes, callers of each, and of the greedy one, the first."""
MINUTE, AT_ONCE, TIMEOUT_S = 240, 12, 5.0
LEASE_S = TIMEOUT_S + 5
"""Seconds after which what a killed process had in flight is over."""
BEGUN_S = 3.0
"""Seconds of the minute that have passed when they begin: what is sent about its begin counts for two."""


class Herd:
    """A service and the processes that ask it, each for a system of its own.

    Args:
        state: URL of the state.
    """

    def __init__(self, state: str) -> None:
        self.clock = ProcessClock(SystemClock())
        quota = Quota(MINUTE, None)
        self.emulator = Emulator(
            quota=quota, concurrent=None, latency=(0.02, 0.1), systems=PROCESSES, clock=self.clock
        )
        user = self.emulator.demo_user
        self.systems = [each.system_id for each in self.emulator.truth.systems(user)]
        self._options = {"user": user, "state": state, "minute": MINUTE, "at_once": AT_ONCE}
        self._options["timeout"] = TIMEOUT_S

    def start(self, url: str) -> None:
        """Start the processes; return when all are connected."""
        self.processes = []
        for number, system in enumerate(self.systems):
            options = {**self._options, "url": url, "system": system}
            options["callers"] = GREEDY if number == 0 else CALLERS
            command = [sys.executable, "-m", "tests.system.servers.waiting_process", json.dumps(options)]
            self.processes.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def go(self) -> float:
        """Let them ask, when a minute of the service has just begun; return when that was."""
        self.clock.wall = BEGUN_S - self.clock.now() % 60
        for process in self.processes:
            assert process.stdin is not None
            print(self.clock.wall, file=process.stdin, flush=True)
        return self.clock.now() // 60 * 60

    def used(self, minute: float) -> int:
        """Return the requests that the service has counted in a minute."""
        return self.emulator.counts.windows[round(minute)]

    def shares(self, minute: float) -> list[int]:
        """Return the requests of each process in a minute."""
        entries = [each for each in self.emulator.log if minute <= each.at < minute + 60]
        counts = Counter(int(each.path.split("/")[-2]) for each in entries)
        return [counts[system] for system in self.systems]

    def kill(self) -> None:
        """Kill all."""
        for process in self.processes:
            process.kill()
            process.communicate()


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, for so long."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


@pytest.mark.parametrize("kind", DURABLE)
def test_each_gets_its_share(tmp_path: Path, kind: str) -> None:
    """Though one has many more callers, and one is killed: what that had in flight is lost for its lease."""
    server = DURABLE[kind](tmp_path)
    server.empty()
    herd = Herd(server.url)
    try:
        with herd.emulator.running(version="v2") as url:
            herd.start(url)
            minute = herd.go()
            until(lambda: herd.used(minute) >= MINUTE // 4, 30)
            herd.processes[-1].kill()
            until(lambda: herd.used(minute) >= MINUTE, LEASE_S + 20)
            used, shares = herd.used(minute), herd.shares(minute)
            herd.kill()
        print(kind, used, shares)  # noqa: T201 - shown by `-rP`
        assert herd.emulator.counts.rejected == 0
        assert MINUTE - AT_ONCE <= used <= MINUTE
        mean = sum(shares[:-1]) / (PROCESSES - 1)
        assert all(0.75 * mean <= each <= 1.25 * mean for each in shares[:-1])
    finally:
        herd.kill()
        server.stop()
