"""Tokens show only their times; stores keep them, apart by account; locks hold."""

# ruff: noqa: ASYNC240, D103  (files are small; names of tests are sentences)

from __future__ import annotations

import json
import logging
import os
import pickle
import stat
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import InputError, UsageError
from enlighten_async.oauth import FileTokenStore, MemoryTokenStore, StateTokenStore, Tokens, TokenStore
from enlighten_async.oauth.token_store import REFRESH_MARGIN_S, TOKEN_LOCK_TIMEOUT_S
from enlighten_async.testing import FakeClock
from tests.effort import examples

TIMES = st.floats(0, 1e11)
TOKENS = st.builds(
    Tokens,
    access_token=st.text(),
    refresh_token=st.none() | st.text(),
    expires_at=TIMES,
    obtained_at=TIMES,
    refresh_expires_at=st.none() | TIMES,
)


def made(**changes: Any) -> Tokens:
    given: dict[str, Any] = {"access_token": "a-CANARY", "refresh_token": "r-CANARY"}
    return Tokens(**{**given, "expires_at": 1000.0, "obtained_at": 0.0, **changes})


def test_only_times_are_shown() -> None:
    for text in (repr(made()), str(made()), f"{made()}"):
        assert "CANARY" not in text
        assert "1000.0" in text
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(made())


@given(TOKENS)
def test_revealed_tokens_are_the_same_again(tokens: Tokens) -> None:
    revealed = tokens.reveal()
    assert revealed["access_token"] == tokens.access_token.reveal()
    assert Tokens.of({**revealed, "unknown": 1}) == tokens


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_token", None),
        ("access_token", 5),
        ("refresh_token", 5),
        ("expires_at", None),
        ("expires_at", "1000"),
        ("expires_at", float("nan")),
        ("obtained_at", True),
        ("refresh_expires_at", "CANARY"),
    ],
)
def test_what_is_no_token_is_named_and_not_shown(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name) as caught:
        Tokens.of({**made().reveal(), name: value})
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(line for line in frames.format() if __file__ not in line)
    assert "CANARY" not in shown


@pytest.mark.parametrize(
    ("now", "good"),
    [(0.0, True), (1000 - REFRESH_MARGIN_S - 1, True), (1000 - REFRESH_MARGIN_S, False), (1001.0, False)],
)
def test_a_token_is_good_until_shortly_before_its_end(now: float, good: bool) -> None:
    assert made().good(now) is good


def test_a_short_life_is_used_by_half() -> None:
    short = made(expires_at=100.0)
    assert short.good(49.0)
    assert not short.good(50.0)


NAMES = st.text(min_size=1, max_size=300) | st.sampled_from(
    ["../x", "a/b", "\x00", "con", "é", "e\u0301", "\ud800"]
)
Make = Callable[[FakeClock], TokenStore]


@pytest.fixture(params=["file", "state", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return lambda clock: MemoryTokenStore(clock=clock)
    if request.param == "state":
        return lambda clock: StateTokenStore(tmp_path / "tokens.db", clock=clock)
    return lambda clock: FileTokenStore(tmp_path / "tokens.json", clock=clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_was_saved_is_loaded(make: Make) -> None:
    store = make(FakeClock())
    assert isinstance(store, TokenStore)
    assert await store.load("anna") is None
    await store.save("anna", made())
    await store.save("bert", made(access_token="b"))
    assert await store.load("anna") == made()
    await store.remove("anna")
    await store.remove("anna")
    assert await store.load("anna") is None
    assert await store.load("bert") == made(access_token="b")
    assert "CANARY" not in repr(store)


@examples(30)
@given(accounts=st.dictionaries(NAMES, TOKENS, max_size=5))
async def test_any_accounts_are_kept_apart(accounts: dict[str, Tokens]) -> None:
    with TemporaryDirectory() as folder:
        clock, path = FakeClock(), Path(folder) / "t"
        state = StateTokenStore(path.with_suffix(".db"), clock=clock)
        for store in (FileTokenStore(path, clock=clock), state, MemoryTokenStore()):
            for account, tokens in accounts.items():
                async with store.lock(account):
                    await store.save(account, tokens)
            for account, tokens in accounts.items():
                assert await store.load(account) == tokens
        assert await state.accounts() == accounts
        assert all(name == "t" or name.startswith("t.") for name in os.listdir(folder))  # noqa: PTH208


async def test_a_lock_is_one_for_each_account(make: Make) -> None:
    clock = FakeClock()
    store = make(clock)
    order: list[str] = []

    async def hold(account: str, seconds: float) -> None:
        async with store.lock(account):
            order.append(f"{account} in")
            await clock.sleep(seconds)
            await store.save(account, made())  # saving needs no turn of its own
            order.append(f"{account} out")

    async with anyio.create_task_group() as group:
        group.start_soon(hold, "anna", 2)
        group.start_soon(hold, "bert", 1)
        await clock.sleep(0.5)
        group.start_soon(hold, "anna", 0)
    assert sorted(order[:2]) == ["anna in", "bert in"]
    assert order[2:] == ["bert out", "anna out", "anna in", "anna out"]


async def test_a_lock_comes_free_however_it_is_left(make: Make) -> None:
    clock = FakeClock()
    store = make(clock)
    with pytest.raises(LookupError):
        async with store.lock("anna"):
            raise LookupError
    with anyio.CancelScope() as scope:
        async with store.lock("anna"):
            scope.cancel()
            await anyio.sleep_forever()
    async with store.lock("anna"):
        with clock.move_on_after(1) as waiting:
            async with store.lock("anna"):
                pass
        assert waiting.cancelled_caught
    async with store.lock("anna"):
        pass


@pytest.mark.slow
async def test_a_lock_held_for_ever_is_said(make: Make) -> None:
    clock = FakeClock()
    store = make(clock)
    async with store.lock("anna"):
        started = clock.monotonic()
        with pytest.raises(UsageError, match="has been held for 300 s"):
            async with store.lock("anna"):
                pass
    assert TOKEN_LOCK_TIMEOUT_S <= clock.monotonic() - started < TOKEN_LOCK_TIMEOUT_S + 1


@pytest.mark.slow
async def test_threads_keep_out_of_each_others_way(make: Make) -> None:
    store = make(FakeClock())
    held, free = threading.Event(), threading.Event()

    async def hold() -> None:
        async with store.lock("anna"):
            held.set()
            free.wait(10)

    thread = threading.Thread(target=anyio.run, args=(hold,))
    thread.start()
    assert held.wait(10)
    with pytest.raises(UsageError, match="held"):
        async with store.lock("anna"):
            pass
    free.set()
    thread.join()
    async with store.lock("anna"):
        pass


async def test_writers_of_many_accounts_lose_nothing(path: Path) -> None:
    clock = FakeClock()
    stores = [FileTokenStore(path, clock=clock) for _ in range(3)]
    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(stores[number % 3].save, f"{number}", made(access_token=f"{number}"))
    for number in range(30):
        assert await stores[0].load(f"{number}") == made(access_token=f"{number}")


async def test_a_write_waits_for_the_file(path: Path) -> None:
    clock = FakeClock()
    store = FileTokenStore(path, clock=clock)
    other = FileLock(f"{path}.lock", thread_local=False)
    other.acquire()
    async with anyio.create_task_group() as group:
        group.start_soon(store.save, "anna", made())
        await clock.sleep(1)
        assert not path.exists()
        other.release()
    assert await store.load("anna") == made()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_only_the_owner_can_read_from_the_first_byte_on(path: Path, umask: int) -> None:
    before = os.umask(umask)
    folder = mode(path.parent)
    seen: list[int] = []
    try:
        store = FileTokenStore(path)
        async with store.lock("anna"):
            await store.save("anna", made())
            seen += [mode(file) for file in path.parent.iterdir()]
    finally:
        os.umask(before)
    assert seen == [0o600] * 3
    assert mode(path.parent) == folder
    assert not any("anna" in file.name for file in path.parent.iterdir())
    assert "CANARY" in path.read_text()


async def test_a_file_others_can_read_is_tightened(path: Path, caplog: Any) -> None:
    store = FileTokenStore(path)
    await store.save("anna", made())
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert await store.load("anna") == made()
        assert await store.load("anna") == made()
    assert mode(path) == 0o600
    assert len(caplog.records) == 1
    assert str(path) in caplog.text


WRONG = json.dumps({"accounts": {"anna": made().reveal() | {"expires_at": "soon"}}})


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "5",
        '"x"',
        "{}",
        '{"accounts": 5}',
        '{"accounts": {"anna": 5}}',
        "\ud800",
        "[" * 99_999,
        WRONG,
    ],
)
async def test_a_file_of_something_else_is_left_as_it_is(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    path.chmod(0o600)
    before = path.read_bytes()
    store = FileTokenStore(path)
    for act in (store.load("anna"), store.save("anna", made()), store.remove("anna")):
        with pytest.raises(InputError, match="not a file of tokens") as caught:
            await act
        assert str(path) in str(caught.value)
        assert "CANARY" not in str(caught.value)
    assert path.read_bytes() == before
    async with store.lock("anna"):
        pass


async def test_a_state_file_holds_no_tokens(path: Path) -> None:
    """It is left as it is, its permissions included, and the text says what it is."""
    path.write_bytes(b"SQLite format 3\0" + bytes(84))
    path.chmod(0o644)
    store = FileTokenStore(path)
    for act in (store.load("anna"), store.save("anna", made()), store.remove("anna")):
        with pytest.raises(InputError, match="a state file: StateTokenStore keeps tokens in it"):
            await act
    assert path.stat().st_mode & 0o777 == 0o644


async def test_an_empty_file_holds_no_accounts(path: Path) -> None:
    path.touch(mode=0o600)
    store = FileTokenStore(path)
    assert await store.load("anna") is None
    await store.save("anna", made())
    assert await store.load("anna") == made()


async def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "tokens.json"
    store = FileTokenStore(path)
    with pytest.raises(InputError, match="does not exist"):
        await store.load("anna")
    with pytest.raises(InputError, match="does not exist"):
        await store.save("anna", made())
    with pytest.raises(InputError, match="does not exist"):
        async with store.lock("anna"):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        await FileTokenStore(tmp_path).load("anna")


async def test_what_cannot_be_locked_is_said(path: Path) -> None:
    """As in a folder that cannot be written, which root does not know."""
    store = FileTokenStore(path)
    Path(f"{path}.lock").mkdir()
    with pytest.raises(UsageError, match="cannot be locked"):
        await store.save("anna", made())


async def test_what_cannot_be_written_is_said(path: Path) -> None:
    store = FileTokenStore(path)
    await store.save("anna", made())
    before = path.read_bytes()
    Path(f"{path}.tmp").mkdir()
    with pytest.raises(UsageError, match="cannot be written") as caught:
        await store.save("anna", made(access_token="other"))
    assert "CANARY" not in str(caught.value)
    assert path.read_bytes() == before


async def test_what_a_killed_process_left_is_overwritten(path: Path) -> None:
    left = Path(f"{path}.tmp")
    left.write_text("half")
    left.chmod(0o644)
    store = FileTokenStore(path)
    await store.save("anna", made())
    assert await store.load("anna") == made()
    assert mode(path) == 0o600
    assert not left.exists()


async def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere.json")
    store = FileTokenStore(path)
    await store.save("anna", made())
    assert path.is_symlink()
    assert (tmp_path / "elsewhere.json").exists()
    assert await FileTokenStore(str(path)).load("anna") == made()


async def test_home_is_known(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    await FileTokenStore("~/t.json").save("anna", made())
    assert (tmp_path / "t.json").exists()
