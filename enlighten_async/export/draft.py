"""Draft: a file that gets its name only when it is whole; what was written of it before a failure is kept."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from enlighten_async.errors import InputError

PARTIAL = ".partial"
"""The end of the name of a file whose rows are not all there."""


class Draft:
    """A file under way, beside the one that it is to be.

    Attributes:
        path: the file that it is to be.
    """

    def __init__(self, path: Path) -> None:
        """Begin it.

        Args:
            path: the file that it is to be; a symbolic link stands for the file that it leads to.

        Raises:
            OSError: there is no such folder, or nothing can be written there.
            InputError: it is a device, a named pipe or the like, which a file must not take the place of.
        """
        path = Path(os.path.realpath(path))
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "make this folder, or name another one", str(path.parent))
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "name a file, which this folder is not", str(path))
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no regular file: name another one, or pass an open binary file")
        for left_over in self._left_over(path):
            left_over.unlink(missing_ok=True)
        self.path = path
        self._draft = path.with_name(f"{_prefix(path)}{os.getpid()}.{id(self):x}.tmp")
        self._file: BinaryIO = self._draft.open("xb")
        self._size = 0  # of what was written whole

    def write(self, data: bytes) -> None:
        """Write more of it."""
        self._file.write(data)
        self._file.flush()
        self._size += len(data)

    def commit(self) -> bool:
        """Give it its name, once it is on the disk; tell whether that has changed the file of that name."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._partial.unlink(missing_ok=True)
        if self.path.is_file() and filecmp.cmp(self._draft, self.path, shallow=False):
            self._draft.unlink()
            return False
        if self.path.exists():
            shutil.copymode(self.path, self._draft)
        self._draft.replace(self.path)
        self._sync_folder()
        return True

    def keep(self) -> Path:
        """Keep what there is of it, under a name that tells so, and return its path."""
        self._close()
        os.truncate(self._draft, self._size)  # without the piece that the disk had no room for
        self._draft.replace(self._partial)
        return self._partial

    def discard(self) -> None:
        """Remove it."""
        self._close()
        self._draft.unlink(missing_ok=True)

    def _close(self) -> None:
        with suppress(OSError):  # of what could not be written, which the caller knows
            self._file.close()

    @property
    def _partial(self) -> Path:
        return self.path.with_name(f"{self.path.name}{PARTIAL}")

    def _sync_folder(self) -> None:
        """Let the name be on the disk as well, where a folder can be opened."""
        with suppress(OSError):  # not on Windows
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @staticmethod
    def _left_over(path: Path) -> Iterator[Path]:
        """Yield the drafts of the file which killed processes of this machine have left."""
        prefix = _prefix(path)
        for each in path.parent.iterdir() if os.name == "posix" else ():
            if each.name.startswith(prefix) and each.name.endswith(".tmp"):
                process = each.name.removeprefix(prefix).partition(".")[0]
                if process.isdecimal() and not _runs(int(process)):
                    yield each


class Pipe:
    """An open file in place of a draft, such as stdout: what is written is gone."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        """Write more to it, and let the reader have it."""
        self._file.write(data)
        self._file.flush()

    def commit(self) -> bool:
        """Return True: rows were written."""
        return True

    def keep(self) -> Path:
        """Return the path that stands for it."""
        return Path("-")

    def discard(self) -> None:
        """Leave it as it is."""


Target: TypeAlias = Draft | Pipe
"""The file that an export is written to."""


def _prefix(path: Path) -> str:
    """Return the beginning of the names of a file's drafts: those of other machines are their own."""
    return f".{path.name}.{socket.gethostname()}."


def _runs(process: int) -> bool:
    """Tell whether there is such a process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
