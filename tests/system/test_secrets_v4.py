"""Of v4, neither the key nor any token, secret, code or e-mail address is anywhere but on the wire."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from enlighten_async import (
    EnlightenClient,
    EnlightenError,
    InputError,
    MemoryTokenStore,
    OAuth,
    Plan,
)
from enlighten_async.emulator import Emulator, Fault, Quota
from tests.system.application import CLIENT_ID, CLIENT_SECRET, KEY, Application
from tests.system.exposed_text import logged, shown, shown_inside

ALWAYS = float("inf")
TOLD = "{url} {headers} {body}"
"""All that a request says."""

FAULTS: list[dict[str, Any]] = [
    {"status": 401, "body": "{}"},
    {"status": 401, "body": TOLD},
    {"status": 500, "body": '{"message": "{url}", "details": "{headers}", "code": 500}'},
    {"status": 200, "body": '{"systems": "{url} {headers}"}'},
    {"status": 200, "body": TOLD},
    {"status": 302, "headers": (("Location", "http://elsewhere.test/{headers}?{query}"),)},
    {"status": 400, "headers": (("X-Echo", "{headers}"), ("Set-Cookie", "{query}"))},
    {
        "status": 429,
        "body": '{"message": "{url}", "details": "{headers}", "period": "month", "period_end": 4102444800}',
    },
    {"dropped": True},
    {"transform": Fault.short_body().transform},
    {"transform": Fault.truncated_gzip().transform},
]
"""What goes wrong with all requests for data."""

OF_TOKENS: list[dict[str, Any]] = [
    {"status": 400, "body": '{"error": "invalid_grant", "error_description": "{body} {headers}"}'},
    {"status": 401, "body": '{"error": "invalid_client {headers}", "error_description": "{body}"}'},
    {"status": 401, "body": TOLD},
    {"status": 500, "body": TOLD},
    {"status": 429, "body": '{"message": "{headers} {body}"}'},
    {"status": 200, "body": '{"refresh_token": "{body}", "expires_in": "{headers}"}'},
    {"status": 302, "headers": (("Location", "http://elsewhere.test/?{body}"), ("X-Echo", "{headers}"))},
    {"dropped": True},
    {"transform": Fault.short_body().transform},
    {"transform": Fault.truncated_gzip().transform},
]
"""What goes wrong with all requests for tokens."""


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Emulator, str]]:
    """The emulator as a server on this machine."""
    emulator = Emulator(quota=Quota.UNLIMITED, concurrent=None)
    with emulator.running(version="v4") as url:
        yield emulator, url


@pytest.fixture
def app(service: tuple[Emulator, str], caplog: pytest.LogCaptureFixture) -> Application:
    """An application at a service without faults; everything is logged."""
    emulator, url = service
    emulator.faults = []
    caplog.set_level(logging.DEBUG)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return Application(url)


def name(fault: dict[str, Any]) -> str:
    """Return what a case is called."""
    return "-".join(
        str(fault.get(key, ""))[:12] for key in ("status", "body", "headers", "transform", "dropped")
    )


ASKS: list[Callable[[EnlightenClient], Any]] = [
    lambda client: client.systems(status="normal"),
    lambda client: client.systems(),
    lambda client: client.rgm_stats(1765, start_at=client._session.clock.now() - 20 * 86_400),
    lambda client: client.micro_telemetry(1765, "1", start_at=client._session.clock.now() - 86_400),
    lambda client: client.system(1765),
]
"""Requests of all kinds: a search by POST, pages, windows, a path with a serial number, a plain one."""


@pytest.mark.parametrize("key_in", ["query", "header"])
@pytest.mark.parametrize("fault", FAULTS, ids=name)
async def test_no_secret_in_logs_errors_and_frames(
    service: tuple[Emulator, str],
    app: Application,
    fault: dict[str, Any],
    key_in: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Over real sockets, with everything logged, also where the server echoes all it was sent."""
    await app.login()
    emulator, _ = service
    emulator.faults = [Fault(times=ALWAYS, **fault)]
    async with app.client(key_in=key_in) as client:
        for ask in ASKS:
            query = ask(client)
            with pytest.raises(EnlightenError) as caught:
                await query
            assert app.leaks(shown(caught.value)) == []
            assert app.leaks(repr(query) + repr(client) + repr(vars(client)) + repr(app.oauth)) == []
    assert "POST" in (text := logged(caplog.records))
    assert app.leaks(text) == []


@pytest.mark.parametrize("what", ["exchange", "renew"])
@pytest.mark.parametrize("fault", OF_TOKENS, ids=name)
async def test_no_secret_where_there_are_no_tokens(
    service: tuple[Emulator, str],
    app: Application,
    fault: dict[str, Any],
    what: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever comes of an exchange, or of a query whose token has to be renewed."""
    emulator, _ = service
    if what == "renew":
        await app.login()
        emulator.expire()
    emulator.faults = [Fault(times=ALWAYS, path="/oauth/token", **fault)]
    async with app.client() as client:
        with pytest.raises(EnlightenError) as caught:
            await (app.login() if what == "exchange" else client.systems(status="normal"))
        assert app.leaks(repr(client) + repr(vars(client)) + repr(app.oauth) + repr(vars(app.oauth))) == []
    assert app.leaks(shown_inside(caught.value, __file__)) == []
    assert "POST" in (text := logged(caplog.records))
    assert app.leaks(text) == []


async def test_no_secret_in_what_succeeds(
    service: tuple[Emulator, str], app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor where all goes well: a login, queries, a refresh between them."""
    emulator, _ = service
    tokens = await app.login()
    async with app.client() as client:
        systems = await client.systems(status="normal")
        emulator.expire()
        view = client.with_options(user_id="default", max_wait=30)
        summary = await view.summary(systems[0].system_id)
        query = client.systems()
        seen = repr((tokens, systems, summary, view, query, await app.oauth.tokens("default")))
        query.close()
    assert emulator.counts.tokens["refresh_token"] >= 1
    assert app.leaks(seen) == []
    assert "HTTP Request" in (text := logged(caplog.records))
    assert app.leaks(text) == []


WRONG: dict[str, dict[str, Any]] = {
    "another host": {"base_url": "https://example.com"},
    "no time": {"timeout": -1},
    "no plan": {"plan": Plan(name="Joule")},
    "nobody": {"user_id": ""},
    "nowhere": {"key_in": "cookie"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_no_secret_in_the_frames_of_a_client_that_is_not_made(
    app: Application, options: dict[str, Any]
) -> None:
    """A setting is wrong: the traceback shows it, and not the credentials given beside it."""
    with pytest.raises(InputError) as caught:
        EnlightenClient.v4(KEY, oauth=app.oauth, **{"base_url": app.url, **options})
    assert app.leaks(shown_inside(caught.value, __file__)) == []


@pytest.mark.parametrize(
    ("client_id", "options"),
    [("two words", {}), (CLIENT_ID, {"timeout": -1}), (CLIENT_ID, {"base_url": "http://example.com"})],
)
def test_no_secret_in_the_frames_of_an_application_that_is_not_made(
    app: Application, client_id: str, options: dict[str, Any]
) -> None:
    """Nor where the client secret is all there is to it."""
    with pytest.raises(InputError) as caught:
        OAuth(client_id, CLIENT_SECRET, tokens=MemoryTokenStore(), **options)
    assert app.leaks(shown_inside(caught.value, __file__)) == []


@pytest.mark.parametrize("wrong", [("anna@homes", None), ("anna", "no URL")])
async def test_no_code_in_the_frames_of_a_login_that_is_not_tried(
    app: Application, wrong: tuple[str, str | None]
) -> None:
    """It can still be used: the traceback of a wrong argument does not show it."""
    account, redirect = wrong
    app.codes.append("c0de-CANARY")
    with pytest.raises(InputError) as caught:
        await app.oauth.exchange(account, app.codes[-1], redirect_uri=redirect)
    assert app.leaks(shown_inside(caught.value, __file__)) == []


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"ENLIGHTEN_BASE_URL": "http://example.com"}, {}),
        ({"ENLIGHTEN_TOKENS": "/does/not/exist"}, {"timeout": -1}),
        ({"ENLIGHTEN_CLIENT_ID": "two words"}, {}),
        ({"ENLIGHTEN_API_KEY": f"{KEY} "}, {}),
        ({"ENLIGHTEN_API_KEY": ""}, {}),
        ({"ENLIGHTEN_CLIENT_SECRET": ""}, {}),
        ({}, {"plan": Plan(name="Joule")}),
    ],
)
def test_no_secret_in_the_frames_of_what_the_environment_does_not_make(
    app: Application, changes: dict[str, str], options: dict[str, Any], tmp_path: Any
) -> None:
    """Nor of a client, nor of its application."""
    environ = {
        "ENLIGHTEN_API_KEY": KEY,
        "ENLIGHTEN_CLIENT_ID": CLIENT_ID,
        "ENLIGHTEN_CLIENT_SECRET": CLIENT_SECRET,
        "ENLIGHTEN_TOKENS": str(tmp_path / "tokens.json"),
        **changes,
    }
    with pytest.raises(InputError) as caught:
        EnlightenClient.from_env(environ, **options)
    assert app.leaks(shown_inside(caught.value, __file__)) == []


async def test_what_holds_secrets_hides_them_from_copies_and_pickles(app: Application) -> None:
    """It shows itself without them, and cannot be written to a file."""
    await app.login()
    async with app.client() as client:
        await client.systems()
        access = client._options.credentials
        assert access.current() is not None
        shown = repr((client._options, client._session, copy.copy(client), access, access.current()))
        assert app.leaks(shown + repr(vars(access))) == []
        for thing in (client._options, access.current(), app.oauth, await app.oauth.tokens("default")):
            with pytest.raises(TypeError):
                pickle.dumps(thing)
