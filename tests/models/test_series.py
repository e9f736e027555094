"""Columns inside, rows on access: a sequence like any other, which cannot be changed."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.models import (
    Battery,
    BatteryInterval,
    ChannelInterval,
    RgmInterval,
    RgmStats,
    StorageInterval,
)
from enlighten_async.models.series import (
    NAN,
    Series,
    columns_of,
    concatenated,
    nan_to_none,
    row_class,
    to_int,
    to_number,
)
from tests.effort import examples

VALUES = st.none() | st.integers(-5, 5) | st.floats(-9, 9)
ROWS = st.lists(st.tuples(st.integers(0, 2**40), VALUES, VALUES), max_size=20)


def series(rows: list[tuple[int, float | None, float | None]]) -> object:
    """Return rows as a series."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return Series.of(
        RgmInterval, columns[0], *([NAN if v is None else v for v in column] for column in columns[1:])
    )


@examples(200)
@given(rows=ROWS, index=st.slices(20), at=st.integers(-25, 25))
def test_a_series_is_a_sequence(
    rows: list[tuple[int, float | None, float | None]], index: slice, at: int
) -> None:
    """Length, iteration, indexing, slices and membership are those of a list of its rows."""
    some = series(rows)
    plain = list(some)
    assert len(some) == len(plain) == len(rows)
    assert bool(some) == bool(rows)
    assert type(some[index]) is type(some)
    assert list(some[index]) == plain[index]
    assert list(reversed(some)) == plain[::-1]
    assert all(row in some for row in plain)
    if -len(rows) <= at < len(rows):
        assert some[at] == plain[at]
    else:
        with pytest.raises(IndexError):
            some[at]


@examples(200)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 20)).map(sorted))
def test_series_that_are_cut_and_joined_are_the_same(
    rows: list[tuple[int, float | None, float | None]], cuts: list[int]
) -> None:
    """Equal, nulls to nulls, with one hash."""
    some = series(rows)
    edges = [0, *cuts, len(rows)]
    again = concatenated([some[a:b] for a, b in zip(edges, [*edges[1:], len(rows)], strict=True) if a <= b])
    assert again == some
    assert hash(again) == hash(some)
    assert (again == some[1:]) == (not rows)


def test_other_series_differ() -> None:
    """By a value, by a null, by the kind of row."""
    one = Series.of(RgmInterval, [900], [1], [2])
    assert one != Series.of(RgmInterval, [900], [1], [3])
    assert one != Series.of(RgmInterval, [900], [1], [NAN])
    assert Series.of(RgmInterval) != Series.of(ChannelInterval)
    assert one != [one[0]]
    assert Series(list, {"a": array("d", [1])}) != Series(tuple, {"a": array("d", [1])})


def test_columns_cannot_be_written() -> None:
    """They are views of the numbers themselves, of at most 26 bytes per row."""
    for some in (Series.of(RgmInterval, [900], [1], [2]), Series.of(ChannelInterval, [1], [900], [1], [2])):
        assert sum(column.nbytes for column in some.columns.values()) <= 26
        assert some.columns["end_at"].tolist() == [900]
        for column in some.columns.values():
            assert column.readonly
            with pytest.raises(TypeError):
                column[0] = 7
        some.columns.clear()  # type: ignore[attr-defined]
        assert some.columns


@pytest.mark.parametrize(
    ("raw", "number", "integer", "value"),
    [
        (NAN, None, None, None),
        (2.0, 2, 2, 2.0),
        (2.5, 2.5, 2, 2.5),
        (-0.5, -0.5, 0, -0.5),
        (1e300, int(1e300), int(1e300), 1e300),
    ],
)
def test_raw_values_become_what_the_service_sent(
    raw: float, number: float | None, integer: int | None, value: float | None
) -> None:
    """A column holds floats only: whole numbers are whole again, NaN is null."""
    for convert, expected in ((to_number, number), (to_int, integer), (nan_to_none, value)):
        assert (convert(raw), type(convert(raw))) == (expected, type(expected))


def test_columns_are_those_of_the_fields() -> None:
    """By their types; figures of batteries are found on a path."""
    channels = [(column.name, column.typecode) for column in columns_of(ChannelInterval)]
    assert channels == [("channel", "h"), ("end_at", "q"), ("wh_del", "d"), ("curr_w", "d")]
    assert [column.path for column in columns_of(StorageInterval)] == [
        ("end_at",),
        ("charge", "enwh"),
        ("discharge", "enwh"),
        ("soc", "percent"),
    ]
    assert (row_class(RgmStats), row_class(Battery)) == (RgmInterval, BatteryInterval)
    with pytest.raises(ValueError, match="zip"):
        Series.of(RgmInterval, [900], [1])


def test_a_single_piece_is_the_whole_as_it_is() -> None:
    """Series are immutable, so nothing is copied."""
    piece = Series.of(RgmInterval, [900], [1], [2])
    assert concatenated([piece]) is piece


@given(
    pieces=st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.floats(), st.sampled_from([NAN, 0.0, -0.0]))), min_size=1
    )
)
def test_pieces_become_one_bit_by_bit(pieces: list[list[tuple[int, float, float]]]) -> None:
    """One after another, nulls and signs of zeros included; the pieces stay as they are."""
    series = [Series.of(RgmInterval, *zip(*rows, strict=True)) for rows in pieces]
    before = [{name: bytes(column) for name, column in each.columns.items()} for each in series]
    for name, column in concatenated(series).columns.items():
        assert bytes(column) == b"".join(each[name] for each in before)
    assert [{name: bytes(column) for name, column in each.columns.items()} for each in series] == before


@given(st.lists(st.tuples(st.lists(st.integers(0, 9)), st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_cuts_of_pieces_become_one(pieces: list[tuple[list[int], int, int]]) -> None:
    """As slices of the pieces, one after another, would; of one piece too."""
    series = [Series.of(RgmInterval, ends, ends, ends) for ends, *_ in pieces]
    cuts = [slice(first, end) for _, first, end in pieces]
    rows = [row for each, cut in zip(series, cuts, strict=True) for row in each[cut]]
    assert list(concatenated(series, cuts)) == rows
