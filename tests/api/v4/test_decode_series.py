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
