"""Limits in force for a key: from the plan, from the server's rejections, from the user's budget."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.limiter.bucket import MINUTE, MONTH
from enlighten_async.limiter.record import LearnedLimit

if TYPE_CHECKING:
    from enlighten_async.limiter.bucket import TokenBucket
    from enlighten_async.limiter.plan import Plan


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


REMEMBERED = 7 * 86_400.0
"""Seconds for which the server's word is obeyed; a key may have got a better plan since."""


class RememberedLimits(Limits):
    """Limits that do not outlive a change of plan: who believes more than was believed has a new one."""

    def __init__(self) -> None:
        super().__init__()
        self._words: dict[str, LearnedLimit] = {}

    def restore(self, words: dict[str, LearnedLimit], earliest: float) -> None:
        """Take over what was written down, except for what is too old."""
        self._words = {period: word for period, word in words.items() if word.until > earliest}
        self.learned = {period: word.limit for period, word in self._words.items()}
        self._rules = None

    def remember(self, period: str, believed: int | None, latest: float) -> None:
        """Keep what was learned of a period last; `believed` is what the plan says."""
        if period in self.learned:
            until = latest + REMEMBERED
            self._words[period] = LearnedLimit(self.learned[period], believed or 0, until)
            self._rules = None

    def words(self) -> dict[str, LearnedLimit]:
        """Return what is to be written down."""
        return dict(self._words)

    def of_server(self, plan: Plan) -> dict[str, int]:
        """Return what the server allows: the plan, or what it said where that is less, of this plan."""
        believed = {"month": plan.month, "minute": plan.minute}
        return {name: self._least(name, n) for name, n in believed.items() if n is not None}

    def _least(self, period: str, believed: int) -> int:
        word = self._words.get(period)
        if word is None:
            return min(believed, self.learned.get(period, believed))
        return min(believed, word.limit) if believed <= word.believed else believed
