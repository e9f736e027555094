"""Processes of several machines, whose clocks are apart, on one state: nothing rejected, no minute wasted.

Minutes are real here, as the clocks of the servers are: each test takes four of them. The tests do not
disturb each other: `nox -s servers` runs all of them at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from enlighten_async.emulator import Emulator, Quota
from tests.state.servers import SERVERS, Server

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

MINUTE = 120
CLOCKS = [(0.0, 0.0), (90.0, 5000.0), (-90.0, 950_000.0), (45.0, -3000.0)]
"""Seconds by which wall clock and monotonic clock of each process are off."""
WINDOWS = 3


class Fleet:
    """A service on a socket and the processes that ask it.

    Args:
        state: where they keep the counts: a path or a URL.
    """

    def __init__(self, state: str, emulator: Emulator, url: str) -> None:
        self.state, self.emulator, self.url = state, emulator, url
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        """Start a process for each pair of clocks."""
        for wall, monotonic in CLOCKS:
            options = {"state": self.state, "url": self.url, "wall": wall, "monotonic": monotonic}
            options |= {
                "minute": MINUTE,
                "user": self.emulator.demo_user,
                "systems": [self.emulator.demo_system],
            }
            command = [sys.executable, "-m", "tests.system.servers.machine", json.dumps(options)]
            self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Kill all of them."""
        for process in self.processes:
            process.kill()
            process.communicate()
        self.processes.clear()

    def windows(self, first: int) -> list[int]:
        """Return the requests served in the minutes from a moment on."""
        return [self.emulator.counts.windows[first + 60 * number] for number in range(WINDOWS)]


@pytest.fixture
def service() -> Iterator[tuple[Emulator, str]]:
    """Start the service."""
    emulator = Emulator(quota=Quota(MINUTE, None), concurrent=None, latency=0.5)
    with emulator.running(version="v2") as url:
        yield emulator, url


class Event(Protocol):
    """What happens in the busy second of a minute."""

    def __call__(self, server: Server, fleet: Fleet) -> None:
        """Let it happen."""


def nothing(server: Server, fleet: Fleet) -> None:
    """Let all be well."""


def restarted(server: Server, fleet: Fleet) -> None:
    """Let the server crash and come back: empty, if it is not durable."""
    server.restart()


def stopped(server: Server, fleet: Fleet) -> None:
    """Let the server stand still for ten seconds."""
    server.stand_still()
    time.sleep(10)
    server.go_on()


def killed(server: Server, fleet: Fleet) -> None:
    """Kill one of the processes."""
    fleet.processes[1].kill()


CASES: list[tuple[str, Callable[[Server, Fleet], None]]] = [
    ("redis", nothing),
    ("valkey", nothing),
    ("postgres", nothing),
    ("redis", restarted),
    ("redis-aof", restarted),
    ("postgres", restarted),
    ("redis", stopped),
    ("postgres", stopped),
    ("redis", killed),
    ("postgres", killed),
]


@pytest.mark.parametrize(("kind", "event"), CASES, ids=lambda each: getattr(each, "__name__", each))
def test_nothing_is_rejected_and_every_minute_is_full(
    service: tuple[Emulator, str], tmp_path: Path, kind: str, event: Callable[[Server, Fleet], None]
) -> None:
    """Whatever happens to the server or to a process when the minute has just begun."""
    server = SERVERS[kind](tmp_path)
    fleet = Fleet(server.url, *service)
    try:
        first = begun(fleet)
        sleep_until(first + 1)
        event(server, fleet)
        sleep_until(first + 60 * WINDOWS - 1)
        counts = fleet.emulator.counts
        assert (counts.rejected, fleet.windows(first)) == (0, [MINUTE] * WINDOWS)
    finally:
        fleet.kill()
        server.stop()


def test_a_file_is_no_worse(service: tuple[Emulator, str], tmp_path: Path) -> None:
    """Processes of one machine, whose clocks are as far apart."""
    fleet = Fleet(str(tmp_path / "state.db"), *service)
    try:
        first = begun(fleet)
        sleep_until(first + 60 * WINDOWS - 1)
        assert (fleet.emulator.counts.rejected, fleet.windows(first)) == (0, [MINUTE] * WINDOWS)
    finally:
        fleet.kill()


def test_where_all_is_lost_a_minute_is(service: tuple[Emulator, str], tmp_path: Path) -> None:
    """The server comes back empty, and no process remembers: the running minute is taken to be full."""
    server = SERVERS["redis"](tmp_path)
    fleet = Fleet(server.url, *service)
    try:
        first = begun(fleet)
        sleep_until(first + 1)
        fleet.kill()
        server.restart()
        fleet.start()
        sleep_until(first + 60 * WINDOWS - 1)
        assert fleet.emulator.counts.rejected == 0
        assert fleet.windows(first)[2:] == [MINUTE]
    finally:
        fleet.kill()
        server.stop()


def begun(fleet: Fleet) -> int:
    """Start the processes; return when a minute begins, after the one that a new server takes to be full."""
    fleet.start()
    return int((time.time() + 70) // 60 + 1) * 60


def sleep_until(moment: float) -> None:
    """Wait."""
    time.sleep(max(0.0, moment - time.time()))
