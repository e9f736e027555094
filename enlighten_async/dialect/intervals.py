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
from enlighten_async.store import Held, weeks
from enlighten_async.windows import Moment, Window, floor, without
from enlighten_async.wire import Response

S = TypeVar("S", bound=Ranged)

NOTHING = Held()
"""That nothing is held."""


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
    device: str = ""
    """Serial number of the device it is about; empty if it is about the whole system."""
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

        def outline(now: float, zone: ZoneInfo | None, held: Held = NOTHING) -> Outline[S, S, S]:
            zone = zone or ask.zone
            # Of today as it was some minutes ago the store may know; of today as it is now it does not.
            if leave and not (held.max_age and zone):
                return _today(ask)
            range_ = asked or Range.today(now, zone)
            window = range_.window(now, zone, self.endpoint.grid)
            return _windows(ask, window, now, zone, held, local=range_.local)

        local = asked.local if asked else not leave
        return Draft(outline, zone_of=system_id if local else None, shelf=ask.shelf)


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
    ask: Ask[S], window: Window, now: float, zone: ZoneInfo | None, held: Held, *, local: bool
) -> Outline[S, S, S]:
    """Ask for what is missing of a range by windows; what is known to be empty is not asked for."""
    endpoint = ask.kind.endpoint
    order = _order(ask, window, now, zone, held, local=local)

    def joined(parts: Sequence[S], holes: Sequence[Hole], receipt: Receipt) -> S:
        answer = ask.kind.merge(parts, ask.nothing([], window), [*order.unasked, *holes])
        return evolve(ask.placed(answer), receipt=receipt)

    newest = floor(now, endpoint.grid)
    windows = [(piece, False) for piece in order.pieces] + [(piece, True) for piece in order.known]
    bought = Window(order.pieces[0].start, order.pieces[-1].end) if order.pieces else Window(0, 0)
    return Outline(
        legs=tuple(
            Leg(ask.flow(piece, newest=piece.end >= newest), piece, held=known)
            for piece, known in sorted(windows)
        ),
        merge=joined,
        unpack=lambda part: (ask.placed(part),),
        skip=_not_worth,
        pruned=sum(-(-hole.window.seconds // endpoint.span) for hole in order.unasked),
        spare=endpoint.spare(bought, zone, local=local),
        open_ended=ask.kind.paged,
        cheaper=endpoint.cheaper(bought) if len(order.pieces) > 1 else "",
    )


@frozen
class _Order:
    """How a range is got.

    Attributes:
        pieces: windows to buy, oldest first.
        known: windows to take from the store, oldest first.
        unasked: what is not asked for, and why.
    """

    pieces: Sequence[Window]
    known: Sequence[Window]
    unasked: Sequence[Hole]


def _order(
    ask: Ask[S], window: Window, now: float, zone: ZoneInfo | None, held: Held, *, local: bool
) -> _Order:
    """Return the fewest windows that cover what is missing, and what the store has of the rest."""
    endpoint = ask.kind.endpoint
    known = held.within(window)
    late = Window(held.served_until(window), window.end)
    wanted, unasked = _missing(endpoint, Window(window.start, late.start), known, now)
    if late.seconds and not wanted:
        unasked.append(Hole(late, Reason.NOT_REPORTED_YET))
    elif late.seconds:  # what is bought now tells of reports up to now
        wanted, unasked = _missing(endpoint, window, known, now)
    pieces = []
    for piece in endpoint.pieces(wanted, zone, local=local):
        reason = held.empty(piece)
        if reason is None:
            pieces.append(piece)
        else:
            unasked += [Hole(gap, reason) for gap in without(piece, known)]
    spare = [part for stretch in known for part in without(stretch, pieces)]
    return _Order(pieces, [part for stretch in spare for part in weeks(stretch)], unasked)


def _missing(
    endpoint: Endpoint, window: Window, known: Sequence[Window], now: float
) -> tuple[list[Window], list[Hole]]:
    """Return what is missing of a window, and what of it the service does not keep any more."""
    wanted, gone = [], []
    for stretch in without(window, known):
        kept = stretch.clip(Window(endpoint.oldest(now), stretch.end))
        lost = Window(stretch.start, kept.start)
        gone += [Hole(lost, Reason.BEYOND_RETENTION)] if lost.seconds else []
        wanted += [kept] if kept.seconds else []
    return wanted, gone


def _not_worth(newest: Ranged, window: Window) -> Reason | None:
    """Tell by the newest part why an older window is documented as empty, if it is."""
    if any(hole.reason is Reason.NO_DEVICE for hole in newest.coverage.holes):
        return Reason.NO_DEVICE
    started = newest.meta.operational_at if newest.meta else None
    if started is not None and window.end <= started.timestamp():
        return Reason.BEFORE_OPERATION
    return None
