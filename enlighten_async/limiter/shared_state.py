"""SharedKeyState: a key's state as last committed to a file, and with this process's updates since then."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from attrs import define, frozen

from enlighten_async.limiter.key_state import KeyState

if TYPE_CHECKING:
    from enlighten_async.limiter.decision import Take, Wait
    from enlighten_async.limiter.record import Record

T = TypeVar("T")

Update: TypeAlias = Callable[[KeyState], object]
"""A change of this process's, to be applied again to the state that is written down."""

MAX_UPDATES = 100_000
"""Updates kept at the most, where nothing can be written for long; the oldest are given up."""


@define(eq=False)
class PendingTake:
    """A question to be decided in the next transaction.

    Attributes:
        asked: the question.
        now: monotonic time when it was asked; the decision is taken later than that.
        withdrawn: whether nobody waits for the decision any more, so that it must not be taken.
    """

    asked: Take
    now: float
    withdrawn: bool = False


@frozen
class Draft:
    """A state about to be committed.

    Attributes:
        state: with this process's updates, and the decision taken.
        updates: the number of these updates.
        wait: the decision, if one was asked for.
    """

    state: KeyState
    updates: int
    wait: Wait | None


class SharedKeyState:
    """A key's state as this process knows it: as last committed, and with the updates noted since then.

    For any number of threads; its lock is held for microseconds, so that event loops may take it.

    Args:
        life: see `KeyState`.
    """

    def __init__(self, life: float) -> None:
        self._lock = Lock()
        self._committed = KeyState(life)
        self._current = KeyState(life)
        self._updates: list[Update] = []

    def __repr__(self) -> str:
        return f"<SharedKeyState {self._current!r} updates={len(self._updates)}>"

    @property
    def pending(self) -> bool:
        """Whether updates are noted that are not committed."""
        return bool(self._updates)

    @property
    def life(self) -> float:
        """Seconds after which a request of a killed process is taken for counted."""
        return self._committed.life

    def extend_life(self, life: float) -> None:
        """Let requests from now on live so long, if that is longer than up to now."""
        with self._lock:
            for state in (self._committed, self._current):
                state.life = max(state.life, life)

    def read(self, look: Callable[[KeyState], T]) -> T:
        """Return the result of a function of the state as far as it is known here."""
        with self._lock:
            return look(self._current)

    def update(self, change: Callable[[KeyState], T]) -> T:
        """Change the state; in effect at once for this process, and noted for the next commit."""
        with self._lock:
            result = change(self._current)
            self._note(change)
            return result

    def take(self, asked: Take, now: float) -> Wait | None:
        """Take the decision here and now, by what is known: nothing can be written."""
        with self._lock:
            self._current.expire(now)
            wait = self._current.take(asked, now)
            if wait is None:
                # It will have left by the time of the commit, whatever others have spent.
                self._note(lambda state: state.admit(asked.ticket, now, most=asked.sender.most))
            return wait

    def withdraw(self, pending: PendingTake) -> None:
        """Let a decision that was not begun not be taken."""
        with self._lock:
            pending.withdrawn = True

    def draft(
        self, record: Record | None, now: float, wall: float, pending: PendingTake | None, *, moved: bool
    ) -> Draft:
        """Return the persisted state with the updates noted here and, if asked for, a decision.

        Args:
            record: the persisted record; `None`: there is none.
            now: monotonic time.
            wall: the local wall clock's time.
            pending: the question, if there is one.
            moved: whether it is another file than before.
        """
        with self._lock:
            state, updates = self._committed.fork(), tuple(self._updates)
            asked = None if pending is None or pending.withdrawn else pending.asked
        if moved:
            state.move(record, now, wall)
        elif record is not None:
            state.load(record, now, wall)
        for update in updates:
            update(state)
        wait = None
        if asked is not None:
            state.expire(now)
            wait = state.take(asked, now)
        return Draft(state, len(updates), wait)

    def commit(self, draft: Draft) -> None:
        """Adopt a state that was committed, and apply the updates made while that was under way."""
        with self._lock:
            self._committed = draft.state
            del self._updates[: draft.updates]
            self._current = draft.state.fork()
            for update in self._updates:
                update(self._current)

    def _note(self, update: Update) -> None:
        self._updates.append(update)
        if len(self._updates) > MAX_UPDATES:
            del self._updates[: MAX_UPDATES // 2]
