"""Strict reading of response bodies: a body is whole and within its limit, or an error is raised.

httpx takes a truncated gzip stream for a whole body, decompresses without a limit, and offers the
encodings of whatever packages happen to be installed. So this module reads raw bytes, accepts gzip or
no encoding at all, and checks every end: Content-Length, the gzip trailer, and nothing behind it.
"""

from __future__ import annotations

import re
import zlib
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache
from math import inf

from attrs import define, field, frozen

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Largest body accepted, before and after decompression; a year of readings has 7 MiB."""

_DECOMPRESS_STEP_BYTES = 64 * 1024
"""Bytes decompressed at a time, so that a zip bomb is noticed before it has filled the memory."""

_GZIP_WBITS = 31
"""zlib's number for the largest window (15) with a gzip header and trailer (16)."""

_INTEGER = re.compile(rb"[0-9]{1,19}")

MAX_RETRY_AFTER_S = 31 * 86_400.0
"""Seconds of the longest `Retry-After` that is believed: no window of the service is longer."""


class BodyError(Exception):
    """The body is not whole, is damaged or is too large.

    Attributes:
        passing: whether the body was cut off on the way, so that the next one may be whole.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@frozen
class Head:
    """The header fields of a response that matter here, read once.

    Attributes:
        content_type: as received (a server may echo the request in it); empty if absent.
        date: the service's own time (epoch seconds) from `Date`; `None` if absent.
        length: bytes of the body as sent, from `Content-Length`; `None` if absent.
        encodings: content encodings in order, lower case, `identity` left out.
        retry_after: seconds after `date` during which the service wants no requests; `None` if absent.
    """

    content_type: str
    date: float | None
    length: int | None
    encodings: tuple[str, ...]
    retry_after: float | None = None

    @classmethod
    def parse(cls, headers: list[tuple[bytes, bytes]]) -> Head:
        """Read the fields; of a field given twice the last one counts."""
        fields: dict[bytes, bytes] = {}
        for name, value in headers:
            key = name.lower()
            if key == b"content-encoding" and key in fields:
                # RFC 9110: encodings given in several fields were applied one after the other.
                fields[key] += b"," + value
            else:
                fields[key] = value
        length = fields.get(b"content-length", b"")
        # RFC 9112: Transfer-Encoding overrides Content-Length.
        counts = _INTEGER.fullmatch(length) and b"transfer-encoding" not in fields
        date = fields.get(b"date")
        return cls(
            fields.get(b"content-type", b"").decode("latin-1"),
            None if date is None else parse_http_date(date),
            int(length) if counts else None,
            _encodings(fields.get(b"content-encoding", b"")),
            _retry_after(fields) if b"retry-after" in fields else None,
        )


@lru_cache(maxsize=64)
def parse_http_date(text: bytes) -> float | None:
    """Return the epoch seconds of a `Date` field, or `None` if it is no date."""
    if not 0 < len(text) <= 64:
        return None
    try:
        parts = parsedate_tz(text.decode("ascii"))
        return float(mktime_tz(parts)) if parts else None
    except (ValueError, OverflowError):
        return None


def _retry_after(fields: dict[bytes, bytes]) -> float | None:
    """Return the seconds from the response to the moment of `Retry-After`, a number or a date.

    What is neither, or cannot be meant, is none.
    """
    value = fields[b"retry-after"]
    if _INTEGER.fullmatch(value.strip()):
        seconds = float(value)
    else:
        until, date = parse_http_date(value), parse_http_date(fields.get(b"date", b""))
        seconds = inf if until is None or date is None else max(0.0, until - date)
    return seconds if seconds <= MAX_RETRY_AFTER_S else None


@lru_cache(maxsize=16)
def _encodings(value: bytes) -> tuple[str, ...]:
    names = (name.strip().lower() for name in value.decode("latin-1").split(","))
    return tuple(name for name in names if name not in {"", "identity"})


@define(eq=False, repr=False)
class Body:
    """A body being read: takes the raw bytes in order and gives the decoded whole.

    Args:
        head: the header fields that announced the body.

    Attributes:
        size: bytes that it holds so far, decoded.
        left: bytes that are still to be decompressed.

    Raises:
        BodyError: from any method, as soon as it is certain.
    """

    _head: Head
    _received: int = field(default=0, init=False)
    size: int = field(default=0, init=False)
    _chunks: list[bytes] = field(factory=list, init=False)
    left: bytes = field(default=b"", init=False)
    _gunzip: zlib._Decompress | None = field(init=False)

    @_gunzip.default
    def _make_gunzip(self) -> zlib._Decompress | None:
        encodings = self._head.encodings
        if not encodings:
            return None
        if encodings in {("gzip",), ("x-gzip",)}:
            return zlib.decompressobj(_GZIP_WBITS)
        raise BodyError("the body is in an encoding that was not asked for; only gzip was")

    def feed(self, chunk: bytes, most: int = MAX_BODY_BYTES) -> None:
        """Take the next bytes.

        Args:
            chunk: the bytes.
            most: decoded bytes, about, up to which they are decompressed; `go_on` does the rest of them.
        """
        self._received += len(chunk)
        if self._received > MAX_BODY_BYTES:
            raise BodyError(f"the body is larger than {MAX_BODY_BYTES} bytes")
        if self._gunzip is None:
            self._chunks.append(chunk)
            self.size = self._received
        elif chunk:
            self._decompress(self._gunzip, chunk, most)

    def go_on(self, most: int) -> None:
        """Decompress what `feed` has left, up to so many bytes."""
        if self._gunzip is not None and self.left:
            self._decompress(self._gunzip, self.left, most)

    def finish(self) -> bytes:
        """Return the whole body."""
        announced = self._head.length
        if announced is not None and announced != self._received:
            missing = announced > self._received
            text = f"the body has {self._received} of the {announced} bytes announced"
            raise BodyError(text, passing=missing)
        # Some servers announce gzip for an empty body: such a body misses nothing.
        if self._gunzip is not None and self._received and not self._gunzip.eof:
            raise BodyError(f"the gzip body is cut off after {self._received} bytes", passing=True)
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def _decompress(self, gunzip: zlib._Decompress, data: bytes, most: int) -> None:
        self.left = b""
        while data and not gunzip.eof:
            if self.size > most:
                self.left = data
                return
            try:
                chunk = gunzip.decompress(data, _DECOMPRESS_STEP_BYTES)
            except zlib.error as error:
                raise BodyError(f"the gzip body is damaged: {error}") from None
            self.size += len(chunk)
            if self.size > MAX_BODY_BYTES:
                raise BodyError(f"the body is larger than {MAX_BODY_BYTES} bytes once decompressed")
            self._chunks.append(chunk)
            data = gunzip.unconsumed_tail
        if gunzip.unused_data or data:
            raise BodyError("the body goes on after the end of its gzip stream")
