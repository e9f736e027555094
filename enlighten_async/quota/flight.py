"""How many requests may be on their way: halved when the server is overloaded, regrown one by one."""

from __future__ import annotations

from enlighten_async.errors import InputError


class Flight:
    """Counts what is in flight against a limit that follows the server (additive up, half down).

    Args:
        most: the limit when all is well.

    Raises:
        InputError: `most` is below 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise InputError(f"max_in_flight must be 1 or more, not {most!r}")
        self.count = 0
        self._most = most
        self._room = float(most)
        self._halved = 0

    @property
    def room(self) -> int:
        """How many may be on their way."""
        return int(self._room)

    def enter(self) -> bool:
        """Count one more in flight, if there is room."""
        if self.count + 1 > self._room:
            return False
        self.count += 1
        return True

    def leave(self) -> None:
        """Count one less."""
        self.count -= 1

    def grow(self) -> None:
        """Make room for one more after as many successes as there is room for."""
        if self._room < self._most:
            self._room = min(float(self._most), self._room + 1 / int(self._room))

    def halve(self, newest: int, ticket: int | None) -> None:
        """Halve the room, once for all requests that were in flight together.

        Args:
            newest: a ticket above all that were granted.
            ticket: the request the server was too busy for; `None` halves in any case.
        """
        if ticket is None or ticket > self._halved:
            self._room = float(max(1, self.room // 2))
            self._halved = newest
