"""Cancelled at any step, by a scope or natively, a renewal loses no token and leaves no lock held."""

# ruff: noqa: D102, D103  (names of tests are sentences)

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from enlighten_async.oauth import FileTokenStore, MemoryTokenStore, OAuth, Tokens, TokenStore
from tests.oauth.accounts import KEY, stored
from tests.oauth.authority import CODE, DAY, Authority, fake
from tests.transport.steps import Steps, run

MAX_STEPS = 100
MAX_TURNS = 100_000  # of a loop that waits for threads at the file
Work = Callable[[], Awaitable[Any]]
Cancel = Callable[[Work, int], Awaitable[bool]]


async def scope_at_step(work: Work, at: int) -> bool:
    """Cancel a scope at the n-th step of the task; tell whether there was one."""
    with anyio.CancelScope() as scope:
        steps = Steps(work(), at, scope.cancel)  # type: ignore[arg-type]
        await run(steps)
    return steps.count >= at


async def scope_after_turns(work: Work, turns: int) -> bool:
    """Cancel a scope after so many turns of the loop, which are steps of the inner task as well."""
    done = anyio.Event()

    async def watched() -> None:
        await work()
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watched)
        for _ in range(turns):
            await checkpoint()
        in_time = not done.is_set()
        group.cancel_scope.cancel()
    return in_time


async def natively_at_step(work: Work, at: int) -> bool:
    """Cancel the asyncio task itself at its n-th step."""
    steps = Steps(work(), at, lambda: task.cancel())  # type: ignore[arg-type]
    task = asyncio.create_task(run(steps))
    with suppress(asyncio.CancelledError):
        await task
    return steps.count >= at


async def natively_after_turns(work: Work, turns: int) -> bool:
    """Cancel the asyncio task itself after so many turns, and again at each turn that follows."""
    task: asyncio.Task[Any] = asyncio.create_task(run(work()))  # type: ignore[arg-type]
    for _ in range(turns):
        await checkpoint()
    in_time = not task.done()
    while not task.done():
        task.cancel()
        await checkpoint()
    with suppress(asyncio.CancelledError):
        await task
    return in_time


WAYS = [scope_at_step, scope_after_turns, natively_at_step, natively_after_turns]


@pytest.fixture(params=WAYS)
def cancel(request: pytest.FixtureRequest, anyio_backend: str) -> Cancel:
    if request.param in {natively_at_step, natively_after_turns} and anyio_backend == "trio":
        pytest.skip("trio knows scopes only")
    return request.param


def next_step(cancel: Cancel, at: int) -> int:
    """Return the next step to cancel at: each of the task's own, and ever fewer of the loop's turns."""
    if cancel in {scope_at_step, natively_at_step}:
        assert at < MAX_STEPS
        return at + 1
    assert at < MAX_TURNS
    return at + 1 + at // 15


class Database(MemoryTokenStore):
    """A store that takes its time."""

    async def load(self, account: str) -> Tokens | None:
        await checkpoint()
        return await super().load(account)

    async def save(self, account: str, tokens: Tokens) -> None:
        await checkpoint()
        await super().save(account, tokens)
        await checkpoint()


@pytest.fixture(params=["file", "memory", "database"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Authority], TokenStore]:
    if request.param != "file":
        kind = MemoryTokenStore if request.param == "memory" else Database
        return lambda authority: kind(clock=authority.clock)
    return lambda authority: FileTokenStore(tmp_path / "tokens.json", clock=authority.clock)


async def check_whole(authority: Authority, store: TokenStore) -> None:
    """The refresh token that is stored works, and the lock is free."""
    kept = await store.load("anna")
    assert kept is not None
    assert kept.refresh_token is not None
    assert kept.refresh_token.reveal() in authority.live
    before = authority.clock.monotonic()
    async with store.lock("anna"):
        assert authority.clock.monotonic() == before


@pytest.mark.parametrize("waiting", [False, True])
async def test_renew_cancelled_at_every_step(waiting: bool, cancel: Cancel, make_store: Any) -> None:
    """Also by one who waits for another's renewal."""
    at, in_time = 0, True
    while in_time:
        at = next_step(cancel, at)
        authority = fake()
        store, oauth = make_store(authority), None
        await store.save("anna", stored(authority, age=2 * DAY))
        oauth = authority.oauth(store)
        async with anyio.create_task_group() as group:
            if waiting:
                group.start_soon(oauth.access("anna", KEY).refresh)
                await checkpoint()
            in_time = await cancel(oauth.access("anna", KEY).refresh, at)
        await check_whole(authority, store)
        access = oauth.access("anna", KEY)
        await access.refresh()
        assert access.current() is not None
        assert authority.refreshes == 1  # what had been sent was not lost, what had not was not cut short
        await check_whole(authority, store)
    assert at > 1


async def test_exchange_cancelled_at_every_step(cancel: Cancel, make_store: Any) -> None:
    at, in_time = 0, True
    while in_time:
        at = next_step(cancel, at)
        authority = fake()
        store = make_store(authority)
        await store.remove("anna")
        oauth: OAuth = authority.oauth(store)
        in_time = await cancel(lambda oauth=oauth: oauth.exchange("anna", CODE), at)
        if authority.forms:
            await check_whole(authority, store)
            assert oauth.access("anna", KEY).current() is not None
        else:
            assert await oauth.exchange("anna", CODE)
    assert at > 1


async def test_a_cancel_while_the_answer_is_on_its_way_waits_for_it() -> None:
    """The request was sent and a cancel came: it is not cut off, and the cancel is raised in the end."""
    authority = fake()
    store = MemoryTokenStore(clock=authority.clock)
    old = stored(authority, age=2 * DAY)
    await store.save("anna", old)
    oauth = authority.oauth(store)
    with anyio.CancelScope() as scope:
        authority.on_answer = scope.cancel
        await oauth.access("anna", KEY).refresh()
        await checkpoint()
    assert scope.cancelled_caught
    assert await store.load("anna") != old
    assert oauth.access("anna", KEY).current() is not None


async def test_a_cancel_between_tries_comes_at_once() -> None:
    authority = fake()
    store = MemoryTokenStore(clock=authority.clock)
    await store.save("anna", stored(authority, age=2 * DAY))
    authority.answers = [(500, {})] * 3
    with anyio.CancelScope() as scope:
        authority.on_answer = scope.cancel
        await authority.oauth(store).access("anna", KEY).refresh()
    assert scope.cancelled_caught
    assert len(authority.forms) == 1


async def test_who_waits_goes_on_when_the_one_at_work_is_cancelled() -> None:
    authority = fake()
    store = MemoryTokenStore(clock=authority.clock)
    await store.save("anna", stored(authority, age=2 * DAY))
    access = authority.oauth(store).access("anna", KEY)
    first = anyio.CancelScope()

    async def hold(*, task_status: Any) -> None:
        async with store.lock("anna"):
            task_status.started()
            await authority.clock.sleep(5)

    async def give_up() -> None:
        with first:
            await access.refresh()

    async with anyio.create_task_group() as group:
        await group.start(hold)
        group.start_soon(give_up)
        await authority.clock.sleep(1)
        group.start_soon(access.refresh)
        await authority.clock.sleep(1)
        first.cancel()
    assert first.cancelled_caught
    assert access.current() is not None
    assert authority.refreshes == 1
