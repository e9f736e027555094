"""StreamSink: the rows of a fleet in a stream such as stdout, and its cursors in the shared state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import BinaryIO, Final

import msgspec

from enlighten_async.client import EnlightenClient
from enlighten_async.errors import InputError
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.sinks.base import ReaderGone
from enlighten_async.fleet.sinks.jsonlines import json_lines
from enlighten_async.state import DatabaseUnavailable, Moment, StateBackend, in_thread
from enlighten_async.windows import as_datetime

TIMEOUT_S: Final = 20.0
"""Seconds for which others may hold the state."""


class StreamSink:
    """Rows in an open stream, an object on each line as `JsonLinesSink` has them; cursors in the state.

    Each row is written at least once: who is killed between rows and cursors writes these rows again. All
    streams of one series that go by one state share the cursors.

    Args:
        stream: the stream, such as `sys.stdout.buffer`.
        client: a client with a state.

    Raises:
        InputError: the client has no state.
    """

    def __init__(self, stream: BinaryIO, client: EnlightenClient) -> None:
        backend = getattr(client._session.limiter._store, "backend", None)
        if not isinstance(backend, StateBackend):
            raise InputError("a stream has no place for cursors: give the client a state")
        self._stream, self._backend = stream, backend

    def __repr__(self) -> str:
        return f"<StreamSink {getattr(self._stream, 'name', 'stream')}>"

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when the rows of each system are written (aware UTC), by its number.

        Args:
            series: name of the series.

        Raises:
            OSError: the state cannot be read.
        """
        found = await self._moved(series, {})
        return {system_id: as_datetime(until) for system_id, until in found.items()}

    async def write(self, changes: Sequence[Change]) -> None:
        """Write rows, then cursors.

        Args:
            changes: the changes.

        Raises:
            ReaderGone: whoever read the stream has closed it.
            OSError: the stream or the state cannot be written.
        """
        await in_thread(partial(self._write, changes))
        moved: dict[str, dict[int, float]] = {}
        for change in changes:
            moved.setdefault(change.series, {})[change.system_id] = change.until.timestamp()
        for series, cursors in moved.items():
            await self._moved(series, cursors)

    def _write(self, changes: Sequence[Change]) -> None:
        try:
            for change in changes:
                self._stream.writelines(json_lines(change))
            self._stream.flush()
        except BrokenPipeError:
            gone = ReaderGone("nobody reads the rows any more")
        else:
            return
        raise gone

    async def _moved(self, series: str, cursors: Mapping[int, float]) -> dict[int, float]:
        """Move cursors, and return all of the series."""
        change = _Cursors(cursors)
        try:
            await self._backend.update(partial(_name, series), change, timeout_s=TIMEOUT_S)
        except DatabaseUnavailable as error:
            raise OSError(f"{self._backend}: {error}") from None
        return change.known


class _Cursors:
    """A change of the text of a series' cursors."""

    def __init__(self, moved: Mapping[int, float]) -> None:
        self._moved = moved
        self.known: dict[int, float] = {}

    def apply(self, text: str | None, moment: Moment) -> str | None:
        """Return the text with these cursors."""
        known = {} if text is None else msgspec.json.decode(text, type=dict[int, float])
        self.known = {**known, **self._moved}
        return msgspec.json.encode(self.known).decode() if self._moved else None

    def committed(self) -> None:
        """Do nothing."""


def _name(series: str, salt: bytes) -> bytes:
    """Return the name of the text of a series' cursors."""
    return blake2b(f"cursors of {series}".encode(), key=salt[:64], digest_size=32).digest()
