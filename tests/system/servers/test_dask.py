"""A backfill on a cluster of Dask, whose workers and scheduler are killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from enlighten_async import InputError
from enlighten_async.fleet.dask import run
from enlighten_async.windows import as_datetime
from tests.state.servers import PostgresServer, free_port
from tests.system.servers.dask_connect import connect
from tests.system.servers.test_server_leases import Herd

pytestmark = [pytest.mark.dask, pytest.mark.timeout(600)]

SYSTEMS, WEEKS = 24, 8
AT_ONCE = 2 * 4
"""Shards that the workers have under way at a time, each with one request."""
KILLED, STANDSTILL_S = 3, 10.0


class Cluster:
    """A scheduler and two workers, as processes."""

    def __init__(self, folder: Path, options: dict[str, object]) -> None:
        self._folder, self.port = folder, free_port()
        self._environment = {**os.environ, "FLEET": json.dumps(options)}
        self.scheduler = self._scheduler()
        self.workers = [self.worker(), self.worker()]

    def _started(self, *command: str) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-m", "distributed.cli." + command[0], *command[1:])
        with (self._folder / "cluster.log").open("ab") as log:
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def _scheduler(self) -> subprocess.Popen[bytes]:
        where = ("--host", "127.0.0.1", "--port", str(self.port))
        return self._started("dask_scheduler", *where, "--no-dashboard")

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        where = (
            f"tcp://127.0.0.1:{self.port}",
            "--host",
            "127.0.0.1",
            "--local-directory",
            str(self._folder),
        )
        return self._started("dask_worker", *where, "--nthreads", "4", "--no-nanny", "--no-dashboard")

    def kill_worker(self) -> None:
        """Kill a worker, and start another one."""
        self.workers[0].kill()
        self.workers[0].wait()
        self.workers = [self.workers[1], self.worker()]

    def kill_workers(self) -> None:
        """Kill one worker after another: with each go results that nobody has fetched yet."""
        for _ in range(KILLED):
            self.kill_worker()
            time.sleep(2)

    def stop_worker(self) -> None:
        """Let a worker stand still for a while, with what it has on its way."""
        self.workers[0].send_signal(signal.SIGSTOP)
        time.sleep(STANDSTILL_S)
        self.workers[0].send_signal(signal.SIGCONT)

    def kill_all(self) -> None:
        """Kill everything."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def kill_scheduler(self) -> None:
        """Kill the scheduler with its workers, and start all again."""
        self.kill_all()
        self.scheduler = self._scheduler()
        self.workers = [self.worker(), self.worker()]


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, as Dask does."""
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Start a server."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("event", [None, "kill_worker", "kill_workers", "stop_worker", "kill_scheduler"])
async def test_a_backfill(server: PostgresServer, tmp_path: Path, event: str | None) -> None:
    """Whatever is killed, it ends, and nothing is bought twice but what was in flight."""
    from distributed import Client  # noqa: PLC0415 - installed where there is a cluster

    server.empty()
    server.executed("DROP TABLE IF EXISTS rgm_stats, enlighten_cursors")
    herd = Herd(server, SYSTEMS, WEEKS, (0.1, 0.2), 3.0)
    start, end = as_datetime(herd.begin), as_datetime(herd.begin + (WEEKS * 7 - 14) * 86_400)
    with herd.emulator.running(version="v2") as herd.options["url"]:
        cluster = Cluster(tmp_path, herd.options)
        try:
            address = f"tcp://127.0.0.1:{cluster.port}"
            async with Client(address, asynchronous=True, timeout=60) as client:
                await client.wait_for_workers(2)
                work = asyncio.ensure_future(
                    run(client, connect, "rgm_stats", herd.systems, start=start, end=end)
                )
                while event is not None and herd.sent < SYSTEMS * WEEKS // 4:  # noqa: ASYNC110 - of another thread
                    await asyncio.sleep(0.05)
                if event is not None:
                    await asyncio.to_thread(getattr(cluster, event))
                receipt = await work
        finally:
            cluster.kill_all()
        print(f"{event}: {herd.sent} sent, {herd.twice} of them twice, {receipt.sent} told")  # noqa: T201
        assert herd.differing() == []
        assert min(herd.cursors().values()) == end.timestamp()
        kills = {None: 0, "kill_workers": KILLED}.get(event, 1)
        assert herd.twice <= kills * AT_ONCE


async def test_a_wrong_call_is_told() -> None:
    """Before anything is submitted."""

    class Cluster:
        asynchronous = False

    cluster: object = Cluster()
    moment = as_datetime(0.0)
    with pytest.raises(InputError, match="asynchronous=True"):
        await run(cluster, connect, "rgm_stats", [1], start=moment, end=moment)
    Cluster.asynchronous = True
    with pytest.raises(InputError, match="start must be before end"):
        await run(cluster, connect, "rgm_stats", [1], start=moment, end=moment)
