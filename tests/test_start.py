"""What is loaded when: a module of the package, or one that it needs, is loaded by its first use."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

import enlighten_async
from enlighten_async import EnlightenClient
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.messages import Version
from enlighten_async.emulator.v4.tokens import user_name
from enlighten_async.lazy import LazyModule, is_loaded, lazy_names

ROOT = Path(enlighten_async.__file__).parent

LAZY = [path for path in ROOT.rglob("__init__.py") if "lazy_names(" in path.read_text()]


def loaded_by(code: str, tmp_path: Path | None = None) -> set[str]:
    """Return the names of the modules that a program has loaded at its end."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(ROOT.parent)},
    )
    return set(done.stdout.split())


OF_A_LOOP = frozenset({"anyio", "encodings"})
"""Packages with modules of their own for the kind of event loop, which are loaded in it."""


def packages_of(modules: set[str]) -> set[str]:
    """Return the names of the packages that these modules belong to."""
    return {name.partition(".")[0] for name in modules}


def modules_of(loaded: set[str], part: str) -> set[str]:
    """Return the modules of a part of the package that are loaded, but for those that hold names only."""
    prefix = f"enlighten_async.{part}."
    return {name.removeprefix(prefix) for name in loaded if name.startswith(prefix)}


def test_the_package_loads_no_part_of_itself() -> None:
    """But for the errors, and the names of the models."""
    loaded = {name for name in loaded_by("import enlighten_async") if name.startswith("enlighten_async.")}
    assert loaded == {f"enlighten_async.{name}" for name in ("errors", "lazy", "models")}


SERVICE = """
import asyncio, json, threading, time
import httpx
from enlighten_async import EnlightenClient, FileTokenStore, NotFound, OAuth, Tokens, write

now, in_loop = time.time(), set()

class Watch:
    def find_spec(name, *_):
        if threading.current_thread() is threading.main_thread():
            in_loop.add(name)
summary = {
    "system_id": 7, "status": "normal", "summary_date": "2025-06-01", "operational_at": 1, "source": "meter",
    "energy_today": 1, "energy_lifetime": 2, "current_power": 3, "modules": 1, "size_w": 1,
}

def service(request):
    known = request.url.path.endswith("summary")
    return httpx.Response(200 if known else 404, json=summary if known else {"message": ["Not found"]})
"""

IN_A_LOOP = f"""{SERVICE}
async def ask(client):
    async with client:
        assert (await client.summary(7)).energy_today == 1
        try:
            await client.rgm_stats(7)
        except NotFound:
            pass

async def main():
    options = {{"state": "s.db", "transport": httpx.MockTransport(service)}}
    await ask(EnlightenClient("k" * 32, "u", **options))
    tokens = FileTokenStore("tokens.json")
    await tokens.save("default", Tokens("a", "r", now + 86_400, now))
    await ask(EnlightenClient.v4("k" * 32, oauth=OAuth("client", "secret", tokens=tokens), **options))
    await EnlightenClient("k" * 32, "u").aclose()

sys.meta_path.insert(0, Watch)
asyncio.run(main())
print(*in_loop)
sys.exit()
"""


def test_a_client_loads_nothing_in_an_event_loop(tmp_path: Path) -> None:
    """Neither with the first client nor with the first answer, but in a thread: modules are files."""
    assert packages_of(loaded_by(IN_A_LOOP, tmp_path)) <= OF_A_LOOP


EXPORT_IN_A_LOOP = f"""{SERVICE}
async def main():
    async with EnlightenClient("k" * 32, "u", transport=httpx.MockTransport(service)) as client:
        for path in ("a.parquet", "a.csv", "a.jsonl"):
            await write(client.summary(7), path)

sys.meta_path.insert(0, Watch)
asyncio.run(main())
print(*in_loop)
sys.exit()
"""


def test_an_export_loads_nothing_in_an_event_loop(tmp_path: Path) -> None:
    """The libraries for Parquet take a third of a second; whether they are installed is seen at once."""
    pytest.importorskip("pyarrow", reason="an extra is not installed")
    loaded = loaded_by(EXPORT_IN_A_LOOP, tmp_path)
    assert packages_of(loaded - {"pyarrow", "nanoarrow"}) <= OF_A_LOOP
    assert (tmp_path / "a.parquet").stat().st_size > 100


EACH_FIRST = """
import asyncio, inspect, os, sys, threading, warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enlighten_async import EnlightenClient, EnlightenError, MemoryTokenStore, OAuth, Plan

sys.modules["trio"] = None  # which httpcore2 would load each time
url, user, system, stored = sys.argv[1:]
before = datetime.now(UTC) - timedelta(days=3)
in_loop, given = set(), {
    "system_id": system, "site_id": system, "serial_num": "1", "serial_number": "1",
    "start_time": before, "start_date": before.date(),
}

class Watch:
    def find_spec(name, *_):
        if threading.current_thread() is threading.main_thread():
            in_loop.add(name)

async def first(name, parameters):
    options = {"base_url": url, "plan": Plan(minute=100_000), "state": f"{name}.db" if stored else None}
    if url.endswith("v2"):
        client = EnlightenClient("k" * 32, user, **options)
    else:
        oauth = OAuth("client", "secret", tokens=MemoryTokenStore(), base_url=url)
        await oauth.password("default", user, "any")
        client = EnlightenClient.v4("k" * 32, oauth=oauth, **options)
    async with client:
        with suppress(EnlightenError):
            query = getattr(client, name)(**{each: given[each] for each in parameters})
            repr(query), query.progress
            await query
            async for _ in getattr(client, name)(**{each: given[each] for each in parameters}):
                pass

def in_a_process(name, parameters):
    warnings.simplefilter("ignore")
    sys.meta_path.insert(0, Watch)
    asyncio.run(first(name, parameters))
    strange = [each for each in in_loop if each.partition(".")[0] not in {"anyio", "encodings"}]
    print(name, "loads", *strange, flush=True) if strange else print(name, flush=True)

for name, method in inspect.getmembers(EnlightenClient, inspect.isfunction):
    signature = inspect.signature(method)
    if name.startswith("_") or not str(signature.return_annotation).startswith("Query["):
        continue
    needed = [
        each.name for each in signature.parameters.values()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD and each.name != "self"
    ]
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0, name
    else:
        in_a_process(name, needed)
        os._exit(0)
"""
"""Asks the first question of a process, of each endpoint in turn, in processes that are forked for it."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process of its own for each would take long")
@pytest.mark.parametrize("version", [pytest.param("v2", marks=pytest.mark.slow), "v4"])
@pytest.mark.parametrize("stored", ["", pytest.param("stored", marks=pytest.mark.slow)])
def test_no_first_answer_loads_a_module_in_an_event_loop(
    version: Version, stored: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of no endpoint, over a socket, with a state file and without one: httpx and models are files."""
    emulator = Emulator(quota=Quota.UNLIMITED)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled = tmp_path_factory.getbasetemp().parent / "compiled"
    with emulator.running(version=version) as url:
        user = emulator.demo_user if version == "v2" else user_name(emulator.demo_user)
        told = subprocess.run(
            [sys.executable, "-c", EACH_FIRST, url, user, str(emulator.demo_system), stored],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={**environ, "PYTHONPATH": str(ROOT.parent), "PYTHONPYCACHEPREFIX": str(compiled)},
        ).stdout.splitlines()
    assert len(told) > 40
    assert [line for line in told if " loads " in line] == []


TWO_LOOPS = """
import asyncio, sys, threading
from enlighten_async import EnlightenClient, Plan

url, user, system = sys.argv[1:]
together, told = threading.Barrier(2), []

async def ask():
    async with EnlightenClient("k" * 32, user, base_url=url, plan=Plan(minute=1000)) as client:
        several = [client.summary(system), client.envoys(system), client.inventory(system)]
        return (await asyncio.gather(*several))[0].system_id

def run():
    together.wait()
    told.append(asyncio.run(ask()))

threads = [threading.Thread(target=run) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*told)
"""


def test_two_event_loops_load_the_same_at_once() -> None:
    """Each in a thread of the program, with the first request of both."""
    emulator = Emulator(quota=Quota.UNLIMITED)
    with emulator.running() as url:
        done = subprocess.run(
            [sys.executable, "-c", TWO_LOOPS, url, emulator.demo_user, str(emulator.demo_system)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
        )
    assert done.stdout.split() == [str(emulator.demo_system)] * 2


def test_a_module_is_loaded_by_its_first_name() -> None:
    """Nowhere else than where modules may be loaded."""
    module = LazyModule("enlighten_async.emulator.quota")
    absent = LazyModule("enlighten_async.no_such_module")
    assert is_loaded(lambda: module.Quota)
    assert not is_loaded(lambda: absent.name)
    assert module.Quota is Quota
    with pytest.raises(ModuleNotFoundError):
        absent.name  # noqa: B018 - to load it
    with pytest.raises(AttributeError, match="nothing"):
        module.nothing  # noqa: B018


def test_the_client_loads_what_the_first_request_needs_with_it() -> None:
    """Neither a library of HTTP, nor what makes objects of an answer, nor the models of any."""
    loaded = loaded_by("from enlighten_async import EnlightenClient, OAuth")
    assert packages_of(loaded).isdisjoint({"cattrs", "httpx", "httpcore", "httpcore2", "h11"})
    assert modules_of(loaded, "models") <= {
        *("convert", "coverage", "intervals", "receipt", "series", "tabular"),
    }


STORED = f"""{SERVICE}
def asked(request):
    assert "cattrs" in sys.modules
    return service(request)

async def main():
    async with EnlightenClient("k" * 32, "u", state="s.db", transport=httpx.MockTransport(asked)) as client:
        try:
            await client.rgm_stats(7)
        except NotFound:
            print("asked")

asyncio.run(main())
"""


def test_what_keeps_an_answer_is_loaded_before_it_is_paid_for(tmp_path: Path) -> None:
    """Or a process that is ended meanwhile would lose more of them."""
    assert "asked" in loaded_by(STORED, tmp_path)


def test_an_answer_loads_the_models_of_its_subject(tmp_path: Path) -> None:
    """And of no other."""
    program = IN_A_LOOP.partition("print(*in_loop)")[0]
    models = modules_of(loaded_by(program, tmp_path), "models")
    assert {"rgm_stats", "systems"} <= models
    assert models.isdisjoint({"devices", "ev_charger", "events", "lifetime", "readings", "telemetry"})


def test_the_client_loads_no_export_and_no_emulator() -> None:
    """Nor the libraries of extras."""
    loaded = loaded_by("from enlighten_async import EnlightenClient, OAuth, Plan, Query, Window")
    absent = {f"enlighten_async.{name}" for name in ("export", "emulator", "testing", "cli", "fleet", "otel")}
    absent |= {"enlighten_async.cache.upkeep", "enlighten_async.query.pool"}
    assert loaded.isdisjoint(absent | {"asyncpg", "redis", "nanoarrow", "opentelemetry"})


def test_a_model_loads_those_of_its_subject() -> None:
    """And no client."""
    loaded = loaded_by("from enlighten_async import Inventory")
    models = modules_of(loaded, "models")
    assert "devices" in models
    assert models.isdisjoint({"ev_charger", "events", "lifetime", "readings", "systems", "telemetry"})
    assert "enlighten_async.client" not in loaded


def imported(path: Path) -> dict[str, set[str]]:
    """Return the names that a package imports for type checkers, by module."""
    package = ".".join(path.parent.relative_to(ROOT.parent).parts)
    (block,) = [each for each in ast.parse(path.read_text()).body if isinstance(each, ast.If)]
    found: dict[str, set[str]] = {}
    for each in block.body:
        assert isinstance(each, ast.ImportFrom)
        module = str(each.module)
        names = {name.name for name in each.names}
        if names == {"*"}:
            names = set(import_module(module).__all__)
        found[module.removeprefix(f"{package}.")] = names
    return found


def named(path: Path) -> dict[str, set[str]]:
    """Return the names that a package imports on first use, by module."""
    (call,) = [
        each
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "lazy_names"
    ]
    given = call.args[1]
    assert isinstance(given, ast.Dict)
    modules: dict[str, set[str]] = {}
    for key, value in zip(given.keys, given.values, strict=True):
        name = ast.literal_eval(key) if key else ""
        plain = isinstance(value, ast.Constant)
        modules[name] = set(
            ast.literal_eval(value).split() if plain else import_module(f"enlighten_async.{name}").__all__
        )
    return modules


@pytest.mark.parametrize("path", LAZY, ids=lambda path: path.parent.name)
def test_type_checkers_and_programs_get_the_same_names(path: Path) -> None:
    """From the same modules; and a package offers all that it imports."""
    package = import_module(".".join(path.parent.relative_to(ROOT.parent).parts))
    lazily = {name for names in named(path).values() for name in names}
    assert named(path) == imported(path)
    assert lazily <= set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)


def test_all_lazy_packages_are_looked_at() -> None:
    """By the tests above."""
    assert len(LAZY) == 5


def test_a_package_has_its_modules_and_nothing_else() -> None:
    """A module that was not imported before as well."""
    load, names = lazy_names("enlighten_async.models", {"coverage": "Gap Reason"})
    assert load("Gap") is enlighten_async.Gap
    assert load("telemetry") is sys.modules["enlighten_async.models.telemetry"]
    assert {"Gap", "Reason"} <= set(names())
    for name in ("Nothing", "__path_of_nothing__"):
        with pytest.raises(AttributeError, match=f"'enlighten_async.models' has no attribute '{name}'"):
            load(name)


def test_the_hints_of_the_client_can_be_read() -> None:
    """By tools that ask for them at run time, as the command line does."""
    methods = [each for name, each in vars(EnlightenClient).items() if not name.startswith("_")]
    functions = [getattr(each, "__func__", getattr(each, "fget", each)) for each in methods]
    for base in EnlightenClient.__mro__[1:-1]:
        functions += [
            each for name, each in vars(base).items() if callable(each) and not name.startswith("_")
        ]
    assert len(functions) > 50
    for function in functions:
        assert "return" in get_type_hints(function)


SLOW = """
import builtins
builtins.begun.set()
builtins.forks.wait(20)
for _ in range(3_000_000):
    pass
value = 1
"""

FORK = """
import asyncio, builtins, os, sys, threading
from enlighten_async.lazy import LazyModule
from enlighten_async.state.threads import loaded

builtins.begun, builtins.forks = threading.Event(), threading.Event()
os.register_at_fork(before=builtins.forks.set)
slow = LazyModule("slow")

async def main():
    loading = asyncio.create_task(loaded(lambda: slow.value))
    await asyncio.to_thread(builtins.begun.wait, 20)
    child = os.fork()
    if not child:
        os._exit(0 if getattr(sys.modules["slow"], "value", 0) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    await loading

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_waits_for_modules_that_a_thread_is_loading(tmp_path: Path) -> None:
    """The child would have half of them, and no thread that goes on."""
    (tmp_path / "slow.py").write_text(SLOW)
    loaded_by(f"sys.path.insert(0, {str(tmp_path)!r})\n{FORK}", tmp_path)


def test_a_name_with_a_dot_is_no_name_of_the_package() -> None:
    """Nothing is loaded to find that out."""
    assert not hasattr(enlighten_async, "nothing.here")
