"""Energy of whole local days: `energy_lifetime` and `consumption_lifetime`.

The service refuses ranges for which it has nothing yet, and systems without a meter, each in several
ways. These are answers here, empty and with a reason. A request that is wrong stays an error.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from enlighten_async.api.daily import DailyEndpoint, DateRange, produced
from enlighten_async.errors import APIError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.lifetime import ConsumptionLifetime, EnergyLifetime
from enlighten_async.query.plan import Draft

_NO_METER = {401: "consumption meter", 404: "Resource not found", 422: "consumption meter"}
"""What it says, by status, of a system without an enabled meter of consumption."""


def _empty(days: DateRange, refusal: APIError) -> Reason | None:
    """Tell why there are no days of consumption, if a refusal stands for that."""
    said = _NO_METER.get(refusal.status)
    without_meter = refusal.status == 204 or (said is not None and said in str(refusal))
    return Reason.NO_DEVICE if without_meter else days.empty(refusal)


ENERGY = DailyEndpoint(EnergyLifetime, "energy_lifetime")
CONSUMPTION = DailyEndpoint(ConsumptionLifetime, "consumption_lifetime", empty=_empty)


def energy_lifetime(
    system_id: int,
    *,
    start_date: date | None = None,
    end_date: date | None = None,
    production: Literal["all"] | None = None,
) -> Draft[EnergyLifetime, EnergyLifetime, EnergyLifetime]:
    """Ask for what a system produced, day by day.

    Args:
        system_id: the system.
        start_date: first local day.
        end_date: last local day, inclusive.
        production: "all" asks for microinverters and meters apart as well.

    Raises:
        InputError: an argument is wrong.
    """
    return ENERGY.draft(system_id, DateRange.of(start_date, end_date), produced(production))


def consumption_lifetime(
    system_id: int, *, start_date: date | None = None, end_date: date | None = None
) -> Draft[ConsumptionLifetime, ConsumptionLifetime, ConsumptionLifetime]:
    """Ask for what was consumed at a system, day by day.

    Args:
        system_id: the system.
        start_date: first local day.
        end_date: last local day, inclusive.

    Raises:
        InputError: an argument is wrong.
    """
    return CONSUMPTION.draft(system_id, DateRange.of(start_date, end_date))
