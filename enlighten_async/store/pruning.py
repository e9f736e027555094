"""Making the state file smaller, while others use it.

The space of what is forgotten is given back by rewriting the file, for which SQLite locks it: who wants to
write meanwhile finds it busy, as ever, and who has it open goes on afterwards.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.state import PATIENCE, Visit, meaning, visited
from enlighten_async.store.contents import used
from enlighten_async.store.forgetting import Limits, Removed, Why, forgotten
from enlighten_async.store.soundness import replies_read, stretches_read

PASSING: Final = timedelta(days=30)
"""Age at which an answer that is not final is forgotten."""


@frozen
class Pruned:
    """What pruning has done to a file, or would do.

    Attributes:
        path: the file.
        removed: what was forgotten, by reason; reasons that applied to nothing are left out.
        before: size of the file, bytes.
        after: its size afterwards, bytes; of a dry run an estimate.
        unshrunk: why the space is not given back to the disk, though it is free within the file; else
            empty.
    """

    path: Path
    removed: Mapping[Why, Removed]
    before: int
    after: int
    unshrunk: str = ""


def prune(
    path: str | os.PathLike[str],
    *,
    now: float,
    older_than: timedelta | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
    patience: float = PATIENCE,
) -> Pruned:
    """Forget what nobody can use, and what is old or too much; give the space back to the disk. Blocks.

    Counts stay as they are, whatever their size. What is forgotten is bought again when it is asked for.

    Args:
        path: the state file.
        now: the time, epoch seconds.
        older_than: forget stretches that ended so long ago, and other answers that were fetched then.
        max_size: forget what ended first until the file has at most so many bytes.
        dry_run: only tell what would be forgotten.
        patience: seconds to wait for others that hold the file, each time.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's; an age or a
            size below zero.
        OSError: it is broken, or cannot be written, or others held it too long; nothing was forgotten.
    """
    if (older_than is not None and older_than < timedelta()) or (max_size is not None and max_size < 0):
        raise InputError("an age or a size below zero: give older_than and max_size as 0 or more")
    old = None if older_than is None else now - older_than.total_seconds()
    limits = Limits(now - PASSING.total_seconds(), old, max_size)
    with visited(path, patience=patience) as visit:
        # Not as the programs have it: their journal would stay as large as what is rewritten here.
        visit.connection.execute("PRAGMA journal_mode = TRUNCATE")
        before = visit.path.stat().st_size
        bad = stretches_read(visit).bad, replies_read(visit).bad
        removed, rest = forgotten(visit, bad, limits, keep=not dry_run)
        unshrunk = "" if dry_run else _shrunk(visit)
        after = rest if dry_run else visit.path.stat().st_size
        return Pruned(visit.path, MappingProxyType(removed), before, after, unshrunk)


def _shrunk(visit: Visit) -> str:
    """Give free space back to the disk; return why not, if that is not possible now."""
    if not used(visit)[1]:
        return ""
    try:
        visit.connection.execute("VACUUM")
    except sqlite3.Error as error:
        return meaning(error)
    return ""
