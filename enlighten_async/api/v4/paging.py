"""Answers in pages by offset and limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from attrs import evolve, frozen

from enlighten_async.api import decode
from enlighten_async.models.convert import RowSequence
from enlighten_async.models.coverage import Gap
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Draft, Leg, Outline
from enlighten_async.wire import Request, Requests, Response, never_final

PAGE = 100
"""Rows per page, the most the service gives; its own default is 20."""

R = TypeVar("R")
A = TypeVar("A", bound=RowSequence[Any])


class _Counted(msgspec.Struct):
    count: object = None


_COUNT = msgspec.json.Decoder(_Counted)


@frozen
class Page(Generic[A]):
    """One page of an answer.

    Attributes:
        answer: its rows, without those of pages before.
        next: how many rows to skip to get to the next page; `None` on the last.
    """

    answer: A
    next: int | None


@frozen
class Paged(Generic[R, A]):
    """One endpoint that answers in pages.

    Attributes:
        model: what the answer becomes; it has `complete`.
        name: of the endpoint.
        rows: the field of the answer that holds its rows.
    """

    model: type[A]
    name: str
    rows: str

    def draft(
        self, system_id: int, path: str, params: tuple[tuple[str, str], ...] = ()
    ) -> Draft[Page[A], R, A]:
        """Ask for all pages, one after another.

        Args:
            system_id: the system, where an answer does not say.
            path: where one asks.
            params: what is sent with each request.
        """

        def unpack(page: Page[A]) -> Iterable[R]:
            return page.answer

        def outline(*_: object) -> Outline[Page[A], R, A]:
            flow = self._pages(system_id, path, params)
            return Outline(legs=(Leg(flow),), merge=self._joined, unpack=unpack, open_ended=True)

        return Draft(outline)

    def _pages(self, system_id: int, path: str, params: tuple[tuple[str, str], ...]) -> Requests[Page[A]]:
        """Ask for page after page, for as long as there are more and they hold rows not seen before."""
        known: frozenset[R] = frozenset()
        offset: int | None = 0
        while offset is not None:
            page = yield self._page(system_id, path, params, offset, known)
            known |= frozenset(page.answer)
            offset = page.next

    def _page(
        self,
        system_id: int,
        path: str,
        params: tuple[tuple[str, str], ...],
        offset: int,
        known: frozenset[R],
    ) -> Request[Page[A]]:
        def read(response: Response) -> Page[A]:
            answer = decode.value(self.model, response, usual={"system_id": system_id})
            count = decode.parsed(_COUNT, response).count
            # What comes in between two pages pushes rows from one to the next.
            new = tuple(row for row in answer if row not in known)
            more = bool(new) and _more(offset, len(answer), count)
            return Page(self._of(answer, new), offset + len(answer) if more else None)

        asked = (*params, ("offset", str(offset)), ("limit", str(PAGE)))
        return Request(self.name, path, asked, read, valid_until=never_final)

    def _joined(self, parts: Sequence[Page[A]], _: Sequence[Gap], receipt: Receipt) -> A:
        rows = tuple(row for page in parts for row in page.answer)
        return self._of(parts[0].answer, rows, complete=parts[-1].next is None, receipt=receipt)

    def _of(self, answer: Any, rows: tuple[R, ...], **changes: object) -> A:
        """Return an answer with other rows."""
        changed: A = evolve(answer, **{self.rows: rows}, **changes)
        return changed


def _more(offset: int, rows: int, count: object) -> bool:
    """Tell whether there is a page after this one.

    It is not documented whether `count` counts all rows or those of the page. A first page that is full
    leaves that open, so that one more is asked for.
    """
    got = offset + rows
    if not isinstance(count, int):
        return rows >= PAGE
    return count > got or (rows >= PAGE and (count < got or offset == 0))
