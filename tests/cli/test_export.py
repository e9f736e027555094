"""A file is whole under its own name, or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enlighten_async.cli.export import cell, export_to


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".CSV", ".ndjson"])
def test_nobody_sees_half_a_file(tmp_path: Path, suffix: str) -> None:
    """The name is there when the last row is."""
    path, said = tmp_path / f"a{suffix}", list[str]()
    with export_to(path, ["n"], said.append) as writer:
        writer.write_all([{"n": 1}])
        assert not path.exists()
    assert path.read_text() in {"n\n1\n", '{"n": 1}\n'}
    assert list(tmp_path.iterdir()) == [path]
    assert said == []


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError, SystemExit])
def test_whatever_ends_it_the_rows_are_kept(tmp_path: Path, end: type[BaseException]) -> None:
    """Beside the file, which stays as it was."""
    path, said = tmp_path / "a.csv", list[str]()

    def fail() -> None:
        with export_to(path, ["n"], said.append) as writer:
            writer.write_all({"n": n} for n in range(1_500))
            raise end

    with pytest.raises(end):
        fail()
    kept = tmp_path / "a.csv.partial"
    assert list(tmp_path.iterdir()) == [kept]
    assert len(kept.read_text().splitlines()) == 1_501
    assert said == [f"the 1,500 rows that arrived before the failure are in {kept}"]


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    """Renaming onto it fails; the rows are kept all the same."""
    path = tmp_path / "a.csv"
    path.mkdir()

    def write() -> None:
        with export_to(path, ["n"], lambda _: None) as writer:
            writer.write_all([{"n": 1}])

    with pytest.raises(IsADirectoryError):
        write()
    assert (tmp_path / "a.csv.partial").read_text() == "n\n1\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", r"'\t=1"),
        ("\r=1", r"'\r=1"),
        ("＝1", "'＝1"),
        (" =1", " =1"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("", ""),
        ("a\x1b[2J\u202egnp.exe\n", "a\\x1b[2J\\u202egnp.exe\n"),
        (-5, -5),
        (-0.5, -0.5),
        (None, None),
        (True, True),
    ],
)
def test_a_cell_is_no_formula(value: object, shown: object) -> None:
    """Numbers stay numbers."""
    assert cell(value) == shown


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_names_that_would_be_run(tmp_path: Path, suffix: str) -> None:
    """CSV shows them; JSON keeps them, by its own escapes."""
    path, name = tmp_path / f"a{suffix}", "=1+1\x1b\u202e"
    with export_to(path, ["name", "wh"], lambda _: None) as writer:
        writer.write_all([{"name": name, "wh": -5}])
    if suffix == ".csv":
        assert path.read_text().splitlines()[1] == r"'=1+1\x1b\u202e,-5"
    else:
        assert json.loads(path.read_text()) == {"name": name, "wh": -5}
        assert path.read_text().isascii()


def test_names_with_quotes_and_lines_survive(tmp_path: Path) -> None:
    """CSV as readers of it expect."""
    import csv  # noqa: PLC0415 - only here

    row = {"name": 'a "b", c\nd', "n": None}
    with export_to(tmp_path / "a.csv", list(row), lambda _: None) as writer:
        writer.write_all([row])
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"name": 'a "b", c\nd', "n": ""}]
