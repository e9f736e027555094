"""Version 2 of the service: which path is answered by what. Pure but for what the truth knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.local_time import BadMomentError, iso, local_date, parse_date
from enlighten_async.emulator.messages import as_json, as_script, refuse
from enlighten_async.emulator.status import meta, summary
from enlighten_async.emulator.v2 import daily, devices, intervals
from enlighten_async.emulator.v2.era import Era
from enlighten_async.emulator.v2.paging import cut_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.clock import Clock
    from enlighten_async.emulator.messages import Answer, Call
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.plant.truth import Truth
    from enlighten_async.emulator.quota import Excess

ROOT = "/api/v2"
CALLBACK = re.compile(r"[\w$.\[\]]+")
SYSTEM_ID = "(?P<id>[0-9]{1,18})"
INSTANTS = {
    "start_at",
    "end_at",
    "read_at",
    "first_interval",
    "last_interval",
    "last_interval_end_at",
    "last_report_at",
    "last_energy_at",
    "operational_at",
}

Row: TypeAlias = dict[str, object]


@frozen
class ApiV2:
    """Answers what quota and faults have let through."""

    users: frozenset[str]
    keys: Callable[[str], bool]
    truth: Truth
    clock: Clock
    retention: float
    era: Era

    def admit(self, call: Call) -> Answer | None:
        """Return the refusal of a request that is not even counted, if it meets one."""
        return None if self.keys(call.key) else as_json(*self.unauthorized)

    def crowded(self, _: Call) -> Answer:
        """Return the answer where too many requests come at once."""
        return refuse(503, "Service Unavailable")

    def throttled(self, _: Call, excess: Excess) -> Answer:
        """Return the answer to a request the quota refuses."""
        content = {"reason": "409", "message": [f"Usage limit exceeded for plan {excess.plan}"]}
        return as_json(409, content | excess.facts)

    def answer(self, call: Call) -> Answer:
        """Return the service's answer to a request with an accepted key."""
        answer = self._answer(call)
        callback = call.get("callback")
        # A client in the field used JSONP and read refusals as plain JSON: they are not wrapped.
        if answer.status == 200 and CALLBACK.fullmatch(callback):
            return as_script(answer, callback)
        return answer

    @property
    def unauthorized(self) -> tuple[int, Row]:
        """The status and the content of the answer to those who may not see what they ask for."""
        text = self.era.text("Not authorized to access requested resource.")
        return 401, {"reason": "401", "message": [text]}

    def _answer(self, call: Call) -> Answer:
        if call.method != "GET":
            return refuse(405, "Method not allowed")
        path = call.path.rstrip("/")
        name = path.rpartition("/")[2]
        for pattern, endpoint in ROUTES:
            if self.era.serves(name) and (found := pattern.fullmatch(path)):
                return self._enter(call, name, endpoint, found.groupdict().get("id"))
        return refuse(404, self.era.text("Resource not found."))

    def _enter(self, call: Call, name: str, endpoint: Endpoint, system_id: str | None) -> Answer:
        if call.get("user_id") not in self.users:
            return as_json(*self.unauthorized)
        owned = self.truth.systems(call.get("user_id"))
        systems = [s for s in owned if system_id is None or s.system_id == int(system_id)]
        if system_id is not None and not systems:
            return refuse(404, f"Couldn't find Site with 'id'={system_id}")
        try:
            status, content = endpoint(self, call, systems)
        except BadMomentError as bad:
            return as_json(422, {"reason": f"Failed to parse date {bad}"})
        if status == 200:
            content = self.era.dress(name, content)
        if system_id is not None and call.get("datetime_format") == "iso8601":
            content = _value_in_iso("", content, systems[0].timezone)
        return as_json(status, content)

    def _systems(self, call: Call, owned: list[System]) -> tuple[int, Row]:
        page, cursor = cut_page(call, owned, in_part=self.era.names_in_part)
        content: Row = {"systems": [self._item(call, system) for system in page]}
        return 200, content | ({"next": cursor} if cursor else {})

    def _item(self, call: Call, system: System) -> Row:
        item: Row = {
            "system_id": system.system_id,
            "system_name": system.name,
            "system_public_name": system.public_name,
            "status": system.status,
            "timezone": system.timezone,
            "country": system.country,
            "state": system.state,
            "city": system.city,
            "postal_code": system.postal_code,
        }
        if system.reference is not None:
            item["reference"] = system.reference
        if system.other_references:
            item["other_references"] = list(system.other_references)
        item |= {"connection_type": system.connection_type, "meta": self.meta(system)}
        if call.get("datetime_format") == "iso8601":
            return _in_iso(item, system.timezone)  # each system has its own zone
        return item

    def _summary(self, call: Call, systems: list[System]) -> tuple[int, Row]:
        system = systems[0]
        today = local_date(self.clock.now(), system.timezone)
        day = parse_date(call.get("summary_date")) or today
        if day > today:
            return 422, {"reason": daily.IN_FUTURE}
        return 200, summary(self.truth, system, day, self.clock.now())

    def meta(self, system: System) -> Row:
        """Return how far a system's reports reach."""
        return meta(self.truth, system)


Endpoint: TypeAlias = "Callable[[ApiV2, Call, list[System]], tuple[int, object]]"

ROUTES: tuple[tuple[re.Pattern[str], Endpoint], ...] = (
    (re.compile(f"{ROOT}/systems"), ApiV2._systems),
    (re.compile(f"{ROOT}/systems/inverters_summary_by_envoy_or_site"), devices.inverters_summary),
    (re.compile(f"{ROOT}/systems/search_system_id"), devices.search_system_id),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/summary"), ApiV2._summary),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/stats"), intervals.stats),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/rgm_stats"), intervals.rgm_stats),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/energy_lifetime"), daily.energy_lifetime),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/consumption_stats"), intervals.consumption_stats),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/consumption_lifetime"), daily.consumption_lifetime),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/envoys"), devices.list_envoys),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/inventory"), devices.inventory),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/monthly_production"), daily.monthly_production),
    (re.compile(f"{ROOT}/systems/{SYSTEM_ID}/production_meter_readings"), devices.production_meter_readings),
)


def _in_iso(content: Row, timezone: str) -> Row:
    """Return the same content with every instant as local ISO 8601 text."""
    return {name: _value_in_iso(name, value, timezone) for name, value in content.items()}


def _value_in_iso(name: str, value: object, timezone: str) -> object:
    if name in INSTANTS and isinstance(value, int):
        return iso(value, timezone)
    if isinstance(value, dict):
        return _in_iso(value, timezone)
    if isinstance(value, list):
        return [_value_in_iso("", item, timezone) for item in value]
    return value
