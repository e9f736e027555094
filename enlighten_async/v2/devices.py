"""Devices of a system: `envoys`, `inventory` and `inverters_summary_by_envoy_or_site`."""

from __future__ import annotations

from functools import partial

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.models.devices import EnvoyInverters, Envoys, Inventory, InvertersSummary
from enlighten_async.session.outline import Draft
from enlighten_async.wire import Request, Response


def envoys(system_id: int) -> Draft[Envoys, Envoys, Envoys]:
    """Ask for a system's gateways."""
    return once(Request("envoys", f"/systems/{system_id}/envoys", (), partial(decode.value, Envoys)))


def inventory(system_id: int) -> Draft[Inventory, Inventory, Inventory]:
    """Ask for a system's active devices."""
    return once(Request("inventory", f"/systems/{system_id}/inventory", (), partial(decode.value, Inventory)))


def inverters_summary_by_envoy_or_site(
    site_id: int,
) -> Draft[InvertersSummary, InvertersSummary, InvertersSummary]:
    """Ask for a system's microinverters and their last reports; the service calls the system a site here."""
    name = "inverters_summary_by_envoy_or_site"
    return once(Request(name, f"/systems/{name}", (("site_id", str(site_id)),), inverters_summary))


def inverters_summary(response: Response) -> InvertersSummary:
    """Decode an answer that lists microinverters, gateway by gateway."""
    return InvertersSummary(decode.items(EnvoyInverters, response), as_of=decode.fetched_at(response))
