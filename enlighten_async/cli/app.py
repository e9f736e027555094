"""The command `enlighten`: its subcommands, each loaded when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

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
from enlighten_async.lazy import LazyModule

if TYPE_CHECKING:
    from enlighten_async.cli import formatting
else:  # `--version` needs none
    formatting = LazyModule("enlighten_async.cli.formatting")

EPILOG = """\b
Exit codes:
  0  done
  1  an error of the service, network, login, file, state server or program
  2  fix the call: an argument, a setting or the range is wrong
  3  the answer is not complete, or there is no data
  4  the quota, or a limit such as --max-requests, does not allow it (yet)
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
        "fleet": "fleet",
    }
)
"""The commands that are no endpoints, and the modules that have them."""

HELP: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Commands": {
            "accounts": "List the accounts that are logged in.",
            "demo": "Fetch a year from an emulator of the service.",
            "doctor": "Check settings, credentials, logins and state.",
            "emulator": "Serve an emulator of the service.",
            "estimate": "Show the price of a read.",
            "fleet": "Poll many systems, as often as the quota allows.",
            "login": "Let the owner of systems log in, for version 4.",
            "logout": "Remove the tokens of an account.",
            "plot": "Draw a system's energy in the terminal.",
            "quota": "Show the quota that is left.",
            "report": "Write a page about the energy of systems.",
            "store": "Inspect and prune the state file.",
        },
        "Systems, devices and events": {
            "alarms": "Alarms of a system.  (v4)",
            "battery-settings": "Settings of a system's batteries.  (v4)",
            "consumption-meter-readings": "Last readings of a system's consumption meters, Wh.  (v4)",
            "devices": "A system's devices of all kinds.  (v4)",
            "envoys": "A system's gateways.",
            "ev-charger-devices": "A system's active EV chargers.  (v4)",
            "ev-charger-events": "Events of a system's EV chargers, or of one.  (v4)",
            "ev-charger-schedules": "Charging schedules of an EV charger.  (v4)",
            "ev-charger-sessions": "Charging sessions of an EV charger.  (v4)",
            "event-types": "All types of events and the advice on them, or for one of them.  (v4)",
            "events": "Events of a system and its devices.  (v4)",
            "grid-status": "Tell whether a system is on the grid.  (v4)",
            "inventory": "A system's active gateways, microinverters and meters.",
            "inverters-summary-by-envoy-or-site": (
                "Last report of each of a system's microinverters, by gateway."
            ),
            "latest-telemetry": "Last power of meters and batteries, and the state of other devices.  (v4)",
            "load-control": "Settings of a house's loads.  (v4)",
            "open-alarms": "Alarms of a system that are not over.  (v4)",
            "open-events": "Events of a system that are not over.  (v4)",
            "production-meter-readings": "Last readings of a system's production meters, Wh.",
            "search-system-id": "System that the gateway with this serial number belongs to.",
            "storage-meter-readings": "Last readings of the meters of batteries, Wh.  (v4)",
            "storm-guard": "Tell whether batteries are filled before storms.  (v4)",
            "summary": "A system's state, power (W) and energy (Wh) on one of its local days.",
            "system": "One system.  (v4)",
            "systems": "Systems the user may see, and that pass all filters.",
        },
        "Intervals of a range of time": {
            "acb-telemetry": "Energy that one AC Battery took in and gave.  (v4)",
            "battery": (
                "Energy that all batteries took in and gave, and their state of charge, by 15 minutes.  (v4)"
            ),
            "consumption-stats": "15-minute intervals of a site's consumption, Wh.",
            "encharge-telemetry": (
                "Energy that one Encharge took in and gave, Wh, and its state of charge, by 15 minutes.  (v4)"
            ),
            "energy-export-telemetry": "Energy fed into the grid, Wh by 15 minutes.  (v4)",
            "energy-import-telemetry": "Energy drawn from the grid, Wh by 15 minutes.  (v4)",
            "ev-charger-telemetry": (
                "Energy that one of Enphase's EV chargers consumed, Wh by 15 minutes.  (v4)"
            ),
            "evse-telemetry": (
                "Energy that one EV charger consumed, Wh by 5 or by 15 minutes as it reports.  (v4)"
            ),
            "hp-telemetry": "Energy that a heat pump consumed, Wh by 5 or by 15 minutes.  (v4)",
            "micro-telemetry": "Power and energy of one microinverter, W and Wh by 5 minutes.  (v4)",
            "micros-telemetry": (
                "Power and energy of each of a system's microinverters, W and Wh by 5 minutes.  (v4)"
            ),
            "production-meter": "15-minute intervals of a system's production meters, Wh.  (v4)",
            "rgm-stats": "15-minute intervals of a system's revenue-grade meters, Wh.",
            "stats": "5-minute intervals of a system's microinverters, W and Wh.",
        },
        "Energy of each day": {
            "battery-lifetime": "Energy that all batteries took in and gave on each local day, Wh.  (v4)",
            "consumption-lifetime": "Energy that was consumed on each local day, Wh.",
            "energy-export-lifetime": "Energy fed into the grid on each local day, Wh.  (v4)",
            "energy-import-lifetime": "Energy drawn from the grid on each local day, Wh.  (v4)",
            "energy-lifetime": "Energy that a system produced on each of its local days, Wh.",
            "ev-charger-lifetime": "Energy that Enphase's EV charger consumed on each local day, Wh.  (v4)",
            "evse-lifetime": "Energy that one EV charger consumed on each local day, Wh.  (v4)",
            "hp-lifetime": "Energy that a system's heat pump consumed on each local day, Wh.  (v4)",
            "monthly-production": "Energy of the month that begins on a local day, Wh by meter.",
        },
    }
)
"""What each command does, as its own help says, section by section: the list is told without loading them."""

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
        command = error.ctx.command_path if error.ctx else "enlighten"
        text = " ".join(error.format_message().split()).rstrip(".")
        formatting.tell(f"error: {text}; {command} --help tells more")
        sys.exit(error.exit_code)


class Enlighten(click.Group):
    """The group of all commands; its help lists them by what they are for."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return [name for commands in HELP.values() for name in commands]

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
        for title, commands in HELP.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the variables of the environment, and the exit codes."""
        with formatter.section('Environment, and in lower case (plan = "kilowatt") the file of settings'):
            formatter.write_dl([(f"{PREFIX}{name}", text) for name, text in CREDENTIALS.items()])
            rest = ", ".join(f"{PREFIX}{each}" for each in OPTIONS)
            formatter.write_text(f"Options: {rest}.")
            formatter.write_text(f"The file is {config_file()}; if it holds a key, nobody else may read it.")
        super().format_epilog(ctx, formatter)


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

    The options may also stand after the command. Credentials come from the environment or from the
    file of settings, both named below: the key of the application, and for version 4 of the API,
    the live one, its client id and client secret. The owner of the systems logs in once, by
    `enlighten login`. `enlighten doctor` checks all of this; `enlighten demo` needs none of it.
    """
    click_context.obj = context_of(click_context)
