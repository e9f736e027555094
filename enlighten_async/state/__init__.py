"""The state that processes share: the state file, one SQLite database, or another backend."""

from typing import TYPE_CHECKING

from enlighten_async.lazy import lazy_names

if TYPE_CHECKING:
    from enlighten_async.state.backend import (
        AWAY_POLL_S,
        MAX_AWAY_S,
        Change,
        MemoryBackend,
        Moment,
        Name,
        SqliteBackend,
        StateBackend,
        retry_while_busy,
        unavailable,
    )
    from enlighten_async.state.file import OWNER_ONLY, FaultLog, PendingWrites, StateFile, Version, state_file
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
        is_file_error,
        open_existing,
    )
    from enlighten_async.state.migrations import salt
    from enlighten_async.state.servers import PostgresBackend, is_postgres, is_url, server_backend
    from enlighten_async.state.threads import (
        disk_threads,
        in_body_thread,
        in_thread,
        in_trio,
        poll_until,
        run_shielded,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "backend": (
                "AWAY_POLL_S MAX_AWAY_S Change MemoryBackend Moment Name SqliteBackend StateBackend "
                "retry_while_busy unavailable"
            ),
            "file": "OWNER_ONLY FaultLog PendingWrites StateFile Version state_file",
            "inspect": (
                "INSPECT_LOCK_TIMEOUT_S CorruptFileError DatabaseBusy DatabaseCorrupt DatabaseFull "
                "DatabaseLocked DatabaseUnavailable ExistingFile describe is_database is_file_error "
                "open_existing"
            ),
            "migrations": "salt",
            "servers": "PostgresBackend is_postgres is_url server_backend",
            "threads": "disk_threads in_body_thread in_thread in_trio poll_until run_shielded",
        },
    )

__all__ = [
    "AWAY_POLL_S",
    "INSPECT_LOCK_TIMEOUT_S",
    "MAX_AWAY_S",
    "OWNER_ONLY",
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
    "Version",
    "describe",
    "disk_threads",
    "in_body_thread",
    "in_thread",
    "in_trio",
    "is_database",
    "is_file_error",
    "is_postgres",
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
