"""Measure the state that processes share: `python -m benchmarks.state [--smoke]`.

Each section prints milliseconds of this machine, and ratios to something plain, done in turns with it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from attrs import frozen

from enlighten_async import EnlightenClient, FileTokenStore, StateTokenStore, Tokens
from enlighten_async.emulator import Emulator

WEEK = 604_800

ACCOUNTS, ROUNDS = 10_000, 200
SYSTEMS = 100_000
MAX_HELD_S = 1.0
"""Seconds that the question may take up to when all systems are held."""
MAX_RENEWAL_MS, MAX_LOAD_MS = 5.0, 1.0
"""Milliseconds that a renewal and a load of one of many accounts may take on a quiet machine."""
BUSY = 3.0
"""On a busy machine: how many times as long as the same of a plain table."""


@frozen
class Job:
    """Something that is done again and again.

    Attributes:
        name: its name.
        work: does it once; is given the number of the round.
        beside: name of the job that its time is divided by.
        rounds: how many times it is done.
    """

    name: str
    work: Callable[[int], Awaitable[object]]
    beside: str
    rounds: int = ROUNDS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all sections; return 1 if one takes longer than it may."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few rows, once; no bound on the time")
    options = parser.parse_args(arguments)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}\n")
    took = asyncio.run(tokens(50 if options.smoke else ACCOUNTS, 3 if options.smoke else ROUNDS))
    slow = took["state: renewal"] > max(MAX_RENEWAL_MS, BUSY * took["plain table: row written"])
    slow = slow or took["state: load"] > max(MAX_LOAD_MS, BUSY * took["plain table: row read"])
    seconds = asyncio.run(held(100 if options.smoke else SYSTEMS))
    slow = slow or seconds > MAX_HELD_S
    return int(slow and not options.smoke)


async def measured(jobs: Sequence[Job]) -> dict[str, float]:
    """Do the jobs in turns; return the median of each, milliseconds."""
    times: dict[str, list[float]] = {job.name: [] for job in jobs}
    for number in range(max(job.rounds for job in jobs)):
        for job in jobs:
            if number < job.rounds:
                begun = time.perf_counter()
                await job.work(number)
                times[job.name].append(1e3 * (time.perf_counter() - begun))
    return {name: median(each) for name, each in times.items()}


def table(jobs: Sequence[Job], took: dict[str, float]) -> Iterator[str]:
    """Return the figures as Markdown."""
    yield "| job | ms | ratio | beside |"
    yield "|---|---|---|---|"
    for job in jobs:
        ratio = took[job.name] / took[job.beside]
        yield f"| {job.name} | {took[job.name]:.2f} | {ratio:.2f} | {job.beside} |"
    yield ""


# Tokens of many accounts


def pair(number: int) -> Tokens:
    """Return tokens as long as the service's."""
    return Tokens(f"{number}.{'a' * 900}", f"{number}.{'r' * 700}", 2e9, 1e9 + number, 2.1e9)


async def tokens(accounts: int, rounds: int) -> dict[str, float]:
    """Load and renew one of many accounts: rows of the state file, a file of tokens, and a plain table.

    A renewal is what the client does but for the request: lock, load, save, unlock.
    """
    with tempfile.TemporaryDirectory() as folder:
        state, file = (
            StateTokenStore(Path(folder, "enlighten.db")),
            FileTokenStore(Path(folder, "tokens.json")),
        )
        plain = plain_table(Path(folder, "plain.db"))
        await state.save("0", pair(0))
        fill(plain, accounts)
        fill(connection := sqlite3.connect(state.path), accounts)
        connection.close()
        file.path.write_text(json.dumps({"accounts": {f"{n}": pair(n).reveal() for n in range(accounts)}}))
        file.path.chmod(0o600)

        async def renew(store: StateTokenStore | FileTokenStore, number: int) -> None:
            account = f"{number * 7919 % accounts}"
            async with store.lock(account):
                assert await store.load(account) is not None
                await store.save(account, pair(number))

        async def written(number: int) -> None:
            with plain:
                plain.execute("INSERT OR REPLACE INTO tokens VALUES (?, ?)", row(number, accounts, "new"))

        async def read(number: int) -> None:
            plain.execute("SELECT tokens FROM tokens WHERE account = ?", row(number, accounts)[:1]).fetchone()

        few = max(3, rounds // 20)
        jobs = (
            Job("plain table: row read", read, "plain table: row read", rounds),
            Job("plain table: row written", written, "plain table: row written", rounds),
            Job("state: load", lambda n: state.load(f"{n % accounts}"), "plain table: row read", rounds),
            Job("state: renewal", lambda n: renew(state, n), "plain table: row written", rounds),
            Job("tokens.json: load", lambda n: file.load(f"{n % accounts}"), "state: load", few),
            Job("tokens.json: renewal", lambda n: renew(file, n), "state: renewal", few),
        )
        took = await measured(jobs)
        plain.close()
    print(f"Tokens of {accounts:,} accounts, medians of {rounds} rounds ({few} of tokens.json):\n")
    print("\n".join(table(jobs, took)))
    return took


def plain_table(path: Path) -> sqlite3.Connection:
    """Return a database of one table as one would make it by hand, as durable as the state file."""
    made = sqlite3.connect(path)
    for text in ("PRAGMA journal_mode = PERSIST", "PRAGMA synchronous = FULL"):
        made.execute(text)
    made.execute("CREATE TABLE tokens (account BLOB PRIMARY KEY, tokens TEXT NOT NULL)")
    return made


def fill(connection: sqlite3.Connection, accounts: int) -> None:
    """Write the rows of all accounts at once."""
    with connection:
        rows = (row(number, accounts) for number in range(accounts))
        connection.executemany("INSERT OR REPLACE INTO tokens VALUES (?, ?)", rows)


def row(number: int, accounts: int, word: str = "") -> tuple[bytes, str]:
    """Return the row of an account; a word makes it another one than before, which SQLite would not write."""
    return f"{number % accounts}".encode(), json.dumps({**pair(number).reveal(), "word": word})


# Up to when each system is held


async def held(systems: int) -> float:
    """Ask up to when each of many systems is held, of whom three weeks are cached; return the seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path, emulator = Path(folder, "enlighten.db"), Emulator()
        transport = emulator.transport()
        async with EnlightenClient("key", emulator.demo_user, state=path, transport=transport) as client:
            await client.rgm_stats(emulator.demo_system)
            cache_weeks(path, systems)
            begun = time.perf_counter()
            found = await client.held("rgm_stats")
            took = time.perf_counter() - begun
            assert len(found) == systems
            begun = time.perf_counter()
            few = await client.held("rgm_stats", range(10**9 + 1, 10**9 + 11))
            took_few = time.perf_counter() - begun
            assert len(few) == 10
    print(f"`held` of {systems:,} systems: {took:.2f} s; of 10 of them: {1e3 * took_few:.1f} ms")
    return took


def cache_weeks(path: Path, systems: int) -> None:
    """Write three weeks of each system but the one that is there, of the same user."""
    connection = sqlite3.connect(path)
    with connection:
        (account,) = connection.execute("SELECT account FROM series").fetchone()
        keys = ((account, 10**9 + number) for number in range(1, systems))
        connection.executemany(
            "INSERT INTO series (account, endpoint, system_id, device) VALUES (?, 'rgm_stats', ?, '')", keys
        )
        rows = ((week * WEEK, (week + 1) * WEEK, os.urandom(700)) for week in range(3))
        for row in rows:
            connection.execute(
                "INSERT OR IGNORE INTO stretches SELECT id, ?, ?, 1e9, NULL, NULL, NULL, NULL, ? FROM series",
                row,
            )
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
