"""HTTP messages: one request and one response, whichever way they travel."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias
from urllib.parse import parse_qs

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from enlighten_async.clock import Clock

CHUNK_BYTES = 65_536
MAX_BODY_BYTES = 65_536  # of a request; longer bodies are cut, as no endpoint needs that much
METHODS_WITH_BODY = {"POST", "PUT", "PATCH"}
JSON_TYPE = "application/json; charset=utf-8"
SCRIPT_TYPE = "text/javascript; charset=utf-8"


Version: TypeAlias = Literal["v2", "v4"]


def parse_form(text: str) -> dict[str, list[str]]:
    """Return the values of a query string or a form by name; `name[]` is the same name."""
    parsed: dict[str, list[str]] = {}
    for name, values in parse_qs(text, keep_blank_values=True).items():
        parsed.setdefault(name.removesuffix("[]"), []).extend(values)
    return parsed


class DroppedError(Exception):
    """The connection is closed before the response is complete."""


@frozen(kw_only=True)
class Request:
    """One request as it arrived.

    Attributes:
        method: the HTTP method.
        url: the whole URL, API key included.
        path: the path of the URL.
        query: the query string.
        headers: the headers, their names in lower case.
        body: the body; read only for the methods that have one.
        params: the query's values by name; `name[]` is the same name.
    """

    method: str
    url: str = field(repr=False)
    path: str
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    params: dict[str, list[str]] = field(init=False, repr=False)

    @params.default
    def _parse(self) -> dict[str, list[str]]:
        return parse_form(self.query)

    @property
    def accepts_gzip(self) -> bool:
        """Whether the caller accepts gzip."""
        return "gzip" in self.headers.get("accept-encoding", "")

    @property
    def version(self) -> Version:
        """The version of the API the path names; every path that is not v4's is v2's."""
        return "v4" if self.path.startswith("/api/v4/") else "v2"

    def get(self, name: str) -> str:
        """Return the last value of a parameter; empty if there is none."""
        return self.params.get(name, [""])[-1]

    @property
    def key(self) -> str:
        """The API key; empty if none was sent. Only v4 accepts it as a header as well."""
        return self.get("key") or (self.headers.get("key", "") if self.version == "v4" else "")

    @property
    def bearer(self) -> str:
        """The access token; empty if none was sent."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@frozen(kw_only=True)
class Response:
    """One response; `stream` makes a body piece by piece in place of `body`.

    Attributes:
        status: HTTP status.
        headers: names and values, without Date and Content-Length.
        body: the whole body as it is sent, after encoding.
        stream: makes the body when it is sent; no Content-Length is sent with it.
        content_length: the Content-Length to send, where it is not the length of the body.
        byte_delay: seconds before each byte of the body; 0 sends large chunks at once.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON_TYPE),)
    body: bytes = b""
    stream: Callable[[], Iterator[bytes]] | None = None
    content_length: int | None = None
    byte_delay: float = 0.0

    @property
    def encoded(self) -> bool:
        """Whether the body is encoded already."""
        return any(name.lower() == "content-encoding" for name, _ in self.headers)

    def gzipped(self) -> Response:
        """Return the same response, its body compressed with gzip unless it is encoded already."""
        if self.encoded or self.stream is not None or not self.body:
            return self
        packed = gzip.compress(self.body, compresslevel=1, mtime=0)
        return evolve(self, body=packed, headers=(*self.headers, ("Content-Encoding", "gzip")))

    def with_header(self, name: str, value: str) -> Response:
        """Return the same response with one more header."""
        return evolve(self, headers=(*self.headers, (name, value)))

    def sent_headers(self) -> list[tuple[str, str]]:
        """Return the headers to send, with Content-Length where it is known; 204 may not have one."""
        if self.stream is not None or self.status == 204:
            return list(self.headers)
        length = len(self.body) if self.content_length is None else self.content_length
        return [*self.headers, ("Content-Length", str(length))]

    def chunks(self) -> Iterator[bytes]:
        """Yield the body in the chunks in which it is sent."""
        if self.stream is not None:
            yield from self.stream()
            return
        size = 1 if self.byte_delay else CHUNK_BYTES
        for start in range(0, len(self.body), size):
            yield self.body[start : start + size]

    @property
    def complete(self) -> bool:
        """Whether as many bytes are sent as Content-Length says."""
        return self.content_length is None or self.content_length <= len(self.body)


class Application(Protocol):
    """The side of the emulator that its transports and servers see."""

    @property
    def clock(self) -> Clock:
        """The service's clock, by which a slow body is sent."""

    async def respond(self, request: Request) -> Response:
        """Return the response to a request; raise DroppedError to close the connection instead."""


def json_response(status: int, content: object, media: str = JSON_TYPE) -> Response:
    """Return a response with this content, and the service's own Status header; 204 has no content."""
    if status == 204:
        return Response(status=status, headers=(("Status", str(status)),))
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(status=status, headers=(("Content-Type", media), ("Status", str(status))), body=body)


def jsonp_response(response: Response, callback: str) -> Response:
    """Return a response as JSONP: a call of this JavaScript function.

    The service's own spelling was never recorded; this is that of Rails, which the service ran on.
    """
    body = b"/**/" + callback.encode() + b"(" + response.body + b")"
    kept = [(name, value) for name, value in response.headers if name != "Content-Type"]
    return evolve(response, headers=(("Content-Type", SCRIPT_TYPE), *kept), body=body)


def error_response(status: int, *message: str) -> Response:
    """Return an error in v2's usual shape."""
    return json_response(status, {"reason": str(status), "message": list(message)})
