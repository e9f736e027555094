"""Plans (tariffs) of API keys, and the priorities of requests."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, TypeAlias

from attrs import Attribute, evolve, field, frozen

from enlighten_async.errors import InputError

Priority: TypeAlias = Literal["interactive", "poll", "backfill"]
"""Somebody waits for the answer; it is fetched regularly; it is history, and may take days."""

RANKS: Mapping[Priority, int] = MappingProxyType({"interactive": 0, "poll": 1, "backfill": 2})
"""The classes by how many are above them: a lower rank goes first."""


def _positive(_: Plan, attribute: Attribute[int | None], value: object) -> None:
    """Refuse what is no number of requests."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(
            f"{attribute.name} must be a whole number of requests above 0, or None, not {value!r}"
        )


@frozen(kw_only=True)
class Plan:
    """The limits of an API key, counted by the service over all users of the key.

    A plan may be known by its name alone, such as `Plan.WATT`: what it allows depends on the version
    of the API, which resolves it. Without a name, `None` means that the period is not limited.

    Args:
        minute: requests per wall-clock minute.
        month: requests per UTC calendar month.
        name: the service's word for it.
        minute_cap: requests per minute that are to be used of it at the most; see `capped`.
        month_cap: the same per month.

    Raises:
        InputError: a limit is not a positive whole number.
    """

    minute: int | None = field(default=None, validator=_positive)
    month: int | None = field(default=None, validator=_positive)
    name: str = ""
    minute_cap: int | None = field(default=None, validator=_positive)
    month_cap: int | None = field(default=None, validator=_positive)

    WATT: ClassVar[Plan]
    """Enphase's free plan; its limits depend on the version of the API."""
    KILOWATT: ClassVar[Plan]
    """A plan of v4."""
    MEGAWATT: ClassVar[Plan]
    """A plan of v4."""
    PARTNER: ClassVar[Plan]
    """The plan of installers' applications, of v4."""

    @property
    def is_resolved(self) -> bool:
        """Whether the plan says what it allows."""
        return not self.name or self.minute is not None or self.month is not None

    def resolved(self, table: Mapping[str, Plan]) -> Plan:
        """Return the plan of this name from the table, unless this one has its own limits.

        Raises:
            InputError: the table has no such name.
        """
        if self.is_resolved:
            return self
        if self.name not in table:
            known = ", ".join(sorted(table)) or "none"
            raise InputError(
                f"plan {self.name!r} is not known (known: {known}): "
                f"give its limits, such as Plan(minute=10, month=10_000)"
            )
        return evolve(table[self.name], minute_cap=self.minute_cap, month_cap=self.month_cap)

    def capped(self, *, minute: int | None = None, month: int | None = None) -> Plan:
        """Return this plan with a budget below it, which is never exceeded; what is not given stays.

        The service's limits remain what they are: what it says is read by them.

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
        """Return the requests that may be used in a "minute" or "month"; `None`: any."""
        numbers = {"minute": (self.minute, self.minute_cap), "month": (self.month, self.month_cap)}[period]
        return min((n for n in numbers if n is not None), default=None)


Plan.WATT = Plan(name="Watt")
Plan.KILOWATT = Plan(name="Kilowatt")
Plan.MEGAWATT = Plan(name="Megawatt")
Plan.PARTNER = Plan(name="Partner")
