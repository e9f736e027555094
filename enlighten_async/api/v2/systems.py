"""Systems, devices and meter readings of v2: filters, and pages by cursor."""

from __future__ import annotations

import warnings
from collections.abc import MutableMapping
from datetime import date
from functools import partial
from typing import TypeAlias

from enlighten_async.api import decode
from enlighten_async.api import systems as common
from enlighten_async.api.single import once, readings
from enlighten_async.models.devices import EnvoyInverters, Envoys, Inventory, InvertersSummary
from enlighten_async.models.readings import MonthlyProduction, ProductionMeterReadings
from enlighten_async.models.systems import System, Systems, SystemsPage
from enlighten_async.query.plan import Draft
from enlighten_async.windows import calendar_day
from enlighten_async.wire import Request, Requests, Response, never_final


def envoys(system_id: int) -> Draft[Envoys, Envoys, Envoys]:
    """Ask for a system's gateways."""
    return once(Request("envoys", f"/systems/{system_id}/envoys", (), partial(decode.value, Envoys)))


def inventory(system_id: int) -> Draft[Inventory, Inventory, Inventory]:
    """Ask for a system's active devices."""
    return once(Request("inventory", f"/systems/{system_id}/inventory", (), partial(decode.value, Inventory)))


def inverters_summary_by_envoy_or_site(
    site_id: int,
) -> Draft[InvertersSummary, InvertersSummary, InvertersSummary]:
    """Ask for a system's microinverters and their last reports; the service calls the system a site here."""
    name = "inverters_summary_by_envoy_or_site"
    return once(Request(name, f"/systems/{name}", (("site_id", str(site_id)),), inverters_summary))


def inverters_summary(response: Response) -> InvertersSummary:
    """Decode an answer that lists microinverters, gateway by gateway."""
    return InvertersSummary(decode.items(EnvoyInverters, response), as_of=decode.fetched_at(response))


production_meter_readings = partial(readings, ProductionMeterReadings, "production_meter_readings")


def monthly_production(
    system_id: int, start_date: date
) -> Draft[MonthlyProduction, MonthlyProduction, MonthlyProduction]:
    """Ask for what a system produced in the month from a local day on. Deprecated by the service.

    The warning that says so is for the caller of the client's method.

    Args:
        system_id: the system.
        start_date: first local day, at least a month ago.

    Raises:
        InputError: `start_date` is not a date.
    """
    day = calendar_day(start_date, "start_date")
    warnings.warn(
        "monthly_production is deprecated by the service: use energy_lifetime for the energy of days, "
        "or production_meter_readings for what meters read",
        DeprecationWarning,
        stacklevel=4,
    )
    path = f"/systems/{system_id}/monthly_production"
    read = partial(decode.value, MonthlyProduction)
    return once(Request("monthly_production", path, (("start_date", str(day)),), read))


PAGE = 1_000
"""Systems per page, the most the service gives."""

FILTERS = ("system_id", "system_name", "status", "reference", "installer", "connection_type")
"""The API's own, in its order."""

Params: TypeAlias = tuple[tuple[str, str], ...]

summary = common.summary
search_system_id = partial(common.search_system_id, path="/systems/search_system_id")


def systems(zones: MutableMapping[int, str], **filters: object) -> Draft[SystemsPage, System, Systems]:
    """Ask for the systems of a user that pass all filters, page after page.

    Args:
        zones: takes up the names of the systems' time zones.
        filters: the API's own, each a value or several of which one must match; `None` lets all pass.

    Raises:
        InputError: a filter is empty, or not of texts.
    """
    params = tuple(pair for name in FILTERS for pair in _filter(name, filters.get(name)))
    return common.listing(zones, partial(_pages, params))


def _filter(name: str, given: object) -> Params:
    """Return a filter as parameters: `status=comm`, or `status[]=comm&status[]=micro`."""
    values = common.wanted(name, given)
    return tuple((name if len(values) == 1 else f"{name}[]", value) for value in values)


def _pages(filters: Params) -> Requests[SystemsPage]:
    """Follow the cursors for as long as they are new and lead to systems that were not seen before."""
    params = (("limit", str(PAGE)), *filters)
    read = partial(decode.value, SystemsPage)
    page = yield Request("systems", "/systems", params, read, valid_until=never_final)
    cursors: set[str] = set()
    known: set[int] = set()
    while page.next and page.next not in cursors:
        listed = {system.system_id for system in page.systems}
        if listed <= known:
            return
        known |= listed
        cursors.add(page.next)
        more = (*params, ("next", page.next))
        page = yield Request("systems", "/systems", more, read, valid_until=never_final)
