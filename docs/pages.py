"""Collects the pages of the site: those of the repository that links lead to, and the code they link to.

`python docs/pages.py FOLDER` writes them. They keep their places, so that a relative link leads to the same
in the repository and on the site. A file of code becomes a page that shows it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "README.md"
FIRST = (HOME, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))

LANGUAGES = {".py": "python", ".toml": "toml"}
LINK = re.compile(r"(\[[^\]]+\]\()([^)\s#]+)")

SOURCE_PAGE = """---
hide: [toc]
search:
  exclude: true
---

# {name}

``````{language} linenums="1"
{text}
``````
"""


def place(file: Path) -> Path:
    """Return the path of a file's page, or of its copy, in the site's folder."""
    below = file.relative_to(ROOT)
    if file == HOME:
        return Path("index.md")
    return below.with_name(below.name + ".md") if file.suffix in LANGUAGES else below


def targets(page: Path) -> Iterator[Path]:
    """Give the files of the repository that a page links to."""
    for _, target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and (file := (page.parent / target).resolve()).is_file():
            yield file


def content(file: Path) -> str:
    """Return the text of a file's page; links lead to the pages of what they link to."""
    text = file.read_text(encoding="utf-8")
    if language := LANGUAGES.get(file.suffix):
        return SOURCE_PAGE.format(name=file.relative_to(ROOT).as_posix(), language=language, text=text)
    renamed = {each for each in targets(file) if each == HOME or each.suffix in LANGUAGES}

    def link(found: re.Match[str]) -> str:
        target = (file.parent / found[2]).resolve()
        if target not in renamed:
            return found[0]
        return found[1] + Path(os.path.relpath(ROOT / place(target), file.parent)).as_posix()

    return LINK.sub(link, text)


def linked() -> list[Path]:
    """Return the files of the site: the first pages, and all that links lead to from them."""
    found = list(FIRST)
    for file in found:  # it grows meanwhile
        if file.suffix == ".md":
            found += [each for each in dict.fromkeys(targets(file)) if each not in found]
    return found


def write(folder: Path) -> None:
    """Write the pages, and the pictures they show, below a folder."""
    for file in linked():
        page = folder / place(file)
        page.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".md":
            page.write_text(content(file), encoding="utf-8")
        else:
            shutil.copy(file, page)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
