"""Lists of systems: filters, pages and the cursor between them."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

from enlighten_async.emulator.plant.system import encode_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.messages import Call
    from enlighten_async.emulator.plant.system import System

PAGE = 100
MAX_PAGE = 1000

FILTERS: dict[str, Callable[[System, str], bool]] = {
    "system_id": lambda system, value: str(system.system_id) == value,
    "system_name": lambda system, value: value in system.name,
    "status": lambda system, value: system.status == value,
    "connection_type": lambda system, value: system.connection_type == value,
    "installer": lambda system, value: system.installer == value,
    "reference": lambda system, value: value in {system.reference, *system.other_references},
}


def cut_page(call: Call, systems: list[System], *, in_part: bool = True) -> tuple[list[System], str | None]:
    """Return the page a request asks for, and the cursor of the next one if there is more.

    Filters narrow each other; the values of one filter widen it. A name is found by a part of it, or, if
    not `in_part`, by the whole alone. What happens to a limit or a cursor that makes no sense is not
    documented: limits are brought into range, cursors start afresh.
    """
    tests = FILTERS if in_part else FILTERS | {"system_name": _has_name}
    found = [s for s in systems if _wanted(call, s, tests) and s.system_id > _decode(call.get("next"))]
    limit = call.get("limit")
    size = min(max(int(limit[:9]), 1), MAX_PAGE) if limit.isdecimal() else PAGE
    page = found[:size]
    return page, encode_id(page[-1].system_id) if len(found) > size else None


def _has_name(system: System, value: str) -> bool:
    return system.name == value


def _wanted(call: Call, system: System, tests: dict[str, Callable[[System, str], bool]]) -> bool:
    return all(
        any(test(system, value) for value in call.params[name])
        for name, test in tests.items()
        if name in call.params
    )


def _decode(cursor: str) -> int:
    """Return the id the last page ended with; the cursor looks like a user id."""
    try:
        return int(b64decode(bytes.fromhex(cursor)))
    except ValueError:
        return 0
