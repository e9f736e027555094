"""Logging in: the page, the code, the password, and what is refused before anything is sent."""

# ruff: noqa: D103  (names of tests are sentences)

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest

from enlighten_async import EnlightenClient
from enlighten_async.errors import (
    AuthenticationError,
    DecodeError,
    InputError,
    ReauthorizationRequired,
    ServerError,
    TransportError,
    UsageError,
)
from enlighten_async.oauth import FileTokenStore, MemoryTokenStore, OAuth
from enlighten_async.transport import Secret
from tests.oauth.accounts import KEY, Store, stored, token
from tests.oauth.authority import CLIENT_ID, CLIENT_SECRET, CODE, DAY, OWNER, Authority, fake


def made(**settings: Any) -> OAuth:
    settings = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "tokens": MemoryTokenStore(),
        **settings,
    }
    return OAuth(settings.pop("client_id"), settings.pop("client_secret"), **settings)


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ({}, "https://api.enphaseenergy.com/oauth"),
        ({"base_url": "https://api.enphaseenergy.com/api/v4/"}, "https://api.enphaseenergy.com/oauth"),
        ({"base_url": "http://127.0.0.1:8765/api/v4"}, "http://127.0.0.1:8765/oauth"),
        ({"base_url": "https://[::1]"}, "https://[::1]/oauth"),
    ],
)
def test_the_pages_are_on_the_apis_host(base_url: dict[str, str], root: str) -> None:
    url = made(**base_url).authorization_url(state="st&te")
    assert url.partition("?")[0] == f"{root}/authorize"
    assert parse_qsl(urlsplit(url).query) == [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", f"{root}/redirect_uri"),
        ("state", "st&te"),
    ]


def test_the_owner_is_led_where_the_caller_says() -> None:
    query = urlsplit(made().authorization_url(redirect_uri="https://example.com/cb?a=b&c")).query
    assert dict(parse_qsl(query))["redirect_uri"] == "https://example.com/cb?a=b&c"
    assert "state" not in dict(parse_qsl(query))


@pytest.mark.parametrize(
    "redirect",
    [
        "",
        "/callback",
        "example.com",
        "https://a b",
        "https://a/#x",
        "https://[",
        "a\n:",
        5,
        [],
        b"https://a/",
    ],
)
async def test_a_wrong_redirect_is_refused(redirect: Any) -> None:
    for oauth in (made(), made(base_url="https://example.com")):
        with pytest.raises(InputError, match="redirect_uri"):
            oauth.authorization_url(redirect_uri=redirect)
        with pytest.raises(InputError, match="redirect_uri"):
            await oauth.exchange("anna", CODE, redirect_uri=redirect)


@pytest.mark.parametrize("state", ["", 5, b"x", [], "\ud800", "x" * 2000])
def test_a_state_that_would_not_come_back_unchanged_is_refused(state: Any) -> None:
    with pytest.raises(InputError, match="state must be a text"):
        made().authorization_url(state=state)


@pytest.mark.parametrize("way", ["file", "tokens"])
@pytest.mark.parametrize("path", ["", "\x00", "\ud800", "~nobody-of-this-name/t", b"t.json", b"", 5, None])
def test_what_is_no_path_is_refused(path: Any, way: str) -> None:
    with pytest.raises(InputError, match="tokens must be"):
        _ = FileTokenStore(path) if way == "file" else made(tokens=path)


@pytest.mark.parametrize("environ", [5, "KEY", ["KEY"], object(), True])
def test_what_is_no_environment_is_refused(environ: Any) -> None:
    for make in (OAuth.from_env, EnlightenClient.from_env):
        with pytest.raises(InputError, match=r"environ must map names to texts, such as os\.environ"):
            make(environ)


def test_a_folder_for_settings_that_cannot_be_made_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    environ = {"ENLIGHTEN_CLIENT_ID": "id", "ENLIGHTEN_CLIENT_SECRET": "secret", "ENLIGHTEN_API_KEY": "key"}
    for make in (OAuth.from_env, EnlightenClient.from_env):
        with pytest.raises(InputError, match="cannot be made .*: name a file for the tokens"):
            make(environ)


@pytest.mark.parametrize("key_in", [None, [], "body", 5])
def test_a_key_goes_into_query_or_header(key_in: Any) -> None:
    with pytest.raises(InputError, match="key_in must be"):
        made().access("anna", KEY, key_in=key_in)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "a:b"}, "client_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"client_secret": ""}, "client_secret"),
        ({"base_url": "http://example.com/api/v4"}, "https"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"tokens": 5}, "TokenStore"),
        ({"tokens": object()}, "TokenStore"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        made(**wrong)


async def test_a_path_is_a_file_of_tokens(tmp_path: Any) -> None:
    authority = fake()
    for path in (tmp_path / "a.json", str(tmp_path / "b.json")):
        tokens = await authority.oauth(path).password("anna", OWNER, "pa55word")
        assert await FileTokenStore(path).load("anna") == tokens


@pytest.mark.parametrize("name", ["", "a@example.com", "a\nb", "a\x7f", "x" * 201, "\ud800", 5, None])
async def test_a_name_that_must_not_be_shown_is_refused(name: Any) -> None:
    oauth = made()
    for refused in (
        lambda: oauth.exchange(name, CODE),
        lambda: oauth.password(name, "a", "b"),
        lambda: oauth.tokens(name),
        lambda: oauth.forget(name),
    ):
        with pytest.raises(InputError, match="of your own") as caught:
            await refused()
        assert str(name) not in str(caught.value) or not name
    with pytest.raises(InputError, match="of your own"):
        oauth.access(name, KEY)


@pytest.mark.parametrize("name", ["anna", "7", "Haus Süd 1", "x" * 200, "../../etc"])
async def test_any_other_name_is_taken(name: str) -> None:
    authority = fake()
    oauth = authority.oauth(MemoryTokenStore())
    tokens = await oauth.exchange(name, CODE)
    assert await oauth.tokens(name) == tokens


async def test_a_code_gives_tokens_that_are_saved_and_used() -> None:
    authority = fake()
    oauth = authority.oauth(MemoryTokenStore(clock=authority.clock))
    tokens = await oauth.exchange("anna", Secret(CODE))
    assert authority.forms == [
        {
            "grant_type": "authorization_code",
            "code": CODE,
            "redirect_uri": "https://api.enphaseenergy.com/oauth/redirect_uri",
        }
    ]
    assert tokens == await oauth.tokens("anna")
    assert tokens.expires_at == authority.clock.now() + DAY
    access = oauth.access("anna", KEY)
    assert token(access.current()) == tokens.access_token.reveal()


async def test_the_request_is_a_form_with_the_application_in_its_head() -> None:
    authority = fake()
    await authority.oauth(MemoryTokenStore()).exchange("anna", CODE, redirect_uri="http://127.0.0.1:5/cb")
    request = authority.requests[0]
    assert str(request.url) == "https://api.enphaseenergy.com/oauth/token"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"].startswith("Basic ")
    assert authority.forms[0]["redirect_uri"] == "http://127.0.0.1:5/cb"


async def test_a_used_code_is_refused() -> None:
    authority = fake()
    oauth = authority.oauth(MemoryTokenStore())
    await oauth.exchange("anna", CODE)
    with pytest.raises(AuthenticationError, match="once and lives minutes") as caught:
        await oauth.exchange("anna", CODE)
    assert not isinstance(caught.value, ReauthorizationRequired)
    assert CODE not in str(caught.value)
    assert OWNER not in str(caught.value)
    assert await oauth.tokens("anna") is not None


class Cut(httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, beginning: bytes) -> None:
        self.beginning = beginning

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.beginning
        raise httpx.RemoteProtocolError(f"cut off {CODE}")


UNSENT = [httpx.ConnectError(CODE), httpx.ConnectTimeout(CODE)]
LOST = [
    httpx.ReadTimeout(CODE),
    httpx.ReadError(CODE),
    httpx.RemoteProtocolError(CODE),
    httpx.Response(200, stream=Cut(b'{"access_token"')),
    httpx.Response(200, content=b'{"access_token"'),
    httpx.Response(200, content=b""),
    httpx.Response(200, html="<p>maintenance</p>"),
    httpx.Response(502, content=b"bad gateway"),
    "silence",
]
"""Failures before a code was sent, and those after which it may be used up, or not."""


def failing(authority: Authority, failures: list[Any], *, used: bool) -> httpx.MockTransport:
    """Return a way to an authority on which the first requests fail; that has answered some of them."""
    left = [*failures]

    async def handle(request: httpx.Request) -> httpx.Response:
        if not left:
            return await authority.handle(request)
        failure = left.pop(0)
        if used and failure not in UNSENT:
            await authority.handle(request)
        if failure == "silence":
            await authority.clock.sleep(1e6)
        if isinstance(failure, Exception):
            raise failure
        return failure

    return httpx.MockTransport(handle)


@pytest.mark.parametrize("failure", LOST, ids=str)
async def test_a_code_whose_answer_was_lost_is_told_to_be_used_up(failure: Any) -> None:
    """Where the next attempt is refused; where the first one was not taken, it gives the tokens."""
    for used in (True, False):
        authority = fake()
        store = MemoryTokenStore(clock=authority.clock)
        oauth = authority.oauth(store, transport=failing(authority, [failure], used=used))
        if not used:
            assert await oauth.exchange("anna", CODE) == await oauth.tokens("anna")
            continue
        with pytest.raises(AuthenticationError, match="may have used it, and its answer was lost: ") as told:
            await oauth.exchange("anna", CODE)
        assert "Open the authorization URL again" in str(told.value)
        assert not {CODE, OWNER, CLIENT_SECRET} & set(str(told.value).replace(",", " ").split())
        assert CODE not in str(told.value)


@pytest.mark.parametrize(
    ("failures", "hint"),
    [
        *[([each] * 3, "is not used up: give it again") for each in UNSENT],
        *[([each] * 3, "may be used up by now") for each in LOST],
        ([LOST[0], UNSENT[0], UNSENT[0]], "may be used up by now"),
        ([UNSENT[0], UNSENT[0], LOST[0]], "may be used up by now"),
    ],
    ids=str,
)
async def test_the_last_failure_tells_whether_the_code_may_be_used_up(failures: Any, hint: str) -> None:
    """By all attempts; and the same call again gives the tokens where it is not."""
    authority = fake()
    oauth = authority.oauth(
        MemoryTokenStore(clock=authority.clock), transport=failing(authority, failures, used=False)
    )
    with pytest.raises((TransportError, ServerError, DecodeError), match=hint) as caught:
        await oauth.exchange("anna", CODE)
    assert CODE not in str(caught.value)
    assert authority.forms == []
    assert await oauth.exchange("anna", CODE)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cancelled_exchange_loses_no_tokens(when: str) -> None:
    """A cancel before anything left spends no code; later the answer is waited for, and saved."""
    authority = fake()
    store = MemoryTokenStore(clock=authority.clock)
    with anyio.CancelScope() as scope:
        authority.on_answer = scope.cancel
        if when == "before":
            scope.cancel()
        await authority.oauth(store).exchange("anna", CODE)
    assert len(authority.forms) == (when == "after")
    assert (await store.load("anna") is not None) == (when == "after")


async def test_a_refresh_that_may_have_used_its_token_says_so() -> None:
    authority = fake()
    store = MemoryTokenStore(clock=authority.clock)
    oauth = authority.oauth(store, transport=failing(authority, [LOST[0]], used=True))
    await store.save("anna", stored(authority, age=2 * DAY))
    with pytest.raises(ReauthorizationRequired, match="an attempt before may have used it"):
        await oauth.access("anna", KEY).refresh()


async def test_a_password_gives_tokens() -> None:
    authority = fake()
    oauth = authority.oauth(MemoryTokenStore())
    tokens = await oauth.password("anna", OWNER, Secret("pa55word"))
    assert authority.forms == [{"grant_type": "password", "username": OWNER, "password": "pa55word"}]
    assert await oauth.tokens("anna") == tokens
    with pytest.raises(AuthenticationError, match="user name or password") as caught:
        await oauth.password("anna", OWNER, "wr0ngword")
    assert "wr0ngword" not in str(caught.value)


@pytest.mark.parametrize(("name", "word"), [("", "b"), ("a", "")])
async def test_nothing_is_no_password_and_no_code(name: str, word: str) -> None:
    with pytest.raises(InputError, match="username and password"):
        await made().password("anna", name, word)
    with pytest.raises(InputError, match="code"):
        await made().exchange("anna", "")


async def test_a_wrong_secret_is_said_as_such() -> None:
    authority = fake()
    oauth = made(
        client_secret="wrong", transport=httpx.MockTransport(authority.handle), clock=authority.clock
    )
    with pytest.raises(AuthenticationError, match="client secret"):
        await oauth.exchange("anna", CODE)


async def test_a_login_revives_an_account() -> None:
    authority = fake()
    store = MemoryTokenStore(clock=authority.clock)
    oauth = authority.oauth(store)
    access = oauth.access("anna", KEY)
    await store.save("anna", stored(authority, age=2 * DAY))
    authority.live.clear()
    for _ in range(2):
        with pytest.raises(ReauthorizationRequired):
            await access.refresh()
    await oauth.exchange("anna", CODE)
    assert access.current() is not None


async def test_a_store_that_fails_does_not_cost_the_code() -> None:
    authority = fake()
    store = Store()
    oauth = authority.oauth(store)
    for name in ("lock", "load"):
        store.broken = {name: LookupError()}
        with pytest.raises(UsageError, match=f"Store.{name} raised LookupError") as caught:
            await oauth.exchange("anna", CODE)
        assert isinstance(caught.value.__cause__, LookupError)
    assert authority.forms == []


async def test_a_login_that_cannot_be_saved_is_said_and_in_force(caplog: Any) -> None:
    authority = fake()
    store = Store()
    oauth = authority.oauth(store)
    store.broken = {"save": LookupError()}
    with caplog.at_level(logging.WARNING), pytest.raises(UsageError, match="could not be saved"):
        await oauth.exchange("anna", CODE)
    assert "LookupError" in caplog.text
    assert oauth.access("anna", KEY).current() is not None
    assert await oauth.tokens("anna") is None


async def test_what_is_forgotten_is_gone() -> None:
    authority = fake()
    oauth = authority.oauth(MemoryTokenStore(clock=authority.clock))
    access = oauth.access("anna", KEY)
    await oauth.exchange("anna", CODE)
    await oauth.forget("anna")
    await oauth.forget("nobody")
    assert access.current() is None
    assert await oauth.tokens("anna") is None
    with pytest.raises(ReauthorizationRequired):
        await access.refresh()


async def test_accounts_are_apart() -> None:
    authority = fake()
    oauth = authority.oauth(MemoryTokenStore(clock=authority.clock))
    authority.codes = {"c0de-a", "c0de-b"}
    await oauth.exchange("anna", "c0de-a")
    await oauth.exchange("bert", "c0de-b")
    anna, bert = (oauth.access(name, KEY).current() for name in ("anna", "bert"))
    assert token(anna) != token(bert)


async def test_the_key_goes_where_it_is_told() -> None:
    with pytest.raises(InputError, match="key_in"):
        made().access("anna", KEY, key_in="body")  # type: ignore[arg-type]


async def test_a_users_transport_is_not_closed() -> None:
    closed: list[bool] = []

    class Theirs(httpx.MockTransport):
        async def aclose(self) -> None:
            closed.append(True)

    authority = fake()
    oauth = authority.oauth(MemoryTokenStore(), transport=Theirs(authority.handle))
    await oauth.exchange("anna", CODE)
    assert closed == []
    assert len(authority.forms) == 1


async def test_tokens_come_over_a_real_connection_too() -> None:
    authority = Authority()
    with authority.running() as url:
        oauth = made(base_url=url)
        await oauth.exchange("anna", CODE)
        access = oauth.access("anna", KEY)
        await access.refresh(access.current())
    assert [form["grant_type"] for form in authority.forms] == ["authorization_code", "refresh_token"]
    with pytest.raises(TransportError, match="POST /token"):
        await oauth.password("anna", OWNER, "pa55word")


async def test_without_a_limit_of_time_there_is_one_of_a_minute() -> None:
    authority = fake()
    started = authority.clock.monotonic()

    async def hang(_: httpx.Request) -> httpx.Response:
        await authority.clock.sleep(1e6)
        raise AssertionError

    oauth = authority.oauth(MemoryTokenStore(), transport=httpx.MockTransport(hang), timeout=None)
    with pytest.raises(TransportError, match="within 60 s"):
        await oauth.exchange("anna", CODE)
    assert 180 <= authority.clock.monotonic() - started < 190
