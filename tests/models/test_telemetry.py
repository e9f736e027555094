"""All microinverters of a system: how the series of each are joined, over windows and over pages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from enlighten_async.models import Coverage, Gap, MicroInterval, MicrosTelemetry, MicroTelemetry, Reason
from enlighten_async.models.coverage import missing, nothing_missing
from enlighten_async.models.intervals import merge_parts
from enlighten_async.models.series import NAN, Series
from enlighten_async.windows import Window

GRID = 300
FIRST, SECOND, THIRD = (Window(n * 4 * GRID, (n + 1) * 4 * GRID) for n in range(3))
ALL = Window(FIRST.start, THIRD.end)


def device(serial: str, window: Window, *places: int) -> MicroTelemetry:
    """Return a microinverter with rows at these places of a window, counted from 1."""
    ends = [window.start + place * GRID for place in places]
    gaps = tuple(Gap(blank, Reason.NO_ROW) for blank in missing(window, ends, GRID))
    rows = Series.of(MicroInterval, ends, ends, ends)
    return evolve(MicroTelemetry.empty(7, Coverage(window, GRID, gaps), serial_number=serial), intervals=rows)


def page(window: Window, *devices: MicroTelemetry, total: int = 2) -> MicrosTelemetry:
    """Return a page that lists these microinverters."""
    return MicrosTelemetry(7, total, None, window, None, devices, Coverage(window, GRID))


def merged(parts: Sequence[MicrosTelemetry], *gaps: Gap) -> MicrosTelemetry:
    """Return parts joined over the whole of three windows."""
    return merge_parts(parts, MicrosTelemetry.empty(7, Coverage(ALL, GRID)), gaps)


def places(of: MicroTelemetry) -> list[int]:
    """Return the places of a microinverter's rows in the whole, counted from 1."""
    return [end // GRID for end in of.intervals.columns["end_at"]]


def reasons(coverage: Coverage) -> list[tuple[int, int, str]]:
    """Return the gaps by places, with their reasons."""
    return [(gap.window.start // GRID, gap.window.end // GRID, gap.reason.value) for gap in coverage.gaps()]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], {}),
        ([page(FIRST, device("a", FIRST, 1))], {"a": [1]}),
        ([page(FIRST, device("a", FIRST, 1)), page(SECOND, device("a", SECOND, 2))], {"a": [1, 6]}),
        ([page(SECOND, device("a", SECOND, 2)), page(FIRST, device("a", FIRST, 1))], {"a": [1, 6]}),
        ([page(FIRST, device("b", FIRST, 1)), page(FIRST, device("a", FIRST, 2))], {"b": [1], "a": [2]}),
        ([page(FIRST, device("a", FIRST, 1)), page(FIRST, device("a", FIRST, 1, 2))], {"a": [1, 2]}),
        ([page(ALL, device("a", ALL, 1)), page(SECOND, device("a", SECOND, 2))], {"a": [1, 6]}),
    ],
    ids=[
        "no part",
        "one",
        "side by side",
        "in any order",
        "other devices, in the order of pages",
        "listed twice: the rows of both",
        "overlap: the rows of both",
    ],
)
def test_devices_are_joined(parts: list[MicrosTelemetry], expected: dict[str, list[int]]) -> None:
    """Each with all of its rows, none twice."""
    assert {each.serial_number: places(each) for each in merged(parts)} == expected


def test_of_a_device_listed_twice_no_value_is_lost() -> None:
    """A null never replaces a value; of two values the later counts; what has a row is no gap."""
    nulls, some = device("a", ALL, 1, 2, 5), device("a", SECOND, 1, 3)
    first = evolve(nulls, intervals=Series.of(MicroInterval, [300, 600, 1500], [7, NAN, 8], [NAN, 6, NAN]))
    second = evolve(some, intervals=Series.of(MicroInterval, [1500, 2100], [NAN, 1], [2, 3]))
    for pages in ((page(ALL, first), page(SECOND, second)), (page(SECOND, second), page(ALL, first))):
        (joined,) = merged(pages)
        assert [(row.powr, row.enwh) for row in joined.intervals] == [(7, None), (None, 6), (8, 2), (1, 3)]
        assert reasons(joined.coverage) == [(2, 4, "no_row"), (5, 6, "no_row"), (7, 12, "no_row")]


def test_what_was_left_out_of_a_page_is_told_of_the_whole() -> None:
    """By a gap of no length, which is none of the other devices."""
    odd = device("a", FIRST, 1, 2, 3, 4)
    odd = evolve(odd, coverage=evolve(odd.coverage, gaps=(nothing_missing(FIRST),)))
    first = page(FIRST, odd, device("b", FIRST, 1, 2, 3, 4))
    first = evolve(first, coverage=evolve(first.coverage, gaps=(nothing_missing(FIRST),)))
    whole = merged([first, page(SECOND, device("b", SECOND, 1, 2, 3, 4))], Gap(THIRD, Reason.NO_ROW))
    assert not whole.coverage.complete
    assert {each.serial_number: each.coverage.complete for each in whole} == {"a": False, "b": True}
    twice = merged([page(FIRST, odd), page(FIRST, device("a", FIRST, 1, 2, 3, 4))])
    assert not twice.devices[0].coverage.complete


def test_a_device_that_was_not_listed_has_no_rows() -> None:
    """Or was not asked for, as nobody was."""
    parts = [page(FIRST, device("a", FIRST, 1, 2, 3, 4), device("b", FIRST, 1, 2, 3, 4))]
    parts.append(page(SECOND, device("a", SECOND, 1, 2, 3, 4)))
    whole = merged(parts, Gap(THIRD, Reason.REFUSED))
    assert reasons(whole.coverage) == [(8, 12, "refused")]
    assert {each.serial_number: reasons(each.coverage) for each in whole} == {
        "a": [(8, 12, "refused")],
        "b": [(4, 8, "no_row"), (8, 12, "refused")],
    }
    assert whole.total_devices == 2


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([(FIRST, Reason.FAILED), (FIRST, Reason.REFUSED)], [(0, 4, "failed")]),
        ([(ALL, Reason.FAILED), (SECOND, Reason.REFUSED)], [(0, 12, "failed")]),
        (
            [(FIRST, Reason.FAILED), (ALL, Reason.REFUSED)],
            [(0, 4, "failed"), (4, 12, "refused")],
        ),
        ([(SECOND, Reason.FAILED), (FIRST, Reason.FAILED)], [(0, 8, "failed")]),
    ],
    ids=["one stretch, two reasons", "one within another", "one that goes on", "neighbours"],
)
def test_gaps_of_pages_share_no_time(
    gaps: list[tuple[Window, Reason]], expected: list[tuple[int, int, str]]
) -> None:
    """Several pages of a window may be missing: the first reason is told."""
    assert reasons(merged([], *(Gap(*gap) for gap in gaps)).coverage) == expected


def test_the_newest_count_of_devices_holds() -> None:
    """A part that stands for an error counts none."""
    parts = [page(FIRST, total=3), page(SECOND, total=5), page(THIRD, total=0)]
    assert merged(parts).total_devices == 5
    assert merged([]).total_devices == 0
