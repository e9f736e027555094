"""`/systems` and what tells which system it is: which requests a call takes, and how answers join."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping, Sequence
from datetime import date
from functools import partial
from typing import TypeAlias

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.errors import InputError
from enlighten_async.models.coverage import Hole
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.summary import Summary
from enlighten_async.models.systems import System, SystemId, Systems, SystemsPage
from enlighten_async.session.outline import Draft, Leg, Outline
from enlighten_async.windows import calendar_day
from enlighten_async.wire import Flow, Request

PAGE = 1_000
"""Systems per page, the most the service gives."""

Filter: TypeAlias = str | Collection[str] | None
"""A value, or several of which one must match; `None` lets all pass."""

Params: TypeAlias = tuple[tuple[str, str], ...]


def systems(
    zones: MutableMapping[int, str],
    *,
    system_id: int | str | Collection[int | str] | None = None,
    system_name: Filter = None,
    status: Filter = None,
    reference: Filter = None,
    installer: Filter = None,
    connection_type: Filter = None,
) -> Draft[SystemsPage, System, Systems]:
    """Ask for the systems of a user that pass all filters, page after page.

    Args:
        zones: takes up the names of the systems' time zones.
        system_id: numbers of systems.
        system_name: parts of names.
        status: the API's words, such as "normal".
        reference: names the user's own company gave.
        installer: names of installers.
        connection_type: such as "wifi".

    Raises:
        InputError: a filter is empty, or not of texts.
    """
    filters = {
        "system_id": system_id,
        "system_name": system_name,
        "status": status,
        "reference": reference,
        "installer": installer,
        "connection_type": connection_type,
    }
    params = tuple(pair for name, values in filters.items() for pair in _filter(name, values))

    def learn(page: SystemsPage) -> None:
        zones.update({system.system_id: system.timezone for system in page.systems if system.timezone})

    return Draft(
        lambda _now, _zone: Outline(
            legs=(Leg(_pages(params)),),
            merge=_joined,
            unpack=lambda page: page.systems,
            learn=learn,
            open_ended=True,
        )
    )


def _filter(name: str, given: object) -> Params:
    """Return a filter as parameters: `status=comm`, or `status[]=comm&status[]=micro`."""
    if given is None:
        return ()
    several = given if isinstance(given, Collection) and not isinstance(given, str | bytes) else (given,)
    values = tuple(dict.fromkeys(_filter_value(name, one) for one in several))
    if not values:
        raise InputError(f"{name} is empty, which no system could match: give a value, or leave it out")
    return tuple((name if len(values) == 1 else f"{name}[]", value) for value in values)


def _filter_value(name: str, value: object) -> str:
    if name == "system_id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} must be a text that is not empty, or several, not {value!r}")
    return str(value)


def _pages(filters: Params) -> Flow[SystemsPage]:
    """Follow the cursors for as long as they are new and lead to systems that were not seen before."""
    params = (("limit", str(PAGE)), *filters)
    read = partial(decode.value, SystemsPage)
    page = yield Request("systems", "/systems", params, read)
    cursors: set[str] = set()
    known: set[int] = set()
    while page.next and page.next not in cursors:
        listed = {system.system_id for system in page.systems}
        if listed <= known:
            return
        known |= listed
        cursors.add(page.next)
        page = yield Request(
            "systems", "/systems", (*params, ("next", page.next)), partial(decode.value, SystemsPage)
        )


def _joined(parts: Sequence[SystemsPage], _: Sequence[Hole], receipt: Receipt) -> Systems:
    return Systems(
        systems=tuple(system for page in parts for system in page.systems),
        complete=bool(parts) and not parts[-1].next,
        as_of=parts[0].as_of if parts else None,
        receipt=receipt,
    )


def summary(system_id: int, summary_date: date | None) -> Draft[Summary, Summary, Summary]:
    """Ask for one system's summary of one local day; the service's own today if none is given."""
    day = None if summary_date is None else calendar_day(summary_date, "summary_date")
    params = () if day is None else (("summary_date", str(day)),)
    return once(Request("summary", f"/systems/{system_id}/summary", params, partial(decode.value, Summary)))


def search_system_id(serial_num: object) -> Draft[SystemId, SystemId, SystemId]:
    """Ask which system a gateway belongs to.

    Args:
        serial_num: the gateway's serial number.

    Raises:
        InputError: it is not a text.
    """
    if not isinstance(serial_num, str) or not serial_num.strip():
        raise InputError(
            f"serial_num must be a text such as '121112607295', as serial numbers can begin with 0, "
            f"not {serial_num!r}"
        )
    params = (("serial_num", serial_num.strip()),)
    read = partial(decode.value, SystemId)
    return once(Request("search_system_id", "/systems/search_system_id", params, read))
