"""The persisted record: its text, records of earlier versions, and which of two counts more."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from enlighten_async.limiter import KeyState, Plan
from enlighten_async.limiter.record import (
    LOOSE_S,
    ClockReading,
    LearnedLimit,
    LiveSender,
    MinuteLog,
    PendingRequest,
    Record,
)
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
    reading=ClockReading(4, 1750000030.0, 1750000031.2, False, 1000.0, 1750000030.0),
    reservations={0: (1750000090.6, 1750000095.6)},
    warned=(24305, 0.8),
)


def test_a_record_of_an_earlier_version_is_read_and_written() -> None:
    """Its data stays, but for one that no version needs any more, and its names in the file."""
    assert Record.decode(EARLIER) == RECORD
    kept = {name: value for name, value in json.loads(EARLIER).items() if name != "guard"}
    assert json.loads(RECORD.encode()).items() >= kept.items()


def test_a_state_goes_on_from_a_record_of_an_earlier_version() -> None:
    """Counts, limits, requests in flight, the server's time, reservations and warnings."""
    state, plan = KeyState(35.0), Plan(minute=10, month=5)
    state.load(Record.decode(EARLIER), 1060.0, Moment(1060.0, 1750000090.0))
    snapshot = state.snapshot(plan, 1060.0)
    assert (snapshot.used, snapshot.in_flight) == ({"minute": 1, "month": 5}, 1)
    assert (snapshot.limits, snapshot.learned) == ({"month": 5, "minute": 8}, {"minute": 8})
    assert snapshot.blocked_until == {"minute": 1750000100.0}
    assert snapshot.earliest == pytest.approx(1750000089.0, abs=0.1)
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
    """The higher count of each window, the later end; in flight is what the first says."""
    other = Record(
        charged={"minute": {29166667: 1, 29166668: 2}, "month": {24305: 9}},
        blocked={"minute": 1750000050.0, "month": 1751328000.0},
        learned={"minute": LearnedLimit(9, 10, 0.0), "month": LearnedLimit(50, 100, 0.0)},
        pending=(PendingRequest(1, None, None, 35.0),),
        unplaced=2,
        newest=9,
        recent=MinuteLog(1750000300.0, {1750000041: 3}),
        paced_until=1750000200.0,
    )
    merged = RECORD.merged(other)
    assert merged.charged == {"minute": {29166667: 4, 29166668: 2}, "month": {24305: 9}}
    assert merged.blocked == {"minute": 1750000100.0, "month": 1751328000.0}
    assert {period: learned.limit for period, learned in merged.learned.items()} == {"minute": 8, "month": 50}
    assert (merged.pending, merged.unplaced, merged.newest) == (RECORD.pending, 2, 9)
    assert merged.paced_until == 1750000200.0
    assert (merged.recent, merged.doubt, merged.reading) == (other.recent, 4, RECORD.reading)


# The requests of the last minute


@pytest.mark.parametrize(
    ("counts", "in_flight", "moment", "opens"),
    [
        ({}, 9, 100.0, None),
        ({}, 10, 100.0, (None, False)),  # only what is in flight can make room
        ({99: 9}, 0, 100.0, None),
        ({99: 9}, 1, 100.0, (159.0, False)),  # or a minute after the last
        ({99: 10}, 0, 100.0, (159.0, True)),
        ({40: 5, 99: 5}, 0, 100.0, None),  # a minute ago
        ({41: 5, 99: 5}, 0, 100.0, (101.0, True)),
        ({41: 1, 99: 9}, 1, 100.0, (101.0, True)),
        ({41: 1, 50: 8}, 2, 100.0, (110.0, False)),
        ({41: 1, 50: 12}, 0, 100.0, (110.0, True)),  # more than are allowed by now
        ({105: 10}, 0, 100.0, (165.0, True)),  # given up: it may be counted after that
    ],
)
def test_any_sixty_seconds_hold_no_more_than_the_limit(
    counts: dict[int, int], in_flight: int, moment: float, opens: tuple[float | None, bool] | None
) -> None:
    """Ten of them, wherever the minute begins."""
    opening = MinuteLog(0.0, counts).opening(in_flight, moment, 10)
    assert (None if opening is None else (opening.at, opening.certain)) == opens


def test_a_request_counts_until_a_minute_after_it_has_been_counted() -> None:
    """To the whole second, with a little for clocks that run apart."""
    log = MinuteLog(0.0).add(99.95, 99.95).add(100.0, 100.0, 2)
    assert log.counts == {101: 3}
    assert (log.used(160.9), log.used(161.0)) == (3, 0)
    assert log.add(170.0, 170.0).counts == {171: 1}


def test_a_request_that_was_rejected_is_taken_back() -> None:
    """Of the latest ones; there need not be one."""
    assert MinuteLog(0.0, {41: 1, 99: 2}).discard().used(100.0) == 2
    assert MinuteLog(0.0, {41: 1}).discard().discard().used(100.0) == 0
    assert MinuteLog(0.0).discard().used(0.0) == 0


def test_a_clock_that_was_set_back_costs_a_minute_at_the_most() -> None:
    """Times that cannot have been written by now are taken for the latest that can."""
    log = MinuteLog(9e9, {3700: 3, 99: 1, 3690: 2}).not_later(100.0)
    assert (log.counts, log.until) == ({99: 1, 101: 5}, 100.0 + LOOSE_S)
    assert log.not_later(100.0) == log


def test_of_two_logs_the_higher_count_holds() -> None:
    """Of each second, and the later end."""
    one, other = MinuteLog(5.0, {1: 2, 2: 1}), MinuteLog(7.0, {2: 3})
    assert one.merged(other) == MinuteLog(7.0, {1: 2, 2: 3})
    assert one.merged(None) == one
