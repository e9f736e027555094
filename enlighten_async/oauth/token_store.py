"""Tokens of accounts, and the stores that save them: the protocol, a user's own, and memory."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from math import isfinite
from pathlib import Path
from typing import Protocol, runtime_checkable

from attrs import asdict, converters, field, frozen

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import InputError, UsageError, users_errors
from enlighten_async.state import poll_until
from enlighten_async.transport import Secret

REFRESH_MARGIN_S = 300.0
"""Seconds before its end from which on an access token is refreshed: a request takes time, clocks differ."""

TOKEN_LOCK_TIMEOUT_S = 300.0
"""Seconds to wait for the lock of an account; three requests that time out hold it for 92."""


class _LockTaken(Exception):
    """Another task or program holds the lock."""


async def acquire(take: Callable[[], Awaitable[bool]], clock: Clock, what: str) -> None:
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
    client_id: str | None = field(default=None, repr=False)
    """Client id of the application that they were given to; `None` if they were saved without it."""

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
    "client_id": lambda value: isinstance(value, str | None),
}


@runtime_checkable
class TokenStore(Protocol):
    """A store of accounts' tokens. `Tokens.reveal` and `Tokens.of` turn them into plain values and back."""

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, by any process; `None` if there are none.

        Args:
            account: name of the account, as given to `OAuth`.
        """
        ...

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens; they must be durable when this returns, as the old ones may have ended.

        Args:
            account: name of the account, as given to `OAuth`.
            tokens: its tokens.
        """
        ...

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Lock the account in all processes, so that only one task refreshes it.

        The lock must come free if the process is killed. `load` and `save` are called inside of it, and
        not always by the task that entered it.

        Args:
            account: name of the account, as given to `OAuth`.
        """
        ...

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any.

        Args:
            account: name of the account, as given to `OAuth`.
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
            account: name of the account, as given to `OAuth`.
        """
        return self._tokens.get(account)

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the tokens.

        Args:
            account: name of the account, as given to `OAuth`.
            tokens: its tokens.
        """
        self._tokens[account] = tokens

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Lock the account for all that share the store.

        Args:
            account: name of the account, as given to `OAuth`.
        """
        lock = self._locks.setdefault(account, threading.Lock())  # atomic, so that all threads share one lock

        async def take() -> bool:
            return lock.acquire(blocking=False)

        await acquire(take, self._clock, f"the lock of account {account!r}")
        try:
            yield
        finally:
            lock.release()

    async def remove(self, account: str) -> None:
        """Remove the account's tokens, if there are any.

        Args:
            account: name of the account, as given to `OAuth`.
        """
        self._tokens.pop(account, None)


def identity(store: TokenStore) -> Hashable:
    """Return what tells a store from others of this process: two for one place are one and the same."""
    inner = store._store if isinstance(store, UserTokenStore) else store
    return inner.place if isinstance(inner, LastingStore) else id(inner)


class LastingStore(ABC):
    """A store of tokens that outlive the process: what those have in common."""

    @property
    @abstractmethod
    def place(self) -> str:
        """The place of the tokens, without secrets."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"


class StoreOnDisk(LastingStore):
    """A store of tokens at a path: what those on the disk have in common."""

    path: Path
    """The file, without symbolic links."""

    @property
    def place(self) -> str:
        """The path of the file."""
        return str(self.path)
