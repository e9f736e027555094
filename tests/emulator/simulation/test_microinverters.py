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


def test_nights_of_some_systems_are_zeros() -> None:
    """288 rows a day, with all devices; production stays the same."""
    dense = make(FakeClock(NOW), System(system_id=7, micro_night_rows=True)).truth
    sparse = make(FakeClock(NOW)).truth
    day = NOW - 5 * DAY, NOW - 4 * DAY
    rows = {row["end_at"]: row for row in dense.stats(7, *day)}
    assert len(rows) == 288
    by_day = {row["end_at"]: row for row in sparse.stats(7, *day)}
    assert 0 < len(by_day) < 288
    assert {end: rows[end] for end in by_day} == by_day
    nights = [row for end, row in rows.items() if end not in by_day]
    assert {(row["powr"], row["enwh"], row["devices_reporting"]) for row in nights} == {(0, 0, 20)}
    assert dense.micro_energy(7, 0, NOW) == sparse.micro_energy(7, 0, NOW)
