"""Plan: the tariff of an API key; Priority: the classes of requests; Reservations: a class's first claim."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, TypeAlias

from attrs import Attribute, Factory, define, evolve, field, frozen

from enlighten_async.errors import InputError

Priority: TypeAlias = Literal["interactive", "poll", "backfill"]
"""A class of requests: somebody waits for the answer, it is fetched regularly, or it may take days."""

RANKS: Mapping[Priority, int] = MappingProxyType({"interactive": 0, "poll": 1, "backfill": 2})
"""The number of classes above each: a lower rank goes first."""

RESERVATION_S = 5.0
"""Seconds for which a token is reserved for a waiter: its event loop may be slow to wake it."""
RESERVATION_HORIZON_S = 120.0
"""Seconds: a reservation of a token that comes free later than that would outlive its waiter."""
NEXT_RESERVATION_S = 1.0
"""Seconds for which a reservation of the next token holds; who still waits has renewed it then."""


MAX_REQUESTS = 10**12
"""Requests of a period at the most; a figure beyond it is a mistake."""


def _positive(_: Plan, attribute: Attribute[int | None], value: object) -> None:
    """Raise `InputError` for a value that is no number of requests."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_REQUESTS:
        raise InputError(
            f"{attribute.name} must be a whole number of requests above 0, or None, not {value!r}"
        )


def _text(_: Plan, attribute: Attribute[str], value: object) -> None:
    """Raise `InputError` for a value that is no text."""
    if not isinstance(value, str):
        raise InputError(f"{attribute.name} must be the plan's name as a text, not {value!r}")


@frozen(kw_only=True)
class Plan:
    """The limits of an API key, counted by the service over all users of the key.

    A plan may be known by its name alone, such as `Plan.WATT`: what it allows depends on the version
    of the API, which resolves it. Without a name, `None` means that the period is not limited.

    Raises:
        InputError: a limit is not a positive whole number.
    """

    minute: int | None = field(default=None, validator=_positive)
    """Requests per wall-clock minute; `None`: by the plan's name, or else not limited."""
    month: int | None = field(default=None, validator=_positive)
    """Requests per UTC calendar month; `None`: by the plan's name, or else not limited."""
    name: str = field(default="", validator=_text)
    """The service's word for the plan; may be empty."""
    minute_cap: int | None = field(default=None, validator=_positive)
    """Requests per minute that may be used of it at the most; `None`: all. See `capped`."""
    month_cap: int | None = field(default=None, validator=_positive)
    """Requests per month that may be used of it at the most; `None`: all."""

    UNLIMITED: ClassVar[Plan]
    """No limit at all, such as that of an emulator; the same as `Plan()`."""
    WATT: ClassVar[Plan]
    """Enphase's free plan: 10 requests a minute, and 1,000 a month in v4, 10,000 in v2."""
    KILOWATT: ClassVar[Plan]
    """A plan of v4: 50 requests a minute, 50,000 a month."""
    MEGAWATT: ClassVar[Plan]
    """A plan of v4: 100 requests a minute, 300,000 a month."""
    PARTNER: ClassVar[Plan]
    """The plan of v4 for installers' applications: 300 requests a minute, 1,500,000 a month."""

    @property
    def is_resolved(self) -> bool:
        """Whether the plan says what it allows."""
        return not self.name or self.minute is not None or self.month is not None

    def resolved(self, table: Mapping[str, Plan]) -> Plan:
        """Return the plan of this name from the table, unless this one has its own limits.

        Args:
            table: plans with limits, by their names.

        Raises:
            InputError: the table has no such name.
        """
        if self.is_resolved:
            return self
        if self.name not in table:
            known = ", ".join(sorted(table)) or "none"
            raise InputError(
                f"this version of the API has no plan {self.name!r} (it has: {known}): "
                f"give its limits, such as Plan(minute=10, month=10_000)"
            )
        return evolve(table[self.name], minute_cap=self.minute_cap, month_cap=self.month_cap)

    def capped(self, *, minute: int | None = None, month: int | None = None) -> Plan:
        """Return this plan with a budget below it, which is never exceeded; a budget not given stays.

        The service's own limits stay as they are: its rejections are read by them.

        Args:
            minute: requests per minute that may be used.
            month: requests per UTC calendar month that may be used.

        Raises:
            InputError: a budget is not a positive whole number.
        """
        return evolve(
            self,
            minute_cap=self.minute_cap if minute is None else minute,
            month_cap=self.month_cap if month is None else month,
        )

    def allows(self, period: str) -> int | None:
        """Return the requests that may be used in a "minute" or "month"; `None`: any.

        Args:
            period: "minute" or "month".
        """
        numbers = {"minute": (self.minute, self.minute_cap), "month": (self.month, self.month_cap)}[period]
        return min((n for n in numbers if n is not None), default=None)


Plan.UNLIMITED = Plan()
Plan.WATT = Plan(name="Watt")
Plan.KILOWATT = Plan(name="Kilowatt")
Plan.MEGAWATT = Plan(name="Megawatt")
Plan.PARTNER = Plan(name="Partner")


@define
class Reservations:
    """Reservations: a waiting class holds the next token against lower ones, across limiters and processes.

    Within one limiter the queue has an order. Limiters in several event loops or processes race for the
    next token, and with a limit of 1 there is nothing to hold back.
    """

    spans: dict[int, tuple[float, float]] = Factory(dict)
    """From when until when (monotonic) a class has the first claim, by its rank."""

    def reserve(self, rank: int, at: float | None, now: float) -> None:
        """Reserve the token that comes free at `at` (monotonic; `None`: with the next settlement)."""
        if at is None:
            self.spans[rank] = now, now + NEXT_RESERVATION_S
        elif at <= now + RESERVATION_HORIZON_S:
            self.spans[rank] = at, at + RESERVATION_S

    def release(self, rank: int) -> None:
        """End the reservation of a class: it has its token."""
        self.spans.pop(rank, None)

    def held_until(self, rank: int, now: float) -> float | None:
        """Return the moment (monotonic) until which a class above has the first claim; `None`: it has not."""
        ends = [until for above, (at, until) in self.spans.items() if above < rank and at <= now < until]
        return max(ends, default=None)
