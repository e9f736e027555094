"""Tokens and the stores that keep them: memory, or a file shared by processes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from attrs import asdict, converters, field, frozen
from filelock import FileLock, Timeout
from platformdirs import user_config_path

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import InputError, UsageError
from enlighten_async.transport import Secret

MAX_WAIT = 300.0
"""Seconds after which a lock is not waited for any more; three requests that time out take 92."""
_FIRST, _LONGEST = 0.002, 0.05


async def take_turn(take: Callable[[], bool], clock: Clock, what: str) -> None:
    """Try until the lock is taken. No cancel comes between taking it and the return.

    Args:
        take: tries once without waiting; tells whether it worked.
        clock: the source of time.
        what: the lock, in the words of the error.

    Raises:
        UsageError: somebody held it for `MAX_WAIT` seconds.
    """
    deadline = clock.monotonic() + MAX_WAIT
    pause = _FIRST
    while not take():
        if clock.monotonic() >= deadline:
            raise UsageError(f"{what} has been held for {MAX_WAIT:g} s by another task or program")
        await clock.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
        pause = min(_LONGEST, pause * 1.5)


MARGIN = 300.0
"""Seconds before its end from which on an access token is renewed: requests and clocks take their time."""


@frozen
class Tokens:
    """The tokens of one account. They do not show themselves, and are not pickled.

    They are texts that hold the owner's e-mail address, so what is inside of them is read for nothing
    but their end.

    Attributes:
        access_token: goes with every request.
        refresh_token: is exchanged for the next tokens, once; `None` if the service gave none.
        expires_at: when the access token ends (epoch seconds by this machine's clock).
        obtained_at: when both were obtained (epoch seconds by the same clock).
        refresh_expires_at: when the refresh token ends (epoch seconds), where it says.
    """

    access_token: Secret = field(converter=Secret, repr=False)
    refresh_token: Secret | None = field(converter=converters.optional(Secret), repr=False)
    expires_at: float
    obtained_at: float
    refresh_expires_at: float | None = None

    def good(self, now: float) -> bool:
        """Tell whether the access token is valid for `MARGIN` more (half its life, where that is less)."""
        margin = max(0.0, min(MARGIN, (self.expires_at - self.obtained_at) / 2))
        return self.expires_at - now > margin

    def reveal(self) -> dict[str, str | float | None]:
        """Return the tokens in plain text, as a store keeps them; `Tokens.of` takes it."""
        plain = asdict(self, recurse=False)
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in plain.items()}

    @classmethod
    def of(cls, revealed: Mapping[str, Any]) -> Tokens:
        """Return the tokens from what `reveal` gave; unknown names are ignored.

        Raises:
            InputError: something is missing or of another type. It shows no value.
        """
        tokens = _checked(revealed)
        del revealed  # a traceback that shows variables must not show it
        if isinstance(tokens, str):
            raise InputError(f"these are no tokens: {tokens} is missing or not what `Tokens.reveal` gives")
        return tokens


def _checked(revealed: Mapping[str, Any]) -> Tokens | str:
    """Return the tokens, or the name of what is wrong."""
    values = {name: revealed.get(name) for name in _SOUND}
    for name, sound in _SOUND.items():
        if not sound(values[name]):
            return name
    return Tokens(**values)  # type: ignore[arg-type]


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


_SOUND: dict[str, Callable[[object], bool]] = {
    "access_token": lambda value: isinstance(value, str),
    "refresh_token": lambda value: isinstance(value, str | None),
    "expires_at": _is_time,
    "obtained_at": _is_time,
    "refresh_expires_at": lambda value: value is None or _is_time(value),
}


@runtime_checkable
class TokenStore(Protocol):
    """Keeps the tokens of accounts. `Tokens.reveal` and `Tokens.of` turn them into plain values and back."""

    async def load(self, account: str) -> Tokens | None:
        """Return what was saved last, by any process; `None` if nothing was."""
        ...

    async def save(self, account: str, tokens: Tokens) -> None:
        """Keep the tokens; they must be safe when this returns, for the old ones may be dead."""
        ...

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Keep all others from renewing this account, in any process, until the block is left.

        It must come free if the process is killed. `load` and `save` are called inside of it, and not
        always by the task that entered it.
        """
        ...

    async def remove(self, account: str) -> None:
        """Forget the account; nothing happens if it is not known."""
        ...


class MemoryTokenStore:
    """Keeps tokens in memory, for all event loops and threads that share the store.

    A refresh token that nobody wrote down is lost with the process: the owner has to log in again.

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
        """Return what was saved last."""
        return self._tokens.get(account)

    async def save(self, account: str, tokens: Tokens) -> None:
        """Keep the tokens."""
        self._tokens[account] = tokens

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Keep all others that share the store from renewing this account."""
        lock = self._locks.setdefault(account, threading.Lock())  # one step under the interpreter's lock
        await take_turn(lambda: lock.acquire(blocking=False), self._clock, f"the lock of account {account!r}")
        try:
            yield
        finally:
            lock.release()

    async def remove(self, account: str) -> None:
        """Forget the account."""
        self._tokens.pop(account, None)


logger = logging.getLogger("enlighten_async")

OWNER_ONLY = 0o600

_NO_FOLDER = "is in a folder that does not exist: make it, or name another file"

_NOT_OURS = "is not a file of tokens, and is left as it is: move it away, or name another file"


@frozen(eq=False)
class _Accounts:
    """What is in the file. It does not show itself, as it is plain: only what is asked for is looked at."""

    plain: dict[str, dict[str, Any]] = field(factory=dict, repr=False)


class FileTokenStore:
    """Keeps the tokens of all accounts in one JSON file.

    The file is readable by its owner only, from its first byte on, and is replaced as a whole: who
    reads it finds what was before or what is after. Its folder has to exist and to be writable, as
    files for locking and for writing lie beside it; their names begin with its name.

    Args:
        path: the file; it is made when the first tokens are saved.
        clock: the source of time, for waiting.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        # A symbolic link would be replaced by the file, and a relative path changes its meaning.
        self.path = Path(os.path.realpath(Path(path).expanduser()))
        self._clock = clock or SystemClock()

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self.path)!r})"

    async def load(self, account: str) -> Tokens | None:
        """Return what was saved last, by any process.

        Raises:
            InputError: the file cannot be read, or is not one of this class.
        """
        return self._tokens(self._read(), account)

    async def save(self, account: str, tokens: Tokens) -> None:
        """Keep the tokens; they are on the disk when this returns.

        Raises:
            InputError: the file is not one of this class; it is left as it is.
            UsageError: it cannot be written.
        """
        async with self._held():
            accounts = self._read()
            self._tokens(accounts, account)
            accounts.plain[account] = tokens.reveal()
            self._write(accounts)

    async def remove(self, account: str) -> None:
        """Forget the account.

        Raises:
            InputError: the file is not one of this class; it is left as it is.
            UsageError: it cannot be written.
        """
        async with self._held():
            accounts = self._read()
            if self._tokens(accounts, account) is not None:
                del accounts.plain[account]
                self._write(accounts)

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Keep all others from renewing this account; the system frees it if the process is killed.

        Raises:
            InputError: the folder does not exist.
            UsageError: files cannot be made in it.
        """
        return self._held("." + hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:16])

    @asynccontextmanager
    async def _held(self, suffix: str = "") -> AsyncIterator[None]:
        path = self.path.with_name(f"{self.path.name}{suffix}.lock")
        if not self.path.parent.is_dir():  # the library would make it, for anybody to read
            raise InputError(f"{self.path} {_NO_FOLDER}")
        lock = FileLock(path, mode=OWNER_ONLY, thread_local=False)
        await take_turn(lambda: self._take(lock), self._clock, f"the lock {path}")
        try:
            yield
        finally:
            lock.release()

    def _take(self, lock: FileLock) -> bool:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            reason = error.strerror
        else:
            return True
        raise UsageError(
            f"{lock.lock_file} cannot be locked ({reason}): tokens that are renewed have to be written, "
            "so make the folder writable"
        )

    def _tokens(self, accounts: _Accounts, account: str) -> Tokens | None:
        try:
            return Tokens.of(accounts.plain[account]) if account in accounts.plain else None
        except InputError:
            pass
        raise InputError(f"{self.path} {_NOT_OURS}")

    def _read(self) -> _Accounts:
        found = _load(self.path)
        if isinstance(found, str):
            raise InputError(f"{self.path} {found}")
        return found

    def _write(self, accounts: _Accounts) -> None:
        failure = _store(self.path, accounts)
        if failure is not None:
            raise UsageError(f"{self.path} cannot be written ({failure})")


def _load(path: Path) -> _Accounts | str:
    """Return the accounts in a file, or what is wrong with it. Raises nothing while it holds the text."""
    try:
        with path.open("rb") as file:
            _tighten(file.fileno(), path)
            text = file.read()
    except FileNotFoundError:
        return _Accounts() if path.parent.is_dir() else _NO_FOLDER
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not text.strip():
        return _Accounts()  # made empty, to be mounted into a container, say
    try:
        accounts = json.loads(text)["accounts"]
        sound = all(isinstance(revealed, dict) for revealed in accounts.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _NOT_OURS
    return _Accounts(accounts) if sound else _NOT_OURS


def _store(path: Path, accounts: _Accounts) -> str | None:
    """Replace a file; return why that failed, if it did. Raises nothing while it holds the text."""
    fresh = path.with_name(f"{path.name}.tmp")  # one name: what a killed process left is overwritten
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
    """Make a rename last; not every system can, and what is written is there all the same."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _tighten(descriptor: int, path: Path) -> None:
    """Take the file from group and others."""
    if os.name != "posix" or not os.fstat(descriptor).st_mode & 0o077:
        return
    logger.warning("%s could be read by other users of this machine: it is its owner's only now", path)
    os.fchmod(descriptor, OWNER_ONLY)


def own_file() -> Path:
    """Return the file of tokens in the user's folder for settings; the folder is made, for the user only."""
    folder = user_config_path("enlighten", appauthor=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "tokens.json"
