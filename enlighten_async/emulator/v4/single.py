"""The endpoints of v4 about single inverters, chargers and heat pumps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.plant.devices import inverters
from enlighten_async.emulator.plant.micro import STEP
from enlighten_async.emulator.v4.daily import asked_days
from enlighten_async.emulator.v4.refusals import because, not_found
from enlighten_async.emulator.v4.spans import asked_span
from enlighten_async.emulator.v4.systems import page_asked
from enlighten_async.emulator.v4.telemetry import told

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked
    from enlighten_async.emulator.v4.spans import Span

MAX_MICROS = 20  # inverters per page
BAD_RANGE = because("Invalid date/time range")

Row: TypeAlias = dict[str, object]


def micro(api: ApiV4, asked: Asked) -> Row:
    """Answer what one inverter made: five minutes a row."""
    system = asked.system
    span = _micro_span(api, asked)
    try:
        rows = api.truth.micro_rows(system.system_id, asked.serial, span.start, span.end)
    except KeyError:
        raise not_found("Micro", asked.serial) from None
    content = told(system, span, 1, rows)
    return {"system_id": content.pop("system_id"), "serial_number": asked.serial, **content}


def micros(api: ApiV4, asked: Asked) -> Row:
    """Answer what the inverters in service made, a page of them."""
    system = asked.system
    span = _micro_span(api, asked)
    serials = [inverter.serial for inverter in inverters(system) if inverter.retired_at is None]
    page, size = page_asked(asked, MAX_MICROS)
    return {
        "system_id": system.system_id,
        "total_devices": len(serials),
        "page": page,
        "page_size": size,
        **span.echo,
        "granularity": span.granularity,
        "items": "intervals",
        "devices": [
            {
                "serial_number": serial,
                "intervals": api.truth.micro_rows(system.system_id, serial, span.start, span.end),
            }
            for serial in serials[(page - 1) * size : page * size]
        ],
    }


def evse_telemetry(api: ApiV4, asked: Asked) -> Row:
    """Answer what one charger drew, in intervals of its own."""
    step = _charger_step(api, asked)
    return _drawn(
        api, asked, step, partial(api.truth.charging.evse_rows, asked.system.system_id, asked.serial)
    )


def evse_lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer what one charger drew on each day."""
    _charger_step(api, asked)
    charging, serial = api.truth.charging, asked.serial
    return _days(api, asked, lambda number, first, last: charging.days(number, serial, first, last))


def hp_telemetry(api: ApiV4, asked: Asked) -> Row:
    """Answer what the heat pump drew, in intervals of its own."""
    step = _heat_pump_step(asked.system)
    return _drawn(api, asked, step, partial(api.truth.heating.rows, asked.system.system_id))


def hp_lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer what the heat pump drew on each day."""
    _heat_pump_step(asked.system)
    return _days(api, asked, api.truth.heating.days)


def _micro_span(api: ApiV4, asked: Asked) -> Span:
    truth, number = api.truth, asked.system.system_id
    there = asked.system.modules > 0
    return asked_span(
        api, asked, STEP, (truth.first_stat(number), truth.last_stat(number)) if there else (None, None)
    )


def _charger_step(api: ApiV4, asked: Asked) -> int:
    """Return the seconds of a charger's interval; RefusedError if the system has no such charger."""
    try:
        return api.truth.charging.charger(asked.system.system_id, asked.serial)[1].step
    except KeyError:
        raise not_found("EV Charger", asked.serial) from None


def _heat_pump_step(system: System) -> int:
    """Return the seconds of a heat pump's interval; RefusedError if the system has none."""
    if system.heat_pump is None:
        raise not_found("Heat pump", system.system_id)
    return system.heat_pump.step


def _drawn(api: ApiV4, asked: Asked, step: int, rows: Callable[[float, float], list[dict[str, int]]]) -> Row:
    system = asked.system
    first = (system.operational_at // step + 1) * step
    span = asked_span(api, asked, step, (first, None))
    return {
        "system_id": system.system_id,
        "granularity": span.granularity,
        "interval_duration": f"{step // 60}mins",
        **span.echo,
        "items": "intervals",
        "intervals": rows(span.start, span.end),
    }


def _days(api: ApiV4, asked: Asked, values: Callable[[int, date, date], list[int]]) -> Row:
    days = asked_days(api, asked, in_future=BAD_RANGE)
    return {
        "system_id": asked.system.system_id,
        "start_date": days.start,
        "end_date": days.last.isoformat(),
        "consumption": days.of(values, asked.system.system_id),
    }
