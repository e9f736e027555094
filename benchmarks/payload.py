"""A synthetic year of `rgm_stats`: two meters with three channels each, the third of them not in use."""

from __future__ import annotations

import json
import math
import time
import zlib

SYSTEM_ID = 1765
GRID = 900
"""Seconds of an interval."""
WEEK = 7 * 86_400
"""The longest window the service allows, in seconds."""
YEAR = 364 * 86_400 + 22 * 3_600
"""Seconds of the job: 53 windows, and two hours short of a year, where the service's memory ends."""

METERS = 2

PHASES = {1: 1.0, 2: 0.87, 3: None}
"""How much of the power each channel carries; `None`: not in use."""


def span_until_now(seconds: int) -> tuple[int, int]:
    """Return the start and end of the newest span of this length, in epoch seconds on the grid."""
    end = int(time.time()) // GRID * GRID
    return end - seconds, end


def weeks(start: int, end: int) -> list[tuple[int, int]]:
    """Cut a span into windows of at most a week, oldest first."""
    return [(at, min(at + WEEK, end)) for at in range(start, end, WEEK)]


def body(start: int, end: int, newest: int) -> bytes:
    """Return the service's answer for the window `(start, end]`.

    Args:
        start: start of the window, exclusive, in epoch seconds on the grid.
        end: end of the window, inclusive.
        newest: end of the newest interval there is; its channels are not reported yet.
    """
    ends = range(start + GRID, end + 1, GRID)
    answer = {
        "system_id": SYSTEM_ID,
        "total_devices": METERS,
        "intervals": [{"end_at": at, "devices_reporting": METERS, "wh_del": _site(at)} for at in ends],
        "meta": {
            "status": "normal",
            "last_report_at": newest,
            "last_energy_at": newest,
            "operational_at": 1_357_023_600,
        },
        "meter_intervals": [_meter(number, ends, newest) for number in range(METERS)],
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def summary(system_id: int, newest: int) -> bytes:
    """Return the service's answer about a system: half a kilobyte.

    Args:
        system_id: the system.
        newest: end of the newest interval there is.
    """
    answer = {
        "system_id": system_id,
        "modules": 24,
        "size_w": 9_600,
        "current_power": 2_345,
        "energy_today": 12_345,
        "energy_lifetime": 123_456_789,
        "summary_date": time.strftime("%Y-%m-%d", time.gmtime(newest)),
        "source": "meter",
        "status": "normal",
        "operational_at": 1_357_023_600,
        "last_report_at": newest,
        "last_interval_end_at": newest,
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def _meter(meter: int, ends: range, newest: int) -> dict[str, object]:
    """Return a meter, channel by channel."""
    return {
        "meter_serial_number": f"121834000001EIM{meter + 1}",
        "envoy_serial_number": "121834000001",
        "intervals": [_channel(meter, number, at, newest) for number in PHASES for at in ends],
    }


def _channel(meter: int, number: int, at: int, newest: int) -> dict[str, float | None]:
    """Return a row of a channel; null on an unused phase, and where the meter has not reported yet."""
    row: dict[str, float | None] = {"channel": number, "wh_del": None, "curr_w": None, "end_at": at}
    scale = PHASES[number]
    if scale is not None and at < newest:
        row["wh_del"] = energy = _energy(at, scale / (1 + meter))
        row["curr_w"] = round(4 * energy + 40 * _noise(at + number + meter)) if energy else -round(_noise(at))
    return row


def _site(at: int) -> int:
    scales = [scale / (1 + meter) for meter in range(METERS) for scale in PHASES.values() if scale]
    return round(sum(_energy(at, scale) for scale in scales))


def _energy(at: int, scale: float) -> float:
    """Return Wh of 15 minutes as meters send it: whole, but for the noise of adding up fractions of kWh."""
    day = max(0.0, math.sin(math.pi * (at % 86_400 / 3_600 - 6) / 12))
    watts = 2400 * scale * day * (0.7 + 0.3 * math.sin(at / 5e6)) * (0.3 + 0.7 * _noise(at))
    kilowatthours = sum(round(watts * share / 12) / 1000 for share in (0.9, 1.0, 1.1))
    return kilowatthours * 1000


def _noise(seed: int) -> float:
    """Return a number in [0, 1) that looks random, and is the same in every process and run."""
    return zlib.crc32(b"%d" % seed) / 2**32
