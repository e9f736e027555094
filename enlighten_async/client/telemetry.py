"""The series and lifetimes that only v4 of the API has, by its own names."""

from __future__ import annotations

from datetime import date

from enlighten_async.client.asking import number
from enlighten_async.client.device_telemetry import DeviceTelemetryEndpoints
from enlighten_async.models import (
    Battery,
    BatteryLifetime,
    EnergyExportLifetime,
    EnergyExportTelemetry,
    EnergyImportLifetime,
    EnergyImportTelemetry,
    ProductionMeter,
)
from enlighten_async.session import Query
from enlighten_async.windows import Moment


class TelemetryEndpoints(DeviceTelemetryEndpoints):
    """What v4 can be asked over a range of time, beside what both versions can.

    Series take ranges of any length as `stats` does: `start_at` and `end_at`, or `start_date` and
    `end_date`, or none for the system's own today so far; the service keeps two years. Lifetimes take local
    days as `energy_lifetime` does. Energies are in Wh, powers in W, states of charge in percent.

    What the system has none of (batteries, meters) is an answer without rows, with a reason. A client of v2
    raises `NotSupported`.
    """

    def production_meter(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[ProductionMeter, ProductionMeter]:
        """Ask what a system's production meters delivered, Wh by 15 minutes; one request per 7 days."""
        return self._ask(
            "production_meter",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def battery(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[Battery, Battery]:
        """Ask what all batteries of a system took in and gave, Wh, and their state of charge, by 15 minutes.

        One request per 7 days; without a battery the answer is empty, with the reason `no_device`.
        """
        return self._ask(
            "battery",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def energy_import_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EnergyImportTelemetry, EnergyImportTelemetry]:
        """Ask what a site drew from the grid, Wh by 15 minutes; one request per 7 days.

        It is worked out by the service from production and consumption: it takes meters of both.
        """
        return self._ask(
            "energy_import_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def energy_export_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EnergyExportTelemetry, EnergyExportTelemetry]:
        """Ask what a site fed into the grid, Wh by 15 minutes; as `energy_import_telemetry`."""
        return self._ask(
            "energy_export_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def battery_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[BatteryLifetime, BatteryLifetime]:
        """Ask what all batteries took in and gave on each local day, Wh; one request."""
        return self._ask("battery_lifetime", number(system_id), start_date=start_date, end_date=end_date)

    def energy_import_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[EnergyImportLifetime, EnergyImportLifetime]:
        """Ask what a site drew from the grid on each local day, Wh; one request."""
        return self._ask(
            "energy_import_lifetime", number(system_id), start_date=start_date, end_date=end_date
        )

    def energy_export_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[EnergyExportLifetime, EnergyExportLifetime]:
        """Ask what a site fed into the grid on each local day, Wh; one request."""
        return self._ask(
            "energy_export_lifetime", number(system_id), start_date=start_date, end_date=end_date
        )
