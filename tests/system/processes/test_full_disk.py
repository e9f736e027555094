"""A state file on a real disk that is full: a memory disk of 3 MiB, which only root may make."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from enlighten_async.errors import UsageError
from enlighten_async.limiter import Priority
from tests.world import World

pytestmark = pytest.mark.processes

DAYS = 300
PRIORITIES: tuple[Priority, ...] = ("poll", "backfill")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of the disk."""
    folder, mount, umount = tmp_path / "disk", shutil.which("mount"), shutil.which("umount")
    folder.mkdir()
    if mount is None or umount is None:
        pytest.skip("needs mount")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=False).returncode:
        pytest.skip("needs the right to mount a disk")
    yield folder
    subprocess.run([umount, folder], check=True)


def fill(disk: Path) -> Path:
    """Take all the room of a disk; return the file that has it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


async def test_a_state_that_is_begun_on_a_full_disk(world: World, disk: Path) -> None:
    """The same; what was answered meanwhile is written when there is room."""
    filler, month = fill(disk), world.days(30)
    async with world.client(state=disk / "state.db") as client:
        for priority in PRIORITIES:
            with pytest.raises(UsageError, match="make room on the disk"):
                await client.with_options(priority=priority).rgm_stats(world.system, **month)
        assert world.emulator.counts.sent == 0
        assert (await client.rgm_stats(world.system, **month)).coverage.complete
        filler.unlink()
    sent = world.emulator.counts.sent
    async with world.client(state=disk / "state.db") as client:
        backfill = client.with_options(priority="backfill")
        assert (await backfill.rgm_stats(world.system, **month)).coverage.complete
    assert world.emulator.counts.sent <= sent + 1  # the newest window, which is not final


async def test_a_disk_without_a_free_byte(world: World, disk: Path) -> None:
    """Nothing is bought that could not be kept, but for who waits; with room it goes on by itself."""
    async with world.client(state=disk / "state.db") as client:
        await client.rgm_stats(world.system, **world.days(1))
        filler = fill(disk)
        sent = world.emulator.counts.sent
        for priority in PRIORITIES:
            with pytest.raises(UsageError, match="make room on the disk"):
                await client.with_options(priority=priority).rgm_stats(world.system, **world.days(DAYS))
        assert world.emulator.counts.sent == sent
        answer = await client.rgm_stats(world.system, **world.days(DAYS))
        assert answer.coverage.complete
        sent = world.emulator.counts.sent
        filler.unlink()
        again = await client.with_options(priority="backfill").rgm_stats(world.system, **world.days(DAYS))
        assert again == answer
        assert world.emulator.counts.sent <= sent + 1  # the newest window, which is not final
