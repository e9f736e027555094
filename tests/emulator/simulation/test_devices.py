"""Devices: the energy of each place of an array."""

from __future__ import annotations

import pytest

from enlighten_async.emulator import System
from enlighten_async.emulator.simulation.devices import energy_by_place, inverters


@pytest.mark.parametrize("energy", [0, 1, 399, 400, 123_457])
def test_shares_lose_nothing_and_never_fall(energy: int) -> None:
    """However little is added."""
    listed = inverters(System(system_id=7))
    before, after = energy_by_place(listed, energy), energy_by_place(listed, energy + 1)
    assert sum(before.values()) == energy
    assert sum(after.values()) == energy + 1
    assert all(after[place] >= before[place] for place in before)
    assert energy_by_place([], 0) == {}
