"""What a login gives: an access token for a day, and a refresh token that gives the next ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from attrs import asdict, converters, field, frozen

from enlighten_async.errors import InputError
from enlighten_async.transport import Secret

MARGIN = 300.0
"""Seconds before its end from which on an access token is renewed: requests and clocks take their time."""


@frozen
class Tokens:
    """The tokens of one account. They do not show themselves, and are not pickled.

    They are texts that hold the owner's e-mail address, so what is inside of them is read for nothing
    but their end.

    Attributes:
        access_token: goes with every request.
        refresh_token: is exchanged for the next tokens, once; `None` if the service gave none.
        expires_at: when the access token ends (epoch seconds by this machine's clock).
        obtained_at: when both were obtained (epoch seconds by the same clock).
        refresh_expires_at: when the refresh token ends (epoch seconds), where it says.
    """

    access_token: Secret = field(converter=Secret, repr=False)
    refresh_token: Secret | None = field(converter=converters.optional(Secret), repr=False)
    expires_at: float
    obtained_at: float
    refresh_expires_at: float | None = None

    def good(self, now: float) -> bool:
        """Tell whether the access token is valid for `MARGIN` more (half its life, where that is less)."""
        margin = max(0.0, min(MARGIN, (self.expires_at - self.obtained_at) / 2))
        return self.expires_at - now > margin

    def reveal(self) -> dict[str, str | float | None]:
        """Return the tokens in plain text, as a store keeps them; `Tokens.of` takes it."""
        plain = asdict(self, recurse=False)
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in plain.items()}

    @classmethod
    def of(cls, revealed: Mapping[str, Any]) -> Tokens:
        """Return the tokens from what `reveal` gave; unknown names are ignored.

        Raises:
            InputError: something is missing or of another type. It shows no value.
        """
        tokens = _checked(revealed)
        del revealed  # a traceback that shows variables must not show it
        if isinstance(tokens, str):
            raise InputError(f"these are no tokens: {tokens} is missing or not what `Tokens.reveal` gives")
        return tokens


def _checked(revealed: Mapping[str, Any]) -> Tokens | str:
    """Return the tokens, or the name of what is wrong."""
    values = {name: revealed.get(name) for name in _SOUND}
    for name, sound in _SOUND.items():
        if not sound(values[name]):
            return name
    return Tokens(**values)  # type: ignore[arg-type]


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


_SOUND: dict[str, Callable[[object], bool]] = {
    "access_token": lambda value: isinstance(value, str),
    "refresh_token": lambda value: isinstance(value, str | None),
    "expires_at": _is_time,
    "obtained_at": _is_time,
    "refresh_expires_at": lambda value: value is None or _is_time(value),
}
