"""Who may ask how often: fixed minutes of the wall clock and UTC calendar months, counted per key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from enlighten_async.emulator.messages import as_json

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Answer

MINUTE = 60


@frozen
class Quota:
    """What a tariff allows each key; `None` is no limit.

    Attributes:
        minute: requests per minute.
        month: requests per calendar month.
        name: as it appears in the service's message.
    """

    minute: int | None = 10
    month: int | None = 10_000
    name: str = "Watt"

    WATT: ClassVar[Quota]
    KILOWATT: ClassVar[Quota]
    MEGAWATT: ClassVar[Quota]
    PARTNER: ClassVar[Quota]
    UNLIMITED: ClassVar[Quota]


Quota.WATT = Quota(10, 10_000, "Watt")
# The paid tariffs' numbers for this version of the API are not known; these are the portal's of today.
Quota.KILOWATT = Quota(50, 50_000, "Kilowatt")
Quota.MEGAWATT = Quota(100, 300_000, "Megawatt")
Quota.PARTNER = Quota(300, 1_500_000, "Partner")
Quota.UNLIMITED = Quota(None, None, "Unlimited")


@frozen
class Period:
    """One window of counting: the service's word for it, start and end (epoch seconds)."""

    word: str
    start: int
    end: int


def minute_of(now: float) -> Period:
    """Return the minute of the wall clock this instant lies in."""
    start = int(now // MINUTE) * MINUTE
    return Period("minute", start, start + MINUTE)


def month_of(now: float) -> Period:
    """Return the UTC calendar month this instant lies in."""
    at = datetime.fromtimestamp(now, tz=UTC)
    start = datetime(at.year, at.month, 1, tzinfo=UTC)
    end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return Period("month", int(start.timestamp()), int(end.timestamp()))


class Ledger:
    """The counts of all keys in the current minute and month."""

    def __init__(self, quota: Quota, *, rejected_count_month: bool = False) -> None:
        self.quota = quota
        self._rejected_count = rejected_count_month
        self._counts: dict[tuple[str, str], tuple[Period, int]] = {}

    def used(self, key: str, period: Period) -> int:
        """Return how many requests of a key were counted in a period that has not ended."""
        counted, used = self._counts.get((key, period.word), (period, 0))
        return used if counted == period else 0

    def charge(self, key: str, now: float) -> Answer | None:
        """Count a request of this key, or return the refusal it meets."""
        month, minute = month_of(now), minute_of(now)
        # The longer window is named first: waiting for the shorter one would not help.
        for period, limit in ((month, self.quota.month), (minute, self.quota.minute)):
            if limit is not None and self.used(key, period) >= limit:
                if self._rejected_count:
                    self._count(key, month)
                return self._refusal(period, limit)
        self._count(key, month)
        self._count(key, minute)
        return None

    def _count(self, key: str, period: Period) -> None:
        self._counts[key, period.word] = (period, self.used(key, period) + 1)

    def _refusal(self, period: Period, limit: int) -> Answer:
        content = {
            "reason": "409",
            "message": [f"Usage limit exceeded for plan {self.quota.name}"],
            "period": period.word,
            "period_start": period.start,
            "period_end": period.end,
            "limit": limit,
        }
        return as_json(409, content)
