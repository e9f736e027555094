"""Heat pumps: seasons, and days that are sums of intervals."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.emulator.simulation.system import HeatPump
from enlighten_async.testing import FakeClock

DAY = 86_400
NOW = 1_750_014_000  # noon in California, 2025-06-15


def make(clock: FakeClock, step: int = 300, **system: Any) -> Any:
    """Return the truth of one system with a heat pump."""
    defaults = {
        "heat_pump": HeatPump(name="A pump", step=step),
        "latitude": 52.0,
        "longitude": 5.0,
        "timezone": "Europe/Amsterdam",
    }
    return Emulator(clock=clock, fleet=[System(system_id=7, **defaults | system)]).truth


@pytest.mark.parametrize("step", [300, 900])
def test_rows_are_dense_and_within_the_power(clock: FakeClock, step: int) -> None:
    """Some are a little below nothing, which is what real ones show."""
    truth = make(clock, step)
    rows = truth.heat_pumps.rows(7, NOW - DAY, NOW)
    ends = [row["end_at"] for row in rows]
    assert ends == list(range(NOW - DAY + step, int(truth.horizon()) + 1, step))
    values = [row["wh_consumed"] for row in rows]
    assert -4 < min(values) < 0 < max(values) < 2200 * 1.11 * step / 3600 + 3


def test_the_steps_tell_the_same(clock: FakeClock) -> None:
    """A quarter of an hour is three times five minutes."""
    five, fifteen = (make(clock, step).heat_pumps for step in (300, 900))
    window = (7, NOW - 2 * DAY, NOW - DAY)
    fine = [row["wh_consumed"] for row in five.rows(*window)]
    coarse = [row["wh_consumed"] for row in fifteen.rows(*window)]
    assert coarse == [sum(fine[n : n + 3]) for n in range(0, len(fine), 3)]


def test_winters_need_more_than_summers_in_both_hemispheres(clock: FakeClock) -> None:
    """Hot water is made all year."""
    for latitude, winter, summer in ((52.0, 1, 7), (-52.0, 7, 1)):
        truth = make(clock, latitude=latitude).heat_pumps
        cold, warm = (
            sum(truth.days(7, date(2024, month, 1), date(2024, month, 30))) for month in (winter, summer)
        )
        assert cold > 2 * warm > 0


def test_days_are_sums_of_rows(clock: FakeClock) -> None:
    """Of 23 and 25 hours too; the horizon holds."""
    truth = make(clock)
    for first in (date(2025, 3, 29), date(2024, 10, 26), date(2025, 6, 14)):
        days = truth.heat_pumps.days(7, first, first.replace(day=first.day + 2))
        for index, day in enumerate(days):
            window = [local_midnight(first, "Europe/Amsterdam", index + n) for n in (0, 1)]
            assert day == sum(row["wh_consumed"] for row in truth.heat_pumps.rows(7, *window))
    assert days[0] > 0 == days[2]


def test_the_mode_is_of_the_last_interval(clock: FakeClock) -> None:
    """Within a day both are seen."""
    truth = make(clock)
    seen = set()
    for _ in range(48):
        clock.advance(1800)
        runs = truth.heat_pumps.rows(7, clock.now() - DAY, clock.now())[-1]["wh_consumed"] > 0
        assert truth.heat_pumps.mode(7) == ("MODE_2" if runs else "MODE_1")
        seen.add(runs)
    assert seen == {True, False}


def test_without_a_heat_pump_there_is_nothing_to_ask(clock: FakeClock) -> None:
    """Nor before the start of service."""
    with pytest.raises(KeyError):
        make(clock, heat_pump=None).heat_pumps.rows(7, 0, NOW)
    assert make(clock, operational_at=NOW - DAY).heat_pumps.rows(7, 0, NOW - DAY) == []
