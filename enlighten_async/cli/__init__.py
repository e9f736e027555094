"""The command line: it parses and prints, and calls what any user of the package could call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
