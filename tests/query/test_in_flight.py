"""Requests in flight: which of them a query waits for, and what of their parts it takes."""

from __future__ import annotations

import asyncio
from functools import partial

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from enlighten_async import UsageError
from enlighten_async.models import Coverage, RgmStats
from enlighten_async.query.in_flight import Background, InFlight, SharedRequest
from enlighten_async.windows import Window
from tests.tasks import living

GRID = 900
KEY = (b"scope", "a thing")


def window(first: int, last: int) -> Window:
    """Return a window of the grid."""
    return Window(first * GRID, last * GRID)


@pytest.mark.parametrize(
    ("asked", "wanted", "begins"),
    [
        (window(0, 4), window(0, 4), True),
        (window(0, 4), window(2, 9), True),  # it brings the first half
        (window(0, 4), window(4, 9), False),  # windows are open on the left: it ends where the other begins
        (window(0, 4), window(9, 12), False),
        (window(2, 4), window(0, 4), False),  # not the beginning
        (None, None, True),
        (None, window(0, 4), False),
        (window(0, 4), None, False),
    ],
)
def test_a_request_for_the_beginning(asked: Window | None, wanted: Window | None, begins: bool) -> None:
    """It is the beginning of the wanted range that counts: the rest is asked for afterwards."""
    assert SharedRequest(asked, rank=0).begins(wanted) is begins


@pytest.mark.parametrize(
    ("sent", "rank", "own", "found"),
    [
        (False, 0, False, True),  # both wait at the limiter: the same class
        (False, 1, False, True),  # a class below: the other one goes first anyway
        (True, 0, False, True),
        (True, 0, True, True),  # past the limiter, only a request that was sent is waited for
        (False, 0, True, False),
    ],
)
def test_the_request_of_another_query(sent: bool, rank: int, own: bool, found: bool) -> None:
    """Whether it was sent, which class asks, and whether this query has passed the limiter itself."""
    in_flight = InFlight()
    with in_flight.entered(KEY, window(0, 4), 0) as other, in_flight.entered(KEY, window(0, 4), 0) as mine:
        other.sent = sent
        expected = other if found else None
        assert in_flight.find(KEY, window(0, 4), rank, mine if own else None) is expected


def test_a_request_that_waits_behind() -> None:
    """A request of a class below is not waited for until it is sent."""
    in_flight = InFlight()
    with in_flight.entered(KEY, None, 2) as backfill:
        assert in_flight.find(KEY, None, 0) is None
        backfill.sent = True
        assert in_flight.find(KEY, None, 0) is backfill


def test_other_things_and_other_users() -> None:
    """Nobody waits for a request about another thing, or of another scope; none is left behind."""
    in_flight = InFlight()
    with in_flight.entered(KEY, None, 0):
        assert in_flight.find((b"another", KEY[1]), None, 0) is None
        assert in_flight.find((KEY[0], "another"), None, 0) is None
    assert in_flight == InFlight()


@pytest.mark.parametrize(
    ("got", "wanted", "share"),
    [
        (window(0, 4), window(0, 4), window(0, 4)),
        (window(0, 4), window(1, 9), window(1, 4)),
        (window(0, 4), window(1, 2), window(1, 2)),
        (window(2, 4), window(0, 4), None),  # an answer that was cut does not hold the beginning
        (window(0, 4), window(4, 9), None),
    ],
)
def test_the_share_of_a_part(got: Window, wanted: Window, share: Window | None) -> None:
    """The part is cut to the beginning of what is wanted."""
    request = SharedRequest(got, rank=0)
    request.part = RgmStats.empty(1765, Coverage(got, GRID))
    shared = request.share(wanted)
    assert (None if shared is None else shared.window) == share


def test_a_part_that_is_of_no_series_is_shared_whole() -> None:
    """And nothing is shared of a request that has failed."""
    request = SharedRequest(None, rank=0)
    assert request.share(None) is None
    request.part = "the answer"
    assert request.share(None) == "the answer"


async def test_all_who_wait_are_woken() -> None:
    """Also by a request that failed, and by one that was over before they waited a second time."""
    in_flight, woken = InFlight(), []

    async def wait(request: SharedRequest) -> None:
        await request.wait()
        woken.append(request)

    async with anyio.create_task_group() as group:
        with in_flight.entered(KEY, None, 0) as shared:
            group.start_soon(wait, shared)
            group.start_soon(wait, shared)
            await anyio.wait_all_tasks_blocked()
            assert woken == []
    assert woken == [shared, shared]
    await shared.wait()


class Work:
    """Work in the background that ends when it is let, or cancelled."""

    def __init__(self) -> None:
        self.scope, self.let, self.told = anyio.CancelScope(), anyio.Event(), list[str]()

    async def run(self) -> None:
        """Wait to be let."""
        with self.scope:
            await self.let.wait()
            self.told.append("done")

    def stop(self) -> None:
        """Note that nothing more is wanted."""
        self.told.append("stop")


async def started(background: Background, count: int) -> list[Work]:
    """Start so many."""
    works = [Work() for _ in range(count)]
    for work in works:
        background.start(work.run, scope=work.scope, stop=work.stop)
    await wait_all_tasks_blocked()
    return works


async def test_work_in_the_background_is_waited_for_patiently(anyio_backend_name: str) -> None:
    """Each is told to stop; none is started any more."""
    background, tasks = Background(), living(anyio_backend_name)
    one, two = await started(background, 2)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(background.aclose, patient=True))
        await wait_all_tasks_blocked()
        assert one.told == two.told == ["stop"]
        one.let.set()
        two.let.set()
    assert one.told == two.told == ["stop", "done"]
    assert living(anyio_backend_name) == tasks
    with pytest.raises(UsageError, match="closed"):
        background.start(one.run, scope=one.scope, stop=one.stop)
    await background.aclose(patient=True)


@pytest.mark.parametrize("patient", [True, False])
async def test_work_in_the_background_is_cancelled(patient: bool, anyio_backend_name: str) -> None:
    """Without patience, and where it is at an end: whoever closes it is cancelled."""
    background, tasks = Background(), living(anyio_backend_name)
    works = await started(background, 3)
    with anyio.CancelScope() as scope:
        if patient:
            scope.cancel()
        await background.aclose(patient=patient)
    assert [each.told for each in works] == [["stop"]] * 3
    assert living(anyio_backend_name) == tasks


async def test_work_in_the_background_is_cancelled_before_it_begins(anyio_backend_name: str) -> None:
    """It ends at its first wait."""
    background, work, tasks = Background(), Work(), living(anyio_backend_name)
    background.start(work.run, scope=work.scope, stop=work.stop)
    background.cancel()
    await background.aclose(patient=True)
    assert work.told == ["stop"]
    assert living(anyio_backend_name) == tasks


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_that_others_cancel_is_forgotten(anyio_backend: str) -> None:
    """Such as by a program that ends all tasks of asyncio, also before they begin."""
    background, work = Background(), Work()
    before = asyncio.all_tasks()
    background.start(work.run, scope=work.scope, stop=work.stop)
    for task in asyncio.all_tasks() - before:
        task.cancel()
    await background.aclose(patient=True)
    assert work.told == ["stop"]
