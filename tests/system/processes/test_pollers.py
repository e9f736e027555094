"""A poller that is killed and started anew buys nothing again within its cadence. `nox -s processes`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from enlighten_async.emulator import Emulator, Quota
from tests.cli.test_process import until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SYSTEMS, AT_ONCE = 40, 6


@pytest.fixture
def service() -> Iterator[tuple[Emulator, str]]:
    """Open the service."""
    emulator = Emulator(quota=Quota.UNLIMITED, concurrent=None, systems=SYSTEMS, users=1, latency=(0.05, 0.2))
    with emulator.running(version="v2") as url:
        yield emulator, url


def started(emulator: Emulator, url: str, path: Path) -> subprocess.Popen[str]:
    """Start a poller; return when it begins."""
    task = {"user": emulator.demo_user, "url": url, "state": str(path)}
    command = [sys.executable, "-m", "tests.system.processes.polling_process", json.dumps(task)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_loop_of_crashes_buys_each_system_once(service: tuple[Emulator, str], tmp_path: Path) -> None:
    """And what was on its way at each of them; who comes after that buys nothing."""
    emulator, url = service
    for kills in range(3):
        process = started(emulator, url, tmp_path / "state.db")
        until(lambda most=10 * (kills + 1): emulator.counts.served >= most)
        process.kill()
        process.communicate()
    spent = []
    for _ in range(2):
        process = started(emulator, url, tmp_path / "state.db")
        spent.append(json.loads(process.communicate(timeout=120)[0]))
    assert [each["systems"] for each in spent] == [SYSTEMS, SYSTEMS]
    assert [each["rejected"] for each in spent] == [0, 0]
    assert spent[1]["sent"] == 0
    assert SYSTEMS + 1 <= emulator.counts.sent <= SYSTEMS + 1 + 3 * AT_ONCE
