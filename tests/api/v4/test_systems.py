"""Lists of systems by v4: what is asked, what an answer says, and where pages end."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4 import ApiV4
from enlighten_async.errors import DecodeError, InputError, NotFound, NotSupported
from enlighten_async.models import EvsePower, Receipt
from enlighten_async.wire import Request
from tests.api.laid_out import laid_out
from tests.api.v2.answers import DATE, answer
from tests.effort import examples


def flow(zones: dict[int, str] | None = None, **filters: Any) -> Any:
    """Return the laid of a list of systems."""
    return laid_out(ApiV4(time_zones={} if zones is None else zones).systems(**filters), DATE)


def driven(laid: Any, bodies: list[Any]) -> tuple[list[Any], list[Request[Any]]]:
    """Drive the flow by these answers; return the parts and what was asked."""
    (segment,) = laid.ordered
    parts, asked = [], [next(segment.requests)]
    for body in bodies:
        parts.append(asked[-1].decode(answer(body)))
        laid.learn(parts[-1])
        try:
            asked.append(segment.requests.send(parts[-1]))
        except StopIteration:
            return parts, asked
    raise AssertionError("it asks for more")


def page(ids: range | list[int], total: Any = None, **more: Any) -> dict[str, Any]:
    """Return a page of systems."""
    listed = [{"system_id": n, "name": f"roof {n}", "timezone": "US/Pacific"} for n in ids]
    return {"total": total, "current_page": 1, "size": 100, "items": "systems", "systems": listed, **more}


def test_all_are_listed() -> None:
    """Without filters, by their ids, as many on a page as there may be."""
    _, (request,) = driven(flow(), [page([1], 1)])
    assert (request.method, request.path, request.body) == ("GET", "/systems", None)
    assert request.params == (("page", "1"), ("size", "100"), ("sort_by", "id"))


def test_some_are_searched_for() -> None:
    """With filters, in the body of a POST by the names v4 has for them."""
    filters = {"system_id": [7, "8"], "system_name": "hill", "status": ("comm", "micro"), "reference": "R1"}
    _, (request,) = driven(flow(**filters), [page([], 0)])
    assert (request.method, request.path) == ("POST", "/systems/search")
    assert request.params == (("page", "1"), ("size", "100"))
    assert json.loads(request.body or b"") == {
        "sort_by": "id",
        "system": {"ids": [7, 8], "name": "hill", "statuses": ["comm", "micro"], "reference": "R1"},
    }


@pytest.mark.parametrize(
    ("filters", "kind", "text"),
    [
        ({"installer": "x"}, NotSupported, "no filter installer"),
        ({"connection_type": ["wifi"]}, NotSupported, "no filter connection_type"),
        ({"system_name": ["a", "b"]}, NotSupported, "one system_name at a time"),
        ({"reference": ["a", "b"]}, NotSupported, "one reference at a time"),
        ({"system_id": "seven"}, InputError, "system_id must be the number"),
        ({"system_id": []}, InputError, "system_id is empty"),
        ({"status": ""}, InputError, "status must be a text"),
    ],
)
def test_filters_v4_does_not_have(filters: dict[str, Any], kind: type[InputError], text: str) -> None:
    """Refused at the call, with what to do instead."""
    with pytest.raises(kind, match=text):
        flow(**filters)


@examples(200)
@given(sizes=st.lists(st.integers(1, 100), min_size=1, max_size=5), known=st.booleans())
def test_pages_end_with_the_total(sizes: list[int], *, known: bool) -> None:
    """Or, where it is not told, with the first that is not full."""
    if not known:
        sizes = [100] * (len(sizes) - 1) + [sizes[-1] % 100]
    total, bodies, first = sum(sizes), [], 0
    for size in sizes:
        bodies.append(page(range(first, first + size), total if known else None))
        first += size
    zones: dict[int, str] = {}
    laid = flow(zones)
    parts, asked = driven(laid, bodies)
    assert [dict(request.params)["page"] for request in asked] == [str(n + 1) for n in range(len(sizes))]
    answered = laid.merge(parts, [], Receipt())
    assert [system.system_id for system in answered] == list(range(total))
    assert answered.complete
    assert zones == dict.fromkeys(range(total), "US/Pacific")


def test_a_page_that_comes_again_ends_it() -> None:
    """A service that does not turn pages is not asked for ever, and the answer says so."""
    laid = flow()
    parts, asked = driven(laid, [page([1, 2], 5), page([1, 2], 5)])
    assert len(asked) == 2
    assert not laid.merge(parts, [], Receipt()).complete


def test_fewer_systems_than_were_counted_are_not_complete() -> None:
    """Pages end without a word, or the last of them is empty."""
    went = [page(range(100), 150), page(range(101, 150), 149)]  # the 100th moved to the page before
    for bodies in ([page(range(100), 250), page([], 250)], [page([1, 2], 3), page([2], 3)], went):
        laid = flow()
        parts, _ = driven(laid, bodies)
        assert not laid.merge(parts, [], Receipt()).complete


@pytest.mark.parametrize(
    ("told", "sizes", "complete"),
    [
        ({"total": 30}, [100, 100, 50], True),  # it lists more than it counts: as far as pages are full
        ({"total": 0}, [100, 100, 50], True),
        ({"total": 0}, [10], True),
        ({"total": 35, "size": 10}, [10, 10, 10, 5], True),
        ({"size": 10}, [10, 10, 10, 5], True),  # smaller pages than were asked for, of no known number
        ({"size": 10}, [10, 10, 0], True),
        ({"size": 0}, [10], True),
        ({"size": "10"}, [10, 10, 5], True),
        ({"size": 10.0}, [10, 5], True),
        ({"size": "all"}, [10], True),
        ({"size": 1000}, [100, 5], True),
        ({"count": 100}, [99], False),
        ({"count": 9, "total": 10}, [10], True),
        ({"count": 250}, [99], True),  # of no page
        ({"total": 100, "count": 250}, [100], True),
        pytest.param({"total": 10**309}, [10, 0], False, id="more than any float"),
        pytest.param({"total": 10**400}, [10, 0], False, id="even more"),
        pytest.param({"total": -(10**400)}, [10], False, id="less than any float"),
        pytest.param({"total": 1e308}, [10, 0], False, id="a great float"),
        ({"total": "15"}, [10, 0], False),  # a number all the same
        ({"total": 15.0}, [10, 0], False),
        ({"total": "10"}, [10], True),
        ({"total": -1}, [10], True),  # stands for what is not given
        ({"total": -5}, [10], False),
        ({"total": math.nan}, [10], False),
        ({"total": True}, [10], False),
        ({"total": "all"}, [10], False),
        ({"total": {}}, [10], False),
    ],
)
def test_pages_that_contradict_their_counts(
    told: dict[str, Any], sizes: list[int], *, complete: bool
) -> None:
    """They are followed to a page that is not full; what is told of and did not come is not complete."""
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    bodies = [page(range(1 + at, 1 + at + size), **told) for at, size in zip(starts, sizes, strict=True)]
    laid = flow()
    parts, asked = driven(laid, bodies)
    answer_ = laid.merge(parts, [], Receipt())
    assert (len(asked), len(answer_), answer_.complete) == (len(sizes), sum(sizes), complete)


def test_a_page_that_counts_more_than_it_lists_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing else counts them."""
    laid = flow()
    parts, _ = driven(laid, [page(range(99), None, count=100)])
    assert not laid.merge(parts, [], Receipt()).complete
    assert caplog.messages == ["a list of systems is not complete: the service tells of more than came"]


def test_pages_without_end_are_followed_as_far_as_the_first_count_goes() -> None:
    """And one page more, as systems may have been added meanwhile."""
    laid = flow()
    parts, asked = driven(laid, [page(range(n, n + 100), 150 + n) for n in range(0, 1000, 100)])
    assert len(asked) == 3
    assert not laid.merge(parts, [], Receipt()).complete


def test_names_are_those_of_v2() -> None:
    """And what v4 spells, or leaves out, in ways of its own."""
    body = page([7], 1)
    body["systems"][0] |= {
        "public_name": "Residential System",
        "address": {"city": "Sydney", "state": "NSW", "country": "AU", "postal_code": "2127"},
        "connection_type": "Wi-Fi",
        "energy_lifetime": -1,
        "energy_today": -1,
        "system_size": 6000,
        "status": "micro",
        "last_report_at": 1_508_174_262,
        "operational_at": None,
        "interconnect_date": 1_657_080_000,
        "reference": None,
        "other_references": "one",
        "attachment_type": None,
    }
    (part,), _ = driven(flow(), [body])
    (system,) = part.systems
    assert (system.system_name, system.system_public_name) == ("roof 7", "Residential System")
    assert (system.city, system.state, system.country, system.postal_code) == ("Sydney", "NSW", "AU", "2127")
    assert (system.connection_type, system.status, system.meta.status) == ("wifi", "micro", "micro")
    assert (system.energy_lifetime, system.energy_today, system.system_size) == (None, None, 6000)
    assert (system.interconnect_date, system.other_references) == (date(2022, 7, 6), ("one",))
    assert (system.meta.last_report_at.timestamp(), system.meta.operational_at) == (1_508_174_262, None)


@pytest.mark.parametrize("told", ["2022-07-06", 1_657_080_000, 1_657_080_001, None, ""])
def test_a_date_in_any_of_its_shapes(told: object) -> None:
    """A text, some moment of the day, or nothing."""
    body = page([7], 1)
    body["systems"][0]["interconnect_date"] = told
    (part,), _ = driven(flow(), [body])
    assert part.systems[0].interconnect_date == (date(2022, 7, 6) if told else None)


@pytest.mark.parametrize("wrong", [{"systems": {}}, {"systems": [7]}, {}, {"systems": [{"name": "x"}]}, []])
def test_what_is_no_list_of_systems(wrong: object) -> None:
    """Is an error that keeps the answer."""
    (segment,) = flow().ordered
    with pytest.raises(DecodeError) as caught:
        next(segment.requests).decode(answer(wrong))
    assert caught.value.response is not None


def test_the_chargers_of_a_summary() -> None:
    """By their serial numbers."""
    (segment,) = laid_out(ApiV4().summary(7), DATE).ordered
    told = [{"21": {"evse_max_charge_w": 440, "evse_min_charge_w": 230}}, {"12": {}}]
    summary = next(segment.requests).decode(answer({"system_id": 7, "nmi": "1", "evse_power": told}))
    assert summary.evse_power == (EvsePower("21", 440, 230), EvsePower("12"))
    (segment,) = laid_out(ApiV4().summary(7), DATE).ordered
    odd = next(segment.requests).decode(answer({"system_id": 7, "nmi": "1", "evse_power": [7]}))
    assert (odd.nmi, odd.evse_power) == ("1", ())


def test_the_time_zone_is_that_of_the_system() -> None:
    """One request tells it."""
    asking = ApiV4().time_zone(7)
    request = next(asking)
    assert (request.path, request.params) == ("/systems/7", ())
    assert request.decode(answer({"system_id": 7, "timezone": "US/Pacific"})) == "US/Pacific"
    with pytest.raises(NotFound, match="sees no system 7: check the system id"):
        request.decode(answer({"system_id": 8, "timezone": "US/Pacific"}))
    with pytest.raises(NotFound, match="system 7 has no time zone, which days need: give start_at/end_at"):
        request.decode(answer({"system_id": 7, "timezone": None}))
