"""Energy of whole local days in v4. A documented absence of data is an answer here, with a reason."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any, Literal

from enlighten_async.api.daily import IN_FUTURE, DailyEndpoint, DateRange, L, produced, recent
from enlighten_async.api.ranges import Params
from enlighten_async.api.v4.systems import quote_segment
from enlighten_async.errors import APIError, NotFound, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.lifetime import (
    BatteryLifetime,
    ConsumptionLifetime,
    EnergyExportLifetime,
    EnergyImportLifetime,
    EnergyLifetime,
    EvChargerLifetime,
    EvseLifetime,
    HpLifetime,
    Lifetime,
)
from enlighten_async.query.plan import Draft

FUTURE = (IN_FUTURE, "Invalid date/time range", "Invalid start_date")
"""What refusals say of days that are not over, each family in its own words; also of other days."""

NO_HEAT_PUMP = "heat pump not found"
"""What a refusal (404, in lower case) says of a system without one."""


def _empty(days: DateRange, refusal: APIError) -> Reason | None:
    """Tell why there are no days, if a refusal stands for that; the service takes today for the future."""
    if isinstance(refusal, RangeError) and any(text in str(refusal) for text in FUTURE):
        today = days.start_date is not None and recent(days.start_date, refusal)
        return Reason.NOT_REPORTED_YET if today else None
    if isinstance(refusal, NotFound) and NO_HEAT_PUMP in str(refusal).lower():
        return Reason.NO_DEVICE
    return days.empty(refusal)


def _why(answer: Lifetime[Any]) -> Reason:
    """Tell why a system has no days of what not every system measures: it is new, or has no such device."""
    since, now = answer.meta.operational_at if answer.meta else None, answer.as_of
    old = since is not None and now is not None and now - since > timedelta(days=2)
    return Reason.NO_DEVICE if old else Reason.NOT_REPORTED_YET


def energy_lifetime(
    system_id: int,
    *,
    start_date: date | None = None,
    end_date: date | None = None,
    production: Literal["all"] | None = None,
) -> Draft[EnergyLifetime, EnergyLifetime, EnergyLifetime]:
    """Ask for what a system produced, day by day; "all" asks for microinverters and meters apart as well.

    Raises:
        InputError: an argument is wrong.
    """
    days, daily = (
        DateRange.of(start_date, end_date),
        DailyEndpoint(EnergyLifetime, "energy_lifetime", empty=_empty, day_end_anywhere=True),
    )
    return daily.draft(system_id, days, produced(production))


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
    days = DateRange.of(start_date, end_date)
    return DailyEndpoint(model, name, empty=_empty, why=_why, day_end_anywhere=True).draft(system_id, days)


def evse_lifetime(
    system_id: int, serial_number: str, *, start_date: date | None = None, end_date: date | None = None
) -> Draft[EvseLifetime, EvseLifetime, EvseLifetime]:
    """Ask for what a charger of cars used, day by day.

    Raises:
        InputError: a day is not a date, the end is before the start, or no serial number looks like this.
    """
    daily = DailyEndpoint(
        EvseLifetime,
        "evse_lifetime",
        path=f"{quote_segment(serial_number, 'serial_number')}/evse_lifetime",
        empty=_empty,
        known={"serial_number": serial_number.strip()},
        day_end_anywhere=True,
    )
    return daily.draft(system_id, DateRange.of(start_date, end_date))


class _Plain(DateRange):
    """Local days as the chargers of Enphase take them, without hyphens."""

    @property
    def params(self) -> Params:
        """The days as the service takes them."""
        return tuple((name, day.replace("-", "")) for name, day in super().params)


def ev_charger_lifetime(
    system_id: int, serial_number: str, *, start_date: date, end_date: date | None = None
) -> Draft[EvChargerLifetime, EvChargerLifetime, EvChargerLifetime]:
    """Ask for what one of Enphase's chargers of cars used, day by day; as `evse_lifetime`."""
    daily = DailyEndpoint(
        EvChargerLifetime,
        "ev_charger_lifetime",
        path=f"ev_charger/{quote_segment(serial_number, 'serial_number')}/lifetime",
        empty=_empty,
        known={"serial_number": serial_number.strip()},
        shape=_by_day,
        day_end_anywhere=True,
    )
    return daily.draft(system_id, _Plain.of(start_date, end_date))


def _by_day(raw: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with its first day as a text, and a list of values: some come by dates or places."""
    start, values = raw.get("start_date"), raw.get("consumption")
    told = {**raw, "start_date": str(start) if isinstance(start, int) else start}
    if not isinstance(values, dict):
        return told
    if not all(len(key) >= len("20240101") for key in values):
        return {**told, "consumption": [values[key] for key in sorted(values, key=int)]}
    return {**told, **_dated({date.fromisoformat(key[:10]): value for key, value in values.items()})}


def _dated(values: dict[date, object]) -> dict[str, object]:
    """Return the first day and a value for it and each day after it, as far as there are any."""
    if not values:
        return {"consumption": []}
    first, last = min(values), max(values)
    listed = [values.get(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    return {"start_date": str(first), "consumption": listed}


consumption_lifetime = partial(_of, ConsumptionLifetime, "consumption_lifetime")
battery_lifetime = partial(_of, BatteryLifetime, "battery_lifetime")
energy_import_lifetime = partial(_of, EnergyImportLifetime, "energy_import_lifetime")
energy_export_lifetime = partial(_of, EnergyExportLifetime, "energy_export_lifetime")
hp_lifetime = partial(_of, HpLifetime, "hp_lifetime")
