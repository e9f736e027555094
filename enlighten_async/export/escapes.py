"""Escapes: texts of other people, such as names of systems, that steer no terminal and run in no sheet."""

from __future__ import annotations

import re
import unicodedata

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of control, format (the bidirectional are among them), surrogate and separator."""

JOINERS = "\u200c\u200d"
"""Characters of the category of formats that some scripts and emoji are written with."""

APOSTROPHE, LINE_FEED = "'", "\n"

_FORMULA = re.compile(r"(^|[;\n])(?=[\t\r]|[^\S\n]*[\u200c\u200d]*[-=+@＝＋－＠])")  # noqa: RUF001 - wide ones
"""The place before a text that a spreadsheet takes for a formula.

A cell begins at the beginning of a text, and also in it where a sheet divides cells by semicolons, as in
many countries: it then takes no notice of the quotes, so that a line feed begins a line.
"""

_NOT_SHOWN = re.compile("[^\n -~]")


def visible(text: str, *, kept: str = "") -> str:
    """Return a text whose control and bidirectional characters are shown by their escapes.

    They could steer a terminal, or make a text look like another one.

    Args:
        text: any text.
        kept: characters that are left as they are.
    """
    return "".join(_escaped(char) if _is_hidden(char) and char not in kept else char for char in text)


def cell(text: str) -> str:
    """Return a text for CSV: what a spreadsheet would run gets an apostrophe before it.

    Control and bidirectional characters are shown by their escapes; line feeds, which CSV quotes, stay.
    """
    return visible(_FORMULA.sub(rf"\1{APOSTROPHE}", text), kept=LINE_FEED)


def json_ascii(json: bytes) -> str:
    """Return JSON whose texts are in printable ASCII, all other characters written by their escapes."""
    return _NOT_SHOWN.sub(_json_escape, json.decode())


def _is_hidden(char: str) -> bool:
    return char not in JOINERS and unicodedata.category(char) in HIDDEN


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
