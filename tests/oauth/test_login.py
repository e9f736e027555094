"""The address with which an owner comes back: whose login it belongs to, and what it holds."""

# ruff: noqa: D103  (names of tests are sentences)

from __future__ import annotations

import traceback
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from enlighten_async.emulator import Emulator
from enlighten_async.errors import AuthenticationError, InputError, ReauthorizationRequired
from enlighten_async.oauth import MemoryTokenStore, OAuth
from enlighten_async.oauth.oauth import AuthorizationResponse, parse_redirect
from enlighten_async.testing import FakeClock
from enlighten_async.transport import Secret
from tests.oauth.accounts import KEY

BACK = "https://app.example.com/back?from=enphase"


def test_queries_that_belong_to_the_login() -> None:
    """Have its state, and a code or an error, once each."""
    assert parse_redirect("code=abc&state=x", "x") == AuthorizationResponse(Secret("abc"))
    assert parse_redirect("error=access_denied&state=x", "x") == AuthorizationResponse(
        Secret(""), "access_denied"
    )
    for wrong in (
        "",
        "code=abc",
        "code=abc&state=y",
        "state=x",
        "code=a&code=b&state=x",
        "code=a&state=x&state=x",
    ):
        assert parse_redirect(wrong, "x") is None


def application(emulator: Emulator, **options: Any) -> OAuth:
    way = {"transport": emulator.transport(), "clock": emulator.clock}
    return OAuth("client", "secret", tokens=MemoryTokenStore(), redirect_uri=BACK, **way, **options)


async def came_back(emulator: Emulator, url: str, **more: str) -> str:
    """Return the address to which the service leads an owner who consents, or does what is said."""
    async with httpx.AsyncClient(transport=emulator.transport()) as browser:
        answer = await browser.get(url, params={**dict(parse_qsl(urlsplit(url).query)), **more})
    return answer.headers["location"]


@pytest.mark.parametrize("form", ["whole", "path", "query"])
async def test_a_login_in_a_web_page(form: str) -> None:
    emulator = Emulator(clock=FakeClock())
    oauth = application(emulator)
    login = oauth.begin_login()
    assert login.state not in repr(login)
    address = await came_back(emulator, login.url)
    assert address.startswith(BACK)
    given = {"whole": address, "path": address.partition(".com")[2], "query": "?" + urlsplit(address).query}
    tokens = await oauth.complete_login("anna", given[form], state=login.state)
    assert await oauth.tokens("anna") == tokens


def test_each_login_has_a_state_of_its_own() -> None:
    oauth = application(Emulator(clock=FakeClock()))
    states = {oauth.begin_login().state for _ in range(100)}
    assert len(states) == 100
    assert min(map(len, states)) >= 43  # 32 random bytes
    assert oauth.redirect_uri == BACK


async def test_who_has_to_log_in_again_is_led_back_to_the_application() -> None:
    oauth = application(Emulator(clock=FakeClock()))
    with pytest.raises(ReauthorizationRequired) as caught:
        await oauth.access("anna", KEY).refresh()
    assert dict(parse_qsl(urlsplit(caught.value.url).query))["redirect_uri"] == BACK
    assert "begin_login" in str(caught.value)


@pytest.mark.parametrize("state", ["", None, 5, "another-CANARY"])
async def test_an_address_of_another_login_sends_nothing(state: Any) -> None:
    emulator = Emulator(clock=FakeClock())
    oauth = application(emulator)
    address = await came_back(emulator, oauth.begin_login().url)
    counted = len(emulator.log)
    with pytest.raises(InputError, match="belongs to no login .*: begin a new one") as caught:
        await oauth.complete_login("anna", address, state=state)
    assert len(emulator.log) == counted
    assert await oauth.tokens("anna") is None
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [line for line in frames.format() if __file__ not in line]
    code = dict(parse_qsl(urlsplit(address).query))["code"]
    assert code not in "".join(ours)


@pytest.mark.parametrize("url", ["", "https://[", None, 5, "?code=a", "?state=s", "?state=s&code="])
async def test_what_is_no_address_of_a_redirect_is_refused(url: Any) -> None:
    with pytest.raises(InputError, match="begin a new one"):
        await application(Emulator(clock=FakeClock())).complete_login("anna", url, state="s")


async def test_an_owner_who_does_not_consent_is_told_apart() -> None:
    emulator = Emulator(clock=FakeClock())
    oauth = application(emulator)
    login = oauth.begin_login()
    address = await came_back(emulator, login.url, deny="1")
    with pytest.raises(AuthenticationError, match="access_denied"):
        await oauth.complete_login("anna", address, state=login.state)


@pytest.mark.parametrize(
    ("error", "told"), [("server_error", "server_error"), ("<b>x", "for an unknown reason")]
)
async def test_only_names_of_errors_are_quoted(error: str, told: str) -> None:
    oauth = application(Emulator(clock=FakeClock()))
    with pytest.raises(AuthenticationError, match=told) as caught:
        await oauth.complete_login("anna", f"?state=s&error={error}", state="s")
    assert "<" not in str(caught.value)


@pytest.mark.parametrize("redirect", ["", "/back", "https://a b", "https://a/#x", 5])
def test_a_wrong_redirect_is_refused_at_once(redirect: Any) -> None:
    with pytest.raises(InputError, match="redirect_uri"):
        OAuth("client", "secret", tokens=MemoryTokenStore(), redirect_uri=redirect)
