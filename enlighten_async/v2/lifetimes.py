"""Energy of whole local days: `energy_lifetime` and `consumption_lifetime`.

The service refuses ranges for which it has nothing yet, and systems without a meter, each in several
ways. These are answers here, empty and with a reason. A request that is wrong stays an error.
"""

from __future__ import annotations

from datetime import date

from enlighten_async.dialect.lifetimes import Days, energy_lifetime, lifetime
from enlighten_async.errors import APIError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.lifetime import ConsumptionLifetime
from enlighten_async.session.outline import Draft

__all__ = ["consumption_lifetime", "energy_lifetime"]

_NO_METER = {401: "consumption meter", 404: "Resource not found", 422: "consumption meter"}
"""What it says, by status, of a system without an enabled meter of consumption."""


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
    days = Days.of(start_date, end_date)

    def empty(refusal: APIError) -> Reason | None:
        return Reason.NO_DEVICE if _without_meter(refusal) else days.empty(refusal)

    return lifetime(ConsumptionLifetime, "consumption_lifetime", system_id, days, empty=empty)


def _without_meter(refusal: APIError) -> bool:
    """Tell whether a refusal says that the system has no enabled meter of consumption."""
    said = _NO_METER.get(refusal.status)
    return refusal.status == 204 or (said is not None and said in str(refusal))
