"""What goes wrong: what it costs, what reaches the caller, and what is kept."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from enlighten_async import (
    AuthenticationError,
    DecodeError,
    EnlightenClient,
    EnlightenError,
    NotFound,
    PermissionDenied,
    Plan,
    QuotaExhausted,
    RangeError,
    Reason,
    RequestTimeout,
    RetryPolicy,
    ServerError,
    ServiceRetired,
    TransportError,
    Unavailable,
)
from enlighten_async.emulator import Fault, Quota
from tests.world import API_KEY, World

ALWAYS = float("inf")


def asked(world: World, weeks_ago: int, days: int = 70) -> dict[str, object]:
    """Return the query by which a window of the last `days` is known, counted from the oldest."""
    start = int(world.clock.now() - days * 86_400) // 900 * 900
    return {"start_at": str(start + weeks_ago * 7 * 86_400)}


# Refusals that end the query


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (
            Fault(status=401, body='{"reason":"401","message":["Not authorized"]}', times=ALWAYS),
            AuthenticationError,
        ),
        (Fault(status=403, body="{}", times=ALWAYS), PermissionDenied),
        (Fault(status=404, body='{"reason":"404","message":["Nope"]}', times=ALWAYS), NotFound),
    ],
)
async def test_a_wrong_key_or_system_costs_one_request(
    world: World, fault: Fault, kind: type[EnlightenError]
) -> None:
    """53 windows meet the same refusal once."""
    world.emulator.inject(fault)
    with pytest.raises(kind) as caught:
        await world.client().rgm_stats(world.system, **world.days(365))
    assert world.emulator.counts.sent == 1
    assert (caught.value.receipt.sent, caught.value.partial) == (1, None)  # type: ignore[union-attr]
    assert len(caught.value.causes) == 1


async def test_the_service_itself_refuses_wrong_keys_users_and_systems() -> None:
    """The emulator's own refusals cost one request each and say what to check."""
    world = World(keys=[API_KEY])
    now = world.days(365)
    with pytest.raises(AuthenticationError, match="check the API key and the user id"):
        await world.client("wrong").rgm_stats(world.system, **now)
    with pytest.raises(AuthenticationError):
        await world.client(user="4d7a55774e6a41320a").rgm_stats(world.system, **now)
    with pytest.raises(NotFound, match="check the system id"):
        await world.client().rgm_stats(999_999, **now)
    assert world.emulator.counts.sent == 3


async def test_a_refusal_in_the_middle_stops_what_is_queued() -> None:
    """What was in flight comes in, the rest is not sent, and what arrived is on the error."""
    world = World(latency=1.0)
    world.emulator.inject(Fault(status=401, body="{}", query=asked(world, 2), times=ALWAYS))
    query = world.client(max_concurrency=3, plan=Plan(minute=60)).rgm_stats(world.system, **world.days(70))
    with pytest.raises(AuthenticationError) as caught:
        await query
    sent = world.emulator.counts.sent
    assert 4 <= sent <= 6
    partial: Any = caught.value.partial
    reasons = {gap.reason: gap.window.seconds / 86_400 for gap in partial.coverage.gaps()}
    assert reasons[Reason.FAILED] == 7
    assert reasons[Reason.REFUSED] == 7 * (10 - sent)
    assert len(partial.intervals) >= (sent - 1) * 672 - 2
    assert not partial.coverage.complete
    assert query.partial() is partial


# Failures that do not end the query


async def test_a_failed_window_leaves_the_others() -> None:
    """The neighbours come in; the error names the failure, the partial answer the gap."""
    world = World()
    world.emulator.inject(Fault(status=500, body='{"reason":"500"}', query=asked(world, 3), times=ALWAYS))
    with pytest.raises(ServerError) as caught:
        await world.client().rgm_stats(world.system, **world.days(70))
    partial: Any = caught.value.partial
    (gap,) = (gap for gap in partial.coverage.gaps() if gap.reason is Reason.FAILED)
    assert (gap.window.seconds, gap.window.start) == (7 * 86_400, int(asked(world, 3)["start_at"]))  # type: ignore[call-overload]
    assert len(partial.intervals) >= 9 * 672 - 2
    assert world.emulator.counts.sent == 9 + 3
    receipt = caught.value.receipt
    assert receipt is not None
    assert (receipt.sent, receipt.retried) == (12, 2)
    assert pickle.loads(pickle.dumps(caught.value)).partial == partial  # noqa: S301


async def test_two_failures_are_both_among_the_causes(world: World) -> None:
    """The first in time is raised; all are listed."""
    for week in (2, 5):
        world.emulator.inject(
            Fault(status=422, body='{"reason":"no"}', query=asked(world, week), times=ALWAYS)
        )
    with pytest.raises(RangeError) as caught:
        await world.client().rgm_stats(world.system, **world.days(70))
    assert caught.value.causes[0] is caught.value
    assert len(caught.value.causes) == 2
    assert world.emulator.counts.sent == 10


async def test_what_passes_is_met_by_a_repeat(world: World) -> None:
    """A reset, a 502 and a cut body cost one request more each; the answer is whole."""
    world.emulator.inject(
        Fault.drop(query=asked(world, 1)),
        Fault(status=502, body="<html>", content_type="text/html", query=asked(world, 4)),
        Fault.truncated_gzip(query=asked(world, 6)),
    )
    answer = await world.client().rgm_stats(world.system, **world.days(70))
    assert (answer.coverage.complete, answer.receipt.sent, answer.receipt.retried) == (True, 13, 3)
    assert world.emulator.counts.sent == 13


async def test_repeats_keep_to_their_share_of_the_plan() -> None:
    """At 10 a minute one repeat a minute is made; a failure that finds none left is told at once."""
    world = World(quota=Quota.WATT)
    client, began = world.client(plan=None), world.clock.monotonic()
    world.emulator.inject(Fault(status=500, body="{}", times=2))
    with pytest.raises(ServerError) as caught:
        await client.summary(world.system)
    assert world.clock.monotonic() - began < 5
    assert (world.emulator.counts.sent, caught.value.receipt and caught.value.receipt.retried) == (2, 1)
    await world.clock.sleep(61)
    assert (await client.summary(world.system)).receipt.retried == 0
    world.emulator.inject(Fault(status=500, body="{}"))
    assert (await client.summary(world.system)).receipt.retried == 1
    assert world.emulator.counts.sent == 5


async def test_a_service_that_never_answers_is_given_up_after_two_windows(world: World) -> None:
    """Nothing comes of the newest and the one before, five times in a row: the other 51 are not paid for."""
    world.emulator.inject(Fault.drop(times=ALWAYS))
    with pytest.raises(TransportError) as caught:
        await world.client().rgm_stats(world.system, **world.days(365))
    assert world.emulator.counts.sent == 5
    assert caught.value.sent


async def test_a_hanging_service_ends_by_the_deadline(world: World) -> None:
    """Each attempt takes the deadline and no longer."""
    world.emulator.inject(Fault.hang(times=ALWAYS))
    client = world.client(timeout=7, retry=RetryPolicy(attempts=1))
    began = world.clock.monotonic()
    with pytest.raises(RequestTimeout, match="7 s"):
        await client.summary(world.system)
    assert world.clock.monotonic() - began == pytest.approx(7)


async def test_data_that_is_not_available_is_a_hole(world: World) -> None:
    """500 with errorCode 7 is final for the query and no exception."""
    world.emulator.inject(Fault.unavailable(query=asked(world, 3), times=ALWAYS))
    answer = await world.client().rgm_stats(world.system, **world.days(70))
    assert [gap.window.seconds for gap in answer.coverage.gaps() if gap.reason is Reason.UNAVAILABLE] == [
        604_800
    ]
    assert (answer.coverage.complete, answer.receipt.sent) == (False, 10)
    world.emulator.inject(Fault.unavailable(path="summary"))
    with pytest.raises(Unavailable):
        await world.client().summary(world.system)


async def test_too_many_at_once_is_met_by_fewer() -> None:
    """After a 503 fewer go at a time, and all arrive; each 503 is an attempt, and one may meet several."""
    world = World(concurrent=3, latency=0.2)
    client = world.client(max_concurrency=10, retry=RetryPolicy(attempts=6))
    answer = await client.rgm_stats(world.system, **world.days(365))
    assert answer.coverage.complete
    assert world.emulator.counts.by_status[503] < 20
    assert answer.receipt.sent == world.emulator.counts.sent


async def test_an_endless_503_is_raised(world: World) -> None:
    """A service that is down is not asked for ever."""
    world.emulator.inject(Fault.overloaded(times=ALWAYS))
    with pytest.raises(Unavailable):
        await world.client().summary(world.system)
    assert world.emulator.counts.sent == 3


# Answers that cannot be read


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.html(times=ALWAYS), EnlightenError),
        (Fault(status=200, body="{", times=ALWAYS), DecodeError),
        (Fault(status=200, body="[]", times=ALWAYS), DecodeError),
        (Fault(status=200, body='{"system_id":"x"}', times=ALWAYS), DecodeError),
        (Fault(status=200, body=b"\xff\xfe", times=ALWAYS), DecodeError),
        (Fault(status=200, body="", times=ALWAYS), DecodeError),
        (Fault.truncated_gzip(times=ALWAYS), TransportError),
        (Fault.short_body(times=ALWAYS), TransportError),
        (Fault.bomb(200 << 20, times=ALWAYS), TransportError),
        (Fault.drip(times=ALWAYS), RequestTimeout),
        (Fault.redirect(times=ALWAYS), EnlightenError),
        (Fault.echo(times=ALWAYS), EnlightenError),
    ],
)
@pytest.mark.parametrize("endpoint", ["systems", "summary", "rgm_stats"])
async def test_a_bad_answer_is_one_of_our_errors(
    world: World, fault: Fault, kind: type[EnlightenError], endpoint: str
) -> None:
    """Whatever comes, it is an error of the family, in time, and it can be pickled."""
    world.emulator.inject(fault)
    client = world.client(retry=RetryPolicy(attempts=1))
    query = client.systems() if endpoint == "systems" else getattr(client, endpoint)(world.system)
    began = world.clock.monotonic()
    with pytest.raises(kind) as caught:
        await query
    assert world.clock.monotonic() - began <= 30
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args  # noqa: S301
    assert API_KEY not in repr(caught.value) + str(vars(caught.value))


async def test_an_unreadable_answer_is_kept(world: World) -> None:
    """It was paid for: it is on the error, with the path to what is wrong."""
    body = b'{"system_id": 1765, "intervals": [{"end_at": "soon"}]}'
    world.emulator.inject(Fault(status=200, body=body))
    with pytest.raises(DecodeError) as caught:
        await world.client().rgm_stats(world.system)
    assert caught.value.path == "$.intervals[0].end_at"
    assert caught.value.response is not None
    assert caught.value.response.body == body


async def test_the_dead_service_is_called_by_its_name() -> None:
    """A web page or a bare 404 from v2's own host is the end of v2, not a typing mistake."""
    for status, body in ((200, "<html>"), (404, ""), (410, ""), (301, "")):
        answer = httpx.Response(status, content=body, headers={"content-type": "text/html"})
        transport = httpx.MockTransport(lambda _, answer=answer: answer)
        async with EnlightenClient("key1", "user1", plan=Plan(), transport=transport) as client:
            with pytest.raises(ServiceRetired, match="v4"):
                await client.rgm_stats(1765)


# Over the limit


async def test_the_month_is_used_up() -> None:
    """The service says so once; the next call is refused before it is sent, until the month ends."""
    world = World(quota=Quota(minute=1000, month=5))
    client = world.client(plan=Plan(minute=1000, month=100))
    with pytest.raises(QuotaExhausted) as caught:
        await client.rgm_stats(world.system, **world.days(70))
    assert (caught.value.period, caught.value.limit) == ("month", 5)
    assert caught.value.retry_at == datetime(2025, 7, 1, tzinfo=UTC)
    sent = world.emulator.counts.sent
    with pytest.raises(QuotaExhausted):
        await client.summary(world.system)
    assert world.emulator.counts.sent == sent
    world.clock.advance(caught.value.retry_at.timestamp() - world.clock.now() + 5)
    assert (await client.summary(world.system)).receipt.sent == 1


async def test_a_service_that_rejects_for_ever_is_given_up() -> None:
    """Whoever contradicts themselves again and again is not asked for the other windows, but much later."""
    world = World()
    now = int(world.clock.now())
    world.emulator.inject(
        Fault(
            status=409,
            body=f'{{"reason":"409","period":"minute","period_start":{now - 60},"period_end":{now - 30}}}',
            times=ALWAYS,
        )
    )
    with pytest.raises(QuotaExhausted, match="asked ever more seldom") as caught:
        await world.client().rgm_stats(world.system, **world.days(70))
    assert caught.value.retry_at is not None
    assert caught.value.retry_at.timestamp() > world.clock.now() + 60
    assert world.emulator.counts.sent <= 5
