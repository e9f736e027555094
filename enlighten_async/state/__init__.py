"""The state file: one SQLite database for what the processes of a machine share."""

from enlighten_async.state.file import (
    Busy,
    DatabaseCorrupt,
    DatabaseUnavailable,
    OutageLog,
    StateFile,
    state_file,
)
from enlighten_async.state.inspect import PATIENCE, Broken, Visit, meaning, visited
from enlighten_async.state.migrations import salt
from enlighten_async.state.threads import disk_threads, in_thread, retry_while_busy

__all__ = [
    "PATIENCE",
    "Broken",
    "Busy",
    "DatabaseCorrupt",
    "DatabaseUnavailable",
    "OutageLog",
    "StateFile",
    "Visit",
    "disk_threads",
    "in_thread",
    "meaning",
    "retry_while_busy",
    "salt",
    "state_file",
    "visited",
]
