"""How often processes pass a gate that they share, and the CPU that a request takes with each state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from attrs import frozen

from benchmarks.state.gates import CONTENDERS
from benchmarks.state.worker import together
from enlighten_async.emulator import Emulator, Quota

TASKS = 10
"""Callers side by side in each process."""

SYSTEMS = 100
"""Systems that are asked in turns: so many that no caller finds another's request of the same in flight."""

MIN_SERVERS_PER_S = 500
"""Times a second that eight processes pass the gate of a server, at the least."""


@frozen
class Extent:
    """How much is measured.

    Attributes:
        rounds: how often; medians count, and ratios are within a round.
        seconds: of each measurement.
        processes: how many at once.
        requests: of each measurement of a client.
        callers: of a client, how many side by side.
    """

    rounds: int = 3
    seconds: float = 2.0
    processes: tuple[int, ...] = (1, 2, 4, 8)
    requests: int = 400
    callers: tuple[int, ...] = (1, 20)


Rates = dict[tuple[str, str, int], list[float]]
"""Times a second, by round, of a state, a contender and a number of processes."""


def passes(places: Mapping[str, str], extent: Extent, names: tuple[str, ...] = ()) -> tuple[Rates, Rates]:
    """Return how often a second all contenders pass, in turns; and the milliseconds of CPU of each pass.

    Args:
        places: path or URL of each state.
        extent: how much is measured.
        names: the contenders; none: all.
    """
    rates: Rates = defaultdict(list)
    costs: Rates = defaultdict(list)
    for number in range(extent.rounds):
        for count in extent.processes:
            for place, state in places.items():
                for name in CONTENDERS[place]:
                    if (names and name not in names) or (place == "memory" and count > 1):
                        continue
                    own = f"{state}{number}-{count}" if place == "file" else state
                    task = {"contender": name, "setting": {"state": own}}
                    done = together([{**task, "seconds": extent.seconds, "tasks": TASKS}] * count)
                    passed = sum(each["passed"] for each in done)
                    rates[place, name, count].append(passed / extent.seconds)
                    costs[place, name, count].append(1e3 * sum(e["cpu_s"] for e in done) / max(passed, 1))
    return rates, costs


def passes_table(rates: Rates, costs: Rates, extent: Extent) -> Iterator[str]:
    """Return the figures as Markdown."""
    counts, most = extent.processes, extent.processes[-1]
    yield f"| state | gate | processes: {' | '.join(map(str, counts))} | ratio | CPU ms |"
    yield f"|---|---|{'---|' * (len(counts) + 2)}"
    for place, name in dict.fromkeys((place, name) for place, name, _ in rates):
        told = [f"{median(rates[place, name, n]):,.0f}" if (place, name, n) in rates else "" for n in counts]
        last = most if (place, name, most) in rates else 1
        pairs = zip(rates[place, name, last], rates[place, "enlighten_async", last], strict=True)
        ratio = median(one / ours for one, ours in pairs)
        cpu = median(costs[place, name, last])
        yield f"| {place} | {name} | {' | '.join(told)} | {ratio:.2f} | {cpu:.2f} |"
    yield ""


def requests(places: Mapping[str, str], extent: Extent) -> dict[tuple[str, int], list[float]]:
    """Return the milliseconds of CPU of a request, by state and number of callers side by side."""
    emulator = Emulator(quota=Quota.UNLIMITED, concurrent=None, systems=SYSTEMS, users=1)
    systems = [each.system_id for each in emulator.truth.systems(emulator.demo_user)]
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    with emulator.running(version="v2") as url:
        task: dict[str, Any] = {"url": url, "user": emulator.demo_user, "systems": systems}
        task["rounds"] = -(-extent.requests // len(systems))
        for number in range(extent.rounds):
            for tasks in extent.callers:
                for place, state in places.items():
                    own = f"{state}{number}-{tasks}-client" if place == "file" else state
                    (done,) = together([{**task, "tasks": tasks, "state": own}])
                    found[place, tasks].append(1e3 * done["cpu_s"] / done["passed"])
    return found


def requests_table(found: Mapping[tuple[str, int], list[float]], extent: Extent) -> Iterator[str]:
    """Return the figures as Markdown."""
    heads = [f"{tasks} at a time, ms | ratio" for tasks in extent.callers]
    yield f"| CPU of a request | {' | '.join(heads)} |"
    yield f"|---|{'---|---|' * len(heads)}"
    for place in dict.fromkeys(place for place, _ in found):
        cells = []
        for tasks in extent.callers:
            mine, plain = found[place, tasks], found["memory", tasks]
            ratio = median(one / other for one, other in zip(mine, plain, strict=True))
            cells.append(f"{median(mine):.2f} | {ratio:.2f}")
        yield f"| {place} | {' | '.join(cells)} |"
    yield ""
