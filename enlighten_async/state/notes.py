"""Work that waits for the next transaction of the state file, whoever makes it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from itertools import count
from threading import Lock
from typing import TypeAlias, TypeVar

from enlighten_async.state.faults import Fault, is_of_the_file

T = TypeVar("T")

Work: TypeAlias = Callable[[sqlite3.Connection], T]
Due: TypeAlias = dict[int, Work[object]]

MOST = 256
"""Notes that are kept while nothing can be written; the oldest are given up."""

logger = logging.getLogger("enlighten_async")


class Notes:
    """Work that was noted and is not written yet, in order. For any number of threads.

    Its lock is held for microseconds, so that event loops may take it.

    Attributes:
        fault: of the file, why it could not be written when that was tried last.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: Due = {}
        self._numbers = count()
        self._stuck = self._given_up = False
        self.fault: Fault | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, work: Work[object]) -> None:
        """Note some work; where nothing can be written the oldest may be given up for it."""
        with self._lock:
            self._waiting[next(self._numbers)] = work
            crowded = self._stuck and len(self._waiting) > MOST
            while self._stuck and len(self._waiting) > MOST:
                del self._waiting[next(iter(self._waiting))]
            news = crowded and not self._given_up
            self._given_up = self._given_up or crowded
        if news:
            logger.warning("nothing can be written for now: of %d answers the oldest are given up", MOST)

    def due(self) -> Due:
        """Return what is to be written, by number."""
        with self._lock:
            return dict(self._waiting)

    def written(self, due: Due) -> None:
        """Learn that this was committed."""
        self._forget(*due)
        self.fault, self._stuck, self._given_up = None, False, False

    def failed(self, due: Due, failure: BaseException) -> None:
        """Learn that this was not committed."""
        self._stuck = True
        if due and isinstance(failure, Fault):
            self.fault = failure

    def carry_out(self, due: Due, connection: sqlite3.Connection) -> None:
        """Do what is due; what fails by its own fault is undone, and never tried again."""
        for number, work in due.items():
            connection.execute("SAVEPOINT note")
            try:
                work(connection)
            except Exception as error:
                if is_of_the_file(error):
                    raise
                connection.execute("ROLLBACK TO note")
                self._forget(number)
                logger.warning("something could not be written, and is given up", exc_info=error)
            connection.execute("RELEASE note")

    def _forget(self, *numbers: int) -> None:
        with self._lock:
            for number in numbers:
                self._waiting.pop(number, None)
