"""The quota: requests per key in fixed minutes of the wall clock and UTC calendar months."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Version

MINUTE_S = 60


@frozen
class Quota:
    """The limits of a tariff for each key; `None` is no limit."""

    minute: int | None = 10
    """Requests per minute."""
    month: int | None = 10_000
    """Requests per calendar month."""
    name: str = "Watt"
    """The tariff's name in the service's message."""
    v4: Quota | None = None
    """The limits in v4 of the API; `None`: the same."""

    WATT: ClassVar[Quota]
    """The free plan: 10 requests a minute and 10,000 a month, in v4 1,000."""
    KILOWATT: ClassVar[Quota]
    """50 requests a minute, 50,000 a month."""
    MEGAWATT: ClassVar[Quota]
    """100 requests a minute, 300,000 a month."""
    PARTNER: ClassVar[Quota]
    """300 requests a minute, 1,500,000 a month."""
    UNLIMITED: ClassVar[Quota]
    """No limit."""

    def of(self, version: Version) -> Quota:
        """Return the limits in this version of the API.

        Args:
            version: "v2" or "v4".
        """
        return (self.v4 or self) if version == "v4" else self


Quota.WATT = Quota(10, 10_000, "Watt", v4=Quota(10, 1_000, "Watt"))
# The limits of the paid tariffs in v2 are not known; these are the developer portal's for v4.
Quota.KILOWATT = Quota(50, 50_000, "Kilowatt")
Quota.MEGAWATT = Quota(100, 300_000, "Megawatt")
Quota.PARTNER = Quota(300, 1_500_000, "Partner")
Quota.UNLIMITED = Quota(None, None, "Unlimited")


@frozen
class Period:
    """One window of counting: the service's name of it, start and end (epoch seconds)."""

    name: str
    start: int
    end: int


def minute_of(now: float) -> Period:
    """Return the minute of the wall clock this instant lies in."""
    start = int(now // MINUTE_S) * MINUTE_S
    return Period("minute", start, start + MINUTE_S)


def month_of(now: float) -> Period:
    """Return the UTC calendar month this instant lies in."""
    at = datetime.fromtimestamp(now, tz=UTC)
    start = datetime(at.year, at.month, 1, tzinfo=UTC)
    end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return Period("month", int(start.timestamp()), int(end.timestamp()))


@frozen
class QuotaExceeded:
    """A limit that is reached: the tariff's name, the window, and its number of requests."""

    plan: str
    period: Period
    limit: int

    @property
    def fields(self) -> dict[str, object]:
        """The window and the limit as fields of an error response."""
        return {
            "period": self.period.name,
            "period_start": self.period.start,
            "period_end": self.period.end,
            "limit": self.limit,
        }


class QuotaCounter:
    """The counts of all keys in the current minute and month, over both versions of the API."""

    def __init__(self, quota: Quota, *, rejected_count_month: bool = False) -> None:
        self.quota = quota
        self._rejected_count_month = rejected_count_month
        self._counts: dict[tuple[str, str], tuple[Period, int]] = {}

    def used(self, key: str, period: Period) -> int:
        """Return the number of requests of a key counted in a period that has not ended."""
        counted, used = self._counts.get((key, period.name), (period, 0))
        return used if counted == period else 0

    def charge(self, key: str, now: float, version: Version = "v2") -> QuotaExceeded | None:
        """Count a request of this key, or return the limit that rejects it."""
        quota = self.quota.of(version)
        month, minute = month_of(now), minute_of(now)
        # If both windows are full the longer one is named: waiting for the shorter one would not help.
        for period, limit in ((month, quota.month), (minute, quota.minute)):
            if limit is not None and self.used(key, period) >= limit:
                if self._rejected_count_month:
                    self._count(key, month)
                return QuotaExceeded(quota.name, period, limit)
        self._count(key, month)
        self._count(key, minute)
        return None

    def _count(self, key: str, period: Period) -> None:
        self._counts[key, period.name] = (period, self.used(key, period) + 1)
