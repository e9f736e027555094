"""Leases: which systems of a fleet this process polls, where the processes of several machines share it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from hashlib import blake2b
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from attrs import define, evolve, field, frozen
from filelock import FileLock, Timeout

from enlighten_async.client import EnlightenClient
from enlighten_async.errors import InputError
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.follow import Cursors, Follower
from enlighten_async.fleet.notes import Notes
from enlighten_async.fleet.schedule import phase
from enlighten_async.fleet.sinks import Sink, StaleFence
from enlighten_async.fleet.sinks.base import write_fenced
from enlighten_async.state import (
    MAX_AWAY_S,
    OWNER_ONLY,
    DatabaseUnavailable,
    Moment,
    PostgresBackend,
    SqliteBackend,
    StateBackend,
    in_thread,
    unavailable,
)

if TYPE_CHECKING:
    import asyncpg

    from enlighten_async.clock import Clock

SHARDS: Final = 64
"""Parts of a fleet that are leased, each as a whole."""

LEASE: Final = timedelta(seconds=30)
"""The length of a lease: so long nobody polls the systems of a machine that died."""

MIN_LEASE: Final = timedelta(seconds=1)
"""The shortest lease."""

RETRY_S: Final = 1.0
"""Seconds until a state that is away is asked again."""

NOTES_TIMEOUT_S: Final = 2.0
"""Seconds for which the notes of a fleet wait for others that hold the state."""

GIVE_BACK_S: Final = 5.0
"""Seconds for which the state is waited for when leases are given back."""

logger = logging.getLogger("enlighten_async")

_MAKE_SHARDS: Final = """
    INSERT INTO enlighten_leases SELECT $1, shard FROM generate_series(0, $2 - 1) AS shard
    ON CONFLICT DO NOTHING
"""
_HAS_SHARDS: Final = "SELECT count(*) FROM enlighten_leases WHERE fleet = $1"
_FORGET_DEAD: Final = "DELETE FROM enlighten_workers WHERE fleet = $1 AND until < clock_timestamp()"
_LIVE: Final = """
    INSERT INTO enlighten_workers VALUES ($1, $2, clock_timestamp() + $3)
    ON CONFLICT (fleet, worker) DO UPDATE SET until = excluded.until
"""
_WORKERS: Final = "SELECT count(*) FROM enlighten_workers WHERE fleet = $1"
_RENEW: Final = """
    UPDATE enlighten_leases SET until = clock_timestamp() + $3 WHERE fleet = $1 AND worker = $2
    RETURNING shard, fence
"""
_CLAIM: Final = """
    UPDATE enlighten_leases AS mine SET worker = $2, until = clock_timestamp() + $3,
        fence = greatest(
            (SELECT max(fence) FROM enlighten_leases WHERE fleet = $1) + 1,
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
        )
    FROM (
        SELECT shard, until FROM enlighten_leases WHERE fleet = $1 AND until < clock_timestamp()
        ORDER BY until, shard LIMIT $4 FOR UPDATE SKIP LOCKED
    ) AS free
    WHERE mine.fleet = $1 AND mine.shard = free.shard
    RETURNING mine.shard, mine.fence, free.until > '-infinity'
"""
_GIVE_BACK: Final = """
    UPDATE enlighten_leases SET worker = '', until = '-infinity'
    WHERE fleet = $1 AND worker = $2 AND shard = ANY($3::integer[])
"""
_LEAVE: Final = "DELETE FROM enlighten_workers WHERE fleet = $1 AND worker = $2"


def shard_of(system_id: int) -> int:
    """Return the number of the shard of a system, the same on each machine.

    Args:
        system_id: the service's number of it.
    """
    return int(phase(system_id, "shard") * SHARDS)


@frozen
class Held:
    """The shards of a process, as of its last look at the leases."""

    fences: Mapping[int, int]
    """The fence of each shard that is held, by its number."""
    fair: int
    """The shards that each of the processes that are there may hold."""
    expired: Collection[int] = ()
    """Those that came now from a process that did not give them back: its requests may be in flight."""


class LeaseTable:
    """The leases of a fleet in PostgreSQL, by the clock of the server.

    A lease is taken by whoever comes first after its end, and has a fence: a number that is greater than
    those of all leases of the fleet that were taken before, also where the database was made anew.

    Args:
        backend: a connection of its own to the state.
        fleet: returns the name of the fleet, given the state's salt.
        worker: the name of this process, which no other one has.
        length: the length of a lease.
    """

    def __init__(
        self, backend: PostgresBackend, fleet: Callable[[bytes], str], worker: str, length: timedelta
    ) -> None:
        self._backend, self._fleet, self._worker, self.length = backend, fleet, worker, length

    def __str__(self) -> str:
        return str(self._backend)

    async def refresh(self) -> Held:
        """Renew the leases that are held, and take free ones, up to a fair share.

        Raises:
            DatabaseUnavailable: the state cannot be reached, or fails.
            InputError: it refuses the user, say; or this is not asyncio.
        """
        return await self._backend.perform(self._refreshed, timeout_s=self.length.total_seconds() / 3)

    async def give_back(self, shards: Sequence[int], *, leaves: bool = False) -> None:
        """Give leases back, so that others may take them at once.

        Args:
            shards: numbers of the shards.
            leaves: whether this process ends, and no share is kept for it.

        Raises:
            DatabaseUnavailable: the state cannot be reached, or fails.
            InputError: as for `refresh`.
        """

        async def given(connection: asyncpg.Connection) -> None:
            me = self._fleet(self._backend.salt), self._worker
            async with connection.transaction():
                await connection.execute(_GIVE_BACK, *me, list(shards))
                if leaves:
                    await connection.execute(_LEAVE, *me)

        await self._backend.perform(given, timeout_s=GIVE_BACK_S)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._backend.aclose()

    async def _refreshed(self, connection: asyncpg.Connection) -> Held:
        fleet = self._fleet(self._backend.salt)
        me = fleet, self._worker, self.length
        if await connection.fetchval(_HAS_SHARDS, fleet) < SHARDS:
            await connection.execute(_MAKE_SHARDS, fleet, SHARDS)
        await connection.execute(_LIVE, *me)
        await connection.execute(_FORGET_DEAD, fleet)
        fences = dict(await connection.fetch(_RENEW, *me))
        fair = -(-SHARDS // await connection.fetchval(_WORKERS, fleet))
        if len(fences) >= fair:
            return Held(fences, fair)
        claimed = await connection.fetch(_CLAIM, *me, fair - len(fences))
        fences |= {shard: fence for shard, fence, _ in claimed}
        return Held(fences, fair, [shard for shard, _, expired in claimed if expired])


class NotesInState:
    """The notes of a fleet in the state that its clients share.

    Args:
        backend: the state.
        fleet: returns the name of the fleet, given the state's salt.
        now: returns the time, epoch seconds.
        holds: whether the sink holds rows.
    """

    def __init__(
        self,
        backend: StateBackend,
        fleet: Callable[[bytes], str],
        now: Callable[[], float],
        *,
        holds: bool = False,
    ) -> None:
        self._backend, self._fleet, self._now, self._holds = backend, fleet, now, holds

    async def change(self, change: Callable[[Notes], Notes]) -> Notes | None:
        """Change the notes, and return them; `None` where the state cannot be reached, or used, now.

        Then whoever is next takes more for unwritten than is, and finds out who is silent.

        Args:
            change: returns the new ones, given those that are there.

        Raises:
            InputError: the state is a newer version's or another program's.
        """
        update = _Update(partial(Notes.of, now=self._now(), holds=self._holds), change)
        try:
            await self._backend.update(self._name, update, timeout_s=NOTES_TIMEOUT_S)
        except DatabaseUnavailable as away:
            logger.debug("a fleet is not noted: %s", away)
            return None
        return update.after

    def _name(self, salt: bytes) -> bytes:
        text = f"notes of {self._fleet(salt)}"
        return blake2b(text.encode(), key=salt[:64], digest_size=32).digest()


class _Update:
    """A change of the text of notes."""

    after: Notes

    def __init__(self, read: Callable[[str | None], Notes], change: Callable[[Notes], Notes]) -> None:
        self._read, self._change = read, change

    def apply(self, text: str | None, _moment: Moment) -> str | None:
        """Return the new text, where it is another one."""
        self.after = self._change(self._read(text))
        return None if (new := self.after.text()) == text else new

    def committed(self) -> None:
        """Do nothing."""


@define(eq=False)
class Keeper:
    """The sink of a fleet that this process follows alone."""

    sink: Sink
    """Who keeps the rows."""
    longest_wait: float = inf
    """Seconds after which whoever polls has to come back, at the most."""

    def __repr__(self) -> str:
        return repr(self.sink)

    async def write(self, changes: Sequence[Change]) -> None:
        """Have changes kept; the errors are those of the sink."""
        await self.sink.write(changes)

    async def settle(self) -> None:
        """Note that all that was polled is written."""


@define(eq=False)
class SoleKeeper(Keeper):
    """The sink of a fleet that this process follows alone, with a state file."""

    notes: NotesInState = field(kw_only=True)
    """The notes for the next process."""
    follower: Follower = field(kw_only=True)
    """Who makes the polls."""
    _writes: bool = field(default=False, init=False)
    """Whether changes are being written, or could not be."""
    _noted: int = field(default=0, init=False)
    """The polls that had come to an end at the last note."""

    async def write(self, changes: Sequence[Change]) -> None:
        """Have changes kept; the errors are those of the sink."""
        self._writes = True
        await self.sink.write(changes)
        self._writes = False
        await self.settle()

    async def settle(self) -> None:
        """Note that all that was polled is written, unless nothing was."""
        if self.follower.polls > self._noted:
            self._noted = self.follower.polls
            await self._note(lambda notes: notes.after_write(self.follower.now(), self._in_doubt()))

    @asynccontextmanager
    async def noted(self) -> AsyncIterator[None]:
        """Go on where the notes are; and note at the end whether the sink has all that was polled."""
        notes = await self.notes.change(lambda notes: notes.begun(self.follower.now()))
        if notes is not None:  # else all answers are in doubt
            self.follower.roster.unwritten = notes.periods
            self.follower.set_pauses(notes.pauses)
            for member in self.follower.roster.members:
                member.in_doubt = member.system_id in notes.in_doubt
        try:
            yield
        finally:
            if not self._writes and not self.follower.ready:
                with anyio.CancelScope(shield=True):
                    await self._note(lambda notes: evolve(notes, in_doubt=self._in_doubt(), ended=True))

    async def _note(self, change: Callable[[Notes], Notes]) -> None:
        pauses = self.follower.pauses()
        await self.notes.change(lambda notes: change(notes).with_pauses(pauses, lambda _: True))

    def _in_doubt(self) -> frozenset[int]:
        return frozenset(each.system_id for each in self.follower.roster.members if each.in_doubt)


@define(eq=False)
class LeasedKeeper(Keeper):
    """The sink of a fleet that several processes follow: it has written what this one holds the lease of."""

    table: LeaseTable = field(kw_only=True)
    """The leases."""
    notes: NotesInState = field(kw_only=True)
    """The notes for whoever holds a lease next."""
    follower: Follower = field(kw_only=True)
    """Who makes the polls."""
    series: str = field(kw_only=True)
    """Name of the series."""
    clock: Clock = field(kw_only=True)
    """The source of time."""
    _fences: dict[int, int] = field(factory=dict, init=False)
    """The fences of the shards that are held, by their numbers."""
    _newest: int = field(default=0, init=False)
    """The newest fence that this process has had: when it came, no lease of those that are held was lost."""
    _expired: set[int] = field(factory=set, init=False)
    """Shards of which answers may be cached, or on their way, that nobody writes: their lease ended early."""
    _leaving: set[int] = field(factory=set, init=False)
    """Shards that are given back as soon as all that was polled of them is written."""
    _good_until: float = field(default=-inf, init=False)
    """When the leases end if they are not renewed, by the monotonic clock."""
    _turn: anyio.Lock = field(factory=anyio.Lock, init=False)
    """Held while the sink is used: by who polls, or by who takes leases."""
    _renewal: asyncio.Task[None] | None = field(default=None, init=False)

    async def write(self, changes: Sequence[Change]) -> None:
        """Have changes kept of the systems whose lease is held; of the others whoever holds them asks again.

        Raises:
            OSError: the sink cannot now.
            InputError: it refuses.
        """
        try:
            await self._write(changes)
        except StaleFence as stale:
            logger.debug("one part after another is written: %s", stale)
            parts: dict[int, list[Change]] = {}
            for change in changes:
                parts.setdefault(shard_of(change.system_id), []).append(change)
            for shard, own in parts.items():
                try:
                    await self._write(own)
                except StaleFence:
                    self._lose({shard})
        await self._note()

    async def _note(self) -> None:
        """Note which systems are asked less often than others."""
        pauses, held = self.follower.pauses(), frozenset(self._fences)
        await self.notes.change(lambda notes: notes.with_pauses(pauses, lambda each: shard_of(each) in held))

    async def _write(self, changes: Sequence[Change]) -> None:
        """Write at once what is held, with the newest fence: a system has been written with it before."""
        async with self._turn:
            fences = self._fences if self.clock.monotonic() < self._good_until else {}
            own = [each for each in changes if shard_of(each.system_id) in fences]
            # Whoever holds the others next, be it this process, goes on where the sink is.
            self._lose({shard_of(each.system_id) for each in changes} - set(fences))
            if own:
                await write_fenced(self.sink, own, self._newest)

    async def settle(self) -> None:
        """Give back what is too much of a share: all that was polled of it is written."""
        if self._renewal is not None and self._renewal.done():
            self._renewal.result()
        if not self._leaving:
            return
        try:
            await self.table.give_back(sorted(self._leaving))
        except DatabaseUnavailable as away:
            logger.info("leases are given back later: %s", away)
        else:
            self._leaving.clear()

    async def renew_for_ever(self) -> None:
        """Renew the leases, and take those that come free, each third of their length."""
        away = False
        while True:
            try:
                await self.renew()
                away = False
            except (DatabaseUnavailable, OSError) as error:
                if not away:
                    logger.warning("the leases of the fleet cannot be renewed: %s", error)
                away = True
                self._end()
            await self.clock.sleep(RETRY_S if away else self.longest_wait)

    async def renew(self) -> None:
        """Renew the leases once, and poll from now on what they allow.

        Raises:
            DatabaseUnavailable: the state cannot be reached, or fails.
            OSError: the sink cannot be read.
            InputError: one of them refuses.
        """
        began = self.clock.monotonic()
        held = await self.table.refresh()
        new = {shard for shard, fence in held.fences.items() if self._fences.get(shard) != fence}
        new -= self._leaving
        self._lose(set(self._fences) - set(held.fences))
        if began >= self._good_until:  # they had ended meanwhile
            self._end()
            new |= set(held.fences)
        self._good_until = began + self.table.length.total_seconds()
        self._expired |= set(held.expired)
        if new:
            async with self._turn:
                cursors = await Cursors.of(self.sink, self.series, self.follower.backfill)
            notes = await self.notes.change(lambda notes: notes)
            pauses = {} if notes is None else notes.pauses
            self.follower.set_pauses({each: pause for each, pause in pauses.items() if shard_of(each) in new})
            self._fences |= {shard: held.fences[shard] for shard in new}
            self._newest = max(self._newest, *held.fences.values())
            expired = self._expired & new
            self._expired -= new
            self.follower.hold(
                lambda system_id: shard_of(system_id) in new,
                cursors,
                lambda system_id: shard_of(system_id) in expired,
            )
        self._leave(sorted(self._fences)[held.fair :])

    async def renew_first(self) -> None:
        """Take the first leases; a state that is away is waited for, as queries do.

        Raises:
            StateUnavailable: it has been away for long.
            OSError: the sink cannot be read.
            InputError: one of them refuses.
        """
        began = self.clock.monotonic()
        while True:
            try:
                return await self.renew()
            except DatabaseUnavailable as away:
                if self.clock.monotonic() > began + MAX_AWAY_S:
                    raise unavailable(self.table, away) from None
            await self.clock.sleep(RETRY_S)

    def _leave(self, shards: Sequence[int]) -> None:
        """Poll shards no more, and give them back later."""
        if shards:
            self._leaving |= set(shards)
            self.follower.let_go(lambda system_id: shard_of(system_id) in self._leaving)

    def _end(self) -> None:
        """Poll nothing more if the leases have ended."""
        if self.clock.monotonic() >= self._good_until:
            self._lose(set(self._fences))

    def _lose(self, shards: set[int]) -> None:
        """Poll shards no more whose leases have ended, and write nothing that was polled of them."""
        if shards:
            for shard in shards:
                self._fences.pop(shard, None)
            self._leaving -= shards
            self._expired |= shards
            self.follower.let_go(lambda system_id: shard_of(system_id) in shards)
            if lost := self.follower.forget(lambda system_id: shard_of(system_id) in shards):
                logger.warning("%d answers are not written: their leases have ended", lost)

    @asynccontextmanager
    async def renewed(self) -> AsyncIterator[None]:
        """Hold leases until the end, and give all of them back then."""
        self.follower.let_go(lambda _: True)
        self.follower.leases, self.follower.end_leases = lambda: len(self._fences), self._end
        self.follower.takes = lambda system_id: shard_of(system_id) in self._fences.keys() - self._leaving
        try:
            await self.renew_first()
            self._renewal = asyncio.create_task(self.renew_for_ever())
            yield
        finally:
            with anyio.CancelScope(shield=True):
                if self._renewal is not None:
                    self._renewal.cancel()
                    await asyncio.wait([self._renewal])
                await self._note()
                try:
                    await self.table.give_back(sorted(self._fences), leaves=True)
                except (DatabaseUnavailable, InputError) as error:
                    logger.warning("the leases of the fleet end by themselves: %s", error)
                await self.table.aclose()


@asynccontextmanager
async def kept(
    clients: Sequence[EnlightenClient], follower: Follower, series: str, sink: Sink, length: timedelta
) -> AsyncIterator[Keeper]:
    """Share a fleet with other processes that use the same state, and write what is this one's.

    In PostgreSQL each process holds leases on a part of the systems; a state file has one process that
    follows the fleet. Without a state nothing is shared.

    Args:
        clients: the views of the fleet.
        follower: who makes the polls; with leases it polls what they allow.
        series: name of the series.
        sink: the keeper of rows and cursors.
        length: the length of a lease.

    Raises:
        InputError: another process follows the fleet with this state file; or the length is too short.
        OSError: the sink cannot be read.
    """
    if length < MIN_LEASE:
        raise InputError(f"lease must be a timedelta of one second or more, not {length!r:.60}")
    store, name = clients[0]._in_state, partial(_fleet_name, clients, series)
    backend = None if store is None else store.backend
    if backend is None or not isinstance(backend, PostgresBackend | SqliteBackend):
        yield Keeper(sink)
        return
    holds = any(each.until is not None for each in follower.roster.members)
    notes = NotesInState(backend, name, follower.now, holds=holds)
    if isinstance(backend, PostgresBackend):
        table = LeaseTable(backend.another(), name, secrets.token_hex(8), length)
        third, clock = length.total_seconds() / 3, clients[0]._session.clock
        keeper = LeasedKeeper(
            sink, third, table=table, notes=notes, follower=follower, series=series, clock=clock
        )
        follower.roster.unwritten = ()  # it is told of each lease whether one before it has expired
        async with keeper.renewed():
            yield keeper
    else:
        lock = await in_thread(partial(_locked, backend.file.path, name(b"")))
        try:
            alone = SoleKeeper(sink, notes=notes, follower=follower)
            async with alone.noted():
                yield alone
        finally:
            lock.release()


def _fleet_name(clients: Sequence[EnlightenClient], series: str, salt: bytes) -> str:
    """Return the name of a fleet: the same for whoever follows this series of these accounts."""
    digest = blake2b(series.encode(), key=salt[:64], digest_size=16)
    for scope in sorted(client._options.scope for client in clients):
        digest.update(scope)
    return digest.hexdigest()


def _locked(path: Path, fleet: str) -> FileLock:
    """Return the lock of a fleet beside a state file; blocks, but waits for nobody.

    Raises:
        InputError: another process has it.
    """
    lock = FileLock(f"{path}.{fleet}.lock", mode=OWNER_ONLY, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another process follows this fleet with {path}: end it first; to share a fleet, keep the state "
            "in PostgreSQL"
        ) from None
    return lock
