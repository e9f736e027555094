"""A fleet that several processes follow, with leases in PostgreSQL: some stop, die, or come back too late."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.fleet.leases import SHARDS
from enlighten_async.testing import FakeClock
from enlighten_async.windows import DAY
from tests.state.servers import PostgresServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

WORKERS = 3
PATIENCE_S = 600.0
QUIET_S = 20.0
"""Seconds without a request and a write, after which all is done that is due."""
IN_FLIGHT = 8
"""Requests that a process may have on their way."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Start a server."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture
def database(server: PostgresServer) -> PostgresServer:
    """Return a server whose database is empty."""
    server.empty()
    server.executed("DROP TABLE IF EXISTS rgm_stats, enlighten_cursors")
    return server


class Herd:
    """A service, and processes that follow its systems from some weeks ago on."""

    def __init__(
        self, database: PostgresServer, systems: int, weeks: int, latency: tuple[float, float], lease: float
    ) -> None:
        self.database, self.latency = database, latency
        quota = Quota(100_000, None)
        self.emulator = Emulator(quota=quota, concurrent=None, latency=latency, systems=systems, users=1)
        user = self.emulator.demo_user
        self.systems = [each.system_id for each in self.emulator.truth.systems(user)]
        self.begin = int(time.time()) // 900 * 900 - weeks * 7 * DAY
        self.options = {"state": database.url, "sink": database.url, "user": user, "minute": 100_000}
        self.options |= {"lease": lease}
        self.processes: list[subprocess.Popen[str]] = []
        self.said = ""
        database.executed(
            "CREATE TABLE enlighten_cursors (series text NOT NULL, system_id bigint NOT NULL, "
            "until timestamptz NOT NULL, fence bigint, PRIMARY KEY (series, system_id))"
        )
        if not weeks:
            return
        begin = f"to_timestamp({self.begin})"
        rows = ", ".join(f"('rgm_stats', {each}, {begin}, NULL)" for each in self.systems)
        database.executed(f"INSERT INTO enlighten_cursors VALUES {rows}")  # noqa: S608

    def start(self) -> subprocess.Popen[str]:
        """Start one more process."""
        command = [sys.executable, "-m", "tests.system.servers.following_process", json.dumps(self.options)]
        self.processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return self.processes[-1]

    def end(self, process: subprocess.Popen[str], number: int) -> None:
        """Send a signal that ends a process, and wait for it."""
        process.send_signal(number)
        self.said += process.communicate(timeout=PATIENCE_S)[0]
        self.processes.remove(process)

    @property
    def sent(self) -> int:
        """Requests for rows that have arrived."""
        return sum("rgm_stats" in each.path for each in self.emulator.log)

    @property
    def twice(self) -> int:
        """Requests for what had been asked for before."""
        asked = Counter((each.path, each.params.get("start_at")) for each in self.emulator.log)
        return sum(count - 1 for (path, _), count in asked.items() if "rgm_stats" in path)

    def holders(self) -> Counter[str]:
        """Return the shards that each process holds, by its name."""
        if self.database.executed("SELECT to_regclass('enlighten_leases')") == [(None,)]:
            return Counter()
        statement = "SELECT worker FROM enlighten_leases WHERE until > clock_timestamp()"
        return Counter(worker for (worker,) in self.database.executed(statement))

    def cursors(self) -> dict[int, float]:
        """Return up to when each system is held."""
        statement = (
            "SELECT system_id, extract(epoch FROM until)::float8 FROM enlighten_cursors "
            "WHERE series = 'rgm_stats'"
        )
        return dict(self.database.executed(statement))

    @property
    def done(self) -> bool:
        """Whether nothing is asked for or written any more."""
        before = self.sent, self.cursors()
        time.sleep(QUIET_S)
        return before == (self.sent, self.cursors()) and self.holders().total() == SHARDS

    def cached(self) -> dict[int, float]:
        """When the newest answer was made that is in the state, by the number of its system.

        What was answered to a process that was killed before it had read it is not there.
        """
        statement = (
            "SELECT system_id, max(fetched) FROM enlighten_stretches JOIN enlighten_series "
            "ON series = id WHERE endpoint = 'rgm_stats' GROUP BY system_id ORDER BY max(fetched)"
        )
        return dict(self.database.executed(statement))

    def differing(self) -> list[int]:
        """Return the systems whose rows are not those of the service, up to the cursor.

        Of each as of its last answer that is in the state: later a row may have been corrected.
        """
        held = self.database.executed(
            "SELECT system_id, extract(epoch FROM end_at)::bigint, wh_del FROM rgm_stats WHERE meter = ''"
        )
        rows = Counter[int]()
        kept: dict[int, dict[int, float]] = {system: {} for system in self.systems}
        for system, end, wh in held:
            kept[system][end] = wh
            rows[system] += 1
        wrong, cursors, clock = [], self.cursors(), FakeClock(now=self.begin)
        service = Emulator(clock=clock, systems=len(self.systems), users=1)
        for system, at in self.cached().items():
            clock.advance(at - clock.now())
            until = cursors.get(system, self.begin)
            rows_then = service.truth.rgm_stats(system, self.begin, int(until))
            truth = {row["end_at"]: row["wh_del"] for row in rows_then}
            own = {end: wh for end, wh in kept[system].items() if self.begin < end <= until}
            if own != truth:
                wrong.append(system)
        return wrong


def wait_for(what: Callable[[], bool], patience: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def herd(request: pytest.FixtureRequest, database: PostgresServer) -> Iterator[Herd]:
    """Open the service."""
    made = Herd(database, **request.param)
    with made.emulator.running(version="v2") as made.options["url"]:
        try:
            yield made
        finally:
            for process in made.processes:
                process.kill()
                process.communicate()


LARGE = {"systems": 200, "weeks": 8, "latency": (0.5, 1.5), "lease": 3.0}
SMALL = {"systems": 30, "weeks": 4, "latency": (0.1, 0.3), "lease": 3.0}


@pytest.mark.parametrize("herd", [SMALL], indirect=True)
def test_work_is_shared_and_handed_over(herd: Herd) -> None:
    """In equal parts; at once by who is told to stop, after its lease by who is killed or stands still."""
    one, two, three = herd.start(), herd.start(), herd.start()
    wait_for(lambda: sorted(herd.holders().values()) == [20, 22, 22])
    wait_for(lambda: herd.sent > 20)
    began = time.monotonic()
    herd.end(one, signal.SIGTERM)
    wait_for(lambda: herd.holders().total() == SHARDS and len(herd.holders()) == 2)
    assert time.monotonic() - began < 10
    three.send_signal(signal.SIGSTOP)
    wait_for(lambda: list(herd.holders().values()) == [SHARDS])
    three.send_signal(signal.SIGCONT)
    wait_for(lambda: list(herd.holders().values()) == [SHARDS // 2] * 2)
    herd.end(two, signal.SIGKILL)
    wait_for(lambda: list(herd.holders().values()) == [SHARDS])
    wait_for(lambda: herd.done)
    herd.end(three, signal.SIGTERM)
    assert herd.holders().total() == 0
    assert herd.differing() == []
    assert sum(until > time.time() - DAY for until in herd.cursors().values()) > 0.8 * len(herd.systems)


@pytest.mark.parametrize(
    ("herd", "kills"),
    [(SMALL, 5), (LARGE, 200)],
    indirect=["herd"],
)
def test_killed_again_and_again(herd: Herd, kills: int) -> None:
    """Three processes, one of which is killed every 1.5 s: the rows are the truth, bought once."""
    seed = random.randrange(2**32)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    for _ in range(WORKERS):
        herd.start()
    for _ in range(kills):
        time.sleep(1.5)
        herd.end(chance.choice(herd.processes), signal.SIGKILL)
        herd.start()
    began = time.monotonic()
    wait_for(lambda: herd.done)
    took = time.monotonic() - began
    for process in list(herd.processes):
        herd.end(process, signal.SIGTERM)
    behind = sum(until < time.time() - DAY for until in herd.cursors().values())
    told = f"{herd.sent} sent, {herd.twice} of them twice, {took:.1f} s after the last, {behind} behind"
    print(f"{kills} kills, {told}, seed {seed}")  # noqa: T201
    assert herd.emulator.counts.rejected == 0
    assert herd.twice <= kills * IN_FLIGHT
    assert herd.differing() == []
    assert sum(until > time.time() - DAY for until in herd.cursors().values()) > 0.8 * len(herd.systems)


NEW = {"systems": 16, "weeks": 0, "latency": (0.3, 1.0), "lease": 3.0}
WEEKS = 8


@pytest.mark.parametrize("herd", [NEW], indirect=True)
def test_history_is_shared_and_ends(herd: Herd) -> None:
    """Three processes, one of which is killed again and again: all end by themselves, and bought it once."""
    herd.options["history"] = WEEKS
    kills = 4
    chance = random.Random(7)  # noqa: S311
    for _ in range(WORKERS):
        herd.start()
    wait_for(lambda: herd.sent > len(herd.systems))
    for _ in range(kills):
        time.sleep(1.5)
        herd.end(chance.choice(herd.processes), signal.SIGKILL)
        herd.start()
    for process in herd.processes:
        herd.said += process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 0
    herd.begin = int(time.time()) - WEEKS * 7 * DAY + DAY // 10
    print(f"{herd.sent} sent, {herd.twice} of them twice")  # noqa: T201
    assert herd.emulator.counts.rejected == 0
    assert herd.twice <= kills * IN_FLIGHT
    assert herd.sent <= WEEKS * len(herd.systems) + kills * IN_FLIGHT
    assert herd.differing() == []
