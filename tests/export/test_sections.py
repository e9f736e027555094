"""The sections of an answer: the labels of their axes."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnergyLifetime
from enlighten_async.export.facts import by_month, facts_of
from enlighten_async.export.sections import _date_labels, _month_labels
from enlighten_async.export.svg import MANY_LABELS

DAYS = st.dates(date(2008, 1, 1), date(2024, 12, 31))


@given(first=DAYS, count=st.integers(1, 6_000))
def test_labels_of_days_are_few_and_tell_the_years(first: date, count: int) -> None:
    """In order, inside the axis; where every second is hidden, each year that begins is still there."""
    days = [first + timedelta(days=number) for number in range(count)]
    labels = _date_labels(days)
    assert [at for at, _ in labels] == sorted({at for at, _ in labels})
    assert all(0 <= at <= 1 for at, _ in labels)
    assert len(labels) <= 18
    assert labels or count > 62
    shown = labels[::2] if 430 < count <= 1_500 and len(labels) > MANY_LABELS else labels
    begun = {str(day.year) for day in days if (day.month, day.day) == (1, 1)} if count > 62 else set()
    assert begun <= {text for _, text in shown}


@given(first=DAYS, count=st.integers(1, 9_000))
def test_labels_of_months_are_few(first: date, count: int) -> None:
    """Each of a year or so; of more months the years, or some of them."""
    months = by_month(facts_of(EnergyLifetime(1, first, (1,) * count), None, None).days)
    labels = _month_labels(months)
    assert 1 <= len(labels) <= 15
    assert all(0 < at < 1 for at, _ in labels)
    if len(months) <= 14:
        assert len(labels) == len(months)
