"""The request log: counts of requests and their results, for tests and demos."""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from attrs import define, field, frozen

from enlighten_async.emulator.quota import minute_of

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Request, Response

MAX_LOG_ENTRIES = 10_000
CREDENTIALS = frozenset({"key", "user_id"})
PATH_CHARS = "/:@!$&'()*+,;=~"
"""Characters of a path that the access log shows as they are; a line break is none."""
LOGIN_PARAMS = ("grant_type", "response_type")


@define
class LoggedRequest:
    """One request that arrived."""

    at: float
    """Time of arrival (epoch seconds, by the emulator's clock)."""
    path: str
    """The path of the URL."""
    params: dict[str, str]
    """The parameters without the API key; repeated ones are joined by commas."""
    status: int | None = None
    """Status of the response; `None` until there is one, and if the connection was dropped."""


@frozen
class Access:
    """One request as an access log tells it, without credentials."""

    at: float
    """Time of arrival (epoch seconds, by the emulator's clock)."""
    method: str
    """HTTP method."""
    path: str
    """The path of the URL."""
    params: dict[str, str]
    """The parameters without credentials; repeated ones are joined by commas."""
    status: int | None
    """Status of the response; `None` if the connection was dropped, or the caller has left."""
    seconds: float
    """Seconds from the arrival to the response."""

    @classmethod
    def of(cls, request: Request, at: float, status: int | None, seconds: float) -> Access:
        """Return what the log tells of a request; of a login, only what is asked for.

        Args:
            request: the request.
            at: when it arrived, epoch seconds.
            status: HTTP status of the response; `None`: none was sent.
            seconds: from its arrival to its end.
        """
        given = {name: ",".join(values) for name, values in request.params.items()}
        if request.path.startswith("/oauth/"):
            shown = {name: given[name] for name in LOGIN_PARAMS if name in given}
        else:
            shown = {name: value for name, value in given.items() if name not in CREDENTIALS}
        return cls(at, request.method, request.path, shown, status, seconds)

    def __str__(self) -> str:
        query = f"?{urlencode(self.params, safe=',')}" if self.params else ""
        status = "no response" if self.status is None else str(self.status)
        at, path = datetime.fromtimestamp(self.at, UTC), quote(self.path, safe=PATH_CHARS)
        return f"{at:%H:%M:%S} {self.method} {path}{query} {status} {1000 * self.seconds:.0f} ms"


@define
class Counts:
    """Counts since the start or the last `reset()`."""

    sent: int = 0
    """All requests that arrived."""
    served: int = 0
    """Requests within the quota, whatever their response."""
    rejected: int = 0
    """Requests beyond the quota (409; 429 in v4)."""
    by_status: Counter[int] = field(factory=Counter)
    """Responses by HTTP status."""
    by_key: Counter[str] = field(factory=Counter)
    """Requests that arrived, by API key."""
    windows: Counter[int] = field(factory=Counter)
    """Requests within the quota, by the start of the minute (epoch seconds)."""
    rejected_windows: Counter[int] = field(factory=Counter)
    """Requests beyond the quota, by the start of the minute (epoch seconds)."""
    tokens: Counter[str] = field(factory=Counter)
    """Requests for tokens, by grant; they are no part of the other counts."""
    refused_tokens: Counter[str] = field(factory=Counter)
    """Requests for tokens that got none, by grant."""

    def reset(self) -> None:
        """Start counting from zero; the counts of the quota stay."""
        self.sent = self.served = self.rejected = 0
        requests = (self.by_status, self.by_key, self.windows, self.rejected_windows)
        for counter in (*requests, self.tokens, self.refused_tokens):
            counter.clear()


class RequestLog:
    """The counts, and a log of the newest requests."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.entries: deque[LoggedRequest] = deque(maxlen=MAX_LOG_ENTRIES)

    def arrived(self, request: Request, now: float) -> LoggedRequest:
        """Record that a request arrived."""
        shown = {name: ",".join(values) for name, values in request.params.items() if name != "key"}
        entry = LoggedRequest(now, request.path, shown)
        self.entries.append(entry)
        self.counts.sent += 1
        self.counts.by_key[request.key] += 1
        return entry

    def charged(self, now: float, *, rejected: bool) -> None:
        """Record that the quota admitted a request, or rejected it."""
        minute = minute_of(now).start
        if rejected:
            self.counts.rejected += 1
            self.counts.rejected_windows[minute] += 1
        else:
            self.counts.served += 1
            self.counts.windows[minute] += 1

    def responded(self, entry: LoggedRequest, response: Response) -> None:
        """Record the response to a request."""
        entry.status = response.status
        self.counts.by_status[response.status] += 1

    def token_requested(self, grant: str) -> None:
        """Record a request for a token."""
        self.counts.tokens[grant] += 1

    def token_responded(self, grant: str, status: int) -> None:
        """Record the status of the response to a request for a token."""
        if status != 200:
            self.counts.refused_tokens[grant] += 1
