"""Contracts: tests of quota stores, state backends and caches that users bring; used as `contracts`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
from attrs import evolve

from enlighten_async.cache import IntervalCache
from enlighten_async.clock import Clock
from enlighten_async.errors import Throttled
from enlighten_async.limiter import KeyState, Plan, QuotaStore, Settlement, Take
from enlighten_async.models import Coverage, Gap, Meta, Reason, Stats, StatsInterval
from enlighten_async.models.intervals import merge_parts
from enlighten_async.models.series import Series
from enlighten_async.state import Moment, Name, StateBackend
from enlighten_async.testing.clock import FakeClock
from enlighten_async.testing.contracts import Contract, in_event_loop, require
from enlighten_async.windows import Window
from enlighten_async.wire import ReplyKey, Response, SeriesKey, never_final

# Stores of quota

NOW, DATE = 1000.0, 1_750_000_030
"""The monotonic moment at which tests begin, and the server's time then: 10 s into a minute."""

PLAN = Plan(minute=10, month=100)


def _landed(*, sent: bool = True, accepted: bool = True) -> Settlement:
    if not sent:
        return Settlement(None, NOW)
    return Settlement(NOW - 0.1, NOW, DATE, landed=True, accepted=accepted, date=DATE)


def _settle(store: QuotaStore, ticket: int, settlement: Settlement) -> None:
    def change(state: KeyState) -> None:
        state.settle(ticket, settlement)

    store.update(change)


def _left(store: QuotaStore) -> dict[str, int]:
    return dict(store.read(lambda state: state.left(PLAN, NOW)))


async def _take(store: QuotaStore, tickets: Iterable[int]) -> int:
    """Return how many of these requests may leave."""
    return sum([await store.take(Take(ticket, PLAN), NOW) is None for ticket in tickets])


async def _spend(store: QuotaStore, tickets: Iterable[int]) -> None:
    for ticket in tickets:
        require(await store.take(Take(ticket, PLAN), NOW) is None, "a request leaves where there is room")
        _settle(store, ticket, _landed())
    await store.sync()


class QuotaStoreContract(Contract):
    """The promises of a `QuotaStore`."""

    durable: bool = True
    """Whether the counts are there again after the last opening was closed."""

    def open_store(self, clock: Clock) -> AbstractAsyncContextManager[QuotaStore]:
        """Open the store of one key, as another process does.

        Args:
            clock: the source of time; it stands still but for those who wait by it.
        """
        raise NotImplementedError

    @asynccontextmanager
    async def _two(self) -> AsyncIterator[tuple[QuotaStore, QuotaStore]]:
        """Open the store twice where two openings share it."""
        clock = FakeClock(now=DATE, monotonic=NOW)
        async with self.open_store(clock) as one:
            if not self.shared:
                yield one, one
                return
            async with self.open_store(clock) as other:
                yield one, other

    @in_event_loop
    async def test_no_more_leave_than_the_plan_allows(self) -> None:
        """And the one that has to wait is told why."""
        async with self._two() as (store, _):
            require(isinstance(store, QuotaStore), "a QuotaStore has take, update, read and sync")
            await _spend(store, [1])
            require(await _take(store, range(2, 11)) == 9, "nine of ten requests a minute are left")
            wait = await store.take(Take(11, PLAN), NOW)
            require(wait is not None and wait.in_flight == 9, f"the eleventh waits for nine, not {wait}")
            for ticket in range(2, 11):
                _settle(store, ticket, _landed())
            wait = await store.take(Take(12, PLAN), NOW)
            require(wait is not None and wait.reason == "minute", f"the minute is full, not {wait}")

    @in_event_loop
    async def test_what_was_not_sent_is_given_back(self) -> None:
        """A request that did not leave costs nothing; settled twice, or never taken, changes nothing."""
        async with self._two() as (store, _):
            await _spend(store, [1])
            await _take(store, [2])
            for ticket in (2, 2, 77):
                _settle(store, ticket, _landed(sent=False))
            await store.sync()
            require(_left(store) == {"month": 99, "minute": 9}, f"one request is used, not {_left(store)}")

    @in_event_loop
    async def test_what_is_settled_shows_at_once(self) -> None:
        """In this process, before anything is awaited."""
        async with self._two() as (store, _):
            await _take(store, [1])
            _settle(store, 1, _landed(sent=False))
            require(_left(store)["minute"] == 10, "update is in effect at once, also before sync")

    @in_event_loop
    async def test_all_processes_count_together(self) -> None:
        """Requests in flight as well as those that are over."""
        async with self._two() as (one, other):
            await _spend(one, [1, 2])
            await other.sync(refresh=True)
            require(_left(other) == {"month": 98, "minute": 8}, f"two are used, not {_left(other)}")
            await _take(one, range(3, 9))
            require(await _take(other, range(20, 30)) == 2, "six are in flight elsewhere, so two are left")

    @in_event_loop
    async def test_takes_at_the_same_time_are_atomic(self) -> None:
        """Many tasks of two processes get no more than there is."""
        async with self._two() as (one, other):
            await _spend(one, [1])
            granted: list[int] = []

            async def take(store: QuotaStore, ticket: int) -> None:
                granted.append(await _take(store, [ticket]))

            async with anyio.create_task_group() as tasks:
                for ticket in range(100, 130):
                    tasks.start_soon(take, (one, other)[ticket % 2], ticket)
            require(sum(granted) == 9, f"nine are left, and {sum(granted)} got one")

    @in_event_loop
    async def test_a_rejection_is_known_to_all(self) -> None:
        """With the limit that the service named."""
        async with self._two() as (one, other):
            await _spend(one, [1])
            await _take(one, [2])
            _settle(one, 2, _landed(accepted=False))
            error = Throttled("over the limit", status=429)
            error.period, error.limit, error.period_end = "minute", 5, float(DATE + 50)

            def reject(state: KeyState) -> None:
                state.record_rejection(2, error, PLAN, NOW)

            one.update(reject)
            await one.sync()
            wait = await other.take(Take(30, PLAN), NOW)
            require(
                wait is not None and wait.reason == "throttled", f"all wait after a rejection, not {wait}"
            )

    @in_event_loop
    async def test_a_cancelled_take_leaves_nothing_behind(self) -> None:
        """Whether or not it was taken: its caller settles it."""
        async with self._two() as (one, other):
            await _spend(one, [1])
            with anyio.CancelScope() as scope:
                scope.cancel()
                await one.take(Take(50, PLAN), NOW)
            _settle(one, 50, _landed(sent=False))
            await one.sync(refresh=True)
            await other.sync(refresh=True)
            for store in (one, other):
                require(_left(store) == {"month": 99, "minute": 9}, f"one is used, not {_left(store)}")

    @in_event_loop
    async def test_a_cancellation_does_not_cut_off_a_sync(self) -> None:
        """Requests are settled in the midst of one."""
        async with self._two() as (one, other):
            await _spend(one, [1])
            await _take(one, [2])
            with anyio.CancelScope() as scope:
                scope.cancel()
                _settle(one, 2, _landed(sent=False))
                await one.sync()
            await other.sync(refresh=True)
            require(_left(other)["minute"] == 9, "sync writes although its caller is cancelled")

    @in_event_loop
    async def test_counts_outlive_the_process(self) -> None:
        """A program that is started again knows what was spent."""
        if self.durable:
            async with self._two() as (one, _):
                await _spend(one, [1, 2, 3])
            async with self._two() as (again, _):
                await again.sync(refresh=True)
                require(_left(again) == {"month": 97, "minute": 7}, f"three are used, not {_left(again)}")


# State backends


class Append:
    """A change that adds a letter to a text.

    Attributes:
        seen: what was there at each call, and the time.
        commits: how often it was committed.
    """

    def __init__(self, letter: str | None = "x") -> None:
        self._letter = letter
        self.seen: list[tuple[str | None, Moment]] = []
        self.commits = 0

    def apply(self, text: str | None, moment: Moment) -> str | None:
        """Return the longer text."""
        self.seen.append((text, moment))
        return None if self._letter is None else (text or "") + self._letter

    def committed(self) -> None:
        """Count it."""
        self.commits += 1


class Unreadable(Append):
    """A change that fails."""

    def apply(self, text: str | None, moment: Moment) -> str | None:
        """Raise."""
        raise ZeroDivisionError


def _name(salt: bytes) -> bytes:
    return blake2b(b"a key", key=salt[:64], digest_size=32).digest()


def _other_name(salt: bytes) -> bytes:
    return blake2b(b"another key", key=salt[:64], digest_size=32).digest()


async def _update(backend: StateBackend, letter: str | None = "x", name: Name = _name) -> str | None:
    """Add a letter; return what was there before."""
    change = Append(letter)
    await backend.update(name, change, timeout_s=10.0)
    require(change.commits == 1, "committed is called once for each update")
    return change.seen[-1][0]


class StateBackendContract(Contract):
    """The promises of a `StateBackend`."""

    def open_backend(self) -> AbstractAsyncContextManager[StateBackend]:
        """Open the backend, as another process does."""
        raise NotImplementedError

    @asynccontextmanager
    async def _two(self) -> AsyncIterator[tuple[StateBackend, StateBackend]]:
        """Open it twice where two openings share it."""
        async with self.open_backend() as one:
            if not self.shared:
                yield one, one
                return
            async with self.open_backend() as other:
                yield one, other

    @in_event_loop
    async def test_a_text_is_what_was_committed_last(self) -> None:
        """By whoever; `None` leaves it, and other names are other texts."""
        async with self._two() as (one, other):
            require(isinstance(one, StateBackend), "a StateBackend has remote, update, aclose and begin_anew")
            require(await _update(one) is None, "there is no text at first")
            require(await _update(other, None) == "x", "what one has committed is there for the other")
            require(await _update(one, "é\n") == "x", "a change that returns None leaves the text")
            require(await _update(other, None) == "xé\n", "any text is kept as it is")
            require(await _update(other, None, _other_name) is None, "another name is another text")

    @in_event_loop
    async def test_updates_at_the_same_time_are_one_after_another(self) -> None:
        """Of many tasks and two processes; none is lost."""
        async with self._two() as backends:
            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(_update, backends[number % 2])
            require(await _update(backends[0], None) == 40 * "x", "each of 40 updates adds its letter")

    @in_event_loop
    async def test_an_update_that_fails_changes_nothing(self) -> None:
        """And the next one succeeds."""
        async with self._two() as (one, other):
            await _update(one)
            change = Unreadable()
            try:
                await one.update(_name, change, timeout_s=10.0)
            except ZeroDivisionError:
                pass
            else:
                require(kept=False, promise="an error of apply is raised")
            require(change.commits == 0, "what failed is not committed")
            require(await _update(one, None) == await _update(other, None) == "x", "nor changed")

    @in_event_loop
    async def test_a_cancelled_update_is_whole_or_nothing(self) -> None:
        """And `committed` tells which."""
        async with self._two() as (one, other):
            changes = [Append() for _ in range(10)]
            for number, change in enumerate(changes):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(partial(one.update, _name, change, timeout_s=10.0))
                    for _ in range(number):
                        await anyio.lowlevel.checkpoint()
                    tasks.cancel_scope.cancel()
            done = sum(change.commits for change in changes)
            found = await _update(other, None) or ""
            require(found == done * "x", f"{done} of 10 were committed, and {len(found)} letters are there")

    @in_event_loop
    async def test_time_goes_on_alike_for_all(self) -> None:
        """A later update is told no earlier time, whoever asks, but for what the answer may have taken."""
        async with self._two() as backends:
            change = Append()
            for number in range(10):
                await backends[number % 2].update(_name, change, timeout_s=10.0)
            moments = [moment for _, moment in change.seen]
            for before, after in pairwise(moments):
                require(after.steady >= before.steady, "steady never goes back")
                require(0 <= after.age_s < 10, f"an answer is some time old, not {after.age_s} s")
            require(len({moment.home for moment in moments}) == 1, "home is the same for all")

    @in_event_loop
    async def test_it_is_opened_again_after_a_close(self) -> None:
        """With what was committed, by the same object."""
        async with self._two() as (one, _):
            await _update(one)
            await one.aclose()
            require(await _update(one) == "x", "the text is there again")


# Caches

GRID = 900
WEEK_START = 2876 * 604_800
"""When a week of the cache begins, in February 2025."""

SCOPE = b"digest of who asks"
SYSTEM_ID = 1765


def _window(start: float, end: float) -> Window:
    """Return a window by the hours of the week."""
    return Window(WEEK_START + int(start * 3600), WEEK_START + int(end * 3600))


def _part(window: Window, value: float = 1.0, *, empty: Reason | None = None) -> Stats:
    """Return an answer for a window: rows of one value, or none for a reason."""
    ends = [] if empty else list(range(window.start + GRID, window.end + 1, GRID))
    coverage = Coverage(window, GRID, (Gap(window, empty),) if empty else ())
    rows = Series.of(StatsInterval, ends, [4.0] * len(ends), [value] * len(ends), [value] * len(ends))
    return evolve(Stats.empty(SYSTEM_ID, coverage), total_devices=4, intervals=rows)


def _joined(parts: Sequence[Stats]) -> Stats:
    window = Window(parts[0].window.start, parts[-1].window.end)
    return merge_parts(parts, Stats.empty(SYSTEM_ID, Coverage(window, GRID)))


SERIES: SeriesKey[Stats] = SeriesKey("stats", SYSTEM_ID, grid=GRID, load=lambda: Stats, join=_joined)
REPLY: ReplyKey[Any] = ReplyKey("inventory", f"/systems/{SYSTEM_ID}/inventory?", never_final)


async def _values(cache: IntervalCache, window: Window) -> list[float]:
    """Return the values of the rows of a window, in order of time."""
    found = await cache.get(SCOPE, SERIES, window)
    return [row.powr or 0.0 for each in found for row in each.part.intervals]


class IntervalCacheContract(Contract):
    """The promises of an `IntervalCache`."""

    def open_cache(self) -> AbstractAsyncContextManager[IntervalCache]:
        """Open the cache, as another process does: a new connection to the same place."""
        raise NotImplementedError

    @in_event_loop
    async def test_it_is_empty_at_first(self) -> None:
        """And an `IntervalCache`."""
        async with self.open_cache() as cache:
            require(isinstance(cache, IntervalCache), "it has spans, get, put, reply, put_reply and flush")
            require(await cache.spans(SCOPE, SERIES) == (), "spans returns () where nothing is cached")
            require(await cache.get(SCOPE, SERIES, _window(0, 1)) == (), "get returns () likewise")
            require(await cache.reply(SCOPE, REPLY) is None, "reply returns None likewise")
            await cache.flush()

    @in_event_loop
    async def test_a_part_is_there_at_once_and_for_all_after_a_flush(self) -> None:
        """With its rows, its coverage and the time of its fetch."""
        part = _part(_window(1, 3), 7.0)
        async with self.open_cache() as one, self.open_cache() as other:
            one.put(SCOPE, SERIES, part, DATE)
            for cache in (one, other) if self.shared else (one,):
                found = await cache.get(SCOPE, SERIES, _window(0, 24))
                require([each.part for each in found] == [part], "get returns what was put")
                require(found[0].part.coverage == part.coverage, "with its coverage")
                spans = await cache.spans(SCOPE, SERIES)
                told = [(span.window, span.fetched) for span in spans]
                require(told == [(part.window, DATE)], f"spans tells window and fetch, not {told}")
                await one.flush()

    @in_event_loop
    async def test_it_tells_up_to_when_each_system_is_held(self) -> None:
        """By its newest span: its end, or how far the system had reported, if that is earlier."""
        async with self.open_cache() as cache:
            require(await cache.held(SCOPE, "stats", None) == {}, "held is empty where nothing is cached")
            reported = datetime.fromtimestamp(_window(0, 3).end, UTC)
            for system_id, device, part in (
                (1, "", _part(_window(0, 1))),
                (1, "", _part(_window(300, 301))),
                (2, "", evolve(_part(_window(2, 6)), meta=Meta("normal", reported, reported))),
                (3, "a", _part(_window(0, 1))),
                (3, "b", _part(_window(0, 2))),
            ):
                series = evolve(SERIES, system_id=system_id, device=device)
                cache.put(SCOPE, series, evolve(part, system_id=system_id), DATE)
            ends = {1: _window(0, 301).end, 2: _window(0, 2).end, 3: _window(0, 1).end}
            for asked, known in ((None, ends), ([2, 9], {2: ends[2]}), ([], {})):
                found = await cache.held(SCOPE, "stats", asked)
                require(found == known, f"held tells {known} of systems {asked}, not {found}")
            require(await cache.held(b"somebody else", "stats", None) == {}, "another scope has nothing")
            require(await cache.held(SCOPE, "rgm_stats", [1]) == {}, "another endpoint has nothing")

    @in_event_loop
    async def test_a_window_is_cut_out(self) -> None:
        """Of answers over the edge of a week; an interval belongs to the window that its end is in."""
        async with self.open_cache() as cache:
            cache.put(SCOPE, SERIES, _part(_window(-5, 173)), DATE)
            for start, end, rows in ((-1, 1, 8), (0, 168, 672), (167, 169, 8), (-9, -4.75, 1), (2, 2, 0)):
                found = await _values(cache, _window(start, end))
                require(len(found) == rows, f"{rows} rows are in hours {start} to {end}, not {len(found)}")

    @in_event_loop
    async def test_the_newest_answer_wins(self) -> None:
        """Interval by interval, whatever was put last."""
        async with self.open_cache() as cache:
            cache.put(SCOPE, SERIES, _part(_window(0, 3), 1.0), DATE)
            cache.put(SCOPE, SERIES, _part(_window(1, 2), 2.0), DATE + 1)
            cache.put(SCOPE, SERIES, _part(_window(0, 3), 3.0), DATE - 1)
            found = await _values(cache, _window(0, 3))
            require(found == 4 * [1.0] + 4 * [2.0] + 4 * [1.0], f"the newest fetch wins, not {found}")

    @in_event_loop
    async def test_an_empty_answer_has_its_reason_and_no_answer_is_none(self) -> None:
        """That there is no device is cached; that a request failed is not."""
        async with self.open_cache() as cache:
            cache.put(SCOPE, SERIES, _part(_window(0, 1), empty=Reason.NO_DEVICE), DATE)
            cache.put(SCOPE, SERIES, _part(_window(4, 5), empty=Reason.FAILED), DATE)
            told = [(span.window, span.empty_reason) for span in await cache.spans(SCOPE, SERIES)]
            require(told == [(_window(0, 1), Reason.NO_DEVICE)], f"spans tells why it is empty, not {told}")

    @in_event_loop
    async def test_nobody_is_given_what_others_asked_for(self) -> None:
        """Scopes, endpoints, systems and devices do not mix."""
        async with self.open_cache() as cache:
            cache.put(SCOPE, SERIES, _part(_window(0, 1)), DATE)
            cache.put_reply(SCOPE, REPLY, Response(200, b"{}", date=DATE))
            require(await cache.spans(b"somebody else", SERIES) == (), "another scope has nothing")
            require(await cache.reply(b"somebody else", REPLY) is None, "another scope has no reply")
            for change in ({"endpoint": "rgm_stats"}, {"system_id": 1}, {"device": "121"}):
                found = await cache.get(SCOPE, evolve(SERIES, **change), _window(0, 1))
                require(found == (), f"a series with {change} has nothing")

    @in_event_loop
    async def test_the_newest_reply_of_each_request_is_kept(self) -> None:
        """As it came, and since when it has been the same."""
        async with self.open_cache() as cache:
            for body, date, since in ((b'{"a":1}', DATE, None), (b'{"a":1}', DATE + 5, DATE)):
                response = Response(200, body, date=date)
                cache.put_reply(SCOPE, REPLY, response)
                found = await cache.reply(SCOPE, REPLY)
                require(found == evolve(response, same_since=since), f"the newest reply, not {found}")
            cache.put_reply(SCOPE, REPLY, Response(200, b"[]", date=DATE + 1))
            found = await cache.reply(SCOPE, REPLY)
            require(found is not None and found.date == DATE + 5, "an older reply replaces no newer one")

    @in_event_loop
    async def test_a_cancellation_does_not_cut_off_a_flush(self) -> None:
        """What was paid for is written in the midst of one."""
        async with self.open_cache() as one, self.open_cache() as other:
            with anyio.CancelScope() as scope:
                scope.cancel()
                one.put(SCOPE, SERIES, _part(_window(0, 1)), DATE)
                await one.flush()
            found = await _values(other if self.shared else one, _window(0, 1))
            require(len(found) == 4, "flush writes although its caller is cancelled")
