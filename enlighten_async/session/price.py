"""What a query will cost, from its outline and the plan."""

from __future__ import annotations

from typing import Any

from enlighten_async.errors import BudgetExceeded, as_datetime
from enlighten_async.models.estimate import Estimate
from enlighten_async.session.outline import Outline
from enlighten_async.session.session import Options, Session


def price(session: Session, options: Options, outline: Outline[Any, Any, Any], *, zone: bool) -> Estimate:
    """Return the price of a query.

    Args:
        session: whose plan pays.
        options: what the caller allows.
        outline: the query.
        zone: whether the system's time zone has to be asked for first; the outline is then made for
            UTC, and the range may take a window more where the clock is set back in it.
    """
    legs = len(outline.legs)
    least = legs if options.exhaustive else min(legs, 1)
    most = legs + 2 * zone
    limit = session.limiter.plan.month
    return Estimate(
        at_least=least + zone,
        at_most=None if outline.open_ended else most,
        from_store=0,
        pruned=outline.pruned,
        ready_at=as_datetime(session.limiter.ready_at(most)),
        month_share=most / limit if limit else None,
        fits=most <= session.limiter.left().get("month", most),
    )


def allow(estimate: Estimate, options: Options) -> None:
    """Refuse a query that may take more requests than its caller allows, before anything is sent.

    Raises:
        BudgetExceeded: it may.
    """
    most, allowed = estimate.at_most or estimate.at_least, options.max_requests
    if allowed is not None and most > allowed:
        raise BudgetExceeded(
            f"this may take {most} requests, more than max_requests={allowed}: ask for a shorter range"
        )
