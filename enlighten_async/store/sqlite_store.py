"""What was paid for, in a file, for all processes of a machine.

All of the work, parts to bytes and back as well, is done in threads. What is kept is only noted at first:
the next transaction of the file writes it, which is as a rule the one that counts the request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from enlighten_async.errors import EnlightenError
from enlighten_async.models.intervals import Ranged
from enlighten_async.state import Fault, Trouble, patiently
from enlighten_async.store.held import Stretch
from enlighten_async.store.kept import Kept, cut_to
from enlighten_async.store.tables import Tables, answer, read, stretch
from enlighten_async.windows import Window
from enlighten_async.wire import Reply, Response, Shelf

if TYPE_CHECKING:
    from enlighten_async.clock import Clock
    from enlighten_async.state import StateFile

P = TypeVar("P", bound=Ranged)
T = TypeVar("T")

PATIENCE = 1.0
"""Seconds to wait for the file while others hold it; after that it is as if nothing were held."""

logger = logging.getLogger("enlighten_async")


class SqliteIntervalStore:
    """Keeps what was paid for in the state file, for all who use the file; as an `IntervalStore`.

    While the file cannot be used nothing is held, and what is bought is written when it can be, as far as
    it is remembered. A stretch or an answer that cannot be read is as if it were not there.

    Args:
        file: the state file.
        clock: the source of time.
    """

    def __init__(self, file: StateFile, *, clock: Clock) -> None:
        self.file = file
        self._clock = clock
        self._trouble = Trouble(
            file,
            meanwhile="what is bought is not kept, and what was bought before may be bought again",
            after="what is bought is kept again",
        )

    def __repr__(self) -> str:
        return f"<SqliteIntervalStore {str(self.file.path)!r} unwritten={self.file.noted}>"

    async def stretches(self, account: bytes, shelf: Shelf[P]) -> tuple[Stretch, ...]:
        """Return what is held of a series, in order of time.

        Raises:
            InputError: the file was made by a newer version of this package or by another program.
        """

        def look() -> tuple[Stretch, ...]:
            rows = self._look(lambda tables: tables.stretches(account, shelf))
            return tuple(found for row in rows if (found := stretch(row)) is not None)

        return await self._done(look, ())

    async def get(self, account: bytes, shelf: Shelf[P], window: Window) -> tuple[Kept[P], ...]:
        """Return what is held of a window of a series, cut to it, in order of time.

        Raises:
            InputError: as for `stretches`.
        """
        if not window.seconds:
            return ()

        def fetch() -> tuple[Kept[P], ...]:
            rows = self._look(lambda tables: tables.bodies(account, shelf, window))
            found = [(row, read(row, shelf)) for row in rows]
            for row in (row for row, each in found if each is None):
                self._note(partial(Tables.drop, account=account, shelf=shelf, row=row))
            return cut_to(window, (each for _, each in found if each is not None))

        return await self._done(fetch, ())

    def put(self, account: bytes, shelf: Shelf[P], part: P, fetched: float) -> None:
        """Keep an answer about a series: it is noted, and what it is made into is left to the thread."""
        self._note(partial(Tables.lay, account=account, shelf=shelf, part=part, fetched=fetched))

    async def reply(self, account: bytes, reply: Reply[Any]) -> Response | None:
        """Return the answer that was kept last, with its `date`; `None` if there is none.

        Raises:
            InputError: as for `stretches`.
        """

        def look() -> Response | None:
            row = self._look(lambda tables: tables.reply(account, reply))
            return None if row is None else answer(row)

        return await self._done(look, None)

    def put_reply(
        self, account: bytes, reply: Reply[Any], response: Response, *, final: bool = False
    ) -> None:
        """Keep an answer that is no series, in place of an earlier one; `prune` forgets what is not final."""
        fetched = self._clock.now() if response.date is None else response.date
        kept = partial(Tables.keep, account=account, reply=reply, response=response, final=final)
        self._note(partial(kept, fetched=fetched))

    async def flush(self) -> None:
        """Write down what was noted; no cancel cuts it off, and no fault of the file is raised."""
        if not self.file.noted:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._done(partial(self._look, lambda _: None), None)
            except EnlightenError as refusal:
                logger.debug("nothing was written: %s", refusal)

    def _note(self, work: Callable[[Tables], object]) -> None:
        self.file.note(lambda connection: work(Tables(connection)))

    def _look(self, work: Callable[[Tables], T]) -> T:
        """Read something, after what was noted; blocks."""
        return self.file.look(lambda connection: work(Tables(connection)))

    async def _done(self, work: Callable[[], T], otherwise: T) -> T:
        """Do what blocks, in a thread; if the file cannot be used, say so and return something else."""
        try:
            found = await patiently(work, self._clock, 0.0 if self._trouble else PATIENCE)
        except Fault as fault:
            self._trouble.begin(fault)
            return otherwise
        if self.file.unwritten is None:
            self._trouble.end()
        else:
            self._trouble.begin(self.file.unwritten)
        return found
