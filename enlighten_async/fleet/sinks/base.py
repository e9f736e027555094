"""Sink: the protocol of who keeps the rows of a fleet, and the rows of changes as tables."""

from __future__ import annotations

import inspect
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import frozen
from filelock import FileLock, Timeout

from enlighten_async.errors import EnlightenError
from enlighten_async.export import Table, table_of
from enlighten_async.export.columns import Batch, Column, DataType, Field, column_of, repeated, small_integers
from enlighten_async.export.draft import Draft
from enlighten_async.fleet.change import Change
from enlighten_async.models.rgm_stats import ChannelInterval
from enlighten_async.models.series import Series, concatenated
from enlighten_async.state import OWNER_ONLY, own_file

KEY: Final = ("system_id", "meter", "channel", "end_at")
"""The columns that tell a row of a series from all others."""

SYSTEM: Final = ("", 0)
"""Meter and channel of the rows of a whole system."""

LOCK_TIMEOUT_S: Final = 10.0
"""Seconds for which a write waits for that of another process."""

_METERED: Final = frozenset({"rgm_stats"})
"""The series that have rows of meters too."""

_KEYS: Final = (
    Field("system_id", DataType("int64"), nullable=False),
    Field("meter", DataType("text"), nullable=False),
    Field("channel", DataType("int16"), nullable=False),
    Field("end_at", DataType("timestamp"), nullable=False),
)


class Sink(Protocol):
    """A target for the rows of a fleet, and for its cursors: up to when each system's rows are written."""

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when the rows of each system are written (aware UTC), by its number.

        Args:
            series: name of the series; or of other cursors, such as "rgm_stats_history", which changes
                without rows have moved.
        """
        ...

    async def write(self, changes: Sequence[Change]) -> None:
        """Write rows and cursors, all of them or none; writing the same again changes nothing.

        Args:
            changes: the changes.

        Raises:
            OSError: it cannot write now; the same write comes again later.
        """
        ...


class FencedSink(Sink, Protocol):
    """A sink that several processes write, each to the systems of which it holds a lease."""

    async def write(self, changes: Sequence[Change], *, fence: int | None = None) -> None:
        """Write rows and cursors, all of them or none; writing the same again changes nothing.

        Args:
            changes: the changes.
            fence: a number that grows with each holder of a lease on these systems; `None`: no lease.

        Raises:
            StaleFence: one of the systems was written with a greater fence; nothing of this is written.
            OSError: it cannot write now; the same write comes again later.
        """
        ...


class ReaderGone(EnlightenError):
    """Nobody reads a stream any more: there is nothing to wait for."""


def takes_fence(sink: Sink) -> bool:
    """Tell whether a sink can be written by several processes with leases."""
    return "fence" in inspect.signature(sink.write).parameters


async def write_fenced(sink: Sink, changes: Sequence[Change], fence: int | None) -> None:
    """Have a sink keep changes, with a fence where it takes one.

    Args:
        sink: the sink.
        changes: the changes.
        fence: as for `FencedSink.write`.

    Raises:
        StaleFence: as for `FencedSink.write`.
        OSError: as for `Sink.write`.
    """
    write: Any = sink.write
    await (write(changes, fence=fence) if takes_fence(sink) else write(changes))


class StaleFence(EnlightenError):
    """A lease on systems has gone to another writer, who has written since: nothing is written."""


@frozen(eq=False)
class SeriesChanges:
    """The rows and the cursors of changes of one series."""

    series: str
    """Name of the series."""
    table: Table
    """The rows, one of each key, then the figures; those of a whole system have no meter, and channel 0."""
    cursors: Mapping[int, datetime]
    """Up to when each system is held with them, by its number."""


def by_series(changes: Sequence[Change]) -> list[SeriesChanges]:
    """Return the rows and the cursors of changes, series by series; of two rows of one key the later one.

    Args:
        changes: the changes, in the order in which they came.
    """
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(change.series, []).append(change)
    return [
        SeriesChanges(series, _table(series, each), {one.system_id: one.until for one in each})
        for series, each in found.items()
    ]


def _table(series: str, changes: Sequence[Change]) -> Table:
    fields = _fields(series, changes[0].rows)
    pieces: dict[tuple[int, str], list[Series[Any]]] = {}
    for change in changes:
        pieces.setdefault((change.system_id, SYSTEM[0]), []).append(change.rows)
        for meter in change.meters:
            pieces.setdefault((change.system_id, meter.meter_serial_number), []).append(meter.intervals)
    batches = (_batch(fields, key, _latest(concatenated(each))) for key, each in pieces.items())
    return Table(fields, tuple(batch for batch in batches if batch.length))


def _fields(series: str, rows: Series[Any]) -> tuple[Field, ...]:
    """Return the columns of a series: its key, then all figures of systems and of meters."""
    figures = {each.name: each for each in table_of(rows).fields}
    if series in _METERED:
        figures |= {each.name: each for each in table_of(Series.of(ChannelInterval)).fields}
    rest = [Field(each.name, each.type, metadata=each.metadata) for each in figures.values()]
    return (*_KEYS, *(each for each in rest if each.name not in KEY))


def _latest(rows: Series[Any]) -> Series[Any]:
    """Return rows of which each has another end, or channel: of several the last one."""
    columns = rows.columns
    keys = list(zip(columns["end_at"], columns.get("channel", columns["end_at"]), strict=True))
    last = {key: place for place, key in enumerate(keys)}
    if len(last) == len(keys):
        return rows
    return concatenated([rows[at : at + 1] for at in sorted(last.values())])


def _batch(fields: Sequence[Field], key: tuple[int, str], rows: Series[Any]) -> Batch:
    table, count = table_of(rows), len(rows)
    columns: dict[str, Column] = {
        "channel": small_integers(array("h", [SYSTEM[1]]) * count),
        **dict(zip((each.name for each in table.fields), table.batches[0].columns, strict=True)),
        "system_id": repeated(key[0], count),
        "meter": repeated(key[1], count),
    }
    absent = [None] * count
    return Batch(
        count, tuple(columns.get(each.name) or column_of(each.type, absent) for each in fields), None
    )


def replace_file(path: Path, data: bytes) -> None:
    """Give a file new content, at once: whoever reads it finds the old or the new one, whole.

    Args:
        path: the file, which is made where it is missing.
        data: the content.

    Raises:
        InputError: it is a device or the like, or another user's, or every user may put a link there.
        OSError: it cannot be written; it stays as it was.
    """
    draft = Draft(own_file(path))
    try:
        draft.write(data)
        draft.commit()
    except BaseException:
        draft.discard()
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file while the body runs, for which other processes, and threads, wait.

    Args:
        path: the file; the lock is the file `path.lock` beside it.

    Raises:
        InputError: that is a device or the like, or another user's, or every user may put a link there.
        OSError: others have held it all the time, or it cannot be made.
    """
    lock = FileLock(own_file(f"{path}.lock"), timeout=LOCK_TIMEOUT_S, mode=OWNER_ONLY)
    try:
        lock.acquire()
    except Timeout:
        raise OSError(f"another process has been writing {path} for {LOCK_TIMEOUT_S:g} s") from None
    try:
        yield
    finally:
        lock.release()
