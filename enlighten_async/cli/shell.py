"""What a command has around it: the client, the terminal, and a place to end in."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol, Unpack

import click
from attrs import Factory, field, frozen
from platformdirs import user_state_path
from rich.console import Console

from enlighten_async.cli import failures
from enlighten_async.client import ClientOptions, EnlightenClient
from enlighten_async.errors import EnlightenError

PIPED_WIDTH = 200
"""Columns of a table that goes to a file or a program: nothing is cut off there."""


POLITE = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that ask a process to end: by its supervisor, or with its terminal."""

logger = logging.getLogger("enlighten_async")


class Connect(Protocol):
    """Makes the client; `EnlightenClient.from_env` does."""

    def __call__(self, **options: Unpack[ClientOptions]) -> EnlightenClient:
        """Return a client with these options."""
        ...


class Out(Console):
    """A console whose reader may go away."""

    def on_broken_pipe(self) -> NoReturn:
        """Leave the decision to the shell; rich would end the process here."""
        raise BrokenPipeError


class _LogLines(logging.Handler):
    """Shows the log above a progress bar, if there is one, and unbroken."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        for line in self.format(record).splitlines():
            self._console.print(failures.plain(line), soft_wrap=True)


def _stdout() -> Console:
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Out(highlight=False, markup=False, emoji=False, width=PIPED_WIDTH if piped else None)


def _stderr() -> Console:
    return Out(stderr=True, highlight=False, markup=False, emoji=False)


def own_state() -> Path | None:
    """Return the state file in the user's own folder, which is made; `None` if there can be none."""
    folder = user_state_path("enlighten", appauthor=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("%s cannot be made (%s): nothing is kept", folder, error.strerror)
        return None
    return folder / "enlighten.db"


def _watched_by_a_person() -> bool:
    return sys.stderr.isatty()


@frozen(kw_only=True)
class Shell:
    """What a command has around it.

    Attributes:
        connect: makes the client.
        options: the client's options that were given to the command line.
        verbose: how much of the log is shown: 0 none, 1 what matters, 2 all.
        out: stdout, for data.
        err: stderr, for all that is said about it.
        live: whether somebody watches stderr, so that progress is shown on it.
        browse: opens a page for whoever sits here.
        home: names the state file where none was named; `None` for none.
    """

    connect: Connect = EnlightenClient.from_env
    options: ClientOptions = Factory(ClientOptions)
    verbose: int = 0
    out: Console = field(factory=_stdout)
    err: Console = field(factory=_stderr)
    live: bool = field(factory=_watched_by_a_person)
    browse: Callable[[str], object] = webbrowser.open
    home: Callable[[], Path | None] = own_state

    @property
    def state(self) -> str | os.PathLike[str] | None:
        """The state file: the one that was named, or the user's own."""
        return self.options["state"] if "state" in self.options else self.home()

    def say(self, text: str) -> None:
        """Say something about the data, on stderr and in one line."""
        click.echo(failures.plain(text), err=True)

    def ask(self, work: Callable[[EnlightenClient], Awaitable[None]]) -> None:
        """Run a command that needs the client."""

        async def asking() -> None:
            options: ClientOptions = {**self.options, "state": self.state}
            async with self.connect(**options) as client:
                await work(client)

        self.run(asking)

    def run(self, work: Callable[[], Coroutine[Any, Any, None]], *, until_interrupted: bool = False) -> None:
        """Run a command to its end; what ends it early is said in one line and by the exit code.

        Args:
            work: the command.
            until_interrupted: whether Ctrl-C is how it is meant to end.
        """
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A name that the terminal cannot show is no reason to show nothing.
            sys.stdout.reconfigure(errors="replace")
        try:
            with _ended_as_by_ctrl_c():
                asyncio.run(work())
            sys.stdout.flush()
        except BrokenPipeError:
            _close_quietly(sys.stdout)
            sys.exit(failures.BROKEN_PIPE)
        except KeyboardInterrupt:
            if not until_interrupted:
                self._end("interrupted", failures.INTERRUPTED)
        except ModuleNotFoundError:
            raise
        except (EnlightenError, OSError) as error:
            self._end(failures.line(error), failures.exit_code(error))
        except Exception as error:
            logger.info("a fault", exc_info=error)
            self._end(failures.line(error), failures.FAULT)

    @contextmanager
    def log_shown(self) -> Iterator[None]:
        """Show the package's log on stderr, as far as it is asked for."""
        handler, before = _LogLines(self.err), logger.level
        if self.verbose:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO if self.verbose == 1 else logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)

    def _end(self, text: str, code: int) -> NoReturn:
        click.echo(f"error: {text}", err=True)
        sys.exit(code)


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Let other polite signals end a command as Ctrl-C does: what was paid for is kept."""
    main = threading.current_thread() is threading.main_thread()
    # One that is ignored stays so (`nohup`).
    meant = [number for number in POLITE if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in meant:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in meant:
            signal.signal(number, signal.SIG_DFL)


def _close_quietly(stream: IO[str]) -> None:
    """Lead what is left in a stream's buffer nowhere: flushing it at exit would fail once more."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        return
