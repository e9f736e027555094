"""Rows and cursors in files of lines: JSON Lines, and InfluxDB's line protocol."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from enlighten_async import InputError
from enlighten_async.fleet import Change, InfluxSink, JsonLinesSink, ParquetSink, Sink
from enlighten_async.fleet.sinks import base
from tests.fleet.sinks.changes import START, Key, Row, change, cursors, expected
from tests.fleet.sinks.contract import SinkContract


class InLines(SinkContract):
    """A file of lines."""

    kind: str

    @pytest.fixture(autouse=True)
    def breakable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let tests break what is called."""
        self.monkeypatch = monkeypatch

    @property
    def path(self) -> Path:
        """Its path."""
        return self.folder / "rows"

    @property
    def target(self) -> str:
        """Its name."""
        return f"{self.kind}:{self.path}"

    async def fail(self, changes: list[Change]) -> None:
        """The disk is full when the cursors are written."""

        def full(*_: object) -> None:
            raise OSError(28, "no space left on device")

        with self.monkeypatch.context() as broken:
            broken.setattr(base.Draft, "write", full)
            with pytest.raises(OSError, match="no space"):
                await self.sink().write(changes)
        assert {each.name for each in self.folder.iterdir()} <= {"rows", "rows.cursors", "rows.cursors.lock"}

    async def test_the_same_again_writes_no_line(self) -> None:
        """Not even by a new object."""
        changes = [change(1, 0, 8), change(2, 0, 4)]
        await self.sink().write(changes)
        text = self.path.read_bytes()
        await self.sink().write(changes)
        assert self.path.read_bytes() == text

    async def test_a_row_that_may_be_there_is_looked_for(self) -> None:
        """Of lines of one key the latest counts: what was corrected, and is as before again, is written."""
        first, other, correction = change(1, 0, 8), change(2, 0, 8), change(1, 2, 4, 30.0, corrected=4)
        for each in (first, other, correction):
            await self.sink().write([each])
        text = self.path.read_bytes()
        again = [evolve(each, may_repeat=True) for each in (correction, change(1, 3, 2, 30.0), other)]
        await self.sink().write([again[0], again[2]])
        assert self.path.read_bytes() == text
        new = change(1, 0, 12)
        await self.sink().write([evolve(new, may_repeat=True)])
        added = self.path.read_bytes()[len(text) :].splitlines()
        assert self.held() == self.expected([first, other, correction, new])
        assert len(added) == len(set(added))
        back = [line for line in added if line in text.splitlines()]
        assert 8 <= len(back) <= 12  # those of the correction: of the system, and of two meters

    async def test_a_line_of_others_is_left_alone(self) -> None:
        """As a note that somebody has written into the file."""
        await self.sink().write([change(1, 0, 8)])
        beside, note = self.path.with_name("rows.cursors"), b"# a note\n"
        self.path.write_bytes(note + self.path.read_bytes())
        committed = json.loads(beside.read_text())
        beside.write_text(json.dumps(committed | {"size": committed["size"] + len(note)}))
        text = self.path.read_bytes()
        await self.sink().write([evolve(change(1, 0, 8), may_repeat=True)])
        assert self.path.read_bytes() == text

    async def test_a_file_is_read_once_for_rows_that_are_not_there(self) -> None:
        """Though each write says that they may be: as of a history in a new file."""
        sink = self.made(self.path)
        for system in range(1, 9):
            await sink.write([evolve(change(system, 0, 8), may_repeat=True)])
        text = self.path.read_bytes()
        self.path.write_bytes(b"\n" * len(text))  # nothing of it is looked at again
        await sink.write([evolve(change(9, 0, 8), may_repeat=True)])
        assert len(self.path.read_bytes()) == len(text) // 8 * 9

    async def test_only_the_days_of_rows_that_may_be_there_are_read(self) -> None:
        """The places of days are kept, of the last ones; a file that has none yet is read from its begin."""
        beside = self.path.with_name("rows.cursors")
        for day in range(30):
            await self.sink().write([change(1, 96 * day, 8)])
        days = {int(day): at for day, at in json.loads(beside.read_text())["days"].items()}
        assert sorted(days) == [START // 86_400 + day for day in range(20, 30)]
        size = self.path.stat().st_size
        assert days[max(days)] == size - size // 30
        text = self.path.read_bytes()
        self.path.write_bytes(b"\xff" * (days[max(days)] - 1) + b"\n" + text[days[max(days)] :])
        await self.sink().write([evolve(change(1, 96 * 29, 8), may_repeat=True)])
        assert self.path.stat().st_size == size
        self.path.write_bytes(text)
        beside.write_text(json.dumps(json.loads(beside.read_text()) | {"days": {}}))
        await self.sink().write([evolve(change(1, 0, 8), may_repeat=True)])
        assert self.path.read_bytes() == text

    async def test_what_is_beyond_the_cursors_is_cut_off(self) -> None:
        """As a process was killed there."""
        await self.sink().write([change(1, 0, 8)])
        with self.path.open("ab") as file:
            file.write(b"half a ro")
        await self.sink().write([change(1, 8, 8)])
        assert self.held() == self.expected([change(1, 0, 8), change(1, 8, 8)])

    async def test_a_file_that_lost_rows_is_refused(self) -> None:
        """Or cursors of another one; or without any."""
        await self.sink().write([change(1, 0, 8)])
        text, beside = self.path.read_bytes(), self.path.with_name("rows.cursors")
        self.path.write_bytes(text[:-1])
        with pytest.raises(InputError, match="has lost rows"):
            await self.sink().cursors("rgm_stats")
        self.path.write_bytes(text)
        beside.write_bytes(b"{")
        with pytest.raises(InputError, match="cannot be understood"):
            await self.sink().write([change(1, 8, 8)])
        beside.unlink()
        with pytest.raises(InputError, match="has rows and no rows.cursors"):
            await self.sink().write([change(1, 8, 8)])
        assert self.path.read_bytes() == text

    def test_what_is_no_file_of_ones_own_is_refused(self) -> None:
        """A named pipe, a folder, a link in a folder that is open to all, a folder that is not there."""
        os.mkfifo(self.folder / "pipe")
        shared = self.folder / "shared"
        shared.mkdir()
        shared.chmod(0o1777)
        (shared / "link").symlink_to(self.folder / "elsewhere")
        (shared / "rows.cursors").symlink_to(self.folder / "elsewhere")
        for name in ("pipe", ".", "shared/link", "shared/rows", "none/rows"):
            with pytest.raises(InputError):
                self.made(self.folder / name)
        assert not (self.folder / "elsewhere").exists()

    async def test_a_link_that_comes_later_is_refused(self) -> None:
        """What it leads to stays as it is."""
        shared, other = self.folder / "shared", self.folder / "other"
        shared.mkdir()
        shared.chmod(0o1777)
        sink = self.made(shared / "rows")
        await sink.write([change(1, 0, 4)])
        other.write_text("mine")
        (shared / "rows").unlink()
        (shared / "rows").symlink_to(other)
        with pytest.raises(InputError, match="symbolic link"):
            await sink.write([change(1, 4, 4)])
        assert other.read_text() == "mine"

    def made(self, path: Path) -> Sink:
        """Return a sink for a path."""
        return {"jsonl": JsonLinesSink, "influx": InfluxSink}[self.kind](path)


class TestJsonLinesSink(InLines):
    """Objects."""

    kind = "jsonl"

    def held(self) -> dict[Key, Row]:
        """Return the rows: of two lines of one key the later one."""
        held: dict[Key, Row] = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            row: dict[str, Any] = json.loads(line)
            end = int(datetime.fromisoformat(row.pop("end_at")).timestamp())
            key = row.pop("series"), row.pop("system_id"), row.pop("meter", ""), row.pop("channel", 0), end
            held[key] = {name: value for name, value in row.items() if value is not None}
        return held


class TestInfluxSink(InLines):
    """Lines of the protocol, which has no null: a figure that becomes null stays."""

    kind = "influx"

    def expected(self, changes: Iterable[Change]) -> dict[Key, Row]:
        """Return what InfluxDB has after changes."""
        held: dict[Key, Row] = {}
        for each in changes:
            for key, row in expected([each]).items():
                if row:
                    held[key] = {**held.get(key, {}), **row}
        return held

    def held(self) -> dict[Key, Row]:
        """Return the rows as InfluxDB takes them."""
        held: dict[Key, Row] = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else ():
            series, figures, end = line.split(" ")
            name, *pairs = series.split(",")
            tags = dict(pair.split("=") for pair in pairs)
            key = name, int(tags["system_id"]), tags.get("meter", ""), int(tags.get("channel", 0)), int(end)
            row: Row = {
                figure: float(value.rstrip("i"))
                for figure, value in (pair.split("=") for pair in figures.split(","))
            }
            held[key] = {**held.get(key, {}), **row}
        return held

    async def test_a_line_is_as_the_protocol_has_it(self) -> None:
        """Integers marked, seconds, meters as tags whose odd letters are escaped."""
        one = change(7, 0, 2)
        meter = one.meters[0]
        odd = type(meter)(
            meter_serial_number="a b,c=d\n", envoy_serial_number=None, intervals=meter.intervals
        )
        await self.sink().write([type(one)(**{name: getattr(one, name) for name in NAMES}, meters=(odd,))])
        assert self.path.read_text().splitlines() == [
            "rgm_stats,system_id=7 devices_reporting=2i 1750032900",
            "rgm_stats,system_id=7 devices_reporting=2i,wh_del=10.0 1750033800",
            r"rgm_stats,system_id=7,meter=a\ b\,c\=d,channel=1 curr_w=40.0 1750032900",
            r"rgm_stats,system_id=7,meter=a\ b\,c\=d,channel=1 wh_del=10.0,curr_w=40.0 1750033800",
        ]


NAMES = ("system_id", "account", "series", "rows", "until", "corrected", "receipt")


async def test_a_missing_library_is_told_before_a_poll(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cursors are read first: a run that cannot write its rows sends nothing."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r'pip install "enlighten-async\[pyarrow\]"'):
        await ParquetSink(tmp_path / "rows").cursors("rgm_stats")


async def test_cursors_are_not_ahead_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are on the disk before the cursors are written."""
    order: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        order.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.partition(".")[0] or "draft")
        real(descriptor)

    sink = JsonLinesSink(tmp_path / "rows")
    await sink.write([change(1, 0, 4)])
    monkeypatch.setattr(os, "fsync", noted)
    await sink.write([change(1, 4, 4)])
    assert order[:2] == ["rows", "draft"]
    assert await JsonLinesSink(tmp_path / "rows").cursors("rgm_stats") == cursors([change(1, 4, 4)])


async def test_who_is_killed_before_the_first_cursors_begins_anew(tmp_path: Path) -> None:
    """The file is known as one of a fleet before the first row is in it."""
    sink = JsonLinesSink(tmp_path / "rows")
    texts: list[bytes] = []

    def killed(size: int, given: Sequence[bytes]) -> int:
        texts.extend(given)
        (tmp_path / "rows").write_bytes(given[0][:50])
        raise KeyboardInterrupt

    sink._append = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        sink._write([change(1, 0, 4)])
    await JsonLinesSink(tmp_path / "rows").write([change(1, 0, 4)])
    assert (tmp_path / "rows").read_bytes() == b"".join(texts)
