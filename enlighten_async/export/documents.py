"""Documents: models as plain values and as JSON, and back."""

from __future__ import annotations

import re
import sys
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import chain, pairwise, repeat
from math import isfinite, isnan
from operator import attrgetter
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints
from uuid import uuid4

import msgspec
from attrs import Factory, evolve, fields, frozen, has, resolve_types
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.v import format_exception

from enlighten_async.errors import InputError
from enlighten_async.lazy import LazyModule
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.receipt import Estimate, QuotaStatus, QuotaWindow, Receipt
from enlighten_async.models.series import NAN, Series, columns_of, once_per_class
from enlighten_async.windows import DAY, Window, as_datetime

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, core_schema

    from enlighten_async.export import shapes
else:  # only who asks for a schema needs them
    core_schema = LazyModule("pydantic_core.core_schema")
    shapes = LazyModule("enlighten_async.export.shapes")

T = TypeVar("T")
V = TypeVar("V")

PIECE_ROWS: Final = 2_000
"""Rows that are written or read at a time: another thread, such as an event loop's, may run in between."""

PIECE_BYTES: Final = 65_536
"""Bytes of a series in JSON that are read at a time, up to the end of a row or a value."""


def plain(model: object) -> dict[str, object]:
    """Return a model as plain values: those of its JSON."""
    (texts, series), known = _apart(model), _Known()
    values = _together(texts, [_plain_rows(each, known) for each in series])
    return cast("dict[str, object]", values)


def encoded(model: object, *, columns: bool = False) -> bytes:
    """Return a model as JSON: instants and dates in ISO 8601, instants in UTC.

    Args:
        model: the model.
        columns: whether series are an object of columns, in place of a list of rows.
    """
    (texts, series), known = _apart(model), _Known()
    write = _add_columns if columns else _add_rows
    json = bytearray(texts[0])
    for each, text in zip(series, texts[1:], strict=True):
        write(json, each, known)
        json += text
    return bytes(json)


def _apart(model: object) -> tuple[list[bytes], list[Series[object]]]:
    """Return the JSON of a model without its series, as the texts around them; and the series."""
    values, series = _converter.unstructure(model), list[Series[object]]()

    def aside(each: Series[object]) -> msgspec.Raw:
        series.append(each)
        return msgspec.Raw(_NOT_IN_JSON)

    try:
        json = msgspec.json.encode(values, enc_hook=aside)
    except UnicodeEncodeError:
        series.clear()
        json = msgspec.json.encode(_readable(values), enc_hook=aside)
    return json.split(_NOT_IN_JSON), series


_NOT_IN_JSON: Final = b"\0"


def _together(texts: Sequence[bytes], series: Sequence[object]) -> object:
    """Return the values of JSON, and what stands for the series in it.

    Args:
        texts: the JSON around the series.
        series: what takes their places.
    """
    if not series:
        return msgspec.json.decode(texts[0])
    key = uuid4().hex
    marks = {f"{key} {place}": each for place, each in enumerate(series)}
    quoted = [f'"{mark}"'.encode() for mark in marks]
    json = b"".join(chain.from_iterable(zip(texts, [*quoted, b""], strict=True)))
    return _filled(msgspec.json.decode(json), marks)


def _filled(values: object, marks: Mapping[str, object]) -> object:
    """Return values with others in the places of marks."""
    if isinstance(values, list):
        return [_filled(each, marks) for each in values]
    if isinstance(values, dict):
        return {name: _filled(each, marks) for name, each in values.items()}
    return marks.get(values, values) if isinstance(values, str) else values


def _readable(values: object) -> object:
    """Return values without halves of surrogate pairs in their texts: JSON can hold them, UTF-8 cannot."""
    if isinstance(values, str):
        return values.encode(errors="replace").decode()
    if isinstance(values, list | tuple):
        return [_readable(each) for each in values]
    if isinstance(values, dict):
        return {name: _readable(each) for name, each in values.items()}
    return values


def restored(values: object, model: type[T]) -> T:
    """Return the model that plain values were made of; series may be rows or columns.

    Raises:
        InputError: they are not such a model's.
    """
    try:
        return _converter.structure(values, model)
    except Exception as error:  # noqa: BLE001 - cattrs has groups of any errors
        problem = transform_error(error, format_exception=_problem)[0]
    raise InputError(f"no {model.__name__} as to_dict() gives it: {problem}")


def _problem(error: BaseException, kind: type | None) -> str:
    """Return what is wrong at a place, without its value."""
    return str(error) if isinstance(error, msgspec.ValidationError) else format_exception(error, kind)


def decoded(json: bytes | str, model: type[T]) -> T:
    """Return the model that JSON was made of.

    Raises:
        InputError: it is no JSON, or not of such a model.
    """
    try:
        text = json.encode() if isinstance(json, str) else bytes(json)
        values = _parsed(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"no {model.__name__} as to_json() gives it: not an object in JSON")
    return restored(values, model)


def _parsed(json: bytes) -> object:
    """Return the values of JSON, but of series the text: it is read in steps."""
    texts, series, at = list[bytes](), list[msgspec.Raw](), 0
    while match := _SERIES.search(json, at):
        start, end = match.start(1), json.find(b"]" if match[1] == b"[" else b"}", match.end()) + 1
        texts.append(json[at:start])
        series.append(msgspec.Raw(json[start:end]))
        at = end or len(json)
    try:
        return _together([*texts, json[at:]], series)
    except msgspec.DecodeError:
        return msgspec.json.decode(json)  # such as where a row has a bracket in a text


_SERIES: Final = re.compile(rb'(?<!\\)"intervals"\s*:\s*([\[{])')
"""A series in JSON, rows or columns. In a text there would be a backslash before the quotation mark."""


def pydantic_schema(model: type[Any], handler: Callable[[object], CoreSchema]) -> CoreSchema:
    """Return a schema of pydantic: a model is taken as it is, or from its plain values, and written as such.

    Args:
        model: the class.
        handler: makes the schema of a type, as pydantic passes it.
    """
    shape = handler(getattr(shapes, f"{model.__name__}Dict"))
    read = core_schema.no_info_after_validator_function(model.from_dict, shape)
    return core_schema.json_or_python_schema(
        json_schema=read,
        python_schema=core_schema.union_schema([core_schema.is_instance_schema(model), read]),
        serialization=core_schema.plain_serializer_function_ser_schema(model.to_dict),
    )


# Series as text, and back: in steps, each of all values of a column at once


@once_per_class
def _kinds(row: type) -> Mapping[str, Any]:
    """Return the types of a row's values in JSON, by name."""
    hints = get_type_hints(row)
    return {column.name: _KINDS[hints[column.name]] for column in columns_of(row)}


@once_per_class
def _json_row(row: type) -> type[Any]:
    """Return the class of rows as msgspec writes and reads them, strictly; several times as fast as ours."""
    return msgspec.defstruct(row.__name__, [*_kinds(row).items()], gc=False, forbid_unknown_fields=True)


_Finite = Annotated[float, msgspec.Meta(ge=-sys.float_info.max, le=sys.float_info.max)]

_KINDS: Final[Mapping[object, Any]] = MappingProxyType(
    {
        datetime: str,
        int: Annotated[int, msgspec.Meta(ge=-(2**15), lt=2**15)],
        int | None: Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | None,  # a column of doubles
        float | None: _Finite | None,
        int | float | None: int | _Finite | None,
    }
)
"""Types in JSON by those of a row's fields."""


class _Instants:
    """The texts of instants; those at regular distances, as of intervals, are made once for each day."""

    def __init__(self) -> None:
        self._grids: dict[range, _Days] = {}
        self._days, self._times = _Texts(_day_text), _Texts(_time_text)

    def of(self, seconds: array[int]) -> list[str]:
        """Return the text of each instant."""
        first, step = seconds[0], seconds[1] - seconds[0] if len(seconds) > 1 else DAY
        if not _regular(seconds, step):
            return [
                self._days[day] + self._times[second] for day, second in map(divmod, seconds, repeat(DAY))
            ]
        grid = range(first % step, DAY, step)
        days = self._grids.get(grid) or self._grids.setdefault(grid, _Days(grid))
        texts = map(days.__getitem__, range(first // DAY, seconds[-1] // DAY + 1))
        skipped = first % DAY // step
        return list(chain.from_iterable(texts))[skipped : skipped + len(seconds)]


class _Days(dict[int, list[str]]):
    """The texts of a day's instants, by the day since 1970, for a grid: the seconds of a day."""

    def __init__(self, grid: range) -> None:
        super().__init__()
        self._times = list(map(_time_text, grid))

    def __missing__(self, day: int) -> list[str]:
        date = _day_text(day)
        return self.setdefault(day, [date + at for at in self._times])


def _regular(seconds: array[int], step: int) -> bool:
    """Return whether they are a day's instants or more, each a step after the one before, as every day."""
    if step <= 0 or DAY % step or len(seconds) < DAY // step:
        return False
    # All are subtracted as one number: a tenth of the time of as many subtractions.
    after, before = (int.from_bytes(each.tobytes(), sys.byteorder) for each in (seconds[1:], seconds[:-1]))
    steps = array("q", [step]) * (len(seconds) - 1)
    return after - before == int.from_bytes(steps.tobytes(), sys.byteorder)


class _Texts(dict[int, str]):
    """The text of numbers, made by a function when a number comes for the first time."""

    def __init__(self, make: Callable[[int], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> str:
        return self.setdefault(number, self._make(number))


def _day_text(day: int) -> str:
    """Return the date of a day since 1970."""
    return as_datetime(day * DAY).date().isoformat()


def _time_text(second: int) -> str:
    """Return what follows the date in an instant, by the second of the day."""
    return f"T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00"


class _Figures(dict[float, "int | float"]):
    """Figures as JSON has them, integral ones as integers as the service sends them; they come again."""

    def of(self, raw: array[float]) -> list[int | float | None]:
        """Return each figure; `None` for null."""
        if raw.tobytes() == raw[:1].tobytes() * len(raw):  # such as the nulls of a phase that is not in use
            return [self[raw[0]]] * len(raw)
        return list(map(self.__getitem__, raw))

    def __missing__(self, raw: float) -> int | float | None:
        if isnan(raw):  # a null
            return None
        return self.setdefault(raw, int(raw) if raw.is_integer() and abs(raw) < _INT64_END else raw)


_INT64_END: Final = 2.0**63
"""Beyond it msgspec writes no integers."""


@frozen
class _Known:
    """The texts of values that come again: in the next series of an answer, say."""

    instants: _Instants = Factory(_Instants)
    figures: _Figures = Factory(_Figures)


def _give_way() -> None:
    """Let another thread run: otherwise the interpreter makes it wait for 5 ms."""
    time.sleep(0)


def _pieces(series: Series[object], name: str, known: _Known) -> Iterator[list[Any]]:
    """Yield a column of a series as JSON has its values, so many at a time."""
    column = series._columns[name]
    told: Mapping[str, Callable[[array[Any]], list[Any]]] = {"q": known.instants.of, "d": known.figures.of}
    tell = told.get(column.typecode, array.tolist)
    for at in range(0, len(column), PIECE_ROWS):
        yield tell(column[at : at + PIECE_ROWS])


def _rows(series: Series[object], known: _Known) -> Iterator[list[object]]:
    """Yield the rows of a series for msgspec, so many at a time."""
    row = _json_row(series._row)
    columns = [_pieces(series, name, known) for name in _kinds(series._row)]
    for step in zip(*columns, strict=True):
        yield list(map(row, *step))


def _plain_rows(series: Series[object], known: _Known) -> list[object]:
    """Return the rows of a series as plain values."""
    encoder, rows = msgspec.json.Encoder(), list[object]()
    for piece in _rows(series, known):
        rows += msgspec.json.decode(encoder.encode(piece))
        _give_way()
    return rows


def _add_rows(json: bytearray, series: Series[object], known: _Known) -> None:
    """Add a series to JSON as a list of rows."""
    _add_list(json, _rows(series, known))


def _add_columns(json: bytearray, series: Series[object], known: _Known) -> None:
    """Add a series to JSON as an object of columns."""
    before = "{"
    for name in _kinds(series._row):
        json += f'{before}"{name}":'.encode()
        _add_list(json, _pieces(series, name, known))
        before = ","
    json += b"}"


def _add_list(json: bytearray, pieces: Iterable[list[Any]]) -> None:
    """Add a list to JSON, piece by piece."""
    encoder, start = msgspec.json.Encoder(), len(json)
    json += b"[]"
    at = start
    for piece in pieces:
        encoder.encode_into(piece, json, at)  # its brackets go where a comma belongs, and the next one's
        json[at] = ord(",")
        at = len(json) - 1
        _give_way()
    json[start] = ord("[")


def _series(raw: object, kind: Any) -> Series[Any]:
    """Return the series of rows, or of an object of columns: of plain values, or of JSON."""
    row = get_args(kind)[0]
    if isinstance(raw, msgspec.Raw):
        try:
            return _joined(row, _pieces_of_text(bytes(raw), row))
        except msgspec.DecodeError:
            raw = msgspec.json.decode(raw)  # in one piece; tells the place of what is wrong
    return _joined(row, _pieces_of_values(raw, row))


def _joined(row: type, pieces: Iterable[tuple[str, Sequence[Any]]]) -> Series[Any]:
    """Return the series of pieces of columns, each with its name."""
    found: dict[str, array[Any]] = {column.name: array(column.typecode) for column in columns_of(row)}
    seconds = _Seconds()
    for name, values in pieces:
        column = found[name]
        if column.typecode == "q":
            column.extend(array("q", map(seconds.__getitem__, values)))
        else:
            column.extend(array(column.typecode, _without_null(values)))
        _give_way()
    if len(set(map(len, found.values()))) > 1:
        raise msgspec.ValidationError("columns of different lengths")
    if not _in_order(found):
        raise msgspec.ValidationError("rows that are not in order of time")
    return Series(row, found)


def _without_null(values: Sequence[Any]) -> Sequence[Any]:
    return [NAN if each is None else each for each in values] if None in values else values


class _Seconds(dict[str, int]):
    """The epoch seconds of instants: those of a series come again with each device."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, _seconds(text))


def _in_order(columns: Mapping[str, array[Any]]) -> bool:
    """Return whether rows are in order of time, those of each channel by themselves, channel by channel."""
    ends, channels = columns["end_at"], columns.get("channel", array("h"))
    if not _ascending(channels):
        return False
    starts = [bisect_left(channels, number) for number in sorted(set(channels))] or [0]
    return all(_ascending(ends[start:end]) for start, end in pairwise([*starts, len(ends)]))


def _ascending(values: array[int]) -> bool:
    """Return whether no value is less than the one before."""
    for at in range(0, len(values), PIECE_ROWS):
        piece = values[at : at + PIECE_ROWS + 1].tolist()
        if piece != sorted(piece):
            return False
        _give_way()
    return True


def _pieces_of_values(raw: object, row: type) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield pieces of the columns of rows, or of an object of columns, each with its name.

    Raises:
        msgspec.ValidationError: they are not of such rows.
    """
    if isinstance(raw, Mapping):
        _check_names(raw, _kinds(row))
        for name, kind in _kinds(row).items():
            yield from ((name, values) for values in _converted(raw[name], kind))
        return
    for rows in _converted(raw, _json_row(row)):
        yield from _turned(rows, row)


def _turned(rows: Sequence[object], row: type) -> Iterator[tuple[str, list[Any]]]:
    """Yield the columns of rows, each with its name."""
    for name in _kinds(row):
        yield name, list(map(attrgetter(name), rows))


def _converted(values: object, kind: Any) -> Iterator[list[Any]]:
    """Yield values once they are checked, so many at a time."""
    listed = _listed(values)
    for at in range(0, len(listed), PIECE_ROWS):
        try:
            yield msgspec.convert(listed[at : at + PIECE_ROWS], list[kind])
        except msgspec.ValidationError as error:
            before, place, after = re.split(r"(?<=\[)(\d+)", str(error), maxsplit=1)
            raise msgspec.ValidationError(f"{before}{at + int(place)}{after}") from None


def _pieces_of_text(json: bytes, row: type) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield pieces of the columns of rows in JSON, or of an object of columns, each with its name.

    Raises:
        msgspec.DecodeError: they are not of such rows, or have brackets or commas in their texts.
    """
    if json.startswith(b"["):
        for rows in _read(json[1:-1], _NEXT_ROW, _json_row(row)):
            yield from _turned(rows, row)
        return
    for name, text in _column_texts(json, row):
        yield from ((name, values) for values in _read(text, _NEXT_VALUE, _kinds(row)[name]))


def _column_texts(json: bytes, row: type) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the text of each list in an object of columns, without its brackets.

    Raises:
        msgspec.DecodeError: there are other columns, or brackets in their texts.
    """
    places = {name: re.search(rb'"%b"\s*:\s*\[' % name.encode(), json) for name in _kinds(row)}
    at = 0
    for found in sorted(filter(None, places.values()), key=re.Match.start):
        if json[at : found.start()].strip(b" \t\r\n,{"):
            raise msgspec.DecodeError("another column")
        at = json.find(b"]", found.end()) + 1
    if None in places.values() or json[at:].strip() != b"}":
        raise msgspec.DecodeError("other columns")
    for name, match in places.items():
        if match is not None:
            yield name, json[match.end() : json.find(b"]", match.end())]


def _read(text: bytes, between: re.Pattern[bytes], kind: Any) -> Iterator[list[Any]]:
    """Yield the values of a list in JSON, without its brackets, so many at a time."""
    decoder, at = msgspec.json.Decoder(list[kind]), 0
    while match := between.search(text, at + PIECE_BYTES):
        yield decoder.decode(b"[" + text[at : match.start()] + b"]")
        at = match.end()
    yield decoder.decode(b"[" + text[at:] + b"]")


_NEXT_ROW: Final = re.compile(rb"(?<=\})\s*,\s*(?=\{)")
_NEXT_VALUE: Final = re.compile(rb",")


# Values


def _instant_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _instant(text: object, _: object = None) -> datetime:
    return _moment(text).astimezone(UTC)


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(_of_kind(text, str))
    if moment.tzinfo is None:
        raise ValueError("an instant without an offset")
    return moment


def _seconds(text: object) -> int:
    moment = _moment(text)
    if moment.microsecond:
        raise ValueError("an instant within a second")
    return int(moment.timestamp())


def _of_kind(raw: object, kind: type[T]) -> T:
    """Return a value of a kind as it is; an integer stands for a float as well."""
    if isinstance(raw, float) and not isfinite(raw):
        raise ValueError("not finite")
    if isinstance(raw, kind) and (kind is bool or not isinstance(raw, bool)):
        return raw
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return cast("T", raw)
    raise TypeError(f"{type(raw).__name__} in place of {kind.__name__}")


def _of_kinds(raw: object, kind: object) -> object:
    """Return a value of one of several plain kinds as it is."""
    own = next((each for each in get_args(kind) if isinstance(raw, each)), NoneType)
    return raw if own is NoneType and raw is None else _of_kind(raw, own)


def _listed(raw: object) -> Sequence[object]:
    if not isinstance(raw, list | tuple):
        raise TypeError(f"{type(raw).__name__} in place of a list")
    return raw


def _is(kind: type) -> Callable[[Any], bool]:
    """Return a function that tells whether a hint is of a generic class."""
    return lambda hint: (get_origin(hint) or hint) is kind


def _is_plain_union(hint: object) -> bool:
    kinds = {*get_args(hint)} - {NoneType}
    return isinstance(hint, UnionType) and len(kinds) > 1 and kinds <= {int, float, str}


def _items(raw: object, hint: Any) -> tuple[object, ...]:
    item = get_args(hint)[0]
    read = _converter.get_structure_hook(item)
    return tuple(read(each, item) for each in _listed(raw))


def _plain_window(window: Window) -> dict[str, object]:
    return {"start_at": window.start_at.isoformat(), "end_at": window.end_at.isoformat()}


def _window(raw: Any, _: object = None, names: Sequence[str] = ("start_at", "end_at")) -> Window:
    if isinstance(raw, Mapping):
        _check_names(raw, names)
    window = Window(_named(raw, "start_at", _seconds), _named(raw, "end_at", _seconds))
    if window.end < window.start:
        raise msgspec.ValidationError("an end_at before the start_at")
    return window


def _gap(raw: Any, _: object) -> Gap:
    window = _window(raw, names=("start_at", "end_at", "reason"))
    return Gap(window, _named(raw, "reason", _reason))


def _named(raw: Any, name: str, read: Callable[[object], T]) -> T:
    """Return what is read of an attribute; the error names it."""
    try:
        return read(raw[name])
    except (LookupError, TypeError, ValueError):
        raise msgspec.ValidationError(f"no {name}, or none that can be read") from None


def _reason(raw: object, _: object = None) -> Reason:
    return Reason(_of_kind(raw, str))


def _mapping(raw: object, hint: Any) -> dict[str, object]:
    kind = get_args(hint)[1]
    return {
        name: each if kind is object else _of_kind(each, kind) for name, each in _of_kind(raw, dict).items()
    }


_WRITE: Final[Mapping[Any, Callable[[Any], object]]] = MappingProxyType(
    {
        datetime: _instant_text,
        date: lambda day: day.isoformat(),
        Window: _plain_window,
        Gap: lambda gap: {**_plain_window(gap.window), "reason": gap.reason.value},
    }
)


def _writer(model: type[Any]) -> Callable[[Any], dict[str, object]]:
    """Return the function that makes a model of a class plain: its attributes, and what follows from them."""
    resolve_types(model)
    names: dict[str, Any] = {name: override(omit=True) for name in _hidden(model)}
    if model is Coverage:
        names["_gaps"] = override(rename="gaps")
    attributes = make_dict_unstructure_fn(model, _converter, **names)
    derived = _derived(model)
    if not derived:
        return attributes
    return lambda value: (
        attributes(value) | {name: _converter.unstructure(getattr(value, name)) for name in derived}
    )


DERIVED: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {Coverage: ("complete", "got", "expected"), Lifetime: ("dates", "coverage")}
)
"""Properties that are told beside the attributes."""


def _derived(model: type) -> tuple[str, ...]:
    """Return the properties of a model that are told beside its attributes."""
    return next((told for kind, told in DERIVED.items() if issubclass(model, kind)), ())


def _reader(model: type[Any]) -> Callable[[Any, object], Any]:
    """Return the function that makes a model of a class of plain values."""
    resolve_types(model)
    names: dict[str, Any] = {"_gaps": override(rename="gaps")} if model is Coverage else {}
    read, own = make_dict_structure_fn(model, _converter, **names), _names(model)
    derived = {*_derived(model)} - {"coverage"}

    def checked(raw: Any, _: object) -> Any:
        if not isinstance(raw, Mapping):
            raise TypeError(f"{type(raw).__name__} in place of an object")
        _check_names(raw, own, derived)
        found = read(raw, model)
        if isinstance(found, Lifetime):
            coverage = _coverage_of_days(raw.get("coverage"))
            found = evolve(found, missing=coverage.gaps(), notes=coverage.notes)
        _check_counts(found)
        _check_derived(raw, found)
        return found

    return checked


def _names(model: type[Any]) -> list[str]:
    """Return the names of a model's plain values: those of its shape."""
    hidden = _hidden(model)
    own = [each.name.removeprefix("_") for each in fields(model) if each.name not in hidden]
    return [*own, *_derived(model)]


def _hidden(model: type) -> tuple[str, ...]:
    """Return the attributes of a model that are told by another name."""
    return ("missing", "notes") if issubclass(model, Lifetime) else ()


def _check_names(raw: Mapping[str, object], names: Iterable[str], optional: Container[str] = ()) -> None:
    """Check that an object has all of its values, and no other: else it is of another kind.

    Args:
        raw: the object.
        names: of all its values.
        optional: those that may be missing.
    """
    names = [*names]
    missing = next((each for each in names if each not in raw and each not in optional), None)
    strange = next((each for each in raw if each not in names), None)
    if missing is not None:
        raise msgspec.ValidationError(f"no {missing}")
    if strange is not None:
        raise msgspec.ValidationError(f"a value that it does not have: {strange!r:.60}")


def _coverage_of_days(raw: object) -> Coverage:
    """Return the coverage of a lifetime, which is none of its attributes."""
    try:
        return _converter.structure(raw, Coverage)
    except Exception as error:  # noqa: BLE001 - as above
        problem = transform_error(error, "coverage", _problem)[0]
    raise msgspec.ValidationError(problem)


def _check_derived(raw: Mapping[str, object], model: object) -> None:
    """Check that what follows from other values does agree with them, where it is told."""
    for name in _derived(type(model)):
        own = _converter.unstructure(getattr(model, name))
        if name in raw and name != "coverage" and (raw[name] != own or type(raw[name]) is not type(own)):
            raise msgspec.ValidationError(f"{name} does not follow from the other values")


_COUNTS: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {
        Receipt: ("sent", "rejected", "retried", "from_cache", "waited", "left"),
        Estimate: ("at_least", "at_most", "from_cache", "pruned", "month_share"),
        QuotaWindow: ("limit", "used", "left"),
        QuotaStatus: ("in_flight", "queued", "learned"),
    }
)
"""Counts of this library itself, which are never below zero; the service's figures are as it sent them."""


def _check_counts(model: object) -> None:
    """Check that no count is below zero."""
    for name in _COUNTS.get(type(model), ()):
        value = getattr(model, name)
        counts = value.values() if isinstance(value, Mapping) else (value,)
        if any(count is not None and count < 0 for count in counts):
            raise msgspec.ValidationError(f"{name} is below zero")
    if isinstance(model, Coverage) and model.grid < 1:
        raise msgspec.ValidationError("grid is below 1")


_converter = Converter()
_converter.register_unstructure_hook_factory(has, _writer)
_converter.register_structure_hook_factory(has, _reader)
for _hint, _write in _WRITE.items():
    _converter.register_unstructure_hook(_hint, _write)
for _kind in (bool, int, float, str):
    _converter.register_structure_hook(_kind, _of_kind)
_converter.register_unstructure_hook_func(_is(Series), lambda series: series)
_converter.register_unstructure_hook_func(_is(Mapping), dict)
_converter.register_structure_hook_func(_is(Series), _series)
_converter.register_structure_hook_func(_is(tuple), _items)
_converter.register_structure_hook_func(_is(Mapping), _mapping)
_converter.register_structure_hook_func(_is_plain_union, _of_kinds)
_converter.register_structure_hook(datetime, _instant)
_converter.register_structure_hook(date, lambda raw, _: date.fromisoformat(_of_kind(raw, str)))
_converter.register_structure_hook(Window, _window)
_converter.register_structure_hook(Gap, _gap)
_converter.register_structure_hook(Reason, _reason)
