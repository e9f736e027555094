"""`enlighten` as a process of its own: its pipes, its signals, and what is not installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import httpx
import pytest

import enlighten_async.cli
from enlighten_async.emulator import Emulator, Fault, Quota, ServiceClock
from enlighten_async.limiter import MAX_IN_FLIGHT

PATIENCE = 20.0
pytestmark = pytest.mark.slow  # real processes
posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of another kind")


def environment(url: str, user: str, **more: str) -> dict[str, str]:
    """Return an environment with credentials, on a machine without a terminal."""
    mine = {"ENLIGHTEN_API_KEY": "any", "ENLIGHTEN_USER_ID": user, "ENLIGHTEN_BASE_URL": url, "TZ": "UTC"}
    return {**os.environ, **mine, **more}


def _heard() -> None:
    """Let Ctrl-C be heard, as at a terminal: whoever runs the tests in the background may ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def started(
    *words: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m enlighten_async`, and see that it ends."""
    command = [sys.executable, "-m", "enlighten_async", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    here = {
        "env": env,
        "cwd": cwd,
        "text": True,
        "encoding": "utf-8",
        "preexec_fn": _heard if os.name == "posix" else None,
    }
    with subprocess.Popen(command, **here, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def emulator() -> Emulator:
    """A service without limits."""
    return Emulator(quota=Quota.UNLIMITED)


def test_files_are_written_over_real_sockets(emulator: Emulator, tmp_path: Path) -> None:
    """All of what a user does: environment, process, socket, file."""
    path = tmp_path / "a.csv"
    with emulator.running() as url:
        span = "--start", f"{time.strftime('%Y-%m-%d', time.gmtime(time.time() - 20 * 86_400))}T00:00Z"
        with started(
            "rgm-stats", "1765", *span, "-o", str(path), env=environment(url, emulator.demo_user)
        ) as process:
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "")
    assert f"sent {emulator.counts.sent}, rejected 0" in err
    assert err.count("\n") == 1
    assert len(path.read_text().splitlines()) > 19 * 96


@posix
@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_it_at_once(emulator: Emulator, number: str, code: int) -> None:
    """With the code that shells have for the signal, in one line."""
    emulator.inject(Fault.hang())
    with (
        emulator.running() as url,
        started("systems", env=environment(url, emulator.demo_user)) as process,
    ):
        until(lambda: emulator.counts.sent)
        process.send_signal(getattr(signal, number))
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (code, "")
    assert err.startswith("error: interrupted")


SPAN = ("--start", "2026-03-01T00:00Z", "--end", "2026-05-01T00:00Z")
LATER = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
A_MINUTE = 25
"""Requests that the plan allows: then the command waits for the next minute."""


@posix
@pytest.mark.parametrize(
    ("which", "output"),
    [
        (["--all"], "all.csv"),
        (["--all"], ""),
        (["1765", "1776", "1785", "1794"], "four.jsonl"),
    ],
)
def test_ctrl_c_keeps_what_has_arrived_and_the_same_command_goes_on(
    which: list[str], output: str, tmp_path: Path
) -> None:
    """Of many systems: no request is answered twice, no file is left, and the end is that of a single run."""
    emulator = Emulator(quota=Quota.UNLIMITED, systems=8, clock=ServiceClock(LATER))
    words = ("rgm-stats", *which, *SPAN, *(["-o", output] if output else ["--format", "csv"]))
    folder, few = tmp_path / "here", f"{A_MINUTE}/1000000"
    folder.mkdir()
    with emulator.running() as url:
        env = environment(url, emulator.demo_user, ENLIGHTEN_PLAN="unlimited")
        with started(*words, env={**env, "ENLIGHTEN_STATE": "whole.db"}, cwd=tmp_path) as process:
            whole, _ = process.communicate(timeout=PATIENCE)
        needed = emulator.counts.sent
        emulator.counts.reset()
        env["ENLIGHTEN_STATE"] = "state.db"
        with started(*words, env={**env, "ENLIGHTEN_PLAN": few}, cwd=folder) as process:
            until(_steady(lambda: emulator.counts.by_status[200], at_least=A_MINUTE))
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert err.splitlines()[-1] == "error: interrupted: what has arrived is kept; run it again to go on"
        left = {each.name for each in folder.iterdir() if not each.name.startswith("state.db")}
        assert left == ({f"{output}.partial"} if output else set())
        answered = emulator.counts.sent
        emulator.counts.reset()
        with started(*words, env=env, cwd=folder) as process:
            again, err = process.communicate(timeout=PATIENCE)
    assert process.returncode in {0, 3}, err
    assert emulator.counts.sent == needed - answered + ("--all" in which)  # which systems there are now
    left = {each.name for each in folder.iterdir() if not each.name.startswith("state.db")}
    assert left == ({output} if output else set())
    if output:
        assert (folder / output).read_bytes() == (tmp_path / output).read_bytes()
    else:
        assert again == whole


def _steady(number: Callable[[], int], *, at_least: int) -> Callable[[], bool]:
    """Return a test of whether a number has been the same for a hundred looks."""
    seen: list[int] = []

    def steady() -> bool:
        seen.append(number())
        return seen[-1] >= at_least and len(seen) > 100 and len(set(seen[-100:])) == 1

    return steady


@posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["store", "prune", "--help"], ["quota"]])
def test_a_full_disk_is_told_in_one_line(words: list[str], unbuffered: str) -> None:
    """Also for what is printed before a command begins, and for what is still in a buffer."""
    command = [sys.executable, "-m", "enlighten_async", *words]
    env = environment("http://127.0.0.1:9/api/v2", "user", PYTHONUNBUFFERED=unbuffered)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=env)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@posix
@pytest.mark.parametrize("closed", [False, True])
def test_a_login_without_an_input_is_told_to_be_run_again(closed: bool, tmp_path: Path) -> None:
    """There is no terminal, and perhaps no stdin at all."""
    url = {"ENLIGHTEN_BASE_URL": "http://127.0.0.1:9/api/v4", "ENLIGHTEN_TOKENS": str(tmp_path / "t.json")}
    env = {**os.environ, "ENLIGHTEN_CLIENT_ID": "id", "ENLIGHTEN_CLIENT_SECRET": "secret", **url}
    command = f"{shlex.quote(sys.executable)} -m enlighten_async login --paste --no-browser"
    shell = f"{command} <&-" if closed else f"{command} </dev/null"
    done = subprocess.run(shell, shell=True, env=env, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.returncode == 1
    assert "Warning" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith("that belongs to this login: run it again")


@posix
@pytest.mark.parametrize("columns", ["0", "-1", "many", ""])
def test_a_width_that_is_none_hides_no_table(columns: str) -> None:
    """Some programs set COLUMNS to 0."""
    env = environment("http://127.0.0.1:9/api/v2", "user", COLUMNS=columns)
    with started("--no-state", "quota", env=env) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "minute" in out
    assert "month" in out


@posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_is_no_fault(emulator: Emulator, unbuffered: str) -> None:
    """As with any tool that writes to `head`; told while writing, or only when the buffer is emptied."""
    with (
        emulator.running() as url,
        started(
            "systems", "-o", "-", env=environment(url, emulator.demo_user, PYTHONUNBUFFERED=unbuffered)
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        assert process.stderr.read() == ""


@posix
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("systems", 1, "error: stdout is closed"),
        ("systems -o -", 1, "error: stdout is closed"),
        ("systems -o {folder}/a.csv", 0, "a.csv: "),
        ("store info", 1, "error: stdout is closed"),
    ],
)
def test_a_closed_stdout(emulator: Emulator, tmp_path: Path, words: str, code: int, said: str) -> None:
    """It is one line on stderr for what is to be printed, and nothing to what is not."""
    shell = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "enlighten_async"]
    with emulator.running() as url:
        env = environment(url, emulator.demo_user, ENLIGHTEN_STATE=str(tmp_path / "state.db"))
        for each in ("systems -o {folder}/first.csv", words):
            command = [*shell, *each.format(folder=tmp_path).split()]
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=env, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@posix
def test_the_emulator_serves_until_ctrl_c() -> None:
    """What it prints works as it is printed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with started("emulator", "--port", str(port), "--systems", "3", "--plan", "unlimited") as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(11)]
        assert f"http://127.0.0.1:{port}/api/v2" in lines[0]
        given = dict(word.split("=") for word in lines[9].split() if word.startswith("ENLIGHTEN_"))
        words = lines[10].split()[1:]
        until(lambda: _listens(port))
        with started(*words, env={**os.environ, **given}) as process:
            out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert len(out.splitlines()) == 4
        _check_v4(server.stdout, port)
        with started("emulator", "--port", str(port)) as second:
            said = second.communicate(timeout=PATIENCE)
        assert second.returncode == 1
        wanted = f"error: cannot listen at 127.0.0.1 port {port}: choose another --host or --port"
        assert said == ("", f"{wanted}\n")
        server.send_signal(signal.SIGINT)
        _, told = server.communicate(timeout=PATIENCE)
        assert server.returncode == 0
    assert re.search(r"^\d\d:\d\d:\d\d GET /api/v2/systems\?limit=\d+ 200 \d+ ms$", told, re.MULTILINE)
    assert "key=" not in told
    assert told.splitlines()[-3:] == [
        "requests  2: 2 within the quota, 0 rejected; at most 2 in a minute",
        "status    200: 2",
        "tokens    password 1 (0 refused)",
    ]


def test_the_emulator_drifts_as_it_is_told() -> None:
    """Ways are added to those that are on by default, and taken away from them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ("--drift", "unknown-fields", "--no-drift", "recorded-types", "--systems", "9")
    with started("emulator", "--port", str(port), *words):
        until(lambda: _listens(port))
        url = f"http://127.0.0.1:{port}"
        form = {"grant_type": "password", "username": Emulator().demo_user, "password": "any"}
        token = httpx.post(f"{url}/oauth/token", data=form, auth=("any", "any")).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        listed = httpx.get(f"{url}/api/v4/systems?key=any", headers=headers).json()["systems"]
    assert {type(row["interconnect_date"]) for row in listed} == {str}
    assert all("not_heard_of" in row for row in listed)


def _check_v4(printed: IO[str], port: int) -> None:
    """See that what is printed of v4 works: a token for a password, systems for the token, a code."""
    lines = [printed.readline().strip() for _ in range(11)]
    assert f"http://127.0.0.1:{port}/api/v4" in lines[1]
    command = shlex.split(lines[4])
    form = dict(word.split("=") for word in command[5::2])
    auth = httpx.BasicAuth(*command[2].split(":"))
    token = httpx.post(command[3], data=form, auth=auth).json()["access_token"]
    _, _, header, url = shlex.split(lines[6])
    name, value = header.replace("$TOKEN", token).split(": ")
    assert httpx.get(url, headers={name: value}).json()["total"] == 3
    shown = httpx.get(lines[10], follow_redirects=True)
    assert "<output>" in shown.text


@pytest.mark.parametrize(("missing", "words"), [("click", "demo"), ("rich", "demo"), ("uvicorn", "demo")])
def test_without_the_extra_it_names_the_extra(missing: str, words: str) -> None:
    """In one line, with exit code 1."""
    code = f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['enlighten', {words!r}]; "
    code += "from enlighten_async.cli import main; main()"
    done = python(code)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{enlighten_async.cli.MISSING.format(name=missing)}\n"
    assert 'pip install "enlighten-async[cli]"' in done.stderr


def test_the_command_line_does_not_import_what_few_commands_need() -> None:
    """It starts before one looks up."""
    code = "import sys, enlighten_async.cli.app; print(*sys.modules)"
    done = python(code)
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert not loaded & {"uvicorn", "enlighten_async.emulator", "enlighten_async.demo"}


def until(true: Callable[[], object]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("code", [130, 143])
def test_a_thread_that_waits_for_work_does_not_keep_the_process(code: int) -> None:
    """A second Ctrl-C may have cut off what would have ended it."""
    script = f"""
import sys, threading
from enlighten_async.cli import no_thread_left
with no_thread_left():
    threading.Thread(target=threading.Event().wait).start()
    sys.exit({code})
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == code


def test_a_thread_at_work_ends_it_first() -> None:
    """In the time that it has; and commands that no signal ended wait for it as ever."""
    script = """
import sys, threading, time
from enlighten_async.cli import no_thread_left
with no_thread_left():
    threading.Thread(target=lambda: (time.sleep({seconds}), print("written", flush=True))).start()
    sys.exit({code})
"""
    for code, seconds in ((130, 0.2), (3, 0.2)):
        done = subprocess.run(
            [sys.executable, "-c", script.format(code=code, seconds=seconds)],
            timeout=60,
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (code, "written\n")


@posix
def test_ctrl_c_within_the_import_of_a_module_is_not_swallowed() -> None:
    """As Python's import system does with an exception that comes while it lets go of a lock."""
    script = """
import os, signal, weakref
from enlighten_async.cli import loading
class Lock: pass
with loading():
    lock = Lock()
    found = weakref.ref(lock, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del lock
    print("goes on", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], timeout=60, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


@posix
@pytest.mark.parametrize("times", [2, 3, 5])
def test_ctrl_c_again_and_again_is_told_in_a_line_too(emulator: Emulator, tmp_path: Path, times: int) -> None:
    """Whatever the second one meets: neither a traceback nor a warning of Python's, nor a wait for ever."""
    emulator.inject(Fault.hang(times=1000))
    words = ("rgm-stats", "--all", *SPAN, "-o", "all.csv")
    with (
        emulator.running() as url,
        started(*words, env=environment(url, emulator.demo_user), cwd=tmp_path) as process,
    ):
        until(lambda: emulator.counts.sent)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert err.startswith("error: interrupted")
    assert err.count("\n") == 1


ENDED_TWICE = """
import os, signal
from enlighten_async.cli.context import end_signals_as_ctrl_c
ended = []
try:
    with end_signals_as_ctrl_c(ended):
        os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    os.kill(os.getpid(), signal.SIGTERM)
    print(len(ended))
"""


ENDED_IN_TIME = """
import os, signal
from enlighten_async.cli.context import end_signals_as_ctrl_c
ended = []
with end_signals_as_ctrl_c(ended, 0.1):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        for _ in range(2):
            try:
                signal.pause()
            except KeyboardInterrupt:
                print(len(ended))
"""


@posix
def test_a_command_that_does_not_end_in_time_is_ended() -> None:
    """As by another signal, again and again."""
    done = subprocess.run(
        [sys.executable, "-c", ENDED_IN_TIME], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (0, "2\n3\n"), done.stderr


@posix
def test_a_command_that_ends_has_time_for_its_last_line() -> None:
    """Another signal does not cut it off."""
    done = subprocess.run(
        [sys.executable, "-c", ENDED_TWICE], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@posix
@pytest.mark.parametrize("signals", [1, 2])
def test_a_fleet_that_is_ended_keeps_what_is_paid_for(
    emulator: Emulator, tmp_path: Path, signals: int
) -> None:
    """Within 10 s; at a second signal at once. The next run goes on, and the file has each row once."""
    emulator = Emulator(quota=Quota.UNLIMITED, systems=12)
    path = tmp_path / "rows.jsonl"
    follow = ("fleet", "run", "--series", "rgm_stats", "--every", "1h", "--plan", "unlimited")
    words = (*follow, "--to", f"jsonl:{path}")
    emulator.inject(Fault.hang(after=6, times=1))
    with emulator.running() as url:
        env = environment(url, emulator.demo_user, XDG_STATE_HOME=str(tmp_path))
        with started(*words, env=env) as process:
            until(lambda: emulator.counts.sent >= 7)
            begin = time.monotonic()
            for _ in range(signals):
                process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 143
        assert time.monotonic() - begin < 10
        assert err.rstrip().endswith("what has arrived is kept; run it again to go on")
        sent = emulator.counts.sent
        with started(*words, "--once", env=env) as process:
            _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    kept = min(4, sent - 1 - MAX_IN_FLIGHT)  # but the list of systems; those in flight are asked for again
    assert emulator.counts.sent - sent <= 13 - kept
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    keys = [(row["system_id"], row.get("meter"), row.get("channel"), row["end_at"]) for row in rows]
    assert len(keys) == len(set(keys)) > 5_000
