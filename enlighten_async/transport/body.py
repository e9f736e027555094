"""A bounded, strict reader of bodies: a body is whole and small enough, or it is an error.

httpx takes a truncated gzip for a whole answer, decompresses without limit, and offers encodings by
what happens to be installed. Hence raw bytes, gzip or nothing, and every end checked.
"""

from __future__ import annotations

import zlib
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache

from attrs import frozen

MAX_BODY = 16 * 1024 * 1024
"""Largest body accepted, in bytes, before and after decompression; a year of readings has 7."""

_STEP = 256 * 1024  # decompressed at a time, so that a bomb is noticed before it has gone off


class BodyError(Exception):
    """The body is not whole, not sound or too large."""


@frozen
class Head:
    """What the header fields say about the answer.

    Attributes:
        content_type: as it came, for it may echo anything; empty if not given.
        date: the service's own time (epoch seconds), if it said.
        length: bytes of the body as sent, if it said.
        encodings: content encodings in order, lower case, `identity` left out.
        retry_after: seconds after `date` for which the service wants to be left alone, if it said.
    """

    content_type: str
    date: float | None
    length: int | None
    encodings: tuple[str, ...]
    retry_after: float | None = None

    @classmethod
    def of(cls, headers: list[tuple[bytes, bytes]]) -> Head:
        """Read the fields that matter; of a field given twice the last one counts."""
        fields: dict[bytes, bytes] = {}
        for name, value in headers:
            key = name.lower()
            if key == b"content-encoding" and key in fields:
                fields[key] += b"," + value
            else:
                fields[key] = value
        chunked = b"transfer-encoding" in fields
        return cls(
            fields.get(b"content-type", b"").decode("latin-1"),
            epoch(fields.get(b"date", b"")),
            None if chunked else _length(fields.get(b"content-length", b"")),
            _encodings(fields.get(b"content-encoding", b"")),
            _pause(fields),
        )


@lru_cache(maxsize=64)
def epoch(date: bytes) -> float | None:
    """Return a `Date` field as epoch seconds, or `None` if it is no date."""
    if not 0 < len(date) <= 64:
        return None
    try:
        parts = parsedate_tz(date.decode("ascii"))
        return float(mktime_tz(parts)) if parts else None
    except (ValueError, OverflowError):
        return None


def _pause(fields: dict[bytes, bytes]) -> float | None:
    """Return seconds from the answer to the moment of a `Retry-After`, which is a number or a date."""
    field = fields.get(b"retry-after")
    if field is None:
        return None
    seconds, until, date = _length(field.strip()), epoch(field), epoch(fields.get(b"date", b""))
    if seconds is None and until is not None and date is not None:
        return max(0.0, until - date)
    return None if seconds is None else float(seconds)


def _length(field: bytes) -> int | None:
    return int(field) if field.isdigit() and len(field) < 20 else None


@lru_cache(maxsize=16)
def _encodings(field: bytes) -> tuple[str, ...]:
    names = (name.strip().lower() for name in field.decode("latin-1").split(","))
    return tuple(name for name in names if name not in {"", "identity"})


class Body:
    """Takes the raw bytes of one answer in order and gives its decoded body.

    Args:
        head: what was announced.

    Raises:
        BodyError: from any method, as soon as it is certain.
    """

    def __init__(self, head: Head) -> None:
        self._declared = head.length
        self._received = 0
        self._size = 0
        self._pieces: list[bytes] = []
        self._gunzip = _decoder(head.encodings)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._received += len(chunk)
        if self._received > MAX_BODY:
            raise BodyError(f"the body is larger than {MAX_BODY} bytes")
        if self._gunzip is None:
            self._pieces.append(chunk)
        elif chunk:
            self._decompress(self._gunzip, chunk)

    def finish(self) -> bytes:
        """Return the whole body."""
        if self._declared is not None and self._declared != self._received:
            raise BodyError(f"the body has {self._received} of the {self._declared} bytes announced")
        # Some servers announce gzip for empty bodies: nothing is missing from nothing.
        if self._gunzip is not None and self._received and not self._gunzip.eof:
            raise BodyError(f"the gzip body is cut off after {self._received} bytes")
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def _decompress(self, gunzip: zlib._Decompress, data: bytes) -> None:
        while data and not gunzip.eof:
            try:
                piece = gunzip.decompress(data, _STEP)
            except zlib.error as error:
                raise BodyError(f"the gzip body is damaged: {error}") from None
            self._size += len(piece)
            if self._size > MAX_BODY:
                raise BodyError(f"the body is larger than {MAX_BODY} bytes once decompressed")
            self._pieces.append(piece)
            data = gunzip.unconsumed_tail
        if gunzip.unused_data or data:
            raise BodyError("the body goes on after the end of its gzip stream")


def _decoder(encodings: tuple[str, ...]) -> zlib._Decompress | None:
    if not encodings:
        return None
    if encodings in {("gzip",), ("x-gzip",)}:
        return zlib.decompressobj(31)
    raise BodyError("the body is in an encoding that was not asked for; only gzip was")
