"""Version 4 of the service: checks of a request, its route, and the encoding of the content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.content_drifts import Occasion
from enlighten_async.emulator.drift import Drift
from enlighten_async.emulator.local_time import BadMomentError
from enlighten_async.emulator.messages import JSON_TYPE, json_response
from enlighten_async.emulator.v4 import errors
from enlighten_async.emulator.v4.endpoint import EndpointRequest
from enlighten_async.emulator.v4.errors import ApiError, invalid_request, method_error, not_found
from enlighten_async.emulator.v4.routes import find_route

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.messages import Request, Response
    from enlighten_async.emulator.quota import QuotaCounter, QuotaExceeded
    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v4.apps import Apps
    from enlighten_async.emulator.v4.endpoint import Route, ServiceV4
    from enlighten_async.emulator.v4.tokens import Token, Tokens


@frozen
class ApiV4:
    """Responds to requests that faults have let through.

    The order of checks, which is not documented: method, key present, token valid, key and client of one
    application (all of `check_access`, which is not counted), quota, access control, system, parameters.

    Attributes:
        apps: the registered applications.
        tokens: the tokens that were issued.
        is_valid_key: returns whether an API key is valid.
        service: the data and options that are served.
        quota_counter: holds the tariff, which decides what may be read.
    """

    apps: Apps
    tokens: Tokens
    is_valid_key: Callable[[str], bool]
    service: ServiceV4
    quota_counter: QuotaCounter

    def check_access(self, request: Request) -> Response | None:
        """Return the error of a request that is not even counted, if there is one."""
        route, _ = find_route(request)
        if request.method != (route.method if route else "GET"):
            return method_error(request.method, _media(route))
        try:
            self._check_key(request)
        except ApiError as error:
            return _error_response(route, error)
        return None

    def too_many_concurrent(self, request: Request) -> Response:
        """Return the response where too many requests are handled at once; v4 does not document any."""
        return _error_response(find_route(request)[0], ApiError(503, "Too many requests at a time"))

    def quota_exceeded(self, request: Request, exceeded: QuotaExceeded) -> Response:
        """Return the response to a request beyond the quota; only some operations name the window."""
        route, _ = find_route(request)
        details = f"Usage limit exceeded for plan {exceeded.plan}"
        names_limit = (
            route is None or route.names_limit
        ) and Drift.SHORT_REJECTIONS not in self.service.drifts
        status = 409 if Drift.OTHER_STATUS in self.service.drifts else 429
        error = ApiError(status, details, more=exceeded.fields if names_limit else None)
        return self.service.with_retry_after(_error_response(route, error), exceeded)

    def respond(self, request: Request) -> Response:
        """Return the service's response to a request that was admitted and counted."""
        route, names = find_route(request)
        try:
            content = self._content(request, route, names)
        except ApiError as error:
            return _error_response(route, error)
        except (BadMomentError, OverflowError) as bad:  # a date with no day after it overflows
            return _error_response(route, ApiError(422, invalid_request(f"Failed to parse date {bad}")))
        return json_response(200, content, _media(route))

    def _content(self, request: Request, route: Route | None, names: dict[str, str]) -> object:
        """Return the content; the checks of `check_access` are repeated, as a token may have expired since.

        Raises ApiError.
        """
        token = self._check_key(request)
        if route is None:
            raise ApiError(404, "Resource not found")
        if not self.apps.may_read(route.access, request.key, self.quota_counter.quota.name):
            raise ApiError(401, errors.NO_ACCESS)
        system = self._system(names["id"], token.user_id) if "id" in names else None
        owned = self.service.truth.systems(token.user_id)
        checked = EndpointRequest(request, owned, system, names.get("serial", ""))
        occasion = Occasion(request, self.service.now(), system.timezone if system else None)
        return occasion.drifted(route.endpoint(self.service, checked), self.service.drifts)

    def _check_key(self, request: Request) -> Token:
        """Return the token of a request.

        Raises ApiError: without a key, without a valid token, or if key and token are not of one application.
        """
        if not request.key:
            raise ApiError(401, errors.NO_KEY[1], errors.NO_KEY[0])
        token = self.tokens.find(request.bearer)
        if token is None:
            raise ApiError(401, errors.NO_USER)
        if not self.is_valid_key(request.key) or not self.apps.match(request.key, token.client_id):
            raise ApiError(401, errors.MISMATCH[1], errors.MISMATCH[0])
        return token

    def _system(self, text: str, user_id: str) -> System:
        """Return a user's system.

        Raises ApiError: there is none with this id, or it is another user's.
        """
        try:
            system = self.service.truth.system(int(text) if text.isdecimal() else 0)
        except (KeyError, ValueError):
            raise not_found("System", text) from None
        if system.user_id != user_id:
            raise ApiError(403, errors.NO_ACCESS)
        return system


def _error_response(route: Route | None, error: ApiError) -> Response:
    return error.response() if route is None else route.error_response(error)


def _media(route: Route | None) -> str:
    return JSON_TYPE if route is None else route.media
