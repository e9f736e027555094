"""Lists of systems, and requests about one system that both versions of the API have."""

from __future__ import annotations

from collections.abc import Collection, MutableMapping, Sequence
from datetime import date
from functools import partial
from sys import intern
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from enlighten_async import models
from enlighten_async.api import decode
from enlighten_async.api.paging import PagedPlan, Seen
from enlighten_async.api.single import SinglePlan, read_object
from enlighten_async.cache import SeriesIndex, day_end_anywhere, valid_until
from enlighten_async.errors import InputError
from enlighten_async.models.coverage import Gap
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Part, Segments
from enlighten_async.windows import Window, calendar_day
from enlighten_async.wire import Request, Response, is_text, never_final

if TYPE_CHECKING:
    from enlighten_async.models import InvertersSummary, Summary, System, SystemId, Systems
    from enlighten_async.models.systems import SystemsPage


@frozen
class SystemsPlan(PagedPlan["SystemsPage", str, "System", "Systems"]):
    """The plan of a query for the systems of a user, page after page.

    Attributes:
        time_zones: names of systems' time zones; pages add to them.
    """

    streams_answers: ClassVar[bool] = False

    time_zones: MutableMapping[int, str]

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return "systems"

    def load(self) -> None:
        """Load the modules that the answer needs."""
        decode.load(lambda: models.Systems)

    def listed(self, part: SystemsPage) -> Seen:
        """Return the numbers of a page's systems."""
        return frozenset(system.system_id for system in part.systems)

    def next_cursor(self, cursor: str, parts: Sequence[SystemsPage], seen: Seen) -> str | None:
        """Return the cursor that the page names, if it names one."""
        return parts[-1].next or None

    def items(self, part: SystemsPage) -> Sequence[System]:
        """Return the systems of a page."""
        return part.systems

    def segments(self, now: float, zone: ZoneInfo | None, cached: SeriesIndex) -> Segments:
        """Return the segment of the pages, whose systems' time zones are noted."""
        return evolve(super().segments(now, zone, cached), learn=self._learn)

    def _learn(self, part: SystemsPage) -> None:
        zones = {each.system_id: intern(each.timezone) for each in part.systems if each.timezone}
        self.time_zones.update(zones)  # each name once: 100,000 of their own take 6 MiB

    def merge(
        self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None
    ) -> Systems:
        """Return the systems of all pages; not complete where more of them were told of than came."""
        pages: Sequence[SystemsPage] = parts
        listed = {system.system_id for page in pages for system in page.systems}
        all_read = bool(pages) and all(page.complete for page in pages)
        counted = all(page.counted for page in pages)
        total = max((page.total or 0 for page in pages), default=0)  # one that went moves others up
        complete = all_read and counted and not pages[-1].next and len(listed) >= total
        cut = any(page.cut for page in pages)
        if (all_read or cut) and not complete:  # what could not be read was told of with its page
            why = "the service tells of more than came" if counted else "its count of them cannot be read"
            decode.logger.warning("a list of systems is not complete: %s", why)
        return models.Systems(
            systems=tuple(system for page in pages for system in page.systems),
            complete=complete,
            as_of=pages[0].as_of if pages else None,
            receipt=receipt,
        )


def with_count(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a page with the number of systems that it lists."""
    listed = raw.get("systems")
    return {**raw, "listed": len(listed) if isinstance(listed, list) else None}


def systems_page(asked: Collection[int], seen: Seen, shape: decode.Shape, response: Response) -> SystemsPage:
    """Decode a page of systems, each once, without those that pages before it have listed.

    Args:
        asked: the numbers of the systems that were asked for; none: any.
        seen: those that pages before it have listed.
        shape: turns the page into the attributes of the model.
        response: the page.

    Raises:
        DecodeError: it is not a list of systems, or one of them was not asked for, or none of those on the
            first page can be read.
    """
    page = decode.value(
        models.systems.LaterSystemsPage if seen else models.systems.SystemsPage, response, shape=shape
    )
    other = next((each.system_id for each in page.systems if asked and each.system_id not in asked), None)
    if other is not None:
        text = f"asked for system {', '.join(map(str, asked))}, answered for {other}"
        raise decode.decode_error(response, "$.systems", text)
    new: dict[int, System] = {}
    for each in page.systems:
        if each.system_id not in seen:
            new.setdefault(each.system_id, each)
    again = len(page.systems) - len(new)
    if not again:
        return page
    systems = tuple(new.values())
    return evolve(page, systems=systems, listed=None if page.listed is None else page.listed - again)


def filter_values(name: str, given: object) -> tuple[str, ...]:
    """Return the values of a filter, each once; none if it is not given.

    Raises:
        InputError: it is empty, or not of texts (of system ids also numbers).
    """
    if given is None:
        return ()
    several = given if isinstance(given, Collection) and not isinstance(given, str | bytes) else (given,)
    values = tuple(dict.fromkeys(_filter_value(name, one) for one in several))
    if not values:
        raise InputError(f"{name} is empty, which no system could match: give a value, or leave it out")
    return values


def _filter_value(name: str, value: object) -> str:
    if name == "system_id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not is_text(value):
        raise InputError(f"{name} must be a text that is not empty, or several, not {value!r:.80}")
    return value


def summary_plan(
    system_id: int, summary_date: date | None, *, shape: decode.Shape | None = None
) -> SinglePlan[Summary]:
    """Return the plan of a query for the summary of a system on one local day.

    Args:
        system_id: the system.
        summary_date: the day; the service's own today if none is given.
        shape: turns the response into the fields of the model.

    Raises:
        InputError: `summary_date` is not a date.
    """
    day = None if summary_date is None else calendar_day(summary_date, "summary_date")
    request = Request(
        "summary",
        f"/systems/{system_id}/summary",
        () if day is None else (("summary_date", str(day)),),
        partial(_summary, system_id, day, shape),
        valid_until=never_final if day is None else partial(_summary_valid_until, day),
    )
    return SinglePlan(request, lambda: models.Summary)


def _summary(system_id: int, day: date | None, shape: decode.Shape | None, response: Response) -> Summary:
    """Decode a summary; raise `DecodeError` if it is of another system or day."""
    summary = decode.value(models.Summary, response, shape=shape, system_id=system_id)
    if day is not None and summary.summary_date not in {None, day}:
        message = f"asked for {day}, answered for {summary.summary_date}"
        raise decode.decode_error(response, "$.summary_date", message)
    return summary


def _summary_valid_until(day: date, summary: Summary, fetched: float, since: float | None) -> float:
    """Return up to when (epoch seconds) a response will do: for ever where its day is final."""
    meta = models.Meta(None, summary.last_report_at, summary.last_interval_end_at)
    whole = summary.complete and summary.summary_date is not None and summary.energy_today is not None
    return valid_until(day_end_anywhere(day), fetched, meta, since, whole=whole)


def search_system_id_plan(serial_num: object, *, path: str) -> SinglePlan[SystemId]:
    """Return the plan of a query for the system that a gateway belongs to.

    Args:
        serial_num: the gateway's serial number.
        path: where that is asked.

    Raises:
        InputError: the serial number is not a text.
    """
    params = (("serial_num", serial_number(serial_num, "serial_num")),)
    read = partial(read_object, lambda: models.SystemId)
    return SinglePlan(Request("search_system_id", path, params, read), lambda: models.SystemId)


def inverters_summary(response: Response) -> InvertersSummary:
    """Decode a response that lists microinverters, gateway by gateway."""
    return decode.listed(models.InvertersSummary, "envoys", response)


def serial_number(given: object, name: str) -> str:
    """Return a serial number without spaces around it.

    Args:
        given: the serial number.
        name: the name of the argument, for the error.

    Raises:
        InputError: it is not a text.
    """
    if not is_text(given):
        raise InputError(
            f"{name} must be a text such as '121112607295', as serial numbers can begin with 0, "
            f"not {given!r:.80}"
        )
    return given.strip()
