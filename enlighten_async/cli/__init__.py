"""The command line: it parses and prints, and calls what any user of the package could call."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""The exit code of Ctrl-C, as shells report it."""

SIGNALLED = 128
"""Exit codes from here on tell of a signal."""

LAST_WORK_S = 2.0
"""Seconds that threads have for their last work when a signal has ended the command."""

EXTRA = frozenset({"click", "rich", "uvicorn"})
"""The packages of the extra `cli`; everything else is there anyway."""

MISSING = 'error: {name} is not installed, which the command line needs: pip install "enlighten-async[cli]"'


@contextmanager
def interruptible() -> Iterator[None]:
    """End the process where Ctrl-C comes before a command has begun, such as while modules are loaded."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(INTERRUPTED)


@contextmanager
def loading() -> Iterator[None]:
    """End the process at Ctrl-C while modules are loaded, when there is nothing to keep.

    By a handler of its own: an exception that comes within the import system may be swallowed there.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    """End the process as at Ctrl-C."""
    os.write(2, b"error: interrupted\n")
    os._exit(INTERRUPTED)


@contextmanager
def nothing_left_to_flush() -> Iterator[None]:
    """Send what stdout cannot write to the null device: its flush at the exit would fail again (code 120).

    Its disk is full, or its reader has closed the pipe, which has been told by then.
    """
    try:
        yield
    finally:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def no_thread_left() -> Iterator[None]:
    """End the process though a thread waits for work: a second Ctrl-C may cut off what would end the thread.

    Python waits for its threads for ever. Whatever a thread is at, the files are as safe as from a kill.
    """
    try:
        yield
    except SystemExit as end:
        if not (isinstance(end.code, int) and end.code >= SIGNALLED):
            raise
        others = [each for each in threading.enumerate() if each is not threading.current_thread()]
        left = [each for each in others if not each.daemon]
        for thread in left:
            thread.join(LAST_WORK_S / len(left))
        if any(thread.is_alive() for thread in left):
            sys.stderr.flush()
            os._exit(end.code)
        raise


@no_thread_left()
@nothing_left_to_flush()
def main() -> None:
    """Run the command line; ends the process with its exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for programmers
    try:
        with interruptible(), loading():
            from enlighten_async.cli.app import cli  # noqa: PLC0415 - click and rich are optional

        cli(prog_name="enlighten")
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in EXTRA:
            raise
    except OSError as error:  # of a text of click's own, such as --help: the disk of its output is full
        sys.exit(f"error: {error.strerror or error}")
    sys.exit(MISSING.format(name=name))
