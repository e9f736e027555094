"""Answers in polars, pandas, DuckDB and pyarrow: the same sums, nulls, integers and instants in each."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from enlighten_async import InputError, RgmStats, concat, models
from enlighten_async.models.series import Series
from enlighten_async.windows import Window
from tests.export.answers import HOSTILE, START, answer, intervals, kinds
from tests.export.test_answers import rows
from tests.world import World

pytestmark = pytest.mark.dataframes

KINDS = sorted(kinds(), key=lambda kind: kind.__name__)
ZONES = ["America/Los_Angeles", "Australia/Lord_Howe", "UTC"]


@pytest.fixture(scope="module")
def year() -> RgmStats:
    """A year of a system with meters."""

    async def fetched() -> RgmStats:
        world = World()
        async with world.client() as client:
            return await client.rgm_stats(world.system, **world.days(365))

    return asyncio.run(fetched())


def totals(year: RgmStats) -> tuple[int, float, int]:
    """Return the number of rows, their energy, and the sum of the counts of devices."""
    energy = sum(each.wh_del or 0 for each in year.intervals)
    return len(year.intervals), energy, sum(each.devices_reporting or 0 for each in year.intervals)


def plain(value: Any) -> object:
    """Return a value of pandas or numpy as one of Python, anything for null as `None`."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if value is None or type(value).__name__ in {"NAType", "NaTType"} or value != value:  # noqa: PLR0124
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


def test_polars_has_the_sums_of_a_year(year: RgmStats) -> None:
    """Energy to the Wh."""
    frame = year.to_polars()
    assert (frame.height, frame["wh_del"].sum(), frame["devices_reporting"].sum()) == totals(year)
    meters = year.meter_table().to_polars()
    expected = sum(row.wh_del or 0 for meter in year.meter_intervals for row in meter.intervals)
    assert meters["wh_del"].sum() == expected > 0


def test_pandas_has_the_sums_of_a_year(year: RgmStats) -> None:
    """With pyarrow and without."""
    frame = year.to_pandas()
    assert (len(frame), frame["wh_del"].sum(), frame["devices_reporting"].sum()) == totals(year)
    meters = year.meter_table().to_pandas()
    expected = sum(row.wh_del or 0 for meter in year.meter_intervals for row in meter.intervals)
    assert meters["wh_del"].sum() == expected > 0


def test_pandas_reads_the_stream_by_pyarrow(year: RgmStats) -> None:
    """As its own function does, which needs pyarrow."""
    pytest.importorskip("pyarrow")
    import pandas  # noqa: PLC0415 - optional

    if not hasattr(pandas.DataFrame, "from_arrow"):
        pytest.skip("since pandas 3")
    frame = pandas.DataFrame.from_arrow(year)
    assert (len(frame), frame["wh_del"].sum(), frame["devices_reporting"].sum()) == totals(year)


def test_duckdb_reads_a_result_by_its_name(year: RgmStats) -> None:
    """Sums of the whole, and of local days as the answer's own, those of 23 and 25 hours too."""
    import duckdb  # noqa: PLC0415 - optional

    database = duckdb.connect()
    whole = database.sql("SELECT count(*), sum(wh_del), sum(devices_reporting)::BIGINT FROM year").fetchall()
    assert whole == [totals(year)]
    database.sql("SET TimeZone = 'America/Los_Angeles'")
    days = database.sql(
        "SELECT (end_at - INTERVAL 15 MINUTES)::DATE AS day, sum(wh_del) FROM year GROUP BY day ORDER BY day"
    ).fetchall()
    assert days == [(each.start.date(), each.wh) for each in year.sums("day", timezone="America/Los_Angeles")]


def test_pyarrow_has_the_sums_of_a_year(year: RgmStats) -> None:
    """And the types as they were handed over."""
    pyarrow = pytest.importorskip("pyarrow")
    compute = pytest.importorskip("pyarrow.compute")
    table = year.to_arrow()
    table.validate(full=True)
    sums = [compute.sum(table[name]).as_py() for name in ("wh_del", "devices_reporting")]
    assert (table.num_rows, *sums) == totals(year)
    assert table.schema.field("end_at").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("wh_del").metadata == {b"unit": b"Wh"}


@pytest.mark.parametrize("count", [0, 9])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_polars_has_the_values_of_every_kind(kind: type[Any], count: int) -> None:
    """Nulls, integers, instants, days, texts and lists."""
    shown = answer(kind, count)
    assert shown.to_polars().to_dicts() == rows(shown._table())


@pytest.mark.parametrize("count", [0, 9])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_pandas_has_the_values_of_every_kind(kind: type[Any], count: int) -> None:
    """The same; a local day is a midnight."""
    shown = answer(kind, count)
    found = [
        {name: plain(each) for name, each in row.items()} for row in shown.to_pandas().to_dict("records")
    ]
    assert found == [{name: midnight(each) for name, each in row.items()} for row in rows(shown._table())]


def midnight(value: object) -> object:
    """Return a date as pandas has it."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime.combine(value, datetime.time())
    return value


@pytest.mark.parametrize("count", [0, 9])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_pyarrow_has_the_values_of_every_kind(kind: type[Any], count: int) -> None:
    """And finds nothing wrong with the buffers."""
    pytest.importorskip("pyarrow")
    shown = answer(kind, count)
    table = shown.to_arrow()
    table.validate(full=True)
    assert table.to_pylist() == rows(shown._table())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_pandas_has_the_same_types_with_rows_and_without(kind: type[Any]) -> None:
    """Whether there is a null or not."""
    empty, full = answer(kind, 0).to_pandas(), answer(kind, 9).to_pandas()
    assert dict(empty.dtypes) == dict(full.dtypes)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("stamp", ["end", "start"])
def test_pandas_shows_instants_in_a_zone(zone: str, stamp: Any) -> None:
    """The same moments, also where the clocks change; the start is one interval before the end."""
    stats = intervals(models.RgmStats, 9)
    frame = stats.to_pandas(stamp=stamp, tz=zone)
    before = datetime.timedelta(minutes=15 if stamp == "start" else 0)
    moments = [each.to_pydatetime() for each in frame[f"{stamp}_at"]]
    assert moments == [row.end_at - before for row in stats.intervals]
    assert str(frame[f"{stamp}_at"].dtype) == f"datetime64[us, {zone}]"
    assert frame.equals(stats.to_pandas(stamp=stamp, tz=ZoneInfo(zone)))
    offsets = [each.utcoffset() for each in moments]
    assert offsets == [
        (row.end_at - before).astimezone(ZoneInfo(zone)).utcoffset() for row in stats.intervals
    ]
    assert list(frame) == ["system_id", f"{stamp}_at", "devices_reporting", "wh_del"]


def test_starts_are_those_of_each_answer_s_own_grid() -> None:
    """In a table of chargers that report by 5 and by 15 minutes."""
    quarters = intervals(models.EvseTelemetry, 2)
    fives = models.EvseTelemetry(
        *(1765, 1, None, quarters.window, None),
        Series.of(models.ConsumedInterval, [START + 300, START + 600], [1.0, 2.0]),
        serial_number="2",
        coverage=models.Coverage(quarters.window, 300),
    )
    starts = concat([quarters, fives]).to_pandas(stamp="start")["start_at"]
    assert [each.timestamp() - START for each in starts] == [0, 900, 0, 300]


def test_starts_are_those_of_each_row_s_own_interval() -> None:
    """Where rows of two lengths came; one that is not known has no start."""
    window = Window(START, START + 1800)
    mixed = models.EvseTelemetry(
        *(1765, 1, None, window, None),
        Series.of(models.ConsumedInterval, [START + 900, START + 1500, START + 1800], [1.0, 2.0, 3.0]),
        serial_number="2",
        coverage=models.Coverage(window, 300),
    )
    starts = mixed.to_pandas(stamp="start")["start_at"]
    assert starts[0].timestamp() - START == 0
    assert str(starts[1]) == "NaT"
    assert starts[2].timestamp() - START == 1500


def test_wrong_arguments_cost_one_line() -> None:
    """An unknown zone, an unknown stamp, a start where there is none."""
    with pytest.raises(InputError, match="Mars"):
        answer(models.RgmStats).to_pandas(tz="Mars/Olympus")
    with pytest.raises(InputError, match="stamp must be 'end' or 'start'"):
        answer(models.RgmStats).to_pandas(stamp="middle")
    with pytest.raises(InputError, match="no intervals"):
        answer(models.Systems).to_pandas(stamp="start")


def test_what_was_read_outlives_the_answer() -> None:
    """Buffers are shared, not borrowed."""
    table = concat(intervals(models.RgmStats, 1_000, number) for number in range(20))
    expected = rows(table)
    frame, other = table.to_polars(), table.to_pandas()
    del table
    assert frame.to_dicts() == expected
    assert other["system_id"].sum() == sum(each["system_id"] for each in expected)


def test_a_hostile_name_stays_as_it_is() -> None:
    """Control characters, direction marks and all."""
    assert HOSTILE in answer(models.Systems).to_polars()["system_name"].to_list()
    assert HOSTILE in list(answer(models.Systems).to_pandas()["system_name"])
