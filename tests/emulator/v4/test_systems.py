"""Lists of systems in v4: pages, searches, one system, its summary, and quirks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve

from enlighten_async.emulator import Emulator, Quota, V4Options
from enlighten_async.emulator.local_time import local_date
from enlighten_async.emulator.simulation.devices import envoys
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

NOW = 1_750_014_123
PLAIN = Emulator(clock=FakeClock(NOW), systems=25, users=2, quota=Quota.UNLIMITED, drifts=())
OURS = [system.system_id for system in PLAIN.truth.systems(PLAIN.demo_user)]


async def test_an_item_says_what_v2_says(connect: Connect, connect_v4: Connect) -> None:
    """Names are shorter, meta is flattened, the address nested, and figures are no longer told."""
    async with connect(PLAIN) as old, connect_v4(PLAIN) as new:
        before = (await old.get("/systems")).json()["systems"]
        listed = (await new.get("/systems", params={"size": 100})).json()["systems"]
        single = [(await new.get(f"/systems/{number}")).json() for number in OURS]
    assert listed == single
    assert len(listed) == len(before) == 25
    for now, then in zip(listed, before, strict=True):
        assert (now["energy_lifetime"], now["energy_today"], now["system_size"]) == (-1, -1, -1)
        assert now["address"] == {"state": None} | {
            name: then[name] for name in ("city", "state", "country", "postal_code") if name in then
        }
        assert {name: now[name] for name in then["meta"]} == then["meta"]
        assert (now["name"], now["public_name"]) == (then["system_name"], then["system_public_name"])
        for name in ("system_id", "timezone", "status", "connection_type"):
            assert now[name] == then[name]


@pytest.mark.parametrize(
    ("params", "page", "size", "ids"),
    [
        ({}, 1, 10, OURS[:10]),
        ({"page": 3}, 3, 10, OURS[20:]),
        ({"page": 4}, 4, 10, []),
        ({"page": 2, "size": 7}, 2, 7, OURS[7:14]),
        ({"size": 1000}, 1, 100, OURS),
        ({"size": 0, "page": 0}, 1, 1, OURS[:1]),
        ({"size": "x", "page": "-1"}, 1, 10, OURS[:10]),
        ({"sort_by": "-id", "size": 3}, 1, 3, OURS[:-4:-1]),
        ({"sort_by": "id", "size": 3}, 1, 3, OURS[:3]),
    ],
)
async def test_pages(
    connect_v4: Connect, params: dict[str, Any], page: int, size: int, ids: list[int]
) -> None:
    """Numbered from one; all are counted, the user's own alone."""
    async with connect_v4(PLAIN) as client:
        content = (await client.get("/systems", params=params)).json()
    assert [row["system_id"] for row in content.pop("systems")] == ids
    assert content == {
        "total": 25,
        "current_page": page,
        "size": size,
        "count": len(ids),
        "items": "systems",
    }


async def test_another_order_is_refused(connect_v4: Connect) -> None:
    """Ids up or down are all there is."""
    async with connect_v4(PLAIN) as client:
        assert (await client.get("/systems", params={"sort_by": "name"})).status_code == 422
        found = await client.post("/systems/search", json={"system": {}, "sort_by": "name"})
    assert found.status_code == 422


SYSTEMS = [
    evolve(
        system,
        reference="R-7" if index == 3 else None,
        other_references=("Two", "x") if index == 4 else (),
        status="comm" if index == 5 else "normal",
    )
    for index, system in enumerate(PLAIN.truth.systems(PLAIN.demo_user)[:8])
]
FOUND = Emulator(clock=FakeClock(NOW), fleet=SYSTEMS, quota=Quota.UNLIMITED, drifts=())


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, OURS[:8]),
        ({"ids": [OURS[2], OURS[1], 5]}, OURS[1:3]),
        ({"ids": [], "name": "", "reference": None}, OURS[:8]),
        ({"name": "roof 2"}, OURS[1:2]),
        ({"reference": "r-7"}, OURS[3:4]),
        ({"reference": "r-"}, []),
        ({"other_reference": "two"}, OURS[4:5]),
        ({"statuses": ["comm", "micro"]}, OURS[5:6]),
        ({"statuses": ["normal"], "ids": OURS[5:7]}, OURS[6:7]),
    ],
)
async def test_searches(connect_v4: Connect, wanted: dict[str, Any], ids: list[int]) -> None:
    """Tests narrow each other; empty ones are ignored; what is found has no city."""
    async with connect_v4(FOUND) as client:
        answer = await client.post("/systems/search", json={"system": wanted})
    content = answer.json()
    assert [row["system_id"] for row in content["systems"]] == ids
    assert content["total"] == content["count"] == len(ids)
    assert all(row["address"].keys() == {"state", "country", "postal_code"} for row in content["systems"])


async def test_pages_of_searches(connect_v4: Connect) -> None:
    """Up to a thousand, or a hundred: the documentation says both."""
    body = {"system": {"statuses": ["normal"]}, "sort_by": "-id"}
    async with connect_v4(PLAIN) as client:
        params = {"size": 5000, "live_stream": "true"}
        whole = (await client.post("/systems/search", json=body, params=params)).json()
        few = (await client.post("/systems/search", json=body)).json()
    assert (whole["size"], whole["count"], few["size"], few["count"]) == (1000, 25, 10, 10)
    assert [row["system_id"] for row in whole["systems"]] == OURS[::-1]
    assert {row["live_stream"] for row in whole["systems"]} == {"enabled", "disabled"}
    assert "live_stream" not in few["systems"][0]
    small = Emulator(clock=FakeClock(NOW), systems=12, v4_options=V4Options(search_size=10))
    async with connect_v4(small) as client:
        answer = await client.post("/systems/search", json={"system": {}}, params={"size": 500})
    assert (answer.json()["size"], answer.json()["count"]) == (10, 10)


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"[]", "system is missing at Json body location"),
        (b"{}", "system is missing at Json body location"),
        (b'{"system": 7}', "system is missing at Json body location"),
        (b'{"system": {"city": "x"}}', "Invalid keys city"),
        (b'{"system": {}, "page": 2}', "Invalid keys page"),
        (b'{"system": {"ids": 7}}', "Invalid values of ids"),
        (b'{"system": {"statuses": "normal"}}', "Invalid values of statuses"),
    ],
)
async def test_searches_that_make_no_sense(connect_v4: Connect, body: bytes, details: str) -> None:
    """Each is told what is wrong."""
    async with connect_v4(PLAIN) as client:
        answer = await client.post("/systems/search", content=body)
    assert answer.status_code == 422
    assert details in answer.json()["details"]


async def test_retrieve_system_id(connect_v4: Connect) -> None:
    """By the serial number of a gateway of the user's own; none named, none found."""
    mine, other = (PLAIN.truth.systems(user)[3] for user in PLAIN.users)
    async with connect_v4(PLAIN) as client:

        async def ask(**params: str) -> httpx.Response:
            return await client.get("/systems/retrieve_system_id", params=params)

        assert (await ask(serial_num=envoys(mine)[0].serial)).json() == {"system_id": mine.system_id}
        assert (await ask(serial_num=envoys(other)[0].serial)).status_code == 404
        assert (await ask(serial_num="1")).json()["details"] == "Envoy not found with this serial number"
        missing = await ask()
    assert (missing.status_code, missing.json()["details"]) == (422, "Provide envoy serial number")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))
async def test_summaries_agree_with_v2(connect: Connect, connect_v4: Connect, number: int) -> None:
    """Today's and a past day's; what is not over has none."""
    system = PLAIN.truth.systems()[number]
    path, today = f"/systems/{system.system_id}/summary", local_date(NOW, system.timezone)
    async with connect(PLAIN) as old, connect_v4(PLAIN) as new:
        for day in ({}, {"summary_date": str(today - timedelta(days=40))}):
            before, content = [await each.get(path, params=day) for each in (old, new)]
            assert before.json().items() <= content.json().items()
        future = await new.get(path, params={"summary_date": str(today + timedelta(days=1))})
    assert future.status_code == 422


async def test_quirks(connect_v4: Connect) -> None:
    """The system's id decides the type of each field; the drift can be switched off."""
    emulator = Emulator(clock=FakeClock(NOW), systems=60, quota=Quota.UNLIMITED)
    async with connect_v4(emulator) as client:
        first, again = [(await client.get("/systems?size=100")).json() for _ in range(2)]
        emulator.drifts = ()
        plain = (await client.get("/systems?size=100")).json()["systems"]
    assert first == again
    rows = first["systems"]
    assert {type(row["interconnect_date"]) for row in rows} == {int, str, type(None)}
    assert {type(row["attachment_type"]) for row in rows} == {str, type(None)}
    assert {type(row.get("reference", 0)) for row in rows} == {int, type(None)}
    assert {row["connection_type"] for row in rows} == {"wifi", "cellular", "ethernet"}
    assert {type(row["interconnect_date"]) for row in plain} == {str}
    assert not any("reference" in row for row in plain)
