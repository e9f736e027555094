"""Microinverters: rows do not depend on the windows in which they are requested."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota, System
from enlighten_async.testing import FakeClock

DAY = 86_400
NOW = 1_750_014_000  # noon in California
PLAIN = System(system_id=7)


def make(clock: FakeClock, *fleet: System, **options: Any) -> Emulator:
    """Return an emulator without limits, of one plain system by default."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet or [PLAIN], **options)


WHOLE = make(FakeClock(NOW), System(system_id=7, outages=0.5))


@given(cuts=st.lists(st.integers(NOW - 9 * DAY, NOW), min_size=3, max_size=8))
def test_any_way_to_cut_time_gives_the_same_rows(cuts: list[int]) -> None:
    """Windows that share an edge, wherever it lies, share no row and lose none."""
    truth = WHOLE.truth
    cuts.sort()
    parts = [row for a, b in pairwise(cuts) for row in truth.stats(7, a, b)]
    assert parts == truth.stats(7, cuts[0], cuts[-1])
    assert sum(row["enwh"] for row in parts) == truth.micro_energy(7, cuts[0], cuts[-1])
