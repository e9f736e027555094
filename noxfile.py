"""What is checked, and how: `nox` runs the default sessions on the Python it is run with."""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # also where CI is set: no failure

PROJECT = nox.project.load_toml("pyproject.toml")
FOREIGN = re.compile(r'<(?:script|link|img|iframe)\b[^>]* (?:src|href)="?(?:https?:)?//')
"""What a page would load from another host; links that a reader follows are not among it."""

DEFAULT = next(each for each in PROJECT["tool"]["pytest"]["ini_options"]["addopts"] if each.startswith("-m="))
LIGHT = DEFAULT.removeprefix("-m=").replace("slow or ", "")
"""Of the tests those, slow ones too, that need neither heavy libraries nor servers or processes."""
TEXTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs")


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, and who imports whom."""
    session.install(*group("lint"), ".[cli,trio]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("codespell", "enlighten_async", "tests", "benchmarks", "examples", *TEXTS)
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types, in strict mode: the project's, and those of the documentation's code as a user's files."""
    groups = ("types", "tests", "bench", "backends")
    session.install(*(each for name in groups for each in group(name)), "nox", ".[cli,trio]")
    session.run("mypy")
    session.run("pytest", "tests/typing")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests on asyncio, but for the marked ones and those of types."""
    session.install(*group("tests"), ".[cli,trio]")
    session.run("pytest", "-n", "auto", "--ignore=tests/typing", "-k", "not trio", *session.posargs)


@nox.session
def trio(session: nox.Session) -> None:
    """The same tests on trio."""
    session.install(*group("tests"), ".[cli,trio]")
    session.run("pytest", "-n", "auto", "--ignore=tests/typing", "-k", "trio", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """The tests on asyncio, with the lines and branches they run; takes five minutes."""
    session.install(*group("tests"), ".[cli,trio]")
    session.run("coverage", "erase")
    command = ("pytest", "-n", "auto", "--ignore=tests/typing", "-k", "not trio")
    session.run("coverage", "run", "-m", *command, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that take seconds each: sweeps, properties; and longer benchmarks, briefly; five minutes."""
    session.install(*group("tests"), *group("bench"), ".[cli,trio]")
    session.run("pytest", "-n", "auto", "-m", "slow", *session.posargs)
    for name in ("growth", "state", "calls"):
        session.run("python", "-m", f"benchmarks.{name}", "--smoke")


@nox.session
def dataframes(session: nox.Session) -> None:
    """Answers and fleets in polars, pandas, DuckDB and pyarrow: first without pyarrow, then with it."""
    groups = ("tests", "types", "backends", "dataframes")
    session.install(*(each for name in groups for each in group(name)), ".[cli,trio]")
    session.run("pytest", "-m", "dataframes", "tests/export", "tests/fleet", *session.posargs)
    session.install("pyarrow>=17")
    session.run("pytest", "-m", "dataframes", *session.posargs)
    session.run("pytest", "tests/typing/test_docs_types.py", *session.posargs)
    session.run("python", "-m", "benchmarks.frames", "--smoke")


@nox.session
def smoke(session: nox.Session) -> None:
    """The benchmarks, just long enough to see that all contenders give the same numbers; and the demo."""
    session.install(*group("bench"), ".[cli]")
    session.run("python", "-m", "benchmarks.run", "--smoke")
    session.run("python", "-m", "benchmarks.quota", "--smoke")
    session.run("python", "-m", "benchmarks.cache", "--smoke")
    session.run("python", "-m", "benchmarks.stall", "--smoke")
    session.run("python", "-m", "benchmarks.fleet", "--smoke")
    session.run("python", "-m", "benchmarks.fleet.followed", "--systems", "40")
    session.run("python", "-m", "benchmarks.start", "--smoke")
    session.run("enlighten", "demo")
    session.run("enlighten", "demo", "--v4")


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks; `nox -s bench -- --write` puts the tables into the README files there."""
    session.install(*group("bench"), *group("tests"), ".[cli,postgres,redis]")
    session.run("python", "-m", "benchmarks.run", *session.posargs)
    common = [word for word in session.posargs if word in {"--smoke", "--write"}]
    for name in ("quota", "cache", "stall", "growth", "fleet", "fleet.sinks", "state", "start", "calls"):
        session.run("python", "-m", f"benchmarks.{name}", *common)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def pythons(session: nox.Session) -> None:
    """The tests on every Python there is on this machine."""
    session.install(*group("tests"), ".[cli,trio]")
    session.run("pytest", "-n", "auto", "--ignore=tests/typing", "-m", LIGHT, *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """The tests with the oldest versions of libraries that pyproject.toml allows."""
    project = PROJECT["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    oldest = [re.sub(r">=([^,]+).*", r"==\1", each) for each in (*project["dependencies"], *extras)]
    session.install(*group("tests"), *group("dataframes"), *oldest, ".")
    session.run("pytest", "-n", "auto", "--ignore=tests/typing", *session.posargs)
    session.run("pytest", "-m", "dataframes", "tests/export", *session.posargs)


@nox.session
def sweep(session: nox.Session) -> None:
    """The property tests with many more examples, each time others, of another fleet; takes an hour."""
    session.install(*group("tests"), ".[cli,trio]")
    seed = str(secrets.randbelow(2**16))
    session.log(f"the fleet's SEED={seed}")
    session.run(
        *("pytest", "-n", "auto", "--ignore=tests/typing", "--timeout=3600", "-m", LIGHT),
        *session.posargs,
        env={"EFFORT": "30", "SEED": seed},
    )


@nox.session
def processes(session: nox.Session) -> None:
    """Real processes that share a state file or write to a sink, some of them killed; takes six minutes."""
    session.install(*group("tests"), ".[cli,trio]")
    session.run("pytest", "tests/system/processes", "tests/fleet", "-m", "processes", *session.posargs)


@nox.session
def kills(session: nox.Session) -> None:
    """Real processes that ask over real sockets and are killed, some 360 times; takes ten minutes."""
    session.install(*group("tests"), ".[cli,trio]")
    folders = ("tests/system/processes", "tests/system/servers")
    session.run("pytest", "-n", "2", "-rP", *folders, "-m", "kills", *session.posargs)


@nox.session
def servers(session: nox.Session) -> None:
    """State on servers, which are killed and emptied, and processes too: those servers that are installed."""
    session.install(*group("tests"), ".[cli,postgres,redis,trio]")
    folder, alone = "tests/system/servers", "tests/system/servers/test_shares.py"  # which wants both cores
    session.run("pytest", "-rs", "-n", "12", folder, f"--ignore={alone}", "-m", "servers", *session.posargs)
    session.run("pytest", "-rs", alone, "-m", "servers", *session.posargs)


@nox.session
def dask(session: nox.Session) -> None:
    """A backfill on a cluster of Dask on this machine, into PostgreSQL; workers and scheduler are killed."""
    session.install(*group("tests"), ".[cli,dask,postgres,trio]")
    session.run("pytest", "-rs", "tests/system/servers/test_dask.py", "-m", "dask", *session.posargs)


@nox.session
def tools(session: nox.Session) -> None:
    """What other tools see that mock, record or trace httpx; pytest-httpx, vcrpy, OpenTelemetry's."""
    session.install(*group("tests"), *group("tools"), ".[cli,trio]")
    session.run("pytest", "-rs", "tests/system/test_other_tools.py", *session.posargs)


@nox.session
def backends(session: nox.Session) -> None:
    """The examples of backends: FastAPI, Starlette, SQLAlchemy; uvicorn and gunicorn with four workers."""
    session.install(*group("tests"), *group("backends"), ".[cli]")
    session.run("pytest", "-m", "backends", "tests/examples", *session.posargs)


@nox.session
def dlt(session: nox.Session) -> None:
    """The example of a resource of dlt, which loads a fleet into DuckDB."""
    session.install(*group("tests"), *group("dlt"), ".[cli]")
    session.run("pytest", "-m", "dlt", "tests/examples/test_dlt_resource.py", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The page of `enlighten report` in a Chromium, if one is installed: phone, dark, paper, no request."""
    session.install(*group("tests"), ".[cli]")
    session.run("pytest", "-m", "browser", "-rs", "tests/export/test_browser.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site, in `site/` of the session's folder; a broken link or reference fails."""
    session.install(*group("docs"))
    room = Path(session.create_tmp()).absolute()
    shutil.rmtree(room / "pages", ignore_errors=True)
    session.run("python", "docs/pages.py", str(room / "pages"))
    shutil.copytree("enlighten_async", room / "code" / "enlighten_async", dirs_exist_ok=True)
    for name in ("zensical.toml", "griffe_extensions.py"):
        shutil.copy(Path("docs", name), room)
    shutil.copy(Path("docs", "site.css"), room / "pages")
    session.chdir(room)
    told = session.run("zensical", "build", "--clean", "--strict", *session.posargs, silent=True)
    session.log(told)
    if "griffe:" in str(told):
        session.error("a docstring does not fit what it describes: see above")
    site = room / "site"
    if foreign := [page for page in site.rglob("*.html") if FOREIGN.search(page.read_text(encoding="utf-8"))]:
        session.error(f"these pages load something from another host: {', '.join(map(str, foreign))}")
    session.log(f"open {site / 'index.html'}")


@nox.session
def prism(session: nox.Session) -> None:
    """The client's requests, put to a mock server of the API: `nox -s prism -- v4.openapi.yaml`.

    The file's paths tell its version, as in `schemathesis`.
    """
    file = openapi_file(session)
    if shutil.which("npm") is None:
        session.skip("npm is missing, which installs Prism")
    session.install(*group("tests"), *group("contract"), ".[cli,trio]")
    room = session.create_tmp()
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    session.run("npm", "install", f"--prefix={room}", *quiet, "@stoplight/prism-cli@5", external=True)
    command = str(Path(room, "node_modules", ".bin", "prism"))
    files = [f"tests/contract/test_prism{version}.py" for version in ("", "_v4")]
    session.run("pytest", "-n", "auto", *files, "-rs", env={"OPENAPI": file, "PRISM": command})


@nox.session
def schemathesis(session: nox.Session) -> None:
    """The emulator's answers, held against the API's schemas: `nox -s schemathesis -- v4.openapi.yaml`."""
    file = openapi_file(session)
    session.install(*group("tests"), *group("contract"), ".[cli,trio]")
    files = [f"tests/contract/test_schemathesis{version}.py" for version in ("", "_v4")]
    session.run("pytest", *files, "-rs", env={"OPENAPI": file})  # the file's paths tell its version


def openapi_file(session: nox.Session) -> str:
    """Return the path given on the command line; without such a file there is nothing to do."""
    given = Path(session.posargs[0]) if session.posargs else None
    if given is None:
        session.skip(f"give the path of an OpenAPI file of the API: nox -s {session.name} -- FILE")
    if not given.is_file():
        session.skip(f"there is no file {given}")
    return str(given.absolute())
