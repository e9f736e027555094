"""Tokens are renewed ahead of their end, once for all, and never lost."""

# ruff: noqa: D103  (names of tests are sentences)

from __future__ import annotations

import asyncio
import logging
import threading
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.clock import Clock
from enlighten_async.errors import (
    AuthenticationError,
    DecodeError,
    EnlightenError,
    ReauthorizationRequired,
    ServerError,
    Throttled,
    TokenRefused,
    TransportError,
    UsageError,
)
from enlighten_async.oauth import FileTokenStore, MemoryTokenStore, OAuth, Tokens
from enlighten_async.oauth.session import FIRST_SAVE_PAUSE_S, SAVE_TIMEOUT_S
from enlighten_async.oauth.token_store import REFRESH_MARGIN_S
from enlighten_async.testing import FakeClock
from enlighten_async.transport import Secret
from tests.effort import examples
from tests.oauth.accounts import KEY, Store, renewed, stored, token
from tests.oauth.authority import CLIENT_ID, DAY, Authority, fake

HOUR = 3600.0


class Case:
    """One account whose tokens are of some age."""

    def __init__(self, *, age: float = 2 * DAY, strict: bool = True, **settings: Any) -> None:
        self.clock = FakeClock()
        self.authority = Authority(self.clock, strict=strict, **settings)
        self.store = Store(MemoryTokenStore(clock=self.clock))
        self.oauth = self.authority.oauth(self.store)
        self.age = age
        self.access = self.oauth.access("anna", KEY)

    async def begin(self) -> Tokens:
        """Store tokens."""
        tokens = stored(self.authority, age=self.age)
        await self.store.inner.save("anna", tokens)
        return tokens

    async def kept(self) -> Tokens:
        """Return what is stored."""
        tokens = await self.store.inner.load("anna")
        assert tokens is not None
        return tokens


async def test_nothing_is_ready_before_the_store_was_read() -> None:
    case = Case(age=HOUR)
    tokens = await case.begin()
    assert case.access.current() is None
    assert await renewed(case.access) == tokens.access_token.reveal()
    assert case.authority.forms == []
    assert case.store.calls == ["load"]  # good tokens need no lock


@pytest.mark.parametrize("key_in", ["query", "header"])
async def test_credentials_carry_the_key_and_the_token(key_in: Any) -> None:
    case = Case(age=HOUR)
    tokens = await case.begin()
    access = case.oauth.access("anna", Secret(KEY), key_in=key_in)
    await access.refresh()
    credentials = access.current()
    assert credentials is not None
    bearer = ("Authorization", Secret(f"Bearer {tokens.access_token.reveal()}"))
    key = ("key", Secret(KEY))
    assert credentials.params == ((key,) if key_in == "query" else ())
    assert credentials.headers == ((bearer,) if key_in == "query" else (key, bearer))
    assert access.current() is credentials


async def test_the_same_credentials_serve_as_long_as_the_token() -> None:
    case = Case(age=HOUR)
    await case.begin()
    await case.access.refresh()
    first = case.access.current()
    case.clock.advance(DAY - HOUR - REFRESH_MARGIN_S - 1)
    assert case.access.current() is first
    case.clock.advance(1)
    assert case.access.current() is None


async def test_old_tokens_are_refreshed_and_written() -> None:
    case = Case()
    old = await case.begin()
    access = await renewed(case.access)
    new = await case.kept()
    assert case.authority.refreshes == 1
    assert case.authority.forms[0]["refresh_token"] == (old.refresh_token or Secret("")).reveal()
    assert access == new.access_token.reveal() != old.access_token.reveal()
    assert new.refresh_token != old.refresh_token
    assert (new.obtained_at, new.expires_at) == (case.clock.now(), case.clock.now() + DAY)
    assert new.refresh_expires_at == int(case.clock.now() + 30 * DAY)


async def test_what_is_new_is_written_before_it_is_used() -> None:
    case = Case()
    await case.begin()
    seen: list[object] = []

    async def save(account: str, tokens: Tokens) -> None:
        seen.append(case.access.current())
        await case.store.inner.save(account, tokens)

    case.store.save = save  # type: ignore[method-assign]
    await case.access.refresh()
    assert seen == [None]
    assert case.access.current() is not None


async def test_another_process_has_renewed_while_this_one_waited() -> None:
    case = Case()
    await case.begin()
    newer = stored(case.authority)

    async def other(*, task_status: Any) -> None:
        async with case.store.inner.lock("anna"):
            task_status.started()
            await case.clock.sleep(1)
            await case.store.inner.save("anna", newer)

    async with anyio.create_task_group() as group:
        await group.start(other)
        assert await renewed(case.access) == newer.access_token.reveal()
    assert case.authority.forms == []


async def test_a_refused_token_is_refreshed_though_it_is_good() -> None:
    case = Case(age=HOUR)
    old = await case.begin()
    await case.access.refresh()
    assert await renewed(case.access, case.access.current()) != old.access_token.reveal()
    assert case.authority.refreshes == 1


async def test_who_was_refused_an_older_token_finds_the_new_one() -> None:
    case = Case(age=HOUR)
    await case.begin()
    await case.access.refresh()
    refused = case.access.current()
    await case.access.refresh(refused)
    new = case.access.current()
    await case.access.refresh(refused)
    assert case.access.current() is new
    assert case.authority.refreshes == 1


async def test_the_stores_newer_token_is_taken_before_one_is_asked_for() -> None:
    case = Case(age=HOUR)
    await case.begin()
    await case.access.refresh()
    newer = stored(case.authority)
    await case.store.inner.save("anna", newer)
    assert await renewed(case.access, case.access.current()) == newer.access_token.reveal()
    assert case.authority.forms == []


@pytest.mark.parametrize("found", [False, True])
async def test_what_came_of_a_refusal_and_is_refused_too_is_not_refreshed_again(found: bool) -> None:
    case = Case(age=HOUR)
    await case.begin()
    await case.access.refresh()
    if found:  # another process has refreshed it for the same reason
        await case.store.inner.save("anna", stored(case.authority))
    await case.access.refresh(case.access.current())
    refused = case.access.current()
    for _ in range(3):
        with pytest.raises(TokenRefused, match="though it is new"):
            await case.access.refresh(refused)
    assert case.authority.refreshes == (0 if found else 1)
    case.clock.advance(2 * HOUR)  # by then it may be its age, if clocks differ
    await case.access.refresh(refused)
    assert case.authority.refreshes == (1 if found else 2)


async def test_nothing_stored_asks_for_a_first_login() -> None:
    case = Case()
    with pytest.raises(ReauthorizationRequired, match="nobody has logged in yet") as caught:
        await case.access.refresh()
    assert caught.value.account == "anna"
    assert caught.value.url == case.oauth.authorization_url()
    assert CLIENT_ID in caught.value.url
    assert caught.value.url in str(caught.value)
    assert "OAuth.exchange" in str(caught.value)
    assert case.authority.forms == []


async def test_no_refresh_token_asks_for_a_login() -> None:
    case = Case()
    tokens = await case.begin()
    await case.store.save("anna", evolve(tokens, refresh_token=None))
    with pytest.raises(ReauthorizationRequired, match="no refresh token"):
        await case.access.refresh()
    assert case.authority.forms == []


@pytest.mark.parametrize("status", [400, 401])
async def test_a_refused_refresh_asks_for_a_login(status: int) -> None:
    case = Case()
    await case.begin()
    case.authority.answers = [(status, {"error": "invalid_grant"})]
    with pytest.raises(ReauthorizationRequired, match="30 days") as caught:
        await case.access.refresh()
    assert (caught.value.status, caught.value.response) == (status, None)
    assert caught.value.ends_query
    assert len(case.authority.forms) == 1


async def test_a_refresh_token_that_has_ended_by_its_own_date_asks_for_a_login() -> None:
    """Refused without the code for it: before that date it would be a failure that passes."""
    case = Case()
    tokens = await case.begin()
    await case.store.save("anna", evolve(tokens, refresh_expires_at=case.clock.now() - 1))
    case.authority.answers = [(401, {"error": "invalid_token"})] * 3
    with pytest.raises(ReauthorizationRequired, match=r"by its own date; .*invalid_token"):
        await case.access.refresh()
    await case.access.refresh()  # and that is no verdict either: the service may know better
    assert case.access.current() is not None


async def test_a_dead_refresh_token_is_not_tried_again_until_the_store_changes() -> None:
    case = Case()
    await case.begin()
    case.authority.live.clear()
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired):
            await case.oauth.access("anna", KEY).refresh()
    assert len(case.authority.forms) == 1
    await case.begin()
    await case.access.refresh()
    assert case.access.current() is not None


async def test_an_unknown_application_is_said_as_such() -> None:
    case = Case()
    await case.begin()
    case.authority.answers = [(401, {"error": "invalid_client"})]
    with pytest.raises(AuthenticationError, match="client secret") as caught:
        await case.access.refresh()
    assert not isinstance(caught.value, ReauthorizationRequired)


PASSING = [
    (429, {}),
    (500, {}),
    (503, b"<html>"),
    (400, {"error": "temporarily_unavailable"}),
    (401, b"<html>401</html>"),
    (403, b""),
    (302, b""),
    (200, b"<html>"),
    (200, {}),
    (200, b'{"access_tok'),
    OSError("reset"),
    httpx.ReadTimeout("slow"),
]
KINDS: list[type[EnlightenError]] = [
    Throttled,
    *[ServerError] * 6,
    *[DecodeError] * 3,
    *[TransportError] * 2,
]


@pytest.mark.parametrize("failure", PASSING)
async def test_failures_that_pass_are_met_by_trying_again(failure: Any) -> None:
    case = Case()
    await case.begin()
    case.authority.answers = [failure, failure]
    await case.access.refresh()
    assert len(case.authority.forms) == 3
    assert case.access.current() is not None


@pytest.mark.parametrize(
    ("failure", "kind"),
    list(zip(PASSING, KINDS, strict=True)),
)
async def test_failures_that_stay_are_raised(failure: Any, kind: type[EnlightenError]) -> None:
    case = Case()
    old = await case.begin()
    case.authority.answers = [failure] * 3
    with pytest.raises(kind) as caught:
        await case.access.refresh()
    assert type(caught.value) is kind
    assert len(case.authority.forms) == 3
    assert await case.kept() == old
    await case.access.refresh()  # they are not held against the refresh token
    assert case.access.current() is not None


@pytest.mark.parametrize("strict", [True, False])
async def test_an_answer_lost_on_the_way_is_asked_for_again(strict: bool) -> None:
    """Where the old refresh token has ended with it, the owner has to log in; nothing else is known."""
    case = Case(strict=strict)
    old = await case.begin()
    lost = iter([True])

    def lose() -> None:
        if next(lost, False):
            raise OSError("reset")

    case.authority.on_answer = lose
    if strict:
        with pytest.raises(ReauthorizationRequired, match="is lost"):
            await case.access.refresh()
        assert await case.kept() == old
    else:
        await case.access.refresh()
        assert token(case.access.current()) == (await case.kept()).access_token.reveal()
    assert len(case.authority.forms) == 2


@pytest.mark.parametrize("failure", PASSING)
async def test_failures_that_pass_are_met_for_as_long_as_the_caller_waits(failure: Any) -> None:
    """Not just a few times; and the last failure comes as soon as no other attempt fits in."""
    case = Case()
    await case.begin()
    case.authority.answers = [failure] * 9
    await case.access.refresh(until=case.clock.monotonic() + DAY)
    assert len(case.authority.forms) == 10
    case = Case()
    await case.begin()
    case.authority.answers = [failure] * 999
    until = case.clock.monotonic() + 120
    with pytest.raises(KINDS[PASSING.index(failure)]) as caught:
        await case.access.refresh(until=until)
    assert 3 < len(case.authority.forms) < 99
    assert case.clock.monotonic() <= until
    assert caught.value.ends_query


async def test_who_waits_longer_goes_on_where_the_impatient_gave_up() -> None:
    """Fifty callers of an endpoint that is down: one who waits for a day gets the tokens for all who do."""
    case = Case()
    await case.begin()
    case.authority.answers = [(503, b"")] * 12
    began, failed, served = case.clock.monotonic(), [], []

    async def ask(patience: float | None) -> None:
        try:
            await case.access.refresh(until=None if patience is None else began + patience)
        except ServerError as error:
            failed.append((patience, error))
        else:
            served.append(patience)

    async with anyio.create_task_group() as group:
        for patience in [0.0, 2.0, None, 0.0] + [DAY] * 3 + [None, 0.0] * 20:
            group.start_soon(ask, patience)
    assert case.clock.monotonic() < began + DAY
    assert DAY not in {patience for patience, _ in failed}
    assert served.count(DAY) == 3
    assert len(case.authority.forms) == 13


async def test_a_retry_after_is_obeyed_where_it_is_told() -> None:
    case = Case()
    await case.begin()
    answers = [
        httpx.Response(503, headers={"retry-after": "100"}),
        httpx.Response(200, json={"access_token": "a"}),
    ]

    async def handle(_: httpx.Request) -> httpx.Response:
        return answers.pop(0)

    access = case.authority.oauth(case.store, transport=httpx.MockTransport(handle)).access("anna", KEY)
    began = case.clock.monotonic()
    await access.refresh()
    assert case.clock.monotonic() - began == pytest.approx(100)
    answers[:] = [httpx.Response(503, headers={"retry-after": "7200"})]
    case.clock.advance(DAY)
    with pytest.raises(ServerError) as caught:
        await access.refresh(until=case.clock.monotonic() + 60)
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.timestamp() == pytest.approx(case.clock.now() + 7200)
    answers[:] = [httpx.Response(503, headers={"retry-after": "1000000000"})]  # cannot be meant
    case.clock.advance(DAY)
    with pytest.raises(ServerError) as caught:
        await access.refresh(until=case.clock.monotonic())
    assert caught.value.retry_at is None or caught.value.retry_at.timestamp() < case.clock.now() + 3600


async def test_a_refresh_token_may_live_on() -> None:
    """Not in the answer, or in it as it was sent."""
    for same in (False, True):
        case = Case()
        old = await case.begin()
        assert old.refresh_token is not None
        extra = {"refresh_token": old.refresh_token.reveal()} if same else {}
        case.authority.answers = [(200, {"access_token": "n3w", **extra})]
        assert await renewed(case.access) == "n3w"
        assert (await case.kept()).refresh_token == old.refresh_token


async def test_fifty_who_wait_cost_one_request() -> None:
    case = Case()
    await case.begin()
    accesses = [case.oauth.access("anna", KEY) for _ in range(50)]
    async with anyio.create_task_group() as group:
        for access in accesses:
            group.start_soon(access.refresh)
    assert len(case.authority.forms) == 1
    assert len({token(access.current()) for access in accesses}) == 1


@pytest.mark.parametrize("answer", [None, (500, {}), (200, b""), (401, {"error": "invalid_client"})])
async def test_fifty_who_wait_see_the_one_failure(answer: Any) -> None:
    case = Case()
    await case.begin()
    case.authority.live.clear()
    case.authority.answers = [answer] * 3 if answer else []
    errors: list[EnlightenError] = []

    async def one() -> None:
        try:
            await case.access.refresh()
        except EnlightenError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(one)
    assert len(case.authority.forms) == (3 if answer and answer[0] in {200, 500} else 1)
    assert len(errors) == len({id(error) for error in errors}) == 50
    assert {(type(error), str(error)) for error in errors} == {(type(errors[0]), str(errors[0]))}


@pytest.mark.parametrize("method", ["load", "lock"])
async def test_errors_of_a_users_store_become_ours_with_theirs_as_the_cause(method: str) -> None:
    case = Case()
    await case.begin()
    case.store.broken[method] = LookupError("CANARY")
    with pytest.raises(UsageError, match=f"Store.{method} raised LookupError$") as caught:
        await case.access.refresh()
    assert isinstance(caught.value.__cause__, LookupError)
    assert case.authority.forms == []
    del case.store.broken[method]
    await case.access.refresh()
    assert case.access.current() is not None


@pytest.mark.parametrize("found", ["CANARY", {"access_token": "CANARY"}, 5])
async def test_a_users_store_that_returns_no_tokens_is_told_what_to_return(found: Any) -> None:
    case = Case()
    await case.begin()

    async def load(_: str) -> Any:
        return found

    case.store.load = load  # type: ignore[method-assign]
    with pytest.raises(UsageError, match=rf"Store.load returned a {type(found).__name__}: .*`Tokens.of`"):
        await case.access.refresh()
    assert case.authority.forms == []


async def test_a_lock_that_cannot_be_given_back_is_told_in_our_words_and_costs_no_token() -> None:
    case = Case()
    await case.begin()
    case.store.broken["unlock"] = LookupError("CANARY")
    with pytest.raises(UsageError, match=r"Store.lock raised LookupError$") as caught:
        await case.access.refresh()
    assert isinstance(caught.value.__cause__, LookupError)
    assert case.access.current() is not None
    assert token(case.access.current()) == (await case.kept()).access_token.reveal()


@pytest.mark.parametrize("end", [asyncio.CancelledError, GeneratorExit])
async def test_tokens_whose_save_was_ended_by_the_store_are_saved_later(end: type[BaseException]) -> None:
    """Such as by a database's own task that was cancelled."""
    case = Case()
    await case.begin()
    case.store.broken["save"] = end()
    with pytest.raises(end):
        await case.access.refresh()
    del case.store.broken["save"]
    await case.oauth.save_unsaved()
    assert (await case.kept()).refresh_token == Secret(case.authority.issued[-1])
    await case.access.refresh()
    assert case.authority.refreshes == 1


async def test_a_close_in_the_midst_of_a_save_saves_again_what_fails() -> None:
    case = Case()
    await case.begin()
    saving, closing = anyio.Event(), anyio.Event()
    save = case.store.inner.save

    async def slow(account: str, tokens: Tokens) -> None:
        case.store.inner.save = save  # type: ignore[method-assign]
        saving.set()
        await closing.wait()
        raise OSError(28, "No space left on device")

    case.store.inner.save = slow  # type: ignore[method-assign]
    async with anyio.create_task_group() as group:
        group.start_soon(case.access.refresh)
        await saving.wait()
        group.start_soon(case.oauth.save_unsaved)
        await checkpoint()
        closing.set()
    assert (await case.kept()).refresh_token == Secret(case.authority.issued[-1])


@pytest.mark.parametrize("failures", [1, 2])
@pytest.mark.parametrize("turns", range(12))
async def test_a_close_at_any_moment_of_a_refresh_saves_what_comes_of_it(turns: int, failures: int) -> None:
    """Also while the request is on its way, whose tokens then cannot be saved at first."""
    case = Case()
    await case.begin()
    save, left = case.store.inner.save, [OSError(28, "No space left on device")] * failures

    async def failing(account: str, tokens: Tokens) -> None:
        await checkpoint()
        if left:
            raise left.pop()
        await save(account, tokens)

    case.store.inner.save = failing  # type: ignore[method-assign]
    async with anyio.create_task_group() as group:
        group.start_soon(case.access.refresh)
        for _ in range(turns):
            await checkpoint()
        begun = bool(case.authority.forms)
        await case.oauth.save_unsaved()
        if begun:
            assert (await case.kept()).refresh_token == Secret(case.authority.issued[-1])


async def test_a_close_waits_for_the_attempt_under_way_and_not_for_the_next() -> None:
    case = Case()
    await case.begin()
    case.authority.answers = [(503, b"")] * 20
    attempts = list[int]()

    async def close() -> None:
        before = len(case.authority.forms)
        await case.oauth.save_unsaved()
        attempts.append(len(case.authority.forms) - before)

    async with anyio.create_task_group() as group:
        group.start_soon(partial(case.access.refresh, until=case.clock.monotonic() + DAY))
        while not case.authority.forms:
            await checkpoint()
        group.start_soon(close)
    assert attempts[0] <= 1
    assert case.access.current() is not None


@pytest.mark.parametrize("kind", ["file", "own"])
async def test_what_could_not_be_saved_is_found_by_the_next_client_of_the_process(
    kind: str, tmp_path: Path
) -> None:
    """A program that opens a client per job loses no login by a full disk."""
    authority = fake()
    place, full = tmp_path / "tokens.json", tmp_path / "tokens.json.tmp"
    own = Store(MemoryTokenStore(clock=authority.clock))

    def oauth() -> OAuth:
        return authority.oauth(own if kind == "own" else FileTokenStore(place, clock=authority.clock))

    old = stored(authority, age=2 * DAY)
    await (own if kind == "own" else FileTokenStore(place)).save("anna", old)
    full.mkdir()  # in the way of the new file
    own.broken["save"] = OSError(28, "No space left on device")
    jobs = list[str]()
    for number in range(3):
        if number == 2:
            full.rmdir()
            own.broken.clear()
        job = oauth()
        authority.clock.advance(HOUR)
        jobs.append(await renewed(job.access("anna", KEY)))
        await job.save_unsaved()
    kept = await oauth().tokens("anna")
    assert kept is not None
    assert set(jobs) == {kept.access_token.reveal()}
    assert authority.refreshes == 1


@pytest.mark.parametrize(
    ("error", "said"), [(LookupError("secret-CANARY"), "LookupError"), (UsageError("disk full"), "disk full")]
)
async def test_what_cannot_be_saved_is_used_and_saved_later(error: Exception, said: str, caplog: Any) -> None:
    case = Case()
    await case.begin()
    case.store.broken["save"] = error
    with caplog.at_level(logging.WARNING):
        access = await renewed(case.access)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert said in caplog.text
    assert "CANARY" not in caplog.text
    assert await renewed(case.oauth.access("anna", KEY)) == access
    # The next renewal starts from what is in memory, and saves.
    del case.store.broken["save"]
    case.clock.advance(DAY)
    assert await renewed(case.access) != access
    assert token(case.access.current()) == (await case.kept()).access_token.reveal()
    assert case.authority.refreshes == 2


async def unsaved(case: Case) -> str:
    """Refresh while nothing can be saved, and return the access token."""
    await case.begin()
    case.store.broken["save"] = OSError(28, "No space left on device")
    return await renewed(case.access)


async def test_what_could_not_be_saved_is_saved_at_the_next_use(caplog: Any) -> None:
    """The next one after a moment: a store that fails takes time of each request."""
    case = Case()
    access = await unsaved(case)
    assert case.access.current() is not None
    case.clock.advance(FIRST_SAVE_PAUSE_S)
    assert case.access.current() is None
    assert await renewed(case.access) == access  # the store fails again, which keeps nobody from using them
    assert case.access.current() is not None
    del case.store.broken["save"]
    case.clock.advance(2 * FIRST_SAVE_PAUSE_S)
    assert await renewed(case.access) == access
    assert (await case.kept()).access_token.reveal() == access
    assert case.authority.refreshes == 1
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


async def test_saving_again_is_attempted_ever_more_seldom() -> None:
    case = Case()
    await unsaved(case)
    case.store.calls.clear()
    for _ in range(3600):
        case.clock.advance(1)
        if case.access.current() is None:
            await case.access.refresh()
    assert 60 <= case.store.calls.count("save") <= 70
    assert case.authority.refreshes == 1


@pytest.mark.parametrize("method", ["load", "lock", "save"])
async def test_a_store_that_fails_anew_keeps_nobody_from_using_what_is_not_saved(method: str) -> None:
    case = Case()
    access = await unsaved(case)
    for _ in range(20):
        case.store.broken = {method: OSError("gone")}
        case.clock.advance(60)
        assert await renewed(case.access) == access
    case.store.broken = {}
    await case.oauth.save_unsaved()
    assert (await case.kept()).access_token.reveal() == access


async def test_what_could_not_be_saved_is_saved_before_it_is_used_up() -> None:
    """At the next refresh, also where that fails: the store has the refresh token which is the next to go."""
    case = Case()
    await unsaved(case)
    newest = case.authority.issued[-1]
    del case.store.broken["save"]
    case.clock.advance(DAY)
    case.authority.answers = [(503, b"")] * 3
    with pytest.raises(ServerError):
        await case.access.refresh()
    assert (await case.kept()).refresh_token == Secret(newest)


async def test_saving_at_the_close_raises_nothing_and_asks_for_nothing() -> None:
    case = Case()
    access = await unsaved(case)
    await case.oauth.save_unsaved()  # the store still fails
    del case.store.broken["save"]
    await case.oauth.save_unsaved()
    assert (await case.kept()).access_token.reveal() == access
    case.store.calls.clear()
    await case.oauth.save_unsaved()
    assert case.store.calls == []
    assert case.authority.refreshes == 1


async def test_what_could_not_be_saved_is_saved_also_where_it_is_refused() -> None:
    case = Case()
    await case.begin()
    refused = await begun(case)
    case.store.broken["save"] = LookupError()
    await case.access.refresh(refused)
    access = token(case.access.current())
    del case.store.broken["save"]
    case.clock.advance(FIRST_SAVE_PAUSE_S)
    await case.access.refresh(refused)
    assert (await case.kept()).access_token.reveal() == access
    assert case.authority.refreshes == 2


async def begun(case: Case) -> Any:
    await case.access.refresh()
    return case.access.current()


async def test_a_login_elsewhere_goes_before_what_could_not_be_saved() -> None:
    case = Case()
    await case.begin()
    case.store.broken["save"] = LookupError()
    await case.access.refresh()
    newer = stored(case.authority)
    await case.store.inner.save("anna", newer)
    case.clock.advance(HOUR)
    assert await renewed(case.access, case.access.current()) == newer.access_token.reveal()
    assert case.authority.refreshes == 1


async def test_a_store_that_hangs_does_not_hold_up_for_ever(caplog: Any) -> None:
    case = Case()
    await case.begin()

    async def save(account: str, tokens: Tokens) -> None:
        await case.clock.sleep(1e6)

    case.store.save = save  # type: ignore[method-assign]
    started = case.clock.monotonic()
    await case.access.refresh()
    assert case.clock.monotonic() - started == SAVE_TIMEOUT_S
    assert "longer than 30 s" in caplog.text


async def test_one_line_is_logged_for_a_refresh(caplog: Any) -> None:
    case = Case()
    await case.begin()
    with caplog.at_level(logging.INFO, "enlighten_async"):
        await case.access.refresh()
    assert [record.getMessage() for record in caplog.records if record.name == "enlighten_async"] == [
        "account anna: the access token was refreshed; it ends at 2025-06-16T15:06:40+00:00"
    ]


@pytest.mark.parametrize("skew", [-3 * DAY, -HOUR, HOUR, 3 * DAY])
async def test_a_clock_that_is_off_costs_no_endless_requests(skew: float) -> None:
    """Its own tokens are good by its own clock, whatever that says."""
    case = Case(age=HOUR)
    await case.begin()
    off: Clock = case.clock.skewed(skew)
    oauth = case.authority.oauth(case.store, clock=off)
    access = oauth.access("anna", KEY)
    for _ in range(3):
        await access.refresh()
        assert access.current() is not None
    assert case.authority.refreshes == (1 if skew > DAY else 0)
    case.clock.advance(DAY)
    if access.current() is not None:  # this clock says it is good, the service says it is not
        await access.refresh(access.current())
    else:
        await access.refresh()
    assert access.current() is not None


async def test_short_lives_are_ready_once_renewed() -> None:
    case = Case(life=60)
    await case.begin()
    await case.access.refresh()
    assert case.access.current() is not None
    case.clock.advance(31)
    assert case.access.current() is None


@examples(25)
@given(
    ages=st.lists(st.sampled_from([0.0, HOUR, DAY - REFRESH_MARGIN_S + 1, 2 * DAY]), min_size=1, max_size=4),
    asked=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), max_size=12),
)
async def test_any_tasks_of_any_accounts_refresh_what_is_stale_once(
    ages: list[float], asked: list[tuple[int, int, int]]
) -> None:
    """In any order, through any of several applications' objects on one store."""
    clock = FakeClock()
    authority, store = Authority(clock), MemoryTokenStore(clock=clock)
    oauths = [authority.oauth(store) for _ in range(4)]
    for number, age in enumerate(ages):
        await store.save(f"account {number}", stored(authority, age=age))
    stale = {
        account % len(ages) for account, _, _ in asked if ages[account % len(ages)] > DAY - REFRESH_MARGIN_S
    }

    async def one(account: int, oauth: OAuth, delay: int) -> None:
        access = oauth.access(f"account {account}", KEY)
        await clock.sleep(delay / 100)
        got = await renewed(access)
        kept = await store.load(f"account {account}")
        assert kept is not None
        assert got == kept.access_token.reveal()

    async with anyio.create_task_group() as group:
        for account, oauth, delay in asked:
            group.start_soon(one, account % len(ages), oauths[oauth], delay)
    assert authority.refreshes == len(stale)


@pytest.mark.parametrize("backends", [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "asyncio")])
def test_one_object_serves_several_loops_at_once(backends: tuple[str, str]) -> None:
    authority = Authority()
    oauth = authority.oauth(MemoryTokenStore())
    tokens = stored(authority, age=2 * DAY)
    got: list[str] = []

    async def many() -> None:
        accesses = [oauth.access("anna", KEY) for _ in range(10)]
        async with anyio.create_task_group() as group:
            for access in accesses:
                group.start_soon(access.refresh)
        got.extend(token(access.current()) for access in accesses)

    anyio.run(oauth._store.save, "anna", tokens)
    threads = [
        threading.Thread(target=anyio.run, args=(many,), kwargs={"backend": name}) for name in backends
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20
    assert len(set(got)) == authority.refreshes == 1


def test_one_object_serves_loops_one_after_another() -> None:
    authority = fake()
    oauth = authority.oauth(MemoryTokenStore(clock=authority.clock))
    access = oauth.access("anna", KEY)
    anyio.run(oauth._store.save, "anna", stored(authority))
    for backend in ("asyncio", "trio", "asyncio"):
        authority.clock.advance(DAY)
        anyio.run(access.refresh, backend=backend)
        assert access.current() is not None
    assert authority.refreshes == 3
