"""Reports: what the service holds at an instant, while a gateway is offline, uploads, and afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from enlighten_async.emulator import Backlog, Emulator, Quota, System
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.effort import SEED
from tests.emulator.conftest import Connect
from tests.emulator.fleets import recent_fleet

DAY, HOUR = 86_400, 3600
NOW = 1_750_014_000  # noon in California, 2025-06-15
LAG = 900


@pytest.mark.parametrize(
    ("hours", "reached"),
    [
        (-5, -5.25),  # as ever, a quarter of an hour behind
        (0, -0.25),
        (47, -0.25),  # offline
        (48, -0.25),  # back, nothing is uploaded yet
        (54, 17.75),  # a quarter of what it has kept, and will keep until it is done
        (60, 35.75),
        (71, 68.75),
        (72, 71.75),  # all is uploaded
        (100, 99.75),
    ],
)
def test_what_a_gateway_kept_comes_oldest_first(hours: float, reached: float) -> None:
    """At a constant speed, the present last: two days offline, a day of upload."""
    backlog = Backlog(0, 48 * HOUR, 24 * HOUR)
    assert backlog.reached(hours * HOUR, LAG) == reached * HOUR


def make(*backlogs: Backlog, kind: int = 0) -> tuple[Emulator, FakeClock, System]:
    """Return an emulator of one system of this kind, on its clock."""
    clock = FakeClock(NOW)
    system = evolve(recent_fleet(len(SYSTEM_KINDS), NOW, days=200, seed=SEED)[kind], backlogs=backlogs)
    return Emulator(clock=clock, fleet=[system], seed=SEED, quota=Quota.UNLIMITED), clock, system


def ends(truth: Any, number: int) -> list[int | None]:
    """Return the ends of the newest rows of all series that come through the gateway."""
    return [
        truth.last_interval(number),
        truth.last_stat(number),
        truth.last_consumption(number),
        truth.grid.last_row(number),
        truth.storage.last_row(number),
    ]


@pytest.mark.parametrize("kind", [0, 3])
def test_all_that_a_gateway_reports_waits_for_it(kind: int) -> None:
    """Rows, days, lifetimes and readings; in the end nothing is missing."""
    offline, back = NOW + HOUR, NOW + 3 * DAY
    emulator, clock, system = make(Backlog(offline, back, DAY), kind=kind)
    plain, _, _ = make(kind=kind)
    truth, number = emulator.truth, system.system_id
    before = plain.truth.at(offline)
    clock.advance(3 * DAY - HOUR)
    assert ends(truth, number) == ends(before, number)
    assert truth.lifetime(number, back) == before.lifetime(number, back)
    assert truth.meter_readings(number, back) == before.meter_readings(number, back)
    clock.advance(13 * HOUR)  # half of the upload
    middle = truth.horizon(system)
    assert middle == pytest.approx((offline - LAG + clock.now() + 12 * HOUR - LAG) / 2)
    then = plain.truth.at(middle + LAG)
    assert ends(truth, number) == ends(then, number)
    assert truth.lifetime(number, back) == then.lifetime(number, back)
    clock.advance(DAY)
    now = plain.truth.at(clock.now())
    assert ends(truth, number) == ends(now, number)
    assert truth.rgm_stats(number, NOW, clock.now()) == now.rgm_stats(number, NOW, clock.now())
    assert truth.stats(number, NOW, clock.now()) == now.stats(number, NOW, clock.now())


async def test_an_upload_counts_as_reporting(connect: Connect, connect_v4: Connect) -> None:
    """The last report is fresh while the last energy is days old; offline both stand still."""
    emulator, clock, system = make(Backlog(NOW, NOW + 3 * DAY, DAY))
    path = f"/systems/{system.system_id}/summary"
    for hours, report, energy in ((71, 71, 71), (2, 0, 71), (40, 0, 0)):
        clock.advance(hours * HOUR)
        for open_client in (connect, connect_v4):
            async with open_client(emulator) as client:
                shown = (await client.get(path)).json()
                assert shown["last_report_at"] == pytest.approx(clock.now() - report * HOUR, abs=HOUR)
                age = clock.now() - shown["last_interval_end_at"]
                assert age == pytest.approx(energy * HOUR, abs=7 * HOUR if energy else HOUR)


@pytest.mark.parametrize("kind", range(len(SYSTEM_KINDS)))
def test_the_books_tell_every_moment(kind: int) -> None:
    """What is held at an instant is told before, then and after alike."""
    emulator, clock, system = make(Backlog(NOW + HOUR, NOW + DAY, 6 * HOUR), kind=kind)
    truth, number = emulator.truth, system.system_id
    moments = [NOW + hours * HOUR for hours in (0, 5, 24, 27, 33)]

    def held(books: Any) -> tuple[object, ...]:
        window = number, NOW - DAY, NOW + 2 * DAY
        return books.rgm_stats(*window), books.stats(*window), books.consumption_stats(*window)

    told = [held(truth.at(moment)) for moment in moments]
    for moment, expected in zip(moments, told, strict=True):
        clock.advance(moment - clock.now())
        assert held(truth) == expected
    assert [held(truth.at(moment)) for moment in moments] == told


@pytest.mark.parametrize("declared", [NOW - 10 * DAY, NOW - 400 * DAY])
async def test_a_date_set_by_hand_changes_no_data(
    connect: Connect, connect_v4: Connect, declared: int
) -> None:
    """It is shown in place of the real one, wherever that is shown."""
    plain, _, system = make()
    emulator = Emulator(
        clock=FakeClock(NOW), fleet=[evolve(system, declared_at=declared)], seed=SEED, quota=Quota.UNLIMITED
    )
    window = f"start_at={NOW - 30 * DAY}&end_at={NOW - 29 * DAY}"
    for open_client in (connect, connect_v4):
        async with open_client(emulator) as client, open_client(plain) as other:
            path = f"/systems/{system.system_id}"
            rows = (await client.get(f"{path}/rgm_stats?{window}")).json()
            days = (await client.get(f"{path}/energy_lifetime")).json()
            summary = (await client.get(f"{path}/summary")).json()
            assert rows["intervals"] == (await other.get(f"{path}/rgm_stats?{window}")).json()["intervals"]
            assert days["production"] == (await other.get(f"{path}/energy_lifetime")).json()["production"]
        assert rows["intervals"]
        shown = {rows["meta"]["operational_at"], days["meta"]["operational_at"], summary["operational_at"]}
        assert shown == {declared}


@pytest.mark.parametrize("hours", [0, 3, 7, 11.3, 16, 21, 240])
def test_the_newest_interval_is_that_of_the_rows(hours: float) -> None:
    """Which are not made for it: of a list of systems each has its newest one told."""
    fleet = recent_fleet(4 * len(SYSTEM_KINDS), NOW, days=40, seed=SEED)
    truth = Emulator(clock=FakeClock(NOW + hours * HOUR), fleet=fleet, seed=SEED, quota=Quota.UNLIMITED).truth
    seen = 0
    for system in fleet:
        number, until = system.system_id, NOW + hours * HOUR
        stats = [row["end_at"] for row in truth.stats(number, until - 20 * DAY, until)]
        meters = [row["end_at"] for row in truth.rgm_stats(number, until - 20 * DAY, until)]
        if stats:
            assert truth.last_stat(number) == stats[-1]
        if system.meters and meters:
            assert truth.last_interval(number) == meters[-1]
        seen += bool(stats) + bool(meters)
    assert seen > len(fleet)
