"""Readings of meters, the same way whatever the meters measure."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.session.outline import Draft
from enlighten_async.windows import Moment, epoch
from enlighten_async.wire import Request

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
