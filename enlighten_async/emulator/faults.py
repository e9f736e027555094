"""What can go wrong, to order: answers the service should not give, and answers that never end."""

from __future__ import annotations

import json
import math
import zlib
from typing import TYPE_CHECKING, TypeAlias, TypedDict
from weakref import WeakKeyDictionary

from attrs import evolve, frozen

from enlighten_async.emulator.messages import Answer, DroppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Unpack

    from enlighten_async.emulator.messages import Call

MIB = 1 << 20

Bend: TypeAlias = "Callable[[Answer], Answer]"
"""What happens to an answer on its way out."""


class Options(TypedDict, total=False):
    """What may be given with any ready-made fault: see the attributes of Fault."""

    status: int | None
    body: str | bytes | None
    headers: tuple[tuple[str, str], ...]
    times: float
    after: int
    path: str | None
    query: Mapping[str, object] | None
    delay: float
    content_type: str
    counted: bool


@frozen(kw_only=True, eq=False)
class Fault:
    """Something that goes wrong with the requests it fits.

    With neither `status` nor `body` the request is answered as usual, and `delay` and `bend` apply.

    Attributes:
        status: HTTP status (200 if only a body is given).
        body: what is answered; in text, `{url}`, `{path}`, `{query}`, `{headers}` and `{body}` stand for the
            request's own.
        headers: further headers; their values may hold the same names.
        times: how many requests meet it; `math.inf` for all.
        after: how many fitting requests pass unharmed first.
        path: text the path must contain.
        query: parameters the request must have, with these values.
        delay: seconds before anything is answered; `math.inf` never answers.
        content_type: of the body.
        counted: whether the request counts against the quota.
        dropped: whether the connection is closed in place of an answer.
        bend: changes the finished answer.
    """

    status: int | None = None
    body: str | bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    times: float = 1
    after: int = 0
    path: str | None = None
    query: Mapping[str, object] | None = None
    delay: float = 0.0
    content_type: str = "application/json"
    counted: bool = True
    dropped: bool = False
    bend: Bend | None = None

    def fits(self, call: Call) -> bool:
        """Tell whether this is a request that may meet the fault."""
        if self.path is not None and self.path not in call.path:
            return False
        wanted = (self.query or {}).items()
        return all(str(value) in call.params.get(name, ()) for name, value in wanted)

    def answer(self, call: Call) -> Answer | None:
        """Return what is answered in place of the real answer, if anything is.

        Raises DroppedError if the connection is to be closed.
        """
        if self.dropped:
            raise DroppedError
        if self.status is None and self.body is None:
            return None
        body = self.body if isinstance(self.body, bytes) else _fill(self.body or "", call).encode()
        headers = [("Content-Type", self.content_type)] if body else []
        headers += [(name, _fill(value, call)) for name, value in self.headers]
        return Answer(status=self.status or 200, headers=tuple(headers), body=body)

    @classmethod
    def unavailable(cls, **options: Unpack[Options]) -> Fault:
        """Data that is not there for now: 500 with errorCode 7."""
        content = {"errorCode": 7, "errorMessages": ["Data temporarily unavailable."]}
        return _make({"status": 500, "body": json.dumps(content)}, options)

    @classmethod
    def exception(cls, **options: Unpack[Options]) -> Fault:
        """A bug of the service that lets a Ruby exception out: seen on inventories of metered systems."""
        text = "undefined method `manufacturer' for #<EimDevice:0x00000013e41250>"
        content = {"reason": "500", "type": "NoMethodError", "message": [text]}
        return _make({"status": 500, "body": json.dumps(content)}, options)

    @classmethod
    def overloaded(cls, **options: Unpack[Options]) -> Fault:
        """Too many requests at once: 503. Its body was never recorded; this is the usual shape."""
        content = {"reason": "503", "message": ["Service Unavailable"]}
        return _make({"status": 503, "body": json.dumps(content)}, options)

    @classmethod
    def html(cls, **options: Unpack[Options]) -> Fault:
        """A web page where JSON is due."""
        page = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"
        return _make({"status": 502, "body": page, "content_type": "text/html; charset=utf-8"}, options)

    @classmethod
    def redirect(cls, location: str = "{url}", **options: Unpack[Options]) -> Fault:
        """A redirect, by default to the URL of the request itself, key included."""
        return _make({"status": 302, "headers": (("Location", location),)}, options)

    @classmethod
    def echo(cls, **options: Unpack[Options]) -> Fault:
        """An error whose text repeats the whole URL, key included."""
        body = '{"reason":"500","message":["Internal error at {url}"]}'
        return _make({"status": 500, "body": body}, options)

    @classmethod
    def truncated_gzip(cls, **options: Unpack[Options]) -> Fault:
        """The real answer as gzip whose end is missing, though its length is as announced."""
        return _make({"bend": _truncated}, options)

    @classmethod
    def short_body(cls, **options: Unpack[Options]) -> Fault:
        """The real answer, cut before the announced length is reached."""
        return _make({"bend": _short}, options)

    @classmethod
    def lost(cls, **options: Unpack[Options]) -> Fault:
        """A request that is handled, and whose answer gets lost on the way back."""
        return _make({"bend": _lost}, options)

    @classmethod
    def drop(cls, **options: Unpack[Options]) -> Fault:
        """A connection closed without an answer."""
        return _make({"dropped": True}, options)

    @classmethod
    def hang(cls, **options: Unpack[Options]) -> Fault:
        """A request that is never answered."""
        return _make({"delay": math.inf}, options)

    @classmethod
    def drip(cls, seconds: float = 1.0, **options: Unpack[Options]) -> Fault:
        """The real answer, byte by byte, this many seconds apart."""
        return _make({"bend": lambda answer: evolve(answer, pause=seconds)}, options)

    @classmethod
    def bomb(cls, size: int = 1 << 30, **options: Unpack[Options]) -> Fault:
        """An answer of a few kilobytes that unpacks to `size` bytes of JSON."""
        return _make({"bend": lambda answer: _bomb(answer, size)}, options)


class FaultPlayer:
    """Finds the fault a request meets, and remembers how often each one was met."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Fault, int] = WeakKeyDictionary()

    def meet(self, faults: Iterable[Fault], call: Call, *, counted: bool | None = None) -> Fault | None:
        """Return the first fault that strikes this request.

        A fault that lets the request pass counts it, one that follows the striking one does not. Only those
        count that strike counted requests, or uncounted ones; `None`: all.
        """
        for fault in faults:
            if counted not in {None, fault.counted} or not fault.fits(call):
                continue
            seen = self._seen.get(fault, 0)
            self._seen[fault] = seen + 1
            if fault.after <= seen < fault.after + fault.times:
                return fault
        return None


def _make(base: dict[str, object], options: Options) -> Fault:
    return Fault(**{**base, **options})  # type: ignore[arg-type]


def _fill(text: str, call: Call) -> str:
    said = {
        "{url}": call.url,
        "{path}": call.path,
        "{query}": call.query,
        "{headers}": ", ".join(f"{name}: {value}" for name, value in call.headers.items()),
        "{body}": call.body.decode("utf-8", "replace"),
    }
    for name, value in said.items():
        text = text.replace(name, value)
    return text


def _truncated(answer: Answer) -> Answer:
    packed = answer.gzipped()
    return evolve(packed, body=packed.body[: len(packed.body) * 2 // 3])


def _short(answer: Answer) -> Answer:
    return evolve(answer, body=answer.body[: len(answer.body) // 2], announced=len(answer.body))


def _lost(_: Answer) -> Answer:
    raise DroppedError


def _bomb(answer: Answer, size: int) -> Answer:
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    return evolve(answer, headers=headers, stream=lambda: _inflating(size))


def _inflating(size: int) -> Iterator[bytes]:
    """Give gzip pieces that unpack to blanks and an empty object: valid JSON, `size` bytes in all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    left = size - 2
    while left > 0:
        piece = packer.compress(b" " * min(left, MIB))
        left -= MIB
        if piece:
            yield piece
    yield packer.compress(b"{}") + packer.flush()
