"""Rows and cursors in a DuckDB file, by the sink and by the command line."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import InputError
from enlighten_async.fleet import Change, DuckDBSink
from tests.fleet.sinks.changes import Key, Row, change, expected, stats_change
from tests.fleet.sinks.contract import SinkContract

pytestmark = pytest.mark.dataframes

pytest.importorskip("duckdb")


def read(path: Path) -> dict[Key, Row]:
    """Return the rows in a file."""
    import duckdb  # noqa: PLC0415 - optional

    held: dict[Key, Row] = {}
    if not path.exists() or path.stat().st_size < 3 * 4096:  # the disk was full when it was made
        return held
    with duckdb.connect(str(path), read_only=True) as database:
        there = {name for (name,) in database.sql("SHOW TABLES").fetchall()}
        for table in there & {"rgm_stats", "stats"}:
            found = database.sql(f"SELECT * REPLACE (epoch(end_at)::BIGINT AS end_at) FROM {table}")  # noqa: S608
            for values in found.fetchall():
                row: dict[str, Any] = dict(zip(found.columns, values, strict=True))
                key = table, *(row.pop(name) for name in ("system_id", "meter", "channel", "end_at"))
                assert key not in held
                held[key] = {name: value for name, value in row.items() if value is not None}
    return held


class TestDuckDBSink(SinkContract):
    """A file."""

    @property
    def path(self) -> Path:
        """Its path."""
        return self.folder / "solar.duckdb"

    @property
    def target(self) -> str:
        """Its name."""
        return f"duckdb:{self.path}"

    def held(self) -> dict[Key, Row]:
        """Return its rows."""
        return read(self.path)

    async def fail(self, changes: list[Change]) -> None:
        """The second table has no such columns."""
        import duckdb  # noqa: PLC0415 - optional

        with duckdb.connect(str(self.path)) as database:
            database.execute("CREATE TABLE stats (a INTEGER)")
        with pytest.raises(InputError, match="tables of other programs"):
            await self.sink().write([*changes, stats_change(1, 3)])
        with duckdb.connect(str(self.path)) as database:
            database.execute("DROP TABLE stats")


def test_others_read_between_two_writes(tmp_path: Path) -> None:
    """Another process may; while it does, nothing is written, and the error is one that passes."""
    path = tmp_path / "a.duckdb"
    sink = DuckDBSink(path)
    asyncio.run(sink.write([change(1, 0, 4)]))
    code = f"import duckdb; it = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "1\n"
        with pytest.raises(OSError, match="lock"):
            asyncio.run(sink.write([change(1, 4, 4)]))
        reader.communicate("\n")
    asyncio.run(sink.write([change(1, 4, 4)]))
    assert read(path) == expected([change(1, 0, 4), change(1, 4, 4)])


async def test_other_files_and_tables_are_left_alone(tmp_path: Path) -> None:
    """A file of another kind, a folder, a table of another shape: each is refused, and stays as it is."""
    import duckdb  # noqa: PLC0415 - optional

    (tmp_path / "text").write_text("not a database, and long enough to be one")
    with pytest.raises(InputError, match="no file of DuckDB"):
        await DuckDBSink(tmp_path / "text").write([change(1, 0, 4)])
    with pytest.raises(InputError, match="is a folder"):
        DuckDBSink(tmp_path)
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE rgm_stats (a INTEGER); CREATE TABLE mine AS SELECT 7 AS n")
    with pytest.raises(InputError, match="tables of other programs"):
        await DuckDBSink(path).write([change(1, 0, 4)])
    with duckdb.connect(str(path)) as database:
        assert database.sql("FROM mine").fetchall() == [(7,)]
        assert len(database.sql("SHOW TABLES").fetchall()) == 2
    assert await DuckDBSink(path).cursors("rgm_stats") == {}


ROOT = Path(__file__).parents[3]


def test_the_first_commands_of_the_guide(tmp_path: Path) -> None:
    """As a reader pastes them: the emulator, then a run into a file, and what is in it."""
    guide = (ROOT / "docs" / "fleet.md").read_text("utf-8")
    serve, follow = re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)[:2]
    (tmp_path / "enlighten").write_text(f'#!/bin/sh\nexec {sys.executable} -m enlighten_async "$@"\n')
    (tmp_path / "enlighten").chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    shell = partial(subprocess.Popen, env=environ, cwd=tmp_path, text=True, stdout=subprocess.PIPE)
    with shell(["sh", "-c", f"exec {serve}"], stderr=subprocess.DEVNULL) as emulator:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", 8700)):
                break
            time.sleep(0.1)
        with shell(["sh", "-ec", follow], stderr=subprocess.PIPE) as reader:
            out, err = reader.communicate(timeout=100)
        emulator.terminate()
    assert reader.returncode == 0, err
    assert "40 systems every 60 min" in err
    assert len(read(tmp_path / "solar.duckdb")) > 40 * 300
    assert "│" in out
