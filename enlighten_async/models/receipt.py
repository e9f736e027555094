"""What a query cost."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory, frozen


@frozen
class Receipt:
    """What a query spent to get its answer.

    Attributes:
        sent: requests that left, the only ones a plan pays for.
        rejected: of these, how many the service turned down as over the limit (409).
        retried: of these, how many repeated one that failed.
        from_store: windows (or answers) that had been bought before, or by another query meanwhile.
        waited: seconds spent waiting, by reason: "minute" and "month" (the plan's windows),
            "in_flight" (others' requests), "priority" (more urgent ones), "retry" (back-off). Waits that
            overlap are added up.
        left: requests left in the running window of the plan, by period, when the query ended.
    """

    sent: int = 0
    rejected: int = 0
    retried: int = 0
    from_store: int = 0
    waited: Mapping[str, float] = Factory(dict)
    left: Mapping[str, int] = Factory(dict)
