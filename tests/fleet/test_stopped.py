"""A fleet that nobody follows for days, while rows of the days before that come late."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest

from enlighten_async.cache import CachedSpan
from enlighten_async.emulator import Drift
from enlighten_async.fleet import Fleet
from enlighten_async.fleet.roster import FINAL_S, LATE_S, OVERLAP_S, Ask, Member, Roster, final_by_cache
from enlighten_async.fleet.schedule import LONGEST_S
from enlighten_async.windows import DAY, Window
from tests.fleet.test_follow import START, Kept, wrong_rows
from tests.world import World

UNTIL = 20_000 * DAY
"""Up to when a system is held."""
FINAL_DAYS = FINAL_S / DAY
"""Days after its end from which on a row does not change any more."""


def cached(*spans: tuple[float, float, float]) -> list[CachedSpan]:
    """Return cached spans: begin, end and time of the answer, as days after a system is held."""
    times = ((UNTIL + int(days * DAY) for days in each) for each in spans)
    return [CachedSpan(Window(start, end), fetched) for start, end, fetched in times]


@pytest.mark.parametrize(
    ("spans", "days"),
    [
        pytest.param([], -4, id="nothing is cached"),
        pytest.param([(-5, 0.1, 0.1)], 0.1 - FINAL_DAYS, id="the day's last poll"),
        pytest.param(
            [(-5, -0.6, -0.5), (-0.6, 0.1, 0.1)], -0.5 - FINAL_DAYS, id="a poll after that of a day"
        ),
        pytest.param([(-5, 2, 2)], 2 - FINAL_DAYS, id="a gateway that was offline for two days"),
        pytest.param([(-5, 9, 9)], 0, id="for nine: all is final"),
        pytest.param([(-9, -4.5, 9), (-3, 9, 9)], -4, id="a gap where it was not asked"),
        pytest.param([(-9, -2, 9), (-2, 9, 9)], 0, id="weeks side by side"),
    ],
)
def test_what_is_final(spans: list[tuple[float, float, float]], days: float) -> None:
    """By answers that came when it could not change any more."""
    assert final_by_cache(UNTIL, cached(*spans)) == pytest.approx(UNTIL + days * DAY)


@pytest.mark.parametrize(
    ("off", "final", "start"),
    [
        pytest.param(0.5, -3, -4.5, id="hours: five days, as always"),
        pytest.param(2, -3, -4, id="two days"),
        pytest.param(3.5, -3, -3.5, id="three and a half: as far as one request goes"),
        pytest.param(6, -3, -3, id="six: what was not final then"),
        pytest.param(6, -inf, -4, id="six: nobody knows what was final"),
        pytest.param(20, -3, -3, id="twenty"),
        pytest.param(6, 0, -1, id="a gateway that was offline, and asked: as far as one request goes"),
        pytest.param(20, 0, -OVERLAP_S / DAY, id="the same, for longer"),
    ],
)
def test_where_the_first_poll_after_a_stop_begins(off: float, final: float, start: float) -> None:
    """At what was not final, though it takes one request more; up to three days it takes none."""
    now, roster = UNTIL + off * DAY, Roster([Member(1, until=UNTIL)])
    found = roster.window(Ask(now, 0, completes=True), now, UNTIL + final * DAY)
    assert found[0] == pytest.approx(UNTIL + start * DAY, abs=900)
    assert found[1] == min(now, found[0] + LONGEST_S)


@pytest.mark.parametrize(("off", "absent", "start"), [(2, 0, -4), (6, 0, -3.8), (20, 0, -3.8), (6, 1, -1)])
def test_where_a_poll_begins_after_days_without_an_answer(off: float, absent: int, start: float) -> None:
    """By a process that goes on, as after a quota was used up; nothing is late of who has no device."""
    now, roster = UNTIL + off * DAY, Roster([Member(1, until=UNTIL)])
    member = roster.members[0]
    member.answered, member.absent = UNTIL + 0.2 * DAY, absent
    assert member.answered - LATE_S < UNTIL
    found = roster.window(Ask(now, 0, completes=True), now)
    assert found[0] == pytest.approx(UNTIL + start * DAY, abs=900)


class Goes(Kept):
    """A sink that goes on where it was."""

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return up to when systems are held."""
        until: dict[int, datetime] = {each.system_id: each.until for each in self.changes}
        return until


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "days", [pytest.param(3, marks=SLOW), 6, *(pytest.param(n, marks=SLOW) for n in (10, 20))]
)
@pytest.mark.parametrize(
    "drift",
    [Drift.LATE_DAYS, *(pytest.param(each, marks=SLOW) for each in (Drift.LATE_HOUR, Drift.LONG_BACKLOG))],
)
async def test_what_came_late_while_nobody_followed_is_right_in_the_end(
    tmp_path: Path, drift: Drift, days: int
) -> None:
    """Of each system at most one request more than the time takes that is not held; up to three days none."""
    world, sink = World(now=START + DAY / 2, systems=4, users=1, drifts={drift}), Goes()

    async def follow(days: float) -> int:
        before = len(world.emulator.log)
        async with world.v4(state=tmp_path / "state.db") as client:
            with world.clock.move_on_after(days * DAY):
                await Fleet(client, "rgm_stats", every=timedelta(days=1)).run(sink)
        return sum("rgm_stats" in each.path for each in world.emulator.log[before:])

    await follow(5)
    stopped = world.clock.now()
    world.clock.advance(days * DAY)
    asked = await follow(1 / 24)
    await follow(5)
    assert wrong_rows(world, sink, START, stopped + days * DAY) == (0, 0)
    assert asked <= 4 * (1 if days <= 3 else -(-(days + 1) // 7) + 1)
