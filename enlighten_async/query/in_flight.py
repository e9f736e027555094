"""Requests in flight in this process, so that no query sends the same request beside them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from attrs import Factory, define, field

from enlighten_async.errors import EnlightenError
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import Window


@define(eq=False)
class SharedRequest:
    """One request under way, from before the limiter until it is answered or given up.

    Attributes:
        window: the range it asks for; `None` if that is left to the service, or no matter of time.
        rank: the number of classes that go before it at the limiter.
        sent: whether it has passed the limiter.
        part: the part that it got, if it did.
        failure: why it got none, if it is of no use that another query sends it.
        over: set when it is over, whether or not it has got its part; made when somebody waits for it.
    """

    window: Window | None
    rank: int
    sent: bool = False
    part: Any = field(default=None, repr=False)
    failure: EnlightenError | None = None
    over: anyio.Event | None = field(default=None, init=False, repr=False)

    async def wait(self) -> None:
        """Wait until it is over."""
        if self.over is None:
            self.over = anyio.Event()
        await self.over.wait()

    def begins(self, wanted: Window | None) -> bool:
        """Tell whether it asks for the beginning of what is wanted."""
        if self.window is None or wanted is None:
            return self.window is wanted
        return self.window.start <= wanted.start < self.window.end

    def share(self, wanted: Window | None) -> Any:
        """Return its part, cut to the beginning of what is wanted; `None` if it has nothing of that."""
        if wanted is None or not isinstance(self.part, SeriesResult):
            return self.part
        share = wanted.clip(self.part.window)
        return self.part._slice(share) if share.seconds and share.start == wanted.start else None


@define
class InFlight:
    """All requests under way of those who share it, in one event loop.

    A query that wants the same part waits for it. If the request is cancelled or fails, all who wait are
    woken, and the first of them sends it; if the service is down or cannot be reached, all are told.
    """

    _shared: dict[Hashable, list[SharedRequest]] = Factory(dict)

    def find(
        self, key: Hashable, wanted: Window | None, rank: int, own: SharedRequest | None = None
    ) -> SharedRequest | None:
        """Return a request under way that asks for the beginning of what is wanted.

        Args:
            key: identity of the scope and of the thing that is asked about, at whatever time.
            wanted: the range that is wanted; `None` if that is left to the service, or no matter of time.
            rank: the number of classes that go before it; a request that waits behind it does not count.
            own: the entry with which it has passed the limiter; then only one that was sent counts.
        """
        for each in self._shared.get(key, ()):
            first = each.sent or (own is None and each.rank <= rank)
            if first and each is not own and each.begins(wanted):
                return each
        return None

    @contextmanager
    def entered(self, key: Hashable, window: Window | None, rank: int) -> Iterator[SharedRequest]:
        """Share a request for a window: queries that want the same wait until this is left."""
        shared = SharedRequest(window, rank)
        others = self._shared.setdefault(key, [])
        others.append(shared)
        try:
            yield shared
        finally:
            others.remove(shared)
            if not others:
                del self._shared[key]
            if shared.over is not None:
                shared.over.set()
