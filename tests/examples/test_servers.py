"""The backends under uvicorn and gunicorn: four workers on one state file, against a service at a socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from attrs import frozen

from enlighten_async import FileTokenStore
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.testing import EmulatorTokenStore

pytestmark = [pytest.mark.backends, pytest.mark.timeout(180)]
pytest.importorskip("fastapi")
pytest.importorskip("gunicorn")

ROOT = Path(__file__).parent.parent.parent
FASTAPI, STARLETTE = "examples.fastapi_backend.app:app", "examples.starlette_backend:app"
ANNA = {"X-Tenant": "anna"}
WORKERS, PATIENCE_S = 4, 60.0


def uvicorn(app: str, port: int) -> list[str]:
    """Return the command of uvicorn."""
    limit = ("--timeout-graceful-shutdown", "20")
    return ["uvicorn", app, "--workers", str(WORKERS), "--port", str(port), "--log-level", "warning", *limit]


def gunicorn(app: str, port: int) -> list[str]:
    """Return the command of gunicorn."""
    kind = ("-k", "uvicorn_worker.UvicornWorker", "--graceful-timeout", "20")
    return ["gunicorn", app, *kind, "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}"]


def until(done: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}"
        time.sleep(0.02)


@frozen
class Site:
    """A service, and the folder and the environment of an application that uses it."""

    emulator: Emulator
    environment: dict[str, str]

    @contextmanager
    def served(self, command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
        """Run a server until the body ends, and give a browser at it."""
        port = int(command[-1].rpartition(":")[2] if "gunicorn" in command else command[5])
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=self.environment, start_new_session=True
        )
        address = f"http://127.0.0.1:{port}"
        try:
            with httpx.Client(base_url=address, headers=ANNA, timeout=PATIENCE_S, trust_env=False) as browser:
                until(lambda: process.poll() is not None or is_up(browser), "the server is up")
                assert process.poll() is None
                yield process, browser
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENCE_S)

    def energy(self, number: int) -> str:
        """Return the address of the energy of one of the systems."""
        systems = self.emulator.truth.systems(self.emulator.demo_user)
        return f"/systems/{systems[number].system_id}/energy"


def is_up(browser: httpx.Client) -> bool:
    """Tell whether a server answers."""
    try:
        return browser.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def site(
    folder: Path, *, plan: str = "partner", quota: Quota = Quota.UNLIMITED, latency: float = 0.0
) -> Iterator[Site]:
    """Serve the API, and describe an application whose owners have logged in."""
    emulator = Emulator(quota=quota, users=1, systems=10, latency=latency)

    async def log_in() -> None:
        tokens = await EmulatorTokenStore(emulator).load("anna")
        assert tokens is not None
        for account in ("anna", "default"):
            await FileTokenStore(folder / "tokens.json").save(account, tokens)

    anyio.run(log_in)
    with emulator.running(version="v4") as url:
        ours = {
            "API_KEY": "key",
            "CLIENT_ID": "client",
            "CLIENT_SECRET": "secret",
            "BASE_URL": url,
            "PLAN": plan,
        }
        paths = {"STATE": str(folder / "state.db"), "TOKENS": str(folder / "tokens.json")}
        environment = {f"ENLIGHTEN_{name}": value for name, value in {**ours, **paths}.items()}
        yield Site(
            emulator, {**os.environ, **environment, "APP_URL": "http://127.0.0.1", "PYTHONPATH": str(ROOT)}
        )


SERVERS = pytest.mark.parametrize(
    ("server", "app"),
    [(uvicorn, FASTAPI), (gunicorn, FASTAPI), (gunicorn, STARLETTE)],
    ids=["uvicorn-fastapi", "gunicorn-fastapi", "gunicorn-starlette"],
)


@SERVERS
def test_sigterm_drains_and_nothing_paid_for_is_lost(
    tmp_path: Path, server: Callable[[str, int], list[str]], app: str
) -> None:
    """Those who wait get their answer, and the next server has it cached; health checks cost nothing."""
    with site(tmp_path, latency=1.0) as here:
        with here.served(server(app, free_port())) as (process, browser):
            for _ in range(20):
                assert browser.get("/health").json()["status"] == "ok"
            assert here.emulator.counts.sent == 0
            with ThreadPoolExecutor(4) as pool:
                waiting = [pool.submit(browser.get, here.energy(number)) for number in range(4)]
                until(lambda: len(here.emulator.log) >= 4, "requests are at the service")
                process.send_signal(signal.SIGTERM)
                answers = [each.result() for each in waiting]
            process.wait(PATIENCE_S)
        assert [answer.status_code for answer in answers] == 4 * [200]
        paid = here.emulator.counts.sent
        with here.served(server(app, free_port())) as (_, browser):
            again = [browser.get(here.energy(number)) for number in range(4)]
        assert [answer.json() for answer in again] == [answer.json() for answer in answers]
        assert here.emulator.counts.sent == paid


@SERVERS
def test_who_goes_away_stops_the_stream(
    tmp_path: Path, server: Callable[[str, int], list[str]], app: str
) -> None:
    """What is not at the service by then is never sent."""
    with site(tmp_path, latency=0.5) as here, here.served(server(app, free_port())) as (_, browser):
        with browser.stream("GET", f"{here.energy(0)}.csv", params={"days": 700}) as stream:
            next(stream.iter_raw())
        before, seen = -1, 0
        end = time.monotonic() + PATIENCE_S
        while seen != before:
            assert time.monotonic() < end
            before = seen
            time.sleep(2.0)
            seen = here.emulator.counts.sent
        assert seen <= (2 if app == STARLETTE else 20)  # of 5, and of 100
        assert browser.get("/health").status_code == 200


def test_who_goes_away_stops_a_page(tmp_path: Path) -> None:
    """Also a handler that streams nothing: the worker has nothing under way a moment later."""
    with site(tmp_path, latency=3.0) as here, here.served(uvicorn(FASTAPI, free_port())) as (_, browser):
        with pytest.raises(httpx.ReadTimeout):
            browser.get(here.energy(0), params={"days": 6}, timeout=1.0)
        time.sleep(4.0)
        assert here.emulator.counts.sent <= 1  # the time zone of the system, asked for first


@pytest.mark.timeout(400)
def test_four_workers_keep_to_one_quota(tmp_path: Path) -> None:
    """Of a plan of ten requests a minute none is rejected; who comes back when told to gets an answer.

    Ten systems take twenty requests, as no time zone is known; so the first minute may be spent on these.
    """
    with (
        site(tmp_path, plan="watt", quota=Quota.WATT) as here,
        here.served(uvicorn(FASTAPI, free_port())) as (_, browser),
        ThreadPoolExecutor(20) as pool,
    ):
        asked = [here.energy(number % 10) for number in range(40)]
        for _ in range(4):
            answers = list(pool.map(browser.get, asked))
            assert {answer.status_code for answer in answers} <= {200, 503}
            refused = [answer for answer in answers if answer.status_code == 503]
            if not refused:
                break
            asked = [str(answer.url) for answer in refused]
            time.sleep(max(int(answer.headers["Retry-After"]) for answer in refused))
        assert not refused
        assert here.emulator.counts.rejected == 0
        assert here.emulator.counts.sent <= 30  # two workers may ask for the same at the same moment


def test_workers_that_are_killed_lose_what_was_in_flight_at_most(tmp_path: Path) -> None:
    """The same export goes on where they were, in new processes."""
    windows, in_flight = 29, 6  # of 200 days, by seven
    with site(tmp_path, latency=0.3) as here:
        address = f"{here.energy(0)}.csv"
        with here.served(uvicorn(FASTAPI, free_port())) as (process, browser), ThreadPoolExecutor(1) as pool:
            export = pool.submit(browser.get, address, params={"days": 200})
            until(lambda: here.emulator.counts.sent >= windows // 2, "half of it is there")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)
            assert isinstance(export.exception(PATIENCE_S), httpx.TransportError)
        before = here.emulator.counts.sent
        with here.served(uvicorn(FASTAPI, free_port())) as (_, browser):
            rows = browser.get(address, params={"days": 200}).text.splitlines()
        assert len(rows) > 199 * 96
        assert windows <= here.emulator.counts.sent <= windows + in_flight + 1
        assert before < windows
