"""Settings: the options of `enlighten` itself, the environment's variables, and the file of both."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource
from platformdirs import user_config_path

from enlighten_async.lazy import LazyModule

if TYPE_CHECKING:
    import attrs

    from enlighten_async import state, transport
    from enlighten_async.cli import context as contexts
    from enlighten_async.cli import params
    from enlighten_async.cli.context import CommandContext
    from enlighten_async.client import ClientOptions
else:  # `--version` needs none
    attrs, contexts = LazyModule("attrs"), LazyModule("enlighten_async.cli.context")
    params, state = LazyModule("enlighten_async.cli.params"), LazyModule("enlighten_async.state")
    transport = LazyModule("enlighten_async.transport")

PREFIX = "ENLIGHTEN_"

CREDENTIALS: Mapping[str, str] = MappingProxyType(
    {
        "API_KEY": "key of the application",
        "CLIENT_ID": "version 4: client id of the application",
        "CLIENT_SECRET": "version 4: client secret of the application",
        "TOKENS": "version 4: where tokens are stored: a file of tokens, a state file or a URL",
        "ACCOUNT": 'version 4: account to ask for, if it is not "default"',
        "USER_ID": "version 2: user to ask for",
        "CONFIG": "path of another file of settings",
    }
)
"""What is no option, as the environment is not shown to others."""

OPTIONS = (
    *("BASE_URL", "PLAN", "PACE", "STATE", "NO_STATE", "VERBOSE"),
    *("FORMAT", "PRIORITY", "MAX_AGE", "MAX_REQUESTS", "ONLY_CACHED", "STALE_IF_ERROR"),
)
"""The options that have a variable too."""

SECRET = frozenset({"API_KEY", "CLIENT_SECRET"})

CONFIG = f"{PREFIX}CONFIG"

PLACES = f"{PREFIX}PLACES"
"""Key of the places of options in what click's contexts share."""

UNBROKEN = "\u2011"
"""The hyphen at which no line ends, in place of any other while a help is laid out."""


class Setting(click.Option):
    """An option that the environment may set, or else the file of settings."""

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, click.Parameter]
    ) -> tuple[Any, ParameterSource]:
        """Return the value and its source; the place of one that the command line does not have is kept."""
        value, source = super().consume_value(ctx, opts)
        if source is ParameterSource.ENVIRONMENT and isinstance(self.envvar, str):
            if self.envvar.removeprefix(PREFIX) in OPTIONS:
                places(ctx)[self.opts[-1]] = place_of(self.envvar)
        elif source is ParameterSource.COMMANDLINE:
            places(ctx).pop(self.opts[-1], None)
        return value, source

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Return the place where the value was given: the option, the variable or the file of settings."""
        source = ctx.get_parameter_source(self.name or "") if ctx else None
        if source is ParameterSource.ENVIRONMENT and isinstance(self.envvar, str):
            return place_of(self.envvar)
        return click.Parameter.get_error_hint(self, ctx)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the text of the variable; `None` if neither has it."""
        found = super().resolve_envvar_value(ctx)
        if found is not None or not isinstance(self.envvar, str):
            return found
        return config(ctx).get(self.envvar)


def config(click_context: click.Context) -> Mapping[str, str]:
    """Return the variables in the file of settings, which is read once.

    Raises:
        click.UsageError: it cannot be read, has what it must not have, or others may read a key in it.
    """
    meta = click_context.meta
    if CONFIG not in meta:
        meta[CONFIG] = read_config(config_file())
    found: Mapping[str, str] = meta[CONFIG]
    return found


def places(click_context: click.Context) -> dict[str, str]:
    """Return the places of the options that the command line does not have, by the options."""
    found: dict[str, str] = click_context.meta.setdefault(PLACES, {})
    return found


def place_of(variable: str) -> str:
    """Return the place where a value is that the command line does not have: the variable, or the file."""
    if os.environ.get(variable):
        return variable
    return f"{variable.removeprefix(PREFIX).lower()} in {config_file()}"


def config_file() -> Path:
    """Return the path of the file of settings, which need not be there."""
    named = os.environ.get(CONFIG)
    return Path(named) if named else user_config_path("enlighten", appauthor=False) / "config.toml"


def read_config(path: Path) -> Mapping[str, str]:
    """Return the variables in a file of settings, by their names in the environment; none without a file.

    Raises:
        click.UsageError: see `config`.
    """
    try:
        with path.open("rb") as file:
            shared = os.name == "posix" and bool(os.fstat(file.fileno()).st_mode & 0o077)
            found = tomllib.load(file)
    except FileNotFoundError:
        if os.environ.get(CONFIG):
            raise click.UsageError(f"{path}, which {CONFIG} names, is not there") from None
        return {}
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:  # its text has a place, and may have a character, but no value
        raise click.UsageError(f"{path} is no TOML ({error})") from None
    return _variables(path, found, shared=shared)


def _variables(path: Path, found: Mapping[str, object], *, shared: bool) -> Mapping[str, str]:
    names = {name.upper().replace("-", "_"): value for name, value in found.items()}
    known = {*CREDENTIALS, *OPTIONS} - {"CONFIG"}
    if unknown := sorted(names.keys() - known):
        listed = ", ".join(sorted(map(str.lower, known)))
        raise click.UsageError(f"{path}: {unknown[0].lower()} is no setting; there are {listed}")
    if odd := [name for name, value in names.items() if not isinstance(value, str | int | bool)]:
        raise click.UsageError(f"{path}: {odd[0].lower()} has to be a text or a number")
    if shared and (held := sorted(SECRET & names.keys())):
        raise click.UsageError(f"{path} holds {held[0].lower()}, and others may read it: chmod 600 {path}")
    return {f"{PREFIX}{name}": str(value) for name, value in names.items()}


def context_of(click_context: click.Context) -> CommandContext:
    """Return the context of a command, made when it is first needed."""
    found: CommandContext = click_context.obj or contexts.CommandContext()
    variables, known = config(click_context), places(click_context)
    of_file = [name for name in variables if name.removeprefix(PREFIX) in CREDENTIALS]
    known.update({name: place_of(name) for name in of_file if not os.environ.get(name)})
    return attrs.evolve(found, config=variables, places=known)


def _option(name: str) -> Callable[[Any], ClientOptions]:
    return lambda value: {name: value}  # type: ignore[misc]


def _plan(text: str) -> ClientOptions:
    return {"plan": params.plan(text)}


def _state(given: str) -> ClientOptions:
    return {"state": transport.Secret(given) if state.is_url(given) else given}


def warn_of_password(url: str, instead: str = "put it in ENLIGHTEN_STATE") -> None:
    """Warn of a password on the command line.

    Args:
        url: what was given there.
        instead: where to put it.
    """
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        click.echo(f"a password in the command line is seen by others: {instead}", err=True)


CHANGES: Mapping[str, Callable[[Any], ClientOptions]] = MappingProxyType(
    {
        "base_url": _option("base_url"),
        "plan": _plan,
        "pace": lambda given: {"pace": True} if given else {},
        "state": _state,
        "no_state": lambda given: {"state": None} if given else {},
        "verbose": lambda _: {},
    }
)
"""Changes of the client's options, by the names of the settings."""


def _take(click_context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Take a setting into the context of the command, if it was given."""
    source = click_context.get_parameter_source(option.name or "")
    if value is None or click_context.resilient_parsing or source is ParameterSource.DEFAULT:
        return value
    if option.name == "state" and source is ParameterSource.COMMANDLINE:
        warn_of_password(value)
    context = context_of(click_context)
    options = CHANGES[option.name or ""](value)
    more = value if option.name == "verbose" else 0
    click_context.obj = attrs.evolve(
        context, options={**context.options, **options}, verbose=context.verbose + more
    )
    return value


_KINDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "base_url": {"metavar": "URL", "help": "URL of the API, such as that of an emulator."},
        "plan": {
            "metavar": "NAME|MINUTE/MONTH",
            "help": "Limits of the key: watt, kilowatt, megawatt, partner, unlimited, or, say, 50/50000."
            "  [default: watt]",
        },
        "pace": {
            "is_flag": True,
            "help": "Spread requests of priority poll and backfill evenly over the month.",
        },
        "state": {
            "metavar": "FILE|URL",
            "type": click.Path(dir_okay=False),
            "help": "File of counts and cached data, for all programs of this machine that name it; or a "
            "URL, for those of any machine: postgresql://, or, for counts only, redis:// or rediss://."
            "  [default: a file in your state folder]",
        },
        "no_state": {
            "is_flag": True,
            "help": "Cache nothing, and count the requests of this command only.",
        },
        "verbose": {"count": True, "help": "Show each request on stderr; twice: the whole log."},
    }
)
"""The kinds of the options, by the names of the settings."""


def settings(*, first: bool) -> list[click.Parameter]:
    """Return the options.

    Args:
        first: whether they stand before the command: then the environment's variables count too, and
            `--help` shows them.
    """
    return [
        Setting(
            [*(["-v"] if name == "verbose" else []), f"--{name.replace('_', '-')}"],
            envvar=f"{PREFIX}{name.upper()}" if first else None,
            show_envvar=True,
            hidden=not first,
            callback=_take,
            expose_value=False,
            **kind,
        )
        for name, kind in _KINDS.items()
    ]


class HelpFormatter(click.HelpFormatter):
    """A formatter that breaks no word at its hyphens: a name in two lines cannot be copied."""

    def write(self, string: str) -> None:
        """Write a text with its hyphens."""
        super().write(string.replace(UNBROKEN, "-"))

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", UNBROKEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write a list of words and what they mean."""
        super().write_dl([(word, text.replace("-", UNBROKEN)) for word, text in rows], col_max, col_spacing)


class HelpContext(click.Context):
    """The context of a command, with a formatter of its own."""

    formatter_class = HelpFormatter


def accept_settings(command: click.Command) -> click.Command:
    """Let a command, and those below it, take the options that it has none of its own for."""
    taken = {name for each in command.params for name in (*each.opts, each.name)}
    command.params += [each for each in settings(first=False) if not taken & {*each.opts, each.name}]
    command.context_class = HelpContext
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        accept_settings(below)
    return command
