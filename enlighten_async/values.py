"""Values: the decorators `frozen` and `define` of attrs, by which a class is built in half the time.

attrs writes and compiles the methods of each class when it is built, at the import: half of the time that the
client's own modules took. Only `__init__` has to be compiled. How a value is shown, compared and hashed
follows from the names of its fields: these methods need no compiler here, and do what those of attrs do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:  # mypy and pyright know those of attrs
    from attrs import define, frozen

__all__ = ["define", "frozen"]

_COMPARISON = frozenset({"__eq__", "__ne__", "__hash__"})


@recursive_repr()
def _shown(self: attrs.AttrsInstance) -> str:
    """Return the name of the class and its fields, but for those that are not to be shown."""
    shown = [each.name for each in attrs.fields(type(self)) if each.repr]
    told = (f"{name}={getattr(self, name, attrs.NOTHING)!r}" for name in shown)
    return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(told)})"


def _getter(names: Sequence[str]) -> Callable[[object], object]:
    """Return the function that returns the values of some fields."""
    return attrgetter(*names) if names else lambda _: ()


def _add_comparison(cls: type, *, hashable: bool) -> None:
    """Have objects of the very class compared, and hashed if they may be, by their fields."""
    fields = attrs.fields(cls)
    compared = _getter([each.name for each in fields if each.eq])
    hashed = _getter([each.name for each in fields if (each.eq if each.hash is None else each.hash)])

    def equals(self: object, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return compared(self) == compared(other)

    def hash_of(self: object) -> int:
        return hash((cls, hashed(self)))

    cls.__eq__ = equals  # type: ignore[assignment]
    cls.__hash__ = hash_of if hashable else None  # type: ignore[assignment]


def _decorated(decorator: Callable[..., Any], cls: type | None = None, /, **options: Any) -> Any:
    """Decorate a class as one of the decorators of attrs does, but for the methods that are made here."""
    if cls is None:
        return partial(_decorated, decorator, **options)
    own = frozenset(vars(cls))
    if options.pop("repr", True) and "__repr__" not in own:
        cls.__repr__ = _shown  # type: ignore[assignment]
    if not options.get("eq", True) or "order" in options or own & _COMPARISON:
        return decorator(cls, repr=False, **options)
    made = decorator(cls, repr=False, **options | {"eq": False})
    _add_comparison(made, hashable=options.get("frozen", decorator is attrs.frozen))
    return made


if not TYPE_CHECKING:
    define, frozen = partial(_decorated, attrs.define), partial(_decorated, attrs.frozen)
