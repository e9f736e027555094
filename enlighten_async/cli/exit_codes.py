"""Exit codes: each failure as an exit code, and as one line that says what to do next."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from enlighten_async import errors
from enlighten_async.cli.formatting import printable
from enlighten_async.client import DEFAULT_ACCOUNT


class LoginFailed(errors.AuthenticationError):
    """The login has failed; the text says what to do."""


FAULT, USAGE, ACCESS, QUOTA, SERVICE = 1, 2, 3, 4, 5
INTERRUPTED, BROKEN_PIPE = 130, 141
"""As shells report the end by a signal: 128 and its number (SIGINT, SIGPIPE); see `ended_by`."""

CODES: Mapping[type[errors.EnlightenError], int] = {
    errors.InputError: USAGE,
    errors.UsageError: USAGE,
    errors.RangeError: USAGE,
    errors.AuthenticationError: ACCESS,
    errors.PermissionDenied: ACCESS,
    errors.NotFound: ACCESS,
    errors.BudgetExceeded: QUOTA,
    errors.QuotaExhausted: QUOTA,
    errors.Throttled: QUOTA,
    errors.EnlightenError: SERVICE,
}

ADVICE: Mapping[type[errors.EnlightenError], str] = {
    LoginFailed: "",
    errors.AuthenticationError: "ENLIGHTEN_API_KEY, with ENLIGHTEN_USER_ID or the tokens, was sent: check it",
    errors.RangeError: "choose another --start or --end",
    errors.Throttled: "does another program use the key, or is --plan too large?",
    errors.TransportError: "check the network and --base-url, then run it again",
    errors.ServerError: "run it again later",
    errors.DecodeError: "run it again; if it fails again, please report it",
}


def ended_by(signals: Sequence[int]) -> int:
    """Return the exit code of a command that these signals have ended; without any it was Ctrl-C."""
    return 128 + signals[0] if signals else INTERRUPTED


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), FAULT)


def error_line(error: Exception) -> str:
    """Return an error as one line."""
    if isinstance(error, errors.EnlightenError):
        return printable(_explained(error))
    if isinstance(error, OSError):
        return printable(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    # A fault of this program. Its text may quote a secret, so only its place is shown.
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in last)
    return f"unexpected {type(error).__name__}{where}: please report it; -v shows more"


def _explained(error: errors.EnlightenError) -> str:
    if isinstance(error, errors.ReauthorizationRequired):
        return _login_needed(error)
    text = str(error) or type(error).__name__
    advice = next((ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE), "")
    if error.retry_at is not None:
        advice = f"try again after {error.retry_at:%Y-%m-%d %H:%M:%S} UTC"
    others = len(error.causes) - 1
    more = f" (and {others} more failures)" if others > 0 else ""
    return f"{text}{more}{f'; {advice}' if advice else ''}"


def _login_needed(error: errors.ReauthorizationRequired) -> str:
    """Name the command that opens the login page, in place of the page's address."""
    which = "" if error.account == DEFAULT_ACCOUNT else f" --account {shlex.quote(error.account)}"
    return f"account {error.account} has to log in: {error.reason}; run enlighten login{which}"
