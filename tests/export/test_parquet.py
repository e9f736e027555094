"""Parquet: what pyarrow, polars, pandas and DuckDB read of it, in bounded memory."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import EnlightenClient, RgmStats, Summary, concat, write
from enlighten_async.export.encoders import ROW_GROUP_ROWS, ParquetEncoder
from tests.export.answers import answer, kinds
from tests.export.test_encoders import rows_of
from tests.world import World

pytestmark = pytest.mark.dataframes

parquet: Any = pytest.importorskip("pyarrow.parquet")

KINDS = sorted(kinds(), key=lambda kind: kind.__name__)
SYSTEMS = 20
MAX_GROWTH_BYTES = 64 * 2**20


def fleet(**settings: Any) -> tuple[World, EnlightenClient, list[int]]:
    """Return a service, a client and the ids of its user's systems."""
    world = World(systems=SYSTEMS, users=1, **settings)
    ids = [each.system_id for each in world.emulator.truth.systems(world.emulator.demo_user)]
    return world, world.client(), ids


def year(world: World, client: EnlightenClient, path: Path) -> tuple[float, int]:
    """Write a year of the demo system; return its energy and the number of its rows."""

    async def work() -> tuple[float, int]:
        answer = await client.rgm_stats(world.system, **world.days(365))
        export = await write(client.rgm_stats(world.system, **world.days(365)), path)
        assert export.rows == len(answer.intervals)
        return sum(each.wh_del or 0 for each in answer.intervals), export.rows

    return asyncio.run(work())


def test_every_library_reads_a_year(world: World, tmp_path: Path) -> None:
    """With the sums of the rows, in the types of the table."""
    duckdb, pandas, polars = map(pytest.importorskip, ("duckdb", "pandas", "polars"))
    path = tmp_path / "year.parquet"
    energy, count = year(world, world.client(), path)
    table = parquet.read_table(path)
    assert (table["wh_del"].to_pandas().sum(), len(table)) == (energy, count)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["end_at"] == "timestamp[us, tz=UTC]"
    assert types["devices_reporting"] in {"int16", "int64"}
    assert table.schema.field("wh_del").metadata[b"unit"] == b"Wh"
    frame = polars.read_parquet(path)
    assert (frame["wh_del"].sum(), len(frame), str(frame["end_at"].dtype.time_zone)) == (energy, count, "UTC")
    read = pandas.read_parquet(path)
    assert (read["wh_del"].sum(), len(read), str(read["end_at"].dt.tz)) == (energy, count, "UTC")
    found = duckdb.read_parquet(str(path)).aggregate("sum(wh_del), count(*)").fetchall()
    assert found == [(energy, count)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_kind_comes_back(kind: type[Any], tmp_path: Path) -> None:
    """Nulls, integers, instants, days, lists and hostile texts."""
    table, encoder, path = answer(kind)._table(), ParquetEncoder(), tmp_path / "a.parquet"
    path.write_bytes(encoder.encode(table) + encoder.encode(table) + encoder.finish())
    rows = parquet.read_table(path)
    assert rows.slice(0, len(table)) == rows.slice(len(table))
    assert rows.slice(0, len(table)).cast(table.to_arrow().schema) == table.to_arrow()
    assert len(rows_of(table)) * 2 == len(rows)


def test_row_groups_do_not_depend_on_the_parts(tmp_path: Path) -> None:
    """So the same rows give the same bytes, and what is held in memory is bounded."""
    rows = answer(RgmStats, 1_000)._table()
    files = []
    for each in (1, 7, 150):
        encoder, pieces = ParquetEncoder(), []
        for start in range(0, 150, each):
            count = min(each, 150 - start)
            table = type(rows)(rows.fields, rows.batches * count, rows.metadata)
            pieces.append(encoder.encode(table))
            assert sum(map(len, encoder._waiting)) < ROW_GROUP_ROWS
        files.append(b"".join([*pieces, encoder.finish()]))
    assert len(set(files)) == 1
    path = tmp_path / "a.parquet"
    path.write_bytes(files[0])
    groups = parquet.ParquetFile(path).metadata
    sizes = [groups.row_group(place).num_rows for place in range(groups.num_row_groups)]
    assert sizes == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 150_000 - 2 * ROW_GROUP_ROWS]


def test_an_interrupted_file_can_be_read(tmp_path: Path) -> None:
    """The rows that arrived, beside the file; the same export again is whole."""
    world, _, _ = fleet(latency=1.0)
    client = world.client(state=tmp_path / "state.db", max_concurrency=2)
    path, days = tmp_path / "a.parquet", {**world.days(120), "end_at": world.clock.now() - 10 * 86_400}

    async def work() -> int:
        export = write(client.rgm_stats(world.system, **days), path)
        with world.clock.move_on_after(5.5):
            await export
        assert export.path.suffix == ".partial"
        assert len(parquet.read_table(export.path)) == export.rows > 0
        whole = await write(client.rgm_stats(world.system, **days), path)
        again = await write(client.rgm_stats(world.system, **days), path)
        assert (whole.changed, again.changed) == (True, False)
        return whole.rows

    assert asyncio.run(work()) == len(parquet.read_table(path))
    assert not path.with_name("a.parquet.partial").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux tells it")
def test_half_a_million_rows_in_bounded_memory(tmp_path: Path) -> None:
    """A year of twenty systems, in the order of the queries."""
    world, _, ids = fleet()
    client = world.client(state=tmp_path / "state.db")

    async def work() -> tuple[int, int]:
        queries = (client.rgm_stats(each, **world.days(365)) for each in ids)
        await write(queries, tmp_path / "first.jsonl")
        await write(client.rgm_stats(ids[0], **world.days(30)), tmp_path / "small.parquet")
        before = resident()
        queries = (client.rgm_stats(each, **world.days(365)) for each in ids)
        export = await write(queries, tmp_path / "a.parquet", rows=noted)
        return export.rows, max(seen) - before

    seen: list[int] = []

    def noted(each: RgmStats) -> RgmStats:
        seen.append(resident())
        return each

    rows, growth = asyncio.run(work())
    assert rows > 480_000
    assert growth < MAX_GROWTH_BYTES
    systems = parquet.read_table(tmp_path / "a.parquet")["system_id"].to_pylist()
    assert list(dict.fromkeys(systems)) == [each for each in ids if each in set(systems)]


def resident() -> int:
    """Return the memory of this process, bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_summaries_of_many_systems_are_a_table(tmp_path: Path) -> None:
    """A row for each system, in a file and in each library; an answer without rows has its schema."""
    pandas, polars = map(pytest.importorskip, ("pandas", "polars"))
    world, client, ids = fleet()

    async def work() -> list[Summary]:
        await write((client.summary(each) for each in ids), tmp_path / "a.parquet")
        before = world.clock.now() - 40 * 365 * 86_400
        await write(client.rgm_stats(ids[0], start_at=before, end_at=before + 9_000), tmp_path / "b.parquet")
        return [await client.summary(each) for each in ids]

    summaries = asyncio.run(work())
    energy = sum(each.energy_lifetime for each in summaries)
    table, frame = concat(summaries), polars.read_parquet(tmp_path / "a.parquet")
    for each in (frame, table.to_polars(), table.to_pandas(), polars.DataFrame(table)):
        assert (len(each), each["energy_lifetime"].sum(), list(each["system_id"])) == (SYSTEMS, energy, ids)
    assert len(summaries[0].to_pandas()) == len(polars.DataFrame(summaries[0])) == 1
    assert pandas.read_parquet(tmp_path / "b.parquet").columns.tolist()[:2] == ["system_id", "end_at"]
