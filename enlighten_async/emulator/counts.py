"""What arrived and what became of it: the emulator's own books, for tests and demos."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from attrs import define, field

from enlighten_async.emulator.quota import minute_of

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Answer, Call

MAX_LOG = 10_000


@define
class Arrival:
    """One request that arrived.

    Attributes:
        at: when (epoch seconds, by the emulator's clock).
        path: its path.
        params: its parameters without the key; repeated ones are joined by commas.
        status: what it was answered with; `None` as long as it was not, or was dropped.
    """

    at: float
    path: str
    params: dict[str, str]
    status: int | None = None


@define
class Counts:
    """Counts since the start or the last `reset()`.

    Attributes:
        sent: all requests that arrived.
        served: those the quota let pass, whatever their answer.
        rejected: those it refused (409; 429 in v4).
        by_status: answers by HTTP status.
        by_key: requests that arrived, by API key.
        windows: requests served, by the start of the minute (epoch seconds).
        rejected_windows: requests refused, by the start of the minute.
        tokens: requests for tokens, by grant; they are no part of the other counts.
        refused_tokens: those of them that got none.
    """

    sent: int = 0
    served: int = 0
    rejected: int = 0
    by_status: Counter[int] = field(factory=Counter)
    by_key: Counter[str] = field(factory=Counter)
    windows: Counter[int] = field(factory=Counter)
    rejected_windows: Counter[int] = field(factory=Counter)
    tokens: Counter[str] = field(factory=Counter)
    refused_tokens: Counter[str] = field(factory=Counter)

    def reset(self) -> None:
        """Start counting from zero; the quota's own counts stay."""
        self.sent = self.served = self.rejected = 0
        requests = (self.by_status, self.by_key, self.windows, self.rejected_windows)
        for counter in (*requests, self.tokens, self.refused_tokens):
            counter.clear()


class Books:
    """Keeps the counts and a log of the newest arrivals."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.log: deque[Arrival] = deque(maxlen=MAX_LOG)

    def arrived(self, call: Call, now: float) -> Arrival:
        """Note that a request arrived."""
        shown = {name: ",".join(values) for name, values in call.params.items() if name != "key"}
        entry = Arrival(now, call.path, shown)
        self.log.append(entry)
        self.counts.sent += 1
        self.counts.by_key[call.key] += 1
        return entry

    def charged(self, now: float, *, refused: bool) -> None:
        """Note that the quota let a request pass, or refused it."""
        minute = minute_of(now).start
        if refused:
            self.counts.rejected += 1
            self.counts.rejected_windows[minute] += 1
        else:
            self.counts.served += 1
            self.counts.windows[minute] += 1

    def token_asked(self, grant: str) -> None:
        """Note a request for a token."""
        self.counts.tokens[grant] += 1

    def token_answered(self, grant: str, status: int) -> None:
        """Note the status a request for a token was answered with."""
        if status != 200:
            self.counts.refused_tokens[grant] += 1

    def answered(self, entry: Arrival, answer: Answer) -> None:
        """Note what a request was answered with."""
        entry.status = answer.status
        self.counts.by_status[answer.status] += 1
