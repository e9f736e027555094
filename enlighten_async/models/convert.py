"""Fields that come in several forms: what reads them as one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar, cast, overload

from attrs import Attribute, AttrsInstance, fields, has
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from enlighten_async.models.coverage import Coverage
from enlighten_async.models.series import Series
from enlighten_async.windows import DAY, as_datetime

_FLAGS: Mapping[object, bool] = MappingProxyType(
    {"true": True, "enabled": True, "on": True, "false": False, "disabled": False, "off": False}
)

_NOTHING = frozenset({"", "n/a"})
"""What stands for a text that is not known (lower case)."""


def flag(raw: object) -> bool | None:
    """Read what is true or false, or a word that says so; `None` for any other word."""
    if raw is None or isinstance(raw, bool):
        return raw
    if not isinstance(raw, str):
        raise TypeError(f"neither true nor false: {type(raw).__name__}")
    return _FLAGS.get(raw.strip().lower())


def word(raw: object) -> str | None:
    """Read a text; `None` for an empty one, and for one that says that there is none."""
    if raw is not None and not isinstance(raw, str):
        raise TypeError(f"not a text: {type(raw).__name__}")
    return None if raw is None or raw.strip().lower() in _NOTHING else raw


def identity(raw: object) -> int | str | None:
    """Read the service's own name of a thing: a number, or a text; `None` for an empty one."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    return word(raw)


def kept(raw: object) -> Mapping[str, object]:
    """Read an object that is kept as it came."""
    if not isinstance(raw, dict):
        raise TypeError(f"not an object: {type(raw).__name__}")
    return raw


T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

READ: Final = "read"
"""In the metadata of a field: the function that reads its value, null included."""

_OURS: Final = frozenset({"as_of", "complete", "reason", "receipt"})
"""Attributes of answers which the service does not send; what it may send by these names is not read."""

_QUARTER: Final = 900
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
        """Return it as plain values that `json` can write; instants as ISO 8601 in UTC."""
        return unstructure(self)


class RowSequence(ToDict, Sequence[R_co], Generic[R_co]):
    """A model that is a sequence of rows as well; a slice of it is a tuple of rows."""

    __slots__ = ()

    @abstractmethod
    def _row(self, place: int) -> R_co:
        """Return one row; the place lies within the length."""

    @overload
    def __getitem__(self, index: int) -> R_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[R_co, ...]: ...
    def __getitem__(self, index: int | slice) -> R_co | tuple[R_co, ...]:
        places = range(len(self))[index]
        return self._row(places) if isinstance(places, int) else tuple(map(self._row, places))

    def __iter__(self) -> Iterator[R_co]:
        return map(self._row, range(len(self)))


def quantity(units: Mapping[str, float]) -> Callable[[object], float | None]:
    """Return what reads a number, or an object of `value` and `units`, as a number of the first unit.

    Args:
        units: names of units, with how many of the first one they are.
    """
    usual = next(iter(units))

    def read(raw: object) -> float | None:
        told = raw if isinstance(raw, dict) else {"value": raw}
        if told.get("value") is None:
            return None
        unit = told.get("units") or usual
        if not isinstance(unit, str) or unit not in units:
            raise ValueError(f"not a unit of {', '.join(units)}: {unit!r:.40}")
        value = _number(told["value"]) * units[unit]
        if not isfinite(value):
            raise ValueError(f"too large: {told['value']}")
        return value

    return read


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
    if midnight % _QUARTER:
        raise ValueError(f"not a date: {midnight}")
    return _nearest_day(midnight)


def _nearest_day(moment: float) -> date:
    """Return the day whose UTC midnight is next: right wherever the clock is less than 12 hours from UTC."""
    return as_datetime(moment + DAY / 2).date()


def day_or_moment(raw: object) -> date | None:
    """Read a local date that may also come as some moment of it, or in another way that says nothing."""
    if isinstance(raw, str) and raw:
        return datetime.fromisoformat(raw).date()
    return _nearest_day(_number(raw)) if raw else None


def _is_tuple(kind: object) -> bool:
    return getattr(kind, "__origin__", None) is tuple


def _items(raw: object, kind: Any) -> tuple[object, ...]:
    """Structure a list (null is an empty one); cattrs would take a text or an object for one too."""
    if not isinstance(raw, list | None):
        raise TypeError(f"not a list: {type(raw).__name__}")
    return tuple(_converter.structure(raw or [], list[kind.__args__[0]]))


def _from_object(model: type[T]) -> Callable[[object, object], T]:
    """Return what structures an object; without required fields, cattrs would take a list for one."""
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
    """Return how a field is read, if not by its type."""
    if field.name in _OURS:
        return override(omit=True)
    if field.name.endswith("_"):
        return override(rename=field.name.rstrip("_"))
    read = field.metadata.get(READ)
    return None if read is None else override(struct_hook=lambda raw, _: read(raw))


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
