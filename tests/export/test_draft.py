"""A file is whole under its own name, or not there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from enlighten_async import InputError
from enlighten_async.export.draft import Draft

posix = pytest.mark.skipif(os.name != "posix", reason="processes are looked up by POSIX's rules")


def test_nobody_sees_half_a_file(tmp_path: Path) -> None:
    """The name is there when all of it is."""
    path = tmp_path / "a.csv"
    draft = Draft(path)
    draft.write(b"half, ")
    assert not path.exists()
    draft.write(b"whole")
    assert draft.commit()
    assert path.read_bytes() == b"half, whole"
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_again_leaves_the_file_alone(tmp_path: Path) -> None:
    """Its time and its number are the same; other bytes replace it, with its permissions."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"same")
    path.chmod(0o640)
    os.utime(path, (1, 1))
    before = path.stat()
    for data, changed in ((b"same", False), (b"other", True)):
        draft = Draft(path)
        draft.write(data)
        assert draft.commit() is changed
        assert (path.stat().st_ino == before.st_ino) is not changed
        assert (path.stat().st_mtime == 1) is not changed
    assert path.read_bytes() == b"other"
    assert path.stat().st_mode == before.st_mode
    assert list(tmp_path.iterdir()) == [path]


def test_what_there_is_of_it_is_kept_beside(tmp_path: Path) -> None:
    """Under a name that tells; once the whole is there, it goes."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    draft = Draft(path)
    draft.write(b"half")
    kept = draft.keep()
    assert (kept.name, kept.read_bytes(), path.read_bytes()) == ("a.csv.partial", b"half", b"old")
    draft = Draft(path)
    draft.write(b"whole")
    draft.commit()
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_one_that_is_discarded(tmp_path: Path) -> None:
    """Not even the draft."""
    draft = Draft(tmp_path / "a.csv")
    draft.write(b"half")
    draft.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """One that is missing, and one that has the file's name."""
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        Draft(tmp_path / "a.csv")
    with pytest.raises(FileNotFoundError, match="make this folder"):
        Draft(tmp_path / "none" / "a.csv")


@posix
@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    """It is not replaced, nor what a link leads to."""
    path = tmp_path / "a.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path(os.devnull)
    else:
        path.symlink_to(os.devnull)
    before = path.lstat()
    with pytest.raises(InputError, match="no regular file"):
        Draft(path)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)


@posix
def test_a_link_stays_and_its_file_is_written(tmp_path: Path) -> None:
    """Also where there is no such file yet."""
    (tmp_path / "to").mkdir()
    link, file = tmp_path / "link.csv", tmp_path / "to" / "a.csv"
    link.symlink_to(file)
    for data in (b"1", b"2"):
        draft = Draft(link)
        draft.write(data)
        assert draft.commit()
        assert (link.is_symlink(), file.read_bytes()) == (True, data)
    assert sorted(each.name for each in (tmp_path / "to").iterdir()) == ["a.csv"]


@posix
@pytest.mark.parametrize("end", ["keep", "discard"])
def test_a_disk_that_is_full_leaves_no_draft(tmp_path: Path, end: str) -> None:
    """What was written before is kept whole, or nothing is left."""
    program = """
import resource, signal, sys
from pathlib import Path
from enlighten_async.export.draft import Draft
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
draft = Draft(Path(sys.argv[1]))
draft.write(b"a row" * 1000)
try:
    draft.write(b"a row" * 2000)
except OSError:
    getattr(draft, sys.argv[2])()
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.csv"), end], check=True)
    left = {each.name: each.stat().st_size for each in tmp_path.iterdir()}
    assert left == ({"a.csv.partial": 5000} if end == "keep" else {})


@posix
def test_a_killed_process_leaves_nothing_for_good(tmp_path: Path) -> None:
    """Its draft is removed by the next; those of running processes and of other machines stay."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = socket.gethostname()
    dead = tmp_path / f".a.csv.{host}.{gone.pid}.0.tmp"
    kept = [
        tmp_path / f".a.csv.{host}.{os.getpid()}.0.tmp",
        tmp_path / f".a.csv.other-{host}.{gone.pid}.0.tmp",
        tmp_path / f".b.csv.{host}.{gone.pid}.0.tmp",
    ]
    for each in (dead, *kept):
        each.touch()
    Draft(tmp_path / "a.csv").discard()
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_two_at_a_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    """The later one to end has the name."""
    path = tmp_path / "a.csv"
    drafts = [Draft(path), Draft(path)]
    for number, draft in enumerate(drafts):
        draft.write(str(number).encode())
    for draft in drafts:
        draft.commit()
    assert path.read_bytes() == b"1"
