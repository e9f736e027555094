"""The command `enlighten`: its subcommands, and the options that all of them have."""

from __future__ import annotations

import click
from attrs import evolve

from enlighten_async.cli import params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.emulator import demo, emulator
from enlighten_async.cli.estimate import estimate, quota
from enlighten_async.cli.login import login
from enlighten_async.cli.queries import rgm_stats, systems
from enlighten_async.cli.store import store
from enlighten_async.client import ClientOptions
from enlighten_async.limiter import Plan

EPILOG = """\b
Exit codes:
  0  done
  1  a file could not be written, or a fault of this program
  2  fix the call: nothing was sent
  3  the key, the user, the login or the system is not accepted or not found
  4  the quota or the budget does not allow it (yet)
  5  the service failed, or could not be reached
130  ended by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP"""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.option("--base-url", metavar="URL", help="URL of the API, such as that of an emulator.")
@click.option(
    "--plan",
    callback=params.plan,
    metavar="NAME|MINUTE/MONTH",
    envvar="ENLIGHTEN_PLAN",
    help="Limits of the key: watt, kilowatt, megawatt, partner, or such as 50/50000.  [default: watt]",
)
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    envvar="ENLIGHTEN_STATE",
    help="Share quota counts and cached data with the other programs of this machine that name the file."
    "  [default: a file in your state folder]",
)
@click.option("--no-state", is_flag=True, help="Cache nothing, and count the requests of this command only.")
@click.option("-v", "--verbose", count=True, help="Show the log on stderr; twice: all of it.")
@click.version_option(package_name="enlighten-async", prog_name="enlighten")
@click.pass_context
def cli(
    click_context: click.Context,
    base_url: str | None,
    plan: Plan | None,
    state: str | None,
    no_state: bool,
    verbose: int,
) -> None:
    """Read solar production from Enphase's Enlighten Systems API, for the fewest requests.

    The credentials are taken from the environment only. ENLIGHTEN_API_KEY is needed by all
    commands that send requests.

    Version 4 of the API, the one that is live, needs ENLIGHTEN_CLIENT_ID and ENLIGHTEN_CLIENT_SECRET
    as well, and that the owner of the systems logs in once: `enlighten login`. ENLIGHTEN_ACCOUNT names
    the account, if it is not "default".

    Version 2 needs ENLIGHTEN_USER_ID. Try `enlighten demo`, which needs nothing.
    """
    context: CommandContext = click_context.obj or CommandContext()
    options: ClientOptions = {} if plan is None else {"plan": plan}
    if base_url is not None:
        options["base_url"] = base_url
    if state is not None or no_state:
        options["state"] = None if no_state else state
    context = evolve(context, options={**context.options, **options}, verbose=verbose)
    click_context.with_resource(context.show_log())
    click_context.obj = context


for command in (demo, emulator, login, systems, rgm_stats, estimate, quota, store):
    cli.add_command(command)
