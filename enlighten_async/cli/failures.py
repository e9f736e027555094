"""Every failure as one line that says what to do next, and as an exit code."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Mapping
from pathlib import Path

from enlighten_async.client import DEFAULT_ACCOUNT
from enlighten_async.errors import (
    AuthenticationError,
    BudgetExceeded,
    DecodeError,
    EnlightenError,
    InputError,
    NotFound,
    PermissionDenied,
    QuotaExhausted,
    RangeError,
    ReauthorizationRequired,
    ServerError,
    Throttled,
    TransportError,
    UsageError,
)


class LoginFailed(AuthenticationError):
    """The owner has not logged in; the text says what to do."""


FAULT, USAGE, REFUSED, QUOTA, SERVICE = 1, 2, 3, 4, 5
INTERRUPTED, BROKEN_PIPE = 130, 141
"""As shells count the end by a signal: 128 and its number."""

CODES: Mapping[type[EnlightenError], int] = {
    InputError: USAGE,
    UsageError: USAGE,
    RangeError: USAGE,
    AuthenticationError: REFUSED,
    PermissionDenied: REFUSED,
    NotFound: REFUSED,
    BudgetExceeded: QUOTA,
    QuotaExhausted: QUOTA,
    Throttled: QUOTA,
    EnlightenError: SERVICE,
}

ADVICE: Mapping[type[EnlightenError], str] = {
    LoginFailed: "",
    AuthenticationError: "ENLIGHTEN_API_KEY, and ENLIGHTEN_USER_ID or the tokens, are what was sent",
    RangeError: "choose another --start or --end",
    Throttled: "does somebody else use the key, or is --plan too large?",
    TransportError: "check the network and --base-url, then run it again",
    ServerError: "run it again later",
    DecodeError: "run it again; if it stays, please report it",
}


def exit_code(error: BaseException) -> int:
    """Return the exit code an error ends the command with."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), FAULT)


def line(error: Exception) -> str:
    """Return an error as one line."""
    if isinstance(error, EnlightenError):
        return plain(_explained(error))
    if isinstance(error, OSError):
        return plain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
    # A fault of ours. Its text may quote anything, so where it happened has to do.
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" at {Path(frame.filename).name}:{frame.lineno}" for frame in last)
    return f"unexpected {type(error).__name__}{where}: please report it; -v shows more"


def plain(text: str) -> str:
    """Return a text for the terminal: one line, without control characters a stranger put in it."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _explained(error: EnlightenError) -> str:
    if isinstance(error, ReauthorizationRequired):
        return _login_needed(error)
    text = str(error) or type(error).__name__
    advice = next((ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE), "")
    if error.retry_at is not None:
        advice = f"try again after {error.retry_at:%Y-%m-%d %H:%M:%S} UTC"
    others = len(error.causes) - 1
    more = f" (and {others} more failures)" if others > 0 else ""
    return f"{text}{more}{f'; {advice}' if advice else ''}"


def _login_needed(error: ReauthorizationRequired) -> str:
    """Say so without the page: the command that opens it also does the rest."""
    which = "" if error.account == DEFAULT_ACCOUNT else f" --account {shlex.quote(error.account)}"
    return f"account {error.account} has to log in: {error.reason}; run enlighten login{which}"
