"""Readings of meters: `production_meter_readings`, and `monthly_production`, which it replaced."""

from __future__ import annotations

import warnings
from datetime import date
from functools import partial

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.dialect.readings import readings
from enlighten_async.models.readings import MonthlyProduction, ProductionMeterReadings
from enlighten_async.session.outline import Draft
from enlighten_async.windows import calendar_day
from enlighten_async.wire import Request

production_meter_readings = partial(readings, ProductionMeterReadings, "production_meter_readings")


def monthly_production(
    system_id: int, start_date: date
) -> Draft[MonthlyProduction, MonthlyProduction, MonthlyProduction]:
    """Ask for what a system produced in the month from a local day on. Deprecated by the service.

    The warning that says so is for the caller of the client's method.

    Args:
        system_id: the system.
        start_date: first local day, at least a month ago.

    Raises:
        InputError: `start_date` is not a date.
    """
    day = calendar_day(start_date, "start_date")
    warnings.warn(
        "monthly_production is deprecated by the service: use energy_lifetime for the energy of days, "
        "or production_meter_readings for what meters read",
        DeprecationWarning,
        stacklevel=4,
    )
    path = f"/systems/{system_id}/monthly_production"
    read = partial(decode.value, MonthlyProduction)
    return once(Request("monthly_production", path, (("start_date", str(day)),), read))
