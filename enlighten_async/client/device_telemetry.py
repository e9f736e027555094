"""The series and lifetimes of single devices, which only v4 of the API has."""

from __future__ import annotations

from datetime import date

from enlighten_async.client.asking import Asking, number
from enlighten_async.models import (
    EvChargerLifetime,
    EvChargerTelemetry,
    EvseLifetime,
    EvseTelemetry,
    HpLifetime,
    HpTelemetry,
    MicrosTelemetry,
    MicroTelemetry,
    StorageTelemetry,
)
from enlighten_async.session import Query
from enlighten_async.windows import Moment


class DeviceTelemetryEndpoints(Asking):
    """What v4 can be asked of single devices over a range of time.

    Ranges and days are given as in `TelemetryEndpoints`. A `serial_number` is a text, as it stands on the
    device; one that the system does not have raises `NotFound`. Most of it takes an access control which
    the free plan lacks: without it, it is a `MissingAccessControl`.
    """

    def micros_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[MicrosTelemetry, MicrosTelemetry]:
        """Ask what each of a system's microinverters made: W and Wh by 5 minutes, and nothing at night.

        One request per 7 days and 20 microinverters, so that only the service knows how many it takes.
        Streamed, it hands out parts that hold 20 of them at most, a week after another.
        """
        return self._ask(
            "micros_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def micro_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[MicroTelemetry, MicroTelemetry]:
        """Ask what one microinverter made, W and Wh by 5 minutes; one request per 7 days."""
        return self._ask(
            "micro_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def encharge_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[StorageTelemetry, StorageTelemetry]:
        """Ask what one Encharge took in and gave, Wh, and its state of charge, by 15 minutes.

        One request per 7 days.
        """
        return self._ask(
            "encharge_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def acb_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[StorageTelemetry, StorageTelemetry]:
        """Ask what one AC Battery took in and gave; as `encharge_telemetry`.

        Today's documentation of the service no longer has it.
        """
        return self._ask(
            "acb_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def evse_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EvseTelemetry, EvseTelemetry]:
        """Ask what one charger of cars used, Wh by 5 or by 15 minutes as it reports; one request per 7 days.

        Values are negative where the car gave more than it took. Ranges are floored to 15 minutes.
        """
        return self._ask(
            "evse_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def hp_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[HpTelemetry, HpTelemetry]:
        """Ask what a system's heat pump used, Wh by 5 or by 15 minutes; as `evse_telemetry`."""
        return self._ask(
            "hp_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def ev_charger_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EvChargerTelemetry, EvChargerTelemetry]:
        """Ask what one of Enphase's chargers of cars used, Wh by 15 minutes; one request per 7 days.

        Without a range it needs the system's time zone, as local days do: the service itself would answer for
        yesterday.
        """
        return self._ask(
            "ev_charger_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def evse_lifetime(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EvseLifetime, EvseLifetime]:
        """Ask what one charger of cars used on each local day, Wh; one request."""
        return self._ask(
            "evse_lifetime", number(system_id), serial_number, start_date=start_date, end_date=end_date
        )

    def hp_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[HpLifetime, HpLifetime]:
        """Ask what a system's heat pump used on each local day, Wh; one request."""
        return self._ask("hp_lifetime", number(system_id), start_date=start_date, end_date=end_date)

    def ev_charger_lifetime(
        self, system_id: int | str, serial_number: str, *, start_date: date, end_date: date | None = None
    ) -> Query[EvChargerLifetime, EvChargerLifetime]:
        """Ask what one of Enphase's chargers of cars used on each local day, Wh; one request.

        Args:
            system_id: the system.
            serial_number: the charger.
            start_date: first day.
            end_date: last day, included; by default yesterday.
        """
        return self._ask(
            "ev_charger_lifetime", number(system_id), serial_number, start_date=start_date, end_date=end_date
        )
