"""The schema of the state file, as numbered migrations from an empty file to the newest version."""

from __future__ import annotations

import secrets
import sqlite3
import zlib
from datetime import UTC, date, datetime, time
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from enlighten_async.errors import InputError

APPLICATION_ID = 0x454E4C41
"""Marks a database as a state file, in its header: "ENLA"."""

DEVICE_LAG_S = 3600
"""Seconds from the first of a system's devices that reports an interval to the last, by that time's rule."""

DAY_S = 86_400

HORIZON_S = 3 * DAY_S
"""Seconds after which an answer that tells of the last energy is final, by that time's rule."""

UNTOLD_HORIZON_S = 30 * DAY_S
"""Seconds after which an answer is final that does not tell of the last energy, by that time's rule."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        "CREATE TABLE quota (key BLOB PRIMARY KEY, counts TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        # The cache: series, their spans, and replies that are no series.
        """
        CREATE TABLE series (
            id INTEGER PRIMARY KEY,
            account BLOB NOT NULL,
            endpoint TEXT NOT NULL,
            system_id INTEGER NOT NULL,
            device TEXT NOT NULL,
            UNIQUE (account, endpoint, system_id, device)
        )
        """,
        # The body comes last: SQLite reads the columns before it without it.
        """
        CREATE TABLE stretches (
            series INTEGER NOT NULL,
            start INTEGER NOT NULL,
            stop INTEGER NOT NULL,
            fetched REAL NOT NULL,
            reported REAL,
            started REAL,
            empty TEXT,
            body BLOB NOT NULL,
            PRIMARY KEY (series, start)
        )
        """,
        """
        CREATE TABLE replies (
            account BLOB NOT NULL,
            endpoint TEXT NOT NULL,
            asked TEXT NOT NULL,
            fetched REAL NOT NULL,
            final INTEGER NOT NULL,
            status INTEGER NOT NULL,
            content_type TEXT NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (account, endpoint, asked)
        )
        """,
    ),
    (
        # What is final: held against the earlier of the last report and the last energy, by what the parts
        # themselves tell. `since`: the first answer in a row that told of no less. `started`: no longer the
        # day of operation, but when data begins by the service's word.
        "ALTER TABLE stretches RENAME TO stretches_by_last_report",
        """
        CREATE TABLE stretches (
            series INTEGER NOT NULL,
            start INTEGER NOT NULL,
            stop INTEGER NOT NULL,
            fetched REAL NOT NULL,
            reported REAL,
            started REAL,
            empty TEXT,
            since REAL,
            body BLOB NOT NULL,
            PRIMARY KEY (series, start)
        )
        """,
        """
        INSERT INTO stretches
        SELECT series, start, stop, oldest_answer(body, fetched), told_until(body, fetched, stop),
            NULL, empty, NULL, body
        FROM stretches_by_last_report
        """,
        "DROP TABLE stretches_by_last_report",
        "ALTER TABLE replies ADD COLUMN since REAL",
    ),
    (
        # The same of replies: what an older rule has called final is held against this one.
        "UPDATE replies SET final = 0 WHERE final AND NOT is_final_reply(asked, fetched, body)",
    ),
    (
        # The tokens of accounts, by the account's name in UTF-8: a JSON object, as `Tokens.reveal` has it.
        "CREATE TABLE tokens (account BLOB PRIMARY KEY, tokens TEXT NOT NULL)",
    ),
)
"""The statements of each step. A released step is never changed: new ones are appended.

They may call `oldest_answer`, `told_until` and `is_final_reply`, which read a body as it was written at that
time.
"""


class DatabaseCorrupt(Exception):
    """The content of the file is not valid: the file is renamed aside."""


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring an open file to the newest schema, in one transaction; a new file gets its salt.

    Raises:
        InputError: the file was made by a newer version of this package, or by another program.
    """
    if _pending_steps(connection, name):
        connection.create_function("oldest_answer", 2, oldest_answer)
        connection.create_function("told_until", 3, told_until)
        connection.create_function("is_final_reply", 3, is_final_reply)
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Read again: another process may have done it meanwhile.
            for number in _steps(connection, name):
                for statement in MIGRATIONS[number]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('salt', ?)", (secrets.token_bytes(32),))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def oldest_answer(body: bytes, fetched: float) -> float:
    """Return the time (epoch seconds) of the oldest of the answers that a part was joined from."""
    as_of = _moments(body)[0]
    return fetched if as_of is None else min(fetched, as_of)


def told_until(body: bytes, fetched: float, stop: int) -> float | None:
    """Return up to when all devices had reported by what a part tells of the last report and energy.

    A part tells what the newest of its answers told: that makes nothing final that was fetched before.

    Args:
        body: the part as a blob.
        fetched: time of the newest answer, epoch seconds.
        stop: its end, epoch seconds.
    """
    as_of, report, energy = _moments(body)
    told = min((at for at in (report, energy) if at is not None), default=None)
    if told is None or (energy is None and told >= fetched - UNTOLD_HORIZON_S):
        return None
    reported = told - DEVICE_LAG_S
    return reported if reported < stop or as_of is None or as_of > fetched - 1 else None


def is_final_reply(asked: str, fetched: float, body: bytes) -> bool:
    """Tell whether a reply about local days has every figure, and nothing could arrive for it any more.

    Args:
        asked: path and query of its request, which name its last day.
        fetched: time of the answer, epoch seconds.
        body: the reply as it is stored.
    """
    days = dict(parse_qsl(asked.partition("?")[2]))
    try:
        last = date.fromisoformat(days.get("end_date") or days.get("summary_date") or "")
        answer: Any = msgspec.json.decode(zlib.decompress(body))
        state = answer.get("meta") or answer
        report, energy = (_epoch(state.get(name)) for name in ("last_report_at", "last_energy_at"))
    except (zlib.error, msgspec.MsgspecError, ValueError, TypeError, AttributeError):
        return False
    whole = not any(isinstance(value, list) and None in value for value in answer.values())
    told = min((at for at in (report, energy) if at is not None), default=None)
    if told is None or (energy is None and told >= fetched - UNTOLD_HORIZON_S):
        told = fetched - UNTOLD_HORIZON_S
    over = datetime.combine(last, time(), UTC).timestamp() + 1.5 * DAY_S  # in every time zone
    return whole and over <= min(told, fetched - HORIZON_S)


def _epoch(moment: object) -> float | None:
    """Return a moment of an answer, epoch seconds or ISO 8601, as epoch seconds."""
    if isinstance(moment, str):
        return datetime.fromisoformat(moment).timestamp()
    return float(moment) if isinstance(moment, int | float) and moment > 0 else None


@lru_cache(maxsize=1)  # both functions read the same body, one after the other
def _moments(body: bytes) -> tuple[float | None, ...]:
    """Return the times (epoch seconds) of a part: of its oldest answer, the last report and last energy."""
    try:
        part: Any = msgspec.msgpack.decode(zlib.decompress(body[1:]))["part"]
        meta = part["meta"] or {}
        found = (part["coverage"]["as_of"], meta.get("last_report_at"), meta.get("last_energy_at"))
        return tuple(None if at is None else at / 1e6 for at in found)
    except (zlib.error, msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError):
        return (None, None, None)


def salt(connection: sqlite3.Connection) -> bytes:
    """Return the file's own random bytes, under which names of keys and scopes are hashed in it.

    Raises:
        DatabaseCorrupt: they are no bytes, or more than a key may have.
    """
    found = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()
    value: object = found[0] if found else b""
    if not isinstance(value, bytes) or len(value) > blake2b.MAX_KEY_SIZE:
        raise DatabaseCorrupt("a salt that is none")
    return value


def schema_version(connection: sqlite3.Connection, name: str) -> int:
    """Return the number of migrations an open file has had; 0 for an empty file.

    Raises:
        InputError: the file was made by a newer version of this package, or by another program.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    if mark != APPLICATION_ID:
        if version or connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise InputError(f"{name} is a database of another program: name another file for the state")
        return 0
    if version > len(MIGRATIONS):
        raise InputError(
            f"{name} was made by a newer version of enlighten_async (its schema version is {version}, this "
            f"version knows {len(MIGRATIONS)}): update, or name another file"
        )
    return version


def _pending_steps(connection: sqlite3.Connection, name: str) -> range:
    """Return the steps that the file still needs, as of one moment: another process may be migrating it."""
    connection.execute("BEGIN")
    try:
        return _steps(connection, name)
    finally:
        connection.execute("ROLLBACK")


def _steps(connection: sqlite3.Connection, name: str) -> range:
    """Return the steps that the file still needs."""
    return range(schema_version(connection, name), len(MIGRATIONS))
