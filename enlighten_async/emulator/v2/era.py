"""How the answers looked over the years: fields came, and endpoints; nothing ever went.

Everything is made as of the newest era and taken away again for an older one. What an era first had:

- 2014: version 2.0. No `meta` anywhere, inventories without meters and sku.
- 2015: `last_interval_end_at` in summary; `meta` in energy_lifetime, monthly_production, rgm_stats, stats.
- 2016: `meta` in systems and inventory; meters there; the switch to meters and `production=all` in
  energy_lifetime; consumption_stats, consumption_lifetime, production_meter_readings.
- 2021: `meter_intervals` and the limit of 7 days in rgm_stats (before, a month was answered); sku, status
  and state in inventory; inverters_summary_by_envoy_or_site, search_system_id.
- 2022: `power_produced` as an object, a period after the texts of 401 and 404, which 2021 lacked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

NEWEST = 2022
FIRST_SERVED = {
    "consumption_stats": 2016,
    "consumption_lifetime": 2016,
    "production_meter_readings": 2016,
    "inverters_summary_by_envoy_or_site": 2021,
    "search_system_id": 2021,
}
META_OF_2015 = {"energy_lifetime", "monthly_production", "rgm_stats", "stats"}

Row: TypeAlias = dict[str, object]


@frozen
class Era:
    """The service of one year."""

    year: int = NEWEST

    def serves(self, endpoint: str) -> bool:
        """Tell whether this endpoint, the last part of its path, exists already."""
        return self.year >= FIRST_SERVED.get(endpoint, 0)

    def text(self, message: str) -> str:
        """Return a sentence as this era ends it."""
        return message.rstrip(".") if 2016 < self.year < NEWEST else message

    @property
    def limits_rgm(self) -> bool:
        """Whether more than 7 days of rgm_stats are refused; before, a month was answered."""
        return self.year >= 2021

    @property
    def names_in_part(self) -> bool:
        """Whether a part of a system's name finds it; before, it had to be the whole."""
        return self.year >= 2015

    def dress(self, endpoint: str, content: object) -> object:
        """Return an answer's content as this era showed it."""
        if self.year >= NEWEST:
            return content
        for first, endpoints, change in CHANGES:
            if self.year < first and endpoint in endpoints:
                content = change(content)
        return content


def _without(*names: str) -> Callable[[object], object]:
    """Return what takes these fields away, wherever they are."""

    def change(content: object) -> object:
        if isinstance(content, list):
            return [change(item) for item in content]
        if isinstance(content, dict):
            return {name: change(value) for name, value in content.items() if name not in names}
        return content

    return change


def _as_short_inventory(content: object) -> object:
    """Return an inventory without what was added to its devices later, its `meta` untouched."""
    if not isinstance(content, dict):
        return content
    shorten = _without("sku", "status", "state")
    short: Row = {name: shorten(value) if name != "meta" else value for name, value in content.items()}
    return short | {"envoys": _without("model")(short["envoys"])} if "envoys" in short else short


def _with_plain_power(content: object) -> object:
    """Return the inverters with their power as a number."""
    if isinstance(content, list):
        return [_with_plain_power(item) for item in content]
    if isinstance(content, dict):
        plain = {name: _with_plain_power(value) for name, value in content.items()}
        power = plain.get("power_produced")
        return plain | {"power_produced": power["value"]} if isinstance(power, dict) else plain
    return content


CHANGES: tuple[tuple[int, set[str], Callable[[object], object]], ...] = (
    (2015, {"summary"}, _without("last_interval_end_at")),
    (2015, META_OF_2015, _without("meta")),
    (2016, {"systems", "inventory"}, _without("meta", "meters")),
    (2016, {"energy_lifetime"}, _without("meter_start_date", "micro_production", "meter_production")),
    (2021, {"rgm_stats"}, _without("meter_intervals")),
    (2021, {"inventory"}, _as_short_inventory),
    (2022, {"inverters_summary_by_envoy_or_site"}, _with_plain_power),
)
