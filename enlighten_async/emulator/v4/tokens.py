"""The tokens that were given out, and for whom they speak: they look like JWTs, though nothing signs them."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, urlsafe_b64encode
from random import Random
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import define, frozen

if TYPE_CHECKING:
    from enlighten_async.clock import Clock

ACCESS_TTL = 86_399
"""Seconds an access token lives."""

REFRESH_TTL = 2_629_746
"""Seconds a refresh token lives: a mean month."""

CODE_TTL = 300
"""Seconds an authorization code lives."""

SIGNS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
PASSWORD_CHANGED = "1638870641"  # noqa: S105 - when, not what

CLAIMS: dict[str, object] = {
    "authorities": ["ROLE_USER"],
    "aud": ["oauth2-resource"],
    "scope": ["read", "write"],
}

Rotation: TypeAlias = Literal["strict", "lenient"]
Row: TypeAlias = dict[str, object]


@define
class Token:
    """For whom a token speaks, and until when (epoch seconds)."""

    user_id: str
    client_id: str
    expires_at: float


@frozen
class Code:
    """What an authorization code is worth; it has to come back with the same address."""

    user_id: str
    client_id: str
    redirect_uri: str
    expires_at: float


def user_number(user_id: str) -> str:
    """Return the number a user id stands for, or one made of it where it stands for none."""
    try:
        return str(int(b64decode(bytes.fromhex(user_id))))
    except ValueError:
        return str(zlib.crc32(user_id.encode()))


def user_name(user_id: str) -> str:
    """Return a user's made-up e-mail address."""
    return f"owner-{user_number(user_id)}@homes.example"


class Tokens:
    """All tokens and codes.

    Args:
        seed: of what they look like.
        clock: says until when they are good.
        rotation: whether a refresh token is dead once it was used, or lives on.
    """

    def __init__(self, seed: int, clock: Clock, rotation: Rotation) -> None:
        self.rotation = rotation
        self._random = Random(f"{seed}/tokens")
        self._clock = clock
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._codes: dict[str, Code] = {}

    def give_code(self, user_id: str, client_id: str, redirect_uri: str) -> str:
        """Return a new authorization code."""
        text = "".join(self._random.choices(SIGNS, k=6))
        self._codes[text] = Code(user_id, client_id, redirect_uri, self._clock.now() + CODE_TTL)
        return text

    def take_code(self, text: str, client_id: str, redirect_uri: str) -> Row | None:
        """Return tokens for a code, which is good for one attempt; `None` if it is not good."""
        code = self._codes.pop(text, None)
        wanted = (client_id, redirect_uri)
        if code is None or (code.client_id, code.redirect_uri) != wanted or self._over(code.expires_at):
            return None
        return self.issue(code.user_id, client_id)

    def renew(self, text: str, client_id: str) -> Row | None:
        """Return tokens for a refresh token; `None` if it is not good."""
        token = self._refresh.get(text)
        if token is None or token.client_id != client_id or self._over(token.expires_at):
            return None
        if self.rotation == "strict":
            del self._refresh[text]
        return self.issue(token.user_id, client_id)

    def find(self, text: str) -> Token | None:
        """Return for whom an access token speaks; `None` if it is unknown, revoked or expired."""
        token = self._access.get(text)
        return None if token is None or self._over(token.expires_at) else token

    def revoke(self, user_id: str) -> None:
        """End all tokens of a user: nobody can speak for them until they log in again."""
        for tokens in (self._access, self._refresh):
            for text in [text for text, token in tokens.items() if token.user_id == user_id]:
                del tokens[text]

    def expire(self, user_id: str | None) -> None:
        """End the access tokens of a user (`None`: of all), ahead of the time they name themselves."""
        for token in self._access.values():
            if user_id in {None, token.user_id}:
                token.expires_at = self._clock.now()

    def issue(self, user_id: str, client_id: str) -> Row:
        """Return the body of an answer with new tokens."""
        now = self._clock.now()
        jti, ati = self._jti(), self._jti()
        known = _known(user_id)
        claims = known | CLAIMS | {"user_name": user_name(user_id), "client_id": client_id}
        access = self._write(claims | {"exp": int(now + ACCESS_TTL), "jti": ati})
        refresh = self._write(claims | {"exp": int(now + REFRESH_TTL), "jti": jti, "ati": ati})
        self._access[access] = Token(user_id, client_id, now + ACCESS_TTL)
        self._refresh[refresh] = Token(user_id, client_id, now + REFRESH_TTL)
        return {
            "access_token": access,
            "token_type": "bearer",
            "refresh_token": refresh,
            "expires_in": ACCESS_TTL,
            "scope": "read write",
            "is_internal_app": False,
            "jti": ati,
            **known,
        }

    def _over(self, moment: float) -> bool:
        return self._clock.now() >= moment

    def _jti(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _write(self, claims: dict[str, object]) -> str:
        head = {"alg": "RS256", "typ": "JWT"}
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (head, claims)]
        return ".".join(_encode(part) for part in (*parts, self._random.randbytes(256)))


def _known(user_id: str) -> dict[str, object]:
    """Return what both a token and the answer that brings it say of a user."""
    return {
        "app_type": "system",
        "enl_uid": user_number(user_id),
        "enl_cid": "",
        "enl_password_last_changed": PASSWORD_CHANGED,
    }


def _encode(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()
