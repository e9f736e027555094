"""The resource of dlt: what is loaded, once, and what a second run costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from enlighten_async.emulator import Emulator, Quota

pytestmark = pytest.mark.dlt

dlt = pytest.importorskip("dlt")

SYSTEMS = 5


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The service at a socket, the environment of a user, and a folder for dlt."""
    monkeypatch.chdir(tmp_path)
    made = Emulator(quota=Quota.UNLIMITED, systems=SYSTEMS)
    with made.running() as url:
        environment = {"API_KEY": "any", "USER_ID": made.demo_user, "BASE_URL": url, "STATE": "enlighten.db"}
        for name, value in {**environment, "PLAN": "unlimited"}.items():
            monkeypatch.setenv(f"ENLIGHTEN_{name}", value)
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
        monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        yield made


@pytest.mark.filterwarnings("ignore")
def test_rows_are_loaded_once(emulator: Emulator, tmp_path: Path) -> None:
    """Into DuckDB; the second run asks for what is due alone."""
    import duckdb  # noqa: PLC0415 - comes with dlt

    from examples.dlt_resource import rgm_stats  # noqa: PLC0415 - needs dlt

    sent = []
    for _ in range(2):
        place = dlt.destinations.duckdb(str(tmp_path / "solar.duckdb"))
        dlt.pipeline("solar", destination=place, dataset_name="fleet").run(rgm_stats())
        sent.append(emulator.counts.sent)
    with duckdb.connect(str(tmp_path / "solar.duckdb")) as database:
        query = "SELECT count(*), count(DISTINCT (system_id, end_at)), count(DISTINCT system_id)"
        [(rows, keys, systems)] = database.sql(f"{query} FROM fleet.rgm_stats").fetchall()
    assert rows == keys > 600
    assert systems >= SYSTEMS - 1
    assert sent[0] == SYSTEMS + 1
    assert sent[1] - sent[0] <= SYSTEMS - systems
