"""Context of a command: client options, terminal, log, and how the command ends."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol, Unpack, cast

import click
from attrs import AttrsInstance, Factory, asdict, field, frozen, has
from platformdirs import user_state_path
from rich.console import Console

from enlighten_async.cli import exit_codes
from enlighten_async.cli.formatting import printable, tell
from enlighten_async.client import ClientOptions, EnlightenClient
from enlighten_async.clock import SystemClock
from enlighten_async.errors import EnlightenError
from enlighten_async.transport import Secret

GO_ON = ": what has arrived is kept; run it again to go on"

STDOUT_CLOSED = "stdout is closed: write to a file with -o, or leave stdout open"

PIPED_WIDTH_COLUMNS = 1_000
"""Columns of a table that goes to a file or a program: nothing is cut off there."""

END_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
ALARM = getattr(signal, "SIGALRM", None)
"""Signals that ask a process to end: of a supervisor, or of a terminal that is closed."""

logger = logging.getLogger("enlighten_async")


class Connect(Protocol):
    """Factory of the client, such as `EnlightenClient.from_env`."""

    def __call__(
        self, environ: Mapping[str, str] | None, /, **options: Unpack[ClientOptions]
    ) -> EnlightenClient:
        """Return a client with these options, for the credentials in the environment."""
        ...


class PipeConsole(Console):
    """A console whose reader may close the pipe."""

    def on_broken_pipe(self) -> NoReturn:
        """Leave the exit code to `CommandContext.run`; rich would end the process here."""
        raise BrokenPipeError


class _ConsoleHandler(logging.Handler):
    """Prints the log above a progress bar, if there is one, without line breaks."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        for line in exit_codes.in_options(self.format(record)).splitlines():
            self._console.print(printable(line), soft_wrap=True)


def _json(value: object) -> object:
    """Return a value that JSON does not have in a form that it has."""
    if has(type(value)):
        return asdict(cast("AttrsInstance", value), recurse=False)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Tell whether a record is a request, or more than a detail."""
    return record.levelno >= logging.INFO or hasattr(record, "event")


class _ClosedStdout(io.StringIO):
    """In place of a stdout that was closed before the start (`>&-`): the first line that is for it fails."""

    def write(self, _text: str) -> NoReturn:
        """Raise the error that a file would raise."""
        raise OSError(errno.EBADF, STDOUT_CLOSED)


def _stdout() -> Console:
    if sys.stdout is None:
        return PipeConsole(file=_ClosedStdout(), highlight=False, markup=False, emoji=False)
    columns = os.environ.get("COLUMNS", "")
    told = columns.isdecimal() and int(columns) > 0  # some set 0 where they do not know
    width = None if told or sys.stdout.isatty() else PIPED_WIDTH_COLUMNS
    return PipeConsole(highlight=False, markup=False, emoji=False, width=width)


def _stderr() -> Console:
    return PipeConsole(stderr=True, highlight=False, markup=False, emoji=False)


def user_state_file() -> Path | None:
    """Return the default state file, in the user's state folder, which is made if need be.

    `None` if the folder cannot be made.
    """
    folder = user_state_path("enlighten", appauthor=False)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("%s cannot be made (%s): nothing is kept", folder, error.strerror)
        return None
    return folder / "enlighten.db"


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


@frozen(kw_only=True)
class CommandContext:
    """Context of a command.

    Attributes:
        connect: factory of the client.
        options: the client's options given on the command line.
        verbose: part of the log that is shown: 0 nothing, 1 each request and from INFO on, 2 all.
        out: stdout, for data.
        err: stderr, for everything else.
        live: whether progress is shown, as stderr is a terminal.
        open_browser: opens a page in the user's browser.
        default_state: returns the state file to use if none was named; `None` for none.
        now: returns the time, in epoch seconds.
        config: variables of the file of settings, for those that the environment does not have.
        places: where options are given that the command line does not have, by the options.
        end_s: seconds after a signal that ends a command at which it is ended at once, as by a second one;
            infinite: it takes its time.
    """

    connect: Connect = EnlightenClient.from_env
    options: ClientOptions = Factory(ClientOptions)
    verbose: int = 0
    out: Console = field(factory=_stdout)
    err: Console = field(factory=_stderr)
    live: bool = field(factory=_is_terminal)
    open_browser: Callable[[str], object] = webbrowser.open
    default_state: Callable[[], Path | None] = user_state_file
    now: Callable[[], float] = Factory(lambda: SystemClock().now)
    config: Mapping[str, str] = field(factory=dict, repr=False)
    places: Mapping[str, str] = field(factory=dict, repr=False)
    end_s: float = inf

    @property
    def state(self) -> str | os.PathLike[str] | Secret | None:
        """The state: the file or the URL that was named, or the default file."""
        return self.options["state"] if "state" in self.options else self.default_state()

    @property
    def state_file(self) -> str | os.PathLike[str] | None:
        """The state file; `None` if there is none, or the state is on a server."""
        return None if isinstance(self.state, Secret) else self.state

    @property
    def environ(self) -> Mapping[str, str] | None:
        """The environment with the settings of the file; `None` for the process's own, if there are none."""
        return {**self.config, **os.environ} if self.config else None

    def report(self, text: str) -> None:
        """Print one line on stderr."""
        tell(text)

    def print_json(self, value: object) -> None:
        """Print a value as JSON: instants in ISO 8601; in ASCII, so that no text steers a terminal."""
        click.echo(json.dumps(value, default=_json, indent=2))

    def client(self) -> EnlightenClient:
        """Return a client, which is to be closed."""
        options: ClientOptions = {**self.options, "state": self.state}
        return self.connect(self.environ, **options)

    def run_with_client(self, work: Callable[[EnlightenClient], Awaitable[None]]) -> None:
        """Run a command that needs the client."""

        async def with_client() -> None:
            async with self.client() as client:
                await work(client)

        self.run(with_client, go_on="" if self.state_file is None else GO_ON)

    def run(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        *,
        until_interrupted: bool = False,
        go_on: str = "",
    ) -> None:
        """Run a command; a failure ends the process with a line on stderr and an exit code.

        Args:
            work: the command.
            until_interrupted: whether Ctrl-C is the normal end of the command.
            go_on: what to do after Ctrl-C, if there is more to do than to run it again.
        """
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A name that the terminal cannot encode must not end the command.
            sys.stdout.reconfigure(errors="replace")
        ended: list[int] = []
        try:
            with end_signals_as_ctrl_c(ended, self.end_s), self._shown_log(), _ctrl_c_alone():
                asyncio.run(work())
            click.echo(nl=False)  # flushes, where there is a stdout
        except BrokenPipeError:
            sys.exit(exit_codes.BROKEN_PIPE)
        except KeyboardInterrupt:
            if ended or not until_interrupted:
                self._end(f"interrupted{go_on}", exit_codes.ended_by(ended))
        except ModuleNotFoundError:
            raise
        except Exception as error:
            if not isinstance(error, EnlightenError | OSError):
                logger.info("unexpected error", exc_info=error)
            text = exit_codes.placed(exit_codes.error_line(error), self.places)
            self._end(text, exit_codes.exit_code(error))

    @contextmanager
    def _shown_log(self) -> Iterator[None]:
        """Show the package's log on stderr, as far as `verbose` says."""
        handler, before = _ConsoleHandler(self.err), logger.level
        if self.verbose:
            if self.verbose == 1:
                handler.addFilter(_is_worth_a_line)
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)

    def _end(self, text: str, code: int) -> NoReturn:
        if text:
            tell(f"error: {text}")
        sys.exit(code)


@contextmanager
def _ctrl_c_alone() -> Iterator[None]:
    """Raise Ctrl-C as itself, not as one of a group, as a second one is that comes while tasks end."""
    try:
        yield
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        raise KeyboardInterrupt from None


@contextmanager
def end_signals_as_ctrl_c(ended: list[int], end_s: float = inf) -> Iterator[None]:
    """Let other signals end a command as Ctrl-C does, so that what was paid for is written.

    Once one has come they are ignored after the command: the process ends by itself.

    Args:
        ended: is given the number of each such signal that came.
        end_s: seconds after the first one at which it is as if another came, and each second from then on.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if not ended and numbers[-1] == ALARM:
            signal.setitimer(signal.ITIMER_REAL, end_s, 1.0)
        ended.append(number)
        ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(ctrl_c):  # Ctrl-C is ignored, as in a job in the background
            raise KeyboardInterrupt
        ctrl_c(signal.SIGINT, frame)  # asyncio's own, in whichever task it comes

    main = threading.current_thread() is threading.main_thread()
    # A signal that is ignored stays so (`nohup`).
    wanted = END_SIGNALS if end_s == inf or ALARM is None else [*END_SIGNALS, ALARM]
    numbers = [number for number in wanted if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        if ended and numbers[-1] == ALARM:
            signal.setitimer(signal.ITIMER_REAL, 0)
        # A command that has been ended has one line left to print: another signal does not cut that off.
        after = signal.SIG_IGN if ended else signal.SIG_DFL
        for number in numbers:
            signal.signal(number, after)
