"""Exports: every row once, in order, in a file that is whole or not there."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async import (
    EnlightenClient,
    InputError,
    NotFound,
    Query,
    Reason,
    RgmStats,
    ServerError,
    UsageError,
    concat,
    write,
)
from enlighten_async.emulator import Fault, System
from tests.world import World

UNKNOWN = 424_242


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, figures as numbers."""
    if path.suffix.startswith(".jsonl"):
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return [
            {
                name: float(text) if text[:1].isdigit() and "T" not in text else text or None
                for name, text in row.items()
            }
            for row in csv.DictReader(file)
        ]


def names(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(each.name for each in folder.iterdir())


def known(world: World, system_id: int, start: float, end: float) -> list[tuple[int, float, float]]:
    """Return the rows that the service knows."""
    rows = world.emulator.truth.rgm_stats(system_id, start, end)
    return [(system_id, row["end_at"], row["wh_del"]) for row in rows]


def told(rows: list[dict[str, Any]]) -> list[tuple[int, float, float]]:
    """Return the rows of a file as the service knows them."""
    return [
        (row["system_id"], datetime.fromisoformat(row["end_at"]).timestamp(), row["wh_del"]) for row in rows
    ]


def fleet(systems: int = 6, **settings: Any) -> tuple[World, EnlightenClient, list[int]]:
    """Return a service, a client and the ids of its user's systems."""
    world = World(systems=systems, users=1, **settings)
    ids = [each.system_id for each in world.emulator.truth.systems(world.emulator.demo_user)]
    return world, world.client(), ids


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.jsonl", "a.ndjson"])
async def test_a_file_has_the_rows_of_the_service(world: World, tmp_path: Path, name: str) -> None:
    """Each once, in order of time; the figures of the export are those of the awaited answer."""
    answer = await world.client().rgm_stats(world.system, **world.days(400))
    export = await write(world.client().rgm_stats(world.system, **world.days(400)), tmp_path / name)
    text = export.path.rename(tmp_path / ("b.csv" if name.lower() == "a.csv" else "b.jsonl"))
    rows = [(answer.system_id, each.end_at.timestamp(), each.wh_del) for each in answer.intervals]
    assert told(rows_of(text)) == rows
    assert (export.rows, export.changed, export.complete) == (len(answer.intervals), True, True)
    assert (export.got, export.expected) == (answer.coverage.got, answer.coverage.expected)
    missing: Counter[Reason] = Counter()
    for gap in answer.coverage.gaps():
        missing[gap.reason] += gap.window.seconds // 900
    assert export.missing == missing
    assert Reason.BEYOND_RETENTION in missing
    assert export.receipt.sent == answer.receipt.sent == 53
    assert export.progress.done == 53


async def test_the_same_export_again_changes_nothing(world: World, tmp_path: Path) -> None:
    """Neither the file nor what was spent."""
    client = world.client(state=tmp_path / "state.db")
    path, days = tmp_path / "a.csv", {**world.days(40), "end_at": world.clock.now() - 10 * 86_400}
    first = await write(client.rgm_stats(world.system, **days), path)
    before, sent = path.stat(), world.emulator.counts.sent
    again = await write(client.rgm_stats(world.system, **days), path)
    assert (first.changed, again.changed, again.rows) == (True, False, first.rows)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert world.emulator.counts.sent == sent
    await client.aclose()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
async def test_interrupted_it_goes_on(tmp_path: Path, name: str) -> None:
    """What arrived is beside the file; the same call asks for the rest, and the file is as good as ever."""
    world = World(latency=1.0)
    days = {**world.days(120), "end_at": world.clock.now() - 10 * 86_400}
    client = world.client(state=tmp_path / "state.db", max_concurrency=2)
    path = tmp_path / name
    path.write_text("old")
    query = client.rgm_stats(world.system, **days)
    export = write(query, path)
    with world.clock.move_on_after(5.5) as scope:
        await export
    assert scope.cancelled_caught
    assert (path.read_text(), export.path) == ("old", tmp_path / f"{name}.partial")
    assert 0 < export.rows == len(rows_of(export.path.rename(tmp_path / f"kept{path.suffix}")))
    assert not export.complete
    sent = world.emulator.counts.sent
    again = await write(client.rgm_stats(world.system, **days), path)
    whole = await write(world.client().rgm_stats(world.system, **days), tmp_path / f"b{path.suffix}")
    assert path.read_bytes() == whole.path.read_bytes()
    assert again.receipt.sent < whole.receipt.sent == again.receipt.sent + sent  # what was sent is not lost
    await client.aclose()


async def test_a_failure_keeps_what_arrived(world: World, tmp_path: Path) -> None:
    """Beside the file, which stays as it was; the error has the export."""
    end = world.clock.now() // 900 * 900
    start = end - 21 * 86_400
    world.emulator.inject(Fault.echo(times=math.inf, query={"start_at": str(int(start))}))
    path = tmp_path / "a.csv"
    path.write_text("old")
    query = world.client().rgm_stats(world.system, start_at=start, end_at=end)
    with pytest.raises(ServerError) as caught:
        await write(query, path)
    export = caught.value.partial
    assert (path.read_text(), export.path) == ("old", tmp_path / "a.csv.partial")
    assert export.path.read_text().count("\n") == export.rows + 1
    assert export.got == export.rows == 2 * 672 - 1
    assert (export.expected, export.missing[Reason.FAILED], export.complete) == (3 * 672, 672, False)


async def test_nothing_is_left_of_nothing(world: World, tmp_path: Path) -> None:
    """A failure before the first row leaves no file."""
    with pytest.raises(NotFound):
        await write(world.client().rgm_stats(UNKNOWN, **world.days(3)), tmp_path / "a.csv")
    assert names(tmp_path) == []


async def test_a_full_disk_is_told(world: World, tmp_path: Path) -> None:
    """The rows before it are kept."""

    class Full(io.BytesIO):
        """A file with little room."""

        def write(self, data: Any, /) -> int:
            """Write, while there is room."""
            if self.tell() > 1_000:
                raise OSError(28, "no space left on device")
            return super().write(data)

    with pytest.raises(OSError, match="no space left"):
        await write(world.client().rgm_stats(world.system, **world.days(21)), Full(), format="csv")


# Several queries


@pytest.mark.parametrize("several", [False, True])
async def test_a_cancellation_keeps_what_arrived(tmp_path: Path, *, several: bool) -> None:
    """Of one query and of several: the rows of those under way, and of those that wait for an older one."""
    world, client, ids = fleet(3)
    path = tmp_path / "a.csv"
    with anyio.CancelScope() as scope:

        def stop(answer: bytes) -> bytes:
            scope.cancel()
            return answer

        world.emulator.inject(Fault(after=7, transform=stop))
        queries = (client.rgm_stats(each, **world.days(70)) for each in ids)
        await write(queries if several else next(queries), path)
    assert names(tmp_path) == ["a.csv.partial"]
    rows = told(rows_of(tmp_path / "a.csv.partial"))
    assert len(rows) == len(set(rows)) > 96 * 7 * 2
    assert scope.cancelled_caught


async def test_what_is_no_query_is_refused(world: World, tmp_path: Path) -> None:
    """An answer, a number, a file that is open for text."""
    client = world.client()
    answer = await client.summary(world.system)
    for source in (answer, [answer], 5):
        with pytest.raises(InputError, match="take queries, not"):
            await write(source, tmp_path / "a.csv")  # type: ignore[call-overload]
    query = client.systems()
    with pytest.raises(InputError, match="binary mode"):
        write(query, io.StringIO(), format="csv")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not Query: await"):
        concat([query])  # type: ignore[list-item]
    query.close()
    assert (world.emulator.counts.sent, names(tmp_path)) == (1, [])


async def test_several_systems_are_in_the_order_of_the_queries(tmp_path: Path) -> None:
    """Whichever is answered first; and so they are again."""
    slow = Fault(times=2, delay=30.0)
    world, client, ids = fleet(faults=[slow], latency=0.1)
    end = world.clock.now() // 900 * 900 - 86_400
    start = end - 20 * 86_400
    queries = [client.rgm_stats(each, start_at=start, end_at=end) for each in ids]
    export = await write(iter(queries), tmp_path / "a.jsonl", limit=3)
    truth = [row for each in ids for row in known(world, each, start, end)]
    assert told(rows_of(tmp_path / "a.jsonl")) == truth
    assert (export.rows, export.got) == (len(truth), len(truth))
    assert export.expected == len(ids) * 20 * 96
    assert export.receipt.sent == world.emulator.counts.sent
    assert (export.progress.done, export.complete) == (len(ids), True)
    again = (client.rgm_stats(each, start_at=start, end_at=end) for each in ids)
    assert not (await write(again, tmp_path / "a.jsonl", limit=2)).changed


async def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    """Its error is raised in the end; the rows of the others are kept, and those of its own that arrived."""
    world, client, ids = fleet()
    end = world.clock.now() // 900 * 900 - 86_400
    start = end - 14 * 86_400
    world.emulator.inject(Fault.echo(times=math.inf, path=f"/{ids[1]}/", query={"start_at": str(int(start))}))
    systems = [ids[0], ids[1], UNKNOWN, ids[2]]

    async def queries() -> AsyncIterator[Query[Any, RgmStats]]:
        for each in systems:
            yield client.rgm_stats(each, start_at=start, end_at=end)

    with pytest.raises((ServerError, NotFound)) as caught:
        await write(queries(), tmp_path / "a.jsonl")
    assert {type(each) for each in caught.value.causes} == {ServerError, NotFound}
    export = caught.value.partial
    ranges = [(ids[0], start), (ids[1], start + 7 * 86_400), (ids[2], start)]
    truth = [row for each, first in ranges for row in known(world, each, first, end)]
    assert told(rows_of(export.path.rename(tmp_path / "b.jsonl"))) == truth
    assert (export.rows, export.complete) == (len(truth), False)
    assert export.missing[Reason.FAILED] == 672


async def test_lists_are_written_whole(tmp_path: Path) -> None:
    """Not row by row, which would not tell what they are of; over several pages."""
    _, client, _ = fleet(systems=1_200)
    export = await write(client.systems(), tmp_path / "a.csv")
    with export.path.open(newline="") as file:
        ids = [int(row["system_id"]) for row in csv.DictReader(file)]
    assert ids == [each.system_id for each in await client.systems()]
    assert (export.rows, export.expected, export.complete, export.receipt.sent) == (len(ids), 0, True, 2)


# Odd ends


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "system_id,end_at,devices_reporting,wh_del\n"), ("a.jsonl", "")]
)
async def test_a_range_of_which_nothing_exists(world: World, tmp_path: Path, name: str, text: str) -> None:
    """The columns are there, and the reason."""
    ancient = {"start_at": 1_500_000_300, "end_at": 1_500_000_300 + 86_400}
    export = await write(world.client().rgm_stats(world.system, **ancient), tmp_path / name)
    assert (export.path.read_text(), export.rows, export.complete) == (text, 0, True)
    assert (export.expected, export.missing) == (96, {Reason.BEYOND_RETENTION: 96})


async def test_an_open_file_takes_the_bytes(world: World) -> None:
    """As they come; it stays open."""
    file = io.BytesIO()
    export = await write(world.client().rgm_stats(world.system, **world.days(10)), file, format="csv")
    assert file.getvalue().count(b"\n") == export.rows + 1
    assert str(export.path) == "-"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
async def test_names_that_would_be_run(tmp_path: Path, name: str) -> None:
    """CSV shows them; JSON keeps them, by its own escapes; neither steers a terminal."""
    nasty = '=cmd()|"<script>\x1b[2J\u202eexe, ☀️'
    world = World(fleet=[System(system_id=7, name=nasty)])
    await write(world.client().systems(), tmp_path / name)
    (row,) = rows_of(tmp_path / name)
    shown = """'=cmd()|"<script>\\x1b[2J\\u202eexe, ☀️"""
    assert row["system_name"] == (shown if name == "a.csv" else nasty)
    assert "\x1b" not in (tmp_path / name).read_text()
    assert "\u202e" not in (tmp_path / name).read_text()


async def test_wrong_use_costs_nothing(world: World, tmp_path: Path) -> None:
    """Each says what to do, and leaves no file."""
    client = world.client()
    for target, options in (("a.xlsx", {}), ("a", {}), ("a.csv", {"format": "xml"}), (io.BytesIO(), {})):
        with pytest.raises(InputError, match=r"\.csv, \.jsonl"):
            write(client.systems(), target, **options)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="make this folder"):
        await write(client.systems(), tmp_path / "none" / "a.csv")
    with pytest.raises(InputError, match="no answer"):
        await write([], tmp_path / "a.csv")
    assert (world.emulator.counts.sent, names(tmp_path)) == (0, [])
    export = write(client.systems(), tmp_path / "a.csv")
    await export
    with pytest.raises(UsageError, match="once"):
        await export


async def test_each_kind_has_a_file_of_its_own(world: World, tmp_path: Path) -> None:
    """Rows with other columns are refused, and what was written before is kept."""
    client = world.client()
    with pytest.raises(InputError, match="file of its own"):
        await write([client.rgm_stats(world.system), client.stats(world.system)], tmp_path / "a.csv")
    assert (tmp_path / "a.csv.partial").exists()
    with pytest.raises(InputError, match="int has no rows"):
        await write(client.summary(world.system), tmp_path / "b.csv", rows=lambda _: 5)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
async def test_an_answer_that_is_one_object_is_one_row(world: World, tmp_path: Path, suffix: str) -> None:
    """Summaries of many systems are a file with a row for each."""
    path = tmp_path / f"a{suffix}"
    client = world.client()
    ids = [each.system_id for each in await client.systems()]
    export = await write((client.summary(each) for each in ids), path)
    assert (export.rows, export.receipt.sent, export.complete) == (len(ids), len(ids), True)
    assert not (await write((client.summary(each) for each in ids), path)).changed


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("years", [-1, 1], ids=["future", "before operation"])
async def test_an_answer_without_rows_is_a_file_with_its_columns(
    world: World, tmp_path: Path, years: int, *, several: bool
) -> None:
    """Of a range of which nothing exists: a head in CSV, nothing in JSON Lines."""
    client, start = world.client(), world.clock.now() - years * 40 * 365 * 86_400
    for suffix, content in ((".csv", "system_id,end_at,devices_reporting,wh_del\n"), (".jsonl", "")):
        query = client.rgm_stats(world.system, start_at=start, end_at=start + 9_000)
        export = await write([query] if several else query, tmp_path / f"a{suffix}")
        assert ((tmp_path / f"a{suffix}").read_bytes().decode(), export.rows) == (content, 0)
