"""Energy of whole local days. What the service has nothing for is an answer here, with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial

from enlighten_async.dialect.lifetimes import IN_FUTURE, Days, L, energy_lifetime, lifetime, recent
from enlighten_async.errors import APIError, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.lifetime import (
    BatteryLifetime,
    ConsumptionLifetime,
    EnergyExportLifetime,
    EnergyImportLifetime,
)
from enlighten_async.session.outline import Draft

__all__ = [
    "battery_lifetime",
    "consumption_lifetime",
    "energy_export_lifetime",
    "energy_import_lifetime",
    "energy_lifetime",
]


def _empty(days: Days) -> Callable[[APIError], Reason | None]:
    """Return what tells why there are no days; the service takes today for the future here."""

    def empty(refusal: APIError) -> Reason | None:
        if isinstance(refusal, RangeError) and IN_FUTURE in str(refusal):
            today = days.start_date is not None and recent(days.start_date, refusal)
            return Reason.NOT_REPORTED_YET if today else None
        return days.empty(refusal)

    return empty


def _of(
    model: type[L],
    name: str,
    system_id: int,
    *,
    start_date: date | None = None,
    end_date: date | None = None,
) -> Draft[L, L, L]:
    """Ask for a value a day.

    Raises:
        InputError: a day is not a date, or the end is before the start.
    """
    days = Days.of(start_date, end_date)
    return lifetime(model, name, system_id, days, empty=_empty(days))


consumption_lifetime = partial(_of, ConsumptionLifetime, "consumption_lifetime")
battery_lifetime = partial(_of, BatteryLifetime, "battery_lifetime")
energy_import_lifetime = partial(_of, EnergyImportLifetime, "energy_import_lifetime")
energy_export_lifetime = partial(_of, EnergyExportLifetime, "energy_export_lifetime")
