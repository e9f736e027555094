"""Charts in the terminal: as high as their values, within the width, in the characters there are."""

from __future__ import annotations

import pytest

from enlighten_async.cli.pictures import chart

VALUES, LABELS = [40.0, 20.0, None, 0.0, 2.5], ["a", "b", "c", "d", "e"]


def test_a_bar_is_as_high_as_its_value() -> None:
    """In eighths of a line; on the axis is marked what is not known."""
    assert chart(VALUES, LABELS, 25) == [
        " 40┤███",
        "    ███",
        " 30┤███",
        "    ███",
        " 20┤███ ███",
        "    ███ ███",
        " 10┤███ ███",
        "    ███ ███         ▄▄▄",
        "  0└────────····────────",
        "    a   b   c   d   e",
    ]


def test_a_terminal_without_blocks_has_a_chart_too() -> None:
    """In ASCII alone, in thirds of a line."""
    lines = chart(VALUES, LABELS, 25, ascii_only=True)
    assert "".join(lines).isascii()
    assert lines[4:] == [
        " 20|### ###",
        "    ### ###",
        " 10|### ###",
        "    ### ###         :::",
        "  0+--------????--------",
        "    a   b   c   d   e",
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 30, 96, 365, 5_000])
@pytest.mark.parametrize("width", [1, 20, 40, 80, 300])
def test_no_line_is_wider_than_the_terminal(count: int, width: int) -> None:
    """Nor than is of use; a terminal too narrow for a figure and a bar is not served."""
    lines = chart([float(n % 50) for n in range(count)], [f"{n} Jan" for n in range(count)], width)
    assert max(map(len, lines)) <= max(6, min(width, 100))


def test_many_values_are_drawn_as_means() -> None:
    """Of five neighbours each, three of which are high in every second bar; then nothing is known."""
    lines = chart([0.0, 30.0] * 50 + [None] * 20, [""] * 120, 34)
    assert lines[3:6] == [" 20┤" + " ▃" * 10, "    " + " █" * 10, "    " + "▅█" * 10]
    assert lines[-2] == "  0└" + "─" * 20 + "·" * 4


def test_labels_for_which_there_is_no_room_are_left_out() -> None:
    """Two columns are free between them, and none goes past the end."""
    assert chart([1.0] * 12, [f"label {n}" for n in range(12)], 40)[-1] == "     label 0   label 5"
    assert chart([1.0] * 4, ["", "b", "", "d"], 12)[-1] == "      b"
