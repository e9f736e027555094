"""`enlighten emulator`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Literal

import click

from enlighten_async.cli.shell import Shell

if TYPE_CHECKING:
    from enlighten_async.emulator import Emulator, Quota

ROTATIONS = ["strict", "lenient"]
PLANS = ["watt", "kilowatt", "megawatt", "partner", "unlimited"]
SHOWN = 8

BANNER = """\
The service's fake is at {url} (Ctrl-C ends it).

  key      any text
  users    {users}
  systems  {systems}
  plan     {plan}

  curl '{url}/systems?key=any&user_id={user}'

  ENLIGHTEN_API_KEY=any ENLIGHTEN_USER_ID={user} \\
    enlighten --base-url {url} systems

Version 4 of the API is at {host}/api/v4, with the same systems. It needs a token,
of which any client id, secret and password get one:

  curl -u any:any '{host}/oauth/token' -d grant_type=password -d username={user} -d password=any

  curl -H "Authorization: Bearer $TOKEN" '{host}/api/v4/systems?key=any'

or a code, which an owner's consent gives (add &user=ID for another user):

  {host}/oauth/authorize?response_type=code&client_id=any&redirect_uri={host}/oauth/redirect_uri

  export ENLIGHTEN_API_KEY=any ENLIGHTEN_CLIENT_ID=any ENLIGHTEN_CLIENT_SECRET=any
  export ENLIGHTEN_TOKENS=emulated.json ENLIGHTEN_BASE_URL={host}/api/v4
  enlighten login && enlighten systems
"""


@click.command(short_help="Serve a fake of the service.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8700, show_default=True)
@click.option("--plan", type=click.Choice(PLANS), default="watt", show_default=True, help="Limits of a key.")
@click.option("--seed", default=0, show_default=True, help="Of systems, weather and latencies.")
@click.option("--users", type=click.IntRange(1), default=1, show_default=True)
@click.option("--systems", type=click.IntRange(1), default=8, show_default=True, help="Of each user.")
@click.option("--latency", type=click.FloatRange(0), default=0.0, show_default=True, help="Seconds.")
@click.option(
    "--rotation",
    type=click.Choice(ROTATIONS),
    default="strict",
    show_default=True,
    help="Whether a refresh token of v4 that was used is dead.",
)
@click.pass_obj
def emulator(
    shell: Shell,
    host: str,
    port: int,
    plan: str,
    seed: int,
    users: int,
    systems: int,
    latency: float,
    rotation: Literal["strict", "lenient"],
) -> None:
    """Serve a fake of the service on this machine, for trying things out."""
    from enlighten_async.emulator import Emulator, Quota  # noqa: PLC0415 - only this command needs it

    quota: Quota = getattr(Quota, plan.upper())
    fake = Emulator(seed=seed, users=users, systems=systems, quota=quota, latency=latency, rotation=rotation)

    async def work() -> None:
        _check_free(host, port)
        click.echo(_banner(fake, f"http://{f'[{host}]' if ':' in host else host}:{port}"))
        await fake.serve(host, port)

    shell.run(work, until_interrupted=True)


def _check_free(host: str, port: int) -> None:
    """Refuse a port in use: the server would tell only after it was announced, and in its own words.

    Raises:
        OSError: it is in use, or the address is not this machine's.
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = f"cannot listen at {host} port {port}: choose another --host or --port"
        raise OSError(error.errno, reason) from None


def _banner(fake: Emulator, host: str) -> str:
    """Return what one needs to know to use it."""
    users, systems = fake.users, [str(system.system_id) for system in fake.truth.systems(fake.demo_user)]
    return BANNER.format(
        host=host,
        url=f"{host}/api/v2",
        user=fake.demo_user,
        users=_some(users),
        systems=_some(systems),
        plan=_limits(fake.quota),
    )


def _limits(quota: Quota) -> str:
    """Return a plan's name and its limits, those of v4 as well where they are others."""
    if quota.minute is None or quota.month is None:
        return quota.name
    text = f"{quota.name} ({quota.minute:,} requests a minute, {quota.month:,} a month"
    month = quota.of("v4").month
    return f"{text})" if month in {None, quota.month} else f"{text}; {month:,} in v4)"


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return " ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
