"""`enlighten login`."""

from __future__ import annotations

import asyncio
import io
import json
import queue
import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx
import pytest
from click.testing import CliRunner, Result

from enlighten_async.cli.app import cli
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.login import callback_server
from enlighten_async.emulator import Emulator
from enlighten_async.oauth import FileTokenStore, StateTokenStore
from enlighten_async.oauth.oauth import AuthorizationResponse
from enlighten_async.transport import Secret

ID, SECRET = "c1ient", "s3cret-CANARY"


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Emulator, str]]:
    """The emulator as a server on this machine."""
    emulator = Emulator()
    with emulator.running(version="v4") as url:
        yield emulator, url


class Hands(io.RawIOBase):
    """Types what an owner copies from the address the browser was led to."""

    def __init__(self, copied: Callable[[str], str]) -> None:
        self.urls: queue.Queue[str] = queue.Queue()
        self._copied = copied

    def readable(self) -> bool:
        """It is a keyboard."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Type one line, once the page was opened."""
        line = f"{self._copied(code_of(self.urls.get(timeout=10)))}\n".encode()
        buffer[: len(line)] = line
        return len(line)


class Login:
    """Runs `enlighten login` with a browser whose owner does as told.

    Attributes:
        path: the file of tokens.
        env: the environment.
        opened: addresses the browser was led to.
        pages: what it was shown in the end, perhaps a moment after the command has ended.
        visit: changes an address before it is opened.
        hands: type what the owner was led to, in place of the browser's going there.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self.env: dict[str, str | None] = {
            "ENLIGHTEN_CLIENT_ID": ID,
            "ENLIGHTEN_CLIENT_SECRET": SECRET,
            "ENLIGHTEN_TOKENS": str(self.path),
            "ENLIGHTEN_BASE_URL": url,
        }
        self.opened: list[str] = []
        self.pages: queue.Queue[httpx.Response] = queue.Queue()
        self.visit: Callable[[str], str] = lambda url: url
        self.hands: Hands | None = None

    def browse(self, url: str) -> None:
        """Open a page and go where it leads."""
        self.opened.append(url)
        if self.hands is not None:
            self.hands.urls.put(url)
            return
        self.pages.put(httpx.get(self.visit(url), follow_redirects=True, trust_env=False))

    def __call__(self, *words: str, typed: str | io.BufferedReader | None = None) -> Result:
        """Run it at any free port."""
        context = CommandContext(open_browser=self.browse)
        port = [] if "--paste" in words or "--port" in words else ["--port", "0"]
        return CliRunner().invoke(
            cli, ["login", *port, *words], obj=context, env=self.env, input=typed, catch_exceptions=False
        )

    def stored(self) -> dict[str, Any]:
        """Return what is in the file, by account."""
        if self.path.suffix == ".json":
            return dict(json.loads(self.path.read_text())["accounts"])
        found = asyncio.run(StateTokenStore(self.path).accounts())
        return {name: tokens.reveal() for name, tokens in found.items()}


@pytest.fixture
def login(service: tuple[Emulator, str], tmp_path: Path) -> Login:
    """A login at the emulator."""
    return Login(service[1], tmp_path)


def code_of(url: str, **more: str) -> str:
    """Open a page as the owner does; return the address it leads to."""
    answer = httpx.get(url, params={**parse_qs(urlsplit(url).query), **more}, trust_env=False)
    return answer.headers["location"]


def address_in(text: str) -> str:
    """Return the address that was printed."""
    found = re.search(r"https?://\S+", text)
    assert found
    return found[0]


def test_the_owner_logs_in_and_the_tokens_are_kept(login: Login) -> None:
    """With one page, one line on stdout, and nothing secret in either."""
    done = login()
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1), done.output
    assert done.stdout.startswith("account default is logged in; the access token ends at 20")
    assert login.opened == [address_in(done.stderr)]
    page = login.pages.get(timeout=10)
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert "close this page" in page.text
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.headers["content-security-policy"]
    kept = login.stored()["default"]
    code = parse_qs(page.url.query.decode())["code"][0]
    for secret in (SECRET, kept["access_token"], kept["refresh_token"], code):
        assert secret not in done.output + page.text


def test_accounts_have_names(login: Login) -> None:
    """Several live in one file."""
    assert login("--account", "anna").exit_code == 0
    assert login("--account", "bert").exit_code == 0
    assert set(login.stored()) == {"anna", "bert"}
    assert asyncio.run(FileTokenStore(login.path).load("anna")) is not None


def test_no_browser_is_opened_where_none_is_wanted(login: Login) -> None:
    """The address is printed all the same."""
    done = login("--no-browser", "--paste", typed="\n")
    assert login.opened == []
    assert "/oauth/authorize?" in address_in(done.stderr)


def test_who_does_not_consent_is_said(login: Login) -> None:
    """In the terminal and in the browser."""
    login.visit = lambda url: f"{url}&deny=1"
    done = login()
    assert (done.exit_code, done.stdout) == (1, "")
    assert "access_denied" in done.stderr
    assert "refused" in login.pages.get(timeout=10).text
    assert not login.path.exists()


def test_a_code_is_pasted(login: Login) -> None:
    """It is not shown, and belongs to the service's own page."""
    code = parse_qs(urlsplit(code_of(login_url(login))).query)["code"][0]
    done = login("--paste", "--no-browser", typed=f"  {code} \n")
    assert done.exit_code == 0, done.output
    assert code not in done.output
    assert set(login.stored()) == {"default"}


def login_url(login: Login) -> str:
    """Return the address of the page, as `login --paste` shows it."""
    return address_in(login("--paste", "--no-browser", typed="\n").stderr)


@pytest.mark.parametrize(
    "copied", [lambda url: url, lambda url: url.partition("?")[2], lambda url: f"{url}#top"]
)
def test_an_address_is_pasted_with_its_state(login: Login, copied: Callable[[str], str]) -> None:
    """Whole, or what matters of it."""
    login.hands = Hands(copied)
    done = login("--paste", typed=io.BufferedReader(login.hands))
    assert done.exit_code == 0, done.output
    assert set(login.stored()) == {"default"}


def test_an_address_of_another_login_is_refused(login: Login) -> None:
    """Its state is not the one that was given."""
    other = code_of(login_url(login))
    done = login("--paste", "--no-browser", typed=f"{other}\n")
    assert (done.exit_code, "belongs to this login" in done.stderr) == (1, True)


def test_who_does_not_consent_may_paste_that(login: Login) -> None:
    """It is said as such."""
    login.hands = Hands(lambda url: re.sub("code=[^&]*", "error=access_denied", url))
    done = login("--paste", typed=io.BufferedReader(login.hands))
    assert (done.exit_code, "access_denied" in done.stderr) == (1, True)


@pytest.mark.parametrize("paste", [False, True])
@pytest.mark.parametrize("redirect", ["http://[x", "callback", "http://a b/"])
def test_a_wrong_address_to_be_led_to_is_refused(login: Login, redirect: str, paste: bool) -> None:
    """In one line, before a page is opened."""
    done = login("--redirect-uri", redirect, *(["--paste"] if paste else []))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: redirect_uri must be a whole URL")
    assert login.opened == []


@pytest.mark.parametrize("typed", ["\n", "n0code\n", "https://x/?code=abc\n", "?error=x&error=y\n", ""])
def test_what_is_no_code_is_refused(login: Login, typed: str) -> None:
    """With a line that says what to do."""
    done = login("--paste", "--no-browser", typed=typed)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert not login.path.exists()


def test_the_owner_may_be_led_elsewhere(login: Login) -> None:
    """Through a tunnel, say, which ends at the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tunnel = f"http://localhost:{port}/back"
    done = login("--port", str(port), "--redirect-uri", tunnel)
    assert done.exit_code == 0, done.output
    assert parse_qs(urlsplit(login.opened[0]).query)["redirect_uri"] == [tunnel]


def test_a_port_in_use_is_said(login: Login) -> None:
    """Before the page is opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = login("--port", str(taken.getsockname()[1]))
    assert done.exit_code == 1
    assert "choose another --port" in done.stderr
    assert login.opened == []


@pytest.mark.parametrize(
    "names", [["ENLIGHTEN_CLIENT_ID"], ["ENLIGHTEN_CLIENT_ID", "ENLIGHTEN_CLIENT_SECRET"]]
)
def test_missing_credentials_are_named(login: Login, names: list[str]) -> None:
    """By the names of their variables."""
    login.env.update(dict.fromkeys(names))
    done = login()
    assert done.exit_code == 2
    assert done.stderr == f"error: set {' and '.join(names)} in the environment\n"


@pytest.mark.parametrize("account", ["a@example.com", ""])
def test_an_account_is_no_address(login: Login, account: str) -> None:
    """It is shown and logged."""
    done = login("--account", account)
    assert (done.exit_code, login.opened) == (2, [])
    assert done.stderr.startswith("error: --account ")
    assert "of your own" in done.stderr
    assert "user_id" not in done.stderr


def test_the_users_own_folder_is_the_default(login: Login, tmp_path: Path) -> None:
    """Made for the user only."""
    login.env |= {"ENLIGHTEN_TOKENS": None, "XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert login().exit_code == 0
    login.path = tmp_path / "config" / "enlighten" / "tokens.json"
    assert set(login.stored()) == {"default"}
    assert login.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_missing_folder_costs_no_login(login: Login, tmp_path: Path) -> None:
    """It is said in a line."""
    login.env["ENLIGHTEN_TOKENS"] = str(tmp_path / "missing" / "tokens.json")
    done = login()
    assert (done.exit_code, login.opened) == (2, [])
    assert "does not exist" in done.stderr


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_other_visitors_are_sent_away_and_the_owner_is_waited_for(backend: str) -> None:
    """Any other request to the port is answered, and changes nothing."""
    anyio.run(_visitors, backend=backend)


END = b" HTTP/1.1\r\nHost: x\r\n\r\n"


async def status_of(port: int, text: bytes) -> bytes:
    """Send a request, and return the status line of its answer."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(text)
        answer = await stream.receive()
    assert b"s3cret" not in answer
    return answer.partition(b"\r\n")[0]


async def _visitors() -> None:
    statuses: list[bytes] = []
    with callback_server(0, "/callback", "right") as server:
        port = server.server_port

        async def visitors() -> None:
            idle = await anyio.connect_tcp("127.0.0.1", port)  # as browsers do
            gone = await anyio.connect_tcp("127.0.0.1", port)
            await gone.aclose()
            texts = (
                b"GET /favicon.ico" + END,
                b"POST /callback?code=s3cret&state=right" + END,
                b"GET /callback?code=s3cret&state=wrong" + END,
                b"GET /callback" + END,
                b"GET http://[" + END,
                b"G" * 70_000,
                b"GET /callback?code=s3cret&state=right" + END,
            )
            statuses.extend([await status_of(port, text) for text in texts])
            await idle.aclose()

        async with anyio.create_task_group() as group:
            group.start_soon(visitors)
            found = await server.wait()
    assert found == AuthorizationResponse(Secret("s3cret"))
    assert statuses == [
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 400 Bad Request",
        b"HTTP/1.1 400 Bad Request",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 200 OK",
    ]


def test_idle_connections_do_not_block_the_owner() -> None:
    """Two hundred that send nothing, or half a request, are open when the owner comes."""

    async def crowd() -> AuthorizationResponse:
        async with AsyncExitStack() as stack:
            server = stack.enter_context(callback_server(0, "/callback", "right"))
            for number in range(200):
                stream = await anyio.connect_tcp("127.0.0.1", server.server_port)
                stack.push_async_callback(stream.aclose)
                if number % 2:
                    await stream.send(b"GET /callback?code=")
            with anyio.fail_after(5):
                assert (
                    await status_of(server.server_port, b"GET /callback?code=s3cret&state=right" + END)
                    == b"HTTP/1.1 200 OK"
                )
                return await server.wait()

    assert asyncio.run(crowd()) == AuthorizationResponse(Secret("s3cret"))


def test_a_browser_that_does_not_wait_for_the_page_loses_no_code() -> None:
    """The code has arrived, although its connection is reset before the page is written."""

    async def reset() -> AuthorizationResponse:
        with callback_server(0, "/callback", "right") as server:
            with socket.create_connection(("127.0.0.1", server.server_port)) as browser:
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                browser.sendall(b"GET /callback?code=s3cret&state=right" + END)
            with anyio.fail_after(5):
                return await server.wait()

    assert asyncio.run(reset()) == AuthorizationResponse(Secret("s3cret"))


def test_a_wait_that_is_cancelled_ends_at_once() -> None:
    """And leaves no thread that would keep the process alive."""

    async def give_up() -> bool:
        with callback_server(0, "/callback", "right") as server, anyio.move_on_after(0.05) as scope:
            await server.wait()
        assert server.done.is_set()
        return scope.cancelled_caught

    assert asyncio.run(give_up())


def test_the_page_is_for_this_machine_only() -> None:
    """No other interface is listened at."""
    with callback_server(0, "/callback", "right") as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("name", ["tokens.json", "state.db"])
def test_accounts_are_listed_and_logged_out(login: Login, name: str) -> None:
    """Each by itself; no token is shown."""
    login.path = login.path.with_name(name)
    login.env["ENLIGHTEN_TOKENS"] = str(login.path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words), env=login.env, catch_exceptions=False)

    nobody = run("accounts")
    assert (nobody.exit_code, nobody.stdout) == (3, "")
    assert "enlighten login" in nobody.stderr
    assert login().exit_code == login("--account", "anna").exit_code == 0
    listed = run("accounts")
    assert listed.exit_code == 0
    assert {line.split()[0] for line in listed.stdout.splitlines()[1:]} == {"default", "anna"}
    assert not [
        text
        for tokens in login.stored().values()
        for text in map(str, tokens.values())
        if text in listed.output
    ]
    assert run("accounts", "--json").stdout.count('"expires_at": "20') == 2
    out = run("logout", "--account", "anna")
    assert (out.exit_code, set(login.stored())) == (0, {"default"})
    assert "anna is logged out" in out.stdout
    again = run("logout", "--account", "anna")
    assert (again.exit_code, "enlighten accounts" in again.stderr) == (2, True)
