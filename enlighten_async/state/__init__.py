"""The state file: one SQLite database for what the processes of a machine share."""

from enlighten_async.state.file import Busy, Damaged, Fault, StateFile, Trouble, state_file
from enlighten_async.state.inspect import PATIENCE, Broken, Visit, meaning, visited
from enlighten_async.state.migrations import salt
from enlighten_async.state.threads import disk_threads, in_thread, patiently

__all__ = [
    "PATIENCE",
    "Broken",
    "Busy",
    "Damaged",
    "Fault",
    "StateFile",
    "Trouble",
    "Visit",
    "disk_threads",
    "in_thread",
    "meaning",
    "patiently",
    "salt",
    "state_file",
    "visited",
]
