"""Lists that the service hands out page by page, their filters, and the one loop that follows their pages."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Hashable, Sequence
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve

from enlighten_async.cache import SeriesIndex
from enlighten_async.query.plan import QueryPlan, Segment, Segments
from enlighten_async.wire import Request, Requests

P = TypeVar("P")
C = TypeVar("C", bound=Hashable)
R = TypeVar("R")
I_co = TypeVar("I_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)

MAX_PAGES = 100
"""Pages that are followed where the service does not count what they list."""

MAX_COUNTED_PAGES = 1_000
"""The same where it does, and no more are needed: a greater count is not believed."""

SPARE_PAGES = 20
"""Pages beyond those that a count needs: what is listed may grow meanwhile, or pages be shorter."""

Seen = frozenset[Hashable]
"""Identities of all that pages have listed so far."""

Filter: TypeAlias = str | Collection[str] | None
"""A value, or several of which one must match; `None` lets all pass."""


class SystemFilters(TypedDict, total=False):
    """The API's filters of systems, by v2's names and in its order; systems have to pass all of them."""

    system_id: int | str | Collection[int | str] | None
    system_name: Filter
    status: Filter
    reference: Filter
    installer: Filter
    connection_type: Filter


class Pages(ABC, Generic[P, C]):
    """A list in pages, each known by its cursor: a number, an offset, or a text the service gave.

    None of the service's rules for the last page can be trusted alone: totals and cursors have been seen to
    go on for ever. So pages are followed only while they list something that no page before has listed, and
    no more of them than any list has.
    """

    @abstractmethod
    def request(self, cursor: C, seen: Seen) -> Request[P]:
        """Return the request for a page.

        Args:
            cursor: of the page.
            seen: identities of what the pages before have listed.
        """

    @abstractmethod
    def listed(self, part: P) -> Seen:
        """Return the identities of what a part lists."""

    @abstractmethod
    def next_cursor(self, cursor: C, parts: Sequence[P], seen: Seen) -> C | None:
        """Return the cursor of the page after this one; `None` on the last.

        Args:
            cursor: of this page.
            parts: the parts of this page.
            seen: identities of what this page and those before have listed.
        """

    def page(self, cursor: C, seen: Seen) -> Generator[Request[P], P, list[P]]:
        """Ask for one page; return its parts: one, where the service answers a page by one response."""
        return [(yield self.request(cursor, seen))]

    def is_cut(self, parts: Sequence[P]) -> bool:
        """Tell whether a page may lack rows, so that another page may follow even if it lists nothing new."""
        return False

    def most_listed(self, first: P) -> float:
        """Return how much all pages may list, by what the first part tells; more may be added meanwhile."""
        return math.inf

    def counted(self, first: P) -> int | None:
        """Return how many the service counts on all pages, as the first part tells; `None` if it does not."""
        return None

    def _most_pages(self, first: P) -> int:
        """Return how many pages are followed, by the first part."""
        pages = -(-(self.counted(first) or 0) // max(1, len(self.listed(first))))
        return max(MAX_PAGES, pages + SPARE_PAGES) if pages <= MAX_COUNTED_PAGES else MAX_PAGES

    def follow(self, first: C) -> Requests[P]:
        """Ask for page after page, from a first cursor on, for as long as there are more and they are new."""
        most, most_pages = math.inf, MAX_PAGES
        cursor: C | None = first
        followed: set[C] = set()
        seen: Seen = frozenset()
        while cursor is not None and cursor not in followed:
            followed.add(cursor)
            asked, number = self.page(cursor, seen), len(followed)
            parts = yield from _doubted(asked, most_pages) if number > most_pages else asked
            if number == 1:
                most, most_pages = self.most_listed(parts[0]), self._most_pages(parts[0])
            listed = seen.union(*map(self.listed, parts))
            is_new = len(listed) > len(seen) or self.is_cut(parts)
            seen = listed
            if not is_new or len(seen) >= most:
                return
            cursor = self.next_cursor(cursor, parts, seen)


def _doubted(requests: Generator[Request[P], P, R], pages: int) -> Generator[Request[P], P, R]:
    """Ask for a page of a list that has not ended after so many."""
    doubt = (
        f"this list has not ended after {pages} pages, more than any has: what came is in .partial; "
        "of systems, ask for some of them, by a filter"
    )
    part: Any = None
    while True:
        try:
            request = requests.send(part)
        except StopIteration as stop:
            answer: R = stop.value
            return answer
        part = yield evolve(request, doubt=doubt)


class PagedPlan(Pages[P, C], QueryPlan[I_co, T_co], Generic[P, C, I_co, T_co]):
    """The plan of a query for a list in pages; only the service knows how many there are."""

    @property
    @abstractmethod
    def first(self) -> C:
        """The cursor of the first page."""

    def segments(self, now: float, zone: ZoneInfo | None, cached: SeriesIndex) -> Segments:
        """Return one segment, as each page tells of the next one."""
        return Segments((Segment(self.follow(self.first)),), open_ended=True)
