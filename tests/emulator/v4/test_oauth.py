"""OAuth2: consent, codes, the three grants, the form of tokens, and their lifetimes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from enlighten_async.emulator import App, Emulator, Fault, V4Options
from enlighten_async.emulator.v4.tokens import user_name
from enlighten_async.testing import FakeClock

BACK = "https://home.example/back?from=here"
CLIENT = ("client", "secret")
APP = App(key="its-key", client_id="client", client_secret="secret")


def service(emulator: Emulator) -> httpx.AsyncClient:
    """Return a client of the host."""
    return httpx.AsyncClient(transport=emulator.transport(), base_url="https://service.test")


def claims(token: str) -> dict[str, Any]:
    """Return the claims of a token."""
    _, middle, _ = token.split(".")
    return dict(json.loads(urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


async def consent(client: httpx.AsyncClient, **params: str) -> dict[str, str]:
    """Return the parameters of the service's redirect."""
    asked = {"response_type": "code", "client_id": "client", "redirect_uri": BACK} | params
    answer = await client.get("/oauth/authorize", params=asked)
    assert answer.status_code == 302, answer.text
    where = answer.headers["location"]
    assert where.startswith("https://home.example/back?from=here&")
    return dict(parse_qsl(urlsplit(where).query, keep_blank_values=True))


async def ask(client: httpx.AsyncClient, grant: str, **params: str) -> httpx.Response:
    """Ask for a token, the parameters as a form."""
    data = {"grant_type": grant, **params}
    return await client.post("/oauth/token", data=data, auth=CLIENT)


async def test_from_consent_to_a_first_answer(clock: FakeClock) -> None:
    """A code becomes a token of the user who consented, and the token opens their systems."""
    emulator = Emulator(clock=clock, users=2, systems=2)
    async with service(emulator) as client:
        brought = await consent(client, state="s&1", user=emulator.users[1])
        assert brought.keys() == {"from", "code", "state"}
        assert brought["state"] == "s&1"
        answer = await ask(client, "authorization_code", code=brought["code"], redirect_uri=BACK)
        assert answer.status_code == 200
        head = {"Authorization": f"Bearer {answer.json()['access_token']}", "key": "any"}
        systems = await client.get("/api/v4/systems", headers=head)
    theirs = [system.system_id for system in emulator.truth.systems(emulator.users[1])]
    assert [row["system_id"] for row in systems.json()["systems"]] == theirs
    assert emulator.counts.tokens == {"authorization_code": 1}
    assert (emulator.counts.sent, emulator.counts.served) == (1, 1)


async def test_what_a_token_says(clock: FakeClock) -> None:
    """Ids and times are text, the access token lives a day, the refresh token a mean month."""
    emulator = Emulator(clock=clock)
    body: dict[str, Any] = emulator.grant(emulator.demo_user)
    access, refresh = claims(body["access_token"]), claims(body["refresh_token"])
    assert (body["token_type"], body["scope"], body["expires_in"]) == ("bearer", "read write", 86_399)
    assert (body["enl_uid"], body["app_type"], body["is_internal_app"]) == ("310606", "system", False)
    assert access["exp"] == int(clock.now()) + 86_399
    assert refresh["exp"] == int(clock.now()) + 2_629_746
    assert refresh["ati"] == access["jti"] == body["jti"] != refresh["jti"]
    assert access["user_name"] == user_name(emulator.demo_user)
    assert access["enl_uid"] == body["enl_uid"]
    assert len(body["access_token"]) > 700


@pytest.mark.parametrize("place", ["query", "form"])
async def test_parameters_in_query_or_form(clock: FakeClock, place: str) -> None:
    """Both are taken, and so is an empty body."""
    emulator = Emulator(clock=clock)
    old: dict[str, Any] = emulator.grant(emulator.demo_user, "client")
    sent = {"grant_type": "refresh_token", "refresh_token": old["refresh_token"]}
    async with service(emulator) as client:
        how: dict[str, Any] = {"params": sent} if place == "query" else {"data": sent}
        answer = await client.post("/oauth/token", auth=CLIENT, **how)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"] != old["refresh_token"]


@pytest.mark.parametrize(("rotation", "second"), [("strict", 401), ("lenient", 200)])
async def test_rotation(clock: FakeClock, rotation: Any, second: int) -> None:
    """A refresh token that was used is dead, or lives on; the new one is good either way."""
    emulator = Emulator(clock=clock, rotation=rotation)
    old: dict[str, Any] = emulator.grant(emulator.demo_user, "client")
    async with service(emulator) as client:
        first = await ask(client, "refresh_token", refresh_token=old["refresh_token"])
        again = await ask(client, "refresh_token", refresh_token=old["refresh_token"])
        newest = await ask(client, "refresh_token", refresh_token=first.json()["refresh_token"])
    assert (first.status_code, again.status_code, newest.status_code) == (200, second, 200)
    assert again.status_code == 200 or again.json().keys() == {"error", "error_description"}
    assert emulator.counts.tokens == {"refresh_token": 3}
    assert emulator.counts.refused_tokens.total() == (second != 200)


async def test_a_refresh_token_is_its_clients(clock: FakeClock) -> None:
    """Another client cannot use it, nor use it up."""
    emulator = Emulator(clock=clock)
    body: dict[str, Any] = emulator.grant(emulator.demo_user, "client")
    data = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    async with service(emulator) as client:
        theirs = await client.post("/oauth/token", data=data, auth=("other", "secret"))
        own = await client.post("/oauth/token", data=data, auth=CLIENT)
    assert (theirs.status_code, own.status_code) == (401, 200)


async def test_codes_are_good_once_soon_and_for_their_address(clock: FakeClock) -> None:
    """Used, old, or brought back to another address or by another client: an invalid grant."""
    emulator = Emulator(clock=clock)
    async with service(emulator) as client:

        async def swap(code: str, where: str = BACK) -> httpx.Response:
            return await ask(client, "authorization_code", code=code, redirect_uri=where)

        code = (await consent(client))["code"]
        assert (await swap(code)).status_code == 200
        used = await swap(code)
        assert used.status_code == 400
        assert used.json() == {
            "error": "invalid_grant",
            "error_description": f"Invalid authorization code: {code}",
        }
        code = (await consent(client))["code"]
        assert (await swap(code, "https://other.example/")).status_code == 400
        assert (await swap(code)).status_code == 400  # one attempt is all it is good for
        code = (await consent(client))["code"]
        clock.advance(300)
        assert (await swap(code)).status_code == 400
        code = (await consent(client, client_id="other"))["code"]
        assert (await swap(code)).status_code == 400


async def test_the_portals_own_address_lacks_something(clock: FakeClock) -> None:
    """Without a redirect_uri there is nowhere to send the owner to."""
    async with service(Emulator(clock=clock)) as client:
        answer = await client.get("/oauth/authorize?response_type=code&client_id=client")
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_request",
        "error_description": "A redirect_uri must be supplied.",
    }


@pytest.mark.parametrize("how", ["switch", "param", "stranger"])
async def test_owners_may_refuse(clock: FakeClock, how: str) -> None:
    """They are sent back without a code."""
    emulator = Emulator(clock=clock, v4_options=V4Options(deny=how == "switch"))
    params = {"switch": {}, "param": {"deny": "1"}, "stranger": {"user": "nobody"}}[how]
    async with service(emulator) as client:
        brought = await consent(client, state="x", **params)
    assert (brought["error"], brought["state"]) == ("access_denied", "x")
    assert "code" not in brought


async def test_the_code_may_be_shown_to_be_carried_by_hand(clock: FakeClock) -> None:
    """The default address displays it, and nothing it was not given."""
    async with service(Emulator(clock=clock)) as client:
        where = "https://service.test/oauth/redirect_uri"
        asked = {"response_type": "code", "client_id": "client", "redirect_uri": where}
        sent = await client.get("/oauth/authorize", params=asked)
        shown = await client.get(sent.headers["location"])
        evil = await client.get("/oauth/redirect_uri", params={"code": "<script>"})
    code = dict(parse_qsl(urlsplit(sent.headers["location"]).query))["code"]
    assert f"<output>{code}</output>" in shown.text
    assert len(code) == 6
    assert "<script>" not in evil.text


async def test_a_browser_is_asked_first(clock: FakeClock) -> None:
    """By a page that names application, owners and destination, runs no script and quotes nothing raw."""
    emulator, evil = Emulator(clock=clock, users=2), '"><script>alert(1)</script>'
    browser = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    asked = {
        "response_type": "code",
        "client_id": evil,
        "redirect_uri": "http://127.0.0.1:8710/back",
        "state": evil,
    }
    async with service(emulator) as client:
        page = await client.get("/oauth/authorize", params=asked, headers=browser)
        allowed = await client.get("/oauth/authorize", params={**asked, "allow": "1"}, headers=browser)
        denied = await client.get("/oauth/authorize", params={**asked, "deny": "1"}, headers=browser)
        refused = await client.get("/oauth/redirect_uri", params={"error": evil}, headers=browser)
    policy = page.headers["content-security-policy"]
    assert (page.status_code, policy.startswith("default-src 'none';")) == (200, True)
    assert "script" not in policy
    assert "<script" not in page.text + refused.text
    assert all(user_name(user) in page.text for user in emulator.users)
    assert "127.0.0.1:8710" in page.text
    assert "Emulator for tests" in page.text
    assert allowed.headers["location"].startswith("http://127.0.0.1:8710/back?code=")
    assert "error=access_denied" in denied.headers["location"]


async def test_installers_log_in_by_password(clock: FakeClock) -> None:
    """Only their applications may; the account is the owner's, by e-mail."""
    partner = App(key="k", client_id="client", client_secret="secret", partner=True)
    emulator = Emulator(clock=clock, users=2, apps=[partner])
    named = {"username": user_name(emulator.users[1]), "password": "hers"}
    async with service(emulator) as client:
        answer = await ask(client, "password", **named)
        wrong = await ask(client, "password", username="nobody@homes.example", password="x")
    assert claims(answer.json()["access_token"])["user_name"] == named["username"]
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    async with service(Emulator(clock=clock, apps=[APP])) as client:
        assert (await ask(client, "password", **named)).json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    ("auth", "data", "status", "error"),
    [
        (None, {"grant_type": "refresh_token"}, 401, "invalid_client"),
        (("client", "wrong"), {"grant_type": "refresh_token"}, 401, "invalid_client"),
        (("other", "secret"), {"grant_type": "refresh_token"}, 401, "invalid_client"),
        (CLIENT, {}, 400, "invalid_request"),
        (CLIENT, {"grant_type": "implicit"}, 400, "unsupported_grant_type"),
        (CLIENT, {"grant_type": "authorization_code"}, 400, "invalid_grant"),
        (CLIENT, {"grant_type": "refresh_token"}, 401, "invalid_grant"),
    ],
)
async def test_refusals(clock: FakeClock, auth: Any, data: Any, status: int, error: str) -> None:
    """Each has its OAuth2 name."""
    async with service(Emulator(clock=clock, apps=[APP])) as client:
        answer = await client.post("/oauth/token", data=data, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_other_methods_and_paths(clock: FakeClock) -> None:
    """A token is asked for by POST; a second slash leads nowhere."""
    async with service(Emulator(clock=clock)) as client:
        assert (await client.get("/oauth/token", auth=CLIENT)).status_code == 405
        assert (await client.get("/oauth/tokens")).status_code == 404
        assert (await client.post("/oauth/authorize")).status_code == 405
        unknown = {"response_type": "token", "client_id": "c", "redirect_uri": BACK}
        assert (await client.get("/oauth/authorize", params=unknown)).status_code == 400
        basic = {"Authorization": "Basic %%%"}
        assert (await client.post("/oauth/token", headers=basic)).status_code == 401


async def test_tokens_end_by_the_emulators_clock(clock: FakeClock) -> None:
    """The access token after a day, the refresh token after a month."""
    emulator = Emulator(clock=clock)
    body: dict[str, Any] = emulator.grant(emulator.demo_user, "client")
    head = {"Authorization": f"bearer {body['access_token']}", "key": "any"}
    async with service(emulator) as client:
        clock.advance(86_398)
        assert (await client.get("/api/v4/systems", headers=head)).status_code == 200
        clock.advance(1)
        assert (await client.get("/api/v4/systems", headers=head)).status_code == 401
        clock.advance(2_629_746 - 86_399)
        assert (await ask(client, "refresh_token", refresh_token=body["refresh_token"])).status_code == 401


async def test_revoked_and_expired_by_hand(clock: FakeClock) -> None:
    """One user's tokens end, another's stay; one that has merely expired can be renewed."""
    emulator = Emulator(clock=clock, users=2)
    one, two = ({**emulator.grant(user, "client")} for user in emulator.users)
    async with service(emulator) as client:

        async def status(body: dict[str, Any]) -> int:
            head = {"Authorization": f"Bearer {body['access_token']}", "key": "any"}
            return (await client.get("/api/v4/systems", headers=head)).status_code

        emulator.expire(emulator.users[0])
        assert (await status(one), await status(two)) == (401, 200)
        renewed = await ask(client, "refresh_token", refresh_token=str(one["refresh_token"]))
        assert await status(renewed.json()) == 200
        emulator.revoke(emulator.users[0])
        assert (await status(renewed.json()), await status(two)) == (401, 200)
        gone = await ask(client, "refresh_token", refresh_token=renewed.json()["refresh_token"])
        assert gone.status_code == 401
        emulator.expire()
        assert await status(two) == 401


async def test_only_faults_that_name_them_strike_tokens(clock: FakeClock) -> None:
    """Those of the API leave them alone; an answer may get lost after the token was rotated."""
    faults = [Fault.overloaded(), Fault.lost(path="/oauth/token")]
    emulator = Emulator(clock=clock, faults=faults)
    old: dict[str, Any] = emulator.grant(emulator.demo_user, "client")
    async with service(emulator) as client:
        with pytest.raises(httpx.ReadError):
            await ask(client, "refresh_token", refresh_token=old["refresh_token"])
        again = await ask(client, "refresh_token", refresh_token=old["refresh_token"])
        assert again.status_code == 401  # it was used, though nobody heard
        emulator.inject(Fault(status=503, path="/oauth/token"))
        assert (await ask(client, "refresh_token", refresh_token="x")).status_code == 503
    assert emulator.counts.tokens == {"refresh_token": 3}


async def test_the_log_holds_no_secrets(clock: FakeClock) -> None:
    """Neither tokens nor codes nor secrets, in the log or in a call's repr."""
    emulator = Emulator(clock=clock)
    body: dict[str, Any] = emulator.grant(emulator.demo_user, "client")
    async with service(emulator) as client:
        await ask(client, "refresh_token", refresh_token=body["refresh_token"])
        head = {"Authorization": f"Bearer {body['access_token']}"}
        await client.get("/api/v4/systems", headers=head, params={"key": "a-secret-key"})
    shown = f"{emulator.log} {emulator.counts.tokens} {APP}"
    assert "systems" in shown
    for secret in (body["access_token"], body["refresh_token"], "secret-key", "its-key", "'secret'"):
        assert secret not in shown
