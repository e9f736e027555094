"""Retries: when a request that failed may be sent again: few times, apart, and never as a flood."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf, nan
from typing import Any, TypeAlias

from attrs import Attribute, field, frozen

from enlighten_async.errors import EnlightenError, InputError, ServerError, TransportError, Unavailable

BUDGET_WINDOW_S = 60.0
"""Seconds over which the share of repeats is counted, the plan's own minute."""


_Check: TypeAlias = "Callable[[RetryPolicy, Attribute[Any], object], None]"


def _within(least: int, most: int | None, *kinds: type) -> _Check:
    """Return a check that a value is a number of these kinds, from the least to the most."""

    def check(_: RetryPolicy, attribute: Attribute[Any], value: object) -> None:
        number = value if isinstance(value, int | float) and type(value) in kinds else nan
        # NaN is in no order with any number.
        if not least <= number < inf or (most is not None and number > most):
            kind = "a whole number" if kinds == (int,) else "a number"
            limits = f"{least} or more" if most is None else f"from {least} to {most}"
            raise InputError(f"{attribute.name} must be {kind}, {limits}, not {value!r}")

    return check


@frozen
class RetryPolicy:
    """The policy for failures that may pass (resets, timeouts, 5xx); over the limit (409, 429) is not one.

    Attributes:
        attempts: how often one request is sent in all, at most.
        base: seconds; the first wait is between none and this.
        cap: seconds; no wait is longer. Each further wait may be twice as long as the one before.
        share: repeats may take this share of the plan's requests in any minute, but one always may.
    """

    attempts: int = field(default=3, validator=_within(1, None, int))
    base: float = field(default=0.5, validator=_within(0, None, int, float))
    cap: float = field(default=20.0, validator=_within(0, None, int, float))
    share: float = field(default=0.1, validator=_within(0, 1, int, float))

    def allows(self, failures: int) -> bool:
        """Tell whether a request that failed this often may be sent again."""
        return failures < self.attempts

    def delay(self, failures: int, chance: float) -> float:
        """Return seconds to wait after this many failures; `chance` lies in [0, 1)."""
        return chance * min(self.cap, self.base * 2.0 ** min(failures - 1, 32))


class RetryBudget:
    """Keeps repeats to their share of the plan's requests."""

    def __init__(self, policy: RetryPolicy, minute: int | None) -> None:
        allowed = max(1, int(policy.share * minute)) if minute else None
        self._recent: deque[float] | None = deque(maxlen=allowed) if allowed else None

    def claim(self, moment: float) -> float:
        """Book a repeat; return when it may go (monotonic seconds), not before `moment`."""
        if self._recent is None:
            return moment
        if len(self._recent) == self._recent.maxlen:
            moment = max(moment, self._recent[0] + BUDGET_WINDOW_S)
        self._recent.append(moment)
        return moment


def is_transient(error: EnlightenError) -> bool:
    """Tell whether a failure may have passed when the request is sent again."""
    return isinstance(error, TransportError) or (isinstance(error, ServerError) and error.status >= 500)


def is_overload(error: EnlightenError | None) -> bool:
    """Tell whether the service said that there are too many requests at once (503)."""
    return isinstance(error, Unavailable) and error.status == 503
