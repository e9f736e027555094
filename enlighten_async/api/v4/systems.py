"""Systems, their summaries and meter readings in v4: pages by number, names as in v4."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from enlighten_async.api import decode
from enlighten_async.api import systems as common
from enlighten_async.api.single import once, readings
from enlighten_async.api.systems import serial_number
from enlighten_async.errors import InputError, NotSupported
from enlighten_async.models.readings import (
    ConsumptionMeterReadings,
    ProductionMeterReadings,
    StorageMeterReadings,
)
from enlighten_async.models.systems import System, SystemDetails, Systems, SystemsPage
from enlighten_async.query.plan import Draft
from enlighten_async.wire import Request, Requests, Response, never_final


def quote_segment(given: object, name: str) -> str:
    """Return a serial number as one part of a path.

    Args:
        given: the serial number.
        name: of the argument, for the error.

    Raises:
        InputError: it is not a text, or one that would lead elsewhere.
    """
    serial = serial_number(given, name)
    if not serial.isprintable() or "/" in serial or "\\" in serial or not serial.strip("."):
        raise InputError(f"{name} must be a serial number such as '202312100006', not {given!r}")
    try:
        return quote(serial, safe="")
    except UnicodeEncodeError:
        raise InputError(f"{name} must be a serial number such as '202312100006', not {given!r}") from None


def _readings_shape(raw: dict[str, Any]) -> dict[str, Any]:
    """Return readings by one name of the serial number; the service has two."""
    listed = raw.get("meter_readings")
    if not isinstance(listed, list):
        return raw
    named = [
        {**each, "serial_number": each.get("serial_number") or each.get("serial_num")} for each in listed
    ]
    return {**raw, "meter_readings": named}


production_meter_readings = partial(
    readings, ProductionMeterReadings, "production_meter_readings", shape=_readings_shape
)
consumption_meter_readings = partial(
    readings, ConsumptionMeterReadings, "consumption_meter_readings", shape=_readings_shape
)
storage_meter_readings = partial(
    readings, StorageMeterReadings, "storage_meter_readings", shape=_readings_shape
)


PAGE = 100
"""Systems per page, the most that is said without contradiction; the service's own default is 10."""

_SEVERAL = {"system_id": "ids", "status": "statuses"}
"""Filters that take several values, and what the service calls them."""

_ONE = {"system_name": "name", "reference": "reference"}
"""Filters that take one value, and what the service calls them."""

UNKNOWN = -1
"""What stands in lists of systems for figures that the service no longer gives there."""

search_system_id = partial(common.search_system_id, path="/systems/retrieve_system_id")


def systems(zones: MutableMapping[int, str], **filters: object) -> Draft[SystemsPage, System, Systems]:
    """Ask for the systems of a user that pass all filters, page after page.

    Args:
        zones: takes up the names of the systems' time zones.
        filters: v2's names of them; `None` lets all pass.

    Raises:
        InputError: a filter is empty, or not of texts; `NotSupported`: v4 has no such filter.
    """
    asked = {name: values for name, given in filters.items() if (values := common.wanted(name, given))}
    return common.listing(zones, partial(_pages, _criteria(asked)))


def _criteria(asked: dict[str, tuple[str, ...]]) -> dict[str, object]:
    """Return filters as the service takes them in a search."""
    criteria: dict[str, object] = {}
    for name, values in asked.items():
        if name in _SEVERAL:
            criteria[_SEVERAL[name]] = _numbers(values) if name == "system_id" else list(values)
        elif name in _ONE and len(values) == 1:
            criteria[_ONE[name]] = values[0]
        elif name in _ONE:
            raise NotSupported(f"v4 of the API takes one {name} at a time: ask once for each")
        else:
            raise NotSupported(
                f"v4 of the API has no filter {name}: ask for all systems, and choose yourself"
            )
    return criteria


def _numbers(values: tuple[str, ...]) -> list[int]:
    if not all(value.isascii() and value.isdigit() for value in values):
        raise InputError("system_id must be the number of a system, or several")
    return [int(value) for value in values]


def _pages(criteria: dict[str, object]) -> Requests[SystemsPage]:
    """Ask for page after page, for as long as there are more and they hold systems not seen before."""
    known: set[int] = set()
    number: str | None = "1"
    while number is not None:
        page = yield _page(criteria, number, len(known))
        listed = {system.system_id for system in page.systems}
        number = None if listed <= known else page.next
        known |= listed


def _page(criteria: dict[str, object], number: str, before: int) -> Request[SystemsPage]:
    """Return the request for one page, which is a search where there are filters."""
    params = (("page", number), ("size", str(PAGE)))

    def read(response: Response) -> SystemsPage:
        return decode.value(SystemsPage, response, shape=partial(_shape, int(number), before))

    if not criteria:
        return Request("systems", "/systems", (*params, ("sort_by", "id")), read, valid_until=never_final)
    body = msgspec.json.encode({"sort_by": "id", "system": criteria})
    path = "/systems/search"
    return Request("systems", path, params, read, method="POST", body=body, valid_until=never_final)


def _shape(number: int, before: int, raw: dict[str, Any]) -> dict[str, Any]:
    """Return a page as the model has it; `next` is the number of the next one, if there is one."""
    listed, total = raw["systems"], raw.get("total")
    count = len(listed) if isinstance(listed, list) else 0
    more = before + count < total if isinstance(total, int) else count >= PAGE
    items = [_item(each) for each in listed] if isinstance(listed, list) else listed
    return {"systems": items, "next": str(number + 1) if more and count else None}


def _item(raw: Any) -> Any:
    """Return one system by the names of v2."""
    if not isinstance(raw, dict):
        return raw
    address = raw.get("address")
    others = raw.get("other_references")
    figures = ("energy_lifetime", "energy_today", "system_size")
    return {
        **raw,
        **(address if isinstance(address, dict) else {}),
        "system_name": raw.get("name"),
        "system_public_name": raw.get("public_name"),
        "connection_type": _spelled(raw.get("connection_type")),
        "other_references": [others] if isinstance(others, str) else others,
        "meta": {
            name: raw.get(name) for name in ("status", "last_report_at", "last_energy_at", "operational_at")
        },
        **{name: None for name in figures if raw.get(name) == UNKNOWN},
    }


def _spelled(connection_type: Any) -> Any:
    """Return a type of connection as v2 spells it: v4 also has "Wi-Fi" and "Cellular"."""
    return connection_type.lower().replace("-", "") if isinstance(connection_type, str) else connection_type


def system(
    zones: MutableMapping[int, str], system_id: int
) -> Draft[SystemDetails, SystemDetails, SystemDetails]:
    """Ask for one system.

    Args:
        zones: takes up the name of its time zone.
        system_id: the system.
    """

    def learn(details: SystemDetails) -> None:
        if details.timezone:
            zones[details.system_id] = details.timezone

    return once(Request("system", f"/systems/{system_id}", (), details), learn)


def details(response: Response) -> SystemDetails:
    """Decode one system."""
    return decode.value(SystemDetails, response, shape=_item)


def _summary(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a summary with a list of EV chargers in place of objects named by their serial numbers."""
    chargers = raw.get("evse_power") or []
    named = [(serial, power) for each in chargers for serial, power in each.items()]
    return {**raw, "evse_power": [{"serial_number": serial, **power} for serial, power in named]}


summary = partial(common.summary, shape=_summary)
