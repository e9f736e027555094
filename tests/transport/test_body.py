"""A body is whole, sound and small enough, or it is an error."""

# ruff: noqa: D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from contextlib import aclosing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import TransportError
from enlighten_async.transport.body import MAX_BODY_BYTES, Body, BodyError, Head, parse_http_date
from tests.transport.servers import HEAD

GZIP = (b"Content-Encoding", b"gzip")


def read(chunks: list[bytes], *headers: tuple[bytes, bytes]) -> bytes:
    body = Body(Head.parse(list(headers)))
    for chunk in chunks:
        body.feed(chunk)
    return body.finish()


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(st.binary(max_size=5000), st.lists(st.integers(0, 10_000), max_size=9), st.booleans())
def test_whole_body_is_read_however_it_is_cut(data: bytes, cuts: list[int], packed: bool) -> None:
    raw = gzip.compress(data) if packed else data
    headers = [(b"content-length", str(len(raw)).encode())] + [GZIP] * packed
    assert read(split(raw, cuts), *headers) == data


@given(st.binary(max_size=300), st.data())
def test_truncated_gzip_is_refused(data: bytes, draw: st.DataObject) -> None:
    raw = gzip.compress(data)
    cut = draw.draw(st.integers(1, len(raw) - 1))
    with pytest.raises(BodyError, match="cut off"):
        read([raw[:cut]], GZIP)


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=9), st.lists(st.integers(0, 999)))
def test_anything_behind_the_gzip_is_refused(data: bytes, more: bytes, cuts: list[int]) -> None:
    with pytest.raises(BodyError, match="goes on after"):
        read(split(gzip.compress(data) + more, cuts), GZIP)


@pytest.mark.parametrize(
    ("chunks", "headers", "passing"),
    [
        ([b"{}"], [(b"content-length", b"3")], True),
        ([b"{}"], [(b"content-length", b"1")], False),
        ([gzip.compress(b"{}")[:-1]], [GZIP], True),
        ([gzip.compress(b"{}")[:11]], [GZIP], True),
        ([b"no gzip at all"], [GZIP], False),
        ([gzip.compress(b"{}") + b"more"], [GZIP], False),
        ([b"x"], [(b"content-encoding", b"br")], False),
        ([b"x"], [GZIP, GZIP], False),
        ([b"x" * (MAX_BODY_BYTES + 1)], [], False),
        ([gzip.compress(b"x" * (MAX_BODY_BYTES + 1))], [GZIP], False),
    ],
)
def test_only_a_body_that_was_cut_off_may_be_whole_the_next_time(
    chunks: list[bytes], headers: list[tuple[bytes, bytes]], passing: bool
) -> None:
    with pytest.raises(BodyError) as caught:
        read(chunks, *headers)
    assert caught.value.passing is passing


@pytest.mark.parametrize("at", [0, 1, 12, -8, -1])
def test_damaged_gzip_is_refused(at: int) -> None:
    raw = bytearray(gzip.compress(b"0123456789" * 9))
    raw[at] ^= 0xFF
    with pytest.raises(BodyError, match=r"damaged|cut off"):
        read([bytes(raw)], GZIP)


def test_other_encodings_are_refused() -> None:
    for encoding in (b"br", b"deflate", b"gzip, gzip", b"zstd"):
        with pytest.raises(BodyError, match="not asked for"):
            read([b""], (b"Content-Encoding", encoding))
    with pytest.raises(BodyError, match="not asked for"):
        read([b""], GZIP, GZIP)
    with pytest.raises(BodyError, match="damaged"):
        read([zlib.compress(b"x")], GZIP)


def test_identity_is_no_encoding() -> None:
    assert read([b"ab", b"", b"c"], (b"content-encoding", b"Identity")) == b"abc"


@pytest.mark.parametrize("body", [b"", b"ab", b"abcd"])
def test_length_must_be_as_announced(body: bytes) -> None:
    with pytest.raises(BodyError, match=f"{len(body)} of the 3 bytes"):
        read([body], (b"content-length", b"3"))


def test_length_of_a_chunked_body_does_not_count() -> None:
    assert read([b"ab"], (b"content-length", b"9"), (b"transfer-encoding", b"chunked")) == b"ab"


def test_empty_body_needs_no_gzip_stream() -> None:
    assert read([], GZIP, (b"content-length", b"0")) == b""


def test_bomb_in_one_piece_does_not_go_off() -> None:
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(64)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(BodyError, match="larger than"):
            read([bomb], GZIP)
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_largest_body_is_read_and_one_byte_more_is_refused() -> None:
    assert len(read([bytes(MAX_BODY_BYTES)])) == MAX_BODY_BYTES
    assert len(read([gzip.compress(bytes(MAX_BODY_BYTES))], GZIP)) == MAX_BODY_BYTES
    with pytest.raises(BodyError, match="larger than"):
        read([bytes(MAX_BODY_BYTES), b"x"])
    with pytest.raises(BodyError, match="larger than"):
        read([gzip.compress(bytes(MAX_BODY_BYTES + 1))], GZIP)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        (b"Sun, 06 Nov 1994 09:49:37 +0100", 784111777.0),
        (b"", None),
        (b"yesterday", None),
        (b"\xff" * 8, None),
        (b"Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
        (b"Sun, 99 Nov 1994 99:99:99 GMT" + b" " * 99, None),
    ],
)
def test_date_is_read_as_epoch_seconds(date: bytes, seconds: float | None) -> None:
    assert parse_http_date(date) == seconds


@given(st.binary(max_size=70))
def test_no_date_breaks_the_reader(date: bytes) -> None:
    value = parse_http_date(date)
    assert value is None or isinstance(value, float)


def test_head_is_read_in_any_case() -> None:
    head = Head.parse([(b"CONTENT-type", b"Text/HTML; charset=x"), (b"content-Length", b"-1"), (b"X", b"y")])
    assert head == Head("Text/HTML; charset=x", None, None, ())
    assert Head.parse([]) == Head("", None, None, ())


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (b"120", 120.0),
        (b" 0 ", 0.0),
        (b"2678400", 2_678_400.0),
        (b"2678401", None),  # no window of the service is that long
        (b"9" * 19, None),
        (b"9" * 99, None),
        (b"-5", None),
        (b"1e3", None),
        (b"Mon, 15 Jun 2026 12:02:00 GMT", 120.0),
        (b"Mon, 15 Jun 2026 11:00:00 GMT", 0.0),
        (b"Wed, 21 Oct 2099 07:28:00 GMT", None),
    ],
)
def test_until_when_no_requests_are_wanted(told: bytes, seconds: float | None) -> None:
    """By a number of seconds or a date; what cannot be meant is none."""
    date = (b"date", b"Mon, 15 Jun 2026 12:00:00 GMT")
    assert Head.parse([date, (b"retry-after", told)]).retry_after == seconds


async def test_bomb_does_not_go_off(server, connect, exchange) -> None:
    def bomb(sock, _):
        packer = zlib.compressobj(9, wbits=31)
        sock.sendall(HEAD + b"Content-Encoding: gzip\r\n\r\n")
        for _ in range(200):
            sock.sendall(packer.compress(bytes(1024 * 1024)))
        sock.sendall(packer.flush())
        return False

    server.handler = bomb
    tracemalloc.start()
    try:
        async with aclosing(connect()) as transport:
            with pytest.raises(TransportError, match="larger than 16777216 bytes once decompressed"):
                await transport.send(exchange)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


async def test_endless_body_is_refused(server, connect, exchange) -> None:
    def pour(sock, _):
        sock.sendall(HEAD + b"\r\n")
        while not server.stopped.is_set():
            sock.sendall(bytes(1024 * 1024))

    server.handler = pour
    async with aclosing(connect()) as transport:
        with pytest.raises(TransportError, match="larger than 16777216 bytes"):
            await transport.send(exchange)
