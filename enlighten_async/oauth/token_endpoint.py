"""The token endpoint (RFC 6749): requests for tokens, their answers, and their errors."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, evolve, field, frozen

from enlighten_async import errors
from enlighten_async.clock import Clock, run_shielded
from enlighten_async.oauth.token_store import Tokens
from enlighten_async.retry import RetryPolicy, is_outage
from enlighten_async.transport import (
    Credentials,
    Exchange,
    Redactor,
    Secret,
    Transport,
    Verify,
)
from enlighten_async.windows import as_datetime
from enlighten_async.wire import Request, Response

if TYPE_CHECKING:
    import httpx

    from enlighten_async.limiter import Renewals

DEFAULT_LIFE_S = 86_400.0
"""Seconds an access token lives if neither the answer nor the token says it: the service gives a day."""

MAX_LIFE_S = 366 * 86_400.0
"""Longest life of an access token that is believed."""

MAX_ERROR_CHARS = 200
"""Characters kept of each text with which the service explains a failure."""

MAX_PAUSE_S = 300.0
"""Longest pause between two requests of one caller for tokens, and longest wait for one that was put off."""

_GRANT_ERROR = "invalid_grant"
"""The one error code by which a grant has ended (RFC 6749, 5.2)."""
_CLIENT_ERRORS = frozenset({"invalid_client", "unauthorized_client"})
"""Those by which the application is not accepted."""
_VERDICTS = _CLIENT_ERRORS | {_GRANT_ERROR}
"""All that end a login, under whatever status."""

_PERSONAL = re.compile(r"\S+@\S+|\beyJ[\w.~+/=-]+|[\w~+=-]{24,}[\w.~+=-]*")
"""E-mail addresses, JWTs, and texts that are long enough to be another token."""


@define(eq=False)
class Attempts:
    """The attempts of one caller to get tokens.

    Attributes:
        until: the moment (monotonic) by which it wants them; `None` for a few attempts.
        failures: how many have failed, those of the caller it waits for included.
        lost: text of the last one in which the service may have taken the grant; empty if it cannot have.
        failure: the one after which there is none to be.
        renewals: what lets its requests through and counts their failures; `None` for a login.
        refusal: the error with which that let none through.
        known: failures in a row when it first looked; `None`: it has not.
        waiting: ends its wait for the attempts of another caller.
    """

    until: float | None = None
    failures: int = 0
    lost: str = ""
    failure: errors.EnlightenError | None = None
    renewals: Renewals | None = None
    refusal: errors.EnlightenError | None = None
    known: int | None = None
    waiting: anyio.CancelScope = field(factory=anyio.CancelScope)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a place in flight, or raise the refusal, if nothing may be sent."""
        if self.renewals is None:
            yield
            return
        patience = inf if self.until is None else self.until
        async with self.renewals.turn(patience, self.known or 0) as refusal:
            self.refuse(refusal)
            yield

    async def look(self) -> None:
        """Learn what all who share the state know, and raise the refusal, if nothing may be sent."""
        if self.renewals is not None:
            self.refuse(await self.renewals.look())
            self.known = self.renewals.failures() if self.known is None else self.known

    def refuse(self, refusal: errors.EnlightenError | None) -> None:
        """Raise a refusal, if there is one."""
        self.refusal = refusal
        if refusal is not None:
            raise refusal

    def end(self, failure: errors.EnlightenError) -> None:
        """End its wait for the attempts of another caller by the failure of one."""
        self.failure = copy(failure)
        self.waiting.cancel()


@frozen
class OAuthError:
    """An error answer of the token endpoint (RFC 6749, 5.2), without personal data.

    Attributes:
        status: HTTP status.
        error: OAuth's error code, such as "invalid_grant"; empty if there is none.
        text: status, code and description, in brackets.
    """

    status: int
    error: str
    text: str


def _may_have_used(error: errors.EnlightenError) -> bool:
    """Tell whether the service may have taken a grant, and its answer was lost on the way."""
    if isinstance(error, errors.TransportError):
        return error.sent
    return isinstance(error, errors.ServerError | errors.DecodeError)


def _used_before(
    grant_error: Callable[[OAuthError], errors.EnlightenError], failure: str, answer: OAuthError
) -> errors.EnlightenError:
    """Return the error for a grant that an attempt before may have used, the answer to which was lost."""
    lost = f"an attempt before may have used it, and its answer was lost: {failure}"
    return grant_error(evolve(answer, text=f"{answer.text[:-1]}; {lost})"))


def parse_tokens(response: Response, now: float) -> Tokens | errors.DecodeError:
    """Return the tokens of an answer with status 200, or the error that it holds none.

    Args:
        response: the answer.
        now: the local time (epoch seconds) from which the tokens' lives are counted.
    """
    answer = _json_object(response.body)
    access, refresh = _header_text(answer.get("access_token")), _header_text(answer.get("refresh_token"))
    if access is None:
        return errors.DecodeError(
            "the answer to a request for tokens holds no access token: ask again later",
            path="$.access_token",
            passing=True,
        )
    # JWTs end by the service's clock; `ahead` says by how much the local one is ahead of it.
    ahead = now - (now if response.date is None else response.date)
    end = _jwt_expiry(access)
    life = _positive(answer.get("expires_in")) or (DEFAULT_LIFE_S if end is None else end + ahead - now)
    refresh_end = None if refresh is None else _jwt_expiry(refresh)
    return Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_at=now + min(life if life > 0 else DEFAULT_LIFE_S, MAX_LIFE_S),
        obtained_at=now,
        refresh_expires_at=None if refresh_end is None else refresh_end + ahead,
    )


def error_for(
    response: Response, redactor: Redactor, grant_error: Callable[[OAuthError], errors.EnlightenError]
) -> errors.EnlightenError | None:
    """Return the error of an answer; `None` for status 200, unless that holds a verdict in place of tokens.

    A grant has ended, or an application is unknown, only where OAuth's code says so. A gateway that is
    overloaded or being repaired answers with 400, 401 and web pages too: these pass.

    Args:
        response: the answer.
        redactor: masks what was sent.
        grant_error: makes the error for a grant that is not accepted.
    """
    status, answer = response.status, _oauth_error(response, redactor)
    if status == 200 and ("access_token" in _json_object(response.body) or answer.error not in _VERDICTS):
        return None
    if answer.error in _CLIENT_ERRORS:
        return errors.AuthenticationError(
            f"the client id and client secret are not accepted {answer.text}: take both from the "
            "application's page of the developer portal (only partners' applications may use passwords)",
            status=status,
        )
    if answer.error == _GRANT_ERROR:
        return grant_error(answer)
    error: errors.APIError
    if status == 429:
        error = errors.Throttled(f"too many requests for tokens {answer.text}: ask later", status=status)
    else:
        hint = "; is base_url right?" if status in _WRONG_PLACE else ""
        text = f"the service gave no tokens {answer.text}: ask again later{hint}"
        error = errors.ServerError(text, status=status)
    error.passing = True
    return error


_WRONG_PLACE = frozenset({*range(300, 400), 404, 405, 410})
"""Statuses of an address at which there is no token endpoint."""


def _oauth_error(response: Response, redactor: Redactor) -> OAuthError:
    answer = _json_object(response.body)
    error = _printable(answer.get("error"), redactor)
    texts = [error, *(_printable(answer.get(name), redactor) for name in ("error_description", "message"))]
    text = ", ".join(filter(None, [f"HTTP {response.status}", *texts]))
    return OAuthError(response.status, error, f"({text})")


def _printable(value: object, redactor: Redactor) -> str:
    if not isinstance(value, str):
        return ""
    text = mask_personal(value, redactor)
    return "".join(char if char.isprintable() else " " for char in text)[:MAX_ERROR_CHARS]


def mask_personal(text: str, redactor: Redactor) -> str:
    """Return a text without the secrets that were sent, and without e-mail addresses and tokens."""
    return _PERSONAL.sub(errors.MASK, redactor.text(text))


def _json_object(body: bytes | str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _header_text(value: object) -> str | None:
    """Return a text that can be sent in a header field, or `None`."""
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]+", value) else None


def _positive(value: object) -> float | None:
    """Return a number above 0, or `None`; the service writes `expires_in` as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and number > 0 else None


def _jwt_expiry(token: str) -> float | None:
    """Return the end of a JWT by the service's clock (epoch seconds); nothing else in it is read."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except ValueError:
        return None
    return _positive(_json_object(claims).get("exp"))


def _no_decoding(_: Response) -> None:
    """Decode nothing: `TokenEndpoint` parses the answer itself, where the secrets to mask are known."""


_TOKEN_REQUEST = Request("token", "/token", (), _no_decoding, method="POST")


@frozen(eq=False)
class TokenEndpoint:
    """The service's token endpoint, as one application uses it.

    Attributes:
        base_url: the URL without `/token`.
        client_id: the application's client id.
        client_secret: the application's client secret.
        clock: the source of time.
        timeout: seconds for one request, which cannot be cancelled.
        proxy: as `Transport` takes it.
        verify: as `Transport` takes it.
        transport: the user's own transport; it is not closed.
        retry: the policy for failures that pass.
    """

    base_url: str
    client_id: str
    client_secret: Secret
    clock: Clock
    timeout: float = 30.0
    proxy: Secret | None = None
    verify: Verify = True
    transport: httpx.AsyncBaseTransport | None = None
    retry: RetryPolicy = field(factory=partial(RetryPolicy, cap=MAX_PAUSE_S))

    async def request(
        self,
        form: Iterable[tuple[str, str | Secret]],
        *,
        grant_error: Callable[[OAuthError], errors.EnlightenError],
        save: Callable[[Tokens], Awaitable[None]],
        attempts: Attempts | None = None,
        failed: Callable[[errors.EnlightenError, int], None] = lambda *_: None,
    ) -> None:
        """Request tokens, and save them; failures that pass are followed by another attempt.

        Once a request has been sent, a cancel waits for its answer and for `save`: the service may have
        ended the old tokens, and the answer is the only copy of the new ones.

        Args:
            form: the grant.
            grant_error: makes the error for a grant that is not accepted.
            save: saves the tokens.
            attempts: counts the attempts, and says how long they may go on.
            failed: is told of each failure that is followed by another attempt, and how many there were.

        Raises:
            AuthenticationError: the application or the grant is not accepted.
            Throttled: too many requests, also at the last attempt.
            ServerError: the service failed, also at the last attempt.
            TransportError: no whole answer arrived, also at the last attempt.
            DecodeError: the answer holds no tokens, also at the last attempt.
            EnlightenError: nothing was sent, as the service is known to fail; its last failure's own error.
        """
        credentials, attempts = self._credentials(form), attempts or Attempts()
        while True:
            refused = partial(_used_before, grant_error, attempts.lost) if attempts.lost else grant_error
            async with attempts.turn():
                try:
                    request = partial(self._request_once, credentials, refused, save)
                    return await run_shielded(partial(self._counted, request, attempts.renewals))
                except errors.EnlightenError as error:
                    attempts.failures += 1
                    attempts.lost = str(error) if _may_have_used(error) else attempts.lost
                    pause = self.pause(error, attempts)
                    if pause is None:
                        raise
                    failed(error, attempts.failures)
            await self.clock.sleep(pause)

    def pause(self, error: Exception, attempts: Attempts) -> float | None:
        """Return the seconds until the next attempt after an error; `None` if there is to be none.

        After silence the next one has to fit in to its end: it may take just as long.
        """
        if not isinstance(error, errors.EnlightenError) or not error.passing:
            return None
        if attempts.renewals is not None and not attempts.renewals.may_repeat(error):
            return None
        now, failures = self.clock.monotonic(), attempts.failures
        pause = self.retry.delay(failures, random.random())  # noqa: S311 - jitter, not a secret
        if error.retry_at is not None:
            pause = max(pause, error.retry_at.timestamp() - self.clock.now())
        if attempts.until is None:
            return pause if self.retry.allows(failures) and pause <= MAX_PAUSE_S else None
        length = self.timeout if isinstance(error, errors.RequestTimeout) else 0.0
        return pause if now + pause + length < attempts.until else None

    async def _counted(
        self, request: Callable[[], Coroutine[object, None, None]], renewals: Renewals | None
    ) -> None:
        """Send one request, and count what comes of it among the answers and failures of the service."""
        try:
            await request()
        except errors.EnlightenError as error:
            if renewals is not None and is_outage(error):
                await renewals.failed(error, self.retry.attempts)
            elif renewals is not None:
                await renewals.answered()
            raise
        if renewals is not None:
            await renewals.answered()

    async def _request_once(
        self,
        credentials: Credentials,
        grant_error: Callable[[OAuthError], errors.EnlightenError],
        save: Callable[[Tokens], Awaitable[None]],
    ) -> None:
        redactor = Redactor([*credentials.secrets, self.client_secret.reveal()])
        try:
            response = await self._send(credentials)
        except errors.TransportError as error:
            error.args = (mask_personal(str(error), redactor),)  # it may quote a body that is not HTTP
            raise
        found = error_for(response, redactor, grant_error) or parse_tokens(response, self.clock.now())
        put_off = response.retry_after
        del response
        if not isinstance(found, Tokens):
            if found.passing and put_off is not None:
                found.retry_at = as_datetime(self.clock.now() + put_off)
            raise found
        await save(evolve(found, client_id=self.client_id))

    async def _send(self, credentials: Credentials) -> Response:
        """Send one request over a connection of its own, so that the endpoint belongs to no event loop."""
        transport = Transport(
            base_url=self.base_url,
            clock=self.clock,
            timeout=self.timeout,
            max_connections=1,
            proxy=self.proxy,
            verify=self.verify,
            transport=self.transport,
        )
        try:
            return await transport.send(Exchange(_TOKEN_REQUEST, credentials))
        finally:
            if self.transport is None:
                await transport.aclose()

    def _credentials(self, form: Iterable[tuple[str, str | Secret]]) -> Credentials:
        pair = f"{self.client_id}:{self.client_secret.reveal()}".encode()
        basic = Secret("Basic " + base64.b64encode(pair).decode())
        del pair
        # A refresh token may come back as it was sent: masked, it would be lost.
        return Credentials(headers=[("Authorization", basic)], form=form, masks_body=False)
