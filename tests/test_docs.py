"""Documentation: its code runs, its commands, links and anchors exist, and code is defined where it says."""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from pydoc import locate
from types import ModuleType

import click
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import enlighten_async
from docs.pages import write as write_pages
from enlighten_async import FileTokenStore, emulator, export, testing
from enlighten_async.cli.app import cli
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.testing import EmulatorTokenStore

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*.md"))]
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
TEXTS = [*PAGES, *REFERENCE, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
DATA_FRAMES = ROOT / "docs" / "data-frames.md"
"""A page whose code needs libraries that the default tests go without."""

MAX_README_BYTES = 9_000

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
CODE_NAME = re.compile(r"`(?:\w+\.)*(\w+)(?:\(\))?`")


def name(page: Path) -> str:
    """Return the path of a page below the root of the project."""
    return str(page.relative_to(ROOT))


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Give the text, the file and the anchor of each link that stays in the project."""
    for text, target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield text, (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    prose = BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def defines(module: Path, identifier: str) -> bool:
    """Tell whether a module defines a class, a function, a method, a constant or an attribute."""
    definition = rf"^\s*(?:(?:async )?def|class) {identifier}\b|^\s*{identifier}(?:: [^=\n]+)?(?: = |$)"
    return re.search(definition, module.read_text(encoding="utf-8"), re.MULTILINE) is not None


def commands() -> list[str]:
    """Return the command lines of `enlighten` in the pages."""
    blocks = [block for page in PAGES for block in BLOCK.findall(page.read_text(encoding="utf-8"))]
    lines = [line for language, text in blocks if language == "sh" for line in text.splitlines()]
    return sorted({line for line in lines if line.startswith("enlighten ")})


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A reader in a folder of their own, after `enlighten login`; the service is an emulator."""
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("enlighten_async")
    level = log.level  # a page may have set it
    emulator = Emulator(quota=Quota.UNLIMITED)
    environment = {"API_KEY": "any", "CLIENT_ID": "client", "CLIENT_SECRET": "any", "TOKENS": "tokens.json"}
    with emulator.running(version="v4") as url:
        for variable, value in {**environment, "BASE_URL": url}.items():
            monkeypatch.setenv(f"ENLIGHTEN_{variable}", value)
        asyncio.run(log_in(emulator))
        yield
    log.setLevel(level)


async def log_in(emulator: Emulator) -> None:
    """Save tokens of the default account where the environment says."""
    tokens = await EmulatorTokenStore(emulator).load("default")
    assert tokens is not None
    await FileTokenStore("tokens.json").save("default", tokens)


@pytest.mark.parametrize(
    "page",
    [pytest.param(each, marks=pytest.mark.dataframes) if each == DATA_FRAMES else each for each in PAGES],
    ids=name,
)
@pytest.mark.usefixtures("reader")
def test_the_code_of_a_page_runs(page: Path) -> None:
    """Block after block, in one namespace, as a reader would paste it."""
    document = Sybil([PythonCodeBlockParser()]).parse(page)
    blocks = list(document.examples())
    for block in blocks:
        block.evaluate()
    assert len(blocks) == page.read_text(encoding="utf-8").count("```python")


@pytest.mark.parametrize("line", commands())
def test_a_command_line_is_understood(line: str) -> None:
    """Its command, its options and the number of its arguments exist; nothing is run."""
    _, *words = shlex.split(line, comments=True)
    command: click.Command = cli
    while isinstance(command, click.Group):
        _, found, words = command.resolve_command(click.Context(command), words)
        assert found is not None
        command = found
    command.make_context(line, words)


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link is to a file of the project, and to one of its headings where it names one."""
    found = list(links(page))
    assert [(text, file) for text, file, _ in found if not file.exists()] == []
    assert [(text, anchor) for text, file, anchor in found if anchor and anchor not in anchors(file)] == []


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_code_is_defined_where_it_is_linked_to(page: Path) -> None:
    """A link whose text is the name of code leads to the module that defines it."""
    modules = [(text, file) for text, file, _ in links(page) if file.suffix == ".py"]
    named = [(found[1], file) for text, file in modules if (found := CODE_NAME.fullmatch(text))]
    assert [(code, name(file)) for code, file in named if code != "py" and not defines(file, code)] == []


def test_every_page_is_in_the_navigation() -> None:
    """The site's navigation names each page of `docs/` once, and no other of them."""
    navigation = (ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8")
    named = re.findall(r'"(docs/[\w/-]+\.md)"', navigation)
    assert sorted(named) == sorted(name(page) for page in (ROOT / "docs").rglob("*.md"))


def in_the_reference() -> list[str]:
    """Return the paths of what the reference describes."""
    texts = (page.read_text(encoding="utf-8") for page in REFERENCE)
    return [path for text in texts for path in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)]


@pytest.mark.parametrize(
    "module", [enlighten_async, emulator, export, testing], ids=lambda each: each.__name__
)
def test_every_public_name_is_in_the_reference(module: ModuleType) -> None:
    """Each once, whichever of its paths is given; a missing one belongs on a page of `docs/reference/`."""
    described = Counter(id(locate(path)) for path in in_the_reference())
    names: list[str] = module.__all__
    assert [each for each in names if described[id(getattr(module, each))] != 1] == []


def test_what_the_reference_describes_exists() -> None:
    """A class or function that was renamed or removed is no longer described."""
    assert [path for path in in_the_reference() if locate(path) is None] == []


def test_the_pages_of_the_site_lead_to_each_other(tmp_path: Path) -> None:
    """Links lead to pages of the site: to the first page for the README, to pages of code for code."""
    write_pages(tmp_path)
    pages = sorted(tmp_path.rglob("*.md"))
    assert tmp_path / "index.md" in pages
    assert tmp_path / "enlighten_async" / "errors.py.md" in pages
    texts = {page: page.read_text(encoding="utf-8") for page in pages if not page.name.endswith(".py.md")}
    found = [(page, target) for page, text in texts.items() for _, target in LINK.findall(text)]
    local = [(page, target.partition("#")[0]) for page, target in found if "://" not in target]
    assert [each for each in local if each[1] and not (each[0].parent / each[1]).exists()] == []
    assert [each for each in local if each[1].endswith((".py", ".toml"))] == []


def test_the_readme_is_short() -> None:
    """What is for looking things up is in `docs/`."""
    assert len(README.read_bytes()) <= MAX_README_BYTES


def test_the_ci_entry_runs_the_second_command() -> None:
    """`.ci/run` takes the line that ends in `/nox`; there is one."""
    assert len(re.findall(r"^python3 .*/nox$", README.read_text(encoding="utf-8"), re.MULTILINE)) == 1
