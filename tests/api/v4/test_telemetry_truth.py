"""What only v4 tells of ranges of time, asked of the emulator: the truth, or a gap with a name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Drift, Fault, V4Options
from enlighten_async.emulator.simulation.devices import inverters
from enlighten_async.emulator.simulation.storage import batteries
from enlighten_async.emulator.simulation.system import System
from enlighten_async.errors import NotFound, NotSupported, PermissionDenied, ServerError
from enlighten_async.models import MicrosTelemetry, Reason
from enlighten_async.models.intervals import IntervalStats
from tests.effort import SEED, examples
from tests.world import World

SYSTEMS = 16
DAY = 86_400
KEPT = 2 * 365 * DAY

Rows = list[tuple[Any, ...]]


@frozen
class Case:
    """A series, and what the emulator knows of it.

    Attributes:
        truth: gives the rows of a window, of the device where it is of one.
        serials: gives the serial numbers of the system's devices; `None` if it is of the whole system.
        days: of the longest range that is drawn.
    """

    truth: Callable[..., Sequence[dict[str, Any]]]
    serials: Callable[[System], list[str]] | None = None
    days: int = 60


def _truth() -> Any:
    return world().emulator.truth


def _one(name: str) -> Callable[..., list[dict[str, Any]]]:
    def rows(number: int, start: int, end: int) -> list[dict[str, Any]]:
        return [{"end_at": row["end_at"], name: row[name]} for row in _truth().grid.rows(number, start, end)]

    return rows


def _plain(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return the values of a row, in the order of the columns: its end, figures, and who reported them."""
    if "charge" not in row:
        return (row["end_at"], *(value for name, value in row.items() if name != "end_at"))
    figures = [row[name] for name in ("charge", "discharge", "soc")]
    values = [figure.get("enwh", figure.get("percent")) for figure in figures]
    reporting = [figure["devices_reporting"] for figure in figures if "devices_reporting" in figure]
    return (row["end_at"], *values, *reporting)


CASES: dict[str, Case] = {
    "production_meter": Case(lambda *asked: _truth().rgm_stats(*asked)),
    "battery": Case(lambda *asked: _truth().storage.rows(*asked)),
    "energy_import_telemetry": Case(_one("wh_imported")),
    "energy_export_telemetry": Case(_one("wh_exported")),
    "micro_telemetry": Case(
        lambda *asked: list(_truth().micro_rows(*asked)),
        lambda system: [each.serial for each in inverters(system)],
        days=8,
    ),
    "encharge_telemetry": Case(
        lambda *asked: _truth().storage.device_rows(*asked),
        lambda system: [each.serial for each in system.batteries],
    ),
    "acb_telemetry": Case(
        lambda *asked: _truth().storage.device_rows(*asked),
        lambda system: [each.serial for each in system.acbs],
    ),
    "evse_telemetry": Case(
        lambda *asked: _truth().chargers.evse_rows(*asked),
        lambda system: [each.serial for each in system.ev_chargers],
    ),
    "hp_telemetry": Case(
        lambda number, *asked: (
            _truth().heat_pumps.rows(number, *asked) if _truth().system(number).heat_pump else []
        )
    ),
    "ev_charger_telemetry": Case(
        lambda *asked: _truth().chargers.rows(*asked),
        lambda system: [each.serial for each in system.ev_chargers],
    ),
}

each = pytest.mark.parametrize("name", CASES)


@cache
def world() -> World:
    """One service with two systems of each kind for all examples: its readings are costly to make."""
    return World(systems=SYSTEMS, seed=SEED)


def hidden(name: str, system: System) -> bool:
    """Tell whether the service refuses it: what a house draws takes a meter, and the owner's permission."""
    return name.startswith("energy_") and system.consumption in {"refused", "disabled"}


@st.composite
def asked_of(draw: st.DrawFn, name: str) -> tuple[System, tuple[str, ...]]:
    """Draw a system that has something to tell, and one of its devices where it is asked of one."""
    serials = CASES[name].serials
    systems = [each for each in _truth().systems() if not hidden(name, each)]
    if serials is None:
        return draw(st.sampled_from(systems)), ()
    pairs = [(system, (serial,)) for system in systems for serial in serials(system)]
    return draw(st.sampled_from(pairs))


@st.composite
def ranges(draw: st.DrawFn, days: int) -> dict[str, float]:
    """Draw a range that begins up to 26 months ago, on no grid, and ends up to a day from now."""
    now = world().clock.now()
    start = now - draw(st.integers(0, KEPT + 60 * DAY))
    return {"start_at": start, "end_at": min(start + draw(st.integers(0, days * DAY)), now + DAY)}


def check(answer: IntervalStats[Any], known: Sequence[dict[str, Any]]) -> None:
    """Compare an answer with the truth, row by row, and its gaps with the rows that are missing."""
    window, grid = answer.window, answer.coverage.grid
    gone = [gap.window.end for gap in answer.coverage.gaps() if gap.reason is Reason.BEYOND_RETENTION]
    beyond = max(gone, default=window.start)
    assert beyond <= max(window.start, world().clock.now() - KEPT + 2 * 3600)
    columns = answer.intervals.columns
    got = list(zip(*columns.values(), strict=True))
    assert got == [_plain(row) for row in known if row["end_at"] > beyond]
    missing = [
        end
        for gap in answer.coverage.gaps()
        for end in range(gap.window.start + grid, gap.window.end + 1, grid)
    ]
    assert len(missing) == len(set(missing))
    assert set(missing) == set(range(window.start + grid, window.end + 1, grid)) - set(columns["end_at"])
    assert (answer.coverage.complete, answer.coverage.notes) == (True, ())


@pytest.mark.slow
@each
@examples(25)
@given(data=st.data(), known=st.booleans())
async def test_any_range_is_the_truth(name: str, data: st.DataObject, *, known: bool) -> None:
    """Awaited: every interval the service has, once, in order; streamed: the same."""
    case = CASES[name]
    system, args = data.draw(asked_of(name))
    range_ = data.draw(ranges(case.days))
    client = world().v4()
    if known:
        await client.systems()
    ask = getattr(client, name)
    asked = ask(system.system_id, *args, **range_)
    price = await asked.estimate()
    answer = await asked
    assert price.at_most is not None
    assert min(price.at_least, price.at_most) <= answer.receipt.sent <= price.at_most
    check(answer, case.truth(system.system_id, *args, answer.window.start, answer.window.end))
    assert (answer.system_id, answer.timezone) == (system.system_id, system.timezone if known else None)
    if data.draw(st.booleans()):
        parts = [part async for part in ask(system.system_id, *args, **range_)]
        assert [row for part in parts for row in part.intervals] == list(answer.intervals)


@pytest.mark.slow
@each
@examples(10)
@given(data=st.data(), back=st.integers(0, 725), length=st.integers(0, 8))
async def test_any_local_days_are_whole(name: str, data: st.DataObject, back: int, length: int) -> None:
    """In all the emulator's time zones."""
    system, args = data.draw(asked_of(name))
    zone = ZoneInfo(system.timezone)
    today = datetime.fromtimestamp(world().clock.now(), zone).date()
    first = today - timedelta(days=back)
    last = min(first + timedelta(days=length), today)
    client = world().v4()
    answer = await getattr(client, name)(system.system_id, *args, start_date=first, end_date=last)
    check(answer, CASES[name].truth(system.system_id, *args, answer.window.start, answer.window.end))
    assert {day.start.date() for day in answer.sums("day")} == {
        first + timedelta(days=n) for n in range((last - first).days + 1)
    }


@pytest.mark.slow
@each
@pytest.mark.parametrize("hour", [0, 3, 12, 20])
async def test_today_is_a_value_at_any_hour(name: str, hour: int) -> None:
    """Also before the first report of the day; of each system that has such a device."""
    here = World(now=world().clock.now() + hour * 3600, systems=SYSTEMS, seed=SEED)
    client = here.v4()
    await client.systems()
    asked = 0
    for system in here.emulator.truth.systems():
        serials = CASES[name].serials
        args = () if serials is None else tuple(serials(system)[:1])
        if hidden(name, system) or (serials and not args):
            continue
        answer = await getattr(client, name)(system.system_id, *args)
        asked += 1
        now = here.clock.now()
        today = datetime.fromtimestamp(now, ZoneInfo(system.timezone)).date()
        midnight = datetime(today.year, today.month, today.day, tzinfo=ZoneInfo(system.timezone))
        assert answer.window.start <= midnight.timestamp() // 900 * 900 + 900
        rows = CASES[name].truth(system.system_id, *args, answer.window.start, int(now))
        assert len(answer.intervals) >= len(rows) - 1
        assert answer.intervals or answer.coverage.gaps()
    assert asked


@each
async def test_a_device_or_system_that_is_not_there(name: str) -> None:
    """Is an error that ends the query: no other window is asked for."""
    client = world().v4()
    args = () if CASES[name].serials is None else ("404",)
    with pytest.raises(NotFound) as caught:
        await getattr(client, name)(404, *args, **world().days(30))
    assert caught.value.receipt is not None
    assert caught.value.receipt.sent == 1
    if args:
        system = world().system
        with pytest.raises(NotFound):
            await getattr(client, name)(system, *args, **world().days(30))


@each
async def test_v2_has_none_of_it(name: str) -> None:
    """And says which version has."""
    args = () if CASES[name].serials is None else ("404",)
    with pytest.raises(NotSupported, match="v4"):
        getattr(world().client(), name)(world().system, *args)


async def test_a_serial_number_arrives_as_it_is() -> None:
    """Whatever characters it has: the service reads it out of the path."""
    seen: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path.partition(b"?")[0].decode())
        return httpx.Response(200, json={"system_id": 7, "intervals": []})

    async with world().v4(transport=httpx.MockTransport(reply)) as client:
        answer = await client.micro_telemetry(7, "12 %2F#?é", **world().days(1))
    assert answer.serial_number == "12 %2F#?é"
    assert [path.rpartition("/systems/")[2] for path in seen] == [
        "7/devices/micros/12%20%252F%23%3F%C3%A9/telemetry"
    ]


async def test_what_a_system_has_none_of_is_an_answer() -> None:
    """Batteries, meters and heat pumps; one request tells, and older windows are not bought."""
    client, month = world().v4(), world().days(30)
    lacking: dict[str, Callable[[System], bool]] = {
        "battery": lambda system: not batteries(system),
        "production_meter": lambda system: not system.meters,
        "hp_telemetry": lambda system: system.heat_pump is None,
    }
    for name, lacks in lacking.items():
        system = next(filter(lacks, _truth().systems()))
        answer = await getattr(client, name)(system.system_id, **month)
        assert {gap.reason for gap in answer.coverage.gaps()} == {Reason.NO_DEVICE}
        assert (answer.coverage.complete, answer.coverage.got, answer.receipt.sent) == (True, 0, 1)
    none = next(system for system in _truth().systems() if system.heat_pump is None)
    days = await client.hp_lifetime(none.system_id)
    assert (len(days), days.reason) == (0, Reason.NO_DEVICE)
    empty = await client.battery_lifetime(next(filter(lacking["battery"], _truth().systems())).system_id)
    assert (len(empty), empty.reason) == (0, Reason.NO_DEVICE)


async def test_what_the_owner_does_not_share() -> None:
    """Is refused at once."""
    refused = [system for system in _truth().systems() if system.consumption == "refused"]
    assert refused
    for name in ("energy_import_telemetry", "energy_export_lifetime"):
        with pytest.raises(PermissionDenied):
            await getattr(world().v4(), name)(refused[0].system_id)


@examples(10)
@given(data=st.data())
async def test_all_microinverters_one_by_one_are_the_truth(data: st.DataObject) -> None:
    """Awaited and streamed, whatever pages they come on."""
    system = data.draw(st.sampled_from(_truth().systems()))
    range_ = data.draw(ranges(8))
    client = world().v4()
    query = client.micros_telemetry(system.system_id, **range_)
    price = await query.estimate()
    answer = await query
    window = answer.window
    serving = [each.serial for each in inverters(system) if each.retired_at is None]
    legs = -(-(window.seconds) // (7 * DAY))
    pages = max(1, -(-len(serving) // 20))
    assert price.at_most is None
    assert price.at_least <= answer.receipt.sent <= legs * pages
    if not answer.coverage.gaps():
        assert [each.serial_number for each in answer] == (serving if window.seconds else [])
    for device in answer:
        rows = _truth().micro_rows(system.system_id, device.serial_number, window.start, window.end)
        check(device, list(rows))
    parts = [part async for part in client.micros_telemetry(system.system_id, **range_)]
    for device in answer:
        pieces = [each for part in parts for each in part if each.serial_number == device.serial_number]
        assert [row for piece in pieces for row in piece.intervals] == list(device.intervals)


async def test_many_microinverters_take_several_pages() -> None:
    """Each page is asked for once; today as well."""
    large = max(_truth().systems(), key=lambda system: len(inverters(system)))
    count = sum(each.retired_at is None for each in inverters(large))
    assert count > 20
    answer = await world().v4().micros_telemetry(large.system_id)
    assert (len(answer), answer.total_devices) == (count, count)
    assert answer.receipt.sent == -(-count // 20)
    assert {each.window for each in answer} == {answer.window}


@pytest.mark.parametrize(("page", "left"), [(1, 0), (2, 20)])
async def test_a_page_that_is_not_available_is_missing(page: int, left: int) -> None:
    """What the other pages told is kept, and the whole is not called complete."""
    here = World(systems=SYSTEMS, seed=SEED)
    large = max(here.emulator.truth.systems(), key=lambda system: len(inverters(system)))
    here.emulator.inject(Fault.unavailable(path="micros", query={"page": page}))
    answer = await here.v4().micros_telemetry(large.system_id, **here.days(1))
    assert (len(answer), answer.coverage.complete) == (left, False)
    assert [gap.reason for gap in answer.coverage.gaps()] == [Reason.UNAVAILABLE]
    assert all(each.coverage.complete for each in answer)


@pytest.mark.parametrize("days", [None, 1, 10])
async def test_a_page_that_fails_is_missing_from_what_arrived(days: int | None) -> None:
    """The error holds the other devices, and says that it is not all."""
    here = World(systems=SYSTEMS, seed=SEED)
    large = max(here.emulator.truth.systems(), key=lambda system: len(inverters(system)))
    here.emulator.inject(Fault.exception(path="micros", query={"page": 2}, times=math.inf))
    asked = {} if days is None else here.days(days)
    with pytest.raises(ServerError) as caught:
        await here.v4().micros_telemetry(large.system_id, **asked)
    partial = caught.value.partial
    assert isinstance(partial, MicrosTelemetry)
    assert (len(partial), partial.coverage.complete) == (20, False)
    assert {gap.reason for gap in partial.coverage.gaps()} <= {Reason.FAILED, Reason.REFUSED}
    assert sum(gap.window.seconds for gap in partial.coverage.gaps()) == partial.window.seconds


LIFETIMES: dict[str, tuple[Callable[..., Any], tuple[str, ...], Callable[[System], list[str]] | None]] = {
    "battery_lifetime": (lambda *asked: _truth().storage.days(*asked), ("charge", "discharge"), None),
    "energy_import_lifetime": (lambda *asked: _truth().grid.days(*asked), ("import",), None),
    "energy_export_lifetime": (lambda *asked: _truth().grid.days(*asked), ("export",), None),
    "hp_lifetime": (lambda *asked: {"consumption": _truth().heat_pumps.days(*asked)}, ("consumption",), None),
    "evse_lifetime": (
        lambda *asked: {"consumption": _truth().chargers.days(*asked)},
        ("consumption",),
        CASES["evse_telemetry"].serials,
    ),
    "ev_charger_lifetime": (
        lambda *asked: {"consumption": _truth().chargers.days(*asked)},
        ("consumption",),
        CASES["evse_telemetry"].serials,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LIFETIMES)
@examples(15)
@given(back=st.integers(1, 500), length=st.integers(0, 60), number=st.integers(0, SYSTEMS - 1))
async def test_any_days_are_the_truth(name: str, back: int, length: int, number: int) -> None:
    """A value a day, from the first day of service on."""
    truth, columns, serials = LIFETIMES[name]
    having: dict[str, Callable[[System], object]] = {
        "battery_lifetime": batteries,
        "hp_lifetime": lambda system: system.heat_pump,
    }
    has = having.get(name, serials or (lambda system: system.consumption == "metered"))
    systems = [system for system in _truth().systems() if has(system)]
    system = systems[number % len(systems)]
    zone = ZoneInfo(system.timezone)
    today = datetime.fromtimestamp(world().clock.now(), zone).date()
    first = today - timedelta(days=back)
    last = min(first + timedelta(days=length), today - timedelta(days=1))
    args = () if serials is None else (serials(system)[0],)
    query = getattr(world().v4(), name)(system.system_id, *args, start_date=first, end_date=last)
    begun = datetime.fromtimestamp(system.operational_at, zone).date()
    answer = await query
    if answer.reason is not None:
        assert (len(answer), answer.reason) == (0, Reason.BEFORE_OPERATION)
        assert last < begun
        return
    assert name == "ev_charger_lifetime" or answer.start_date == max(first, begun)
    known = truth(system.system_id, *args, answer.start_date, last)
    for column in columns:
        values = getattr(answer, {"import": "import_"}.get(column, column))
        assert list(values) == known[column]
    assert answer.receipt.sent == 1


@pytest.mark.parametrize("week", ["whole", "day"])
async def test_manners_do_not_matter(week: Any) -> None:
    """Fields of other types, and fields nobody has heard of."""
    here = World(
        systems=SYSTEMS, seed=SEED, drifts={Drift.UNKNOWN_FIELDS}, v4_options=V4Options(micro_week=week)
    )
    system = next(each for each in here.emulator.truth.systems() if each.batteries and each.ev_chargers)
    answer = await here.v4().battery(system.system_id, **here.days(9))
    rows = here.emulator.truth.storage.rows(system.system_id, answer.window.start, answer.window.end)
    assert list(zip(*answer.intervals.columns.values(), strict=True)) == [_plain(row) for row in rows]
    assert answer.last_reported_aggregate_soc == rows[-1]["soc"]["percent"]
    one = await here.v4().encharge_telemetry(system.system_id, system.batteries[0].serial, **here.days(9))
    assert (one.serial_number, one.last_reported_time) == (
        system.batteries[0].serial,
        one.intervals[-1].end_at,
    )
    assert one.last_reported_soc == one.intervals[-1].soc
