"""OAuth2 tokens and authorization codes: they have the form of JWTs, without a valid signature."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, urlsafe_b64encode
from random import Random
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import define, frozen

if TYPE_CHECKING:
    from enlighten_async.clock import Clock

ACCESS_TTL_S = 86_399
"""Seconds an access token lives."""

REFRESH_TTL_S = 2_629_746
"""Seconds a refresh token lives: a mean month."""

CODE_TTL_S = 300
"""Seconds an authorization code lives."""

CODE_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LAST_CHANGED = "1638870641"

CLAIMS: dict[str, object] = {
    "authorities": ["ROLE_USER"],
    "aud": ["oauth2-resource"],
    "scope": ["read", "write"],
}

Rotation: TypeAlias = Literal["strict", "lenient"]
Row: TypeAlias = dict[str, object]


@define
class Token:
    """User and client of a token, and its expiry (epoch seconds)."""

    user_id: str
    client_id: str
    expires_at: float


@frozen
class Code:
    """An authorization code; it is redeemed with the same redirect address only."""

    user_id: str
    client_id: str
    redirect_uri: str
    expires_at: float


def user_number(user_id: str) -> str:
    """Return the number encoded in a user id, or a checksum of an id that encodes none."""
    try:
        return str(int(b64decode(bytes.fromhex(user_id))))
    except ValueError:
        return str(zlib.crc32(user_id.encode()))


def user_name(user_id: str) -> str:
    """Return a user's fictitious e-mail address."""
    return f"owner-{user_number(user_id)}@homes.example"


class Tokens:
    """All tokens and codes.

    Args:
        seed: seed of their texts.
        clock: the clock of their expiry.
        rotation: whether a refresh token is invalid once it was used ("strict"), or stays valid ("lenient").
        access_ttl: seconds an access token lives.
    """

    def __init__(self, seed: int, clock: Clock, rotation: Rotation, access_ttl: float = ACCESS_TTL_S) -> None:
        self.rotation = rotation
        self.access_ttl = access_ttl
        self._random = Random(f"{seed}/tokens")
        self._clock = clock
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._codes: dict[str, Code] = {}

    def issue_code(self, user_id: str, client_id: str, redirect_uri: str) -> str:
        """Return a new authorization code."""
        text = "".join(self._random.choices(CODE_ALPHABET, k=6))
        self._codes[text] = Code(user_id, client_id, redirect_uri, self._clock.now() + CODE_TTL_S)
        return text

    def redeem_code(self, text: str, client_id: str, redirect_uri: str) -> Row | None:
        """Return tokens for a code, which is valid for one attempt; `None` if it is not valid."""
        code = self._codes.pop(text, None)
        wanted = (client_id, redirect_uri)
        if code is None or (code.client_id, code.redirect_uri) != wanted or self._is_expired(code.expires_at):
            return None
        return self.issue(code.user_id, client_id)

    def refresh(self, text: str, client_id: str) -> Row | None:
        """Return tokens for a refresh token; `None` if it is not valid."""
        token = self._refresh.get(text)
        if token is None or token.client_id != client_id or self._is_expired(token.expires_at):
            return None
        if self.rotation == "strict":
            del self._refresh[text]
        return self.issue(token.user_id, client_id)

    def find(self, text: str) -> Token | None:
        """Return the access token of this text; `None` if it is unknown, revoked or expired."""
        token = self._access.get(text)
        return None if token is None or self._is_expired(token.expires_at) else token

    def revoke(self, user_id: str) -> None:
        """End all tokens of a user: they have to log in again."""
        for tokens in (self._access, self._refresh):
            for text in [text for text, token in tokens.items() if token.user_id == user_id]:
                del tokens[text]

    def expire(self, user_id: str | None) -> None:
        """End the access tokens of a user (`None`: of all), ahead of the expiry in them."""
        for token in self._access.values():
            if user_id in {None, token.user_id}:
                token.expires_at = self._clock.now()

    def issue(self, user_id: str, client_id: str) -> Row:
        """Return the content of a response with new tokens."""
        now = self._clock.now()
        jti, ati = self._jti(), self._jti()
        user = _user_fields(user_id)
        claims = user | CLAIMS | {"user_name": user_name(user_id), "client_id": client_id}
        access = self._write(claims | {"exp": int(now + self.access_ttl), "jti": ati})
        refresh = self._write(claims | {"exp": int(now + REFRESH_TTL_S), "jti": jti, "ati": ati})
        self._access[access] = Token(user_id, client_id, now + self.access_ttl)
        self._refresh[refresh] = Token(user_id, client_id, now + REFRESH_TTL_S)
        return {
            "access_token": access,
            "token_type": "bearer",
            "refresh_token": refresh,
            "expires_in": int(self.access_ttl),
            "scope": "read write",
            "is_internal_app": False,
            "jti": ati,
            **user,
        }

    def _is_expired(self, moment: float) -> bool:
        return self._clock.now() >= moment

    def _jti(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _write(self, claims: dict[str, object]) -> str:
        head = {"alg": "RS256", "typ": "JWT"}
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (head, claims)]
        return ".".join(_encode(part) for part in (*parts, self._random.randbytes(256)))


def _user_fields(user_id: str) -> dict[str, object]:
    """Return the fields about a user, the same in a token and in the response with it."""
    return {
        "app_type": "system",
        "enl_uid": user_number(user_id),
        "enl_cid": "",
        "enl_password_last_changed": LAST_CHANGED,
    }


def _encode(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()
