"""Queries of one request, whose part is the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from attrs import evolve

from enlighten_async.api import decode
from enlighten_async.models.coverage import Gap
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Draft, Leg, Outline
from enlighten_async.windows import Moment, epoch
from enlighten_async.wire import Request, Requests, never_final

P = TypeVar("P")


def _ignore(_part: object) -> None:
    """Learn nothing."""


def once(request: Request[P], learn: Callable[[P], None] = _ignore) -> Draft[P, P, P]:
    """Return the query of one request; its answer is a model that has `receipt`.

    Args:
        request: the request.
        learn: is shown the answer.
    """
    asked = evolve(request, valid_until=request.valid_until or never_final)

    def flow() -> Requests[P]:
        yield asked

    def merge(parts: Sequence[P], _: Sequence[Gap], receipt: Receipt) -> P:
        part: Any = parts[0]
        answer: P = evolve(part, receipt=receipt)
        return answer

    return Draft(
        lambda _now, _zone: Outline(
            legs=(Leg(flow()),), merge=merge, unpack=lambda part: (part,), learn=learn
        )
    )


T = TypeVar("T")


def readings(
    model: type[T],
    name: str,
    system_id: int,
    *,
    end_at: Moment | None = None,
    shape: decode.Shape | None = None,
) -> Draft[T, T, T]:
    """Ask for the last readings of a system's meters.

    Args:
        model: what the answer becomes.
        name: the API's name of the endpoint.
        system_id: the system.
        end_at: readings after it do not count; now if not given.
        shape: turns the answer into what the model is made of.

    Raises:
        InputError: `end_at` is not an instant.
    """
    params = () if end_at is None else (("end_at", str(int(epoch(end_at, "end_at")))),)
    read = partial(decode.value, model, shape=shape)
    return once(Request(name, f"/systems/{system_id}/{name}", params, read))
