"""Fetching: one request gets its part from the cache, from a request in flight, or from the service."""

from __future__ import annotations

import logging
import math
import random
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from functools import partial
from operator import attrgetter
from typing import Any, TypeAlias

import anyio
from attrs import Factory, define, evolve

from enlighten_async.cache import (
    ABSENCE_MEMORY_S,
    FOR_EVER,
    CachedPart,
    IntervalCache,
    PostgresCache,
    SeriesIndex,
)
from enlighten_async.errors import (
    APIError,
    BudgetExceeded,
    DecodeError,
    EnlightenError,
    QuotaExhausted,
    RangeError,
    RequestTimeout,
    Throttled,
    TokenRefused,
    TransportError,
    UsageError,
)
from enlighten_async.limiter import LOGGED_WAIT_S, Grant, Subject, Waiter
from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.query.hooks import Hooks, ObservedRequest, RequestEvent, ResponseEvent, described
from enlighten_async.query.in_flight import SharedRequest, subject_of
from enlighten_async.query.plan import Part
from enlighten_async.query.session import QueryOptions, Session
from enlighten_async.retry import is_outage, is_overload
from enlighten_async.state import in_body_thread
from enlighten_async.transport import LARGE_BODY_BYTES, Credentials, Exchange
from enlighten_async.windows import DAY, Window, as_datetime
from enlighten_async.wire import LongWorkError, ReplyKey, Request, Response, WindowRequests

Receive: TypeAlias = Callable[[Request[Part], Response], EnlightenError | None]
"""Takes the response to a request of a segment: returns the error that it stands for, or `None`."""

MAX_REJECTIONS = 10
"""Rejections of one request after which its error is raised: the service contradicts itself."""
MAX_REJECTIONS_WITHOUT_PERIOD = 3
"""The same for rejections that do not name the full window: if it were the minute, the next would do."""
MAX_CLOCK_ERROR_S = DAY
"""Seconds by which the service's time of an answer may differ from our own clock's to be believed."""
LONG_BODY_BYTES = 64 * 1024
"""Size of the largest body that is decoded at once in the event loop, whatever it is: half a millisecond."""
ANSWER_POLL_S = 0.1
"""Seconds after which it is looked again whether a request of another process is over."""
SAME_TIME_S = 4.0
"""Seconds by which the service's time of an answer (whole seconds) and ours of its request may differ."""
GIVEN_UP_S = 1.0
"""Seconds without an answer after which a request that its caller gives up tells of a service that hangs."""

IN_LOOP_ROWS_BYTES = 320 * 1024
"""Size of the largest body of rows, as the service documents them, that is decoded in the event loop.

A week of two meters with three channels each has 290 kB, which takes 2 ms. Odd rows of that size take 60 ms.
"""

_JSON_BEGINS = frozenset({b"{", b"["})
_START = attrgetter("span.window.start")

logger = logging.getLogger("enlighten_async")


@define
class Costs:
    """The costs of one query, counted as it runs.

    Attributes:
        granted: requests that have the permission to leave and have not come back.
        sent: requests that left, and came back or were given up.
        rejected: of these, the ones over the limit.
        retried: of these, the ones that repeated one that failed.
        from_cache: parts that had been paid for before, or by another query meanwhile.
        waited: seconds, by reason.
        failure: text of the error in place of which a cached answer stands.
    """

    granted: int = 0
    sent: int = 0
    rejected: int = 0
    retried: int = 0
    from_cache: int = 0
    waited: dict[str, float] = Factory(dict)
    failure: str = ""

    def count(self, grant: Grant, *, sent: bool, again: bool = False) -> None:
        """Count an attempt that is over: whether it was sent, and whether it repeated one that failed."""
        self.granted -= 1
        for reason, seconds in grant.waited.items():
            self.wait(reason, seconds)
        self.sent += sent
        self.retried += sent and again

    def wait(self, reason: str, seconds: float) -> None:
        """Count a wait."""
        self.waited[reason] = self.waited.get(reason, 0.0) + seconds


@define(eq=False)
class DecodedOnce:
    """A decoder that decodes one response once, in whatever thread, and then gives what came of it.

    Attributes:
        decode: the decoder.
        failed: whether there is no part: it could not be decoded, or was not.
    """

    decode: Callable[[Response], Part]
    failed: bool = True
    _part: Part | None = None
    _failure: EnlightenError | None = None

    def fill(self, response: Response) -> None:
        """Decode the response; of a large one, an error keeps the beginning."""
        try:
            self._part, self.failed = self.decode(response), False
        except EnlightenError as failure:
            self._failure = failure.with_traceback(None)  # whose frames hold the body, and this
            if isinstance(failure, DecodeError):
                failure.response = evolve(response, body=response.body[:LARGE_BODY_BYTES])

    def __call__(self, response: Response) -> Part:
        """Return the part of the response that was decoded, or raise its error."""
        if self._failure is not None:
            raise self._failure
        return self._part


@define(eq=False)
class SegmentState:
    """A segment under way: its next request, its parts, and its end. A cut-off run goes on from here.

    Attributes:
        requests: the generator of its requests.
        request: the next one; `None` when the segment has ended.
        waiter: its place in the queue of the limiter.
        learn: is shown each part, if the plan wants that.
        cached: whether the cache may have what it asks for.
        parts: its parts so far, in order.
        error: the error that ended it early, if one did.
        gap: the time for which it has no part, and why.
        late_hit: whether another process had paid for a part of it by the time it passed the limiter, or was
            about to.
        yielded: whether its present request has waited for one of another process, for as long as it can.
        failures: how often the present request failed, rejections excluded.
        failure: the last of these failures.
        repeatable: whether the service, as far as it is known, would take a repeat.
        rejections: how often the present request was rejected as over the limit.
        rejection: the last of these errors.
        denied: credentials that the service answered with 401, until they are refreshed.
        refreshed: whether they were refreshed for it.
    """

    requests: WindowRequests[Part]
    request: Request[Part] | None
    waiter: Waiter
    learn: Callable[[Part], None] | None = None
    cached: bool = False
    parts: list[Part] = Factory(list)
    error: EnlightenError | None = None
    gap: Gap | None = None
    late_hit: bool = False
    yielded: bool = False
    failures: int = 0
    failure: EnlightenError | None = None
    repeatable: bool = True
    rejections: int = 0
    rejection: EnlightenError | None = None
    denied: Credentials | None = None
    refreshed: bool = False

    def accept(self, part: Part) -> None:
        """Send a part to the generator, which may ask again."""
        self.parts.append(part)
        if self.learn is not None:
            self.learn(part)
        self.failures = self.rejections = 0
        self.failure = self.rejection = None
        self.repeatable, self.refreshed, self.yielded = True, False, False
        try:
            self.request = self.requests.send(part)
        except StopIteration as stop:
            self.request = None
            self.gap = None if stop.value is None else Gap(stop.value, Reason.UNAVAILABLE)

    def renew(self) -> None:
        """Make the present request anew."""
        self.request = self.requests.send(None)

    def hand_out(self) -> list[Part]:
        """Return the parts and forget them."""
        parts, self.parts = self.parts, []
        return parts

    def fail(self, error: EnlightenError, reason: Reason = Reason.FAILED) -> None:
        """End with an error; the parts so far stay."""
        self.error = error
        self.skip(reason)

    def skip(self, reason: Reason) -> None:
        """End without asking for the rest."""
        self.gap = self.missing(reason)
        self.request = None
        self.requests.close()

    def missing(self, reason: Reason) -> Gap | None:
        """Return the time for which it has no part yet, as a gap."""
        window = self.request.window if self.request else None
        return Gap(window, reason) if window else self.gap


@define(eq=False)
class Fetcher:
    """The one way from a request to its part, for the segments of one query.

    Attributes:
        session: what all queries share.
        options: what the caller allows.
        index: what the cache held of the series when the query began, and what of that may be served.
        costs: counts what the query spends.
        failures: the failures so far, in order.
        deadline: monotonic time after which nothing more is sent; `None` sets no limit.
        paused: whether nothing more is sent for now; a segment stands where it was then.
        stopped: whether nothing more is sent at all, as the client is being closed.
        given_up_at: monotonic time when a request of the query was last given up, as nothing came.
    """

    session: Session
    options: QueryOptions
    index: SeriesIndex
    costs: Costs
    failures: list[EnlightenError]
    deadline: float | None = None
    paused: bool = False
    stopped: bool = False
    given_up_at: float = -math.inf
    _waiting: dict[anyio.CancelScope, bool] = Factory(dict)

    @property
    def ended(self) -> bool:
        """Whether an error came that every other request of the query would meet too."""
        return any(failure.ends_query for failure in self.failures)

    async def fetch(self, segment: SegmentState, request: Request[Part]) -> None:
        """Get a segment the part of its present request, or end the segment.

        After a wait for another query's request that came to nothing, the segment stands where it was.
        """
        session, options = self.session, self.options
        if session.cache is not None and (segment.cached or request.valid_until is not None):
            part = await self.cached_part(session.cache, request)
            if part is not None:
                self._accept(segment, part)
                return
        about = request.series or (request.method, request.path, request.params, request.body)
        key = options.scope, about
        # A caller who wants nothing cached does not take the part of an earlier request either, and one who
        # wants nothing sent does not wait for it.
        sharing = options.max_age != 0 and options.allowed != 0
        if sharing and (other := session.in_flight.find(key, request.wanted, options.rank)):
            await self._wait_for(other, segment, request)
            return
        with session.in_flight.entered(key, request.window, options.rank) as shared:
            while segment.request is request and not self.paused:
                permit = await self._acquire(segment)
                needed = permit and await self._still_needed(segment, key, shared, permit[0])
                if permit is None or needed is None:
                    break
                request, shared.sent = needed, True
                failure = await self._send_once(segment, request, shared, *permit)
                if failure is None:
                    options.credentials.accepted = permit[1]
                else:
                    await self._retry_or_fail(segment, failure, permit[1])
            if segment.error is not None and (not segment.repeatable or self._is_theirs(segment.error)):
                shared.failure = segment.error

    # From the cache, and from other queries

    def _is_theirs(self, error: EnlightenError) -> bool:
        """Tell whether an error is also that of the queries that wait for the request, each in vain.

        The service refuses who asks, or there is no token or no connection; and not for a lack of time.
        """
        refused = error.ends_query and isinstance(error, APIError)
        unsent = isinstance(error, TransportError) and (error.ends_query or not error.sent)
        return (refused or unsent) and (self.deadline is None or not error.passing)

    async def cached_part(self, cache: IntervalCache, request: Request[Part]) -> Part | None:
        """Return the cached beginning of what a request wants, as far as it may be served."""
        scope = self.options.scope
        if request.series is not None and request.wanted is not None:
            cached = await cache.get(scope, request.series, request.wanted)
            return self._servable(cached, request.wanted) if cached else None
        key = request.reply_key
        response = None if key is None else await cache.reply(scope, key)
        if key is None or response is None:
            return None
        date, costs = response.date or 0.0, self.costs
        if date > self.index.now and not (costs.sent or costs.granted or costs.from_cache):
            self.index = self.index.begun_after(date)  # it was cached before
        if not self._may_serve(key, response):
            return None
        if len(response.body) > LONG_BODY_BYTES:
            decoded = DecodedOnce(request.decode)
            await in_body_thread(partial(decoded.fill, response))
            request = evolve(request, decode=decoded)
        return self._still_valid(request, key, response)

    async def serve_cached(self, segments: Sequence[SegmentState]) -> None:
        """Give segments of one series, oldest first, all that the cache holds for them, in one look."""
        cache, requests = self.session.cache, [each.request for each in segments if each.request]
        series = requests[0].series if requests else None
        wanted = [request.wanted for request in requests if request.wanted]
        if cache is None or series is None or not wanted:
            return
        cached = await cache.get(self.options.scope, series, Window(wanted[0].start, wanted[-1].end))
        for segment in segments:
            while segment.request and (part := self._servable(cached, segment.request.wanted)) is not None:
                self._accept(segment, part)

    def _servable(self, cached: Sequence[CachedPart[Any]], wanted: Window | None) -> Part | None:
        """Return the beginning of what is wanted out of cached parts, as far as it may be served.

        Args:
            cached: the parts, in order of time.
            wanted: the range of time; `None`: it is for none.
        """
        place = -1 if wanted is None else bisect_right(cached, wanted.start, key=_START) - 1
        if wanted is None or place < 0:
            return None
        piece = cached[place]
        good = wanted.clip(self.index.servable(piece.span))
        return piece.cut(good).part if good.seconds and good.start == wanted.start else None

    def _may_serve(self, key: ReplyKey[Part], response: Response) -> bool:
        """Tell whether a cached reply may be served as far as that is known before it is decoded."""
        index = self.index
        return index.max_age != 0 and (not key.is_of_a_moment or index.is_fresh(response.date or 0.0))

    def _still_valid(self, request: Request[Part], key: ReplyKey[Part], response: Response) -> Part | None:
        """Return the part of a cached reply, if it may be served."""
        fetched, index = response.date or 0.0, self.index
        try:
            part, error = self._interpret(request, response)
        except EnlightenError:
            return None  # an older version of this package could read it
        if part is None or index.is_fresh(fetched):
            return part
        until = key.valid_until(part, fetched, response.same_since)
        if error is not None:
            until = min(until, fetched + ABSENCE_MEMORY_S)  # only a reply that is no error can be final
        return part if until > index.now else None

    async def _wait_for(self, other: SharedRequest, segment: SegmentState, request: Request[Part]) -> None:
        """Wait until another query's request is over, and take its part if it got one."""
        provider = self.options.credentials
        hearing = nullcontext() if other.sent else provider.hearing(self.deadline)
        try:
            with self._interruptible() as scope, hearing:
                await other.wait()
        except EnlightenError as refusal:
            self._refuse(segment, refusal)
            return
        if scope.cancelled_caught:
            self._cut_off(segment)
        elif (part := other.share(request.wanted)) is not None:
            self._accept(segment, part)
        elif other.failure is not None:
            failure = copy(other.failure)  # of which each query keeps its own answer and receipt
            segment.fail(failure)
            self._note(failure)

    def _accept(self, segment: SegmentState, part: Part) -> None:
        """Give a segment a part that had been paid for."""
        self.costs.from_cache += 1
        hooks = self.session.hooks
        if hooks is not None and segment.request is not None:
            about = self._described(segment.request)
            hooks.response(ResponseEvent(**about, attempt=1, waited=0.0, from_cache=True))
        segment.accept(part)

    # Through the limiter

    async def _acquire(self, segment: SegmentState) -> tuple[Grant, Credentials] | None:
        """Wait for credentials and at the limiter; `None`: the segment has ended, nothing more is sent.

        After a wait, the segment stands where the service still keeps what it asks for.
        """
        permit = None
        try:
            request = segment.request
            if self.options.allowed is not None or (request is not None and request.doubt):
                self._check_may_send(request)
            with self._interruptible():
                permit = await self._permit(segment)
                self.costs.granted += 1
        except EnlightenError as refusal:
            self._refuse(segment, refusal)
        else:
            if permit is None:
                self._cut_off(segment)
            elif permit[0].waited:
                self._skip_dropped(segment)
        return permit

    def _cut_off(self, segment: SegmentState) -> None:
        """End a segment whose wait an error of the query cut off; one that was put off may go on later."""
        if self.ended:
            segment.skip(Reason.REFUSED)

    def _refuse(self, segment: SegmentState, refusal: EnlightenError) -> None:
        """End a segment that may not send: by the failure of its last attempt, if there was one."""
        own, request = segment.failure, segment.request
        if segment.rejection is not None and isinstance(refusal, BudgetExceeded | QuotaExhausted):
            refusal.__cause__ = segment.rejection  # it was sent, and would have to be sent again
            refusal.args = (f"{refusal}; the service has rejected the request: {segment.rejection}",)
        if own is not None and (is_outage(refusal) or isinstance(refusal, BudgetExceeded | UsageError)):
            own.retry_at = own.retry_at or refusal.retry_at
            segment.fail(own)
            self._note(own)
            if isinstance(refusal, UsageError):  # a store that fails, say, which is another matter
                self._note(refusal)
        elif request is not None and (part := request.empty_answer_for(refusal)) is not None:
            segment.accept(part)
        else:
            segment.fail(refusal, Reason.REFUSED)
            if not (is_outage(refusal) and any(map(is_outage, self.failures))):
                self._note(refusal)  # what is refused for one cause is told once

    async def _permit(self, segment: SegmentState) -> tuple[Grant, Credentials]:
        """Return the permission to send a request, and credentials that are current at that moment."""
        provider, limiter = self.options.credentials, self.session.limiter
        while True:
            if segment.denied is not None or provider.current() is None:
                await provider.refresh(segment.denied, self.deadline, limiter.renewals)
                segment.refreshed |= segment.denied is not None
                segment.denied = None
            time_left = None if self.deadline is None else self._time_left(self.deadline)
            request, session = segment.request, self.session
            shared = session.shares_answers and session.cache is not None
            subject = subject_of(self.options.scope, request) if request and shared else None
            path = request.path if request else ""
            grant = await limiter.acquire(segment.waiter, time_left, path, subject)
            credentials = provider.current()
            if credentials is not None:
                return grant, credentials
            grant.settle()  # they ran out while it waited; as it was not sent, it costs nothing

    async def _still_needed(
        self, segment: SegmentState, key: Hashable, shared: SharedRequest, grant: Grant
    ) -> Request[Part] | None:
        """Return the request of a segment if it is still needed, and may be sent.

        Others may have paid for the part, or be at it, since it joined the queue; or it was put off.
        """
        needed, part, request = None, None, segment.request
        session, options, subject, seconds = self.session, self.options, segment.waiter.subject, None
        try:
            if request is not None and session.cache is not None:
                part = await self.cached_part(session.cache, request)
            if request is not None and part is None and not self.paused:
                fresh = options.max_age == 0
                other = None if fresh else session.in_flight.find(key, request.wanted, options.rank, shared)
                if subject is not None and grant.contended and not (fresh or segment.yielded):
                    seconds = session.limiter.asked_for(subject, grant)
                needed = request if other is None and seconds is None else None
        finally:
            if needed is None:
                grant.settle()  # as it was not sent, it costs nothing
                self.costs.count(grant, sent=False)
        if part is not None:
            segment.late_hit = True
            self._accept(segment, part)
        if subject is not None and seconds is not None:
            await self._yield(segment, subject, seconds)
        return needed

    async def _yield(self, segment: SegmentState, subject: Subject, seconds: float) -> None:
        """Wait until a request of another process is over, so that its answer is cached, or takes long.

        A caller in a hurry waits for half of the time that is left, and can still send then.

        Args:
            segment: what waits.
            subject: what it asks for.
            seconds: how long the other request has been in flight.
        """
        clock, limiter, asked = self.session.clock, self.session.limiter, True
        began = clock.monotonic() - seconds
        segment.late_hit = True
        left = None if self.deadline is None else self._time_left(self.deadline) / 2
        with self._interruptible() as scope, clock.move_on_after(left) as late:
            while asked:
                await clock.sleep(ANSWER_POLL_S)
                await limiter.refresh(patient=True)
                asked = limiter.asked_for(subject) is not None
        since = limiter.now() - (clock.monotonic() - began) - SAME_TIME_S
        self.index = evolve(self.index, shared_since=min(since, self.index.shared_since))
        segment.yielded = late.cancelled_caught
        if scope.cancelled_caught:
            self._cut_off(segment)

    def _skip_dropped(self, segment: SegmentState) -> None:
        """Leave out what the service no longer keeps: it answers nothing of a window that begins with it."""
        request, now = segment.request, self.session.limiter.now()
        if request is not None and (dropped := request.beyond_retention(now)) is not None:
            segment.accept(dropped)

    def _time_left(self, deadline: float) -> float:
        """Return the seconds until the deadline."""
        return max(0.0, deadline - self.session.clock.monotonic())

    def _check_may_send(self, request: Request[Part] | None) -> None:
        """Raise `BudgetExceeded` where this request, or one request more, may not be sent."""
        if request is not None and request.doubt:
            raise BudgetExceeded(request.doubt)
        allowed = self.options.allowed
        if allowed == 0:
            why = "max_requests=0" if self.options.max_requests == 0 else "max_wait=0"
            why = "only_cached" if self.options.only_cached else why
            raise BudgetExceeded(
                "not all of this is cached, as young as max_age wants it, and nothing may be sent "
                f"({why}): allow requests, or give a longer max_age"
            )
        if allowed is not None and self.costs.sent + self.costs.granted >= allowed:
            raise BudgetExceeded(f"max_requests={allowed} are spent, and it takes more")

    # To the service and back

    async def _send_once(
        self,
        segment: SegmentState,
        request: Request[Part],
        shared: SharedRequest,
        grant: Grant,
        credentials: Credentials,
    ) -> EnlightenError | None:
        """Send a segment's request once; return the failure, if it has not got its part.

        Whatever way this is left, also by cancellation, a response that has arrived is with the segment, and
        in the cache. A state file takes it in one transaction with the counts, PostgreSQL before them: who
        sees that the request is over finds its answer.
        """
        session, exchange = self.session, Exchange(request, credentials)
        failure: EnlightenError | None = None
        began, observed = session.clock.monotonic(), None
        if session.hooks is not None or logger.isEnabledFor(logging.DEBUG):
            observed = self._observe(segment, request, grant, began)
        try:
            await session.transport.send(exchange)
        except TransportError as error:
            failure = error
        finally:
            sent_at, response = exchange.sent_at, exchange.response
            grant.settle(sent_at, response)
            again = segment.failures > 0 or segment.refreshed
            self.costs.count(grant, sent=sent_at is not None, again=again)
            try:
                receive = partial(self._receive, segment, shared, grant)
                if response is not None and len(response.body) > LONG_BODY_BYTES:
                    failure = await self._receive_in_turn(receive, request, response)
                elif response is not None:
                    failure = receive(request, response)
                else:
                    self._count_unanswered(segment, request, grant, failure, sent_at, began)
            finally:
                if exchange.place is not None:
                    exchange.release()
                if observed is not None:
                    observed.end(exchange, failure, session.clock.monotonic())
                flush = () if session.cache is None else (session.cache.flush,)
                sync = partial(session.limiter.sync, grant)
                for write in (*flush, sync) if isinstance(session.cache, PostgresCache) else (sync, *flush):
                    await write()
        return failure

    def _observe(
        self, segment: SegmentState, request: Request[Part], grant: Grant, began: float
    ) -> ObservedRequest:
        """Tell the hooks that a request is about to leave; what is returned tells of its end."""
        hooks, attempt = self.session.hooks or Hooks(), 1 + segment.failures + segment.rejections
        about, waited = self._described(request), sum(grant.waited.values())
        event = RequestEvent(**about, attempt=attempt + segment.refreshed, waited=waited)
        hooks.request(event)
        return ObservedRequest(hooks, event, began)

    def _described(self, request: Request[Part]) -> dict[str, Any]:
        return described(request, self.session.transport.origin.base, self.session.clock.now())

    async def _receive_large(
        self, receive: Receive, request: Request[Part], response: Response
    ) -> EnlightenError | None:
        """Receive a response that is decoded in a thread; a cancel meanwhile takes effect afterwards.

        What is no data is read, and kept, as far as its beginning goes: no error is as long as this.
        """
        decoded = DecodedOnce(request.decode)
        try:
            if response.status == 200:
                await in_body_thread(partial(decoded.fill, response))
        finally:
            if decoded.failed:
                response = evolve(response, body=response.body[:LARGE_BODY_BYTES])
            failure = receive(evolve(request, decode=decoded), response)
        return failure

    async def _receive_in_turn(
        self, receive: Receive, request: Request[Part], response: Response
    ) -> EnlightenError | None:
        """Receive a long response, of rows when it is its turn to be decoded; a cancel does not lose it."""
        if request.series is None or len(response.body) > IN_LOOP_ROWS_BYTES:
            return await self._receive_large(receive, request, response)
        try:
            async with self.session.turn:
                pass
        finally:
            read = self._decoded_as_documented(request, response)
            if read is None:
                failure = await self._receive_large(receive, request, response)
            else:
                failure = receive(read, response)
        return failure

    @staticmethod
    def _decoded_as_documented(request: Request[Part], response: Response) -> Request[Part] | None:
        """Return the request, with its decoded response if that is data; `None` if decoding takes long."""
        if response.status != 200:
            return request
        decoded = DecodedOnce(request.decode)
        try:
            decoded.fill(evolve(response, in_loop=True))
        except LongWorkError:
            return None
        return evolve(request, decode=decoded)

    def _receive(
        self,
        segment: SegmentState,
        shared: SharedRequest,
        grant: Grant,
        request: Request[Part],
        response: Response,
    ) -> EnlightenError | None:
        """Give a segment the part of a response, or return the error that it stands for."""
        try:
            part, error = self._interpret(request, response)
        except EnlightenError as undecodable:
            part, error = None, undecodable
        limiter = self.session.limiter
        if isinstance(error, Throttled):
            limiter.rejected(grant, error)
        if error is not None and is_outage(error):
            self._count_failure(segment, request, grant, error)
        elif grant.failing:
            limiter.answered(request.path)
        if part is None:
            return error
        shared.part = part
        if self.session.cache is not None:
            self._cache(self.session.cache, request, part, response)
        segment.accept(part)
        return None

    def _count_failure(
        self, segment: SegmentState, request: Request[Part], grant: Grant, failure: EnlightenError
    ) -> None:
        """Count a failure that may pass: too many of them, and nothing more is sent for a while."""
        limiter, response = self.session.limiter, getattr(failure, "response", None)
        if is_overload(failure):
            limiter.overloaded(grant)
        rest = response.retry_after or 0.0 if isinstance(response, Response) else 0.0
        attempts = self.session.retry.attempts
        segment.repeatable = limiter.failed(failure, request.path, attempts=attempts, rest=rest)

    def _count_unanswered(
        self,
        segment: SegmentState,
        request: Request[Part],
        grant: Grant,
        failure: EnlightenError | None,
        sent_at: float | None,
        began: float,
    ) -> None:
        """Count a request that left and got no whole answer, unless its caller was only impatient.

        Args:
            segment: what it is for.
            request: the request.
            grant: its permission, settled.
            failure: why it got no answer; `None`: its caller gave up.
            sent_at: monotonic time when it left, if it did.
            began: monotonic time when it began.
        """
        limiter, now = self.session.limiter, self.session.clock.monotonic()
        seconds, silent = now - began, limiter.answered_at <= began
        # That one answer is slow is no sign; that nobody was answered in the second half of the wait is.
        given_up = failure is None and seconds >= GIVEN_UP_S and limiter.answered_at < now - seconds / 2
        # Who gives up says so once, however many requests that ends: `max_wait` those of one query, Ctrl-C
        # and a timeout of the caller's own all that are in flight together.
        impatient = self.deadline is not None and now >= self.deadline
        since = self.given_up_at if impatient else limiter.given_up_at
        if given_up and sent_at is not None and began >= since:
            limiter.given_up_at = self.given_up_at = now
            text = f"no answer within {seconds:.1f} s to {request.method} {request.path}: given up"
            self._count_failure(segment, request, grant, RequestTimeout(text, sent=True, phase="wait"))
        elif failure is not None and sent_at is not None and is_outage(failure):
            self._count_failure(segment, request, grant, failure)
        if silent and isinstance(failure, RequestTimeout):
            segment.repeatable = False  # nothing tells that the service lives
            limiter.give_up_queue(failure)

    def _interpret(
        self, request: Request[Part], response: Response
    ) -> tuple[Part | None, EnlightenError | None]:
        """Return the part that a response stands for, and the error that it is, if it is one.

        Raises:
            DecodeError: it cannot be decoded.
        """
        failure: EnlightenError | None = None
        if response.status == 200 and (response.body[:1] in _JSON_BEGINS or not response.is_web_page):
            try:
                return request.decode(response), None
            except EnlightenError as undecodable:  # unless it is an error by its text
                failure = undecodable
        error = self.session.api.error_for(response, request.endpoint)
        part = request.empty_answer_for(error)
        if failure is not None and part is None:
            raise error if isinstance(error, RangeError) else failure
        return part, error

    def _cache(self, cache: IntervalCache, request: Request[Part], part: Part, response: Response) -> None:
        """Cache a part, or a reply as it came; written with the next transaction of the cache."""
        scope = self.options.scope
        fetched = self.session.limiter.now() if response.date is None else response.date
        own = self.session.clock.now()
        if abs(fetched - own) > MAX_CLOCK_ERROR_S:
            fetched = min(fetched, own)  # a clock that is wrong, on either side, makes nothing final
        if request.series is not None:
            cache.put(scope, request.series, part, fetched)
        elif (key := request.reply_key) is not None:
            # Only a reply that is no error can be final.
            final = response.status == 200 and key.valid_until(part, fetched, None) == FOR_EVER
            cache.put_reply(scope, key, evolve(response, date=fetched), final=final)

    async def _retry_or_fail(
        self, segment: SegmentState, failure: EnlightenError, credentials: Credentials
    ) -> None:
        """Wait until a segment's request may be sent again, or end the segment."""
        if isinstance(failure, TokenRefused) and not segment.refreshed:
            segment.denied = credentials
            return
        seconds = self._retry_delay(segment, failure)
        if seconds:
            await self._pause(segment, seconds)
        refused = segment.request is None  # while it waited
        rejected = isinstance(failure, Throttled)
        if not refused and (seconds is None or not (rejected or self._repeat_paid(failure))):
            segment.fail(failure)
            self._note(failure)

    def _retry_delay(self, segment: SegmentState, failure: EnlightenError) -> float | None:
        """Count a failure; return the seconds until the request may be sent again, `None` if it may not."""
        if isinstance(failure, Throttled):
            # Not a retry: the request keeps its place at the head of the queue, and the limiter knows when.
            self.costs.rejected += 1
            segment.rejections, segment.rejection = segment.rejections + 1, failure
            most = MAX_REJECTIONS if failure.period else MAX_REJECTIONS_WITHOUT_PERIOD
            return 0.0 if segment.rejections < most else None
        segment.failures += 1
        segment.failure = failure
        if not (segment.repeatable and self.session.retry.allows(segment.failures, failure)):
            return None
        delay = self.session.retry.delay(segment.failures, random.random())  # noqa: S311 - jitter, not a secret
        # While a stream's reader is away, the time does not count.
        deadline = None if self.paused else self.deadline
        late = deadline is not None and delay >= self._time_left(deadline)
        return None if late else delay

    def _repeat_paid(self, failure: EnlightenError) -> bool:
        """Tell whether a failed request may be sent again now; one that was not sent cost nothing."""
        free = isinstance(failure, TransportError) and not failure.sent
        return free or self.session.limiter.repeat(self.session.retry.share)

    async def _pause(self, segment: SegmentState, seconds: float) -> None:
        if seconds > LOGGED_WAIT_S:
            until = f"{as_datetime(self.session.limiter.now() + seconds):%Y-%m-%d %H:%M:%S}"
            logger.info("waiting %.0f s (retry) until %s UTC", seconds, until)
        with self._interruptible(pausable=False) as scope:
            await self.session.clock.sleep(seconds)
            self.costs.wait("retry", seconds)
        if scope.cancelled_caught:
            segment.skip(Reason.REFUSED)

    def _note(self, failure: EnlightenError) -> None:
        """Keep a failure; one that ends the query sends home whoever waits to send."""
        self.failures.append(failure)
        if failure.ends_query:
            for scope in self._waiting:
                scope.cancel()

    def pause(self) -> None:
        """Send nothing more for now: whoever waits to send stops, and goes on when it is fetched again."""
        self.paused = True
        # From the last to the first: a place in the queue that is left passes its turn to the next one.
        for scope, pausable in reversed(self._waiting.items()):
            if pausable:
                scope.cancel()

    def go_on(self) -> None:
        """Send again, after a pause."""
        self.paused = self.stopped

    def stop(self) -> None:
        """Send nothing more, nor later: a pause before a retry is not kept either."""
        self.paused = self.stopped = True
        for scope in self._waiting:
            scope.cancel()

    @contextmanager
    def _interruptible(self, *, pausable: bool = True) -> Iterator[anyio.CancelScope]:
        """Mark a wait before sending, which an error that ends the query puts an end to.

        Args:
            pausable: whether `pause` does so too; a pause before a retry has to be kept.
        """
        with anyio.CancelScope() as scope:
            self._waiting[scope] = pausable
            if self.stopped:
                scope.cancel()
            try:
                yield scope
            finally:
                del self._waiting[scope]
