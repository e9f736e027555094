"""The state file: one SQLite database for the data that the processes of a machine share."""

from enlighten_async.state.file import FaultLog, PendingWrites, StateFile, state_file
from enlighten_async.state.inspect import (
    INSPECT_LOCK_TIMEOUT_S,
    CorruptFileError,
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseLocked,
    DatabaseUnavailable,
    ExistingFile,
    describe,
    is_database,
    open_existing,
)
from enlighten_async.state.migrations import salt
from enlighten_async.state.threads import disk_threads, in_thread, poll_until, retry_while_busy

__all__ = [
    "INSPECT_LOCK_TIMEOUT_S",
    "CorruptFileError",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseLocked",
    "DatabaseUnavailable",
    "ExistingFile",
    "FaultLog",
    "PendingWrites",
    "StateFile",
    "describe",
    "disk_threads",
    "in_thread",
    "is_database",
    "open_existing",
    "poll_until",
    "retry_while_busy",
    "salt",
    "state_file",
]
