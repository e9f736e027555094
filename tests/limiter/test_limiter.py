"""The limiter: waiting, refusing and telling."""

from __future__ import annotations

import math
from copy import copy
from datetime import UTC, datetime

import anyio
import pytest

from enlighten_async.errors import (
    BudgetExceeded,
    EnlightenError,
    InputError,
    QuotaExhausted,
    RequestTimeout,
    ServerError,
    StateUnavailable,
)
from enlighten_async.limiter import (
    MemoryQuotaStore,
    Plan,
    RateLimiter,
    Take,
    Wait,
)
from enlighten_async.testing import FakeClock
from tests.limiter.fake_server import (
    MONTH_END,
    attempt,
    beside,
    build,
    purchase,
    purchase_all,
    rejection,
    send,
)


async def test_one_at_a_time_until_a_request_granted_after_the_rejection_is_accepted() -> None:
    """An answer to what was sent before the rejection proves nothing."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    earlier, rejected = [await limiter.acquire(limiter.waiter()) for _ in range(2)]
    await send(limiter, server, rejected)
    limiter.rejected(rejected, rejection(period="minute", period_end=server.time() - 10, limit=10))
    await send(limiter, server, earlier)
    await server.clock.sleep(60)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(0.001)
        assert repr(limiter) == "<RateLimiter in_flight=1/10 queued=3>"
    assert server.now_serving == 0
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(0.001)
        assert repr(limiter) == "<RateLimiter in_flight=4/10 queued=0>"


@pytest.mark.parametrize("period", ["minute", "", "fortnight", "second"])
@pytest.mark.parametrize("start", [None, 1e18, math.nan])
@pytest.mark.parametrize("end", [None, 0.0, -1e9, 1e18, math.inf, -math.inf, math.nan])
async def test_a_crazy_period_end_is_not_believed(
    period: str, start: float | None, end: float | None
) -> None:
    """The own window's end is taken instead, so that the wait is no longer than about a minute."""
    limiter, server = build(FakeClock())
    await purchase(limiter, server)
    grant, _ = await attempt(limiter, server)
    before = server.clock.monotonic()
    limiter.rejected(grant, rejection(period=period, period_start=start, period_end=end, limit=10))
    await purchase(limiter, server)
    assert 0 < server.clock.monotonic() - before < 130


async def test_a_period_that_is_always_over_is_no_reason_to_ask_again_and_again() -> None:
    """The first such rejection may stem from a slow counter; after the next the own minute is waited out."""
    limiter, server = build(FakeClock(), phase=20.0)
    await purchase(limiter, server)
    server.minute = 0
    for rejections in range(1, 5):
        grant, _ = await attempt(limiter, server)
        limiter.rejected(grant, rejection(period="minute", period_end=server.time() - 25, limit=10))
        assert (limiter.left()["minute"] == 0) == (rejections > 1)


async def test_an_hour_is_the_callers_to_wait() -> None:
    """A longer window than the documented ones raises unless `max_wait` covers it."""
    limiter, server = build(FakeClock())
    await purchase(limiter, server)
    end = server.time() + 1800
    grant = await limiter.acquire(limiter.waiter())
    limiter.rejected(grant, rejection(period="hour", period_end=end, limit=100))
    with pytest.raises(QuotaExhausted) as caught:
        await purchase(limiter, server)
    assert caught.value.period == "hour"
    assert caught.value.limit == 100
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.timestamp() == pytest.approx(end)
    await purchase(limiter, server, 3600)
    assert server.time() >= end


async def test_a_full_month_raises_at_once_and_says_until_when() -> None:
    """A month is never slept through unasked."""
    limiter, server = build(FakeClock(), plan=Plan(minute=10, month=15), month=15)
    for _ in range(15):
        await purchase(limiter, server)
    with pytest.raises(QuotaExhausted) as caught:
        await purchase(limiter, server)
    assert (caught.value.period, caught.value.limit) == ("month", 15)
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.isoformat() == "2025-07-01T00:00:00+00:00"
    assert (server.used.total(), server.rejected.total()) == (15, 0)
    assert limiter.left() == {"month": 0, "minute": pytest.approx(5, abs=5)}


async def test_all_who_wait_are_told_that_the_month_is_full() -> None:
    """Nobody is left in the queue."""
    limiter, server = build(FakeClock(), plan=Plan(minute=10, month=12), month=12)
    told = 0

    async def job() -> None:
        nonlocal told
        try:
            await purchase(limiter, server)
        except QuotaExhausted:
            told += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(job)
    assert (server.used.total(), told) == (12, 38)


async def test_a_rejection_for_the_month_shuts_it() -> None:
    """What was used before this process began is learned from the server."""
    limiter, server = build(FakeClock(), month=5)
    server.spent = 5
    for _ in range(2):
        with pytest.raises(QuotaExhausted) as caught:
            await purchase(limiter, server)
        assert (caught.value.period, caught.value.limit) == ("month", 5)
    assert server.rejected.total() == 1
    assert limiter.left()["month"] == 0


async def test_of_two_reasons_to_wait_the_longer_is_told() -> None:
    """A minute's wait that ends before a shut month is not waited for."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    for period, end in (("minute", server.time() + 30), ("month", server.time() + 10**6)):
        grant, _ = await attempt(limiter, server)
        error = rejection(period=period, period_end=end, limit=10)
        if period == "minute":
            first = grant, error
    limiter.rejected(*first)
    limiter.rejected(grant, error)
    before = server.clock.monotonic()
    with pytest.raises(QuotaExhausted):
        await purchase(limiter, server)
    assert server.clock.monotonic() == before


async def test_a_month_that_opens_within_max_wait_is_waited_for() -> None:
    """Whoever says they wait a month, do."""
    limiter, server = build(FakeClock(), plan=Plan(month=2), month=2)
    await purchase(limiter, server)
    await purchase(limiter, server)
    with pytest.raises(QuotaExhausted):
        await purchase(limiter, server, 600)
    server.month = 4
    await purchase(limiter, server, 32 * 86_400)
    assert server.served_at[-1] >= 1_751_328_000
    assert server.rejected.total() == 0


async def test_a_wait_known_to_be_too_long_is_refused_at_once() -> None:
    """No time is spent on a wait that can't end in time; the error says when it would have."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase_all([limiter], server, 10)
    before = server.clock.monotonic()
    with pytest.raises(BudgetExceeded) as caught:
        await limiter.acquire(limiter.waiter(), 5)
    assert server.clock.monotonic() == before
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.timestamp() % 60 == 0
    grant = await limiter.acquire(limiter.waiter(), 90)
    assert 0 < grant.waited["minute"] < 60


async def test_a_place_far_back_is_refused_at_once() -> None:
    """Who is ahead in the queue counts."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    async with anyio.create_task_group() as tasks:
        for _ in range(45):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(1)
        before = server.clock.monotonic()
        with pytest.raises(BudgetExceeded, match="ahead"):
            await limiter.acquire(limiter.waiter(), 90)
        assert server.clock.monotonic() == before
        await limiter.acquire(limiter.waiter(rank=-1), 90)
        tasks.cancel_scope.cancel()


async def test_max_wait_ends_a_wait_of_unknown_length() -> None:
    """An answer that does not come is not waited for longer than the caller said."""
    limiter, server = build(FakeClock())
    grants = [await limiter.acquire(limiter.waiter()) for _ in range(4)]
    before = server.clock.monotonic()
    with pytest.raises(BudgetExceeded):
        await limiter.acquire(limiter.waiter(), 2.5)
    assert server.clock.monotonic() - before == pytest.approx(2.5)
    for grant in grants:
        grant.settle()
    assert repr(limiter) == "<RateLimiter in_flight=0/10 queued=0>"


class SlowStore(MemoryQuotaStore):
    """A store that waits before its first answer, as one in a file does, and then refuses.

    Attributes:
        asked: set when it is asked first.
        answer: lets it answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answer = anyio.Event(), anyio.Event()

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Answer the first at a time of the test's choice: it has to wait for an hour."""
        if self.asked.is_set():
            return await super().take(asked, now)
        self.asked.set()
        await self.answer.wait()
        return Wait("throttled", now + 3600, certain=True, period="minute")


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_place_that_is_given_back_goes_to_who_became_the_head_meanwhile(*, cancelled: bool) -> None:
    """The store was still asked for one request when an earlier one, to be repeated, joined the queue."""
    clock, store = FakeClock(autojump=False), SlowStore()
    limiter = RateLimiter(store=store, plan=Plan(minute=10), clock=clock, max_in_flight=1)
    earlier, later = limiter.waiter(), limiter.waiter()
    earlier.turn = 0  # it was granted before
    scope = anyio.CancelScope()

    async def ask_later() -> None:
        with scope, pytest.raises(BudgetExceeded):
            await limiter.acquire(later, max_wait=1)

    async def ask_earlier() -> None:
        (await limiter.acquire(earlier)).settle()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_later)
            await store.asked.wait()
            tasks.start_soon(ask_earlier)
            await anyio.wait_all_tasks_blocked()
            assert limiter.waiting == Wait("in_flight")
            scope.cancel() if cancelled else store.answer.set()
    assert repr(limiter) == "<RateLimiter in_flight=0/1 queued=0>"


class SharingStore(MemoryQuotaStore):
    """A store in which a request of another process is in flight: the first two that ask wait for its end.

    Attributes:
        asked: how many have asked.
        answers: let it answer the first and the second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answers = 0, (anyio.Event(), anyio.Event())

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Answer at times of the test's choice."""
        self.asked += 1
        if self.asked > 2:
            return await super().take(asked, now)
        await self.answers[self.asked - 1].wait()
        return Wait("in_flight", in_flight=1)


async def test_the_end_of_a_request_of_another_process_is_looked_for() -> None:
    """Though another caller, who waits for the same answer of the store, holds a place in flight."""
    store = SharingStore()
    limiter = RateLimiter(store=store, plan=Plan(minute=10), clock=FakeClock())

    async def ask() -> None:
        (await limiter.acquire(limiter.waiter())).settle()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            for answer in store.answers:
                answer.set()
                await anyio.wait_all_tasks_blocked()
    assert store.asked > 2


async def test_left_and_forecast_follow_the_windows() -> None:
    """What is left falls with each request and comes back with the window."""
    limiter, server = build(FakeClock(), phase=10.0, wrong=0.0)
    assert limiter.left() == {"month": 10_000, "minute": 10}
    await purchase_all([limiter], server, 4)
    assert limiter.left() == {"month": 9_996, "minute": 6}
    assert limiter.ready_at(6) == pytest.approx(server.time(), abs=2)
    assert limiter.ready_at(7) == math.floor(server.time() / 60) * 60 + 60
    assert limiter.ready_at(17) == math.floor(server.time() / 60) * 60 + 120
    await server.clock.sleep(70)
    assert limiter.left() == {"month": 9_996, "minute": 10}


async def test_who_comes_back_when_told_to_is_not_sent_away_for_another_minute() -> None:
    """Where it is not certain yet that a full minute is over, the next one is not full."""
    limiter, server = build(FakeClock())
    await purchase_all([limiter], server, 10)
    again = limiter.ready_at(1)
    assert again == math.floor(server.time() / 60) * 60 + 60
    await server.clock.sleep(again - server.time())
    for _ in range(20):
        assert limiter.ready_at(10) <= limiter.now()
        assert limiter.ready_at(11) == again + 60
        await server.clock.sleep(0.1)
    await purchase_all([limiter], server, 10)
    assert limiter.ready_at(1) == again + 60
    assert sum(server.rejected.values()) == 0


async def test_the_waiting_says_until_when() -> None:
    """A progress display can count down to the window's start."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase_all([limiter], server, 10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(1)
        assert limiter.waiting is not None
        assert limiter.waiting.reason == "minute"
        assert limiter.waiting.until == math.floor(server.time() / 60) * 60 + 60
        assert limiter.ready_at(9) == limiter.waiting.until
        assert limiter.ready_at(10) == limiter.waiting.until + 60  # one waits already


def test_a_limiter_needs_numbers() -> None:
    """A plan that is only a name, or no room at all, is refused."""
    store, clock = MemoryQuotaStore(), FakeClock()
    with pytest.raises(InputError, match="Watt"):
        RateLimiter(store=store, plan=Plan.WATT, clock=clock)
    with pytest.raises(InputError, match="max_in_flight"):
        RateLimiter(store=store, plan=Plan(), clock=clock, max_in_flight=0)


async def test_a_state_that_is_away_is_what_a_query_has_waited_for() -> None:
    """Also where there was no time left to wait for it at the limiter."""

    class Away(MemoryQuotaStore):
        """A store that cannot be reached."""

        async def sync(self, *, refresh: bool = False) -> None:
            """Raise."""
            raise StateUnavailable("postgresql://db cannot be reached")

    limiter = RateLimiter(store=Away(), plan=Plan(minute=10), clock=FakeClock(), max_in_flight=1)
    assert limiter.failure_since(0.0, "too late") is None
    with pytest.raises(StateUnavailable):
        await limiter.refresh()
    await limiter.refresh(patient=True)
    assert str(limiter.failure_since(0.0, "too late")) == "too late: the state cannot be reached"


async def test_each_stage_of_a_month_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """At 80 and at 95 of 100, by whichever client of the store; the next month begins anew."""
    plan = Plan(minute=100, month=100)
    limiter, server = build(FakeClock(), plan=plan, minute=100, month=100)
    other = beside(limiter, server, plan)
    stages = []
    for number in range(1, 101):
        await purchase((limiter, other)[number % 2], server)
        stages += [number for record in caplog.records if record.levelname == "WARNING"]
        texts = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        caplog.clear()
        assert len(texts) == (number in {80, 95})
        assert all(f"({number} of 100)" in text and "2025-07-01 00:00 UTC" in text for text in texts)
    assert stages == [80, 95]
    await server.clock.sleep(MONTH_END - server.time() + 5)
    server.month = 200  # the fake server has but one month
    for _ in range(80):
        assert "WARNING" not in caplog.text
        await purchase(limiter, server)
    assert "(80 of 100)" in caplog.text


async def test_a_long_wait_is_told_once_with_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """However many wait, and whoever is the head; short waits are not worth a line."""
    caplog.set_level("INFO", "enlighten_async")
    limiter, server = build(FakeClock(), phase=20.0)

    async def job(patience: float | None) -> None:
        with server.clock.move_on_after(patience):
            await purchase(limiter, server)

    async with anyio.create_task_group() as tasks:
        for patience in [None] * 10 + [15.0] * 5 + [None] * 15:
            tasks.start_soon(job, patience)
    lines = [record.getMessage() for record in caplog.records]
    end = server.windows()[0] * 60 + 60
    assert len(lines) == 2
    assert all("s (minute) until 2025-06-15 15:0" in line and "in the queue" in line for line in lines)
    assert all(f"{datetime.fromtimestamp(end + 60 * n, UTC):%H:%M:%S} UTC" in lines[n] for n in range(2))
    assert all(record.levelname == "INFO" for record in caplog.records)


# Requests for tokens


class TokenRequests:
    """Requests for tokens through one limiter, each of which takes a second.

    Attributes:
        at_once: requests in flight at the most.
        told: the errors of those that were not sent.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        limiter = RateLimiter(store=MemoryQuotaStore(), plan=Plan(minute=10), clock=self.clock)
        self.renewals = limiter.renewals
        self.at_once = self.sent = 0
        self.told: list[EnlightenError] = []

    async def ask(self, count: int, error: EnlightenError | None = None) -> float:
        """Ask so many at once; return the seconds until all are told."""
        began, self.at_once, self.sent = self.clock.monotonic(), 0, 0
        in_flight = 0

        async def one() -> None:
            nonlocal in_flight
            async with self.renewals.turn(math.inf, self.renewals.failures()) as refusal:
                if refusal is not None:
                    self.told.append(refusal)
                    return
                in_flight += 1
                self.sent += 1
                self.at_once = max(self.at_once, in_flight)
                await self.clock.sleep(1)
                in_flight -= 1
                if error is None:
                    await self.renewals.answered()
                else:
                    await self.renewals.failed(copy(error), 3)

        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
        return self.clock.monotonic() - began


async def test_requests_for_tokens_are_few_at_first_and_more_with_each_success() -> None:
    """A thousand accounts do not wait for each other, nor do they ask a service together that is down."""
    requests = TokenRequests()
    for _ in range(2):
        assert await requests.ask(4) == 1
        assert (requests.sent, requests.at_once, repr(requests.renewals)) == (4, 4, "<Renewals room=8>")
        assert await requests.ask(1000) < 1000 / 32 + 8
        assert (requests.sent, requests.at_once) == (1000, 32)
    await requests.ask(50, ServerError("500", status=500))  # after a pause, however many went before
    assert requests.sent <= 8
    assert repr(requests.renewals) == "<Renewals room=4>"


async def test_a_failure_among_many_requests_for_tokens_lets_few_follow() -> None:
    """Places that are held then are not given back, but for those that there are at first."""
    requests = TokenRequests()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(requests.ask, 60)
        await requests.clock.sleep(3.5)
        assert repr(requests.renewals) == "<Renewals room=32>"
        await requests.renewals.failed(ServerError("500", status=500), 3)
        assert repr(requests.renewals) == "<Renewals room=4>"
    assert requests.at_once == 32
    assert await requests.ask(8) == 2  # four, and then four
    assert await requests.ask(1000) < 1000 / 32 + 8
    assert requests.at_once == 32


async def test_requests_for_tokens_end_with_the_fifth_failure() -> None:
    """Those in flight by then are the last; all others are told by the failure, and when to ask again."""
    requests = TokenRequests()
    await requests.ask(50, ServerError("500: no tokens", status=500))
    assert requests.sent <= 8
    assert len(requests.told) == 50 - requests.sent
    assert all("500: no tokens" in str(each) and each.retry_at for each in requests.told)
    assert requests.renewals.refusal() is not None
    assert not requests.renewals.may_repeat(ServerError("500", status=500))


async def test_silence_is_told_to_all_who_wait_for_a_place() -> None:
    """Nothing more is sent after the first that got no answer."""
    requests = TokenRequests()
    assert await requests.ask(50, RequestTimeout("late", sent=True, phase="wait")) == 1
    assert requests.sent == 4
    assert {type(each) for each in requests.told} == {RequestTimeout}
    assert len(requests.told) == 46
    assert not requests.renewals.may_repeat(RequestTimeout("late", sent=True))
