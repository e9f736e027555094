"""`/systems` and `/systems/{system_id}/summary`: which requests a call takes, and how answers join."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from datetime import date

from attrs import evolve

from enlighten_async.models.coverage import Hole
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.summary import Summary
from enlighten_async.models.systems import System, Systems, SystemsPage
from enlighten_async.session.outline import Draft, Leg, Outline
from enlighten_async.v2 import decode
from enlighten_async.windows import calendar_day
from enlighten_async.wire import Flow, Request

PAGE = 1_000
"""Systems per page, the most the service gives."""


def systems(zones: MutableMapping[int, str]) -> Draft[SystemsPage, System, Systems]:
    """Ask for all systems of a user, page after page.

    Args:
        zones: takes up the names of the systems' time zones.
    """

    def learn(page: SystemsPage) -> None:
        zones.update({system.system_id: system.timezone for system in page.systems if system.timezone})

    return Draft(
        lambda _now, _zone: Outline(
            legs=(Leg(_pages()),),
            merge=_joined,
            unpack=lambda page: page.systems,
            learn=learn,
            open_ended=True,
        )
    )


def _pages() -> Flow[SystemsPage]:
    params = (("limit", str(PAGE)),)
    page = yield Request("systems", "/systems", params, decode.systems)
    seen: set[str] = set()
    while page.next and page.next not in seen:
        seen.add(page.next)
        page = yield Request("systems", "/systems", (*params, ("next", page.next)), decode.systems)


def _joined(parts: Sequence[SystemsPage], _: Sequence[Hole], receipt: Receipt) -> Systems:
    return Systems(
        systems=tuple(system for page in parts for system in page.systems),
        complete=bool(parts) and not parts[-1].next,
        as_of=parts[0].as_of if parts else None,
        receipt=receipt,
    )


def summary(system_id: int, summary_date: date | None) -> Draft[Summary, Summary, Summary]:
    """Ask for one system's summary of one local day; the service's own today if none is given."""
    params = (
        () if summary_date is None else (("summary_date", str(calendar_day(summary_date, "summary_date"))),)
    )

    def once() -> Flow[Summary]:
        yield Request("summary", f"/systems/{system_id}/summary", params, decode.summary)

    return Draft(
        lambda _now, _zone: Outline(
            legs=(Leg(once()),),
            merge=lambda parts, _, receipt: evolve(parts[0], receipt=receipt),
            unpack=lambda part: (part,),
        )
    )
