"""Limits that the server named, remembered beyond the process that heard them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enlighten_async.quota.limits import Limits
from enlighten_async.quota.record import Word

if TYPE_CHECKING:
    from enlighten_async.quota.plan import Plan

REMEMBERED = 7 * 86_400.0
"""Seconds for which the server's word is obeyed; a key may have got a better plan since."""


class RememberedLimits(Limits):
    """Limits that do not outlive a change of plan: who believes more than was believed has a new one."""

    def __init__(self) -> None:
        super().__init__()
        self._words: dict[str, Word] = {}

    def restore(self, words: dict[str, Word], earliest: float) -> None:
        """Take over what was written down, except for what is too old."""
        self._words = {period: word for period, word in words.items() if word.until > earliest}
        self.learned = {period: word.limit for period, word in self._words.items()}
        self._rules = None

    def remember(self, period: str, believed: int | None, latest: float) -> None:
        """Keep what was learned of a period last; `believed` is what the plan says."""
        if period in self.learned:
            until = latest + REMEMBERED
            self._words[period] = Word(self.learned[period], believed or 0, until)
            self._rules = None

    def words(self) -> dict[str, Word]:
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
