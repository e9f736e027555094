"""Retries: when a request that failed may be sent again: few times, apart, and never as a flood."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from typing import Any, TypeAlias

from attrs import Attribute, field, frozen

from enlighten_async.errors import (
    DecodeError,
    EnlightenError,
    InputError,
    ServerError,
    ServiceRetired,
    TransportError,
    Unavailable,
)

MAX_UNREADABLE = 2
"""Times a request is sent whose answer is empty or cut: if not by the way, it is so on purpose."""


LARGEST = 1_000_000_000
"""Attempts, or seconds of a pause, at the most; a figure beyond it is a mistake."""

_Check: TypeAlias = "Callable[[RetryPolicy, Attribute[Any], object], None]"


def _within(least: int, most: int, *kinds: type) -> _Check:
    """Return a check that a value is a number of these kinds, from the least to the most."""

    def check(_: RetryPolicy, attribute: Attribute[Any], value: object) -> None:
        number = value if isinstance(value, int | float) and type(value) in kinds else nan
        # NaN is in no order with any number.
        if not least <= number <= most:
            kind = "a whole number" if kinds == (int,) else "a number"
            limits = f"from {least} to {most}" if most == 1 else f"{least} or more"
            raise InputError(f"{attribute.name} must be {kind}, {limits}, not {value!r}")

    return check


@frozen
class RetryPolicy:
    """The policy for failures that may pass (resets, timeouts, 5xx); over the limit (409, 429) is not one."""

    attempts: int = field(default=3, validator=_within(1, LARGEST, int))
    """How often one request is sent in all, at most."""
    base: float = field(default=0.5, validator=_within(0, LARGEST, int, float))
    """Seconds; the first wait is between none and this."""
    cap: float = field(default=20.0, validator=_within(0, LARGEST, int, float))
    """Seconds; no wait is longer. Each further wait may be twice as long as the one before."""
    share: float = field(default=0.1, validator=_within(0, 1, int, float))
    """Repeats may take this share of the plan's requests, but one a minute always may. A repeat that finds
    none left is not made.
    """

    def allows(self, failures: int, error: EnlightenError | None = None) -> bool:
        """Tell whether a request that failed this often, by this error the last time, may be sent again.

        Args:
            failures: how often it has failed.
            error: the last error; `None`: not known.
        """
        if error is not None and not error.passing:
            return False
        most = min(self.attempts, MAX_UNREADABLE) if isinstance(error, DecodeError) else self.attempts
        return failures < most

    def delay(self, failures: int, chance: float) -> float:
        """Return seconds to wait after this many failures; `chance` lies in [0, 1).

        Args:
            failures: how often it has failed, 1 or more.
            chance: a random number in [0, 1).
        """
        return chance * min(self.cap, self.base * 2.0 ** min(failures - 1, 32))


def is_outage(error: EnlightenError) -> bool:
    """Tell whether a failure, if it is not the only one, may be that of the whole service.

    Whether or not it passes soon: data that is not available (errorCode 7) and a body too large are of these,
    no refusal and no answer that is whole and cannot be understood.
    """
    return error.passing or isinstance(error, ServerError | ServiceRetired | TransportError | Unavailable)


def is_overload(error: EnlightenError | None) -> bool:
    """Tell whether the service said that there are too many requests at once (503)."""
    return isinstance(error, Unavailable) and error.status == 503
