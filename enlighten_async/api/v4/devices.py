"""Devices of a system: v4's one list of all kinds, and the lists of v2 that are taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import evolve

from enlighten_async.api import decode
from enlighten_async.api.single import once
from enlighten_async.models.coverage import Gap
from enlighten_async.models.devices import Devices, EnvoyInverters, Envoys, Inventory, InvertersSummary
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Draft, Leg, Outline
from enlighten_async.wire import Request, Requests, Response, never_final

PAGE = 100
"""Inverters per page, the most the service gives; it was seen to give all in one."""

KINDS = (
    *("micros", "meters", "gateways", "q_relays", "acbs", "encharges", "enpowers"),
    *("ev_chargers", "heat_pump", "iq_collars", "iq_air", "generators"),
)
"""Kinds of devices, by the service's names; it writes some of them in capitals now and then."""

ABSENT = (None, "", "N/A")
"""What stands for a thing that is not there."""

Rows = list[dict[str, Any]]


def devices(system_id: int) -> Draft[Devices, Devices, Devices]:
    """Ask for a system's devices of all kinds."""
    return once(_devices("devices", system_id, partial(decode.value, Devices, shape=_as_devices)))


def envoys(system_id: int) -> Draft[Envoys, Envoys, Envoys]:
    """Ask for a system's gateways."""
    return once(_devices("envoys", system_id, partial(decode.value, Envoys, shape=_as_envoys)))


def inventory(system_id: int) -> Draft[Inventory, Inventory, Inventory]:
    """Ask for a system's active gateways, microinverters and meters."""
    return once(_devices("inventory", system_id, partial(decode.value, Inventory, shape=_as_inventory)))


def _devices(name: str, system_id: int, read: Any) -> Request[Any]:
    return Request(name, f"/systems/{system_id}/devices", (), read)


def _listed(raw: dict[str, Any], kind: str) -> Rows:
    """Return the devices of a kind; a kind of which there is none has no key."""
    rows: Rows = (raw.get("devices") or {}).get(kind) or []
    return rows


def _as_devices(raw: dict[str, Any]) -> dict[str, Any]:
    by_kind = {name.lower(): rows for name, rows in (raw.get("devices") or {}).items()}
    known = {kind: device_rows(by_kind.pop(kind, None)) for kind in KINDS}
    own = {name: raw.get(name) for name in ("system_id", "total_devices")}
    return {**own, **known, "others": by_kind}


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


def _as_envoys(raw: dict[str, Any]) -> dict[str, Any]:
    gateways = [{**row, "envoy_id": row.get("id")} for row in _listed(raw, "gateways")]
    return {"system_id": raw.get("system_id"), "envoys": gateways}


def _as_inventory(raw: dict[str, Any]) -> dict[str, Any]:
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
        for row in _listed(raw, kind)
        if row.get("active") not in {False, "false"}
    ]


def inverters_summary_by_envoy_or_site(
    site_id: int,
) -> Draft[InvertersSummary, InvertersSummary, InvertersSummary]:
    """Ask for a system's microinverters and their last reports; the service calls the system a site here."""
    return Draft(
        lambda _now, _zone: Outline(
            legs=(Leg(_pages(site_id)),), merge=_joined, unpack=lambda part: (part,), open_ended=True
        )
    )


def _pages(site_id: int) -> Requests[InvertersSummary]:
    """Ask for page after page, for as long as they are full and hold inverters not seen before."""
    name, known, number = "inverters_summary_by_envoy_or_site", set[str | None](), 1
    while True:
        params = (("site_id", str(site_id)), ("page", str(number)), ("size", str(PAGE)))
        page = yield Request(name, f"/systems/{name}", params, _inverters, valid_until=never_final)
        listed = {inverter.serial_number for inverter in page.micro_inverters}
        if len(page.micro_inverters) < PAGE or listed <= known:
            return
        known |= listed
        number += 1


def _inverters(response: Response) -> InvertersSummary:
    return InvertersSummary(decode.items(EnvoyInverters, response), as_of=decode.fetched_at(response))


def _joined(parts: Sequence[InvertersSummary], _: Sequence[Gap], receipt: Receipt) -> InvertersSummary:
    """Join pages, gateway by gateway: one may be listed on several; each inverter once."""
    merged: dict[str | None, EnvoyInverters] = {}
    known = set[str | None]()
    for number, envoy in enumerate(envoy for part in parts for envoy in part.envoys):
        new = tuple(each for each in envoy.micro_inverters if each.serial_number not in known)
        known |= {each.serial_number for each in new if each.serial_number is not None}
        key = envoy.micro_inverters[0].envoy_serial_number if envoy.micro_inverters else f"none {number}"
        before = merged.get(key)
        merged[key] = (
            evolve(envoy, micro_inverters=new)
            if before is None
            else evolve(before, micro_inverters=before.micro_inverters + new)
        )
    as_of = parts[0].as_of if parts else None
    return InvertersSummary(tuple(merged.values()), as_of=as_of, receipt=receipt)
