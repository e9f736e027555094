"""What is said of a file that cannot be used: once, and once more when it can be again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enlighten_async.state.file import StateFile

logger = logging.getLogger("enlighten_async")


class Trouble:
    """Whether one use of the state file fails for now; true if so.

    Args:
        file: the state file.
        meanwhile: what that means for this use.
        after: what becomes of it when the file can be used again.
    """

    def __init__(self, file: StateFile, *, meanwhile: str, after: str) -> None:
        self._file = file
        self._meanwhile = meanwhile
        self._after = after
        self._on = False

    def __bool__(self) -> bool:
        return self._on

    def begin(self, why: Exception) -> None:
        """Learn that the file cannot be used."""
        if not self._on:
            self._on = True
            logger.warning("%s cannot be used (%s): %s", self._file.path, why, self._meanwhile)

    def end(self) -> None:
        """Learn that the file can be used."""
        if self._on:
            self._on = False
            logger.warning("%s can be used again: %s", self._file.path, self._after)
