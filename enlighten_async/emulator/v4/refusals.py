"""How v4 says no: four envelopes, and details that quote a Ruby hash."""

from __future__ import annotations

from typing import TypeAlias

from enlighten_async.emulator.messages import Answer, as_json

WORDS = {
    400: "Bad request",
    401: "Not Authorized",
    403: "Forbidden",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
METHODS = {"POST", "PUT", "GET", "DELETE", "HEAD", "OPTIONS", "PATCH"}
BYTES_TYPE = "application/octet-stream"

NO_USER = "User is not authorized"
NO_ACCESS = "Not authorized to access this resource"
NO_KEY = ("Not authorized to access requested resource.", "Keys are missing at Header location")
MISMATCH = ("API Key -Client mismatch", "API Key and Client ID of the access token do not match")
IN_FUTURE = "Requested date is in the future"
INVALID = "Requested date range is invalid for this system"

Row: TypeAlias = dict[str, object]


class RefusedError(Exception):
    """The answer is a refusal.

    Attributes:
        status: HTTP status.
        details: what is wrong.
        message: the status in words, as the service puts them.
        more: further fields.
    """

    def __init__(
        self, status: int, details: str, message: str | None = None, more: Row | None = None
    ) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.message = message or WORDS[status]
        self.more = more or {}

    def answer(self) -> Answer:
        """Return the refusal in the usual envelope."""
        content = {"message": self.message, "details": self.details, "code": self.status}
        return as_json(self.status, content | self.more)

    def ev_answer(self, *, listed: bool) -> Answer:
        """Return the refusal as the charger family puts it: 400 for whatever was wrong, code as text.

        Some of its operations list what was wrong.
        """
        status, message, details = self.status, self.message, self.details
        if status in {404, 422}:
            status, message = 400, WORDS[400]
            details = "Invalid system_id" if self.status == 404 else details
        told = [details] if listed and status == 400 else details
        content: Row = {"message": message, "code": str(status), "details": told}
        return as_json(status, content | self.more, media=BYTES_TYPE)


def wrong_verb(method: str, media: str) -> Answer:
    """Return the refusal of a method: not allowed here, or never heard of."""
    status, text = (405, "Method not allowed") if method in METHODS else (501, "Not Implemented")
    return as_json(status, {"reason": str(status), "message": [text]}, media)


def because(details: str) -> str:
    """Return details as validations wrap them."""
    return f"Invalid request because of '{details}'"


def ruby(**facts: object) -> str:
    """Return facts as Ruby prints a hash: symbols, text quoted, dates and numbers bare."""
    return "{" + ", ".join(f":{name}=>{_ruby(value)}" for name, value in facts.items()) + "}"


def _ruby(value: object) -> str:
    if value is None:
        return "nil"
    return f'"{value}"' if isinstance(value, str) else str(value)


def not_found(what: str, number: object) -> RefusedError:
    """Return the refusal of an id that nothing has."""
    return RefusedError(404, f"{what} not found for {ruby(id=str(number))}")


def bad_range(start: object, end: object, **known: object) -> str:
    """Return the details for a range that is out of order or out of reach."""
    return f"{INVALID}. {ruby(start_at=start, end_at=end, **known)}"
