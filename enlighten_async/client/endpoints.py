"""The methods of the client that both versions of the API have, each of which returns a `Query`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Literal, TypeVar, Unpack

from enlighten_async import models
from enlighten_async.api.base import Api
from enlighten_async.api.paging import Filter
from enlighten_async.api.ranges import DayRange, TimeRange
from enlighten_async.errors import InputError
from enlighten_async.query import Query, QueryOptions, Session
from enlighten_async.query.plan import QueryPlan
from enlighten_async.windows import Moment

ItemT = TypeVar("ItemT")
T = TypeVar("T")


class QueryMethods:
    """The parts of a client that its methods need: the version of the API, and the way to a query."""

    _api: Api
    _session: Session
    _options: QueryOptions

    def _query(self, plan: QueryPlan[ItemT, T]) -> Query[ItemT, T]:
        return Query(self._session, self._options, plan)


def parse_system_id(system_id: object) -> int:
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


class Endpoints(QueryMethods):
    """Queries to the service, in both of its versions.

    Arguments are checked at the call, before anything is sent: an `InputError` says what is wrong and how
    to fix the call. A `system_id` is the service's number of a system, as a number or a text.

    The series (`stats`, `rgm_stats`, `consumption_stats`) take ranges of any length, by one of two pairs of
    keywords (`TimeRange`):

    - `start_at` and `end_at` are instants: aware datetimes or epoch seconds. The range is `(start, end]`
      after both were floored to the series' grid; it ends by now, also where `end_at` is left out.
    - `start_date` and `end_date` are whole local days of the system, both included; `end_date` is today if
      left out. They need the system's time zone: known from earlier answers of `systems`, or else asked for
      by one request.

    Without a range it is the system's own today, so far. Streamed, a series hands out one part per window,
    oldest first. The lifetimes take local days (`DayRange`): `start_date`, by default the one on which the
    system went into operation, and `end_date`, included, by default yesterday.
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
    ) -> Query[models.System, models.Systems]:
        """Ask for the systems the user may see, and that pass all filters.

        One request per 1,000 systems, in v4 per 100. Streamed, it hands out one `System` after another.

        A filter is one value, or several of which one must match. Without filters, all systems match.

        Args:
            system_id: numbers of systems.
            system_name: parts of names.
            status: the API's words, such as "normal" or "comm".
            reference: names your own company gave.
            installer: names of installers.
            connection_type: such as "ethernet".

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: v4 has no such filter; the text names it.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(
            self._api.systems(
                system_id=system_id,
                system_name=system_name,
                status=status,
                reference=reference,
                installer=installer,
                connection_type=connection_type,
            )
        )

    def search_system_id(self, serial_num: str) -> Query[models.SystemId, models.SystemId]:
        """Ask for the system that the gateway with this serial number belongs to; one request.

        Args:
            serial_num: serial number of the gateway, as a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotFound: awaited: there is no such gateway, in the service's words.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.search_system_id(serial_num))

    def summary(
        self, system_id: int | str, *, summary_date: date | None = None
    ) -> Query[models.Summary, models.Summary]:
        """Ask for a system's state, power (W) and energy (Wh) on one of its local days; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            summary_date: the local day; by default the system's today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.summary(parse_system_id(system_id), summary_date))

    def stats(self, system_id: int | str, **range_: Unpack[TimeRange]) -> Query[models.Stats, models.Stats]:
        """Ask for the 5-minute intervals of a system's microinverters, W and Wh.

        One request per day of the range, in v4 per 7 days.

        Nights and outages have no rows. It is not known whether the service's limit of one
        day means 24 hours: local days, and systems whose time zone is known, are exact either way.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.stats(parse_system_id(system_id), **range_))

    def rgm_stats(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.RgmStats, models.RgmStats]:
        """Ask for the 15-minute intervals of a system's revenue-grade meters, Wh; one request per 7 days.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.rgm_stats(parse_system_id(system_id), **range_))

    def consumption_stats(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.ConsumptionStats, models.ConsumptionStats]:
        """Ask for the 15-minute intervals of a site's consumption, Wh.

        One request per 28 days, in v4 per 7.

        Without an enabled consumption meter the answer is empty, with the reason `no_device`.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            AuthenticationError: awaited, in v2: the user may not see the consumption.
            PermissionDenied: awaited, in v4: the same.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.consumption_stats(parse_system_id(system_id), **range_))

    def energy_lifetime(
        self, system_id: int | str, *, production: Literal["all"] | None = None, **days: Unpack[DayRange]
    ) -> Query[models.EnergyLifetime, models.EnergyLifetime]:
        """Ask for the energy that a system produced on each of its local days, Wh; one request.

        Without days the answer is empty, with a `reason`. Zeros at the end may mean that nothing was
        reported yet. v4 has no day that is not over, except today if it is the first.

        Args:
            system_id: the service's number of the system, as a number or a text.
            production: "all" gives the series of meters and microinverters as well, on the same days.
            days: start_date and end_date, local days of the system, both included: see `DayRange`. Without
                any: its whole life, until yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(
            self._api.energy_lifetime(parse_system_id(system_id), production=production, **days)
        )

    def consumption_lifetime(
        self, system_id: int | str, **days: Unpack[DayRange]
    ) -> Query[models.ConsumptionLifetime, models.ConsumptionLifetime]:
        """Ask for the energy that was consumed on each local day, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            days: start_date and end_date, local days of the system, both included: see `DayRange`. Without
                any: its whole life, until yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.consumption_lifetime(parse_system_id(system_id), **days))

    def envoys(self, system_id: int | str) -> Query[models.Envoys, models.Envoys]:
        """Ask for a system's gateways; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.envoys(parse_system_id(system_id)))

    def inventory(self, system_id: int | str) -> Query[models.Inventory, models.Inventory]:
        """Ask for a system's active gateways, microinverters and meters; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.inventory(parse_system_id(system_id)))

    def inverters_summary_by_envoy_or_site(
        self, site_id: int | str
    ) -> Query[models.InvertersSummary, models.InvertersSummary]:
        """Ask for the last report of each of a system's microinverters, by gateway.

        One request, in v4 one per 100 microinverters.

        Args:
            site_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.inverters_summary_by_envoy_or_site(parse_system_id(site_id)))

    def production_meter_readings(
        self, system_id: int | str, *, end_at: Moment | None = None
    ) -> Query[models.ProductionMeterReadings, models.ProductionMeterReadings]:
        """Ask for the last readings of a system's production meters, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            end_at: the moment by which the readings were taken, an aware datetime or epoch seconds; now if
                not given.

        Raises:
            InputError: at the call: an argument is wrong.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.production_meter_readings(parse_system_id(system_id), end_at))

    def monthly_production(
        self, system_id: int | str, *, start_date: date
    ) -> Query[models.MonthlyProduction, models.MonthlyProduction]:
        """Ask for the energy of the month that begins on a local day, Wh by meter; one request.

        The service has deprecated this endpoint, and v4 does not have it: use `energy_lifetime` or
        `production_meter_readings`.

        Args:
            system_id: the service's number of the system, as a number or a text.
            start_date: the day on which the month begins, at least a month ago.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v4.
            Unavailable: awaited: the data is not available for now (`error_code` 7).
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._api.monthly_production(parse_system_id(system_id), start_date))
