"""Month: a fleet under a clear sky, and what polls have brought of its energy."""

from __future__ import annotations

from math import cos, inf, pi, sin

from attrs import define, field, frozen

from benchmarks.fleet.picture import HOURS
from enlighten_async.fleet.schedule import phase
from enlighten_async.windows import DAY

START = 19_997.0 * DAY
"""Midnight UTC of the first of October 2024, epoch seconds."""
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
    days: float = DAYS
    """Days that are simulated."""
    noted: bool = False
    """Whether it is noted how long energy waited: for the picture."""


@define
class Month:
    """Requests and rows of a policy, and how late they were."""

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
        end = START + self.case.days * DAY - LAG_S
        return sum(
            produced(end + offset)[0] - produced(START + offset)[0]
            for offset, silent in zip(self.offsets, self.silent, strict=True)
            if not silent
        )

    def row(self, policy: str, cpu: float) -> str:
        """Return the figures as a row of a table."""
        used, barren = self.polls / self.case.month, self.barren / max(self.polls, 1)
        return (
            f"| {self.case.name} | {policy} | {self.polls:,} | {used:.1%} | {barren:.1%} "
            f"| {self.delay:.2f} | {self.energy / self.all_energy:.1%} | {cpu:.1f} |"
        )

    @property
    def delay(self) -> float:
        """Hours from when a row could be had until it was, each Wh counted alike."""
        return self.waited / self.energy / 3_600 if self.energy else 0.0


def produced(local: float) -> tuple[float, float]:
    """Return the energy since the start up to a local time, and its moment; a day's is 1, half a wave."""
    day, second = divmod(local - START, DAY)
    x = min(max((second - DAWN_S) / LENGTH_S, 0.0), 1.0)
    energy = (1 - cos(pi * x)) / 2
    within = (sin(pi * x) / pi - x * cos(pi * x)) / 2  # the integral of x over the energy
    whole = day * (DAWN_S + LENGTH_S / 2) + DAY * day * (day - 1) / 2
    return day + energy, whole + (day * DAY + DAWN_S) * energy + LENGTH_S * within
