"""Which window a telemetry request of v4 means: `granularity` is how long it is, not how fine."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.local_time import iso, local_date, local_midnight, parse_date, parse_moment
from enlighten_async.emulator.plant.sun import DAY
from enlighten_async.emulator.v4.refusals import IN_FUTURE, RefusedError, bad_range, because

if TYPE_CHECKING:
    from datetime import date

    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

LENGTHS = {"5mins": 300, "15mins": 900, "day": DAY, "week": 7 * DAY}

Row: TypeAlias = dict[str, object]


@frozen
class Span:
    """A window of telemetry.

    Attributes:
        granularity: the word for its length.
        start: where it starts (epoch seconds), rounded down to the grid.
        end: where it ends (epoch seconds).
        echo: start and end as the answer tells them: not rounded; as text if dates were asked for.
    """

    granularity: str
    start: int
    end: int
    echo: Row


def asked_span(api: ApiV4, asked: Asked, grid: int, known: tuple[int | None, int | None]) -> Span:
    """Return the window that is asked for: by default the system's today, until now.

    Args:
        api: knows the time.
        asked: the request.
        grid: seconds of one interval.
        known: the ends of the first and the last interval there are (epoch seconds).

    Raises:
        RefusedError: it starts in the future or too long ago, or ends before it starts.
    """
    zone, now = asked.system.timezone, api.clock.now()
    word = asked.get("granularity") or "day"
    if word not in LENGTHS:
        raise RefusedError(422, because("The granularity is not supported"))
    day = None if asked.get("start_at") else parse_date(asked.get("start_date")) or local_date(now, zone)
    start = int(parse_moment(asked.get("start_at"), 0)) if day is None else local_midnight(day, zone)
    if start > now:
        raise RefusedError(422, because(IN_FUTURE))
    end = _end(asked, start, day, word)
    if start < now - api.retention or end < start:
        tail = {"first_interval": known[0], "last_interval": known[1]}
        raise RefusedError(422, because(bad_range(start, end, **tail)))
    if known[0] is not None and start < (first := _midnight(known[0] - grid, zone)):
        start = first
        end = _end(asked, start, None if day is None else local_date(start, zone), word)
    end = min(end, int(now))
    return Span(word, start // grid * grid, end, _echo(asked, start, end))


def clip(span: Span, asked: Asked, length: int, *, claims: bool) -> Span:
    """Return a window with no more than its first seconds; it may claim to be the whole all the same."""
    end = min(span.end, span.start + length)
    shown = span.end if claims else end
    start = span.echo.get("start_at", span.start)
    return Span(span.granularity, span.start, end, _echo(asked, int(str(start)), shown))


def _end(asked: Asked, start: int, day: date | None, word: str) -> int:
    """Return where a window ends: days are the calendar's where a date was asked for.

    An end that is asked for is heeded if it is earlier, which is not documented.
    """
    zone, length = asked.system.timezone, LENGTHS[word]
    end = start + length
    if day is not None and length >= DAY:
        end = local_midnight(day, zone, length // DAY)
    last = parse_date(asked.get("end_date"))
    named = parse_moment(asked.get("end_at"), end if last is None else local_midnight(last, zone, 1))
    return min(end, int(named))


def _midnight(moment: int, zone: str) -> int:
    return local_midnight(local_date(moment, zone), zone)


def _echo(asked: Asked, start: int, end: int) -> Row:
    zone = asked.system.timezone
    if asked.get("start_date") and not asked.get("start_at"):
        return {"start_date": iso(start, zone), "end_date": iso(end, zone)}
    return {"start_at": start, "end_at": end}
