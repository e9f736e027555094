"""The typed protocol of one version of the API: one method per endpoint that both versions have."""

from __future__ import annotations

from datetime import date
from typing import Literal, Protocol, Unpack

from enlighten_async import models
from enlighten_async.api.paging import SystemFilters
from enlighten_async.api.ranges import DayRange, TimeRange
from enlighten_async.query import ApiVersion
from enlighten_async.query.plan import AnswerPlan, QueryPlan
from enlighten_async.windows import Moment


class Api(ApiVersion, Protocol):
    """One version of the API.

    The methods are named like the client's, and each returns the plan of its query. Arguments are checked
    at the call: they raise `InputError`, or `NotSupported` for what this version does not have.
    """

    def systems(self, **filters: Unpack[SystemFilters]) -> QueryPlan[models.System, models.Systems]:
        """Plan a list of the systems of a user that pass all filters."""
        ...

    def search_system_id(self, serial_num: str) -> AnswerPlan[models.SystemId]:
        """Plan a search for the system that a gateway belongs to."""
        ...

    def summary(self, system_id: int, summary_date: date | None = None) -> AnswerPlan[models.Summary]:
        """Plan a system's state and energy on one local day; its own today if none is given."""
        ...

    def stats(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.Stats]:
        """Plan the 5-minute intervals of a system's microinverters."""
        ...

    def rgm_stats(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.RgmStats]:
        """Plan the 15-minute intervals of a system's revenue-grade meters."""
        ...

    def consumption_stats(
        self, system_id: int, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.ConsumptionStats]:
        """Plan the 15-minute intervals of a site's consumption."""
        ...

    def energy_lifetime(
        self, system_id: int, *, production: Literal["all"] | None = None, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.EnergyLifetime]:
        """Plan the energy produced on each local day; "all": by microinverters and meters apart as well."""
        ...

    def consumption_lifetime(
        self, system_id: int, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.ConsumptionLifetime]:
        """Plan the energy consumed on each local day."""
        ...

    def envoys(self, system_id: int) -> AnswerPlan[models.Envoys]:
        """Plan a list of a system's gateways."""
        ...

    def inventory(self, system_id: int) -> AnswerPlan[models.Inventory]:
        """Plan a list of a system's active gateways, microinverters and meters."""
        ...

    def inverters_summary_by_envoy_or_site(self, site_id: int) -> AnswerPlan[models.InvertersSummary]:
        """Plan a list of the last reports of a system's microinverters, by gateway."""
        ...

    def production_meter_readings(
        self, system_id: int, end_at: Moment | None = None
    ) -> AnswerPlan[models.ProductionMeterReadings]:
        """Plan the last readings of a system's production meters, by now or by `end_at`."""
        ...

    def monthly_production(self, system_id: int, start_date: date) -> AnswerPlan[models.MonthlyProduction]:
        """Plan the energy of the month that begins on a local day."""
        ...
