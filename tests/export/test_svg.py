"""Charts: the numbers are where they belong, and what is no number is not drawn."""

from __future__ import annotations

import pytest

from enlighten_async.export import svg
from enlighten_async.export.svg import element, html


@pytest.mark.parametrize(
    ("values", "top", "step"),
    [
        ([], 1, 1),
        ([None, 0.0, -3.0], 1, 1),
        ([float("nan"), float("inf")], 1, 1),
        ([4.0], 4, 1),
        ([0.9], 1, 0.5),
        ([31.2, None], 40, 10),
        ([40.1], 60, 20),
        ([1_234.0], 1_500, 500),
        ([0.00031], 0.0004, 0.0001),
    ],
)
def test_a_scale_is_of_round_numbers(values: list[float | None], top: float, step: float) -> None:
    """It ends at or above the highest value; a few steps lead there."""
    found = svg.scale(values)
    assert (found.top, found.step) == (pytest.approx(top), pytest.approx(step))
    assert found.marks[0] == 0
    assert found.marks[-1] == pytest.approx(top)
    assert 2 <= len(found.marks) <= 6


def test_bars_are_as_high_as_their_shares() -> None:
    """Nothing is drawn of a null; each has its text."""
    drawn = svg.bars([5.0, None, 20.0], ["a", "b", "c"], ["bar"] * 3, 10.0)
    groups = list(drawn)
    assert [(g[2].get("y"), g[2].get("height")) for g in groups] == [("50", "50"), ("100", "0"), ("0", "100")]
    assert [g[0].text for g in groups] == ["a", "b", "c"]
    assert drawn.get("viewBox") == "0 0 3 100"


def test_a_map_has_one_stroke_for_each_run() -> None:
    """A path of each level; where nothing is known nothing is drawn."""
    drawn = svg.heat([[0, 0, 3, None], [3, 3, 3, 3], [None] * 4], 4)
    paths = {path.get("class"): path.get("d") for path in drawn.iter("path")}
    assert paths == {"level-0": "M0 0v2", "level-3": "M0 2v1M1 0v4"}
    assert drawn.get("viewBox") == "0 0 3 4"


def test_a_curve_is_broken_where_there_is_no_value() -> None:
    """A value alone is as wide as a step."""
    area, edge = svg.curve([0.0, 5.0, None, 10.0], 10.0)
    assert edge == "M0 100L1 50M2.5 0L3.5 0"
    assert area == "M0 100L0 100L1 50L1 100ZM2.5 100L2.5 0L3.5 0L3.5 100Z"
    assert svg.curve([None, None], 1.0) == ("", "")


@pytest.mark.parametrize(
    ("value", "part"), [(None, 0), (-1.0, 0), (float("nan"), 0), (0.0, 0), (2.5, 0.25), (11.0, 1)]
)
def test_a_share_is_between_nothing_and_all(value: float | None, part: float) -> None:
    """Also of what is no figure."""
    assert svg.share(value, 10.0) == part


def test_a_chart_has_its_labels_beside_what_is_stretched() -> None:
    """So they keep their size; of many, every second one below may be left out."""
    many: list[svg.Label] = [(at / 6, str(at)) for at in range(7)]
    few = svg.chart(element("svg"), "told", columns=many[:6], class_="x")
    assert {text.get("class") for text in few.findall("text")} == {"column"}
    made = svg.chart(element("svg"), "told", rows=[(0.25, "q")], columns=many, class_="x")
    texts = [(text.text, text.get("x"), text.get("y"), text.get("class")) for text in made.findall("text")]
    assert [texts[0], texts[1], texts[-2]] == [
        ("q", "-8", "75%", "row"),
        ("0", "0%", "100%", "column"),
        ("5", "83.33%", "100%", "column spare"),
    ]
    assert (made.get("role"), made.get("aria-label")) == ("img", "told")


def test_texts_are_escaped_when_they_are_written() -> None:
    """In texts and in attributes; what steers a terminal or the order of letters is shown."""
    text = '<b>"&"</b>\x1b[2J\u202e\ud800'
    made = html(element("p", element("i", "x"), text, title=text, class_="c", aria_label=None))
    shown = "\\x1b[2J\\u202e\\ud800"
    # Within the quotes of an attribute, `<` begins nothing.
    title = f"<b&gt;&quot;&amp;&quot;</b&gt;{shown}"
    assert made == f'<p title="{title}" class="c"><i>x</i>&lt;b&gt;"&amp;"&lt;/b&gt;{shown}</p>'
