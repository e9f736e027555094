"""Quota stores: the owners of a key's counts, and how the clients of one process find the same counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable
from weakref import WeakValueDictionary

from enlighten_async.limiter.key_state import KeyState

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.grant import Settlement, Wait
    from enlighten_async.limiter.key_state import KeySnapshot, UsageWarning
    from enlighten_async.limiter.plan import Plan

S = TypeVar("S")

KEPT = 1000
"""Keys whose counts this process remembers after their last client has gone."""


@runtime_checkable
class QuotaStore(Protocol):
    """Owns the counts of one key and takes the one atomic decision, by the rule of `KeyState`.

    Only `take` and `sync` may wait (for a lock, a file, a server). The others are called where nothing can
    be awaited, in the midst of a cancellation: a durable store notes them and writes them with its next
    `take` or `sync`; until then what they settle still counts as in flight for others, which errs on the
    safe side.
    All times are readings of the monotonic clock unless called `wall`.
    """

    async def take(self, ticket: int, plan: Plan, now: float, rank: int = 0) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait.

        If it is cancelled, the caller settles the ticket, whether or not it was taken.

        Args:
            ticket: a number unique in this process; later ones are higher.
            plan: what the caller believes the key may spend.
            now: the time.
            rank: its class: how many classes go before it, see `RANKS`.
        """
        ...

    def settle(self, ticket: int, outcome: Settlement) -> None:
        """Take a request out of flight and charge it; does nothing for a ticket not in flight."""
        ...

    def refuse(self, ticket: int, refusal: Throttled, plan: Plan, now: float) -> None:
        """Learn from the server's word that a limit is reached; the ticket has been settled."""
        ...

    def left(self, plan: Plan, now: float, rank: int = 0) -> dict[str, int]:
        """Return the requests left to a class at the least in the running windows, by period."""
        ...

    def ready_at(self, plan: Plan, requests: int, now: float, wall: float, rank: int = 0) -> float:
        """Return the server's time (epoch seconds) by when so many more of a class would be granted."""
        ...

    def standing(self, plan: Plan, now: float) -> KeySnapshot:
        """Return what is known of the key."""
        ...

    def alarm(self, plan: Plan, now: float) -> UsageWarning | None:
        """Return the news that most of the month is used up, each stage once a month; else `None`."""
        ...

    async def sync(self, *, look: bool = False) -> None:
        """Write what was noted; with `look`, also learn what others have spent where nothing was.

        It is called when requests are settled and nobody is about to take: also in the midst of a
        cancellation, which must not cut it off. It raises nothing, and does not take long.
        """
        ...


class MemoryQuotaStore:
    """Counts in memory, for any number of limiters, event loops and threads of one process.

    All of them must read the same monotonic clock.
    """

    def __init__(self) -> None:
        self._account = KeyState()
        # Held for microseconds and never across an await, so that it may be taken in an event loop.
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<MemoryQuotaStore {self._account!r}>"

    async def take(self, ticket: int, plan: Plan, now: float, rank: int = 0) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait; never suspends."""
        with self._lock:
            return self._account.take(ticket, plan, now, rank)

    def settle(self, ticket: int, outcome: Settlement) -> None:
        """Take a request out of flight and charge it; does nothing for a ticket not in flight."""
        with self._lock:
            self._account.settle(ticket, outcome)

    def refuse(self, ticket: int, refusal: Throttled, plan: Plan, now: float) -> None:
        """Learn from the server's word that a limit is reached; the ticket has been settled."""
        with self._lock:
            self._account.refuse(ticket, refusal, plan, now)

    def left(self, plan: Plan, now: float, rank: int = 0) -> dict[str, int]:
        """Return the requests left to a class at the least in the running windows, by period."""
        with self._lock:
            return self._account.left(plan, now, rank)

    def ready_at(self, plan: Plan, requests: int, now: float, wall: float, rank: int = 0) -> float:
        """Return the server's time (epoch seconds) by when so many more of a class would be granted."""
        with self._lock:
            return self._account.ready_at(plan, requests, now, wall, rank)

    def standing(self, plan: Plan, now: float) -> KeySnapshot:
        """Return what is known of the key."""
        with self._lock:
            return self._account.standing(plan, now)

    def alarm(self, plan: Plan, now: float) -> UsageWarning | None:
        """Return the news that most of the month is used up, each stage once a month; else `None`."""
        with self._lock:
            return self._account.alarm(plan, now)

    async def sync(self, *, look: bool = False) -> None:
        """Do nothing: all is known at once; never suspends."""


_registry_lock = Lock()
_living: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
# A script may open a client per call: the counts must outlive each of them, for the server's do.
_recent: OrderedDict[Hashable, Any] = OrderedDict()


def shared_store(scope: Hashable, make: Callable[[], S] = MemoryQuotaStore) -> S:  # type: ignore[assignment]
    """Return the store of this scope, the same one for all clients of this process.

    A second client on the same key must not double the rate, nor a client that comes after the first
    has gone: the store lives as long as it is used, and is remembered after that (the last 1000 are).

    Args:
        scope: what is counted together: a keyed hash of the API key, the origin, and which monotonic
            clock is read. For a server inside the process, `weakref.ref(app)`: a scope is kept alive.
        make: makes it, if this is a scope not known yet.
    """
    with _registry_lock:
        store: S | None = _living.get(scope)
        if store is None:
            store = _living[scope] = make()
        _recent[scope] = store
        _recent.move_to_end(scope)
        if len(_recent) > KEPT:
            _recent.popitem(last=False)
        return store
