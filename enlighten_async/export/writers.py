"""Writers: the rows of answers in a file, written as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from io import TextIOBase
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Final, Generic, Literal, TypeAlias, TypeVar, cast

import anyio
from attrs import Factory, define

from enlighten_async.errors import EnlightenError, InputError, UsageError
from enlighten_async.export.draft import Draft, Pipe, Target
from enlighten_async.export.encoders import ENCODERS, Encoder
from enlighten_async.limiter import MAX_IN_FLIGHT
from enlighten_async.models import Coverage, Gap, Reason, Receipt
from enlighten_async.models.tabular import Tabular
from enlighten_async.query import Answered, Progress, Query, QueryPool, as_completed
from enlighten_async.query.pool import Queries
from enlighten_async.query.query import first_cause
from enlighten_async.state import in_thread

T = TypeVar("T")

Format: TypeAlias = Literal["csv", "jsonl", "parquet"]

SUFFIXES: Final[Mapping[str, Format]] = MappingProxyType(
    {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
)
"""Formats by the ends of files' names."""


@define
class Tally:
    """The coverage of all answers of an export, in numbers."""

    got: int = 0
    """Intervals that have a row."""
    expected: int = 0
    """Intervals of the ranges that were asked for."""
    missing: Counter[Reason] = Factory(Counter)
    """Intervals without one, by the reason."""
    complete: bool = True
    """Whether all answers are complete."""

    def add(self, answer: object) -> None:
        """Add an answer, or a part of one."""
        coverage = getattr(answer, "coverage", None)
        if isinstance(coverage, Coverage):
            self.got += coverage.got
            self.expected += coverage.expected
            self.missing += _counts(coverage.gaps(), coverage.grid)
        self.complete &= getattr(coverage or answer, "complete", True) is True

    def add_rest(self, rest: object) -> None:
        """Add the gaps that no part of a stream has spoken for."""
        coverage = getattr(rest, "coverage", None)
        if isinstance(coverage, Coverage):
            counts = _counts(coverage.gaps(), coverage.grid)
            self.expected += counts.total()
            self.missing += counts
            self.complete &= coverage.complete


class Export(Generic[T]):
    """The rows of one answer or of many on their way to a file: await it; `write` makes it."""

    def __init__(
        self,
        source: Query[object, T] | QueryPool[T],
        path: Path,
        stream: BinaryIO | None,
        encoder: Encoder,
        rows_of: Callable[[T], Tabular] | None,
    ) -> None:
        self.path = path
        """The file; after a failure the one, beside it, that has the rows which did arrive."""
        self.rows = 0
        """Number of rows written."""
        self.changed = False
        """Whether the file was changed: not, if it had the same rows before."""
        self._source = source
        self._stream = stream
        self._encoder = encoder
        self._rows_of = rows_of
        self._tally = Tally()
        self._started = self._ended = False

    def __repr__(self) -> str:
        return f"<Export {self.path} rows={self.rows} got={self.got} expected={self.expected}>"

    @property
    def progress(self) -> Progress:
        """The progress so far: windows of one query, or queries of many."""
        return self._source.progress

    @property
    def receipt(self) -> Receipt:
        """The costs so far."""
        return self._source.receipt

    @property
    def got(self) -> int:
        """The number of intervals that have a row, of all answers."""
        return self._tally.got

    @property
    def expected(self) -> int:
        """The number of intervals of the ranges that were asked for; 0 where answers are of no range."""
        return self._tally.expected

    @property
    def missing(self) -> Mapping[Reason, int]:
        """The number of intervals without a row, by the reason."""
        return MappingProxyType(self._tally.missing)

    @property
    def complete(self) -> bool:
        """True if all answers arrived and are complete."""
        return self._tally.complete

    def __await__(self) -> Generator[Any, Any, Export[T]]:
        return self._run().__await__()

    async def _run(self) -> Export[T]:
        if self._started:
            raise UsageError("an export is awaited once: call write again, which asks only for what is new")
        self._started = True
        file = await in_thread(self._open)
        try:
            if isinstance(self._source, QueryPool):
                await self._write_many(self._source, file)
            else:
                await self._write_one(self._source, file)
            await in_thread(partial(self._finish, file))
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await in_thread(partial(self._keep, file))
            if isinstance(error, EnlightenError):
                error.partial = self
            raise
        return self

    async def _write_many(self, pool: QueryPool[T], file: Target) -> None:
        """Write one answer after another, and of a query that failed what did arrive."""
        failures: list[EnlightenError] = []
        try:
            await self._write_outcomes(pool, file, failures)
        except BaseException:
            self._tally.complete = False
            with anyio.CancelScope(shield=True), suppress(OSError):
                for query in pool.unread:  # some that are paid for may wait for an older one
                    if (rest := query.partial()) is not None:
                        await self._add(rest, file)
            raise
        if failures:
            self._tally.complete = False
            raise first_cause(failures, self, self.receipt)

    async def _write_outcomes(self, pool: QueryPool[T], file: Target, failures: list[EnlightenError]) -> None:
        async with pool as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, Answered):
                    await self._add(outcome.answer, file)
                    continue
                failures.append(outcome.error)
                if (rest := outcome.query.partial()) is not None:
                    await self._add(rest, file)
                outcome.error.partial = None  # its rows are in the file

    async def _write_one(self, query: Query[object, T], file: Target) -> None:
        """Write an answer, part by part where it comes in parts."""
        try:
            if query._streams_answers:
                async for part in query:
                    await self._add(cast("T", part), file)
            else:
                await self._add(await query, file)
        except BaseException:
            self._tally.complete = False
            # A stream yields parts in order: some that are paid for may wait for an older one.
            if (rest := query.partial()) is not None:
                with anyio.CancelScope(shield=True):
                    await in_thread(partial(self._append, rest, file))
            raise
        finally:
            self._tally.add_rest(query._rest())
        if (rest := query._rest()) is not None:
            await in_thread(partial(self._append, rest, file))  # no rows; the columns, where no part came

    async def _add(self, answer: T, file: Target) -> None:
        await in_thread(partial(self._append, answer, file))
        self._tally.add(answer)

    # In a thread: large answers take longer than an event loop may stand still.

    def _append(self, answer: T, file: Target) -> None:
        """Write the rows of an answer."""
        rows = answer if self._rows_of is None else self._rows_of(answer)
        if not isinstance(rows, Tabular):
            raise InputError(f"{type(rows).__name__} has no rows that a file could hold")
        table = rows._table()
        file.write(self._encoder.encode(table))
        self.rows += len(table)

    def _open(self) -> Target:
        return Draft(self.path) if self._stream is None else Pipe(self._stream)

    def _finish(self, file: Target) -> None:
        if self._encoder.fields is None:
            raise InputError("there is no answer, so no columns: nothing is written")
        file.write(self._encoder.finish())
        self._ended = True
        self.changed = file.commit()

    def _keep(self, file: Target) -> None:
        """Keep the rows written before a failure, if there are any."""
        if not self.rows:
            file.discard()
            return
        if not self._ended:
            with suppress(OSError):  # such as a full disk: the failure that is raised tells of it
                file.write(self._encoder.finish())
        self.path = file.keep()


def write(
    source: Query[object, T] | Queries[T],
    target: str | PathLike[str] | BinaryIO,
    *,
    format: Format | None = None,
    rows: Callable[[T], Tabular] | None = None,
    limit: int = MAX_IN_FLIGHT,
) -> Export[T]:
    """Write the rows of a query's answer, or of many, to a file as they come: await the result.

        export = await write(client.rgm_stats(1765, start_at=a_year_ago), "year.parquet")
        print(export.path, export.rows, export.got, export.expected, export.receipt.sent)

    The file gets its name when it is whole and on the disk; until then one of that name stays as it was. If
    the rows are those that it has, it is not touched. After a failure or a cancellation the rows that did
    arrive are beside it, in a file whose name ends with `.partial`. With a state file the same call asks only
    for what is missing.

    Of several queries, `limit` run at a time; their rows are in the order of the queries. One that fails does
    not stop the others; its error is raised in the end.

    Args:
        source: a query, which is streamed if it comes in parts; or an iterable or async iterable of queries
            of one kind, as `as_completed` takes.
        target: a path; or a binary file that is open, such as `sys.stdout.buffer`, which stays open.
        format: "csv", "jsonl" (an object on each line) or "parquet"; by default the one that the path's end
            names: .csv, .jsonl, .ndjson, .parquet.
        rows: which rows of an answer are written; by default those that its data frame has.
        limit: queries at a time.

    Returns:
        An awaitable, whose `progress` and `receipt` can be read meanwhile. Awaiting it gives itself, with
        `path`, `rows` and the coverage in numbers. It raises the error of a query that failed, of several the
        first cause, with the export as `partial`; and `OSError` where the file cannot be written.

    Raises:
        InputError: the format is not known, its library is not installed, or `source` has no queries; when
            awaited, the path is that of a device or the like. Nothing was sent.
    """
    if isinstance(target, TextIOBase):
        raise InputError("a file that is open for text takes no bytes: open it in binary mode, as by 'wb'")
    if isinstance(source, Query):
        source.close()  # the export is awaited in its place
    stream = None if isinstance(target, str | PathLike) else target
    path = Path(target) if isinstance(target, str | PathLike) else Path("-")
    encoder = ENCODERS.get(format or str(SUFFIXES.get(path.suffix.lower())))
    if encoder is None:
        given = f"format={format!r:.30}" if format else f"{str(path)!r:.80}"
        raise InputError(f"{given} names no format: end a path with {', '.join(SUFFIXES)}, or pass format=")
    queries = source if isinstance(source, Query) else as_completed(source, limit=limit, ordered=True)
    return Export(queries, path, stream, encoder(), rows)


def _counts(gaps: Iterable[Gap], grid: int) -> Counter[Reason]:
    """Return the number of missing intervals by reason."""
    counts: Counter[Reason] = Counter()
    for gap in gaps:
        counts[gap.reason] += gap.window.seconds // grid
    return counts
