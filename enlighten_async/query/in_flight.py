"""Requests in flight, so that nobody sends the same request beside them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from attrs import Factory, define, field

from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import Window
from enlighten_async.wire import Request


@define(eq=False)
class Purchase:
    """One request under way, from before the gate until it is answered or given up.

    Attributes:
        window: what it asks for; `None` if that is left to the service, or no matter of time.
        rank: how many classes go before it at the gate.
        sent: whether it is past the gate.
        over: set when it is over, whether or not it has got its part.
        part: what it got, if it did.
    """

    window: Window | None
    rank: int
    sent: bool = False
    over: anyio.Event = Factory(anyio.Event)
    part: Any = field(default=None, repr=False)

    def begins(self, wanted: Window | None) -> bool:
        """Tell whether it is about the beginning of what is wanted."""
        if self.window is None or wanted is None:
            return self.window is wanted
        return self.window.start <= wanted.start < self.window.end

    def share(self, wanted: Window | None) -> Any:
        """Return what it got of the beginning of what is wanted; `None` if that is nothing."""
        if wanted is None or not isinstance(self.part, SeriesResult):
            return self.part
        share = wanted.clip(self.part.window)
        return self.part._slice(share) if share.seconds and share.start == wanted.start else None


@define
class Purchases:
    """All that is being bought by those who share it, in one event loop.

    Whoever wants the same waits for it. If the buyer is cancelled or fails, all who wait are woken, and
    the first of them buys.
    """

    _open: dict[Hashable, list[Purchase]] = Factory(dict)

    def under_way(
        self, account: bytes, request: Request[Any], rank: int, own: Purchase | None = None
    ) -> Purchase | None:
        """Return a purchase that is about the beginning of what a request wants.

        Args:
            account: whose.
            request: what is wanted.
            rank: how many classes go before it; purchases at the gate that come after it are none.
            own: the purchase with which it has come past the gate; only one that has been sent is another.
        """
        others = self._open.get((account, request.subject), ())
        known = (each for each in others if each is not own and each.begins(request.wanted))
        return next((each for each in known if each.sent or (own is None and each.rank <= rank)), None)

    @contextmanager
    def buying(self, account: bytes, request: Request[Any], rank: int) -> Iterator[Purchase]:
        """Buy in here; who wants the same waits until it is left."""
        purchase, key = Purchase(request.window, rank), (account, request.subject)
        others = self._open.setdefault(key, [])
        others.append(purchase)
        try:
            yield purchase
        finally:
            others.remove(purchase)
            if not others:
                del self._open[key]
            purchase.over.set()
