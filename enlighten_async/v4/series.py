"""The endpoints that answer in intervals: what the service allows of each, in one table."""

from __future__ import annotations

from typing import Any

from enlighten_async.dialect import decode_rgm, decode_stats
from enlighten_async.dialect.intervals import Kind
from enlighten_async.dialect.ranges import Endpoint, Params
from enlighten_async.models import battery, consumption_stats, grid_energy, production_meter, rgm_stats, stats
from enlighten_async.models.intervals import joined
from enlighten_async.v4 import decode_telemetry
from enlighten_async.windows import DAY, Window

WEEK = 7 * DAY
"""Seconds of the longest span that one request may ask for."""

KEPT = 2 * 365 * DAY
"""Seconds for which the service keeps intervals."""

_GRANULARITIES = ((15 * 60, "15mins"), (DAY, "day"), (WEEK, "week"))
"""Spans the service knows, by their seconds. What it calls granularity is how much it answers."""


def _spanned(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window: its start, and the smallest span that holds it."""
    name = next(name for seconds, name in _GRANULARITIES if window.seconds <= seconds)
    return (("start_at", str(window.start)), ("granularity", name))


def _ended(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window: its ends, but for one that may not have come yet, by its clock.

    An end in the future is refused; without one the service answers up to now.
    """
    start = (("start_at", str(window.start)),)
    return start if newest else (*start, ("end_at", str(window.end)))


def telemetry(
    name: str,
    path: str,
    grid: int = 900,
    *,
    dense: bool = True,
    counted: bool = True,
) -> Endpoint:
    """Return the row of an endpoint that takes a start and a span, and says where its answer ends."""
    return Endpoint(
        name,
        grid,
        WEEK,
        path=f"/systems/{{}}/{path}",
        params=_spanned,
        retention=KEPT,
        cut="told",
        dense=dense,
        surplus=True,
        counted=counted,
    )


RGM_STATS = Kind(
    Endpoint(
        "rgm_stats",
        900,
        WEEK,
        path="/systems/{}/rgm_stats",
        params=_ended,
        retention=KEPT,
        cut="error",
        surplus=True,
    ),
    decode_rgm.rgm_stats,
    rgm_stats.nothing,
    rgm_stats.merge,
)
"""Revenue-grade meters, by 15 minutes; longer than 7 days, or an end in the future, is an error."""

STATS = Kind(
    telemetry("stats", "telemetry/production_micro", 300, dense=False),
    decode_stats.stats,
    stats.nothing,
    joined,
)
"""Microinverters, by 5 minutes; at night there are no rows."""

CONSUMPTION_STATS = Kind(
    telemetry("consumption_stats", "telemetry/consumption_meter"),
    decode_stats.consumption_stats,
    consumption_stats.nothing,
    joined,
)
"""What the site consumed, by 15 minutes."""

PRODUCTION_METER = Kind(
    telemetry("production_meter", "telemetry/production_meter"),
    decode_telemetry.production_meter,
    production_meter.nothing,
    joined,
)
"""Production meters, by 15 minutes."""

BATTERY = Kind(
    telemetry("battery", "telemetry/battery"),
    decode_telemetry.battery,
    battery.no_battery,
    battery.merge_battery,
)
"""All batteries of a system, by 15 minutes."""

ENERGY_IMPORT_TELEMETRY = Kind(
    telemetry("energy_import_telemetry", "energy_import_telemetry", counted=False),
    decode_telemetry.energy_import,
    grid_energy.no_import,
    joined,
)
"""What the site drew from the grid, by 15 minutes."""

ENERGY_EXPORT_TELEMETRY = Kind(
    telemetry("energy_export_telemetry", "energy_export_telemetry", counted=False),
    decode_telemetry.energy_export,
    grid_energy.no_export,
    joined,
)
"""What the site fed into the grid, by 15 minutes."""

SITE: tuple[Kind[Any], ...] = (PRODUCTION_METER, BATTERY, ENERGY_IMPORT_TELEMETRY, ENERGY_EXPORT_TELEMETRY)
"""Those of a whole system that v2 has not."""
