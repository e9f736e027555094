"""Answers given out: as a table on the terminal, as documents of JSON, or as rows in a file."""

from __future__ import annotations

import errno
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol, Self, cast

import click
from attrs import Factory, define, frozen

from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import STDOUT_CLOSED, CommandContext
from enlighten_async.cli.exit_codes import Incomplete
from enlighten_async.cli.settings import places
from enlighten_async.client.options import ViewOptions
from enlighten_async.export import Format, Table, object_table
from enlighten_async.export.columns import values_of
from enlighten_async.export.draft import Draft, Pipe
from enlighten_async.export.encoders import JsonLinesEncoder
from enlighten_async.export.escapes import json_ascii
from enlighten_async.models import Coverage, Receipt
from enlighten_async.models.intervals import IntervalStats, Unit
from enlighten_async.models.tabular import SingleRow
from enlighten_async.windows import DAY

MAX_SUMS_COLUMNS = 78
"""Columns of a table of sums, at most: longer bars are not easier to compare."""

STARTS = MappingProxyType({"hour": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%Y-%m"})
"""Forms of the beginning of an hour, a day and a month."""

STDOUT = Path("-")
"""The output that is stdout."""


@frozen
class LocalSum:
    """The energy of one local hour, day or month.

    Attributes:
        system_id: the service's number of the system.
        start: its beginning, with the offset of the time zone.
        wh: energy, Wh.
        got: intervals that have a value.
        expected: intervals that the range has in it.
    """

    system_id: int
    start: str
    wh: float
    got: int
    expected: int


def sums_table(answer: Any, unit: Unit, zone: str) -> Table:
    """Return the energies of a series by local hour, day or month."""
    sums = answer.sums(unit, timezone=zone)
    rows = [LocalSum(answer.system_id, s.start.isoformat(), s.wh, s.got, s.expected) for s in sums]
    return object_table(LocalSum, rows)


def rows_of(table: Table) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a table: instants as aware UTC datetimes, `None` for null."""
    kinds = [each.type for each in table.fields]
    for batch in table.batches:
        yield from zip(*map(values_of, kinds, batch.columns), strict=True)


@frozen(kw_only=True)
class Reading:
    """The way in which answers are given out.

    Attributes:
        view: the client's options for the question.
        format_name: "table", "json", "jsonl", "csv" or "parquet".
        output: the file; `-` is stdout.
        by: unit of the sums; `None` for rows as they are.
        timezone: zone of the sums; `None` for the system's.
        price: whether only the price is told.
        as_json: whether the price is told as JSON.
        meters: whether rows are those of each meter's channels.
        single: whether an answer is one object, without rows.
    """

    view: ViewOptions
    format_name: str
    output: Path
    by: Unit | None
    timezone: str | None
    price: bool
    as_json: bool
    meters: bool
    single: bool

    @classmethod
    def taken_from(cls, given: dict[str, Any], answer: type, *, price: bool) -> Self:
        """Return the reading that options ask for.

        Args:
            given: the options; those that are taken are removed.
            answer: class of the answers.
            price: whether only the price is told.

        Raises:
            click.UsageError: they do not fit together.
        """
        preset = "--format" in places(click.get_current_context())
        format_name, output = _format(
            given.pop("format_name", None), given.pop("output", None), preset=preset
        )
        by, meters = given.pop("by", None), given.pop("meters", False)
        if meters and (format_name == "table" or by is not None):
            raise click.UsageError("--meters gives rows: use -o FILE or --format, and leave out --by")
        default: Unit | None = "day" if issubclass(answer, IntervalStats) and format_name == "table" else None
        return cls(
            view=params.view_of(given),
            format_name=format_name,
            output=output,
            by=by or default,
            timezone=given.pop("timezone", None),
            price=given.pop("estimate", False) or price,
            as_json=given.pop("as_json", False) or format_name == "json",
            meters=meters,
            single=issubclass(answer, SingleRow),
        )

    @property
    def gives_rows(self) -> bool:
        """Whether rows of an answer were asked for, in place of the answer."""
        return self.by is not None or self.meters

    def table(self, answer: Any) -> Table:
        """Return the rows of an answer: its own, those of its meters, or its sums."""
        if self.by is not None:
            return sums_table(answer, self.by, self.zone(answer))
        rows: Table = answer.meter_table() if self.meters else answer._table()
        return rows

    def zone(self, answer: Any) -> str:
        """Return the name of the time zone in which an answer is summed."""
        return self.timezone or answer.timezone or "UTC"

    def target(self) -> tuple[Path | BinaryIO, Format]:
        """Return where rows go, and their format.

        Raises:
            OSError: stdout is closed.
        """
        return (stdout() if self.output == STDOUT else self.output), cast("Format", self.format_name)


def stdout() -> BinaryIO:
    """Return stdout, for bytes: in UTF-8, whatever the encoding of the terminal is.

    Raises:
        OSError: it is closed.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, STDOUT_CLOSED)
    return sys.stdout.buffer


def _format(name: str | None, output: Path | None, *, preset: bool) -> tuple[str, Path]:
    """Return the format, and the file it goes to; `-` is stdout.

    Args:
        name: the format that was given.
        output: the file.
        preset: whether the format is not of the command line: then the name of a file there goes first.
    """
    name = "jsonl" if name == "ndjson" else name
    if output is None:
        return name or "table", STDOUT
    name = None if name == "table" else name  # a table is for the terminal
    by_suffix = None if output == STDOUT else params.FORMATS.get(output.suffix.lower())
    found = (by_suffix or name) if preset else (name or by_suffix)
    found = "csv" if found is None and output == STDOUT else found
    if found is None:
        suffixes = ", ".join(params.FORMATS)
        raise click.UsageError(f"-o {output}: end the name with one of {suffixes}, or give --format")
    return found, output


@define
class Covered:
    """The coverage of all answers that were given out.

    Attributes:
        answers: number of answers, parts among them.
        empty: whether none of them has anything, as nothing exists of the range or of such a device.
        got: intervals that have a row.
        expected: intervals of the ranges.
        missing: intervals without a row, by reason.
        incomplete: whether something was refused, failed or is not available for now.
        grid: seconds of an interval; 0 where they are of no range of time.
    """

    answers: int = 0
    empty: bool = True
    got: int = 0
    expected: int = 0
    missing: Counter[str] = Factory(Counter)
    incomplete: bool = False
    grid: int = 0

    def add(self, answer: object) -> None:
        """Add the coverage of an answer or of a part of one, if it has any."""
        self.answers += 1
        covered = getattr(answer, "coverage", None)
        self.empty &= (covered is not None and covered.is_empty) or bool(getattr(answer, "reason", None))
        if isinstance(covered, Coverage):
            self.grid = covered.grid
            self.got += covered.got
            self.expected += covered.expected
            self.missing += formatting.missing(covered.gaps(), covered.grid)
            self.incomplete |= not covered.complete
        elif getattr(answer, "complete", True) is False:
            self.incomplete = True

    def __str__(self) -> str:
        if not self.expected:
            return "nothing there: none of the range is over yet" if self.grid else ""
        state = "incomplete" if self.incomplete else "nothing there" if self.empty else "complete"
        if self.grid == 1:  # of events, which are no intervals
            return state + (f" ({', '.join(self.missing)})" if self.missing else "")
        of = formatting.count(self.expected, "day" if self.grid == DAY else "interval")
        return f"{state}: {formatting.number(self.got)} of {of}{formatting.by_reason(self.missing)}"

    def check(self) -> None:
        """Raise `Incomplete` if not all is there, or nothing."""
        if self.incomplete or (self.empty and self.answers):
            raise Incomplete


class Sink(Protocol):
    """A place for answers."""

    covered: Covered

    def add(self, answer: Any) -> None:
        """Take an answer."""
        ...

    def summary(self, receipt: Receipt) -> str:
        """Return what was given out, and what it cost."""
        ...


@contextmanager
def opened(context: CommandContext, reading: Reading, *, several: bool) -> Iterator[Sink]:
    """Yield the place for the answers of a reading; they are there when the body is left, however it is."""
    if reading.format_name == "json":
        with _documents(context, reading, several=several) as documents:
            yield documents
        return
    table = SumsSink if reading.by else RowsSink
    sink = table(context, reading, several=several)
    try:
        yield sink
    finally:
        if sink.covered.answers:
            sink.show()


@contextmanager
def _documents(context: CommandContext, reading: Reading, *, several: bool) -> Iterator[DocumentSink]:
    """Yield a file of JSON, which gets its name when it is whole."""
    file = Pipe(stdout()) if reading.output == STDOUT else Draft(reading.output)
    sink = DocumentSink(reading, file, listed=several or reading.gives_rows)
    try:
        yield sink
        sink.end()
        file.commit()
    except BaseException:
        if not sink.covered.answers:
            file.discard()
            raise
        sink.end()
        if (kept := file.keep()) != STDOUT:
            context.report(f"what arrived before the failure is in {kept}")
        raise


@define
class DocumentSink:
    """A file of JSON: an answer, or a list of answers, or of rows where those were asked for."""

    reading: Reading
    file: Draft | Pipe
    listed: bool
    covered: Covered = Factory(Covered)
    count: int = 0

    def add(self, answer: Any) -> None:
        """Write an answer."""
        self.covered.add(answer)
        for item in self._items(answer):
            before = ",\n" if self.count else "[" * self.listed
            self.file.write(before.encode() + item)
            self.count += 1

    def _items(self, answer: Any) -> Sequence[bytes]:
        if self.reading.gives_rows:
            return JsonLinesEncoder().rows(self.reading.table(answer)).splitlines()
        return [json_ascii(answer.to_json()).encode()]

    def end(self) -> None:
        """Close the list."""
        empty = "[" * (self.listed and not self.count)
        self.file.write(f"{empty}{']' * self.listed}\n".encode())

    def summary(self, receipt: Receipt) -> str:
        """Return the coverage and the cost."""
        path = "" if self.reading.output == STDOUT else str(self.reading.output)
        return "; ".join(filter(None, (path, str(self.covered), formatting.receipt(receipt))))


@define
class RowsSink:
    """A table of rows as they are."""

    context: CommandContext
    reading: Reading
    several: bool
    covered: Covered = Factory(Covered)
    names: list[str] = Factory(list)
    rows: list[tuple[object, ...]] = Factory(list)

    def add(self, answer: Any) -> None:
        """Keep the rows of an answer."""
        self.covered.add(answer)
        table = self.reading.table(answer)
        self.names = [each.name for each in table.fields]
        self.rows.extend(rows_of(table))

    def show(self) -> None:
        """Print the table, or one object value by value."""
        out = self.context.out
        if self.reading.single and not self.several:
            out.print(formatting.facts(out, self.names, self.rows[0]))
        elif self.rows:
            table, hidden = formatting.fitted(out, self.names, self.rows)
            out.print(table)
            if hidden:
                more = f" and {len(hidden) - 4} more" if len(hidden) > 4 else ""
                self.context.report(
                    f"no room for {', '.join(hidden[:4])}{more}: --format csv has all columns"
                )
        if coverage := str(self.covered):
            out.print(coverage)

    def summary(self, receipt: Receipt) -> str:
        """Return the number of rows and the cost."""
        return f"{formatting.count(len(self.rows), 'row')}; {formatting.receipt(receipt)}"


@define
class SumsSink:
    """A table of energies by local hour, day or month."""

    context: CommandContext
    reading: Reading
    several: bool
    covered: Covered = Factory(Covered)
    rows: list[Sequence[object]] = Factory(list)
    values: list[float] = Factory(list)
    zones: dict[str, None] = Factory(dict)

    def add(self, answer: Any) -> None:
        """Keep the sums of an answer."""
        self.covered.add(answer)
        zone, form = self.reading.zone(answer), STARTS[self.reading.by or "day"]
        self.zones[zone] = None
        for each in answer.sums(self.reading.by, timezone=zone):
            energy = formatting.kwh(each.wh) if each.got else ""
            row = (each.start.strftime(form), energy, f"{each.got} of {each.expected}")
            self.rows.append((answer.system_id, *row) if self.several else row)
            self.values.append(each.wh)

    def show(self) -> None:
        """Print the table, the total and the coverage."""
        zone = next(iter(self.zones)) if len(self.zones) == 1 else "local"
        headings = [f"{self.reading.by} ({zone})", "kWh", "intervals"]
        out, columns = self.context.out, MAX_SUMS_COLUMNS
        if self.several:
            headings.insert(0, "system_id")
        out.print(formatting.bar_table(out, headings, self.rows, self.values, max_columns=columns))
        total = formatting.kwh(sum(self.values))
        out.print("; ".join(filter(None, (f"total {total} kWh", str(self.covered)))))

    def summary(self, receipt: Receipt) -> str:
        """Return the cost."""
        return formatting.receipt(receipt)
