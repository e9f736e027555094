"""Values to columns in Arrow's layout, and back: nothing is lost."""

from __future__ import annotations

import datetime
from array import array
from collections.abc import Sequence
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.export.columns import (
    DataType,
    Field,
    bits,
    column_of,
    flags_of,
    floats,
    integers,
    repeated,
    timestamps,
    values_of,
)
from enlighten_async.models.series import NAN

NAMES = {
    "bool": st.booleans(),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "text": st.text(st.characters(exclude_categories=["Cs"])),
    "date": st.dates(),
    "timestamp": st.datetimes(timezones=st.just(datetime.UTC)),
}
SIMPLE = st.sampled_from(sorted(NAMES))


@st.composite
def typed(draw: st.DrawFn) -> tuple[DataType, list[object]]:
    """A type, and values of it with nulls among them."""
    name = draw(SIMPLE)
    return DataType(name), draw(st.lists(st.none() | NAMES[name], max_size=30))  # type: ignore[arg-type]


@given(flags=st.binary().map(lambda raw: bytes(each & 1 for each in raw)))
def test_bits_are_packed_lowest_first(flags: bytes) -> None:
    """As Arrow's specification has them, in as few bytes as there can be."""
    packed = bits(flags)
    assert len(packed) == (len(flags) + 7) // 8
    assert [packed[place // 8] >> place % 8 & 1 for place in range(len(flags))] == list(flags)
    assert flags_of(packed, len(flags)) == flags


@given(case=typed())
def test_values_come_back(case: tuple[DataType, list[object]]) -> None:
    """Of any plain type, nulls too."""
    kind, values = case
    column = column_of(kind, values)
    assert values_of(kind, column) == values
    assert column.nulls == values.count(None)
    assert (column.buffers[0] is None) == (None not in values)


@given(lists=st.lists(st.none() | st.lists(st.none() | st.integers(0, 9), max_size=4).map(tuple), max_size=9))
def test_lists_come_back(lists: list[tuple[int | None, ...] | None]) -> None:
    """A list that is null, an empty one and one that holds a null are told apart."""
    kind = DataType("list", (Field("item", DataType("int64")),))
    expected = [None if each is None else list(each) for each in lists]
    assert values_of(kind, column_of(kind, lists)) == expected


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400])
def test_an_integer_beyond_64_bits_is_null(value: int) -> None:
    """A service may send any; the other rows keep theirs."""
    kind = DataType("int64")
    assert values_of(kind, column_of(kind, [1, value, 2])) == [1, None, 2]


def test_half_of_a_surrogate_pair_costs_one_letter() -> None:
    """JSON can hold it, UTF-8 cannot."""
    kind = DataType("text")
    assert values_of(kind, column_of(kind, ["a\ud800b"])) == ["a?b"]


@given(seconds=st.lists(st.integers(0, 2**40 - 1)))
def test_instants_of_a_series_become_microseconds(seconds: list[int]) -> None:
    """Each of them, whatever stands beside it."""
    column = timestamps(array("q", seconds))
    assert list(column.buffers[1] or ()) == [each * 1_000_000 for each in seconds]


NUMBERS = st.lists(st.just(NAN) | st.integers(-9, 9).map(float), max_size=40)


@given(values=NUMBERS | st.lists(st.just(3.0)))
def test_integers_of_a_series_stay_integers(values: list[float]) -> None:
    """NaN is null; all equal, as counts of devices often are, or not."""
    expected = [None if isnan(each) else int(each) for each in values]
    assert same(values_of(DataType("int64"), integers(array("d", values))), expected)


@given(values=NUMBERS | st.lists(st.just(NAN) | st.floats(allow_nan=False, allow_infinity=False)))
def test_floats_of_a_series_are_not_copied(values: list[float]) -> None:
    """The buffer is the series' own column; NaN is null."""
    own = array("d", values)
    column = floats(own)
    assert column.buffers[1] is own
    assert same(values_of(DataType("float64"), column), [None if isnan(each) else each for each in values])


def same(one: Sequence[object], other: Sequence[object]) -> bool:
    """Tell whether values are equal, and of the same types."""
    return one == other and list(map(type, one)) == list(map(type, other))


@pytest.mark.parametrize("value", [1765, "121817030000", "", None, "ü🌞"])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_one_value_is_repeated(value: int | str | None, count: int) -> None:
    """As often as there are rows."""
    kind = DataType("int64" if isinstance(value, int) else "text")
    assert values_of(kind, repeated(value, count)) == [value] * count
