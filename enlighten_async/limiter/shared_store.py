"""SharedQuotaStore: a key's state in a state backend, with this process's updates since the last commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import anyio
from anyio.lowlevel import RunVar
from attrs import define, frozen

from enlighten_async import state
from enlighten_async.clock import run_shielded
from enlighten_async.errors import EnlightenError, UsageError
from enlighten_async.limiter.decision import Wait
from enlighten_async.limiter.key_state import LATE_COUNT_S, KeyState
from enlighten_async.limiter.record import Record
from enlighten_async.limiter.store import begin_anew_in_children
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    from enlighten_async.clock import Clock
    from enlighten_async.limiter.decision import Take

T = TypeVar("T")

TAKE_TIMEOUT_S = 5.0
"""Seconds for which a decision waits for the backend while others hold it."""
SYNC_TIMEOUT_S = 1.0
"""Seconds for which noted updates wait for the backend; they are written later then."""
ROOM_RETRY_S = 10.0
"""Seconds after which it makes sense to look again whether there is room for answers."""
MAX_REQUEST_S = 3600.0
"""Seconds after which a request without a time limit is taken for dead if nobody settles it."""

Update: TypeAlias = Callable[[KeyState], object]
"""A change of this process's, to be applied again to the state that is written down."""

MAX_UPDATES = 100_000
"""Updates kept at the most, where nothing can be written for long; the oldest are given up."""

_COUNTED_IN_MEMORY = (
    "what is spent is counted in memory, by this process alone, and written when that is possible again"
)

logger = logging.getLogger("enlighten_async")


@define(eq=False)
class PendingTake:
    """A question to be decided in the next commit.

    Attributes:
        asked: the question.
        now: monotonic time when it was asked; the decision is taken later than that.
        withdrawn: whether nobody waits for the decision any more, so that it must not be taken.
        decided: whether the decision is committed.
        wait: the decision.
    """

    asked: Take
    now: float
    withdrawn: bool = False
    decided: bool = False
    wait: Wait | None = None


@frozen
class Draft:
    """A state about to be committed.

    Attributes:
        state: with this process's updates, and the decisions taken.
        updates: the number of these updates.
        waits: the questions decided, and the decisions.
        record: the same as a record.
        text: the record to be written; `None`: it says nothing new.
        home: what tells the backend from another in its place.
    """

    state: KeyState
    updates: int
    waits: dict[PendingTake, Wait | None]
    record: Record
    text: str | None
    home: Hashable


class SharedKeyState:
    """A key's state as this process knows it: as last committed, and with the updates noted since then.

    For any number of threads; its lock is held for microseconds, so that event loops may take it.

    Args:
        life: see `KeyState`.

    Attributes:
        current: the state with all updates; threads look at it by `read`.
        updates: those that are noted and not committed, in order.
    """

    def __init__(self, life: float) -> None:
        self._lock = Lock()
        self._committed = self.current = KeyState(life)
        self.current.is_read = False
        self.updates: list[Update] = []
        self._home: Hashable = None  # of the backend written last: another may have taken its place
        self._written: tuple[str | None, Record | None] = None, None  # as text and as it was decoded

    def __repr__(self) -> str:
        return f"<SharedKeyState {self.current!r} updates={len(self.updates)}>"

    @property
    def life(self) -> float:
        """Seconds after which a request of a killed process is taken for counted."""
        return self._committed.life

    def extend_life(self, life: float) -> None:
        """Let requests from now on live so long, if that is longer than up to now."""
        with self._lock:
            for each in (self._committed, self.current):
                each.life = max(each.life, life)

    def read(self, look: Callable[[KeyState], T]) -> T:
        """Return the result of a function of the state as far as it is known here."""
        with self._lock:
            return look(self.current)

    def update(self, change: Callable[[KeyState], T]) -> T:
        """Change the state; in effect at once for this process, and noted for the next commit."""
        with self._lock:
            result = change(self._changeable())
            self._note(change)
            return result

    def take(self, asked: Take, now: float) -> Wait | None:
        """Take the decision here and now, by what is known: nothing can be written."""
        with self._lock:
            current = self._changeable()
            current.expire(now)
            wait = current.take(asked, now)
            if wait is None:
                # It will have left by the time of the commit, whatever others have spent.
                self._note(lambda state: state.admit(asked.ticket, now, most=asked.sender.most))
            return wait

    def withdraw(self, pending: PendingTake) -> None:
        """Let a decision that was not begun not be taken."""
        with self._lock:
            pending.withdrawn = True

    def draft(
        self, text: str | None, now: float, moment: state.Moment, asked: Sequence[PendingTake]
    ) -> Draft:
        """Return the persisted state with the updates noted here and the decisions on what is asked.

        Args:
            text: the persisted record; `None`: there is none.
            now: monotonic time.
            moment: the backend's time when it told the record.
            asked: the questions, in order.

        Raises:
            DatabaseCorrupt: the record cannot be read.
        """
        record = self._written[1] if text == self._written[0] else _decoded(text)
        with self._lock:
            draft, updates = self._committed.fork(), tuple(self.updates)
            asked = [each for each in asked if not (each.withdrawn or each.decided)]
        now = max([now, *(pending.now for pending in asked)])
        gone_back = record is not None and record.newest < draft.newest
        if gone_back or self._home not in {None, moment.home}:
            draft.move(record, now, moment)
        elif record is not None:
            draft.load(record, now, moment)
        else:
            draft.begin(now, moment)
        draft.is_read = True
        for update in updates:
            update(draft)
        if asked:
            draft.expire(now)
        waits = {pending: draft.take(pending.asked, now) for pending in asked}
        written = draft.dump(now, moment)
        news = record is None or written.is_news_to(record)
        return Draft(draft, len(updates), waits, written, written.encode() if news else None, moment.home)

    def commit(self, draft: Draft) -> None:
        """Adopt a state that was committed, and apply the updates made while that was under way."""
        with self._lock:
            self._home = draft.home
            if draft.text is not None:
                self._written = draft.text, draft.record
            self._committed = self.current = draft.state
            del self.updates[: draft.updates]
            for update in self.updates:
                update(self._changeable())
        for pending, wait in draft.waits.items():
            pending.wait, pending.decided = wait, True

    def _changeable(self) -> KeyState:
        """Return the state of now, apart from the one that was committed."""
        if self.current is self._committed:
            self.current = self._committed.fork()
        return self.current

    def _note(self, update: Update) -> None:
        self.updates.append(update)
        if len(self.updates) > MAX_UPDATES:
            del self.updates[: MAX_UPDATES // 2]


def _decoded(text: str | None) -> Record | None:
    try:
        return None if text is None else Record.decode(text)
    except (ValueError, TypeError) as error:
        raise state.DatabaseCorrupt(f"counts that cannot be read: {error}") from None


class SharedQuotaStore:
    """The state of one key in a state backend, shared by all who use the backend.

    Questions that are asked while an update is under way are decided together by the next one. Updates that
    cannot be written are counted in memory, from what was known last, and written later; where several
    machines use the backend, nothing is granted meanwhile.

    Args:
        backend: the backend.
        name: the key's name in it, given the backend's salt: a keyed hash, never the key itself.
        clock: the source of time.
        timeout: seconds that a request may take; after that and a little more, one whose process was
            killed is taken for counted. `None`: no limit.
    """

    def __init__(
        self,
        backend: state.StateBackend,
        name: state.Name,
        *,
        clock: Clock,
        timeout: float | None = 30.0,
    ) -> None:
        self.backend = backend
        self._name = name
        self._clock = clock
        self._state = SharedKeyState(_life(timeout))
        self._asked: list[PendingTake] = []
        self._turns: RunVar[anyio.Lock] = RunVar("enlighten_async.quota_turn")
        self._away_since: float | None = None
        self._fault: state.DatabaseUnavailable | None = None  # of the last update
        self._faults = state.FaultLog(
            str(backend),
            meanwhile="nothing is sent until then" if backend.remote else _COUNTED_IN_MEMORY,
            after="what was spent meanwhile is written",
            told=getattr(backend, "told", None),  # of a file, which others use too
        )
        self._full = state.FaultLog(
            str(backend),
            meanwhile="queries of priority poll and backfill are refused",
            after="queries of every priority are sent",
        )
        begin_anew_in_children(self)

    def __repr__(self) -> str:
        return f"<SharedQuotaStore {str(self.backend)!r} {self._state!r}>"

    def begin_anew(self) -> None:
        """Forget what the parent process has noted and will write."""
        self._state, self._asked = SharedKeyState(self._state.life), []
        self._turns = RunVar("enlighten_async.quota_turn")
        self.backend.begin_anew()

    def extend_timeout(self, timeout: float | None) -> None:
        """Expect requests to take so long, if that is longer than what was expected."""
        self._state.extend_life(_life(timeout))

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait.

        It is committed when this returns, and all that was noted before with it.

        Raises:
            InputError: the backend was made by a newer version of this package or by another program.
            StateUnavailable: the backend of several machines has been away for long.
            UsageError: nobody waits for the answer, and it could not be kept: the disk is full, say.
        """
        pending = PendingTake(asked, now)
        self._asked.append(pending)
        try:
            return await self._decided(pending)
        except state.DatabaseUnavailable as error:
            self._state.withdraw(pending)
            return self._undecided(pending, error)
        except BaseException:
            self._state.withdraw(pending)
            raise
        finally:
            self._asked.remove(pending)

    def update(self, change: Callable[[KeyState], T]) -> T:
        """Change the state; written with the next `take` or `sync`."""
        return self._state.update(change)

    def read(self, look: Callable[[KeyState], T]) -> T:
        """Return the result of a function of the state, by the last commit and the updates since."""
        return self._state.read(look)

    async def sync(self, *, refresh: bool = False) -> None:
        """Write what was noted; with `refresh`, also learn what others have spent where nothing was.

        No cancel cuts it off. Where the backend cannot be used, what was noted is written later.

        Raises:
            InputError: with `refresh`, that the backend was made by another program or a newer version of
                this package: nothing is ever written there.
            StateUnavailable: with `refresh`, that a backend of several machines cannot be reached.
        """
        if not refresh and not self._state.updates:
            return
        with anyio.CancelScope(shield=True):
            try:
                if self._turn().locked() or self._state.current.own:
                    # Where more are in flight, who asks by now goes first, and writes this too.
                    await run_shielded(partial(self._write_noted, refresh=refresh))
                else:
                    await self._write_noted(refresh=refresh)
            except state.DatabaseUnavailable as error:
                self._begin_fault(error)
                if refresh and self.backend.remote:
                    raise state.unavailable(self.backend, error) from None
            except EnlightenError as error:
                if refresh:
                    raise
                logger.debug("nothing was written: %s", error)

    async def _write_noted(self, *, refresh: bool) -> None:
        """Write what was noted, unless the commit that was under way has done so; decide what is asked.

        What cannot be written because others are at the backend all the time is left to the next take, which
        has more patience.

        Raises:
            DatabaseUnavailable: that is not possible; of many that wait for a server, one finds that out.
        """
        before = self._fault
        async with self._turn():
            if not refresh and not self._state.updates:
                return
            if self.backend.remote and self._fault is not None and self._fault is not before:
                raise state.DatabaseUnavailable(str(self._fault))
            asked = [each for each in self._asked if not each.asked.rank]
            try:
                await self._commit(TAKE_TIMEOUT_S if asked else SYNC_TIMEOUT_S, *asked)
            except state.DatabaseLocked:
                if asked or refresh:
                    raise

    async def aclose(self) -> None:
        """Write what was noted and close the backend; it is opened again when it is needed."""
        await self.sync()
        with anyio.CancelScope(shield=True):
            await self.backend.aclose()

    async def _decided(self, pending: PendingTake) -> Wait | None:
        """Return the decision: of the commit that another caller makes for this one too, or of one's own.

        Raises:
            DatabaseUnavailable: that is not possible.
        """
        async with self._turn():
            if not pending.decided:
                answers = bool(pending.asked.rank)
                together = [each for each in self._asked if answers or not each.asked.rank]
                await self._commit(TAKE_TIMEOUT_S, *together, keeps_answers=answers)
                if answers:
                    self._full.end()
        return pending.wait

    def _turn(self) -> anyio.Lock:
        """Return the lock of the running event loop."""
        try:
            return self._turns.get()
        except LookupError:
            turn = anyio.Lock(fast_acquire=True)
            self._turns.set(turn)
            return turn

    async def _commit(self, timeout_s: float, *asked: PendingTake, keeps_answers: bool = False) -> None:
        """Write everything down, and decide what is asked, as soon as nobody else is at it.

        Raises:
            DatabaseUnavailable: that is not possible.
        """
        timeout_s = 0.0 if self._faults.lasts else timeout_s  # waited for once, not by each request
        update = _Update(self._state, asked, self._clock)
        try:
            await self.backend.update(self._name, update, timeout_s=timeout_s, keeps_answers=keeps_answers)
        except state.DatabaseUnavailable as fault:
            if not isinstance(fault, state.DatabaseFull):  # which concerns answers alone
                self._fault = fault.with_traceback(None)
            raise
        self._fault = None
        if self._faults.ongoing:
            self._faults.end(for_now=getattr(self.backend, "is_full", False))
        self._away_since = None

    def _undecided(self, pending: PendingTake, error: state.DatabaseUnavailable) -> Wait | None:
        """Return the decision on a request where the backend cannot be used.

        Raises:
            UsageError: the request is refused.
        """
        if isinstance(error, state.DatabaseFull):
            if not error.logged:
                self._full.begin(error)
            raise self._refusal(error) from None
        self._begin_fault(error)
        now = self._clock.monotonic()
        if self.backend.remote:
            return self._wait_for_backend(error, now)
        if pending.asked.rank and not isinstance(error, state.DatabaseLocked):
            raise self._refusal(error) from None
        return self._state.take(pending.asked, max(now, pending.now))

    def _begin_fault(self, error: state.DatabaseUnavailable) -> None:
        self._faults.begin(error)
        if self._away_since is None:
            self._away_since = self._clock.monotonic()

    def _wait_for_backend(self, error: state.DatabaseUnavailable, now: float) -> Wait:
        """Return the wait for a backend of several machines that is away.

        Raises:
            StateUnavailable: it has been away for long.
        """
        if self._away_since is not None and now - self._away_since > state.MAX_AWAY_S:
            raise state.unavailable(self.backend, error) from None
        return Wait("state", now + state.AWAY_POLL_S)

    def _refusal(self, fault: state.DatabaseUnavailable) -> UsageError:
        refusal = UsageError(
            f"{self.backend} could not keep the answer ({fault}), so nothing was sent for priority poll or "
            "backfill: make room on the disk, or name another state"
        )
        refusal.retry_at = as_datetime(self._clock.now() + ROOM_RETRY_S)
        return refusal


@define
class _Update:
    """One update of a key's record: what was noted and what is asked, on top of what others have written.

    Args:
        known: the key's state as this process knows it.
        asked: the questions.
        clock: the source of time.
    """

    _known: SharedKeyState
    _asked: Sequence[PendingTake]
    _clock: Clock
    _draft: Draft | None = None

    def apply(self, text: str | None, moment: state.Moment) -> str | None:
        """Return the new record; `None`: there is nothing new."""
        self._draft = self._known.draft(text, self._clock.monotonic(), moment, self._asked)
        return self._draft.text

    def committed(self) -> None:
        """Adopt the draft, and hand out the decisions."""
        assert self._draft is not None  # noqa: S101 - committed after it was applied
        self._known.commit(self._draft)


def _life(timeout: float | None) -> float:
    return LATE_COUNT_S + (MAX_REQUEST_S if timeout is None else timeout)
