"""What a query will cost, told before it is paid."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from enlighten_async.models.rows import Plain


@frozen
class Estimate(Plain):
    """The price of a query.

    Attributes:
        at_least: requests it takes if the first answer shows that the rest is not worth asking for.
        at_most: requests it takes if all of them are needed and none has to be repeated; `None` where
            only the service knows how many pages there are.
        from_store: windows that are answered from what was bought before.
        pruned: windows that are not asked for, since they are documented as empty.
        ready_at: when all of it would be there on this plan (aware UTC).
        month_share: the requests as a share of the plan's month; `None` if the plan has no such limit.
        fits: whether the running month has that much left for its priority.
        cheaper: a way that costs less, in words; `None` if none is known.
    """

    at_least: int
    at_most: int | None
    from_store: int
    pruned: int
    ready_at: datetime
    month_share: float | None
    fits: bool
    cheaper: str | None = None
