"""Figures: the tables of benchmarks of fleets in the README of this folder."""

from __future__ import annotations

from pathlib import Path

README = Path(__file__).with_name("README.md")


def put(name: str, text: str) -> None:
    """Put figures into the README, between the comments of this name, in place of the last ones."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = README.read_text().partition(opening)
    README.write_text(f"{before}{opening}\n\n{text}\n\n{closing}{rest.partition(closing)[2]}")
