"""ParquetSink: the rows of a fleet in a folder of Parquet files, and its cursors in a file beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from enlighten_async.errors import InputError
from enlighten_async.export.frames import load, require, to_arrow
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.sinks.base import KEY, SeriesChanges, by_series, locked, replace_file
from enlighten_async.state import in_thread, own_file
from enlighten_async.windows import DAY, as_datetime

CURSORS: Final = "_cursors.json"
"""The file of cursors; readers of data sets leave out what begins with "_"."""

MONTH: Final = "month.parquet"
"""The file of a whole month; before it is compacted there is one for each day, such as `07.parquet`."""

SETTLED: Final = timedelta(days=8)
"""Time after which a month's rows seldom change, so that its days are put together."""


class ParquetSink:
    """Rows in Parquet files in a folder, one of each UTC day, later of each month; needs the extra `pyarrow`.

    They lie in `series=rgm_stats/year=2025/month=06/`, as readers of data sets expect: DuckDB, polars, pandas
    and Spark read `FOLDER/**/*.parquet` as one table. The key is (`series`, `system_id`, `meter`,
    `channel`, `end_at`): rows of the whole system have the meter '' and channel 0. No row is in it twice: a
    file that gets rows is written anew beside the old one, then takes its place at once. Eight days
    after its end a month is put together in one file.

    `series=…/_cursors.json` has up to when the rows of each system are written; the file is written after the
    rows. What a killed process wrote and did not note there is written once more, to the same effect.
    `_cursors.json.lock` lets one process write at a time. The sink is meant for up to some thousand
    systems: each write takes as long as the files of the days that it changes.

    Args:
        folder: the folder; it is made where it is missing.

    Raises:
        InputError: every user may put a link where one is on the way, or there is no folder to make it in.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        named = Path(folder)
        if named.exists() and not named.is_dir():
            raise InputError(f"{named} is no folder: name another one for the files")
        self._folder = own_file(named / CURSORS if named.is_dir() else named)
        if named.is_dir():
            self._folder = self._folder.parent
        self._settled: dict[str, date] = {}  # the day up to which months were looked at, by series

    def __repr__(self) -> str:
        return f"<ParquetSink {self._folder}>"

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when the rows of each system are written (aware UTC), by its number.

        Args:
            series: name of the series.

        Raises:
            InputError: pyarrow is not installed, or the file of cursors cannot be understood.
            OSError: it cannot be read.
        """
        require("pyarrow", "pyarrow")  # before anything is polled whose rows could not be written
        with suppress(OSError):  # who only reads may not be allowed to
            await in_thread(partial(self._drop_days, series))
        found = await in_thread(partial(self._read, series))
        return {system_id: as_datetime(until) for system_id, until in found.items()}

    async def write(self, changes: Sequence[Change]) -> None:
        """Write rows, then cursors.

        Args:
            changes: the changes.

        Raises:
            InputError: pyarrow is not installed, or a file in the folder is none of this sink.
            OSError: it cannot be written; no cursor has moved.
        """
        await in_thread(partial(self._write, changes))

    def _of(self, series: str) -> Path:
        return self._folder / f"series={series}"

    def _read(self, series: str) -> dict[int, float]:
        """Return the cursors of a series, epoch seconds."""
        path = self._of(series) / CURSORS
        try:
            return msgspec.json.decode(path.read_bytes() if path.exists() else b"{}", type=dict[int, float])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise InputError(f"{path} has no cursors: move the folder away") from None

    def _write(self, changes: Sequence[Change]) -> None:
        load("pyarrow", "pyarrow")
        for each in by_series(changes):
            self._of(each.series).mkdir(parents=True, exist_ok=True)
            path = self._of(each.series) / CURSORS
            with locked(path):
                before = self._read(each.series)
                moved = {system_id: until.timestamp() for system_id, until in each.cursors.items()}
                for day, rows in _by_day(each):
                    self._merge(self._file_of(each.series, day), rows)
                if (after := {**before, **moved}) != before:
                    replace_file(path, msgspec.json.encode(after))
                self._settle(each.series, as_datetime(max(after.values())))

    def _settle(self, series: str, newest: datetime) -> None:
        """Put months together, once a day."""
        if self._settled.get(series) != newest.date():
            self._compact(series, newest)
            self._settled[series] = newest.date()

    def _file_of(self, series: str, day: date) -> Path:
        """Return the file that has the rows of a day, or is to have them."""
        folder = self._of(series) / f"year={day:%Y}" / f"month={day:%m}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / MONTH if (folder / MONTH).exists() else folder / f"{day:%d}.parquet"

    def _merge(self, path: Path, rows: Any) -> None:
        """Give a file more rows, which take the place of those of the same key."""
        if path.exists():
            held = _table(path)
            rows = _merged(held, rows, path)
            if rows.equals(held):
                return
        replace_file(path, _parquet(rows))

    def _compact(self, series: str, until: datetime) -> None:
        """Put the days of each month that is settled into one file."""
        self._drop_days(series)
        for folder in sorted(self._of(series).glob("year=*/month=*")):
            year, month = (int(part.partition("=")[2]) for part in folder.parts[-2:])
            end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
            days = sorted(folder.glob("[0-9][0-9].parquet"))
            if not days or until < end + SETTLED:
                continue
            rows = load("pyarrow", "pyarrow").concat_tables([_table(day) for day in days])
            replace_file(folder / MONTH, _parquet(_sorted(rows)))
            self._drop_days(series)

    def _drop_days(self, series: str) -> None:
        """Remove the files of days whose month is one file: who is killed in between leaves rows twice."""
        for month in self._of(series).glob(f"year=*/month=*/{MONTH}"):
            for day in month.parent.glob("[0-9][0-9].parquet"):
                day.unlink(missing_ok=True)


def _by_day(changes: SeriesChanges) -> Iterator[tuple[date, Any]]:
    """Yield the rows of each UTC day, as tables of pyarrow."""
    compute = load("pyarrow.compute", "pyarrow")
    table = to_arrow(changes.table).replace_schema_metadata(None)
    days = compute.divide(table["end_at"].cast("int64"), DAY * 1_000_000)
    for number in compute.unique(days).to_pylist():
        rows = table.filter(compute.equal(days, number))
        yield as_datetime(number * DAY).date(), _sorted(rows)


def _sorted(rows: Any) -> Any:
    return rows.sort_by([(name, "ascending") for name in KEY]).combine_chunks()


def _merged(held: Any, rows: Any, path: Path) -> Any:
    pyarrow = load("pyarrow", "pyarrow")
    if held.schema.names != rows.schema.names:
        raise InputError(f"{path} has other columns than the series: move the folder away")
    kept = held.join(rows.select(KEY), list(KEY), join_type="left anti")
    return _sorted(pyarrow.concat_tables([kept.cast(rows.schema), rows]))


def _table(path: Path) -> Any:
    """Return the rows of a file; those of a folder's name are not among them."""
    pyarrow = load("pyarrow", "pyarrow")
    try:
        return load("pyarrow.parquet", "pyarrow").read_table(path, partitioning=None)
    except pyarrow.ArrowInvalid as error:
        text = f"{path} is no Parquet file ({error}): move the folder away"
    raise InputError(text)


def _parquet(rows: Any) -> bytes:
    """Return rows as the content of a file."""
    pyarrow, parquet = load("pyarrow", "pyarrow"), load("pyarrow.parquet", "pyarrow")
    with pyarrow.BufferOutputStream() as stream:
        parquet.write_table(rows, stream, compression="zstd")
        return bytes(stream.getvalue())
