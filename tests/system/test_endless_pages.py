"""Lists whose pages do not end, though each brings something new: no such list takes the month's requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from enlighten_async import BudgetExceeded, EnlightenClient
from enlighten_async.api.paging import MAX_PAGES
from tests.world import World

Call = Callable[[EnlightenClient], Any]


class Endless:
    """A service whose lists have another page after each, with other items.

    Attributes:
        requests: number of the requests for pages.
        last: number of the last page, if there is one.
    """

    def __init__(self, make: Callable[[int], Any], last: int | None = None) -> None:
        self.make, self.last, self.requests = make, last, 0

    def __call__(self, _: httpx.Request) -> httpx.Response:
        """Answer with the next page."""
        self.requests += 1
        return httpx.Response(200, json=self.make(self.requests))


def systems(page: int, count: int = 100) -> list[dict[str, Any]]:
    """Return the systems of a page."""
    return [{"system_id": number} for number in range(page * count, page * count + count)]


def by_cursor(page: int) -> Any:
    """Return a page of v2."""
    return {"systems": systems(page, 5), "next": f"c{page}"}


def micros(page: int) -> Any:
    """Return a page of the reports of inverters."""
    serials = range(page * 100, page * 100 + 100)
    return [{"micro_inverters": [{"serial_number": str(each)} for each in serials]}]


def rows(name: str, page: int) -> Any:
    """Return a page of events or sessions of chargers."""
    return {
        "system_id": 7,
        name: [{"status": str(page * 100 + each), "cost": page + each} for each in range(100)],
    }


def devices(page: int) -> Any:
    """Return a page of the rows of inverters."""
    listed = [{"serial_number": str(page * 20 + each), "intervals": []} for each in range(20)]
    return {"system_id": 7, "total_devices": 10**6, "devices": listed}


def all_systems(client: EnlightenClient) -> Any:
    """Ask for all systems."""
    return client.systems()


ENDLESS: dict[str, tuple[str, Call, Callable[[int], Any]]] = {
    "v2": ("v2", all_systems, by_cursor),
    "v4, no count": ("v4", all_systems, lambda page: {"systems": systems(page)}),
    "v4, a count beyond belief": ("v4", all_systems, lambda page: {"systems": systems(page), "total": 10**9}),
    "v4, a search": (
        "v4",
        lambda c: c.systems(status="normal"),
        lambda page: {"systems": systems(page), "total": None},
    ),
    "inverters": ("v4", lambda c: c.inverters_summary_by_envoy_or_site(7), micros),
    "events of chargers": ("v4", lambda c: c.ev_charger_events(7), lambda page: rows("events", page)),
    "events, a count beyond belief": (
        "v4",
        lambda c: c.ev_charger_events(7),
        lambda page: {**rows("events", page), "count": 10**9},
    ),
    "events, counts of pages": (
        "v4",
        lambda c: c.ev_charger_events(7),
        lambda page: {**rows("events", page), "count": 100},
    ),
    "sessions of a charger": (
        "v4",
        lambda c: c.ev_charger_sessions(7, "1"),
        lambda page: rows("sessions", page),
    ),
    "rows of inverters": (
        "v4",
        lambda c: c.micros_telemetry(7, start_at=1_749_900_000, end_at=1_749_910_000),
        devices,
    ),
}
"""The version, the call, and the pages."""


def client_of(version: str, service: Endless, **options: Any) -> EnlightenClient:
    """Open a client of a service."""
    world, transport = World(), httpx.MockTransport(service)
    if version == "v4":
        return world.v4(transport=transport, **options)
    return world.client(transport=transport, base_url="http://127.0.0.1:9/api/v2", **options)


@pytest.mark.parametrize("allowed", [None, 3000])
@pytest.mark.parametrize(("version", "call", "make"), ENDLESS.values(), ids=ENDLESS)
async def test_pages_without_end_are_given_up(
    version: str, call: Call, make: Callable[[int], Any], allowed: int | None
) -> None:
    """What came is kept, and counted; also where more requests are allowed, and where fewer are."""
    service = Endless(make)
    with pytest.raises(BudgetExceeded, match=r"not ended after 100 pages") as caught:
        await call(client_of(version, service).with_options(max_requests=allowed))
    assert service.requests == caught.value.receipt.sent == MAX_PAGES
    partial = caught.value.partial
    assert not getattr(partial, "coverage", partial).complete
    service = Endless(make)
    with pytest.raises(BudgetExceeded, match="max_requests=30"):
        await call(client_of(version, service).with_options(max_requests=30))
    assert service.requests == 30


async def test_a_stream_of_them_ends_likewise() -> None:
    """After all that came."""
    service, got = Endless(by_cursor), 0
    stream = aiter(client_of("v2", service).systems())
    for _ in range(5 * MAX_PAGES):
        got += (await anext(stream)) is not None
    with pytest.raises(BudgetExceeded):
        await anext(stream)
    assert (got, service.requests) == (5 * MAX_PAGES, MAX_PAGES)


@pytest.mark.parametrize("size", [100, 30])
async def test_a_long_list_that_is_counted_is_followed_to_its_end(size: int) -> None:
    """Also where the service gives shorter pages than it was asked for."""
    last = 12_000 // size

    def make(page: int) -> Any:
        return {"systems": systems(page, size), "total": 12_000, "size": size}

    service = Endless(make, last)
    answer = await client_of("v4", service).systems()
    assert (len(answer), answer.complete, service.requests) == (12_000, True, last)


async def test_a_count_that_grows_with_each_page_is_not_followed() -> None:
    """The first page's count says how long the list is; it may grow by one page."""
    service = Endless(lambda page: {"systems": systems(page), "total": 100 * page + 100})
    answer = await client_of("v4", service).systems()
    assert (answer.complete, service.requests) == (False, 3)
