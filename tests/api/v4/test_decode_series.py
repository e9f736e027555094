"""Answers that only v4 has: figures of batteries, rows by the day, grids of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve, fields

from enlighten_async import models
from enlighten_async.api.decode_series import SeriesDecoder, parse_percent, raw_row
from enlighten_async.api.v4 import decode_series as v4
from enlighten_async.api.v4.series import telemetry
from enlighten_async.errors import DecodeError
from enlighten_async.windows import Window
from tests.api.v2.answers import GRID, START, SYSTEM, answer

W = Window(START, START + 2 * GRID)
ENDS = (START + GRID, START + 2 * GRID)
LIMITS = telemetry("any", "any")


def decoded(decoder: SeriesDecoder[Any], rows: list[object], name: str = "intervals", **told: object) -> Any:
    """Return what an answer with these rows is decoded to."""
    known = {"serial_number": "1"} if hasattr(decoder.model, "serial_number") else {}
    return decoder(LIMITS, answer({"system_id": SYSTEM, name: rows, **told}), SYSTEM, W, **known)


def test_figures_of_batteries_stand_one_level_deeper() -> None:
    """What is null or left out, on either level, is null."""
    full = {
        "end_at": ENDS[0],
        "charge": {"enwh": 5, "devices_reporting": 2},
        "discharge": {"enwh": 0.5, "devices_reporting": 1},
        "soc": {"percent": 97, "devices_reporting": 2},
    }
    part = decoded(v4.battery, [full, {"end_at": ENDS[1], "charge": None, "soc": {"percent": None}}])
    first, second = part.intervals
    at = [datetime.fromtimestamp(end, UTC) for end in ENDS]
    assert first == models.BatteryInterval(at[0], 5, 0.5, 97, 2, 1, 2)
    assert second == models.BatteryInterval(at[1], *[None] * 6)
    (one, _) = decoded(v4.storage_telemetry, [full, {"end_at": ENDS[1]}]).intervals
    assert one == models.StorageInterval(at[0], 5, 0.5, 97)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("97%", 97),
        (" 9.5 % ", 9.5),
        ("7", 7),
        (8, 8),
        (None, None),
        ("", None),
        ("n/a", None),
        ("inf%", None),
    ],
)
def test_a_share_comes_as_text(raw: str | float | None, expected: float | None) -> None:
    """With a sign, or as a number; anything else is unknown."""
    assert parse_percent(raw) == expected
    part = decoded(v4.battery, [], last_reported_aggregate_soc=raw)
    assert part.last_reported_aggregate_soc == expected


@pytest.mark.parametrize(
    ("declared", "ends", "grid"),
    [
        ("15 mins", ENDS, 900),
        ("5mins", ENDS, 300),
        ("5 minutes", ENDS, 300),
        (None, ENDS, 900),
        (None, (START + 300,), 300),
        (None, (START + 100,), 900),
        (None, (START + 100, START + 400), 300),
        (None, (START + 100, START + 1000), 900),
        ("7 mins", (START + 300,), 300),
        ("", (), 900),
    ],
)
def test_chargers_and_heat_pumps_have_a_grid_of_their_own(
    declared: str | None, ends: tuple[int, ...], grid: int
) -> None:
    """As the answer declares, or else as its rows show."""
    rows: list[object] = [{"end_at": end, "wh_consumed": 1} for end in ends]
    for decoder in (v4.evse, v4.heat_pump):
        part = decoded(decoder, rows, interval_duration=declared)
        assert (part.coverage.grid, len(part.intervals), part.total_devices) == (grid, len(ends), 1)


@pytest.mark.parametrize(
    ("declared", "grid", "noted"),
    [
        *[(15, 900, False), (5, 300, False), (5.0, 300, False), ("15", 900, False), (900, 900, False)],
        *[
            ("300s", 300, False),
            ("15 MINS", 900, False),
            (0, 900, False),
            ("", 900, False),
            (None, 900, False),
        ],
        *[(True, 900, True), (["15 mins"], 900, True), ({"x": 1}, 900, True), ("half an hour", 900, True)],
    ],
)
def test_any_duration_leaves_the_rows_as_they_are(declared: object, grid: int, *, noted: bool) -> None:
    """One that cannot be read costs itself: then rows show their own grid."""
    rows: list[object] = [{"end_at": end, "wh_consumed": 1} for end in ENDS]
    for decoder in (v4.evse, v4.heat_pump):
        part = decoded(decoder, rows, interval_duration=declared)
        assert (part.coverage.grid, len(part.intervals)) == (grid, len(ENDS))
        assert any("interval_duration" in note for note in part.coverage.notes) is noted


MOMENT = datetime.fromtimestamp(START, UTC)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        *[(START, MOMENT), (float(START), MOMENT), (str(START), MOMENT), (1000 * START, MOMENT)],
        *[(MOMENT.isoformat(), MOMENT), (str(1000 * START), MOMENT), (None, None)],
        *[(each, None) for each in ("", "N/A", "0000-00-00", "2026-09-20 12:00", "x", 0, -1, "0", 10**30)],
        *[(each, None) for each in (True, False, [], [START], {}, {"at": START})],
    ],
)
def test_a_moment_beside_the_rows_costs_itself_alone(
    told: object, read: datetime | None, caplog: pytest.LogCaptureFixture
) -> None:
    """It becomes the nearest that it can stand for, or null: then it is noted, and logged once."""
    rows: list[object] = [{"end_at": end} for end in ENDS]
    part = decoded(v4.storage_telemetry, rows, last_reported_time=told)
    assert (part.last_reported_time, len(part.intervals), part.coverage.complete) == (read, 2, True)
    noted = any("last_reported_time" in note for note in part.coverage.notes)
    assert noted is (read is None and bool(told))
    assert len(caplog.records) == noted


@pytest.mark.parametrize(
    "told", [True, False, [], ["97%"], {}, {"percent": 97}, "N/A", "-1", -1, "x", 10**400]
)
@pytest.mark.parametrize(
    ("decoder", "name"),
    [(v4.battery, "last_reported_aggregate_soc"), (v4.storage_telemetry, "last_reported_soc")],
)
def test_a_share_beside_the_rows_costs_itself_alone(
    decoder: SeriesDecoder[Any], name: str, told: object
) -> None:
    """It is null, and noted; the rows are whole."""
    part = decoded(decoder, [{"end_at": end} for end in ENDS], **{name: told})
    assert (getattr(part, name), len(part.intervals), part.coverage.complete) == (None, 2, True)
    assert any(name in note for note in part.coverage.notes) is bool(told)


OF_DEVICES = (v4.micro, v4.storage_telemetry, v4.evse)


@pytest.mark.parametrize("decoder", OF_DEVICES)
@pytest.mark.parametrize(
    "told", ["", " ", "N/A", "n/a", 0, "0", -1, "-1", None, True, [], {}, 1, "1", "01", 1.0, " 1 "]
)
def test_a_serial_number_that_tells_none_is_no_other_device(
    decoder: SeriesDecoder[Any], told: object
) -> None:
    """The rows are those of the device which was asked for."""
    part = decoded(decoder, [{"end_at": end} for end in ENDS], serial_number=told)
    assert (part.serial_number, len(part.intervals)) == ("1", 2)


@pytest.mark.parametrize("decoder", OF_DEVICES)
@pytest.mark.parametrize("told", ["2", 2, 2.0, "N/A 2", "11", "1a"])
def test_another_serial_number_is_refused(decoder: SeriesDecoder[Any], told: object) -> None:
    """Whatever its kind."""
    with pytest.raises(DecodeError, match="another one"):
        decoded(decoder, [{"end_at": end} for end in ENDS], serial_number=told)


def test_an_ev_charger_has_its_rows_under_another_name() -> None:
    """And no others."""
    rows: list[object] = [{"end_at": ENDS[0], "consumption": 3}]
    assert len(decoded(v4.charger, rows, "consumption").intervals) == 1
    assert not decoded(v4.charger, rows).intervals


def test_raw_rows_are_made_of_the_fields_of_rows() -> None:
    """One value for each, or one figure for several."""
    assert raw_row(models.ChannelInterval).__struct_fields__ == ("end_at", "channel", "wh_del", "curr_w")
    assert raw_row(models.BatteryInterval).__struct_fields__ == ("end_at", "charge", "discharge", "soc")
    own = {field.name for field in fields(models.StatsInterval)}
    assert set(raw_row(models.StatsInterval).__struct_fields__) == own


def test_limits_are_not_changed_by_a_grid() -> None:
    """They are those of the endpoint."""
    limits = evolve(LIMITS)
    v4.heat_pump(limits, answer({"system_id": SYSTEM, "interval_duration": "5mins"}), SYSTEM, W)
    assert limits == LIMITS
