"""Queries of version 4 and their tokens: renewed once, ahead of their end, each account by itself."""

from __future__ import annotations

import logging
import pickle
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async import (
    AuthenticationError,
    EnlightenClient,
    EnlightenError,
    InputError,
    KeyMismatch,
    KeyMissing,
    MissingAccessControl,
    Plan,
    ReauthorizationRequired,
    Throttled,
    TokenRefused,
)
from enlighten_async.emulator import App, Fault, Quota
from enlighten_async.emulator.v4.apps import DETAILS
from enlighten_async.oauth import MemoryTokenStore, OAuth, Tokens
from enlighten_async.testing import EmulatorTokenStore
from tests.world import AMPLE, API_KEY, World


@pytest.fixture
def world() -> World:
    """A service without limits, and clients of it."""
    return World()


def refreshed(world: World) -> int:
    """Return how often tokens were refreshed, as the service counted it."""
    return world.emulator.counts.tokens["refresh_token"]


async def test_a_year_needs_one_login(world: World) -> None:
    """And as many requests as windows."""
    async with world.v4() as client:
        year = await client.rgm_stats(world.system, **world.days(365))
    assert (year.receipt.sent, year.coverage.complete, refreshed(world)) == (53, True, 0)
    assert world.emulator.counts.sent == 53


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 5, 20])
async def test_a_token_that_ends_on_the_way_is_renewed_once(world: World, after: int) -> None:
    """All requests that met its end are sent again, and nothing else is."""
    renewing = world.v4()
    async with renewing as client:
        query = client.rgm_stats(world.system, **world.days(365))
        world.emulator.inject(Fault(after=after, transform=lambda answer: world.emulator.expire() or answer))
        year = await query
    assert year.coverage.complete
    assert refreshed(world) == 1
    refused = world.emulator.counts.by_status[401]
    assert 1 <= refused <= 10
    assert year.receipt.sent == world.emulator.counts.sent == 53 + refused
    assert year.receipt.retried == refused


async def test_a_token_is_renewed_ahead_of_its_end(world: World) -> None:
    """While requests wait for their minutes, without a single one refused."""
    clock = world.clock
    world.emulator.quota = Quota(2, None, "Small")

    class Short(EmulatorTokenStore):
        """Tokens that say they end in a quarter of an hour."""

        def _first(self, account: str) -> Tokens:
            tokens = super()._first(account)
            return Tokens(tokens.access_token, tokens.refresh_token, clock.now() + 900, clock.now())

    oauth = world.oauth(tokens=Short(world.emulator))
    async with world.v4(oauth=oauth, plan=Plan(minute=2)) as client:
        year = await client.rgm_stats(world.system, **world.days(365))
    assert (year.receipt.sent, year.receipt.rejected) == (53, 0)
    assert (world.emulator.counts.sent, world.emulator.counts.by_status[401], refreshed(world)) == (53, 0, 1)


async def test_a_refused_refresh_ends_the_query_with_what_it_has(world: World) -> None:
    """The owner has to log in again; nothing more is sent."""
    user = world.emulator.demo_user
    async with world.v4() as client:
        await client.systems()
        sent = world.emulator.counts.sent
        query = client.rgm_stats(world.system, **world.days(365))
        world.emulator.inject(Fault(after=9, transform=lambda answer: world.emulator.revoke(user) or answer))
        with pytest.raises(ReauthorizationRequired) as caught:
            await query
        again = world.emulator.counts.sent, world.emulator.counts.tokens.total()
        with pytest.raises(ReauthorizationRequired):
            await client.summary(world.system)
    error = caught.value
    assert (error.account, refreshed(world)) == (user, 1)
    assert error.url.startswith("https://api.enphaseenergy.com/oauth/authorize?")
    assert error.partial.intervals  # type: ignore[attr-defined]
    assert world.emulator.counts.sent - sent <= 10 + 10
    assert (world.emulator.counts.sent, world.emulator.counts.tokens.total()) == again
    kept = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (kept.account, kept.url) == (error.account, error.url)


async def test_a_login_is_asked_for_before_anything_is_spent(world: World) -> None:
    """Nobody has logged in yet."""
    oauth = world.oauth(tokens=MemoryTokenStore(clock=world.clock))
    async with world.v4(oauth=oauth) as client:
        with pytest.raises(ReauthorizationRequired, match="oauth/authorize"):
            await client.summary(world.system)
    assert (world.emulator.counts.sent, world.emulator.counts.tokens.total()) == (0, 0)


async def test_an_account_with_many_queries_lets_the_others_have_their_turns() -> None:
    """Of ten a minute one asks for 60, then five for one each: they are not behind the 60."""
    world = World(users=6, quota=Quota(10, None, "Fleet"))
    _, *others = world.emulator.users
    ranges = [world.quarter(number) for number in range(60)]
    seconds: list[float] = []
    async with world.v4(plan=Plan(minute=10), max_concurrency=100) as client:

        async def read(range_: dict[str, float]) -> None:
            await client.rgm_stats(world.system, **range_)

        async def ask(user: str) -> None:
            await client.with_options(user_id=user).systems()
            seconds.append(world.clock.monotonic() - began)

        began = world.clock.monotonic()
        async with anyio.create_task_group() as tasks:
            for each in ranges:
                tasks.start_soon(read, each)
            await world.clock.sleep(1)
            for user in others:
                tasks.start_soon(ask, user)
    assert max(seconds) <= 120


async def test_two_hundred_accounts_of_one_client() -> None:
    """One pool, one limiter, tokens apart; one whose owner has ended it stops only itself."""
    world = World(users=200, quota=Quota(100, None, "Fleet"))
    users, oauth = world.emulator.users, world.oauth()
    answers: dict[str, Any] = {}

    async with world.v4(oauth=oauth, plan=Plan(minute=100)) as client:

        async def ask(user: str) -> None:
            systems = client.with_options(user_id=user).systems()
            try:
                answers[user] = [system.system_id for system in await systems]
            except EnlightenError as error:
                answers[user] = error

        await client.with_options(user_id=users[7]).systems()
        world.emulator.revoke(users[7])
        async with anyio.create_task_group() as tasks:
            for user in users:
                tasks.start_soon(ask, user)
    ended = answers.pop(users[7])
    assert (type(ended), ended.account) == (ReauthorizationRequired, users[7])
    owned = {user: [s.system_id for s in world.emulator.truth.systems(user)] for user in users}
    del owned[users[7]]
    assert answers == owned
    assert (world.emulator.counts.rejected, refreshed(world)) == (0, 1)
    assert world.emulator.counts.sent == 1 + 199 + 1  # the first, the others, and the one that was refused


async def test_a_missing_access_control_is_named_and_nothing_refreshed() -> None:
    """It has the status of a token that has ended; a refresh would not help."""
    app = App(key=API_KEY, client_id="client", client_secret="secret", access_controls=frozenset({DETAILS}))
    world = World(apps=[app])
    async with world.v4() as client:
        await client.summary(world.system)
        with pytest.raises(MissingAccessControl, match="Site Level Production Monitoring.*Watt") as caught:
            await client.rgm_stats(world.system, **world.days(365))
        assert caught.value.access_control == "Site Level Production Monitoring"
        with pytest.raises(MissingAccessControl, match="Device Level Production Monitoring.*Kilowatt"):
            await client.micro_telemetry(world.system, "1")
    assert (world.emulator.counts.sent, refreshed(world)) == (3, 0)


async def test_key_and_client_of_two_applications() -> None:
    """Told apart from a token that has ended, and not refreshed."""
    apps = [App(key=f"{n}" * 32, client_id=f"client{n}", client_secret="secret") for n in (1, 2)]
    world = World(apps=apps)
    oauth = OAuth(
        "client1",
        "secret",
        tokens=EmulatorTokenStore(world.emulator, "client1"),
        transport=world.emulator.transport(),
        clock=world.clock,
    )
    async with world.v4("2" * 32, oauth=oauth) as client:
        with pytest.raises(KeyMismatch, match="of one application"):
            await client.summary(world.system)
    assert refreshed(world) == 0


async def test_a_key_that_does_not_arrive() -> None:
    """By what the service says of it."""
    said = '{"message":"Not authorized.","details":"Keys are missing at Header location","code":401}'
    world = World(faults=[Fault(status=401, body=said)])
    async with world.v4() as client:
        with pytest.raises(KeyMissing, match="key_in='header'"):
            await client.summary(world.system)
    assert (world.emulator.counts.sent, refreshed(world)) == (1, 0)


async def test_a_token_that_is_refused_for_ever_is_refreshed_once() -> None:
    """Not in a loop, and not again with the next query."""
    refusal = '{"message":"Not Authorized","details":"User is not authorized","code":401}'
    world = World(faults=[Fault(status=401, body=refusal, times=float("inf"))])
    async with world.v4() as client:
        for _ in range(3):
            with pytest.raises((TokenRefused, AuthenticationError)):
                await client.summary(world.system)
    assert refreshed(world) == 1
    assert world.emulator.counts.sent <= 2 + 2


@pytest.mark.parametrize(
    "body", ["", '{"message":"Not Authorized","details":"User is not authorized","code":401}']
)
async def test_an_endpoint_that_refuses_every_token_ends_no_other_query(body: str) -> None:
    """Of queries side by side the others are answered, as the token is accepted."""
    world = World(faults=[Fault(status=401, body=body, path="/grid_status", times=float("inf"))])
    results: list[str] = []

    async def ask(query: Any) -> None:
        try:
            await query
            results.append("answered")
        except TokenRefused:
            results.append("refused")

    async with world.v4(max_concurrency=1) as client:
        await ask(client.grid_status(world.system))  # refreshed, and refused again
        await ask(client.summary(world.system))
        for _ in range(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, client.grid_status(world.system))
                for _ in range(3):
                    tasks.start_soon(ask, client.summary(world.system))
            world.clock.advance(300)
    assert results.count("refused") == 6
    assert refreshed(world) == 1


@pytest.mark.parametrize("place", ["query", "header"])
async def test_the_key_goes_where_it_is_wanted(world: World, place: Any) -> None:
    """In the query by default."""
    seen: list[httpx.Request] = []
    through = world.emulator.transport()

    async def note(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return await through.handle_async_request(request)

    async with world.v4(key_in=place, transport=httpx.MockTransport(note)) as client:
        await client.systems(status="normal")
    (request,) = seen
    assert ("key" in request.url.params, "key" in request.headers) == (place == "query", place == "header")
    assert request.headers["authorization"].startswith("Bearer ")
    assert (request.method, request.url.path) == ("POST", "/api/v4/systems/search")


async def test_tokens_go_to_their_own_host_only(world: World) -> None:
    """A client for another one is not made."""
    with pytest.raises(InputError, match="give both the same base_url"):
        world.v4(base_url="https://elsewhere.example/api/v4")


@pytest.mark.parametrize("own", [False, True])
async def test_the_way_to_the_service_is_given_once(own: bool) -> None:
    """With `OAuth`; the client takes it from there, unless it is given another one."""
    world, other = World(), World()
    base_url = "https://proxy.example/api/v4"
    oauth = world.oauth(base_url=base_url)
    options: Any = {"transport": other.emulator.transport()} if own else {}
    async with EnlightenClient.v4(API_KEY, oauth=oauth, plan=AMPLE, **options) as client:
        assert repr(client) == "<EnlightenClient v4 at https://proxy.example>"
        assert client._session.clock is world.clock
        if own:
            with pytest.raises(TokenRefused):  # the other service does not know the tokens of this one
                await client.systems()
        else:
            assert (await client.systems()).complete
    assert (len(world.emulator.log) > 0, len(other.emulator.log) > 0) == (not own, own)


async def test_watt_is_a_tenth_of_what_it_was() -> None:
    """A thousand a month."""
    world = World(quota=Quota.WATT)
    async with world.v4(plan=None) as client:
        price = await client.rgm_stats(world.system, **world.days(365)).estimate()
        assert price.month_share == pytest.approx(0.053)
        await client.summary(world.system)
        assert client._session.limiter.left() == {"minute": 9, "month": 999}


async def test_a_month_that_is_full_by_others_and_not_named() -> None:
    """The short body of a rejection does not say that it is the month: not tried for long."""
    said = '{"message":"Too Many Requests","details":"Usage limit exceeded for plan Watt","code":429}'
    world = World(faults=[Fault(status=429, body=said, times=float("inf"))])
    began = world.clock.monotonic()
    async with world.v4() as client:
        with pytest.raises(Throttled, match="429 Usage limit exceeded"):
            await client.rgm_stats(world.system, **world.days(365))
    assert world.emulator.counts.sent == 3
    assert world.clock.monotonic() - began < 4 * 60


async def test_nothing_of_a_login_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Not the tokens, nor the e-mail address that is inside of them."""
    caplog.set_level(logging.DEBUG)
    oauth = world.oauth()
    async with world.v4(oauth=oauth) as client:
        await client.systems()
        before = await oauth.tokens(world.emulator.demo_user)
        world.emulator.expire()
        await client.systems()
        after = await oauth.tokens(world.emulator.demo_user)
        shown = caplog.text + repr(client) + repr(vars(client)) + repr(client._options) + repr(after)
    assert before is not None
    assert after is not None
    assert before.access_token != after.access_token
    assert "@example" not in shown
    for secret in (before, after):
        parts = secret.access_token.reveal().split(".")
        assert all(part not in shown for part in (*parts[1:], API_KEY))
