"""The contract of an interval cache, in memory and in a file; and what memory alone promises."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.cache import CachedPart, IntervalCache, MemoryCache
from enlighten_async.models import Reason, RgmStats, Stats
from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import merge_parts
from enlighten_async.testing import FakeClock
from enlighten_async.windows import Window
from enlighten_async.wire import SeriesKey
from tests.cache.parts import (
    GRID,
    MONDAY,
    NOW,
    REPLY,
    SCOPE,
    SERIES,
    SYSTEM,
    filled,
    hours,
    meters,
    open_cache,
    response,
    stats_part,
)
from tests.effort import examples

Make = Callable[[], Any]

EVER = Window(0, 1 << 32)
OLD = NOW - 30 * 86_400


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes a new cache."""
    caches: list[Any] = []

    def made() -> Any:
        path = tmp_path / f"{len(caches)}.db"
        sqlite = request.param == "sqlite"
        caches.append(open_cache(path, FakeClock(NOW)) if sqlite else MemoryCache())
        return caches[-1]

    yield made
    for cache in caches:
        if request.param == "sqlite":
            cache.file.release()


async def values(cache: Any, window: Window = EVER, scope: bytes = SCOPE) -> dict[int, float]:
    """Return the rows of a window by their ends: one figure of each."""
    found = await cache.get(scope, SERIES, window)
    return {row.end_at.timestamp(): row.powr for each in found for row in each.part.intervals}


async def windows(cache: Any) -> list[Window]:
    """Return the windows of the cached spans."""
    return [span.window for span in await cache.spans(SCOPE, SERIES)]


async def test_it_is_an_interval_cache(make: Make) -> None:
    """Empty at first."""
    cache = make()
    assert isinstance(cache, IntervalCache)
    assert await cache.spans(SCOPE, SERIES) == ()
    assert await cache.get(SCOPE, SERIES, hours(0, 1)) == ()
    assert await cache.reply(SCOPE, REPLY) is None
    await cache.flush()


async def test_a_part_is_cached_at_once(make: Make) -> None:
    """Whether or not it was written yet; with all that its answer tells."""
    cache, part = make(), stats_part(hours(1, 3), reported=MONDAY + 7000.5)
    cache.put(SCOPE, SERIES, part, NOW)
    (span,) = await cache.spans(SCOPE, SERIES)
    assert (span.window, span.fetched, span.empty_reason) == (hours(1, 3), NOW, None)
    assert (span.reported_until, span.data_begins) == (MONDAY + 7000.5, None)
    (cached_part,) = await cache.get(SCOPE, SERIES, EVER)
    assert cached_part == CachedPart(span, part)
    assert cached_part.part.coverage == part.coverage


async def test_a_window_is_cut_out(make: Make) -> None:
    """Of a range over two edges of weeks; the edges of a window belong to what is before them."""
    cache = make()
    cache.put(SCOPE, SERIES, stats_part(hours(-5, 7 * 24 + 5)), NOW)
    assert await windows(cache) == [hours(-5, 0), hours(0, 168), hours(168, 173)]
    for window in (hours(-1, 1), hours(0, 168), hours(167, 169), hours(-9, -5), hours(-9, -4.75)):
        found = await cache.get(SCOPE, SERIES, window)
        inside = Window(max(window.start, MONDAY - 5 * 3600), window.end)
        assert sum(each.window.seconds for each in found) == inside.seconds
        assert set(await values(cache, window)) == set(range(inside.start + GRID, inside.end + 1, GRID))
        assert all(each.part.window == each.window == each.part.coverage.window for each in found)
    assert await cache.get(SCOPE, SERIES, hours(2, 2)) == ()


async def test_the_newest_answer_wins(make: Make) -> None:
    """Cell by cell, and an empty cell too; whatever came last into the cache."""
    cache = make()
    cache.put(SCOPE, SERIES, stats_part(hours(0, 4), 1.0), NOW)
    cache.put(SCOPE, SERIES, stats_part(hours(1, 2), 2.0, ends=()), NOW + 1)
    cache.put(SCOPE, SERIES, stats_part(hours(0, 3), 3.0), NOW - 1)
    assert await windows(cache) == [hours(0, 1), hours(1, 2), hours(2, 4)]
    assert await values(cache, hours(0.5, 2.5)) == {MONDAY + 900 * number: 1.0 for number in (3, 4, 9, 10)}


async def test_final_neighbours_are_one(make: Make) -> None:
    """Many windows of a week end up as one span; those that are not final stay apart."""
    cache = make()
    for day in range(7):
        cache.put(SCOPE, SERIES, stats_part(hours(24 * day, 24 * day + 24), reported=NOW), NOW)
    cache.put(SCOPE, SERIES, stats_part(hours(168, 169)), NOW)
    cache.put(SCOPE, SERIES, stats_part(hours(169, 170)), NOW)
    assert await windows(cache) == [hours(0, 168), hours(168, 169), hours(169, 170)]
    assert len(await values(cache)) == 170 * 4


async def test_an_unanswered_window_is_not_cached(make: Make) -> None:
    """Only gaps that the service gave a reason for are part of an answer."""
    cache = make()
    cache.put(SCOPE, SERIES, stats_part(hours(0, 4), unspoken=hours(1, 2)), NOW)
    assert await windows(cache) == [hours(0, 1), hours(2, 4)]


async def test_an_empty_answer_is_cached(make: Make) -> None:
    """With its reason."""
    cache = make()
    cache.put(SCOPE, SERIES, stats_part(hours(0, 4), ends=(), empty=Reason.NO_DEVICE), NOW)
    assert [span.empty_reason for span in await cache.spans(SCOPE, SERIES)] == [Reason.NO_DEVICE]
    (cached_part,) = await cache.get(SCOPE, SERIES, hours(1, 2))
    assert [(gap.window, gap.reason) for gap in cached_part.part.coverage.gaps()] == [
        (hours(1, 2), Reason.NO_DEVICE)
    ]


async def test_series_do_not_mix(make: Make) -> None:
    """Those of other scopes, endpoints, systems and devices are others."""
    cache = make()
    others = (
        evolve(SERIES, endpoint="rgm_stats"),
        evolve(SERIES, system_id=SYSTEM + 1),
        evolve(SERIES, device="121"),
    )
    cache.put(SCOPE, SERIES, stats_part(hours(0, 1)), NOW)
    for series in others:
        assert await cache.spans(SCOPE, series) == ()
        assert await cache.get(SCOPE, series, hours(0, 1)) == ()
    assert await cache.spans(b"somebody else", SERIES) == ()
    assert len(await cache.spans(SCOPE, evolve(SERIES, grid=300))) == 1


async def test_replies_that_are_no_series(make: Make) -> None:
    """The newest one of each request, by scope; as it came, but for the times of sending and receiving."""
    cache = make()
    for body, date in ((b"one", NOW), (b"other", NOW + 5)):
        cache.put_reply(SCOPE, REPLY, response(body, date))
        assert await cache.reply(SCOPE, REPLY) == response(body, date)
    assert await cache.reply(b"somebody else", REPLY) is None
    assert await cache.reply(SCOPE, evolve(REPLY, asked="/systems/1/inventory?")) is None
    assert await cache.reply(SCOPE, evolve(REPLY, endpoint="summary")) is None
    odd = evolve(response(b"\xff\x00" * 999), status=204, content_type="text/plain; charset=x")
    cache.put_reply(SCOPE, evolve(REPLY, asked="odd"), odd)
    assert await cache.reply(SCOPE, evolve(REPLY, asked="odd")) == odd


async def test_meters_are_cached_by_channel(make: Make) -> None:
    """An answer that is cut and joined again is the same."""
    cache, window = make(), hours(0, 4)
    series: SeriesKey[RgmStats] = SeriesKey(
        "rgm_stats",
        SYSTEM,
        grid=GRID,
        load=lambda: RgmStats,
        join=lambda parts: merge_parts(
            parts, RgmStats.empty(SYSTEM, Coverage(Window(parts[0].window.start, parts[-1].window.end), GRID))
        ),
    )
    ends = range(window.start + GRID, window.end + 1, GRID)
    whole = RgmStats.empty(SYSTEM, Coverage(window, GRID, reported_until=window.end_at))
    rows = filled(whole.intervals, ends, lambda end, _: end % 7)
    whole = evolve(whole, intervals=rows, meter_intervals=meters(ends, lambda end, _: end % 5))
    for piece in (hours(2, 4), hours(0, 2)):
        cache.put(SCOPE, series, whole._slice(piece), NOW)
    (cached_part,) = await cache.get(SCOPE, series, window)
    assert cached_part.part == whole
    assert (await cache.get(SCOPE, series, hours(1, 3)))[0].part == whole._slice(hours(1, 3))


@frozen
class Put:
    """An answer that is put, by a process of several."""

    window: Window
    fetched: float
    ends: frozenset[int]
    reported: float | None
    unspoken: Window | None
    process: int
    flush: bool

    def part(self, value: float) -> Stats:
        """Return the answer, with this in all its rows."""
        return stats_part(self.window, value, ends=self.ends, reported=self.reported, unspoken=self.unspoken)

    def cells(self) -> Iterator[int]:
        """Return the ends of what it speaks for."""
        for end in range(self.window.start + GRID, self.window.end + 1, GRID):
            if self.unspoken is None or not self.unspoken.start < end <= self.unspoken.end:
                yield end


@st.composite
def puts(draw: st.DrawFn) -> Put:
    """Draw an answer for a window around the edge of two weeks."""
    edges = sorted(draw(st.sets(st.integers(-6, 6), min_size=2, max_size=4)))
    cells = [MONDAY + GRID * number for number in edges]
    window = Window(cells[0], cells[-1])
    every = st.integers(edges[0] + 1, edges[-1]).map(lambda number: MONDAY + GRID * number)
    return Put(
        window,
        NOW + draw(st.integers(0, 5)),
        draw(st.frozensets(every)),
        draw(st.none() | st.sampled_from([MONDAY, MONDAY + GRID, NOW])),
        Window(cells[1], cells[2]) if len(cells) == 4 else None,
        draw(st.integers(0, 1)),
        draw(st.booleans()),
    )


def told(cached_part: tuple[CachedPart[Stats], ...]) -> list[object]:
    """Return all that was got, coverage included, which does not count when parts are compared."""
    return [(each.span, each.part, each.part.coverage) for each in cached_part]


def newest(sequence: list[Put]) -> dict[int, float]:
    """Return the value of each cell that has one, by the answer that was fetched last."""
    cells: dict[int, tuple[float, float | None]] = {}
    for number, put in enumerate(sequence):
        for end in put.cells():
            if put.fetched >= cells.get(end, (0.0, None))[0]:
                cells[end] = (put.fetched, float(number) if end in put.ends else None)
    return {end: value for end, (_, value) in cells.items() if value is not None}


async def put_all(sequence: list[Put], memory: Any, caches: list[Any]) -> None:
    """Put answers into memory, and into a file by two processes, each of which flushes after its turn."""
    for number, put in enumerate(sequence):
        for cache in (memory, caches[put.process]):
            cache.put(SCOPE, SERIES, put.part(float(number)), put.fetched)
        following = sequence[number + 1 : number + 2]
        if put.flush or not following or following[0].process != put.process:
            await caches[put.process].flush()


@pytest.mark.slow
@examples(80)
@given(sequence=st.lists(puts(), min_size=1, max_size=8), look=st.tuples(*[st.integers(-7, 7)] * 2))
async def test_a_file_has_the_content_of_memory(sequence: list[Put], look: tuple[int, int]) -> None:
    """Any answers in any order, by two processes in turn; and of each cell the newest answer."""
    memory = MemoryCache()
    with tempfile.TemporaryDirectory() as folder:
        caches = [open_cache(Path(folder) / "state.db", FakeClock(NOW)) for _ in range(2)]
        await put_all(sequence, memory, caches)
        window = Window(*sorted(MONDAY + GRID * number for number in look))
        for cache in caches:
            assert await cache.spans(SCOPE, SERIES) == await memory.spans(SCOPE, SERIES)
            for asked in (EVER, window):
                got = [told(await one.get(SCOPE, SERIES, asked)) for one in (cache, memory)]
                assert got[0] == got[1]
            cache.file.release()
    if not any(put.reported for put in sequence):  # what is final is taken for what never differs
        assert await values(memory) == newest(sequence)


# In memory


async def test_a_part_is_not_copied_when_it_is_read() -> None:
    """Two queries for the same range share its columns."""
    cache, window = MemoryCache(), Window(0, 1 << 32)
    cache.put(SCOPE, SERIES, stats_part(hours(0, 4)), NOW)
    await cache.flush()
    (one,), (other,) = await cache.get(SCOPE, SERIES, window), await cache.get(SCOPE, SERIES, window)
    assert one.part is other.part


async def test_an_older_reply_does_not_replace_a_newer_one() -> None:
    """Replies may arrive in another order than the service gave them."""
    cache = MemoryCache()
    for date in (NOW, NOW + 2, NOW + 1):
        cache.put_reply(SCOPE, REPLY, response(str(date).encode(), date))
    assert await cache.reply(SCOPE, REPLY) == response(str(NOW + 2).encode(), NOW + 2)


async def test_caches_share_nothing() -> None:
    """Each client without a file has its own."""
    one, other = MemoryCache(), MemoryCache()
    one.put(SCOPE, SERIES, stats_part(hours(0, 1)), NOW)
    one.put_reply(SCOPE, REPLY, response())
    assert await other.spans(SCOPE, SERIES) == ()
    assert await other.reply(SCOPE, REPLY) is None
