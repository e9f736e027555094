"""Statements of two databases; parts as blobs: every type comes back as it was, a damaged one is told."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.cache.tables import (
    BLOB_FORMAT,
    MODELS,
    Statement,
    Unreadable,
    decode,
    decode_any,
    encode,
    statement,
)
from enlighten_async.models import Coverage, Gap, Meta, Reason, Receipt, RgmStats, StorageTelemetry
from enlighten_async.models.intervals import IntervalStats, SeriesResult
from enlighten_async.windows import Window
from tests.cache.parts import EMPTY, GRID, MONDAY, NOW, SYSTEM, at, filled, hours, meters, stats_part
from tests.effort import examples

FIGURES = (
    st.floats(allow_nan=False, allow_infinity=False, width=64) | st.just(float("nan")) | st.integers(0, 9)
)
MOMENTS = st.none() | st.floats(0, 4e9).map(at)
SOME = {
    "last_reported_aggregate_soc": st.none() | st.integers(0, 100) | st.floats(0, 100),
    "last_reported_soc": st.none() | st.integers(0, 100) | st.floats(0, 100),
    "last_reported_time": MOMENTS,
    "serial_number": st.text(),
}


@st.composite
def coverages(draw: st.DrawFn) -> Coverage:
    """Return what may be said of a window."""
    edges = sorted(draw(st.sets(st.integers(0, 96), min_size=2, max_size=8)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    windows = [Window(MONDAY + a * GRID, MONDAY + b * GRID) for a, b in pairs]
    gaps = tuple(Gap(window, draw(st.sampled_from(Reason))) for window in windows)
    notes = tuple(draw(st.lists(st.text(), max_size=2)))
    return Coverage(
        hours(0, 24), draw(st.sampled_from([300, 900])), gaps, draw(MOMENTS), draw(MOMENTS), notes
    )


@st.composite
def parts(draw: st.DrawFn, empty: Callable[..., IntervalStats[Any]]) -> IntervalStats[Any]:
    """Return an answer of a kind."""
    part = empty(SYSTEM, draw(coverages()))
    ends = [MONDAY + GRID * n for n in sorted(draw(st.sets(st.integers(1, 96), max_size=9)))]
    figures: dict[tuple[int, str], float] = {}

    def figure(end: int, name: str) -> float:
        return figures.setdefault((end, name), float(draw(FIGURES)))

    told = {name: draw(some) for name, some in SOME.items() if hasattr(part, name)}
    if isinstance(part, RgmStats):
        told["meter_intervals"] = meters(ends, figure)
    return evolve(
        part,
        total_devices=draw(st.integers(0, 99)),
        meta=draw(st.none() | st.builds(Meta, st.none() | st.text(), MOMENTS, MOMENTS, MOMENTS)),
        timezone=draw(st.none() | st.just("Europe/Berlin")),
        receipt=Receipt(sent=1),
        intervals=filled(part.intervals, ends, figure),
        **told,
    )


def leaves(kind: type[Any]) -> Iterator[str]:
    """Return the names of the kinds that nothing is derived from."""
    kinds = kind.__subclasses__()
    yield from [kind.__name__] if not kinds else (name for each in kinds for name in leaves(each))


def test_every_type_can_be_cached() -> None:
    """But for pages of devices, and what is no kind but what kinds have in common."""
    common = {"IntervalStats", "MicrosTelemetry", "Storage"}
    assert set(leaves(SeriesResult)) - common == set(MODELS)
    assert {type(empty(SYSTEM, Coverage(hours(0, 1), GRID))).__name__ for empty in EMPTY} == set(MODELS)


@pytest.mark.slow
@pytest.mark.parametrize("empty", EMPTY)
@examples(60)
@given(data=st.data())
def test_a_part_comes_back(empty: Callable[..., IntervalStats[Any]], data: st.DataObject) -> None:
    """With all it says of itself, whole numbers whole, but without what its query spent."""
    part = data.draw(parts(empty))
    back = decode(encode(part), type(part))
    assert back == part
    assert back.coverage == part.coverage
    assert back.receipt == Receipt()
    assert back.to_dict() == evolve(part, receipt=Receipt()).to_dict()
    assert decode_any(encode(part)) == part


def test_a_week_is_small() -> None:
    """Rows of a week take a few bytes each, with figures that vary."""
    window = hours(0, 7 * 24)
    ends = range(window.start + GRID, window.end + 1, GRID)
    part = stats_part(window)
    part = evolve(part, intervals=filled(part.intervals, ends, lambda end, _: float(end % 997)))
    assert len(encode(part)) < 6 * len(ends)


def damaged() -> Iterator[Any]:
    """Return what is no blob of a part of this kind."""
    good = encode(stats_part(hours(0, 24)))
    told = msgspec.msgpack.decode(zlib.decompress(good[1:]))
    yield from (b"", b"\x01", "text", 7, None, good[1:], b"\x02" + good[1:], good[:-1], good[:20])
    yield good[:40] + bytes([good[40] ^ 1]) + good[41:]
    part = told["part"]
    for wrong in (
        [],
        {**told, "model": "Systems"},
        {**told, "model": ["Stats"]},
        {**told, "part": {**part, "window": None}},
        {**told, "part": {**part, "intervals": [["end_at", "q", b"1234567"]]}},
        {**told, "part": {**part, "intervals": [["end_at", "Z", b""]]}},
        {**told, "part": {**part, "intervals": []}},
        {**told, "part": {**part, "intervals": [*part["intervals"][:3], ["enwh", "d", b""]]}},
        {**told, "part": {**part, "coverage": {**part["coverage"], "as_of": 1 << 60}}},
        {**told, "part": {**part, "coverage": {**part["coverage"], "holes": [{"reason": "luck"}]}}},
    ):
        yield BLOB_FORMAT + zlib.compress(msgspec.msgpack.encode(wrong))
    yield encode(EMPTY[1](SYSTEM, Coverage(hours(0, 1), GRID)))


@pytest.mark.parametrize("blob", list(damaged()))
def test_a_damaged_blob_is_told(blob: Any) -> None:
    """Whatever is wrong with it, and nothing else is raised."""
    with pytest.raises(Unreadable):
        decode(blob, type(stats_part(hours(0, 1))))


OLD_BLOB = b64decode(
    "AXgBfVHBSgJRFB0QhHYtW/oH0cYIWkgULYxItPX0cm7jgzfv2X1XxTaJSEHUInRZ0KAz6GKk+gIXbrNfaNM/uOylZCXo2d17"
    "zzlwz6kHnnJAPGdJIXMhBwI8IKx2igzppqermsCzufMW/4xIERO2A2WeBx3rGB5rhJoYlXQoFXpM9AXTZCMUFZLN6N2Kbz76"
    "t3fWdA8S0K2a/aCvioCMuJLGkNHIOkinwgqXjqrUA+OINHKjpNUG6Yzc/nWtS9yDCyUh2iuh0a7vAAoue1wSYJkJ3WqGhmus"
    "/PNhorX20NlPHx5HBq6BNYdmmC8wdMF3hom50884yIy3sqnLVKrZc7heTv+wak+Z8XZuQm9rlV/ke2LVEkfj5MS3m1dlE4EL"
    "V8v+7rhooo81goISoO/rC7nR7mqIwLSSpgkbVSVg2lZnvwVMOwHHLkniYrYPpCJj7MtIA3JThix5p4D+xuufJo3qO/+Z6OX/"
    "zXy88gVYDN6f"
)
"""A battery's four rows as an older version cached them."""


def test_a_blob_of_an_older_version_is_read() -> None:
    """With its rows, its gap, and the values of its last report; and it would be written just so."""
    part = decode(OLD_BLOB, StorageTelemetry)
    assert [end - MONDAY for end in part.intervals.columns["end_at"]] == [GRID * n for n in (5, 6, 7, 9)]
    assert [row.charge for row in part.intervals] == [68, None, 25, 79]
    assert [gap.window for gap in part.coverage.gaps()] == [hours(0, 1)]
    assert (part.serial_number, part.last_reported_soc, part.last_reported_time) == ("1", 9, at(NOW))
    assert zlib.decompress(encode(part)[1:]) == zlib.decompress(OLD_BLOB[1:])


def test_a_statement_is_told_in_the_words_of_both_databases() -> None:
    """With a prefix before tables, and values by number, in PostgreSQL."""
    made = statement(
        "SELECT a FROM {0}b AS b WHERE c = ? AND {d} = ?{e}", d=("d", "D"), e=("", " FOR UPDATE")
    )
    assert made == Statement(
        "SELECT a FROM b AS b WHERE c = ? AND d = ?",
        "SELECT a FROM enlighten_b AS b WHERE c = $1 AND D = $2 FOR UPDATE",
    )
