"""Lists of systems in v2: filters as parameters of the query, and pages by cursors."""

from __future__ import annotations

from functools import partial
from typing import Unpack

from attrs import frozen

from enlighten_async.api import decode
from enlighten_async.api.paging import Seen
from enlighten_async.api.systems import SystemFilters, SystemsPlan, filter_values
from enlighten_async.models.systems import SystemsPage
from enlighten_async.wire import Params, Request, never_final

SYSTEMS_PER_PAGE = 1_000
"""Systems per page, the most the service gives."""

NO_CURSOR = ""
"""Stands for the cursor of the first page, which has none."""


@frozen
class SystemsPlanV2(SystemsPlan):
    """The plan of a query for the systems of a user: pages by cursors that the service gives.

    Attributes:
        filters: the filters, as parameters.
    """

    filters: Params

    @property
    def first(self) -> str:
        """The cursor of the first page."""
        return NO_CURSOR

    def request(self, cursor: str, seen: Seen) -> Request[SystemsPage]:
        """Return the request for a page."""
        params = (("limit", str(SYSTEMS_PER_PAGE)), *self.filters)
        if cursor != NO_CURSOR:
            params = (*params, ("next", cursor))
        read = partial(decode.value, SystemsPage)
        return Request("systems", "/systems", params, read, valid_until=never_final)


def filter_params(**filters: Unpack[SystemFilters]) -> Params:
    """Return filters as parameters, in the API's order.

    Raises:
        InputError: a filter is empty, or not of texts.
    """
    return tuple(pair for name in SystemFilters.__annotations__ for pair in _pairs(name, filters.get(name)))


def _pairs(name: str, given: object) -> Params:
    """Return one filter as parameters: `status=comm`, or `status[]=comm&status[]=micro`."""
    values = filter_values(name, given)
    return tuple((name if len(values) == 1 else f"{name}[]", value) for value in values)
