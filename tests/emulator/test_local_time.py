"""Dates: the same day of the next month."""

from __future__ import annotations

from datetime import date

from enlighten_async.emulator.local_time import next_month


def test_the_same_day_of_the_next_month() -> None:
    """Or its last day."""
    assert next_month(date(2011, 7, 20)) == date(2011, 8, 20)
    assert next_month(date(2025, 1, 31)) == date(2025, 2, 28)
    assert next_month(date(2024, 12, 1)) == date(2025, 1, 1)
