"""Results of meters: rows and columns, and how parts join to what was there."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import InputError
from enlighten_async.models import Coverage, Gap, Meta, MeterIntervals, Reason, Receipt, RgmStats
from enlighten_async.models.coverage import join, missing
from enlighten_async.models.intervals import merge_parts
from enlighten_async.models.rgm_stats import ChannelInterval, RgmInterval
from enlighten_async.models.series import NAN, Series
from enlighten_async.windows import Window
from tests.effort import examples

GRID = 900
START = 1_750_000_500
SERIALS = ("120EIM1", "121EIM1", "122EIM1")
JUNE = datetime(2025, 6, 15, tzinfo=UTC)


@frozen
class Truth:
    """What a system's meters delivered: rows of the site and of channels, each by its end."""

    window: Window
    site: dict[int, tuple[float, float]]
    meters: dict[str, dict[int, dict[int, tuple[float, float]]]]

    def part(self, window: Window, *, meta: Meta | None = None, devices: int = 2) -> RgmStats:
        """Return what an answer for a window holds; meters and channels without rows are not in it."""
        ends = [end for end in self.site if window.start < end <= window.end]
        return RgmStats(
            system_id=7,
            total_devices=devices,
            meta=meta,
            window=window,
            timezone="Europe/Berlin",
            intervals=Series.of(RgmInterval, ends, *([self.site[end][n] for end in ends] for n in range(2))),
            meter_intervals=tuple(
                meter for meter in (self.meter(serial, window) for serial in self.meters) if meter.intervals
            ),
            coverage=Coverage(
                window,
                GRID,
                tuple(Gap(blank, Reason.NO_ROW) for blank in missing(window, ends, GRID)),
                as_of=datetime.fromtimestamp(window.end, UTC),
                reported_until=datetime.fromtimestamp(window.start, UTC),
                notes=("odd",) if window.start % 1800 else (),
            ),
        )

    def meter(self, serial: str, window: Window) -> MeterIntervals:
        """Return what a meter has in a window."""
        rows = [
            (channel, end, *values)
            for channel, column in sorted(self.meters[serial].items())
            for end, values in column.items()
            if window.start < end <= window.end
        ]
        return MeterIntervals(serial, f"E{serial}", Series.of(ChannelInterval, *zip(*rows, strict=True)))


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """Draw meters that missed intervals, with channels that came and went."""
    size, random = draw(st.integers(0, 30)), draw(st.randoms(use_true_random=False))
    ends = range(START + GRID, START + (size + 1) * GRID, GRID)

    def column(density: float) -> dict[int, tuple[float, float]]:
        def value() -> float:
            return NAN if random.random() < 0.1 else random.randrange(-8, 999) / 8

        return {end: (value(), value()) for end in ends if random.random() < density}

    densities = st.sampled_from([0.0, 0.2, 0.8, 1.0])
    meters = {
        serial: {channel: column(draw(densities)) for channel in draw(st.sets(st.integers(0, 4)))}
        for serial in draw(st.lists(st.sampled_from(SERIALS), unique=True))
    }
    return Truth(Window(START, START + size * GRID), column(draw(densities)), meters)


@st.composite
def partitions(draw: st.DrawFn) -> tuple[Truth, list[RgmStats | Gap]]:
    """Draw a truth, and its range in pieces: parts, and gaps that nobody answered for."""
    truth = draw(truths())
    size = truth.window.seconds // GRID
    cuts = sorted(draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
    edges = [START + cut * GRID for cut in (0, *cuts, size)] if size else []
    pieces: list[RgmStats | Gap] = []
    for a, b in pairwise(edges):
        reason = draw(st.none() | st.sampled_from([Reason.FAILED, Reason.REFUSED, Reason.NO_DEVICE]))
        metas = st.none() | st.just(Meta("normal", last_report_at=datetime.fromtimestamp(b, UTC)))
        part = truth.part(Window(a, b), meta=draw(metas), devices=draw(st.integers(0, 2)))
        pieces.append(part if reason is None else Gap(Window(a, b), reason))
    return truth, pieces


def merged(pieces: Sequence[RgmStats | Gap], window: Window) -> RgmStats:
    """Join pieces of a range."""
    return merge_parts(
        [piece for piece in pieces if isinstance(piece, RgmStats)],
        evolve(RgmStats.empty(7, Coverage(window, GRID)), timezone="Europe/Berlin"),
        [piece for piece in pieces if isinstance(piece, Gap)],
    )


def reasons(coverage: Coverage) -> dict[int, Reason]:
    """Return why each missing interval is missing; none is missing twice."""
    each = [
        (end, gap.reason)
        for gap in coverage.gaps()
        for end in range(gap.window.start + GRID, gap.window.end + 1, GRID)
    ]
    assert len(dict(each)) == len(each)
    return dict(each)


@pytest.mark.slow
@examples(250)
@given(partition=partitions())
def test_parts_join_to_the_truth(partition: tuple[Truth, list[RgmStats | Gap]]) -> None:
    """Every row of the answered pieces, each once, in order, meter by meter and channel by channel."""
    truth, pieces = partition
    whole = merged(pieces, truth.window)
    parts = [piece for piece in pieces if isinstance(piece, RgmStats)]
    answered = {end for part in parts for end in range(part.window.start + GRID, part.window.end + 1, GRID)}
    kept = Truth(
        truth.window,
        {end: row for end, row in truth.site.items() if end in answered},
        {
            serial: {
                channel: {end: row for end, row in column.items() if end in answered}
                for channel, column in channels.items()
            }
            for serial, channels in truth.meters.items()
        },
    ).part(truth.window)
    assert whole.intervals == kept.intervals
    seen = [meter.meter_serial_number for part in parts for meter in part.meter_intervals]
    assert [meter.meter_serial_number for meter in whole.meter_intervals] == list(dict.fromkeys(seen))
    assert set(whole.meter_intervals) == set(kept.meter_intervals)
    assert (whole.system_id, whole.window, whole.timezone) == (7, truth.window, "Europe/Berlin")


@pytest.mark.slow
@examples(250)
@given(partition=partitions())
def test_what_is_missing_has_its_reason(partition: tuple[Truth, list[RgmStats | Gap]]) -> None:
    """Interval by interval, neighbours of one reason joined; what is there and what is not add up."""
    truth, pieces = partition
    coverage = merged(pieces, truth.window).coverage
    expected = {
        end: piece.reason if isinstance(piece, Gap) else Reason.NO_ROW
        for piece in pieces
        for end in range(piece.window.start + GRID, piece.window.end + 1, GRID)
        if isinstance(piece, Gap) or end not in truth.site
    }
    assert reasons(coverage) == expected
    assert coverage.gaps() == join(coverage.gaps()) == coverage.gaps()
    assert coverage.got + len(expected) == coverage.expected == truth.window.seconds // GRID
    assert coverage.complete == (not {Reason.FAILED, Reason.REFUSED} & set(expected.values()))
    parts = [piece.coverage for piece in pieces if isinstance(piece, RgmStats)]
    assert coverage.as_of == min((part.as_of for part in parts if part.as_of), default=None)
    assert coverage.reported_until == max(
        (part.reported_until for part in parts if part.reported_until), default=None
    )
    assert coverage.notes == tuple(dict.fromkeys(note for part in parts for note in part.notes))


@pytest.mark.slow
@examples(200)
@given(partition=partitions(), data=st.data())
def test_merging_merges_is_merging_all(
    partition: tuple[Truth, list[RgmStats | Gap]], data: st.DataObject
) -> None:
    """Wherever the pieces are parted, coverage included."""
    truth, pieces = partition
    at = data.draw(st.integers(0, len(pieces)))
    edge = pieces[at].window.start if at < len(pieces) else truth.window.end
    halves = [
        merged(some, window)
        for some, window in (
            (pieces[:at], Window(truth.window.start, edge)),
            (pieces[at:], Window(edge, truth.window.end)),
        )
        if some
    ]
    whole, again = merged(pieces, truth.window), merged(halves, truth.window)
    assert again == whole
    assert again.coverage == whole.coverage


@examples(100)
@given(truth=truths())
def test_one_part_merged_is_itself(truth: Truth) -> None:
    """Coverage included."""
    part = truth.part(truth.window, meta=Meta("normal"))
    assert merged([part], truth.window) == part
    assert merged([part], truth.window).coverage == part.coverage


def test_the_newest_part_that_says_so_tells_of_the_system() -> None:
    """A part that stands for a refusal does not."""
    truth = Truth(Window(START, START + 3 * GRID), {}, {})
    windows = [Window(START + n * GRID, START + (n + 1) * GRID) for n in range(3)]
    old, new, silent = (
        truth.part(window, meta=meta, devices=devices)
        for window, meta, devices in zip(
            windows, (Meta("comm"), Meta("normal"), None), (1, 2, 0), strict=True
        )
    )
    whole = merged([old, new, silent], truth.window)
    assert (whole.meta, whole.total_devices) == (Meta("normal"), 2)
    assert merged([old, silent], truth.window).total_devices == 1
    assert merged([old, evolve(new, meta=None), silent], truth.window).total_devices == 2


def test_a_meter_is_kept_though_it_has_no_rows() -> None:
    """With the gateway that was named last."""
    part = TRUTH.part(TRUTH.window)
    silent = evolve(part, meter_intervals=(MeterIntervals("9", "old", Series.of(ChannelInterval)),))
    later = evolve(
        part,
        meter_intervals=(MeterIntervals("9", "new", Series.of(ChannelInterval)),),
        intervals=Series.of(RgmInterval),
    )
    assert merged([silent, later], TRUTH.window).meter_intervals == later.meter_intervals


def test_nothing_merged_is_nothing() -> None:
    """With the gaps it was given, and what was spent."""
    gap = Gap(Window(START, START + GRID), Reason.BEYOND_RETENTION)
    receipt = Receipt(sent=1)
    empty = merge_parts([], evolve(RgmStats.empty(7, Coverage(gap.window, GRID)), receipt=receipt), [gap])
    assert (len(empty.intervals), empty.meter_intervals, empty.meta, empty.total_devices) == (0, (), None, 0)
    assert (empty.coverage.gaps(), empty.coverage.got, empty.coverage.expected) == ((gap,), 0, 1)
    assert empty.receipt is receipt


TRUTH = Truth(
    Window(START, START + 3 * GRID),
    {START + GRID: (2, 250), START + 2 * GRID: (1.0, 12.5), START + 3 * GRID: (NAN, NAN)},
    {"120EIM1": {1: {START + GRID: (63.00000000000001, -1.0)}, 3: {START + GRID: (NAN, NAN)}}},
)


def test_rows_have_units_and_nulls() -> None:
    """Whole numbers as the service sends them, null as None, instants as aware datetimes."""
    part = TRUTH.part(TRUTH.window)
    at = [datetime.fromtimestamp(START + n * GRID, UTC) for n in (1, 2, 3)]
    assert list(part.intervals) == [
        RgmInterval(at[0], 2, 250),
        RgmInterval(at[1], 1, 12.5),
        RgmInterval(at[2], None, None),
    ]
    first = part.intervals[0]
    assert (type(first.devices_reporting), type(first.wh_del)) == (int, int)
    meter = part.meter_intervals[0]
    assert list(meter.intervals) == [
        ChannelInterval(1, at[0], 63.00000000000001, -1),
        ChannelInterval(3, at[0], None, None),
    ]
    assert meter.channels == (1, 3)
    assert [list(meter.channel(n)) for n in (1, 2, 3)] == [
        [meter.intervals[0]],
        [],
        [meter.intervals[1]],
    ]


def test_results_equal_by_what_was_measured() -> None:
    """What it cost and what is missing take no part; hashes agree."""
    part = TRUTH.part(TRUTH.window)
    other = evolve(part, receipt=Receipt(sent=9), coverage=Coverage(TRUTH.window, GRID))
    assert part == other
    assert hash(part) == hash(other)
    assert part != evolve(part, intervals=part.intervals[:2])
    assert part != evolve(part, meter_intervals=())
    assert part != evolve(part, total_devices=3)


@pytest.mark.parametrize("again", [lambda r: pickle.loads(pickle.dumps(r)), copy.copy, copy.deepcopy])  # noqa: S301
def test_results_survive_a_pickle(again: object) -> None:
    """Receipt and coverage included, and their hashes."""
    part = evolve(
        TRUTH.part(TRUTH.window, meta=Meta("normal", JUNE)), receipt=Receipt(sent=1, left={"month": 9})
    )
    copied = again(part)  # type: ignore[operator]
    assert copied == part
    assert hash(copied) == hash(part)
    assert (copied.coverage, copied.receipt) == (part.coverage, part.receipt)
    assert list(copied.intervals) == list(part.intervals)


def test_a_repr_is_small() -> None:
    """However many intervals there are."""
    ends = range(START + GRID, START + 35_041 * GRID, GRID)
    values = [1.0] * len(ends)
    intervals = Series.of(RgmInterval, ends, values, values)
    meters = (MeterIntervals("1", None, Series.of(ChannelInterval, [1] * len(ends), ends, values, values)),)
    window = Window(START, ends[-1])
    part = RgmStats(7, 1, None, window, None, intervals, meters, Coverage(window, GRID))
    assert len(repr(part)) < 1500
    assert "35040 rows" in repr(part)


def test_sums_take_the_time_zone_of_the_system_or_another() -> None:
    """And refuse to guess one."""
    part = TRUTH.part(TRUTH.window)
    assert [(day.wh, day.got, day.expected) for day in part.sums("day")] == [(262.5, 2, 3)]
    assert str(part.sums("day")[0].start.tzinfo) == "Europe/Berlin"
    assert str(part.sums("day", timezone="Asia/Tokyo")[0].start.tzinfo) == "Asia/Tokyo"
    with pytest.raises(InputError, match=r"client\.systems"):
        evolve(part, timezone=None).sums("day")
    with pytest.raises(InputError, match="IANA"):
        part.sums("day", timezone="Mars")
