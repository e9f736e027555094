"""State files on disks that are full, or that may only be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from enlighten_async.state import StateFile

NOT_CACHED = "answers are not cached"
"""From the warning that the cache cannot use the file."""


class Limited(StateFile):
    """A file on a disk that may be full, or that may only be read."""

    limit = ""

    def _open(self) -> None:
        super()._open()
        if self.limit and self._connection is not None:
            self._connection.execute(self.limit)


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let no file of this process become larger."""
    import resource  # noqa: PLC0415 - POSIX only

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
