"""Where tokens are kept, and a store that keeps them for as long as the process lives."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, runtime_checkable

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.oauth.tokens import Tokens
from enlighten_async.oauth.turns import take_turn


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
