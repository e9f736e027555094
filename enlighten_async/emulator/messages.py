"""What comes in and what goes out, whichever way it travels: one request, one answer."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qs

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PIECE = 65_536  # bytes handed on at a time
MAX_BODY = 65_536  # bytes of a request's body that are read; nobody has that much to say
WITH_BODY = {"POST", "PUT", "PATCH"}
JSON_TYPE = "application/json; charset=utf-8"
SCRIPT_TYPE = "text/javascript; charset=utf-8"


Version: TypeAlias = Literal["v2", "v4"]


def parse_form(text: str) -> dict[str, list[str]]:
    """Return the values of a query or a form by name; `name[]` is the same name."""
    parsed: dict[str, list[str]] = {}
    for name, values in parse_qs(text, keep_blank_values=True).items():
        parsed.setdefault(name.removesuffix("[]"), []).extend(values)
    return parsed


class DroppedError(Exception):
    """The connection is closed before the answer is whole."""


@frozen(kw_only=True)
class Call:
    """One request as it arrived.

    Attributes:
        method: the HTTP method.
        url: the whole URL, key included.
        path: its path.
        query: its query string.
        headers: its headers, their names in lower case.
        body: its body; of those methods alone that have one.
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
    def gzip(self) -> bool:
        """Whether the caller takes gzip."""
        return "gzip" in self.headers.get("accept-encoding", "")

    @property
    def version(self) -> Version:
        """Which version of the API it is for: what is not v4's is v2's."""
        return "v4" if self.path.startswith("/api/v4/") else "v2"

    def get(self, name: str) -> str:
        """Return the last value of a parameter; empty if there is none."""
        return self.params.get(name, [""])[-1]

    @property
    def key(self) -> str:
        """The API key; empty if none was sent. Only v4 takes it as a header as well."""
        return self.get("key") or (self.headers.get("key", "") if self.version == "v4" else "")

    @property
    def bearer(self) -> str:
        """The access token; empty if none was sent."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@frozen(kw_only=True)
class Answer:
    """One answer; `stream` makes a body piece by piece in place of `body`.

    Attributes:
        status: HTTP status.
        headers: names and values, without Date and Content-Length.
        body: the whole body as it travels.
        stream: makes the body when it is sent; its length is not announced.
        announced: the Content-Length, where it is not the body's.
        pause: seconds before each byte of the body; 0 sends large pieces at once.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON_TYPE),)
    body: bytes = b""
    stream: Callable[[], Iterator[bytes]] | None = None
    announced: int | None = None
    pause: float = 0.0

    @property
    def encoded(self) -> bool:
        """Whether the body is encoded already."""
        return any(name.lower() == "content-encoding" for name, _ in self.headers)

    def gzipped(self) -> Answer:
        """Return the same answer, its body compressed with gzip unless it is encoded already."""
        if self.encoded or self.stream is not None or not self.body:
            return self
        packed = gzip.compress(self.body, compresslevel=1, mtime=0)
        return evolve(self, body=packed, headers=(*self.headers, ("Content-Encoding", "gzip")))

    def with_header(self, name: str, value: str) -> Answer:
        """Return the same answer with a header more."""
        return evolve(self, headers=(*self.headers, (name, value)))

    def head(self) -> list[tuple[str, str]]:
        """Return the headers to send, the length included where it is known; 204 may not have one."""
        if self.stream is not None or self.status == 204:
            return list(self.headers)
        length = len(self.body) if self.announced is None else self.announced
        return [*self.headers, ("Content-Length", str(length))]

    def pieces(self) -> Iterator[bytes]:
        """Give the body in the pieces in which it is sent."""
        if self.stream is not None:
            yield from self.stream()
            return
        size = 1 if self.pause else PIECE
        for start in range(0, len(self.body), size):
            yield self.body[start : start + size]

    @property
    def whole(self) -> bool:
        """Whether as much is sent as is announced."""
        return self.announced is None or self.announced <= len(self.body)


def as_json(status: int, content: object, media: str = JSON_TYPE) -> Answer:
    """Return an answer with this content, and the service's own Status header; 204 has none."""
    if status == 204:
        return Answer(status=status, headers=(("Status", str(status)),))
    body = json.dumps(content, separators=(",", ":")).encode()
    return Answer(status=status, headers=(("Content-Type", media), ("Status", str(status))), body=body)


def as_script(answer: Answer, callback: str) -> Answer:
    """Return an answer as a call of this function: JSONP.

    How the service wrote it was not recorded; this is how Rails does, which it ran on.
    """
    body = b"/**/" + callback.encode() + b"(" + answer.body + b")"
    kept = [(name, value) for name, value in answer.headers if name != "Content-Type"]
    return evolve(answer, headers=(("Content-Type", SCRIPT_TYPE), *kept), body=body)


def refuse(status: int, *message: str) -> Answer:
    """Return an error in the service's usual shape."""
    return as_json(status, {"reason": str(status), "message": list(message)})
