"""Who keeps the intervals that were paid for."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

from enlighten_async.models.intervals import Ranged
from enlighten_async.store.held import Held, Stretch
from enlighten_async.windows import Window
from enlighten_async.wire import Shelf

P = TypeVar("P", bound=Ranged)


@runtime_checkable
class IntervalStore(Protocol):
    """Keeps intervals that were paid for, by account and series.

    No method raises: a store that has a fault says so in the log, and holds nothing. An account is a
    digest of what proves who asks.
    """

    async def stretches(self, account: bytes, shelf: Shelf[P]) -> tuple[Stretch, ...]:
        """Return what is held of a series, in order of time."""
        ...

    async def get(self, account: bytes, shelf: Shelf[P], window: Window, held: Held) -> P | None:
        """Return a part for the beginning of a window, as long as there is one that may be served.

        Args:
            account: whose.
            shelf: the series.
            window: what is wanted.
            held: what of that will do.
        """
        ...

    def put(self, account: bytes, shelf: Shelf[P], part: P, fetched: float) -> None:
        """Keep an answer; it is held from now on, and no cancel can prevent that.

        Args:
            account: whose.
            shelf: the series.
            part: the answer.
            fetched: when it was fetched, epoch seconds.
        """
        ...

    async def flush(self) -> None:
        """Write down what was put, where it takes time; a cancel that comes meanwhile is raised after it."""
        ...
