"""Follow: the polls of a fleet, made when they are due, by a few workers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio
from attrs import frozen

from enlighten_async.cache.pieces import unwritten_spans
from enlighten_async.errors import (
    EnlightenError,
    InputError,
    NotFound,
    QuotaExhausted,
    StateUnavailable,
    UsageError,
)
from enlighten_async.fleet.backfill import Backfill, Backlog, History, WindowAsk
from enlighten_async.fleet.change import Change, change_of, cursor_of_history, held_until, is_absent, noted
from enlighten_async.fleet.notes import Pause, moments
from enlighten_async.fleet.plan import FleetSystem, budget_of, lists_of
from enlighten_async.fleet.roster import Ask, Member, Roster, final_by_cache
from enlighten_async.fleet.schedule import HOUR, REPORT_S, Budget, Daylight
from enlighten_async.fleet.sinks import Sink
from enlighten_async.fleet.status import FleetStatus, fleet_status
from enlighten_async.query import quota_status
from enlighten_async.windows import DAY, as_datetime

if TYPE_CHECKING:
    from enlighten_async.cache import CachedSpan
    from enlighten_async.client import EnlightenClient
    from enlighten_async.query import Query

WORKERS: Final = 8
"""Polls under way at a time; how many requests are in flight is the limiter's business."""

BATCH: Final = 100
"""Changes that are handed on at a time, at the most: so many may have to be asked for again after a crash."""

SLOW_S: Final = 5.0
"""Seconds after which a poll that is under way is not waited for: others are made when they are due."""

HISTORY_BATCH: Final = 32
"""Changes that are ready from which on no window of history is asked for: polls are written soon."""

LIST_SHARE: Final = 0.01
"""The part of a day's polls that asking for the lists of systems may cost."""

LIST_DAYS: Final = 7.0
"""Days from one such list to the next at the most."""

HISTORY_WAIT_S: Final = 5.0
"""Seconds for which a worker waits with a window of history for the quota; else the window comes later."""

STATE_RETRY_S: Final = 10.0
"""Seconds for which a key rests where the state is away, or has no room for answers; nothing was sent."""

Discover: TypeAlias = Callable[[], AsyncIterator[FleetSystem]]
"""Asks for the systems of a fleet, and yields one after another."""

logger = logging.getLogger("enlighten_async")


AskT_contra = TypeVar("AskT_contra", Ask, WindowAsk, contravariant=True)
AskT = TypeVar("AskT", Ask, WindowAsk)


class Queue(Protocol[AskT_contra]):
    """Polls, or windows of histories, in order of time: each is asked for when it is due."""

    def put_back(self, ask: AskT_contra, opens_at: float = -inf) -> None:
        """Take back what was not asked for; until a moment nothing else is asked for of its key."""

    def failed(self, ask: AskT_contra, now: float, *, absent: bool = False) -> None:
        """Note that there was no answer, or that there is no such system."""


@frozen
class Cursors:
    """The cursors of a fleet in a sink."""

    until: Mapping[int, datetime]
    """Up to when each system is held, by its number."""
    history: Mapping[int, datetime]
    """The cursor of each system's history, by its number."""

    @classmethod
    async def of(cls, sink: Sink, series: str, backfill: Backfill | None) -> Cursors:
        """Read the cursors of a series.

        Args:
            sink: the keeper of rows and cursors.
            series: name of the series' method.
            backfill: the history that is fetched; `None`: none.

        Raises:
            EnlightenError: see the sink.
            OSError: see the sink.
        """
        until = await sink.cursors(series)
        return cls(until, {} if backfill is None else await sink.cursors(backfill.name(series)))

    def history_of(self, system_id: int) -> History | None:
        """Return what is held of a system's history; `None`: it has not begun."""
        cursor = self.history.get(system_id)
        return None if cursor is None else History.by(cursor.timestamp())


class Follower:
    """The polls of a fleet: each batch of changes when it is due.

    Args:
        systems: the systems, one at least.
        series: name of the series' method.
        every: the longest time between two polls in daylight, seconds; `None`: as short as the quota allows.
        rests: whether the series has no news at night.
        since: the cursors of systems.
        discover: asks for the systems again; `None`: they stay.
        backfill: the history that is fetched of each; `None`: none.

    Attributes:
        ready: changes that were paid for and not handed on yet.
        polls: how many polls have come to an end.
        takes: tells whether a system that joins is polled here, by its number.
        leases: returns the number of leases that are held; `None` where the systems are not shared.
        end_leases: lets go of the systems whose lease has ended; called before each poll.
    """

    def __init__(
        self,
        systems: Sequence[FleetSystem],
        series: str,
        every: float | None,
        since: Cursors,
        *,
        rests: bool,
        discover: Discover | None = None,
        backfill: Backfill | None = None,
    ) -> None:
        self._series, self._rests = series, rests
        self._accounts = [each.account for each in systems]  # by the numbers of the members
        self._session = systems[0].account.client._session
        self._discover, self._listed = discover, (now := self.now())
        members = [_member(each, now, since.until.get(each.system_id), rests=rests) for each in systems]
        self.backfill, self.roster = backfill, Roster(members, every, backfill)
        self.look_at_histories(since)
        self.ready: list[Change] = []
        self._taken: list[Change] = []
        self._asks: set[Ask | WindowAsk] = set()
        self._lost: set[Ask | WindowAsk] = set()
        self.polls = 0
        self.takes: Callable[[int], bool] = lambda _: True
        self.leases: Callable[[], int | None] = lambda: None
        self.end_leases: Callable[[], None] = lambda: None
        self._spent = self._spent_before = 0
        self._left: int | None = None
        self._under_way, self._idle = 0, anyio.Event()
        self._refused: EnlightenError | None = None

    def status(self) -> FleetStatus:
        """Return how fresh the systems are, and what was spent."""
        left = None if self._left is None else max(0, self._left - self._spent + self._spent_before)
        return fleet_status(self.roster, self.now(), self._spent, left, self.leases())

    def now(self) -> float:
        """Return the service's time, epoch seconds."""
        return self._session.limiter.now()

    async def wait(self, at_most: float = inf) -> None:
        """Wait until a poll is due, or a day begins; so many seconds at the most."""
        await self._plan_day()
        if (wait := self._next_at() - self.now()) > 0:
            await self._session.clock.sleep(min(wait, at_most))
            await self._plan_day()

    def pauses(self) -> dict[int, Pause]:
        """Return why systems that are polled here are asked less often than others, by their numbers."""
        held = (each for each in self.roster.members if each.held)
        return {each.system_id: pause for each in held if (pause := each.pause) is not None}

    def set_pauses(self, pauses: Mapping[int, Pause]) -> None:
        """Ask systems less often than others, but those whose history begins with their next poll.

        Args:
            pauses: why, by their numbers.
        """
        for number, member in enumerate(self.roster.members):
            pause = pauses.get(member.system_id)
            if pause is not None and not self.roster.begins_history(number):
                member.pause = pause

    def hold(
        self, which: Callable[[int], bool], since: Cursors, in_flight: Callable[[int], bool] = lambda _: False
    ) -> None:
        """Poll systems from now on.

        Args:
            which: tells them by their numbers.
            since: their cursors.
            in_flight: tells of which requests may be in flight, or answers cached, that nobody writes.
        """
        now = self.now()
        for number, member in enumerate(self.roster.members):
            if which(member.system_id):
                until, flying = since.until.get(member.system_id), in_flight(member.system_id)
                moment = None if until is None else until.timestamp()
                history = since.history_of(member.system_id)
                self.roster.hold(number, moment, now, history=history, in_flight=flying)
        self.roster.divide()

    def look_at_histories(self, since: Cursors) -> None:
        """Note what a sink has of the histories of all systems, those that others poll too.

        Args:
            since: the cursors of the fleet, which tell of all answers that came here.
        """
        for number, member in enumerate(self.roster.members):
            self.roster.set_history(number, since.history_of(member.system_id))

    def let_go(self, which: Callable[[int], bool]) -> None:
        """Poll systems no more, until they are held again; what is under way goes on.

        Args:
            which: tells them by their numbers.
        """
        for member in self.roster.members:
            member.held = member.held and not which(member.system_id)
        self.roster.divide()

    def forget(self, which: Callable[[int], bool]) -> int:
        """Forget the changes of systems whose lease was lost, handed on or not, and return their number.

        Another process may have written newer rows meanwhile. The answers are cached: whoever polls the
        systems next tells of their rows. What is under way is forgotten when it comes.

        Args:
            which: tells the systems by their numbers.
        """
        before = len(self.ready) + len(self._taken)
        for changes in (self.ready, self._taken):
            changes[:] = [each for each in changes if not which(each.system_id)]
        self._lost |= {each for each in self._asks if which(self.roster.members[each.member].system_id)}
        return before - len(self.ready) - len(self._taken)

    def _next_at(self) -> float:
        """Return when there is something to do, epoch seconds."""
        midnight = (self.roster.day or 0.0) + DAY
        return min(self.roster.next_at, midnight)

    async def _plan_day(self) -> None:
        """Plan the day, where one has begun."""
        now = self.now()
        day = now // DAY * DAY
        if self.roster.day is None or day > self.roster.day:
            clients = {each.key: each.client for each in self._accounts}
            budgets = {key: await _budget(client) for key, client in clients.items()}
            left = sum(budget.left for budget in budgets.values())
            self._left, self._spent_before = (None if left == inf else int(left)), self._spent
            if self.roster.day is not None:
                await self._list(now, sum(budget.per_day for budget in budgets.values()))
            self.roster.begin_day(day, now, budgets, datetime.fromtimestamp(day, UTC).day - 1)

    async def _list(self, now: float, requests: float) -> None:
        """Ask for the lists of systems again, once a day, or less often where they cost too much of it.

        Args:
            now: the time, epoch seconds.
            requests: the polls that a day may have.
        """
        days = lists_of(self._accounts) / max(LIST_SHARE * requests, 1e-9)
        if self._discover is None or now - self._listed < min(max(days, 1.0), LIST_DAYS) * DAY - HOUR:
            return
        members = self.roster.members
        numbers = {member.system_id: number for number, member in enumerate(members)}
        missing = bytearray(b"\1" * len(members))  # one by one: a list of 100,000 at once takes 50 MiB
        try:
            async for each in self._discover():
                number = numbers.setdefault(each.system_id, len(members))
                if number == len(members):
                    self._join(each, now)
                    missing.append(0)
                missing[number] = 0
                self.roster.listed(number, each.energy)
        except EnlightenError as error:
            logger.warning("the list of systems could not be had (%s): the fleet stays", type(error).__name__)
            return
        self._listed = now
        for member, gone in zip(members, missing, strict=True):
            member.gone = member.gone or bool(gone)

    def _join(self, system: FleetSystem, now: float) -> None:
        """Take a system into the fleet that was in no list before."""
        member = _member(system, now, None, rests=self._rests)
        member.held = self.takes(system.system_id)
        self._accounts.append(system.account)
        self.roster.members.append(member)

    async def poll_due(self) -> None:
        """Make the polls that are due, up to a batch of changes; they are in `ready` then.

        Raises:
            InputError: a poll is refused.
            UsageError: a client is closed.
        """
        await self._plan_day()
        async with anyio.create_task_group() as group:
            for _ in range(WORKERS if self.roster.next_at <= self.now() else 0):
                group.start_soon(self._work)
        if self._refused is not None:
            error, self._refused = self._refused, None
            raise error

    def take(self) -> list[Change]:
        """Return the changes that are ready; those that are forgotten later are taken out of the list."""
        self._taken, self.ready = self.ready, []
        return self._taken

    async def _work(self) -> None:
        """Make one due poll after another; while there is none, fetch windows of histories."""
        while (work := await self._next()) is not None:
            self._under_way += 1
            try:
                await work()
            finally:
                self._under_way -= 1
                if not self._under_way:  # whoever waits looks again, and goes on where more is due
                    self._idle.set()
                    self._idle = anyio.Event()

    async def _next(self) -> Callable[[], Awaitable[None]] | None:
        """Return the next poll that is due, or a window; `None` once there is none, and none is under way."""
        while len(self.ready) < BATCH and self._refused is None:
            self.end_leases()
            if (ask := self.roster.pop(self.now())) is not None:
                return partial(self._try, ask)
            room = len(self.ready) < HISTORY_BATCH
            if room and (window := self.roster.pop_window(self.now())) is not None:
                return partial(self._fetch, *window)
            if not self._under_way:
                break
            with self._session.clock.move_on_after(SLOW_S):
                await self._idle.wait()
        return None

    async def _try(self, ask: Ask) -> None:
        """Make a poll; where it fails, its system waits."""
        with self._settled(self.roster, ask):
            await self._poll(ask)
        self.polls += 1

    async def _fetch(self, backlog: Backlog, ask: WindowAsk) -> None:
        """Ask for a window of a history; what fails waits, and polls go on."""
        with self._settled(backlog, ask):
            await self._fetch_window(backlog, ask)

    @contextmanager
    def _settled(self, queue: Queue[AskT], ask: AskT) -> Iterator[None]:
        """Put back what the body asks for, where it has no answer."""
        self._asks.add(ask)
        try:
            yield
        except QuotaExhausted as error:
            opens_at = self.now() + DAY if error.retry_at is None else error.retry_at.timestamp()
            queue.put_back(ask, opens_at)
        except StateUnavailable:
            queue.put_back(ask, self.now() + STATE_RETRY_S)
        except (InputError, UsageError) as error:
            passes = error.retry_at is not None  # the state has no room for answers
            queue.put_back(ask, self.now() + STATE_RETRY_S if passes else -inf)
            self._refused = self._refused if passes else error
        except EnlightenError as error:
            self._spent += 0 if error.receipt is None else error.receipt.sent
            queue.failed(ask, self.now(), absent=isinstance(error, NotFound))
            system_id = self.roster.members[ask.member].system_id
            logger.info("system %d waits, as a request failed: %s", system_id, type(error).__name__)
        except anyio.get_cancelled_exc_class():
            queue.put_back(ask)
            raise
        finally:
            self._asks.discard(ask)
            self._lost.discard(ask)

    async def _poll(self, ask: Ask) -> None:
        """Ask about a system, and note what changed."""
        member, account = self.roster.members[ask.member], self._accounts[ask.member]
        cached = await self._cached(ask, account.client)
        spans = [each for each in cached if each.window.end > (member.until or 0.0)]
        if self._is_known(ask, spans):
            return
        paid = any(each.fetched >= ask.at for each in spans)  # by a process that was killed
        view = account.client.with_options(max_age=ask.max_age(self.now(), paid=paid))
        start, end = self.roster.window(ask, self.now(), self._final_by_cache(ask, cached))
        query: Query[Any, Any] = getattr(view, self._series)(member.system_id, start_at=start, end_at=end)
        before, written = member.until, self.roster.written(ask)
        changes = await query.changes(
            written=None if written is None else as_datetime(written),
            in_doubt=moments(self.roster.in_doubt(ask)),
        )
        self._spent += changes.answer.receipt.sent
        if ask in self._lost:
            self.roster.put_back(ask)
            return
        now = self.now()
        held = held_until(changes.answer, before, 0.0 if self.backfill is None else self.backfill.span)
        change = change_of(changes, before, held, account.name, self._series)
        daylight = member.daylight if self._rests else None
        self.roster.answered(ask, now, noted(changes.answer, change, held, daylight, now))
        if change is not None:
            self.ready.append(change)
        start, absent = changes.answer.window.start, is_absent(changes.answer)
        if (history := self.roster.begin_history(ask, start, absent=absent)) is not None:
            self._note_history(ask.member, changes.answer, history)

    async def _cached(self, ask: Ask, view: EnlightenClient) -> Sequence[CachedSpan]:
        """Return what is cached of a system, in order of time, when it is asked about at first."""
        member, cache = self.roster.members[ask.member], view._session.cache
        if cache is None or member.answered > -inf:
            return []
        plan = getattr(view._session.api, self._series)(member.system_id, start_at=0, end_at=REPORT_S)
        return await cache.spans(view._options.scope, plan.series)

    def _is_known(self, ask: Ask, spans: Sequence[CachedSpan]) -> bool:
        """Tell whether a process before this one has made a poll, and has written what it brought."""
        until = self.roster.members[ask.member].until
        if until is None or self.roster.begins_history(ask.member):
            return False
        asked = max((each.fetched for each in spans), default=-inf)
        return asked >= ask.at and not unwritten_spans(spans, until, self.roster.in_doubt(ask))

    def _final_by_cache(self, ask: Ask, cached: Sequence[CachedSpan]) -> float:
        """Return up to when rows of a system cannot have changed since processes before this one asked."""
        until = self.roster.members[ask.member].until or 0.0
        unwritten = unwritten_spans(cached, until, self.roster.in_doubt(ask))
        return final_by_cache(until, [each for each in cached if each not in unwritten])

    def _note_history(self, number: int, answer: Any, history: History) -> None:
        """Have the cursor of a history kept with the rows that came before it."""
        if self.backfill is not None:
            account, name = self._accounts[number].name, self.backfill.name(self._series)
            self.ready.append(cursor_of_history(answer, history, account, name))

    async def _fetch_window(self, backlog: Backlog, ask: WindowAsk) -> None:
        """Ask for a window of a history, and have its rows kept; if some are missing, ask again later."""
        member, account = self.roster.members[ask.member], self._accounts[ask.member]
        start, end = backlog.backfill.window(ask.history, ask.number)
        view = account.client.with_options(priority="backfill")
        opens_at = view._session.limiter.ready_at(1, view._options.rank, view._options.scope)
        if opens_at > self.now() + HISTORY_WAIT_S:
            backlog.put_back(ask, min(opens_at, self.now() + DAY))
            return
        query: Query[Any, Any] = getattr(view, self._series)(member.system_id, start_at=start, end_at=end)
        changes = await query.changes()
        sent = changes.answer.receipt.sent
        self._spent += sent
        if ask in self._lost:
            backlog.put_back(ask)
            return
        until = end if member.until is None else member.until
        in_doubt = bool(self.roster.unwritten)
        rows = change_of(changes, None, until, account.name, self._series, in_doubt=in_doubt)
        if rows is not None and rows.rows:
            self.ready.append(rows)
        if not changes.answer.coverage.complete:
            backlog.failed(ask, self.now(), sent)
        elif (history := backlog.answered(ask, sent)) is not None:
            self._note_history(ask.member, changes.answer, history)


async def _budget(client: EnlightenClient) -> Budget:
    """Return what a key may spend; while its state cannot be reached, by what was known of it.

    Raises:
        UsageError: the client is closed.
        InputError: the state is another program's.
    """
    client._session.transport.check_usable()
    await client._session.limiter.refresh(patient=True)
    return budget_of(quota_status(client._session, client._options))


def _member(system: FleetSystem, now: float, until: datetime | None, *, rests: bool) -> Member:
    """Return a system as a member of a roster."""
    offset = _offset(system.timezone, now)
    return Member(
        system.system_id,
        system.account.key,
        Daylight.assumed(offset) if rests else Daylight.whole(offset),
        None if until is None else until.timestamp(),
        cellular=system.cellular,
    )


def _offset(timezone: str | None, now: float) -> float:
    """Return how far local time is ahead of UTC, seconds; 0 for a zone that is not known."""
    try:
        offset = ZoneInfo(timezone or "UTC").utcoffset(as_datetime(now))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return 0.0
    return 0.0 if offset is None else offset.total_seconds()
