"""Test doubles for code that uses this package: a clock without waiting, tokens without a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enlighten_async.oauth import MemoryTokenStore, Tokens
from enlighten_async.testing.clock import FakeClock

if TYPE_CHECKING:
    from enlighten_async.emulator import Emulator

__all__ = ["EmulatorTokenStore", "FakeClock"]


class EmulatorTokenStore(MemoryTokenStore):
    """Tokens in memory of accounts that have all logged in at an emulator, each at its first use.

    An account with the id of one of the emulator's users is that user's, any other is the demo user's.

    Args:
        emulator: the emulator that issues the tokens.
        client_id: client id of the application, as given to `OAuth`, which refuses those of another one.
    """

    def __init__(self, emulator: Emulator, client_id: str = "client") -> None:
        super().__init__(clock=emulator.clock)
        self._emulator = emulator
        self._client_id = client_id

    async def load(self, account: str) -> Tokens | None:
        """Return the tokens saved last, or else the first ones.

        Args:
            account: name of the account, as given to `OAuth`.
        """
        tokens = await super().load(account)
        if tokens is None:
            tokens = self._first(account)
            await self.save(account, tokens)
        return tokens

    def _first(self, account: str) -> Tokens:
        emulator = self._emulator
        user = account if account in emulator.users else emulator.demo_user
        answer: dict[str, Any] = emulator.grant(user, self._client_id)
        now = emulator.clock.now()
        end = now + answer["expires_in"]
        return Tokens(answer["access_token"], answer["refresh_token"], end, now, client_id=self._client_id)
