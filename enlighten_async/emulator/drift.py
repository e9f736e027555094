"""Drifts: ways in which the service departs from its documentation, each to be switched on or off."""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve

from enlighten_async.emulator.faults import OUTAGE_FORMS, Fault
from enlighten_async.emulator.simulation.sun import DAY_S
from enlighten_async.emulator.simulation.system import Backlog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enlighten_async.emulator.simulation.system import System

SEASON_S, LONG_OFFLINE_S = 4 * DAY_S, 6 * DAY_S  # of a gateway that goes offline while the emulator runs
LATE_HOUR_S, LATE_DAYS_S = 3600, 3 * DAY_S  # of a meter whose rows come late, always
CELLULAR_REPORT_S = 6 * 3600  # from one report to the next, of a gateway that saves on a modem's data
OFFLINE_S, UPLOAD_S = 3 * DAY_S, 1 * DAY_S  # of a gateway that comes back when the emulator starts
DECLARED_AFTER_S = 40 * DAY_S  # between the first energy and the day somebody has set
OUTAGE_EVERY_S, OUTAGE_LASTS_S = 6 * 3600, 1200


class Drift(StrEnum):
    """One way in which the service departs from its documentation.

    All apply from the next answer on, but `BACKLOG`, `LONG_BACKLOG`, `LATE_HOUR`, `LATE_DAYS`, `CELLULAR` and
    `HAND_SET_DATE`, which shape the systems an emulator begins with.
    """

    RECORDED_TYPES = "recorded-types"
    """Fields of v4 are null or of other types, as recordings show."""
    UNKNOWN_FIELDS = "unknown-fields"
    """Every object has a field that is not documented."""
    ODD_FIELDS = "odd-fields"
    """Numbers are text, texts are numbers, dates cannot be read; in minor fields."""
    MILLISECONDS = "milliseconds"
    """Instants of reports are in milliseconds."""
    NESTED_SERIES = "nested-series"
    """Flat series come nested by day, nested ones flat."""
    OFF_GRID = "off-grid"
    """The rows of every fourth hour end half a minute early."""
    FINE_GRID = "fine-grid"
    """Rows are of a third or a fifth of their interval."""
    DUPLICATES = "duplicates"
    """Every third row comes twice, once with nulls."""
    NULL_LISTS = "null-lists"
    """Some series are null in place of their rows, until the next half hour."""
    CUT_LISTS = "cut-lists"
    """Pages of v4 lack their last item, though the total counts it."""
    BACKLOG = "backlog"
    """Half of the gateways were offline and upload what they kept, the oldest first."""
    LONG_BACKLOG = "long-backlog"
    """After four days half of the gateways are offline for six, and upload what they kept."""
    LATE_HOUR = "late-hour"
    """The last meter of every second system is an hour late."""
    LATE_DAYS = "late-days"
    """The last meter of every second system is three days late."""
    CELLULAR = "cellular"
    """Gateways with a cellular modem report every six hours."""
    HAND_SET_DATE = "hand-set-date"
    """Half of the systems say that service began 40 days later, or earlier."""
    OUTAGES = "outages"
    """20 minutes of every 6 hours the service fails: web pages, 5xx, resets, silence."""
    SHORT_REJECTIONS = "short-rejections"
    """Rejections do not name the period and the limit."""
    OTHER_STATUS = "other-status"
    """Rejections are 429 in v2 and 409 in v4."""
    RETRY_AFTER = "retry-after"
    """Rejections carry a Retry-After."""


DRIFTS: dict[Drift, str] = {
    Drift.RECORDED_TYPES: "fields of v4 are null or of other types, as recordings show",
    Drift.UNKNOWN_FIELDS: "every object has a field that is not documented",
    Drift.ODD_FIELDS: "numbers are text, texts are numbers, dates cannot be read; in minor fields",
    Drift.MILLISECONDS: "instants of reports are in milliseconds",
    Drift.NESTED_SERIES: "flat series come nested by day, nested ones flat",
    Drift.OFF_GRID: "the rows of every fourth hour end half a minute early",
    Drift.FINE_GRID: "rows are of a third or a fifth of their interval",
    Drift.DUPLICATES: "every third row comes twice, once with nulls",
    Drift.NULL_LISTS: "some series are null in place of their rows, until the next half hour",
    Drift.CUT_LISTS: "pages of v4 lack their last item, though the total counts it",
    Drift.BACKLOG: "half of the gateways were offline and upload what they kept, the oldest first",
    Drift.LONG_BACKLOG: "after four days half of the gateways are offline for six, and upload what they kept",
    Drift.LATE_HOUR: "the last meter of every second system is an hour late",
    Drift.LATE_DAYS: "the last meter of every second system is three days late",
    Drift.CELLULAR: "gateways with a cellular modem report every six hours",
    Drift.HAND_SET_DATE: "half of the systems say that service began 40 days later, or earlier",
    Drift.OUTAGES: "20 minutes of every 6 hours the service fails: web pages, 5xx, resets, silence",
    Drift.SHORT_REJECTIONS: "rejections do not name the period and the limit",
    Drift.OTHER_STATUS: "rejections are 429 in v2 and 409 in v4",
    Drift.RETRY_AFTER: "rejections carry a Retry-After",
}
"""The effect of each."""

DEFAULT_DRIFTS = frozenset({Drift.RECORDED_TYPES})

OUTAGES = tuple(Fault.outage(form) for form in OUTAGE_FORMS)


def pick(options: int, *of: object) -> int:
    """Return a number below `options`, the same one each time for the same arguments."""
    return zlib.crc32("/".join(map(str, of)).encode()) % options


def drifted_fleet(fleet: Iterable[System], drifts: frozenset[Drift], now: float) -> tuple[System, ...]:
    """Return the systems with the backlogs, delays and dates of these drifts; every second system has them.

    Args:
        fleet: the systems.
        drifts: the drifts that are on.
        now: when the emulator starts (epoch seconds).
    """
    systems = [_reporting(system, drifts) for system in fleet]
    for index in range(0, len(systems), 2):
        system = systems[index]
        if Drift.BACKLOG in drifts and not system.backlogs:
            system = evolve(system, backlogs=(Backlog(now - OFFLINE_S, now, UPLOAD_S),))
        if Drift.LONG_BACKLOG in drifts and not system.backlogs:
            begin = now + SEASON_S
            system = evolve(system, backlogs=(Backlog(begin, begin + LONG_OFFLINE_S, UPLOAD_S),))
        system = _late(system, drifts)
        if Drift.HAND_SET_DATE in drifts and system.declared_at is None:
            later = DECLARED_AFTER_S if index % 4 == 0 else -DECLARED_AFTER_S
            system = evolve(system, declared_at=system.operational_at + later)
        systems[index] = system
    return tuple(systems)


def _reporting(system: System, drifts: frozenset[Drift]) -> System:
    """Return a system that reports seldom, where a cellular modem makes it so."""
    seldom = Drift.CELLULAR in drifts and system.connection_type == "cellular"
    return evolve(system, report_every=CELLULAR_REPORT_S) if seldom and not system.report_every else system


def _late(system: System, drifts: frozenset[Drift]) -> System:
    """Return a system whose last meter is late."""
    late = max(LATE_DAYS_S * (Drift.LATE_DAYS in drifts), LATE_HOUR_S * (Drift.LATE_HOUR in drifts))
    if not late or not system.meters:
        return system
    *others, last = system.meters
    return evolve(system, meters=(*others, evolve(last, late=max(last.late, late))))


def outage_at(now: float) -> Fault | None:
    """Return the fault of `Drift.OUTAGES` at an instant (epoch seconds); each outage has the next form."""
    number, since = divmod(now, OUTAGE_EVERY_S)
    return OUTAGES[int(number) % len(OUTAGES)] if since < OUTAGE_LASTS_S else None
