"""Exit codes: each failure as an exit code, and as one line that says what to do next."""

from __future__ import annotations

import re
import shlex
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from enlighten_async import errors
from enlighten_async.cli import INTERRUPTED
from enlighten_async.cli.formatting import printable
from enlighten_async.client import DEFAULT_ACCOUNT


class Incomplete(errors.EnlightenError):
    """Not all of the answers are there, or nothing: it was said what is missing.

    Attributes:
        failures: the failures, if it is for them.
    """

    failures: Sequence[errors.EnlightenError] = ()


class LoginFailed(errors.AuthenticationError):
    """The login has failed; the text says what to do."""


ERROR, USAGE, PARTIAL, QUOTA = 1, 2, 3, 4
BROKEN_PIPE = 141
"""As shells report the end by a signal: 128 and its number (SIGINT, SIGPIPE); see `ended_by`."""

CODES: Mapping[type[errors.EnlightenError], int] = {
    errors.InputError: USAGE,
    errors.UsageError: USAGE,
    errors.RangeError: USAGE,
    errors.NotFound: PARTIAL,
    Incomplete: PARTIAL,
    errors.BackfillIncomplete: PARTIAL,
    errors.BudgetExceeded: QUOTA,
    errors.QuotaExhausted: QUOTA,
    errors.Throttled: QUOTA,
}

ADVICE: Mapping[type[errors.EnlightenError], str] = {
    LoginFailed: "",
    errors.AuthenticationError: "ENLIGHTEN_API_KEY, with ENLIGHTEN_USER_ID or the tokens, was sent: check it",
    errors.RangeError: "choose another day or range",
    errors.Throttled: "does another program use the key, or is --plan too large?",
    errors.TransportError: "check the network and --base-url, then run it again",
    errors.ServerError: "run it again later",
    errors.DecodeError: "run it again; if it fails again, please report it",
}


INSTANT = "2026-05-01T00:00Z"
"""An instant, as an example."""

LOGIN = "ENLIGHTEN_CLIENT_ID, ENLIGHTEN_CLIENT_SECRET, then enlighten login"

WORDS: Mapping[str, str | Callable[[re.Match[str]], str]] = {
    r"only v4 of the API has \w+: .*": f"only version 4 of the API has this: log in to it ({LOGIN})",
    r"give start_at/end_at, which need none": f"give instants, such as --start {INSTANT}, which need none",
    r"\bv(\d) of the API has no .*": lambda found: _commands(found[0].replace("v", "version ", 1)),
    r"\bsystem_id\b": "SYSTEM",
    r"\bby set_month_used \(": "by enlighten quota --used N (",
    r"\bset_month_used\b": "enlighten quota --used N",
    r"\b(start|end)_(?:at|date|time)\b": r"--\1",
    r"\b\w*serial_\w+ (must be a text)\b": r"a serial number \1",
    r"\buser_id (is shown|must be)\b": r"--account \1",
    r" \(\w+ \S+ was not sent\)": "",
    r"\bplan= if": "--plan if",
    r"give its limits, such as Plan\(.*?\)": "give its limits, such as --plan 10/10000",
    r", or None,": ",",
    r"; a number means epoch seconds": "",
    r"\b(base_url|max_age|max_requests|summary_date|plan|state)=": lambda found: f"{_option(found[1])} ",
    r"\b(base_url|max_age|max_requests|only_cached|summary_date)\b": lambda found: _option(found[1]),
}
"""Words of the command line for those of Python, by patterns."""


def incomplete(failures: Sequence[errors.EnlightenError], *, something: bool) -> Incomplete:
    """Return the error of several questions of which some have failed, which was said of each."""
    error = Incomplete()
    error.failures, error.partial = failures, something or None
    return error


def ended_by(signals: Sequence[int]) -> int:
    """Return the exit code of a command that these signals have ended; without any it was Ctrl-C."""
    return 128 + signals[0] if signals else INTERRUPTED


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error; one that has come with a part of the answer has a code of its own."""
    if isinstance(error, Incomplete) and error.failures:
        worst = {exit_code(failure) for failure in error.failures}
        return QUOTA if QUOTA in worst else PARTIAL if error.partial is not None else min(worst)
    partly = isinstance(error, errors.EnlightenError) and error.partial is not None
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), PARTIAL if partly else ERROR)


def error_line(error: Exception) -> str:
    """Return an error as one line; an empty one if all was said before."""
    if isinstance(error, Incomplete):
        return ""
    if isinstance(error, errors.EnlightenError):
        return printable(_explained(error))
    if isinstance(error, OSError):
        return printable(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    # A fault of this program. Its text may quote a secret, so only its place is shown.
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in last)
    return f"unexpected {type(error).__name__}{where}: please report it; -v shows more"


def stand_in_line(answer: Any) -> str:
    """Return that a cached answer stands in place of an error, as one line; an empty one if none does."""
    failure = getattr(getattr(answer, "receipt", None), "failure", "")
    as_of = getattr(getattr(answer, "coverage", answer), "as_of", None)
    of = "" if as_of is None else f", as of {as_of:%Y-%m-%d %H:%M} UTC,"
    return printable(f"from the cache{of} in place of an error: {in_options(failure)}") if failure else ""


def _explained(error: errors.EnlightenError) -> str:
    if isinstance(error, errors.ReauthorizationRequired):
        return _login_needed(error)
    text = in_options(str(error)) or type(error).__name__
    advice = next((ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE), "")
    if error.retry_at is not None:
        advice = f"try again after {error.retry_at:%Y-%m-%d %H:%M:%S} UTC"
    others = len(error.causes) - 1
    more = f" (and {others} more failure{'s' * (others > 1)})" if others > 0 else ""
    return f"{text}{more}{f'; {advice}' if advice else ''}"


def _option(keyword: str) -> str:
    return f"--{keyword.replace('_', '-')}"


def _commands(text: str) -> str:
    """Return a text that names commands in place of the methods whose names they have."""
    return re.sub(r"\w+_\w+", lambda found: found[0].replace("_", "-"), text)


def in_options(text: str) -> str:
    """Return a text of the client that names options of the command line in place of arguments."""
    for pattern, words in WORDS.items():
        text = re.sub(pattern, words, text)
    return text


def placed(text: str, places: Mapping[str, str]) -> str:
    """Return a text that names the places of options in place of the options.

    Args:
        text: the text.
        places: variables of the environment, or names in a file, by the options that they set.
    """
    return re.sub(r"--[a-z-]+|ENLIGHTEN_[A-Z_]+", lambda found: places.get(found[0], found[0]), text)


def _login_needed(error: errors.ReauthorizationRequired) -> str:
    """Name the command that opens the login page, in place of the page's address."""
    which = "" if error.account == DEFAULT_ACCOUNT else f" --account {shlex.quote(error.account)}"
    return f"account {error.account} has to log in: {error.reason}; run enlighten login{which}"
