"""The size of the package's parts, and the length of a query's way through it."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import enlighten_async
from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Emulator, Quota

PACKAGE = Path(enlighten_async.__file__).parent
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "emulator" not in p.relative_to(PACKAGE).parts[:1])
UNNAMED = ("<lambda>", "comp>", "genexpr")
"""Parts of the names of functions that have none of their own."""

FIRST_STEPS = 20
"""Bytes of a function's code, at the most, that are over when it is entered; of a generator some are."""

TREES = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}


def lines(node: ast.stmt) -> int:
    """Return the number of lines of a statement."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return all functions of a module."""
    return [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the arguments and the result of a function, with their types."""
    return f"{ast.unparse(function.args)} -> {ast.unparse(function.returns) if function.returns else ''}"


def test_there_are_at_most_140_modules() -> None:
    """Without the emulator; and 25 of fleets."""
    fleet = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] == "fleet"]
    assert 0 < len(fleet) <= 25
    assert 50 < len(MODULES) - len(fleet) <= 140


def test_imports_are_at_most_seven_percent_of_the_lines() -> None:
    """Without the emulator."""
    total = sum(len(path.read_text().splitlines()) for path in MODULES)
    imports = [
        each
        for path in MODULES
        for each in ast.walk(TREES[path])
        if isinstance(each, ast.Import | ast.ImportFrom)
    ]
    assert 0 < sum(lines(each) for each in imports) <= 0.07 * total


def test_no_module_gives_a_name_two_values() -> None:
    """Such as that of a constant: what was written first would use the second value."""
    named = [
        (str(path.relative_to(PACKAGE)), name.id)
        for path, tree in TREES.items()
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    ]
    assert len(named) > 500
    assert [each for each, times in Counter(named).items() if times > 1] == []


def test_no_function_is_longer_than_40_lines() -> None:
    """Docstrings excluded."""
    assert [
        (str(path.relative_to(PACKAGE)), each.name)
        for path, tree in TREES.items()
        for each in functions(tree)
        if lines(each) - (lines(each.body[0]) if ast.get_docstring(each) else 0) > 40
    ] == []


def test_public_signatures_name_their_types() -> None:
    """No argument and no result of a method or function of the public face is `Any`."""
    assert [
        f"{name}.{each.name}"
        for path, tree in TREES.items()
        for name, owner in ((n.name, n) for n in ast.walk(tree) if isinstance(n, ast.ClassDef))
        if name in enlighten_async.__all__
        for each in functions(owner)
        if not each.name.startswith("_") and re.search(r"(?<!\[str, )\bAny\b", signature(each))
    ] == []


@contextmanager
def functions_entered(calls: list[tuple[str, str]]) -> Iterator[None]:
    """Note each function of the package that this thread enters within: its file, and its name.

    A function is entered once, however often it is suspended; those without a name are not counted.
    """
    seen: set[tuple[int, str]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code, path = frame.f_code, Path(frame.f_code.co_filename)
        name = code.co_qualname
        if event != "call" or not path.is_relative_to(PACKAGE) or any(each in name for each in UNNAMED):
            return
        place, entered = path.relative_to(PACKAGE), (id(frame), name)
        resumed = entered in seen and frame.f_lasti > FIRST_STEPS
        if place.parts[0] not in {"emulator", "testing"} and not resumed:
            seen.add(entered)
            calls.append((str(place), name))

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    ("name", "functions", "files", "switches"), [("", 130, 25, 120), ("e.db", 170, 35, 150)]
)
async def test_the_way_of_one_query_is_short(
    name: str, functions: int, files: int, switches: int, tmp_path: Path
) -> None:
    """A warm query of one window, over a socket: in memory, and with a state file."""
    emulator, calls = Emulator(quota=Quota.UNLIMITED), list[tuple[str, str]]()
    state = tmp_path / name if name else None
    with emulator.running() as url:
        plan = Plan(minute=10_000)
        async with EnlightenClient("key", emulator.demo_user, plan=plan, base_url=url, state=state) as client:
            now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
            before = {"start_at": now - timedelta(days=60), "end_at": now - timedelta(days=50)}
            await client.rgm_stats(emulator.demo_system, **before)
            with functions_entered(calls):
                await client.rgm_stats(emulator.demo_system, start_at=now - timedelta(days=3), end_at=now)
    assert 50 < len(set(calls)) <= functions
    assert len({place for place, _ in calls}) <= files
    assert sum(one != other for (one, _), (other, _) in pairwise(calls)) <= switches
