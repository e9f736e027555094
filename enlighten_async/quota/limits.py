"""The limits in force for a key: what the plan says, what the server says, what its user allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.quota.bucket import MINUTE, MONTH

if TYPE_CHECKING:
    from enlighten_async.quota.bucket import TokenBucket
    from enlighten_async.quota.plan import Plan


@frozen
class Rule:
    """How far a class may go in the windows of a period.

    Attributes:
        bucket: the windows.
        limit: requests of all classes together.
        held: how many of them are held back for the classes above.
        room: how many that leaves.
    """

    bucket: TokenBucket
    limit: int
    held: int
    room: int


class Limits:
    """What is known of a key's limits.

    Attributes:
        learned: requests in a window, by period, as the server named them when it refused one.
    """

    def __init__(self) -> None:
        self.learned: dict[str, int] = {}
        self._rules: tuple[Plan, dict[int, tuple[Rule, ...]]] | None = None

    def learn(self, period: str, limit: int | None, plan: Plan) -> bool:
        """Keep the limit the server named; return whether it is less than was believed."""
        if limit is None or limit < 1:
            return False
        believed = self.of_server(plan).get(period, math.inf)
        self.learned[period] = limit
        self._rules = None
        return limit < believed

    def of_server(self, plan: Plan) -> dict[str, int]:
        """Return what the server allows: the plan, or what it said where that is less."""
        believed = {MONTH.name: plan.month, MINUTE.name: plan.minute}
        return {name: min(n, self.learned.get(name, n)) for name, n in believed.items() if n is not None}

    def in_force(self, plan: Plan) -> dict[str, int]:
        """Return what may be used: what the server allows, or the user's budget where that is less."""
        limits = self.of_server(plan)
        for name, cap in ((MONTH.name, plan.month_cap), (MINUTE.name, plan.minute_cap)):
            if cap is not None:
                limits[name] = min(cap, limits.get(name, cap))
        return limits

    def month(self, plan: Plan) -> int | None:
        """Return what may be used in a month; `None`: any."""
        rules = self.rules(plan, 0)
        return rules[0].limit if rules and rules[0].bucket is MONTH else None

    def rules(self, plan: Plan, rank: int) -> tuple[Rule, ...]:
        """Return how far a class may go, the longest period first."""
        # Remembered for the plan seen last: it is nearly always the same object.
        if self._rules is None or self._rules[0] is not plan:
            self._rules = plan, {}
        rules = self._rules[1].get(rank)
        if rules is None:
            rules = self._rules[1][rank] = self._made(plan, rank)
        return rules

    def _made(self, plan: Plan, rank: int) -> tuple[Rule, ...]:
        limits = self.in_force(plan)
        buckets = [bucket for bucket in (MONTH, MINUTE) if bucket.name in limits]
        held = {bucket.name: bucket.held(limits[bucket.name], rank) for bucket in buckets}
        return tuple(Rule(b, limits[b.name], held[b.name], limits[b.name] - held[b.name]) for b in buckets)
