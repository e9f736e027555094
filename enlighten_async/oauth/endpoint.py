"""Asks for tokens: few tries, each to its end, and what they brought is kept before anybody uses it."""

from __future__ import annotations

import base64
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from attrs import field, frozen

from enlighten_async.clock import Clock
from enlighten_async.errors import EnlightenError, Throttled, TransportError
from enlighten_async.oauth.answer import Said, failure_of, masked, tokens_of
from enlighten_async.oauth.to_the_end import to_the_end
from enlighten_async.oauth.tokens import Tokens
from enlighten_async.retry import RetryPolicy, passing
from enlighten_async.transport import Credentials, Redactor, Secret, Transport, Verify
from enlighten_async.wire import Request, Response

if TYPE_CHECKING:
    import httpx


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
        refused: Callable[[Said], EnlightenError],
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
                return await to_the_end(partial(self._once, credentials, refused, keep))
            except EnlightenError as error:
                failures += 1
                if not (passing(error) or isinstance(error, Throttled)) or not self.retry.allows(failures):
                    raise
            await self.clock.sleep(self.retry.delay(failures, random.random()))  # noqa: S311 - jitter

    async def _once(
        self,
        credentials: Credentials,
        refused: Callable[[Said], EnlightenError],
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
            return await way.send(_ASK, credentials, _Unbooked())
        finally:
            if self.transport is None:
                await way.aclose()

    def _credentials(self, form: Iterable[tuple[str, str | Secret]]) -> Credentials:
        pair = f"{self.client_id}:{self.client_secret.reveal()}".encode()
        basic = Secret("Basic " + base64.b64encode(pair).decode())
        del pair
        # A refresh token may come back as it was sent: masked, it would be lost.
        return Credentials(headers=[("Authorization", basic)], form=form, masks_body=False)


class _Unbooked:
    """Keeps no books: whether requests for tokens count is not known, and nothing depends on it."""

    def mark_sent(self) -> None:
        """Note nothing."""

    def land(self, response: Response) -> None:
        """Note nothing."""
