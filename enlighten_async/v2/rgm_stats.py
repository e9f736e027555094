"""`/systems/{system_id}/rgm_stats`: windows of at most 7 days, and how their answers join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from enlighten_async.errors import EnlightenError, RangeError, Unavailable
from enlighten_async.models.coverage import Hole, Reason, explained
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rgm_stats import RgmStats, merge
from enlighten_async.session.outline import Draft, Leg, Outline
from enlighten_async.v2.decode_rgm import nothing
from enlighten_async.v2.decode_rgm import rgm_stats as decoded
from enlighten_async.v2.ranges import RGM_STATS, Range
from enlighten_async.windows import Moment, Window, floor, split
from enlighten_async.wire import Flow, Request, Response


def rgm_stats(
    system_id: int,
    zones: Mapping[int, str],
    *,
    start_at: Moment | None = None,
    end_at: Moment | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
) -> Draft[RgmStats, RgmStats, RgmStats]:
    """Ask for the intervals of a system's meters.

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
    ask = Ask(system_id)

    def outline(now: float, zone: ZoneInfo | None) -> Outline[RgmStats, RgmStats, RgmStats]:
        if asked is None:
            return _today(ask, zones)
        return _windows(ask, zones, asked.window(now, zone, RGM_STATS.grid), now)

    return Draft(outline, zone_of=system_id if asked and asked.local else None)


@frozen
class Ask:
    """What is asked of one system."""

    system_id: int

    def request(self, window: Window | None) -> Request[RgmStats]:
        """Return the request for one window; `None` leaves the range to the service."""
        params = () if window is None else (("start_at", str(window.start)), ("end_at", str(window.end)))
        return Request(
            "rgm_stats",
            f"/systems/{self.system_id}/rgm_stats",
            params,
            lambda response: self._part(response, window),
            window,
            lambda refusal: self._forgiven(refusal, window),
        )

    def flow(self, window: Window) -> Flow[RgmStats]:
        """Ask for a window, and for the rest of it where an answer spoke for its beginning only."""
        while window.start < window.end:
            part = yield self.request(window)
            window = Window(part.window.end, window.end)

    def _part(self, response: Response, window: Window | None) -> RgmStats:
        part = decoded(response, self.system_id, window)
        limit = None if response.date is None else RGM_STATS.oldest(response.date)
        if window is None or limit is None or part.intervals or window.start >= limit:
            return part
        # A window that begins before the limit of retention is answered with an empty list for the whole
        # of it: the answer speaks for what is gone, and the rest is asked for again.
        gone = Window(window.start, min(limit, window.end))
        return nothing(self.system_id, gone, [Hole(gone, Reason.BEYOND_RETENTION)])

    def _forgiven(self, refusal: EnlightenError, window: Window | None) -> RgmStats | None:
        """Return the part that a documented refusal stands for, if it is known for which range."""
        if isinstance(refusal, RangeError):
            window = window or _told(refusal)
            if window is None or "invalid for this system" not in str(refusal):
                return None
            first, last = refusal.first_interval, refusal.last_interval
            # Both are ends of intervals that exist: the first one began a quarter of an hour before.
            started = None if first is None else first - RGM_STATS.grid
            holes = explained(window, RGM_STATS.grid, started, last)
            return nothing(self.system_id, window, holes, last)
        if isinstance(refusal, Unavailable) and refusal.status == 500 and window is not None:
            return nothing(self.system_id, window, [Hole(window, Reason.UNAVAILABLE)])
        return None


def _told(refusal: RangeError) -> Window | None:
    """Return the range a refusal names: shortly after midnight, "today" is one without data yet."""
    if refusal.start_at is None or refusal.end_at is None:
        return None
    start, end = floor(refusal.start_at, RGM_STATS.grid), floor(refusal.end_at, RGM_STATS.grid)
    return Window(start, end) if 0 <= end - start <= RGM_STATS.span else None


def _today(ask: Ask, zones: Mapping[int, str]) -> Outline[RgmStats, RgmStats, RgmStats]:
    """Leave the range to the service: the system's own today, so far."""

    def once() -> Flow[RgmStats]:
        yield ask.request(None)

    def answer(parts: Sequence[RgmStats], _: Sequence[Hole], receipt: Receipt) -> RgmStats:
        return evolve(parts[0], timezone=zones.get(ask.system_id), receipt=receipt)

    return Outline(legs=(Leg(once()),), merge=answer, unpack=lambda part: (part,))


def _windows(
    ask: Ask, zones: Mapping[int, str], window: Window, now: float
) -> Outline[RgmStats, RgmStats, RgmStats]:
    """Ask for a range by windows; what is beyond retention is known to be empty and not asked for."""
    kept = window.clip(Window(RGM_STATS.oldest(now), window.end))
    gone = Window(window.start, kept.start)
    unasked = [Hole(gone, Reason.BEYOND_RETENTION)] if gone.seconds else []

    def joined(parts: Sequence[RgmStats], holes: Sequence[Hole], receipt: Receipt) -> RgmStats:
        return merge(
            parts,
            system_id=ask.system_id,
            window=window,
            grid=RGM_STATS.grid,
            unasked=[*unasked, *holes],
            timezone=zones.get(ask.system_id),
            receipt=receipt,
        )

    return Outline(
        legs=tuple(Leg(ask.flow(piece), piece) for piece in split(kept, RGM_STATS.span)),
        merge=joined,
        unpack=lambda part: (evolve(part, timezone=zones.get(ask.system_id)),),
        skip=_not_worth,
        pruned=len(split(gone, RGM_STATS.span)),
    )


def _not_worth(newest: RgmStats, window: Window) -> Reason | None:
    """Tell by the newest part why an older window is documented as empty, if it is."""
    if any(hole.reason is Reason.NO_DEVICE for hole in newest.coverage.holes):
        return Reason.NO_DEVICE
    started = newest.meta.operational_at if newest.meta else None
    if started is not None and window.end <= started.timestamp():
        return Reason.BEFORE_OPERATION
    return None
