"""Which answers may be cached and not written: what one process leaves to the next."""

from __future__ import annotations

from attrs import evolve

from enlighten_async.fleet.unwritten import ALWAYS, KEPT_S, MOST_PERIODS, SLACK_S, Unwritten
from enlighten_async.windows import DAY

NOW = 20_000.0 * DAY
HOUR = 3_600.0


def test_without_a_process_before_all_is_written() -> None:
    """Whatever others have cached."""
    assert Unwritten.of(None, NOW) == Unwritten(NOW - SLACK_S)


def test_what_cannot_be_read_tells_of_nothing() -> None:
    """So that all answers are in doubt."""
    for text in (b"", b"[]", b"{", b"\xff", b'{"written": "now"}'):
        assert Unwritten.of(text, NOW).periods == (ALWAYS,)


def test_who_was_killed_leaves_what_came_after_its_last_write() -> None:
    """Until the next process begins; and who is killed before its first write leaves no less."""
    left = Unwritten.of(None, NOW).after_write(NOW + HOUR, [7])
    begun = Unwritten.of(left.encoded(), NOW + 2 * HOUR)
    period = (NOW + HOUR - SLACK_S, NOW + 2 * HOUR + SLACK_S)
    assert begun == Unwritten(left.written, (period,), frozenset({7}))
    again = Unwritten.of(begun.encoded(), NOW + 3 * HOUR)
    assert again.periods == (period, (period[0], NOW + 3 * HOUR + SLACK_S))
    assert Unwritten.of(left.encoded(), NOW).periods == ((left.written, left.written + SLACK_S),)


def test_who_ends_by_itself_leaves_the_systems_that_failed() -> None:
    """And the periods before, as not all systems were polled since."""
    left = evolve(Unwritten(NOW, ((1.0, 2.0),), frozenset({7})), ended=True)
    assert Unwritten.of(left.encoded(), NOW + DAY) == Unwritten(
        NOW + DAY - SLACK_S, ((1.0, 2.0),), frozenset({7})
    )


def test_a_write_forgets_periods_that_are_long_over() -> None:
    """And the systems whose polls have come to their end."""
    old, new = (NOW - KEPT_S - HOUR, NOW - KEPT_S), (NOW - DAY, NOW)
    after = Unwritten(NOW, (old, new), frozenset({7})).after_write(NOW, [8])
    assert after == Unwritten(NOW, (new,), frozenset({8}))
    assert after.after_write(NOW - HOUR, []).written == NOW  # a clock that has stepped back


def test_many_kills_take_no_room() -> None:
    """The oldest periods become one, so that none is lost."""
    left = Unwritten(NOW)
    for kill in range(100):
        left = Unwritten.of(evolve(left, written=NOW + kill * HOUR).encoded(), NOW + kill * HOUR + 60)
    assert len(left.periods) == MOST_PERIODS
    assert left.periods[0][0] == NOW
    for kill in range(100):
        moment = NOW + kill * HOUR + 30
        assert any(first <= moment <= last for first, last in left.periods)
