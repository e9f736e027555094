"""The quota: fixed minutes, UTC calendar months, the bodies of rejections, and the requests that count."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import anyio
import httpx
import pytest

from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.emulator.quota import minute_of, month_of
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def statuses(client: httpx.AsyncClient, count: int) -> list[int]:
    """Send this many requests one after another and return their statuses."""
    return [(await client.get("/systems")).status_code for _ in range(count)]


async def test_ten_a_minute_then_the_documented_refusal(clock: FakeClock, connect: Connect) -> None:
    """The eleventh request of a minute meets the body of the documentation, to the letter."""
    clock.step_wall(1_401_742_452 - clock.now())
    emulator = Emulator(clock=clock)
    async with connect(emulator) as client:
        assert await statuses(client, 10) == [200] * 10
        refused = await client.get("/systems")
    assert refused.status_code == 409
    assert refused.headers["status"] == "409"
    assert refused.json() == {
        "reason": "409",
        "message": ["Usage limit exceeded for plan Watt"],
        "period": "minute",
        "period_start": 1401742440,
        "period_end": 1401742500,
        "limit": 10,
    }


async def test_windows_are_fixed_not_sliding(clock: FakeClock, connect: Connect) -> None:
    """Ten requests in the last second of a minute leave the next minute's ten untouched."""
    clock.advance(59 - clock.now() % 60)
    emulator = Emulator(clock=clock)
    async with connect(emulator) as client:
        assert await statuses(client, 11) == [200] * 10 + [409]
        clock.advance(1)
        assert await statuses(client, 11) == [200] * 10 + [409]
    assert list(emulator.counts.windows.values()) == [10, 10]
    assert list(emulator.counts.rejected_windows.values()) == [1, 1]


async def test_the_month_is_the_calendars_in_utc(clock: FakeClock, connect: Connect) -> None:
    """The month's refusal names its two midnights; the new month starts at zero."""
    new_year = datetime(2022, 2, 1, tzinfo=UTC).timestamp()
    clock.step_wall(new_year - 5 - clock.now())
    emulator = Emulator(clock=clock, quota=Quota(100, 3, "Watt"))
    async with connect(emulator) as client:
        assert await statuses(client, 3) == [200] * 3
        refused = (await client.get("/systems")).json()
        assert refused["period"] == "month"
        assert (refused["period_start"], refused["period_end"]) == (1640995200, 1643673600)
        assert refused["limit"] == 3
        clock.advance(5)
        assert await statuses(client, 1) == [200]


async def test_counted_per_key_over_all_users(clock: FakeClock, connect: Connect) -> None:
    """Two users of one key share its quota; another key has its own."""
    emulator = Emulator(clock=clock, users=2, quota=Quota(2, None, "Tiny"))
    async with connect(emulator) as client:
        assert await statuses(client, 1) == [200]
        other = {"user_id": emulator.users[1]}
        assert (await client.get("/systems", params=other)).status_code == 200
        assert (await client.get("/systems", params=other)).status_code == 409
    async with connect(emulator, key="another") as client:
        assert await statuses(client, 1) == [200]
    assert emulator.counts.by_key == {"a-key": 3, "another": 1}


@pytest.mark.parametrize(("counts", "left"), [(False, 4), (True, 1)])
async def test_whether_refused_requests_count_is_a_setting(
    clock: FakeClock, connect: Connect, *, counts: bool, left: int
) -> None:
    """Nobody knows whether they do: both can be tried."""
    emulator = Emulator(clock=clock, quota=Quota(2, 6, "Tiny"), rejected_count_month=counts)
    async with connect(emulator) as client:
        assert await statuses(client, 5) == [200, 200, 409, 409, 409]
        clock.advance(60)
        emulator.quota = Quota(100, 6, "Tiny")
        assert (await statuses(client, 6)).count(200) == left


async def test_errors_count_as_requests_but_unknown_keys_do_not(clock: FakeClock, connect: Connect) -> None:
    """A request of a valid key counts whatever its response; without a key nothing is counted."""
    emulator = Emulator(clock=clock, quota=Quota(2, None, "Tiny"), keys=["a-key"])
    async with connect(emulator, key="unknown") as client:
        assert await statuses(client, 3) == [401] * 3
    async with connect(emulator) as client:
        assert (await client.get("/nothing")).status_code == 404
        assert await statuses(client, 2) == [200, 409]


async def test_faults_may_be_uncounted(clock: FakeClock, connect: Connect) -> None:
    """A request lost on the way there costs nothing."""
    faults = [Fault.overloaded(times=5, counted=False)]
    emulator = Emulator(clock=clock, quota=Quota(1, None, "Tiny"), faults=faults)
    async with connect(emulator) as client:
        assert await statuses(client, 7) == [503] * 5 + [200, 409]
    counts = emulator.counts
    assert (counts.sent, counts.served, counts.rejected) == (7, 1, 1)


async def test_more_than_allowed_at_once_is_503_and_not_charged(clock: FakeClock, connect: Connect) -> None:
    """In place of a refusal the service says that there are too many at once."""
    emulator = Emulator(clock=clock, quota=Quota.UNLIMITED, concurrent=3, latency=1.0)
    async with connect(emulator) as client:
        answers: list[int] = []

        async def ask() -> None:
            answers.append((await client.get("/systems")).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
        assert sorted(answers) == [200] * 3 + [503] * 2
        assert await statuses(client, 4) == [200] * 4
    assert emulator.counts.served == 7


def test_periods() -> None:
    """December ends in January of the next year, February in leap years after 29 days."""
    december = month_of(datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    assert december.end == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    february = month_of(datetime(2024, 2, 29, tzinfo=UTC).timestamp())
    assert february.end - february.start == 29 * 86_400
    assert minute_of(119.99).start == 60
    assert minute_of(120.0).start == 120
