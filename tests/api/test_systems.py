"""Pages of systems one after another, summaries, and how the API learns a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v2 import BASE_URL, PLANS, ApiV2, credentials
from enlighten_async.errors import (
    AuthenticationError,
    DecodeError,
    InputError,
    NotFound,
    ServerError,
    ServiceRetired,
)
from enlighten_async.models import Receipt, Summary, SystemId, Systems
from enlighten_async.transport import Secret
from enlighten_async.wire import Request, Requests
from tests.api.laid_out import laid_out
from tests.api.service_errors import error_of
from tests.api.v2.answers import DATE, answer
from tests.api.v2.single import WEB_DATE, told
from tests.api.v2.single import asked as asked_once
from tests.effort import examples
from tests.world import World

API = ApiV2()
search_system_id, summary = API.search_system_id, API.summary


def systems(time_zones: dict[int, str], **filters: Any) -> Any:
    """Return the plan of a list of systems, which adds to these time zones."""
    return ApiV2(time_zones=time_zones).systems(**filters)


def driven(flow: Requests[Any], bodies: list[dict[str, Any]]) -> tuple[list[Any], list[Request[Any]]]:
    """Drive a flow with answers as long as it asks; return the parts, and what was asked."""
    parts, asked = [], [next(flow)]
    for body in bodies:
        parts.append(asked[-1].decode(answer(body)))
        try:
            asked.append(flow.send(parts[-1]))
        except StopIteration:
            return parts, asked
    return parts, asked


def page(ids: list[int], following: str | None = None) -> dict[str, Any]:
    """Return a page as the service gives it."""
    listed = [{"system_id": n, "timezone": "US/Pacific" if n % 2 else None} for n in ids]
    return {"systems": listed} | ({} if following is None else {"next": following})


@examples(100)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6), last=st.sampled_from([None, ""]))
def test_pages_follow_until_there_is_no_next(sizes: list[int], last: str | None) -> None:
    """In the service's order; each `next` is sent back as it came, with the same limit."""
    zones: dict[int, str] = {}
    laid = laid_out(systems(zones), 0.0, None)
    ids = iter(range(100))
    nexts = [f"4d{n}0a" for n in range(len(sizes) - 1)]
    bodies = [
        page([next(ids) for _ in range(n)], after) for n, after in zip(sizes, [*nexts, last], strict=True)
    ]
    parts, asked = driven(laid.ordered[0].requests, bodies)
    assert {(request.endpoint, request.path) for request in asked} == {("systems", "/systems")}
    limit = ("limit", "1000")
    assert [request.params for request in asked] == [(limit,), *((limit, ("next", after)) for after in nexts)]
    answered = laid.merge(parts, [], Receipt(sent=len(asked)))
    assert [system.system_id for system in answered] == list(range(sum(sizes)))
    assert (answered.complete, answered.receipt.sent, answered.as_of) == (True, len(sizes), parts[0].as_of)
    for part in parts:
        laid.learn(part)
    assert zones == {n: "US/Pacific" for n in range(sum(sizes)) if n % 2}
    assert [system for part in parts for system in laid.items(part)] == list(answered)
    assert laid.open_ended


def test_the_name_of_a_time_zone_is_kept_once() -> None:
    """However many systems there are in it."""
    zones: dict[int, str] = {}
    laid = laid_out(systems(zones), 0.0, None)
    parts, _ = driven(laid.ordered[0].requests, [page([1, 3], "4d0a"), page([5])])
    for part in parts:
        laid.learn(part)
    assert len({id(zone) for zone in zones.values()}) == 1


@pytest.mark.parametrize("nexts", [["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]])
def test_a_next_that_comes_again_ends_it(nexts: list[str]) -> None:
    """Nothing is asked for a second time, and the answer says that it is incomplete."""
    laid = laid_out(systems({}), 0.0, None)
    bodies = [page([n], after) for n, after in enumerate(nexts)]
    parts, asked = driven(laid.ordered[0].requests, [*bodies, page([99])])
    assert len(asked) == len(parts) == len(nexts)
    assert not laid.merge(parts, [], Receipt()).complete


@pytest.mark.parametrize("listed", [[], [1, 2]])
def test_a_page_without_a_new_system_ends_it(listed: list[int]) -> None:
    """Cursors that are always new, and lead nowhere, are not followed for ever."""
    laid = laid_out(systems({}), 0.0, None)
    bodies = [page([1, 2], "4d0a"), *(page(listed, f"4d{n}0a") for n in range(50))]
    parts, asked = driven(laid.ordered[0].requests, bodies)
    assert len(asked) == len(parts) == 2
    assert not laid.merge(parts, [], Receipt()).complete


VALUES = st.text(min_size=1).filter(str.strip)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "system_id": st.integers(1) | VALUES | st.lists(st.integers(1) | VALUES, min_size=1, max_size=3),
        **{
            name: VALUES | st.lists(VALUES, min_size=1, max_size=3) | st.sets(VALUES, min_size=1, max_size=3)
            for name in ("system_name", "status", "reference", "installer", "connection_type")
        },
    },
)


@examples(200)
@given(filters=FILTERS)
def test_filters_go_with_every_page(filters: dict[str, Any]) -> None:
    """One value by its name, several with brackets; the same for the next page, and each value once."""
    laid = laid_out(systems({}, **filters), 0.0, None)
    ids = filters.get("system_id", 1)
    first = str(ids if isinstance(ids, int | str) else ids[0])
    listed = int(first) if first.isdecimal() else 1
    _, asked = driven(laid.ordered[0].requests, [page([listed], "4d0a"), page([])])
    limit, *pairs = asked[0].params
    assert limit == ("limit", "1000")
    assert asked[1].params == (*asked[0].params, ("next", "4d0a"))
    names = list(dict.fromkeys(name.removesuffix("[]") for name, _ in pairs))
    order = ["system_id", "system_name", "status", "reference", "installer", "connection_type"]
    assert names == [name for name in order if name in filters]
    for name, given_for_it in filters.items():
        several = {str(v) for v in ([given_for_it] if isinstance(given_for_it, str | int) else given_for_it)}
        wire = name if len(several) == 1 else f"{name}[]"
        sent = [value for key, value in pairs if key == wire]
        assert (set(sent), len(sent)) == (several, len(several))


def test_the_order_of_values_is_kept() -> None:
    """As the caller gave them."""
    laid = laid_out(systems({}, status=["micro", "comm", "micro"], system_id=(9, "8")), 0.0, None)
    _, (request,) = driven(laid.ordered[0].requests, [page([])])
    ids, states = (("system_id[]", "9"), ("system_id[]", "8")), (("status[]", "micro"), ("status[]", "comm"))
    assert request.params == (("limit", "1000"), *ids, *states)


@pytest.mark.parametrize(
    "wrong", [[], (), set(), "", " ", ["a", ""], [None], 5.5, True, [True], b"a", [b"a"], {}]
)
@pytest.mark.parametrize(
    "name", ["system_id", "system_name", "status", "reference", "installer", "connection_type"]
)
def test_filters_that_could_match_nothing_are_refused(name: str, wrong: Any) -> None:
    """By name, before anything is asked."""
    with pytest.raises(InputError, match=f"^{name} (is empty|must be)"):
        systems({}, **{name: wrong})


def test_numbers_are_for_numbers() -> None:
    """Other filters are texts."""
    with pytest.raises(InputError, match="status must be a text"):
        systems({}, status=5)  # type: ignore[arg-type]


async def test_filters_through_a_client() -> None:
    """The URL as the service sees it; brackets may be escaped."""
    seen: list[httpx.QueryParams] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.params)
        return httpx.Response(200, json=page([1]), headers={"date": WEB_DATE})

    async with World().client(transport=httpx.MockTransport(reply)) as client:
        listed = await client._query(systems({}, status=["comm", "micro"], system_name="Süd & West"))
    assert [system.system_id for system in listed] == [1]
    assert seen[0].get_list("status[]") == ["comm", "micro"]
    assert seen[0].get_list("system_name") == ["Süd & West"]


def test_the_system_of_a_gateway() -> None:
    """Its number, also as an `int`; serial numbers are texts."""
    request = asked_once(search_system_id(" 012345678901 "))
    assert (request.endpoint, request.path) == ("search_system_id", "/systems/search_system_id")
    assert request.params == (("serial_num", "012345678901"),)
    found = told(search_system_id("1"), {"system_id": 7, "new": 1})
    assert (found, int(found), found.as_of) == (SystemId(7), 7, datetime.fromtimestamp(DATE, UTC))
    assert found.to_dict()["system_id"] == 7


@pytest.mark.parametrize("wrong", [12345678901, "", " ", None, b"1", True])
def test_what_is_no_serial_number_is_refused(wrong: Any) -> None:
    """A number would have lost its zeros."""
    with pytest.raises(InputError, match="serial_num must be a text"):
        search_system_id(wrong)


def test_a_gateway_nobody_knows_is_not_found() -> None:
    """In the service's words."""
    error = told(search_system_id("1"), {"reason": "404", "errorMessages": ["Envoy not found here"]}, 404)
    assert isinstance(error, NotFound)
    assert "Envoy not found here" in str(error)
    assert isinstance(told(search_system_id("1"), {"system_id": None}), DecodeError)


def test_pages_that_did_not_all_arrive_are_incomplete() -> None:
    """Also if none did."""
    laid = laid_out(systems({}), 0.0, None)
    parts, _ = driven(laid.ordered[0].requests, [page([1], "a")])
    assert laid.merge(parts, [], Receipt()) == Systems(parts[0].systems)
    assert not laid.merge(parts, [], Receipt()).complete
    assert not laid.merge([], [], Receipt()).complete


def test_a_summary_is_one_request() -> None:
    """Of the service's own today, or of a local day."""
    for day, params in ((None, ()), (date(2025, 6, 1), (("summary_date", "2025-06-01"),))):
        laid = laid_out(summary(7, day), 0.0, None)
        (part,), (request,) = driven(laid.ordered[0].requests, [{"system_id": 7, "energy_today": 5}])
        assert (request.endpoint, request.path, request.params) == ("summary", "/systems/7/summary", params)
        answered = laid.merge([part], [], Receipt(sent=1))
        assert (answered, answered.receipt.sent) == (Summary(7, energy_today=5), 1)
        assert list(laid.items(part)) == [part]


@pytest.mark.parametrize("day", [datetime(2025, 6, 1, tzinfo=UTC), "2025-06-01", 20250601])
def test_a_summary_of_what_is_no_day_is_refused(day: Any) -> None:
    """Before anything is asked."""
    with pytest.raises(InputError, match="summary_date must be a date"):
        summary(7, day)


def test_a_time_zone_is_asked_for_by_the_system() -> None:
    """One request; the answer is the name as the service sends it."""
    (name,), (request,) = driven(ApiV2().time_zone(7), [page([7])])
    assert (name, request.path, request.params) == ("US/Pacific", "/systems", (("system_id", "7"),))


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        *((page(listed), "check the system id") for listed in ([], [8], [9, 5])),
        ({"systems": [{"system_id": 7}]}, "start_at/end_at"),
    ],
)
def test_a_time_zone_nobody_tells_is_not_found(body: dict[str, Any], advice: str) -> None:
    """The error says what to do without, or that there is no such system."""
    request = next(ApiV2().time_zone(7))
    with pytest.raises(NotFound, match=advice) as caught:
        request.decode(answer(body))
    assert caught.value.response == answer(body)


def test_the_api_knows_whose_host_it_speaks_with() -> None:
    """What the service's own host says without JSON means that v2 has ended."""
    gone = answer(b"<html>", 404)
    assert type(error_of(gone, ApiV2().error_for, "systems")) is ServiceRetired
    assert type(error_of(gone, ApiV2(official=False).error_for, "systems")) is ServerError
    assert type(error_of(answer({}, 401), ApiV2().error_for, "systems")) is AuthenticationError
    assert error_of(answer(page([])), ApiV2().error_for, "systems") is None


def test_credentials_go_into_the_query() -> None:
    """And are shown nowhere."""
    made = credentials(Secret("0123abcd"), Secret("4d7a0a"))
    assert [(name, secret.reveal()) for name, secret in made.params] == [
        ("key", "0123abcd"),
        ("user_id", "4d7a0a"),
    ]
    assert "0123abcd" not in repr(made)


@pytest.mark.parametrize(("key", "user"), [("", "x"), ("a b", "x"), ("x", "ä"), ("x", "a\n")])
def test_credentials_that_cannot_be_any_are_refused_unseen(key: str, user: str) -> None:
    """The error names the argument and does not show it."""
    with pytest.raises(InputError, match=r"^(api_key|user_id) must be a text without spaces") as caught:
        credentials(Secret(key), Secret(user))
    assert all(text not in str(caught.value) for text in ("a b", "ä"))


def test_the_free_plan_is_known() -> None:
    """As real refusals confirm; requests go to the service over TLS."""
    watt = PLANS["Watt"]
    assert (watt.minute, watt.month) == (10, 10_000)
    assert BASE_URL.startswith("https://")
