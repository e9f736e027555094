"""Lists of systems, and the requests that find single systems."""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from enlighten_async.api import decode
from enlighten_async.api.single import once
from enlighten_async.cache import day_end_anywhere, valid_until
from enlighten_async.errors import InputError
from enlighten_async.models.coverage import Gap
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.systems import Summary, System, SystemId, Systems, SystemsPage
from enlighten_async.query.plan import Draft, Leg, Outline
from enlighten_async.windows import calendar_day
from enlighten_async.wire import Request, Requests


def listing(
    zones: MutableMapping[int, str], pages: Callable[[], Requests[SystemsPage]]
) -> Draft[SystemsPage, System, Systems]:
    """Return the query of a list of systems.

    Args:
        zones: takes up the names of the systems' time zones.
        pages: makes the flow that asks for it, page after page.
    """

    def learn(page: SystemsPage) -> None:
        zones.update({system.system_id: system.timezone for system in page.systems if system.timezone})

    return Draft(
        lambda _now, _zone: Outline(
            legs=(Leg(pages()),),
            merge=_joined,
            unpack=lambda page: page.systems,
            learn=learn,
            open_ended=True,
        )
    )


def _joined(parts: Sequence[SystemsPage], _: Sequence[Gap], receipt: Receipt) -> Systems:
    return Systems(
        systems=tuple(system for page in parts for system in page.systems),
        complete=bool(parts) and not parts[-1].next,
        as_of=parts[0].as_of if parts else None,
        receipt=receipt,
    )


def wanted(name: str, given: object) -> tuple[str, ...]:
    """Return the values of a filter, each once; none if it is not given.

    Raises:
        InputError: it is empty, or not of texts (of system ids also numbers).
    """
    if given is None:
        return ()
    several = given if isinstance(given, Collection) and not isinstance(given, str | bytes) else (given,)
    values = tuple(dict.fromkeys(_value(name, one) for one in several))
    if not values:
        raise InputError(f"{name} is empty, which no system could match: give a value, or leave it out")
    return values


def _value(name: str, value: object) -> str:
    if name == "system_id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{name} must be a text that is not empty, or several, not {value!r}")
    return str(value)


def summary(
    system_id: int, summary_date: date | None, *, shape: decode.Shape | None = None
) -> Draft[Summary, Summary, Summary]:
    """Ask for one system's summary of one local day; the service's own today if none is given."""
    day = None if summary_date is None else calendar_day(summary_date, "summary_date")
    params = () if day is None else (("summary_date", str(day)),)
    read = partial(decode.value, Summary, shape=shape)

    def until(answer: Summary, fetched: float) -> float:
        return fetched if day is None else valid_until(day_end_anywhere(day), fetched, answer.last_report_at)

    return once(Request("summary", f"/systems/{system_id}/summary", params, read, valid_until=until))


def search_system_id(serial_num: object, *, path: str) -> Draft[SystemId, SystemId, SystemId]:
    """Ask which system a gateway belongs to.

    Args:
        serial_num: the gateway's serial number.
        path: where one asks.

    Raises:
        InputError: it is not a text.
    """
    params = (("serial_num", serial_number(serial_num, "serial_num")),)
    return once(Request("search_system_id", path, params, partial(decode.value, SystemId)))


def serial_number(given: Any, name: str) -> str:
    """Return a serial number.

    Raises:
        InputError: it is not a text.
    """
    if not isinstance(given, str) or not given.strip():
        raise InputError(
            f"{name} must be a text such as '121112607295', as serial numbers can begin with 0, not {given!r}"
        )
    return given.strip()
