"""Endpoints of v4: the request that reaches one, and the route with its access control and error shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from enlighten_async.emulator.messages import JSON_TYPE
from enlighten_async.emulator.service import Service
from enlighten_async.emulator.v4.errors import BYTES_TYPE
from enlighten_async.emulator.v4.quirks import V4Options

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Request, Response
    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v4.errors import ApiError

V4_ROOT = "/api/v4/systems"
V4_PAGE_SIZE, V4_MAX_PAGE_SIZE = 10, 100

ServiceV4: TypeAlias = Service[V4Options]


@frozen
class EndpointRequest:
    """A request that has passed all checks but those of its parameters.

    Attributes:
        http: the HTTP request.
        owned: all systems of its user.
        serial: the serial number in its path; empty if the path has none.
    """

    http: Request
    owned: list[System]
    _system: System | None
    serial: str

    @property
    def system(self) -> System:
        """The system in the path; LookupError if the path has none."""
        if self._system is None:
            raise LookupError("no system in this path")
        return self._system

    def get(self, name: str) -> str:
        """Return the last value of a parameter; empty if there is none."""
        return self.http.get(name)

    def page(self, max_size: int) -> tuple[int, int]:
        """Return number and size of the requested page, brought into range."""
        page, size = self.get("page"), self.get("size")
        return (
            max(int(page[:9]), 1) if page.isdecimal() else 1,
            min(max(int(size[:9]), 1), max_size) if size.isdecimal() else min(V4_PAGE_SIZE, max_size),
        )


Endpoint: TypeAlias = Callable[[ServiceV4, EndpointRequest], object]


@frozen
class Route:
    """One operation.

    Attributes:
        path: the path below `/api/v4/systems`; `{id}` and `{serial}` match one part each.
        endpoint: the function that makes the content of its response.
        access: the access control it needs.
        names_limit: whether its 429 names the window and the limit.
        method: the only method it knows.
        ev: whether it belongs to the chargers, which have error shapes and a media type of their own.
        lists_details: whether its errors hold a list of details (chargers only).
        not_found: the message of a 404, where it is not the usual one.
    """

    path: str
    endpoint: Endpoint
    access: str
    names_limit: bool = field(kw_only=True, default=True)
    method: str = field(kw_only=True, default="GET")
    ev: bool = field(kw_only=True, default=False)
    lists_details: bool = field(kw_only=True, default=False)
    not_found: str | None = field(kw_only=True, default=None)
    pattern: re.Pattern[str] = field(init=False)

    @pattern.default
    def _compile(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", V4_ROOT + self.path))

    @property
    def media(self) -> str:
        """The media type of its responses."""
        return BYTES_TYPE if self.ev else JSON_TYPE

    def error_response(self, error: ApiError) -> Response:
        """Return an error in the shape of this operation."""
        if self.not_found is not None and error.status == 404:
            error.message = self.not_found
        return error.ev_response(listed=self.lists_details) if self.ev else error.response()
