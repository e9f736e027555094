"""Queries of version 4: what they ask, and what comes of an answer made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enlighten_async.api.v4 import ApiV4
from enlighten_async.errors import EnlightenError
from enlighten_async.models import Receipt
from enlighten_async.query import Draft
from enlighten_async.wire import Request
from tests.api.v2.answers import DATE, answer

Drafted = Draft[Any, Any, Any]


def drafted(method: str, *args: object, **options: object) -> Drafted:
    """Return what the dialect makes of a method's arguments."""
    return ApiV4().endpoints[method](*args, **options)


def asked(draft: Drafted, now: float = DATE) -> Request[Any]:
    """Return the first request of a query's only flow."""
    (leg,) = draft.outline(now, None).legs
    return next(leg.flow)


def read(request: Request[Any], body: object, status: int = 200, date: float | None = DATE) -> Any:
    """Return the part that an answer becomes, or the error a caller would get (not raised)."""
    response = answer(body, status, date)
    refusal = ApiV4().explain(response, request.endpoint)
    try:
        part = request.decode(response) if refusal is None else request.forgive(refusal)
    except EnlightenError as error:
        return error
    return refusal if part is None else part


def told(draft: Drafted, body: object, status: int = 200, date: float | None = DATE) -> Any:
    """Return what a query of one request answers, or the error a caller would get (not raised)."""
    part = read(asked(draft), body, status, date)
    if isinstance(part, EnlightenError):
        return part
    whole = merged(draft, [part])
    assert whole.receipt.sent == 1
    return whole


def merged(draft: Drafted, parts: Sequence[Any], now: float = DATE) -> Any:
    """Return the answer that parts are joined to."""
    return draft.outline(now, None).merge(parts, [], Receipt(sent=len(parts)))
