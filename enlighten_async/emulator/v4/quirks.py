"""Quirks of v4: options for undocumented behaviour, and fields of other types than documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import frozen

from enlighten_async.emulator.drift import pick
from enlighten_async.emulator.local_time import iso, local_date

if TYPE_CHECKING:
    from enlighten_async.emulator.simulation.system import System

Row: TypeAlias = dict[str, object]


@frozen(kw_only=True)
class V4Options:
    """Behaviour of v4 where sources disagree or none is known."""

    rgm_week: Literal["refused", "clipped"] = "refused"
    """Treatment of more than seven days of rgm_stats: refused, or clipped."""
    micro_week: Literal["whole", "day", "claimed"] = "whole"
    """Extent of a week of production_micro: the whole of it, its first day, or its first day with an `end_at`
    that claims the whole.
    """
    inverters_paged: bool = True
    """Whether inverters_summary_by_envoy_or_site obeys page and size where they are given."""
    search_size: int = 1000
    """Number of systems on a page of a search: documentation says both 1000 and 100."""
    yesterday_from: float = 0.0
    """The local hour from which lifetimes include yesterday."""
    yesterday_until: Literal["short", "zero"] = "short"
    """Lifetimes until that hour: a series that is one element short, or a zero."""
    deny: bool = False
    """Whether owners deny access in the login."""


def system_quirks(row: Row, system: System) -> Row:
    """Return a system in a list with fields that are null or numbers; its id decides which."""
    kind = pick(3, system.system_id, "system")
    row |= {
        "attachment_type": None if kind else row["attachment_type"],
        "interconnect_date": (None, row["interconnect_date"], system.shown_operational_at)[kind],
    }
    if system.reference is None and kind == 2:
        row |= {"reference": None, "other_references": row.get("other_references")}
    return row


def inverter_quirks(row: Row, system: System) -> Row:
    """Return an inverter whose last report is text and whose power is a plain number, for some ids."""
    at, power = row["last_report_date"], row["power_produced"]
    if isinstance(at, int) and pick(2, system.system_id, "inverters"):
        row |= {"last_report_date": iso(at, system.timezone)}
    if isinstance(power, dict) and not pick(3, row["id"], "power"):
        row |= {"power_produced": power["value"]}
    return row


def cellular_modem(system: System, number: int, *, quirks: bool) -> Row | None:
    """Return a gateway's cellular modem; `None` if it is wired. With quirks some wired ones say N/A."""
    if system.connection_type == "cellular":
        start = system.operational_at
        return {
            "imei": f"35200911{number % 10**7:07}",
            "part_num": "860-00157-r01",
            "sku": "CELLMODEM-M1",
            "plan_start_date": start,
            "plan_end_date": start + 5 * 365 * 86_400,
        }
    if quirks and pick(2, system.system_id, "modem"):
        nothing = dict.fromkeys(("imei", "part_num", "sku"), "N/A")
        return nothing | {"plan_start_date": None, "plan_end_date": None}
    return None


def interconnect_date(system: System) -> str:
    """Return the date from which a system may export to the grid, in the documented format."""
    return local_date(system.shown_operational_at, system.timezone).isoformat()
