"""Devices of a system: `envoys`, `inventory` and `inverters_summary_by_envoy_or_site`."""

from __future__ import annotations

from functools import partial

from enlighten_async.models.devices import Envoys, Inventory, InvertersSummary
from enlighten_async.session.outline import Draft
from enlighten_async.v2 import decode
from enlighten_async.v2.once import once
from enlighten_async.wire import Request


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
    return once(Request(name, f"/systems/{name}", (("site_id", str(site_id)),), decode.inverters_summary))
