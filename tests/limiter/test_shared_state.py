"""The state of a key that processes share: updates noted here, and what the file says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from enlighten_async.limiter import KeyState, Plan, Settlement, Take
from enlighten_async.limiter.record import Record
from enlighten_async.limiter.shared_store import MAX_UPDATES, Draft, PendingTake, SharedKeyState
from enlighten_async.state import Moment

NOW = 1000.0
DATE = 1_750_000_030
PLAN = Plan(minute=10, month=100)
MOMENT = Moment(NOW, DATE)


def landed(ticket: int) -> Callable[[KeyState], None]:
    """Return the update that settles a request which was answered."""
    return lambda state: state.settle(ticket, Settlement(NOW, NOW, DATE, True, True, DATE))


def written(state: SharedKeyState, record: Record | None, asked: PendingTake | None = None) -> Record:
    """Commit what was noted, and return the record."""
    draft = drafted(state, record, *() if asked is None else (asked,))
    state.commit(draft)
    return draft.state.dump(NOW, MOMENT)


def drafted(state: SharedKeyState, record: Record | None, *asked: PendingTake) -> Draft:
    """Return the state with what was noted, on top of a record."""
    return state.draft(None if record is None else record.encode(), NOW, MOMENT, asked)


def month_left(state: SharedKeyState) -> int:
    """Return the requests left in the month."""
    return state.read(lambda each: each.left(PLAN, NOW)["month"])


def test_an_update_is_in_effect_at_once_and_committed_once() -> None:
    """Also what is noted while the commit is under way."""
    state = SharedKeyState(35.0)
    record = written(state, None, PendingTake(Take(1, PLAN), NOW))
    assert (len(record.pending), bool(state.updates)) == (1, False)
    state.update(landed(1))
    assert (month_left(state), bool(state.updates)) == (99, True)
    record = written(state, record, PendingTake(Take(2, PLAN), NOW))
    draft = drafted(state, record)
    state.update(landed(2))  # noted meanwhile
    state.commit(draft)
    assert (month_left(state), bool(state.updates)) == (98, True)
    record = written(state, record)
    assert (record.pending, record.charged["month"], bool(state.updates)) == ((), {24305: 2}, False)


def test_updates_are_applied_to_what_others_have_written() -> None:
    """Neither process's requests are lost."""
    one, other = SharedKeyState(35.0), SharedKeyState(35.0)
    record = written(one, None, PendingTake(Take(1, PLAN), NOW))
    one.update(landed(1))
    record = written(one, record, PendingTake(Take(2, PLAN), NOW))
    one.update(landed(2))
    record = written(other, record, PendingTake(Take(1, PLAN), NOW))
    other.update(landed(1))
    record = written(other, record)
    assert (record.charged["month"], len(record.pending)) == ({24305: 2}, 1)
    record = written(one, record)
    assert (record.charged["month"], record.pending) == ({24305: 3}, ())
    assert month_left(one) == 97


def test_a_record_that_has_gone_back_does_not_make_the_counts_less() -> None:
    """Such as that of a server in its place, which lacks the last writes: whoever knows more tells it."""
    one, other = SharedKeyState(35.0), SharedKeyState(35.0)
    record = written(one, None)
    records = []
    for ticket in range(1, 6):
        record = written(one, record, PendingTake(Take(ticket, PLAN), NOW))
        one.update(landed(ticket))
        record = written(one, record)
        records.append(record)
    record = written(other, records[1], PendingTake(Take(1, PLAN), NOW))
    assert record.charged["month"] == {24305: 2}
    record = written(one, record, PendingTake(Take(6, PLAN), NOW))
    assert record.charged["month"] == {24305: 5}
    assert len(record.pending) == 2
    one.update(landed(6))
    other.update(landed(1))
    record = written(other, written(one, record))
    assert (record.charged["month"], record.pending) == ({24305: 7}, ())
    assert (month_left(one), month_left(other)) == (93, 93)


def test_a_withdrawn_decision_is_not_taken() -> None:
    """Nobody would settle it."""
    state, asked = SharedKeyState(35.0), PendingTake(Take(1, PLAN), NOW)
    state.withdraw(asked)
    assert written(state, None, asked).pending == ()


def test_a_request_that_left_while_nothing_could_be_written_is_written_later() -> None:
    """Whatever others have spent meanwhile."""
    state, plan = SharedKeyState(35.0), Plan(month=1)
    assert state.take(Take(1, plan), NOW) is None
    assert state.take(Take(2, plan), NOW) is not None
    full = Record(charged={"month": {24305: 1}}, newest=4)
    assert [request.number for request in written(state, full).pending] == [5]


@pytest.mark.slow
def test_updates_do_not_pile_up_for_ever() -> None:
    """A file that cannot be written for months costs bounded memory; the oldest updates are given up."""
    state, kept = SharedKeyState(35.0), []
    for number in range(MAX_UPDATES + 1):
        state.update(lambda _, number=number: kept.append(number))
    kept.clear()
    drafted(state, None)
    assert kept == list(range(MAX_UPDATES // 2, MAX_UPDATES + 1))
