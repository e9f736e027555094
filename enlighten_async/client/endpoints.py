"""The API's own names as methods, each of which returns a `Query`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, Literal, TypeAlias, TypeVar

from enlighten_async.errors import InputError, NotSupported
from enlighten_async.models import (
    ConsumptionLifetime,
    ConsumptionStats,
    EnergyLifetime,
    Envoys,
    Inventory,
    InvertersSummary,
    MonthlyProduction,
    ProductionMeterReadings,
    RgmStats,
    Stats,
    Summary,
    System,
    SystemId,
    Systems,
)
from enlighten_async.query import Draft, Query, QueryOptions, Session
from enlighten_async.windows import Moment

I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")


class Asking:
    """What the methods of the client have in common."""

    _session: Session
    _options: QueryOptions

    def _ask(self, method: str, *args: object, **options: object) -> Query[Any, Any]:
        """Return the query of a method.

        Raises:
            InputError: an argument is wrong; `NotSupported`: this version of the API has no such thing.
        """
        dialect = self._session.dialect
        draft = dialect.endpoints.get(method)
        if draft is None:
            advice = dialect.absent.get(method, "only v4 has it: connect with EnlightenClient.v4(...)")
            raise NotSupported(f"{dialect.version} of the API has no {method}: {advice}")
        return self._query(draft(*args, **options))

    def _query(self, draft: Draft[Any, I, T]) -> Query[I, T]:
        return Query(self._session, self._options, draft)


def number(system_id: object) -> int:
    """Return a system id as a number; the service sends it as one, users keep it as text too.

    Raises:
        InputError: it is not a positive whole number.
    """
    text = str(system_id)
    if isinstance(system_id, bool) or not isinstance(system_id, int | str) or not text.isascii():
        raise InputError(f"system_id must be a number such as 1765, not {system_id!r}")
    if not text.isdigit() or not 0 < int(text[:20]) < 2**63:
        raise InputError(f"system_id must be a positive whole number such as 1765, not {system_id!r}")
    return int(text)


Filter: TypeAlias = str | Collection[str] | None
"""A value, or several of which one must match; `None` lets all pass."""


class Endpoints(Asking):
    """What the service can be asked, in both of its versions.

    Arguments are checked at the call, before anything is sent: an `InputError` says what is wrong and what
    to do. A `system_id` is the service's number of a system, as a number or a text.

    The series (`stats`, `rgm_stats`, `consumption_stats`) take ranges of any length, by one of two pairs:
    `start_at` and `end_at` are instants (aware datetimes or epoch seconds), the range is `(start, end]`
    after both were floored to the series' grid, and ends by now; `start_date` and `end_date` are whole
    local days of the system, both included, and need its time zone: known from earlier answers of
    `systems`, or else asked for by one request. Without a range it is the system's own today, so far.
    Streamed, a series hands out one part per window, oldest first.
    """

    def systems(
        self,
        *,
        system_id: int | str | Collection[int | str] | None = None,
        system_name: Filter = None,
        status: Filter = None,
        reference: Filter = None,
        installer: Filter = None,
        connection_type: Filter = None,
    ) -> Query[System, Systems]:
        """Ask for the systems the user may see, and that pass all filters.

        One request per 1,000 systems, in v4 per 100. Not all filters are in v4: `NotSupported` says which.

        Streamed, it hands out one `System` after another. A filter is one value, or several of which one
        must match.

        Args:
            system_id: numbers of systems.
            system_name: parts of names.
            status: the API's words, such as "normal" or "comm".
            reference: names your own company gave.
            installer: names of installers.
            connection_type: such as "ethernet".
        """
        return self._ask(
            "systems",
            system_id=system_id,
            system_name=system_name,
            status=status,
            reference=reference,
            installer=installer,
            connection_type=connection_type,
        )

    def search_system_id(self, serial_num: str) -> Query[SystemId, SystemId]:
        """Ask which system the gateway with this serial number belongs to; one request.

        Raises `NotFound`, in the service's words, if nobody knows it.
        """
        return self._ask("search_system_id", serial_num)

    def summary(self, system_id: int | str, *, summary_date: date | None = None) -> Query[Summary, Summary]:
        """Ask for a system's state and energy on one of its local days, by default its today; one request."""
        return self._ask("summary", number(system_id), summary_date)

    def stats(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[Stats, Stats]:
        """Ask for the 5-minute intervals of a system's microinverters.

        One request per day of the range, in v4 per 7 days.

        Nights and outages are rows that do not exist. It is not known whether the service's limit of one
        day means 24 hours: local days, and systems whose time zone is known, are exact either way.
        """
        return self._ask(
            "stats",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def rgm_stats(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[RgmStats, RgmStats]:
        """Ask for the 15-minute intervals of a system's revenue-grade meters; one request per 7 days."""
        return self._ask(
            "rgm_stats",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def consumption_stats(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[ConsumptionStats, ConsumptionStats]:
        """Ask for the 15-minute intervals of what a site consumed; one request per 28 days, in v4 per 7.

        Without an enabled meter of consumption the answer is empty, with the reason `no_device`; if the
        user may not see it, it is an `AuthenticationError`.
        """
        return self._ask(
            "consumption_stats",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def energy_lifetime(
        self,
        system_id: int | str,
        *,
        start_date: date | None = None,
        end_date: date | None = None,
        production: Literal["all"] | None = None,
    ) -> Query[EnergyLifetime, EnergyLifetime]:
        """Ask for what a system produced on each of its local days; one request for all its life.

        Without days the answer is empty, with a `reason`. Zeros at the end may mean that nothing was
        reported yet.

        Args:
            system_id: the system.
            start_date: first day; by default the one on which it went into operation.
            end_date: last day, included; by default yesterday. Of days that are not over, v4 gives none,
                but today if it is the first.
            production: "all" gives the series of meters and microinverters as well, on the same days.
        """
        return self._ask(
            "energy_lifetime",
            number(system_id),
            start_date=start_date,
            end_date=end_date,
            production=production,
        )

    def consumption_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[ConsumptionLifetime, ConsumptionLifetime]:
        """Ask for what was consumed on each local day; one request. Days as in `energy_lifetime`."""
        return self._ask("consumption_lifetime", number(system_id), start_date=start_date, end_date=end_date)

    def envoys(self, system_id: int | str) -> Query[Envoys, Envoys]:
        """Ask for a system's gateways; one request."""
        return self._ask("envoys", number(system_id))

    def inventory(self, system_id: int | str) -> Query[Inventory, Inventory]:
        """Ask for a system's active gateways, microinverters and meters; one request."""
        return self._ask("inventory", number(system_id))

    def inverters_summary_by_envoy_or_site(
        self, site_id: int | str
    ) -> Query[InvertersSummary, InvertersSummary]:
        """Ask for the last report of each of a system's microinverters, by gateway; one request."""
        return self._ask("inverters_summary_by_envoy_or_site", number(site_id))

    def production_meter_readings(
        self, system_id: int | str, *, end_at: Moment | None = None
    ) -> Query[ProductionMeterReadings, ProductionMeterReadings]:
        """Ask what a system's meters of production showed last, by now or by `end_at`; one request."""
        return self._ask("production_meter_readings", number(system_id), end_at=end_at)

    def monthly_production(
        self, system_id: int | str, *, start_date: date
    ) -> Query[MonthlyProduction, MonthlyProduction]:
        """Ask for the energy of the month that begins on a local day, at least a month ago; one request.

        The service has deprecated it, and v4 has it no more: use `energy_lifetime` or
        `production_meter_readings`. Raises
        `Unavailable` with `error_code` 7 if the data is not available for now.
        """
        return self._ask("monthly_production", number(system_id), start_date)
