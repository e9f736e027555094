"""Figures to tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.contender import BASELINE
from benchmarks.machine import machine
from benchmarks.measure import ANSWER_WEEKS, ANSWERS, Held, Timing, Weight

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
MIB = 1 << 20

Round = Mapping[str, Mapping[str, Timing]]
"""Contender to job to timing."""


def report(rounds: Sequence[Round], weights: Mapping[str, Weight], many: Mapping[str, Held]) -> str:
    """Return all figures as Markdown."""
    where = f"{machine(len(rounds))}."
    return "\n".join([where, "", *_times(rounds), "", *_memory(weights), "", *_many(many), ""])


def write(text: str) -> None:
    """Put the figures in the README, in place of the last ones."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _times(rounds: Sequence[Round]) -> Iterable[str]:
    yield "| job | contender | wall ms | CPU ms | wall ratio | CPU ratio |"
    yield "|---|---|---|---|---|---|"
    for job in rounds[0][BASELINE]:
        for name in rounds[0]:
            own = [played[name][job] for played in rounds]
            base = [played[BASELINE][job] for played in rounds]
            wall, cpu = median(t.wall for t in own), median(t.cpu for t in own)
            # Round by round, so that what slows the machine for a while slows both.
            walls = median(a.wall / b.wall for a, b in zip(own, base, strict=True))
            cpus = median(a.cpu / b.cpu for a, b in zip(own, base, strict=True))
            yield f"| {job} | {name} | {wall:.2f} | {cpu:.2f} | {walls:.2f} | {cpus:.2f} |"


def _memory(weights: Mapping[str, Weight]) -> Iterable[str]:
    yield "| held year | rows | MiB | bytes per row | ratio | process grows by, MiB | at most, MiB |"
    yield "|---|---|---|---|---|---|---|"
    base = weights[BASELINE].held
    for name, weight in weights.items():
        held = f"{weight.held / MIB:.1f} | {weight.held / weight.rows:.0f} | {weight.held / base:.2f}"
        yield f"| {name} | {weight.rows:,} | {held} | {_mib(weight.resident)} | {_mib(weight.peak)} |"


def _many(many: Mapping[str, Held]) -> Iterable[str]:
    yield f"| {ANSWERS} answers of {ANSWER_WEEKS} weeks held | rows | process at most, MiB | ratio |"
    yield "|---|---|---|---|"
    base = many[BASELINE].peak
    for name, held in many.items():
        ratio = "-" if held.peak is None or base is None else f"{held.peak / base:.2f}"
        yield f"| {name} | {held.rows:,} | {_mib(held.peak)} | {ratio} |"


def _mib(size: float | None) -> str:
    return "-" if size is None else f"{size:.1f}"
