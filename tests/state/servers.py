"""Servers for shared state, started, killed and stopped by tests: Redis, Valkey and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import pytest

START_TIMEOUT_S = 30.0


FIXED_PORTS = range(20_000, 32_000)
"""Ports that systems give to no connection by themselves: a client that looks again and again for a server
that has crashed would else get the port some time, and be connected to itself."""


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    for port in random.sample(FIXED_PORTS, 50):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no port is free")


class RedisServer:
    """A Redis or Valkey server.

    Args:
        folder: a folder of its own.
        program: `redis-server` or `valkey-server`.
        durable: whether it appends to a file.
        more: more options.
    """

    def __init__(
        self,
        folder: Path,
        program: str = "redis-server",
        *,
        durable: bool = False,
        more: Sequence[str] = (),
    ) -> None:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
        self._folder, self._program, self._durable, self._more = folder, program, durable, more
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Start it; without a file to append to it begins empty."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        options += ["--appendonly", "yes" if self._durable else "no"]
        self._process = subprocess.Popen([self._program, *options, *self._more], stdout=subprocess.DEVNULL)
        assert _listens(self._port, self._process)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def empty(self) -> None:
        """Let it forget everything."""
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(100) == b"+OK\r\n"

    def execute(self, *command: str) -> Any:
        """Execute a command; return the answer."""
        from redis import Redis  # noqa: PLC0415 - installed where there is a server

        with Redis.from_url(self.url) as server:
            return server.execute_command(*command)

    def set_version(self, number: int) -> None:
        """Let the schema have this number."""
        self.execute("SET", "{enlighten_async}:version", str(number))

    def texts(self) -> list[str]:
        """Return the texts of the state."""
        from redis import Redis  # noqa: PLC0415 - installed where there is a server

        with Redis.from_url(self.url, decode_responses=True) as server:
            names = [name for name in server.keys("{enlighten_async}:1:*") if not name.endswith(":salt")]
            return [server.get(name).partition(":")[2] for name in names]

    def stand_still(self) -> None:
        """Let it answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGCONT)
        self.kill()


TABLES = [
    f"enlighten_{name}"
    for name in ("meta", "texts", "series", "stretches", "replies", "tokens", "leases", "workers")
]
"""The tables in PostgreSQL."""


class PostgresServer:
    """A PostgreSQL server with one database, that trusts whoever connects.

    Args:
        folder: a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
        initdb = str(found[0]) if found else shutil.which("initdb")
        if initdb is None:
            pytest.skip("PostgreSQL is not installed")
        self._bin = Path(initdb).parent
        # A server refuses to run as root: it runs as the user of Debian's package then.
        self._as = (
            () if os.getuid() else ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        )
        if self._as:  # each run of pytest closes the folders of all runs to other users
            folder = Path(tempfile.mkdtemp(prefix="enlighten-postgres-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            shutil.chown(folder, "postgres", "postgres")
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        self._port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"
        if self._as:
            shutil.chown(self._data, "postgres", "postgres")
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", str(self._data))
        self.start()

    def _run(self, program: str, *options: str) -> None:
        command = [*self._as, str(self._bin / program), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._data)

    def start(self) -> None:
        """Start it."""
        options = ["-D", str(self._data), "-p", str(self._port), "-h", "127.0.0.1", "-k", ""]
        command = [*self._as, str(self._bin / "postgres"), *options]
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:  # what is left of the server that crashed may be in the way
            with (self._data / "server.log").open("ab") as log:
                self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._data)
            if _listens(self._port, self._process) and self._answers():
                return
        told = (self._data / "server.log").read_text()[-1000:]
        raise TimeoutError(f"PostgreSQL does not start: {told}")

    def _answers(self) -> bool:
        """Wait until it lets users in; tell whether it does, and has not ended."""
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while self._process.poll() is None:
            if subprocess.run(ready, check=False).returncode == 0:
                return True
            time.sleep(0.05)
        return False

    def kill(self) -> None:
        """Let it crash."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def restart(self) -> None:
        """Let it crash, and start it again: it keeps what was committed."""
        self.kill()
        self.start()

    def empty(self) -> None:
        """Drop the tables."""
        self.executed(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")

    def set_version(self, number: int) -> None:
        """Let the schema have this number."""
        statement = f"UPDATE enlighten_meta SET value = '{number}' WHERE name = 'version'"  # noqa: S608
        self.executed(statement)

    def texts(self) -> list[str]:
        """Return the texts of the state."""
        return [text for (text,) in self.executed("SELECT text FROM enlighten_texts")]

    def executed(self, statement: str) -> list[Any]:
        """Execute a statement, also where an event loop runs, which is held up; return its rows."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self.execute(statement)).result()

    async def execute(self, statement: str) -> list[Any]:
        """Execute a statement; return its rows."""
        import asyncpg  # noqa: PLC0415 - installed where there is a server

        writes = {"default_transaction_read_only": "off"}
        connection = await asyncpg.connect(self.url, server_settings=writes)
        found = await connection.fetch(statement)
        await connection.close()
        return [tuple(row) for row in found]

    def stand_still(self) -> None:
        """Let it answer nothing, nor any of its processes."""
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [self._process.pid, *map(int, children.split())]

    def stop(self) -> None:
        """End it."""
        self.go_on()
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()


Server: TypeAlias = RedisServer | PostgresServer

SERVERS: Mapping[str, Callable[[Path], Server]] = MappingProxyType(
    {
        "redis": RedisServer,
        "redis-aof": partial(RedisServer, durable=True),
        "valkey": partial(RedisServer, program="valkey-server"),
        "postgres": PostgresServer,
    }
)
"""Makers of servers, by name."""


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until a server listens; tell whether it does, and has not ended."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
