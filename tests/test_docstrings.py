"""The help of an editor: it shows a docstring below what it is about, and an argument where Args names it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import enlighten_async
from enlighten_async import emulator, export, oauth, testing

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
MODULES = (enlighten_async, emulator, export, oauth, testing)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def located(path: str) -> object:
    """Return what has a dotted path in the package."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def public() -> list[object]:
    """Return the classes and functions that the packages export, and those that the reference describes."""
    exported = [getattr(module, name) for module in MODULES for name in module.__all__]
    pages = [path.read_text() for path in sorted(REFERENCE.glob("*.md"))]
    described = [located(path) for page in pages for path in re.findall(r"^::: (\S+)", page, re.MULTILINE)]
    return list({id(each): each for each in (*exported, *described)}.values())


def in_package(thing: object) -> bool:
    """Tell whether a class is defined in the package."""
    return getattr(thing, "__module__", "").partition(".")[0] == "enlighten_async"


THINGS = public()
CLASSES = list(
    dict.fromkeys(
        parent
        for each in THINGS
        if inspect.isclass(each)
        for parent in reversed(each.__mro__)
        if in_package(parent) and not parent.__name__.startswith("_")
    )
)
FUNCTIONS = [each for each in THINGS if inspect.isfunction(each)]


@cache
def tree_of(thing: object) -> ast.ClassDef | Function:
    """Return the source of a class or function."""
    node = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]  # type: ignore[arg-type]
    assert isinstance(node, ast.ClassDef | Function)
    return node


def text_of(thing: object) -> str:
    """Return the docstring of a class or function; empty without one of its own."""
    return ast.get_docstring(tree_of(thing)) or ""


def documented(body: list[ast.stmt], index: int) -> bool:
    """Tell whether there is a text directly below a statement."""
    below = body[index + 1] if index + 1 < len(body) else None
    return (
        isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    )


def attributes(body: list[ast.stmt], owner: str) -> Iterator[tuple[str, bool]]:
    """Yield the attributes that statements set, and whether each has a text; of a class, or of `self`."""
    for index, each in enumerate(body):
        targets = each.targets if isinstance(each, ast.Assign) else []
        for target in [each.target] if isinstance(each, ast.AnnAssign) else targets:
            name = ast.unparse(target).removeprefix(owner)
            if name.isidentifier() and owner + name == ast.unparse(target) and not name.startswith("_"):
                yield name, documented(body, index)


def attributes_of(cls: type) -> dict[str, bool]:
    """Return the attributes that a class or a base of it sets, and whether an editor shows a text of each."""
    told: dict[str, bool] = {}
    for parent in (each for each in cls.__mro__ if in_package(each)):
        body = tree_of(parent).body
        init = next((e for e in body if isinstance(e, Function) and e.name == "__init__"), None)
        for name, text in (*attributes(body, ""), *(attributes(init.body, "self.") if init else ())):
            # An editor goes to where the class itself declares it, and else to its base.
            told[name] = told.get(name, text) or (text and name not in vars(cls).get("__annotations__", {}))
    return told


def test_every_public_attribute_has_a_text_below_it() -> None:
    """Which an editor shows where the pointer rests on the attribute."""
    assert [
        f"{cls.__qualname__}.{name}"
        for cls in CLASSES
        for name, told in attributes_of(cls).items()
        if not told
    ] == []
    assert len(CLASSES) > 150


def test_no_class_tells_of_its_attributes_far_from_them() -> None:
    """What stands in the docstring of the class alone is not shown at the attribute."""
    assert [cls.__qualname__ for cls in CLASSES if "Attributes:" in text_of(cls)] == []
