"""Sends requests: credentials last, one deadline, whole answers, errors without secrets."""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from urllib.parse import urlencode

import httpx

from enlighten_async.clock import Clock
from enlighten_async.errors import InputError, RequestTimeout, TransportError, UsageError
from enlighten_async.transport.body import Head
from enlighten_async.transport.credentials import Credentials
from enlighten_async.transport.failures import FOREIGN, bare, reason
from enlighten_async.transport.guest import Guest, service_of
from enlighten_async.transport.lean import LeanClient, pinned_headers
from enlighten_async.transport.origin import origin
from enlighten_async.transport.pool import Pool
from enlighten_async.transport.proxy import proxy_for
from enlighten_async.transport.redaction import Redactor, install_filter
from enlighten_async.transport.sending import EXTENSION, Attempt, Carrier, Sending
from enlighten_async.transport.stamp import Stamp
from enlighten_async.transport.tls import Verify
from enlighten_async.wire import Request, Response

_NO_TIMEOUT: dict[str, None] = {"connect": None, "read": None, "write": None, "pool": None}


class Transport:
    """Sends requests to one origin, from one event loop.

    Args:
        base_url: what stands before every path; https, unless it is this machine or `transport` is given.
        clock: the source of time.
        timeout: seconds for one request from connect to the last byte; `None`: no limit.
        max_connections: how many at a time; admit no more requests than this, the rest would wait here.
        proxy: URL of a proxy, "" for none, `None` for what the environment says.
        verify: `True`: the system's trust store; a path: this CA file or directory; or a context.
        transport: the user's own transport, instead of our pool.
        user_agent: sent with each request; `None`: this package and its version.

    Raises:
        InputError: a setting is wrong; the text says what to do.
    """

    def __init__(
        self,
        *,
        base_url: str,
        clock: Clock,
        timeout: float | None = 30.0,
        max_connections: int = 10,
        proxy: str | None = None,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
        user_agent: str | None = None,
    ) -> None:
        install_filter()
        where = origin(base_url, any_http=transport is not None)
        route = proxy_for(where, proxy) if transport is None else None
        pool = Pool(where, max_connections=max_connections, proxy=route, verify=verify)
        carrier: Carrier = pool if transport is None else Guest(transport)
        self.service = service_of(transport)
        self.origin = where
        self._own = transport is None
        self._clock = clock
        self._timeout = timeout
        self._redactor = Redactor(route.secrets if route else ())
        self._headers = pinned_headers(where.netloc, user_agent)
        self._json_headers = httpx.Headers([*self._headers.raw, (b"Content-Type", b"application/json")])
        self._client = LeanClient(Stamp(where, carrier))
        self._loop: object | None = None
        self._closed = False

    def __repr__(self) -> str:
        # A traceback that shows variables may show one whose origin was refused.
        return f"<Transport to {self.origin}>" if hasattr(self, "origin") else "<Transport>"

    async def send(self, request: Request[Any], credentials: Credentials, attempt: Attempt) -> Response:
        """Send one request and return its whole answer, whatever its status.

        Args:
            request: what to ask; holds no secret.
            credentials: added below the HTTP client, for the configured origin only.
            attempt: told when the request leaves and, before anything else, when the answer is whole.

        Raises:
            RequestTimeout: the deadline passed.
            TransportError: no whole answer arrived.
            UsageError: the client is closed or was first used in another event loop.
            InputError: the request's path cannot be part of a URL.
        """
        self._enter()
        url = self._url(request)
        sending = Sending(credentials, attempt, self._clock)
        failure = await self._outcome(url, request, sending)
        answer = sending.response
        if answer is not None and (failure is None or isinstance(failure, TransportError)):
            return answer  # also if the deadline passed or the connection broke behind the last byte
        try:
            raise failure or UsageError("the HTTP client was replaced by something that does not answer")
        finally:
            del failure  # it holds this frame by its traceback

    async def aclose(self) -> None:
        """Close all connections; doing so again changes nothing."""
        self._closed = True
        await self._client.aclose()

    async def _exchange(self, url: httpx.URL, request: Request[Any], sending: Sending) -> None:
        extensions = {EXTENSION: sending, "timeout": _NO_TIMEOUT}
        headers = self._headers if request.body is None else self._json_headers
        outgoing = httpx.Request(
            request.method, url, headers=headers, content=request.body, extensions=extensions
        )
        reply = await self._client.send(outgoing)
        if sending.response is None:
            # Something stands in for our transport, as respx does: take what it gave.
            head = Head.of(reply.headers.raw)
            sending.land(reply.status_code, reply.content, head)

    async def _outcome(self, url: httpx.URL, request: Request[Any], sending: Sending) -> BaseException | None:
        """Return what the caller is to be raised, outside of `except`.

        Raised there, neither a foreign error nor frames that hold secrets would come along.
        """
        try:
            with self._clock.move_on_after(self._timeout):
                await self._exchange(url, request, sending)
                return None
        except FOREIGN as error:
            return self._failure(request, sending, error)
        except InputError as error:  # the CA file, looked at when first needed
            return bare(error)
        except Exception as error:  # noqa: BLE001
            # Whatever our own pool may raise is a failing network; a user's transport shows its bugs.
            return self._failure(request, sending, error) if self._own else error
        except BaseException as error:  # noqa: BLE001
            return bare(error)  # a cancel stays the very object it is
        text = f"no whole answer within {self._timeout:g} s to {self._describe(request, sending)}"
        return RequestTimeout(text, sent=sending.sent_at is not None, phase=sending.phase)

    def _failure(self, request: Request[Any], sending: Sending, error: Exception) -> TransportError:
        why = self._redactor.text(sending.credentials.redactor.text(reason(error)))
        text = f"no whole answer to {self._describe(request, sending)}: {why}"
        return TransportError(text, sent=sending.sent_at is not None, phase=sending.phase)

    def _describe(self, request: Request[Any], sending: Sending) -> str:
        where = "it may have been counted" if sending.sent_at is not None else "it was not sent"
        text = f"{request.method} {request.path} at {self.origin} (phase: {sending.phase}; {where})"
        return sending.credentials.redactor.text(text)

    def _url(self, request: Request[Any]) -> httpx.URL:
        query = f"?{urlencode(request.params)}" if request.params else ""
        try:
            if request.path.startswith("/"):
                return httpx.URL(f"{self.origin.base}{request.path}{query}")
        except httpx.InvalidURL:
            pass
        raise InputError(f"the path {request.path!r} cannot be part of a URL: it must start with a slash")

    def _enter(self) -> None:
        if self._closed:
            raise UsageError("the client is closed: open a new one")
        loop = _running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise UsageError(
                "the client was first used in another event loop: open one client in each loop, "
                "such as by `async with` inside the function given to asyncio.run"
            )


def _running_loop() -> object:
    """Return what stands for the running event loop, of asyncio or trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        return trio.lowlevel.current_trio_token() if trio else None
