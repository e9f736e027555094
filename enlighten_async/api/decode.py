"""Decoding of responses: structures by cattrs, and series, which are long, by msgspec."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf, isfinite, nan
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, cast

import msgspec
from attrs import Factory, define, evolve, fields

from enlighten_async.errors import DecodeError, NotFound
from enlighten_async.models.convert import (
    Oddity,
    UnreadableError,
    converter,
    documented,
    parse_count,
    structure,
    whole_number,
)
from enlighten_async.models.intervals import Meta
from enlighten_async.models.tabular import SingleRow
from enlighten_async.windows import END_OF_SECONDS, FIRST_MILLISECOND, as_datetime
from enlighten_async.wire import BYTE_ORDER_MARK, Response

logger = logging.getLogger("enlighten_async")

MAX_BODY_OBJECTS, MAX_BODY_VALUES = 100_000, 1_500_000
"""Objects and values that a body of a legal size may have: rows have 50 bytes and more, and figures 10."""

MAX_ANY_VALUES = 300_000
"""The same of values of any names: to make an object of each of them keeps other threads waiting."""

MAX_NORMALIZED, MAX_NORMALIZED_BYTES = 100_000, 4_000_000
"""Objects and bytes of a body that is normalized: it takes much more memory and time than to parse it."""

MAX_LOST_ROWS = 100
"""Rows of an answer that may be unreadable, and not all of a list; with more, all of the answer is."""

UNREAD_FIGURES = "figures that cannot be read are null"
"""The note of an answer that has such figures, before their names: it is not complete."""

_OBJECT_BYTES, _VALUE_BYTES = 3, 2
"""Bytes of a body that an object takes at least (`{},`), and a value (`1,`)."""

_SHORT_BYTES = min(_OBJECT_BYTES * MAX_BODY_OBJECTS, _VALUE_BYTES * MAX_ANY_VALUES)
"""Bytes of a body, at the most, that has not too many of either, whatever it holds."""

_LENIENT_BYTES = 2 << 20
"""Bytes of the largest body that is read where it is no JSON in UTF-8."""

_KEPT_BODY_BYTES = 1 << 20
"""Bytes kept of a body that has too many of them: errors may be many, and are kept for long."""

_INSTANTS = frozenset({"end_at", "last_report_at", "last_energy_at", "operational_at"})
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


@define
class Odd:
    """The oddities of an answer in intervals that was normalized.

    Attributes:
        rows: the number of rows, and of devices with their rows, that cannot be read.
        read: the number of rows that can be read.
        figures: names of figures in rows that cannot be read, in order.
    """

    rows: int = 0
    read: int = 0
    figures: dict[str, None] = Factory(dict)

    def lose_rows(self, count: int = 1) -> None:
        """Count rows that cannot be read; raise `ValueError` if there are too many."""
        self.rows += count
        if self.rows > MAX_LOST_ROWS:
            raise ValueError("too many rows that cannot be read")

    def add(self, part: Odd) -> None:
        """Count what a part of the answer has; raise `ValueError` if too many rows cannot be read."""
        self.read += part.read
        self.figures |= part.figures
        self.lose_rows(part.rows)


def normalized(body: bytes) -> bytes | None:
    """Return an answer in intervals in its documented form, as far as possible; `None` if nothing changes.

    Instants in ISO 8601 and in milliseconds become epoch seconds; a time without an offset names no instant
    and stays as it is. What is told beside the rows becomes what can be read of it, and figures of rows
    become numbers, or null.
    """
    if body.count(b"{") > MAX_NORMALIZED or len(body) > MAX_NORMALIZED_BYTES:
        return None
    odd = Odd()
    try:
        better = _normalized("", _any_json(body.removeprefix(BYTE_ORDER_MARK)), odd)
        if odd.rows and not odd.read:
            return None  # an answer of another kind, and not one with no rows
        if isinstance(better, dict):
            better |= {"rows_left_out": odd.rows} if odd.rows else {}
            better |= {"unread_figures": ", ".join(odd.figures)} if odd.figures else {}
        changed = msgspec.json.encode(better)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    return None if changed == body else changed


def _normalized(name: str, value: Any, odd: Odd) -> Any:
    if name in _NORMALIZED:
        return None if value is None else _NORMALIZED[name](value)
    if isinstance(value, dict):
        return {key: _normalized(key, inner, odd) for key, inner in value.items()}
    if isinstance(value, list) and name in _ROWS:
        return _normalized_rows(value, _ROW, odd)
    if isinstance(value, list) and name in _DEVICES:
        return _normalized_devices(value, *_DEVICES[name], odd)
    if isinstance(value, list):
        return [_normalized("", inner, odd) for inner in value]
    moment = instant(value) if name in _INSTANTS else None
    return value if moment is None else moment


def _normalized_devices(listed: list[Any], serial: str, key: frozenset[str], odd: Odd) -> list[Any]:
    """Return devices that have rows, but for those of which it is not told which ones they are.

    Args:
        listed: the devices.
        serial: the field that tells which device it is.
        key: the fields that tell one of a device's rows from another.
        odd: is told of the oddities.
    """
    readable: list[Any] = []
    for device in listed:
        told = _normalized_text(device.get(serial)) if isinstance(device, dict) else None
        rows = None if told is None else _rows_of_device(device.get("intervals"), key, odd)
        if rows is None:
            odd.lose_rows()
        else:
            rest = {name: inner for name, inner in device.items() if name != "intervals"}
            readable.append(_normalized("", rest, odd) | rows | {serial: told})
    return readable


def _rows_of_device(listed: Any, key: frozenset[str], odd: Odd) -> dict[str, Any] | None:
    """Return the rows of a device under their name, as far as it has any; `None` if none can be read."""
    if not isinstance(listed, list):
        return {} if listed is None else None
    own = Odd()
    with suppress(ValueError):
        rows = _normalized_rows(listed, key, own)
        if any(rows) or not own.rows:
            odd.add(own)
            return {"intervals": rows}
    return None


def one_list(listed: list[Any]) -> list[Any]:
    """Return the rows of one list, or of a list for each local day, as one list; nulls stay.

    Among rows an empty list is no day, and stays as well.
    """
    has_rows = any(not isinstance(item, list | None) for item in listed)
    days = [item if isinstance(item, list) and (item or not has_rows) else [item] for item in listed]
    return [row for day in days for row in day]


def _normalized_rows(listed: list[Any], key: frozenset[str], odd: Odd) -> list[Any]:
    """Return the rows of one list, or of a list for each local day, as far as they can be read, and nulls."""
    readable: list[Any] = []
    for row in one_list(listed):
        fields_ = row if isinstance(row, dict) else {}
        known = {name: _normalized_figure(name, value, odd) for name, value in fields_.items()}
        if row is None:
            readable.append(row)
        elif key <= known.keys() and all(isinstance(known.get(name, 0), int) for name in _WHOLE):
            readable.append(known)
        else:
            odd.lose_rows()
    odd.read += len(readable)
    return readable


def _normalized_figure(name: str, value: Any, odd: Odd) -> Any:
    """Return a figure of a row, also where it comes as a text; null if it cannot be read."""
    if isinstance(value, dict) and (name in _PARTS or not name):
        return {key: _normalized_figure(key, inner, odd) for key, inner in value.items()}
    moment = instant(value) if name == "end_at" else None
    value = value if moment is None else moment
    is_text_or_number = isinstance(value, str | int | float) and not isinstance(value, bool)
    try:
        number = float(value) if is_text_or_number else nan
    except (ValueError, OverflowError):
        number = nan
    least, most = _WHOLE.get(name, (-inf, inf))
    if isfinite(number) and least <= number <= most:
        figure = int(number) if number.is_integer() else number
        return {_PARTS[name]: figure} if name in _PARTS else figure
    if value is not None:
        odd.figures[name] = None
    return None


def _normalized_meta(raw: object) -> dict[str, object] | None:
    """Return the state of a system as far as it can be read, its instants as epoch seconds."""
    try:
        meta, odd = structure(raw, Meta)
    except UnreadableError:
        return None
    warn_of(tuple(odd))
    moments = {name: getattr(meta, name) for name in _INSTANTS - {"end_at"}}
    epochs = {name: None if at is None else at.timestamp() for name, at in moments.items()}
    return {"status": meta.status, **epochs}


def _normalized_count(raw: object) -> int | None:
    """Return a number of devices; `None` for what is none, or beyond belief."""
    count = parse_count(raw)
    return count if count is not None and count < 2**31 else None


def _normalized_text(raw: object) -> str | None:
    """Return a text, or a number as one; `None` for anything else."""
    return str(raw) if isinstance(raw, int | str) and not isinstance(raw, bool) else None


def _normalized_moment(raw: object) -> int | None:
    """Return an instant that an answer declares, as epoch seconds; `None` for anything else."""
    moment = instant(raw)
    if moment is None and isinstance(raw, int | float) and 0 < raw < END_OF_SECONDS:
        moment = None if isinstance(raw, bool) else int(raw)
    return moment


_ROWS = frozenset({"intervals", "consumption"})
"""Names of lists of rows."""

_ROW = frozenset({"end_at"})
"""The fields that tell one row from another."""

_DEVICES: Mapping[str, tuple[str, frozenset[str]]] = MappingProxyType(
    {
        "devices": ("serial_number", _ROW),
        "meter_intervals": ("meter_serial_number", _ROW | {"channel"}),
    }
)
"""Names of lists of devices that have rows.

With each, the field that tells which device it is, and the fields that tell one of its rows from another.
"""

_WHOLE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"end_at": (0, END_OF_SECONDS - 1), "channel": (0, 32_767)}
)
"""The whole numbers that tell one row from another, with the least and the most that they can be."""

_PARTS: Mapping[str, str] = MappingProxyType({"charge": "enwh", "discharge": "enwh", "soc": "percent"})
"""The figures of rows that are objects, each with the part of it that a plain number stands for."""

_NORMALIZED: Mapping[str, Callable[[object], object]] = MappingProxyType(
    {
        "end_at": _normalized_moment,
        "envoy_serial_number": _normalized_text,
        "meta": _normalized_meta,
        "start_at": _normalized_moment,
        "system_id": whole_number,
        "total_devices": _normalized_count,
    }
)
"""The functions for fields beside the rows, by their names: no value of theirs costs the rows."""


def warn_of(odd: Sequence[str]) -> None:
    """Log that fields of an answer had other values than the service documents, if any had."""
    if odd:
        logger.warning("an answer has values of another kind than documented, in %s", ", ".join(odd[:20]))


def warn_incomplete(endpoint: str, system_id: int, notes: Iterable[str]) -> None:
    """Log that something of an answer was left out."""
    what = "; ".join(dict.fromkeys(notes))
    logger.warning("an answer of %s about system %d is not complete: %s", endpoint, system_id, what)


def instant(value: object) -> int | None:
    """Return an instant in ISO 8601 or in milliseconds as epoch seconds; `None` for what is neither."""
    if isinstance(value, int | float) and FIRST_MILLISECOND <= value < 10 * FIRST_MILLISECOND:
        return int(value // 1000)
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
    system_id: int | None = None,
) -> T:
    """Decode an answer that is one object.

    Args:
        model: the model of the answer, which has `as_of`.
        response: the answer.
        shape: turns the object into the attributes of the model, where it is not that already.
        defaults: values of fields which the answer may leave out.
        system_id: the system that was asked about; `None` takes the answer for any.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    raw = parse_json(_ANY_JSON, response)
    if isinstance(raw, dict):
        if shape is None and raw.keys().isdisjoint(documented(model)):
            raise decode_error(response, "$", "it has none of the documented fields")
        raw |= {name: default for name, default in defaults.items() if raw.get(name) is None}
        raw = raw if shape is None else _shaped(response, raw, shape)
    answer: Any = _structured(response, raw, model)
    if system_id is not None:
        check_system(answer, system_id, response)
    dated: T = evolve(answer, as_of=fetched_at(response))
    return dated


def load(model: Callable[[], type[T]]) -> type[T]:
    """Return the model of an answer that is an object; loads its module, and what structures objects."""
    converter()
    return model()


B = TypeVar("B")


def check_system(answer: B, system_id: int, response: Response) -> B:
    """Return an answer about a system; raise `DecodeError` if it is about another one."""
    answered = getattr(answer, "system_id", None)
    if answered != system_id:
        message = f"asked for system {system_id}, answered for {answered}"
        raise decode_error(response, "$.system_id", message)
    return answer


ANOTHER_DEVICE = "asked for the device {}, answered for another one"
"""The error of an answer that names another device; `{}` stands for the serial number asked for."""


def is_another_device(answered: object, serial: str) -> bool:
    """Tell whether an answer names another device than the one which was asked for."""
    told = serial_told(answered)
    return told is not None and _bare(told) != _bare(serial)


def serial_told(raw: object) -> str | None:
    """Return a serial number as a text; `None` for a value that tells none, such as "N/A", 0 or -1."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    is_serial = isinstance(raw, str | int) and not isinstance(raw, bool)
    serial = str(raw).strip() if is_serial else ""
    return None if _bare(serial) in _NO_SERIAL else serial


_NO_SERIAL = frozenset({"", "n/a", "na", "none", "null", "unknown", "-", "-1"})
"""Serial numbers, in lower case and without zeros before them, that stand for one that is not known."""


def _bare(serial: str) -> str:
    return serial.strip().lstrip("0").casefold()


def listed(model: type[T], rows: str, response: Response) -> T:
    """Decode an answer that is a list of objects.

    Args:
        model: the model of the answer, which has `as_of`.
        rows: the field of the model that holds the list.
        response: the answer.

    Raises:
        DecodeError: the answer is not such a list.
    """
    raw = parse_json(_ANY_JSON, response)
    if not isinstance(raw, list):
        raise decode_error(response, "$", f"not a list: {type(raw).__name__}")
    answer: Any = _structured(response, {rows: raw}, model, below=rows)
    dated: T = evolve(answer, as_of=fetched_at(response))
    return dated


def field_of(response: Response, name: str) -> object:
    """Return a field of an answer that is one object, as it came; `None` if it has none."""
    raw = parse_json(_ANY_JSON, response)
    return raw.get(name) if isinstance(raw, dict) else None


def parse_json(decoder: msgspec.json.Decoder[T], response: Response) -> T:
    """Parse a body; raise `DecodeError` with the path to the first error in it."""
    body = response.body.removeprefix(BYTE_ORDER_MARK)
    values = MAX_ANY_VALUES if decoder is _ANY_JSON else MAX_BODY_VALUES
    if len(body) > _SHORT_BYTES and _has_too_many(body, values):
        beginning = evolve(response, body=response.body[:_KEPT_BODY_BYTES])
        raise decode_error(beginning, "$", "it has more objects or values than any answer")
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        message = str(error) or type(error).__name__
    if decoder is _ANY_JSON and (found := _read_leniently(body)) is not None:
        return cast("T", found)
    if _CUT_OFF in message:  # msgspec says so of an empty body too
        found = "cut off in the middle" if response.body.strip() else "empty"
        raise decode_error(response, "$", f"the body is {found}, ask again", passing=True)
    path = _PATH.search(message)
    raise decode_error(response, path.group(1) if path else "$", message)


def _has_too_many(body: bytes, values: int) -> bool:
    """Tell whether a body has too many objects or values; it is looked through."""
    return body.count(b"{") > MAX_BODY_OBJECTS or body.count(b",") > values


def _any_json(body: bytes) -> object:
    """Return JSON of any content; `ValueError` for what is none."""
    try:
        return msgspec.json.decode(body)
    except ValueError:
        found = _read_leniently(body)
    if found is None:
        raise ValueError("no JSON")
    return found


_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"

_SURROGATES = re.compile(f"({_HIGH}{_LOW})|{_HIGH}|{_LOW}")
"""A character that JSON writes in two halves, or one half without the other."""


def _read_leniently(body: bytes) -> object:
    """Return JSON with characters or numbers that cannot be read, or of UTF-16; `None` for what is none.

    Such characters are replaced, and such numbers (`NaN`, `1e999`) are floats that are not finite, which no
    field takes: they cost one field, not the answer.
    """
    if len(body) > _LENIENT_BYTES:
        return None
    text = body.decode(json.detect_encoding(body), "replace")
    try:
        found: object = json.loads(_SURROGATES.sub(lambda found: found[1] or r"\ufffd", text))
    except (ValueError, RecursionError):
        return None
    logger.warning(
        "an answer has characters or numbers that cannot be read: they were replaced, or are not used"
    )
    return found


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
        failure = error
    raise _unreadable(response, failure)


_ANY_JSON: msgspec.json.Decoder[object] = msgspec.json.Decoder()


def _structured(response: Response, raw: object, model: type[T], *, below: str = "") -> T:
    """Return the answer that plain values are; `below` is a name on the way to them which is ours."""
    try:
        answer, odd = structure(raw, model)
    except UnreadableError as error:
        path = error.path[1:] if error.path[:1] == (below,) else error.path
        failure = UnreadableError(str(error), *path)
    else:
        warn_of(tuple(odd))
        lost, unread = (_fields_of(odd, fate) for fate in ("left_out", "unread"))
        counts_fields = isinstance(answer, SingleRow) or hasattr(answer, "notes")
        return _incomplete(answer, lost, unread) if lost or (unread and counts_fields) else answer
    raise _unreadable(response, failure)


def _fields_of(odd: Mapping[str, Oddity], fate: Oddity) -> list[str]:
    """Return the fields whose values have had a fate, but for what an answer tells of its system."""
    names = (name.rpartition(".") for name, each in odd.items() if each == fate)
    return [name for model, _, name in names if model != Meta.__name__]


def _incomplete(answer: Any, lost: Sequence[str], unread: Sequence[str]) -> Any:
    """Return an answer that says what it lacks, as its model has a field for: lists of figures have notes.

    Of an answer that is one row, or has notes, each field counts, of others what is lost of its lists.
    """
    if hasattr(answer, "notes"):
        told = ((UNREAD_FIGURES, lost), ("fields that cannot be read are null", unread))
        return evolve(answer, notes=tuple(f"{text}: {', '.join(names)}" for text, names in told if names))
    is_told = any(each.name == "complete" for each in fields(type(answer)))
    return evolve(answer, complete=False) if is_told else answer


def _unreadable(response: Response, error: Exception) -> DecodeError:
    """Return the error for an answer that has the right form but not its content; it shows no value."""
    if not isinstance(error, UnreadableError):
        return decode_error(response, "$", f"another shape ({type(error).__name__})")
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.path)
    return decode_error(response, f"${''.join(steps)}", str(error))


def fetched_at(response: Response | None) -> datetime | None:
    """Return the service's own time of an answer (aware UTC), where it has one."""
    return None if response is None or response.date is None else as_datetime(response.date)


def zone_unknown(system_id: int, response: Response, *, listed: bool) -> NotFound:
    """Return the error for an answer that does not tell a system's time zone.

    Args:
        system_id: the system.
        response: the answer.
        listed: whether the system is in it.
    """
    text = f"this user sees no system {system_id}: check the system id"
    if listed:
        text = f"system {system_id} has no time zone, which days need: give start_at/end_at, which need none"
    return NotFound(text, status=response.status, response=response)
