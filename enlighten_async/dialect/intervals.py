"""Endpoints that answer in intervals: windows as long as each allows, and how their answers join."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import ClassVar, Generic, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from enlighten_async.dialect.ask import Ask
from enlighten_async.dialect.ranges import Endpoint, Range
from enlighten_async.models.coverage import Coverage, Hole, Reason
from enlighten_async.models.intervals import Ranged
from enlighten_async.models.receipt import Receipt
from enlighten_async.session.outline import Draft, Leg, Outline
from enlighten_async.windows import Moment, Window, floor, split
from enlighten_async.wire import Response

S = TypeVar("S", bound=Ranged)


@frozen
class Kind(Generic[S]):
    """One endpoint that answers in intervals.

    Attributes:
        endpoint: what the service allows.
        decode: reads an answer for a window; `None` leaves the range to what the answer spans.
        nothing: makes an answer without rows.
        merge: joins parts, oldest first, in place of an answer without rows, with holes nobody spoke for.
    """

    endpoint: Endpoint
    decode: Callable[[Endpoint, Response, int, Window | None], S]
    nothing: Callable[[int, Coverage], S]
    merge: Callable[[Sequence[S], S, Iterable[Hole]], S]
    paged: ClassVar[bool] = False
    """Whether a window is answered page by page."""

    def ask(self, system_id: int, zones: Mapping[int, str]) -> Ask[S]:
        """Return what asks for the intervals of a system."""
        return Ask(self, system_id, zones)

    def draft(
        self,
        system_id: int,
        zones: Mapping[int, str],
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Draft[S, S, S]:
        """Ask for the intervals of a system.

        Args:
            system_id: the system.
            zones: names of systems' time zones, as far as they are known.
            start_at: start, exclusive.
            end_at: end, inclusive; now if not given.
            start_date: first local day.
            end_date: last local day; today if not given.

        Raises:
            InputError: the range makes no sense.
        """
        asked = Range.of(start_at=start_at, end_at=end_at, start_date=start_date, end_date=end_date)
        ask = self.ask(system_id, zones)
        leave = asked is None and self.endpoint.knows_today

        def outline(now: float, zone: ZoneInfo | None) -> Outline[S, S, S]:
            if leave:
                return _today(ask)
            range_ = asked or Range.today(now, zone)
            window = range_.window(now, zone, self.endpoint.grid)
            return _windows(ask, window, now, zone or ask.zone, local=range_.local)

        local = asked.local if asked else not leave
        return Draft(outline, zone_of=system_id if local else None)


def _today(ask: Ask[S]) -> Outline[S, S, S]:
    """Leave the range to the service: the system's own today, so far."""

    def answer(parts: Sequence[S], holes: Sequence[Hole], receipt: Receipt) -> S:
        whole, *pages = parts
        if pages or holes:
            whole = ask.kind.merge(parts, ask.nothing([], whole.window), holes)
        return evolve(ask.placed(whole), receipt=receipt)

    return Outline(
        legs=(Leg(ask.flow(None)),),
        merge=answer,
        unpack=lambda part: (part,),
        open_ended=ask.kind.paged,
    )


def _windows(
    ask: Ask[S], window: Window, now: float, zone: ZoneInfo | None, *, local: bool
) -> Outline[S, S, S]:
    """Ask for a range by windows; what is beyond retention is known to be empty and not asked for."""
    endpoint = ask.kind.endpoint
    kept = window.clip(Window(endpoint.oldest(now), window.end))
    gone = Window(window.start, kept.start)
    unasked = [Hole(gone, Reason.BEYOND_RETENTION)] if gone.seconds else []

    def joined(parts: Sequence[S], holes: Sequence[Hole], receipt: Receipt) -> S:
        answer = ask.kind.merge(parts, ask.nothing([], window), [*unasked, *holes])
        return evolve(ask.placed(answer), receipt=receipt)

    newest = floor(now, endpoint.grid)
    return Outline(
        legs=tuple(
            Leg(ask.flow(piece, newest=piece.end >= newest), piece)
            for piece in endpoint.pieces(kept, zone, local=local)
        ),
        merge=joined,
        unpack=lambda part: (ask.placed(part),),
        skip=_not_worth,
        pruned=len(split(gone, endpoint.span)),
        spare=endpoint.spare(kept, zone, local=local),
        open_ended=ask.kind.paged,
        cheaper=endpoint.cheaper(kept),
    )


def _not_worth(newest: Ranged, window: Window) -> Reason | None:
    """Tell by the newest part why an older window is documented as empty, if it is."""
    if any(hole.reason is Reason.NO_DEVICE for hole in newest.coverage.holes):
        return Reason.NO_DEVICE
    started = newest.meta.operational_at if newest.meta else None
    if started is not None and window.end <= started.timestamp():
        return Reason.BEFORE_OPERATION
    return None
