"""The history of v2: fields and endpoints that were added over the years; none was ever removed.

Content is made as of the latest year, and later additions are removed for an earlier year. Additions by year:

- 2014: version 2.0. No `meta` anywhere, inventories without meters and sku.
- 2015: `last_interval_end_at` in summary; `meta` in energy_lifetime, monthly_production, rgm_stats, stats.
- 2016: `meta` in systems and inventory; meters there; the switch to meters and `production=all` in
  energy_lifetime; consumption_stats, consumption_lifetime, production_meter_readings.
- 2021: `meter_intervals` and the limit of 7 days in rgm_stats (before, the response was cut after a
  month); sku, status and state in inventory; inverters_summary_by_envoy_or_site, search_system_id.
- 2022: `power_produced` as an object, a period after the texts of 401 and 404, which 2021 lacked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

LATEST_YEAR = 2022
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
class V2History:
    """Version 2 as it was in one year."""

    year: int = LATEST_YEAR

    def serves(self, endpoint: str) -> bool:
        """Return whether this endpoint, the last part of its path, exists already."""
        return self.year >= FIRST_SERVED.get(endpoint, 0)

    def text(self, message: str) -> str:
        """Return a sentence with the final period of this year, or without."""
        return message.rstrip(".") if 2016 < self.year < LATEST_YEAR else message

    @property
    def unauthorized(self) -> tuple[int, Row]:
        """Status and content of the error for users who may not see the system, and for invalid keys."""
        text = self.text("Not authorized to access requested resource.")
        return 401, {"reason": "401", "message": [text]}

    @property
    def limits_rgm(self) -> bool:
        """Whether more than 7 days of rgm_stats are an error; before, the response was cut after a month."""
        return self.year >= 2021

    @property
    def matches_partial_names(self) -> bool:
        """Whether the filter by name matches a part of the name; before, only the whole name matched."""
        return self.year >= 2015

    def without_later_fields(self, endpoint: str, content: object) -> object:
        """Return the content of a response without the fields added after this year."""
        if self.year >= LATEST_YEAR:
            return content
        for first, endpoints, change in CHANGES:
            if self.year < first and endpoint in endpoints:
                content = change(content)
        return content


def _without(*names: str) -> Callable[[object], object]:
    """Return a function that removes these fields, however deep they are nested."""

    def change(content: object) -> object:
        if isinstance(content, list):
            return [change(item) for item in content]
        if isinstance(content, dict):
            return {name: change(value) for name, value in content.items() if name not in names}
        return content

    return change


def _as_short_inventory(content: object) -> object:
    """Return an inventory without the fields added to its devices later; `meta` keeps its fields."""
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
