"""Run the quota's scenarios: `python -m benchmarks.quota [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import logging
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.quota.contenders import CONTENDERS
from benchmarks.quota.costs import Costs, costs
from benchmarks.quota.outages import LENGTHS_S, Spent, endure
from benchmarks.quota.scenarios import PHASES, SCENARIOS, Result, play

README = Path(__file__).with_name("README.md")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
FORESEEABLE = ("60 jobs", "3 clients of 20 jobs", "clock 10 minutes slow", "clock 10 minutes fast")
"""Scenarios in which nothing has to be rejected."""
MOST_IN_AN_HOUR = 20
"""Requests that an hour of outage may cost."""

REMARK = (
    "All but the first two rows in virtual time, and without the garbage collector where it is not named, as "
    "`timeit` measures. A waiter is a task of its own, which is counted in."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; return 1 if ours wasted a request that it need not have sent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quota", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one phase of the minute, few waiters")
    parser.add_argument("--write", action="store_true", help="put the figures in this folder's README.md")
    options = parser.parse_args(arguments)
    logging.getLogger("enlighten_async").addHandler(logging.NullHandler())
    phases = PHASES[1:2] if options.smoke else PHASES
    played = {what: {name: play(name, s, phases) for name in CONTENDERS} for what, s in SCENARIOS.items()}
    lengths = {"hour": LENGTHS_S["hour"]} if options.smoke else LENGTHS_S
    endured = {name: {what: endure(name, s) for what, s in lengths.items()} for name in CONTENDERS}
    text = "\n".join([*_table(played), "", *_outages(endured), "", *_costs(costs(smoke=options.smoke))])
    print(text)
    if options.write:
        _write(text)
    wasted = [what for what in FORESEEABLE if played[what]["enlighten_async"].rejected]
    return 1 if wasted or endured["enlighten_async"]["hour"].sent > MOST_IN_AN_HOUR else 0


def _table(played: Mapping[str, Mapping[str, Result]]) -> list[str]:
    lines = [
        "| scenario | contender | sent | rejected | jobs lost | windows over the least |",
        "|---|---|---|---|---|---|",
    ]
    for what, results in played.items():
        for name, made in results.items():
            figures = (made.sent, made.rejected, made.lost, made.windows)
            lines.append(f"| {what} | {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |")
    return lines


def _outages(endured: Mapping[str, Mapping[str, Spent]]) -> list[str]:
    lengths = list(next(iter(endured.values())))
    heads = [f"sent in a{'n' * (what == 'hour')} {what} | end noticed after" for what in lengths]
    lines = [f"| outage, contender | {' | '.join(heads)} |", f"|---{'|---' * 2 * len(lengths)}|"]
    for name, outages in endured.items():
        figures = (f"{each.sent:,} | {each.noticed:.0f} s" for each in outages.values())
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return lines


def _costs(spent: Costs) -> list[str]:
    served = [(f"a waiter, {n:,} wait at once", cost) for n, cost in spent.waiter.items()]
    served.append((f"the same, {max(spent.waiter):,}, with the garbage collector at work", spent.collected))
    idle = [(f"a task that waits for an event, of {n:,}", cost) for n, cost in spent.task.items()]
    gone = [(f"a waiter cancelled, of {n:,}", cost) for n, cost in spent.cancelled.items()]
    alone = [("acquire, nobody before", spent.acquire), ("settle", spent.settle)]
    lines = ["| enlighten_async, in memory | µs of CPU |", "|---|---|"]
    lines += [f"| {what} | {cost:.1f} |" for what, cost in (*alone, *served, *idle, *gone)]
    return [
        *lines,
        "",
        f"Python {platform.python_version()}, asyncio. {REMARK}",
    ]


def _write(text: str) -> None:
    before, _, rest = README.read_text().partition(OPEN)
    README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")


if __name__ == "__main__":
    sys.exit(main())
