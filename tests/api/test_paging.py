"""Pages of a list: the loop follows them while they are new, and ends with any rule for the last page."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import pytest
from attrs import evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.paging import MAX_PAGES, Pages, Seen
from enlighten_async.wire import Request, Response
from tests.effort import examples

Page = tuple[int, ...]


def unread(_: Response) -> Page:
    """Stand for a decoder: pages are made by the test."""
    raise NotImplementedError


def always(cursor: int) -> int | None:
    """Name another page for ever."""
    return cursor + 1


@frozen
class Numbers(Pages[Page, int]):
    """A list of numbers; what its requests were given is kept."""

    following: Callable[[int], int | None] = always
    cut: frozenset[Page] = frozenset()
    parts: int = 1
    given: list[tuple[int, Seen]] = field(factory=list)

    def request(self, cursor: int, seen: Seen) -> Request[Page]:
        """Return the request for a page."""
        self.given.append((cursor, seen))
        return Request("numbers", f"/numbers/{cursor}", (), unread)

    def page(self, cursor: int, seen: Seen) -> Generator[Request[Page], Page, list[Page]]:
        """Ask for a page as often as it has parts."""
        request = self.request(cursor, seen)
        parts: list[Page] = []
        while len(parts) < self.parts:
            parts.append((yield evolve(request, params=(("part", str(len(parts))),))))
        return parts

    def listed(self, part: Page) -> Seen:
        """Return the numbers."""
        return frozenset(part)

    def is_cut(self, parts: Sequence[Page]) -> bool:
        """Tell whether one of the parts is."""
        return any(part in self.cut for part in parts)

    def next_cursor(self, cursor: int, parts: Sequence[Page], seen: Seen) -> int | None:
        """Return the cursor that the test chose."""
        return self.following(cursor)


def followed(pages: Numbers, answers: Sequence[Page], first: int = 1) -> list[str]:
    """Give these answers one after another; return the paths that were asked for."""
    flow = pages.follow(first)
    asked = [next(flow).path]
    for answer in answers:
        try:
            asked.append(flow.send(answer).path)
        except StopIteration:
            return asked
    return asked


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([()], 1),
        ([(1,), ()], 2),
        ([(1, 2), (1, 2)], 2),
        ([(1, 2), (2,)], 2),
        ([(1, 2), (2, 3), (1, 3)], 3),
        ([(1,), (2,), (3,), (3,), (4,)], 4),
    ],
    ids=[
        "nothing",
        "an empty one",
        "the same again",
        "a piece of it",
        "old ones mixed",
        "new ones after that",
    ],
)
def test_a_page_with_nothing_new_is_the_last(answers: list[Page], asked: int) -> None:
    """Whatever the service says of another one."""
    assert len(followed(Numbers(), answers)) == asked


@pytest.mark.parametrize(
    ("following", "asked"),
    [
        (lambda _: None, [1]),
        (lambda cursor: cursor + 1 if cursor < 3 else None, [1, 2, 3]),
        (lambda cursor: cursor, [1]),
        (lambda cursor: cursor % 3 + 1, [1, 2, 3]),
        (lambda cursor: cursor + 100, [1, 101, 201, 301]),
    ],
    ids=["the only one", "the last one", "itself", "in a circle", "by offset"],
)
def test_a_cursor_that_was_followed_is_not_followed_again(
    following: Callable[[int], int | None], asked: list[int]
) -> None:
    """And one that is `None` ends the list; each page brings something new here."""
    answers = [(number,) for number in range(len(asked) - (following(asked[-1]) not in {None, *asked}))]
    assert followed(Numbers(following), answers) == [f"/numbers/{cursor}" for cursor in asked]


def test_a_page_that_is_cut_need_not_bring_anything_new() -> None:
    """What it would have listed is not known."""
    answers: list[Page] = [(1,), (), (), (2,), (2,)]
    assert len(followed(Numbers(), answers)) == 2
    assert len(followed(Numbers(cut=frozenset({()})), answers)) == 5


def test_parts_of_a_page_count_together() -> None:
    """It is new if one of them is."""
    pages = Numbers(parts=2)
    asked = followed(pages, [(1,), (2,), (2,), (3,), (3,), (1,)])
    assert asked == [f"/numbers/{cursor}" for cursor in (1, 1, 2, 2, 3, 3)]
    assert pages.given == [(1, frozenset()), (2, frozenset({1, 2})), (3, frozenset({1, 2, 3}))]


@examples(200)
@given(answers=st.lists(st.lists(st.integers(0, 9), max_size=4).map(tuple), min_size=1, max_size=20))
def test_requests_know_what_was_listed_before(answers: list[Page]) -> None:
    """All pages before the first without anything new are asked for, each with the identities so far."""
    pages = Numbers()
    followed(pages, answers)
    seen: Seen = frozenset()
    for number, (cursor, given_) in enumerate(pages.given):
        assert (cursor, given_) == (number + 1, seen)
        if number < len(answers):
            assert number + 1 == len(pages.given) or not frozenset(answers[number]) <= seen
            seen |= frozenset(answers[number])


@pytest.mark.parametrize(
    "count",
    [10**309, 10**400, -1, -(10**400), 0],
    ids=["309 digits", "400 digits", "one below", "far below", "none"],
)
def test_a_count_beyond_belief_is_not_believed(count: int) -> None:
    """As many pages are followed as where the service does not count."""

    class Counted(Numbers):
        def counted(self, first: Page) -> int | None:
            return count

    assert Counted()._most_pages((1, 2)) == MAX_PAGES
