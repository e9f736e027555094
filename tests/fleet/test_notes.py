"""Which answers may be cached and not written: what one process leaves to the next."""

from __future__ import annotations

from attrs import evolve

from enlighten_async.fleet.notes import KEPT_S, MOST_PERIODS, SLACK_S, Notes, Pause
from enlighten_async.windows import DAY

NOW = 20_000.0 * DAY
HOUR = 3_600.0


def begun(left: Notes, now: float) -> Notes:
    """Return what a process that begins has of what the one before it left."""
    return Notes.of(left.text(), now).begun(now)


def test_without_a_process_before_all_is_written() -> None:
    """Whatever others have cached."""
    assert Notes.of(None, NOW).begun(NOW) == Notes(NOW - SLACK_S)


def test_what_cannot_be_read_tells_of_nothing() -> None:
    """So that all answers up to now are in doubt; nor does a new state, where the sink holds rows."""
    for text in ("", "[]", "{", '{"written": "now"}'):
        assert Notes.of(text, NOW).begun(NOW).periods == ((0.0, NOW + SLACK_S),)
    assert Notes.of(None, NOW, holds=True).begun(NOW).periods == ((0.0, NOW + SLACK_S),)


def test_who_was_killed_leaves_what_came_after_its_last_write() -> None:
    """Until the next process begins; and who is killed before its first write leaves no less."""
    left = Notes(NOW).after_write(NOW + HOUR, [7])
    again = begun(left, NOW + 2 * HOUR)
    period = (NOW + HOUR - SLACK_S, NOW + 2 * HOUR + SLACK_S)
    assert again == Notes(left.written, (period,), frozenset({7}))
    assert begun(again, NOW + 3 * HOUR).periods == (period, (period[0], NOW + 3 * HOUR + SLACK_S))
    assert begun(left, NOW).periods == ((left.written, left.written + SLACK_S),)


def test_who_ends_by_itself_leaves_the_systems_that_failed() -> None:
    """And the periods before, as not all systems were polled since."""
    left = Notes(NOW, ((1.0, 2.0),), frozenset({7}), ended=True)
    assert begun(left, NOW + DAY) == Notes(NOW + DAY - SLACK_S, ((1.0, 2.0),), frozenset({7}))


def test_a_write_forgets_periods_that_are_long_over() -> None:
    """And the systems whose polls have come to their end."""
    old, new = (NOW - KEPT_S - HOUR, NOW - KEPT_S), (NOW - DAY, NOW)
    after = Notes(NOW, (old, new), frozenset({7})).after_write(NOW, [8])
    assert after == Notes(NOW, (new,), frozenset({8}))
    assert after.after_write(NOW - HOUR, []).written == NOW  # a clock that has stepped back


def test_many_kills_take_no_room() -> None:
    """The oldest periods become one, so that none is lost."""
    left = Notes(NOW)
    for kill in range(100):
        left = begun(evolve(left, written=NOW + kill * HOUR), NOW + kill * HOUR + 60)
    assert len(left.periods) == MOST_PERIODS
    assert left.periods[0][0] == NOW
    for kill in range(100):
        moment = NOW + kill * HOUR + 30
        assert any(first <= moment <= last for first, last in left.periods)


def test_pauses_are_those_of_now_of_systems_that_are_held() -> None:
    """Those of others stay; one that is over is forgotten."""
    failing, silent, absent = Pause(0, 0, 3, NOW + HOUR), Pause(4, 0, 0, 0.0), Pause(0, 1, 0, NOW + 7 * DAY)
    left = Notes(NOW, pauses={1: failing, 2: silent, 3: absent}).with_pauses(
        {4: silent}, lambda each: each != 3
    )
    assert left.pauses == {3: absent, 4: silent}
    assert Notes.of(left.text(), NOW) == left
