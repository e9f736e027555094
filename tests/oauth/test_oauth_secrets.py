"""No token, code, secret, password or address of an owner is anywhere but on the wire and in the store."""

# ruff: noqa: D103  (names of tests are sentences)

from __future__ import annotations

import base64
import json
import logging
import pickle
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from enlighten_async.errors import EnlightenError
from enlighten_async.oauth import FileTokenStore, MemoryTokenStore, OAuth, Tokens
from tests.oauth.accounts import KEY, InstantClock, Store, stored
from tests.oauth.authority import CLIENT_ID, CLIENT_SECRET, CODE, DAY, OWNER, Authority
from tests.transport.tracebacks import Everything, frames

PASSWORD = "pa55word"
BASIC = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


@pytest.fixture
def log() -> Iterator[list[str]]:
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(0)
    yield handler.shown
    root.setLevel(level)
    root.removeHandler(handler)


def echo(authority: Authority) -> Any:
    """Return an answer that says all it knows."""
    form = authority.forms[-1]
    fresh = authority.issue()
    return {"error": "invalid_grant", "error_description": f"{form} {OWNER} {fresh} {BASIC} {CLIENT_SECRET}"}


def contents(*things: object) -> str:
    """Show objects, what is in them, and what is in that."""
    shown, todo, seen = "", list(things), set()
    while todo:
        thing = todo.pop()
        if id(thing) in seen or not type(thing).__module__.startswith("enlighten_async"):
            continue
        seen.add(id(thing))
        fields = {
            **getattr(thing, "__dict__", {}),
            **{name: getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())},
        }
        inner = [*fields.values()]
        inner += [one for value in inner if isinstance(value, dict) for one in value.values()]
        shown += f"{thing!r} {fields!r}\n"
        todo += inner
    return shown


def check(shown: str, authority: Authority) -> None:
    """See that no secret is in what was shown, nor the inside of a token."""
    secrets = [OWNER, KEY, CODE, CLIENT_SECRET, PASSWORD, BASIC, *authority.issued]
    secrets += [token.split(".")[1][:40] for token in authority.issued]
    assert authority.issued
    assert [secret for secret in secrets if secret in shown] == []
    assert "CANARY" not in shown


CASES = ["good", "echo", "echo 500", "echo 401 client", "no tokens", "reset", "save", "load", "locked out"]


async def act(oauth: OAuth, what: str) -> Any:
    """Do one thing a caller does."""
    if what == "exchange":
        return await oauth.exchange("anna", CODE)
    if what == "password":
        return await oauth.password("anna", OWNER, PASSWORD)
    access = oauth.access("anna", KEY)
    await access.refresh()
    return access


def prepare(case: str, authority: Authority, store: Store) -> None:
    """Let something go wrong."""
    if case.startswith("echo"):
        status = 500 if case == "echo 500" else 400

        def answer(form: dict[str, str], authorization: str) -> Any:
            authority.forms.append(form)
            body = echo(authority)
            return status, body | ({"error": "invalid_client"} if case.endswith("client") else {})

        authority.answer = answer  # type: ignore[method-assign]
    elif case == "no tokens":
        authority.answers = [(200, {"refresh_token": authority.issue()["refresh_token"], "e": OWNER})]
    elif case == "reset":
        authority.answers = [OSError(f"no {OWNER} {CLIENT_SECRET} {BASIC} {authority.issued}")] * 3
    elif case in {"save", "load"}:
        store.broken[case] = LookupError("a database that says nothing")


@pytest.mark.parametrize("what", ["renew", "exchange", "password"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("real", [False, True])
async def test_nothing_shows_a_secret(
    case: str, what: str, real: bool, log: list[str], tmp_path: Any
) -> None:
    authority = Authority(InstantClock())
    store = Store(FileTokenStore(tmp_path / "t.json") if real else MemoryTokenStore())
    await store.inner.save("anna", stored(authority, age=2 * DAY))
    prepare(case, authority, store)
    if case == "locked out":
        (tmp_path / "t.json").write_text(json.dumps({"accounts": {"anna": {"access_token": KEY}}}))
    shown = ""
    with authority.running() if real else nullcontext("") as url:
        way = {"base_url": url, "transport": None} if real else {}
        oauth = authority.oauth(store, **way)
        got = None
        try:
            got = await act(oauth, what)
        except Exception as error:  # noqa: BLE001
            shown = frames(error)
            if isinstance(error, EnlightenError):
                shown += repr(pickle.dumps(error)) + str(vars(error))
        access = oauth.access("anna", KEY)
        shown += f"{access.current()!r}" + contents(oauth, access, got, store.inner) + repr(got)
    assert authority.forms or case in {"load", "locked out"}
    assert log or not real
    check(shown + "".join(log), authority)


async def test_tokens_cannot_be_pickled_from_anywhere() -> None:
    authority = Authority()
    oauth = authority.oauth(MemoryTokenStore())
    tokens = await oauth.exchange("anna", CODE)
    access = oauth.access("anna", KEY)
    await access.refresh()
    for thing in (tokens, access, access.current(), oauth):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
    assert isinstance(tokens, Tokens)
