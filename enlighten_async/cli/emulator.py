"""`enlighten emulator` and `enlighten demo`: the service on this machine, and the client against it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import click

from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.progress import shown_progress
from enlighten_async.lazy import LazyModule

if TYPE_CHECKING:
    from enlighten_async import demo as demos
    from enlighten_async import emulator as emulators
    from enlighten_async.demo import Demo
    from enlighten_async.emulator import Drift, Emulator, Fault, Quota
    from enlighten_async.models import Sum
else:  # only these commands need them
    emulators, demos = LazyModule("enlighten_async.emulator"), LazyModule("enlighten_async.demo")

ROTATIONS = ["strict", "lenient"]
PLANS = ["watt", "kilowatt", "megawatt", "partner", "unlimited"]
MAX_USERS, MAX_SYSTEMS = 1_000, 10_000
MAX_NAMES = 8
"""Users and systems that are named in the banner."""

MAX_MONTHS_COLUMNS = 100
"""Columns of the table of months, at most: longer bars are not easier to compare."""

BANNER = """\
The emulator is at {url} (Ctrl-C ends it).

  key      any text
  users    {users}
  systems  {systems}
  plan     {plan}

  curl '{url}/systems?key=any&user_id={user}'

  ENLIGHTEN_API_KEY=any ENLIGHTEN_USER_ID={user} \\
    enlighten --base-url {url} systems

Version 4 of the API is at {host}/api/v4, with the same systems. It needs a token,
which any client id, secret and password get:

  curl -u any:any '{host}/oauth/token' -d grant_type=password -d username={user} -d password=any

  curl -H "Authorization: Bearer $TOKEN" '{host}/api/v4/systems?key=any'

or a code, which the consent of an owner gives (add &user=ID for another user):

  {host}/oauth/authorize?response_type=code&client_id=any&redirect_uri={host}/oauth/redirect_uri

  export ENLIGHTEN_API_KEY=any ENLIGHTEN_CLIENT_ID=any ENLIGHTEN_CLIENT_SECRET=any
  export ENLIGHTEN_TOKENS=emulated.json ENLIGHTEN_BASE_URL={host}/api/v4
  enlighten login && enlighten systems

What it counted, faults, latency, tokens and time, at will (the service has no such path):

  curl {host}/_emulator
  curl {host}/_emulator/faults -H 'Content-Type: application/json' -d '{{"name": "drop", "times": 2}}'
"""


def _drifts(_: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> frozenset[Drift]:
    """Return the drifts of these names."""
    if unknown := [name for name in names if name not in set(emulators.Drift)]:
        text = f"{', '.join(unknown)}: choose from {', '.join(emulators.Drift)}"
        raise click.BadParameter(text, param=parameter)
    return frozenset(map(emulators.Drift, names))


def _faults(_: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> list[Fault]:
    """Return the faults of these texts."""
    try:
        return [emulators.parse_fault(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def _moment(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Return the epoch seconds of an instant; one without an offset is in UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise click.BadParameter("write an instant such as 2026-05-01T12:00", param=parameter) from None


class EmulatorOptions(TypedDict):
    """Options of the emulator itself, as the command line has them."""

    plan: str
    seed: int
    users: int
    systems: int
    latency: float
    jitter: float
    rotation: Literal["strict", "lenient"]
    faults: list[Fault]
    token_ttl: float | None
    now: float | None
    added: frozenset[Drift]
    removed: frozenset[Drift]


class EmulatorCommand(click.Command):
    """A command whose help lists the faults and the drifts."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the faults, and the names of the drifts and what they do."""
        with formatter.section("Faults"):
            formatter.write_text(f"{', '.join(emulators.FAULTS)}.")
        with formatter.section("Drifts"):
            formatter.write_dl(
                [
                    (name, f"{text} (on by default)" if name in emulators.DEFAULT_DRIFTS else text)
                    for name, text in emulators.DRIFTS.items()
                ]
            )


@click.command(cls=EmulatorCommand, short_help="Serve an emulator of the service.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen at."
)
@click.option(
    "--port",
    type=params.Number(1, 65_535),
    default=8700,
    show_default=True,
    metavar="N",
    help="Port to listen at.",
)
@click.option("--plan", type=click.Choice(PLANS), default="watt", show_default=True, help="Limits of a key.")
@click.option(
    "--seed", default=0, show_default=True, metavar="N", help="Seed of systems, weather and latencies."
)
@click.option(
    "--users",
    type=params.Number(1, MAX_USERS),
    default=1,
    show_default=True,
    metavar="N",
    help="Users who may log in.",
)
@click.option(
    "--systems",
    type=params.Number(1, MAX_SYSTEMS),
    default=8,
    show_default=True,
    metavar="N",
    help="Systems of each user.",
)
@click.option(
    "--latency",
    type=params.Seconds(0),
    metavar="SECONDS",
    default=0.0,
    show_default=True,
    help="Seconds that an answer takes.",
)
@click.option(
    "--jitter",
    type=params.Seconds(0),
    metavar="SECONDS",
    default=0.0,
    show_default=True,
    help="Seconds by which the latency varies, up or down.",
)
@click.option(
    "--fault",
    "faults",
    metavar="NAME[,times=N,...]",
    callback=_faults,
    multiple=True,
    help="Inject a fault, such as drop,times=2,path=rgm_stats. Options: times (a number, or always), after,"
    " path, delay, status, body, retry_after; may be given again.",
)
@click.option(
    "--token-ttl",
    type=params.Seconds(0, min_open=True),
    metavar="SECONDS",
    help="Life of an access token of v4.  [default: a day]",
)
@click.option(
    "--now",
    metavar="INSTANT",
    callback=_moment,
    help="Time at the start, such as 2026-05-01T12:00 (UTC).  [default: that of this machine]",
)
@click.option("--log/--no-log", default=True, show_default=True, help="Show each request, without its key.")
@click.option(
    "--rotation",
    type=click.Choice(ROTATIONS),
    default="strict",
    show_default=True,
    help="Whether a refresh token of v4 ends when it is used.",
)
@click.option(
    "--drift",
    "added",
    metavar="NAME",
    callback=_drifts,
    multiple=True,
    help="Turn on a drift, a departure from the documentation; may be given again. The names are below.",
)
@click.option(
    "--no-drift",
    "removed",
    metavar="NAME",
    callback=_drifts,
    multiple=True,
    help="Turn off a drift; may be given again.",
)
@click.pass_obj
def emulator(
    context: CommandContext, host: str, port: int, log: bool, **options: Unpack[EmulatorOptions]
) -> None:
    """Serve an emulator of the service on this machine, for trying things out."""
    service = emulator_of(**options)
    if log:
        service.access_log = lambda access: context.report(str(access))

    async def work() -> None:
        _check_free(host, port)
        click.echo(_banner(service, f"http://{f'[{host}]' if ':' in host else host}:{port}"))
        try:
            await service.serve(host, port)
        finally:
            for line in summary(service):
                context.report(line)

    context.run(work, until_interrupted=True)


def emulator_of(**options: Unpack[EmulatorOptions]) -> Emulator:
    """Return the emulator of a command line."""
    service = emulators.Emulator(
        seed=options["seed"],
        users=options["users"],
        systems=options["systems"],
        quota=getattr(emulators.Quota, options["plan"].upper()),
        latency=emulators.jittered(options["latency"], options["jitter"]),
        rotation=options["rotation"],
        faults=options["faults"],
        clock=emulators.ServiceClock(options["now"]),
        drifts=(emulators.DEFAULT_DRIFTS | options["added"]) - options["removed"],
    )
    service.token_ttl = options["token_ttl"] or service.token_ttl
    return service


def summary(service: Emulator) -> list[str]:
    """Return what an emulator has counted, in lines."""
    counts = service.counts
    busiest = max((counts.windows + counts.rejected_windows).values(), default=0)
    served = f"{counts.served:,} within the quota, {counts.rejected:,} rejected"
    lines = [f"requests  {counts.sent:,}: {served}; at most {busiest:,} in a minute"]
    if counts.by_status:
        told = (f"{status}: {number:,}" for status, number in sorted(counts.by_status.items()))
        lines.append(f"status    {', '.join(told)}")
    if counts.tokens:
        refused = counts.refused_tokens
        told = (f"{grant} {number:,} ({refused[grant]:,} refused)" for grant, number in counts.tokens.items())
        lines.append(f"tokens    {', '.join(told)}")
    return lines


def _check_free(host: str, port: int) -> None:
    """Check that a port is free: uvicorn would report it only after the banner, in another form.

    Raises:
        OSError: the port is in use, or the address is not this machine's.
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = f"cannot listen at {host} port {port}: choose another --host or --port"
        raise OSError(error.errno, reason) from None


def _banner(service: Emulator, host: str) -> str:
    """Return the addresses, users, systems and commands to use the emulator with."""
    users, systems = (
        service.users,
        [str(system.system_id) for system in service.truth.systems(service.demo_user)],
    )
    return BANNER.format(
        host=host,
        url=f"{host}/api/v2",
        user=service.demo_user,
        users=_first(users),
        systems=_first(systems),
        plan=_limits(service.quota),
    )


def _limits(quota: Quota) -> str:
    """Return a plan's name and its limits, those of v4 as well where they are others."""
    if quota.minute is None or quota.month is None:
        return quota.name
    text = f"{quota.name} ({quota.minute:,} requests a minute, {quota.month:,} a month"
    month = quota.of("v4").month
    return f"{text})" if month in {None, quota.month} else f"{text}; {month:,} in v4)"


def _first(names: list[str]) -> str:
    more = len(names) - MAX_NAMES
    return " ".join(names[:MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


@click.command(short_help="Fetch a year from an emulator of the service.")
@click.option("--seed", default=0, show_default=True, metavar="N", help="Seed of the emulated weather.")
@click.option("--v4", is_flag=True, help="By version 4 of the API, with a login.")
@click.pass_obj
def demo(context: CommandContext, seed: int, v4: bool) -> None:
    """Fetch a year from an emulator on this machine, and show what it costs there and on the free plan.

    The real client, over real sockets. It needs neither a key nor the network.
    """

    def watch(query: Any) -> Any:
        return shown_progress(query, context.err, live=context.live)

    async def work() -> None:
        show_demo(context, await demos.run(version="v4" if v4 else "v2", seed=seed, watch=watch))

    context.run(work)


def show_demo(context: CommandContext, done: Demo) -> None:
    """Show the result of the demo: the months of the year, and the receipts."""
    out = context.out
    place = ", ".join(part for part in (done.system.city, done.system.timezone) if part)
    out.print(f"System {done.system.system_id} ({place}), the last 365 days, from {done.base_url}\n")
    months = done.year.sums("month")
    headings = ["month", "kWh", "intervals"]
    rows, values = list(_months(months)), [month.wh for month in months]
    out.print(formatting.bar_table(out, headings, rows, values, max_columns=MAX_MONTHS_COLUMNS))
    out.print()
    for line in demo_receipt(done):
        out.print(line)


def _months(months: Sequence[Sum]) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the table; the total is the last one."""
    for month in months:
        whole = f"{month.got / month.expected:.1%}" if month.expected else ""
        yield f"{month.start:%Y-%m}", formatting.kwh(month.wh), whole
    yield "total", formatting.kwh(sum(month.wh for month in months)), ""


def demo_receipt(done: Demo) -> list[str]:
    """Return the cost of the year, and its cost on the free plan, in lines."""
    spent, price, plan = done.year.receipt, done.price, done.plan
    agrees = (done.counted, done.rejected) == (spent.sent, spent.rejected)
    exact = "to the Wh" if done.wh == done.energy else f"NOT the answer's {formatting.number(done.wh)}"
    share = "" if price.month_share is None else f"; {price.month_share:.2%} of the month's "
    before = f"(and {done.listing.sent} before, for the time zone)"
    wait = f"{price.at_most} requests at {plan.minute} a minute: {formatting.duration(done.wait)} from now"
    return [
        f"receipt   {formatting.receipt(spent)}, in {done.seconds:.1f} s {before}",
        f"service   counted {done.counted}, rejected {done.rejected}: {'agreed' if agrees else 'NOT AGREED'}",
        f"coverage  {formatting.coverage(done.year.coverage)}",
        f"energy    {formatting.number(done.energy)} Wh by the service's data: {exact}",
        f"on {plan.name:<7}{wait}{share}{formatting.number(plan.month or 0)} in {done.version}",
    ]
