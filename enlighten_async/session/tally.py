"""What a query spends, counted as it runs."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, define

from enlighten_async.models.receipt import Receipt
from enlighten_async.quota import Grant


@define
class Tally:
    """Counts the attempts of one query.

    Attributes:
        granted: requests that have the permission to leave and have not come back.
        sent: requests that left, and came back or were given up.
        rejected: of these, how many were over the limit.
        retried: of these, how many repeated one that failed.
        from_store: parts that had been bought before, or by another query meanwhile.
        waited: seconds, by reason.
    """

    granted: int = 0
    sent: int = 0
    rejected: int = 0
    retried: int = 0
    from_store: int = 0
    waited: dict[str, float] = Factory(dict)

    def count(self, grant: Grant, *, again: bool) -> None:
        """Count an attempt that is over; `again` if the request had failed before."""
        self.granted -= 1
        for reason, seconds in grant.waited.items():
            self.wait(reason, seconds)
        if grant.sent_at is not None:
            self.sent += 1
            self.retried += again

    def wait(self, reason: str, seconds: float) -> None:
        """Count a wait."""
        self.waited[reason] = self.waited.get(reason, 0.0) + seconds

    def receipt(self, left: Mapping[str, int]) -> Receipt:
        """Return what was spent so far."""
        return Receipt(
            sent=self.sent,
            rejected=self.rejected,
            retried=self.retried,
            from_store=self.from_store,
            waited=dict(self.waited),
            left=dict(left),
        )
