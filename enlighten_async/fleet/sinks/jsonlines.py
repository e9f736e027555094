"""Sinks in a file of lines, with cursors beside it: what is common to them, and JSON Lines."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from hashlib import blake2b
from io import FileIO
from typing import Any, Final, NamedTuple

import msgspec
from attrs import asdict, define, field

from enlighten_async.errors import InputError
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.sinks.base import locked, replace_file
from enlighten_async.state import in_thread, own_file
from enlighten_async.windows import DAY, as_datetime

DAYS: Final = 10
"""UTC days of which the place of the first row is kept: rows of the last five may be told again."""


SEEN_BYTES: Final = 1 << 20
"""Bytes of what tells which days of a file may have rows."""


class Key(NamedTuple):
    """The key of a line's row, which no other row has."""

    day: Hashable
    """Whose it is, and its UTC day."""
    end: str | bytes
    """Its end."""


@define
class _Committed:
    """The contents of `FILE.cursors`."""

    size: int = 0
    """Bytes of the file that are whole."""
    cursors: dict[str, dict[int, float]] = field(factory=dict)
    """Up to when each system is held, epoch seconds, by series."""
    written: dict[str, dict[int, str]] = field(factory=dict)
    """Digest of the last lines of each system, by series: the same lines are not written once more."""
    days: dict[int, int] = field(factory=dict)
    """The place in the file from which on all rows of a UTC day and later are, by the days since 1970."""


class LinesSink(ABC):
    """Rows in a file, one on each line, and in `FILE.cursors` up to when those of each system are written.

    `FILE.cursors` tells also how much of the file is whole: what a killed process wrote beyond that is cut
    off before more is written. `FILE.cursors.lock` lets one process write at a time.

    Args:
        path: the file; it is made where it is missing.

    Raises:
        InputError: the path is that of a device or the like, or of another user's file, or every user may put
            a link where one is on the way.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = own_file(path)
        self._beside = own_file(f"{self._path}.cursors")
        self._known: tuple[object, _Committed] | None = None  # and the identity of the file that told it
        self._seen = _Seen()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._path}>"

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when the rows of each system are written (aware UTC), by its number.

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

    @abstractmethod
    def _lines(self, change: Change) -> Iterable[bytes]:
        """Return the lines of a change: the system's rows, then those of each meter."""

    @staticmethod
    @abstractmethod
    def _key(line: bytes) -> Key | None:
        """Return the key of the row of a line; `None`: it is no line of this sink."""

    def _read(self) -> _Committed:
        """Return what is committed."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if not self._beside.exists():
            if size:
                raise InputError(f"{self._path} has rows and no {self._beside.name}: give another path")
            return _Committed()
        identity = self._identity()
        if self._known is None or self._known[0] != identity:
            self._known = identity, _committed(self._beside.read_bytes())
        found = self._known[1]
        if size < found.size:
            raise InputError(f"{self._path} has lost rows that {self._beside.name} tells of: move both away")
        return found

    def _identity(self) -> object:
        """Return what tells the file of cursors from the one before: each is another file."""
        found = self._beside.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _write(self, changes: Sequence[Change]) -> None:
        for path in (self._path, self._beside):
            own_file(path)  # a link or a device may have taken its place since
        if not changes:
            return
        with locked(self._beside):
            before = self._read()
            after, texts = self._added(before, changes)
            if texts and not self._beside.exists():  # or a file without cursors is left by who is killed now
                replace_file(self._beside, msgspec.json.encode(_Committed()))
            after.size = self._append(before.size, texts)
            if after != before:
                replace_file(self._beside, msgspec.json.encode(after))
                self._known = self._identity(), after

    def _added(self, before: _Committed, changes: Sequence[Change]) -> tuple[_Committed, list[bytes]]:
        """Return what is to be committed after changes, and their lines without those that are there."""
        cursors, written = _copied(before.cursors), _copied(before.written)
        texts, latest = [], self._latest(before, changes)
        for change in changes:
            text = b"".join(_unlike(latest, self._key, self._lines(change)))
            digest = blake2b(text, digest_size=8).hexdigest() if text else ""
            known = written.setdefault(change.series, {})
            if text and known.get(change.system_id) != digest:
                known[change.system_id] = digest
                texts.append(text)
            cursors.setdefault(change.series, {})[change.system_id] = change.until.timestamp()
        return _Committed(before.size, cursors, written, _days(before, changes)), texts

    def _latest(self, before: _Committed, changes: Sequence[Change]) -> dict[Key, bytes]:
        """Return the latest line of each row that may be written again; an empty one of a row that is not."""
        doubtful = [each for each in changes if each.may_repeat and (each.rows or each.meters)]
        keys = (self._key(line) for each in doubtful for line in self._lines(each))
        latest = {key: b"" for key in keys if key is not None}
        if not latest or not before.size:
            return latest
        first_day = min(_span(each)[0] for each in doubtful)
        start = max((at for day, at in before.days.items() if day <= first_day), default=0)
        seen = self._seen = self._seen if self._seen.covers(start, before.size) else _Seen(start)
        for key, _ in self._rows(seen.stop, before.size):
            seen.add(key.day)
        seen.stop = before.size
        if any(seen.may_have(each.day) for each in latest):
            for key, line in self._rows(start, before.size):
                if key in latest:
                    latest[key] = line
        return latest

    def _rows(self, start: int, stop: int) -> Iterator[tuple[Key, bytes]]:
        """Yield the rows of a part of the file: their keys, and their lines."""
        with self._path.open("rb") as file:
            at = file.seek(start)
            while at < stop and (line := file.readline()):  # what is behind it was not committed
                at += len(line)
                if (key := self._key(line)) is not None:
                    yield key, line

    def _append(self, size: int, texts: Sequence[bytes]) -> int:
        """Write texts after what is whole, and return the new size; nothing is touched without any."""
        if not texts:
            return size
        with self._path.open("r+b" if self._path.exists() else "w+b", buffering=0) as file:
            file.truncate(size)
            file.seek(size)
            try:
                for text in texts:
                    _write_all(file, text)
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(size)  # no reader finds half a row
                raise
        return size + sum(map(len, texts))


class _Seen:
    """The days of which a part of a file may have rows, as bits by a hash: what has no bit is not there.

    Args:
        start: where the part begins.

    Attributes:
        stop: where it ends.
    """

    def __init__(self, start: int = 0) -> None:
        self._start = self.stop = start
        self._bits = bytearray(SEEN_BYTES)

    def covers(self, start: int, size: int) -> bool:
        """Tell whether it is of a file from there on, which has so many bytes now."""
        return self._start <= start and self.stop <= size

    def add(self, day: Hashable) -> None:
        """Note a row."""
        at = hash(day) % (8 * SEEN_BYTES)
        self._bits[at // 8] |= 1 << at % 8

    def may_have(self, day: Hashable) -> bool:
        """Tell whether there may be rows of a day."""
        at = hash(day) % (8 * SEEN_BYTES)
        return bool(self._bits[at // 8] & 1 << at % 8)


def _unlike(
    latest: dict[Key, bytes], key_of: Callable[[bytes], Key | None], lines: Iterable[bytes]
) -> Iterator[bytes]:
    """Yield lines, but not one that is like the latest of its key, and note them."""
    for line in lines:
        if latest and (key := key_of(line)) in latest and key is not None:
            if latest[key] == line:
                continue
            latest[key] = line
        yield line


def _span(change: Change) -> tuple[int, int]:
    """Return the UTC days, since 1970, of the first and of the last row of a change."""
    series = [change.rows, *(each.intervals for each in change.meters)]
    ends = [
        end for each in series if each for end in (min(each.columns["end_at"]), max(each.columns["end_at"]))
    ]
    return int(min(ends) // DAY), int(max(ends) // DAY)


def _days(before: _Committed, changes: Sequence[Change]) -> dict[int, int]:
    """Return the places of the days, the newest of them, once changes are written."""
    newest = max((_span(each)[1] for each in changes if each.rows or each.meters), default=None)
    if newest is None or newest <= max(before.days, default=-1):
        return before.days
    at = before.size if before.days else 0  # what a file without them has is not known
    days = {**before.days, newest: at}
    return dict(sorted(days.items())[-DAYS:])


def _write_all(file: FileIO, text: bytes) -> None:
    """Write a text; a file without a buffer may take a part of it only."""
    rest = memoryview(text)
    while rest:
        rest = rest[file.write(rest) :]


class JsonLinesSink(LinesSink):
    """Rows in a file, an object on each line.

    Each row has `system_id`, `series` and `end_at`; one of a meter also `meter` and `channel`. A row that
    was corrected is written again: of two lines of one key the later one is valid. `FILE.cursors` has up
    to when the rows of each system are written, and how much of the file is whole: what a killed process
    wrote beyond that is cut off before more is written.

    Args:
        path: the file; it is made where it is missing.

    Raises:
        InputError: the path is that of a device or the like, or of another user's file, or every user may put
            a link where one is on the way.
    """

    def _lines(self, change: Change) -> Iterable[bytes]:
        return json_lines(change)

    @staticmethod
    def _key(line: bytes) -> Key | None:
        try:
            row = msgspec.json.decode(line, type=_Row)
        except msgspec.MsgspecError:
            return None
        whose = row.system_id, row.series, row.meter, row.channel
        return Key((whose, row.end_at[:10]), row.end_at)


class _Row(msgspec.Struct):
    """The attributes of a line that make up its row's key."""

    system_id: int
    series: str
    end_at: str
    meter: str = ""
    channel: int = 0


def json_lines(change: Change) -> Iterable[bytes]:
    """Yield the rows of a change as JSON, a line each: the system's, then those of each meter.

    Args:
        change: the change.
    """
    told: dict[str, Any] = {"system_id": change.system_id, "series": change.series}
    for row in change.rows:
        yield msgspec.json.encode({**told, **asdict(row)}) + b"\n"
    for meter in change.meters:
        whose = {**told, "meter": meter.meter_serial_number}
        for row in meter.intervals:
            yield msgspec.json.encode({**whose, **asdict(row)}) + b"\n"


def _committed(text: bytes) -> _Committed:
    """Return what a file of cursors tells."""
    try:
        return msgspec.json.decode(text, type=_Committed)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    raise InputError("the file of cursors cannot be understood, and rows may be lost: move both files away")


def _copied(values: Mapping[str, dict[int, Any]]) -> dict[str, dict[int, Any]]:
    return {series: dict(each) for series, each in values.items()}
