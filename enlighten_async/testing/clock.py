"""A clock for tests: minutes and months pass as soon as everybody waits for them."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from enlighten_async.testing.agenda import Agenda, driver_for, running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from enlighten_async.clock import Clock


class FakeClock:
    """A `Clock` whose time stands still until it is advanced, or until all tasks wait for it.

    With `autojump` the time jumps to the earliest pending sleep or deadline as soon as every task of
    the event loop is blocked, on asyncio and trio. Only what waits through this clock moves it, and it
    does not see what happens outside the loop: work in `anyio.to_thread` is waited for (under anyio's
    default limiter only), but no answer on a real socket, no other process, no real sleep. For those
    use `SystemClock`, or `autojump=False` and `advance()`.

    A clock may serve several event loops one after another, not two at a time. On trio the order in
    which tasks woken at the same moment run is trio's, which is random.
    """

    def __init__(
        self, now: float = 1_750_000_000.0, monotonic: float = 1000.0, *, autojump: bool = True
    ) -> None:
        self._monotonic = monotonic
        self._offset = now - monotonic
        self._autojump = autojump
        self._agenda = Agenda(None)
        self._drive: Callable[[], None] = _stand_still

    def __repr__(self) -> str:
        return f"<FakeClock now={self.now()!r} monotonic={self._monotonic!r}>"

    def now(self) -> float:
        """Return the wall clock's time in epoch seconds (UTC)."""
        return self._offset + self._monotonic

    def monotonic(self) -> float:
        """Return the monotonic clock's reading in seconds."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until this many seconds of fake time have passed."""
        if seconds <= 0:
            await checkpoint()
            return
        event = anyio.Event()
        with self._pending(seconds, event.set):
            await event.wait()

    @contextmanager
    def move_on_after(self, seconds: float | None) -> Iterator[anyio.CancelScope]:
        """Cancel the body after this many seconds of fake time (`None`: never)."""
        with (
            anyio.CancelScope() as scope,
            self._pending(math.inf if seconds is None else seconds, scope.cancel),
        ):
            if seconds is not None and seconds <= 0:
                scope.cancel()
            yield scope

    def advance(self, seconds: float) -> None:
        """Let this many seconds pass at once, and wake in order those whose time has come.

        They run when the caller next waits, and then all of them read the time after the whole step.
        Raises ValueError if the time would step back: see `step_wall`.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"cannot advance by {seconds} seconds: give a finite number, not below 0")
        self._run_to(self._monotonic + seconds)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward (back, if below 0) by this many seconds; none of them elapse."""
        self._offset += seconds

    def skewed(self, seconds: float) -> Clock:
        """Return a view of this clock whose wall clock is ahead (behind, if below 0) by this much."""
        return _Skewed(self, seconds)

    @contextmanager
    def _pending(self, seconds: float, wake: Callable[[], object]) -> Iterator[None]:
        due = self._monotonic + seconds
        if math.isnan(due):
            raise ValueError("cannot wait for NaN seconds")
        self._enter_loop()
        agenda = self._agenda
        entry = agenda.add(due, wake)
        self._drive()
        try:
            yield
        finally:
            agenda.drop(entry)

    def _enter_loop(self) -> None:
        """Start afresh in an event loop not seen last; what an earlier loop left behind is forgotten."""
        loop = running_loop()
        if self._agenda.loop is not loop:
            self._agenda = Agenda(loop)
            self._drive = driver_for(self._agenda, self._jump).ensure if self._autojump else _stand_still

    def _jump(self) -> None:
        due = self._agenda.next_due()
        if due is not None:
            self._run_to(max(due, self._monotonic))

    def _run_to(self, when: float) -> None:
        self._monotonic = when
        for entry in self._agenda.pop_until(when):
            entry.wake()


class _Skewed:
    """A wall clock that is off by a constant; all else is the other clock's."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def now(self) -> float:
        return self._clock.now() + self._seconds

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        return self._clock.move_on_after(seconds)


def _stand_still() -> None:
    """Leave the time alone: it is advanced by hand, or no loop has been seen yet."""
