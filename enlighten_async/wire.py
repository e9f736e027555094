"""Requests without secrets, their responses, and the keys under which those are cached."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cached_property
from typing import Generic, TypeAlias, TypeGuard, TypeVar
from urllib.parse import urlencode

from attrs import field, frozen

from enlighten_async.errors import EnlightenError
from enlighten_async.windows import Window

P = TypeVar("P")

Params: TypeAlias = tuple[tuple[str, str], ...]
"""Parameters of a request in order, as names and values."""


MAX_TEXT_CHARS = 1000
"""Characters of a text in a URL, at the most: no name or number is longer, and URLs have an end."""


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a text that can stand in a URL: not blank, not long, all of it characters."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT_CHARS:
        return False
    return value == value.encode("utf-8", "ignore").decode()  # without the halves of surrogate pairs


@frozen
class SeriesKey(Generic[P]):
    """The key under which parts of one series are cached."""

    endpoint: str
    """The API's name of the endpoint they are from."""
    system_id: int
    """The system they are of."""
    device: str = ""
    """Serial number of the device they are of; empty if they are of the whole system."""
    grid: int = field(kw_only=True, eq=False)
    """Seconds from one interval to the next."""
    load: Callable[[], type[P]] = field(kw_only=True, eq=False, repr=False)
    """Returns the class of the parts, whose module is loaded by then."""
    join: Callable[[Sequence[P]], P] = field(kw_only=True, eq=False, repr=False)
    """Joins parts that lie side by side, oldest first."""

    @property
    def model(self) -> type[P]:
        """The class of the parts."""
        return self.load()


@frozen
class ReplyKey(Generic[P]):
    """The key under which a response is cached that is of no series."""

    endpoint: str
    """The API's name of the endpoint it is from."""
    asked: str
    """Path, query and body of the request, credentials excluded."""
    valid_until: Callable[[P, float, float | None], float] = field(eq=False, repr=False)
    """Returns up to when (epoch seconds) such a response will do, by its part, the time it was fetched, and
    the time since which it has been the same, if it was fetched before; without that, for as long as the
    caller's `max_age` allows.
    """

    @property
    def is_of_a_moment(self) -> bool:
        """Whether such a response, whatever it says, will only do by the caller's `max_age`."""
        return self.valid_until is never_final


BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""The bytes that some servers put before a text in UTF-8."""


def never_final(_: object, fetched: float, _since: float | None = None) -> float:
    """Return the time of a fetch (epoch seconds): such a response tells of that moment only."""
    return fetched


def _no_answer(_: object) -> None:
    """Take every error of the service for an error."""


class LongWorkError(Exception):
    """A body has to be normalized, or lists many devices, which takes too long for the event loop."""


@frozen
class Response:
    """A response of the service."""

    status: int
    """HTTP status."""
    body: bytes = field(repr=False)
    """The whole body, decompressed; known secrets masked."""
    content_type: str = "application/json"
    """As the service named it, lower case."""
    date: float | None = None
    """The service's own time of the answer (epoch seconds, whole), if it said."""
    sent_at: float = 0.0
    """Monotonic time when the request left."""
    received_at: float = 0.0
    """Monotonic time when the body was whole."""
    retry_after: float | None = None
    """Seconds after `date` for which the service wants to be left alone, if it said."""
    same_since: float | None = None
    """Of a cached response: time (epoch seconds) of the first one in a row that told the same; `None` if this
    is the first.
    """

    in_loop: bool = False
    """Whether it is decoded in the event loop: `LongWorkError` is raised where that would take long."""

    @property
    def is_web_page(self) -> bool:
        """Whether the body is a web page and no JSON, whatever it is called: proxies give either any name."""
        first = self.body[:256].removeprefix(BYTE_ORDER_MARK).lstrip()[:1]
        return first == b"<" or ("html" in self.content_type and first not in {b"{", b"[", b""})


@frozen
class Request(Generic[P]):
    """One request: where to, with what, and how to read the answer. Holds no secret."""

    endpoint: str
    """The API's name of it, such as "rgm_stats"."""
    path: str
    """Below the base URL, such as "/systems/1765/rgm_stats"."""
    params: Params
    """Query parameters in order, credentials excluded."""
    decode: Callable[[Response], P] = field(repr=False)
    """Turns a 200 into a part; raises `DecodeError`."""
    window: Window | None = None
    """The part of time it asks for, where it does."""
    empty_answer_for: Callable[[EnlightenError], P | None] = field(default=_no_answer, repr=False)
    """Returns the part, mostly an empty one, that an error of the service is documented to stand for, or
    `None`: it stays an error.
    """
    beyond_retention: Callable[[float], P | None] = field(default=_no_answer, repr=False)
    """Returns the empty part for the beginning of its window that the service no longer keeps at a time
    (epoch seconds); `None` if it keeps all.
    """
    method: str = "GET"
    """HTTP method, upper case."""
    body: bytes | None = None
    """What is sent along, as JSON; `None` for nothing."""
    series: SeriesKey[P] | None = None
    """The series its part is of, where it is of one that is cached."""
    wanted: Window | None = None
    """All that is still wanted of the series; a part for its beginning will do as well."""
    valid_until: Callable[[P, float, float | None], float] | None = field(default=None, repr=False)
    """Makes its response one that is cached as it is: see `ReplyKey`."""

    doubt: str = ""
    """Why it is not sent, as the service contradicts itself; empty if it is."""

    @cached_property
    def reply_key(self) -> ReplyKey[P] | None:
        """The key under which the response is cached as it is; `None` if it is not cached like that."""
        if self.valid_until is None:
            return None
        asked = f"{self.path}?{urlencode(self.params)}"
        return ReplyKey(
            self.endpoint, asked if self.body is None else f"{asked} {self.body!r}", self.valid_until
        )


Requests: TypeAlias = Generator[Request[P], P, None]
"""A generator that yields one request at a time and is sent its decoded part: order lives inside of it."""

WindowRequests: TypeAlias = Generator[Request[P], P, Window | None]
"""The same for a window of time; it returns the rest of the window, if it gives that up.

Sent `None` in place of a part, it yields its request anew, by what the service has told meanwhile.
"""
