"""Policies: when the systems of a fleet are polled in a month, simulated without HTTP; and the fleets."""

from __future__ import annotations

from math import ceil, inf

from benchmarks.fleet.month import DAWN_S, DAYS, LENGTH_S, REPORT_S, START, STEP_S, Case, Month
from enlighten_async.fleet.roster import Answered, Member, Roster
from enlighten_async.fleet.schedule import Budget, Daylight, phase
from enlighten_async.windows import DAY

CASES = (
    Case("40, Watt", 40, 10, 1_000, 11.0),
    Case("500, 10 a minute", 500, 10, 10_000, inf),
    Case("5,000, Partner", 5_000, 300, 1_500_000, 1.0),
    Case("100,000, Partner", 100_000, 300, 1_500_000, 23.0),
)


def naive(case: Case) -> Month:
    """Poll each system every quarter of an hour, in order, until the month is used up."""
    month, now, turn, number = Month(case), START, START, 0
    while month.polls < case.month and now < START + DAYS * DAY:
        for _ in range(min(case.minute, case.systems - number, case.month - month.polls)):
            month.poll(number, now)
            number += 1
        now += 60
        if number == case.systems:
            number, turn = 0, max(turn + REPORT_S, now)
            now = turn
    return month


def even(case: Case) -> Month:
    """Spread the month's requests evenly over systems and time, by night too."""
    month = Month(case)
    each = DAY / (min(case.month * 0.95 / DAYS, case.minute * 0.9 * 1_440) / case.systems)
    for number in range(case.systems):
        now = START + phase(number) * each
        while now < START + DAYS * DAY:
            month.poll(number, now)
            now += each
    return month


def ours(case: Case) -> Month:
    """Poll by the schedule of `enlighten_async.fleet`, as fresh as the plan allows."""
    month = Month(case)
    members = [
        Member(number, 0, Daylight.assumed(offset), START) for number, offset in enumerate(month.offsets)
    ]
    roster = Roster(members, None)
    for day in range(ceil(case.days)):
        midnight = START + day * DAY
        budget = Budget(case.month - month.polls, DAYS - day, case.minute)
        roster.begin_day(midnight, midnight, {0: budget}, day)
        for step in range(int(min(case.days - day, 1.0) * DAY / STEP_S)):
            now = midnight + step * STEP_S
            for _ in range(int(case.minute * STEP_S / 60)):
                if (ask := roster.pop(now)) is None:
                    break
                news = month.poll(ask.member, now)
                known = Daylight((DAWN_S - month.offsets[ask.member]) % DAY, LENGTH_S)
                until = month.held[ask.member] if not month.silent[ask.member] else START
                roster.answered(ask, now, Answered(until, news, until, known if news else None))
    return month
