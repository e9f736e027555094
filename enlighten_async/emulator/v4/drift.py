"""Fields that differ from their documentation, as real answers show; the system's id decides how."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import iso, local_date

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import System

Row: TypeAlias = dict[str, object]

SPELLED = {"wifi": "Wi-Fi", "cellular": "Cellular", "ethernet": "Ethernet"}


def which(options: int, *of: object) -> int:
    """Return one of so many numbers; the same one for the same thing each time."""
    return zlib.crc32("/".join(map(str, of)).encode()) % options


def drift_system(item: Row, system: System) -> Row:
    """Return a system in a list with fields that are null, numbers or otherwise spelled."""
    kind = which(3, system.system_id, "system")
    if which(2, system.system_id, "spelling"):
        item["connection_type"] = SPELLED.get(system.connection_type, system.connection_type)
    item |= {
        "attachment_type": None if kind else item["attachment_type"],
        "interconnect_date": (None, item["interconnect_date"], system.operational_at)[kind],
    }
    if system.reference is None and kind == 2:
        item |= {"reference": None, "other_references": item.get("other_references")}
    return item


def drift_inverter(row: Row, system: System) -> Row:
    """Return an inverter whose last report is text, and whose power is a bare number now and then."""
    at, power = row["last_report_date"], row["power_produced"]
    if isinstance(at, int) and which(2, system.system_id, "inverters"):
        row |= {"last_report_date": iso(at, system.timezone)}
    if isinstance(power, dict) and not which(3, row["id"], "power"):
        row |= {"power_produced": power["value"]}
    return row


def modem(system: System, number: int, *, drifts: bool) -> Row | None:
    """Return a gateway's cellular modem; `None` if it is wired. Some that are wired say N/A."""
    if system.connection_type == "cellular":
        start = system.operational_at
        return {
            "imei": f"35200911{number % 10**7:07}",
            "part_num": "860-00157-r01",
            "sku": "CELLMODEM-M1",
            "plan_start_date": start,
            "plan_end_date": start + 5 * 365 * 86_400,
        }
    if drifts and which(2, system.system_id, "modem"):
        nothing = dict.fromkeys(("imei", "part_num", "sku"), "N/A")
        return nothing | {"plan_start_date": None, "plan_end_date": None}
    return None


def interconnected(system: System) -> str:
    """Return the date from which a system may feed the grid, as documentation has it."""
    return local_date(system.operational_at, system.timezone).isoformat()
