"""How one query gets what was bought already, and keeps what it buys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import Factory, frozen

from enlighten_async.session.purchases import Purchase, Purchases
from enlighten_async.session.track import Track
from enlighten_async.store import Held, IntervalStore
from enlighten_async.wire import Request


@frozen
class Keeping:
    """What one query may take from others, and gives to them.

    Attributes:
        account: a digest of who is asking.
        held: what the store held of its series when it began, and what of that will do.
        store: what was bought before; `None` if nothing is kept.
        purchases: what is being bought right now.
    """

    account: bytes = b""
    held: Held = Factory(Held)
    store: IntervalStore | None = None
    purchases: Purchases = Factory(Purchases)

    async def recalled(self, request: Request[Any]) -> Any:
        """Return what the store holds of the beginning of what a request wants; `None` if that is nothing."""
        if self.store is None or request.shelf is None or request.wanted is None:
            return None
        return await self.store.get(self.account, request.shelf, request.wanted, self.held)

    def under_way(self, request: Request[Any]) -> Purchase | None:
        """Return a purchase that is about the beginning of what a request wants."""
        return None if request.shelf is None else self.purchases.under_way(self.account, request)

    @contextmanager
    def buying(self, track: Track[Any]) -> Iterator[None]:
        """Buy in here what a track asks for: it is kept, and others who want it wait until this is left."""
        request = track.asking
        if request.shelf is None:
            yield
            return
        with self.purchases.buying(self.account, request) as purchase:

            def keep(part: Any, fetched: float) -> None:
                purchase.part = part
                if self.store is not None and request.shelf is not None:
                    self.store.put(self.account, request.shelf, part, fetched)

            track.keep = keep
            try:
                yield
            finally:
                track.keep = None

    async def flush(self) -> None:
        """Have the store write down what it was given."""
        if self.store is not None:
            await self.store.flush()
