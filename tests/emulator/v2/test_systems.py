"""systems and summary: pages, filters, permissions and dates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from email.utils import parsedate_to_datetime
from itertools import chain, pairwise

import httpx
import pytest

from enlighten_async.emulator import Emulator, Meter, Quota, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

UNAUTHORIZED = {"reason": "401", "message": ["Not authorized to access requested resource."]}


async def pages(client: httpx.AsyncClient, **params: str | int) -> list[list[int]]:
    """Return the ids of all pages."""
    found: list[list[int]] = []
    cursor: dict[str, str] = {}
    while True:
        body = (await client.get("/systems", params={**params, **cursor})).json()
        found.append([system["system_id"] for system in body["systems"]])
        if "next" not in body:
            return found
        cursor = {"next": body["next"]}


async def test_pages_hold_each_system_once(clock: FakeClock, connect: Connect) -> None:
    """By default a hundred a page, in the order of their ids."""
    emulator = Emulator(clock=clock, systems=250, users=2, quota=Quota.UNLIMITED)
    known = [system.system_id for system in emulator.truth.systems(emulator.demo_user)]
    async with connect(emulator) as client:
        default = await pages(client)
        assert [len(page) for page in default] == [100, 100, 50]
        assert list(chain(*default)) == known == sorted(known)
        assert list(chain(*await pages(client, limit=7))) == known
        assert [len(page) for page in await pages(client, limit=125)] == [125, 125]
        assert await pages(client, limit=1000) == [known]


async def test_a_known_user_without_systems_gets_an_empty_list(clock: FakeClock, connect: Connect) -> None:
    """Not an error: they exist."""
    async with connect(Emulator(clock=clock, systems=0), datetime_format="iso8601") as client:
        assert (await client.get("/systems")).json() == {"systems": []}
        assert (await client.get("/systems/1765/summary")).status_code == 404


async def test_iso_times_in_the_list_are_each_systems_own(clock: FakeClock, connect: Connect) -> None:
    """Half an hour apart on one page."""
    fleet = [System(system_id=1), System(system_id=2, timezone="Australia/Lord_Howe")]
    async with connect(Emulator(clock=clock, fleet=fleet), datetime_format="iso8601") as client:
        items = (await client.get("/systems")).json()["systems"]
    times = [item["meta"]["operational_at"] for item in items]
    assert times == ["2020-09-13T05:26:40-07:00", "2020-09-13T22:56:40+10:30"]


async def test_cursors_and_limits_that_make_no_sense(clock: FakeClock, connect: Connect) -> None:
    """They are brought into range: what the service does is not known."""
    async with connect(Emulator(clock=clock, systems=3, quota=Quota.UNLIMITED)) as client:
        assert [len(page) for page in await pages(client, limit=0)] == [1, 1, 1]
        for odd in ({"limit": "many"}, {"limit": "9" * 5000}, {"next": "zz"}, {"next": "00"}):
            assert len((await client.get("/systems", params=odd)).json()["systems"]) == 3


async def test_filters(clock: FakeClock, connect: Connect) -> None:
    """Values of one filter widen it, filters narrow each other, brackets make no difference."""
    emulator = Emulator(clock=clock, systems=20, quota=Quota.UNLIMITED)
    ids = [system.system_id for system in emulator.truth.systems()]
    async with connect(emulator) as client:
        assert await pages(client, system_id=ids[3]) == [[ids[3]]]
        for name in ("system_id", "system_id[]"):
            answer = await client.get("/systems", params={name: [ids[2], ids[5], 1]})
            assert [system["system_id"] for system in answer.json()["systems"]] == [ids[2], ids[5]]
        assert await pages(client, system_id=ids[3], status="micro") == [[]]
        assert await pages(client, system_name="Petaluma") == [[ids[0], ids[13]]]


async def test_an_item_has_the_services_names(clock: FakeClock, connect: Connect) -> None:
    """References appear only where there are any."""
    own = System(system_id=7, reference="ours", other_references=("theirs",), state=None)
    emulator = Emulator(clock=clock, fleet=[own, System(system_id=8)])
    async with connect(emulator) as client:
        first, second = (await client.get("/systems")).json()["systems"]
    assert (first["reference"], first["other_references"]) == ("ours", ["theirs"])
    assert "state" not in first
    assert list(second) == [
        "system_id",
        "system_name",
        "system_public_name",
        "status",
        "timezone",
        "country",
        "state",
        "city",
        "postal_code",
        "connection_type",
        "meta",
    ]


async def test_only_the_owner_sees_a_system(clock: FakeClock, connect: Connect) -> None:
    """Another user's system does not exist, as far as the service says."""
    emulator = Emulator(clock=clock, users=2, quota=Quota.UNLIMITED)
    theirs = emulator.truth.systems(emulator.users[1])[0].system_id
    async with connect(emulator) as client:
        for system_id in (theirs, 0):
            answer = await client.get(f"/systems/{system_id}/summary")
            assert answer.status_code == 404
            assert answer.json()["message"] == [f"Couldn't find Site with 'id'={system_id}"]
        for path in ("/systems/abc/summary", "/systems/-1/summary", "/unknown", "/systems/1765/alerts"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json() == {"reason": "404", "message": ["Resource not found."]}
        assert (await client.post("/systems")).status_code == 405
        assert (await client.get("/systems/")).status_code == 200


@pytest.mark.parametrize("wrong", [{"key": ""}, {"key": "bad"}, {"user_id": ""}, {"user_id": "dummy"}])
async def test_key_and_user_must_be_known(clock: FakeClock, connect: Connect, wrong: dict[str, str]) -> None:
    """Both wrongs are answered alike: that is what confuses people."""
    async with connect(Emulator(clock=clock, keys={"a-key"}), **wrong) as client:
        answer = await client.get("/systems")
    assert answer.status_code == 401
    assert answer.json() == UNAUTHORIZED


async def test_any_key_will_do_by_default(clock: FakeClock, connect: Connect) -> None:
    """But there must be one."""
    emulator = Emulator(clock=clock)
    async with connect(emulator, key="whatever") as client:
        assert (await client.get("/systems")).status_code == 200
        assert (await client.get("/systems", params={"key": ""})).status_code == 401


async def test_summaries_agree_with_the_intervals(clock: FakeClock, connect: Connect) -> None:
    """A day's energy is the sum of its intervals; the lifetime before it is the sum of all before."""
    emulator = Emulator(clock=clock, quota=Quota.UNLIMITED, systems=8)
    zone = "America/Los_Angeles"
    async with connect(emulator) as client:
        path = "/systems/1765/summary"
        now = (await client.get(path)).json()
        days = [date(2025, 6, 15) - timedelta(days=n) for n in range(4)]
        past = [(await client.get(path, params={"summary_date": str(day)})).json() for day in days]
    assert now == past[0]
    assert list(now)[:4] == ["system_id", "modules", "size_w", "current_power"]
    assert list(now)[4:7] == ["energy_today", "energy_lifetime", "summary_date"]
    assert (now["summary_date"], now["source"]) == ("2025-06-15", "meter")
    for day, shown in zip(days, past, strict=True):
        start, end = local_midnight(day, zone), local_midnight(day, zone, 1)
        rows = emulator.truth.rgm_stats(1765, start, end)
        assert shown["energy_today"] == sum(row["wh_del"] for row in rows)
        assert shown["energy_lifetime"] == emulator.truth.energy(1765, 0, start)
    for later, earlier in pairwise(past):
        assert later["energy_lifetime"] == earlier["energy_lifetime"] + earlier["energy_today"]
    assert past[1]["current_power"] == past[1]["modules"] == past[1]["size_w"] == 0


async def test_summary_dates(clock: FakeClock, connect: Connect) -> None:
    """Dates are the system's own; tomorrow is refused, and so is what is no date."""
    lord_howe = System(system_id=9, timezone="Australia/Lord_Howe", latitude=-31.5, longitude=159.1)
    async with connect(Emulator(clock=clock, fleet=[lord_howe])) as client:
        path = "/systems/9/summary"
        assert (await client.get(path)).json()["summary_date"] == "2025-06-16"
        for day, reason in (
            ("2025-06-17", "Requested date is in the future"),
            ("2025-6-1", "Failed to parse"),
        ):
            answer = await client.get(path, params={"summary_date": day})
            assert answer.status_code == 422
            assert answer.json()["reason"].startswith(reason)
        long_ago = (await client.get(path, params={"summary_date": "0001-01-01"})).json()
        assert long_ago["energy_today"] == long_ago["energy_lifetime"] == 0


async def test_power_stays_at_its_last_value_after_dusk(connect: Connect) -> None:
    """It is the last interval received, and at night none is."""
    midnight = FakeClock(now=1_750_014_000 + 11 * 3600)
    dark = System(system_id=10, night_rows=False, meters=(Meter(serial="m", envoy_serial="e"),))
    for system in (dark, System(system_id=10)):
        async with connect(Emulator(clock=midnight, fleet=[system])) as client:
            shown = (await client.get("/systems/10/summary")).json()
        assert shown["last_interval_end_at"] < midnight.now() - 2 * 3600
        assert shown["current_power"] <= 60


@pytest.mark.parametrize("skew", [0.0, -90.0, 3600.5])
async def test_the_date_is_whole_seconds_of_the_services_clock(
    clock: FakeClock, connect: Connect, skew: float
) -> None:
    """It may differ from the clock that counts, and may be left out."""
    clock.advance(0.75)
    async with connect(Emulator(clock=clock, date_skew=skew)) as client:
        shown = parsedate_to_datetime((await client.get("/systems")).headers["date"]).timestamp()
    assert shown == (clock.now() + skew) // 1
    async with connect(Emulator(clock=clock, date_header=False)) as client:
        assert "date" not in (await client.get("/systems")).headers
