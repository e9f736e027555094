"""What this process holds of one account: the tokens in force, and whether they are written down."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from attrs import frozen

from enlighten_async.clock import Clock
from enlighten_async.errors import EnlightenError
from enlighten_async.oauth.store import TokenStore
from enlighten_async.oauth.tokens import Tokens
from enlighten_async.transport import Secret

logger = logging.getLogger("enlighten_async")

SAVE_TIMEOUT = 30.0
"""Seconds a store may take to save."""


@frozen
class _Unsaved:
    """Tokens that could not be written, and what the store holds instead."""

    tokens: Tokens
    over: Tokens | None


class Holding:
    """The tokens of one account in this process.

    Args:
        name: the caller's name of the account.
        store: where they are written.
        clock: the source of time.
    """

    def __init__(self, name: str, store: TokenStore, clock: Clock) -> None:
        self.name = name
        self._store = store
        self._clock = clock
        self._tokens: Tokens | None = None
        self._stored: Tokens | None = None
        self._unsaved: _Unsaved | None = None
        self._refused: Secret | None = None

    @property
    def unsaved(self) -> bool:
        """Whether the tokens in force could not be written."""
        return self._unsaved is not None

    def current(self) -> Tokens | None:
        """Return the tokens in force if they are good, and are not those which the service refused."""
        tokens = self._tokens
        if tokens is None or tokens.access_token == self._refused or not tokens.good(self._clock.now()):
            return None
        return tokens

    @property
    def refused(self) -> Secret | None:
        """The access token in force, if the service has refused it."""
        held = None if self._tokens is None else self._tokens.access_token
        return held if held == self._refused else None

    def refuse(self, refused: Secret | None) -> None:
        """Note which access token the service has refused, so that nobody sends it while it is renewed."""
        if refused is not None:
            self._refused = refused

    def excuse(self) -> None:
        """Let the token in force be sent again, as it is not renewed for having been refused."""
        self._refused = None

    def adopt(self, tokens: Tokens) -> None:
        """Put tokens in force; equal ones leave those in force that are."""
        if not _same(self._tokens, tokens):
            self._tokens = tokens

    async def latest(self) -> Tokens | None:
        """Return the newest tokens known: the store's, unless newer ones could not be written there."""
        self._stored = await self._store.load(self.name)
        if self._unsaved is not None and not _same(self._stored, self._unsaved.over):
            self._unsaved = None  # somebody has logged in or renewed since
        return self._stored if self._unsaved is None else self._unsaved.tokens

    async def keep(self, tokens: Tokens) -> None:
        """Write tokens, and only then put them in force; those that cannot be written are used all the same.

        The old ones may be dead by now, so these must not be lost.
        """
        failure = await self._save(tokens)
        if failure is None:
            self._stored, self._unsaved = tokens, None
        else:
            self._unsaved = _Unsaved(tokens, self._stored)
            logger.warning(
                "account %s: the new tokens could not be saved (%s); this process goes on with them and "
                "tries to save them again at the next renewal, but until then nobody else has them",
                self.name,
                failure,
            )
        self._tokens = tokens

    async def save_again(self) -> None:
        """Write what could not be written."""
        if self._unsaved is not None:
            await self.keep(self._unsaved.tokens)

    def forget(self) -> None:
        """Hold nothing."""
        self._tokens = self._stored = self._unsaved = None

    async def _save(self, tokens: Tokens) -> str | None:
        """Return why saving failed, in words without secrets; `None` if it did not."""
        try:
            with self._clock.move_on_after(SAVE_TIMEOUT):
                await self._store.save(self.name, tokens)
                return None
        except EnlightenError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever a user's store may raise
            return type(error).__name__  # its text may quote what was to be saved
        return f"it took longer than {SAVE_TIMEOUT:g} s"


def until(tokens: Tokens) -> str:
    """Write when the access token ends, in UTC."""
    return datetime.fromtimestamp(tokens.expires_at, UTC).isoformat(timespec="seconds")


def _same(one: Tokens | None, other: Tokens | None) -> bool:
    """Tell whether they are the same tokens; times may lose digits in a database."""
    if one is None or other is None:
        return one is other
    return one.access_token == other.access_token and one.refresh_token == other.refresh_token
