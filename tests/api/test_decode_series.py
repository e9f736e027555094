"""Answers of `/rgm_stats`: exactly the rows inside, or an error that keeps the answer."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import weakref
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from enlighten_async.api.series import SeriesRequests
from enlighten_async.api.v2.series import RGM_STATS
from enlighten_async.errors import DecodeError
from enlighten_async.models import Meta, Reason, RgmStats
from enlighten_async.windows import Window
from enlighten_async.wire import LongWorkError, Response
from tests.api.mutated import mutated
from tests.api.v2.answers import DATE, GRID, START, SYSTEM, Case, Row, answer, cases, dense, ends
from tests.effort import examples

DAY = Window(START, START + 96 * GRID)


def rgm_stats(response: Response, system_id: int, window: Window | None) -> RgmStats:
    """Decode an answer."""
    return SeriesRequests(RGM_STATS, system_id, {}).read(response, window)


def at(moment: float) -> datetime:
    """Return epoch seconds as a datetime."""
    return datetime.fromtimestamp(moment, UTC)


def site(stats: RgmStats) -> dict[int, tuple[Any, Any]]:
    """Return a system's rows by their ends; none comes twice, all are in order."""
    rows = {int(row.end_at.timestamp()): (row.wh_del, row.devices_reporting) for row in stats.intervals}
    assert len(rows) == len(stats.intervals)
    assert list(rows) == sorted(rows)
    return rows


def meters(stats: RgmStats) -> dict[str, dict[tuple[int, int], tuple[Any, Any]]]:
    """Return rows of meters by channel and end; grouped by channel, in order, each once."""
    found = {
        meter.meter_serial_number: {
            (row.channel, int(row.end_at.timestamp())): (row.wh_del, row.curr_w) for row in meter.intervals
        }
        for meter in stats.meter_intervals
    }
    for meter, rows in zip(stats.meter_intervals, found.values(), strict=True):
        assert len(rows) == len(meter.intervals)
        assert list(rows) == sorted(rows)
    return found


def reasons(stats: RgmStats) -> dict[int, Reason]:
    """Return why each missing interval is missing."""
    return {end: gap.reason for gap in stats.coverage.gaps() for end in ends(gap.window)}


@pytest.mark.slow
@examples(400)
@given(case=cases())
def test_exactly_the_rows_inside(case: Case) -> None:
    """Whatever their order; the last word counts; what does not belong is left out, and told."""
    stats = rgm_stats(answer(case.body), SYSTEM, case.window)
    assert site(stats) == case.site
    assert meters(stats) == case.meters
    assert bool(stats.coverage.notes) is case.notes
    assert stats.coverage.complete is case.complete
    assert (stats.system_id, stats.window, stats.timezone) == (SYSTEM, case.window, None)
    assert set(reasons(stats)) == set(ends(case.window)) - set(case.site)
    assert stats.coverage.got == len(case.site)
    assert stats.coverage.as_of == at(DATE)
    json.dumps(stats.to_dict(), allow_nan=False)


@examples(100)
@given(case=cases())
def test_without_a_range_it_is_what_the_rows_span(case: Case) -> None:
    """The service's own today."""
    rows = [{"end_at": end} for end in case.site]
    stats = rgm_stats(answer({"system_id": SYSTEM, "intervals": rows}), SYSTEM, None)
    assert site(stats).keys() == case.site.keys()
    spanned = Window(min(case.site) - GRID, max(case.site)) if case.site else Window(0, 0)
    assert stats.window == spanned


MOMENTS = st.none() | st.integers(START - 3 * GRID, START + 15 * GRID)


@examples(300)
@given(
    got=st.sets(st.integers(1, 12)),
    operational=MOMENTS,
    report=MOMENTS,
    energy=MOMENTS,
    devices=st.none() | st.integers(0, 2),
)
def test_why_rows_are_missing(
    got: set[int], operational: int | None, report: int | None, energy: int | None, devices: int | None
) -> None:
    """No device, before operation, after the last report or energy (or row, if not told), or no row."""
    window = Window(START, START + 12 * GRID)
    there = [START + n * GRID for n in sorted(got)]
    body = {
        "system_id": SYSTEM,
        "total_devices": devices,
        "intervals": [{"end_at": end} for end in there],
        "meta": {"last_report_at": report, "last_energy_at": energy, "operational_at": operational},
    }
    stats = rgm_stats(answer(body), SYSTEM, window)
    until = min(
        [moment for moment in (report, energy) if moment is not None], default=max(there, default=None)
    )
    expected = {}
    for end in sorted(set(ends(window)) - set(there)):
        if devices == 0 and not there:
            expected[end] = Reason.NO_DEVICE
        elif operational is not None and end <= operational:
            expected[end] = Reason.BEFORE_OPERATION
        elif until is not None and end > until:
            expected[end] = Reason.NOT_REPORTED_YET
        else:
            expected[end] = Reason.NO_ROW
    assert reasons(stats) == expected
    assert stats.coverage.complete
    assert stats.coverage.reported_until == (None if until is None else at(until))


def test_a_real_answer() -> None:
    """Dense, channel by channel; nothing is noted, nothing is missing."""
    stats = rgm_stats(answer(dense(DAY, operational_at=5)), SYSTEM, DAY)
    assert stats.meta == Meta("normal", at(DAY.end + 7), None, at(5))
    assert stats.total_devices == 2
    assert (stats.coverage.gaps(), stats.coverage.notes) == ((), ())
    assert [meter.channels for meter in stats.meter_intervals] == [(1, 2, 3)] * 2
    assert [meter.envoy_serial_number for meter in stats.meter_intervals] == ["12", "12"]
    for meter in stats.meter_intervals:
        for channel in (1, 2, 3):
            rows = meter.channel(channel)
            assert rows.columns["end_at"].tolist() == list(ends(DAY))
            assert rows.columns["wh_del"].tolist() == [end % 7 + 0.1 for end in ends(DAY)]


def test_meters_without_gaps_share_their_channels_and_ends() -> None:
    """They are compared as wholes and made once; a meter with a gap has columns of its own."""
    body = dense(DAY, meters=3)
    del body["meter_intervals"][2]["intervals"][5]
    first, second, third = (
        meter.intervals._columns for meter in rgm_stats(answer(body), SYSTEM, DAY).meter_intervals
    )
    for name in ("channel", "end_at"):
        assert first[name] is second[name]
        assert first[name] != third[name]
    assert first["wh_del"] is not second["wh_del"]


PLACES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=12)


@examples(400)
@example(places=[(0, 1), (0, 2), (1, 1), (2, 2)], channels=1, last=1)  # by their ends alone two channels
@given(places=PLACES | PLACES.map(sorted), channels=st.integers(1, 3), last=st.integers(1, 4))
def test_rows_that_look_regular_are_told_from_those_that_are(
    places: list[tuple[int, int]], channels: int, last: int
) -> None:
    """Of any rows: what is in order and what has to be put in order give the same answer."""
    window = Window(START, START + 4 * GRID)
    regular = [(number, place) for number in range(channels) for place in range(1, last + 1)]
    for given_places in (places, regular, [*regular, *places], [*regular[1:], *places[:1]]):
        body = dense(window, meters=0) | {"total_devices": 1}
        rows = [
            {"channel": number, "end_at": START + place * GRID, "wh_del": number * 10 + place}
            for number, place in given_places
        ]
        body["meter_intervals"] = [{"meter_serial_number": "9", "intervals": rows}]
        (meter,) = rgm_stats(answer(body), SYSTEM, window).meter_intervals
        expected = sorted({each for each in given_places if each[1]})
        columns = meter.intervals.columns
        assert columns["channel"].tolist() == [number for number, _ in expected]
        assert columns["end_at"].tolist() == [START + place * GRID for _, place in expected]
        assert columns["wh_del"].tolist() == [number * 10 + place for number, place in expected]


@pytest.mark.parametrize("swap", [(0, 1), (0, 96), (95, 96), (0, 287)])
def test_rows_out_of_place_are_put_in_order(swap: tuple[int, int]) -> None:
    """Within a channel, between channels: the answer is the same."""
    body = dense(DAY)
    rows = body["meter_intervals"][0]["intervals"]
    rows[swap[0]], rows[swap[1]] = rows[swap[1]], rows[swap[0]]
    assert rgm_stats(answer(body), SYSTEM, DAY) == rgm_stats(answer(dense(DAY)), SYSTEM, DAY)


def test_channels_listed_twice_or_under_another_number() -> None:
    """As dense as a real answer by its times alone."""
    body = dense(DAY, meters=1, channels=(2, 1, 2))
    stats = rgm_stats(answer(body), SYSTEM, DAY)
    assert meters(stats) == meters(rgm_stats(answer(dense(DAY, meters=1, channels=(1, 2))), SYSTEM, DAY))
    assert len(stats.coverage.notes) == 1
    body = dense(DAY, meters=1, channels=(1, 2))
    body["meter_intervals"][0]["intervals"][5]["channel"] = 2
    stats = rgm_stats(answer(body), SYSTEM, DAY)
    assert [len(stats.meter_intervals[0].channel(n)) for n in (1, 2)] == [95, 96]


def test_a_meter_listed_twice_is_one() -> None:
    """Say, under its old gateway and its new one; numbers serve as serial numbers, too."""
    noon = START + 48 * GRID
    first, second = (dense(window, meters=1) for window in (Window(START, noon), Window(noon, DAY.end)))
    for body, serial, envoy in ((first, 120, 1), (second, "120", "2")):
        body["meter_intervals"][0] |= {"meter_serial_number": serial, "envoy_serial_number": envoy}
    second["meter_intervals"] = first["meter_intervals"] + second["meter_intervals"]
    (meter,) = rgm_stats(answer(second), SYSTEM, DAY).meter_intervals
    assert (meter.meter_serial_number, meter.envoy_serial_number) == ("120", "2")
    assert len(meter.intervals) == 3 * 96


@pytest.mark.parametrize("order", [1, -1])
def test_a_meter_under_two_gateways_keeps_all_its_values(order: int) -> None:
    """One lists the values of one half and nulls else, the other the rest; and one does not know its own."""
    window, listings = Window(START, START + 4 * GRID), []
    for gateway, known in (("1", {1, 2}), (None, {3, 4})):
        rows = [
            {"channel": 1, "end_at": START + n * GRID, "wh_del": n if n in known else None}
            for n in range(1, 5)
        ]
        listings.append({"meter_serial_number": "9", "envoy_serial_number": gateway, "intervals": rows})
    body = dense(window, meters=0) | {"total_devices": 1, "meter_intervals": listings[::order]}
    stats = rgm_stats(answer(body), SYSTEM, window)
    (meter,) = stats.meter_intervals
    assert [row.wh_del for row in meter.intervals] == [1, 2, 3, 4]
    assert (meter.envoy_serial_number, stats.coverage.complete) == ("1", True)


@pytest.mark.parametrize(
    ("count", "in_loop", "error"),
    [
        (100, True, None),
        (101, True, LongWorkError),
        (101, False, None),
        (1_000, False, None),
        (1_001, False, DecodeError),
        (1_001, True, DecodeError),
    ],
)
def test_how_many_meters_an_answer_may_have(count: int, in_loop: bool, error: type[Exception] | None) -> None:
    """More than any system has are refused, and many are not for the event loop."""
    listed = [{"meter_serial_number": str(number), "intervals": []} for number in range(count)]
    response = evolve(answer(dense(DAY, meters=0) | {"meter_intervals": listed}), in_loop=in_loop)
    with nullcontext() if error is None else pytest.raises(error):
        assert len(rgm_stats(response, SYSTEM, DAY).meter_intervals) == count


@pytest.mark.parametrize(
    ("told", "complete"),
    [
        ({"meter_intervals": None}, False),
        ({"meter_intervals": [{"meter_serial_number": "9", "intervals": None}]}, False),
        ({"meter_intervals": [{"meter_serial_number": "9"}]}, False),
        ({"meter_intervals": [{"meter_serial_number": "9", "intervals": []}]}, True),
        ({"meter_intervals": []}, True),
        ({}, True),  # answers had no rows of meters before 2020
    ],
)
def test_null_rows_of_meters_are_not_understood(told: Row, *, complete: bool) -> None:
    """The rows of the system are kept; it is told that something is missing."""
    body = {name: value for name, value in dense(DAY).items() if name != "meter_intervals"}
    stats = rgm_stats(answer(body | told), SYSTEM, DAY)
    assert (len(stats.intervals), stats.coverage.complete) == (96, complete)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"system_id": 8}, "$.system_id"),
        ({}, "$"),
        ([], "$"),
        (None, "$"),
        ({"system_id": "7a"}, "$.system_id"),
        ({"system_id": SYSTEM, "intervals": {}}, "$.intervals"),
        ({"system_id": SYSTEM, "intervals": [{"wh_del": 1}]}, "$.intervals[0]"),
        ({"system_id": SYSTEM, "intervals": [{"end_at": None}]}, "$.intervals[0].end_at"),
        ({"system_id": SYSTEM, "intervals": [{"end_at": "2025-06-15T12:00:00"}]}, "$.intervals[0].end_at"),
        ({"system_id": SYSTEM, "intervals": [{"end_at": -900}]}, "$.intervals[0].end_at"),
        ({"system_id": SYSTEM, "intervals": [{"end_at": 10**30}]}, "$.intervals[0].end_at"),
        ({"system_id": SYSTEM, "meter_intervals": [{}] * 101}, "$.meter_intervals[0]"),
        (
            {
                "system_id": SYSTEM,
                "meter_intervals": [
                    {"meter_serial_number": "1", "intervals": [{"channel": 70_000, "end_at": 900}]}
                ],
            },
            "$.meter_intervals[0].intervals[0].channel",
        ),
        (b"", "$"),
        (b"<html>", "$"),
        (b'{"system_id":7', "$"),
        (b'{"system_id":7}}', "$"),
        (b'{"system_id":7,"x":' + b"[" * 100_000, "$"),
        (b'{"system_id":7,"total_devices":' + b"9" * 5000 + b"}", "$.total_devices"),
        (b"\x1f\x8b", "$"),
    ],
)
def test_what_cannot_be_read_is_kept(body: object, path: str) -> None:
    """The error says where it went wrong, and holds what was paid for."""
    response = answer(body)
    with pytest.raises(DecodeError) as caught:
        rgm_stats(response, SYSTEM, DAY)
    assert (caught.value.path, caught.value.response) == (path, response)
    assert path in str(caught.value)
    assert len(str(caught.value)) < 300


def test_without_a_range_rows_of_one_day_are_the_answer() -> None:
    """The fullest day, the latest of several; the rest is left out, and all of it is told."""
    week = [{"end_at": START}, {"end_at": START + 7 * 86_400 - GRID}]
    stats = rgm_stats(answer({"system_id": SYSTEM, "intervals": week}), SYSTEM, None)
    assert (list(site(stats)), stats.coverage.complete) == ([START + 7 * 86_400 - GRID], False)
    for end in (START + GRID, START - GRID):
        body = {"system_id": SYSTEM, "intervals": [*week, {"end_at": end}]}
        stats = rgm_stats(answer(body), SYSTEM, None)
        assert (list(site(stats)), stats.coverage.complete) == (sorted((START, end)), False)


SCALARS: list[object] = [
    None,
    True,
    -1,
    0,
    1.5,
    1e300,
    -1e300,
    10**18,
    10**40,
    "",
    "7",
    START + GRID,
    "\ud83c",
]
VALUES = st.sampled_from([*SCALARS, [], {}, [[]], [None], [{}]])


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Draw an answer with something wrong in it, of any kind."""
    body = draw(st.just(dense(Window(START, START + 4 * GRID))) | cases().map(lambda case: case.body))
    rng = draw(st.randoms(use_true_random=False))
    for _ in range(draw(st.integers(0, 3))):
        body = mutated(body, draw(VALUES), rng)
    raw = bytearray(json.dumps(body).encode())
    for _ in range(draw(st.integers(0, 2))):
        place = rng.randrange(len(raw) + 1)
        raw[place : place + rng.randrange(3)] = draw(
            st.binary(max_size=3) | st.sampled_from([b"NaN", b'"', b"["])
        )
    cut = draw(st.none() | st.integers(0, 2000))
    return bytes(raw[:cut])


@pytest.mark.slow
@examples(600)
@given(
    raw=st.binary(max_size=60) | spoiled(), window=st.sampled_from([None, Window(START, START + 4 * GRID)])
)
def test_anything_is_an_answer_or_a_decode_error(raw: bytes, window: Window | None) -> None:
    """And of an answer everything can be used."""
    response = answer(raw)
    try:
        stats = rgm_stats(response, SYSTEM, window)
    except DecodeError as caught:
        error = caught
        stats = None
    if stats is None:
        assert error.response is response
        assert error.path.startswith("$")
        return
    site(stats)
    meters(stats)
    json.dumps(stats.to_dict(), allow_nan=False)
    assert sum(day.expected for day in stats.sums("day", timezone="Europe/Berlin")) == stats.coverage.expected
    assert stats.coverage.got == len(stats.intervals)
    assert pickle.loads(pickle.dumps(stats)) == copy.deepcopy(stats) == stats  # noqa: S301 - our own
    assert hash(stats) == hash(copy.copy(stats))
    assert len(repr(stats)) < 4000


def test_columns_take_at_most_26_bytes_a_row() -> None:
    """And cannot be written."""
    stats = rgm_stats(answer(dense(DAY)), SYSTEM, DAY)
    for series in (stats.intervals, *(meter.intervals for meter in stats.meter_intervals)):
        assert sum(column.nbytes for column in series.columns.values()) <= 26 * len(series)
        assert all(column.readonly for column in series.columns.values())


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("12.5", 12.5),
        (" 7 ", 7),
        (7.0, 7),
        (True, None),
        ("N/A", None),
        ("", None),
        ("nan", None),
        ([1], None),
    ],
)
def test_a_figure_of_another_kind_costs_itself_alone(told: object, read: float | None) -> None:
    """It becomes the number that it stands for, or null; the other rows stay as they are."""
    rows = [{"end_at": START + GRID, "wh_del": told}, {"end_at": START + 2 * GRID, "wh_del": 3}]
    body = {"system_id": SYSTEM, "total_devices": 1, "intervals": rows}
    stats = rgm_stats(answer(body), SYSTEM, Window(START, START + 2 * GRID))
    assert [row.wh_del for row in stats.intervals] == [read, 3]
    note = "figures that cannot be read are null: wh_del"
    assert (note in stats.coverage.notes) == (read is None)
    assert stats.coverage.complete == (read is not None)


def test_an_answer_that_had_to_be_normalized_is_freed_at_once() -> None:
    """It does not wait for a collection of cycles: fifty of them would fill the memory."""
    rows = b'[{"end_at":"2025-06-15T12:45:00Z","wh_del":1}]'
    body = b'{"system_id":%d,"total_devices":1,"intervals":%b,"meter_intervals":[]}' % (SYSTEM, rows)
    response = Response(status=200, body=body, content_type="application/json", date=DATE)
    gc.collect()
    gc.disable()
    try:
        assert len(rgm_stats(response, SYSTEM, None).intervals) == 1
        freed = weakref.ref(response)
        del response
        assert freed() is None
    finally:
        gc.enable()
