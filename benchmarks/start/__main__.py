"""Measure the start of a program: `python -m benchmarks.start [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from attrs import frozen

from benchmarks.machine import machine
from benchmarks.payload import SYSTEM_ID, WEEK, span_until_now
from benchmarks.peers import CREDENTIALS
from benchmarks.server import serving

README = Path(__file__).with_name("README.md")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
ROUNDS = 15
PEER = "`import httpx, cattrs`"

BEFORE = 'import sys; sys.modules.update(dict.fromkeys(("click", "rich", "socksio", "trio")))'
"""What httpx and httpcore2 load wherever it is installed is as if it were not."""

AFTER = "import time; print(time.process_time())"

IMPORT = "from enlighten_async import EnlightenClient, OAuth"

CLIENT = (
    IMPORT
    + """
import asyncio

async def main():
    async with EnlightenClient("key", "user", base_url={url!r}) as client:
        {work}

asyncio.run(main())"""
)

BY_HAND = """
import asyncio, json, attrs, cattrs, httpx

@attrs.define
class Interval:
    channel: int
    end_at: int
    wh_del: float | None
    curr_w: int | None

@attrs.define
class Meter:
    meter_serial_number: str
    intervals: list[Interval]

async def main():
    async with httpx.AsyncClient(base_url={url!r}) as client:
        response = await client.get({path!r}, params={params!r})
        meters = response.raise_for_status().json()["meter_intervals"]
        cattrs.structure(meters, list[Meter])

asyncio.run(main())"""
"""A program of httpx and cattrs that gets the same answer."""


@frozen
class Span:
    """A week, and where it is served."""

    url: str
    start: int
    end: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="once")
    parser.add_argument("--write", action="store_true", help="put the figures in this folder's README.md")
    options = parser.parse_args(arguments)
    start, end = span_until_now(WEEK)
    with serving(start, end) as url:
        programs = programs_of(Span(url, start, end))
        play(programs)  # which writes byte code where there is none
        rounds = [play(programs) for _ in range(1 if options.smoke else ROUNDS)]
    text = "\n".join(table(rounds))
    print(text)
    if options.write:
        before, _, rest = README.read_text().partition(OPEN)
        README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")


def programs_of(span: Span) -> Mapping[str, str]:
    """Return the programs by what they do."""
    answer = f"await client.rgm_stats({SYSTEM_ID}, start_at={span.start}, end_at={span.end})"
    params = {**CREDENTIALS, "start_at": span.start, "end_at": span.end}
    by_hand = BY_HAND.format(url=span.url, path=f"/systems/{SYSTEM_ID}/rgm_stats", params=params)
    return {
        "nothing": "",
        PEER: "import httpx, cattrs",
        "the same, a client, and the first answer": by_hand,
        "`import aiohttp, msgspec`": "import aiohttp, msgspec",
        "`import enlighten_async`": "import enlighten_async",
        f"`{IMPORT}`": IMPORT,
        "the same, and the first client": CLIENT.format(url=span.url, work="pass"),
        "the same, and the first answer": CLIENT.format(url=span.url, work=answer),
    }


def play(programs: Mapping[str, str]) -> dict[str, float]:
    """Run each program once, in a process of its own; return the milliseconds of CPU that each took."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    figures = {}
    for name, code in programs.items():
        command = [sys.executable, "-c", f"{BEFORE}\n{code}\n{AFTER}"]
        done = subprocess.run(  # noqa: S603 - programs of our own
            command, check=True, capture_output=True, text=True, env=environ
        )
        figures[name] = 1000 * float(done.stdout)
    return figures


def ratio(rounds: Sequence[Mapping[str, float]], name: str) -> float:
    """Return how many times the CPU of the peer a program takes, the median over the rounds."""
    return median(each[name] / each[PEER] for each in rounds)


def table(rounds: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the figures as Markdown."""
    lines = [f"{machine(len(rounds))}.", "", "| program | CPU, ms | ratio |", "|---|---|---|"]
    for name in rounds[0]:
        took = median(each[name] for each in rounds)
        lines.append(f"| {name} | {took:.0f} | {ratio(rounds, name):.2f} |")
    return lines


if __name__ == "__main__":
    main()
