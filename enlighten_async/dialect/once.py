"""Queries of one request, whose part is the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import evolve

from enlighten_async.models.coverage import Hole
from enlighten_async.models.receipt import Receipt
from enlighten_async.session.outline import Draft, Leg, Outline
from enlighten_async.wire import Flow, Request, for_now

P = TypeVar("P")


def _ignore(_part: object) -> None:
    """Learn nothing."""


def once(request: Request[P], learn: Callable[[P], None] = _ignore) -> Draft[P, P, P]:
    """Return the query of one request; its answer is a model that has `receipt`.

    Args:
        request: the request.
        learn: is shown the answer.
    """
    asked = evolve(request, good_until=request.good_until or for_now)

    def flow() -> Flow[P]:
        yield asked

    def merge(parts: Sequence[P], _: Sequence[Hole], receipt: Receipt) -> P:
        part: Any = parts[0]
        answer: P = evolve(part, receipt=receipt)
        return answer

    return Draft(
        lambda _now, _zone: Outline(
            legs=(Leg(flow()),), merge=merge, unpack=lambda part: (part,), learn=learn
        )
    )
