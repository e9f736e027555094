"""Reading: a question to the client, and how its answer is given out: as a table, in a file, or its price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import click
from attrs import frozen

from enlighten_async.cli import formatting, params
from enlighten_async.cli.answers import STDOUT, Covered, Reading, opened
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.exit_codes import error_line, incomplete, stand_in_line
from enlighten_async.cli.progress import shown_progress
from enlighten_async.client import EnlightenClient
from enlighten_async.client.options import ViewOptions
from enlighten_async.errors import BudgetExceeded, EnlightenError, InputError, NotSupported
from enlighten_async.export import Export, Table, write
from enlighten_async.models import Estimate
from enlighten_async.query import Failed, Query, as_completed
from enlighten_async.windows import time_zone

A_LIFE = timedelta(days=36_500)
"""A time zone does not age."""


@frozen(kw_only=True)
class Question:
    """A question to the client.

    Attributes:
        method: the client's method.
        positional: values of each of its arguments: it is asked for each of the last one's.
        everyone: whether it is asked for all systems.
        period: the range of time.
        range_keywords: the method's keywords of a range.
        others: values of its other keywords.
        of_systems: whether the first argument is a system.
    """

    method: str
    positional: tuple[tuple[Any, ...], ...]
    everyone: bool
    period: params.Period
    range_keywords: tuple[str, ...]
    others: dict[str, Any]
    of_systems: bool

    @property
    def needs_today(self) -> bool:
        """Whether some day is counted from the system's today."""
        others = any(isinstance(each, params.DaysAgo) for each in self.others.values())
        return others or self.period.needs_today

    @property
    def repeated(self) -> list[Any]:
        """The values of the last argument that were given more than once."""
        counts = Counter(self.positional[-1]) if self.positional else {}
        return [value for value, number in counts.items() if number > 1]

    def calls(self, systems: Sequence[int]) -> list[tuple[Any, ...]]:
        """Return the arguments of each call; `systems` are all those there are, if all are asked for."""
        if self.everyone:
            return [(each,) for each in systems]
        if not self.positional:
            return [()]
        *first, last = self.positional
        return [(*(each[0] for each in first), value) for value in dict.fromkeys(last)]


def read(context: CommandContext, question: Question, reading: Reading) -> None:
    """Ask a question, and give out the answers as the reading says."""

    async def work(client: EnlightenClient) -> None:
        view = client.with_options(**view_of(context, reading.view))
        systems = await _systems(view, free=reading.price) if question.everyone else []
        for value in question.repeated:
            context.report(f"{value} is given more than once: it is read once")
        calls = question.calls(systems)
        queries = [await _query(context, view, question, call, free=reading.price) for call in calls]
        if reading.price:
            await show_prices(context, queries, reading)
        elif reading.format_name in {"table", "json"}:
            await _give_out(context, [str(call[-1]) for call in calls if call], queries, reading)
        else:
            await _write(context, queries, reading)

    context.run_with_client(work)


def view_of(context: CommandContext, view: ViewOptions) -> ViewOptions:
    """Return the options of a question; one that has no effect is told, not taken.

    Raises:
        InputError: nothing but what is cached was asked for, and nothing can be.
    """
    if context.state_file is not None:
        return view
    if view.get("only_cached"):
        raise InputError("--only-cached needs a state file, where answers are kept: name one by --state")
    vain = [name for name in ("max_age", "stale_if_error") if name in view]
    for name in vain:
        context.report(f"--{name.replace('_', '-')} has no effect without a state file")
    return cast("ViewOptions", {name: value for name, value in view.items() if name not in vain})


async def _systems(client: EnlightenClient, *, free: bool) -> list[int]:
    """Return the numbers of all systems; `free` says that nothing may be sent.

    Raises:
        BudgetExceeded: they are not cached.
    """
    view = client.with_options(max_age=A_LIFE, max_requests=0) if free else client
    try:
        return [each.system_id for each in await view.systems()]
    except BudgetExceeded:
        if not free:
            raise
    raise BudgetExceeded("it is not known which systems there are: run enlighten systems, which is kept")


async def show_prices(context: CommandContext, queries: Sequence[Query[Any, Any]], reading: Reading) -> None:
    """Show the prices of queries, and their sum if there are several; remarks on them go to stderr."""
    prices = [await query.estimate() for query in queries]
    most = [price.at_most for price in prices]
    if reading.as_json:
        listed = [price.to_dict() for price in prices]
        context.print_json(listed[0] if len(listed) == 1 else listed)
    elif len(prices) == 1:
        _show_price(context, prices[0])
    else:
        total = None if None in most else sum(each or 0 for each in most)
        shares = [price.month_share or 0.0 for price in prices]
        click.echo(_priced(total, sum(shares), max(price.ready_at for price in prices)))
    allowed = 0 if reading.view.get("only_cached") else reading.view.get("max_requests")
    if allowed is not None and any((price.at_most or price.at_least) > allowed for price in prices):
        limit = "--only-cached" if reading.view.get("only_cached") else f"--max-requests {allowed}"
        context.report(f"that is more than {limit} allows: to read it would be refused")


def _show_price(context: CommandContext, price: Estimate) -> None:
    """Show a price in one line; remarks on it go to stderr."""
    click.echo(_priced(price.at_most, price.month_share, price.ready_at))
    remarks = {
        f"at least {formatting.number(price.at_least)}": price.at_least != price.at_most,
        f"windows from cache: {formatting.number(price.from_cache)}": price.from_cache > 0,
        f"windows beyond retention, not requested: {formatting.number(price.pruned)}": price.pruned > 0,
        "that is more than is left this month": not price.fits,
        f"cheaper: {(price.cheaper or '').replace('_', '-')}": price.cheaper is not None,
    }
    for remark, applies in remarks.items():
        if applies:
            context.report(remark)


def _priced(at_most: int | None, share: float | None, ready_at: datetime) -> str:
    most = "an unknown number of requests"
    if at_most is not None:
        most = f"at most {formatting.count(at_most, 'request')}"
    of_month = "" if share is None else f", {share:.2%} of the month"
    return f"{most}{of_month}; ready at {ready_at:%Y-%m-%d %H:%M:%S} UTC"


async def _query(
    context: CommandContext, client: EnlightenClient, question: Question, call: tuple[Any, ...], *, free: bool
) -> Query[Any, Any]:
    """Return one query, which is not sent yet; `free` says that nothing at all may be sent."""
    now = datetime.fromtimestamp(context.now(), UTC)
    today = now.date()
    if question.needs_today and question.of_systems and not free:
        today = await _local_day(context, client, call[0], now)
    arguments = question.period.arguments(question.range_keywords, now, today)
    others = {name: params.on_day(value, today) for name, value in question.others.items()}
    query: Query[Any, Any] = getattr(client, question.method)(*call, **arguments, **others)
    return query


async def _local_day(context: CommandContext, client: EnlightenClient, system: Any, now: datetime) -> date:
    """Return the day that it is where a system is; its zone costs at most what local days cost anyway."""
    _, name = await name_and_zone(context, client, system)
    return now.astimezone(time_zone(name or "UTC")).date()


async def name_and_zone(
    context: CommandContext, client: EnlightenClient, system: Any
) -> tuple[str | None, str | None]:
    """Return the name of a system and that of its time zone; one request, with a state file only once."""
    view = client if context.state_file is None else client.with_options(max_age=A_LIFE)
    try:
        details = await view.system(system)
    except NotSupported:  # by version 2, which has lists only
        found = next(iter(await view.systems(system_id=system)), None)
        return (found.system_name, found.timezone) if found else (None, None)
    return details.system_name, details.timezone


async def _give_out(
    context: CommandContext, names: Sequence[str], queries: Sequence[Query[Any, Any]], reading: Reading
) -> None:
    """Give out one answer after another, on the terminal or as documents; one that fails stops no other.

    Raises:
        EnlightenError: the only question has failed.
        Incomplete: some have failed, which was said, or not all is there.
    """
    failures: list[EnlightenError] = []
    several = len(queries) > 1
    pool = as_completed(queries, ordered=True)
    with opened(context, reading, several=several) as sink:
        watched = pool if several else queries[0]
        async with pool, shown_progress(watched, context.err, live=context.live):
            async for outcome in pool:
                answer = outcome.query.partial() if isinstance(outcome, Failed) else outcome.answer
                if answer is not None:
                    sink.add(answer)
                    report_stand_in(context, names[outcome.number] if several else "", answer)
                if isinstance(outcome, Failed):
                    failures.append(outcome.error)
                    if several:
                        context.report(f"error: {names[outcome.number]}: {error_line(outcome.error)}")
        if failures:
            raise incomplete(failures, something=bool(sink.covered.answers)) if several else failures[0]
    context.report(sink.summary(pool.receipt))
    sink.covered.check()


async def _write(context: CommandContext, queries: Sequence[Query[Any, Any]], reading: Reading) -> None:
    """Write the rows of the answers, as they come.

    Raises:
        Incomplete: not all is there.
    """
    reasons: list[object] = []
    grids: set[int] = set()

    def rows(answer: Any) -> Table:
        report_stand_in(context, str(getattr(answer, "system_id", "")) if len(queries) > 1 else "", answer)
        reasons.append(getattr(answer, "reason", None))
        if (coverage := getattr(answer, "coverage", None)) is not None:
            grids.add(coverage.grid)
        return reading.table(answer)

    target, form = reading.target()
    # A day may lie in two parts, and no cached answer stands in for the rest of a stream.
    in_parts = len(queries) == 1 and reading.by is None and "stale_if_error" not in reading.view
    export: Export[Any] = write(queries[0] if in_parts else queries, target, format=form, rows=rows)
    try:
        async with shown_progress(export, context.err, live=context.live):
            await export
    except BaseException as error:
        _report_partial(context, export, error)
        raise
    empty = not export.got if export.expected else all(reasons)
    covered = Covered(len(reasons), empty, export.got, export.expected, incomplete=not export.complete)
    covered.grid = min(grids, default=0)
    covered.missing.update(export.missing)
    path = "" if export.path == STDOUT else f"{export.path}: "
    rows_written = f"{path}{formatting.count(export.rows, 'row')}{'' if export.changed else ', as before'}"
    receipt = formatting.receipt(export.receipt)
    context.report("; ".join(filter(None, (rows_written, str(covered), receipt))))
    covered.check()


def report_stand_in(context: CommandContext, name: str, answer: object) -> None:
    """Tell that a cached answer stands in place of an error, if one does; an empty name is not told."""
    if line := stand_in_line(answer):
        context.report(f"{name}: {line}" if name else line)


def _report_partial(context: CommandContext, export: Export[Any], error: BaseException) -> None:
    """Tell where the rows are that arrived before a failure."""
    if not export.rows and isinstance(error, EnlightenError):
        error.partial = None
    if export.rows and export.path != STDOUT:
        kept = f"the {formatting.count(export.rows, 'row')} that arrived before the failure"
        context.report(f"{kept} {'is' if export.rows == 1 else 'are'} in {export.path}")
