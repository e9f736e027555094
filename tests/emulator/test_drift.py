"""Drifts: each can be switched on and off, and changes answers of both versions as it says."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import DEFAULT_DRIFTS, DRIFTS, Drift, Emulator, Quota, System
from enlighten_async.emulator.drift import OUTAGE_EVERY_S, OUTAGE_LASTS_S, OUTAGES
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.effort import SEED
from tests.emulator.conftest import NOON, Connect
from tests.emulator.fleets import recent_fleet

DAY = 86_400
FLEET = recent_fleet(len(SYSTEM_KINDS), NOON, days=200, seed=SEED)
HOUSE = FLEET[0]
SPAN = {"start_at": int(NOON) // 900 * 900 - DAY, "end_at": int(NOON) // 900 * 900 - DAY // 2}
V2_SERIES = ("stats", "rgm_stats", "consumption_stats")
V4_SERIES = (
    "rgm_stats",
    "telemetry/production_micro",
    "telemetry/production_meter",
    "telemetry/consumption_meter",
    "telemetry/battery",
    "energy_import_telemetry",
    "devices/micros/telemetry",
)


def make(*drifts: Drift | str, clock: FakeClock | None = None, **options: Any) -> Emulator:
    """Return an emulator with these drifts alone."""
    options = {"quota": Quota.UNLIMITED, "fleet": FLEET, "seed": SEED} | options
    return Emulator(clock=clock or FakeClock(NOON), drifts=drifts, **options)


def series(content: Any) -> list[list[dict[str, Any]]]:
    """Return all lists of rows of an answer, nested ones flat."""
    if isinstance(content, list):
        return [rows for item in content for rows in series(item)]
    if not isinstance(content, dict):
        return []
    rows = content.get("intervals")
    mine = [[row for day in rows for row in (day if isinstance(day, list) else [day])]] if rows else []
    return mine + [found for name, item in content.items() if name != "intervals" for found in series(item)]


async def answers(emulator: Emulator, connect: Connect, connect_v4: Connect) -> list[Any]:
    """Return the content of every series of both versions."""
    path = f"/systems/{HOUSE.system_id}/"
    async with connect(emulator) as old, connect_v4(emulator) as new:
        found = [(await old.get(path + name, params=SPAN)).json() for name in V2_SERIES]
        return found + [(await new.get(path + name, params=SPAN)).json() for name in V4_SERIES]


def test_every_drift_is_described() -> None:
    """Names are words and hyphens; recorded types are on by default."""
    assert list(DRIFTS) == list(Drift)
    assert all(name.replace("-", "").isalpha() for name in DRIFTS)
    assert DEFAULT_DRIFTS == {"recorded-types"} == Emulator(clock=FakeClock(NOON)).drifts


def test_names_are_checked() -> None:
    """At construction and later."""
    emulator = make("odd-fields")
    assert emulator.drifts == {Drift.ODD_FIELDS}
    with pytest.raises(ValueError, match="old-fields"):
        make("old-fields")
    with pytest.raises(ValueError, match="old-fields"):
        emulator.drifts = {"old-fields"}  # type: ignore[assignment]
    emulator.drifts = frozenset()
    assert emulator.drifts == frozenset()


@pytest.mark.parametrize(
    ("drift", "rows", "ends"),
    [
        (Drift.NESTED_SERIES, 1, None),
        (Drift.OFF_GRID, 1, {0, 270, 870}),
        (Drift.FINE_GRID, 3, None),
        (Drift.DUPLICATES, 4 / 3, None),
    ],
)
async def test_rows_in_another_shape(
    connect: Connect, connect_v4: Connect, drift: Drift, rows: float, ends: set[int] | None
) -> None:
    """The energy of each series stays the same, as do its windows."""
    emulator = make()
    plain = await answers(emulator, connect, connect_v4)
    emulator.drifts = frozenset({drift})
    changed = await answers(emulator, connect, connect_v4)
    for before, after in zip(plain, changed, strict=True):
        assert before != after
        for first, second in zip(series(before), series(after), strict=True):
            parts = 5 if rows == 3 and "powr" in first[0] else rows
            assert len(second) == pytest.approx(len(first) * parts, abs=1)
            for name in ("enwh", "wh_del", "wh_imported"):
                energies = [sum(row.get(name) or 0 for row in found) for found in (first, second)]
                assert energies[0] == pytest.approx(energies[1])
            assert all(SPAN["start_at"] < row["end_at"] <= SPAN["end_at"] for row in second)
            if ends is not None:
                assert {row["end_at"] % 900 for row in second} - {300, 600, 570} <= ends
    emulator.drifts = frozenset()
    assert await answers(emulator, connect, connect_v4) == plain


async def test_nested_and_flat_are_exchanged(connect: Connect, connect_v4: Connect) -> None:
    """A list for each local day where rows were flat, and flat where there were such lists."""
    for content in await answers(make(Drift.NESTED_SERIES), connect, connect_v4):
        rows = content.get("intervals")
        if rows:
            assert isinstance(rows[0], dict if "wh_imported" in json.dumps(rows) else list)


async def test_lists_are_null_for_half_an_hour(connect: Connect, connect_v4: Connect) -> None:
    """Some of them; each has its rows before long."""
    clock = FakeClock(NOON)
    emulator = make(Drift.NULL_LISTS, clock=clock)
    seen: list[set[bool]] = [set() for _ in (*V2_SERIES, *V4_SERIES)]
    for _ in range(12):
        for index, content in enumerate(await answers(emulator, connect, connect_v4)):
            owner = content["devices"][0] if "devices" in content else content
            seen[index].add(owner["intervals"] is None)
        clock.advance(1800)
    assert seen == [{True, False}] * len(seen)


async def test_pages_lack_their_last_item(connect_v4: Connect) -> None:
    """And do not say so: the total still counts it."""
    async with connect_v4(make(Drift.CUT_LISTS)) as client:
        listed = (await client.get("/systems")).json()
        micros = (await client.get(f"/systems/{HOUSE.system_id}/devices/micros/telemetry")).json()
    assert (listed["total"], listed["count"], len(listed["systems"])) == (len(FLEET), len(FLEET) - 1, 7)
    assert (micros["total_devices"], len(micros["devices"])) == (HOUSE.modules, 9)


async def test_instants_of_reports_are_in_milliseconds(connect: Connect, connect_v4: Connect) -> None:
    """Those of rows stay in seconds."""
    plain, changed = [
        await answers(make(*drifts), connect, connect_v4) for drifts in ((), (Drift.MILLISECONDS,))
    ]
    assert series(plain) == series(changed)
    metas = [(a["meta"], b["meta"]) for a, b in zip(plain, changed, strict=True) if "meta" in a]
    assert len(metas) >= 5
    for before, after in metas:
        times = {name: value * 1000 for name, value in before.items() if name != "status"}
        assert after == before | times


async def test_odd_fields_are_minor_ones(connect: Connect, connect_v4: Connect) -> None:
    """Identity and rows stay; among the systems of a fleet each kind of field is odd somewhere."""
    emulator = make(Drift.ODD_FIELDS, fleet=recent_fleet(40, NOON, seed=SEED))
    async with connect(emulator) as old, connect_v4(emulator) as new:
        listed = (await new.get("/systems", params={"size": 100})).json()["systems"]
        before = (await old.get("/systems")).json()["systems"]
    ids = [system.system_id for system in emulator.truth.systems(emulator.demo_user)]
    assert [row["system_id"] for row in listed] == [row["system_id"] for row in before] == ids
    kinds = {
        name: {type(row[name]) for row in listed} for name in ("public_name", "system_size", "last_report_at")
    }
    assert kinds == {
        "public_name": {str, int},
        "system_size": {int, str, float},
        "last_report_at": {int, str, float},
    }
    assert {row["interconnect_date"] for row in listed} > {"0000-00-00", "", "N/A", 0}
    assert {row["last_energy_at"] for row in listed} > {"", "N/A", 0, -1}
    plain = await answers(make(), connect, connect_v4)
    assert series(await answers(make(Drift.ODD_FIELDS), connect, connect_v4)) == series(plain)


@pytest.mark.parametrize("drifts", [(), (Drift.SHORT_REJECTIONS,), (Drift.OTHER_STATUS, Drift.RETRY_AFTER)])
async def test_rejections(connect: Connect, connect_v4: Connect, drifts: tuple[Drift, ...]) -> None:
    """Of a minute and of a month, with period or without, with the other version's status."""
    statuses = [429, 409] if Drift.OTHER_STATUS in drifts else [409, 429]
    for quota, period in ((Quota(0, None), "minute"), (Quota(None, 0), "month")):
        emulator = make(*drifts, quota=quota)
        async with connect(emulator) as old, connect_v4(emulator) as new:
            found = [
                await client.get(f"/systems/{HOUSE.system_id}/rgm_stats", params=SPAN)
                for client in (old, new)
            ]
        assert [answer.status_code for answer in found] == statuses
        for answer in found:
            content = answer.json()
            assert "Usage limit exceeded" in str(content)
            assert content.get("period") == (None if Drift.SHORT_REJECTIONS in drifts else period)
            assert ("retry-after" in answer.headers) == (Drift.RETRY_AFTER in drifts)


async def test_outages_come_and_go(connect: Connect) -> None:
    """Each in another form, until all forms were there; between them all is well."""
    clock = FakeClock(math.ceil(NOON / OUTAGE_EVERY_S) * OUTAGE_EVERY_S)
    emulator = make(Drift.OUTAGES, clock=clock)
    seen: set[object] = set()
    async with connect(emulator) as client:

        async def ask() -> object:
            with clock.move_on_after(5):
                try:
                    answer = await client.get("/systems", follow_redirects=False)
                except httpx.TransportError:
                    return "reset"
                return answer.status_code, answer.headers["content-type"].partition(";")[0]
            return "silence"

        for _ in OUTAGES:
            seen.add(await ask())
            clock.advance(OUTAGE_LASTS_S)
            assert await ask() == (200, "application/json")
            clock.advance(math.ceil(clock.now() / OUTAGE_EVERY_S) * OUTAGE_EVERY_S - clock.now())
    pages = {(status, "text/html") for status in (200, 302, 502, 503)}
    assert seen == {"reset", "silence", *pages, *((status, "application/json") for status in (500, 503, 504))}


def test_half_of_a_fleet_is_late_or_has_another_date() -> None:
    """Generated or given; a system keeps what it was given."""
    own = System(system_id=7, declared_at=5)
    for fleet in ([own, *FLEET], None):
        emulator = make(Drift.BACKLOG, Drift.HAND_SET_DATE, fleet=fleet, systems=9)
        systems = emulator.truth.systems()
        assert sum(bool(system.backlogs) for system in systems) == 5
        assert sum(system.declared_at is not None for system in systems) == 5
        late = next(system for system in systems if system.backlogs)
        assert emulator.truth.is_uploading(late)
        assert emulator.truth.horizon(late) < NOON - 3 * DAY
    assert emulator.truth.systems() != make(fleet=None, systems=9).truth.systems()
    assert make(Drift.HAND_SET_DATE, fleet=[own]).truth.systems() == [own]


def test_meters_of_half_of_a_fleet_are_late() -> None:
    """The sums lack their energy until then."""
    two = next(system for system in FLEET if len(system.meters) > 1 and not system.meters[-1].late)
    for drift, late in ((Drift.LATE_HOUR, 3_600), (Drift.LATE_DAYS, 3 * DAY)):
        truth, plain = make(drift, fleet=[two]).truth, make(fleet=[two]).truth
        start, end = NOON - 4 * DAY, NOON
        mine, theirs = (each.rgm_stats(two.system_id, start, end) for each in (truth, plain))
        differ = [row["end_at"] for row, other in zip(mine, theirs, strict=True) if row != other]
        assert len(differ) == pytest.approx(late / 900, abs=2)
        assert min(differ) > NOON - late - 1_800


def test_gateways_go_offline_while_the_emulator_runs() -> None:
    """Half of them, for six days."""
    clock = FakeClock(NOON)
    truth = make(Drift.LONG_BACKLOG, clock=clock).truth
    away = [system for system in truth.systems() if system.backlogs]
    assert len(away) == len(FLEET) // 2
    clock.advance(9 * DAY)
    assert truth.horizon(away[0]) < NOON + 4 * DAY
    clock.advance(2.1 * DAY)
    assert truth.horizon(away[0]) > NOON + 11 * DAY


def test_gateways_with_a_modem_report_every_six_hours() -> None:
    """Each at times of its own."""
    clock = FakeClock(NOON)
    modem = [System(system_id=number, connection_type="cellular") for number in (1, 2)]
    truth = make(Drift.CELLULAR, fleet=[*modem, System(system_id=3)], clock=clock).truth
    seen: dict[int, set[float]] = {}
    for _ in range(96):
        clock.advance(900)
        for system in truth.systems():
            seen.setdefault(system.system_id, set()).add(truth.horizon(system))
    assert [len(seen[number]) for number in (1, 2, 3)] == [5, 5, 96]
    assert seen[1].isdisjoint(seen[2])
