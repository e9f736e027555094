"""Conversion of the service's plain values to models, field by field.

Identity is strict: a field without a default (the number of a system, say) and a list that an answer is for
are as documented, or the answer cannot be read. Decoration is tolerant: of any other field a value of another
kind becomes the nearest that it can honestly stand for, or else the field's default, and the field is named.
Of a list of objects those that cannot be read are left out, if they are few. Of lists that are each of one
kind, what is no list becomes an empty one, and is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import date, datetime
from functools import cache
from math import isfinite
from types import MappingProxyType, NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    get_args,
    overload,
)

from attrs import NOTHING, Attribute, AttrsInstance, Factory, fields, has, resolve_types

from enlighten_async.lazy import LazyModule
from enlighten_async.models.tabular import Tabular
from enlighten_async.windows import DAY, END_OF_SECONDS, FIRST_MILLISECOND, as_datetime

if TYPE_CHECKING:
    import cattrs
    from cattrs import gen
    from pydantic_core import CoreSchema

    from enlighten_async.export import documents
    from enlighten_async.export.shapes import PlainValues
else:
    cattrs, gen = LazyModule("cattrs"), LazyModule("cattrs.gen")
    documents = LazyModule("enlighten_async.export.documents")

MAX_VALUES, MAX_OBJECTS, MAX_LEFT_OUT = 1_000_000, 50_000, 100
"""Values and objects in one list, and objects that may be left out of one as they cannot be read, at most."""

_FLAGS: Mapping[object, bool] = MappingProxyType(
    {"true": True, "enabled": True, "on": True, "false": False, "disabled": False, "off": False}
)

_NO_TEXT = frozenset({"", "n/a"})
"""Texts, in lower case, that stand for one that is not known."""

_NEVER = (0, -1)
"""Instants that stand for one that has not come."""


def parse_flag(raw: object) -> bool | None:
    """Return a boolean, or a word such as "enabled", as a boolean; `None` for any other word."""
    if raw is None or isinstance(raw, bool):
        return raw
    if not isinstance(raw, str):
        raise TypeError(f"neither true nor false: {type(raw).__name__}")
    return _FLAGS.get(raw.strip().lower())


def parse_text(raw: object) -> str | None:
    """Return a text; `None` for an empty one and for "n/a"."""
    if raw is not None and not isinstance(raw, str):
        raise TypeError(f"not a text: {type(raw).__name__}")
    return None if raw is None or raw.strip().lower() in _NO_TEXT else raw


def parse_id(raw: object) -> int | str | None:
    """Return the service's own id of a thing, a number or a text; `None` for an empty one."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    return parse_text(raw)


def parse_serial(raw: object) -> str:
    """Return the serial number of a thing that is known by it, a text or a number, as a text."""
    serial = parse_text(raw if isinstance(raw, str) else _nearest_text(raw))
    if serial is None:
        raise ValueError("no serial number")
    return serial


def parse_cursor(raw: object) -> str | None:
    """Return the cursor of a page, a text or a number, as a text; `None` for an empty one."""
    if raw is None or isinstance(raw, str):
        return raw or None
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise TypeError(f"not a cursor: {type(raw).__name__}")
    return str(raw)


def parse_object(raw: object) -> Mapping[str, object]:
    """Return a JSON object as it came."""
    if not isinstance(raw, dict):
        raise TypeError(f"not an object: {type(raw).__name__}")
    return raw


T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

PARSE: Final = "parse"
"""In the metadata of a field: the function that parses its raw value, null included."""

NEAREST: Final = "nearest"
"""In the metadata of a field: the function for values that cannot be parsed; by default that of its type."""


def no_value(_: object) -> None:
    """Return none, for a value that stands for nothing of its kind."""


TEXT: Final = MappingProxyType({PARSE: parse_text})
FLAG: Final = MappingProxyType({PARSE: parse_flag})
ID: Final = MappingProxyType({PARSE: parse_id, NEAREST: no_value})
OBJECT: Final = MappingProxyType({PARSE: parse_object})
"""Metadata of fields, by what they hold."""

STRICT: Final = MappingProxyType({"strict": True})
"""Metadata of a field that is as documented, or the answer cannot be read: a key, or a list of its rows."""

KEY: Final = MappingProxyType({"needed": True, **STRICT, PARSE: parse_serial})
"""Metadata of the serial number of a thing of which nothing is worth knowing without it."""

ONE_KIND: Final = MappingProxyType({"one_kind": True})
"""Metadata of a list of objects of one kind, beside others: null is none, what is no list costs itself."""

_NOT_SENT: Final = frozenset({"as_of", "complete", "missing", "notes", "reason", "receipt"})
"""Attributes of answers which the service does not send; values it may send by these names are ignored."""

_QUARTER_HOUR_S: Final = 900
"""Seconds; offsets of time zones, and so local midnights, are whole quarters of an hour."""

Oddity: TypeAlias = Literal["converted", "unread", "left_out"]
"""The fate of a value of another kind than documented: it became the nearest one, or none though it may tell
something, or something of a list was lost."""

_odd_fields: ContextVar[dict[str, Oddity]] = ContextVar("_odd_fields")
"""The fields, in order, whose values had to be converted in the answer that is being structured.

With each, whether something of a list was lost: figures that are null, or objects that were left out, as they
could not be read.
"""


class UnreadableError(ValueError):
    """A value is not what the service documents, and cannot be done without.

    Attributes:
        path: the names and places that lead to it.
    """

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


def structure(raw: object, model: type[T]) -> tuple[T, Mapping[str, Oddity]]:
    """Return plain values of the service as a model, and the fields of odd values, with the fate of each.

    Raises:
        UnreadableError: at the first value that cannot be read and cannot be done without.
    """
    odd: dict[str, Oddity] = {}
    outer = _odd_fields.set(odd)
    try:
        return converter().structure(raw, model), odd
    except RecursionError:
        raise UnreadableError("too deep") from None
    except _FAULTS as error:
        raise _at(error) from None
    finally:
        _odd_fields.reset(outer)


class ToDict:
    """A model that can be written as plain values and as JSON, and read again."""

    __slots__ = ()

    if TYPE_CHECKING:
        to_dict: ClassVar[PlainValues] = PlainValues()
        """Return the object as plain values; see its shape."""
    else:

        def to_dict(self) -> Mapping[str, object]:
            """Return the object as plain values that `json` can write.

            Instants are in ISO 8601 in UTC, dates in ISO 8601; series are lists of rows. The coverage tells
            `complete`, `got` and `expected` as well, and daily values have their `dates` beside them.
            """
            return documents.plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Return the object that `to_dict()` was called on: an equal one, with its coverage and receipt.

        Args:
            values: the plain values, all of them and no other; what follows from others, such as
                `complete`, may be left out.

        Raises:
            InputError: they are not of such an object.
        """
        return documents.restored(values, cls)

    def to_json(self, *, columns: bool = False) -> bytes:
        """Return what `to_dict()` gives as JSON, in UTF-8.

        A year of intervals takes tens of milliseconds: in a web backend, let a thread do it, as by
        `await asyncio.to_thread(answer.to_json)`; the event loop goes on meanwhile, as with the other three.

        Args:
            columns: whether a series is an object with a list for each attribute, which is half as long,
                in place of a list of rows.
        """
        return documents.encoded(self, columns=columns)

    @classmethod
    def from_json(cls, json: bytes | str) -> Self:
        """Return the object that `to_json()` was called on: an equal one, with its coverage and receipt.

        Args:
            json: with series as rows or as columns.

        Raises:
            InputError: it is no JSON, or not of such an object.
        """
        return documents.decoded(json, cls)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: Callable[[object], CoreSchema]
    ) -> CoreSchema:
        """Return the schema by which pydantic, and so FastAPI, reads, writes and describes the object."""
        return documents.pydantic_schema(cls, handler)


class RowSequence(ToDict, Tabular, Sequence[R_co], Generic[R_co]):
    """A model that is a sequence of rows as well; a slice of it is a tuple of rows."""

    __slots__ = ()

    _items: ClassVar[str]
    """The attribute that holds the rows, as a tuple."""

    def __len__(self) -> int:
        return len(getattr(self, self._items))

    def _row(self, place: int) -> R_co:
        """Return one row; the place lies within the length."""
        row: R_co = getattr(self, self._items)[place]
        return row

    @overload
    def __getitem__(self, index: int) -> R_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[R_co, ...]: ...
    def __getitem__(self, index: int | slice) -> R_co | tuple[R_co, ...]:
        places = range(len(self))[index]
        return self._row(places) if isinstance(places, int) else tuple(map(self._row, places))

    def __iter__(self) -> Iterator[R_co]:
        return map(self._row, range(len(self)))


def quantity_parser(units: Mapping[str, float]) -> Callable[[object], float | None]:
    """Return a function that parses a number, or an object of `value` and `units`, to the first unit.

    Args:
        units: names of units, with how many of the first one they are.
    """
    default_unit = next(iter(units))

    def parse(raw: object) -> float | None:
        quantity = raw if isinstance(raw, dict) else {"value": raw}
        if quantity.get("value") is None:
            return None
        unit = quantity.get("units") or default_unit
        if not isinstance(unit, str) or unit not in units:
            raise ValueError(f"not a unit of {', '.join(units)}")
        value = _number(quantity["value"]) * units[unit]
        if not isfinite(value):
            raise ValueError("too large")
        return value

    return parse


def _number(raw: object, _: object = None) -> float:
    """Return a number as it came: a whole one stays an `int`."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise TypeError(f"not a number: {type(raw).__name__}")
    if not isfinite(raw):
        raise ValueError("not a finite number")
    return raw


def _iso_8601(raw: str) -> datetime:
    """Return a time as it is written; the error of `datetime` would show what is written."""
    try:
        return datetime.fromisoformat(raw)
    except ValueError:
        raise ValueError("not a time in ISO 8601") from None


def _instant(raw: object, _: object) -> datetime:
    """Return an instant, which comes as epoch seconds, or in ISO 8601 with an offset."""
    if isinstance(raw, str):
        moment = _iso_8601(raw)
        if moment.tzinfo is None:
            raise ValueError("an instant without an offset")
        seconds = moment.timestamp()
    else:
        seconds = _number(raw)
    if not 0 < seconds < END_OF_SECONDS:
        raise ValueError("not an instant since 1970 in seconds")
    return as_datetime(seconds)


def _text(raw: object, _: object) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"not a text: {type(raw).__name__}")
    return raw


def _integer(raw: object, _: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw != int(raw):
        raise TypeError(f"not a whole number: {type(raw).__name__}")
    return int(raw)


def whole_number(raw: object) -> int:
    """Return the number by which the service knows a thing, which may come as a text of digits."""
    if isinstance(raw, str) and len(raw) < _ID_DIGITS and raw.isascii() and raw.isdigit():
        return int(raw)
    number = _integer(raw, None)
    if number < 0:
        raise ValueError("less than 0")
    return number


_ID_DIGITS: Final = 19


def _day(raw: object, _: object) -> date:
    """Return a local date, which comes as such, or as its midnight in ISO 8601 or epoch seconds."""
    if isinstance(raw, str):
        return _calendar_day(_iso_8601(raw).date())
    midnight = _number(raw)
    if midnight % _QUARTER_HOUR_S:
        raise ValueError("not a date")
    return _nearest_day(midnight)


def _nearest_day(moment: float) -> date:
    """Return the day whose UTC midnight is nearest: right where the clock is less than 12 hours from UTC."""
    if not -DAY < moment < END_OF_SECONDS:
        raise ValueError("not a date since 1970 in seconds")
    return _calendar_day(as_datetime(moment + DAY / 2).date())


def _calendar_day(day: date) -> date:
    """Return a date of our time; others stand for never."""
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise ValueError("not a date of our time")
    return day


_FIRST_DAY, _LAST_DAY = date(1971, 1, 1), as_datetime(END_OF_SECONDS).date()


def parse_day(raw: object) -> date | None:
    """Return a local date, which may also come as some moment of it; `None` for null, 0 and an empty text."""
    if isinstance(raw, str) and raw:
        return _calendar_day(_iso_8601(raw).date())
    return None if raw is None or raw in (0, "") else _nearest_day(_number(raw))


# The nearest value of a kind that one of another kind can honestly stand for


def _figure(raw: object) -> float | None:
    """Return a number, or a text that is one; `None` for anything else."""
    try:
        value = float(raw) if isinstance(raw, str) else _number(raw)
    except (TypeError, ValueError):
        return None
    return value if isfinite(value) else None


def _nearest_text(raw: object) -> str | None:
    if isinstance(raw, list) and len(raw) == 1:
        return raw[0] if isinstance(raw[0], str) else None
    figure = None if isinstance(raw, str) else _figure(raw)
    return None if figure is None else str(figure).removesuffix(".0")


def _nearest_integer(raw: object) -> int | None:
    figure = _figure(raw)
    return None if figure is None else round(figure)


def _nearest_flag(raw: object) -> bool | None:
    return bool(raw) if raw in (0, 1) else None


def _in_seconds(raw: object) -> float | None:
    """Return an instant as epoch seconds, of a number, or a text that is one, of seconds or milliseconds."""
    figure = _figure(raw)
    if figure is not None and FIRST_MILLISECOND <= figure < 10 * FIRST_MILLISECOND:
        figure /= 1000
    # 0 and below stand for never.
    return figure if figure is not None and 0 < figure < END_OF_SECONDS else None


def _nearest_instant(raw: object) -> datetime | None:
    seconds = _in_seconds(raw)
    return None if seconds is None else as_datetime(seconds)


def parse_instant(raw: object) -> datetime | None:
    """Return an instant in epoch seconds, milliseconds or ISO 8601, also as a text; `None` for all else."""
    try:
        return _instant(raw, None)
    except _FAULTS:
        return _nearest_instant(raw)


def parse_count(raw: object) -> int | None:
    """Return a whole number, 0 or more, also one that comes as a text or a float; `None` for all else."""
    try:
        count = int(raw.strip().removesuffix(".0")) if isinstance(raw, str) else _integer(raw, None)
    except _FAULTS:
        return None
    return count if count >= 0 else None


def _nearest_date(raw: object) -> date | None:
    if isinstance(raw, int) and _FIRST_DAY.year < raw // 10_000 < _LAST_DAY.year:
        return date.fromisoformat(str(raw))  # 20250615
    seconds = _in_seconds(raw)
    return None if seconds is None else _nearest_day(seconds)


_NEAREST: Mapping[object, Callable[[object], object]] = MappingProxyType(
    {
        bool: _nearest_flag,
        date: _nearest_date,
        datetime: _nearest_instant,
        float: _figure,
        int: _nearest_integer,
        str: _nearest_text,
    }
)


def _nearest(kind: object) -> Callable[[object], object]:
    """Return the function for values of another kind than a field's, by the first of the field's kinds."""
    return next((_NEAREST[each] for each in (kind, *get_args(kind)) if each in _NEAREST), no_value)


# Objects and lists


def _is_tuple(kind: object) -> bool:
    return getattr(kind, "__origin__", None) is tuple


_FAULTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""Errors of a conversion that meets a value of another kind."""


def _at(error: Exception, *path: str | int) -> UnreadableError:
    """Return the error of a value as that of the value which holds it there."""
    return UnreadableError(str(error) or type(error).__name__, *path, *getattr(error, "path", ()))


def _list(raw: object, most: int) -> list[object]:
    """Return a list as it came; cattrs would accept a text or an object, too."""
    if not isinstance(raw, list):
        raise TypeError(f"not a list: {type(raw).__name__}")
    if len(raw) > most:
        raise ValueError(f"more than {most} items")
    return raw


def _objects(raw: object, kind: Any, *, needed: bool = False) -> tuple[object, ...]:
    """Structure a list of objects; a few that cannot be read are left out.

    Of one whose fields are all null or empty nothing is known, so that it cannot be read either.

    Args:
        raw: the list.
        kind: the type of the tuple that it becomes.
        needed: whether at least one has to be readable, if there is any.
    """
    item = kind.__args__[0]
    read, names = converter().get_structure_hook(item), documented(item)
    got, failure = list[object](), None
    for place, each in enumerate(listed := _list(raw, MAX_OBJECTS)):
        try:
            one = read(each, item)
            if all(_is_absent(each.get(name)) for name in names):  # type: ignore[attr-defined]
                raise ValueError("none of its fields has a value")
            got.append(one)
        except _FAULTS as error:
            failure = failure or _at(error, place)
            if place - len(got) >= MAX_LEFT_OUT:
                raise failure from None
    if failure is not None and needed and not got:
        raise failure
    if len(got) < len(listed):
        _odd_fields.get()[f"{item.__name__} ({len(listed) - len(got)} left out)"] = "left_out"
    return tuple(got)


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _NO_TEXT)


def documented(model: type) -> frozenset[str]:
    """Return the names of the fields of a model as the service writes them."""
    return frozenset(each.name.rstrip("_") for each in fields(cast("type[AttrsInstance]", model)))


def _objects_of_one_kind(raw: object, kind: Any, name: str) -> tuple[object, ...]:
    """Structure a list of objects beside others; what is neither a list nor null is lost."""
    if isinstance(raw, list):
        return _objects(raw, kind)
    if raw is not None:
        _odd_fields.get()[name] = "left_out"
    return ()


def _values(raw: object, kind: Any, name: str) -> tuple[object, ...]:
    """Structure a list of plain values; others become the nearest of their kind, or null, or are left out."""
    item, listed = kind.__args__[0], _list([] if raw is None else raw, MAX_VALUES)
    kinds = get_args(item) or (item,)
    if raw is None and NoneType in kinds:  # a list of figures that did not come
        _odd_fields.get()[name] = "left_out"
    if set(map(type, listed)) <= {*kinds}:
        return tuple(listed)
    near = _nearest(item)
    converted = [each if type(each) in kinds else near(each) for each in listed]
    null = listed.count(None) if NoneType in kinds else 0
    _odd_fields.get()[name] = "left_out" if converted.count(None) > null else "converted"
    return tuple(converted if NoneType in kinds else [each for each in converted if each is not None])


def _from_object(model: type[T]) -> Callable[[object, object], T]:
    """Return a hook that structures an object; without required fields, cattrs would accept a list, too."""
    owner = cast("type[AttrsInstance]", model)
    resolve_types(owner)
    special: dict[str, Any] = {each.name: _rule(model, each) for each in fields(owner)}
    fill = gen.make_dict_structure_fn(model, converter(), **special)
    rows = getattr(model, "_items", None)
    needed = [
        each.name.rstrip("_")
        for each in fields(owner)
        if (each.default is NOTHING and each.name not in _NOT_SENT)
        or each.name == rows
        or "needed" in each.metadata
    ]

    def structured(raw: object, _: object) -> T:
        if not isinstance(raw, dict):
            raise TypeError(f"not an object: {type(raw).__name__}")
        for name in needed:
            if name not in raw:
                raise UnreadableError("the field is missing", name)
        try:
            return fill(raw, model)
        except _FAULTS as error:
            raise _at(error) from None

    return structured


def _rule(model: type, each: Attribute[Any]) -> object:
    """Return the rule for a field: left out, or structured strictly or with tolerance."""
    name = each.name.rstrip("_")
    if each.name in _NOT_SENT:
        return gen.override(omit=True)
    strict = (
        not each.metadata.keys().isdisjoint({"strict", "one_kind"})
        or each.default is NOTHING
        or each.name == getattr(model, "_items", None)
    )
    read = _reader(each, f"{model.__name__}.{name}")
    hook = _strict(read, name) if strict else _tolerant(read, f"{model.__name__}.{name}", each)
    return gen.override(rename=name if name != each.name else None, struct_hook=hook)


def _reader(each: Attribute[Any], name: str) -> Callable[[object], object]:
    """Return the function that reads a field's value as it is documented."""
    kind: Any = each.type
    parse: Callable[[object], object] | None = each.metadata.get(PARSE)
    if parse is not None:
        return parse
    if kind is int and each.default is NOTHING:
        return whole_number
    if _is_tuple(kind):
        if has(kind.__args__[0]):
            one_kind, needed = "one_kind" in each.metadata, each.default is NOTHING
            return lambda raw: (
                _objects_of_one_kind(raw, kind, name) if one_kind else _objects(raw, kind, needed=needed)
            )
        return lambda raw: _values(raw, kind, name)
    known = _known(kind)
    hook = converter().get_structure_hook(known)
    if known is kind:
        return lambda raw: hook(raw, kind)
    return lambda raw: None if raw is None else hook(raw, known)


def _known(kind: Any) -> Any:
    """Return the one type of a field that may be null as well, whose hook cattrs would seek at each value."""
    known = [each for each in get_args(kind) if each is not NoneType]
    return known[0] if len(known) == 1 and NoneType in get_args(kind) else kind


def _strict(read: Callable[[object], object], name: str) -> Callable[[object, object], object]:
    def hook(raw: object, _: object) -> object:
        try:
            return read(raw)
        except _FAULTS as error:
            raise _at(error, name) from None

    return hook


def _tolerant(
    read: Callable[[object], object], name: str, each: Attribute[Any]
) -> Callable[[object, object], object]:
    """Return the function that reads a field's value, and makes the best of one of another kind."""
    near = each.metadata.get(NEAREST) or _nearest(each.type)
    default, is_figure = cast("Any", each.default), _known(each.type) in {int, float}
    factory = default.factory if isinstance(default, Factory) else lambda: default  # type: ignore[arg-type]

    def hook(raw: object, _: object) -> object:
        if raw is None and default == ():
            return default
        try:
            return read(raw)
        except _FAULTS:
            _odd_fields.get()[name] = "converted"
        try:
            value = near(raw)
        except _FAULTS:
            value = None
        if value is not None:
            return value
        if is_figure or not (_is_absent(raw) or raw in _NEVER):
            _odd_fields.get()[name] = "unread"
        return factory()

    return hook


@cache
def converter() -> cattrs.Converter:
    """Return what structures plain values; made, and cattrs loaded, for the first answer that needs it."""
    made = cattrs.Converter(detailed_validation=False)
    made.register_structure_hook_factory(has, _from_object)
    made.register_structure_hook(datetime, _instant)
    made.register_structure_hook(date, _day)
    made.register_structure_hook(str, _text)
    made.register_structure_hook(int, _integer)
    made.register_structure_hook_func(_is_tuple, _objects)
    return made
