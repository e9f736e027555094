"""A state file with entries of every kind, and the look that another program has at it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import evolve

from enlighten_async.cache import SqliteCache
from enlighten_async.windows import DAY, Window
from tests.cache.parts import NOW, REPLY, SCOPE, SERIES, hours, response, stats_part

WEEK = 168
"""Hours of a week."""

EVER = Window(0, 1 << 32)
SPOIL = "UPDATE {table} SET body = {body} WHERE rowid = (SELECT min(rowid) FROM {table})"


def fill(cache: SqliteCache, weeks: int = 3) -> None:
    """Cache some weeks of a system and a day of another, for two users, and three replies."""
    for week in range(weeks):
        cache.put(SCOPE, SERIES, stats_part(hours(WEEK * week, WEEK * week + WEEK), reported=NOW), NOW)
    cache.put(SCOPE, evolve(SERIES, system_id=1), stats_part(hours(0, 24)), NOW)
    cache.put(b"another", evolve(SERIES, endpoint="rgm_stats"), stats_part(hours(1, 2)), NOW)
    cache.put_reply(SCOPE, REPLY, response(b"x" * 99, NOW - 31 * DAY))
    cache.put_reply(SCOPE, evolve(REPLY, asked="young"), response(date=NOW - 29 * DAY))
    cache.put_reply(SCOPE, evolve(REPLY, endpoint="summary"), response(date=NOW - 31 * DAY), final=True)
    cache.file.transact(lambda _: None)


def sql(path: Path, *statements: str) -> list[Any]:
    """Do something to the file, as another program; return what the last statement gives."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        return [file.execute(statement).fetchall() for statement in statements][-1]


async def cached(cache: SqliteCache) -> list[Window]:
    """Return the cached windows of the first system."""
    return [part.window for part in await cache.get(SCOPE, SERIES, EVER)]
