"""An export that is killed with SIGKILL goes on: the same one again asks for the rest and leaves no draft."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from enlighten_async.emulator import Emulator, Quota

pytestmark = pytest.mark.processes

DAY = 86_400
WINDOWS = 28
AT_ONCE = 6

PROGRAM = """
import asyncio, sys
from enlighten_async import EnlightenClient, Plan, write

async def main():
    url, user, folder, start, end = sys.argv[1:]
    options = {"base_url": url, "state": f"{folder}/state.db", "plan": Plan(minute=10_000)}
    async with EnlightenClient("any-key", user, **options) as client:
        query = client.rgm_stats(1765, start_at=float(start), end_at=float(end))
        print((await write(query, f"{folder}/a.csv")).changed)

asyncio.run(main())
"""


def test_a_killed_export_goes_on(tmp_path: Path) -> None:
    """Killed when some of its windows have arrived; then whole; then left alone."""
    emulator = Emulator(quota=Quota.UNLIMITED, latency=0.2)
    end = time.time() // 900 * 900 - 10 * DAY
    span = (str(end - WINDOWS * 7 * DAY), str(end))
    with emulator.running() as url:
        command = [sys.executable, "-c", PROGRAM, url, emulator.demo_user, str(tmp_path), *span]
        killed = subprocess.Popen(command)
        while emulator.counts.sent < AT_ONCE + 3:
            time.sleep(0.01)
        killed.kill()
        killed.wait()
        assert not (tmp_path / "a.csv").exists()
        said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert said == ["True\n", "False\n"]
    assert WINDOWS <= emulator.counts.sent <= WINDOWS + AT_ONCE
    assert (tmp_path / "a.csv").read_text().count("\n") == WINDOWS * 7 * 96 + 1
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*.tmp"))
