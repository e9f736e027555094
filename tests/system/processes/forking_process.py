"""Process that forks while a thread is at the state file; `python -m tests.system.processes.forking_process`.

It is given a path and a number of children, and prints how each child ended.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
from pathlib import Path

import anyio

from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.errors import UsageError
from enlighten_async.state import StateFile, state_file
from tests.world import API_KEY

CHILD_TIMEOUT_S = 20
emulator = Emulator(quota=Quota.UNLIMITED)


def client(path: str) -> EnlightenClient:
    """Return a client of the process in which this is called."""
    service = emulator.transport()
    return EnlightenClient(
        API_KEY, emulator.demo_user, state=path, transport=service, plan=Plan(minute=10_000)
    )


async def ask(path: str, inherited: EnlightenClient) -> str:
    """Ask by a client that the parent made, which is refused, and by one of this process."""
    try:
        await inherited.with_options(max_age=0).summary(1765)
    except UsageError:
        await inherited.aclose()
    else:
        return "the parent's client was used"
    async with client(path) as own:
        await own.with_options(max_age=0).summary(1765)
    return "answered"


def child(path: str, inherited: EnlightenClient) -> None:
    """End with 0 if it got its answer, and with 1 after a while in any case."""
    faulthandler.dump_traceback_later(CHILD_TIMEOUT_S, exit=True)
    answers: list[str] = []
    # Its own thread: the parent's event loop may run in the one that was copied.
    thread = threading.Thread(target=lambda: answers.append(anyio.run(ask, path, inherited)))
    thread.start()
    thread.join()
    os._exit(0 if answers == ["answered"] else 2)


def write(file: StateFile, stop: threading.Event) -> None:
    """Be at the file all the time."""
    while not stop.is_set():
        file.pending.add(lambda connection: connection.execute("DELETE FROM replies WHERE asked = 'none'"))
        file.transact(lambda connection: connection.execute("SELECT count(*) FROM quota").fetchone())


def main(path: str, children: int) -> list[int]:
    """Fork, and return how the children ended."""
    inherited, file, stop = client(path), state_file(path), threading.Event()
    anyio.run(_warm, inherited)
    writers = [threading.Thread(target=write, args=(file, stop)) for _ in range(3)]
    for writer in writers:
        writer.start()
    ends = []
    for _ in range(children):
        pid = os.fork()
        if pid == 0:
            child(path, inherited)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    stop.set()
    for writer in writers:
        writer.join()
    anyio.run(_warm, client(path))
    return ends


async def _warm(own: EnlightenClient) -> None:
    await own.with_options(max_age=0).summary(1765)


if __name__ == "__main__":
    print(json.dumps(main(str(Path(sys.argv[1])), int(sys.argv[2]))))  # noqa: T201
