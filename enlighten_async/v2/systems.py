"""`/systems` and what tells which system it is: filters, and pages by cursor."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import TypeAlias

from enlighten_async.dialect import decode
from enlighten_async.dialect import systems as common
from enlighten_async.models.systems import System, Systems, SystemsPage
from enlighten_async.session.outline import Draft
from enlighten_async.wire import Flow, Request, for_now

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


def _pages(filters: Params) -> Flow[SystemsPage]:
    """Follow the cursors for as long as they are new and lead to systems that were not seen before."""
    params = (("limit", str(PAGE)), *filters)
    read = partial(decode.value, SystemsPage)
    page = yield Request("systems", "/systems", params, read, good_until=for_now)
    cursors: set[str] = set()
    known: set[int] = set()
    while page.next and page.next not in cursors:
        listed = {system.system_id for system in page.systems}
        if listed <= known:
            return
        known |= listed
        cursors.add(page.next)
        more = (*params, ("next", page.next))
        page = yield Request("systems", "/systems", more, read, good_until=for_now)
