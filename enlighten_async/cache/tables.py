"""The cache's tables in a database, SQLite's or PostgreSQL's: statements, rows, and parts as blobs.

What is asked and what is made of it is the same for both, in generators that yield statements and are sent
rows; only a few words of the statements differ.

A blob has the columns of a part as bytes in a compressed MessagePack map, all but the receipt. Of each
column the first bytes of all numbers come first, then their second bytes, and so on: numbers of one column
differ in few of them, which halves the size. A blob begins with the number of its format. A new format comes
with a migration of the state file, so that an older version never meets it.
"""

from __future__ import annotations

import json
import logging
import sys
import zlib
from array import array
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec
from attrs import frozen

from enlighten_async import models
from enlighten_async.cache.freshness import CachedSpan, tells_the_same
from enlighten_async.cache.pieces import WEEK, CachedPart, overlay, split_by_week
from enlighten_async.lazy import LazyModule
from enlighten_async.models.coverage import Coverage, Reason
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.models.series import Series
from enlighten_async.windows import END_OF_SECONDS, Window, floor
from enlighten_async.wire import ReplyKey, Response, SeriesKey

if TYPE_CHECKING:
    import cattrs
    from cattrs import gen
else:
    cattrs, gen = LazyModule("cattrs"), LazyModule("cattrs.gen")

P = TypeVar("P", bound=SeriesResult)
T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]

logger = logging.getLogger("enlighten_async")

# Parts as blobs

BLOB_FORMAT: Final = b"\x01"
"""First byte of a blob."""

COMPRESSION_LEVEL: Final = 1
"""Level of zlib: a higher one makes blobs a tenth smaller, and takes three times as long."""

MODELS: Final = frozenset(
    {
        "Battery",
        "ConsumptionStats",
        "EnergyExportTelemetry",
        "EnergyImportTelemetry",
        "EvChargerTelemetry",
        "EvseTelemetry",
        "HpTelemetry",
        "MicroTelemetry",
        "ProductionMeter",
        "RgmStats",
        "Stats",
        "StorageTelemetry",
    }
)
"""Names of the types of part that are cached."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_BIG_ENDIAN: Final = sys.byteorder == "big"

_ERRORS: Final = (
    zlib.error,
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


class Unreadable(Exception):
    """A blob has another format or type, or is damaged."""


def encode(part: SeriesResult) -> bytes:
    """Return a part as a blob."""
    content = {"model": type(part).__name__, "part": part_converter().unstructure(part)}
    return BLOB_FORMAT + zlib.compress(msgspec.msgpack.encode(content), COMPRESSION_LEVEL)


def decode(blob: object, model: type[P]) -> P:
    """Return the part of a blob.

    Raises:
        Unreadable: it has another format or type, or is damaged.
    """
    part = decode_any(blob)
    if type(part) is not model:
        raise Unreadable(f"holds {type(part).__name__}, not {model.__name__}")
    return part


def decode_any(blob: object) -> SeriesResult:
    """Return the part of a blob, of any type.

    Raises:
        Unreadable: it has another format, or is damaged.
    """
    if not isinstance(blob, bytes) or blob[:1] != BLOB_FORMAT:
        raise Unreadable("has another format")
    try:
        content = msgspec.msgpack.decode(zlib.decompress(memoryview(blob)[1:]))
        return part_converter().structure(content["part"], _model(content["model"]))
    except _ERRORS as error:
        raise Unreadable(f"is damaged: {error}") from None


def _column(name: str, view: memoryview) -> tuple[str, str, bytes]:
    """Return a column as its name, the type code of its numbers, and their bytes, position by position."""
    raw, size = _little_endian(array(view.format, view)).tobytes(), view.itemsize
    return name, view.format, b"".join(raw[place::size] for place in range(size))


def _numbers(code: str, planes: bytes) -> array[Any]:
    """Return the numbers of a column."""
    numbers: array[Any] = array(code)
    size, raw = numbers.itemsize, bytearray(len(planes))
    count = len(planes) // size
    for place in range(size):
        raw[place::size] = planes[place * count : (place + 1) * count]
    numbers.frombytes(raw)
    return _little_endian(numbers)


def _little_endian(numbers: array[Any]) -> array[Any]:
    """Convert numbers from the byte order of this machine to little endian, or back."""
    if _BIG_ENDIAN:
        numbers.byteswap()
    return numbers


def _series(columns: list[tuple[str, str, bytes]], kind: Any) -> Series[Any]:
    found = {name: _numbers(code, planes) for name, code, planes in columns}
    if len({len(column) for column in found.values()}) != 1:
        raise ValueError("columns of different lengths")
    return Series(kind.__args__[0], found)


def _model(name: str) -> type[SeriesResult]:
    """Return a type of part."""
    if name not in MODELS:
        raise LookupError(f"{name!r:.60} is no type of part")
    model: type[SeriesResult] = getattr(models, name)
    return model


def _is_series(kind: object) -> bool:
    return getattr(kind, "__origin__", kind) is Series


@cache
def part_converter() -> cattrs.Converter:
    """Return what turns parts into plain values, and back; made for the first part."""
    made = cattrs.Converter(detailed_validation=False)

    def without_receipt(model: type[Any]) -> Callable[[Any], dict[str, Any]]:
        return gen.make_dict_unstructure_fn(model, made, receipt=gen.override(omit=True))

    made.register_unstructure_hook_factory(
        lambda kind: isinstance(kind, type) and issubclass(kind, SeriesResult), without_receipt
    )
    made.register_unstructure_hook_func(
        _is_series, lambda series: [_column(name, view) for name, view in series.columns.items()]
    )
    made.register_unstructure_hook(datetime, lambda at: (at - _EPOCH) // _TICK)
    made.register_structure_hook_func(_is_series, _series)
    made.register_structure_hook(datetime, lambda ticks, _: _EPOCH + ticks * _TICK)
    made.register_structure_hook(float, lambda number, _: number)  # a whole one stays an `int`
    # The blob's word for gaps is older than the attribute's name: blobs written before have to be read.
    # Last: the generated functions take over the hooks that are registered by then.
    gaps = gen.override(rename="holes")
    made.register_unstructure_hook(Coverage, gen.make_dict_unstructure_fn(Coverage, made, _gaps=gaps))
    made.register_structure_hook(Coverage, gen.make_dict_structure_fn(Coverage, made, _gaps=gaps))
    return made


# Statements, and what is made of their rows

POSTGRES_PREFIX: Final = "enlighten_"
"""What the names of the tables begin with in PostgreSQL, where a database has those of others too."""


@frozen
class Statement:
    """A statement in the words of both databases."""

    sqlite: str
    """With a question mark for each value."""
    postgres: str
    """With a number for each value."""


Steps: TypeAlias = Generator[tuple[Statement, Sequence[Row]], list[Row], T]
"""Work in a database: yields a statement and the values of each time it is executed, and is sent its rows."""


def statement(text: str, **words: tuple[str, str]) -> Statement:
    """Return a statement in the words of both databases.

    Args:
        text: the statement, with "{0}" before each name of a table, "?" for each value, "{of_series}" for
            the condition of a series, and the names of words that differ in braces.
        words: those words, SQLite's and PostgreSQL's.
    """
    sqlite, postgres = (
        text.format(prefix, of_series=_OF_SERIES, **{name: word[number] for name, word in words.items()})
        for number, prefix in enumerate(("", POSTGRES_PREFIX))
    )
    numbers = count(1)
    return Statement(sqlite, "".join(f"${next(numbers)}" if char == "?" else char for char in postgres))


_OF_SERIES = "account = ? AND endpoint = ? AND system_id = ? AND device = ?"

_SPANS = statement("""
    SELECT start, stop, fetched, reported, started, empty, since
    FROM {0}stretches AS stretches JOIN {0}series AS series ON series.id = stretches.series
    WHERE {of_series}
    ORDER BY start
""")
_HELD = """
    SELECT system_id, min((
        SELECT CASE WHEN reported < stop THEN reported ELSE stop END FROM {0}stretches AS stretches
        WHERE stretches.series = series.id ORDER BY start DESC LIMIT 1
    ))
    FROM {0}series AS series WHERE account = ? AND endpoint = ? %s GROUP BY system_id
"""
_HELD_OF_ALL = statement(_HELD % "")
_HELD_OF_SOME = statement(
    _HELD % "AND system_id {values}",
    values=(
        "IN (SELECT value FROM json_each(?))",
        "= ANY((SELECT array_agg(value::bigint) FROM json_array_elements_text(?::json))::bigint[])",
    ),
)
_PARTS = statement("""
    SELECT start, stop, fetched, reported, started, empty, since, body
    FROM {0}stretches AS stretches JOIN {0}series AS series ON series.id = stretches.series
    WHERE {of_series} AND start >= ? AND start < ? AND stop >= ?
    ORDER BY start
""")
_ADD_SERIES = statement(
    "INSERT INTO {0}series (account, endpoint, system_id, device) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_SERIES_ID = statement("SELECT id FROM {0}series WHERE {of_series} {lock}", lock=("", "FOR UPDATE"))
"""In PostgreSQL the series is locked to the end of the transaction: SQLite locks the file."""
_ADD_PART = statement("INSERT INTO {0}stretches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
_DELETE_PART = statement("DELETE FROM {0}stretches WHERE series = ? AND start = ?")
_DELETE_UNCHANGED_PART = statement("""
    DELETE FROM {0}stretches WHERE start = ? AND body = ? AND series = (
        SELECT id FROM {0}series WHERE {of_series}
    )
""")
_REPLY = statement("""
    SELECT fetched, status, content_type, since, body FROM {0}replies
    WHERE account = ? AND endpoint = ? AND asked = ?
""")
_PUT_REPLY = statement("""
    INSERT INTO {0}replies AS replies (
        account, endpoint, asked, fetched, final, status, content_type, body, since
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, endpoint, asked) DO UPDATE
    SET since = excluded.since, fetched = excluded.fetched, final = excluded.final, status = excluded.status,
        content_type = excluded.content_type, body = excluded.body
    WHERE excluded.fetched >= replies.fetched
""")


@frozen
class Tables:
    """The cache's tables: `series`, `stretches` (the spans with their parts) and `replies`.

    What writes is one transaction.

    Attributes:
        salt: the database's own random bytes.
    """

    salt: bytes

    def spans(self, scope: bytes, series: SeriesKey[Any]) -> Steps[list[Row]]:
        """Return the rows of a series, in order of time, without the parts."""
        return (yield _SPANS, [self._series(scope, series)])

    def held(
        self, scope: bytes, endpoint: str, system_ids: Collection[int] | None
    ) -> Steps[dict[int, float]]:
        """Return up to when each system is held by its newest span, as `CachedSpan.held_until` has it."""
        key = self._hashed(scope), endpoint
        if system_ids is None:
            found = yield _HELD_OF_ALL, [key]
        else:
            found = yield _HELD_OF_SOME, [(*key, json.dumps(list(system_ids)))]
        return {system_id: float(until) for system_id, until in found if isinstance(until, int | float)}

    def parts(self, scope: bytes, series: SeriesKey[Any], window: Window) -> Steps[list[Row]]:
        """Return the rows that touch a window of a series, within the weeks of the window, in order of time.

        A row that only touches the window may be joined with a new part.
        """
        return (yield from self._touching(self._series(scope, series), window))

    def write_part(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> Steps[None]:
        """Lay an answer over the cached parts of a series."""
        key = self._series(scope, series)
        yield _ADD_SERIES, [key]
        ((series_id,),) = yield _SERIES_ID, [key]
        for each in split_by_week(part, fetched):
            rows = yield from self._touching(key, each.window)
            before = {row[0]: part_of(row, series) for row in rows}
            after = overlay((old for old in before.values() if old is not None), each, series.join)
            yield from self._replace(series_id, before, after)

    def delete_part(self, scope: bytes, series: SeriesKey[Any], row: Row) -> Steps[None]:
        """Delete a row that cannot be read, if it has not been replaced since."""
        yield _DELETE_UNCHANGED_PART, [(row[0], row[-1], *self._series(scope, series))]

    def reply(self, scope: bytes, key: ReplyKey[T]) -> Steps[Row | None]:
        """Return the row of the newest reply."""
        found = yield _REPLY, [self._reply(scope, key)]
        return found[0] if found else None

    def write_reply(
        self, scope: bytes, key: ReplyKey[Any], response: Response, fetched: float, *, final: bool
    ) -> Steps[None]:
        """Write a reply in place of an older one."""
        found = yield from self.reply(scope, key)
        before, since = None if found is None else response_of(found), None
        if before is not None and tells_the_same(response.body, before.body):
            since = before.date if before.same_since is None else before.same_since
        body = zlib.compress(response.body, COMPRESSION_LEVEL)
        row = fetched, final, response.status, response.content_type, body, since
        yield _PUT_REPLY, [(*self._reply(scope, key), *row)]

    def _touching(self, key: Row, window: Window) -> Steps[list[Row]]:
        first, last = floor(window.start, WEEK), floor(window.end - 1, WEEK) + WEEK
        limits = first, min(window.end + 1, last), window.start
        return (yield _PARTS, [(*key, *limits)])

    def _replace(
        self, series_id: int, before: Mapping[int, CachedPart[P] | None], after: Iterable[CachedPart[P]]
    ) -> Steps[None]:
        """Write the difference between the rows before, by start (`None`: unreadable), and after."""
        parts = {each.window.start: each for each in after}
        gone = [start for start, old in before.items() if old is None or parts.get(start) is not old]
        yield _DELETE_PART, [(series_id, start) for start in gone]
        rows = [(series_id, *row_of(each)) for start, each in parts.items() if before.get(start) is not each]
        yield _ADD_PART, rows

    def _series(self, scope: bytes, series: SeriesKey[Any]) -> tuple[bytes, str, int, str]:
        return self._hashed(scope), series.endpoint, series.system_id, series.device

    def _reply(self, scope: bytes, key: ReplyKey[T]) -> tuple[bytes, str, str]:
        return self._hashed(scope), key.endpoint, key.asked

    def _hashed(self, scope: bytes) -> bytes:
        """Return the name of a scope in this database: without it nobody can tell whose it is."""
        return blake2b(scope, key=self.salt, digest_size=16, person=b"bought").digest()


def span_of(row: Row) -> CachedSpan | None:
    """Return the span of a row of `stretches`; `None` if it cannot be read."""
    try:
        return _span(tuple(row[:7]))
    except (ArithmeticError, ValueError, TypeError) as error:
        logger.debug("a cached span cannot be read: %s", error)
        return None


@lru_cache(maxsize=1024)  # the spans of a series are read again with each write about it
def _span(values: Row) -> CachedSpan:
    """Return the span of these values; raise an error if they are not those of one."""
    start, stop, fetched, *times, empty, since = values
    window = _within_a_week(int(start), int(stop))
    reported, started, since = (None if at is None else _moment(at) for at in (*times, since))
    return CachedSpan(
        window, _moment(fetched), reported, started, None if empty is None else Reason(empty), since
    )


def _within_a_week(start: int, stop: int) -> Window:
    """Return the range of a span, which is within one week of the grid; raise `ValueError` if it is not."""
    if not 0 <= start < stop <= floor(start, WEEK) + WEEK:
        raise ValueError("of more than a week, or of no time")
    return Window(start, stop)


def _moment(value: object) -> float:
    """Return a time of a row, epoch seconds; raise `ValueError` if it is none."""
    if not isinstance(value, int | float) or not 0 <= value < END_OF_SECONDS:
        raise ValueError("a time that is none")
    return float(value)


def part_of(row: Row, series: SeriesKey[P]) -> CachedPart[P] | None:
    """Return the part of a row of `stretches`; `None` if it cannot be read."""
    span = span_of(row)
    try:
        part = decode(row[-1], series.model)
    except Unreadable as error:
        logger.debug("a cached part of %s of system %d %s", series.endpoint, series.system_id, error)
        return None
    return None if span is None or part.window != span.window else CachedPart(span, part)


def row_of(each: CachedPart[Any]) -> Row:
    """Return a part as a row of `stretches`, without the number of its series."""
    span = each.span
    times = span.window.start, span.window.end, span.fetched, span.reported_until, span.data_begins
    return (*times, span.empty_reason, span.since, encode(each.part))


def response_of(row: Row) -> Response | None:
    """Return the reply of a row of `replies`; `None` if it cannot be read."""
    fetched, status, content_type, since, body = row
    try:
        known = None if since is None else _moment(since)
        return Response(
            int(status), zlib.decompress(body), str(content_type), _moment(fetched), same_since=known
        )
    except (zlib.error, TypeError, ValueError) as error:
        logger.debug("a cached reply cannot be read: %s", error)
        return None
