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
from enlighten_async import emulator, export, fleet, oauth, testing
from enlighten_async.emulator.faults import FaultOptions
from enlighten_async.export.answers import UNITS

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
MODULES = (enlighten_async, emulator, export, fleet, oauth, testing)

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


def options(thing: object) -> list[object]:
    """Return the classes whose keys a class's methods take as keyword arguments."""
    found = re.findall(r"Unpack\[(\w+)\]", inspect.getsource(thing)) if inspect.isclass(thing) else []  # type: ignore[arg-type]
    return [getattr(inspect.getmodule(thing), name) for name in found]


EXPORTED = public()
THINGS = [*EXPORTED, *(each for thing in EXPORTED for each in options(thing))]
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
        targets = [part for each in targets for part in getattr(each, "elts", [each])]
        for target in [each.target] if isinstance(each, ast.AnnAssign) else targets:
            name = ast.unparse(target).removeprefix(owner)
            if name.isidentifier() and owner + name == ast.unparse(target) and not name.startswith("_"):
                yield name, documented(body, index)


def texts(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield the attributes that a class declares with a text below them, and the text."""
    for index, each in enumerate(body[:-1]):
        if isinstance(each, ast.Assign | ast.AnnAssign) and documented(body, index):
            target = each.target if isinstance(each, ast.AnnAssign) else each.targets[0]
            below = body[index + 1]
            assert isinstance(below, ast.Expr)
            yield ast.unparse(target), str(ast.literal_eval(below.value))


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


def sections(text: str) -> dict[str, list[str]]:
    """Return the names in each section of a docstring."""
    found: dict[str, list[str]] = {}
    for title, block in re.findall(r"^(Args|Raises|Attributes):\n((?:    .*\n?|\n)*)", text, re.MULTILINE):
        found[title] = re.findall(r"^    \*{0,2}([\w.]+):", block, re.MULTILINE)
    return found


def parameters(function: Function) -> list[str]:
    """Return the names of the parameters that a caller gives."""
    args = function.args
    several = [each for each in (args.vararg, args.kwarg) if each]
    names = [each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs, *several)]
    return [name for name in names if name not in {"self", "cls"} and not name.startswith("_")]


def methods(cls: type) -> Iterator[tuple[str, Function, str]]:
    """Yield the public methods that a class defines, and their texts; of `__init__` the class's own."""
    tree = tree_of(cls)
    for each in tree.body:
        if not isinstance(each, Function) or any(
            re.search(r"overload|\.setter", ast.unparse(d)) for d in each.decorator_list
        ):
            continue
        text = ast.get_docstring(each) or inspect.getdoc(getattr(cls, each.name)) or ""
        if each.name == "__init__" and cls.__name__ not in MADE_BY_US:
            yield "__init__", each, ast.get_docstring(tree) or ""
        elif not each.name.startswith("_"):
            yield each.name, each, text


MADE_BY_US = {"Export", "Query", "QueryPool", "Series"}
"""Classes whose objects users get, and do not make."""

CLASSES_BY_NAME = {cls.__name__: cls for cls in CLASSES}

CALLABLES = [
    *(("", each.__name__, tree_of(each), inspect.getdoc(each) or "") for each in FUNCTIONS),
    *((cls.__name__, *method) for cls in CLASSES for method in methods(cls)),
]


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


def test_every_public_function_tells_its_arguments() -> None:
    """Each one by its name, and none that is not there."""
    wrong = {}
    for owner, name, function, text in CALLABLES:
        told, taken = set(sections(text).get("Args", [])), set(parameters(function))
        if function.name == "__init__":  # what an attribute tells need not be told again
            taken -= {"message", *attributes_of(CLASSES_BY_NAME[owner])} - told
        if told != taken or not text:
            wrong[f"{owner}.{name}"] = {"not told": taken - told, "not there": told - taken}
    assert wrong == {}
    assert len(CALLABLES) > 250


def test_every_error_that_is_raised_is_told() -> None:
    """Of those that a function raises itself; what it calls may raise more."""
    silent = {}
    for owner, name, function, text in CALLABLES:
        raised = {
            ast.unparse(e.exc.func)
            for e in ast.walk(function)
            if isinstance(e, ast.Raise) and isinstance(e.exc, ast.Call)
        }
        if untold := raised - set(sections(text).get("Raises", [])):
            silent[f"{owner}.{name}"] = untold
    assert silent == {}


def test_every_query_tells_its_errors() -> None:
    """Those of its arguments come at the call, those of the service where it is awaited."""
    asking = {
        n: s
        for _, n, f, t in CALLABLES
        if "Query[models." in ast.unparse(f.returns or f)
        for s in [sections(t)]
    }
    assert [name for name, told in asking.items() if "EnlightenError" not in told.get("Raises", [])] == []
    assert len(asking) >= 48


def test_every_figure_names_its_unit() -> None:
    """The one that its column in a data frame has."""
    words = {"W": r"\bW\b", "Wh": r"\bWh\b", "%": "percent|%", "s": "[Ss]econds"}
    told = [
        (cls.__qualname__, name, words[UNITS[name]], text)
        for cls in CLASSES
        if cls.__module__.startswith("enlighten_async.models")
        for name, text in texts(tree_of(cls).body)
        if name in UNITS and "datetime" not in str(cls.__annotations__[name])
    ]
    assert [each for each in told if not re.search(each[2], each[3])] == []
    assert len(told) > 30


def test_what_is_told_twice_is_told_alike() -> None:
    """Faults and their options; drifts in the table that the command line shows, and each by itself."""
    faults = dict(texts(tree_of(emulator.Fault).body))
    assert dict(texts(tree_of(FaultOptions).body)).items() <= faults.items()
    told = {name: text.rstrip(".").lower() for name, text in texts(tree_of(emulator.Drift).body)}
    assert told == {each.name: text.lower() for each, text in emulator.DRIFTS.items()}
