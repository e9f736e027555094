"""QuotaStore: the owner of a key's state; stores are shared by the clients of one process."""

from __future__ import annotations

import logging
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, cast, runtime_checkable
from weakref import WeakSet, WeakValueDictionary

from enlighten_async.errors import UsageError, users_errors
from enlighten_async.limiter.key_state import KeyState

if TYPE_CHECKING:
    from enlighten_async.limiter.decision import Take, Wait

T = TypeVar("T")

logger = logging.getLogger("enlighten_async")

MAX_RECENT_STORES = 1000
"""Keys whose counts this process remembers after their last client has gone."""


@runtime_checkable
class QuotaStore(Protocol):
    """The owner of the state of one key.

    Only `take` and `sync` may wait (for a lock, a file, a server). The others are called where nothing can
    be awaited, in the midst of a cancellation: a durable store notes them and writes them with its next
    `take` or `sync`; until then the requests they settle still count as in flight for others, which errs on
    the safe side.
    """

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait: `KeyState.take`, atomic.

        If it is cancelled, the caller settles the ticket, whether or not it was taken.

        Args:
            asked: the request, its class, and who asks.
            now: the monotonic clock's reading.
        """
        ...

    def update(self, change: Callable[[KeyState], T]) -> T:
        """Change the state, such as by `KeyState.settle`, in effect at once for this process.

        Args:
            change: applied now; a durable store applies it again to the state that it writes down.
        """
        ...

    def read(self, look: Callable[[KeyState], T]) -> T:
        """Return the result of a function of the state, which it must not change.

        Args:
            look: the function.
        """
        ...

    async def sync(self, *, refresh: bool = False) -> None:
        """Write what was noted; with `refresh`, also learn what others have spent where nothing was.

        It is called when requests are settled and nobody is about to take: also in the midst of a
        cancellation, which must not cut it off, and does not take long. It raises nothing but, with
        `refresh`, an error of what can never be used.

        Args:
            refresh: whether to learn also what others have spent.
        """
        ...


class MemoryQuotaStore:
    """A key's state in memory, for any number of limiters, event loops and threads of one process.

    All of them must read the same monotonic clock.
    """

    def __init__(self) -> None:
        self._state = KeyState()
        # Held for microseconds and never across an await, so that it may be taken in an event loop.
        self._lock = Lock()
        begin_anew_in_children(self)

    def begin_anew(self) -> None:
        """Forget what the parent process has in flight and has counted."""
        self._lock, self._state = Lock(), KeyState()

    def __repr__(self) -> str:
        return f"<MemoryQuotaStore {self._state!r}>"

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait; never suspends.

        Args:
            asked: the request, its class, and who asks.
            now: the monotonic clock's reading.
        """
        with self._lock:
            return self._state.take(asked, now)

    def update(self, change: Callable[[KeyState], T]) -> T:
        """Change the state, or read it.

        Args:
            change: applied now.
        """
        with self._lock:
            return change(self._state)

    read = update
    """Look at the state."""

    async def sync(self, *, refresh: bool = False) -> None:
        """Do nothing: everything is known at once; never suspends.

        Args:
            refresh: whether to learn also what others have spent.
        """


class UserQuotaStore:
    """A user's store, whose errors become ours: each has the user's as its cause, and shows no text of it.

    No answer that is paid for depends on it. Where it fails to settle one, the log says so, and the counts go
    on from what was known last; what it has not taken is given to it again before anything more is sent.

    Args:
        store: the store.
    """

    def __init__(self, store: QuotaStore) -> None:
        self._store = store
        self._known: KeyState | None = None  # as the store had it last, or, while it fails, a copy
        self._untaken: list[Callable[[KeyState], object]] = []
        self._fails = False

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait.

        Raises:
            UsageError: the store fails.
        """
        self._catch_up()
        with users_errors(_ROLE, self._store, "take"):
            return await self._store.take(asked, now)

    def update(self, change: Callable[[KeyState], T]) -> T:
        """Change the state: where the store fails, as it was known last, and the store's when it can be."""
        if not self._fails:
            try:
                return self._call("update", change)
            except UsageError as error:
                self._begin_fault(error)
        self._untaken.append(change)
        return change(self._known or KeyState())

    def read(self, look: Callable[[KeyState], T]) -> T:
        """Return the result of a function of the state: where the store fails, as it was known last.

        Raises:
            UsageError: the store fails, and nothing is known yet.
        """
        if not self._fails:
            try:
                return self._call("read", look)
            except UsageError as error:
                if self._known is None:
                    raise
                self._begin_fault(error)
        return look(self._known or KeyState())

    async def sync(self, *, refresh: bool = False) -> None:
        """Write what was noted; where an error would cost an answer it is logged."""
        try:
            self._catch_up()
            with users_errors(_ROLE, self._store, "sync"):
                await self._store.sync(refresh=refresh)
        except UsageError as error:
            if refresh:
                raise
            if not self._fails:  # which has been logged
                logger.warning("%s: what is spent may not be noted", error)

    def _call(self, method: Literal["update", "read"], function: Callable[[KeyState], T]) -> T:
        """Let the store apply a function to its state, which is known then."""

        def seen(state: KeyState) -> T:
            self._known = self._known if self._fails else state
            return function(state)

        with users_errors(_ROLE, self._store, method):
            return (self._store.update if method == "update" else self._store.read)(seen)

    def _begin_fault(self, error: UsageError) -> None:
        """Log once that the store fails, and go on with a copy of the state that was known last."""
        self._known, self._fails = (self._known or KeyState()).fork(), True
        logger.warning("%s: nothing more is sent until it can be used again; answers are kept", error)

    def _catch_up(self) -> None:
        """Give the store what it has not taken, if it failed.

        Raises:
            UsageError: it still fails.
        """
        while self._untaken:
            self._call("update", self._untaken[0])
            del self._untaken[0]
        if self._fails:
            self._call("read", lambda _: None)
            self._fails = False
            logger.info("the quota store can be used again; what was spent meanwhile is noted")


_ROLE = "quota store"


class Inherited(Protocol):
    """A store that a child process may inherit by a fork."""

    def begin_anew(self) -> None:
        """Forget what the child has of the parent: locks that are held, requests in flight."""
        ...


_all: WeakSet[Inherited] = WeakSet()


def begin_anew_in_children(store: Inherited) -> None:
    """Let a store begin anew in each process that is forked from this one."""
    _all.add(store)


Store = TypeVar("Store", bound=QuotaStore)

_registry_lock = Lock()
_living: WeakValueDictionary[Hashable, QuotaStore] = WeakValueDictionary()
# A script may open a client per call: the counts must outlive each of them, for the server's do.
_recent: OrderedDict[Hashable, QuotaStore] = OrderedDict()


def shared_store(scope: Hashable, make: Callable[[], Store]) -> Store:
    """Return the store of this scope, the same one for all clients of this process.

    A second client on the same key must not double the rate, nor a client that comes after the first
    has gone: the store lives as long as it is used, and is remembered after that (the last 1000 are).

    Args:
        scope: what is counted together: a keyed hash of the API key, the origin, and which monotonic
            clock is read. For a server inside the process, `weakref.ref(app)`: a scope is kept alive.
        make: makes it, if this is a scope not known yet; of one kind for each scope.
    """
    with _registry_lock:
        store = cast("Store | None", _living.get(scope))
        if store is None:
            store = make()
            _living[scope] = store
        _recent[scope] = store
        _recent.move_to_end(scope)
        if len(_recent) > MAX_RECENT_STORES:
            _recent.popitem(last=False)
        return store


def _after_fork_in_child() -> None:
    """Begin anew in the child process, which counts as any other process does."""
    _living.clear()
    _recent.clear()
    for store in list(_all):
        store.begin_anew()
    _registry_lock.release()


if sys.platform != "win32":
    os.register_at_fork(
        before=_registry_lock.acquire,
        after_in_parent=_registry_lock.release,
        after_in_child=_after_fork_in_child,
    )
