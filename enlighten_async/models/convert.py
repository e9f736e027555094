"""Between attrs models and plain values: instants come as epoch seconds and leave as ISO 8601."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar, cast

from attrs import has
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from enlighten_async.models.series import Series
from enlighten_async.windows import as_datetime

T = TypeVar("T")

_converter = Converter()


def structure(raw: object, model: type[T]) -> T:
    """Return plain values of the service as a model; raises `cattrs.BaseValidationError`."""
    return _converter.structure(raw, model)


def unstructure(model: object) -> dict[str, object]:
    """Return a model as plain values that `json` can write."""
    return cast("dict[str, object]", _converter.unstructure(model))


def _instant(raw: object, _: object) -> datetime:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise TypeError(f"not epoch seconds: {type(raw).__name__}")
    return as_datetime(raw)


def _text(raw: object, _: object) -> str:
    if not isinstance(raw, str):
        raise TypeError(f"not a text: {type(raw).__name__}")
    return raw


def _integer(raw: object, _: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or raw != int(raw):
        raise TypeError(f"not a whole number: {type(raw).__name__}")
    return int(raw)


def _day(raw: object, _: object) -> date:
    return date.fromisoformat(_text(raw, _))


def _is_tuple(kind: object) -> bool:
    return getattr(kind, "__origin__", None) is tuple


def _items(raw: object, kind: Any) -> tuple[object, ...]:
    """Structure a list (null is an empty one); cattrs would take a text or an object for one too."""
    if not isinstance(raw, list | None):
        raise TypeError(f"not a list: {type(raw).__name__}")
    return tuple(_converter.structure(raw or [], list[kind.__args__[0]]))


def _from_object(model: type[T]) -> Callable[[object, object], T]:
    """Return what structures an object; without required fields, cattrs would take a list for one."""
    fill = make_dict_structure_fn(model, _converter)

    def structured(raw: object, _: object) -> T:
        if not isinstance(raw, dict):
            raise TypeError(f"not an object: {type(raw).__name__}")
        return fill(raw, model)

    return structured


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
