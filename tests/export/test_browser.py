"""The pages in a real browser: that they are styled, ask for nothing, and fit phone, dark and paper."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from enlighten_async.export.report import SystemsReport, report
from tests.export.test_report import NAMES, answer, lifetime

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed"),
]

NAME = NAMES["script"] + NAMES["closing"]


def of_several() -> str:
    """Return a page of systems of all names, one of a lifetime, and one that failed."""
    page = SystemsReport()
    page.add(answer(), name=NAME)
    page.add(lifetime(*range(900)), name="Roof")
    for name in NAMES.values():
        page.add(answer(24), name=name * 3)
    page.add_failure(99, NAME, name=NAME)
    return b"".join(page.pieces()).decode()


PAGES: dict[str, Callable[[], str]] = {
    "system": lambda: report(answer(), name=NAME),
    "lifetime": lambda: report(lifetime(*range(900)), name=NAME),
    "several": of_several,
}

PROBE = """<!DOCTYPE html><title>probe</title><body><iframe src="/page" width="WIDTH" height="900"></iframe>
<pre></pre><script>
onload = () => {
  const page = frames[0].document, style = (name, of) => getComputedStyle(page.querySelector(name))[of];
  const links = [...page.querySelectorAll("a")];
  const overflow = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  for (const tag of ["img", "script", "iframe"]) {
    const leak = page.createElement(tag);
    leak.src = "/leak-" + tag;
    page.body.append(leak);
  }
  const inline = page.createElement("script");
  inline.textContent = "document.title = 'leaked'";
  page.body.append(inline);
  setTimeout(() => document.querySelector("pre").textContent = JSON.stringify({
    overflow,
    named: [...page.querySelectorAll("bdi")].map(each => each.textContent),
    lost: links.filter(each => !page.querySelector(each.getAttribute("href"))).length,
    links: links.length,
    title: page.title,
    bar: style(".bar", "fill"),
    background: style("body", "backgroundColor"),
    smallest: Math.min(...[...page.querySelectorAll("text")].map(each => parseFloat(
      getComputedStyle(each).fontSize))),
    chart: Math.min(...[...page.querySelectorAll(".chart")].map(each => each.getBoundingClientRect().width)),
  }), 300);
};
</script>"""


class Site:
    """A server of the page and of the probe that looks into it.

    Attributes:
        url: its address.
        page: the page.
        asked: the paths that were asked for.
    """

    def __init__(self, page: str) -> None:
        site, self.page, self.asked = self, page, list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                probe = PROBE.replace("WIDTH", self.path.rpartition("-")[2])
                body = (page if self.path == "/page" else probe).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(params=PAGES)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A page of a kind, of systems whose names would like to be scripts."""
    site = Site(PAGES[request.param]())
    thread = threading.Thread(target=site.server.serve_forever, daemon=True)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def browse(folder: Path, *words: str) -> str:
    """Run the browser with a profile of its own, and return what it prints."""
    flags = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--virtual-time-budget=4000",
    )
    command = [str(BROWSER), *flags, f"--user-data-dir={folder / 'profile'}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout


def look(site: Site, folder: Path, *flags: str, width: int = 360) -> dict[str, Any]:
    """Return what the probe finds in the page in a frame of this width."""
    dom = browse(folder, *flags, "--dump-dom", f"{site.url}/probe-{width}")
    found = re.search(r"<pre>(\{.*\})</pre>", dom)
    assert found
    seen: dict[str, Any] = json.loads(
        found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )
    return seen


@pytest.mark.parametrize("width", [320, 360, 1100])
def test_the_page_is_readable_at_every_width(site: Site, tmp_path: Path, width: int) -> None:
    """Nothing runs out of it, and no label shrinks with the pictures."""
    seen = look(site, tmp_path, width=width)
    assert seen["overflow"] <= 0
    assert seen["smallest"] >= 10
    assert seen["chart"] > width / 2
    assert seen["bar"] == "rgb(226, 134, 11)"


def test_the_page_loads_and_runs_nothing(site: Site, tmp_path: Path) -> None:
    """Not even what is put into it from outside; names are texts, and each link leads to its place."""
    seen = look(site, tmp_path)
    several = seen["title"].startswith("Energy of")
    assert seen["named"][0] == NAME
    assert several or (seen["named"], seen["title"][: len(NAME)]) == ([NAME], NAME)
    # Of each system a link to its part, and one back; those are the names, each twice.
    assert (seen["links"], seen["lost"]) == (len(seen["named"]) * several, 0)
    assert sorted({path for path in site.asked if path != "/favicon.ico"}) == ["/page", "/probe-360"]


def test_the_page_is_dark_where_that_is_wished(site: Site, tmp_path: Path) -> None:
    """By the setting of the browser."""
    light = look(site, tmp_path)
    dark = look(site, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert (light["background"], dark["background"]) == ("rgb(246, 245, 241)", "rgb(20, 22, 26)")


def test_the_page_can_be_printed(site: Site, tmp_path: Path) -> None:
    """On a few sheets; of several systems each begins on a new one."""
    paper = tmp_path / "page.pdf"
    browse(tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer", f"{site.url}/page")
    systems = max(1, site.page.count("<article"))
    sheets = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert systems <= sheets <= 4 * systems
