"""Errors that are not ours: which of them are a failing network, and what may be kept of them."""

from __future__ import annotations

from typing import TypeVar

import anyio
import httpcore2
import httpx

from enlighten_async.transport.body import BodyError
from enlighten_async.transport.stamp import WrongOriginError

E = TypeVar("E", bound=BaseException)

FOREIGN: tuple[type[Exception], ...] = (
    BodyError,
    WrongOriginError,
    OSError,
    httpx.HTTPError,
    httpx.StreamError,
    httpx.InvalidURL,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
)
"""What a failing network looks like. Other errors from a user's transport are bugs of theirs."""


def reason(error: BaseException) -> str:
    """Return what is known of the cause: on trio the pool's own errors say nothing, those below do."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return str(cause or type(error).__name__)


def bare(error: E) -> E:
    """Return the very same error without the frames it came through, and what was being handled there.

    A cancel in the midst of connecting is a group of them on trio.
    """
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            bare(inner)
    error.__context__ = None
    error.__traceback__ = None
    return error
