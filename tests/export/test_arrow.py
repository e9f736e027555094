"""Tables by Arrow's interface, as another library reads them."""

from __future__ import annotations

import sys
from typing import Any

import nanoarrow
import pytest

from enlighten_async import InputError, concat, models
from tests.export.answers import answer, intervals, kinds
from tests.export.test_answers import rows

KINDS = sorted(kinds(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
@pytest.mark.parametrize("count", [0, 9])
def test_another_library_reads_the_same_values(kind: type[Any], count: int) -> None:
    """Of every kind of answer; as often as it is asked."""
    shown = answer(kind, count)
    for _ in range(2):
        read = nanoarrow.ArrayStream(shown).read_all().to_pylist()
        assert read == rows(shown._table())


def test_a_series_has_the_documented_types() -> None:
    """Instants are microseconds of UTC, integers are integers, null is allowed where it can be."""
    types = [
        (each.name, each.type.name, each.nullable)
        for each in nanoarrow.Schema(answer(models.RgmStats)).fields
    ]
    assert types == [
        ("system_id", "INT64", False),
        ("end_at", "TIMESTAMP", False),
        ("devices_reporting", "INT64", True),
        ("wh_del", "DOUBLE", True),
    ]
    end = nanoarrow.Schema(answer(models.RgmStats)).field(1)
    assert (end.unit.name, end.timezone) == ("MICRO", "UTC")


def test_units_and_the_zone_are_in_the_metadata() -> None:
    """Of the fields, and of the whole."""
    told = nanoarrow.Schema(answer(models.RgmStats))
    assert dict(told.metadata.items()) == {b"timezone": b"Europe/Berlin"}
    assert dict(told.field(3).metadata.items()) == {b"unit": b"Wh"}


def test_the_stream_has_a_batch_for_each_answer() -> None:
    """A reader takes one after the other."""
    table = concat(intervals(models.RgmStats, count) for count in (3, 0, 5))
    assert [len(each) for each in nanoarrow.ArrayStream(table)] == [3, 0, 5]


def test_a_reader_may_wish_for_other_types() -> None:
    """It gets ours, as the interface allows, and converts them by itself."""
    shown = answer(models.RgmStats)
    wish = nanoarrow.Schema(nanoarrow.int32()).__arrow_c_schema__()
    assert shown.__arrow_c_stream__(wish) is not None


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it, in place of an ImportError."""
    monkeypatch.setitem(sys.modules, "nanoarrow", None)
    with pytest.raises(InputError, match=r'pip install "enlighten-async\[arrow\]"'):
        answer(models.RgmStats).__arrow_c_stream__()
    with pytest.raises(InputError, match=r'pip install "enlighten-async\[arrow\]"'):
        answer(models.RgmStats).__arrow_c_schema__()


@pytest.mark.parametrize("library", ["polars", "pandas", "arrow"])
def test_a_library_of_data_frames_that_is_missing_is_named(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the extra that installs it."""
    name = {"arrow": "pyarrow"}.get(library, library)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        InputError, match=rf'{name} is not installed: pip install "enlighten-async\[{name}\]"'
    ):
        getattr(answer(models.RgmStats), f"to_{library}")()
