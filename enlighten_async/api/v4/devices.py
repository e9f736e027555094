"""Lists of devices in v4, the lists of v2 that are taken out of its one list of all kinds; and EV chargers.

Of chargers there are lists, schedules, and events and sessions in pages by offset.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from urllib.parse import quote

from attrs import evolve, frozen

from enlighten_async import models
from enlighten_async.api import decode
from enlighten_async.api.paging import PagedPlan, Seen
from enlighten_async.api.single import SinglePlan
from enlighten_async.api.systems import inverters_summary, serial_number
from enlighten_async.errors import InputError
from enlighten_async.models.convert import MAX_OBJECTS, RowSequence, UnreadableError, parse_count
from enlighten_async.models.coverage import Gap
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Part
from enlighten_async.windows import Window
from enlighten_async.wire import Params, Request, Response, never_final

if TYPE_CHECKING:
    from enlighten_async.models import (
        Devices,
        EnvoyInverters,
        Envoys,
        EvChargers,
        Inventory,
        InvertersSummary,
        MicroInverter,
    )

ROWS_PER_PAGE = 100
"""Rows per page of events and sessions of chargers, the most the service gives; its own default is 20."""

R = TypeVar("R")
A = TypeVar("A", bound=RowSequence[Any])

INVERTERS_PER_PAGE = 100
"""Inverters per page, the most the service gives; it was seen to give all in one."""

KINDS = (
    *("micros", "meters", "gateways", "q_relays", "acbs", "encharges", "enpowers"),
    *("ev_chargers", "heat_pump", "iq_collars", "iq_air", "generators"),
)
"""Kinds of devices, by the service's names; it writes some of them in capitals now and then."""

ABSENT = (None, "", "N/A")
"""Values that stand for a thing that is not there."""

Row = dict[str, Any]


def quote_segment(given: object, name: str) -> str:
    """Return a serial number as one segment of a path.

    Args:
        given: the serial number.
        name: of the argument, for the error.

    Raises:
        InputError: it is not a text, or one that would lead elsewhere.
    """
    serial = serial_number(given, name)
    if not serial.isprintable() or "/" in serial or "\\" in serial or not serial.strip("."):
        raise InputError(f"{name} must be a serial number such as '202312100006', not {given!r:.80}")
    return quote(serial, safe="")


def by_kind(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the devices of an answer, by their kind; a kind of which there is none has no key."""
    devices = raw.get("devices")
    if devices is None and raw.get("total_devices") == 0:
        return {}
    if not isinstance(devices, dict):
        raise UnreadableError("not an object", "devices")
    return {name.lower().replace("-", "_"): rows for name, rows in devices.items() if rows is not None}


def shape_devices(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a system's devices with a field for each kind that is known, and the others together."""
    listed = by_kind(raw)
    known = {kind: device_rows(listed.pop(kind)) for kind in KINDS if kind in listed}
    own = {name: raw.get(name) for name in ("system_id", "total_devices")}
    return {**own, **known, "others": listed}


M = TypeVar("M", "Devices", "Envoys", "EvChargers", "Inventory")


def checked_by_count(plan: SinglePlan[M]) -> SinglePlan[M]:
    """Return the plan of a request for devices whose answer is not complete where the service counts more."""
    return SinglePlan(evolve(plan.request, decode=partial(_checked_by_count, plan.request)), plan.model)


def _checked_by_count(request: Request[M], response: Response) -> M:
    """Decode a list of devices; a count that is too large for one list tells nothing."""
    answer = request.decode(response)
    told, kinds = (decode.field_of(response, name) for name in ("total_devices", "devices"))
    count = parse_count(told)
    lists = kinds.values() if isinstance(kinds, dict) else ()
    listed = sum(len(rows) for rows in lists if isinstance(rows, list))
    if count is None or not listed < count <= MAX_OBJECTS:
        return answer
    text = "the service counts more devices than it lists"
    decode.warn_incomplete(request.endpoint, answer.system_id, [text])
    return evolve(answer, complete=False)


def device_rows(listed: Any) -> Any:
    """Return devices by the names their model has; what is not a list of them is left as it is."""
    return shaped_rows(listed, _device)


def _device(row: Row) -> Row:
    """Return a device; of a modem that is not there, the service may say that nothing is known of it."""
    named = {name.lower(): value for name, value in row.items()}
    modem = named.get("cellular_modem")
    if isinstance(modem, dict):
        modem = {name: value for name, value in modem.items() if value not in ABSENT}
    return {**named, "cellular_modem": None if modem in (*ABSENT, {}) else modem}


def shape_envoys(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the gateways among a system's devices, as v2 lists them."""
    gateways = by_kind(raw).get("gateways", [])
    envoys = shaped_rows(gateways, lambda row: {**row, "envoy_id": row.get("id")})
    return {"system_id": raw.get("system_id"), "envoys": envoys}


def shaped_rows(listed: Any, shape: Callable[[Row], Row]) -> Any:
    """Return a list with other objects in place of its own; what is no object, or no list, stays as it is."""
    if not isinstance(listed, list):
        return listed
    return [shape(row) if isinstance(row, dict) else row for row in listed]


def shape_inventory(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the active devices of the kinds that v2's inventory has."""
    return {
        "system_id": raw.get("system_id"),
        "envoys": _active(raw, "gateways", "model", "sku"),
        "inverters": _active(raw, "micros", "model", "sku"),
        "meters": _active(raw, "meters", "model", "sku", "status", "state"),
    }


def _active(raw: dict[str, Any], kind: str, *names: str) -> Any:
    """Return the devices of a kind that are in service, as an inventory has them."""
    listed = by_kind(raw).get(kind, [])
    if isinstance(listed, list):
        listed = [row for row in listed if not _is_retired(row)]
    return shaped_rows(
        listed, lambda row: {"sn": row.get("serial_number"), **{name: row.get(name) for name in names}}
    )


def _is_retired(row: Any) -> bool:
    return isinstance(row, dict) and row.get("active") in (False, "false")


@frozen
class InvertersPlan(PagedPlan["InvertersSummary", int, "InvertersSummary", "InvertersSummary"]):
    """The plan of a query for the last reports of a system's microinverters: pages by number.

    Attributes:
        site_id: the system; the service calls it a site here.
    """

    site_id: int

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return "inverters_summary_by_envoy_or_site"

    def load(self) -> None:
        """Load the modules that the answer needs."""
        decode.load(lambda: models.InvertersSummary)

    @property
    def first(self) -> int:
        """The number of the first page."""
        return 1

    def request(self, cursor: int, seen: Seen) -> Request[InvertersSummary]:
        """Return the request for a page."""
        name = "inverters_summary_by_envoy_or_site"
        page = (("page", str(cursor)), ("size", str(INVERTERS_PER_PAGE)))
        params = (("site_id", str(self.site_id)), *page)
        return Request(name, f"/systems/{name}", params, inverters_summary, valid_until=never_final)

    def listed(self, part: InvertersSummary) -> Seen:
        """Return the serial numbers of a page's inverters."""
        return frozenset(inverter.serial_number for inverter in part.micro_inverters)

    def next_cursor(self, cursor: int, parts: Sequence[InvertersSummary], seen: Seen) -> int | None:
        """Return the number of the next page; a page that is not full, as far as is known, is the last."""
        page = parts[-1]
        full = len(page.micro_inverters) >= INVERTERS_PER_PAGE or not page.complete
        return cursor + 1 if full else None

    def items(self, part: InvertersSummary) -> tuple[InvertersSummary]:
        """Return the page."""
        return (part,)

    def merge(
        self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None
    ) -> InvertersSummary:
        """Return all pages, gateway by gateway: one may be listed on several; each inverter once."""
        pages: Sequence[InvertersSummary] = parts
        merged: dict[str | None, EnvoyInverters] = {}
        known = set[str | None]()
        for number, envoy in enumerate(envoy for page in pages for envoy in page.envoys):
            new = tuple(self._new(envoy, known))
            key = envoy.micro_inverters[0].envoy_serial_number if envoy.micro_inverters else f"none {number}"
            before = merged.get(key)
            merged[key] = (
                evolve(envoy, micro_inverters=new)
                if before is None
                else evolve(before, micro_inverters=before.micro_inverters + new)
            )
        as_of = pages[0].as_of if pages else None
        complete = all(page.complete for page in pages) and not self._has_more(pages)
        return models.InvertersSummary(tuple(merged.values()), complete, as_of=as_of, receipt=receipt)

    @staticmethod
    def _new(envoy: EnvoyInverters, known: set[str | None]) -> Iterator[MicroInverter]:
        """Yield a gateway's inverters that are not known, or have no serial number; they are known then."""
        for each in envoy.micro_inverters:
            if each.serial_number not in known:
                known |= set() if each.serial_number is None else {each.serial_number}
                yield each

    def _has_more(self, pages: Sequence[InvertersSummary]) -> bool:
        """Tell whether there is, or may be, a page after these, none of which repeats what others list."""
        before = frozenset[Hashable]().union(*map(self.listed, pages[:-1]))
        is_new = bool(pages) and not self.listed(pages[-1]) <= before
        return is_new and self.next_cursor(len(pages), pages, before) is not None


@frozen
class Page(Generic[A]):
    """One page of an answer.

    Attributes:
        answer: its rows, without those of pages before.
        next: the rows to skip to get to the next page; `None` on the last.
        count: rows that the service counts, on this page or on all; `None` if it does not.
        got: rows that this page and those before list.
    """

    answer: A
    next: int | None
    count: int | None = None
    got: int = 0


@frozen
class RowsPlan(PagedPlan[Page[A], int, R, A], Generic[R, A]):
    """The plan of a query for rows in pages by offset and limit.

    Attributes:
        model: returns the class of the answer, which has `complete`; loads its module.
        rows: the field of the answer that holds its rows.
        endpoint: the API's name of the endpoint.
        system_id: the system, where a response does not name it.
        path: where it is.
        params: parameters beside those of the page.
    """

    streams_answers: ClassVar[bool] = False

    model: Callable[[], type[A]]
    rows: str
    endpoint: str
    system_id: int
    path: str
    params: Params = ()

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return self.endpoint

    def load(self) -> None:
        """Load the modules that the answer needs."""
        decode.load(self.model)

    @property
    def first(self) -> int:
        """The offset of the first page."""
        return 0

    def request(self, cursor: int, seen: Seen) -> Request[Page[A]]:
        """Return the request for a page."""
        params = (*self.params, ("offset", str(cursor)), ("limit", str(ROWS_PER_PAGE)))
        read = partial(self._decode, cursor, seen)
        return Request(self.endpoint, self.path, params, read, valid_until=never_final)

    def listed(self, part: Page[A]) -> Seen:
        """Return the rows of a page: they have no other identity."""
        return frozenset(part.answer)

    def next_cursor(self, cursor: int, parts: Sequence[Page[A]], seen: Seen) -> int | None:
        """Return the offset of the next page."""
        return parts[-1].next

    def counted(self, first: Page[A]) -> int | None:
        """Return how many rows the service counts."""
        return first.count

    def items(self, part: Page[A]) -> Iterable[R]:
        """Return the rows of a page."""
        rows: Iterable[R] = part.answer
        return rows

    def merge(self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None) -> A:
        """Return the rows of all pages; not complete where there are more, or the service counts more."""
        rows, last = tuple(row for page in parts for row in page.answer), parts[-1]
        missing = max(page.count or 0 for page in parts) > last.got  # a row that went moved others up
        if missing:
            decode.warn_incomplete(self.endpoint, self.system_id, ["the service counts more rows than came"])
        all_read = all(page.answer.complete for page in parts)
        complete = last.next is None and not missing and all_read
        return self._with_rows(parts[0].answer, rows, complete=complete, receipt=receipt)

    def _decode(self, offset: int, seen: Seen, response: Response) -> Page[A]:
        system_id = self.system_id
        answer = decode.value(self.model(), response, defaults={"system_id": system_id}, system_id=system_id)
        told, listed = (decode.field_of(response, name) for name in ("count", self.rows))
        count, many = parse_count(told), len(listed) if isinstance(listed, list) else 0
        # A row that is added between two requests pushes others from one page to the next.
        new = tuple(row for row in answer if row not in seen)
        got = offset + many
        more = bool(new) and _has_more(offset, many, count)
        return Page(self._with_rows(answer, new), got if more else None, count, got)

    def _with_rows(self, answer: Any, rows: tuple[R, ...], **changes: object) -> A:
        """Return an answer with other rows."""
        changed: A = evolve(answer, **{self.rows: rows}, **changes)
        return changed


def _has_more(offset: int, rows: int, count: int | None) -> bool:
    """Tell whether there is a page after this one.

    It is not documented whether `count` counts all rows or those of the page. A first page that is full
    leaves that open, so that one more is asked for.
    """
    got = offset + rows
    if count is None:
        return rows >= ROWS_PER_PAGE
    return count > got or (rows >= ROWS_PER_PAGE and (count < got or offset == 0))


def ev_charger_events_plan(
    system_id: int, serial_num: str | None
) -> RowsPlan[models.EvChargerEvent, models.EvChargerEvents]:
    """Return the plan of a query for the events of a system's EV chargers, or of one of them.

    Raises:
        InputError: the serial number is not a text.
    """
    only = () if serial_num is None else (("serial_num", serial_number(serial_num, "serial_num")),)
    path = f"/systems/{system_id}/ev_charger/events"
    return RowsPlan(lambda: models.EvChargerEvents, "events", "ev_charger_events", system_id, path, only)


def ev_charger_sessions_plan(
    system_id: int, serial: str
) -> RowsPlan[models.EvChargerSession, models.EvChargerSessions]:
    """Return the plan of a query for the sessions of an EV charger.

    Raises:
        InputError: the serial number cannot be one.
    """
    path = f"/systems/{system_id}/ev_charger/{quote_segment(serial, 'serial_number')}/sessions"
    return RowsPlan(lambda: models.EvChargerSessions, "sessions", "ev_charger_sessions", system_id, path)


def shape_ev_chargers(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a system's EV chargers by the names their model has."""
    return {
        "system_id": raw.get("system_id"),
        "ev_chargers": device_rows(by_kind(raw).get("ev_chargers", [])),
    }
