"""The endpoints of v2 about systems: the list with its filters and pages, and the summary of one system."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import parse_date, with_iso_timestamps
from enlighten_async.emulator.service import DATE_IN_FUTURE
from enlighten_async.emulator.simulation.system import encode_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.messages import Request
    from enlighten_async.emulator.service import Service
    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v2.v2_history import V2History

V2_PAGE_SIZE = 100
V2_MAX_PAGE_SIZE = 1000

FILTERS: dict[str, Callable[[System, str], bool]] = {
    "system_id": lambda system, value: str(system.system_id) == value,
    "system_name": lambda system, value: value in system.name,
    "status": lambda system, value: system.status == value,
    "connection_type": lambda system, value: system.connection_type == value,
    "installer": lambda system, value: system.installer == value,
    "reference": lambda system, value: value in {system.reference, *system.other_references},
}

Row: TypeAlias = dict[str, object]


def list_systems(service: Service[V2History], request: Request, owned: list[System]) -> tuple[int, object]:
    """Respond with a page of the user's systems, and the cursor of the next page if there is one."""
    page, cursor = cut_page(request, owned, partial_names=service.options.matches_partial_names)
    content: Row = {"systems": [_row(service, request, system) for system in page]}
    return 200, content | ({"next": cursor} if cursor else {})


def summary(service: Service[V2History], request: Request, systems: list[System]) -> tuple[int, object]:
    """Respond with size, state and energy of a system on one local day, by default today."""
    system = systems[0]
    today = service.today(system)
    day = parse_date(request.get("summary_date")) or today
    if day > today:
        return 422, {"reason": DATE_IN_FUTURE}
    return 200, service.summary(system, day)


def _row(service: Service[V2History], request: Request, system: System) -> object:
    row: Row = {
        "system_id": system.system_id,
        "system_name": system.name,
        "system_public_name": system.public_name,
        "status": system.status,
        "timezone": system.timezone,
        "country": system.country,
        **({} if system.state is None else {"state": system.state}),
        "city": system.city,
        "postal_code": system.postal_code,
    }
    if system.reference is not None:
        row["reference"] = system.reference
    if system.other_references:
        row["other_references"] = list(system.other_references)
    row |= {"connection_type": system.connection_type, "meta": service.meta(system)}
    if request.get("datetime_format") == "iso8601":
        return with_iso_timestamps(row, system.timezone)  # each system has its own zone
    return row


def cut_page(
    request: Request, systems: list[System], *, partial_names: bool = True
) -> tuple[list[System], str | None]:
    """Return the page a request asks for, and the cursor of the next one if there is more.

    Different filters are combined by AND, the values of one filter by OR. A name matches a part of a
    system's name, or, without `partial_names`, only the whole of it. The treatment of invalid limits and
    cursors is not documented: limits are brought into range, cursors start again.
    """
    tests = FILTERS if partial_names else FILTERS | {"system_name": _has_name}
    after = _decode(request.get("next"))
    found = [s for s in systems if _matches(request, s, tests) and s.system_id > after]
    limit = request.get("limit")
    size = min(max(int(limit[:9]), 1), V2_MAX_PAGE_SIZE) if limit.isdecimal() else V2_PAGE_SIZE
    page = found[:size]
    return page, encode_id(page[-1].system_id) if len(found) > size else None


def _has_name(system: System, value: str) -> bool:
    return system.name == value


def _matches(request: Request, system: System, tests: dict[str, Callable[[System, str], bool]]) -> bool:
    return all(
        any(test(system, value) for value in request.params[name])
        for name, test in tests.items()
        if name in request.params
    )


def _decode(cursor: str) -> int:
    """Return the id the last page ended with; the cursor looks like a user id."""
    try:
        return int(b64decode(bytes.fromhex(cursor)))
    except ValueError:
        return 0
