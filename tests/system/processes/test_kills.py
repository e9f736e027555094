"""A year that is bought by processes that are killed: nothing is bought twice but what was on its way.

Real processes, sockets and files. `nox -s kills`.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.windows import DAY, Window
from tests.cli.test_process import environment, started, until
from tests.effort import EFFORT
from tests.system.processes import kill_points as points
from tests.system.processes.fast_clock import SwiftClock
from tests.system.processes.measured_rows import Truth, digest, rows
from tests.system.processes.state_files import bought, counted, is_hot, part
from tests.world import API_KEY

pytestmark = [
    pytest.mark.kills,
    pytest.mark.skipif(os.name != "posix", reason="signals of another kind"),
    pytest.mark.timeout(900),
]

KILLS = 200
SHARES = 4
"""Parts of them that may be done side by side."""
WINDOWS = 53
AT_ONCE = 10
LIMIT = 30
"""Requests a minute of a quota that makes processes wait."""
BACKENDS = ("asyncio", "trio")
ANSWERED = range(WINDOWS + 1) if EFFORT > 1 else (0, 1, 2, *range(5, 50, 5), 52, 53)
"""How many windows were answered when a process is killed; with more effort, every number."""
HOUR = 3600
PATIENCE = 240.0
"""Seconds for a process to end; one at a time, a year takes forty on two cores that others use too."""


class Shop:
    """A service on a socket, whose demo system's year is bought.

    Attributes:
        emulator: the service, in this process.
        year: the range that is bought: 53 windows.
        truth: what there is of it.
        digest: of all of that.
        url: where the service is.
    """

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("quota", Quota.UNLIMITED)
        self.emulator = Emulator(concurrent=None, **settings)
        end = int(time.time()) // HOUR * HOUR - 12 * HOUR
        self.year = Window(end - 364 * DAY - 8 * HOUR, end)
        self.truth = Truth.of(self.emulator, self.emulator.demo_system, self.year)
        self.digest = digest(self.truth.rows)
        self.url = ""

    @contextmanager
    def slow(self, *latency: float) -> Iterator[None]:
        """Take so many seconds for each response, and none after that, also where a test fails.

        A request whose process is killed while it is on its way is not counted.
        """
        self.emulator.latency = latency if len(latency) == 2 else latency[0]
        try:
            yield
        finally:
            self.emulator.latency = 0.0

    def settle(self) -> None:
        """Wait until all that was sent before this moment has been counted."""
        for _ in range(2):  # one to be let in behind all others, and one to be read behind them
            asked = {"key": "somebody else", "user_id": self.emulator.demo_user}
            assert httpx.get(f"{self.url}/systems", params=asked, trust_env=False).status_code == 200


class File:
    """One state file, the key whose requests it counts, and the processes that use it.

    Attributes:
        path: the file.
        key: the key.
        kills: how many of the processes were killed.
    """

    def __init__(self, shop: Shop, path: Path, key: str) -> None:
        self.shop = shop
        self.path = path
        self.key = key
        self.kills = 0
        self._starts = count()
        self._checked: set[tuple[Window, bytes]] = set()

    @property
    def sent(self) -> int:
        """How many requests the service counts."""
        return self.shop.emulator.counts.by_key[self.key]

    def start(self, **more: Any) -> subprocess.Popen[str]:
        """Start a process that buys the year; return as soon as it begins."""
        task = {
            "backend": BACKENDS[next(self._starts) % 2],
            "minute": 100_000,
            "url": self.shop.url,
            "state": str(self.path),
            "key": self.key,
            "user": self.shop.emulator.demo_user,
            "system": self.shop.emulator.demo_system,
            "from": self.shop.year.start,
            "until": self.shop.year.end,
            **more,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.processes.fetching_process", json.dumps(task)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def finished(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Wait for the end of a process; see that it got the whole truth, and return what it spent."""
        said = output(process)
        assert process.returncode == 0
        found: dict[str, Any] = json.loads(said)
        assert (found["rows"], found["complete"], found["rejected"]) == (self.shop.digest, True, 0)
        return found

    def died(self, process: subprocess.Popen[str], by: int = signal.SIGKILL) -> None:
        """See that a process was killed by this signal, and wait until all it has sent has arrived."""
        output(process)
        assert process.returncode == -by
        self.kills += 1
        self.shop.settle()

    def check(self) -> None:
        """See that the file is whole, counts no less than the service, and holds nothing but the truth."""
        stored, _ = counted(self.path)
        assert self.sent <= stored <= self.sent + self.kills * AT_ONCE
        held = bought(self.path).items()
        for window, blob in held - self._checked:
            assert rows(part(blob)) == self.shop.truth.within(window)
        self._checked = set(held)

    def repeated(self) -> list[int]:
        """Return how often each window was asked for, of those that were more than once."""
        log = [each.params for each in self.shop.emulator.log if each.path.endswith("rgm_stats")]
        return [times for times in Counter(map(str, log[-self.sent :])).values() if times > 1]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """Open the service."""
    made = Shop()
    with made.emulator.running() as made.url:
        yield made


@pytest.fixture
def files(shop: Shop, tmp_path: Path) -> Iterator[File]:
    """Return one new file after another, each with a key of its own."""
    return (File(shop, tmp_path / f"{number}.db", f"{random.getrandbits(128):032x}") for number in count())


@pytest.mark.parametrize("share", range(SHARES))
def test_killed_at_any_moment(shop: Shop, files: Iterator[File], share: int) -> None:
    """And started again until it is done, again and again: 53 requests and what was on its way."""
    seed = random.randrange(2**32)  # noqa: S311
    chance, kills, again, sound = random.Random(seed), 0, 0, next(files)  # noqa: S311
    with shop.slow(0.002, 0.03):
        process, began = sound.start(), time.monotonic()
        assert sound.finished(process)["sent"] == sound.sent == WINDOWS
        span = time.monotonic() - began
        while kills < KILLS / SHARES:
            file = next(files)
            kill_until_done(file, chance, span / 2)
            assert WINDOWS <= file.sent <= WINDOWS + file.kills * AT_ONCE, f"seed {seed}"
            kills, again = kills + file.kills, again + file.sent - WINDOWS
    print(f"share {share}: {kills} kills, {again} requests made again, {span:.2f} s undisturbed")  # noqa: T201
    assert again > 0, "nothing was cut off"
    assert file.finished(file.start())["sent"] == 0


@pytest.mark.parametrize("nth", [1, 2, 27, 53])
@pytest.mark.parametrize("point", points.AGAIN)
def test_killed_at_each_point(files: Iterator[File], point: str, nth: int) -> None:
    """One request at a time: none is made again but the one that was cut off, and only if it was sent."""
    file = next(files)
    killed(file, point, nth, at_once=1)
    assert file.finished(file.start(point="", nth=0, at_once=1))["sent"] > 0 or nth == WINDOWS
    assert file.sent == WINDOWS + points.AGAIN[point]
    assert file.repeated() == [2] * points.AGAIN[point]
    file.check()


@pytest.mark.parametrize("nth", [2, 9, 20])
@pytest.mark.parametrize("point", points.AGAIN)
def test_killed_at_each_point_with_others_on_their_way(files: Iterator[File], point: str, nth: int) -> None:
    """Ten at a time: no more is made again than was on its way, and nothing twice."""
    file = next(files)
    killed(file, point, nth, at_once=AT_ONCE)
    file.finished(file.start(point="", nth=0, at_once=AT_ONCE))
    assert WINDOWS <= file.sent <= WINDOWS + AT_ONCE
    assert set(file.repeated()) <= {2}
    file.check()


@pytest.mark.parametrize("answered", ANSWERED)
def test_killed_when_so_many_windows_were_answered(files: Iterator[File], answered: int) -> None:
    """And asked again: 53 requests, and what was on its way."""
    file = next(files)
    point = points.AFTER_BODY if answered else points.AFTER_SEND
    killed(file, point, max(answered, 1), at_once=AT_ONCE)
    before = file.sent
    again = file.finished(file.start(point="", nth=0, at_once=AT_ONCE))
    assert again["sent"] == file.sent - before <= WINDOWS - answered + AT_ONCE
    assert file.sent <= WINDOWS + AT_ONCE
    file.check()


def test_three_processes_want_the_same_year(tmp_path: Path) -> None:
    """At once, on one file, and a quota that makes them wait: each has it whole, for less than the sum."""
    clock = SwiftClock(time.time(), time.time())
    shop = Shop(clock=clock, quota=Quota(LIMIT, 10_000), latency=0.5)
    file = File(shop, tmp_path / "state.db", API_KEY)
    with shop.emulator.running() as shop.url:
        mine = {"minute": LIMIT, "start": clock.start, "began": clock.began}
        spent = [file.finished(process) for process in [file.start(**mine) for _ in range(3)]]
    print(f"{file.sent} requests by three processes")  # noqa: T201
    assert sum(one["sent"] for one in spent) == file.sent < 3 * WINDOWS
    assert sum(one["from_cache"] for one in spent) > 0
    assert shop.emulator.counts.rejected == 0
    file.check()


def stand_still(process: subprocess.Popen[str], path: Path) -> None:
    """Stop a process, but not while it holds the lock of the file: others could not use that then."""
    while True:
        process.send_signal(signal.SIGSTOP)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as file:
            try:
                file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
                time.sleep(0.01)
            else:
                file.execute("ROLLBACK")
                return


@pytest.mark.parametrize("answered", [0, 1, 9, 30, 45])
def test_one_of_two_processes_stands_still(shop: Shop, files: Iterator[File], answered: int) -> None:
    """And goes on when the other has all: no more is bought twice than it had on its way.

    It ends well, or by an error where it has stood still for longer than a request may take.
    """
    file = next(files)
    with shop.slow(0.02, 0.1):
        asleep, awake = file.start(), file.start()
        until(lambda: file.sent > answered)
        stand_still(asleep, file.path)
        file.finished(awake)
        asleep.send_signal(signal.SIGCONT)
        output(asleep)
        assert file.finished(file.start())["sent"] == 0
    assert WINDOWS <= file.sent <= WINDOWS + AT_ONCE
    assert set(file.repeated()) <= {2}
    file.kills = 1  # of which the requests that were on their way may be counted twice
    file.check()


def test_ctrl_c_and_again(shop: Shop, tmp_path: Path) -> None:
    """As at the command line: the second time it takes the rest, and what was on its way."""
    old = Window(shop.year.start, shop.year.end - 5 * DAY)  # final
    windows, table = -(-old.seconds // (7 * DAY)), tmp_path / "year.csv"
    words = "--plan", "100000/1000000", "--state", str(tmp_path / "state.db"), "rgm-stats", "1765"
    span = "--start", old.start_at.isoformat(), "--end", old.end_at.isoformat(), "-o", str(table)
    env = environment(shop.url, shop.emulator.demo_user)
    counts = shop.emulator.counts
    counts.reset()
    with shop.slow(0.1), started(*words, *span, env=env) as process:
        until(lambda: counts.served > windows // 2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("error: interrupted: what has arrived is kept")
    shop.settle()
    before = counts.by_key["any"]
    assert windows // 2 < before < windows
    with started(*words, *span, env=env) as process:
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert f"sent {counts.by_key['any'] - before}, rejected 0" in said
    assert counts.by_key["any"] <= windows + AT_ONCE
    assert written(table) == [(row[0], row[3]) for row in shop.truth.within(old) if not row[1]]


def output(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process, and return what it said; one that hangs does not outlive its test."""
    try:
        return process.communicate(timeout=PATIENCE)[0]
    finally:
        process.kill()


def written(table: Path) -> list[tuple[float, float]]:
    """Return the ends of the intervals in a table, and their energy."""
    with table.open() as file:
        rows = [(datetime.fromisoformat(row["end_at"]), row["wh_del"]) for row in csv.DictReader(file)]
    return [(end.timestamp(), float(energy)) for end, energy in rows]


def kill_until_done(file: File, chance: random.Random, seconds: float) -> None:
    """Start a process again and again, each killed within so many seconds, until one ends by itself."""
    while (process := killed_after(file, chance.uniform(0, seconds))).returncode:
        file.died(process)
        file.check()
    file.finished(process)
    file.check()


def killed_after(file: File, seconds: float) -> subprocess.Popen[str]:
    """Return a process that has ended: killed after some time, or before that by itself."""
    process = file.start()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait()
    return process


def killed(file: File, point: str, nth: int, *, at_once: int) -> None:
    """Let a process be killed when it reaches a point for the nth time."""
    process = file.start(point=point, nth=nth, at_once=at_once)
    file.died(process, signal.SIGXFSZ if point == points.IN_COMMIT else signal.SIGKILL)
    cut = is_hot(file.path)
    assert cut or point != points.IN_COMMIT
    assert at_once > 1 or not cut or point == points.IN_COMMIT
    file.check()
