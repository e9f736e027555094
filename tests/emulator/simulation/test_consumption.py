"""Consumption meters: rows of any windows, and systems without a meter."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota, System
from enlighten_async.testing import FakeClock

DAY = 86_400
NOW = 1_750_014_000  # noon in California, 2025-06-15


def make(clock: FakeClock, consumption: str = "metered", **system: Any) -> Emulator:
    """Return an emulator without limits, of one system."""
    fleet = [System(**{"system_id": 7, "consumption": consumption, **system})]
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet)


def test_the_truth_of_a_system_without_a_meter() -> None:
    """There is nothing to know; what the user may not see is known all the same."""
    for consumption, known in (("none", False), ("disabled", False), ("refused", True)):
        truth = make(FakeClock(NOW), consumption).truth
        assert bool(truth.consumption_stats(7, NOW - DAY, NOW)) is known
        assert (truth.first_consumption(7) is None) is (truth.last_consumption(7) is None) is not known


WHOLE = make(FakeClock(NOW), outages=0.5)


@given(cuts=st.lists(st.integers(NOW - 9 * DAY, NOW), min_size=3, max_size=8))
def test_any_way_to_cut_time_gives_the_same_rows(cuts: list[int]) -> None:
    """Windows that share an edge, wherever it lies, share no row and lose none."""
    truth = WHOLE.truth
    cuts.sort()
    parts = [row for a, b in pairwise(cuts) for row in truth.consumption_stats(7, a, b)]
    assert parts == truth.consumption_stats(7, cuts[0], cuts[-1])
