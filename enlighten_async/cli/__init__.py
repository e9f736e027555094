"""The command line: it parses and prints, and calls what any user of the package could call."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

INTERRUPTED = 130
"""The exit code of Ctrl-C, as shells report it."""

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


@nothing_left_to_flush()
def main() -> None:
    """Run the command line; ends the process with its exit code."""
    try:
        with interruptible():
            from enlighten_async.cli.app import cli  # noqa: PLC0415 - click and rich are optional

        cli(prog_name="enlighten")
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in EXTRA:
            raise
    except OSError as error:  # of a text of click's own, such as --help: the disk of its output is full
        sys.exit(f"error: {error.strerror or error}")
    sys.exit(MISSING.format(name=name))
