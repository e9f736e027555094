"""Classes of values: they do what those of attrs do, and no class of the package is built another way."""

from __future__ import annotations

import ast
import copy
import pickle
from math import nan
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import Factory, evolve, field, fields
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

import enlighten_async
from enlighten_async import values

PACKAGE = Path(enlighten_async.__file__).parent


def classes(decorators: Any) -> dict[str, type]:
    """Return classes of all kinds that the package has, made by the decorators of a module."""

    @decorators.frozen
    class Plain:
        a: object
        _b: object = None
        c: list[int] = Factory(list)

    @decorators.frozen(kw_only=True)
    class Hidden:
        a: object
        b: object = field(default=0, repr=False)
        c: object = field(default=0, eq=False)
        d: object = field(factory=dict, hash=False)

    @decorators.frozen
    class Child(Plain):
        d: object = 1

    @decorators.frozen(eq=False)
    class Same:
        a: object

    @decorators.frozen(order=True, repr=False)
    class Ordered:
        a: object

    @decorators.frozen
    class Own:
        a: object

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    @decorators.frozen
    class Nothing:
        pass

    @decorators.define
    class Mutable:
        a: object
        b: object = field(default=0, init=False)

    @decorators.define(frozen=True, slots=False)
    class Open:
        a: object

    return {
        each.__name__: each for each in (Plain, Hidden, Child, Same, Ordered, Own, Nothing, Mutable, Open)
    }


OURS, THEIRS = classes(values), classes(attrs)

NAMES = list(OURS)


def made(kinds: dict[str, type], name: str, given: object) -> Any:
    """Return an object of a class."""
    return kinds[name]() if name == "Nothing" else kinds[name](a=given)


def hashed(value: object) -> bool:
    """Tell whether a value has a hash."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
@given(one=st.integers(0, 2), other=st.one_of(st.integers(0, 2), st.text(max_size=1), st.none()))
def test_values_are_shown_compared_and_hashed_as_those_of_attrs(
    name: str, one: object, other: object
) -> None:
    """Whatever is in them."""
    ours, theirs = ([made(kinds, name, each) for each in (one, other)] for kinds in (OURS, THEIRS))
    if name not in {"Same", "Ordered"}:  # which are shown with their addresses
        assert repr(ours) == repr(theirs).replace(THEIRS[name].__qualname__, OURS[name].__qualname__)
    assert (ours[0] == ours[1]) is (theirs[0] == theirs[1])
    assert (ours[0] != ours[1]) is (theirs[0] != theirs[1])
    assert hashed(ours[0]) is hashed(theirs[0])
    assert not hashed(ours[0]) or ours[0] != ours[1] or hash(ours[0]) == hash(ours[1])
    assert copy.copy(ours[0]) == ours[0] or name == "Same"


@pytest.mark.parametrize("name", NAMES)
def test_a_value_equals_none_of_another_class(name: str) -> None:
    """Not even of one that is derived from its class."""
    value, child = made(OURS, name, 1), type("Derived", (OURS[name],), {})
    derived = child() if name == "Nothing" else child(a=1)
    assert (value == derived) is (name == "Own")
    assert name == "Own" or value != 1
    assert (value.__eq__(1) is NotImplemented) is (name != "Own")


def test_fields_are_left_out_as_they_say() -> None:
    """Of what is shown, and of what is compared."""
    hidden = OURS["Hidden"]
    assert repr(hidden(a=1, b=2, c=3)) == "Hidden(a=1, c=3, d={})"
    assert hidden(a=1, c=3) == hidden(a=1, c=4) != hidden(a=1, b=1)
    assert hash(hidden(a=1, c=3)) == hash(hidden(a=1, c=4, d={1: 2}))
    assert hidden(a=1) != hidden(a=1, d={1: 2})


def test_what_is_not_set_or_holds_itself_is_shown() -> None:
    """As attrs shows it."""
    mutable = OURS["Mutable"](1)
    del mutable.b
    assert repr(mutable) == "Mutable(a=1, b=NOTHING)"
    mutable.b = [mutable]
    assert repr(mutable) == "Mutable(a=1, b=[...])"


def test_classes_have_what_attrs_gives_them() -> None:
    """Slots, fields, and values that cannot be changed."""
    plain = OURS["Plain"]
    value: Any = plain(1, b=2)
    assert [each.name for each in fields(plain)] == ["a", "_b", "c"]
    assert evolve(value, a=3) == plain(3, 2)
    assert not hasattr(value, "__dict__")
    assert hasattr(OURS["Open"](1), "__dict__")
    with pytest.raises(FrozenInstanceError):
        value.a = 2
    assert plain(nan) != plain(float("nan"))


def test_a_value_of_the_package_can_be_pickled() -> None:
    """And is the same afterwards."""
    window = enlighten_async.Gap(enlighten_async.Window(0, 900), enlighten_async.Reason.NO_ROW)
    assert pickle.loads(pickle.dumps(window)) == window  # noqa: S301 - made just now


def test_all_classes_of_the_package_are_built_so() -> None:
    """But for the emulator, which shares nothing with the client."""
    assert [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if path.name != "values.py" and path.relative_to(PACKAGE).parts[0] != "emulator"
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.ImportFrom) and each.module == "attrs"
        if {name.name for name in each.names} & {"define", "frozen"}
    ] == []
