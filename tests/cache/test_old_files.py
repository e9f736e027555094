"""A state file as version 0.1.0 wrote it: it opens, and its data stays. Written by hand, field by field."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from contextlib import closing
from datetime import UTC, date, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import pytest
from attrs import evolve

from enlighten_async.cache import CachedPart, CachedSpan, stats, verify
from enlighten_async.models import Gap, Reason
from enlighten_async.state import StateFile
from enlighten_async.testing import FakeClock
from enlighten_async.windows import Window
from tests.cache.parts import (
    GRID,
    MONDAY,
    NOW,
    REPLY,
    SCOPE,
    SERIES,
    SYSTEM,
    hours,
    open_cache,
    response,
    stats_part,
)

SALT = bytes(range(32))
TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE quota (key BLOB PRIMARY KEY, counts TEXT NOT NULL) WITHOUT ROWID",
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
)
STARTED = MONDAY - 7 * 86_400
"""When the system went into operation, epoch seconds."""


def column(name: str, code: str, numbers: list[float]) -> list[Any]:
    """Return a column of a blob: of all numbers the first bytes, then the second ones, and so on."""
    raw = struct.pack(f"<{len(numbers)}{code}", *numbers)
    return [name, code, b"".join(raw[place::8] for place in range(8))]


def blob(
    window: Window,
    ends: list[int],
    *,
    reported: float | None,
    gaps: list[dict[str, Any]],
    as_of: float = NOW,
    **meta: float | None,
) -> bytes:
    """Return an answer for a window as a blob; `meta`: the last report, by default by now, and energy."""
    micro = 1_000_000
    moments = {name: None if at is None else int(at) * micro for name, at in meta.items()}
    range_ = {"start": window.start, "end": window.end}
    part = {
        "system_id": SYSTEM,
        "total_devices": 4,
        "meta": {
            "status": "normal",
            "last_report_at": int(NOW) * micro,
            "last_energy_at": int(NOW) * micro,
            "operational_at": STARTED * micro,
            **moments,
        },
        "window": range_,
        "timezone": None,
        "intervals": [
            column("end_at", "q", ends),
            column("devices_reporting", "d", [4.0] * len(ends)),
            column("powr", "d", [2.0] * len(ends)),
            column("enwh", "d", [0.5] * len(ends)),
        ],
        "coverage": {
            "window": range_,
            "grid": GRID,
            "holes": gaps,
            "as_of": int(as_of) * micro,
            "reported_until": None if reported is None else int(reported) * micro,
            "notes": [],
        },
    }
    return b"\x01" + zlib.compress(msgspec.msgpack.encode({"model": "Stats", "part": part}), 1)


FULL, EMPTY = hours(0, 1), hours(2, 3)
FULL_BLOB = blob(FULL, list(range(FULL.start + GRID, FULL.end + 1, GRID)), reported=NOW, gaps=[])
EMPTY_BLOB = blob(
    EMPTY,
    [],
    reported=None,
    gaps=[{"window": {"start": EMPTY.start, "end": EMPTY.end}, "reason": "no_row"}],
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of two spans of a series, a reply, and the counts of a key."""
    path = tmp_path / "state.db"
    name = blake2b(SCOPE, key=SALT, digest_size=16, person=b"bought").digest()
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for statement in (*TABLES, "PRAGMA application_id = 1162759233", "PRAGMA user_version = 2"):
            file.execute(statement)
        file.execute("INSERT INTO meta VALUES ('salt', ?)", (SALT,))
        file.execute("INSERT INTO quota VALUES (x'01', '{\"counts\": 1}')")
        file.execute("INSERT INTO series VALUES (1, ?, 'stats', ?, '')", (name, SYSTEM))
        add = "INSERT INTO stretches VALUES (1, ?, ?, ?, ?, ?, ?, ?)"
        file.execute(add, (FULL.start, FULL.end, NOW, NOW - 3600, STARTED, None, FULL_BLOB))
        file.execute(add, (EMPTY.start, EMPTY.end, NOW, None, STARTED, "no_row", EMPTY_BLOB))
        reply = name, REPLY.endpoint, REPLY.asked, NOW, 0, 200, "application/json", zlib.compress(b"{}", 1)
        file.execute("INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)", reply)
    return path


async def test_its_data_is_served(path: Path) -> None:
    """Spans, parts, coverage and replies."""
    cache = open_cache(path, FakeClock(NOW))
    full = CachedSpan(FULL, NOW, NOW - 3600)
    empty = CachedSpan(EMPTY, NOW, NOW - 3600, empty_reason=Reason.NO_ROW)
    assert await cache.spans(SCOPE, SERIES) == (full, empty)
    found = await cache.get(SCOPE, SERIES, hours(0, 9))
    part = stats_part(FULL, 2.0, reported=NOW - LAG)
    assert part.meta is not None
    assert found[0] == CachedPart(
        full, evolve(part, meta=evolve(part.meta, last_energy_at=part.meta.last_report_at))
    )
    assert (found[1].span, len(found[1].part.intervals)) == (empty, 0)
    assert found[1].part.coverage.gaps() == (Gap(EMPTY, Reason.NO_ROW),)
    assert await cache.reply(SCOPE, REPLY) == response()
    cache.file.release()


async def test_it_goes_on_being_used(path: Path) -> None:
    """New answers lie over the old ones, and its counts stay."""
    cache = open_cache(path, FakeClock(NOW))
    cache.put(SCOPE, SERIES, stats_part(hours(2, 4)), NOW + 1)
    assert [span.window for span in await cache.spans(SCOPE, SERIES)] == [FULL, hours(2, 4)]
    counts = cache.file.read(lambda connection: connection.execute("SELECT * FROM quota").fetchall())
    assert counts == [(b"\x01", '{"counts": 1}')]
    cache.file.release()
    found = stats(path)
    assert (found.keys, found.scopes, found.series[0].entries, found.replies[0].entries) == (1, 1, 2, 1)
    assert verify(path).sound


def test_it_is_inspected_as_it_is(path: Path) -> None:
    """Without being changed."""
    before = path.read_bytes()
    found = stats(path)
    assert (found.schema_version, found.series[0].entries, found.replies[0].entries) == (2, 2, 1)
    assert verify(path).sound
    assert path.read_bytes() == before


LAG = 3600
DAY_END = FULL.end + LAG
"""What had to be reported for all devices to have reported the hour."""


@pytest.mark.parametrize(
    ("meta", "as_of", "fetched", "told"),
    [
        ({}, NOW, NOW, NOW - LAG),
        ({"last_energy_at": None}, NOW, NOW, None),  # reports alone tell nothing of a backlog
        ({"last_energy_at": None, "last_report_at": FULL.end}, NOW, NOW, FULL.end - LAG),
        ({"last_energy_at": NOW - 900}, NOW, NOW, NOW - 900 - LAG),
        ({"last_energy_at": FULL.start - 5}, NOW, NOW, FULL.start - 5 - LAG),  # a backlog was being uploaded
        ({"last_report_at": None, "last_energy_at": DAY_END}, NOW, NOW, FULL.end),
        ({"last_report_at": None, "last_energy_at": None}, NOW, NOW, None),
        # joined from several answers: the oldest of them counts, and what the newest told is not its own
        ({}, NOW - 9 * LAG, NOW - 9 * LAG, None),
        ({"last_energy_at": FULL.start}, NOW - 9 * LAG, NOW - 9 * LAG, FULL.start - LAG),
    ],
)
async def test_what_was_final_is_judged_anew(
    path: Path, meta: dict[str, float | None], as_of: float, fetched: float, told: float | None
) -> None:
    """By what the answer itself told, whatever was noted of it; its data stays."""
    body = blob(FULL, [], reported=NOW, gaps=[], as_of=as_of, **meta)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE stretches SET body = ? WHERE start = ?", (body, FULL.start))
    cache = open_cache(path, FakeClock(NOW))
    (span, _) = await cache.spans(SCOPE, SERIES)
    assert span == CachedSpan(FULL, fetched, told)
    (part,) = await cache.get(SCOPE, SERIES, FULL)
    assert part.span == span
    cache.file.release()


@pytest.mark.parametrize("body", [b"", b"junk", FULL_BLOB[:-9], b"\x01" + zlib.compress(b"\x90", 1)])
async def test_what_cannot_be_read_is_no_hindrance(path: Path, body: bytes) -> None:
    """It is not final, and the rest of the file is used."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("UPDATE stretches SET body = ? WHERE start = ?", (body, FULL.start))
    cache = open_cache(path, FakeClock(NOW))
    assert [span.reported_until for span in await cache.spans(SCOPE, SERIES)] == [None, NOW - LAG]
    assert await cache.get(SCOPE, SERIES, FULL) == ()
    cache.file.release()


DAY = 86_400
LAST = date(2025, 2, 1)
OVER = datetime(2025, 2, 2, 12, tzinfo=UTC).timestamp()
"""A last day, and the moment at which it is over everywhere."""


@pytest.mark.parametrize("schema", [2, 3])
@pytest.mark.parametrize(
    ("asked", "fetched", "answer", "final"),
    [
        ("end_date", OVER + 3 * DAY, {"meta": {"last_report_at": OVER, "last_energy_at": OVER}}, True),
        ("summary_date", OVER + 3 * DAY, {"last_report_at": OVER, "last_energy_at": OVER}, True),
        ("end_date", OVER + 3 * DAY, {"meta": {"last_report_at": OVER, "last_energy_at": OVER - 1}}, False),
        ("end_date", OVER + 3 * DAY, {"meta": {"last_report_at": OVER - 1, "last_energy_at": OVER}}, False),
        ("end_date", OVER + 3 * DAY - 1, {"meta": {"last_energy_at": OVER}}, False),
        ("end_date", OVER + 3 * DAY, {"meta": {"last_energy_at": "2025-02-02T12:00:00Z"}}, True),
        ("end_date", OVER + 29 * DAY, {"meta": {"last_report_at": OVER + 29 * DAY}}, False),
        ("end_date", OVER + 30 * DAY, {"meta": {"last_report_at": OVER + 30 * DAY}}, True),
        ("end_date", OVER + 30 * DAY, {}, True),
        ("end_date", OVER + 30 * DAY, {"production": [1, None]}, False),
        ("end_date", OVER + 30 * DAY, [], False),
        ("start_date", OVER + 30 * DAY, {}, False),
    ],
)
async def test_a_lifetime_that_was_final_is_judged_anew(
    path: Path, schema: int, asked: str, fetched: float, answer: Any, final: bool
) -> None:
    """By the last energy and its figures: what may change is evicted some day as any other reply."""
    body, question = zlib.compress(msgspec.json.encode(answer), 1), f"/systems/7/x?{asked}={LAST}"
    row = b"name", "energy_lifetime", question, fetched, 1, 200, "application/json", body
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        if schema == 3:
            StateFile(path, durable=False).read(nothing)
            file.execute("DROP TABLE tokens")
            file.execute("PRAGMA user_version = 3")
        file.execute(
            """
            INSERT INTO replies (account, endpoint, asked, fetched, final, status, content_type, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            row,
        )
    query = "SELECT final FROM replies WHERE endpoint = 'energy_lifetime'"
    found = StateFile(path, durable=False).read(lambda connection: connection.execute(query).fetchall())
    assert found == [(int(final),)]


def nothing(_: sqlite3.Connection) -> None:
    """Do nothing."""
