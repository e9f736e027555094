"""Shapes: they follow from the models, and plain values conform to them."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import is_typeddict

from enlighten_async.export import shapes
from tests.effort import examples
from tests.export.shapes import PATH, documented, written
from tests.export.test_documents import any_of


@cache
def hints_of(shape: type[Any]) -> dict[str, Any]:
    """Return the types of a shape."""
    return get_type_hints(shape)


def faults(value: Any, hint: Any, path: str = "$") -> list[str]:
    """Return the places where plain values are not of a type, or have other names."""
    if isinstance(hint, UnionType):
        found = [faults(value, each, path) for each in get_args(hint)]
        return min(found, key=len)
    origin, args = get_origin(hint), get_args(hint)
    if origin is list and isinstance(value, list):
        return [fault for each in value for fault in faults(each, args[0], f"{path}[]")]
    if origin is dict and isinstance(value, dict):
        return [fault for each in value.values() for fault in faults(each, args[1], f"{path}{{}}")]
    if is_typeddict(hint):
        if not isinstance(value, dict):
            return [path]
        hints = hints_of(hint)
        odd = [f"{path}.{name}" for name in {*value} ^ {*hints}]
        return odd + [f for name in hints for f in faults(value.get(name), hints[name], f"{path}.{name}")]
    kinds = {float: (float, int), NoneType: NoneType}.get(hint, hint if isinstance(hint, type) else ())
    right = isinstance(value, kinds) and (hint in {bool, object} or not isinstance(value, bool))  # type: ignore[arg-type]
    return [] if right else [path]


def test_the_module_follows_from_the_models() -> None:
    """If not: `python -m tests.export.shapes`."""
    assert PATH.read_text(encoding="utf-8") == written()


@pytest.mark.parametrize("kind", documented(), ids=lambda kind: kind.__name__)
@examples(4)
@given(data=st.data())
def test_plain_values_conform(kind: type[Any], data: st.DataObject) -> None:
    """Every name is there and none besides, and each value is of its type."""
    assert not faults(data.draw(any_of(kind)).to_dict(), getattr(shapes, f"{kind.__name__}Dict"))


@pytest.mark.parametrize(
    "wrong", [{"start_at": "x"}, {"start_at": "x", "end_at": 5}, {"start_at": "x", "end_at": "y", "z": 1}, 5]
)
def test_other_values_do_not(wrong: object) -> None:
    """The check sees a name that is missing or new, and another type."""
    assert faults(wrong, shapes.WindowDict)
