"""Lists of devices in v4, and the lists of v2 that are taken out of its one list of all kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

from enlighten_async.api.paging import PagedPlan, Seen
from enlighten_async.api.systems import inverters_summary
from enlighten_async.models.convert import UnreadableError
from enlighten_async.models.coverage import Gap
from enlighten_async.models.devices import EnvoyInverters, InvertersSummary
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Part
from enlighten_async.windows import Window
from enlighten_async.wire import Request, never_final

INVERTERS_PER_PAGE = 100
"""Inverters per page, the most the service gives; it was seen to give all in one."""

KINDS = (
    *("micros", "meters", "gateways", "q_relays", "acbs", "encharges", "enpowers"),
    *("ev_chargers", "heat_pump", "iq_collars", "iq_air", "generators"),
)
"""Kinds of devices, by the service's names; it writes some of them in capitals now and then."""

ABSENT = (None, "", "N/A")
"""Values that stand for a thing that is not there."""

Rows = list[dict[str, Any]]


def by_kind(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the devices of an answer, by their kind; a kind of which there is none has no key."""
    devices = raw.get("devices")
    if devices is None and raw.get("total_devices") == 0:
        return {}
    if not isinstance(devices, dict):
        raise UnreadableError("not an object", "devices")
    return {name.lower().replace("-", "_"): rows for name, rows in devices.items()}


def shape_devices(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a system's devices with a field for each kind that is known, and the others together."""
    listed = by_kind(raw)
    known = {kind: device_rows(listed.pop(kind)) for kind in KINDS if kind in listed}
    own = {name: raw.get(name) for name in ("system_id", "total_devices")}
    return {**own, **known, "others": listed}


def device_rows(listed: Any) -> Any:
    """Return devices by the names their model has; what is not a list of them is left as it is."""
    return [_device(row) for row in listed] if isinstance(listed, list) else listed


def _device(row: Any) -> Any:
    """Return a device; of a modem that is not there, the service may say that nothing is known of it."""
    if not isinstance(row, dict):
        return row
    named = {name.lower(): value for name, value in row.items()}
    modem = named.get("cellular_modem")
    if isinstance(modem, dict):
        modem = {name: value for name, value in modem.items() if value not in ABSENT}
    return {**named, "cellular_modem": None if modem in (*ABSENT, {}) else modem}


def shape_envoys(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the gateways among a system's devices, as v2 lists them."""
    gateways = [{**row, "envoy_id": row.get("id")} for row in by_kind(raw).get("gateways", [])]
    return {"system_id": raw.get("system_id"), "envoys": gateways}


def shape_inventory(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the active devices of the kinds that v2's inventory has."""
    return {
        "system_id": raw.get("system_id"),
        "envoys": _active(raw, "gateways", "model", "sku"),
        "inverters": _active(raw, "micros", "model", "sku"),
        "meters": _active(raw, "meters", "model", "sku", "status", "state"),
    }


def _active(raw: dict[str, Any], kind: str, *names: str) -> Rows:
    """Return the devices of a kind that are in service, as an inventory has them."""
    return [
        {"sn": row.get("serial_number"), **{name: row.get(name) for name in names}}
        for row in by_kind(raw).get(kind, [])
        if row.get("active") not in (False, "false")
    ]


@frozen
class InvertersPlan(PagedPlan[InvertersSummary, int, InvertersSummary, InvertersSummary]):
    """The plan of a query for the last reports of a system's microinverters: pages by number.

    Attributes:
        site_id: the system; the service calls it a site here.
    """

    site_id: int

    @property
    def first(self) -> int:
        """The number of the first page."""
        return 1

    def request(self, cursor: int, seen: Seen) -> Request[InvertersSummary]:
        """Return the request for a page."""
        name = "inverters_summary_by_envoy_or_site"
        page = (("page", str(cursor)), ("size", str(INVERTERS_PER_PAGE)))
        params = (("site_id", str(self.site_id)), *page)
        return Request(name, f"/systems/{name}", params, inverters_summary, valid_until=never_final)

    def listed(self, part: InvertersSummary) -> Seen:
        """Return the serial numbers of a page's inverters."""
        return frozenset(inverter.serial_number for inverter in part.micro_inverters)

    def next_cursor(self, cursor: int, parts: Sequence[InvertersSummary], seen: Seen) -> int | None:
        """Return the number of the next page; a page that is not full is the last."""
        return cursor + 1 if len(parts[-1].micro_inverters) >= INVERTERS_PER_PAGE else None

    def items(self, part: InvertersSummary) -> tuple[InvertersSummary]:
        """Return the page."""
        return (part,)

    def merge(
        self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None
    ) -> InvertersSummary:
        """Return all pages, gateway by gateway: one may be listed on several; each inverter once."""
        pages: Sequence[InvertersSummary] = parts
        merged: dict[str | None, EnvoyInverters] = {}
        known = set[str | None]()
        for number, envoy in enumerate(envoy for page in pages for envoy in page.envoys):
            new = tuple(each for each in envoy.micro_inverters if each.serial_number not in known)
            known |= {each.serial_number for each in new if each.serial_number is not None}
            key = envoy.micro_inverters[0].envoy_serial_number if envoy.micro_inverters else f"none {number}"
            before = merged.get(key)
            merged[key] = (
                evolve(envoy, micro_inverters=new)
                if before is None
                else evolve(before, micro_inverters=before.micro_inverters + new)
            )
        as_of = pages[0].as_of if pages else None
        return InvertersSummary(tuple(merged.values()), as_of=as_of, receipt=receipt)
