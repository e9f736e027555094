"""EV chargers in v4: lists of them, their schedules, and their events and sessions in pages by offset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from attrs import evolve, frozen

from enlighten_async.api import decode
from enlighten_async.api.paging import PagedPlan, Seen
from enlighten_async.api.systems import serial_number
from enlighten_async.api.v4.devices import by_kind, device_rows
from enlighten_async.api.v4.systems import quote_segment
from enlighten_async.models import ev_charger
from enlighten_async.models.convert import RowSequence
from enlighten_async.models.coverage import Gap
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Part
from enlighten_async.windows import Window
from enlighten_async.wire import Params, Request, Response, never_final

ROWS_PER_PAGE = 100
"""Rows per page, the most the service gives; its own default is 20."""

R = TypeVar("R")
A = TypeVar("A", bound=RowSequence[Any])


@frozen
class Page(Generic[A]):
    """One page of an answer.

    Attributes:
        answer: its rows, without those of pages before.
        next: the rows to skip to get to the next page; `None` on the last.
    """

    answer: A
    next: int | None


@frozen
class RowsPlan(PagedPlan[Page[A], int, R, A], Generic[R, A]):
    """The plan of a query for rows in pages by offset and limit.

    Attributes:
        model: the class of the answer; it has `complete`.
        rows: the field of the answer that holds its rows.
        endpoint: the API's name of the endpoint.
        system_id: the system, where a response does not name it.
        path: where it is.
        params: parameters beside those of the page.
    """

    streams_answers: ClassVar[bool] = False

    model: type[A]
    rows: str
    endpoint: str
    system_id: int
    path: str
    params: Params = ()

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

    def items(self, part: Page[A]) -> Iterable[R]:
        """Return the rows of a page."""
        rows: Iterable[R] = part.answer
        return rows

    def merge(self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None) -> A:
        """Return the rows of all pages; not complete where the last page names another one."""
        rows = tuple(row for page in parts for row in page.answer)
        return self._with_rows(parts[0].answer, rows, complete=parts[-1].next is None, receipt=receipt)

    def _decode(self, offset: int, seen: Seen, response: Response) -> Page[A]:
        system_id = self.system_id
        answer = decode.value(self.model, response, defaults={"system_id": system_id}, system_id=system_id)
        count = decode.field_of(response, "count")
        # A row that is added between two requests pushes others from one page to the next.
        new = tuple(row for row in answer if row not in seen)
        more = bool(new) and _has_more(offset, len(answer), count)
        return Page(self._with_rows(answer, new), offset + len(answer) if more else None)

    def _with_rows(self, answer: Any, rows: tuple[R, ...], **changes: object) -> A:
        """Return an answer with other rows."""
        changed: A = evolve(answer, **{self.rows: rows}, **changes)
        return changed


def _has_more(offset: int, rows: int, count: object) -> bool:
    """Tell whether there is a page after this one.

    It is not documented whether `count` counts all rows or those of the page. A first page that is full
    leaves that open, so that one more is asked for.
    """
    got = offset + rows
    if not isinstance(count, int):
        return rows >= ROWS_PER_PAGE
    return count > got or (rows >= ROWS_PER_PAGE and (count < got or offset == 0))


def ev_charger_events_plan(
    system_id: int, serial_num: str | None
) -> RowsPlan[ev_charger.EvChargerEvent, ev_charger.EvChargerEvents]:
    """Return the plan of a query for the events of a system's EV chargers, or of one of them.

    Raises:
        InputError: the serial number is not a text.
    """
    only = () if serial_num is None else (("serial_num", serial_number(serial_num, "serial_num")),)
    path = f"/systems/{system_id}/ev_charger/events"
    return RowsPlan(ev_charger.EvChargerEvents, "events", "ev_charger_events", system_id, path, only)


def ev_charger_sessions_plan(
    system_id: int, serial: str
) -> RowsPlan[ev_charger.EvChargerSession, ev_charger.EvChargerSessions]:
    """Return the plan of a query for the sessions of an EV charger.

    Raises:
        InputError: the serial number cannot be one.
    """
    path = f"/systems/{system_id}/ev_charger/{quote_segment(serial, 'serial_number')}/sessions"
    return RowsPlan(ev_charger.EvChargerSessions, "sessions", "ev_charger_sessions", system_id, path)


def shape_ev_chargers(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a system's EV chargers by the names their model has."""
    return {
        "system_id": raw.get("system_id"),
        "ev_chargers": device_rows(by_kind(raw).get("ev_chargers", [])),
    }
