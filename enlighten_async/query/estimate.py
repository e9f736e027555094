"""The price of a query, from its plan and the tariff."""

from __future__ import annotations

from typing import Any

from enlighten_async.errors import BudgetExceeded
from enlighten_async.models.receipt import Estimate
from enlighten_async.query.plan import Outline
from enlighten_async.query.session import QueryOptions, Session
from enlighten_async.windows import as_datetime


def price(
    session: Session,
    options: QueryOptions,
    outline: Outline[Any, Any, Any],
    *,
    zone: bool,
    answered: int = 0,
    stored: bool = False,
) -> Estimate:
    """Return the price of a query.

    Args:
        session: whose plan pays.
        options: what the caller allows.
        outline: the query.
        zone: whether the system's time zone has to be asked for first; the outline is then made for
            UTC, and the range may take a window more where the clock is set back in it.
        answered: flows of other answers than series whose first one is in the store.
        stored: whether the store has something of the series.
    """
    held = sum(leg.held for leg in outline.legs) + answered
    legs = len(outline.legs) - held
    least = legs if options.exhaustive else min(legs, 1)
    if zone and stored:
        least = 0  # it may have all of the range, in the system's own time
    most = legs + outline.spare + 2 * zone
    limit = session.limiter.snapshot().limits.get("month")
    return Estimate(
        at_least=least + zone,
        at_most=None if outline.open_ended else most,
        from_cache=held,
        pruned=outline.pruned,
        ready_at=as_datetime(session.limiter.ready_at(most, options.rank)),
        month_share=most / limit if limit else None,
        fits=most <= session.limiter.left(options.rank).get("month", most),
        cheaper=outline.cheaper or None,
    )


def allow(estimate: Estimate, options: QueryOptions, now: float) -> None:
    """Refuse a query that may cost more than its caller allows, before anything is sent.

    Args:
        estimate: its price.
        options: what the caller allows.
        now: the server's time, epoch seconds.

    Raises:
        BudgetExceeded: it may take more requests than `max_requests`, or the plan makes it wait longer
            than `max_wait`.
    """
    most, requests, seconds = estimate.at_most or estimate.at_least, options.max_requests, options.max_wait
    if requests is not None and most > requests:
        raise BudgetExceeded(
            f"this may take {most} requests, more than max_requests={requests}: ask for a shorter range"
        )
    wait = estimate.ready_at.timestamp() - now
    if seconds is not None and wait > seconds:
        raise BudgetExceeded(
            f"{most} requests take {wait:.0f} s on this plan, more than max_wait={seconds:g}: "
            f"ask for a shorter range, or later",
            retry_at=estimate.ready_at,
        )
