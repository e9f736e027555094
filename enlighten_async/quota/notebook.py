"""What one process knows of a shared account, and what it has noted and not yet written down."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from attrs import define, frozen

from enlighten_async.quota.shared_account import SharedAccount

if TYPE_CHECKING:
    from enlighten_async.quota.plan import Plan
    from enlighten_async.quota.record import Record
    from enlighten_async.quota.verdict import Wait

T = TypeVar("T")

Note: TypeAlias = Callable[[SharedAccount], object]
"""Something that happened here, to be done to the account as it is written down."""

MOST_NOTES = 100_000
"""Notes kept at the most, where nothing can be written for long; the oldest are given up."""


@define(eq=False)
class Ask:
    """A request for a token.

    Attributes:
        name: the ticket, by this process's own name.
        plan: what the caller believes the key may spend.
        now: monotonic time when it was asked for; the decision is taken later than that.
        rank: its class.
        withdrawn: whether nobody waits for the decision any more, so that it must not be taken.
    """

    name: int
    plan: Plan
    now: float
    rank: int
    withdrawn: bool = False


@frozen
class Draft:
    """The account as it is about to be written down.

    Attributes:
        account: with all that was noted done to it, and the decision taken.
        notes: how many notes those are.
        wait: the decision, if one was asked for.
    """

    account: SharedAccount
    notes: int
    wait: Wait | None


class Notebook:
    """What this process knows of an account: as it was last written down, and as it is with our notes.

    For any number of threads; its lock is held for microseconds, so that event loops may take it.

    Args:
        life: see `SharedAccount`.
    """

    def __init__(self, life: float) -> None:
        self._lock = Lock()
        self._written = SharedAccount(life)
        self._current = SharedAccount(life)
        self._notes: list[Note] = []

    def __repr__(self) -> str:
        return f"<Notebook {self._current!r} notes={len(self._notes)}>"

    @property
    def pending(self) -> bool:
        """Whether something is noted that is not written down."""
        return bool(self._notes)

    def outlast(self, life: float) -> None:
        """Let requests from now on live so long, if that is longer than up to now."""
        with self._lock:
            for account in (self._written, self._current):
                account.life = max(account.life, life)

    def read(self, look: Callable[[SharedAccount], T]) -> T:
        """Look at the account as far as it is known here."""
        with self._lock:
            return look(self._current)

    def note(self, note: Note) -> None:
        """Note what happened; it is in effect at once for this process."""
        with self._lock:
            note(self._current)
            self._append(note)

    def decide(self, ask: Ask, now: float) -> Wait | None:
        """Take the decision here and now, by what is known: nothing can be written."""
        with self._lock:
            wait = self._current.take_as(ask.name, ask.plan, now, ask.rank)
            if wait is None:
                self._append(lambda account: account.admit(ask.name, now))
            return wait

    def withdraw(self, ask: Ask) -> None:
        """Let a decision that was not begun not be taken."""
        with self._lock:
            ask.withdrawn = True

    def draft(self, record: Record | None, now: float, wall: float, ask: Ask | None, *, moved: bool) -> Draft:
        """Do all that was noted to the account as it is written down, and take a decision.

        Args:
            record: what is written down; `None`: nothing.
            now: monotonic time.
            wall: the local wall clock's time.
            ask: what is to be decided.
            moved: whether it is another file than before.
        """
        with self._lock:
            account, notes = self._written.fork(), tuple(self._notes)
            asked = None if ask is None or ask.withdrawn else ask
        if moved:
            account.move(record, now, wall)
        elif record is not None:
            account.load(record, now, wall)
        for note in notes:
            note(account)
        wait = None if asked is None else account.take_as(asked.name, asked.plan, now, asked.rank)
        return Draft(account, len(notes), wait)

    def accept(self, draft: Draft) -> None:
        """Take over what has been written down."""
        with self._lock:
            self._written = draft.account
            del self._notes[: draft.notes]
            self._current = draft.account.fork()
            for note in self._notes:
                note(self._current)

    def _append(self, note: Note) -> None:
        self._notes.append(note)
        if len(self._notes) > MOST_NOTES:
            del self._notes[: MOST_NOTES // 2]
