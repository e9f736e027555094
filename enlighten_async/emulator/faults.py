"""Faults on demand: responses the service should not give, and responses that never end."""

from __future__ import annotations

import json
import math
import zlib
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict, get_args
from weakref import WeakKeyDictionary

from attrs import evolve, frozen

from enlighten_async.emulator.messages import DroppedError, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Unpack

    from enlighten_async.emulator.messages import Request

MIB = 1 << 20

Transform: TypeAlias = "Callable[[Response], Response]"
"""A change of a finished response."""


class FaultOptions(TypedDict, total=False):
    """Options of every ready-made fault: attributes of `Fault`."""

    status: int | None
    """HTTP status (200 if only a body is given)."""
    body: str | bytes | None
    """Body of the response; in text, `{url}`, `{path}`, `{query}`, `{headers}` and `{body}` are replaced by
    those of the request.
    """
    headers: tuple[tuple[str, str], ...]
    """Further headers; their values may hold the same names."""
    times: float
    """Number of requests it applies to; `math.inf` for all."""
    after: int
    """Number of matching requests that pass unchanged first."""
    path: str | None
    """Text the path must contain."""
    query: Mapping[str, object] | None
    """Parameters the request must have, with these values."""
    delay: float
    """Seconds before the response; `math.inf` never responds."""
    content_type: str
    """Content type of the body."""
    counted: bool
    """Whether the request counts against the quota."""
    start: float
    """It applies from this instant on (epoch seconds, by the emulator's clock)."""
    end: float
    """It applies until this instant (epoch seconds, by the same clock)."""


OutageForm: TypeAlias = Literal[
    "page-200", "page-302", "page-502", "page-503", "500", "503", "504", "reset", "silence"
]


@frozen(kw_only=True, eq=False)
class Fault:
    """A fault that applies to the requests that match it.

    With neither `status` nor `body` the service responds as usual, and `delay` and `transform` apply.
    """

    status: int | None = None
    """HTTP status (200 if only a body is given)."""
    body: str | bytes | None = None
    """Body of the response; in text, `{url}`, `{path}`, `{query}`, `{headers}` and `{body}` are replaced by
    those of the request.
    """
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers; their values may hold the same names."""
    times: float = 1
    """Number of requests it applies to; `math.inf` for all."""
    after: int = 0
    """Number of matching requests that pass unchanged first."""
    path: str | None = None
    """Text the path must contain."""
    query: Mapping[str, object] | None = None
    """Parameters the request must have, with these values."""
    delay: float = 0.0
    """Seconds before the response; `math.inf` never responds."""
    content_type: str = "application/json"
    """Content type of the body."""
    counted: bool = True
    """Whether the request counts against the quota."""
    dropped: bool = False
    """Whether the connection is closed instead of a response."""
    transform: Transform | None = None
    """Changes the finished response."""
    start: float = -math.inf
    """It applies from this instant on (epoch seconds, by the emulator's clock)."""
    end: float = math.inf
    """It applies until this instant (epoch seconds, by the same clock)."""
    name: str = ""
    """How the fault is called where faults are listed."""

    def matches(self, request: Request, now: float) -> bool:
        """Return whether the fault may apply to a request at this instant (epoch seconds).

        Args:
            request: the request.
            now: epoch seconds.
        """
        if not self.start <= now < self.end:
            return False
        if self.path is not None and self.path not in request.path:
            return False
        wanted = (self.query or {}).items()
        return all(str(value) in request.params.get(name, ()) for name, value in wanted)

    def response(self, request: Request) -> Response | None:
        """Return the response in place of the real one, if there is one.

        Args:
            request: the request.

        Raises:
            DroppedError: the connection is to be closed.
        """
        if self.dropped:
            raise DroppedError
        if self.status is None and self.body is None:
            return None
        body = self.body if isinstance(self.body, bytes) else _fill(self.body or "", request).encode()
        headers = [("Content-Type", self.content_type)] if body else []
        headers += [(name, _fill(value, request)) for name, value in self.headers]
        return Response(status=self.status or 200, headers=tuple(headers), body=body)

    @classmethod
    def unavailable(cls, **options: Unpack[FaultOptions]) -> Fault:
        """Data that is temporarily unavailable: 500 with errorCode 7.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        content = {"errorCode": 7, "errorMessages": ["Data temporarily unavailable."]}
        return _make({"status": 500, "body": json.dumps(content)}, options)

    @classmethod
    def exception(cls, **options: Unpack[FaultOptions]) -> Fault:
        """A bug of the service that lets a Ruby exception out: seen on inventories of metered systems.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        text = "undefined method `manufacturer' for #<EimDevice:0x00000013e41250>"
        content = {"reason": "500", "type": "NoMethodError", "message": [text]}
        return _make({"status": 500, "body": json.dumps(content)}, options)

    @classmethod
    def overloaded(cls, **options: Unpack[FaultOptions]) -> Fault:
        """Too many requests at once: 503. Its body was never recorded; this is the usual shape.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        content = {"reason": "503", "message": ["Service Unavailable"]}
        return _make({"status": 503, "body": json.dumps(content)}, options)

    @classmethod
    def html(cls, **options: Unpack[FaultOptions]) -> Fault:
        """A web page in place of JSON.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        page = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"
        return _make({"status": 502, "body": page, "content_type": "text/html; charset=utf-8"}, options)

    @classmethod
    def redirect(cls, location: str = "{url}", **options: Unpack[FaultOptions]) -> Fault:
        """A redirect, by default to the URL of the request itself, key included.

        Args:
            location: where it leads; `{url}` is that of the request.
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"status": 302, "headers": (("Location", location),)}, options)

    @classmethod
    def echo(cls, **options: Unpack[FaultOptions]) -> Fault:
        """An error whose text repeats the whole URL, key included.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        body = '{"reason":"500","message":["Internal error at {url}"]}'
        return _make({"status": 500, "body": body}, options)

    @classmethod
    def truncated_gzip(cls, **options: Unpack[FaultOptions]) -> Fault:
        """The real response as gzip whose end is missing, though its length is that of Content-Length.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"transform": _truncated}, options)

    @classmethod
    def short_body(cls, **options: Unpack[FaultOptions]) -> Fault:
        """The real response, cut before Content-Length is reached.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"transform": _short}, options)

    @classmethod
    def lost(cls, **options: Unpack[FaultOptions]) -> Fault:
        """A request that is handled, and whose response is lost on the way back.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"transform": _lost}, options)

    @classmethod
    def drop(cls, **options: Unpack[FaultOptions]) -> Fault:
        """A connection closed without a response.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"dropped": True}, options)

    @classmethod
    def hang(cls, **options: Unpack[FaultOptions]) -> Fault:
        """A request that never gets a response.

        Args:
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"delay": math.inf}, options)

    @classmethod
    def drip(cls, seconds: float = 1.0, **options: Unpack[FaultOptions]) -> Fault:
        """The real response, byte by byte, this many seconds apart.

        Args:
            seconds: from one byte to the next.
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"transform": lambda response: evolve(response, byte_delay=seconds)}, options)

    @classmethod
    def outage(
        cls,
        form: OutageForm,
        *,
        retry_after: int | None = None,
        **options: Unpack[FaultOptions],
    ) -> Fault:
        """An outage of the whole service, the token endpoint included, from `start` until `end`.

        Args:
            form: what comes in place of answers: a web page with a status, a status alone, a connection that
                is closed, or nothing.
            retry_after: seconds of a Retry-After.
            options: attributes of the fault; `path` limits it to a part of the service.
        """
        headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
        moved = (("Location", "/maintenance"),) if form == "page-302" else ()
        base = {"times": math.inf, "path": "", "headers": (*moved, *headers)}
        return _make(base | _outage(form), options)

    @classmethod
    def bomb(cls, size: int = 1 << 30, **options: Unpack[FaultOptions]) -> Fault:
        """A response of a few kilobytes that unpacks to `size` bytes of JSON.

        Args:
            size: bytes of JSON.
            options: attributes of the fault, such as `times` or `path`; see `Fault`.
        """
        return _make({"transform": lambda response: _bomb(response, size)}, options)


class FaultInjector:
    """Chooses the fault that applies to a request, and counts the requests each fault has matched."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Fault, int] = WeakKeyDictionary()

    def seen(self, fault: Fault) -> int:
        """Return the number of requests that a fault has matched."""
        return self._seen.get(fault, 0)

    def next_fault(
        self, faults: Iterable[Fault], request: Request, now: float, *, counted: bool | None = None
    ) -> Fault | None:
        """Return the first fault that applies to a request.

        A matching fault that lets the request pass (`after`, `times`) counts it; faults behind the one that
        applies do not.

        Args:
            faults: the faults in the order of preference.
            request: the request.
            now: when it is handled (epoch seconds).
            counted: consider only faults with this value of `counted`; `None`: all.
        """
        for fault in faults:
            if counted not in {None, fault.counted} or not fault.matches(request, now):
                continue
            seen = self._seen.get(fault, 0)
            self._seen[fault] = seen + 1
            if fault.after <= seen < fault.after + fault.times:
                return fault
        return None


OUTAGE_FORMS: tuple[OutageForm, ...] = get_args(OutageForm)
QUEUE_FULL = (
    "<!DOCTYPE html><html><head><title>{}</title></head><body><h1>Too many visitors</h1></body></html>"
)


def _outage(form: OutageForm) -> dict[str, object]:
    """Return the attributes of an outage; web pages come from a host before the one that counts requests."""
    if form == "reset":
        return {"dropped": True, "counted": False}
    if form == "silence":
        return {"delay": math.inf, "counted": False}
    kind, _, status = form.rpartition("-")
    if kind:
        page = {"body": QUEUE_FULL.format(status), "content_type": "text/html; charset=utf-8"}
        return page | {"status": int(status), "counted": False}
    return {"status": int(status), "body": json.dumps({"reason": status, "message": ["Service failed"]})}


def _make(base: dict[str, object], options: FaultOptions) -> Fault:
    return Fault(**{**base, **options})  # type: ignore[arg-type]


def _fill(text: str, request: Request) -> str:
    values = {
        "{url}": request.url,
        "{path}": request.path,
        "{query}": request.query,
        "{headers}": ", ".join(f"{name}: {value}" for name, value in request.headers.items()),
        "{body}": request.body.decode("utf-8", "replace"),
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _truncated(response: Response) -> Response:
    packed = response.gzipped()
    return evolve(packed, body=packed.body[: len(packed.body) * 2 // 3])


def _short(response: Response) -> Response:
    return evolve(response, body=response.body[: len(response.body) // 2], content_length=len(response.body))


def _lost(_: Response) -> Response:
    raise DroppedError


def _bomb(response: Response, size: int) -> Response:
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    return evolve(response, headers=headers, stream=lambda: _inflating(size))


def _inflating(size: int) -> Iterator[bytes]:
    """Yield gzip that unpacks to blanks and an empty object: valid JSON, `size` bytes in all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    left = size - 2
    while left > 0:
        piece = packer.compress(b" " * min(left, MIB))
        left -= MIB
        if piece:
            yield piece
    yield packer.compress(b"{}") + packer.flush()
