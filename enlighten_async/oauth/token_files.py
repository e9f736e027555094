"""Stores of tokens that outlive the process: a JSON file for one home, rows of the state for many accounts.

The rows are in the state file, or in PostgreSQL for the programs of several machines.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from anyio.lowlevel import RunVar
from attrs import field, frozen

from enlighten_async import state
from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import InputError, UsageError
from enlighten_async.lazy import LazyModule
from enlighten_async.oauth.token_store import LastingStore, StoreOnDisk, Tokens, acquire
from enlighten_async.transport import Secret

if TYPE_CHECKING:
    import sqlite3

    import asyncpg
    import filelock
    import platformdirs
else:  # threads load them, in programs that need them
    filelock, platformdirs = LazyModule("filelock"), LazyModule("platformdirs")

T = TypeVar("T")

FILE_TIMEOUT_S = 10.0
"""Seconds for which a read or a write of tokens waits for others that write the state file."""

ROOM_BYTES = 64 * 1024
"""Bytes that have to be free on the disk before a refresh token is spent; a pair takes some 3,000."""

_NO_FOLDER = "is in a folder that does not exist: make it, or name another file"

_FOREIGN_FILE = "is not a file of tokens, and is left as it is: move it away, or name another file"

_DATABASE = (
    "is a database, such as a state file: StateTokenStore keeps tokens in it, FileTokenStore in a file of "
    "their own, such as tokens.json"
)

_URL = (
    "tokens are kept in a file, such as tokens.json or enlighten.db, or at a URL of postgresql://, and at no "
    "other: name one, or give a TokenStore"
)

_LOAD = "SELECT tokens FROM tokens WHERE account = ?"
_ALL = "SELECT account, tokens FROM tokens ORDER BY account"
_SAVE = "INSERT INTO tokens VALUES (?, ?) ON CONFLICT DO UPDATE SET tokens = excluded.tokens"
_REMOVE = "DELETE FROM tokens WHERE account = ?"

logger = logging.getLogger("enlighten_async")


def _real_path(path: object) -> Path:
    """Return the file itself: a link to it would be replaced, and a relative path changes its meaning."""
    # A null character, a lone surrogate and an unknown user's home folder make no path.
    with suppress(ValueError, RuntimeError):
        if isinstance(path, str | os.PathLike) and (text := os.fspath(path)) and isinstance(text, str):
            return Path(os.path.realpath(Path(text).expanduser()))
    raise InputError(f'tokens must be the path of a file, such as "tokens.json", not {path!r}')


def _digest(account: str) -> str:
    return hashlib.sha256(_key(account)).hexdigest()[:16]


def _key(account: str) -> bytes:
    return account.encode("utf-8", "surrogatepass")


@asynccontextmanager
async def _locked(path: Path, clock: Clock, make_folder: Callable[[], None]) -> AsyncIterator[None]:
    """Hold a lock file; the system frees it if the process is killed.

    Args:
        path: the lock file.
        clock: the source of time, for waiting.
        make_folder: sees to it that there is a folder for it, or raises `InputError`.
    """
    lock = await state.in_thread(partial(_lock_of, path))
    take = partial(state.in_thread, partial(_take, lock, make_folder))
    try:
        await acquire(take, clock, f"the lock {path}")
        yield
    finally:
        # A cancel may come while a thread takes it: then it is taken, and nobody would free it.
        await state.in_thread(lock.release)


def _lock_of(path: Path) -> filelock.FileLock:
    """Return the lock that a file is; blocks."""
    return filelock.FileLock(path, mode=state.OWNER_ONLY, thread_local=False)


def _take(lock: filelock.FileLock, make_folder: Callable[[], None]) -> bool:
    """Try once to take a lock; blocks."""
    try:
        make_folder()
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return False
    except OSError as error:
        reason = error.strerror
    else:
        return True
    raise UsageError(
        f"{lock.lock_file} cannot be locked ({reason}): tokens that are refreshed have to be saved, "
        "so make the folder writable"
    )


@frozen(eq=False)
class _Accounts:
    """Tokens in plain text by account, as the file holds them; not shown by `repr`."""

    plain: dict[str, dict[str, Any]] = field(factory=dict, repr=False)


class FileTokenStore(StoreOnDisk):
    """Tokens of all accounts in one JSON file, shared by the processes of a machine.

    The file is readable by its owner only, from its first byte on, and is replaced atomically. Its folder
    has to exist and to be writable: the lock files and the temporary file are beside it, and their names
    begin with its name.

    Args:
        path: the file; it is made when the first tokens are saved.
        clock: the source of time, for waiting.

    Raises:
        InputError: it is no path.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self.path = _real_path(path)
        self._clock = clock or SystemClock()

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, by any process.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: the file cannot be read, or is not one of this class.
        """
        return await state.in_thread(partial(self._load, account))

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens; they are on the disk when this returns.

        Args:
            account: name of the account, as given to `OAuth`.
            tokens: its tokens.

        Raises:
            InputError: the file is not one of this class; it is left as it is.
            UsageError: it cannot be written.
        """
        async with self._locked():
            await state.in_thread(partial(self._replace, account, tokens))

    async def accounts(self) -> dict[str, Tokens]:
        """Return the tokens of all accounts, by their names.

        Raises:
            InputError: the file cannot be read, or is not one of this class.
        """
        names = await state.in_thread(lambda: list(self._read().plain))
        return {name: tokens for name in names if (tokens := await self.load(name)) is not None}

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: the file is not one of this class; it is left as it is.
            UsageError: it cannot be written.
        """
        async with self._locked():
            await state.in_thread(partial(self._replace, account, None))

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Lock the account in all processes; the system frees the lock if the process is killed.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: the folder does not exist.
            UsageError: files cannot be made in it.
        """
        return self._locked(f".{_digest(account)}")

    def _locked(self, suffix: str = "") -> AbstractAsyncContextManager[None]:
        path = self.path.with_name(f"{self.path.name}{suffix}.lock")
        return _locked(path, self._clock, self._require_folder)

    def _require_folder(self) -> None:
        if not self.path.parent.is_dir():  # filelock would make it, readable by all users
            raise InputError(f"{self.path} {_NO_FOLDER}")

    def _load(self, account: str) -> Tokens | None:
        return self._tokens(self._read(), account)

    def _replace(self, account: str, tokens: Tokens | None) -> None:
        """Replace an account's tokens in the file, or remove them."""
        accounts = self._read()
        if self._tokens(accounts, account) is None and tokens is None:
            return
        if tokens is None:
            del accounts.plain[account]
        else:
            accounts.plain[account] = tokens.reveal()
        self._write(accounts)

    def _tokens(self, accounts: _Accounts, account: str) -> Tokens | None:
        try:
            return Tokens.of(accounts.plain[account]) if account in accounts.plain else None
        except InputError:
            pass
        raise InputError(f"{self.path} {_FOREIGN_FILE}")

    def _read(self) -> _Accounts:
        found = _load_file(self.path)
        if isinstance(found, str):
            raise InputError(f"{self.path} {found}")
        return found

    def _write(self, accounts: _Accounts) -> None:
        failure = _replace_file(self.path, accounts)
        if failure is not None:
            raise UsageError(f"{self.path} cannot be written ({failure})")


def _load_file(path: Path) -> _Accounts | str:
    """Return the accounts in a file, or the reason why there are none.

    Nothing is raised from here: a traceback that shows variables would show the file's text.
    """
    try:
        with path.open("rb") as file:
            found = _parse_file(file.read())
            if isinstance(found, _Accounts):
                _restrict(file.fileno(), path)
    except FileNotFoundError:
        return _Accounts() if path.parent.is_dir() else _NO_FOLDER
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return found


def _parse_file(text: bytes) -> _Accounts | str:
    """Return the accounts in a file's text, or the reason why there are none. Raises nothing, as above."""
    if text.startswith(b"SQLite"):
        return _DATABASE
    if not text.strip():
        return _Accounts()  # an empty file may have been made to be mounted into a container
    try:
        accounts = json.loads(text)["accounts"]
        is_sound = all(isinstance(revealed, dict) for revealed in accounts.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _FOREIGN_FILE
    return _Accounts(accounts) if is_sound else _FOREIGN_FILE


def _replace_file(path: Path, accounts: _Accounts) -> str | None:
    """Replace a file atomically; return the reason why that failed, or `None`. Raises nothing, as above."""
    fresh = path.with_name(f"{path.name}.tmp")  # always one name: a killed process leaves no heap of files
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    text = json.dumps({"accounts": accounts.plain})
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, flags, state.OWNER_ONLY), "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _sync_folder(folder: Path) -> None:
    """Write a rename to the disk. Not every system can; the file is complete all the same."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _restrict(descriptor: int, path: Path) -> None:
    """Take group's and others' access to the file away."""
    if os.name != "posix" or not os.fstat(descriptor).st_mode & 0o077:
        return
    logger.warning("%s could be read by other users of this machine; now only its owner can", path)
    os.fchmod(descriptor, state.OWNER_ONLY)


class StateTokenStore(StoreOnDisk):
    """Tokens in the state file, a row an account: a renewal costs the same with one account and with 10,000.

    It may be the file that clients are given as `state=`. Each account has a lock of its own, a file in a
    folder beside it whose name ends with ".locks".

    Args:
        path: the state file; it is made, readable by its owner only, at its first use.
        clock: the source of time, for waiting.

    Raises:
        InputError: there cannot be a file of this path, such as in a folder that does not exist.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self._file = state.state_file(path)
        self._clock = clock or SystemClock()
        self.path = self._file.path

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, by any process; `None` also where they cannot be read.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: the file is not a state file, or a newer version's.
            UsageError: it cannot be used.
        """
        return await self._do(partial(self._file.read, partial(_load, account)))

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens; they are on the disk when this returns, or the old ones are as they were.

        Args:
            account: name of the account, as given to `OAuth`.
            tokens: its tokens.

        Raises:
            InputError: as for `load`.
            UsageError: it cannot be written.
        """
        await self._do(partial(self._file.transact, partial(_save, account, tokens)))

    async def accounts(self) -> dict[str, Tokens]:
        """Return the tokens of all accounts, by their names.

        Raises:
            InputError: as for `load`.
            UsageError: as for `load`.
        """
        return await self._do(partial(self._file.read, _all))

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any; the file holds no copy of them afterwards.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: as for `load`.
            UsageError: as for `save`.
        """
        await self._do(partial(_erase, self._file, account))

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Lock the account in all processes; the system frees the lock if the process is killed.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: as for `load`.
            UsageError: tokens could not be saved, on a full or read-only disk: none should be spent.
        """
        folder = self.path.with_name(f"{self.path.name}.locks")
        make_folder = partial(folder.mkdir, mode=0o700, exist_ok=True)
        async with _locked(folder / f"{_digest(account)}.lock", self._clock, make_folder):
            await self._do(self._require_room)
            yield

    async def _do(self, work: Callable[[], T]) -> T:
        """Do blocking work at the file, to its end, as soon as nobody else writes it."""
        attempt = partial(state.in_thread, work)
        try:
            return await state.poll_until(attempt, self._clock, FILE_TIMEOUT_S, locked=state.DatabaseBusy)
        except state.DatabaseBusy:
            reason = f"other programs locked it for {FILE_TIMEOUT_S:g} s"
        except state.DatabaseUnavailable as fault:
            reason = str(fault)
        raise UsageError(f"the tokens in {self.path} cannot be read or saved ({reason})")

    def _require_room(self) -> None:
        """Let go on where tokens can be saved; blocks."""
        room = self._file.room()
        if room is not None and room < ROOM_BYTES:
            raise state.DatabaseUnavailable(f"its disk is full: {room:,} bytes are free")
        self._file.reserve(ROOM_BYTES)


def _load(account: str, connection: sqlite3.Connection) -> Tokens | None:
    found = connection.execute(_LOAD, (_key(account),)).fetchone()
    return None if found is None else _parse_row(account, *found)


def _all(connection: sqlite3.Connection) -> dict[str, Tokens]:
    return _by_account(connection.execute(_ALL))


def _by_account(rows: Iterable[tuple[Any, ...]]) -> dict[str, Tokens]:
    """Return the tokens of rows of accounts, by their names."""
    named = ((bytes(key).decode("utf-8", "surrogatepass"), text) for key, text in rows)
    return {name: tokens for name, text in named if (tokens := _parse_row(name, text)) is not None}


def _parse_row(account: str, text: str) -> Tokens | None:
    """Return the tokens in a row's text; `None` if it cannot be read: the next login replaces it."""
    try:
        return Tokens.of(json.loads(text))
    except (InputError, ValueError, TypeError, AttributeError, RecursionError):
        logger.warning("the tokens of account %s cannot be read: the owner has to log in again", account)
        return None


def _save(account: str, tokens: Tokens, connection: sqlite3.Connection) -> None:
    with _overwriting(connection):
        connection.execute(_SAVE, (_key(account), json.dumps(tokens.reveal())))


def _erase(file: state.StateFile, account: str) -> None:
    """Remove an account's tokens from the file, and their copy from its journal; blocks."""
    file.transact(partial(_remove, account))
    file.read(lambda connection: connection.execute("PRAGMA journal_size_limit = -1").fetchone())


def _remove(account: str, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_size_limit = 0")
    with _overwriting(connection):
        connection.execute(_REMOVE, (_key(account),))


@contextmanager
def _overwriting(connection: sqlite3.Connection) -> Iterator[None]:
    """Have SQLite overwrite what it frees within, as some builds of it do by themselves."""
    (before,) = connection.execute("PRAGMA secure_delete").fetchone()
    connection.execute("PRAGMA secure_delete = ON")
    yield
    connection.execute(f"PRAGMA secure_delete = {before}")


# In PostgreSQL

_LOAD_ROW = "SELECT tokens FROM enlighten_tokens WHERE account = $1"
_ALL_ROWS = "SELECT account, tokens FROM enlighten_tokens ORDER BY account"
_SAVE_ROW = """
    INSERT INTO enlighten_tokens VALUES ($1, $2) ON CONFLICT (account) DO UPDATE SET tokens = excluded.tokens
"""
_REMOVE_ROW = "DELETE FROM enlighten_tokens WHERE account = $1"
_LOCK_ROW = "SELECT pg_try_advisory_lock($1)"
_UNLOCK_ROW = "SELECT pg_advisory_unlock($1)"
_TAKES_WRITES = """
    SELECT current_setting('transaction_read_only') = 'off'
        AND has_table_privilege('enlighten_tokens', 'INSERT')
        AND has_table_privilege('enlighten_tokens', 'UPDATE')
"""

LINGER_S = 5.0
"""Seconds for which an idle connection stays open."""


class _Link:
    """The connection of one event loop to the server; closed when it is idle, and with the loop.

    Attributes:
        backend: the connection.
        held: numbers of the locks that this loop holds, or is about to take.
    """

    def __init__(self, backend: state.PostgresBackend) -> None:
        self.backend = backend
        self.held: set[int] = set()
        self._busy = 0
        self._used_at = 0.0
        self._end: asyncio.Task[None] | None = None

    async def fetch(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute a statement, and return its rows.

        Raises:
            DatabaseUnavailable: the server is away.
            InputError: it refuses, or this is not asyncio.
        """

        async def fetched(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(statement, *values)]

        self._busy += 1
        try:
            return await self.backend.perform(fetched, timeout_s=FILE_TIMEOUT_S)
        finally:
            self._busy -= 1
            if self.backend.connected:
                self._linger()

    def _linger(self) -> None:
        """Have the connection closed when nobody has used it for a while."""
        loop = asyncio.get_running_loop()
        self._used_at = loop.time()
        if self._end is None:
            self._end = loop.create_task(self._close_when_idle(loop))

    async def _close_when_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._busy or self.held or loop.time() < self._used_at + LINGER_S:  # noqa: ASYNC110
                await asyncio.sleep(LINGER_S)
        finally:  # also where the loop ends, which cancels what is left
            self._end = None
            self.backend.terminate()


class PostgresTokenStore(LastingStore):
    """Tokens in PostgreSQL, a row an account, for the programs of any number of machines; on asyncio.

    It may be the database that clients are given as `state=`. The tokens are in plain text in the table
    `enlighten_tokens`: who may read that, or a backup of it, may use them. Each account has an advisory lock
    of the session, so that a pooler between has to keep sessions apart.

    Args:
        url: such as `postgresql://user@host/database`; what it does not say is taken from the variables and
            files of libpq, such as `PGPASSFILE`.
        clock: the source of time, for waiting.

    Raises:
        InputError: it is no such URL, or asyncpg is not installed.
    """

    def __init__(self, url: str | Secret, *, clock: Clock | None = None) -> None:
        url = Secret(url)  # a traceback that shows variables must not show it
        if not state.is_postgres(url.reveal()):
            raise InputError(_URL)
        self._clock = clock or SystemClock()
        self._backend = state.PostgresBackend(url.reveal, self._clock)
        self._links: RunVar[_Link] = RunVar("enlighten_async.tokens_link")

    @property
    def place(self) -> str:
        """The URL, without user and password."""
        return str(self._backend) if hasattr(self, "_backend") else "no database yet"  # in a traceback

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, by any process; `None` also where they cannot be read.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: the server refuses the user, or the tables are a newer version's.
            UsageError: it cannot be reached.
        """
        rows = await self._fetch(_LOAD_ROW, _key(account))
        return _parse_row(account, *rows[0]) if rows else None

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens; they are durable when this returns, or the old ones are as they were.

        Args:
            account: name of the account, as given to `OAuth`.
            tokens: its tokens.

        Raises:
            InputError: as for `load`.
            UsageError: it cannot be reached, or takes no writes.
        """
        await self._fetch(_SAVE_ROW, _key(account), json.dumps(tokens.reveal()))

    async def accounts(self) -> dict[str, Tokens]:
        """Return the tokens of all accounts, by their names.

        Raises:
            InputError: as for `load`.
            UsageError: as for `load`.
        """
        return _by_account(await self._fetch(_ALL_ROWS))

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any; the server keeps old rows until it vacuums.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: as for `load`.
            UsageError: as for `save`.
        """
        await self._fetch(_REMOVE_ROW, _key(account))

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Lock the account on all machines; the server frees the lock if the process is killed.

        Args:
            account: name of the account, as given to `OAuth`.

        Raises:
            InputError: as for `load`.
            UsageError: as for `save`: no token should be spent that cannot be saved.
        """
        number = int.from_bytes(hashlib.sha256(b"tokens\0" + _key(account)).digest()[:8], "big", signed=True)
        held = self._link().held
        await acquire(partial(self._take, number, held), self._clock, f"the lock of account {account!r}")
        try:
            ((takes_writes,),) = await self._fetch(_TAKES_WRITES)
            if not takes_writes:
                raise UsageError(self._fault("it takes no writes"))
            yield
        finally:
            await self._free(number, held)

    async def _take(self, number: int, held: set[int]) -> bool:
        """Try once to take a lock; one connection may take its own twice, so that the loop keeps account."""
        if number in held:
            return False
        held.add(number)
        taken = False
        try:
            taken = (await self._fetch(_LOCK_ROW, number))[0][0] is True
        except BaseException:
            await self._free(number, held)  # a cancel may have come when it was taken
            raise
        if not taken:
            held.discard(number)
        return taken

    async def _free(self, number: int, held: set[int]) -> None:
        """Free a lock; where the server cannot be told, the connection has ended, and with it the lock."""
        with anyio.CancelScope(shield=True):
            try:
                await self._link().backend.perform(
                    lambda connection: connection.fetch(_UNLOCK_ROW, number), timeout_s=FILE_TIMEOUT_S
                )
            except (state.DatabaseUnavailable, InputError) as error:
                logger.debug("a lock of an account came free by itself: %s", error)
            finally:
                held.discard(number)

    async def _fetch(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return await self._link().fetch(statement, *values)
        except state.DatabaseUnavailable as fault:
            reason = str(fault)
        raise UsageError(self._fault(reason))

    def _fault(self, reason: str) -> str:
        return f"the tokens in {self.place} cannot be read or saved ({reason})"

    def _link(self) -> _Link:
        """Return the connection of the running event loop."""
        try:
            return self._links.get()
        except LookupError:
            link = _Link(self._backend.another())
            self._links.set(link)
            return link


def store_at(
    place: str | os.PathLike[str] | Secret, clock: Clock | None = None
) -> FileTokenStore | StateTokenStore | PostgresTokenStore:
    """Return the store of a place: of PostgreSQL by its URL, of a state file, or of a file of tokens.

    The file tells which it is; one that is empty or not there is a state file where its name ends with
    ".db", ".sqlite" or ".sqlite3".

    Args:
        place: the path, or the URL.
        clock: the source of time, for waiting.

    Raises:
        InputError: it is neither, or a state file cannot be there.
    """
    place = secret_url(place)
    if isinstance(place, Secret):
        return PostgresTokenStore(place, clock=clock)
    kind = StateTokenStore if state.is_database(_real_path(place)) else FileTokenStore
    return kind(place, clock=clock)


def secret_url(place: T) -> T | Secret:
    """Return a place as it is, but for a URL, which may hold a password."""
    return Secret(place) if isinstance(place, str) and state.is_url(place) else place


def user_token_file() -> Path:
    """Return the default file of tokens, in the user's settings folder, which is made if need be.

    Raises:
        InputError: it cannot be made.
    """
    folder = platformdirs.user_config_path("enlighten", appauthor=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
    else:
        return folder / "tokens.json"
    raise InputError(f"{folder} cannot be made ({reason}): name a file for the tokens in ENLIGHTEN_TOKENS")
