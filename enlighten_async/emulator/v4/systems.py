"""The endpoints of v4 that answer which systems there are: a list, a search, one of them, its summary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from enlighten_async.emulator.local_time import local_date, parse_date
from enlighten_async.emulator.plant.devices import envoys
from enlighten_async.emulator.plant.storage import batteries
from enlighten_async.emulator.status import meta, summary
from enlighten_async.emulator.v4.drift import drift_system, interconnected
from enlighten_async.emulator.v4.refusals import IN_FUTURE, RefusedError, because

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

PAGE, MAX_PAGE = 10, 100
LEAST_CHARGE = 1440  # W: a car takes no less than six amperes

Row: TypeAlias = dict[str, object]


def listed(api: ApiV4, asked: Asked) -> Row:
    """Answer a page of the user's systems."""
    systems = _sorted(asked.owned, asked.get("sort_by"))
    return _page(asked, systems, MAX_PAGE, lambda system: item(api, system))


def search(api: ApiV4, asked: Asked) -> Row:
    """Answer a page of the systems that match; what a search finds has no city."""
    wanted, sort_by = _read(asked.call.body)
    found = [system for system in asked.owned if all(_matches(system, *test) for test in wanted.items())]
    streams = asked.get("live_stream") == "true"

    def show(system: System) -> Row:
        row = item(api, system)
        address = {name: value for name, value in _address(system).items() if name != "city"}
        live = {"live_stream": "enabled" if system.system_id % 2 else "disabled"} if streams else {}
        return row | {"address": address} | live

    return _page(asked, _sorted(found, sort_by), api.manners.search_size, show)


def one(api: ApiV4, asked: Asked) -> Row:
    """Answer one system."""
    return item(api, asked.system)


def retrieve_system_id(_: ApiV4, asked: Asked) -> Row:
    """Answer which of the user's systems has the gateway with this serial number."""
    serial = asked.get("serial_num")
    if not serial:
        raise RefusedError(422, "Provide envoy serial number")
    for system in asked.owned:
        if serial in {envoy.serial for envoy in envoys(system)}:
            return {"system_id": system.system_id}
    raise RefusedError(404, "Envoy not found with this serial number")


def summarized(api: ApiV4, asked: Asked) -> Row:
    """Answer what a system is and made on one day."""
    now = api.clock.now()
    today = local_date(now, asked.system.timezone)
    day = parse_date(asked.get("summary_date")) or today
    if day > today:
        raise RefusedError(422, because(IN_FUTURE))
    return summary(api.truth, asked.system, day, now) | _powers(asked.system)


def _powers(system: System) -> Row:
    """Return what v4 adds to a summary, as far as a system has it; power in W, capacity in Wh."""
    row: Row = {} if system.nmi is None else {"nmi": system.nmi}
    if owned := batteries(system):
        power = sum(battery.power_w for battery in owned)
        row |= dict.fromkeys(("battery_charge_w", "battery_discharge_w"), power)
        row["battery_capacity_wh"] = sum(battery.capacity_wh for battery in owned)
    if system.ev_chargers:
        row["evse_power"] = [
            {charger.serial: {"evse_max_charge_w": charger.power_w, "evse_min_charge_w": LEAST_CHARGE}}
            for charger in system.ev_chargers
        ]
    return row


def item(api: ApiV4, system: System) -> Row:
    """Return a system as lists show it; its figures are no longer told."""
    row: Row = {
        "system_id": system.system_id,
        "name": system.name,
        "public_name": system.public_name,
        "timezone": system.timezone,
        "address": _address(system),
        "connection_type": system.connection_type,
        **dict.fromkeys(("energy_lifetime", "energy_today", "system_size"), -1),
        **meta(api.truth, system),
        "attachment_type": "rack_mount",
        "interconnect_date": interconnected(system),
    }
    if system.reference is not None:
        row["reference"] = system.reference
    if system.other_references:
        row["other_references"] = list(system.other_references)
    return drift_system(row, system) if api.manners.drift else row


def _address(system: System) -> Row:
    return {
        "city": system.city,
        "state": system.state,
        "country": system.country,
        "postal_code": system.postal_code,
    }


def _page(asked: Asked, systems: list[System], most: int, show: Callable[[System], Row]) -> Row:
    page, size = page_asked(asked, most)
    shown = [show(system) for system in systems[(page - 1) * size : page * size]]
    return {
        "total": len(systems),
        "current_page": page,
        "size": size,
        "count": len(shown),
        "items": "systems",
        "systems": shown,
    }


def page_asked(asked: Asked, most: int) -> tuple[int, int]:
    """Return the number and the size of the page that is asked for, brought into range."""
    page, size = asked.get("page"), asked.get("size")
    return (
        max(int(page[:9]), 1) if page.isdecimal() else 1,
        min(max(int(size[:9]), 1), most) if size.isdecimal() else min(PAGE, most),
    )


def _sorted(systems: list[System], by: str) -> list[System]:
    if by not in {"", "id", "-id"}:
        raise RefusedError(422, because("The sorting parameter is not supported"))
    return systems[::-1] if by == "-id" else systems


def _read(body: bytes) -> tuple[dict[str, Any], str]:
    """Return what a search asks for, without what is empty, and how it is sorted."""
    try:
        content = json.loads(body)
    except ValueError:
        raise RefusedError(422, because("Json body is malformed")) from None
    if not isinstance(content, dict) or not isinstance(content.get("system"), dict):
        raise RefusedError(422, "system is missing at Json body location")
    wanted, sort_by = content["system"], content.get("sort_by") or ""
    unknown = [*(content.keys() - {"system", "sort_by"}), *(wanted.keys() - TESTS.keys())]
    if unknown:
        raise RefusedError(422, because(f"Invalid keys {', '.join(sorted(unknown))}"))
    if wrong := [name for name, value in wanted.items() if not isinstance(value, KINDS[name] | None)]:
        raise RefusedError(422, because(f"Invalid values of {', '.join(sorted(wrong))}"))
    return {name: value for name, value in wanted.items() if value}, str(sort_by)


TESTS: dict[str, Callable[[System, Any], bool]] = {
    "ids": lambda system, value: system.system_id in value,
    "name": lambda system, value: value in system.name,
    "reference": lambda system, value: value.lower() == (system.reference or "").lower(),
    "other_reference": lambda system, value: (
        value.lower() in {each.lower() for each in system.other_references}
    ),
    "statuses": lambda system, value: system.status in value,
}
KINDS: dict[str, type] = {
    "ids": list,
    "name": str,
    "reference": str,
    "other_reference": str,
    "statuses": list,
}


def _matches(system: System, name: str, value: Any) -> bool:
    return TESTS[name](system, value)
