"""What the state keeps: tokens of many accounts, up to when systems are held, and what a restart costs."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
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


def too_slow(took: dict[str, float]) -> bool:
    """Tell whether tokens take longer than they may."""
    renewal = took["state: renewal"] > max(MAX_RENEWAL_MS, BUSY * took["plain table: row written"])
    return renewal or took["state: load"] > max(MAX_LOAD_MS, BUSY * took["plain table: row read"])


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


# Tokens of many accounts


def pair(number: int) -> Tokens:
    """Return tokens as long as the service's."""
    return Tokens(f"{number}.{'a' * 900}", f"{number}.{'r' * 700}", 2e9, 1e9 + number, 2.1e9)


async def tokens(accounts: int, rounds: int) -> tuple[dict[str, float], str]:
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
    head = f"Tokens of {accounts:,} accounts, medians of {rounds} rounds ({few} of tokens.json):"
    return took, "\n".join([head, "", *table(jobs, took)])


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


async def held(systems: int, rounds: int) -> tuple[float, str]:
    """Ask up to when many systems are held, of whom three weeks are cached, and begin anew on that file.

    Returns:
        The seconds of the question, and the figures as Markdown.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, emulator = Path(folder, "enlighten.db"), Emulator()
        transport, now = emulator.transport(), int(time.time()) // 3600 * 3600

        def opened() -> EnlightenClient:
            return EnlightenClient("key", emulator.demo_user, state=path, transport=transport)

        async with opened() as client:
            await client.rgm_stats(emulator.demo_system, start_at=now - 86_400, end_at=now)
            cache_weeks(path, systems)
            begun = time.perf_counter()
            assert len(await client.held("rgm_stats")) == systems
            took = time.perf_counter() - begun

        async def restart(_: int) -> None:
            async with opened() as anew:
                answer = await anew.with_options(only_cached=True, max_age=3600).rgm_stats(
                    emulator.demo_system, start_at=now - 86_400, end_at=now
                )
                assert answer.receipt.sent == 0

        async def few(_: int) -> None:
            async with opened() as anew:
                assert len(await anew.held("rgm_stats", range(10**9 + 1, 10**9 + 11))) == 10

        async def read(_: int) -> None:
            with closing(sqlite3.connect(path)) as other:
                other.execute("SELECT body FROM stretches WHERE series = 1").fetchall()

        jobs = (
            Job(
                "plain sqlite3: open, one system's rows",
                read,
                "plain sqlite3: open, one system's rows",
                rounds,
            ),
            Job("restart: open, first answer", restart, "plain sqlite3: open, one system's rows", rounds),
            Job("restart: open, 10 systems held", few, "plain sqlite3: open, one system's rows", rounds),
        )
        text = table(jobs, await measured(jobs))
    head = f"`held` of {systems:,} systems: {took:.2f} s. A client that begins anew on that file, no request:"
    return took, "\n".join([head, "", *text])


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
