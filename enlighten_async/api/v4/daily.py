"""Energy of whole local days in v4, endpoint by endpoint."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from enlighten_async import models
from enlighten_async.api import daily, decode
from enlighten_async.api.error_bodies import FUTURE_RANGE
from enlighten_async.api.v4.devices import quote_segment
from enlighten_async.errors import APIError, NotFound, RangeError
from enlighten_async.models.convert import UnreadableError
from enlighten_async.models.coverage import Reason
from enlighten_async.wire import Params

if TYPE_CHECKING:
    from enlighten_async.models.lifetime import Lifetime

NOT_OVER_TEXTS = (FUTURE_RANGE, "Invalid date/time range", "Invalid start_date")
"""Texts of errors for days that are not over, each family of endpoints with its own; also for other days."""

NO_HEAT_PUMP_TEXT = "heat pump not found"
"""Text of a 404 (lower case) for a system without a heat pump."""


def _empty_reason_of_error(days: daily.DateRange, error: APIError) -> Reason | None:
    """Return the reason why there are no days, if an error says so: for the service, today is the future."""
    if isinstance(error, RangeError) and any(text in str(error) for text in NOT_OVER_TEXTS):
        today = days.start_date is not None and daily.may_be_today(days.start_date, error)
        return Reason.NOT_REPORTED_YET if today else None
    if isinstance(error, NotFound) and NO_HEAT_PUMP_TEXT in str(error).lower():
        return Reason.NO_DEVICE
    return days.empty_reason(error)


def _new_or_no_device(answer: Lifetime[Any]) -> Reason:
    """Return the reason why a system has no days of what not every system measures, by the system's age."""
    since, now = answer.meta.operational_at if answer.meta else None, answer.as_of
    old = since is not None and now is not None and now - since > timedelta(days=2)
    return Reason.NO_DEVICE if old else Reason.NOT_REPORTED_YET


ENERGY_LIFETIME = daily.DailyEndpoint(
    lambda: models.EnergyLifetime,
    "energy_lifetime",
    empty_reason_of_error=_empty_reason_of_error,
    past_days_only=True,
)
"""Energy produced by a system."""


def _measured(model: Callable[[], type[daily.L]], name: str) -> daily.DailyEndpoint[daily.L]:
    """Return the endpoint of an energy that not every system measures."""
    return daily.DailyEndpoint(
        model,
        name,
        empty_reason_of_error=_empty_reason_of_error,
        empty_reason=_new_or_no_device,
        past_days_only=True,
    )


CONSUMPTION_LIFETIME = _measured(lambda: models.ConsumptionLifetime, "consumption_lifetime")
"""Energy consumed at a system."""

BATTERY_LIFETIME = _measured(lambda: models.BatteryLifetime, "battery_lifetime")
"""Energy that all batteries of a system took in and gave."""

ENERGY_IMPORT_LIFETIME = _measured(lambda: models.EnergyImportLifetime, "energy_import_lifetime")
"""Energy that a site drew from the grid."""

ENERGY_EXPORT_LIFETIME = _measured(lambda: models.EnergyExportLifetime, "energy_export_lifetime")
"""Energy that a site fed into the grid."""

HP_LIFETIME = _measured(lambda: models.HpLifetime, "hp_lifetime")
"""Energy that a system's heat pump consumed."""


def _of_device(
    model: Callable[[], type[daily.L]],
    name: str,
    path: str,
    serial_number: str,
    shape: decode.Shape | None = None,
) -> daily.DailyEndpoint[daily.L]:
    """Return the endpoint of the energy of one device; `{serial}` in the path stands for its number."""
    return daily.DailyEndpoint(
        model,
        name,
        path=path.format(serial=quote_segment(serial_number, "serial_number")),
        empty_reason_of_error=_empty_reason_of_error,
        defaults={"serial_number": serial_number.strip()},
        shape=partial(_of_asked_device, serial_number.strip(), shape),
        past_days_only=True,
    )


def _of_asked_device(serial: str, shape: decode.Shape | None, raw: dict[str, Any]) -> dict[str, Any]:
    """Return a response in the shape of its model; raise `UnreadableError` if it is about another device."""
    if decode.is_another_device(raw.get("serial_number"), serial):
        raise UnreadableError(decode.ANOTHER_DEVICE.format(serial), "serial_number")
    known = {**raw, "serial_number": serial}
    return known if shape is None else shape(known)


def evse_lifetime(serial_number: str) -> daily.DailyEndpoint[models.EvseLifetime]:
    """Return the endpoint of the energy that one EV charger consumed.

    Raises:
        InputError: no serial number can look like this.
    """
    return _of_device(lambda: models.EvseLifetime, "evse_lifetime", "{serial}/evse_lifetime", serial_number)


def ev_charger_lifetime(serial_number: str) -> daily.DailyEndpoint[models.EvChargerLifetime]:
    """Return the endpoint of the energy that one of Enphase's EV chargers consumed.

    Raises:
        InputError: no serial number can look like this.
    """
    path = "ev_charger/{serial}/lifetime"
    return _of_device(
        lambda: models.EvChargerLifetime, "ev_charger_lifetime", path, serial_number, _values_by_day
    )


LAST_COMPACT_DAY = 9999_12_31
"""The last day that can be written as a number such as 20240109."""


class CompactDateRange(daily.DateRange):
    """Local days as the chargers of Enphase take them: "20240101", without hyphens."""

    @property
    def params(self) -> Params:
        """The days as parameters of a request."""
        return tuple((name, day.replace("-", "")) for name, day in super().params)


def _values_by_day(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a response with its first day as a text, and a list of values: some come by dates or places."""
    start, values = raw.get("start_date"), raw.get("consumption")
    is_compact = isinstance(start, int) and start <= LAST_COMPACT_DAY  # else its midnight, in epoch seconds
    shaped = {**raw, "start_date": str(start) if is_compact else start}
    if not isinstance(values, dict):
        return shaped
    if not all(len(key) >= len("20240101") for key in values):
        return {**shaped, "consumption": [values[key] for key in sorted(values, key=int)]}
    return {**shaped, **_dated({date.fromisoformat(key[:10]): value for key, value in values.items()})}


def _dated(values: dict[date, object]) -> dict[str, object]:
    """Return the first day and a value for it and each day after it, as far as there are any."""
    if not values:
        return {"consumption": []}
    first, last = min(values), max(values)
    listed = [values.get(first + timedelta(days=n)) for n in range((last - first).days + 1)]
    return {"start_date": str(first), "consumption": listed}
