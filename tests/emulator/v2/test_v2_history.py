"""The history of v2: responses of earlier years; also JSONP and the errors of all endpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Meter, Quota, System
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

DAY = 86_400
NOW = 1_750_014_000
ROOF = System(
    system_id=7,
    name="Sun Roof",
    installer="Brightside",
    consumption="metered",
    meters=(Meter(serial="m", envoy_serial="121800000001"),),
)
PATHS = (
    "/systems",
    "/systems/inverters_summary_by_envoy_or_site?site_id=7",
    "/systems/search_system_id?serial_num=121800000001",
    *(
        f"/systems/7/{name}"
        for name in (
            "summary",
            "stats",
            "rgm_stats",
            "consumption_stats",
            "energy_lifetime",
            "consumption_lifetime",
            "envoys",
            "inventory",
            "monthly_production?start_date=2025-04-01",
            "production_meter_readings",
        )
    ),
)


def make(clock: FakeClock, year: int = 2022) -> Emulator:
    """Return an emulator without limits, as of a year."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=[ROOF], v2_year=year)


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> httpx.Response:
    """Ask, the path's own parameters included."""
    path, _, query = path.partition("?")
    return await client.get(path, params={**dict(httpx.QueryParams(query)), **params})


@pytest.mark.parametrize("path", PATHS)
async def test_all_endpoints_take_a_callback_a_slash_and_unknown_parameters(
    clock: FakeClock, connect: Connect, path: str
) -> None:
    """The script is a call with the very same content; a callback that is no name is ignored."""
    async with connect(make(clock), callback="") as client:
        plain = await get(client, path)
        script = await get(client, path, callback="jQuery_1.done")
        odd = await get(client, path, callback="alert(1)//")
        slash = await get(client, path.replace("?", "/?") if "?" in path else path + "/", colour="red")
    assert plain.status_code == script.status_code == 200
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    found = re.fullmatch(r"/\*\*/jQuery_1\.done\((.*)\)", script.text)
    assert found
    assert json.loads(found[1]) == plain.json() == odd.json() == slash.json()
    assert plain.headers["content-type"].startswith("application/json")


async def test_refusals_are_not_wrapped(clock: FakeClock, connect: Connect) -> None:
    """They stay plain JSON."""
    async with connect(make(clock), callback="f") as client:
        for path in ("/systems/0/summary", "/systems/7/summary?summary_date=x"):
            assert "reason" in (await get(client, path)).json()


@pytest.mark.parametrize("path", PATHS)
async def test_strangers_are_refused_everywhere(clock: FakeClock, connect: Connect, path: str) -> None:
    """With the same words."""
    async with connect(make(clock), user_id="dummy") as client:
        answer = await get(client, path)
    assert answer.status_code == 401
    assert answer.json()["message"] == ["Not authorized to access requested resource."]


async def test_paths_of_version_1_are_gone(clock: FakeClock, connect: Connect) -> None:
    """In every year."""
    async with connect(make(clock)) as client:
        for name in ("power_today", "power_week", "alerts"):
            answer = await client.get(f"/systems/7/{name}")
            assert answer.json() == {"reason": "404", "message": ["Resource not found."]}


async def test_meta_is_the_same_everywhere(clock: FakeClock, connect: Connect) -> None:
    """Wherever there is one."""
    async with connect(make(clock)) as client:
        bodies = [(await get(client, path)).json() for path in PATHS]
    metas = [body["meta"] for body in bodies if "meta" in body]
    metas.append(bodies[0]["systems"][0]["meta"])
    assert len(metas) == 9
    assert all(meta == metas[0] for meta in metas)


async def keys(client: httpx.AsyncClient, name: str, **params: Any) -> set[str]:
    """Return the names in an answer of the system."""
    return set((await client.get(f"/systems/7/{name}", params=params)).json())


@pytest.mark.parametrize(
    ("year", "with_meta"),
    [
        (2014, set()),
        (2015, {"stats", "rgm_stats", "energy_lifetime"}),
        (2016, {"stats", "rgm_stats", "energy_lifetime", "inventory", "systems"}),
        (2022, {"stats", "rgm_stats", "energy_lifetime", "inventory", "systems"}),
    ],
)
async def test_meta_came_in_steps(clock: FakeClock, connect: Connect, year: int, with_meta: set[str]) -> None:
    """First with production, then everywhere."""
    async with connect(make(clock, year)) as client:
        names = ("stats", "rgm_stats", "energy_lifetime", "inventory")
        found = {name for name in names if "meta" in await keys(client, name)}
        if "meta" in (await client.get("/systems")).json()["systems"][0]:
            found.add("systems")
    assert found == with_meta


@pytest.mark.parametrize(
    ("year", "meters", "inverter"),
    [
        (2015, None, {"sn", "model"}),
        (2016, {"sn", "manufacturer", "model"}, {"sn", "model"}),
        (2021, {"sn", "manufacturer", "model", "status", "state"}, {"sn", "model", "sku"}),
    ],
)
async def test_inventories_grew(
    clock: FakeClock, connect: Connect, year: int, meters: set[str] | None, inverter: set[str]
) -> None:
    """While the status in meta stays what it is."""
    async with connect(make(clock, year)) as client:
        body = (await client.get("/systems/7/inventory")).json()
    assert set(body["inverters"][0]) == inverter
    assert set(body["envoys"][0]) == ({"sn"} if year < 2021 else {"sn", "model", "sku"})
    assert ("meters" in body) == (meters is not None)
    if meters:
        assert set(body["meters"][0]) == meters
        assert body["meta"]["status"] == "normal"


async def test_what_2014_had(clock: FakeClock, connect: Connect) -> None:
    """No end of the last interval, one series of days, and names found by the whole alone."""
    async with connect(make(clock, 2014)) as client:
        assert "last_interval_end_at" not in await keys(client, "summary")
        assert await keys(client, "energy_lifetime", production="all") == {
            "system_id",
            "start_date",
            "production",
        }
        part = (await client.get("/systems", params={"system_name": "Sun"})).json()
        whole = (await client.get("/systems", params={"system_name": "Sun Roof"})).json()
    assert (len(part["systems"]), len(whole["systems"])) == (0, 1)
    async with connect(make(clock, 2015)) as client:
        assert "last_interval_end_at" in await keys(client, "summary")
        part = (await client.get("/systems", params={"system_name": "Sun", "installer": "Brightside"})).json()
        none = (await client.get("/systems", params={"installer[]": ["Other"]})).json()
    assert (len(part["systems"]), len(none["systems"])) == (1, 0)


async def test_endpoints_that_came_later(clock: FakeClock, connect: Connect) -> None:
    """Before, there was no such path."""
    for year, missing in ((2015, 5), (2016, 2), (2021, 0), (2022, 0)):
        async with connect(make(clock, year)) as client:
            answers = [(await get(client, path)).status_code for path in PATHS]
        assert answers.count(404) == missing
        assert answers.count(200) == 13 - missing


async def test_long_ranges_of_meters_were_cut_once(clock: FakeClock, connect: Connect) -> None:
    """To a month, with no intervals by meter."""
    start = NOW - 100 * DAY
    async with connect(make(clock, 2016)) as client:
        answer = await client.get("/systems/7/rgm_stats", params={"start_at": start, "end_at": NOW})
    body = answer.json()
    assert "meter_intervals" not in body
    assert len(body["intervals"]) == 31 * 96 - 4  # clocks changed in between


async def test_2021(clock: FakeClock, connect: Connect) -> None:
    """Power as a number, texts without their period."""
    async with connect(make(clock, 2021)) as client:
        (answer,) = (await get(client, PATHS[1])).json()
        lost = (await client.get("/systems/7/alerts")).json()
        stranger = (await client.get("/systems", params={"user_id": "dummy"})).json()
        nobody = (await client.get("/systems", params={"key": ""})).json()
    assert isinstance(answer["micro_inverters"][0]["power_produced"], int)
    assert isinstance(answer["micro_inverters"][0]["energy"], dict)
    assert lost["message"] == ["Resource not found"]
    assert stranger == nobody == {"reason": "401", "message": ["Not authorized to access requested resource"]}
