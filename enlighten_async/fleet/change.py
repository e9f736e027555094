"""Change: the rows of one system that are new, or differ from what was held."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import frozen

from enlighten_async.fleet.backfill import History
from enlighten_async.fleet.roster import Answered
from enlighten_async.fleet.schedule import Daylight
from enlighten_async.models.coverage import Reason
from enlighten_async.models.intervals import Changes, IntervalStats
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rgm_stats import MeterIntervals, RgmStats
from enlighten_async.models.series import Series, concatenated
from enlighten_async.windows import Window, as_datetime, without


@frozen(kw_only=True)
class Change:
    """The rows of one system that are new, or have other values than before."""

    system_id: int
    """The service's number of the system."""
    account: str
    """Name of its account (v2: the user id); empty where the client's own is followed."""
    series: str
    """Name of the series' method, such as "rgm_stats"; or the name of a cursor, of a change without rows."""
    rows: Series[Any]
    """The rows of the whole system, in order of time; empty where only `until` has moved."""
    meters: tuple[MeterIntervals, ...] = ()
    """The rows of each meter by itself, for the series that has them (`rgm_stats`)."""
    until: datetime
    """The system's cursor after these rows (aware UTC): later rows come with later changes."""
    corrected: int
    """Number of the rows of the whole system that replace or fill in earlier ones."""
    receipt: Receipt
    """Cost of the poll."""
    may_repeat: bool = False
    """Whether some of these rows may have been written before with the same values, as when the process that
    polled was killed. A sink that replaces rows by key can ignore this.
    """


def change_of(
    changes: Changes[Any],
    until: float | None,
    held: float,
    account: str,
    series: str,
    *,
    in_doubt: bool = False,
) -> Change | None:
    """Return what an answer changed for who holds a system up to a moment; `None`: nothing.

    Of later rows all are new to them, whatever was cached; of earlier ones those that the cache did not have,
    or had with other values.

    Args:
        changes: the answer, and what it changed against the cache.
        until: up to when the system was held, epoch seconds; `None`: not at all.
        held: up to when it is held now, epoch seconds.
        account: name of the account.
        series: name of the series.
        in_doubt: whether rows that are later than that may be written.
    """
    answer: IntervalStats[Any] = changes.answer
    window, parts = answer.window, [answer]
    may_repeat = in_doubt or len(changes.new.intervals) < len(answer.intervals)
    if until is not None:
        edge = min(max(int(until), window.start), window.end)
        before, after = Window(window.start, edge), Window(edge, window.end)
        earlier = [each._slice(before) for each in (changes.new, changes.corrected)]
        unknown = [changes.new._slice(each) for each in without(before, changes.cached)]
        may_repeat = any(each.intervals or _meters(each) for each in (*changes.unwritten, *unknown))
        parts = [*changes.unwritten, *earlier, answer._slice(after)]
    corrected = sum(len(each.intervals) for each in parts[:-1])
    rows = _in_order(concatenated([each.intervals for each in parts]))
    meters = tuple(meter for each in parts for meter in _meters(each) if meter.intervals)
    if not rows and not meters and until is not None and held <= until:
        return None
    return Change(
        system_id=answer.system_id,
        account=account,
        series=series,
        rows=rows,
        meters=meters,
        until=as_datetime(held),
        corrected=corrected,
        receipt=answer.receipt,
        may_repeat=may_repeat,
    )


def cursor_of_history(answer: IntervalStats[Any], history: History, account: str, name: str) -> Change:
    """Return a change that has no rows, and whose `until` is the cursor of a system's history.

    Args:
        answer: an answer about the system.
        history: what is held of it.
        account: name of the account.
        name: the name under which a sink has the cursors of histories.
    """
    return Change(
        system_id=answer.system_id,
        account=account,
        series=name,
        rows=answer.intervals[:0],
        until=as_datetime(history.cursor),
        corrected=0,
        receipt=Receipt(),
    )


def _in_order(rows: Series[Any]) -> Series[Any]:
    ends = rows.columns["end_at"]
    order = sorted(range(len(rows)), key=ends.__getitem__)
    return rows if order == list(range(len(rows))) else concatenated([rows[at : at + 1] for at in order])


def _meters(answer: IntervalStats[Any]) -> tuple[MeterIntervals, ...]:
    return answer.meter_intervals if isinstance(answer, RgmStats) else ()


def held_until(answer: IntervalStats[Any], before: float | None, history: float = 0.0) -> float:
    """Return up to when (epoch seconds) a system is held with an answer; what comes later is asked for again.

    A first answer without a row may be of a gateway that is offline: then the system is held up to its last
    report, and what it uploads when it is back is asked for by polls, though its history was fetched before.

    Args:
        answer: the answer.
        before: up to when it was held before.
        history: seconds before the first answer that are fetched too.
    """
    start, end = float(answer.window.start), float(answer.window.end)
    if is_absent(answer):
        return end
    reported = None if answer.meta is None else answer.meta.reported_until
    last = answer._last if reported is None and answer.meta is None else None
    until = start if reported is None else reported.timestamp()
    least = start if answer.intervals else start - history
    return max(min(until if last is None else float(last), end), least if before is None else before)


def is_absent(answer: IntervalStats[Any]) -> bool:
    """Tell whether the system has no device of this kind."""
    return not answer.intervals and any(gap.reason is Reason.NO_DEVICE for gap in answer.coverage.gaps())


def noted(
    answer: IntervalStats[Any], change: Change | None, held: float, daylight: Daylight | None, now: float
) -> Answered:
    """Return what an answer tells the roster.

    Args:
        answer: the answer.
        change: what it changed.
        held: up to when the system is held with it, epoch seconds.
        daylight: what was known of its daylight; `None` for a series that never rests.
        now: the time, epoch seconds.
    """
    reported = None if answer.meta is None else answer.meta.last_report_at
    learned = None
    if daylight is not None:
        columns = answer.intervals.columns
        learned = daylight.learned(columns["end_at"], columns[answer._energy], held, answer.coverage.grid)
    return Answered(
        until=held,
        news=change is not None and len(change.rows) > 0,
        late=() if change is None else change.rows.columns["end_at"][: change.corrected],
        reported=None if reported is None else reported.timestamp(),
        daylight=learned,
        absent=is_absent(answer),
        more=held >= answer.window.end and now - answer.window.end > 2 * answer.coverage.grid,
    )
