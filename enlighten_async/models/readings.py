"""Readings of meters, and the production of a system in a month."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models.convert import KEY, STRICT, RowSequence, ToDict
from enlighten_async.models.intervals import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow, Tabular


@frozen
class MeterReading(ToDict, SingleRow):
    """The reading of a revenue-grade meter."""

    serial_number: str | None = field(default=None, metadata=KEY)
    """Of the meter, a text."""
    value: int | None = None
    """Wh it had counted in all, as an odometer does; null if it gave none."""
    read_at: datetime | None = None
    """When it was read (aware UTC), usually within half an hour before what was asked for; null if it was
    not.
    """


@frozen
class MeterReadings(RowSequence[MeterReading]):
    """Last readings of a system's meters of one kind: a sequence of `MeterReading`."""

    _items: ClassVar[str] = "meter_readings"

    system_id: int
    """The service's number of the system."""
    meter_readings: tuple[MeterReading, ...] = ()
    """One for each meter, retired ones among them; empty without meters."""
    meta: Meta | None = None
    """The system's state; null where the service leaves it out."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class ProductionMeterReadings(MeterReadings):
    """Last readings of a system's production meters: a sequence of `MeterReading`."""


@frozen
class ConsumptionMeterReadings(MeterReadings):
    """Last readings of a system's consumption meters: a sequence of `MeterReading` (v4)."""


@frozen
class StorageMeterReading(ToDict, SingleRow):
    """The reading of a meter of batteries (v4)."""

    serial_number: str | None = field(default=None, metadata=KEY)
    """Of the meter, a text."""
    value_charged: int | None = None
    """Wh that had gone into the batteries in all; null if it gave none."""
    value_discharged: int | None = None
    """Wh that had come out of them in all; null if it gave none."""
    read_at: datetime | None = None
    """When it was read (aware UTC); null if it was not."""


@frozen
class StorageMeterReadings(RowSequence[StorageMeterReading]):
    """Last readings of a system's meters of batteries: a sequence of `StorageMeterReading` (v4)."""

    _items: ClassVar[str] = "meter_readings"

    system_id: int
    """The service's number of the system."""
    meter_readings: tuple[StorageMeterReading, ...] = ()
    """One for each meter, retired ones among them; empty without meters."""
    meta: Meta | None = None
    """The system's state; null where the service leaves it out."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class MonthlyMeterReading(ToDict, SingleRow):
    """The readings of a revenue-grade meter at both ends of a month."""

    serial_number: str | None = field(default=None, metadata=KEY)
    """Of the meter, a text."""
    start: int | None = None
    """Wh it had counted in all at the start; null if it gave none."""
    end: int | None = None
    """Wh it had counted in all at the end; null if it gave none."""


@frozen
class MonthlyProduction(ToDict, Tabular):
    """The production of a system in a month. Deprecated by the service."""

    system_id: int
    """The service's number of the system."""
    start_date: date | None = None
    """First local day."""
    end_date: date | None = None
    """Last local day, inclusive: the one before the same day of the next month."""
    production_wh: int | None = None
    """Wh of these days; null if there is no figure."""
    meter_readings: tuple[MonthlyMeterReading, ...] = field(default=(), metadata=STRICT)
    """One for each meter; empty without meters."""
    meta: Meta | None = None
    """The system's state; null in answers of the first years."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""
