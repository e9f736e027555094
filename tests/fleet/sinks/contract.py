"""The contract of sinks: what each of them keeps to."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import anyio
import pytest
from attrs import evolve

from enlighten_async import InputError
from enlighten_async.fleet import Change, Sink
from enlighten_async.fleet.sinks import sink_of
from tests.fleet.sinks.changes import Key, Row, change, cursors, expected, stats_change
from tests.fleet.sinks.writing_process import STEPS, step

KILLS = 6
"""How often a process that writes is killed."""


class SinkContract(ABC):
    """What a sink has to do; a class of tests names the sink and reads what it holds."""

    on_disk = True
    """Whether it is a file of this machine."""

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        """Name the place, which is empty at first."""
        self.folder = tmp_path

    @property
    @abstractmethod
    def target(self) -> str:
        """The name of the sink, in one word."""

    @abstractmethod
    def held(self) -> dict[Key, Row]:
        """Return the rows in it, with the figures that are not null."""

    def expected(self, changes: Iterable[Change]) -> dict[Key, Row]:
        """Return what it has to hold after changes."""
        return expected(changes)

    def sink(self) -> Sink:
        """Return a new object for the same place, as after a restart."""
        return sink_of(self.target)

    async def test_an_empty_one_has_no_cursors(self) -> None:
        """And reading them makes nothing."""
        assert await self.sink().cursors("rgm_stats") == {}
        assert list(self.folder.iterdir()) == []

    async def test_rows_and_cursors_are_held(self) -> None:
        """After a restart too, those of each series by themselves."""
        changes = [change(1, 0, 8), change(2, 0, 4), stats_change(1, 6)]
        await self.sink().write(changes)
        sink = self.sink()
        assert self.held() == self.expected(changes)
        assert await sink.cursors("rgm_stats") == cursors(changes)
        assert await sink.cursors("stats") == cursors(changes, "stats")
        assert await sink.cursors("battery") == {}

    async def test_the_same_again_changes_nothing(self) -> None:
        """By the same object, and by one of another process."""
        changes = [change(1, 0, 8), change(2, 0, 4)]
        sink = self.sink()
        for each in (sink, sink, self.sink()):
            await each.write(changes)
            assert self.held() == self.expected(changes)
            assert await each.cursors("rgm_stats") == cursors(changes)

    async def test_corrected_rows_take_the_place_of_earlier_ones(self) -> None:
        """Null too, and what was null; rows that are left out stay."""
        changes = [change(1, 0, 8, 10.0), change(1, 2, 4, 30.0, corrected=4), change(1, 8, 2, 5.0)]
        for each in changes:
            await self.sink().write([each])
        assert self.held() == self.expected(changes)
        assert await self.sink().cursors("rgm_stats") == cursors(changes)

    async def test_of_two_rows_of_one_key_the_later_one_holds(self) -> None:
        """Of those written at once too, of two polls of a system or within one."""
        changes = [change(1, 0, 4, 1.0), change(2, 0, 4, 2.0), change(1, 1, 4, 3.0)]
        await self.sink().write(changes)
        assert self.held() == self.expected(changes)
        assert await self.sink().cursors("rgm_stats") == cursors(changes)

    async def test_cursors_move_without_rows(self) -> None:
        """As at night, and of a system without such a device."""
        await self.sink().write([change(1, 0, 4), change(3, 4, 0)])
        await self.sink().write([change(1, 8, 0)])
        assert self.held() == self.expected([change(1, 0, 4)])
        assert await self.sink().cursors("rgm_stats") == cursors([change(1, 8, 0), change(3, 4, 0)])

    async def test_cursors_of_other_names_move_without_rows(self) -> None:
        """As those of histories, with the rows that came before them, or alone."""
        history = [evolve(change(system, 0, 0), series="rgm_stats_history_52") for system in (1, 2)]
        await self.sink().write([change(1, 0, 4), history[0]])
        await self.sink().write([history[1]])
        assert self.held() == self.expected([change(1, 0, 4)])
        assert await self.sink().cursors("rgm_stats_history_52") == cursors(history, history[0].series)
        assert await self.sink().cursors("rgm_stats") == cursors([change(1, 0, 4)])

    async def test_nothing_to_write_is_no_error(self) -> None:
        """And no row."""
        await self.sink().write([])
        assert self.held() == {}

    @abstractmethod
    async def fail(self, changes: list[Change]) -> None:
        """Write changes, and let the target fail in the midst of it."""

    async def test_a_write_that_fails_leaves_all_as_it_was(self) -> None:
        """Rows and cursors; and the next one writes them."""
        first, second = [change(1, 0, 4)], [change(1, 2, 4, 20.0), change(2, 0, 4)]
        await self.sink().write(first)
        await self.fail(second)
        assert await self.sink().cursors("rgm_stats") == cursors(first)
        await self.sink().write(second)
        assert self.held() == self.expected([*first, *second])
        assert await self.sink().cursors("rgm_stats") == cursors([*first, *second])

    async def test_two_writers_lose_nothing(self) -> None:
        """Of other systems, turn by turn and at once: each sees what the other has done."""
        first, second = self.sink(), self.sink()
        for quarter in range(0, 12, 4):
            await first.write([change(1, quarter, 4)])
            await second.write([change(2, quarter, 4)])
        async with anyio.create_task_group() as both:
            both.start_soon(first.write, [change(1, 12, 4)])
            both.start_soon(second.write, [change(2, 12, 4)])
        changes = [change(system, quarter, 4) for quarter in range(0, 16, 4) for system in (1, 2)]
        assert self.held() == self.expected(changes)
        for sink in (first, second, self.sink()):
            assert await sink.cursors("rgm_stats") == cursors(changes)

    @pytest.mark.processes
    def test_killed_writers_leave_no_row_twice_and_none_out(self) -> None:
        """Wherever they are killed: cursors are never ahead of rows."""
        for kill in range(KILLS):
            self._write_and_kill(kill * 3)
        assert self._write_and_kill(None) == 0
        assert self.held() == self.expected(each for number in range(STEPS) for each in step(number))

    def _write_and_kill(self, lines: int | None) -> int:
        """Run a process that writes all steps from its cursors on; kill it after so many it told of."""
        command = [sys.executable, "-m", "tests.fleet.sinks.writing_process", self.target]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for number, line in enumerate(process.stdout):
                assert line.startswith("from" if number == 0 else "wrote"), line
                if lines is not None and number >= lines % 7:
                    process.kill()
            return process.wait()

    @pytest.mark.processes
    def test_a_full_disk_leaves_no_row_twice_and_none_out(self) -> None:
        """Wherever the room ends; each write that failed is made again by the next process."""
        if not self.on_disk:
            pytest.skip("the disk is another's")
        codes = [self._write_with_room(kilobytes * 1024) for kilobytes in (1, 5, 20, 60, 250)]
        assert codes[0] != 0
        assert self._write_and_kill(None) == 0
        assert self.held() == self.expected(each for number in range(STEPS) for each in step(number))

    def _write_with_room(self, most: int) -> int:
        """Run the process where no file gets larger than that; what it says to have written is there."""
        limits = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))}
        command = [sys.executable, "-B", "-m", "tests.fleet.sinks.writing_process", self.target]
        done = subprocess.run(command, check=False, capture_output=True, text=True, **limits)  # type: ignore[call-overload]
        wrote = [int(number) for number in re.findall(r"^wrote (\d+)$", done.stdout, re.MULTILINE)]
        held = self.held()
        if wrote:
            told = self.expected(each for number in range(wrote[-1] + 1) for each in step(number))
            assert told.keys() <= held.keys()
        if done.returncode:
            assert "OSError" in done.stderr, done.stderr[-2000:]
        return int(done.returncode)

    def test_a_target_of_no_kind_is_refused(self) -> None:
        """Before anything is asked for."""
        for target in ("", "duckdb", "duckdb:", "ducks:file", "jsonl:", "/tmp/rows"):  # noqa: S108
            with pytest.raises(InputError, match="is no target"):
                sink_of(target)
        with pytest.raises(InputError, match=r"^this is no target"):
            sink_of("'postgresql://me:password@host/solar'")
