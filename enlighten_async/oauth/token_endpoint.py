"""The token endpoint (RFC 6749): its requests, its answers, and its errors."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from enlighten_async.clock import Clock
from enlighten_async.errors import (
    AuthenticationError,
    DecodeError,
    EnlightenError,
    ServerError,
    Throttled,
    TransportError,
)
from enlighten_async.oauth.token_store import Tokens
from enlighten_async.retry import RetryPolicy, is_transient
from enlighten_async.transport import (
    Credentials,
    Exchange,
    Redactor,
    Secret,
    Transport,
    Verify,
    run_shielded,
)
from enlighten_async.wire import Request, Response

if TYPE_CHECKING:
    import httpx

DAY = 86_400.0
"""Seconds an access token lives if nothing says how long."""
MAX_LIFE = 366 * DAY
"""Longer lives are not believed."""
MAX_SAID = 200
"""Characters kept of what the service says about a failure."""

_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
_PERSONAL = re.compile(r"\S+@\S+|\beyJ[\w.~+/=-]+|[\w~+=-]{24,}[\w.~+=-]*")
"""E-mail addresses, JWTs, and what is long enough to be another token."""


@frozen
class OAuthError:
    """What the service says about a failure, fit to be shown.

    Attributes:
        status: HTTP status.
        error: OAuth's word for it, such as "invalid_grant"; empty if there is none.
        text: all it says, in brackets after the status.
    """

    status: int
    error: str
    text: str


def tokens_of(response: Response, now: float) -> Tokens | DecodeError:
    """Return the tokens in a 200.

    Args:
        response: the answer.
        now: the local time (epoch seconds) to which its lives are added.
    """
    answer = _object(response.body)
    access, refresh = _token(answer.get("access_token")), _token(answer.get("refresh_token"))
    if access is None:
        return DecodeError("the answer to a request for tokens holds no access token", path="$.access_token")
    ahead = now - (now if response.date is None else response.date)  # of the clock that JWTs go by
    end = _end(access)
    life = _number(answer.get("expires_in")) or (DAY if end is None else end + ahead - now)
    refresh_end = None if refresh is None else _end(refresh)
    return Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_at=now + min(life if life > 0 else DAY, MAX_LIFE),
        obtained_at=now,
        refresh_expires_at=None if refresh_end is None else refresh_end + ahead,
    )


def failure_of(
    response: Response, redactor: Redactor, refused: Callable[[OAuthError], EnlightenError]
) -> EnlightenError | None:
    """Return what an answer means if it is not a 200.

    Args:
        response: the answer.
        redactor: masks what was sent.
        refused: makes the error for a grant that is not accepted.
    """
    status = response.status
    if status == 200:
        return None
    said = _said(response, redactor)
    if said.error in _CLIENT:
        return AuthenticationError(
            f"the client id and client secret are not accepted {said.text}: take both from the "
            "application's page of the developer portal (only partners' applications may use passwords)",
            status=status,
        )
    if status in {400, 401}:
        return refused(said)
    if status == 429:
        return Throttled(f"too many requests for tokens {said.text}", status=status)
    hint = "" if status >= 500 else "; is base_url right?"
    return ServerError(f"the service gave no tokens {said.text}{hint}", status=status)


def _said(response: Response, redactor: Redactor) -> OAuthError:
    answer = _object(response.body)
    error = _shown(answer.get("error"), redactor)
    known = [error, *(_shown(answer.get(name), redactor) for name in ("error_description", "message"))]
    text = ", ".join(filter(None, [f"HTTP {response.status}", *known]))
    return OAuthError(response.status, error, f"({text})")


def _shown(value: object, redactor: Redactor) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in masked(value, redactor))[:MAX_SAID]


def masked(text: str, redactor: Redactor) -> str:
    """Return a text without what was sent, and without what looks like a token or an e-mail address."""
    return _PERSONAL.sub("***", redactor.text(text))


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _token(value: object) -> str | None:
    """Return a text that can go into a header field, or `None`."""
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]+", value) else None


def _number(value: object) -> float | None:
    """Return a number above 0, also one written as a text, or `None`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and number > 0 else None


def _end(token: str) -> float | None:
    """Return when a JWT ends by the service's clock (epoch seconds); nothing else in it is looked at."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except ValueError:
        return None
    return _number(_object(claims).get("exp"))


def _nothing(_: Response) -> None:
    """Decode nothing: the answer is read here."""


_ASK = Request("token", "/token", (), _nothing, method="POST")


@frozen(eq=False)
class TokenEndpoint:
    """Where tokens come from.

    Attributes:
        base_url: what stands before `/token`.
        client_id: of the application.
        client_secret: of the application.
        clock: the source of time.
        timeout: seconds for one request, which cannot be cancelled.
        proxy: as `Transport` takes it.
        verify: as `Transport` takes it.
        transport: the user's own; it is not closed.
        retry: how failures that may pass are met.
    """

    base_url: str
    client_id: str
    client_secret: Secret
    clock: Clock
    timeout: float = 30.0
    proxy: str | None = field(default=None, repr=False)
    verify: Verify = True
    transport: httpx.AsyncBaseTransport | None = None
    retry: RetryPolicy = field(factory=RetryPolicy)

    async def ask(
        self,
        form: Iterable[tuple[str, str | Secret]],
        *,
        refused: Callable[[OAuthError], EnlightenError],
        keep: Callable[[Tokens], Awaitable[None]],
    ) -> None:
        """Ask for tokens until they are there and kept.

        Once a request has left, a cancel waits for its answer and for `keep`: the service may have
        ended the old tokens, and the new ones are nowhere else.

        Args:
            form: the grant.
            refused: makes the error for a grant that is not accepted.
            keep: is given the tokens.

        Raises:
            AuthenticationError: the application or the grant is not accepted.
            Throttled: too many requests, also after the last try.
            ServerError: the service failed, also at the last try.
            TransportError: no whole answer arrived, also at the last try.
            DecodeError: the answer holds no tokens.
        """
        credentials = self._credentials(form)
        failures = 0
        while True:
            try:
                return await run_shielded(partial(self._once, credentials, refused, keep))
            except EnlightenError as error:
                failures += 1
                if not (is_transient(error) or isinstance(error, Throttled)) or not self.retry.allows(
                    failures
                ):
                    raise
            await self.clock.sleep(self.retry.delay(failures, random.random()))  # noqa: S311 - jitter

    async def _once(
        self,
        credentials: Credentials,
        refused: Callable[[OAuthError], EnlightenError],
        keep: Callable[[Tokens], Awaitable[None]],
    ) -> None:
        redactor = Redactor([*credentials.secrets, self.client_secret.reveal()])
        try:
            response = await self._send(credentials)
        except TransportError as error:
            error.args = (masked(str(error), redactor),)  # it may quote what came instead of an answer
            raise
        found = failure_of(response, redactor, refused) or tokens_of(response, self.clock.now())
        del response
        if not isinstance(found, Tokens):
            raise found
        await keep(found)

    async def _send(self, credentials: Credentials) -> Response:
        """Send one request by connections of its own, so that no event loop is clung to."""
        way = Transport(
            base_url=self.base_url,
            clock=self.clock,
            timeout=self.timeout,
            max_connections=1,
            proxy=self.proxy,
            verify=self.verify,
            transport=self.transport,
        )
        try:
            return await way.send(Exchange(_ASK, credentials))
        finally:
            if self.transport is None:
                await way.aclose()

    def _credentials(self, form: Iterable[tuple[str, str | Secret]]) -> Credentials:
        pair = f"{self.client_id}:{self.client_secret.reveal()}".encode()
        basic = Secret("Basic " + base64.b64encode(pair).decode())
        del pair
        # A refresh token may come back as it was sent: masked, it would be lost.
        return Credentials(headers=[("Authorization", basic)], form=form, masks_body=False)
