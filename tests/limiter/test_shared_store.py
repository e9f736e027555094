"""The store in a backend that fails, loses its counts, or is slow: told once, and nothing is spent twice."""

# ruff: noqa: ASYNC240  (files are small)

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from attrs import evolve

from enlighten_async.errors import BudgetExceeded, InputError, QuotaExhausted, StateUnavailable, UsageError
from enlighten_async.limiter import Plan, RateLimiter, Settlement, SharedQuotaStore, Take
from enlighten_async.limiter.decision import Sender
from enlighten_async.state import Change, DatabaseUnavailable, MemoryBackend, Moment, Name, StateFile
from enlighten_async.state.backend import MIN_ROOM_BYTES
from enlighten_async.testing import FakeClock
from enlighten_async.wire import Response
from tests.limiter.stores import TIMEOUT_S, Crowded, file_of, left, settle, sqlite_store, store_in
from tests.world import World

T = TypeVar("T")


NOW = 1000.0


DATE = 1_750_000_030


PLAN = Plan(minute=10, month=100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "state.db"


def landed() -> Settlement:
    """Return the end of a request that was answered."""
    return Settlement(NOW, NOW, DATE, True, True, DATE)


async def use(store: SharedQuotaStore, *tickets: int) -> list[bool]:
    """Use up requests, one after another; tell which of them could be."""
    granted = []
    for ticket in tickets:
        granted.append(await store.take(Take(ticket, PLAN), NOW) is None)
        settle(store, ticket, landed())
    await store.sync()
    return granted


EARLIER = (
    '{"charged":{"minute":{"29166667":4},"month":{"24305":40}},"closed":{"month":1751328000.0},"lost":0,'
    '"newest":5,"guard":[2.0,1750604831.2],"stamp":{"guessed":false,"least":1750000029.0,"monotonic":999.0,'
    '"most":1750000030.2,"number":4,"wall":1750000029.0},"tickets":[{"life":35.0,"number":5,'
    '"since":1750000028.9,"until":1750000067.2}]}'
)
"""A key's counts as an earlier version wrote them: 40 used this month, one in flight, the month closed."""


WORDS = ',"words":{"month":{"believed":100,"limit":90,"until":1750604831.2}}}'
"""The end of such counts where the server had named the limit: the plan's own was 100."""


@pytest.mark.parametrize("named", [False, True])
async def test_a_file_of_an_earlier_version_keeps_its_counts(path: Path, named: bool) -> None:
    """And what the server had said; the plan it was said of is known where the server named the limit."""
    earlier = EARLIER[:-1] + WORDS if named else EARLIER
    first = sqlite_store(path, a_clock())
    await use(first)
    await first.sync(refresh=True)
    file_of(first).transact(
        lambda file: file.execute("INSERT OR REPLACE INTO quota SELECT key, ? FROM quota", (earlier,))
    )
    await first.aclose()
    store = sqlite_store(path, a_clock())
    assert await store.take(Take(9, PLAN), NOW) is not None
    for plan in (PLAN, Plan(minute=100, month=10_000)):
        snapshot = store.read(lambda state, plan=plan: state.snapshot(plan, NOW))
        assert (snapshot.used, snapshot.in_flight) == ({"minute": 5, "month": 41}, 1)
        assert snapshot.blocked_until == ({} if named and plan is not PLAN else {"month": 1751328000.0})
    store.update(lambda state: state.forget_limits())
    assert await store.take(Take(10, PLAN), NOW) is None
    settle(store, 10, landed())
    await store.aclose()
    assert (await seen(path))["month"] == 100 - 42


async def seen(path: Path) -> dict[str, int]:
    """Return what another process finds is left."""
    store = sqlite_store(path, a_clock())
    await store.sync(refresh=True)
    found = left(store, PLAN, NOW)
    await store.aclose()
    return found


def a_clock() -> FakeClock:
    """Return the time at NOW."""
    return FakeClock(now=DATE, monotonic=NOW)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


async def test_a_locked_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Waited for at first; then the counts go on in memory, and are written as soon as it is free."""
    clock = a_clock()
    store = sqlite_store(path, clock)
    await use(store, 1, 2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert await use(store, 3) == [True]
    assert 5 <= clock.monotonic() - NOW <= 7
    before = clock.monotonic()
    assert await use(store, 4, 5, 6, 7, 8, 9, 10, 11) == [True] * 7 + [False]
    assert clock.monotonic() == before  # it is not waited for each time
    assert [text for text in warnings(caplog) if "counted in memory" in text] == warnings(caplog)[:1]
    other.execute("ROLLBACK")
    other.close()
    await store.sync(refresh=True)
    assert (await seen(path))["month"] == 90
    assert "can be used again" in warnings(caplog)[-1]
    await store.aclose()


async def test_what_was_settled_is_left_to_the_next_take(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where others are at the file for more than a second: no count goes on in memory alone for that."""
    clock = a_clock()
    store = sqlite_store(path, clock)
    await use(store, 1)
    assert await store.take(Take(2, PLAN), NOW) is None
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        settle(store, 2, landed())
        await store.sync()
        assert 1 <= clock.monotonic() - NOW <= 2
        other.execute("ROLLBACK")
    assert await store.take(Take(3, PLAN), NOW) is None
    assert (await seen(path))["minute"] == 7
    assert warnings(caplog) == []
    await store.aclose()


async def test_a_file_held_for_a_moment(path: Path) -> None:
    """Nothing is said, and it is written."""
    clock = a_clock()
    store = sqlite_store(path, clock)
    await use(store, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(use, store, 2)
        await clock.sleep(1)
        other.execute("ROLLBACK")
        other.close()
    assert (await seen(path))["month"] == 98
    await store.aclose()


async def test_a_deleted_file_is_begun_with_what_is_known(path: Path) -> None:
    """Nothing that was spent is forgotten; what is in flight stays so."""
    store = sqlite_store(path, a_clock())
    await use(store, 1, 2, 3)
    assert await store.take(Take(4, PLAN), NOW) is None
    path.unlink()
    assert await use(store, 5) == [True]
    assert await seen(path) == {"month": 95, "minute": 5}
    settle(store, 4, Settlement(None, NOW))
    await store.aclose()
    assert await seen(path) == {"month": 96, "minute": 6}


async def test_an_older_copy_does_not_make_the_counts_less(path: Path, tmp_path: Path) -> None:
    """Whoever puts a backup back gets no quota for it."""
    store = sqlite_store(path, a_clock())
    await use(store, 1, 2)
    shutil.copy(path, tmp_path / "copy")
    await use(store, 3, 4, 5)
    (tmp_path / "copy").replace(path)
    assert await use(store, 6) == [True]
    assert (await seen(path))["month"] == 94
    await store.aclose()


@pytest.mark.parametrize("damage", ["page", "counts"])
async def test_a_broken_file_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    """The counts go on from what is known here."""
    store = sqlite_store(path, a_clock())
    await use(store, 1, 2)
    if damage == "page":
        file_of(store).release()
        path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    else:
        with sqlite3.connect(path) as other:
            other.execute("UPDATE quota SET counts = '[]'")
        other.close()
    assert await use(store, 3) == [True]
    assert (await seen(path))["month"] == 97
    assert (path.parent / "state.db.broken-1").exists()
    assert [("broken-1" in text) for text in warnings(caplog)] == [True]
    await store.aclose()


class Failing(StateFile):
    """A file on a disk that may be full, or may not be written."""

    failure = ""

    def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Fail, or do the work."""
        if self.failure:
            raise DatabaseUnavailable(self.failure)
        return super().transact(work)


@pytest.mark.parametrize("failure", ["database or disk is full", "attempt to write a readonly database"])
async def test_a_disk_that_takes_nothing(path: Path, caplog: pytest.LogCaptureFixture, failure: str) -> None:
    """It is said once, and what was spent is written when there is room."""
    file = Failing(path, durable=False)
    store = store_in(file, a_clock())
    await use(store, 1)
    file.failure = failure
    assert await use(store, 2, 3) == [True, True]
    assert left(store, PLAN, NOW)["month"] == 97
    assert (await seen(path))["month"] == 99
    assert [failure in text for text in warnings(caplog)] == [True]
    file.failure = ""
    await store.aclose()
    assert (await seen(path))["month"] == 97


async def test_a_folder_that_is_gone(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The limit holds all the same, and the counts are written when it is back."""
    folder = tmp_path / "folder"
    folder.mkdir()
    store = sqlite_store(folder / "state.db", a_clock())
    await use(store, 1)
    folder.rename(tmp_path / "away")
    assert await use(store, *range(2, 13)) == [True] * 9 + [False] * 2
    (tmp_path / "away").rename(folder)
    await use(store, 20)
    assert (await seen(folder / "state.db"))["month"] == 90
    assert ["cannot be used" in text for text in warnings(caplog)] == [False, True, False]
    await store.aclose()


async def test_a_request_across_a_fault(path: Path, tmp_path: Path) -> None:
    """Taken in memory and settled in the file, or the other way: charged once."""
    folder = tmp_path / "folder"
    folder.mkdir()
    store = sqlite_store(folder / "state.db", a_clock())
    await use(store, 1)
    assert await store.take(Take(2, PLAN), NOW) is None
    folder.rename(tmp_path / "away")
    settle(store, 2, landed())
    assert await store.take(Take(3, PLAN), NOW) is None
    (tmp_path / "away").rename(folder)
    await store.sync(refresh=True)
    assert await seen(folder / "state.db") == {"month": 97, "minute": 7}
    settle(store, 3, landed())
    await store.aclose()
    assert await seen(folder / "state.db") == {"month": 97, "minute": 7}


async def test_a_newer_file_is_refused_before_anything_is_sent(path: Path) -> None:
    """That is no fault of the file: to go on without it would be a surprise."""
    store = sqlite_store(path, a_clock())
    await use(store, 1)
    file_of(store).transact(lambda connection: connection.execute("PRAGMA user_version = 99"))
    await store.aclose()
    with pytest.raises(InputError, match="newer version"):
        await store.take(Take(2, PLAN), NOW)
    settle(store, 2, Settlement(None, NOW))
    await store.aclose()


async def test_a_child_process_begins_anew(path: Path) -> None:
    """What its parent has noted is written by the parent, once; what both may spend is in the file."""
    parent, child = (sqlite_store(path, a_clock()) for _ in range(2))
    for store in (parent, child):  # the child is what a fork would have copied
        assert await store.take(Take(1 if store is parent else 2, PLAN), NOW) is None
        settle(store, 1 if store is parent else 2, landed())
    child.backend._turn.acquire()
    child.begin_anew()
    await child.sync(refresh=True)
    assert left(child, PLAN, NOW)["month"] == 98
    assert await use(child, 3) == [True]
    await parent.sync()
    assert (await seen(path))["month"] == 97
    await child.aclose()
    await parent.aclose()


async def take(store: SharedQuotaStore, ticket: int, rank: int) -> bool:
    """Tell whether a request of a class is granted, and end it; it is not left in flight if it is refused."""
    try:
        granted = await store.take(Take(ticket, PLAN, rank), NOW) is None
    except UsageError as refusal:
        granted, told = False, str(refusal)
        assert told.startswith(str(file_of(store).path))
        assert "make room on the disk" in told
    settle(store, ticket, landed() if granted else Settlement(None, NOW))
    return granted


async def test_a_full_disk_refuses_whom_nobody_waits_for(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once, as long as it lasts; who waits is served all the while."""
    file = Crowded(path, durable=False)
    store = store_in(file, a_clock())
    granted = []
    for free in (None, MIN_ROOM_BYTES - 1, 0, MIN_ROOM_BYTES):
        file.free = free
        granted.append([await take(store, 10 * len(granted) + rank, rank) for rank in (0, 1, 2)])
    assert granted == [[True] * 3] + [[True, False, False]] * 2 + [[True] * 3]
    told = ["poll and backfill are refused", "every priority are sent"]
    assert [words in text for words, text in zip(told, warnings(caplog), strict=True)] == [True, True]
    await store.aclose()
    assert (await seen(path))["month"] == 100 - 8


async def test_answers_that_cannot_be_written_refuse_whom_nobody_waits_for(path: Path) -> None:
    """Each of them tries once more to write, and is granted when that succeeds."""
    file = StateFile(path, durable=False)
    store = store_in(file, a_clock())
    full = [True]

    def answer(connection: sqlite3.Connection) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        connection.execute("INSERT INTO meta VALUES ('answer', x'')")

    file.pending.add(answer)
    assert [await take(store, rank, rank) for rank in (0, 1, 2)] == [True, False, False]
    assert len(file.pending) == 1
    full.clear()
    assert await take(store, 3, 2)
    assert len(file.pending) == 0
    await store.aclose()
    assert (await seen(path))["month"] == 98


@pytest.mark.parametrize("failure", ["database or disk is full", "attempt to write a readonly database"])
async def test_counts_that_cannot_be_written_refuse_whom_nobody_waits_for(path: Path, failure: str) -> None:
    """What could not be kept is not bought; a file that others hold for a while is no such fault."""
    file = Failing(path, durable=False)
    store = store_in(file, a_clock())
    file.failure = failure
    assert [await take(store, rank, rank) for rank in (0, 1, 2)] == [True, False, False]
    file.failure = ""
    assert await take(store, 3, 2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert await take(store, 4, 2)
    other.close()
    await store.aclose()
    assert (await seen(path))["month"] == 97


async def test_the_place_of_a_killed_process_comes_free(path: Path) -> None:
    """After the time that a request may take, and 5 s; so does its say in how many may be in flight."""
    clock, killed, other = a_clock(), Sender(1, 1), Sender(2, 2)
    first, second = sqlite_store(path, clock), sqlite_store(path, clock)
    await use(first, 1)
    assert await first.take(Take(2, PLAN, sender=killed), clock.monotonic()) is None  # and is killed
    began = clock.monotonic()
    while (wait := await second.take(Take(3, PLAN, sender=other), clock.monotonic())) is not None:
        assert (wait.reason, wait.in_flight) == ("in_flight", 1)
        await clock.sleep(0.5)
    assert TIMEOUT_S + 5 <= clock.monotonic() - began < TIMEOUT_S + 10
    assert await second.take(Take(4, PLAN, sender=other), clock.monotonic()) is None
    assert await second.take(Take(5, PLAN, sender=other), clock.monotonic()) is not None
    for store in (first, second):
        await store.aclose()


class Remote(MemoryBackend):
    """A backend on a server, which may be away, slow, or forget.

    Attributes:
        updates: the number of updates.
        away: whether it cannot be reached.
        durable: whether it says that it forgets nothing.
        gate: lets an update go on; `None`: at once.
        returns: lets an update that is committed return.
    """

    remote = True

    def __init__(self, clock: FakeClock, *, durable: bool = True) -> None:
        super().__init__(clock)
        self.updates, self.away, self.durable = 0, False, durable
        self.gate: anyio.Event | None = None
        self.returns: anyio.Event | None = None

    def __str__(self) -> str:
        return "server://host"

    async def update(
        self, name: Name, change: Change, *, timeout_s: float, keeps_answers: bool = False
    ) -> None:
        """Change a text, unless it is away."""
        self.updates += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise DatabaseUnavailable("connection refused")
        await super().update(name, Told(change, self.durable), timeout_s=timeout_s)
        if self.returns is not None:
            await self.returns.wait()


class Told:
    """A change that is told whether the backend is durable."""

    def __init__(self, change: Change, durable: bool) -> None:
        self._change, self._durable, self.committed = change, durable, change.committed

    def apply(self, text: str | None, moment: Moment) -> str | None:
        """Apply the change."""
        return self._change.apply(text, evolve(moment, durable=self._durable))


def remote_store(backend: MemoryBackend, clock: FakeClock) -> SharedQuotaStore:
    """Return the store of a key on a server."""
    return SharedQuotaStore(backend, lambda salt: salt + b"key", clock=clock, timeout=TIMEOUT_S)


async def test_what_is_asked_meanwhile_is_decided_together() -> None:
    """One update for the first, one for all that ask while it is under way."""
    backend = Remote(clock := a_clock())
    store, decided = remote_store(backend, clock), list[int]()
    await use(store, 1)
    before, backend.gate = backend.updates, anyio.Event()

    async def ask(ticket: int) -> None:
        if await store.take(Take(ticket, PLAN), NOW) is None:
            decided.append(ticket)

    async with anyio.create_task_group() as tasks:
        for ticket in range(2, 15):
            tasks.start_soon(ask, ticket)
        await anyio.wait_all_tasks_blocked()
        backend.gate.set()
    assert (len(decided), backend.updates - before) == (9, 2)


async def test_what_is_settled_meanwhile_is_written_together() -> None:
    """By all callers of `sync` in one update, which also decides what is asked by then."""
    backend = Remote(clock := a_clock())
    store = remote_store(backend, clock)
    await use(store, 1)
    for ticket in range(2, 8):
        assert await store.take(Take(ticket, PLAN), NOW) is None
    before, backend.gate = backend.updates, anyio.Event()

    async def answered(ticket: int) -> None:
        settle(store, ticket, landed())
        await store.sync()

    async def ask(ticket: int) -> None:
        assert await store.take(Take(ticket, PLAN), NOW) is None

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answered, 2)
        await anyio.wait_all_tasks_blocked()
        for ticket in range(3, 8):
            tasks.start_soon(answered, ticket)
        tasks.start_soon(ask, 8)
        await anyio.wait_all_tasks_blocked()
        backend.gate.set()
    assert backend.updates - before == 2
    other = remote_store(backend, clock)
    await other.sync(refresh=True)
    found = other.read(lambda state: state.snapshot(PLAN, NOW))
    assert (found.used["month"], found.in_flight) == (8, 1)


async def test_of_many_that_wait_for_a_server_that_hangs_one_finds_out() -> None:
    """The others are told at once what it has met, and who comes later tries again."""
    backend = Remote(clock := a_clock())
    store, told = remote_store(backend, clock), list[str]()
    await use(store, 1)
    before, backend.gate, backend.away = backend.updates, anyio.Event(), True

    async def refresh() -> None:
        try:
            await store.sync(refresh=True)
        except StateUnavailable as error:
            told.append(str(error))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(refresh)
        await anyio.wait_all_tasks_blocked()
        backend.gate.set()
    assert (len(told), len(set(told)), backend.updates - before) == (5, 1, 1)
    backend.away = False
    await refresh()
    assert (len(told), backend.updates - before) == (5, 2)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_settled_is_written_with_what_is_asked_by_then() -> None:
    """Where requests are in flight, who waits for the place of one that ends asks at once: one update."""
    backend = Remote(clock := a_clock())
    store = remote_store(backend, clock)
    await use(store, 1)
    for ticket in (2, 3):
        assert await store.take(Take(ticket, PLAN), NOW) is None
    before, left_place = backend.updates, anyio.Event()

    async def ask() -> None:
        await left_place.wait()
        assert await store.take(Take(4, PLAN), NOW) is None

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        left_place.set()
        settle(store, 2, landed())
        await store.sync()
    assert backend.updates - before == 1
    other = remote_store(backend, clock)
    await other.sync(refresh=True)
    found = other.read(lambda state: state.snapshot(PLAN, NOW))
    assert (found.used["month"], found.in_flight) == (4, 2)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_native_cancel_does_not_keep_what_was_settled_from_being_written() -> None:
    """By a caller that waits for another's update; the cancel comes after that."""
    backend = Remote(clock := a_clock())
    store = remote_store(backend, clock)
    await use(store, 1)
    for ticket in (2, 3):
        assert await store.take(Take(ticket, PLAN), NOW) is None
    backend.returns = anyio.Event()
    settle(store, 2, landed())
    first = asyncio.create_task(store.sync())
    await anyio.wait_all_tasks_blocked()
    settle(store, 3, landed())
    second = asyncio.create_task(store.sync())
    await anyio.wait_all_tasks_blocked()
    second.cancel()
    await anyio.wait_all_tasks_blocked()
    backend.returns.set()
    with pytest.raises(asyncio.CancelledError):
        await second
    await first
    other = remote_store(backend, clock)
    await other.sync(refresh=True)
    found = other.read(lambda state: state.snapshot(PLAN, NOW))
    assert (found.used["month"], found.in_flight) == (3, 0)


async def test_a_caller_that_is_cancelled_is_not_decided_with_the_others() -> None:
    """Nobody would settle its request."""
    backend = Remote(clock := a_clock())
    store = remote_store(backend, clock)
    await use(store, 1)
    backend.gate, scope = anyio.Event(), anyio.CancelScope()

    async def ask(ticket: int) -> None:
        assert await store.take(Take(ticket, PLAN), NOW) is None

    async def ask_in_vain() -> None:
        with scope:
            await store.take(Take(9, PLAN), NOW)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, 2)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask_in_vain)
        tasks.start_soon(ask, 3)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        backend.gate.set()
    assert store.read(lambda state: state.snapshot(PLAN, NOW)).in_flight == 2


async def test_nothing_is_sent_while_a_server_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """Who asks waits, until it is back, or has been away for two minutes; it is told once."""
    backend = Remote(clock := a_clock())
    store = remote_store(backend, clock)
    assert await use(store, 1) == [True]
    backend.away = True
    for _ in range(3):
        wait = await store.take(Take(2, PLAN), clock.monotonic())
        assert wait is not None
        assert (wait.reason, wait.certain) == ("state", False)
        assert wait.at is not None
        assert 0 < wait.at - clock.monotonic() <= 2
    assert [("connection refused" in text) for text in warnings(caplog)] == [True]
    await clock.sleep(121)
    with pytest.raises(StateUnavailable, match=r"server://host cannot be reached \(connection refused\)"):
        await store.take(Take(3, PLAN), clock.monotonic())
    await store.sync()
    with pytest.raises(StateUnavailable, match="cannot be reached"):
        await store.sync(refresh=True)
    backend.away = False
    assert await store.take(Take(4, PLAN), clock.monotonic()) is None
    assert store.read(lambda state: state.snapshot(PLAN, clock.monotonic())).in_flight == 1
    assert "can be used again" in warnings(caplog)[-1]


async def test_a_server_that_is_away_is_waited_for_within_the_patience() -> None:
    """And the error says so."""
    backend = Remote(clock := FakeClock())
    limiter = RateLimiter(store=remote_store(backend, clock), plan=PLAN, clock=clock)
    backend.away = True
    with pytest.raises(BudgetExceeded, match="the state cannot be reached"):
        await limiter.acquire(limiter.waiter(), max_wait=10)
    assert limiter.queued == 0

    async def come_back() -> None:
        await clock.sleep(20)
        backend.away = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(come_back)
        (await limiter.acquire(limiter.waiter())).settle()


async def test_a_month_whose_counts_may_be_lost_is_not_known() -> None:
    """Somebody has to tell how much of it is used; and the running minute is taken to be full."""
    backend = Remote(clock := a_clock(), durable=False)
    store, minute_only = remote_store(backend, clock), Plan(minute=10)
    wait = await store.take(Take(1, PLAN), clock.monotonic())
    assert wait is not None
    assert (wait.reason, wait.period, wait.certain) == ("month", "unknown", True)
    assert not store.read(lambda state: state.snapshot(PLAN, clock.monotonic())).knows_month
    assert left(store, PLAN, clock.monotonic()) == {"month": 0, "minute": 0}
    store.update(lambda state: state.set_month_used(40, clock.monotonic(), clock.now()))
    assert store.read(lambda state: state.snapshot(PLAN, clock.monotonic())).knows_month
    assert left(store, PLAN, clock.monotonic()) == {"month": 60, "minute": 0}
    for plan in (PLAN, minute_only):
        wait = await store.take(Take(2, plan), clock.monotonic())
        assert wait is not None
        assert (wait.reason, wait.certain) == ("minute", True)
        assert wait.at is not None
        assert 60 <= wait.at - clock.monotonic() <= 66
    await clock.sleep(66)
    assert await store.take(Take(3, minute_only), clock.monotonic()) is None
    settle(store, 3, Settlement(None, clock.monotonic()))
    assert await store.take(Take(4, PLAN), clock.monotonic()) is None
    assert left(store, PLAN, clock.monotonic())["month"] == 59
    other = remote_store(backend, clock)
    assert await other.take(Take(5, PLAN), clock.monotonic()) is None


async def test_a_plan_without_a_month_loses_a_minute_alone() -> None:
    """Where counts may be lost, and nobody tells of the month."""
    backend, plan = Remote(clock := a_clock(), durable=False), Plan(minute=10)
    store = remote_store(backend, clock)
    assert await store.take(Take(1, plan), clock.monotonic()) is not None
    await clock.sleep(66)
    assert await store.take(Take(2, plan), clock.monotonic()) is None


async def test_whoever_knows_tells_a_server_that_has_lost_all() -> None:
    """A program that began meanwhile, and knew nothing, goes by that."""
    backend = Remote(clock := a_clock(), durable=False)
    old = remote_store(backend, clock)
    old.update(lambda state: state.set_month_used(0, NOW, DATE))
    await old.sync()
    await clock.sleep(66)
    assert await old.take(Take(1, PLAN), clock.monotonic()) is None
    now = clock.monotonic()
    settle(old, 1, Settlement(now, now, clock.now(), True, True, int(clock.now())))
    await old.sync()
    fresh = Remote(clock, durable=False)
    new = remote_store(fresh, clock)
    assert await new.take(Take(2, PLAN), now) is not None
    old.backend = fresh
    assert await old.take(Take(3, PLAN), now) is None
    assert await new.take(Take(4, PLAN), now) is None
    assert left(new, PLAN, now)["month"] == 97


@pytest.mark.parametrize("max_wait", [None, 60])
async def test_a_month_that_nobody_knows_is_told_of_by_each_query(max_wait: float | None) -> None:
    """However long it waits: waiting is not what helps."""
    world = World()
    store = remote_store(Remote(world.clock, durable=False), world.clock)
    client = world.client(plan=PLAN, quota_store=store)
    with pytest.raises(QuotaExhausted, match="nobody knows how much of this month is used"):
        await client.with_options(max_wait=max_wait).summary(world.system)
    assert world.emulator.counts.sent == 0


async def test_a_month_that_nobody_knows_is_told_of_by_the_limiter() -> None:
    """As the month's quota, with what to do."""
    backend = Remote(clock := FakeClock(), durable=False)
    limiter = RateLimiter(store=remote_store(backend, clock), plan=PLAN, clock=clock)
    with pytest.raises(QuotaExhausted, match="nobody knows how much of this month is used") as caught:
        await limiter.acquire(limiter.waiter())
    assert caught.value.period == "month"
    await limiter.set_month_used(0)
    (await limiter.acquire(limiter.waiter())).settle()


async def test_who_waits_for_the_minute_does_not_ask_in_vain() -> None:
    """All that ask together are told once; then the first of them asks when the minute is over."""
    clock = FakeClock(now=DATE)
    backend = Remote(clock)
    limiter = RateLimiter(store=remote_store(backend, clock), plan=Plan(minute=3), clock=clock)
    backend.gate = anyio.Event()
    backend.gate.set()
    sent: list[float] = []

    async def send() -> None:
        grant = await limiter.acquire(limiter.waiter())
        now = clock.monotonic()
        sent.append(now)
        grant.settle(now, Response(200, b"", date=int(clock.now()), sent_at=now, received_at=now))

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(send)
    minutes = len({int(moment // 60) for moment in sent})
    assert (len(sent), minutes >= 9) == (30, True)
    assert backend.updates < 4 * 30
