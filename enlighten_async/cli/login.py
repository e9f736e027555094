"""`enlighten login`, `logout` and `accounts`: the OAuth logins of system owners on this machine."""

from __future__ import annotations

import os
import secrets
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import urlsplit

import anyio
import click

from enlighten_async.cli import INTERRUPTED, params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.exit_codes import Incomplete, LoginFailed
from enlighten_async.cli.formatting import add_row, printable, shown, table
from enlighten_async.cli.settings import Setting
from enlighten_async.client import DEFAULT_ACCOUNT
from enlighten_async.errors import AuthenticationError, InputError
from enlighten_async.oauth import FileTokenStore, OAuth, PostgresTokenStore, StateTokenStore, Tokens
from enlighten_async.oauth.oauth import TOKENS, AuthorizationResponse, parse_redirect
from enlighten_async.oauth.session import expiry
from enlighten_async.oauth.token_files import store_at, user_token_file
from enlighten_async.transport import Secret
from enlighten_async.windows import as_datetime

LOGIN_TIMEOUT_S = 600.0
"""Seconds to wait for the owner."""

REQUEST_TIMEOUT_S = 10.0
"""Seconds to wait for the next bytes of a request: browsers open connections that they do not use."""

SHUTDOWN_POLL_S = 0.05
"""Seconds between two looks of the server at whether it has to end."""

HOST = "127.0.0.1"
CALLBACK_PATH = "/callback"

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>enlighten login</title><style>
:root{{color-scheme:light dark;--page:#f3f5f7;--card:#fff;--text:#1b232b;--soft:#566370;--line:#d5dbe1}}
@media (prefers-color-scheme:dark){{:root{{--page:#12171c;--card:#1c232a;--text:#e8edf1;--soft:#a3b0bb;
--line:#36414b}}}}
body{{box-sizing:border-box;margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;
background:var(--page);color:var(--text);font:1rem/1.5 system-ui,sans-serif}}
main{{max-width:27rem;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:12px}}
h1{{margin:0 0 .5rem;font-size:1.375rem;line-height:1.25}}p{{margin:0 0 .75rem}}
.soft{{margin:0;color:var(--soft);font-size:.875rem}}
</style></head><body><main><h1>{title}</h1><p>{text}</p>
<p class="soft">This page is from the command <code>enlighten login</code> on this computer.</p>
</main></body></html>
"""
TITLES = {HTTPStatus.OK: "Login at Enlighten", HTTPStatus.BAD_REQUEST: "Another login"}
CODE_RECEIVED = "The code has arrived: you can close this page and go back to the terminal."
LOGIN_REFUSED = "The login was refused: you can close this page and go back to the terminal."
OTHER_LOGIN = "This address does not belong to the login that is waited for."
NOT_FOUND = "There is nothing here."

PROMPT = "The code, or the address you were led to (it is not shown)"


class CallbackServer(ThreadingHTTPServer):
    """HTTP server to which the owner is redirected; only this machine can reach it (RFC 8252, 7.3).

    Each connection has a daemon thread and a timeout, so that idle ones block nobody.

    Args:
        port: the port; 0 for any that is free.
        path: the path of the redirect; others are not found.
        state: the state that the owner has to bring back.
    """

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = os.name == "posix"  # on Windows, two programs could use the port

    def __init__(self, port: int, path: str, state: str) -> None:
        super().__init__((HOST, port), _CallbackHandler)
        self.path = path
        self.state = state
        self.response: AuthorizationResponse | None = None
        self.done = threading.Event()

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a connection that breaks."""

    async def wait(self) -> AuthorizationResponse:
        """Wait for the owner's redirect."""
        await anyio.to_thread.run_sync(self.done.wait, abandon_on_cancel=True)
        assert self.response is not None  # noqa: S101 - `done` is set after it
        return self.response


class _CallbackHandler(BaseHTTPRequestHandler):
    server: CallbackServer
    timeout = REQUEST_TIMEOUT_S
    server_version, sys_version = "enlighten", ""
    protocol_version = default_request_version = "HTTP/1.1"

    def do_GET(self) -> None:
        try:
            address = urlsplit(self.path)
        except ValueError:
            address = urlsplit("")
        if address.path != self.server.path:
            self._send(HTTPStatus.NOT_FOUND, NOT_FOUND)
            return
        response = parse_redirect(address.query, self.server.state)
        if response is None:
            self._send(HTTPStatus.BAD_REQUEST, OTHER_LOGIN)
            return
        try:
            self._send(HTTPStatus.OK, CODE_RECEIVED if response.code else LOGIN_REFUSED)
        finally:  # the code has arrived, even if the browser does not wait for the page
            self.server.response = response
            self.server.done.set()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is not a GET, or is malformed, without quoting it."""
        self._send(HTTPStatus.NOT_FOUND, NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the address holds the code."""

    def _send(self, status: HTTPStatus, text: str) -> None:
        body = PAGE.format(title=TITLES.get(status, "Nothing here"), text=text).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Referrer-Policy": "no-referrer",
            "Connection": "close",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def callback_server(port: int, path: str, state: str) -> Iterator[CallbackServer]:
    """Serve the page of the redirect while the body runs.

    Raises:
        OSError: the port is in use.
    """
    try:
        server = CallbackServer(port, path, state)
    except OSError as error:
        reason = f"cannot listen at {HOST} port {port}: choose another --port, or --paste the code"
        raise OSError(error.errno, reason) from None
    thread = threading.Thread(target=server.serve_forever, args=(SHUTDOWN_POLL_S,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.done.set()  # a thread that waits for it would keep the process alive
        server.shutdown()
        thread.join()
        server.server_close()


@click.command(short_help="Let the owner of systems log in, for version 4.")
@click.option(
    "--account",
    cls=Setting,
    default=DEFAULT_ACCOUNT,
    envvar="ENLIGHTEN_ACCOUNT",
    show_default=True,
    help="Your own name for the account.",
)
@click.option(
    "--redirect-uri", metavar="URL", help="URL to which the owner comes back, if it is not on this machine."
)
@click.option(
    "--port",
    type=params.Number(0, 65_535),
    default=8710,
    show_default=True,
    metavar="N",
    help="Port to wait at; 0: any that is free.",
)
@click.option("--paste", is_flag=True, help="Ask for the code instead of waiting for it at the port.")
@click.option("--no-browser", is_flag=True, help="Only print the address of the page.")
@click.pass_obj
def login(
    context: CommandContext,
    account: str,
    redirect_uri: str | None,
    port: int,
    paste: bool,
    no_browser: bool,
) -> None:
    """Let the owner of systems log in, and save the tokens.

    ENLIGHTEN_CLIENT_ID and ENLIGHTEN_CLIENT_SECRET are read from the environment. The tokens are saved
    where ENLIGHTEN_TOKENS says, by default in tokens.json in your settings folder, which no other user can
    read.
    """
    state = secrets.token_urlsafe(24)
    browser = not no_browser
    if not paste:
        context.run(lambda: _log_in(context, account, redirect_uri, port, state, browser=browser))
        return
    context.run(lambda: _open_page(context, account, redirect_uri, state, browser=browser))
    response = _pasted(_prompt(), state)  # outside of the event loop, so that Ctrl-C is heard
    context.run(lambda: _finish(_oauth(context), account, response, redirect_uri))


async def _log_in(
    context: CommandContext, account: str, redirect_uri: str | None, port: int, state: str, *, browser: bool
) -> None:
    _oauth(context).authorization_url(redirect_uri=redirect_uri)  # a wrong address is told before all else
    path = CALLBACK_PATH if redirect_uri is None else urlsplit(redirect_uri).path or "/"
    response: AuthorizationResponse | None = None
    with callback_server(port, path, state) as server:
        redirect = redirect_uri or f"http://{HOST}:{server.server_port}{path}"
        await _open_page(context, account, redirect, state, browser=browser)
        context.report("Waiting for you to come back; on another machine than your browser's, use --paste.")
        with anyio.move_on_after(LOGIN_TIMEOUT_S):
            response = await server.wait()
    await _finish(_oauth(context), account, response, redirect)


async def _open_page(
    context: CommandContext, account: str, redirect_uri: str | None, state: str, *, browser: bool
) -> None:
    oauth = _oauth(context)
    await oauth.tokens(account)  # a wrong name or file is reported before anybody logs in
    url = oauth.authorization_url(redirect_uri=redirect_uri, state=state)
    context.report(f"Open this page, and log in as the owner of the systems: {url}")
    if browser:
        # A browser that runs in the terminal returns only when it is left.
        threading.Thread(target=context.open_browser, args=(url,), daemon=True).start()


async def _finish(
    oauth: OAuth, account: str, response: AuthorizationResponse | None, redirect_uri: str | None
) -> None:
    """Exchange the code, and print the end of the access token."""
    if response is None:
        raise LoginFailed("nothing has come back that belongs to this login: run it again")
    if not response.code:
        _refuse(response.error)
    tokens = await _exchange(oauth, account, response.code, redirect_uri)
    click.echo(f"account {printable(account)} is logged in; the access token ends at {expiry(tokens)}")


async def _exchange(oauth: OAuth, account: str, code: Secret, redirect_uri: str | None) -> Tokens:
    try:
        return await oauth.exchange(account, code, redirect_uri=redirect_uri)
    except AuthenticationError as error:
        reason = str(error)
    raise LoginFailed(reason)


def _refuse(error: str) -> NoReturn:
    if error == "access_denied":
        raise LoginFailed("the owner has not consented (access_denied), so there is nothing to save")
    raise LoginFailed(f"the service did not let the owner log in ({error[:100]})")


def _pasted(text: str, state: str) -> AuthorizationResponse | None:
    """Return the response in a pasted text: a code, or an address that holds one."""
    if "code=" not in text and "error=" not in text:
        return AuthorizationResponse(Secret(text)) if text else None
    return parse_redirect(text.rpartition("?")[2].partition("#")[0], state)


def _prompt() -> str:
    """Return what is typed, hidden at a terminal; nothing if the input has ended."""
    try:
        if sys.stdin is not None and sys.stdin.isatty():
            return str(
                click.prompt(PROMPT, hide_input=True, default="", show_default=False, err=True)
            ).strip()
        click.echo(f"{PROMPT}:", err=True)
        return "" if sys.stdin is None else sys.stdin.readline().strip()
    except (click.Abort, KeyboardInterrupt) as abort:
        if isinstance(abort.__context__, EOFError):
            return ""
        click.echo("error: interrupted", err=True)
        sys.exit(INTERRUPTED)


def _oauth(context: CommandContext) -> OAuth:
    url = context.options.get("base_url")
    return OAuth.from_env(context.environ) if url is None else OAuth.from_env(context.environ, base_url=url)


@click.command(short_help="Remove the tokens of an account.")
@click.option(
    "--account",
    cls=Setting,
    default=DEFAULT_ACCOUNT,
    envvar="ENLIGHTEN_ACCOUNT",
    show_default=True,
    help="Your own name for the account.",
)
@click.pass_obj
def logout(context: CommandContext, account: str) -> None:
    """Remove the tokens of an account from this machine; nothing is sent.

    The owner's consent stays at the service until they withdraw it there.
    """

    async def work() -> None:
        store = token_store(context)
        if await store.load(account) is None:
            raise InputError(f"account {account} is not logged in; enlighten accounts lists those that are")
        async with store.lock(account):
            await store.remove(account)
        click.echo(f"account {printable(account)} is logged out: its tokens are removed from {store.place}")

    context.run(work)


@click.command(short_help="List the accounts that are logged in.")
@params.as_json
@click.pass_obj
def accounts(context: CommandContext, as_json: bool) -> None:
    """List the accounts that are logged in on this machine; nothing is sent, and no token is shown."""

    async def work() -> None:
        found = await token_store(context).accounts()
        rows = table(context.out, "account", "tokens of", "access token ends", "login ends")
        for name, tokens in found.items():
            end = tokens.refresh_expires_at
            ends = "unknown" if end is None else shown(as_datetime(end))
            times = shown(as_datetime(tokens.obtained_at)), shown(as_datetime(tokens.expires_at))
            add_row(rows, [name, *times, ends])
        if not found:
            context.report("nobody has logged in: run enlighten login")
            raise Incomplete
        if as_json:
            context.print_json({name: _ends(tokens) for name, tokens in found.items()})
        else:
            context.out.print(rows)

    context.run(work)


def _ends(tokens: Tokens) -> dict[str, datetime | None]:
    """Return when tokens were received and when they end; none of them."""
    names = ("obtained_at", "expires_at", "refresh_expires_at")
    times: dict[str, float | None] = {name: getattr(tokens, name) for name in names}
    return {name: None if at is None else as_datetime(at) for name, at in times.items()}


def token_store(context: CommandContext) -> FileTokenStore | StateTokenStore | PostgresTokenStore:
    """Return the store of the tokens that the commands use."""
    environ = os.environ if context.environ is None else context.environ
    return store_at(environ.get(TOKENS) or user_token_file())
