"""A login from its page to its end, against a service that knows all of OAuth."""

# ruff: noqa: D102, D103  (names of tests are sentences)

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import pytest

from enlighten_async.emulator import Emulator
from enlighten_async.errors import AuthenticationError, ReauthorizationRequired
from enlighten_async.oauth import MemoryTokenStore, OAuth
from enlighten_async.testing import FakeClock
from tests.oauth.accounts import KEY, renewed, token
from tests.oauth.authority import CLIENT_ID, CLIENT_SECRET, DAY

CALLBACK = "https://example.com/callback"


class Service:
    """An emulator and an application's way to it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.emulator = Emulator(clock=self.clock, **settings)
        self.store = MemoryTokenStore(clock=self.clock)
        self.oauth = OAuth(
            CLIENT_ID,
            CLIENT_SECRET,
            tokens=self.store,
            transport=self.emulator.transport(),
            clock=self.clock,
        )

    async def consent(self, **more: str) -> dict[str, str]:
        """Open the page as an owner does; return what comes back in the address."""
        url = self.oauth.authorization_url(redirect_uri=CALLBACK, state="st&te")
        async with httpx.AsyncClient(transport=self.emulator.transport()) as browser:
            answer = await browser.get(url, params={**dict(parse_qsl(urlsplit(url).query)), **more})
        assert answer.headers["location"].startswith(CALLBACK)
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    async def login(self, account: str, **more: str) -> None:
        code = (await self.consent(**more))["code"]
        await self.oauth.exchange(account, code, redirect_uri=CALLBACK)


async def test_a_login_leads_to_tokens_that_live_a_day_and_a_month() -> None:
    service = Service()
    assert (await service.consent())["state"] == "st&te"
    await service.login("anna")
    tokens = await service.oauth.tokens("anna")
    assert tokens is not None
    assert tokens.expires_at - tokens.obtained_at == 86_399
    assert tokens.refresh_expires_at == int(service.clock.now() + 2_629_746)
    access = service.oauth.access("anna", KEY)
    for _ in range(40):  # longer than any refresh token lives
        service.clock.advance(DAY)
        await access.refresh()
        assert access.current() is not None


async def test_who_does_not_consent_gives_no_code() -> None:
    assert (await Service().consent(deny="1"))["error"] == "access_denied"


async def test_a_code_goes_with_its_address() -> None:
    service = Service()
    code = (await service.consent())["code"]
    with pytest.raises(AuthenticationError, match="redirect_uri"):
        await service.oauth.exchange("anna", code)


@pytest.mark.parametrize("rotation", ["strict", "lenient"])
async def test_a_refresh_token_that_another_program_used(rotation: Any) -> None:
    service = Service(rotation=rotation)
    await service.login("anna")
    old = await service.store.load("anna")
    assert old is not None
    service.clock.advance(DAY)
    await service.oauth.access("anna", KEY).refresh()
    await service.store.save("anna", old)  # as the other program left it
    access = OAuth(
        CLIENT_ID,
        CLIENT_SECRET,
        tokens=service.store,
        transport=service.emulator.transport(),
        clock=service.clock,
    ).access("anna", KEY)
    if rotation == "strict":
        with pytest.raises(ReauthorizationRequired, match="another program"):
            await access.refresh()
    else:
        assert await renewed(access)


async def test_the_api_takes_the_credentials_and_a_revoked_account_stops_only_itself() -> None:
    service = Service(users=2)
    anna, bert = (service.oauth.access(name, KEY) for name in ("anna", "bert"))
    users = service.emulator._users
    for name, user in zip(("anna", "bert"), users, strict=True):
        await service.login(name, user=user)
    service.emulator._tokens.revoke(users[0])

    async def status(access: Any) -> int:
        bearer = {"Authorization": f"Bearer {token(access.current())}"}
        url = f"https://api.enphaseenergy.com/api/v4/systems?key={KEY}"
        async with httpx.AsyncClient(transport=service.emulator.transport()) as client:
            return (await client.get(url, headers=bearer)).status_code

    assert [await status(anna), await status(bert)] == [401, 200]
    async with anyio.create_task_group() as group:
        group.start_soon(bert.refresh, bert.current())
        with pytest.raises(ReauthorizationRequired) as caught:
            await anna.refresh(anna.current())
    assert caught.value.account == "anna"
    assert await status(bert) == 200


async def test_passwords_are_for_partners() -> None:
    with pytest.raises(AuthenticationError, match="only partners"):
        await Service().oauth.password("anna", "somebody", "pa55word")
