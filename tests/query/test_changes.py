"""Changes: the rows of an answer that were not cached, or with other values, when its query began."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.cache import MemoryCache
from enlighten_async.errors import BudgetExceeded, InputError, UsageError
from enlighten_async.models import ChannelInterval, MeterIntervals, RgmStats, StatsInterval
from enlighten_async.models.rgm_stats import _changed_meters
from enlighten_async.models.series import NAN, Series, changed, columns_of
from tests.world import World

DAY = 86_400

ROWS = st.dictionaries(st.integers(0, 9), st.sampled_from([0.0, 1.0, 2.5, NAN]), max_size=10)


def rows(values: dict[int, float]) -> Series[StatsInterval]:
    """Return rows by their ends."""
    ends = sorted(values)
    return Series.of(StatsInterval, ends, [1.0] * len(ends), [values[end] for end in ends], [NAN] * len(ends))


@given(ROWS, ROWS)
def test_each_row_is_new_corrected_or_the_same(before: dict[int, float], after: dict[int, float]) -> None:
    """Null equals null."""
    new, corrected = changed(rows(after), [rows(before)])
    assert new == rows({end: value for end, value in after.items() if end not in before})
    differs = {
        end: value
        for end, value in after.items()
        if end in before and value != before[end] and not (math.isnan(value) and math.isnan(before[end]))
    }
    assert corrected == rows(differs)


def fewer(answer: RgmStats, number: int) -> RgmStats:
    """Return an answer as it was before the last rows came, and before one row was corrected."""
    start, end = answer.window.start, answer.window.end
    part = answer._slice(evolve(answer.window, start=start, end=end - number * 900))
    columns = {name: column[:] for name, column in part.intervals._columns.items()}
    columns["wh_del"][10] += 1
    meter = part.meter_intervals[0]
    of_meter = {name: column[:] for name, column in meter.intervals._columns.items()}
    of_meter["curr_w"][3] += 1
    meters = (evolve(meter, intervals=Series(meter.intervals._row, of_meter)), *part.meter_intervals[1:])
    return evolve(part, intervals=Series(part.intervals._row, columns), meter_intervals=meters)


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("kept", ["file", "memory"])
async def test_an_answer_tells_what_it_changed(tmp_path: Path, version: str, kept: str) -> None:
    """New rows, also of meters, and those with other values; a second time nothing."""
    world = World()
    options: dict[str, Any] = (
        {"state": tmp_path / "s.db"} if kept == "file" else {"interval_cache": MemoryCache()}
    )
    make = world.client if version == "v2" else world.v4
    end = int(world.clock.now()) // 900 * 900 - 3 * 3600
    window = {"start_at": end - DAY, "end_at": end}
    async with make() as client:
        truth = await client.rgm_stats(world.emulator.demo_system, **window)
    async with make(**options) as client:
        query = client.rgm_stats(world.emulator.demo_system, **window)
        cache, series = client._session.cache, query._plan.series
        assert cache is not None
        assert series is not None
        cache.put(client._options.scope, series, fewer(truth, 8), end - 10 * DAY)
        changes = await query.changes()
        assert changes.answer == await query == truth
        assert changes.new.intervals == truth.intervals[-8:]
        assert changes.corrected.intervals == truth.intervals[10:11]
        meters = {each.meter_serial_number: each for each in changes.new.meter_intervals}
        assert meters.keys() == {each.meter_serial_number for each in truth.meter_intervals}
        assert all(len(each.intervals) == 8 * len(each.channels) for each in changes.new.meter_intervals)
        (corrected,) = changes.corrected.meter_intervals
        assert corrected.intervals == truth.meter_intervals[0].intervals[3:4]
        again = (
            await client.with_options(max_age=DAY).rgm_stats(world.emulator.demo_system, **window).changes()
        )
        assert (len(again.new.intervals), len(again.corrected.intervals)) == (0, 0)
        assert again.new.meter_intervals == again.corrected.meter_intervals == ()
        assert again.answer == truth


async def test_what_another_query_has_bought_meanwhile_is_a_change() -> None:
    """Against what was cached when it began; today, too, whose range is the service's."""
    world = World()
    async with world.v4(interval_cache=MemoryCache()) as client:
        first, second = (client.stats(world.emulator.demo_system) for _ in range(2))
        with pytest.raises(BudgetExceeded):
            await client.with_options(only_cached=True).stats(world.emulator.demo_system).changes()
        changes = await first.changes()
        assert changes.new.intervals == changes.answer.intervals != Series.of(StatsInterval)
        world.clock.advance(1_800)
        later = await second.changes()
        number = len(later.answer.intervals) - len(changes.answer.intervals)
        assert number > 0
        assert later.new.intervals[-number:] == later.answer.intervals[-number:]
        assert len(later.new.intervals) + len(later.corrected.intervals) < len(later.answer.intervals)


async def test_changes_are_of_series_and_of_what_is_cached() -> None:
    """And are asked for in place of awaiting the query."""
    world = World()
    async with world.client() as client, world.client(interval_cache=MemoryCache()) as caching:
        with pytest.raises(InputError, match="nothing is cached"):
            await client.stats(world.emulator.demo_system).changes()
        with pytest.raises(InputError, match="has no changes"):
            await caching.summary(world.emulator.demo_system).changes()
        query = caching.stats(world.emulator.demo_system)
        await query
        with pytest.raises(UsageError, match="in use already"):
            await query.changes()
    assert len(world.emulator.log) == 1


def test_the_rows_of_channels_are_told_apart() -> None:
    """Two of one end are of two channels."""

    def meter(*rows: tuple[int, int, float]) -> MeterIntervals:
        columns = list(zip(*((channel, end, wh, 0.0) for channel, end, wh in rows), strict=True))
        names = [column.name for column in columns_of(ChannelInterval)]
        by_name = dict(zip(("channel", "end_at", "wh_del", "curr_w"), columns, strict=True))
        return MeterIntervals("1", None, Series.of(ChannelInterval, *(by_name[name] for name in names)))

    before, after = meter((1, 900, 1.0), (2, 900, 2.0)), meter((1, 900, 1.0), (2, 900, 2.5), (2, 1800, 3.0))
    new, corrected = _changed_meters([after], [before])
    assert [list(each.intervals) for each in new] == [list(meter((2, 1800, 3.0)).intervals)]
    assert [list(each.intervals) for each in corrected] == [list(meter((2, 900, 2.5)).intervals)]
    assert _changed_meters([after], []) == ((after,), ())
