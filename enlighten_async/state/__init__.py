"""The state file: one SQLite database for what the processes of a machine share."""

from enlighten_async.state.faults import Busy, Damaged, Fault
from enlighten_async.state.file import StateFile, state_file
from enlighten_async.state.schema import salt
from enlighten_async.state.trouble import Trouble
from enlighten_async.state.visit import PATIENCE, Broken, Visit, meaning, visited
from enlighten_async.state.work import disk_threads, in_thread, patiently

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
