"""Outage: failures in a row, of the service and of each target, and when the next request may go.

After a few failures nothing more is sent but a probe now and then: a caller's own request, sent once. The
first that succeeds opens everything. Immutable, without a clock: times are passed in, as seconds that all
who share the state agree on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from enlighten_async import errors
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

FAILURES = 3
"""Failures in a row after which nothing more is sent but probes."""
TARGETS = 2
"""Targets that must be among them: what fails at one endpoint of one system may be its own fault."""
TARGET_FAILURES = 5
"""Failures in a row of one target after which only probes ask it: more than one request may have."""
FIRST_GAPS_S = (60.0, 120.0, 240.0)
"""Seconds before the first probes."""
GAP_S = 330.0
"""Seconds between the further probes of the first hour; six minutes with what callers take to come."""
FIRST_HOUR_S = 3600.0
"""Seconds after the first failure from which on probes are rare."""
LATER_GAP_S = 3570.0
"""Seconds between those."""
MAX_TARGETS = 32
"""Targets remembered that failed last time."""
MAX_IN_FLIGHT = 6
"""Requests in flight at the most, unless the caller says otherwise: so many are lost when the service goes
down under a busy client, and they are more than any plan needs."""
SLOW_START = 4
"""Requests that may be in flight after a pause: if the service is down, so many are lost."""
TOKENS = "/token"
"""Target of the requests for tokens, among the paths of the API. They are no requests of the key's."""
RENEWAL = -1
"""Number of a request for tokens that is a probe."""
MAX_TEXT = 400
"""Characters kept of the text of a failure."""
SUCCESS_SHARE = 0.1
"""Repeats that each success gives back."""

_KINDS: Mapping[str, type[errors.EnlightenError]] = {
    each.__name__: each
    for each in (
        errors.ServerError,
        errors.Unavailable,
        errors.TransportError,
        errors.RequestTimeout,
        errors.DecodeError,
        errors.ServiceRetired,
        errors.Throttled,
    )
}
"""Classes of failures of the service as a whole, by name."""


def target_of(path: str) -> str:
    """Return the target of a path: endpoint and system, without further ids such as serial numbers."""
    head, rest = path.split("/")[:3], path.split("/")[3:]
    return "/".join([*head, *(word for word in rest if not any(letter.isdigit() for letter in word))])


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A failure of the service, as it is told to callers who are refused because of it.

    Attributes:
        kind: name of its class.
        text: its text.
        status: HTTP status, if there was an answer.
        error_code: the service's own number for it, if it gave one.
    """

    kind: str
    text: str
    status: int = 0
    error_code: int | None = None

    @classmethod
    def of(cls, error: errors.EnlightenError) -> Failure:
        """Return the failure that is kept of an error."""
        kind = next((each.__name__ for each in type(error).__mro__ if each.__name__ in _KINDS), "ServerError")
        status, code = getattr(error, "status", 0), getattr(error, "error_code", None)
        return cls(kind, str(error)[:MAX_TEXT], status, code)

    def error(self, text: str) -> errors.EnlightenError:
        """Return an error of the same class with another text."""
        kind = _KINDS.get(self.kind, errors.ServerError)
        if not issubclass(kind, errors.APIError):
            return kind(text)
        error = kind(text, status=self.status)
        error.error_code = self.error_code
        return error


class FailureRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """Failures in a row: those since the last success.

    Attributes:
        failures: their number.
        since: when the first came.
        last: the last of them.
        targets: the first two targets that failed.
        next_at: when the next request may go; `None`: at any time.
        gap: seconds that this lay ahead at the most; a clock that was set back makes nobody wait longer.
        probes: probes sent so far.
        held: whether the service asked for that time (`Retry-After`), without so many failures.
    """

    failures: int = 0
    since: float = 0.0
    last: Failure | None = None
    targets: tuple[str, ...] = ()
    next_at: float | None = None
    gap: float = 0.0
    probes: int = 0
    held: bool = False

    def shut(self, now: float) -> bool:
        """Tell whether nothing may be sent at this moment."""
        return self.next_at is not None and 0 < self.next_at - now <= self.gap + 1  # seconds of rounding

    def lasts(self, now: float) -> bool:
        """Tell whether it goes on as far as is known: the next probe is not overdue by its own gap."""
        since = 0.0 if self.held else self.gap
        return self.next_at is not None and -since <= self.next_at - now <= self.gap + 1

    def failed(self, target: str, failure: Failure, now: float, most: int, targets: int) -> FailureRun:
        """Return the run with one more failure; nothing more is sent after `most` of so many targets."""
        seen = self.targets if target in self.targets else (*self.targets, target)[:TARGETS]
        since = self.since if self.failures else now
        run = replace(self, failures=self.failures + 1, since=since, last=failure, targets=seen)
        if (run.next_at is None or run.held) and run.failures >= most and len(seen) >= targets:
            rest = max(FIRST_GAPS_S[0], (run.next_at or now) - now)
            return replace(run, next_at=now + rest, gap=rest, held=False)
        return run

    def left_alone(self, now: float, seconds: float) -> FailureRun:
        """Return the run after the service asked for so many seconds of rest."""
        if self.next_at is not None and self.next_at >= now + seconds:
            return self
        held = self.next_at is None or self.held
        return replace(self, next_at=now + seconds, gap=seconds, held=held)

    def probed(self, now: float) -> FailureRun:
        """Return the run when a request is sent although it is not over: the next has to wait."""
        if self.next_at is None or self.held:
            return replace(self, next_at=None, gap=0.0, held=False)
        probes = self.probes + 1
        later = GAP_S if now - self.since < FIRST_HOUR_S else LATER_GAP_S
        gap = FIRST_GAPS_S[probes] if probes < len(FIRST_GAPS_S) else later
        return replace(self, next_at=now + gap, gap=gap, probes=probes)

    def refusal(self, now: float, server_time: float, opens: float = 0.0) -> errors.EnlightenError:
        """Return the error for a caller who is refused: the last failure's own, and when the next may go.

        Args:
            now: this moment, on the clock of the run.
            server_time: the same as epoch seconds.
            opens: the time (epoch seconds) before which this caller could not send anyway.
        """
        failure = self.last or Failure("ServerError", "the service failed")
        at = as_datetime(max(opens, server_time + max(0.0, (self.next_at or now) - now)))
        error = failure.error(
            f"not sent: {self.failures} failures in a row for {_length(now - self.since)}, the next request "
            f"may go at {at:%Y-%m-%d %H:%M:%S} UTC; the last failure: {failure.text}"
        )
        error.retry_at = at
        return error

    def explain(self, error: errors.EnlightenError, now: float, server_time: float) -> None:
        """Add to the error of the last failure that nothing more is sent, and until when."""
        at = as_datetime(server_time + max(0.0, (self.next_at or now) - now))
        error.retry_at = at
        note = f"({self.failures} in a row: nothing more is sent until {at:%Y-%m-%d %H:%M:%S} UTC)"
        error.args = (f"{error} {note}",)


class Outage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The failures of a key's requests that may pass, and the repeats that were spent on them.

    Attributes:
        service: failures in a row, whatever was asked.
        targets: the same of each target that failed last time, by its name.
        probe: number and target of the last request sent although failures last.
        repeats: repeats spent lately.
        repeats_at: when that was reckoned.
    """

    service: FailureRun = FailureRun()
    targets: dict[str, FailureRun] = {}
    probe: tuple[int, str] = (0, "")
    repeats: float = 0.0
    repeats_at: float = 0.0

    def closed(self, path: str, now: float) -> FailureRun | None:
        """Return the failures because of which a path may not be asked at this moment, if there are any."""
        service, own = self.service, self.targets.get(target_of(path))
        if service.next_at is not None and (service.shut(now) or not service.held):
            return service if service.shut(now) else None
        return own if own is not None and own.shut(now) else None

    def lasting(self, path: str, now: float) -> FailureRun | None:
        """Return the failures of which a caller is told who cannot wait, though a probe may go by now."""
        runs = (self.service, self.targets.get(target_of(path)))
        return next((run for run in runs if run is not None and run.lasts(now)), None)

    @property
    def room(self) -> float:
        """The number of requests that may be in flight: all of them may fail as those before."""
        run = self.service
        return max(1, FAILURES - run.failures) if run.failures and run.next_at is None else math.inf

    def sent(self, path: str, number: int, now: float) -> Outage:
        """Return the state after a request was let through: a probe, if failures last."""
        target, service, targets = target_of(path), self.service, self.targets
        own = targets.get(target)
        if service.next_at is not None and not service.held:
            return replace(self, service=service.probed(now), probe=(number, target))
        if own is not None and own.next_at is not None:
            targets = {**targets, target: own.probed(now)}
        elif service.next_at is None:
            return self
        return replace(self, service=service.probed(now), targets=targets, probe=(number, target))

    def unsent(self, number: int, now: float) -> Outage:
        """Return the state after a request turned out not to have left; the next may go as a probe."""
        if self.probe[0] != number:
            return self
        target, own = self.probe[1], self.targets.get(self.probe[1])
        service, targets = self.service, self.targets
        if service.next_at is not None:
            service = replace(service, next_at=now)
        elif own is not None and own.next_at is not None:
            targets = {**targets, target: replace(own, next_at=now)}
        return replace(self, service=service, targets=targets, probe=(0, ""))

    def failed(self, path: str, failure: Failure, now: float, attempts: int = 1, rest: float = 0.0) -> Outage:
        """Return the state after one more failure.

        Args:
            path: the path that was asked.
            failure: the failure.
            now: when it came.
            attempts: how often one request is sent at the most: a target may fail as often.
            rest: seconds for which the service asked to be left alone.
        """
        target = target_of(path)
        service = self.service.failed(target, failure, now, FAILURES, TARGETS)
        own = self.targets.get(target, FailureRun()).failed(
            target, failure, now, max(TARGET_FAILURES, attempts), 1
        )
        if rest > 0 and target == TOKENS:  # who has a token goes on
            own = own.left_alone(now, rest)
        elif rest > 0:
            service = service.left_alone(now, rest)
        targets = {name: run for name, run in self.targets.items() if name != target}
        for name in list(targets)[: max(0, len(targets) + 1 - MAX_TARGETS)]:
            del targets[name]
        return replace(self, service=service, targets={**targets, target: own})

    def answered(self, path: str) -> Outage:
        """Return the state after a success: the service is well, and after an outage every target is.

        One that was seen by one target alone may have been the service's if even a probe failed, and nothing
        else was answered meanwhile.
        """
        target, run = target_of(path), self.service
        over = (run.next_at is not None and not run.held) or run.failures > TARGET_FAILURES
        repeats = max(0.0, self.repeats - SUCCESS_SHARE)
        return Outage(
            targets={} if over else {name: own for name, own in self.targets.items() if name != target},
            repeats=repeats,
            repeats_at=self.repeats_at if repeats else 0.0,
        )

    def renewed(self, now: float) -> Outage:
        """Return the state after the service gave tokens, or refused them by a verdict: that much is well.

        Whether the rest of it is, if that had failed too, is told by the next request, which may go now.
        """
        service = self.service
        if TOKENS in service.targets:
            return self.answered(TOKENS)
        if self.probe == (RENEWAL, TOKENS) and service.next_at is not None and not service.held:
            service = replace(service, next_at=now, probes=max(0, service.probes - 1))
        targets = {name: run for name, run in self.targets.items() if name != TOKENS}
        return replace(self, service=service, targets=targets, probe=(0, ""))

    def repeated(self, allowed: float, now: float) -> Outage | None:
        """Return the state after a repeat; `None` if none is left.

        Args:
            allowed: repeats in a minute.
            now: this moment: nothing is booked ahead.
        """
        spent = max(0.0, self.repeats - max(0.0, now - self.repeats_at) * allowed / 60)
        return None if spent + 1 > allowed else replace(self, repeats=spent + 1, repeats_at=now)


CALM = Outage()
"""The state when nothing has failed since the last success."""


def _length(seconds: float) -> str:
    """Return a length of time in words."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"
