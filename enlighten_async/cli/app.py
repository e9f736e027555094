"""The commands, and the options all of them have."""

from __future__ import annotations

import click
from attrs import evolve

from enlighten_async.cli import inputs
from enlighten_async.cli.demo import demo
from enlighten_async.cli.emulator import emulator
from enlighten_async.cli.estimate import estimate, quota
from enlighten_async.cli.login import login
from enlighten_async.cli.rgm_stats import rgm_stats
from enlighten_async.cli.shell import Shell
from enlighten_async.cli.store import store
from enlighten_async.cli.systems import systems
from enlighten_async.client import ClientOptions
from enlighten_async.limiter import Plan

EPILOG = """\b
Exit codes:
  0  done
  1  a file could not be written, or a fault of this program
  2  mend the call: nothing was sent
  3  the key, the user, the login or the system is not accepted or not found
  4  the quota or the budget does not allow it (yet)
  5  the service failed, or could not be reached
130  ended by Ctrl-C"""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.option("--base-url", metavar="URL", help="Where the API is; an emulator's address, say.")
@click.option(
    "--plan",
    callback=inputs.plan,
    metavar="NAME|MINUTE/MONTH",
    envvar="ENLIGHTEN_PLAN",
    help="What the key may spend: watt, kilowatt, ..., or 50/50000, say.  [default: watt]",
)
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    envvar="ENLIGHTEN_STATE",
    help="Share what is spent and bought with the other programs of this machine that name the file."
    "  [default: one of your own]",
)
@click.option("--no-state", is_flag=True, help="Keep nothing, and count by this command alone.")
@click.option("-v", "--verbose", count=True, help="Show the log on stderr; twice: all of it.")
@click.version_option(package_name="enlighten-async", prog_name="enlighten")
@click.pass_context
def cli(
    context: click.Context,
    base_url: str | None,
    plan: Plan | None,
    state: str | None,
    no_state: bool,
    verbose: int,
) -> None:
    """Read solar production from Enphase's Enlighten Systems API, for the fewest requests.

    The credentials are taken from the environment alone. ENLIGHTEN_API_KEY is needed by all
    that ask the service.

    Version 4 of the API, the one that is live, needs ENLIGHTEN_CLIENT_ID and ENLIGHTEN_CLIENT_SECRET
    as well, and that the owner of the systems logs in once: `enlighten login`. ENLIGHTEN_ACCOUNT names
    the account, if it is another than "default".

    Version 2 needs ENLIGHTEN_USER_ID. Try `enlighten demo`, which needs nothing.
    """
    shell: Shell = context.obj or Shell()
    given: ClientOptions = {} if plan is None else {"plan": plan}
    if base_url is not None:
        given["base_url"] = base_url
    if state is not None or no_state:
        given["state"] = None if no_state else state
    shell = evolve(shell, options={**shell.options, **given}, verbose=verbose)
    context.with_resource(shell.log_shown())
    context.obj = shell


for command in (demo, emulator, login, systems, rgm_stats, estimate, quota, store):
    cli.add_command(command)
