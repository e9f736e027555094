"""Figures and results in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from enlighten_async.models import Coverage, Gap, Receipt

UNITS = "kMGT"
"""Of sizes: thousands of bytes, millions, and so on."""


def number(count: float) -> str:
    """Return a count with its thousands apart."""
    return f"{count:,.0f}"


def size(count: int) -> str:
    """Return a number of bytes, in units of 1,000."""
    if count < 1000:
        return f"{count} B"
    power = min((len(str(count)) - 1) // 3, len(UNITS))
    return f"{count / 1000**power:,.1f} {UNITS[power - 1]}B"


def kwh(wh: float) -> str:
    """Return an energy in kWh, as much of it as matters."""
    return f"{wh / 1000:,.1f}"


def duration(span: timedelta) -> str:
    """Return a span of time in minutes and seconds, or in days if it is that long."""
    seconds = round(span.total_seconds())
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


def left(counts: Mapping[str, int]) -> str:
    """Return what is left of a plan's windows."""
    return "left " + ", ".join(f"{number(count)} this {period}" for period, count in counts.items())


def receipt(spent: Receipt) -> str:
    """Return what a query spent, in one line."""
    said = [f"sent {number(spent.sent)}", f"rejected {number(spent.rejected)}"]
    if spent.from_cache:
        said.append(f"from the store {number(spent.from_cache)}")
    if spent.retried:
        said.append(f"repeated {number(spent.retried)}")
    waits = [
        f"{duration(timedelta(seconds=seconds))} ({why})"
        for why, seconds in spent.waited.items()
        if seconds >= 1
    ]
    if waits:
        said.append(f"waited {' + '.join(waits)}")
    if spent.left:
        said.append(left(spent.left))
    return ", ".join(said)


def coverage(held: Coverage) -> str:
    """Return what an answer covers, in one line."""
    state = "complete" if held.complete else "incomplete"
    return f"{state}: {number(held.got)} of {number(held.expected)} intervals{gaps(held.gaps(), held.grid)}"


def gaps(missing: Iterable[Gap], grid: int) -> str:
    """Return how many intervals are missing, by reason."""
    counts: Counter[str] = Counter()
    for gap in missing:
        counts[gap.reason.value] += gap.window.seconds // grid
    return by_reason(counts)


def by_reason(counts: Mapping[str, int]) -> str:
    """Return counts of missing intervals by reason, in brackets; nothing if there are none."""
    if not counts:
        return ""
    return f" ({', '.join(f'{reason} {number(count)}' for reason, count in counts.items())})"
