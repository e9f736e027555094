"""Tables with bars: as long as their shares, as wide as allowed, and never at the cost of a figure."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from enlighten_async.cli.formatting import bar_table, fitted, printable, wrapped

ROWS = [["2025-01", "1,234.5"], ["2025-02", "617.3"], ["total", "1,851.8"]]


def shown(
    width: int, *, encoding: str = "utf-8", max_columns: int = 100, terminal: bool = False
) -> list[str]:
    """Return the lines of a table of two bars and a row without one."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    made = bar_table(console, ["month", "kWh"], ROWS, [1234.5, 617.25], max_columns=max_columns)
    console.print(made)
    return file.buffer.getvalue().decode(encoding).splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("encoding", "sign"), [("utf-8", "━"), ("ascii", "-"), ("cp1252", "-")])
def test_a_bar_is_as_long_as_its_share(encoding: str, sign: str) -> None:
    """In signs that the terminal has; a row without a value has no bar."""
    _, first, second, total = shown(60, encoding=encoding)
    assert first.count(sign) - first[:8].count(sign) == 2 * (second.count(sign) - second[:8].count(sign)) > 30
    assert sign not in total


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [26, 30, 40, 79, 100, 500])
def test_no_figure_is_cut(width: int, terminal: bool) -> None:
    """Whatever the width; where there is no room for bars, there are none."""
    lines = shown(width, terminal=terminal)
    assert max(map(len, lines)) <= min(width, 100)
    for cells in ROWS:
        assert any(line.split()[:2] == cells for line in lines)


def test_a_table_has_a_width_at_most() -> None:
    """Longer bars would say no more."""
    assert max(len(line.rstrip()) for line in shown(200, max_columns=50)) == 50


def test_a_table_of_nothing_is_no_fault() -> None:
    """Without rows, or with bars of nothing."""
    console = Console(file=io.StringIO(), width=40)
    console.print(bar_table(console, ["a", "b"], [], [], max_columns=40))
    console.print(bar_table(console, ["a", "b"], [["x", "0"]], [0.0], max_columns=40))


def test_control_characters_become_spaces() -> None:
    """So that nobody's text steers the terminal."""
    assert printable("a\x1b[2J\nb\x07 ") == r"a\x1b[2J b\x07"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fake\u202egnp.exe", r"fake\u202egnp.exe"),
        ("\u2066a\u2069\u200f\u061c", r"\u2066a\u2069\u200f\u061c"),
        ("\x9b2J\x00\x7f", r"\x9b2J\x00\x7f"),
        ("a\r\n\tb", "a   b"),
        ("a\u2028b\ufeff\U000e0001", r"a\u2028b\ufeff\U000e0001"),
        ("\ud800", r"\ud800"),
        ("\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e 12\xa0kWh", None),
        ("Straße \u05d0 日本 = [bold]", None),
    ],
)
def test_characters_that_steer_are_shown(text: str, shown: str | None) -> None:
    """By their escapes; texts of all scripts stay as they are."""
    assert printable(text) == (text if shown is None else shown)


DEVICES = ("system_id", "id", "name", "status", "model", "reference")
DEVICE_ROWS = [(1765, 10 + n, f"inverter {n}", "normal", "M215", None) for n in range(3)]


@pytest.mark.parametrize(
    ("width", "terminal", "columns", "hidden"),
    [
        (80, False, "system_id id name status model", []),
        (80, True, "name status model id", []),
        (34, True, "name status model id", []),
        (33, True, "name status model", ["id"]),
        (26, True, "name status", ["model", "id"]),
        (5, True, "name", ["status", "model", "id"]),
    ],
)
def test_a_table_has_the_columns_that_fit(
    width: int, terminal: bool, columns: str, hidden: list[str]
) -> None:
    """The most telling ones first; none is cut, none is empty."""
    console = Console(width=width, force_terminal=terminal, file=io.StringIO())
    table, left = fitted(console, DEVICES, DEVICE_ROWS)
    assert [str(column.header) for column in table.columns] == columns.split()
    assert left == hidden


@pytest.mark.parametrize("width", range(20, 60))
def test_no_row_of_a_table_takes_two_lines(width: int) -> None:
    """Nor is one wider than the terminal."""
    out = io.StringIO()
    console = Console(width=width, force_terminal=True, file=out, color_system=None)
    table, _ = fitted(console, DEVICES, DEVICE_ROWS)
    console.print(table)
    lines = out.getvalue().splitlines()
    assert len([line for line in lines if line.strip()]) == 2 + len(DEVICE_ROWS)
    assert max(map(len, lines)) <= width


def test_a_long_line_is_told_without_a_broken_word() -> None:
    """An address stays whole, so that it can be copied."""
    address = "http://127.0.0.1:8710/callback?state=" + "x-" * 40
    lines = wrapped(f"Open this page, and log in as the owner of the systems, please: {address}", 40)
    assert lines.splitlines() == [
        "Open this page, and log in as the owner",
        "  of the systems, please:",
        f"  {address}",
    ]


def test_of_several_systems_each_row_tells_its_own() -> None:
    """Also on a terminal."""
    console = Console(width=80, force_terminal=True, file=io.StringIO())
    table, _ = fitted(console, DEVICES, [*DEVICE_ROWS, (1766, 9, "a", "b", "c", None)])
    assert table.columns[0].header == "system_id"
