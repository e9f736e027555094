"""Decoding of responses: structures by cattrs, and series, which are long, by msgspec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import GenericAlias, MappingProxyType
from typing import Any, TypeAlias, TypeVar

import msgspec
from attrs import evolve
from cattrs import BaseValidationError, transform_error

from enlighten_async.errors import DecodeError, NotFound
from enlighten_async.models.convert import structure
from enlighten_async.windows import as_datetime
from enlighten_async.wire import BYTE_ORDER_MARK, Response

_INSTANTS = frozenset({"end_at", "last_report_at", "last_energy_at", "operational_at"})
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", re.ASCII)


def in_epoch(body: bytes) -> bytes | None:
    """Return an answer with its instants in epoch seconds; `None` if it has none that are ISO 8601.

    A time without an offset names no instant and stays as it is.
    """
    try:
        changed = msgspec.json.encode(_instants_in_epoch("", msgspec.json.decode(body)))
    except (ValueError, OverflowError, RecursionError):
        return None
    return None if changed == body else changed


def _instants_in_epoch(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _instants_in_epoch(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_instants_in_epoch("", inner) for inner in value]
    moment = instant(value) if name in _INSTANTS else None
    return value if moment is None else moment


def instant(value: object) -> int | None:
    """Return an instant in ISO 8601 as epoch seconds; `None` for what is not one."""
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        return int(datetime.fromisoformat(value).timestamp())
    except (ValueError, OverflowError):
        return None


T = TypeVar("T")

_PATH = re.compile(r"`(\$[^`]*)`")

_CUT_OFF = "Input data was truncated"
"""Of msgspec, for JSON that ends before it is whole."""


Shape: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""A function that turns an object of the service into the attributes of a model."""


def value(
    model: type[T],
    response: Response,
    *,
    shape: Shape | None = None,
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> T:
    """Decode an answer that is one object.

    Args:
        model: the model of the answer, which has `as_of`.
        response: the answer.
        shape: turns the object into the attributes of the model, where it is not that already.
        defaults: values of fields which the answer may leave out.
    """
    raw = parse_json(_ANY_JSON, response)
    if isinstance(raw, dict):
        raw |= {name: default for name, default in defaults.items() if raw.get(name) is None}
        raw = raw if shape is None else _shaped(response, raw, shape)
    return _fetched(_structured(response, raw, model), response)


def items(model: type[T], response: Response) -> tuple[T, ...]:
    """Decode an answer that is a list of objects."""
    kind: Any = GenericAlias(tuple, (model, ...))
    return _structured(response, parse_json(_ANY_JSON, response), kind)


def parse_json(decoder: msgspec.json.Decoder[T], response: Response) -> T:
    """Parse a body; raise `DecodeError` with the path to the first error in it."""
    try:
        return decoder.decode(response.body.removeprefix(BYTE_ORDER_MARK))
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        message = str(error) or type(error).__name__
    if _CUT_OFF in message:  # msgspec says so of an empty body too
        found = "cut off in the middle" if response.body.strip() else "empty"
        raise decode_error(response, "$", f"the body is {found}, ask again", passing=True)
    path = _PATH.search(message)
    raise decode_error(response, path.group(1) if path else "$", message)


def decode_error(response: Response, path: str, message: str, *, passing: bool = False) -> DecodeError:
    """Return the error for an answer that differs, at a path, from the service's documentation."""
    return DecodeError(
        f"the answer cannot be read at {path}: {message}; the response is in .response",
        path=path,
        response=response,
        passing=passing,
    )


def _shaped(response: Response, raw: dict[str, Any], shape: Shape) -> dict[str, Any]:
    try:
        return shape(raw)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        message = f"{type(error).__name__}: {error}"
    raise decode_error(response, "$", message[:200])


_ANY_JSON: msgspec.json.Decoder[object] = msgspec.json.Decoder()


def _structured(response: Response, raw: object, model: type[T]) -> T:
    try:
        return structure(raw, model)
    except (BaseValidationError, TypeError, ValueError, AttributeError) as error:
        messages = transform_error(error)
    first = messages[0] if messages else "wrong type"
    text, _, path = first.rpartition(" @ ")
    raise decode_error(response, path or "$", text)


def _fetched(answer: T, response: Response) -> T:
    """Return an answer with the service's own time of it."""
    undated: Any = answer
    dated: T = evolve(undated, as_of=fetched_at(response))
    return dated


def fetched_at(response: Response | None) -> datetime | None:
    """Return the service's own time of an answer (aware UTC), where it has one."""
    return None if response is None or response.date is None else as_datetime(response.date)


def zone_unknown(system_id: int, response: Response) -> NotFound:
    """Return the error for an answer that does not tell a system's time zone."""
    return NotFound(
        f"this user sees no system {system_id} with a time zone: check the system id, "
        f"or give start_at/end_at, which need no time zone",
        status=response.status,
        response=response,
    )
