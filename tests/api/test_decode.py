"""Answers of `/systems` and `/summary` to values, or an error that keeps the answer."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api import decode
from enlighten_async.errors import DecodeError
from enlighten_async.models import Meta, Summary, System
from enlighten_async.models.systems import SystemsPage
from tests.api.v2.answers import DATE, answer
from tests.effort import examples

NOW = datetime.fromtimestamp(DATE, UTC)
systems, summary = partial(decode.value, SystemsPage), partial(decode.value, Summary)


def test_a_page_of_systems() -> None:
    """Fields that come and go are null, new ones are left out."""
    page = systems(
        answer(
            {
                "systems": [
                    {
                        "system_id": 7,
                        "system_name": "Roof",
                        "system_public_name": "Residential System",
                        "status": "normal",
                        "timezone": "America/Los_Angeles",
                        "country": "US",
                        "state": "CA",
                        "city": "Novato",
                        "postal_code": "94947-2125",
                        "reference": "R1",
                        "other_references": ["O1", "O2"],
                        "connection_type": "wifi",
                        "meta": {"status": "comm", "last_report_at": DATE, "operational_at": 5},
                        "roof_type": "new",
                    },
                    {"system_id": 8, "state": None, "meta": None},
                ],
                "next": "4d6a0a",
                "total": 2,
            }
        )
    )
    roof = System(
        7,
        "Roof",
        "Residential System",
        "normal",
        "America/Los_Angeles",
        "US",
        "CA",
        "Novato",
        "94947-2125",
        "R1",
        ("O1", "O2"),
        "wifi",
        Meta("comm", NOW, None, datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)),
    )
    assert page == SystemsPage((roof, System(8)), "4d6a0a", 2, NOW)


def test_a_summary() -> None:
    """As the first years had it, and later ones."""
    body = {
        "system_id": 7,
        "modules": 20,
        "size_w": 5000,
        "current_power": 1000,
        "energy_today": 9000,
        "energy_lifetime": 70_000_000,
        "summary_date": "2025-06-15",
        "source": "meter",
        "status": "normal",
        "operational_at": 5,
        "last_report_at": DATE,
    }
    moments = datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC), NOW
    early = Summary(7, 20, 5000, 1000, 9000, 70_000_000, date(2025, 6, 15), "meter", "normal", *moments)
    assert summary(answer(body)) == early
    assert summary(answer(body)).as_of == NOW
    later = summary(answer({**body, "last_interval_end_at": DATE}, date=None))
    assert (later.last_interval_end_at, later.as_of) == (NOW, None)


@pytest.mark.parametrize(
    ("read", "body", "path"),
    [
        (systems, {"systems": [{"system_id": "8a"}]}, "$.systems[0].system_id"),
        (systems, {"systems": [{"system_name": "a @ $.b"}]}, "$.systems[0].system_id"),
        (systems, {"systems": [7]}, "$.systems[0]"),
        (systems, {"systems": {}}, "$.systems"),
        (systems, {"systems": None}, "$.systems"),
        (systems, {"next": "a"}, "$.systems"),
        (systems, {"reason": "200"}, "$"),
        (systems, [], "$"),
        (systems, b"<html>", "$"),
        (systems, b"[" * 100_000, "$"),
        (systems, b"\xff", "$"),
        (summary, {"modules": 1}, "$.system_id"),
        (summary, {"system_id": "7.0"}, "$.system_id"),
        (summary, {"system_id": -7}, "$.system_id"),
        (summary, {"system_id": 7.5}, "$.system_id"),
        (summary, None, "$"),
        (summary, b"", "$"),
        (summary, b'{"system_id":7', "$"),
    ],
)
def test_what_cannot_be_read_is_kept(read: Any, body: object, path: str) -> None:
    """The error says where it went wrong, and holds what was paid for."""
    response = answer(body)
    with pytest.raises(DecodeError) as caught:
        read(response)
    assert (caught.value.path, caught.value.response) == (path, response)
    assert f"at {path}: " in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("body", [b"[" + b"{}," * 100_000 + b"{}]", b"[" + b"1," * 1_500_001 + b"1]"])
def test_a_body_with_too_many_values_is_not_even_parsed(body: bytes) -> None:
    """A few KiB of gzip can hold millions of objects."""
    parsed: list[bytes] = []

    class Parser:
        decode = parsed.append

    with pytest.raises(DecodeError, match="more objects or values") as caught:
        decode.parse_json(Parser(), answer(body))  # type: ignore[arg-type]
    assert (parsed, caught.value.passing) == ([], False)
    assert caught.value.response is not None
    assert len(caught.value.response.body) <= 1 << 20  # errors may be many, and are kept for long


def test_a_body_of_many_names_is_not_made_into_objects() -> None:
    """That keeps the event loop waiting, in whatever thread it is done; rows are read without it."""
    many = b"{" + b",".join(b'"%d":1' % number for number in range(300_002)) + b"}"
    with pytest.raises(DecodeError, match="more objects or values"):
        summary(answer(many))


def test_an_odd_body_of_many_objects_is_not_normalized() -> None:
    """That takes much more memory than to parse what is as documented."""
    row = b'{"end_at": "2025-06-15T12:00:00Z"}'
    assert decode.normalized(b"[" + row + b"]") == b'[{"end_at":1749988800}]'
    assert decode.normalized(b"[" + b",".join([row] * 100_001) + b"]") is None
    digits = b"9" * 4000
    assert decode.normalized(b"[" + row + b"," + b",".join([digits] * 1_001) + b"]") is None


@pytest.mark.parametrize(("mebibytes", "is_read"), [(1, True), (3, False)])
def test_a_large_body_that_is_no_json_is_not_read_leniently(mebibytes: int, is_read: bool) -> None:
    """That is one step of the interpreter, for which the event loop waits in whatever thread it is done."""
    body = b'{"system_id": NaN, "pad": "%b"}' % (b"." * (mebibytes << 20))
    assert (decode._read_leniently(body) is not None) == is_read


NAMES = st.sampled_from(
    [
        "systems",
        "next",
        "system_id",
        "system_name",
        "meta",
        "last_report_at",
        "summary_date",
        "other_references",
        "receipt",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["2025-06-15", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
SYSTEMS = st.lists(
    st.dictionaries(NAMES, JSON).map(lambda system: {"system_id": 7, **system}), max_size=3
).map(lambda systems: {"systems": systems})
SUMMARIES = st.dictionaries(NAMES, JSON).map(lambda summary: {"system_id": 7, **summary})


@pytest.mark.slow
@examples(400)
@given(
    body=st.binary(max_size=40) | (JSON | SYSTEMS | SUMMARIES).map(lambda value: json.dumps(value).encode()),
    read=st.sampled_from([systems, summary]),
)
def test_anything_is_an_answer_or_a_decode_error(body: bytes, read: Any) -> None:
    """And an answer can be written as JSON."""
    response = answer(body)
    try:
        result, error = read(response), None
    except DecodeError as caught:
        result, error = None, caught
    if error is not None:
        assert error.response is response
        assert error.path.startswith("$")
        return
    assert type(result) is (SystemsPage if read is systems else Summary)
    for value in result.systems if isinstance(result, SystemsPage) else (result,):
        json.dumps(value.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"{", b'{"system_id": 7, "mod', b'{"system_id": 7, "modules": 1', b"[1,"]
)
def test_an_answer_that_is_empty_or_cut_off_may_be_whole_the_next_time(body: bytes) -> None:
    """Its error says so in words of its own, and keeps the response."""
    response = evolve(answer({}), body=body)
    with pytest.raises(
        DecodeError, match="body is empty" if not body.strip() else "body is cut off"
    ) as caught:
        summary(response)
    assert caught.value.passing
    assert caught.value.response is response


@pytest.mark.parametrize("body", [b"null", b"{}", b"{nul}", b'{"a": 1}}', b"<html>", b'{"system_id": "x"}'])
def test_an_answer_that_is_whole_but_wrong_does_not_pass(body: bytes) -> None:
    """Asked for again, it would be the same."""
    with pytest.raises(DecodeError) as caught:
        summary(evolve(answer({}), body=body))
    assert not caught.value.passing
