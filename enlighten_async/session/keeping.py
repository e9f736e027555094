"""How one query gets what was bought already, and keeps what it buys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import evolve, frozen

from enlighten_async.errors import EnlightenError
from enlighten_async.session.outline import Leg
from enlighten_async.session.purchases import Purchase
from enlighten_async.session.session import Options, Session
from enlighten_async.session.track import Track
from enlighten_async.store import FOR_EVER, REMEMBERED, Held, Kept
from enlighten_async.windows import Window
from enlighten_async.wire import Reply, Request, Response


@frozen
class Keeping:
    """What one query may take from others, and gives to them.

    Attributes:
        session: whose store and purchases are shared.
        options: who is asking, and how old an answer will do.
        held: what the store held of its series when it began, and what of that will do.
    """

    session: Session
    options: Options
    held: Held

    async def recall(self, tracks: Sequence[Track[Any]]) -> int:
        """Give tracks of one series what the store holds for them, in one look; return how many parts."""
        store, wanted = self.session.store, [track.asking.wanted for track in tracks]
        shelf = tracks[0].asking.shelf if tracks else None
        if store is None or shelf is None or wanted[0] is None or wanted[-1] is None:
            return 0
        span, served = Window(wanted[0].start, wanted[-1].end), 0
        kept = await store.get(self.options.account, shelf, span)
        for track in tracks:
            while track.request is not None and (part := self._first(kept, track.request.wanted)) is not None:
                track.accept(part)
                served += 1
        return served

    async def recalled(self, request: Request[Any]) -> Any:
        """Return what the store holds of the beginning of what a request wants; `None` if that is nothing."""
        store, account = self.session.store, self.options.account
        if store is None:
            return None
        if request.shelf is not None and request.wanted is not None:
            kept = await store.get(account, request.shelf, request.wanted)
            return self._first(kept, request.wanted)
        reply = request.reply
        response = None if reply is None else await store.reply(account, reply)
        if reply is None or response is None:
            return None
        return self._still_good(request, reply, response)

    async def answered(self, leg: Leg[Any]) -> bool:
        """Tell whether the store has the answer to the first request of a leg, which is used up by that."""
        request = next(leg.flow, None)
        return request is not None and request.reply is not None and await self.recalled(request) is not None

    def under_way(self, request: Request[Any], own: Purchase | None = None) -> Purchase | None:
        """Return a purchase, other than its own, that is about the beginning of what a request wants."""
        if self.options.max_age == 0:
            return None
        return self.session.purchases.under_way(self.options.account, request, self.options.rank, own)

    @contextmanager
    def buying(self, track: Track[Any]) -> Iterator[Purchase]:
        """Buy in here what a track asks for: it is kept, and others who want it wait until this is left."""
        request, options = track.asking, self.options
        with self.session.purchases.buying(options.account, request, options.rank) as purchase:

            def keep(part: Any, response: Response) -> None:
                purchase.part = part
                self._keep(request, part, response)

            track.keep = keep
            try:
                yield purchase
            finally:
                track.keep = None

    def _keep(self, request: Request[Any], part: Any, response: Response) -> None:
        store, account = self.session.store, self.options.account
        if store is None:
            return
        fetched = self.session.now() if response.date is None else response.date
        if request.shelf is not None:
            store.put(account, request.shelf, part, fetched)
        elif request.reply is not None:
            # Only what is no refusal can be final.
            final = response.status == 200 and request.reply.good_until(part, fetched) == FOR_EVER
            store.put_reply(account, request.reply, evolve(response, date=fetched), final=final)

    def _first(self, kept: Sequence[Kept[Any]], wanted: Window | None) -> Any:
        """Return what pieces of a series hold of the beginning of what is wanted, as far as it will do."""
        if wanted is None:
            return None
        for piece in kept:
            if piece.window.start <= wanted.start < piece.window.end:
                good = wanted.clip(self.held.good(piece.stretch))
                return piece.cut(good).part if good.seconds and good.start == wanted.start else None
        return None

    def _still_good(self, request: Request[Any], reply: Reply[Any], response: Response) -> Any:
        """Return what a stored answer says, if it will do."""
        fetched, held = response.date or 0.0, self.held
        if held.max_age == 0:
            return None
        try:
            part, refused = self.session.meaning(request, response)
        except EnlightenError:
            return None  # an older version of this package could read it
        if part is None or held.young(fetched):
            return part
        until = fetched + REMEMBERED if refused else reply.good_until(part, fetched)
        return part if until > held.now else None
