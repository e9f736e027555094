"""A command for each endpoint, made of the client's method: its name, its arguments and its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import click
from attrs import frozen

from enlighten_async.api.paging import Filter
from enlighten_async.cli import params
from enlighten_async.cli.answers import Reading
from enlighten_async.cli.reading import Question, read
from enlighten_async.cli.settings import Setting, accept_settings
from enlighten_async.client.endpoints import Endpoints
from enlighten_async.client.endpoints_v4 import EndpointsV4
from enlighten_async.models.intervals import IntervalStats, Unit

SYSTEMS = frozenset({"system_id", "site_id"})
"""Names of the argument that is a system."""

ENDS = ("start", "end")

RANGE = re.compile(r"(start|end)_(at|date|time)")
"""Keywords of a range of time."""

PERIOD_HELP = MappingProxyType({"start": "First day of the range", "end": "Last day, inclusive"})

SUM_UNITS = get_args(Unit)

Method: TypeAlias = Callable[..., Any]


@frozen
class Endpoint:
    """An endpoint, as the signature of the client's method tells of it.

    Attributes:
        method: name of the method.
        arguments: names of the positional arguments, and whether each is needed.
        keywords: types of the keywords.
        needed: keywords that have to be given.
        answer: class of the answer.
        text: docstring of the method.
        only_v4: whether version 2 does not have it.
    """

    method: str
    arguments: Mapping[str, bool]
    keywords: Mapping[str, Any]
    needed: frozenset[str]
    answer: type
    text: str
    only_v4: bool

    @property
    def name(self) -> str:
        """The name of the command."""
        return self.method.replace("_", "-")

    @property
    def takes_systems(self) -> bool:
        """Whether it is asked of a system."""
        return bool(SYSTEMS & self.arguments.keys())

    @property
    def range_keywords(self) -> tuple[str, ...]:
        """Its keywords of a range of time."""
        return tuple(each for each in self.keywords if RANGE.fullmatch(each))

    @property
    def ends(self) -> tuple[str, ...]:
        """The ends of a range of time that it takes."""
        return tuple(end for end in ENDS if any(each.startswith(end) for each in self.range_keywords))

    @property
    def section(self) -> str:
        """The section of the help that it is in."""
        if "start_at" in self.keywords:
            return "Intervals of a range of time"
        return "Energy of each day" if "start_date" in self.keywords else "Systems, devices and events"


@cache
def endpoints() -> Mapping[str, Endpoint]:
    """Return the endpoints of both versions by the names of their commands."""
    methods = {
        name: (method, owner is EndpointsV4)
        for owner in (Endpoints, EndpointsV4)
        for name, method in vars(owner).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }
    found = (_endpoint(method, only_v4=only) for method, only in methods.values())
    return MappingProxyType({each.name: each for each in found})


def _endpoint(method: Method, *, only_v4: bool) -> Endpoint:
    hints = get_type_hints(method)
    signature = list(inspect.signature(method).parameters.values())[1:]
    keywords: dict[str, Any] = {}
    for each in signature:
        if each.kind is each.VAR_KEYWORD:
            keywords.update(get_type_hints(get_args(hints[each.name])[0]))
        elif each.kind is each.KEYWORD_ONLY:
            keywords[each.name] = hints[each.name]
    return Endpoint(
        method=method.__name__,
        arguments={e.name: e.default is e.empty for e in signature if e.kind is e.POSITIONAL_OR_KEYWORD},
        keywords=keywords,
        needed=frozenset(e.name for e in signature if e.kind is e.KEYWORD_ONLY and e.default is e.empty),
        answer=get_args(hints["return"])[1],
        text=inspect.getdoc(method) or "",
        only_v4=only_v4,
    )


def command(endpoint: Endpoint, *, price: bool = False) -> click.Command:
    """Return the command of an endpoint.

    Args:
        endpoint: the endpoint.
        price: whether the command only tells the price.
    """

    @click.pass_context
    def run(context: click.Context, /, **given: Any) -> None:
        reading = Reading.taken_from(given, endpoint.answer, price=price)
        read(context.obj, question(endpoint, given), reading)

    summary, details = _help(endpoint)
    return click.Command(
        endpoint.name,
        callback=run,
        params=[*_arguments(endpoint), *_keywords(endpoint), *_options(endpoint, price=price)],
        help=f"{summary}\n\n{details}" if details else summary,
        short_help=f"{_short(summary)}{'  (v4)' * endpoint.only_v4}",
    )


def question(endpoint: Endpoint, given: dict[str, Any]) -> Question:
    """Return what is asked of the client; takes what it needs out of the given options.

    Raises:
        click.UsageError: something is missing, or does not fit together.
    """
    period = params.Period(*(given.pop(name, None) for name in (*ENDS, "last")))
    period.check(endpoint.range_keywords)
    if period.start is None and period.last is None and any(n.startswith("start") for n in endpoint.needed):
        raise click.UsageError("give the first day: --start 2026-05-01, or --last 30d")
    everyone, positional = given.pop("all_systems", False), [given.pop(n) for n in endpoint.arguments]
    if endpoint.takes_systems and bool(positional[0]) == everyone:
        raise click.UsageError("name systems, or else give --all; enlighten systems lists them")
    if endpoint.takes_systems and isinstance(positional[0], tuple):
        positional[0] = tuple(each.lstrip("0") or each for each in positional[0])
    others = {name: given.pop(name) for name in endpoint.keywords if name in given}
    return Question(
        method=endpoint.method,
        positional=tuple(each if isinstance(each, tuple) else (each,) for each in positional),
        everyone=everyone,
        period=period,
        range_keywords=endpoint.range_keywords,
        others={name: value for name, value in others.items() if value not in (None, ())},
        of_systems=endpoint.takes_systems,
    )


def _arguments(endpoint: Endpoint) -> list[click.Parameter]:
    """Return the arguments: several of the last one; systems may also be all of them."""
    found: list[click.Parameter] = []
    for place, (name, needed) in enumerate(endpoint.arguments.items(), 1):
        last = place == len(endpoint.arguments)
        several = last and needed
        word = re.sub("_num(ber)?|_id", "", name).replace("_", "-")
        metavar = "SYSTEM" if name in SYSTEMS else word.upper()
        found.append(
            click.Argument(
                [name],
                nargs=-1 if several else 1,
                required=needed and not (several and name in SYSTEMS),
                metavar=f"{metavar}..." if several else metavar if needed else f"[{metavar}]",
            )
        )
    if len(endpoint.arguments) == 1 and endpoint.takes_systems:
        found.append(click.Option(["--all", "all_systems"], is_flag=True, help="Ask for all your systems."))
    return found


def _keywords(endpoint: Endpoint) -> list[click.Parameter]:
    """Return the options of the method's keywords."""
    keywords, told = endpoint.range_keywords, _told(endpoint.text)
    days = not any(each.endswith(("_at", "_time")) for each in keywords)
    found: list[click.Parameter] = [
        click.Option(
            [f"--{end}"],
            callback=params.day if days else params.moment,
            metavar="DAY" if days else "DAY|INSTANT",
            help=_period_help(end, keywords),
        )
        for end in endpoint.ends
    ]
    if endpoint.ends == ENDS:
        text = "In place of --start and --end: the range that ends now, such as 30d, 12h or 1y."
        found.append(click.Option(["--last"], callback=params.span, metavar="SPAN", help=text))
    others = {name: hint for name, hint in endpoint.keywords.items() if name not in keywords}
    return [*found, *(_option(name, hint, told.get(name)) for name, hint in others.items())]


def _period_help(end: str, keywords: Sequence[str]) -> str:
    """Return the help of an end of a range, by the keywords that take it."""
    text = PERIOD_HELP[end]
    if not any(each.endswith(("_at", "_time")) for each in keywords):
        return f"{text}."
    of_utc = "" if f"{end}_date" in keywords else " (of UTC)"
    return f"{text}{of_utc}, or an instant."


def _option(name: str, hint: Any, text: str | None) -> click.Option:
    """Return the option of a keyword, by its type."""
    declaration, kinds = f"--{name.replace('_', '-')}", set(get_args(hint))
    if hint == Filter or int in kinds:
        return click.Option([declaration], multiple=True, metavar="TEXT", help=text)
    if bool in kinds:
        text = (text or "").replace("`True`", declaration).replace("`False`", f"--not-{name}")
        return click.Option([f"{declaration}/--not-{name}"], default=None, help=text)
    literals = [get_args(each) for each in kinds if get_origin(each) is Literal]
    if literals:
        return click.Option([declaration], type=click.Choice(literals[0]), help=text)
    if kinds == {date, NoneType}:
        return click.Option([declaration], callback=params.day, metavar="DAY", help=text)
    return click.Option([declaration], metavar="TEXT", help=text)


def _options(endpoint: Endpoint, *, price: bool) -> list[click.Parameter]:
    """Return the options that say how the question is asked, and how the answer is given out."""
    if not price:
        told = click.Option(["--estimate"], is_flag=True, help="Show the price, and send nothing.")
        return [*_views(endpoint), *_formats(), *params.asking(), told]
    given_out = [*_views(endpoint), *_formats()]
    for each in given_out:  # taken, so that the words of a command that reads may stand as they are
        each.hidden = True
    return [
        *given_out,
        *params.asking(),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
    ]


def _views(endpoint: Endpoint) -> list[click.Option]:
    """Return the options that choose the rows of a series."""
    found: list[click.Option] = []
    if issubclass(endpoint.answer, IntervalStats):
        zone = "Zone of the days and hours.  [default: the system's if known, else UTC]"
        found.append(
            click.Option(
                ["--by"], type=click.Choice(SUM_UNITS), help="Give energies by local hour, day or month."
            )
        )
        found.append(click.Option(["--timezone"], callback=params.zone, metavar="NAME", help=zone))
    if hasattr(endpoint.answer, "meter_table"):
        text = "Give the rows of each meter's channels instead."
        found.append(click.Option(["--meters"], is_flag=True, help=text))
    return found


def _formats() -> list[click.Option]:
    return [
        Setting(
            ["--format", "format_name"],
            type=click.Choice(params.FORMAT_NAMES),
            envvar="ENLIGHTEN_FORMAT",
            show_envvar=True,
            help="Format of the answer.  [default: by the file's name, else table]",
        ),
        click.Option(
            ["-o", "--output"],
            callback=params.output,
            metavar=params.OUTPUT_METAVAR,
            help="Write a file: .csv, .jsonl, .json or .parquet; - is CSV on stdout.",
        ),
    ]


class Prices(click.Group):
    """A command for each endpoint, which tells the price."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the endpoints."""
        return list(endpoints())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of an endpoint."""
        endpoint = endpoints().get(cmd_name)
        return None if endpoint is None else accept_settings(command(endpoint, price=True))


@click.group(cls=Prices, short_help="Show the price of a read.")
def estimate() -> None:
    """Show the price of a read, such as enlighten estimate rgm-stats 1765 --last 1y.

    Nothing is sent. Arguments and options are those of the command that reads.
    """


CLAUSE = re.compile(r"(?<=[.;])\s+")

CODE = re.compile(r"`(\w+)`")

STARTS = (("Ask for ", "Read "), ("Ask whether ", "Tell whether "))


def _help(endpoint: Endpoint) -> tuple[str, str]:
    """Return the summary and the rest of a method's docstring, without what is meant for Python."""
    paragraphs = endpoint.text.partition("\nArgs:")[0].split("\n\n")
    readable = [_readable(" ".join(each.split())) for each in paragraphs]
    summary, *rest = [each for each in readable if each]
    for before, after in STARTS:
        summary = summary.replace(before, after, 1) if summary.startswith(before) else summary
    if endpoint.only_v4:
        rest.append("Version 4 of the API only.")
    return summary, "\n\n".join(rest)


def _short(summary: str) -> str:
    """Return a summary for a list of commands: its first clause, as a noun where it is one."""
    noun = summary.partition(";")[0].rstrip(".").removeprefix("Read ").removeprefix("the ")
    return f"{noun[:1].upper()}{noun[1:]}."


def _readable(paragraph: str) -> str:
    """Return the clauses of a paragraph that name nothing of Python."""
    clauses = CLAUSE.split(_in_words(paragraph))
    kept = [each for each in clauses if "`" not in each and not each.startswith("Streamed")]
    return f"{' '.join(kept).rstrip('.;')}." if kept else ""


def _in_words(text: str) -> str:
    """Return a text that names options and commands in place of what they stand for in Python."""
    words = {each: each.replace("_", "-") for each in (*vars(Endpoints), *vars(EndpointsV4))}
    words |= {f"{end}_{kind}": f"--{end}" for end in ENDS for kind in ("at", "date", "time")}
    return CODE.sub(lambda found: words.get(found[1], found[0]), text)


def _told(text: str) -> Mapping[str, str]:
    """Return what the docstring of a method says of its arguments."""
    told: dict[str, str] = {}
    name = ""
    for line in text.partition("\nArgs:")[2].splitlines():
        start, colon, rest = line.strip().partition(": ")
        if colon and start.isidentifier():
            name, told[start] = start, rest
        elif name and line.strip():
            told[name] += f" {line.strip()}"
    return {each: told[each][:1].upper() + told[each][1:] for each in told}
