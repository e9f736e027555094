"""Version 2 of the service: checks, routes and encoding of what the endpoints return."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.content_drifts import Occasion
from enlighten_async.emulator.drift import Drift
from enlighten_async.emulator.local_time import BadMomentError, with_iso_timestamps
from enlighten_async.emulator.messages import Request, Response, error_response, json_response, jsonp_response
from enlighten_async.emulator.service import Service
from enlighten_async.emulator.simulation.system import System
from enlighten_async.emulator.v2 import daily, devices, intervals, systems
from enlighten_async.emulator.v2.v2_history import V2History

if TYPE_CHECKING:
    from enlighten_async.emulator.quota import QuotaExceeded

V2_ROOT = "/api/v2"
CALLBACK = re.compile(r"[\w$.\[\]]+")
SYSTEM_ID = "(?P<id>[0-9]{1,18})"
Endpoint: TypeAlias = Callable[[Service[V2History], Request, list[System]], tuple[int, object]]


@frozen
class ApiV2:
    """Responds to requests that quota and faults have let through.

    Attributes:
        users: the ids of all users.
        is_valid_key: returns whether an API key is valid.
        service: the data and the year that are served.
    """

    users: frozenset[str]
    is_valid_key: Callable[[str], bool]
    service: Service[V2History]

    def check_access(self, request: Request) -> Response | None:
        """Return the error of a request that is not even counted, if there is one."""
        return None if self.is_valid_key(request.key) else json_response(*self.service.options.unauthorized)

    def too_many_concurrent(self, _: Request) -> Response:
        """Return the response where too many requests are handled at once."""
        return error_response(503, "Service Unavailable")

    def quota_exceeded(self, _: Request, exceeded: QuotaExceeded) -> Response:
        """Return the response to a request beyond the quota."""
        drifts = self.service.drifts
        status = 429 if Drift.OTHER_STATUS in drifts else 409
        content = {"reason": str(status), "message": [f"Usage limit exceeded for plan {exceeded.plan}"]}
        fields = {} if Drift.SHORT_REJECTIONS in drifts else exceeded.fields
        return self.service.with_retry_after(json_response(status, content | fields), exceeded)

    def respond(self, request: Request) -> Response:
        """Return the service's response to a request with an accepted key."""
        response = self._respond(request)
        callback = request.get("callback")
        # A client in the field used JSONP and read errors as plain JSON: they are not wrapped.
        if response.status == 200 and CALLBACK.fullmatch(callback):
            return jsonp_response(response, callback)
        return response

    def _respond(self, request: Request) -> Response:
        history = self.service.options
        if request.method != "GET":
            return error_response(405, "Method not allowed")
        path = request.path.rstrip("/")
        name = path.rpartition("/")[2]
        for pattern, endpoint in V2_ROUTES:
            if history.serves(name) and (found := pattern.fullmatch(path)):
                return self._call(request, name, endpoint, found.groupdict().get("id"))
        return error_response(404, history.text("Resource not found."))

    def _call(self, request: Request, name: str, endpoint: Endpoint, system_id: str | None) -> Response:
        history = self.service.options
        if request.get("user_id") not in self.users:
            return json_response(*history.unauthorized)
        owned = self.service.truth.systems(request.get("user_id"))
        chosen = [s for s in owned if system_id is None or s.system_id == int(system_id)]
        if system_id is not None and not chosen:
            return error_response(404, f"Couldn't find Site with 'id'={system_id}")
        try:
            status, content = endpoint(self.service, request, chosen)
        except BadMomentError as bad:
            return json_response(422, {"reason": f"Failed to parse date {bad}"})
        if status == 200:
            content = history.without_later_fields(name, content)
        if system_id is not None and request.get("datetime_format") == "iso8601":
            content = with_iso_timestamps(content, chosen[0].timezone)
        if status == 200:
            zone = chosen[0].timezone if system_id is not None else None
            content = Occasion(request, self.service.now(), zone).drifted(content, self.service.drifts)
        return json_response(status, content)


V2_ROUTES: tuple[tuple[re.Pattern[str], Endpoint], ...] = (
    (re.compile(f"{V2_ROOT}/systems"), systems.list_systems),
    (re.compile(f"{V2_ROOT}/systems/inverters_summary_by_envoy_or_site"), devices.inverters_summary),
    (re.compile(f"{V2_ROOT}/systems/search_system_id"), devices.search_system_id),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/summary"), systems.summary),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/stats"), intervals.stats),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/rgm_stats"), intervals.rgm_stats),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/energy_lifetime"), daily.energy_lifetime),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/consumption_stats"), intervals.consumption_stats),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/consumption_lifetime"), daily.consumption_lifetime),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/envoys"), devices.list_envoys),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/inventory"), devices.inventory),
    (re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/monthly_production"), daily.monthly_production),
    (
        re.compile(f"{V2_ROOT}/systems/{SYSTEM_ID}/production_meter_readings"),
        devices.production_meter_readings,
    ),
)
