"""Documents: every answer as plain values and as JSON, and back to an equal one."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from attrs import evolve, fields, has, resolve_types
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import models
from enlighten_async.errors import InputError
from enlighten_async.export import documents, shapes
from enlighten_async.models.convert import ToDict
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.intervals import Meta, SeriesResult
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.series import NAN, Series, columns_of, row_class
from enlighten_async.windows import DAY, Window
from tests.effort import examples
from tests.export.answers import GRID, START, answer, kinds, row

DOCUMENTED = [
    kind
    for kind in (getattr(models, name) for name in models.__all__)
    if isinstance(kind, type) and issubclass(kind, ToDict)
]
INSTANTS = st.timedeltas(datetime.timedelta(1), datetime.timedelta(100_000)).map(
    lambda since: datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + since
)
WHOLE = st.integers(-(2**53), 2**53)
FIGURES = WHOLE.map(float) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-(2**70), 2**70),
    float: WHOLE | st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=8),
    datetime.date: st.dates(datetime.date(1971, 1, 1), datetime.date(2280, 1, 1)),
    datetime.datetime: INSTANTS,
    Reason: st.sampled_from(Reason),
    type(None): st.none(),
    object: st.none(),
}


COUNTS: dict[type[Any], tuple[str, ...]] = {
    models.Receipt: ("sent", "rejected", "retried", "from_cache", "waited", "left"),
    models.Estimate: ("at_least", "at_most", "from_cache", "pruned", "month_share"),
    models.QuotaWindow: ("limit", "used", "left"),
    models.QuotaStatus: ("in_flight", "queued", "learned"),
    models.Coverage: ("grid",),
}
"""Counts that this library makes itself."""


def windows() -> st.SearchStrategy[Window]:
    """Windows on the grid."""
    pairs = st.tuples(st.integers(0, 10**6), st.integers(0, 50))
    return pairs.map(lambda pair: Window(GRID * pair[0], GRID * (pair[0] + pair[1])))


@st.composite
def coverages(draw: st.DrawFn) -> Coverage:
    """Any coverage."""
    gaps = draw(st.lists(st.builds(Gap, windows(), st.sampled_from(Reason)), max_size=3))
    times = [draw(st.none() | INSTANTS) for _ in range(2)]
    notes = draw(st.lists(st.text(max_size=5), max_size=2))
    return Coverage(draw(windows()), GRID, tuple(gaps), times[0], times[1], tuple(notes))


@st.composite
def series(draw: st.DrawFn, row: type[Any]) -> Series[Any]:
    """Any series of a class of rows."""
    values = {
        "q": st.integers(0, 9_999_999_999),
        "h": st.integers(1, 9),
        "d": st.just(NAN) | FIGURES,
    }
    count = draw(st.integers(0, 5))
    whole = WHOLE.map(float) | st.just(NAN)
    own, columns = columns_of(row), []
    for column in own:
        kind = whole if "devices" in column.name else values[column.typecode]
        columns.append(draw(st.lists(kind, min_size=count, max_size=count)))
    order = [place for place, column in enumerate(own) if column.typecode in "hq"]  # each channel by itself
    rows = sorted(zip(*columns, strict=True), key=lambda row: [row[place] for place in order])
    return Series.of(row, *zip(*rows, strict=True))


def value_of(hint: Any, owner: type[Any]) -> st.SearchStrategy[Any]:
    """Return any value of a type."""
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, UnionType):
        return st.one_of(*(value_of(each, owner) for each in get_args(hint)))
    origin, args = get_origin(hint), get_args(hint)
    if origin is Series:
        return series(row_class(owner) if owner is not models.MeterIntervals else args[0])
    if origin is tuple:
        return st.lists(value_of(args[0], owner), max_size=2).map(tuple)
    if origin is not None:
        return st.dictionaries(st.text(max_size=3), value_of(args[1], owner), max_size=2)
    special = {Window: windows, Coverage: coverages}
    return special[hint]() if hint in special else any_of(hint)


def same(value: Any) -> Any:
    """Return a value as it is."""
    return value


def absolute(count: Any) -> Any:
    """Return a count that is not below zero, or several by name."""
    if isinstance(count, dict):
        return {name: abs(each) for name, each in count.items()}
    return None if count is None else abs(count)


@st.composite
def any_of(draw: st.DrawFn, kind: type[Any]) -> Any:
    """Any model of a class."""
    if kind in {Gap, Coverage}:
        return draw(coverages() if kind is Coverage else st.builds(Gap, windows(), st.sampled_from(Reason)))
    resolve_types(kind)
    hints = {each.name: each.type for each in fields(kind)}
    given_values = {
        each.alias: draw(
            value_of(hints[each.name], kind).map(absolute if each.name in COUNTS.get(kind, ()) else same)
        )
        for each in fields(kind)
    }
    if issubclass(kind, Lifetime) and any(given_values[name] for name in kind._columns):
        given_values["start_date"] = draw(PLAIN[datetime.date])
    return kind(**given_values)


@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
@examples(8)
@given(data=st.data())
def test_there_and_back(kind: type[Any], data: st.DataObject) -> None:
    """An equal answer, with its coverage and cost; by JSON of rows and of columns."""
    before = data.draw(any_of(kind))
    plain = before.to_dict()
    assert json.loads(before.to_json()) == json.loads(json.dumps(plain, allow_nan=False))
    for after in (
        kind.from_dict(plain),
        kind.from_dict(json.loads(json.dumps(plain))),
        kind.from_json(before.to_json()),
        kind.from_json(before.to_json(columns=True).decode()),
    ):
        assert after == before
        assert type(after) is kind
        for each in ("as_of", "receipt", "notes", "complete"):
            assert getattr(after, each, None) == getattr(before, each, None)
        assert after.to_dict() == plain


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_no_seconds_are_left(kind: type[Any]) -> None:
    """Instants are texts throughout; each attribute is told by its name."""
    given_answer = answer(kind)
    plain: Any = given_answer.to_dict()
    assert {each.name for each in fields(kind)} - {*plain} <= {"missing", "notes"}
    if issubclass(kind, SeriesResult):
        assert plain["window"] == {
            "start_at": datetime.datetime.fromtimestamp(START, datetime.UTC).isoformat(),
            "end_at": given_answer.window.end_at.isoformat(),
        }
    assert '_s":' not in given_answer.to_json().decode()


def test_a_coverage_tells_what_a_page_shows() -> None:
    """Whether it is complete, of how many; a gap is two instants and a reason."""
    gap = Gap(Window(START + GRID, START + 2 * GRID), Reason.FAILED)
    plain = Coverage(Window(START, START + 4 * GRID), GRID, (gap,)).to_dict()
    assert (plain["complete"], plain["got"], plain["expected"]) == (False, 3, 4)
    assert plain["gaps"] == [
        {
            "start_at": "2025-06-15T15:30:00+00:00",
            "end_at": "2025-06-15T15:45:00+00:00",
            "reason": "failed",
        }
    ]


def test_half_of_a_surrogate_pair_costs_one_character() -> None:
    """JSON can hold it, UTF-8 cannot: the answer comes all the same."""
    meta = Meta(status="half \ud800")
    assert Meta.from_json(meta.to_json()).status == "half ?"


def test_days_have_their_dates() -> None:
    """Beside the values, and with the coverage."""
    plain: Any = answer(models.EnergyLifetime, 3).to_dict()
    assert plain["dates"] == ["2026-03-28", "2026-03-29", "2026-03-30"]
    assert len(plain["production"]) == 3
    assert (plain["coverage"]["got"], plain["coverage"]["complete"]) == (3, True)


def test_a_zero_below_zero_is_zero() -> None:
    """On the way back it is equal, as its row is."""
    before = Series.of(models.RgmInterval, [START], [1.0], [-0.0])
    after = models.RgmStats.from_json(evolve(answer(models.RgmStats), intervals=before).to_json()).intervals
    assert (after, after[0]) == (before, before[0])
    assert before != Series.of(models.RgmInterval, [START], [1.0], [NAN])


IRREGULAR = [
    [GRID * n for n in range(250)],
    [GRID * n for n in range(250) if n not in {40, 41, 130}],
    [300 * n + 7 for n in range(700)],
    [GRID * n for n in range(100)] + [DAY + GRID * 100 + n for n in range(100)],
    [7 * n for n in range(20)],
    [86_399, 86_400],
    [0],
]


@pytest.mark.parametrize("ends", IRREGULAR, ids=lambda ends: f"{len(ends)}-{ends[-1]}")
@pytest.mark.parametrize("rows", [pytest.param(3, marks=pytest.mark.slow), 100, 10_000])
def test_instants_are_those_of_the_rows(ends: list[int], rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At regular distances or not, wherever a step ends and however often they come."""
    monkeypatch.setattr(documents, "PIECE_ROWS", rows)
    monkeypatch.setattr(documents, "PIECE_BYTES", 10 * rows)
    channels, count = 3, len(ends)
    before = Series.of(
        models.ChannelInterval,
        [1 + n // count for n in range(channels * count)],
        [START + end for end in ends] * channels,
        [NAN if n % 5 == 4 else n / 4 for n in range(channels * count)],
        [float(n) for n in range(channels * count)],
    )
    meter = models.MeterIntervals("7", None, before)
    plain = json.loads(meter.to_json())
    assert [row["end_at"] for row in plain["intervals"]] == [row.end_at.isoformat() for row in before]
    assert plain == meter.to_dict()
    for text in (meter.to_json(), meter.to_json(columns=True), json.dumps(plain, indent=2)):
        assert models.MeterIntervals.from_json(text) == meter
    assert models.MeterIntervals.from_dict(plain) == meter


def test_json_of_others_is_read() -> None:
    """With any white space, in any order, and what looks like a series in a text."""
    before = evolve(answer(models.RgmStats, 7), timezone='"intervals":[{ \\"intervals":[1]')
    for columns in (False, True):
        plain = json.loads(before.to_json(columns=columns))
        for text in (json.dumps(plain), json.dumps(plain, indent=1), json.dumps(plain, sort_keys=True)):
            assert models.RgmStats.from_json(text) == before


@pytest.mark.parametrize("note", ["]", "}, {", '"intervals":[', {"a": [1]}, [5], 5, '"wh_del":[1]'])
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_series_has_no_others(note: object, *, columns: bool, first: bool) -> None:
    """Rows and columns with more than their own are of another kind; told alike, whatever it looks like."""
    plain: Any = json.loads(answer(models.RgmStats, 7).to_json(columns=columns))
    inner = plain["intervals"] if columns else plain["intervals"][3]
    values = [("note", note), *inner.items()] if first else [*inner.items(), ("note", note)]
    inner.clear()
    inner.update(values)
    for read, given_values in (
        (models.RgmStats.from_dict, plain),
        (models.RgmStats.from_json, json.dumps(plain)),
    ):
        with pytest.raises(InputError, match=r"note.*\$\.intervals"):
            read(given_values)  # type: ignore[operator]


def test_columns_are_lists_by_name() -> None:
    """Null is null, an integral figure an integer; a long series has all its steps."""
    count = 2 * documents.PIECE_ROWS + 1
    before = answer(models.RgmStats, count)
    written = json.loads(before.to_json(columns=True))["intervals"]
    rows = json.loads(before.to_json())["intervals"]
    assert {name: len(values) for name, values in written.items()} == dict.fromkeys(rows[0], count)
    assert [dict(zip(written, row, strict=True)) for row in zip(*written.values(), strict=True)] == rows
    assert b".0" not in before.to_json()
    assert None in written["wh_del"]


ROW: dict[str, object] = {"end_at": "2025-06-15T15:45:00+00:00", "devices_reporting": 1, "wh_del": 2}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"system_id": "7"}, r"system_id"),
        ({"system_id": True}, r"system_id"),
        ({"window": {"start_at": "2025-06-15T15:30:00", "end_at": "2025-06-15T15:30:00+00:00"}}, "window"),
        ({"window": 5}, "window"),
        (
            {"window": {"start_at": "2025-06-15T15:30:00+00:00", "end_at": "2025-06-15T15:00:00+00:00"}},
            "before the start_at @ .*window",
        ),
        ({"coverage": {}}, "coverage"),
        ({"intervals": {"end_at": []}}, "intervals"),
        ({"intervals": {"end_at": [], "devices_reporting": [1], "wh_del": []}}, "intervals"),
        ({"intervals": [5]}, "intervals"),
        ({"intervals": "abc"}, "intervals"),
        ({"meter_intervals": "ab"}, "meter_intervals"),
        ({"timezone": 5}, "timezone"),
        ({"total_devices": 2.5}, "total_devices"),
        ({"total_devices": True}, "total_devices"),
        (
            {"window": {"start_at": "2025-06-15T15:30:00+00:00", "end_at": "2025-06-15T15:30:00.9+00:00"}},
            "window",
        ),
        ({"intervals": [ROW, {**ROW, "devices_reporting": 2.5}]}, r"\[1\].devices_reporting. @ \$.intervals"),
        ({"intervals": [ROW] * 2_500 + [{**ROW, "wh_del": True}]}, r"\[2500\].wh_del. @ \$.intervals"),
        ({"intervals": [{**ROW, "wh_del": float("inf")}]}, "wh_del"),
        ({"intervals": [{**ROW, "wh_del": float("nan")}]}, "wh_del"),
        ({"intervals": [{**ROW, "wh_del": "7"}]}, "wh_del"),
        ({"intervals": [{**ROW, "devices_reporting": 10**18}]}, "devices_reporting"),
        ({"intervals": [{**ROW, "end_at": None}]}, "end_at"),
        ({"intervals": [{**ROW, "end_at": "2025-06-15T15:45:00"}]}, "intervals"),
        ({"intervals": [{**ROW, "end_at": "2025-06-15T15:45:00.9+00:00"}]}, "intervals"),
        ({"intervals": [ROW, {**ROW, "end_at": "2025-06-15T15:30:00+00:00"}]}, "order of time @ .*intervals"),
        ({"intervals": {"end_at": [ROW["end_at"]], "devices_reporting": [1], "wh_del": [True]}}, "intervals"),
        ({"intervals": {"end_at": [ROW["end_at"]], "devices_reporting": [1], "wh_del": 5}}, "intervals"),
    ],
)
def test_other_values_are_refused(change: dict[str, object], told: str) -> None:
    """With the place of the first one, and without its value."""
    plain = {**answer(models.RgmStats).to_dict(), **change}
    with pytest.raises(InputError, match=told) as caught:
        models.RgmStats.from_dict(plain)
    assert str(caught.value).startswith("no RgmStats as to_dict() gives it")
    with pytest.raises(InputError) as again:
        models.RgmStats.from_json(json.dumps(plain))
    assert str(again.value) == str(caught.value) or "NaN" in json.dumps(plain) or "Inf" in json.dumps(plain)


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{", b"\xff", "5", b'{"a": 1}'])
def test_other_texts_are_refused(wrong: bytes | str) -> None:
    """As no JSON, or as JSON of something else."""
    with pytest.raises(InputError, match="no Summary as"):
        models.Summary.from_json(wrong)


@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
def test_a_document_has_all_its_values_and_no_other(kind: type[Any]) -> None:
    """Else it is one of another kind, or was cut: that is told with the place, wherever it is."""
    assert has(kind)
    plain: Any = kind_of(kind).to_dict()
    # Of lists of the same things, the last one.
    for inner in {path[-1:]: inner for path, inner in objects_of(plain)}.values():
        inner["strange"] = 1
        with pytest.raises(InputError, match="strange"):
            pytest.fail(f"more than {[*inner]}: {kind.from_dict(plain)}")
        del inner["strange"]
        for name in {*inner} - (FOLLOWING if {"gaps", "dates"} & {*inner} else set()):
            before = inner.pop(name)
            with pytest.raises(InputError, match=name):
                pytest.fail(f"no {name} in {[*inner]}: {kind.from_dict(plain)}")
            inner[name] = before
    assert kind.from_dict(plain) == kind_of(kind)


FOLLOWING = {"complete", "got", "expected", "dates"}
"""What follows from other values, and may be left out."""


def objects_of(values: Any, *path: str | int) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Yield the objects in values whose names are fixed, each with its path."""
    if isinstance(values, list):
        for place, each in enumerate(values):
            yield from objects_of(each, *path, place)
    if isinstance(values, dict) and path[-1:] not in {("left",), ("waited",), ("learned",), ("others",)}:
        yield path, values
        for name, each in values.items():
            yield from objects_of(each, *path, name)


def test_a_document_of_another_kind_is_refused() -> None:
    """Never is it an answer without rows; only kinds of the very same values cannot be told apart."""
    documents_of = {kind: kind_of(kind) for kind in DOCUMENTED}
    for kind in DOCUMENTED:
        for other, before in documents_of.items():
            if kind is other:
                continue
            for columns in (False, True):
                try:
                    found = kind.from_json(before.to_json(columns=columns))
                except InputError:
                    continue
                assert found.to_dict() == before.to_dict(), (kind, other)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (models.Systems, {}),
        (models.Systems, {"system_id": 1765}),
        (models.EventTypes, {"a": 1}),
        (models.InvertersSummary, {}),
        (models.Envoys, {"system_id": 1765}),
        (models.Summary, {"system_id": 1765}),
        (models.Systems, [1]),
        (models.RgmStats, 3),
    ],
)
def test_nothing_is_made_up(kind: type[Any], values: object) -> None:
    """A document that is cut is no answer without rows."""
    with pytest.raises(InputError, match=f"no {kind.__name__} as to_dict"):
        kind.from_dict(values)


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000, '{"intervals":[' * 100_000])
def test_depth_is_an_error_as_any_other(deep: str) -> None:
    """Of what others send, say."""
    with pytest.raises(InputError, match="no RgmStats as"):
        models.RgmStats.from_json(deep)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in COUNTS for name in COUNTS[kind]])
def test_no_count_is_below_zero(kind: type[Any], name: str) -> None:
    """What the service counts is as it sent it; what this library counts is not."""
    plain = kind_of(kind).to_dict()
    plain[name] = (
        {"minute": -1} if isinstance(plain[name], dict) else -0.5 if isinstance(plain[name], float) else -1
    )
    for follows in ("complete", "got", "expected"):
        plain.pop(follows, None)
    with pytest.raises(InputError, match=rf"{name} is below"):
        kind.from_dict(plain)


def test_the_place_of_a_count_is_told() -> None:
    """Wherever the cost stands."""
    plain = {
        **answer(models.RgmStats).to_dict(),
        "receipt": {**models.Receipt().to_dict(), "left": {"minute": -1}},
    }
    with pytest.raises(InputError, match=r"left is below zero @ \$\.receipt"):
        models.RgmStats.from_dict(plain)


WINDOW = Window(START, START + 2 * GRID)


def places(values: Any, *before: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value that is neither a list nor an object, and of each list and object."""
    if before:
        yield before
    if isinstance(values, dict | list):
        for name, each in values.items() if isinstance(values, dict) else enumerate(values):
            yield from places(each, *before, name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
def test_each_field_is_checked(kind: type[Any]) -> None:
    """What is not of the shape is an error, wherever it stands: of a series in rows or not."""
    shape = getattr(shapes, f"{kind.__name__}Dict")
    before = kind_of(kind).to_dict()
    assert kind.from_dict(msgspec.convert(before, shape)) == kind_of(kind)
    # Of lists of the same things, the last one: their fields are the same.
    for path in {(len(each), each[-1]): each for each in places(before)}.values():
        for wrong in WRONG:
            plain = inner = kind_of(kind).to_dict()
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = wrong
            if not is_of_shape(plain, shape):
                with pytest.raises(InputError, match=str(path[0])):
                    pytest.fail(f"{path} may be {wrong}: {kind.from_dict(plain)}")


def is_of_shape(plain: object, shape: Any) -> bool:
    """Return whether plain values are those of a TypedDict."""
    try:
        msgspec.convert(plain, shape)
    except msgspec.ValidationError:
        return False
    return True


WRONG: list[object] = [True, 2.5, "x", [[]], {"x": 1}, None]


def kind_of(kind: type[Any]) -> Any:
    """Return an object of a class."""
    if kind in kinds():
        return answer(kind, 2)
    return OTHERS[kind] if kind in OTHERS else row(kind, 0)


OTHERS: dict[type[Any], Any] = {
    models.Coverage: Coverage(WINDOW, GRID, (Gap(WINDOW, Reason.FAILED),)),
    models.Estimate: models.Estimate(1, 2, 3, 4, WINDOW.end_at, 0.5, True),
    models.Gap: Gap(WINDOW, Reason.FAILED),
    models.MeterIntervals: answer(models.RgmStats).meter_intervals[0],
    models.QuotaStatus: models.QuotaStatus(
        WINDOW.end_at,
        row(models.QuotaWindow, 0),
        row(models.QuotaWindow, 0),
        None,
        in_flight=1,
        queued=2,
        waiting=None,
        until=None,
        learned={"minute": 3},
    ),
    models.Receipt: models.Receipt(waited={"minute": 1.5}, left={"minute": 3}),
}
