"""The facts of an answer: its days, and the texts of figures."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnergyLifetime, Gap, Reason
from enlighten_async.export import facts
from enlighten_async.export.facts import by_month, facts_of
from enlighten_async.models.lifetime import days_of_utc

ZONES = st.sampled_from(
    ["UTC", "America/Los_Angeles", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana"]
)
FIGURES = st.lists(st.none() | st.integers(0, 10**7), max_size=900)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (facts.energy_text(0), ("0.0", "kWh")),
        (facts.energy_text(9_999_900), ("9,999.9", "kWh")),
        (facts.energy_text(10_000_000), ("10.00", "MWh")),
        (facts.share_text(0, 0), "0 %"),
        (facts.share_text(1, 10_000), "< 0.1 %"),
        (facts.share_text(9_999, 10_000), "99.9 %"),
        (facts.share_text(10_000, 10_000), "100 %"),
        (facts.counted(1, "day"), "1 day"),
        (facts.counted(1_000, "day"), "1,000 days"),
        (facts.duration_text(timedelta(days=1, minutes=5)), "1 d 5 min"),
        (facts.duration_text(timedelta()), "0 s"),
        (facts.between((date(2025, 5, 1), date(2025, 5, 1))), "1 May 2025"),
        (facts.between((date(2025, 5, 1), date(2025, 6, 1))), "1 May 2025 to 1 Jun 2025"),
        (facts.minute_text(datetime(2025, 5, 1, 7, 5, tzinfo=UTC)), "1 May 2025, 07:05"),
        (facts.reason_text(Reason.NOT_REPORTED_YET), "not reported yet"),
        (facts.subject(object()), "Energy"),
    ],
)
def test_figures_as_text(shown: object, text: object) -> None:
    """With their units, and nothing rounded to all or nothing."""
    assert shown == text


@given(figures=FIGURES, first=st.dates(date(2008, 1, 1), date(2025, 12, 31)), zone=ZONES)
def test_no_day_of_a_lifetime_is_lost(figures: list[int | None], first: date, zone: str) -> None:
    """Each has its place, on the days of 23 hours too; days, months and the whole are the same energy."""
    answer = EnergyLifetime(1, first, tuple(figures))
    found = facts_of(answer, None, zone)
    assert [day.start.date() for day in found.days] == list(answer.dates)
    assert [day.wh if day.got else None for day in found.days] == figures
    months = by_month(found.days)
    assert sum(month.wh for month in months) == found.wh == sum(filter(None, figures))
    assert sum(month.expected for month in months) == len(figures)
    assert len({(month.start.year, month.start.month) for month in months}) == len(months)


@given(before=st.integers(0, 40), behind=st.integers(0, 40))
def test_days_that_were_asked_for_have_their_place(before: int, behind: int) -> None:
    """Also those before the first figure and after the last."""
    first = date(2025, 1, 10)
    gaps = (
        Gap(days_of_utc(first - timedelta(days=before), before), Reason.BEFORE_OPERATION),
        Gap(days_of_utc(first + timedelta(days=2), behind), Reason.NOT_REPORTED_YET),
    )
    found = facts_of(EnergyLifetime(1, first, (500, 700), missing=gaps), None, None)
    assert len(found.days) == before + 2 + behind
    assert found.days_with_gaps == {
        day.start.date() for day in found.days if day.start.date() not in {first, first + timedelta(days=1)}
    }
    assert found.wh == 1200
