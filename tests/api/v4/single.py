"""Queries of version 4: what they ask, and what comes of an answer made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enlighten_async.api.v4 import ApiV4
from enlighten_async.errors import EnlightenError
from enlighten_async.models import Receipt
from enlighten_async.query import QueryPlan
from enlighten_async.wire import Request
from tests.api.laid_out import laid_out
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, answer

Planned = QueryPlan[Any, Any]


def planned(method: str, *args: object, **options: object) -> Planned:
    """Return the plan of a method's arguments."""
    return getattr(ApiV4(), method)(*args, **options)


def asked(plan: Planned, now: float = DATE) -> Request[Any]:
    """Return the first request of a query's only flow."""
    (segment,) = laid_out(plan, now).ordered
    return next(segment.requests)


def read(request: Request[Any], body: object, status: int = 200, date: float | None = DATE) -> Any:
    """Return the part that an answer becomes, or the error a caller would get (not raised)."""
    response = answer(body, status, date)
    refusal = error_of(response, ApiV4().error_for, request.endpoint)
    try:
        part = request.decode(response) if refusal is None else request.empty_answer_for(refusal)
    except EnlightenError as error:
        return error
    return refusal if part is None else part


def told(plan: Planned, body: object, status: int = 200, date: float | None = DATE) -> Any:
    """Return what a query of one request answers, or the error a caller would get (not raised)."""
    part = read(asked(plan), body, status, date)
    if isinstance(part, EnlightenError):
        return part
    whole = merged(plan, [part])
    assert whole.receipt.sent == 1
    return whole


def merged(plan: Planned, parts: Sequence[Any], now: float = DATE) -> Any:
    """Return the answer that parts are joined to."""
    return laid_out(plan, now, None).merge(parts, [], Receipt(sent=len(parts)))
