"""Tokens in a file that only its owner can read, shared by the processes of a machine.

Reading and writing block the event loop, on purpose: it is a few kilobytes, written once a day for each
account, and between the answer that brings new tokens and the disk there is no step at which anything
could be cancelled. Locks are waited for by the clock, without blocking.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import field, frozen
from filelock import FileLock, Timeout
from platformdirs import user_config_path

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import InputError, UsageError
from enlighten_async.oauth.tokens import Tokens
from enlighten_async.oauth.turns import take_turn

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
