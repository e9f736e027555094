"""How v4 behaves where sources disagree or nobody knows: each can be tried either way."""

from __future__ import annotations

from typing import Literal

from attrs import frozen


@frozen(kw_only=True)
class Manners:
    """The manners of v4.

    Attributes:
        drift: whether fields have other types than documented, as real answers show: which system has
            what depends on its id alone.
        fuzz: whether every object has a field nobody has heard of.
        rgm_week: what becomes of more than seven days of rgm_stats: refused, or clipped.
        micro_week: what a week of production_micro is: the whole of it, its first day, or its first day
            with an `end_at` that claims the whole.
        inverters_paged: whether page and size of inverters_summary_by_envoy_or_site are heeded.
        search_size: how many systems a page of a search may have: documentation says 1000 and 100.
        yesterday_from: the local hour from which lifetimes know yesterday.
        yesterday_until: what they tell until then: a series that is one element short, or zero.
        retry_after: whether refusals for the quota carry a Retry-After.
        deny: whether owners refuse to share their systems when asked.
    """

    drift: bool = True
    fuzz: bool = False
    rgm_week: Literal["refused", "clipped"] = "refused"
    micro_week: Literal["whole", "day", "claimed"] = "whole"
    inverters_paged: bool = True
    search_size: int = 1000
    yesterday_from: float = 0.0
    yesterday_until: Literal["short", "zero"] = "short"
    retry_after: bool = False
    deny: bool = False
