"""Simulate a month of fleets under several policies: `python -m benchmarks.fleet [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.fleet.figures import put
from benchmarks.fleet.month import Case
from benchmarks.fleet.picture import picture
from benchmarks.fleet.policies import CASES, even, naive, ours

PICTURE = Path(__file__).with_name("fleet.svg")
PICTURED = (
    Case("40, Watt", 40, 10, 1_000, noted=True),
    Case("5,000, Partner", 500, 30, 150_000, noted=True),  # a tenth of both
)


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
        put("figures", text)
        PICTURE.write_text(picture(curves()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
