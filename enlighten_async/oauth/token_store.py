"""Tokens, and the stores that save them: in memory, or in a file that processes share."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from attrs import asdict, converters, field, frozen
from filelock import FileLock, Timeout
from platformdirs import user_config_path

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import InputError, UsageError, users_errors
from enlighten_async.state.threads import in_thread, poll_until
from enlighten_async.transport import Secret, run_shielded

T = TypeVar("T")

logger = logging.getLogger("enlighten_async")

REFRESH_MARGIN_S = 300.0
"""Seconds before its end from which on an access token is refreshed: a request takes time, clocks differ."""

TOKEN_LOCK_TIMEOUT_S = 300.0
"""Seconds to wait for the lock of an account; three requests that time out hold it for 92."""

OWNER_ONLY = 0o600

_NO_FOLDER = "is in a folder that does not exist: make it, or name another file"

_FOREIGN_FILE = "is not a file of tokens, and is left as it is: move it away, or name another file"

_DATABASE = "is a database, such as a state file: name another file for the tokens, such as tokens.json"


class _LockTaken(Exception):
    """Another task or program holds the lock."""


async def _to_its_end(work: Callable[[], T]) -> T:
    """Do blocking work in a thread; a cancel of either kind takes effect when it has ended."""
    return await run_shielded(partial(in_thread, work))


async def _acquire(take: Callable[[], Awaitable[bool]], clock: Clock, what: str) -> None:
    """Take a lock.

    Args:
        take: tries once without waiting for others; tells whether it worked.
        clock: the source of time.
        what: the lock, for the error's text.

    Raises:
        UsageError: another task or program held it for `TOKEN_LOCK_TIMEOUT_S` seconds.
    """

    async def attempt() -> None:
        if not await take():
            raise _LockTaken

    try:
        await poll_until(attempt, clock, TOKEN_LOCK_TIMEOUT_S, locked=_LockTaken)
    except _LockTaken:
        held = f"has been held for {TOKEN_LOCK_TIMEOUT_S:g} s by another task or program"
        raise UsageError(f"{what} {held}") from None


@frozen
class Tokens:
    """The tokens of one account. They are not shown by `repr`, and cannot be pickled.

    The service's tokens are JWTs that hold the owner's e-mail address: nothing but their end is read.
    """

    access_token: Secret = field(converter=Secret, repr=False)
    """Sent with every request."""
    refresh_token: Secret | None = field(converter=converters.optional(Secret), repr=False)
    """Exchanged for the next tokens, once; `None` if the service gave none."""
    expires_at: float
    """End of the access token (epoch seconds by this machine's clock)."""
    obtained_at: float
    """Time at which both were received (epoch seconds by the same clock)."""
    refresh_expires_at: float | None = None
    """End of the refresh token (epoch seconds), if it holds one."""

    def good(self, now: float) -> bool:
        """Tell whether the access token is valid for `REFRESH_MARGIN_S` more (at most half its life).

        Args:
            now: epoch seconds by this machine's clock.
        """
        margin = max(0.0, min(REFRESH_MARGIN_S, (self.expires_at - self.obtained_at) / 2))
        return self.expires_at - now > margin

    def reveal(self) -> dict[str, str | float | None]:
        """Return the tokens in plain text, for a store; `Tokens.of` takes it."""
        plain = asdict(self, recurse=False)
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in plain.items()}

    @classmethod
    def of(cls, revealed: Mapping[str, object]) -> Tokens:
        """Return the tokens that `reveal` has written; unknown names are ignored.

        Args:
            revealed: names and values, as `reveal` returns them.

        Raises:
            InputError: a value is missing or of another type. The text shows no value.
        """
        tokens = _parse(revealed)
        del revealed  # a traceback that shows variables must not show it
        if isinstance(tokens, str):
            raise InputError(f"these are no tokens: {tokens} is missing or not what `Tokens.reveal` gives")
        return tokens


def _parse(revealed: Mapping[str, object]) -> Tokens | str:
    """Return the tokens, or the name of a value that is wrong."""
    values = {name: revealed.get(name) for name in _CHECKS}
    for name, is_right in _CHECKS.items():
        if not is_right(values[name]):
            return name
    return Tokens(**values)  # type: ignore[arg-type]


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


_CHECKS: dict[str, Callable[[object], bool]] = {
    "access_token": lambda value: isinstance(value, str),
    "refresh_token": lambda value: isinstance(value, str | None),
    "expires_at": _is_time,
    "obtained_at": _is_time,
    "refresh_expires_at": lambda value: value is None or _is_time(value),
}


@runtime_checkable
class TokenStore(Protocol):
    """A store of accounts' tokens. `Tokens.reveal` and `Tokens.of` turn them into plain values and back."""

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, by any process; `None` if there are none.

        Args:
            account: the account: the user's id as `OAuth` was given it.
        """
        ...

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens; they must be durable when this returns, as the old ones may have ended.

        Args:
            account: the account: the user's id as `OAuth` was given it.
            tokens: its tokens.
        """
        ...

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Lock the account in all processes, so that only one task refreshes it.

        The lock must come free if the process is killed. `load` and `save` are called inside of it, and
        not always by the task that entered it.

        Args:
            account: the account: the user's id as `OAuth` was given it.
        """
        ...

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any.

        Args:
            account: the account: the user's id as `OAuth` was given it.
        """
        ...


class UserTokenStore:
    """A user's store, whose errors become ours: each has the user's as its cause, and shows no text of it.

    Args:
        store: the store.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last."""
        with self._errors("load"):
            tokens = await self._store.load(account)
        if tokens is None or isinstance(tokens, Tokens):
            return tokens
        kind = type(tokens).__name__
        del tokens  # a traceback that shows variables must not show them
        raise UsageError(
            f"the token store failed: {type(self._store).__name__}.load returned a {kind}: it must return "
            "Tokens, such as from `Tokens.of`, or None"
        )

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens."""
        with self._errors("save"):
            await self._store.save(account, tokens)

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Lock the account."""
        async with AsyncExitStack() as stack:
            with self._errors("lock"):
                await stack.enter_async_context(self._store.lock(account))
            try:
                yield
            finally:
                with self._errors("lock"):
                    await stack.aclose()

    async def remove(self, account: str) -> None:
        """Remove the account's tokens."""
        with self._errors("remove"):
            await self._store.remove(account)

    def _errors(self, method: str) -> AbstractContextManager[None]:
        return users_errors("token store", self._store, method)


class MemoryTokenStore:
    """Tokens in memory, for all event loops and threads that share the store.

    The refresh tokens are lost with the process: the owners have to log in again.

    Args:
        clock: the source of time, for waiting.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._tokens: dict[str, Tokens] = {}
        self._locks: dict[str, threading.Lock] = {}

    def __repr__(self) -> str:
        return f"<MemoryTokenStore of {len(self._tokens)} accounts>"

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last.

        Args:
            account: the account: the user's id as `OAuth` was given it.
        """
        return self._tokens.get(account)

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens.

        Args:
            account: the account: the user's id as `OAuth` was given it.
            tokens: its tokens.
        """
        self._tokens[account] = tokens

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Lock the account for all that share the store.

        Args:
            account: the account: the user's id as `OAuth` was given it.
        """
        lock = self._locks.setdefault(account, threading.Lock())  # atomic, so that all threads share one lock

        async def take() -> bool:
            return lock.acquire(blocking=False)

        await _acquire(take, self._clock, f"the lock of account {account!r}")
        try:
            yield
        finally:
            lock.release()

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any.

        Args:
            account: the account: the user's id as `OAuth` was given it.
        """
        self._tokens.pop(account, None)


def identity(store: TokenStore) -> Hashable:
    """Return what tells a store from others of this process: two for one file are one and the same."""
    inner = store._store if isinstance(store, UserTokenStore) else store
    return str(inner.path) if isinstance(inner, FileTokenStore) else id(inner)


def _real_path(path: object) -> Path:
    """Return the file itself: a link to it would be replaced, and a relative path changes its meaning."""
    # A null character, a lone surrogate and an unknown user's home folder make no path.
    with suppress(ValueError, RuntimeError):
        if isinstance(path, str | os.PathLike) and (text := os.fspath(path)) and isinstance(text, str):
            return Path(os.path.realpath(Path(text).expanduser()))
    raise InputError(f'tokens must be the path of a file, such as "tokens.json", not {path!r}')


@frozen(eq=False)
class _Accounts:
    """Tokens in plain text by account, as the file holds them; not shown by `repr`."""

    plain: dict[str, dict[str, Any]] = field(factory=dict, repr=False)


class FileTokenStore:
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
        """The file, without symbolic links."""
        self._clock = clock or SystemClock()

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self.path)!r})"

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, by any process.

        Args:
            account: the account: the user's id as `OAuth` was given it.

        Raises:
            InputError: the file cannot be read, or is not one of this class.
        """
        return await in_thread(partial(self._load, account))

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens; they are on the disk when this returns.

        Args:
            account: the account: the user's id as `OAuth` was given it.
            tokens: its tokens.

        Raises:
            InputError: the file is not one of this class; it is left as it is.
            UsageError: it cannot be written.
        """
        async with self._locked():
            await _to_its_end(partial(self._replace, account, tokens))

    async def accounts(self) -> dict[str, Tokens]:
        """Return the tokens of all accounts, by their names.

        Raises:
            InputError: the file cannot be read, or is not one of this class.
        """
        names = await in_thread(lambda: list(self._read().plain))
        return {name: tokens for name in names if (tokens := await self.load(name)) is not None}

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any.

        Args:
            account: the account: the user's id as `OAuth` was given it.

        Raises:
            InputError: the file is not one of this class; it is left as it is.
            UsageError: it cannot be written.
        """
        async with self._locked():
            await _to_its_end(partial(self._replace, account, None))

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Lock the account in all processes; the system frees the lock if the process is killed.

        Args:
            account: the account: the user's id as `OAuth` was given it.

        Raises:
            InputError: the folder does not exist.
            UsageError: files cannot be made in it.
        """
        return self._locked("." + hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:16])

    @asynccontextmanager
    async def _locked(self, suffix: str = "") -> AsyncIterator[None]:
        path = self.path.with_name(f"{self.path.name}{suffix}.lock")
        lock = FileLock(path, mode=OWNER_ONLY, thread_local=False)
        take = partial(_to_its_end, partial(self._take, lock))
        try:
            await _acquire(take, self._clock, f"the lock {path}")
            yield
        finally:
            # A cancel may come while a thread takes it: then it is taken, and nobody would free it.
            await _to_its_end(lock.release)

    def _take(self, lock: FileLock) -> bool:
        if not self.path.parent.is_dir():  # filelock would make it, readable by all users
            raise InputError(f"{self.path} {_NO_FOLDER}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            reason = error.strerror
        else:
            return True
        raise UsageError(
            f"{lock.lock_file} cannot be locked ({reason}): tokens that are refreshed have to be saved, "
            "so make the folder writable"
        )

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
        with os.fdopen(os.open(fresh, flags, OWNER_ONLY), "w", encoding="ascii") as file:
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
    os.fchmod(descriptor, OWNER_ONLY)


def user_token_file() -> Path:
    """Return the default file of tokens, in the user's configuration folder, which is made if need be.

    Raises:
        InputError: it cannot be made.
    """
    folder = user_config_path("enlighten", appauthor=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
    else:
        return folder / "tokens.json"
    raise InputError(f"{folder} cannot be made ({reason}): name a file for the tokens in ENLIGHTEN_TOKENS")
