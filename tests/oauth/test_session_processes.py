"""Processes that share a file of tokens, or a state file, renew them once, and the file outlives them."""

# ruff: noqa: D103  (names of tests are sentences)

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from enlighten_async.errors import ReauthorizationRequired
from enlighten_async.oauth import OAuth, Tokens
from enlighten_async.oauth.token_files import store_at
from tests.oauth.accounts import KEY, renewed, stored
from tests.oauth.authority import CLIENT_ID, CLIENT_SECRET, DAY, Authority

pytestmark = pytest.mark.slow  # real processes

ROOT = Path(__file__).parents[2]


def start(backend: str, url: str, path: Path, kind: str, count: int) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "tests.oauth.worker", backend, url, str(path), kind, str(count)]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(params=["tokens.json", "state.db"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.fixture(params=[True, False], ids=["strict", "lenient"])
def authority(request: pytest.FixtureRequest) -> Authority:
    return Authority(strict=request.param)


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    with authority.running() as url:
        yield url


async def begin(authority: Authority, path: Path) -> Tokens:
    tokens = stored(authority, age=2 * DAY)
    await store_at(path).save("anna", tokens)
    return tokens


def outputs(workers: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Return what the processes got, once the first answer may leave."""
    found = []
    for worker in workers:
        out, err = worker.communicate(timeout=60)
        assert worker.returncode == 0, err
        found.append(json.loads(out))
    return found


async def test_fifty_tasks_in_each_of_three_processes_refresh_once(
    authority: Authority, url: str, path: Path, anyio_backend_name: str
) -> None:
    old = await begin(authority, path)
    authority.gate.clear()  # no answer before all of them wait for one
    workers = [start(anyio_backend_name, url, path, "whole", 50) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "started\n"
    authority.gate.set()
    found = outputs(workers)
    assert authority.refreshes == 1
    kept = await store_at(path).load("anna")
    assert kept is not None
    assert kept != old
    assert found == [[kept.access_token.reveal()]] * 3


async def test_a_process_killed_between_refresh_and_write(
    authority: Authority, url: str, path: Path, anyio_backend_name: str
) -> None:
    old = await begin(authority, path)
    worker = start(anyio_backend_name, url, path, "killed", 5)
    worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGKILL
    assert authority.refreshes == 1
    store = store_at(path)
    assert await store.load("anna") == old
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, tokens=store, base_url=url)
    access = oauth.access("anna", KEY)  # its lock came free with the process
    if authority.strict:
        with pytest.raises(ReauthorizationRequired, match="killed between") as caught:
            await access.refresh()
        assert (caught.value.account, caught.value.url) == ("anna", oauth.authorization_url())
    else:
        assert await renewed(access) != old.access_token.reveal()
        assert await store.load("anna") != old
