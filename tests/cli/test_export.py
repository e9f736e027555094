"""A file is whole under its own name, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from enlighten_async.cli.export import export_to


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


def test_names_with_quotes_and_lines_survive(tmp_path: Path) -> None:
    """CSV as readers of it expect."""
    import csv  # noqa: PLC0415 - only here

    row = {"name": 'a "b", c\nd', "n": None}
    with export_to(tmp_path / "a.csv", list(row), lambda _: None) as writer:
        writer.write_all([row])
    with (tmp_path / "a.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [{"name": 'a "b", c\nd', "n": ""}]
