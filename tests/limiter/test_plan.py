"""Plans: numbers, names, and what is refused; reservations of a class."""

from __future__ import annotations

import pytest

from enlighten_async.api import v2, v4
from enlighten_async.errors import InputError
from enlighten_async.limiter import RANKS, Plan
from enlighten_async.limiter.plan import (
    NEXT_RESERVATION_S,
    RESERVATION_HORIZON_S,
    RESERVATION_S,
    Reservations,
)

INTERACTIVE, POLL, BACKFILL = RANKS.values()
TABLE = {"Watt": Plan(minute=10, month=10_000, name="Watt")}


def test_watt_is_only_a_name_until_a_version_of_the_api_resolves_it() -> None:
    """The free plan has no numbers of its own."""
    assert not Plan.WATT.is_resolved
    assert Plan.WATT.resolved(TABLE) == Plan(minute=10, month=10_000, name="Watt")


def test_plans_of_v4_have_the_figures_of_the_portal() -> None:
    """By their names; v2 knows the free one alone."""
    named = (Plan.WATT, Plan.KILOWATT, Plan.MEGAWATT, Plan.PARTNER)
    figures = [(plan.minute, plan.month) for plan in (plan.resolved(v4.PLANS) for plan in named)]
    assert figures == [(10, 1_000), (50, 50_000), (100, 300_000), (300, 1_500_000)]
    with pytest.raises(InputError, match=r"it has: Watt"):
        Plan.KILOWATT.resolved(v2.PLANS)


@pytest.mark.parametrize("plan", [Plan(minute=50), Plan(month=5, name="Watt"), Plan()])
def test_own_numbers_are_kept(plan: Plan) -> None:
    """Whoever gives numbers, or no limit at all, means them."""
    assert plan.is_resolved
    assert plan.resolved(TABLE) is plan


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """The error says which names there are."""
    with pytest.raises(InputError, match=r"it has: Watt"):
        Plan(name="Terawatt").resolved(TABLE)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "10", float("inf"), 10**30])
@pytest.mark.parametrize("period", ["minute", "month"])
def test_limits_are_whole_numbers_above_zero(period: str, value: object) -> None:
    """Anything else is refused when the plan is made."""
    with pytest.raises(InputError, match=period):
        Plan(**{period: value})  # type: ignore[arg-type]


def test_a_budget_is_kept_when_the_plan_is_resolved() -> None:
    """The name brings the service's numbers, and the budget stays below them."""
    plan = Plan.WATT.capped(month=500).capped(minute=5)
    assert not plan.is_resolved
    resolved = plan.resolved(TABLE)
    assert (resolved.minute, resolved.month) == (10, 10_000)
    assert (resolved.allows("minute"), resolved.allows("month")) == (5, 500)
    assert Plan().allows("month") is None
    assert Plan(month=7).capped(month=9).allows("month") == 7


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_budget_is_a_whole_number_above_zero(value: int) -> None:
    """As a limit is."""
    with pytest.raises(InputError, match="month_cap"):
        Plan.WATT.capped(month=value)


# Reservations


def test_a_claim_is_on_what_comes_free_and_only_against_lower_classes() -> None:
    """Before that, and for what is days away, nobody is held back; nor is one's own class."""
    reservations = Reservations()
    reservations.reserve(POLL, 1030.0, 1000.0)
    assert reservations.held_until(BACKFILL, 1029.0) is None
    assert reservations.held_until(BACKFILL, 1030.0) == 1030.0 + RESERVATION_S
    assert reservations.held_until(POLL, 1030.0) is None
    assert reservations.held_until(INTERACTIVE, 1030.0) is None
    reservations.reserve(POLL, 1000.0 + RESERVATION_HORIZON_S + 1, 1000.0)
    assert reservations.held_until(BACKFILL, 1030.0) is not None  # the nearer one holds
    reservations.release(POLL)
    reservations.reserve(INTERACTIVE, None, 1000.0)
    assert reservations.held_until(POLL, 1000.0) == 1000.0 + NEXT_RESERVATION_S
