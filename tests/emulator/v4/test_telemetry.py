"""Telemetry: the window of a request, and that the response equals the ground truth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Meter, Quota, System, V4Options
from enlighten_async.emulator.local_time import iso, local_date, local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS, TOWNS
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
NOW = 1_750_014_123
DAY = 86_400
YEARS = 730 * DAY
LENGTHS = {"5mins": 300, "15mins": 900, "day": DAY, "week": 7 * DAY}
GRIDS = {"production_micro": 300, "production_meter": 900, "consumption_meter": 900}
SETTINGS: dict[str, Any] = {"quota": Quota.UNLIMITED, "concurrent": None}
EMULATOR = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS) * 2 + 1, **SETTINGS)
"""One service for all property tests: years of readings are costly to make."""
METER = Meter(serial="121800000001EIM1", envoy_serial="121800000001")
UTRECHT = System(
    system_id=7,
    timezone="Europe/Amsterdam",
    latitude=52.09,
    longitude=5.12,
    meters=(METER,),
    consumption="metered",
    operational_at=1_710_000_123,
)
SYSTEMS = EMULATOR.truth.systems()


def known(name: str, system: System) -> Callable[[float, float], list[Any]]:
    """Return the function that gives the ground truth of a window."""
    truth = EMULATOR.truth
    tell = {
        "production_micro": truth.stats,
        "production_meter": truth.rgm_stats,
        "consumption_meter": truth.consumption_stats,
    }[name]
    return lambda start, end: list(tell(system.system_id, start, end))


def first_end(name: str, system: System) -> int | None:
    """Return the end of the first interval there is."""
    truth, number = EMULATOR.truth, system.system_id
    if name == "production_micro":
        return truth.first_stat(number)
    if name == "production_meter":
        return truth.first_interval(number) if system.meters else None
    return truth.first_consumption(number)


@st.composite
def moments(draw: st.DrawFn, system: System) -> int:
    """Draw a start: anywhere, near a midnight, around the first report, or near now."""
    near = draw(
        st.sampled_from(
            [
                draw(st.integers(NOW - YEARS + 1, NOW)),
                local_midnight(
                    local_date(draw(st.integers(NOW - YEARS, NOW)), system.timezone), system.timezone
                ),
                system.operational_at,
                NOW,
            ]
        )
    )
    return min(max(near + draw(st.integers(-2000, 2000)), NOW - YEARS + 1), NOW)


@examples(150)
@given(data=st.data())
async def test_any_window_is_the_truth(connect_v4: Connect, data: st.DataObject) -> None:
    """Of any system, from any start, of any length: the rows of the echoed window, no more and no less."""
    shared = [s for s in EMULATOR.truth.systems() if s.consumption in {"none", "metered"}]
    name = data.draw(st.sampled_from(sorted(GRIDS)))
    system = data.draw(st.sampled_from(EMULATOR.truth.systems() if name.startswith("prod") else shared))
    word, start = data.draw(st.sampled_from(sorted(LENGTHS))), data.draw(moments(system))
    async with connect_v4(EMULATOR) as client:
        path = f"/systems/{system.system_id}/telemetry/{name}"
        answer = await client.get(path, params={"start_at": start, "granularity": word})
    assert answer.status_code == 200, answer.text
    content = answer.json()
    begun, grid = first_end(name, system), GRIDS[name]
    if begun is not None:
        start = max(start, local_midnight(local_date(begun - grid, system.timezone), system.timezone))
    end = min(start + LENGTHS[word], NOW)
    assert (content["start_at"], content["end_at"], content["granularity"]) == (start, end, word)
    assert content["items"] == "intervals"
    assert content["intervals"] == known(name, system)(start // grid * grid, end)
    assert ("meta" in content) == (name != "production_meter")


@pytest.mark.slow
@examples(100)
@given(data=st.data())
async def test_any_days_are_the_truth(connect_v4: Connect, data: st.DataObject) -> None:
    """Dates mean the system's days, whatever its clocks do, and are echoed with their offset."""
    name = data.draw(st.sampled_from(["production_micro", "production_meter"]))
    system = data.draw(st.sampled_from(EMULATOR.truth.systems()))
    zone = system.timezone
    today, oldest = local_date(NOW, zone), local_date(system.operational_at, zone) + timedelta(days=2)
    day = data.draw(st.dates(max(oldest, today - timedelta(days=728)), today))
    word = data.draw(st.sampled_from(["day", "week"]))
    async with connect_v4(EMULATOR) as client:
        path = f"/systems/{system.system_id}/telemetry/{name}"
        answer = await client.get(path, params={"start_date": str(day), "granularity": word})
    begun = first_end(name, system)
    if begun is not None:  # a meter that came later
        day = max(day, local_date(begun - GRIDS[name], zone))
    start = local_midnight(day, zone)
    end = min(local_midnight(day, zone, 1 if word == "day" else 7), NOW)
    content = answer.json()
    assert (content["start_date"], content["end_date"]) == (iso(start, zone), iso(end, zone))
    assert "start_at" not in content
    assert content["intervals"] == known(name, system)(start, end)


@pytest.mark.parametrize(("day", "rows"), [("2025-03-30", 92), ("2025-04-02", 96), ("2024-10-27", 100)])
async def test_days_on_which_clocks_change(connect_v4: Connect, day: str, rows: int) -> None:
    """A day has as many rows as it has quarters of an hour, the last ends at midnight."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], **SETTINGS)
    async with connect_v4(emulator) as client:
        for name in ("production_meter", "consumption_meter"):
            answer = await client.get(f"/systems/7/telemetry/{name}", params={"start_date": day})
            ends = [row["end_at"] for row in answer.json()["intervals"]]
            midnight = local_midnight(date.fromisoformat(day), UTRECHT.timezone)
            assert len(ends) == rows
            assert ends[0] == midnight + 900
            assert ends[-1] == local_midnight(date.fromisoformat(day), UTRECHT.timezone, 1)
            assert {b - a for a, b in pairwise(ends)} == {900}
    assert answer.json()["start_date"].startswith(f"{day}T00:00:00+0")


async def test_how_many_rows_a_granularity_has(connect_v4: Connect) -> None:
    """It is a span: three rows of inverters in 15 minutes, 672 of meters in a week."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], **SETTINGS)
    noon = int(datetime(2025, 6, 1, 10, tzinfo=UTC).timestamp())
    async with connect_v4(emulator) as client:

        async def count(name: str, word: str) -> int:
            params = {"start_at": noon + 334, "granularity": word}
            answer = await client.get(f"/systems/7/telemetry/{name}", params=params)
            assert answer.json()["start_at"] == noon + 334  # echoed as it was asked
            return len(answer.json()["intervals"])

        assert [await count("production_micro", word) for word in ("5mins", "15mins")] == [1, 3]
        words = ("15mins", "day", "week")
        assert [await count("production_meter", word) for word in words] == [1, 96, 672]


async def test_by_default_today_until_now(connect_v4: Connect) -> None:
    """From the system's midnight; today may have an hour more than others."""
    changed = int(datetime(2025, 10, 26, 22, 45, tzinfo=UTC).timestamp())
    emulator = Emulator(clock=FakeClock(changed), fleet=[UTRECHT], report_lag=0, **SETTINGS)
    async with connect_v4(emulator) as client:
        content = (await client.get("/systems/7/telemetry/production_meter")).json()
    assert content["start_at"] == int(datetime(2025, 10, 25, 22, tzinfo=UTC).timestamp())
    assert (content["end_at"], content["granularity"]) == (changed, "day")
    assert len(content["intervals"]) == 99


async def test_an_end_is_heeded_though_not_documented(connect_v4: Connect) -> None:
    """A narrower one cuts, a wider one is ignored."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], **SETTINGS)
    start = NOW // 900 * 900 - 40 * DAY
    async with connect_v4(emulator) as client:

        async def ask(end: int) -> dict[str, Any]:
            params = {"start_at": start, "end_at": end}
            answer = await client.get("/systems/7/telemetry/production_meter", params=params)
            return dict(answer.json())

        short, long, wrong = await ask(start + 3600), await ask(start + 3 * DAY), await ask(start - 1)
        dates = {"start_date": "2025-05-01", "end_date": "2025-05-02", "granularity": "week"}
        two = (await client.get("/systems/7/telemetry/production_meter", params=dates)).json()
    assert (short["end_at"], len(short["intervals"])) == (start + 3600, 4)
    assert (long["end_at"], len(long["intervals"])) == (start + DAY, 96)
    assert wrong["code"] == 422
    assert f":start_at=>{start}, :end_at=>{start - 1}, :first_interval=>" in wrong["details"]
    assert (len(two["intervals"]), two["end_date"]) == (192, "2025-05-03T00:00:00+02:00")


async def test_what_is_refused(connect_v4: Connect) -> None:
    """The future, more than two years ago, an unknown granularity, a text that is no date."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], **SETTINGS)
    async with connect_v4(emulator) as client:

        async def ask(**params: Any) -> tuple[int, str]:
            answer = await client.get("/systems/7/telemetry/production_micro", params=params)
            return answer.status_code, str(answer.json().get("details"))

        future = (422, "Invalid request because of 'Requested date is in the future'")
        assert await ask(start_at=NOW + 1) == future
        assert await ask(start_date="2025-06-16") == future
        status, details = await ask(start_at=NOW - YEARS - 1)
        assert (status, f":start_at=>{NOW - YEARS - 1}, " in details) == (422, True)
        assert (await ask(start_at=NOW - YEARS))[0] == 200
        assert (await ask(granularity="month"))[0] == 422
        assert (await ask(start_at="yesterday")) == (
            422,
            "Invalid request because of 'Failed to parse date yesterday'",
        )
        assert (await ask(start_date="2019-08-33"))[0] == 422
        assert (await ask(start_date="0001-01-01"))[0] == 422
        assert (await ask(start_date="2025-06-01", end_date="9999-12-31"))[0] == 422


async def test_between_the_last_interval_and_now_there_is_nothing(connect_v4: Connect) -> None:
    """An empty list, as what has not been reported is no error."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], **SETTINGS)
    last = emulator.truth.last_interval(7)
    async with connect_v4(emulator) as client:
        answer = await client.get("/systems/7/telemetry/production_meter", params={"start_at": last})
    assert (answer.status_code, answer.json()["intervals"]) == (200, [])


async def test_before_the_first_report_its_midnight_counts(connect_v4: Connect) -> None:
    """An earlier start means the midnight of the first day, and the span is counted from there."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], **SETTINGS)
    first = emulator.truth.first_interval(7)
    assert first is not None
    midnight = local_midnight(local_date(first - 900, UTRECHT.timezone), UTRECHT.timezone)
    async with connect_v4(emulator) as client:
        params: dict[str, Any] = {"start_at": midnight - 100 * DAY, "granularity": "week"}
        content = (await client.get("/systems/7/telemetry/production_meter", params=params)).json()
    assert (content["start_at"], content["end_at"]) == (midnight, midnight + 7 * DAY)
    assert content["intervals"][0]["end_at"] == first


async def test_a_first_report_at_midnight_is_the_day_befores(connect_v4: Connect) -> None:
    """An interval that ends as a day begins lies in the day before."""
    midnight = local_midnight(date(2025, 6, 1), UTRECHT.timezone)
    young = evolve(UTRECHT, operational_at=midnight - 900)
    async with connect_v4(Emulator(clock=FakeClock(NOW), fleet=[young], **SETTINGS)) as client:
        params = {"start_at": midnight - 9 * DAY}
        content = (await client.get("/systems/7/telemetry/consumption_meter", params=params)).json()
    assert content["start_at"] == midnight - DAY
    assert [row["end_at"] for row in content["intervals"]] == [midnight]


@pytest.mark.parametrize(("option", "real"), [("day", True), ("claimed", False)])
async def test_a_week_of_inverters_may_be_cut(connect_v4: Connect, option: Any, *, real: bool) -> None:
    """To its first day; the end that is told is that day's, or the week's all the same."""
    emulator = Emulator(
        clock=FakeClock(NOW), fleet=[UTRECHT], v4_options=V4Options(micro_week=option), **SETTINGS
    )
    start = NOW // 300 * 300 - 30 * DAY
    async with connect_v4(emulator) as client:

        async def ask(word: str) -> dict[str, Any]:
            params = {"start_at": start + 7, "granularity": word}
            answer = await client.get("/systems/7/telemetry/production_micro", params=params)
            return dict(answer.json())

        week, day = await ask("week"), await ask("day")
        dates = {"start_date": "2025-05-05", "granularity": "week"}
        dated = (await client.get("/systems/7/telemetry/production_micro", params=dates)).json()
        emulator.v4_options = V4Options()
        whole = await ask("week")
    assert week["intervals"] == day["intervals"]
    assert week["end_at"] == start + (DAY if real else 7 * DAY + 7)
    assert week["start_at"] == start + 7
    assert dated["end_date"] == ("2025-05-06" if real else "2025-05-12") + "T00:00:00+02:00"
    assert len(whole["intervals"]) > 6 * len(day["intervals"])
    assert whole["end_at"] == start + 7 + 7 * DAY


async def test_inverters_that_report_late(connect_v4: Connect) -> None:
    """Newest rows show fewer devices and less power, and grow as the others follow."""
    clock = FakeClock(int(datetime(2025, 6, 15, 10, tzinfo=UTC).timestamp()))
    emulator = Emulator(clock=clock, fleet=[UTRECHT], **SETTINGS)
    async with connect_v4(emulator) as client:

        async def rows() -> list[dict[str, int]]:
            params = {"start_date": "2025-06-15"}
            answer = await client.get("/systems/7/telemetry/production_micro", params=params)
            return list(answer.json()["intervals"])

        early = (await rows())[-1]
        clock.advance(UTRECHT.micro_late)
        late = next(row for row in await rows() if row["end_at"] == early["end_at"])
    assert early["devices_reporting"] < late["devices_reporting"] == UTRECHT.modules
    assert early["powr"] < late["powr"]


async def test_consumption_that_is_not_to_be_seen(connect_v4: Connect) -> None:
    """Not shared: forbidden; switched off: no such meter; none: an empty list."""
    systems = {s.consumption: s.system_id for s in EMULATOR.truth.systems()}
    async with connect_v4(EMULATOR) as client:
        answers = {
            kind: await client.get(f"/systems/{number}/telemetry/consumption_meter")
            for kind, number in systems.items()
        }
    assert {kind: answer.status_code for kind, answer in answers.items()} == {
        "none": 200,
        "metered": 200,
        "refused": 403,
        "disabled": 422,
    }
    assert (answers["none"].json()["total_devices"], answers["none"].json()["intervals"]) == (0, [])


def test_the_fleet_has_all_kinds_and_odd_clocks() -> None:
    """The systems that the property tests above use."""
    systems = EMULATOR.truth.systems()
    assert {system.timezone for system in systems} == {town.timezone for town in TOWNS}
    assert {len(system.meters) for system in systems} == {0, 1, 2}


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """Return the content of one answer."""
    answer = await client.get(f"/systems/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))
async def test_last_reports(connect_v4: Connect, number: int) -> None:
    """Of every device by type; ids are those of the list of devices."""
    system = SYSTEMS[number]
    async with connect_v4(EMULATOR) as client:
        content = await ask(client, f"{system.system_id}/latest_telemetry")
        listed = (await ask(client, f"{system.system_id}/devices"))["devices"]
    assert content["items"] == "devices"
    assert content["devices"] == EMULATOR.truth.latest(system.system_id)
    for kind in ("meters", "encharges"):
        named = {(row["id"], row["name"]) for row in content["devices"].get(kind, [])}
        assert named == {(row["id"], row["name"]) for row in listed.get(kind, [])}
