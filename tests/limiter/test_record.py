"""The persisted record: its text, records of earlier versions, and which of two counts more."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from enlighten_async.limiter import KeyState, Plan
from enlighten_async.limiter.record import ClockReading, LearnedLimit, LiveSender, PendingRequest, Record
from enlighten_async.state import Moment

EARLIER = (
    '{"alarmed":[24305,0.8],"charged":{"minute":{"29166667":4},"month":{"24305":4}},'
    '"claims":{"0":[1750000090.6,1750000095.6]},"closed":{"minute":1750000100.0},"doubt":4,'
    '"guard":[2.0,1750604831.2],"lost":0,"newest":5,"stamp":{"guessed":false,"least":1750000030.0,'
    '"monotonic":1000.0,"most":1750000031.2,"number":4,"wall":1750000030.0},"tickets":[{"life":35.0,'
    '"number":5,"since":1750000088.988,"until":1750000127.212}],"words":{"minute":{"believed":10,'
    '"limit":8,"until":1750604831.2}}}'
)
"""A record as the first version of this package wrote it."""
RECORD = Record(
    charged={"minute": {29166667: 4}, "month": {24305: 4}},
    blocked={"minute": 1750000100.0},
    learned={"minute": LearnedLimit(8, 10, 1750604831.2)},
    pending=(PendingRequest(5, 1750000088.988, 1750000127.212, 35.0),),
    newest=5,
    doubt=4,
    guard=(2.0, 1750604831.2),
    reading=ClockReading(4, 1750000030.0, 1750000031.2, False, 1000.0, 1750000030.0),
    reservations={0: (1750000090.6, 1750000095.6)},
    warned=(24305, 0.8),
)


def test_a_record_of_an_earlier_version_is_read_and_written() -> None:
    """All of its data stays, and its names in the file; what was added has its default."""
    assert Record.decode(EARLIER) == RECORD
    assert json.loads(RECORD.encode()).items() >= json.loads(EARLIER).items()


def test_a_state_goes_on_from_a_record_of_an_earlier_version() -> None:
    """Counts, limits, requests in flight, the server's time, reservations and warnings."""
    state, plan = KeyState(35.0), Plan(minute=10, month=5)
    state.load(Record.decode(EARLIER), 1060.0, Moment(1060.0, 1750000090.0))
    snapshot = state.snapshot(plan, 1060.0)
    assert (snapshot.used, snapshot.in_flight) == ({"minute": 1, "month": 5}, 1)
    assert (snapshot.limits, snapshot.learned) == ({"month": 5, "minute": 8}, {"minute": 8})
    assert (snapshot.blocked_until, state.guard) == ({"minute": 1750000100.0}, 2.0)
    assert snapshot.earliest == pytest.approx(1750000088.0, abs=0.1)
    assert state.usage_warning(plan, 1060.0) is None
    again = state.dump(1060.0, Moment(1060.0, 1750000090.0))
    assert replace(again, reservations={}) == replace(RECORD, reservations={})
    assert again.reservations[0] == pytest.approx(RECORD.reservations[0])


def test_a_record_may_lack_what_later_versions_added() -> None:
    """Missing fields have their defaults, unknown ones are left out."""
    assert Record.decode('{"newest": 3, "colour": "blue"}') == Record(newest=3)
    sender = Record.decode('{"senders": {"7": {"most": 6, "until": 9.0, "claim": [1.0, 2.0, 0]}}}').senders[7]
    assert sender == LiveSender(6, 9.0, (1.0, 2.0, 0), None, (0, 0))


@pytest.mark.parametrize("text", ["[]", "", "{", '{"newest": "many"}', '{"tickets": [{"number": 1}]}'])
def test_a_text_that_is_no_record(text: str) -> None:
    """It raises `ValueError`, whatever it is."""
    with pytest.raises(ValueError, match="."):
        Record.decode(text)


@pytest.mark.parametrize(
    ("other", "news"),
    [
        (RECORD, False),
        (replace(RECORD, reservations={0: (1750000090.6, 1750000095.9)}), False),  # prolonged by a moment
        (replace(RECORD, reservations={0: (1750000090.6, 1750000096.9)}), True),
        (replace(RECORD, reservations={}), True),
        (replace(RECORD, newest=6), True),
        (replace(RECORD, warned=(24305, 0.95)), True),
        (replace(RECORD, paced_until=1750000100.0), True),
        (replace(RECORD, senders={7: LiveSender(6, 1750000100.0)}), True),
    ],
)
def test_which_record_is_worth_writing(other: Record, news: bool) -> None:
    """Each change, but for a reservation that is prolonged by less than half a second."""
    assert other.is_news_to(RECORD) == news


def test_of_two_files_the_worse_counts() -> None:
    """The higher count of each window, the later end, the wider guard; in flight is what the first says."""
    other = Record(
        charged={"minute": {29166667: 1, 29166668: 2}, "month": {24305: 9}},
        blocked={"minute": 1750000050.0, "month": 1751328000.0},
        learned={"minute": LearnedLimit(9, 10, 0.0), "month": LearnedLimit(50, 100, 0.0)},
        pending=(PendingRequest(1, None, None, 35.0),),
        unplaced=2,
        newest=9,
        guard=(1.0, 0.0),
        paced_until=1750000200.0,
    )
    merged = RECORD.merged(other)
    assert merged.charged == {"minute": {29166667: 4, 29166668: 2}, "month": {24305: 9}}
    assert merged.blocked == {"minute": 1750000100.0, "month": 1751328000.0}
    assert {period: learned.limit for period, learned in merged.learned.items()} == {"minute": 8, "month": 50}
    assert (merged.pending, merged.unplaced, merged.newest) == (RECORD.pending, 2, 9)
    assert merged.paced_until == 1750000200.0
    assert (merged.guard, merged.doubt, merged.reading) == (RECORD.guard, 4, RECORD.reading)
