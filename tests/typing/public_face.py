"""What a type checker makes of the public face; checked by mypy, never run."""

from __future__ import annotations

import asyncio
from typing import assert_type

from enlighten_async import (
    Alarms,
    Answered,
    Battery,
    BatteryDay,
    BatteryInterval,
    BatterySettings,
    ChannelInterval,
    ConsumedInterval,
    ConsumptionStats,
    Devices,
    EnergyImportInterval,
    EnlightenClient,
    EnlightenError,
    Envoys,
    Estimate,
    EvChargerEvent,
    EvChargerSessions,
    Event,
    Events,
    EventTypes,
    Failed,
    Inventory,
    InvertersSummary,
    LatestTelemetry,
    LifetimeDay,
    MicroInterval,
    MicroTelemetry,
    ProductionMeterReadings,
    Receipt,
    RgmInterval,
    RgmStats,
    Series,
    Stats,
    StatsInterval,
    StorageMeterReadings,
    StorageTelemetry,
    Sum,
    Summary,
    System,
    SystemDetails,
    SystemDevice,
    SystemId,
    Systems,
    Table,
    as_completed,
    concat,
)
from enlighten_async.export.shapes import RgmStatsDict


async def results(client: EnlightenClient) -> None:
    """Awaited, each query gives its own type."""
    stats = await client.rgm_stats(1765)
    assert_type(stats, RgmStats)
    assert_type(stats.to_dict(), RgmStatsDict)
    assert_type(RgmStats.from_dict(stats.to_dict()), RgmStats)
    assert_type(stats.intervals, Series[RgmInterval])
    assert_type(stats.intervals[0], RgmInterval)
    assert_type(stats.intervals[1:], Series[RgmInterval])
    assert_type(stats.meter_intervals[0].channel(1)[0], ChannelInterval)
    assert_type(stats.sums("day"), list[Sum])
    assert_type(await client.summary("1765"), Summary)
    assert_type(await client.systems(), Systems)
    assert_type(await client.systems().estimate(), Estimate)
    assert_type((await client.stats(1765)).intervals[0], StatsInterval)
    assert_type(await client.consumption_stats(1765), ConsumptionStats)
    assert_type((await client.energy_lifetime(1765, production="all"))[0], LifetimeDay)
    assert_type(await client.envoys(1765), Envoys)
    assert_type(await client.inventory(1765), Inventory)
    assert_type(await client.inverters_summary_by_envoy_or_site(1765), InvertersSummary)
    assert_type(await client.production_meter_readings(1765), ProductionMeterReadings)
    assert_type(await client.search_system_id("121817030000"), SystemId)
    assert_type(client.with_options(max_wait=None), EnlightenClient)


async def site(client: EnlightenClient) -> None:
    """What only v4 has, beside series."""
    devices = await client.devices(1765)
    assert_type(devices, Devices)
    assert_type(devices.micros[0], SystemDevice)
    assert_type(await client.system(1765), SystemDetails)
    assert_type(await client.latest_telemetry(1765), LatestTelemetry)
    assert_type(await client.storage_meter_readings(1765), StorageMeterReadings)
    events = await client.events(1765, start_time=0)
    assert_type(events[0], Event)
    assert_type(events.coverage.complete, bool)
    assert_type(await client.alarms(1765, start_time=0, cleared=True), Alarms)
    assert_type(await client.event_types(), EventTypes)
    assert_type(await client.ev_charger_sessions(1765, "0121"), EvChargerSessions)
    assert_type(await client.battery_settings(1765), BatterySettings)
    async for week in client.events(1765, start_time=0):
        assert_type(week, Events)
    async for event in client.ev_charger_events(1765):
        assert_type(event, EvChargerEvent)


async def parts(client: EnlightenClient) -> None:
    """Streamed, each query gives its parts."""
    async for system in client.systems():
        assert_type(system, System)
    async for week in client.rgm_stats(1765):
        assert_type(week, RgmStats)
    async for day in client.stats(1765):
        assert_type(day, Stats)


async def tasks(client: EnlightenClient) -> None:
    """A query is a coroutine to the type checker as well."""
    assert_type(await asyncio.create_task(client.summary(1765)), Summary)
    assert_type((await asyncio.gather(client.summary(1765), client.systems()))[1], Systems)
    async with asyncio.TaskGroup() as group:
        assert_type(group.create_task(client.systems()), asyncio.Task[Systems])
    assert_type(asyncio.run(client.summary(1765)), Summary)


async def telemetry(client: EnlightenClient) -> None:
    """Series and lifetimes that only v4 has."""
    battery = await client.battery(1765)
    assert_type(battery, Battery)
    assert_type(battery.intervals[0], BatteryInterval)
    assert_type(battery.sums("day", of="charge"), list[Sum])
    assert_type((await client.production_meter(1765)).intervals, Series[RgmInterval])
    assert_type((await client.energy_import_telemetry(1765)).intervals[0], EnergyImportInterval)
    micros = await client.micros_telemetry(1765)
    assert_type(micros[0], MicroTelemetry)
    assert_type(micros.devices[0].intervals[0], MicroInterval)
    assert_type((await client.evse_telemetry(1765, "1")).intervals[0], ConsumedInterval)
    async for part in client.encharge_telemetry(1765, "1"):
        assert_type(part, StorageTelemetry)
    assert_type((await client.hp_lifetime(1765))[0], LifetimeDay)
    assert_type((await client.battery_lifetime(1765))[0], BatteryDay)


async def many(client: EnlightenClient) -> None:
    """The outcomes of a pool are told apart by their type, and keep that of the answers."""
    async with as_completed(client.rgm_stats(each) for each in (1, 2)) as outcomes:
        assert_type(outcomes.receipt, Receipt)
        async for outcome in outcomes:
            if isinstance(outcome, Answered):
                assert_type(outcome.answer, RgmStats)
            else:
                assert_type(outcome.error, EnlightenError)
                assert_type(outcome.query.partial(), RgmStats | None)
    async with as_completed([client.systems()], ordered=True) as lists:
        assert_type([outcome async for outcome in lists], list[Answered[Systems] | Failed[Systems]])
    async with as_completed(client.summary(each.system_id) async for each in client.systems()) as days:
        async for day in days:
            match day:
                case Answered(answer=answer):
                    assert_type(answer, Summary)
                case Failed(error=error):
                    assert_type(error, EnlightenError)


async def columns(client: EnlightenClient) -> None:
    """The numbers of a series are typed as what they are; answers are tables."""
    stats = await client.rgm_stats(1765)
    assert_type(stats.intervals.columns["end_at"], memoryview[int])
    assert_type(stats.intervals.columns["wh_del"], memoryview[float])
    assert_type(stats.intervals.columns["wh_del"][0], float)
    assert_type(stats.meter_intervals[0].intervals.columns["channel"], memoryview[int])
    assert_type(stats.meter_table(), Table)
    assert_type(concat([stats, stats]), Table)
    assert_type(concat(part.intervals for part in [stats]), Table)
