"""Measure the state that processes share: `python -m benchmarks.state [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.state import fairness, stored
from benchmarks.state.places import places
from benchmarks.state.throughput import (
    MIN_SERVERS_PER_S,
    Extent,
    passes,
    passes_table,
    requests,
    requests_table,
)

README = Path(__file__).with_name("README.md")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"

SMOKE = Extent(rounds=1, seconds=0.1, processes=(2,), requests=20, callers=(1,))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 1 if something takes longer than it may, or is not fair."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__)
    parser.add_argument(
        "--smoke", action="store_true", help="once and briefly, no server, no bound on the time"
    )
    parser.add_argument("--write", action="store_true", help="put the figures in this folder's README.md")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="these parts alone")
    parser.add_argument("--rounds", type=int, default=3, help="how often rates and CPU are measured")
    options = parser.parse_args(arguments)
    logging.getLogger("enlighten_async").addHandler(logging.NullHandler())
    extent = SMOKE if options.smoke else Extent(rounds=options.rounds)
    texts = [f"{machine()}, SQLite {sqlite3.sqlite_version}."]
    slow = False
    print(texts[0] + "\n", flush=True)
    with places(servers=not options.smoke) as found:
        for name in options.only or SECTIONS:
            too_much, text = SECTIONS[name](found, extent)
            slow = slow or too_much
            texts.append(text)
            print(text + "\n", flush=True)
    if options.write:
        write("\n\n".join(texts))
    return int(slow and not options.smoke)


def gate(found: dict[str, str], extent: Extent) -> tuple[bool, str]:
    """Measure how often processes pass the gates."""
    rates, costs = passes(found, extent, ("enlighten_async",) if extent is SMOKE else ())
    most = extent.processes[-1]
    slow = [
        place
        for place in ("postgres", "redis")
        if place in found and max(rates[place, "enlighten_async", most]) < MIN_SERVERS_PER_S
    ]
    head = f"Passes a second, {extent.rounds} rounds in turns; ratio and CPU of a pass by the most processes:"
    return bool(slow), "\n".join([head, "", *passes_table(rates, costs, extent)]).rstrip()


def cpu(found: dict[str, str], extent: Extent) -> tuple[bool, str]:
    """Measure the CPU of a client's request."""
    return False, "\n".join(requests_table(requests(found, extent), extent)).rstrip()


def fair(found: dict[str, str], extent: Extent) -> tuple[bool, str]:
    """Measure who gets what, and when."""
    few = (4, 60) if extent is SMOKE else ()
    got, waited = fairness.shares(found.get("redis"), *few), fairness.waits()
    bad = fairness.unfair(got["enlighten_async"]) or waited["enlighten_async"][0][-1] > fairness.MAX_LAST_S
    return bad, "\n".join([*fairness.shares_table(got), *fairness.waits_table(waited)]).rstrip()


def restart(found: dict[str, str], extent: Extent) -> tuple[bool, str]:
    """Measure what a client that begins anew has to read."""
    took, text = asyncio.run(stored.held(100, 2) if extent is SMOKE else stored.held(stored.SYSTEMS, 20))
    return took > stored.MAX_HELD_S, text


def tokens(found: dict[str, str], extent: Extent) -> tuple[bool, str]:
    """Measure tokens of many accounts."""
    size = (50, 3) if extent is SMOKE else (stored.ACCOUNTS, stored.ROUNDS)
    took, text = asyncio.run(stored.tokens(*size))
    return stored.too_slow(took), text


SECTIONS: dict[str, Callable[[dict[str, str], Extent], tuple[bool, str]]] = {
    "gate": gate,
    "cpu": cpu,
    "fair": fair,
    "restart": restart,
    "tokens": tokens,
}


def write(text: str) -> None:
    """Put the figures in the README."""
    before, _, rest = README.read_text().partition(OPEN)
    README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")


if __name__ == "__main__":
    sys.exit(main())
