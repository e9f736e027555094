"""Texts of other people, in a spreadsheet, in JSON and on a terminal."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.export.escapes import cell, json_ascii, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", r"'\t=1"),
        ("\r=1", r"'\r=1"),
        ("＝1", "'＝1"),
        (" =1", "' =1"),
        ("\u200d=1", "'\u200d=1"),
        ("a;=1;\t @b; c", r"a;'=1;'\t @b; c"),
        ("a\n=1\n\n b", "a\n'=1\n\n b"),
        ("a;\r=1", r"a;'\r=1"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("", ""),
        ("a\x1b[2J\u202egnp.exe\n", "a\\x1b[2J\\u202egnp.exe\n"),
        ("☀️ שמש", "☀️ שמש"),
    ],
)
def test_a_cell_is_no_formula(text: str, shown: str) -> None:
    """Nor does it steer a terminal."""
    assert cell(text) == shown


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_in_ascii_is_the_same_json(text: str) -> None:
    """Whatever the text; and no character of it is left that a terminal would obey."""
    shown = json_ascii(msgspec.json.encode([text]))
    assert json.loads(shown) == [text]
    assert shown.isascii()
    assert visible(shown) == shown


@given(st.text("=+-@＝;\n\t\r \u200d\u202eab", max_size=12))
def test_nothing_is_a_formula_wherever_a_sheet_divides(text: str) -> None:
    """Also where semicolons divide cells, and quotes within a line mean nothing."""
    for piece in re.split("[;\n]", cell(text)):
        assert piece.lstrip()[:1] not in {*"=+-@＝\t\r"} - {""}
