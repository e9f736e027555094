"""The endpoints of v4 about what is bought and sold, and about the consumption meter."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, parse_moment
from enlighten_async.emulator.plant.sun import GRID
from enlighten_async.emulator.status import meta
from enlighten_async.emulator.v4.daily import Days, asked_days
from enlighten_async.emulator.v4.spans import asked_span
from enlighten_async.emulator.v4.storage import renamed
from enlighten_async.emulator.v4.telemetry import check_consumption, told

if TYPE_CHECKING:
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

Row: TypeAlias = dict[str, object]


def energy_import_telemetry(api: ApiV4, asked: Asked) -> Row:
    """Answer what was bought: a quarter of an hour a row, a list for each of the system's days."""
    return _telemetry(api, asked, "wh_imported")


def energy_export_telemetry(api: ApiV4, asked: Asked) -> Row:
    """Answer what was sold, in the same way."""
    return _telemetry(api, asked, "wh_exported")


def energy_import_lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer the energy bought on each day; none without a consumption meter."""
    return _lifetime(api, asked, "import")


def energy_export_lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer the energy sold on each day; none without a consumption meter."""
    return _lifetime(api, asked, "export")


def consumption_meter_readings(api: ApiV4, asked: Asked) -> Row:
    """Answer the last known odometer reading of the consumption meter."""
    system = asked.system
    check_consumption(system)
    end = parse_moment(asked.get("end_at"), api.clock.now())
    return {
        "system_id": system.system_id,
        "meter_readings": renamed(api.truth.consumption_readings(system.system_id, end)),
        "meta": meta(api.truth, system),
    }


def _telemetry(api: ApiV4, asked: Asked, name: str) -> Row:
    system, grid = asked.system, api.truth.grid
    check_consumption(system)
    span = asked_span(api, asked, GRID, (grid.first_row(system.system_id), grid.last_row(system.system_id)))
    rows = grid.rows(system.system_id, span.start, span.end)
    shown = [{"end_at": row["end_at"], name: row[name]} for row in rows]
    # no devices are counted here, whatever there are
    return told(system, span, 0, by_day(shown, system.timezone)) | {"meta": meta(api.truth, system)}


def by_day(rows: list[dict[str, int]], zone: str) -> list[list[dict[str, int]]]:
    """Return a list of rows for each local day; what ends at midnight belongs to the day before."""
    days = groupby(rows, key=lambda row: local_date(row["end_at"] - 1, zone))
    return [list(day) for _, day in days]


def _lifetime(api: ApiV4, asked: Asked, name: str) -> Row:
    system, truth = asked.system, api.truth
    check_consumption(system)
    days = asked_days(api, asked)
    if system.consumption == "none":
        days = Days(None, days.last)

    return {
        "system_id": system.system_id,
        "start_date": days.start,
        **days.of_each(truth.grid.days, system.system_id, name),
        "meta": meta(truth, system),
    }
