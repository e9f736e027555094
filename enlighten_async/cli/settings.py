"""Settings: the options of `enlighten` itself, which may stand before or after a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from enlighten_async.cli.context import CommandContext
    from enlighten_async.client import ClientOptions


def context_of(click_context: click.Context) -> CommandContext:
    """Return the context of a command, made when it is first needed."""
    from enlighten_async.cli.context import CommandContext  # noqa: PLC0415 - `--version` needs none

    found: CommandContext = click_context.obj or CommandContext()
    return found


def _option(name: str) -> Callable[[Any], ClientOptions]:
    return lambda value: {name: value}  # type: ignore[misc]


def _plan(text: str) -> ClientOptions:
    from enlighten_async.cli import params  # noqa: PLC0415 - `--version` needs none

    return {"plan": params.plan(text)}


CHANGES: Mapping[str, Callable[[Any], ClientOptions]] = MappingProxyType(
    {
        "base_url": _option("base_url"),
        "plan": _plan,
        "state": _option("state"),
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
    from attrs import evolve  # noqa: PLC0415 - `--version` needs none

    context = context_of(click_context)
    options = CHANGES[option.name or ""](value)
    more = value if option.name == "verbose" else 0
    click_context.obj = evolve(
        context, options={**context.options, **options}, verbose=context.verbose + more
    )
    return value


_KINDS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "base_url": {"metavar": "URL", "help": "URL of the API, such as that of an emulator."},
        "plan": {
            "metavar": "NAME|MINUTE/MONTH",
            "help": "Limits of the key: watt, kilowatt, megawatt, partner, or, say, 50/50000."
            "  [default: watt]",
        },
        "state": {
            "metavar": "FILE",
            "type": click.Path(dir_okay=False),
            "help": "Share counts and cached data with the programs of this machine that name the file."
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
        click.Option(
            [*(["-v"] if name == "verbose" else []), f"--{name.replace('_', '-')}"],
            envvar=f"ENLIGHTEN_{name.upper()}" if first else None,
            show_envvar=True,
            hidden=not first,
            callback=_take,
            expose_value=False,
            **kind,
        )
        for name, kind in _KINDS.items()
    ]


def accept_settings(command: click.Command) -> click.Command:
    """Let a command, and those below it, take the options that it has none of its own for."""
    taken = {name for each in command.params for name in (*each.opts, each.name)}
    command.params += [each for each in settings(first=False) if not taken & {*each.opts, each.name}]
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        accept_settings(below)
    return command
