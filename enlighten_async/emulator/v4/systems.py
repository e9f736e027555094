"""The endpoints of v4 about systems: the list, the search, one system, its summary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from enlighten_async.emulator.drift import Drift
from enlighten_async.emulator.local_time import parse_date
from enlighten_async.emulator.service import DATE_IN_FUTURE
from enlighten_async.emulator.simulation.devices import envoys
from enlighten_async.emulator.simulation.storage import batteries
from enlighten_async.emulator.v4.endpoint import V4_MAX_PAGE_SIZE
from enlighten_async.emulator.v4.errors import ApiError, invalid_request
from enlighten_async.emulator.v4.quirks import interconnect_date, system_quirks

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

MIN_EV_CHARGE_W = 1440  # a car charges with six amperes at least

Row: TypeAlias = dict[str, object]


def list_systems(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with a page of the user's systems."""
    systems = _sorted(request.owned, request.get("sort_by"))
    return _page(request, systems, V4_MAX_PAGE_SIZE, lambda system: system_row(service, system))


def search(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with a page of the systems that match; addresses in a search have no city."""
    wanted, sort_by = _read(request.http.body)
    found = [system for system in request.owned if all(_matches(system, *test) for test in wanted.items())]
    with_live_stream = request.get("live_stream") == "true"

    def show(system: System) -> Row:
        row = system_row(service, system)
        address = {name: value for name, value in _address(system).items() if name != "city"}
        live = {"live_stream": "enabled" if system.system_id % 2 else "disabled"} if with_live_stream else {}
        return row | {"address": address} | live

    return _page(request, _sorted(found, sort_by), service.options.search_size, show)


def retrieve_system(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with one system."""
    return system_row(service, request.system)


def retrieve_system_id(_: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the id of the user's system whose gateway has this serial number."""
    serial = request.get("serial_num")
    if not serial:
        raise ApiError(422, "Provide envoy serial number")
    for system in request.owned:
        if serial in {envoy.serial for envoy in envoys(system)}:
            return {"system_id": system.system_id}
    raise ApiError(404, "Envoy not found with this serial number")


def summary(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with size, state and energy of a system on one local day, by default today."""
    today = service.today(request.system)
    day = parse_date(request.get("summary_date")) or today
    if day > today:
        raise ApiError(422, invalid_request(DATE_IN_FUTURE))
    return service.summary(request.system, day) | _powers(request.system)


def _powers(system: System) -> Row:
    """Return the fields v4 adds to a summary for a system's equipment; power in W, capacity in Wh."""
    owned = batteries(system)
    power = sum(battery.power_w for battery in owned)
    row: Row = {
        "nmi": system.nmi,
        "battery_charge_w": power,
        "battery_discharge_w": power,
        "battery_capacity_wh": sum(battery.capacity_wh for battery in owned),
    }
    if system.ev_chargers:
        row["evse_power"] = [
            {charger.serial: {"evse_max_charge_w": charger.power_w, "evse_min_charge_w": MIN_EV_CHARGE_W}}
            for charger in system.ev_chargers
        ]
    return row


def system_row(service: ServiceV4, system: System) -> Row:
    """Return a system as lists show it; its energies are always -1, as the service returns them."""
    row: Row = {
        "system_id": system.system_id,
        "name": system.name,
        "public_name": system.public_name,
        "timezone": system.timezone,
        "address": _address(system),
        "connection_type": system.connection_type,
        **dict.fromkeys(("energy_lifetime", "energy_today", "system_size"), -1),
        **service.meta(system),
        "attachment_type": "rack_mount",
        "interconnect_date": interconnect_date(system),
    }
    if system.reference is not None:
        row["reference"] = system.reference
    if system.other_references:
        row["other_references"] = list(system.other_references)
    return system_quirks(row, system) if Drift.RECORDED_TYPES in service.drifts else row


def _address(system: System) -> Row:
    return {
        "city": system.city,
        "state": system.state,
        "country": system.country,
        "postal_code": system.postal_code,
    }


def _page(request: EndpointRequest, systems: list[System], most: int, show: Callable[[System], Row]) -> Row:
    page, size = request.page(most)
    shown = [show(system) for system in systems[(page - 1) * size : page * size]]
    return {
        "total": len(systems),
        "current_page": page,
        "size": size,
        "count": len(shown),
        "items": "systems",
        "systems": shown,
    }


def _sorted(systems: list[System], by: str) -> list[System]:
    if by not in {"", "id", "-id"}:
        raise ApiError(422, invalid_request("The sorting parameter is not supported"))
    return systems[::-1] if by == "-id" else systems


def _read(body: bytes) -> tuple[dict[str, Any], str]:
    """Return the non-empty criteria of a search, and its sorting."""
    try:
        content = json.loads(body)
    except ValueError:
        raise ApiError(422, invalid_request("Json body is malformed")) from None
    if not isinstance(content, dict) or not isinstance(content.get("system"), dict):
        raise ApiError(422, "system is missing at Json body location")
    wanted, sort_by = content["system"], content.get("sort_by") or ""
    unknown = [*(content.keys() - {"system", "sort_by"}), *(wanted.keys() - SEARCH_TESTS.keys())]
    if unknown:
        raise ApiError(422, invalid_request(f"Invalid keys {', '.join(sorted(unknown))}"))
    if wrong := [name for name, value in wanted.items() if not isinstance(value, SEARCH_TYPES[name] | None)]:
        raise ApiError(422, invalid_request(f"Invalid values of {', '.join(sorted(wrong))}"))
    return {name: value for name, value in wanted.items() if value}, str(sort_by)


SEARCH_TESTS: dict[str, Callable[[System, Any], bool]] = {
    "ids": lambda system, value: system.system_id in value,
    "name": lambda system, value: value in system.name,
    "reference": lambda system, value: value.lower() == (system.reference or "").lower(),
    "other_reference": lambda system, value: (
        value.lower() in {each.lower() for each in system.other_references}
    ),
    "statuses": lambda system, value: system.status in value,
}
SEARCH_TYPES: dict[str, type] = {
    "ids": list,
    "name": str,
    "reference": str,
    "other_reference": str,
    "statuses": list,
}


def _matches(system: System, name: str, value: Any) -> bool:
    return SEARCH_TESTS[name](system, value)
