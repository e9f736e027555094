"""Processes that are killed a hundred times while they ask side by side: no state forgets a request.

Of the state file in `nox -s kills`, of servers in `nox -s servers`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from enlighten_async.emulator import Emulator, Quota
from tests.state.servers import SERVERS, Server
from tests.system.processes.state_files import counted_in, texts
from tests.system.processes.test_kills import Shop
from tests.system.servers.machine import TASKS
from tests.world import API_KEY

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of another kind"),
    pytest.mark.timeout(900),
]

KILLS = 100
PROCESSES = 3
MINUTE = 12_000
"""Requests a minute of the plan and of the service: more than they ask for, with what is lost with them."""
PATIENCE_S = 90.0
"""Seconds for which requests are waited for: a new Redis takes the running minute to be full."""


class StateFilePlace:
    """The state file, as the place of a state that is read from outside.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.url = str(folder / "state.db")

    def texts(self) -> list[str]:
        """Return the texts of the state."""
        return texts(Path(self.url))

    def stop(self) -> None:
        """Do nothing."""


PLACES: dict[str, Callable[[Path], Server | StateFilePlace]] = {"file": StateFilePlace, **SERVERS}


class Herd:
    """Processes that ask with one key and one state as fast as they can.

    Args:
        state: path or URL of the state.
        emulator: the service.
        url: where it is.
    """

    def __init__(self, state: str, emulator: Emulator, url: str) -> None:
        user = emulator.demo_user
        options = {"state": state, "url": url, "wall": 0.0, "monotonic": 0.0, "minute": MINUTE}
        options["at_once"] = 1000  # of all; the place of one that was killed comes free after 35 s
        options |= {"user": user, "systems": [each.system_id for each in emulator.truth.systems(user)]}
        self._command = [sys.executable, "-m", "tests.system.servers.machine", json.dumps(options)]
        self.processes = [self._started() for _ in range(PROCESSES)]

    def _started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)

    def kill(self, number: int) -> str:
        """Kill one of them; return what it has said."""
        process = self.processes[number]
        process.kill()
        said = process.communicate()[0]
        assert process.returncode == -signal.SIGKILL, said
        return said

    def replace(self, number: int) -> None:
        """Start another one in its place, which asks as soon as it can."""
        self.processes[number] = self._started()


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Open the service."""
    made = Shop(quota=Quota(MINUTE, None), latency=(0.02, 0.1), systems=TASKS, users=1)
    with made.emulator.running() as made.url:
        yield made


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("file", marks=pytest.mark.kills),
        pytest.param("postgres", marks=pytest.mark.servers),
        pytest.param("redis-aof", marks=pytest.mark.servers),
        pytest.param("valkey", marks=pytest.mark.servers),
    ],
)
def test_no_request_is_forgotten(shop: Shop, tmp_path: Path, kind: str) -> None:
    """The state counts no less than the service, and above that at most what was in flight at the kills."""
    seed = random.randrange(2**32)  # noqa: S311
    chance, counts = random.Random(seed), shop.emulator.counts  # noqa: S311
    place = PLACES[kind](tmp_path)
    herd, said = Herd(place.url, shop.emulator, shop.url), ""
    try:
        for kill in range(KILLS):
            busy(shop)
            time.sleep(chance.uniform(0, 0.3))
            said += herd.kill(kill % PROCESSES)
            herd.replace(kill % PROCESSES)
        busy(shop)
    finally:
        said += "".join(map(herd.kill, range(PROCESSES)))
    shop.settle()
    sent, (stored, flying) = counts.by_key[API_KEY], counted_in(place.texts())
    place.stop()
    above = f"{stored - sent} counted above that, {flying} of them as in flight"
    print(f"{kind}: {KILLS} kills, {sent} sent, {above}, seed {seed}")  # noqa: T201
    assert set(said.splitlines()) <= {"ready"}
    assert counts.rejected == 0
    assert sent <= stored <= sent + (KILLS + PROCESSES) * TASKS


def busy(shop: Shop) -> None:
    """Wait until requests are on their way, from more than one process' worth of tasks."""
    counts, deadline = shop.emulator.counts, time.monotonic() + PATIENCE_S
    wanted = counts.served + 2 * TASKS
    while counts.served < wanted:
        assert time.monotonic() < deadline, "nothing is sent"
        time.sleep(0.01)
