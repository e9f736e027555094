"""JsonLinesSink: the rows of a fleet in a file, an object on each line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from attrs import asdict, define, field

from enlighten_async.errors import InputError
from enlighten_async.fleet.change import Change
from enlighten_async.state import in_thread
from enlighten_async.windows import as_datetime


@define
class _Committed:
    """What `FILE.cursors` holds."""

    size: int = 0
    """Bytes of the file that are whole."""
    cursors: dict[str, dict[int, float]] = field(factory=dict)
    """Up to when each system is held, epoch seconds, by series."""


class JsonLinesSink:
    """Rows in a file, an object on each line; one process writes it.

    Each row has `system_id`, `series` and `end_at`; one of a meter also `meter` and `channel`. A row that
    was corrected is written again: of two lines of one key the later one holds. `FILE.cursors`, beside it,
    tells up to when each system is held, and how much of the file is whole: what a killed process wrote
    beyond that is cut off before more is written.

    Args:
        path: the file; it is made where it is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._beside = Path(f"{self._path}.cursors")
        self._committed: _Committed | None = None

    def __repr__(self) -> str:
        return f"<JsonLinesSink {self._path}>"

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when each system is held (aware UTC), by its number.

        Args:
            series: name of the series.

        Raises:
            InputError: the file is none of a fleet, or lacks rows that it had.
            OSError: it cannot be read.
        """
        committed = await in_thread(self._read)
        return {number: as_datetime(until) for number, until in committed.cursors.get(series, {}).items()}

    async def write(self, changes: Sequence[Change]) -> None:
        """Write rows, then cursors.

        Args:
            changes: the changes.

        Raises:
            InputError: the file is none of a fleet, or lacks rows that it had.
            OSError: it cannot be written; what is whole stays as it was.
        """
        await in_thread(partial(self._write, changes))

    def _read(self) -> _Committed:
        """Return what is committed."""
        if self._committed is not None:
            return self._committed
        size = self._path.stat().st_size if self._path.exists() else 0
        if not self._beside.exists():
            if size:
                raise InputError(f"{self._path} has rows and no {self._beside.name}: give another path")
            return _Committed()
        try:
            found = msgspec.json.decode(self._beside.read_bytes(), type=_Committed)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            found = None
        if found is None or size < found.size:
            raise InputError(
                f"{self._beside} does not belong to {self._path}, which may have lost rows: move both away"
            )
        return found

    def _write(self, changes: Sequence[Change]) -> None:
        before = self._read()
        cursors = {series: dict(each) for series, each in before.cursors.items()}
        for change in changes:
            cursors.setdefault(change.series, {})[change.system_id] = change.until.timestamp()
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.truncate(before.size)
            file.seek(before.size)
            for change in changes:
                file.writelines(_lines(change))
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        committed = _Committed(size, cursors)
        draft = Path(f"{self._beside}.tmp")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(committed))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._beside)
        self._committed = committed


def _lines(change: Change) -> Iterator[bytes]:
    """Yield the lines of a change: the system's rows, then those of each meter."""
    told: dict[str, Any] = {"system_id": change.system_id, "series": change.series}
    for row in change.rows:
        yield msgspec.json.encode({**told, **asdict(row)}) + b"\n"
    for meter in change.meters:
        whose = {**told, "meter": meter.meter_serial_number}
        for row in meter.intervals:
            yield msgspec.json.encode({**whose, **asdict(row)}) + b"\n"
