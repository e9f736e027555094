"""Answers of the service to values: structures by cattrs, and series, which are long, by msgspec."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeVar

import msgspec
from attrs import evolve
from cattrs import BaseValidationError, transform_error

from enlighten_async.errors import DecodeError
from enlighten_async.models.convert import structure
from enlighten_async.models.summary import Summary
from enlighten_async.models.systems import SystemsPage
from enlighten_async.windows import as_datetime
from enlighten_async.wire import Response

T = TypeVar("T")

_PATH = re.compile(r"`(\$[^`]*)`")


def systems(response: Response) -> SystemsPage:
    """Decode a page of `/systems`."""
    return evolve(_structured(response, SystemsPage), as_of=_as_of(response))


def summary(response: Response) -> Summary:
    """Decode `/systems/{system_id}/summary`."""
    return evolve(_structured(response, Summary), as_of=_as_of(response))


def parsed(decoder: msgspec.json.Decoder[T], response: Response) -> T:
    """Parse a body; raise `DecodeError` with the path to what is wrong in it."""
    try:
        return decoder.decode(response.body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        said = str(error) or type(error).__name__
    path = _PATH.search(said)
    raise failed(response, path.group(1) if path else "$", said)


def failed(response: Response, path: str, said: str) -> DecodeError:
    """Return the error for an answer that is not what the service documents."""
    return DecodeError(
        f"the answer cannot be read at {path}: {said}; it is kept in .response", path=path, response=response
    )


_ANYTHING: msgspec.json.Decoder[object] = msgspec.json.Decoder()


def _structured(response: Response, model: type[T]) -> T:
    raw = parsed(_ANYTHING, response)
    try:
        return structure(raw, model)
    except (BaseValidationError, TypeError, ValueError, AttributeError) as error:
        said = transform_error(error)
    first = said[0] if said else "wrong type"
    text, _, path = first.rpartition(" @ ")
    raise failed(response, path or "$", text)


def _as_of(response: Response) -> datetime | None:
    return None if response.date is None else as_datetime(response.date)
