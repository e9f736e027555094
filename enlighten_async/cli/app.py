"""The command `enlighten`: its subcommands, each loaded when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from enlighten_async.cli import interruptible, loading
from enlighten_async.cli.settings import (
    CREDENTIALS,
    OPTIONS,
    PREFIX,
    HelpContext,
    accept_settings,
    config_file,
    context_of,
    settings,
)

EPILOG = """\b
Exit codes:
  0  done
  1  an error: of the service, of the network, of a file, or of this program
  2  fix the call: nothing was sent
  3  the answer is not complete, or there is nothing
  4  the quota or the budget does not allow it (yet)
130  ended by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP"""

MODULES: Mapping[str, str] = MappingProxyType(
    {
        "login": "login",
        "logout": "login",
        "accounts": "login",
        "doctor": "status",
        "estimate": "endpoints",
        "quota": "status",
        "report": "pictures",
        "plot": "pictures",
        "store": "status",
        "demo": "emulator",
        "emulator": "emulator",
    }
)
"""The commands that are no endpoints, and the modules that have them."""

PACKAGE = "enlighten_async.cli"

ENDPOINTS = f"{PACKAGE}.endpoints"


@cache
def _command(name: str) -> click.Command | None:
    """Return a command by its name."""
    if name in MODULES:
        found: click.Command = getattr(import_module(f"{PACKAGE}.{MODULES[name]}"), name)
        return accept_settings(found)
    endpoint = import_module(ENDPOINTS).endpoints().get(name)
    return endpoint and accept_settings(import_module(ENDPOINTS).command(endpoint))


@contextmanager
def _in_one_line() -> Iterator[None]:
    """End the process with one line where a call is wrong: what is wrong, and the help to read."""
    try:
        yield
    except click.UsageError as error:
        if isinstance(error, NoArgsIsHelpError):
            raise
        from enlighten_async.cli.formatting import tell  # noqa: PLC0415 - `--version` needs none

        command = error.ctx.command_path if error.ctx else "enlighten"
        text = " ".join(error.format_message().split()).rstrip(".")
        tell(f"error: {text}; {command} --help tells more")
        sys.exit(error.exit_code)


class Enlighten(click.Group):
    """The group of all commands; its help lists them by what they are for."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return [*MODULES, *import_module(ENDPOINTS).endpoints()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; nothing else is loaded."""
        return _command(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that words name; where there is none, the error names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0].replace("_", "-"), self.list_commands(ctx), 1)
            if not near:
                raise
            text = f"{error.message.rstrip('.')}: did you mean {near[0]}?"
        raise click.UsageError(text, ctx)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return the context; Ctrl-C while modules are loaded ends it as at any other time."""
        with interruptible(), loading(), _in_one_line():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with interruptible(), _in_one_line():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        sections: dict[str, list[str]] = {"Commands": list(MODULES)}
        for name, endpoint in import_module(ENDPOINTS).endpoints().items():
            sections.setdefault(endpoint.section, []).append(name)
        for title, names in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, self._told(ctx, name)) for name in sorted(names)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the variables of the environment, and the exit codes."""
        with formatter.section('Environment, and in lower case (plan = "kilowatt") the file of settings'):
            formatter.write_dl([(f"{PREFIX}{name}", text) for name, text in CREDENTIALS.items()])
            rest = ", ".join(f"{PREFIX}{each}" for each in OPTIONS)
            formatter.write_text(f"Options: {rest}.")
            formatter.write_text(f"The file is {config_file()}; if it holds a key, nobody else may read it.")
        super().format_epilog(ctx, formatter)

    def _told(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=100) if command else ""


@click.group(
    cls=Enlighten,
    params=settings(first=True),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(package_name="enlighten-async", prog_name="enlighten")
@click.pass_context
def cli(click_context: click.Context) -> None:
    """Read solar production from Enphase's Enlighten Systems API, for the fewest requests.

    Its options may stand after the command as well. The credentials are taken from the environment
    or from the file of settings, named below: the key of the application; for version 4 of the API,
    the one that is live, also its id and its secret, and that the owner of the systems logs in once:
    `enlighten login`. `enlighten doctor` checks all that, and `enlighten demo` needs nothing.
    """
    click_context.obj = context_of(click_context)
