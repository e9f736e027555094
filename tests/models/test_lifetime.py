"""Days of energy as rows on one axis."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.models import ConsumptionLifetime, EnergyLifetime, LifetimeDay, Meta, Reason, Receipt
from tests.effort import examples

COLUMN = st.lists(st.none() | st.integers(0, 90_000), max_size=6).map(tuple)
BOUNDS = st.none() | st.integers(-8, 8)


@examples(200)
@given(
    start=st.dates(date(2000, 1, 1), date(2040, 1, 1)),
    columns=st.tuples(COLUMN, COLUMN, COLUMN),
    bounds=st.tuples(BOUNDS, BOUNDS, BOUNDS.filter(lambda step: step != 0)),
)
def test_rows_are_what_columns_say(
    start: date,
    columns: tuple[tuple[int | None, ...], ...],
    bounds: tuple[int | None, int | None, int | None],
) -> None:
    """As long as the longest column, padded with null; a sequence in every way."""
    lifetime = EnergyLifetime(7, start, columns[0], None, *columns[1:])
    days = [
        LifetimeDay(start + timedelta(n), *(column[n] if n < len(column) else None for column in columns))
        for n in range(max(map(len, columns)))
    ]
    assert list(lifetime) == days
    assert (len(lifetime), bool(lifetime)) == (len(days), bool(days))
    assert lifetime[slice(*bounds)] == tuple(days[slice(*bounds)])
    assert list(reversed(lifetime)) == days[::-1]
    for place in range(-len(days), len(days)):
        assert lifetime[place] == days[place]
    for place in (len(days), -len(days) - 1):
        with pytest.raises(IndexError):
            lifetime[place]
    assert list(ConsumptionLifetime(7, start, columns[0])) == [
        LifetimeDay(start + timedelta(n), wh) for n, wh in enumerate(columns[0])
    ]


@pytest.mark.parametrize("start", [None, date.max])
def test_values_need_days(start: date | None) -> None:
    """On the calendar."""
    for model in (EnergyLifetime, ConsumptionLifetime):
        assert len(model(7, start, ())) == 0
        with pytest.raises((ValueError, OverflowError)):
            model(7, start, (1,))
    with pytest.raises((ValueError, OverflowError)):
        EnergyLifetime(7, start, (), None, (1,))


def test_when_and_for_how_much_is_not_what() -> None:
    """Equality is by what was said."""
    now = datetime(2025, 6, 1, tzinfo=UTC)
    one = EnergyLifetime(7, date(2025, 6, 1), (1,))
    assert one == EnergyLifetime(7, date(2025, 6, 1), (1,), as_of=now, receipt=Receipt(sent=1))
    assert hash(one) == hash(EnergyLifetime(7, date(2025, 6, 1), (1,), as_of=now))
    assert one != EnergyLifetime(7, date(2025, 6, 2), (1,))
    nothing = ConsumptionLifetime(7, None, (), reason=Reason.NO_DEVICE)
    assert nothing != ConsumptionLifetime(7, None, (), reason=Reason.NOT_REPORTED_YET)
    assert nothing == ConsumptionLifetime(7, None, (), reason=Reason.NO_DEVICE, as_of=now)


def test_plain_values() -> None:
    """As the API has them, with what is ours."""
    lifetime = EnergyLifetime(7, date(2025, 6, 1), (1, None), meta=Meta("normal"))
    written = json.loads(json.dumps(lifetime.to_dict()))
    assert list(written) == [
        *("system_id", "start_date", "meta", "reason", "as_of", "receipt", "production"),
        *("meter_start_date", "micro_production", "meter_production", "dates", "coverage"),
    ]
    assert (written["start_date"], written["production"], written["reason"]) == (
        "2025-06-01",
        [1, None],
        None,
    )
    assert written["meta"]["status"] == "normal"
    empty = json.loads(json.dumps(ConsumptionLifetime(7, None, (), reason=Reason.NO_DEVICE).to_dict()))
    assert (empty["start_date"], empty["consumption"], empty["reason"]) == (None, [], "no_device")
    day = LifetimeDay(date(2025, 6, 1), 1).to_dict()
    assert day == {"date": "2025-06-01", "wh": 1, "micro_wh": None, "meter_wh": None}


def test_coverage_is_the_days_or_the_reason_why_there_are_none() -> None:
    """As on every answer of a range: what it holds, and why the rest is missing."""
    whole = EnergyLifetime(1, date(2025, 3, 9), (5, 0, 7)).coverage
    assert (whole.complete, whole.expected, whole.got, whole.gaps()) == (True, 3, 3, ())
    assert whole.window.start_at.date() == date(2025, 3, 9)
    empty = ConsumptionLifetime(1, None, (), reason=Reason.NO_DEVICE).coverage
    assert (empty.complete, empty.expected, [gap.reason for gap in empty.gaps()]) == (
        True,
        0,
        [Reason.NO_DEVICE],
    )
