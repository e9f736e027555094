"""The state that processes share: the state file, one SQLite database, or another backend."""

from enlighten_async.state.backend import (
    AWAY_POLL_S,
    MAX_AWAY_S,
    Change,
    MemoryBackend,
    Moment,
    Name,
    SqliteBackend,
    StateBackend,
    unavailable,
)
from enlighten_async.state.file import FaultLog, PendingWrites, StateFile, state_file
from enlighten_async.state.inspect import (
    INSPECT_LOCK_TIMEOUT_S,
    CorruptFileError,
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseLocked,
    DatabaseUnavailable,
    ExistingFile,
    describe,
    is_database,
    open_existing,
)
from enlighten_async.state.migrations import salt
from enlighten_async.state.servers import PostgresBackend, is_url, server_backend
from enlighten_async.state.threads import (
    disk_threads,
    in_thread,
    in_trio,
    poll_until,
    retry_while_busy,
    run_shielded,
)

__all__ = [
    "AWAY_POLL_S",
    "INSPECT_LOCK_TIMEOUT_S",
    "MAX_AWAY_S",
    "Change",
    "CorruptFileError",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseFull",
    "DatabaseLocked",
    "DatabaseUnavailable",
    "ExistingFile",
    "FaultLog",
    "MemoryBackend",
    "Moment",
    "Name",
    "PendingWrites",
    "PostgresBackend",
    "SqliteBackend",
    "StateBackend",
    "StateFile",
    "describe",
    "disk_threads",
    "in_thread",
    "in_trio",
    "is_database",
    "is_url",
    "open_existing",
    "poll_until",
    "retry_while_busy",
    "run_shielded",
    "salt",
    "server_backend",
    "state_file",
    "unavailable",
]
