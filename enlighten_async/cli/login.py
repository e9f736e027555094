"""`enlighten login`."""

from __future__ import annotations

import secrets
import sys
import threading
from typing import NoReturn
from urllib.parse import urlsplit

import anyio
import click

from enlighten_async.cli import failures
from enlighten_async.cli.callback import HOST, Arrival, Callback, arrival, listening, port_of
from enlighten_async.cli.failures import LoginFailed
from enlighten_async.cli.shell import Shell
from enlighten_async.client import DEFAULT_ACCOUNT
from enlighten_async.errors import AuthenticationError
from enlighten_async.oauth import OAuth, Tokens
from enlighten_async.oauth.session import expiry
from enlighten_async.transport import Secret

PATIENCE = 600.0
"""Seconds the owner is waited for."""

PROMPT = "The code, or the address you were led to (it is not shown)"


@click.command(short_help="Let the owner of systems log in, for version 4.")
@click.option(
    "--account",
    default=DEFAULT_ACCOUNT,
    envvar="ENLIGHTEN_ACCOUNT",
    show_default=True,
    help="Your own name for the account.",
)
@click.option(
    "--redirect-uri", metavar="URL", help="Where the owner is led, if it is not this machine itself."
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8710, show_default=True, help="0: any that is free."
)
@click.option("--paste", is_flag=True, help="Ask for the code instead of waiting for it at the port.")
@click.option("--no-browser", is_flag=True, help="Only print the address of the page.")
@click.pass_obj
def login(
    shell: Shell, account: str, redirect_uri: str | None, port: int, paste: bool, no_browser: bool
) -> None:
    """Let the owner of systems log in, and keep the tokens that come of it.

    ENLIGHTEN_CLIENT_ID and ENLIGHTEN_CLIENT_SECRET are taken from the environment. The tokens are kept in
    the file ENLIGHTEN_TOKENS names, by default in the folder for settings of your user: they belong
    to nobody else, and to no folder a command happens to be run in.
    """
    state = secrets.token_urlsafe(24)
    if not paste:
        shell.run(lambda: _by_callback(shell, account, redirect_uri, port, state, browser=not no_browser))
        return
    shell.run(lambda: _show(shell, account, redirect_uri, state, browser=not no_browser))
    came = _pasted(_prompt(), state)  # outside of the event loop, so that Ctrl-C is heard
    shell.run(lambda: _finish(_oauth(shell), account, came, redirect_uri))


async def _by_callback(
    shell: Shell, account: str, redirect_uri: str | None, port: int, state: str, *, browser: bool
) -> None:
    async with listening(port) as listener:
        redirect = redirect_uri or f"http://{HOST}:{port_of(listener)}/callback"
        await _show(shell, account, redirect, state, browser=browser)
        shell.say("Waiting for you to come back; on another machine than your browser's, use --paste.")
        with anyio.move_on_after(PATIENCE) as waiting:
            came: Arrival | None = await Callback(listener, urlsplit(redirect).path or "/", state).wait()
        if waiting.cancelled_caught:
            came = None
    await _finish(_oauth(shell), account, came, redirect)


async def _show(shell: Shell, account: str, redirect_uri: str | None, state: str, *, browser: bool) -> None:
    oauth = _oauth(shell)
    await oauth.tokens(account)  # whatever is wrong with the name or the file is said before anybody logs in
    url = oauth.authorization_url(redirect_uri=redirect_uri, state=state)
    shell.say(f"Open this page, and log in as the owner of the systems: {url}")
    if browser:
        # One that runs in the terminal comes back only when it is left.
        threading.Thread(target=shell.browse, args=(url,), daemon=True).start()


async def _finish(oauth: OAuth, account: str, came: Arrival | None, redirect_uri: str | None) -> None:
    """Exchange the code, and print until when the tokens are good."""
    if came is None:
        raise LoginFailed("nothing has come back that belongs to this login: run it again")
    if not came.code:
        _refuse(came.error)
    tokens = await _exchanged(oauth, account, came.code, redirect_uri)
    click.echo(f"account {failures.plain(account)} is logged in; the access token ends at {expiry(tokens)}")


async def _exchanged(oauth: OAuth, account: str, code: Secret, redirect_uri: str | None) -> Tokens:
    try:
        return await oauth.exchange(account, code, redirect_uri=redirect_uri)
    except AuthenticationError as error:
        reason = str(error)
    raise LoginFailed(reason)


def _refuse(error: str) -> NoReturn:
    if error == "access_denied":
        raise LoginFailed("the owner has not consented (access_denied), so there is nothing to save")
    raise LoginFailed(f"the service did not let the owner log in ({error[:100]})")


def _pasted(text: str, state: str) -> Arrival | None:
    """Return what was pasted: a code, or an address that has one."""
    if "code=" not in text and "error=" not in text:
        return Arrival(Secret(text)) if text else None
    return arrival(text.rpartition("?")[2].partition("#")[0], state)


def _prompt() -> str:
    try:
        return str(click.prompt(PROMPT, hide_input=True, default="", show_default=False, err=True)).strip()
    except click.Abort:
        click.echo("error: interrupted", err=True)
        sys.exit(failures.INTERRUPTED)


def _oauth(shell: Shell) -> OAuth:
    url = shell.options.get("base_url")
    return OAuth.from_env() if url is None else OAuth.from_env(base_url=url)
