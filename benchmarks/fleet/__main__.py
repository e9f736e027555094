"""Simulate a month of fleets under several policies: `python -m benchmarks.fleet [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from math import cos, inf, pi, sin
from pathlib import Path

from attrs import define, field, frozen

from benchmarks.fleet.picture import HOURS, picture
from enlighten_async.fleet.roster import Answered, Member, Roster
from enlighten_async.fleet.schedule import Budget, Daylight, phase
from enlighten_async.windows import DAY

README = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("fleet.svg")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
START = 20_000.0 * DAY
DAYS, STEP_S, REPORT_S, LAG_S = 31, 60.0, 900, 1_800.0
DAWN_S, LENGTH_S = 6 * 3_600, 12 * 3_600
OFFSETS = (-28_800, 3_600, 36_000)
"""Local time of three parts of a fleet: America, Europe, Australia."""
SILENT = 0.02
"""The part of a fleet that reports nothing."""


@frozen
class Case:
    """A fleet on a plan, with the mean delay that is allowed, hours."""

    name: str
    systems: int
    minute: int
    month: int
    delay: float = inf
    noted: bool = False
    """Whether it is noted how long energy waited: for the picture."""


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


@define
class Month:
    """What a policy has brought."""

    case: Case
    polls: int = 0
    barren: int = 0
    energy: float = 0.0
    waited: float = 0.0
    within: list[float] = field(factory=lambda: [0.0] * len(HOURS))
    """Energy that was held within each of `HOURS`, where that is noted."""
    held: list[float] = field(init=False)
    offsets: list[int] = field(init=False)
    silent: list[bool] = field(init=False)

    def __attrs_post_init__(self) -> None:
        count = self.case.systems
        self.held = [START] * count
        self.offsets = [OFFSETS[number % 3] for number in range(count)]
        self.silent = [phase(number, "silent") < SILENT for number in range(count)]

    def poll(self, number: int, now: float) -> bool:
        """Poll a system; tell whether it brought energy."""
        self.polls += 1
        newest = (now - LAG_S) // REPORT_S * REPORT_S
        before, self.held[number] = self.held[number], max(newest, self.held[number])
        offset = self.offsets[number]
        energy_1, moment_1 = produced(before + offset)
        energy_2, moment_2 = produced(self.held[number] + offset)
        energy, moment = energy_2 - energy_1, moment_2 - moment_1
        if self.silent[number] or energy <= 1e-9:
            self.barren += 1
            return False
        if self.case.noted:
            self._note(before + offset, self.held[number] + offset, now - LAG_S + offset)
        self.energy += energy
        self.waited += (now - LAG_S + offset - START) * energy - moment
        return True

    def _note(self, before: float, until: float, now: float) -> None:
        """Note the energy of a poll, by how long it had waited; local times."""
        energy = produced(until)[0]
        for place, hours in enumerate(HOURS):
            since = min(max(now - hours * 3_600, before), until)
            self.within[place] += energy - produced(since)[0]

    @property
    def all_energy(self) -> float:
        """Energy of all systems in the month."""
        end = START + DAYS * DAY - LAG_S
        return sum(
            produced(end + offset)[0] - produced(START + offset)[0]
            for offset, silent in zip(self.offsets, self.silent, strict=True)
            if not silent
        )

    def row(self, policy: str, cpu: float) -> str:
        """Return the figures as a row of a table."""
        used = self.polls / self.case.month
        return (
            f"| {self.case.name} | {policy} | {self.polls:,} | {used:.1%} | {self.barren / self.polls:.1%} "
            f"| {self.delay:.2f} | {self.energy / self.all_energy:.1%} | {cpu:.1f} |"
        )

    @property
    def delay(self) -> float:
        """Hours from when a row could be had until it was, each Wh counted alike."""
        return self.waited / self.energy / 3_600


def produced(local: float) -> tuple[float, float]:
    """Return the energy since the start up to a local time, and its moment; a day's is 1, half a wave."""
    day, second = divmod(local - START, DAY)
    x = min(max((second - DAWN_S) / LENGTH_S, 0.0), 1.0)
    energy = (1 - cos(pi * x)) / 2
    within = (sin(pi * x) / pi - x * cos(pi * x)) / 2  # the integral of x over the energy
    whole = day * (DAWN_S + LENGTH_S / 2) + DAY * day * (day - 1) / 2
    return day + energy, whole + (day * DAY + DAWN_S) * energy + LENGTH_S * within


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
    for day in range(DAYS):
        midnight = START + day * DAY
        budget = Budget(case.month - month.polls, DAYS - day, case.minute)
        roster.begin_day(midnight, midnight, {0: budget}, day)
        for step in range(int(DAY / STEP_S)):
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; an assertion fails where a fleet is less fresh than asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="40 and 500 systems")
    parser.add_argument("--write", action="store_true", help="put figures and picture in this folder")
    options = parser.parse_args(arguments)
    text = "\n".join(lines(CASES[:2] if options.smoke else CASES))
    print(text)
    if options.write:
        before, _, rest = README.read_text().partition(OPEN)
        README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")
        PICTURE.write_text(picture(curves()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
