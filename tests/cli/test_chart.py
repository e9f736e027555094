"""Charts made of characters: their size, their figures, and what a terminal can show."""

from __future__ import annotations

import io
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from enlighten_async.cli.chart import ASCII, BRAILLE, Glyphs, area, bar, daily, glyphs, thinned

LOOKS = pytest.mark.parametrize("look", [BRAILLE, ASCII], ids=["braille", "ascii"])
VALUES = st.lists(st.none() | st.floats(0, 1e6), max_size=400)


def year() -> list[tuple[date, float | None]]:
    """Return a year of days, a few of them unknown."""
    return [(date(2025, 1, 1) + timedelta(n), None if n % 50 == 7 else float(n)) for n in range(365)]


def test_a_bar_is_as_long_as_its_share() -> None:
    """To an eighth of a cell, or to a whole one in ASCII."""
    assert bar(1.0, 10, BRAILLE) == "█" * 10
    assert bar(0.5, 10, ASCII) == "#####"
    assert bar(0.0, 10, BRAILLE) == bar(0.5, 0, BRAILLE) == ""
    assert bar(1 / 80, 10, BRAILLE) == "▏"
    assert bar(7.0, 3, ASCII) == "###"


@given(VALUES, st.integers(1, 200))
def test_thinned_values_keep_their_mean(values: list[float | None], count: int) -> None:
    """As many as were asked for, if there are so many; none is above the highest."""
    few = thinned(values, count)
    assert len(few) == min(count, len(values))
    highest = max((value for value in values if value is not None), default=0.0)
    assert all(value is None or value <= highest * (1 + 1e-9) for value in few)
    if len(values) <= count:
        assert few == values


def test_an_area_fills_what_lies_below() -> None:
    """From the bottom, rounded up so that something is not nothing."""
    assert [line.rstrip() for line in area([0, 2, 4, None], top=4, height=2, look=ASCII)] == ["  #", " ##"]
    assert area([0.01], top=100, height=1, look=ASCII) == ["."]
    assert area([4, 4, 1], top=4, height=1, look=BRAILLE) == ["⣿⡀"]


@LOOKS
@pytest.mark.parametrize("width", [1, 20, 40, 79, 100, 500])
def test_a_chart_keeps_to_the_terminal(look: Glyphs, width: int) -> None:
    """At least a stump of it, at most what says more."""
    lines = daily(year(), width=width, height=6, look=look)
    assert len(lines) == 7
    assert max(map(len, lines)) <= min(max(width, 15), 100)
    top = float(lines[0].split()[0])
    assert 330 < top <= 400
    assert float(lines[3].split()[0]) == top / 2
    assert lines[5].split()[0] == "0"
    if look is ASCII:
        assert "".join(lines).isascii()


def test_months_stand_below_their_first_days() -> None:
    """As many as there is room for."""
    wide = daily(year(), width=100, height=2, look=BRAILLE)[-1]
    assert wide.split() == [
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "May",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
        "Dec",
    ]
    assert wide.index("Jul") - 7 == 181 * 93 // 365
    assert len(daily(year(), width=40, height=2, look=BRAILLE)[-1].split()) < 12


@LOOKS
@pytest.mark.parametrize("days", [[], [(date(2025, 1, 1), None)], [(date(2025, 1, 1), 0.0)]])
def test_a_chart_of_nothing_is_empty(look: Glyphs, days: list[tuple[date, float | None]]) -> None:
    """And no fault."""
    lines = daily(days, width=80, height=4, look=look)
    assert len(lines) == 5
    assert not any(char in line[7:] for line in lines for char in "⣀⣿#.")


@pytest.mark.parametrize(
    ("encoding", "term", "look"),
    [
        ("utf-8", "xterm-256color", BRAILLE),
        ("UTF-8", None, BRAILLE),
        ("ascii", "xterm", ASCII),
        ("cp1252", None, ASCII),
        ("utf-8", "linux", ASCII),
        ("utf-8", "dumb", ASCII),
    ],
)
def test_glyphs_are_those_the_terminal_has(encoding: str, term: str | None, look: Glyphs) -> None:
    """By its encoding and its name."""
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert glyphs(console, {} if term is None else {"TERM": term}) is look
