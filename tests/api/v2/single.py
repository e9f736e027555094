"""Queries of one request: what they ask, and what comes of an answer, by hand and through a client."""

from __future__ import annotations

from typing import Any

import httpx

from enlighten_async.api.v2.api import error_for
from enlighten_async.errors import EnlightenError
from enlighten_async.models import Receipt
from enlighten_async.query import QueryPlan
from enlighten_async.wire import Request
from tests.api.laid_out import laid_out
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, answer
from tests.world import World

WEB_DATE = "Tue, 24 Jun 2025 21:20:00 GMT"
"""The same as `DATE`, as it comes over HTTP."""


def asked(plan: QueryPlan[Any, Any]) -> Request[Any]:
    """Return the one request of a query."""
    laid = laid_out(plan, 0.0, None)
    assert (len(laid.ordered), laid.open_ended, plan.zone_of) == (1, False, None)
    flow = laid.ordered[0].requests
    request = next(flow)
    try:
        flow.send(object())
    except StopIteration:
        return request
    raise AssertionError("it asks for more")


def told(plan: QueryPlan[Any, Any], body: object, status: int = 200, date: float | None = DATE) -> Any:
    """Return what an answer becomes: a value, or the error a caller would get (not raised)."""
    request, response = asked(plan), answer(body, status, date)
    refusal = error_of(response, error_for, official=False)
    try:
        part = request.decode(response) if refusal is None else request.empty_answer_for(refusal)
    except EnlightenError as error:
        return error
    if part is None:
        return refusal
    laid = laid_out(plan, 0.0, None)
    assert list(laid.items(part)) == [part]
    whole = laid.merge([part], [], Receipt(sent=1))
    assert (whole, whole.as_of, whole.receipt.sent) == (part, part.as_of, 1)
    return whole


async def fetched(plan: QueryPlan[Any, Any], status: int = 200, body: object = None) -> tuple[Any, str]:
    """Send a query to a service that gives this answer; return the result and the URL it saw."""
    seen: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        content = b"" if body is None else answer(body).body
        return httpx.Response(status, content=content, headers={"date": WEB_DATE})

    async with World().client(transport=httpx.MockTransport(reply)) as client:
        result = await client._query(plan)
    assert result.receipt.sent == len(seen) == 1
    return result, seen[0]
