"""The README's code runs as it stands, and its commands are those that exist."""

from __future__ import annotations

import re
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

README = Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme_runs() -> None:
    """Block after block, in one namespace, as a reader would paste it."""
    document = Sybil([PythonCodeBlockParser()]).parse(README)
    blocks = list(document.examples())
    for block in blocks:
        block.evaluate()
    assert len(blocks) == README.read_text(encoding="utf-8").count("```python")


def test_the_ci_entry_runs_the_second_command() -> None:
    """`.ci/run` takes the line that ends in `/nox`; there is one."""
    assert len(re.findall(r"^python3 .*/nox$", README.read_text(encoding="utf-8"), re.MULTILINE)) == 1
