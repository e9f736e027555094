"""A process that writes the steps of a made-up fleet into a sink, from its cursors on."""

from __future__ import annotations

import sys

import anyio

from enlighten_async.fleet import Change
from enlighten_async.fleet.sinks import sink_of
from tests.fleet.sinks.changes import QUARTER, START, change

STEPS = 40
SYSTEMS = 3


def step(number: int) -> list[Change]:
    """Return what changes in a step: four rows of each system, the first one of which was there."""
    first = max(0, number * 3 - 1)
    return [
        change(system, first, number * 3 + 3 - first, float(number), corrected=int(number > 0))
        for system in range(1, SYSTEMS + 1)
    ]


async def main() -> None:
    """Write what the cursors do not have."""
    sink = sink_of(sys.argv[1])
    held = await sink.cursors("rgm_stats")
    ends = {round((until.timestamp() - START) / QUARTER) for until in held.values()}
    assert len(ends) <= 1, "some systems of one write are held, and others not"
    begin = ends.pop() // 3 if ends else 0
    print("from", begin, flush=True)  # noqa: T201
    for number in range(begin, STEPS):
        await sink.write(step(number))
        print("wrote", number, flush=True)  # noqa: T201


if __name__ == "__main__":
    anyio.run(main)
