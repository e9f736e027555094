"""Tables as the bytes of a file: what is read back is what was there, whichever kind of answer it is of."""

from __future__ import annotations

import csv
import datetime
import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import InputError, Table, models, write
from enlighten_async.export.columns import values_of
from enlighten_async.export.encoders import STEP_ROWS, CsvEncoder, Encoder, JsonLinesEncoder
from enlighten_async.export.escapes import cell
from tests.export.answers import HOSTILE, answer, kinds
from tests.world import World

KINDS = sorted(kinds(), key=lambda kind: kind.__name__)


def encoded(encoder: Encoder, *tables: Table) -> str:
    """Return the text of a file."""
    return (b"".join(map(encoder.encode, tables)) + encoder.finish()).decode()


def rows_of(table: Table) -> list[dict[str, Any]]:
    """Return the rows of a table, as JSON has them."""
    rows = []
    for batch in table.batches:
        columns = [
            values_of(field.type, column) for field, column in zip(table.fields, batch.columns, strict=True)
        ]
        rows += [
            {field.name: plain(value) for field, value in zip(table.fields, values, strict=True)}
            for values in zip(*columns, strict=True)
        ]
    return rows


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value.isoformat() if isinstance(value, datetime.date) else value


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_json_lines_hold_every_value(kind: type[Any]) -> None:
    """Null is null, an integer an integer, and no character is left that a terminal would obey."""
    table = answer(kind)._table()
    text = encoded(JsonLinesEncoder(), table)
    found = [json.loads(line) for line in text.splitlines()]
    assert found == rows_of(table)
    assert len(found) > 0
    assert text.replace("\n", "").isprintable()
    assert text.isascii()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_csv_holds_every_value(kind: type[Any]) -> None:
    """Nothing for null, lists and objects as JSON, and no text that a spreadsheet would run."""
    table = answer(kind)._table()
    found = list(csv.DictReader(io.StringIO(encoded(CsvEncoder(), table), newline="")))
    wanted = rows_of(table)
    for row, known in zip(found, wanted, strict=True):
        for name, value in known.items():
            text = row[name]
            if value is None or isinstance(value, str):
                assert text == cell(value or "")
            else:
                assert json.loads(text) == value
        assert not any(";" in text for text in row.values() if text[:1] in {"[", "{"})
    assert len(found) > 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_steps_of_rows_are_the_rows(kind: type[Any]) -> None:
    """Also of the last step, which is shorter, and of rows that hold lists."""
    table = answer(kind, 2 * STEP_ROWS + 9)._table()
    assert [json.loads(line) for line in encoded(JsonLinesEncoder(), table).splitlines()] == rows_of(table)


def test_integral_figures_are_integers_as_the_service_has_them() -> None:
    """In columns of fractions too."""
    table = answer(models.RgmStats)._table()
    figures = [row["wh_del"] for row in map(json.loads, encoded(JsonLinesEncoder(), table).splitlines())]
    assert {type(each) for each in figures} >= {int, type(None)}


@given(st.lists(st.integers(0, 2 * STEP_ROWS + 5), min_size=1, max_size=4), st.sampled_from([True, False]))
def test_the_same_rows_give_the_same_bytes(counts: list[int], as_json: bool) -> None:
    """In however many tables they come."""
    parts = [answer(models.Stats, count)._table() for count in counts]
    encoder = JsonLinesEncoder if as_json else CsvEncoder
    once = Table(parts[0].fields, tuple(batch for part in parts for batch in part.batches))
    text = encoded(encoder(), *parts)
    assert text == encoded(encoder(), once)
    assert len(text.splitlines()) == sum(counts) + (not as_json)


def test_a_hostile_text_comes_back() -> None:
    """From JSON as it was, from CSV as it may be shown."""
    table = answer(models.Systems)._table()
    assert json.dumps(HOSTILE)[1:-1] in encoded(JsonLinesEncoder(), table)
    shown = encoded(CsvEncoder(), table)
    assert "\x00" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("encoder", [CsvEncoder, JsonLinesEncoder])
def test_other_columns_are_refused(encoder: type[Encoder]) -> None:
    """They would be taken for those of the first."""
    used = encoder()
    used.encode(answer(models.Stats)._table())
    with pytest.raises(InputError, match="different columns"):
        used.encode(answer(models.RgmStats)._table())


@pytest.mark.parametrize("library", ["pyarrow", "nanoarrow"])
def test_a_missing_library_is_told_before_anything_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """By the extra that installs it."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=r'pip install "enlighten-async\[pyarrow\]"'):
        write(world.client().systems(), "a.parquet")
    assert world.emulator.counts.sent == 0
