"""Errors of v4: four shapes of the body, and details that quote a Ruby hash."""

from __future__ import annotations

from typing import TypeAlias

from enlighten_async.emulator.messages import Response, json_response
from enlighten_async.emulator.service import INVALID_RANGE

STATUS_TEXTS = {
    400: "Bad request",
    401: "Not Authorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Too Many Requests",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
KNOWN_METHODS = {"POST", "PUT", "GET", "DELETE", "HEAD", "OPTIONS", "PATCH"}
BYTES_TYPE = "application/octet-stream"

NO_USER = "User is not authorized"
NO_ACCESS = "Not authorized to access this resource"
NO_KEY = ("Not authorized to access requested resource.", "Keys are missing at Header location")
MISMATCH = ("API Key -Client mismatch", "API Key and Client ID of the access token do not match")

Row: TypeAlias = dict[str, object]


class ApiError(Exception):
    """An error response.

    Attributes:
        status: HTTP status.
        details: the cause.
        message: the status in words, as the service writes it.
        more: further fields.
    """

    def __init__(
        self, status: int, details: str, message: str | None = None, more: Row | None = None
    ) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.message = message or STATUS_TEXTS[status]
        self.more = more or {}

    def response(self) -> Response:
        """Return the error in the usual shape."""
        content = {"message": self.message, "details": self.details, "code": self.status}
        return json_response(self.status, content | self.more)

    def ev_response(self, *, listed: bool) -> Response:
        """Return the error in the shape of the charger endpoints: 400 for any wrong input, code as text.

        With `listed`, the details of a 400 are a list.
        """
        status, message, details = self.status, self.message, self.details
        if status in {404, 422}:
            status, message = 400, STATUS_TEXTS[400]
            details = "Invalid system_id" if self.status == 404 else details
        shown = [details] if listed and status == 400 else details
        content: Row = {"message": message, "code": str(status), "details": shown}
        return json_response(status, content | self.more, media=BYTES_TYPE)


def method_error(method: str, media: str) -> Response:
    """Return the error for a method: not allowed here, or unknown."""
    status, text = (405, "Method not allowed") if method in KNOWN_METHODS else (501, "Not Implemented")
    return json_response(status, {"reason": str(status), "message": [text]}, media)


def invalid_request(details: str) -> str:
    """Return details in the sentence of a failed validation."""
    return f"Invalid request because of '{details}'"


def ruby(**facts: object) -> str:
    """Return facts as Ruby prints a hash: names as symbols, text quoted, dates and numbers plain."""
    return "{" + ", ".join(f":{name}=>{_ruby(value)}" for name, value in facts.items()) + "}"


def _ruby(value: object) -> str:
    if value is None:
        return "nil"
    return f'"{value}"' if isinstance(value, str) else str(value)


def not_found(what: str, number: object) -> ApiError:
    """Return the error for an id that does not exist."""
    return ApiError(404, f"{what} not found for {ruby(id=str(number))}")


def bad_range(start: object, end: object, **known: object) -> str:
    """Return the details for a range that is out of order or out of the system's data."""
    return f"{INVALID_RANGE}. {ruby(start_at=start, end_at=end, **known)}"
