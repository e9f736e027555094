"""The schema of the state file, as numbered migrations from an empty file to the newest version."""

from __future__ import annotations

import secrets
import sqlite3

from enlighten_async.errors import InputError

APPLICATION_ID = 0x454E4C41
"""Marks a database as a state file, in its header: "ENLA"."""

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
)
"""The statements of each step. A released step is never changed: new ones are appended."""


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring an open file to the newest schema, in one transaction; a new file gets its salt.

    Raises:
        InputError: the file was made by a newer version of this package, or by another program.
    """
    if _pending_steps(connection, name):
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


def salt(connection: sqlite3.Connection) -> bytes:
    """Return the file's own random bytes, under which names of keys and scopes are hashed in it."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()
    return bytes(found[0]) if found else b""


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
