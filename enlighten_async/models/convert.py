"""Conversion of the service's plain values to models, field by field, and of models to plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from math import isfinite
from types import MappingProxyType
from typing import Any, ClassVar, Final, Generic, TypeVar, cast, overload

from attrs import Attribute, AttrsInstance, fields, has
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from enlighten_async.models.coverage import Coverage
from enlighten_async.models.series import Series
from enlighten_async.windows import DAY, as_datetime

_FLAGS: Mapping[object, bool] = MappingProxyType(
    {"true": True, "enabled": True, "on": True, "false": False, "disabled": False, "off": False}
)

_NO_TEXT = frozenset({"", "n/a"})
"""Texts, in lower case, that stand for one that is not known."""


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


def parse_object(raw: object) -> Mapping[str, object]:
    """Return a JSON object as it came."""
    if not isinstance(raw, dict):
        raise TypeError(f"not an object: {type(raw).__name__}")
    return raw


T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

PARSE: Final = "parse"
"""In the metadata of a field: the function that parses its raw value, null included."""

TEXT: Final = MappingProxyType({PARSE: parse_text})
FLAG: Final = MappingProxyType({PARSE: parse_flag})
ID: Final = MappingProxyType({PARSE: parse_id})
OBJECT: Final = MappingProxyType({PARSE: parse_object})
"""Metadata of fields, by what they hold."""

_NOT_SENT: Final = frozenset({"as_of", "complete", "reason", "receipt"})
"""Attributes of answers which the service does not send; values it may send by these names are ignored."""

_QUARTER_HOUR_S: Final = 900
"""Seconds; offsets of time zones, and so local midnights, are whole quarters of an hour."""

_converter = Converter()


def structure(raw: object, model: type[T]) -> T:
    """Return plain values of the service as a model; raises `cattrs.BaseValidationError`."""
    return _converter.structure(raw, model)


def unstructure(model: object) -> dict[str, object]:
    """Return a model as plain values that `json` can write."""
    return cast("dict[str, object]", _converter.unstructure(model))


class ToDict:
    """A model that can be written as plain values."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """Return the object as plain values that `json` can write; instants as ISO 8601 in UTC."""
        return unstructure(self)


class RowSequence(ToDict, Sequence[R_co], Generic[R_co]):
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
            raise ValueError(f"not a unit of {', '.join(units)}: {unit!r:.40}")
        value = _number(quantity["value"]) * units[unit]
        if not isfinite(value):
            raise ValueError(f"too large: {quantity['value']}")
        return value

    return parse


def _number(raw: object, _: object = None) -> float:
    """Return a number as it came: a whole one stays an `int`."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise TypeError(f"not a number: {type(raw).__name__}")
    return raw


def _instant(raw: object, _: object) -> datetime:
    if not isinstance(raw, str):
        return as_datetime(_number(raw))
    moment = datetime.fromisoformat(raw)
    if moment.tzinfo is None:
        raise ValueError(f"an instant without an offset: {raw}")
    return as_datetime(moment.timestamp())


def _text(raw: object, _: object) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"not a text: {type(raw).__name__}")
    return raw


def _integer(raw: object, _: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw != int(raw):
        raise TypeError(f"not a whole number: {type(raw).__name__}")
    return int(raw)


def _day(raw: object, _: object) -> date:
    """Return a local date, which comes as such, or as its midnight in ISO 8601 or epoch seconds."""
    if isinstance(raw, str):
        return datetime.fromisoformat(raw).date()
    midnight = _number(raw)
    if midnight % _QUARTER_HOUR_S:
        raise ValueError(f"not a date: {midnight}")
    return _nearest_day(midnight)


def _nearest_day(moment: float) -> date:
    """Return the day whose UTC midnight is nearest: right where the clock is less than 12 hours from UTC."""
    return as_datetime(moment + DAY / 2).date()


def parse_day(raw: object) -> date | None:
    """Return a local date, which may also come as some moment of it; `None` for null, 0 and an empty text."""
    if isinstance(raw, str) and raw:
        return datetime.fromisoformat(raw).date()
    return _nearest_day(_number(raw)) if raw else None


def _is_tuple(kind: object) -> bool:
    return getattr(kind, "__origin__", None) is tuple


def _items(raw: object, kind: Any) -> tuple[object, ...]:
    """Structure a list (null is an empty one); cattrs would accept a text or an object, too."""
    if not isinstance(raw, list | None):
        raise TypeError(f"not a list: {type(raw).__name__}")
    return tuple(_converter.structure(raw or [], list[kind.__args__[0]]))


def _from_object(model: type[T]) -> Callable[[object, object], T]:
    """Return a hook that structures an object; without required fields, cattrs would accept a list, too."""
    special: dict[str, Any] = {
        field.name: rule for field in fields(cast("type[AttrsInstance]", model)) if (rule := _rule(field))
    }
    fill = make_dict_structure_fn(model, _converter, **special)

    def structured(raw: object, _: object) -> T:
        if not isinstance(raw, dict):
            raise TypeError(f"not an object: {type(raw).__name__}")
        return fill(raw, model)

    return structured


def _rule(field: Attribute[Any]) -> object:
    """Return the rule for a field that is not structured by its type."""
    if field.name in _NOT_SENT:
        return override(omit=True)
    if field.name.endswith("_"):
        return override(rename=field.name.rstrip("_"))
    parse = field.metadata.get(PARSE)
    return None if parse is None else override(struct_hook=lambda raw, _: parse(raw))


_converter.register_structure_hook_factory(has, _from_object)
_converter.register_structure_hook(datetime, _instant)
_converter.register_structure_hook(date, _day)
_converter.register_structure_hook(str, _text)
_converter.register_structure_hook(int, _integer)
_converter.register_structure_hook_func(_is_tuple, _items)
_converter.register_unstructure_hook(datetime, lambda at: at.astimezone(UTC).isoformat())
_converter.register_unstructure_hook(date, lambda day: day.isoformat())
_converter.register_unstructure_hook_func(
    lambda kind: getattr(kind, "__origin__", kind) is Series,
    lambda series: [_converter.unstructure(row) for row in series],
)
_converter.register_unstructure_hook_func(lambda kind: getattr(kind, "__origin__", kind) is Mapping, dict)
# Last: the generated function takes over the hooks that are registered by then.
_converter.register_unstructure_hook(
    Coverage, make_dict_unstructure_fn(Coverage, _converter, _gaps=override(rename="gaps"))
)
