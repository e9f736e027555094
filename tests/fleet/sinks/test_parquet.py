"""Rows in a folder of Parquet files, and cursors beside them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import InputError
from enlighten_async.fleet import Change, ParquetSink
from enlighten_async.fleet.sinks import parquet
from tests.fleet.sinks.changes import Key, Row, change, cursors, expected
from tests.fleet.sinks.contract import SinkContract

pytestmark = pytest.mark.dataframes

pytest.importorskip("pyarrow")

DAY = 96


def read(folder: Path) -> dict[Key, Row]:
    """Return the rows in a folder, as any reader of data sets finds them."""
    from pyarrow import dataset  # noqa: PLC0415 - optional

    held: dict[Key, Row] = {}
    for path in sorted(folder.glob("series=*")):
        found = dataset.dataset(path, format="parquet", partitioning="hive").to_table()
        for row in found.to_pylist():
            values: dict[str, Any] = row
            assert (values.pop("year"), values.pop("month")) == (row["end_at"].year, row["end_at"].month)
            end = int(values.pop("end_at").timestamp())
            series = path.name.partition("=")[2]
            key = series, *(values.pop(name) for name in ("system_id", "meter", "channel")), end
            assert key not in held
            held[key] = {name: value for name, value in values.items() if value is not None}
    return held


class TestParquetSink(SinkContract):
    """A folder."""

    @pytest.fixture(autouse=True)
    def breakable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let tests break what is called."""
        self.monkeypatch = monkeypatch

    @property
    def path(self) -> Path:
        """Its path."""
        return self.folder / "rows"

    @property
    def target(self) -> str:
        """Its name."""
        return f"parquet:{self.path}"

    def held(self) -> dict[Key, Row]:
        """Return its rows."""
        return read(self.path)

    async def fail(self, changes: list[Change]) -> None:
        """The disk is full when the cursors are written."""
        real = parquet.replace_file

        def full(path: Path, data: bytes) -> None:
            if path.name == parquet.CURSORS:
                raise OSError(28, "no space left on device")
            real(path, data)

        with self.monkeypatch.context() as broken:
            broken.setattr(parquet, "replace_file", full)
            with pytest.raises(OSError, match="no space"):
                await self.sink().write(changes)

    async def test_a_month_is_put_together_when_it_is_settled(self) -> None:
        """And a correction that comes later finds its place; what a killed process left is cleared away."""
        june = [change(1, day * DAY, DAY, meters=False) for day in range(3)]
        for each in june:
            await self.sink().write([each])
        month = self.path / "series=rgm_stats" / "year=2025" / "month=06"
        assert [each.name for each in sorted(month.iterdir())] == [
            *("16.parquet", "17.parquet", "18.parquet", "19.parquet")
        ]
        left = month.joinpath("16.parquet").read_bytes()
        july = change(1, 27 * DAY, 4, meters=False)
        await self.sink().write([july])
        assert [each.name for each in month.iterdir()] == ["month.parquet"]
        late = change(1, DAY, 4, 70.0, corrected=4, meters=False)
        await self.sink().write([late])
        month.joinpath("16.parquet").write_bytes(left)  # as if it had been killed before it was removed
        assert await self.sink().cursors("rgm_stats") == cursors([july, late])
        assert [each.name for each in month.iterdir()] == ["month.parquet"]
        month.joinpath("16.parquet").write_bytes(left)
        await self.sink().write([change(1, 28 * DAY, 4, meters=False)])
        assert [each.name for each in month.iterdir()] == ["month.parquet"]
        held = [*june, july, late, change(1, 28 * DAY, 4, meters=False)]
        assert self.held() == expected(held)

    async def test_files_stay_as_they_are_where_nothing_changes(self) -> None:
        """Not even their times change."""
        await self.sink().write([change(1, 0, 8)])
        files = {path: path.stat().st_mtime_ns for path in self.path.rglob("*") if path.is_file()}
        await self.sink().write([change(1, 0, 8)])
        assert {path: path.stat().st_mtime_ns for path in self.path.rglob("*") if path.is_file()} == files

    async def test_what_is_no_folder_of_a_fleet_is_refused(self) -> None:
        """A file; files of another shape."""
        (self.folder / "file").write_text("mine")
        with pytest.raises(InputError, match="no folder"):
            ParquetSink(self.folder / "file")
        with pytest.raises(InputError, match="does not exist"):
            ParquetSink(self.folder / "none" / "rows")
        await self.sink().write([change(1, 0, 8)])
        day = self.path / "series=rgm_stats" / "year=2025" / "month=06" / "16.parquet"
        day.write_text("mine")
        with pytest.raises(InputError, match="no Parquet file"):
            await self.sink().write([change(1, 8, 8)])
        assert day.read_text() == "mine"
        assert await self.sink().cursors("rgm_stats") == cursors([change(1, 0, 8)])
        (self.path / "series=rgm_stats" / parquet.CURSORS).write_text("[]")
        with pytest.raises(InputError, match="no cursors"):
            await self.sink().cursors("rgm_stats")


def test_others_read_the_folder(tmp_path: Path) -> None:
    """DuckDB and polars, as one table."""
    import asyncio  # noqa: PLC0415

    import duckdb  # noqa: PLC0415 - optional
    import polars  # noqa: PLC0415 - optional

    changes = [change(1, 0, 2 * DAY), change(2, 0, DAY)]
    asyncio.run(ParquetSink(tmp_path).write(changes))
    whole = sum(wh or 0 for each in changes for row in each.rows for wh in [row.wh_del])
    query = f"SELECT sum(wh_del), min(series) FROM '{tmp_path}/*/*/*/*.parquet' WHERE channel = 0"  # noqa: S608
    assert duckdb.sql(query).fetchall() == [(whole, "rgm_stats")]
    frame = polars.scan_parquet(tmp_path / "**" / "*.parquet").filter(polars.col("channel") == 0).collect()
    assert frame["wh_del"].sum() == whole
    assert timedelta(days=4) < parquet.SETTLED


async def test_links_of_others_are_not_followed(tmp_path: Path) -> None:
    """In a folder where every user may put one, in place of a file of rows or of the cursors."""
    for number, name in enumerate(("year=2025/month=06/17.parquet", "_cursors.json")):
        folder = tmp_path / str(number)
        sink = ParquetSink(folder)
        await sink.write([change(1, 0, 4)])
        path = folder / "series=rgm_stats" / name
        path.unlink(missing_ok=True)
        path.parent.chmod(0o1777)
        path.symlink_to(tmp_path / "none")
        with pytest.raises(InputError, match="symbolic link"):
            await sink.write([change(1, 97, 4)])
        assert not (tmp_path / "none").exists()
