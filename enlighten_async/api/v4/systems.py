"""Systems in v4: lists, summaries, meter readings and last reports by the names of v2, and settings."""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack
from zoneinfo import ZoneInfo

import msgspec
from attrs import evolve, frozen

from enlighten_async import models
from enlighten_async.api import decode
from enlighten_async.api.error_bodies import says_no_device
from enlighten_async.api.paging import SPARE_PAGES, Seen, SystemFilters
from enlighten_async.api.single import SinglePlan, read_object
from enlighten_async.api.systems import SystemsPlan, filter_values, systems_page
from enlighten_async.api.v4.devices import by_kind, shaped_rows
from enlighten_async.cache import SeriesIndex, absent_until
from enlighten_async.errors import APIError, EnlightenError, InputError, NotSupported, RangeError
from enlighten_async.models.convert import parse_count
from enlighten_async.models.coverage import Reason
from enlighten_async.query.plan import Segments
from enlighten_async.wire import Request, Response, never_final

if TYPE_CHECKING:
    from enlighten_async.models import BatterySettings, GridStatus, LoadControl, StormGuard, SystemDetails
    from enlighten_async.models.systems import SystemsPage

SYSTEMS_PER_PAGE = 100
"""Systems per page, the most that is said without contradiction; the service's own default is 10."""

_SEVERAL = {"system_id": "ids", "status": "statuses"}
"""Filters that take several values, with the service's names of them."""

_ONE = {"system_name": "name", "reference": "reference"}
"""Filters that take one value, with the service's names of them."""

UNKNOWN = -1
"""Stands in lists of systems for figures that the service no longer gives there."""


@frozen
class SystemsPlanV4(SystemsPlan):
    """The plan of a query for the systems of a user: pages by number, and a search where there are filters.

    Attributes:
        criteria: the filters, as the body of a search has them; none asks for all systems.
    """

    criteria: dict[str, object]

    @property
    def first(self) -> str:
        """The number of the first page."""
        return "1"

    def request(self, cursor: str, seen: Seen) -> Request[SystemsPage]:
        """Return the request for a page."""
        params = (("page", cursor), ("size", str(SYSTEMS_PER_PAGE)))
        ids = self.criteria.get(_SEVERAL["system_id"])
        asked = ids if isinstance(ids, list) else []
        read = partial(systems_page, asked, seen, partial(_shape_page, int(cursor), len(seen)))
        if not self.criteria:
            return Request("systems", "/systems", (*params, ("sort_by", "id")), read, valid_until=never_final)
        body = msgspec.json.encode({"sort_by": "id", "system": self.criteria})
        path = "/systems/search"
        return Request("systems", path, params, read, method="POST", body=body, valid_until=never_final)

    def most_listed(self, first: SystemsPage) -> float:
        """Return the service's count of systems, and as many again as fit on a page.

        Of a count that is less than the first page lists, it is as many as fit on several pages.
        """
        if first.total is None:
            return math.inf
        contradicts = len(first.systems) > first.total
        return first.total + SYSTEMS_PER_PAGE * (SPARE_PAGES if contradicts else 1)

    def counted(self, first: SystemsPage) -> int | None:
        """Return how many systems the service counts."""
        return first.total


def search_criteria(**filters: Unpack[SystemFilters]) -> dict[str, object]:
    """Return filters as the body of a search has them.

    Raises:
        InputError: a filter is empty, or not of texts; `NotSupported`: v4 has no such filter.
    """
    values = {name: filter_values(name, given) for name, given in filters.items()}
    return _criteria({name: several for name, several in values.items() if several})


def _criteria(values_by_name: dict[str, tuple[str, ...]]) -> dict[str, object]:
    """Return filters as the service takes them in a search."""
    criteria: dict[str, object] = {}
    for name, values in values_by_name.items():
        if name in _SEVERAL:
            criteria[_SEVERAL[name]] = _numbers(values) if name == "system_id" else list(values)
        elif name in _ONE and len(values) == 1:
            criteria[_ONE[name]] = values[0]
        elif name in _ONE:
            raise NotSupported(f"v4 of the API takes one {name} at a time: ask once for each")
        else:
            raise NotSupported(f"v4 of the API has no filter {name}: leave it out, and filter the answer")
    return criteria


def _numbers(values: tuple[str, ...]) -> list[int]:
    if not all(value.isascii() and value.isdigit() for value in values):
        raise InputError("system_id must be the number of a system, or several")
    return [int(value) for value in values]


def _shape_page(number: int, before: int, raw: dict[str, Any]) -> dict[str, Any]:
    """Return a page as the model has it; `next` is the number of the next one, if there is one."""
    listed, total = raw.get("systems"), parse_count(raw.get("total"))
    if not isinstance(listed, list):
        return raw
    size, told = (parse_count(raw.get(name)) for name in ("size", "count"))
    count = len(listed)
    if not size or size > SYSTEMS_PER_PAGE:
        size = SYSTEMS_PER_PAGE
    more, got = count >= size, before + count
    if total is not None and got <= total:  # else the page says more than the total does
        more = got < total
    return {
        "systems": [_shape_system(each) for each in listed],
        "listed": count,
        "cut": total is None and told is not None and count < told <= size,
        "next": str(number + 1) if more and count else None,
        "total": total,
        "counted": total is not None or raw.get("total") in (None, UNKNOWN),
    }


def _shape_system(raw: Any) -> Any:
    """Return one system by the names of v2."""
    if not isinstance(raw, dict):
        return raw
    address = raw.get("address")
    others = raw.get("other_references")
    figures = ("energy_lifetime", "energy_today", "system_size")
    return {
        **raw,
        **(address if isinstance(address, dict) else {}),
        "system_name": raw.get("name"),
        "system_public_name": raw.get("public_name"),
        "connection_type": _spelled(raw.get("connection_type")),
        "other_references": [others] if isinstance(others, str) else others,
        "meta": {
            name: raw.get(name) for name in ("status", "last_report_at", "last_energy_at", "operational_at")
        },
        **{name: None for name in figures if raw.get(name) == UNKNOWN},
    }


def _spelled(connection_type: Any) -> Any:
    """Return a type of connection as v2 spells it: v4 also has "Wi-Fi" and "Cellular"."""
    return connection_type.lower().replace("-", "") if isinstance(connection_type, str) else connection_type


@frozen
class SystemPlan(SinglePlan["SystemDetails"]):
    """The plan of a query for one system.

    Attributes:
        time_zones: names of systems' time zones; the answer adds to them.
    """

    time_zones: MutableMapping[int, str]

    def segments(self, now: float, zone: ZoneInfo | None, cached: SeriesIndex) -> Segments:
        """Return the segment of the request; the system's time zone is noted."""
        return evolve(super().segments(now, zone, cached), learn=self._learn)

    def _learn(self, part: SystemDetails) -> None:
        if part.timezone:
            self.time_zones[part.system_id] = part.timezone


def system_details(response: Response, system_id: int | None = None) -> SystemDetails:
    """Decode one system, of this number if it is given."""
    return decode.value(models.SystemDetails, response, shape=_shape_system, system_id=system_id)


def shape_summary(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a summary with a list of EV chargers in place of objects named by their serial numbers."""
    listed = raw.get("evse_power")
    if not isinstance(listed, list):
        return raw
    chargers: list[Any] = []
    for each in listed:
        powers = each.items() if isinstance(each, dict) else [("", each)]
        chargers += [
            {"serial_number": serial, **power} if isinstance(power, dict) else power
            for serial, power in powers
        ]
    return {**raw, "evse_power": chargers}


def shape_readings(raw: dict[str, Any]) -> dict[str, Any]:
    """Return readings by one name of the serial number; the service has two."""
    if not isinstance(raw.get("meter_readings"), list):
        return raw
    return {**raw, "meter_readings": shaped_rows(raw["meter_readings"], _with_serial_number)}


def _with_serial_number(reading: dict[str, Any]) -> dict[str, Any]:
    return {**reading, "serial_number": reading.get("serial_number") or reading.get("serial_num")}


S = TypeVar("S", "BatterySettings", "StormGuard", "GridStatus", "LoadControl")

_EMPTY_TEXTS = (
    ("doesn't have", Reason.NO_DEVICE),
    ("not reported yet", Reason.NOT_REPORTED_YET),
)
"""Texts of a 422 for a system that has no such setting, each with the reason that it stands for."""


def setting_plan(model: Callable[[], type[S]], endpoint: str, system_id: int) -> SinglePlan[S]:
    """Return the plan of a query for one setting of a system.

    Args:
        model: returns the class of the answer; loads its module.
        endpoint: the API's name of the setting.
        system_id: the system.
    """
    request = Request(
        endpoint,
        f"/systems/config/{system_id}/{endpoint}",  # the number comes later than in other paths
        (),
        partial(read_object, model, defaults={"system_id": system_id}, system_id=system_id),
        empty_answer_for=partial(_empty_setting, model, system_id),
        valid_until=_setting_valid_until,
    )
    return SinglePlan(request, model)


def _setting_valid_until(setting: S, fetched: float, since: float | None) -> float:
    """Return up to when (epoch seconds) a response will do: one that there is nothing, for a while."""
    return fetched if setting.reason is None else absent_until(setting.reason, fetched, since)


def _empty_setting(model: Callable[[], type[S]], system_id: int, error: EnlightenError) -> S | None:
    """Return the empty answer that an error of the service stands for: without batteries, or a report."""
    if not isinstance(error, APIError):
        return None
    known = _EMPTY_TEXTS if isinstance(error, RangeError) else ()
    reason = next((reason for text, reason in known if text in str(error)), None)
    if says_no_device(error):
        reason = Reason.NO_DEVICE
    if reason is None:
        return None
    return model()(system_id, reason=reason, as_of=decode.fetched_at(error.response))


REPORTING_KINDS = ("meters", "encharges", "heat_pump", "evse")
"""Kinds of devices in the last reports; the service writes one of them with a hyphen."""


def shape_latest_telemetry(raw: dict[str, Any]) -> dict[str, Any]:
    """Return last reports with a field for each kind that is known, and the others together."""
    listed = by_kind(raw)
    known = {kind: listed.pop(kind) for kind in REPORTING_KINDS if kind in listed}
    return {"system_id": raw.get("system_id"), **known, "others": listed}
