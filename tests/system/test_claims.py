"""Claims: an answer that says complete is what the service held, whatever the service does meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import httpx
import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import EnlightenClient, EnlightenError
from enlighten_async.emulator import DRIFTS, Backlog, Drift, System
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.ground_truth import GroundTruth
from tests.effort import SEED, examples
from tests.emulator.fleets import recent_fleet
from tests.world import World

pytestmark = pytest.mark.timeout(1200)  # many examples, each with days of a service

DAY, HOUR = 86_400, 3600
NOW = 1_750_014_300
FLEET = recent_fleet(len(SYSTEM_KINDS), NOW, days=40, seed=SEED)

Energies: TypeAlias = dict[int, float]
"""Energy (Wh) by the end of the interval on the grid that it falls into."""


@frozen
class Series:
    """A series: its column of energies, its grid in seconds, and the books of it."""

    column: str
    grid: int
    books: Callable[[GroundTruth, int, float, float], list[dict[str, int]]]

    def energies(self, rows: Any) -> Energies:
        """Return the energies of rows by interval; parts of one are added up."""
        found: Energies = {}
        for row in rows:
            end = -(-row["end_at"] // self.grid) * self.grid
            found[end] = found.get(end, 0) + (row[self.column] or 0)
        return found


METERS = Series("wh_del", 900, GroundTruth.rgm_stats)
SERIES = {
    "stats": Series("enwh", 300, GroundTruth.stats),
    "rgm_stats": METERS,
    "consumption_stats": Series("enwh", 900, GroundTruth.consumption_stats),
    "production_meter": METERS,
    "energy_import_telemetry": Series("wh_imported", 900, lambda truth, *window: truth.grid.rows(*window)),
}
PATHS = {"production_micro": "stats", "consumption_meter": "consumption_stats"}
DAYS = {"energy_lifetime": GroundTruth.lifetime_days, "consumption_lifetime": GroundTruth.consumption_days}
READINGS = "production_meter_readings"
LATE = {Drift.LATE_HOUR, Drift.LATE_DAYS, Drift.LONG_BACKLOG, Drift.CELLULAR}
"""Drifts under which data of the last days has not arrived when a story ends."""

NAMES = {
    "v2": ("stats", "rgm_stats", "consumption_stats", *DAYS, READINGS, "summary", "systems"),
    "v4": (*SERIES, *DAYS, READINGS, "summary", "systems"),
}


@frozen
class Step:
    """One query: hours after the one before, name, start (hours back), length (hours), and the way to ask."""

    after: int
    name: str
    back: int
    length: int
    streamed: bool
    reopened: bool


@frozen
class Story:
    """A system of a kind, what the service does, and what is asked of it."""

    version: str
    kind: int
    backlogs: tuple[Backlog, ...]
    declared_after_days: int | None
    drifts: frozenset[Drift]
    steps: list[Step]

    @property
    def system(self) -> System:
        """The system, with its backlog and the date somebody has set."""
        system, days = FLEET[self.kind], self.declared_after_days
        declared = None if days is None else system.operational_at + days * DAY
        return evolve(system, backlogs=self.backlogs, declared_at=declared)


@st.composite
def backlogs(draw: st.DrawFn) -> tuple[Backlog, ...]:
    """Draw no backlog, or one: lost before or after now, up to ten days offline, up to four of upload."""
    if not draw(st.booleans()):
        return ()
    start = NOW + HOUR * draw(st.integers(-10 * 24, 2 * 24))
    end = start + HOUR * draw(st.integers(1, 10 * 24))
    return (Backlog(start, end, HOUR * draw(st.integers(1, 4 * 24))),)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw a story."""
    version = draw(st.sampled_from(["v2", "v4"]))
    steps = st.builds(
        Step,
        after=st.sampled_from([0, 0, 1, 5, 25, 49]),
        name=st.sampled_from(NAMES[version]),
        back=st.integers(0, 12 * 24),
        length=st.integers(1, 6 * 24),
        streamed=st.booleans(),
        reopened=st.booleans(),
    )
    drifts = st.frozensets(st.sampled_from([each for each in DRIFTS if each not in LATE]), max_size=4)
    return Story(
        version,
        draw(st.integers(0, len(FLEET) - 1)),
        draw(backlogs()),
        draw(st.one_of(st.none(), st.integers(-40, 39))),
        draw(drifts),
        draw(st.lists(steps, min_size=1, max_size=5)),
    )


@frozen
class Fetched:
    """One answer of the service: when (epoch seconds), its path, and its window if it has one."""

    at: float
    name: str
    start: float
    end: float


@define(eq=False)
class Recorder(httpx.AsyncBaseTransport):
    """A transport that notes each answer with data, or one that says there is none."""

    world: World
    fetched: list[Fetched] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._inner = self.world.emulator.transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the service's response, read to its end."""
        response = await self._inner.handle_async_request(request)
        await response.aread()
        self._note(request, response)
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in {"content-encoding", "content-length"}
        ]
        return httpx.Response(response.status_code, headers=headers, content=response.content)

    def _note(self, request: httpx.Request, response: httpx.Response) -> None:
        name = request.url.path.rpartition("/")[2]
        kind, at = PATHS.get(name, name), self.world.clock.now()
        content = response.json() if "json" in response.headers.get("content-type", "") else None
        if response.status_code not in {200, 422} or not isinstance(content, dict):
            return
        if response.status_code == 200 and content.get("intervals", ()) is None:
            return
        start = content.get("start_at", request.url.params.get("start_at"))
        if kind not in SERIES or start is None:
            self.fetched.append(Fetched(at, name, 0, 0))
            return
        begin = int(start) // SERIES[kind].grid * SERIES[kind].grid
        end = int(content.get("end_at", request.url.params.get("end_at", at)))
        if name == "stats":  # version 2 cuts it, and does not say so
            end = min(end, begin + DAY)
        self.fetched.append(Fetched(at, kind, begin, end))


class Checked:
    """A story that is told, and each claim of its answers held against the books."""

    def __init__(self, story: Story, path: Path) -> None:
        others = [each for each in FLEET if each.system_id != story.system.system_id][:2]
        self.world = World(NOW, fleet=[story.system, *others], seed=SEED, drifts=story.drifts)
        self.story, self.recorder, self._path = story, Recorder(self.world), path
        self.truth, self.number = self.world.emulator.truth, story.system.system_id
        self._client = self._open()

    def _open(self) -> EnlightenClient:
        make = self.world.v4 if self.story.version == "v4" else self.world.client
        user = self.story.system.user_id
        return make(user=user, transport=self.recorder, state=self._path)

    async def told(self) -> None:
        """Ask all, and in the end, when everything has arrived, once more."""
        asked = []
        for step in self.story.steps:
            self.world.clock.advance(step.after * HOUR)
            start = self.world.clock.now() - step.back * HOUR
            query = step, start, min(start + step.length * HOUR, self.world.clock.now())
            asked.append(query)
            await self._asked(*query)
            if step.reopened:
                await self._client.aclose()
                self._client = self._open()
        self.world.emulator.drifts = frozenset()
        arrived = max((backlog.end + backlog.upload_s for backlog in self.story.backlogs), default=0)
        self.world.clock.advance(max(0, arrived - self.world.clock.now()) + 2 * DAY)
        for query in asked:
            await self._asked(*query, finally_=True)
        await self._client.aclose()

    async def _asked(self, step: Step, start: float, end: float, *, finally_: bool = False) -> None:
        query = self._query(step.name, start, end)
        failed = False
        try:
            streamed = step.streamed and step.name in SERIES
            answers = [part async for part in query] if streamed else [await query]
        except EnlightenError as error:
            if finally_ and not self._is_denied(step.name):
                raise
            failed, answers = True, [] if error.partial is None else [error.partial]
        assert not (failed and any(map(self._claims, answers)))
        for answer in answers:
            if finally_:
                assert self._claims(answer), answer.coverage
            if self._claims(answer):
                self._check(step.name, answer, end, finally_=finally_)

    def _query(self, name: str, start: float, end: float) -> Any:
        if name == "systems":
            return self._client.systems()
        method = getattr(self._client, name)
        if name in DAYS:
            return method(self.number)
        if name == "summary":
            zone = ZoneInfo(self.story.system.timezone)
            return method(self.number, summary_date=datetime.fromtimestamp(start, zone).date())
        if name == READINGS:
            return method(self.number, end_at=end)
        return method(self.number, start_at=start, end_at=end)

    def _is_denied(self, name: str) -> bool:
        """Return whether the owner does not let anybody see what is asked for."""
        private = name.startswith(("consumption", "energy_import"))
        return private and self.story.system.consumption in {"refused", "disabled"}

    @staticmethod
    def _claims(answer: Any) -> bool:
        coverage = getattr(answer, "coverage", None)
        return bool(getattr(answer, "complete", True) if coverage is None else coverage.complete)

    def _check(self, name: str, answer: Any, end: float, *, finally_: bool) -> None:
        if name == "systems":
            assert [each.system_id for each in answer] == [each.system_id for each in self.truth.systems()]
        elif name in DAYS:
            self._check_days(name, answer, finally_=finally_)
        elif name == "summary":
            self._check_summary(answer, finally_=finally_)
        elif name == READINGS:
            self._check_readings(answer, end, finally_=finally_)
        else:
            self._check_series(name, answer, finally_=finally_)

    def _times(self, name: str, *, finally_: bool) -> list[float]:
        """Return the times at which the answer may have been fetched."""
        if finally_:
            return [self.world.clock.now()]
        return [each.at for each in self.recorder.fetched if each.name == name]

    def _check_days(self, name: str, answer: Any, *, finally_: bool) -> None:
        days = [day.wh for day in answer]
        if not days:
            return
        first, last = next(iter(answer)).date, list(answer)[-1].date
        if finally_:
            today = local_date(self.world.clock.now(), self.story.system.timezone)
            begun = local_date(self.story.system.operational_at, self.story.system.timezone)
            assert (first, last) == (begun, today - timedelta(days=1))
        times = self._times(name, finally_=finally_)
        assert days in [DAYS[name](self.truth.at(at), self.number, first, last) for at in times]

    def _check_summary(self, answer: Any, *, finally_: bool) -> None:
        zone = self.story.system.timezone
        span = [local_midnight(answer.summary_date, zone, later) for later in (0, 1)]
        times = self._times("summary", finally_=finally_)
        assert answer.energy_today in [self.truth.at(at).produced(self.number, *span) for at in times]

    def _check_readings(self, answer: Any, end: float, *, finally_: bool) -> None:
        read = [
            {"serial_number": each.serial_number, "value": each.value, "read_at": each.read_at.timestamp()}
            for each in answer
        ]
        times = self._times(READINGS, finally_=finally_)
        assert read in [self.truth.at(at).meter_readings(self.number, end) for at in times]

    def _check_series(self, name: str, answer: Any, *, finally_: bool) -> None:
        series, window = SERIES[name], answer.window
        columns = answer.intervals.columns
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        got = series.energies(rows)
        held = self._held(name, window.start, window.end)
        if not finally_:
            assert got == pytest.approx(held)
            return
        now = series.energies(series.books(self.truth, self.number, window.start, window.end))
        assert got.keys() == now.keys()
        corrected = {end for end in got if got[end] != pytest.approx(now[end])}
        assert {end: got[end] for end in corrected} == pytest.approx({end: held[end] for end in corrected})

    def _held(self, name: str, start: int, end: int) -> Energies:
        """Return what the service held of each interval when it was fetched last, or first of any."""
        series, held = SERIES[name], Energies()
        mine = [each for each in self.recorder.fetched if each.name == name]
        if mine:
            held = series.energies(series.books(self.truth.at(mine[0].at), self.number, start, end))
        for each in mine:
            low, high = max(start, each.start), min(end, each.end)
            if low >= high:
                continue
            held = {at: wh for at, wh in held.items() if not low < at <= high}
            held |= series.energies(series.books(self.truth.at(each.at), self.number, low, high))
        return held


async def tell(story: Story) -> None:
    """Tell a story with a state file of its own."""
    with TemporaryDirectory() as folder:
        await Checked(story, Path(folder) / "state.db").told()


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version, names in NAMES.items() for name in names]
)
async def test_what_is_late_is_missed_for_no_longer_than_it_is_late(version: str, name: str) -> None:
    """Asked for while the oldest of it has arrived, and the gateway counts as reporting."""
    uploading = (Backlog(NOW - 9 * DAY, NOW, 3 * DAY),)
    step = Step(after=25, name=name, back=8 * 24, length=6 * 24, streamed=False, reopened=True)
    await tell(Story(version, 0, uploading, None, frozenset(), [step, step]))


@pytest.mark.parametrize(
    "drift", [Drift.NULL_LISTS, Drift.DUPLICATES, Drift.FINE_GRID, Drift.OFF_GRID, Drift.NESTED_SERIES]
)
@pytest.mark.parametrize(
    ("version", "name"),
    [(version, name) for version, names in NAMES.items() for name in names if name in SERIES],
)
async def test_rows_in_another_shape_are_kept_or_missed(version: str, name: str, drift: Drift) -> None:
    """In every series, hour by hour; streamed in the end."""
    steps = [
        Step(after=after, name=name, back=110, length=30, streamed=after > 1, reopened=False)
        for after in (0, 1, 1, 1, 25)
    ]
    await tell(Story(version, 0, (), None, frozenset({drift}), steps))


@examples(25)
@given(story=stories())
async def test_what_is_called_complete_is_what_the_service_held(story: Story) -> None:
    """And asked again when everything has arrived, it is the whole truth."""
    await tell(story)


@pytest.mark.slow
@examples(150)
@given(story=stories())
async def test_what_is_called_complete_is_what_the_service_held_in_many_stories(story: Story) -> None:
    """The same."""
    await tell(story)
