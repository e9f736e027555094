"""Tokens without a login: what owners of an emulator's systems would have let an application have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enlighten_async.oauth import MemoryTokenStore, Tokens

if TYPE_CHECKING:
    from enlighten_async.emulator import Emulator


class LoggedIn(MemoryTokenStore):
    """Keeps tokens of accounts that have all logged in at an emulator, each when it is first asked for.

    An account that has the id of one of the emulator's users is theirs, any other is the demo user's.

    Args:
        emulator: who gives the tokens.
        client_id: of the application they are for, as `OAuth` has it.
    """

    def __init__(self, emulator: Emulator, client_id: str = "client") -> None:
        super().__init__(clock=emulator.clock)
        self._emulator = emulator
        self._client_id = client_id

    async def load(self, account: str) -> Tokens | None:
        """Return what was saved last, or else first tokens."""
        tokens = await super().load(account)
        if tokens is None:
            tokens = self._first(account)
            await self.save(account, tokens)
        return tokens

    def _first(self, account: str) -> Tokens:
        emulator = self._emulator
        user = account if account in emulator.users else emulator.demo_user
        given: dict[str, Any] = emulator.grant(user, self._client_id)
        now = emulator.clock.now()
        return Tokens(given["access_token"], given["refresh_token"], now + given["expires_in"], now)
