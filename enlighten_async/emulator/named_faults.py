"""Faults by name, with options as texts: for the command line and for the admin path."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

from attrs import evolve

from enlighten_async.emulator.faults import OUTAGE_FORMS, Fault

ALWAYS = "always"

FAULTS: dict[str, Callable[..., Fault]] = {
    "unavailable": Fault.unavailable,
    "exception": Fault.exception,
    "overloaded": Fault.overloaded,
    "html": Fault.html,
    "redirect": Fault.redirect,
    "echo": Fault.echo,
    "truncated-gzip": Fault.truncated_gzip,
    "short-body": Fault.short_body,
    "lost": Fault.lost,
    "drop": Fault.drop,
    "hang": Fault.hang,
    "drip": Fault.drip,
    "bomb": Fault.bomb,
    "answer": Fault,
    **{f"outage-{form}": partial(Fault.outage, form) for form in OUTAGE_FORMS},
}
"""The makers of faults by name; "answer" gives the `status` and `body` of its options."""

OPTIONS = "times (a number, or always), after, path, delay, status, body; of an outage also retry_after"


def _number(least: float, most: float = 1e9) -> Callable[[object], float | None]:
    """Return a reader of numbers in a range; it returns `None` for what is none."""

    def read(value: object) -> float | None:
        try:
            number = math.nan if isinstance(value, bool) else float(str(value))
        except ValueError:
            return None
        if not least <= number <= most:
            return None
        return int(number) if number.is_integer() else number

    return read


def _times(value: object) -> float | None:
    return math.inf if value == ALWAYS else _number(1)(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


READERS: dict[str, Callable[[object], object]] = {
    "times": _times,
    "after": _number(0),
    "path": _text,
    "delay": _number(0),
    "status": _number(200, 599),
    "body": _text,
    "retry_after": _number(0),
}


def named_fault(name: str, options: Mapping[str, object]) -> Fault:
    """Return a fault of this name.

    Args:
        name: one of `FAULTS`.
        options: attributes of the fault by name, as numbers or as texts.

    Raises:
        ValueError: there is no such fault or option; the text names those there are.
    """
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}: choose from {', '.join(FAULTS)}")
    read: dict[str, object] = {}
    for option, value in options.items():
        known = READERS.get(option)
        if known is None or (option == "retry_after" and not name.startswith("outage-")):
            raise ValueError(f"the fault {name} has no option {option!r}: choose from {OPTIONS}")
        if (given := known(value)) is None:
            raise ValueError(
                f"{option}={value!r} of the fault {name} is out of range: the options are {OPTIONS}"
            )
        read[option] = given
    if name == "answer" and read.keys().isdisjoint({"status", "body", "delay"}):
        raise ValueError("the fault answer needs a status, a body or a delay")
    return evolve(FAULTS[name](**read), name=name)


def parse_fault(text: str) -> Fault:
    """Return the fault of a text such as "drop,times=2,path=rgm_stats".

    Args:
        text: name of a fault, then options as `name=value`, separated by commas.

    Raises:
        ValueError: it is none; the text of the error says what to write.
    """
    name, *options = text.split(",")
    pairs = [option.partition("=") for option in options]
    if bad := [option for option, equals, _ in pairs if not equals]:
        raise ValueError(f"write NAME,OPTION=VALUE,...: {bad[0]!r} has no value")
    return named_fault(name.strip(), {option.strip(): value for option, _, value in pairs})
