"""A coroutine awaited step by step."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any


class Steps:
    """Awaits a coroutine and calls `act` at its n-th suspension; keeps what was thrown into it."""

    def __init__(self, coro: Coroutine[Any, Any, Any], at: int, act: Callable[[], object]) -> None:
        self._coro = coro
        self._at = at
        self._act = act
        self.count = 0
        self.thrown: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        step = self._coro.send
        value: Any = None
        while True:
            try:
                asked = step(value)
            except StopIteration as stop:
                return stop.value
            self.count += 1
            if self.count == self._at:
                self._act()
            try:
                value, step = (yield asked), self._coro.send
            except BaseException as error:  # noqa: BLE001
                self.thrown = self.thrown or error
                value, step = error, self._coro.throw


async def run(steps: Steps) -> Any:
    """Await the steps: a task needs a coroutine."""
    return await steps
