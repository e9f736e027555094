"""Tokens of many accounts in the state file, and which file a path is taken for."""

# ruff: noqa: ASYNC240, D103  (files are small; names of tests are sentences)

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
import traceback
from collections import namedtuple
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from enlighten_async import EnlightenClient
from enlighten_async.cache import prune, stats, verify
from enlighten_async.errors import InputError, UsageError
from enlighten_async.oauth import FileTokenStore, OAuth, PostgresTokenStore, StateTokenStore, Tokens
from enlighten_async.oauth.token_files import ROOM_BYTES, store_at
from enlighten_async.state import StateFile, state_file
from enlighten_async.testing import FakeClock
from tests.oauth.accounts import KEY, renewed, stored
from tests.oauth.authority import CLIENT_ID, CODE, DAY, fake
from tests.state.test_servers import everything

ROOT = Path(__file__).parents[2]

Usage = namedtuple("Usage", ["total", "used", "free"])  # noqa: PYI024 - as shutil has it


def made(name: str = "a", *, bytes_: int = 0) -> Tokens:
    return Tokens(f"{name}-CANARY{'x' * bytes_}", f"{name}-refresh-CANARY", 1000.0, 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def holding(folder: Path, text: bytes) -> list[str]:
    """Return the names of the files that hold a text."""
    return sorted(file.name for file in folder.iterdir() if file.is_file() and text in file.read_bytes())


# Which file a path is taken for


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("tokens.json", None, FileTokenStore),
        ("tokens", None, FileTokenStore),
        ("state.db", None, StateTokenStore),
        ("state.DB", None, StateTokenStore),
        ("state.sqlite", b"", StateTokenStore),
        ("state.sqlite3", None, StateTokenStore),
        ("tokens.db", b'{"accounts": {}}', FileTokenStore),
        ("tokens.json", "a database", StateTokenStore),
        ("tokens", "a database", StateTokenStore),
        ("tokens.db", b"something else", FileTokenStore),  # which says what is wrong with it
    ],
)
def test_a_file_tells_what_it_is_and_else_its_name(
    tmp_path: Path, name: str, content: bytes | str | None, kind: type
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        StateFile(path).transact(lambda _: None)
    assert type(store_at(path)) is kind
    oauth = OAuth("id", "secret", tokens=path)
    assert type(oauth._store) is kind


@pytest.mark.parametrize("url", ["redis://:CANARY@db/0", "mysql://me:CANARY@db/solar"])
def test_a_url_of_no_database_for_tokens_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError, match="at no other") as caught:
        OAuth("id", "secret", tokens=url)
    assert "CANARY" not in "".join(traceback.format_exception(caught.value)) + everything(caught.value)


def test_a_url_of_postgresql_is_taken_and_its_password_is_shown_nowhere() -> None:
    pytest.importorskip("asyncpg", reason="an extra is not installed")
    oauth = OAuth("id", "secret", tokens="postgresql://me:CANARY@127.0.0.1:1/solar")
    assert repr(oauth._store) == "PostgresTokenStore('postgresql://127.0.0.1:1/solar')"
    with pytest.raises(UsageError, match="cannot be read or saved") as caught:
        anyio.run(oauth.tokens, "anna")
    shown = repr((vars(oauth), vars(oauth._store))) + "".join(traceback.format_exception(caught.value))
    assert "CANARY" not in shown + everything(caught.value)
    environ = {
        "ENLIGHTEN_CLIENT_ID": "id",
        "ENLIGHTEN_CLIENT_SECRET": "s",
        "ENLIGHTEN_TOKENS": "postgres://db",
    }
    assert type(OAuth.from_env(environ)._store) is PostgresTokenStore


def test_tokens_in_postgresql_are_refused_on_trio() -> None:
    pytest.importorskip("asyncpg", reason="an extra is not installed")
    store = PostgresTokenStore("postgresql://127.0.0.1:1/solar")
    for use in (partial(store.load, "anna"), partial(store.save, "anna", made())):
        with pytest.raises(InputError, match="asyncio only"):
            anyio.run(use, backend="trio")


@pytest.mark.parametrize("given", ["missing/state.db", "", "\0.db"])
def test_a_path_where_no_file_can_be_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(InputError):
        StateTokenStore(tmp_path / given if given else given)


async def test_a_database_of_another_program_is_left_as_it_is(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    store = store_at(path)
    with pytest.raises(InputError, match="another program"):
        await store.load("anna")
    with pytest.raises(InputError, match="another program"):
        await store.save("anna", made())
    assert path.read_bytes() == before


# The state file


async def test_a_client_and_its_tokens_share_one_file(path: Path) -> None:
    authority = fake()
    store = StateTokenStore(path, clock=authority.clock)
    await store.save("anna", stored(authority, age=2 * DAY))
    oauth = authority.oauth(store)
    async with EnlightenClient.v4("key", oauth=oauth, user_id="anna", state=path):
        assert await renewed(oauth.access("anna", KEY))
    assert (await StateTokenStore(path).load("anna")) == (await oauth.tokens("anna"))
    assert state_file(path) is store._file


@pytest.mark.parametrize("umask", [0o000, 0o077])
async def test_only_the_owner_can_read(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = StateTokenStore(path)
        async with store.lock("anna"):
            await store.save("anna", made())
            files = [file for file in path.parent.rglob("*") if file.is_file()]
            assert len(files) == 3  # the file, its journal, the lock
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
            assert stat.S_IMODE(path.with_name("state.db.locks").stat().st_mode) == 0o700
    finally:
        os.umask(before)
    assert not any("anna" in file.name for file in path.parent.rglob("*"))
    assert repr(store) == f"StateTokenStore({str(path)!r})"


async def test_no_file_holds_tokens_that_were_removed(path: Path) -> None:
    store = StateTokenStore(path)
    store._file.read(lambda connection: connection.execute("PRAGMA secure_delete = OFF").fetchone())
    for name in ("anna", "bert"):
        await store.save(name, made(name, bytes_=5_000))  # more than a page
    await store.save("anna", made("anna", bytes_=10))
    assert holding(path.parent, b"anna-CANARY")
    await store.remove("anna")
    assert holding(path.parent, b"anna-") == []
    await store.save("carl", made("carl"))
    assert holding(path.parent, b"-journal") == []
    assert set(await store.accounts()) == {"bert", "carl"}


async def test_inspection_and_pruning_keep_tokens_and_show_none(path: Path) -> None:
    store = StateTokenStore(path)
    await store.save("anna", made())
    assert verify(path).sound
    pruned = prune(path, now=1e12, max_size=0)
    assert "CANARY" not in f"{stats(path)!r} {verify(path)!r} {pruned!r}"
    assert await store.load("anna") == made()


async def test_a_row_that_cannot_be_read_is_no_login(path: Path, caplog: Any) -> None:
    store = StateTokenStore(path)
    await store.save("bert", made("b"))
    for text in ("{", '"CANARY"', "[" * 99_999, '{"access_token": "CANARY", "expires_at": "soon"}'):
        change = ("INSERT OR REPLACE INTO tokens VALUES (CAST('anna' AS BLOB), ?)", (text,))
        state_file(path).transact(lambda connection, change=change: connection.execute(*change))
        with caplog.at_level(logging.WARNING):
            assert await store.load("anna") is None
        assert set(await store.accounts()) == {"bert"}
    assert "the tokens of account anna cannot be read" in caplog.text
    assert "CANARY" not in caplog.text
    await store.save("anna", made())
    assert await store.load("anna") == made()


# What keeps tokens from being saved is told before one is spent


class Limited(StateFile):
    """A file that grows no more, or takes no writes."""

    pragma = "PRAGMA query_only = OFF"

    def _connected(self) -> sqlite3.Connection:
        connection = super()._connected()
        connection.execute(self.pragma)
        return connection


FULL, READ_ONLY = "PRAGMA max_page_count = 1", "PRAGMA query_only = ON"


@pytest.mark.parametrize("fault", ["no room", FULL, READ_ONLY])
async def test_a_full_disk_is_told_before_a_refresh_token_is_spent(
    path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = fake()
    store = StateTokenStore(path, clock=authority.clock)
    old = stored(authority, age=2 * DAY)
    await store.save("anna", old)
    await store.save("bert", stored(authority))
    limited = store._file = Limited(path)
    oauth = authority.oauth(store)
    with monkeypatch.context() as patched:
        if fault == "no room":
            free = Usage(1 << 30, 0, ROOM_BYTES - 1)
            patched.setattr("enlighten_async.state.file.shutil.disk_usage", lambda _: free)
        else:
            limited.pragma = fault
        with pytest.raises(UsageError, match="cannot be read or saved") as caught:
            await oauth.access("anna", KEY).refresh()
        assert authority.refreshes == 0
        assert await renewed(oauth.access("bert", KEY))  # a token that is good is served
    limited.pragma = "PRAGMA max_page_count = 9999"
    if fault == READ_ONLY:
        limited.pragma = "PRAGMA query_only = OFF"
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(line for line in frames.format() if __file__ not in line)
    assert old.access_token.reveal() not in shown
    assert await renewed(oauth.access("anna", KEY)) != old.access_token.reveal()
    assert authority.refreshes == 1


async def test_a_program_that_writes_for_long_is_said(path: Path) -> None:
    store = StateTokenStore(path, clock=FakeClock())
    await store.save("anna", made())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UsageError, match="other programs locked it for 10 s"):
        await store.save("anna", made("b"))
    other.execute("ROLLBACK")
    other.close()
    assert await store.load("anna") == made()


SAVING = """
import asyncio, sys
from enlighten_async import StateTokenStore, Tokens

async def main():
    store = StateTokenStore(sys.argv[1])
    for number in range(10_000):
        await store.save("anna", Tokens(f"{number}", f"{number}" * 800, 1000.0, number))
        print(number, flush=True)

asyncio.run(main())
"""


def killed_while_saving(path: Path, after: int) -> int:
    """Kill a process after so many saves; return the number of the last one that had returned."""
    command = [sys.executable, "-c", SAVING, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(after)]
        process.kill()
        return int([*told, *process.stdout][-1])


@pytest.mark.slow
@pytest.mark.parametrize("killed_after", [1, 2, 5, 13, 40])
async def test_a_kill_leaves_the_old_pair_or_the_new_one(path: Path, killed_after: int) -> None:
    await StateTokenStore(path).save("anna", Tokens("-1", "-1", 1000.0, -1))
    last = killed_while_saving(path, killed_after)
    found = await StateTokenStore(path).load("anna")
    assert found is not None
    number = int(found.obtained_at)
    assert number in {last, last + 1}
    assert found == Tokens(f"{number}", f"{number}" * 800, 1000.0, number)


# Tokens of another application


@pytest.mark.parametrize("name", ["tokens.json", "state.db"])
async def test_tokens_of_another_application_are_refused_at_once(tmp_path: Path, name: str) -> None:
    """Though they are good for the day; the owner's login replaces them."""
    authority = fake()
    store = store_at(tmp_path / name, authority.clock)
    await store.save("anna", evolve(stored(authority), client_id="another"))
    oauth = authority.oauth(store)
    with pytest.raises(InputError, match=f"client id 'another', not '{CLIENT_ID}'") as caught:
        await oauth.access("anna", KEY).refresh()
    assert caught.value.ends_query
    assert authority.forms == []
    await oauth.exchange("anna", CODE)
    assert await renewed(oauth.access("anna", KEY))


@pytest.mark.parametrize("name", ["tokens.json", "state.db"])
async def test_tokens_without_a_client_id_are_taken_and_completed(tmp_path: Path, name: str) -> None:
    """As older versions have saved them."""
    authority = fake()
    store = store_at(tmp_path / name, authority.clock)
    old = stored(authority)
    plain = {key: value for key, value in old.reveal().items() if key != "client_id"}
    await store.save("anna", Tokens.of(plain))
    access = authority.oauth(store).access("anna", KEY)
    assert await renewed(access) == old.access_token.reveal()
    authority.clock.advance(2 * DAY)
    await access.refresh()
    kept = await store.load("anna")
    assert kept is not None
    assert kept.client_id == CLIENT_ID
