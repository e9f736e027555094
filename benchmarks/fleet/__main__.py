"""Simulate a month of fleets under several policies: `python -m benchmarks.fleet [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from math import ceil, inf
from pathlib import Path

from benchmarks.fleet.month import DAWN_S, DAYS, LENGTH_S, REPORT_S, START, STEP_S, Case, Month
from benchmarks.fleet.picture import picture
from enlighten_async.fleet.roster import Answered, Member, Roster
from enlighten_async.fleet.schedule import Budget, Daylight, phase
from enlighten_async.windows import DAY

README = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("fleet.svg")
CASES = (
    Case("40, Watt", 40, 10, 1_000, 11.0),
    Case("500, 10 a minute", 500, 10, 10_000, inf),
    Case("5,000, Partner", 5_000, 300, 1_500_000, 1.0),
    Case("100,000, Partner", 100_000, 300, 1_500_000, 23.0),
)


PICTURED = (
    Case("40, Watt", 40, 10, 1_000, noted=True),
    Case("5,000, Partner", 500, 30, 150_000, noted=True),  # a tenth of both
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


def curves() -> dict[tuple[str, str], list[float]]:
    """Return the part of the energy that is held within each of `HOURS`, by fleet and policy."""
    found = {}
    for case in PICTURED:
        for policy in (naive, even, ours):
            month = policy(case)
            whole = month.all_energy
            found[case.name, policy.__name__] = [each / whole for each in month.within]
    return found


def lines(cases: Sequence[Case]) -> Iterator[str]:
    """Yield the table."""
    yield f"Python {platform.python_version()}; CPU of the whole simulation, of which the schedule is a part."
    yield ""
    yield "| fleet | policy | polls | of the month | brought nothing | delay, h | energy held | CPU, s |"
    yield "|---|---|---|---|---|---|---|---|"
    for case in cases:
        for policy in (naive, even, ours):
            began = time.process_time()
            month = policy(case)
            yield month.row(policy.__name__, time.process_time() - began)
            if policy is ours:
                assert month.polls <= case.month, "more than the month has"
                assert month.delay <= case.delay, (case, month.delay)
    yield ""
    yield f"Peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB."


def put(name: str, text: str) -> None:
    """Put figures into the README, between the comments of this name, in place of the last ones."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = README.read_text().partition(opening)
    README.write_text(f"{before}{opening}\n\n{text}\n\n{closing}{rest.partition(closing)[2]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; an assertion fails where a fleet is less fresh than asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="40 and 500 systems")
    parser.add_argument("--write", action="store_true", help="put figures and picture in this folder")
    options = parser.parse_args(arguments)
    text = "\n".join(lines(CASES[:2] if options.smoke else CASES))
    print(text)
    if options.write:
        put("figures", text)
        PICTURE.write_text(picture(curves()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
